-- Layers that normalise samples by themselves, maxout, global_avg_pool and minibatch_stddev, against sums worked by
-- hand.

local gan = require "ganlua"
local nn = gan.nn

local function near(wanted, got, tolerance)
  assert.same(wanted:shape(), got:shape())
  local difference = (got - wanted):abs():max():item()
  assert.is_true(difference <= (tolerance or 1e-5), ("off by %g"):format(difference))
end

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, "no error; wanted: " .. text)
  assert.matches(text, message, 1, true)
end

describe("group_norm", function()
  it("normalises over the pixels and channels of a group", function()
    local x = gan.randn(2, 3, 3, 6) * 3 + 1
    local y = nn.group_norm { groups = 2 }(x)
    local groups = y:reshape(2, 9, 2, 3)
    near(gan.zeros(2, 2), groups:mean { 2, 4 })
    near(gan.ones(2, 2), (groups * groups):mean { 2, 4 }, 1e-4)
  end)

  it("with one group is layer_norm of the whole picture, with a group a channel instance_norm", function()
    local x = gan.randn(2, 4, 3, 6)
    near(nn.layer_norm { dims = 3 }(x), nn.group_norm { groups = 1 }(x))
    near(nn.instance_norm {}(x), nn.group_norm { groups = 6 }(x))
  end)

  it("says which channels do not fit", function()
    refuses("group_norm: 6 channels cannot be split into 4 groups", nn.group_norm { groups = 4 }, gan.zeros(1, 2, 2, 6))
    local m = nn.group_norm { groups = 2 }:build { 1, 2, 2, 6 }
    refuses("group_norm: wanted an N x ... x 6 input, got 1x2x2x4", m, gan.zeros(1, 2, 2, 4))
  end)
end)

describe("instance_norm", function()
  it("has weights only where asked", function()
    assert.equal(0, #nn.instance_norm {}:build({ 1, 2, 2, 3 }):parameters())
    assert.same({ 3 }, nn.instance_norm { affine = true }:build({ 1, 2, 2, 3 }).weight:shape())
    refuses("instance_norm: wanted an N x H x W x C input, got 2x3", nn.instance_norm {}, gan.zeros(2, 3))
  end)
end)

it("pixel_norm divides by the root mean square of the channels", function()
  near(gan.tensor { { 3 / 12.5 ^ 0.5, 4 / 12.5 ^ 0.5 }, { 0, 0 } }, nn.pixel_norm {}(gan.tensor { { 3, 4 }, { 0, 0 } }))
end)

it("maxout keeps the largest of neighbouring channels", function()
  near(gan.tensor { { 5, -1 } }, nn.maxout { pieces = 3 }(gan.tensor { { 1, 5, 2, -4, -1, -3 } }))
  refuses("maxout: wanted an N x ... x C input whose C is a multiple of 4, got 1x6", nn.maxout { pieces = 4 },
    gan.zeros(1, 6))
end)

it("global_avg_pool is the mean over all pixels", function()
  near(gan.tensor { { 2.5 } }, nn.global_avg_pool {}(gan.tensor { { { { 1 }, { 2 } }, { { 3 }, { 4 } } } }))
end)

describe("minibatch_stddev", function()
  it("adds each group's mean deviation as a channel", function()
    -- Groups of two: pictures 1 and 3 (deviation 1), 2 and 4 (deviation 3).
    local x = gan.tensor { 0, 10, 2, 16 }:reshape(4, 1, 1, 1)
    near(gan.tensor { 1, 3, 1, 3 }, nn.minibatch_stddev { group = 2 }(x):narrow(4, 2, 1):reshape(4))
  end)

  it("takes a small batch whole, and refuses one that leaves a rest", function()
    assert.same({ 3, 2, 2, 6 }, nn.minibatch_stddev {}(gan.randn(3, 2, 2, 5)):shape())
    refuses("minibatch_stddev: a batch of 6 cannot be split into groups of 4", nn.minibatch_stddev {},
      gan.zeros(6, 1, 1, 1))
  end)
end)
