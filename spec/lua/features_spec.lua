-- gan.features: a classifier that learns, what it is used for, its file.

local gan = require "ganlua"
local core = require "ganlua.core"

local path = os.tmpname()
teardown(function() os.remove(path) end)

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(text, message, 1, true)
end

-- Pictures of 12 x 12 in three classes: a bright bar, lying, standing or none, at a random place.
local function bars(count)
  gan.seed(2)
  return gan.data.from(function(i)
    local class, at, rows = (i - 1) % 3, gan.rand(1):item() * 12 // 1 + 1, {}
    for y = 1, 12 do
      rows[y] = {}
      for x = 1, 12 do rows[y][x] = { (class == 0 and y == at or class == 1 and x == at) and 1 or -0.8 } end
    end
    return gan.tensor(rows) + gan.randn(12, 12, 1) * 0.1, class
  end, { count = count })
end

describe("gan.features.train", function()
  local data = bars(300)
  local f = gan.features.train { data = data, iterations = 200, batch = 32, dim = 16, progress = false }

  it("learns to tell classes apart, and says how well on examples that it was not shown", function()
    assert.is_true(f.accuracy > 0.9, f.accuracy)
    assert.equal(3, f.classes)
    assert.matches("features of 12x12x1, 16 numbers each, by a classifier of 3 classes", tostring(f), 1, true)
  end)

  it("gives features and probabilities, of one example whatever the others are", function()
    local examples, labels = data:batch(300, 1)
    local all = f(examples)
    assert.same({ 300, 16 }, all:shape())
    assert.is_true((f(examples:narrow(1, 7, 1)) - all:narrow(1, 7, 1)):abs():max():item() < 1e-3)
    local p = f:probabilities(examples)
    assert.is_true((p:sum(2) - 1):abs():max():item() < 1e-5)
    assert.is_true(p:argmax(2):eq(labels + 1):mean():item() > 0.9)
    assert.is_true(gan.metrics.classifier_score(p) > 1.9)
  end)

  it("gives the same features for the same seed, and leaves the script's random numbers alone", function()
    gan.seed(9)
    local before = gan.rand(1):item()
    gan.seed(9)
    local g = gan.features.train { data = data, iterations = 200, batch = 32, dim = 16, progress = false }
    assert.equal(before, gan.rand(1):item())
    assert.equal(core.safetensors_encode(f:state()), core.safetensors_encode(g:state()))
  end)

  it("is saved by gan.save and taken up again", function()
    gan.save(path, f:state())
    local examples = data:batch(20, 1)
    for _, g in ipairs { gan.features.load(path), gan.features.load(gan.load(path)) } do
      assert.same(f(examples):totable(), g(examples):totable())
      assert.same(f:probabilities(examples):totable(), g:probabilities(examples):totable())
    end
  end)

  it("sees a generator that leaves out a class: distance up, coverage down, score down", function()
    local function of(class, k)
      local examples, labels = data:batch(300, k)
      if not class then return examples end
      local places = {}
      for i, label in ipairs(labels:totable()) do
        if label ~= class then places[#places + 1] = i end
      end
      return examples:index(1, places)
    end
    local real = f(of(nil, 1))
    local whole, part = f(of(nil, 2) + gan.randn(300, 12, 12, 1) * 0.02), f(of(1, 2))
    assert.is_true(gan.metrics.frechet(real, part) > 5 * gan.metrics.frechet(real, whole))
    assert.is_true(gan.metrics.density_coverage(real, part).coverage < 0.75)
    assert.is_true(gan.metrics.classifier_score(f:probabilities(of(1, 2)))
      < gan.metrics.classifier_score(f:probabilities(of(nil, 2))))
  end)

  it("knows every class of the data, however few examples it has", function()
    local labels = {}
    for i = 1, 3000 do labels[i] = i == 3000 and 9 or i % 3 end
    local points = gan.data.tensor(gan.rand(3000, 2), gan.tensor(labels))
    assert.equal(10, gan.features.train { data = points, iterations = 1, progress = false }.classes)
    points.classes = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "never seen" }
    assert.equal(11, gan.features.train { data = points, iterations = 1, progress = false }.classes)
  end)

  it("takes points too", function()
    local points = gan.data.from(function(i)
      return gan.randn(2) * 0.1 + (i % 2) * 3, i % 2
    end, { count = 200 })
    local g = gan.features.train { data = points, iterations = 50, dim = 4, progress = false }
    assert.is_true(g.accuracy > 0.95)
    assert.same({ 3, 4 }, g(gan.zeros(3, 2)):shape())
  end)

  it("refuses data without labels, other examples, other files", function()
    refuses("the data has no labels", gan.features.train,
      { data = gan.data.tensor(gan.rand(40, 3)), progress = false })
    refuses("option 'data' must be a data set with labels", gan.features.train, { data = gan.zeros(3) })
    refuses("features: wanted examples N x 12x12x1, got a 2x12x12 tensor", f, gan.zeros(2, 12, 12))
    refuses("does not hold what gan.features made", gan.features.load, { shape = gan.tensor { 3 } })
    refuses("wanted a path or a table of tensors, got 7", gan.features.load, 7)
    local tensors = f:state()
    tensors["head.2.bias"] = gan.zeros(9)
    refuses("'2.bias' must be 3, got 9", gan.features.load, tensors)
  end)
end)
