-- gan.metrics: cases computed by hand, what a perfect sampler scores, what is said about bad input.

local gan = require "ganlua"
local metrics = require "ganlua.metrics"

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(text, message, 1, true)
end

-- Four centres on the corners of a square.
local corners = gan.tensor { { 0, 0 }, { 1, 0 }, { 0, 1 }, { 1, 1 } }

describe("metrics.modes", function()
  it("counts a sample within three deviations of its nearest centre, Euclidean", function()
    local m = metrics.modes(gan.tensor {
      { 0.029, 0 }, -- 2.9 deviations: good
      { 0.022, 0.022 }, -- 2.2 along each axis, 3.1 together: not good
      { 1.02, 0.02 }, -- 2.8 together: good
      { 0.5, 0.5 }, -- nobody's
    }, corners, 0.01)
    assert.equal(0.5, m.high_quality)
    assert.equal(2, m.modes)
    assert.same({ 1, 1, 0, 0 }, m.counts)
  end)

  it("has ln K minus the histogram's entropy as reverse KL", function()
    -- Three of four samples at one centre, one at another: entropy of {3/4, 1/4}.
    local m = metrics.modes(gan.tensor { { 0, 0 }, { 0, 0 }, { 0, 0 }, { 1, 1 }, { 7, 7 } }, corners, 0.01)
    local entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert.is_near(math.log(4) - entropy, m.reverse_kl, 1e-6)
    assert.is_near(0.8, m.high_quality, 1e-12)
    assert.is_near(0, metrics.modes(corners, corners, 0.01).reverse_kl, 1e-12)
    assert.is_near(math.log(4), metrics.modes(gan.tensor { { 0, 1 } }, corners, 0.01).reverse_kl, 1e-12)
  end)

  it("measures the spread around each mode's own mean, per dimension", function()
    -- Around the mean (0.005, 0): squares 0.0001 + 0.0001 over two samples and two dimensions.
    local m = metrics.modes(gan.tensor { { -0.005, 0 }, { 0.015, 0 }, { 1, 1 }, { 1, 1 } }, corners, 0.01)
    assert.is_near(math.sqrt(0.5), m.spread[1], 1e-5)
    assert.same({ 0, 0, 0 }, { m.spread[2], m.spread[3], m.spread[4] })
  end)

  it("gives a perfect sampler 98.89 %, all modes, a spread of 0.974 and hardly any reverse KL", function()
    local chance = math.exp(-4.5)
    for _, row in ipairs { { gan.data.ring {}, 8 }, { gan.data.grid {}, 25 } } do
      gan.seed(3)
      local data, modes = table.unpack(row)
      local samples = data:batch(200000)
      local m = metrics.modes(samples, data.centres, data.std)
      assert.equal(modes, m.modes)
      assert.is_near(1 - chance, m.high_quality, 1e-3)
      assert.is_true(m.reverse_kl >= 0 and m.reverse_kl < 5e-4)
      for _, spread in ipairs(m.spread) do
        assert.is_near(math.sqrt(1 - 4.5 * chance / (1 - chance)), spread, 0.02)
      end
    end
  end)

  it("sees through a sampler that collapsed onto the centres", function()
    local m = metrics.modes(corners, corners, 0.01)
    assert.equal(1, m.high_quality)
    assert.same({ 0, 0, 0, 0 }, m.spread)
  end)

  it("scores ln K where no sample is of high quality", function()
    local m = metrics.modes(gan.tensor { { 5, 5 } }, corners, 0.01)
    assert.same({ 0, 0 }, { m.modes, m.high_quality })
    assert.is_near(math.log(4), m.reverse_kl, 1e-12)
    assert.same({ 0, 0, 0, 0 }, m.spread)
  end)

  it("takes points of any dimension", function()
    local centres = gan.tensor { { 0 }, { 10 } }
    local m = metrics.modes(gan.tensor { { -1 }, { 1 }, { 10 } }, centres, 1)
    assert.same({ 2, 1 }, m.counts)
    assert.is_near(1, m.spread[1], 1e-6)
  end)

  it("refuses what are no points, no centres and no deviation", function()
    local points = gan.zeros(3, 2)
    refuses("modes: samples must be points, n x 2, got a 3x3 tensor", metrics.modes, gan.zeros(3, 3), corners, 1)
    refuses("modes: samples must be points, n x 2, got nothing", metrics.modes, nil, corners, 1)
    refuses("modes: centres must be points, n x dimensions, got a 3 tensor", metrics.modes, points, gan.zeros(3), 1)
    refuses("modes: std must be a number above 0, got 0", metrics.modes, points, corners, 0)
    refuses("modes: samples are not all finite", metrics.modes, gan.tensor { { 0 / 0, 1 } }, corners, 1)
  end)

  it("are named where they are asked for by the names of other programs", function()
    refuses("gan.metrics has no 'fid' (it is called 'frechet')", function() return metrics.fid end)
    refuses("gan.metrics has no 'frechett' (did you mean 'frechet'?)", function() return metrics.frechett end)
    for elsewhere, here in pairs(require "ganlua.metrics.called") do
      assert.is_function(metrics[here])
      assert.is_nil(rawget(metrics, elsewhere))
    end
  end)
end)
