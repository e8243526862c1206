-- gan.metrics of two sets: against numpy and scipy (spec/reference/metrics.lua), against closed forms, and what is said
-- about bad input.

local gan = require "ganlua"
local core = require "ganlua.core"
local metrics = gan.metrics

local folder = debug.getinfo(1, "S").source:match "^@(.*)lua/measures_spec%.lua$"
local shell = dofile(folder .. "cli/shell.lua")
local wanted = dofile(folder .. "reference/metrics.lua")
local real, fake = gan.tensor(wanted.real), gan.tensor(wanted.fake)
local held_out, probabilities = gan.tensor(wanted.held_out), gan.tensor(wanted.probabilities)

local function near(expected, got, relative)
  local bound = (relative or 1e-4) * math.abs(expected)
  assert(math.abs(got - expected) <= bound, ("%.9g, wanted %.9g"):format(got, expected))
end

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(text, message, 1, true)
end

describe("a measure agrees with numpy and scipy:", function()
  it("the Frechet distance, both ways round", function()
    near(wanted.frechet, metrics.frechet(real, fake))
    near(wanted.frechet, metrics.frechet(fake, real))
  end)

  it("KID and its jackknife's error; the mean over random subsets lies within that error", function()
    local value, deviation = metrics.kid(real, fake)
    near(wanted.kid, value)
    near(wanted.kid_error, deviation)
    assert.is_true(math.abs(wanted.kid_of_subsets - value) < deviation)
  end)

  it("precision, recall, density and coverage", function()
    local one, other = metrics.precision_recall(real, fake), metrics.density_coverage(real, fake)
    near(wanted.precision, one.precision, 1e-6)
    near(wanted.recall, one.recall, 1e-6)
    near(wanted.density, other.density, 1e-6)
    near(wanted.coverage, other.coverage, 1e-6)
  end)

  it("the sliced Wasserstein distance of sets of different size", function()
    near(wanted.sliced_wasserstein,
      metrics.sliced_wasserstein(real, fake, { directions = gan.tensor(wanted.directions) }))
  end)

  it("the classifier score, whole and in parts", function()
    near(wanted.classifier_score, (metrics.classifier_score(probabilities)))
    near(wanted.score_of_three, (metrics.classifier_score(probabilities, { splits = 3 })))
  end)

  it("the test for copying, with samples that are copies", function()
    local test = metrics.copying(fake, real, held_out)
    near(wanted.copying_z, test.z)
    near(wanted.copying_closer, test.closer)
  end)
end)

describe("metrics.frechet", function()
  it("is 0 for a set and itself, and the shift's square where only that differs", function()
    assert.is_near(0, metrics.frechet(real, real), 1e-9)
    assert.is_near(6 * 0.25, metrics.frechet(real, real + 0.5), 1e-5)
    assert.is_near(0, metrics.frechet(real:narrow(1, 1, 3), real:narrow(1, 1, 3)), 1e-6) -- fewer samples than features
  end)

  it("has the closed form of two normal distributions", function()
    gan.seed(4)
    -- Diagonal covariances: the sum of (s_a - s_b)^2 and of the means' squares.
    local a = gan.randn(20000, 3) * gan.tensor { { 1, 2, 0.5 } }
    local b = gan.randn(20000, 3) * gan.tensor { { 2, 2, 1 } } + 1
    near(1 + 0 + 0.25 + 3, metrics.frechet(a, b), 0.03)
  end)

  it("is the same number on any number of threads, as all of them are", function()
    local script = [[
      local gan, core = require "ganlua", require "ganlua.core"
      local a, b = gan.randn(700, 150), gan.randn(600, 150)
      local places, distances = core.nearest(a, b, 2)
      local counts = core.ball_counts(a, b, 3, false)
      print(("%a %a %a"):format(core.frechet(a, b), core.kid(a, b)))
      print(("%a"):format(core.sliced_wasserstein(a, b, gan.randn(5, 150))))
      for _, t in ipairs { places, distances, counts } do print(core.checksum(core.safetensors_encode { t = t })) end
    ]]
    local one = shell.run { shell.ganlua, "--threads", "1", "-e", script }
    assert.equal("", one.err)
    assert.equal(one.out, shell.run({ shell.ganlua, "--threads", "3", "-e", script }).out)
  end)
end)

describe("metrics.kid", function()
  it("is within its error of 0 for two sets of one distribution, and beyond it for others", function()
    local off = 0
    for seed = 1, 20 do
      gan.seed(seed)
      local value, deviation = metrics.kid(gan.randn(300, 8), gan.randn(300, 8))
      if math.abs(value) > 2 * deviation then off = off + 1 end
    end
    assert.is_true(off <= 3, off)
    local value, deviation = metrics.kid(gan.randn(300, 8), gan.randn(300, 8) + 0.3)
    assert.is_true(value > 4 * deviation)
  end)
end)

describe("metrics.precision_recall and density_coverage", function()
  it("tell a generator that makes one mode from one that makes too much", function()
    gan.seed(6)
    local both = gan.concat { gan.randn(200, 2), gan.randn(200, 2) + 20 }
    local one_mode = gan.randn(400, 2)
    local too_much = gan.concat { gan.randn(200, 2), gan.randn(200, 2) + 20, gan.randn(400, 2) - 20 }
    local narrow, wide = metrics.precision_recall(both, one_mode), metrics.precision_recall(both, too_much)
    assert.is_true(narrow.precision > 0.9 and narrow.recall < 0.55)
    assert.is_true(wide.precision < 0.55 and wide.recall > 0.9)
    assert.is_true(metrics.density_coverage(both, one_mode).coverage < 0.55)
    local same = metrics.density_coverage(both, gan.concat { gan.randn(200, 2), gan.randn(200, 2) + 20 })
    assert.is_true(same.coverage > 0.9 and math.abs(same.density - 1) < 0.2)
  end)
end)

describe("metrics.nearest", function()
  it("gives places and distances, nearest first, and 0 for a copy", function()
    local set = gan.tensor { { 0, 0 }, { 3, 4 }, { 0, 1 } }
    local places, distances = metrics.nearest(gan.tensor { { 0, 0 }, { 3, 3 } }, set, { count = 2 })
    assert.same({ { 1, 3 }, { 2, 3 } }, places:totable())
    assert.same({ 0, 1 }, distances[1]:totable())
    assert.is_near(1, distances[2]:totable()[1], 1e-6)
  end)
end)

describe("metrics.copying", function()
  it("sees a generator that repeats its training samples, and lets one pass that does not", function()
    gan.seed(7)
    local training = gan.randn(400, 4)
    local copies = training:narrow(1, 1, 200) + gan.randn(200, 4) * 0.05
    local test = metrics.copying(copies, training, gan.randn(200, 4))
    assert.is_true(test.z < -8 and test.closer > 0.8)
    assert.is_true(math.abs(metrics.copying(gan.randn(200, 4), training, gan.randn(200, 4)).z) < 3)
    assert.is_true(metrics.copying(gan.randn(200, 4) * 3, training, gan.randn(200, 4)).z > 5)
  end)
end)

describe("metrics.classifier_score", function()
  it("is the number of classes at best and 1 at worst", function()
    assert.is_near(3, (metrics.classifier_score(gan.tensor { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } })), 1e-5)
    assert.is_near(1, (metrics.classifier_score(gan.tensor { { 0.2, 0.8 }, { 0.2, 0.8 } })), 1e-5)
  end)
end)

describe("a measure refuses", function()
  it("what are no sets, sets that are too small, and numbers that are not finite", function()
    refuses("metrics.frechet: the first features must be samples, n x features with n at least 2, got a 3 tensor",
      metrics.frechet, gan.zeros(3), fake)
    refuses("the second features must be samples, n x 6 with n at least 2, got a 4x5 tensor", metrics.frechet, real,
      gan.zeros(4, 5))
    refuses("metrics.kid: the second features must be samples, n x 6 with n at least 3, got a 2x6 tensor", metrics.kid,
      real, gan.zeros(2, 6))
    refuses("metrics.frechet: the first features are not all finite", metrics.frechet,
      gan.full({ 3, 6 }, 0 / 0), real)
    refuses("precision_recall: the generated features must be samples, n x 6 with n at least 4, got a 3x6 tensor",
      metrics.precision_recall, real, gan.zeros(3, 6))
    refuses("option 'k' must be a positive integer, got 0", metrics.density_coverage, real, fake, { k = 0 })
    refuses("the directions must be samples, n x 6", metrics.sliced_wasserstein, real, fake,
      { directions = gan.zeros(3, 2) })
    refuses("direction 1 has no length", metrics.sliced_wasserstein, real, fake, { directions = gan.zeros(3, 6) })
    refuses("must be from 0 on and add up to 1", metrics.classifier_score, gan.ones(3, 2))
    refuses("wanted probabilities, n x classes", metrics.classifier_score, gan.ones(3))
    refuses("the set's must be samples, n x features with n at least 61", metrics.nearest, fake, real, { count = 61 })
  end)

  local faults = { memory = core.fail_allocations, cancelled = core.cancel_after }
  for word, fail in pairs(faults) do
    it("to go on, and leaks nothing, where it runs into trouble at any point: " .. word, function()
      for name, measure in pairs { frechet = core.frechet, kid = core.kid,
        sliced = function(a, b) return core.sliced_wasserstein(a, b, gan.tensor(wanted.directions)) end,
        nearest = function(a, b) return core.nearest(a, b, 2) end,
        balls = function(a, b) return core.ball_counts(a, b, 2, true) end } do
        collectgarbage()
        local before, n = core.memory().tensors, 0
        repeat
          n = n + 1
          fail(n)
          local fine, message = pcall(measure, real, fake)
          fail(0)
          assert(fine or message:lower():find(word, 1, true), message)
          collectgarbage()
          assert(fine or core.memory().tensors == before, name)
        until fine
        assert(n > 1, name)
      end
    end)
  end
end)
