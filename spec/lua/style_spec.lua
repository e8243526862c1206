-- self_attention, max_pool and the layers of StyleGAN's networks: how they start, what they refuse, what is exact.
-- (Their numbers beside PyTorch's: reference_spec.lua; their gradients: spec/core/compositions.lua.)

local gan = require "ganlua"
local core = require "ganlua.core"
local nn = gan.nn

local function near(wanted, got, within)
  assert.same(wanted:shape(), got:shape())
  local off = (got - wanted):abs():max():item()
  assert.is_true(off <= (within or 1e-5), ("off by %g"):format(off))
end

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, "no error; wanted: " .. text)
  assert.matches(text, message, 1, true)
end

local function names(m)
  local list = {}
  for name in pairs(m:named_parameters()) do list[#list + 1] = name end
  return table.concat(list, " ")
end

describe("max_pool", function()
  it("wants a picture with room for a window", function()
    refuses("max_pool: wanted an image of at least 3 x 3, got 1x2x5x1", nn.max_pool { kernel = 3 },
      gan.zeros(1, 2, 5, 1))
    refuses("max_pool: wanted an N x H x W x C input, got 2x2", nn.max_pool { kernel = 2 }, gan.zeros(2, 2))
  end)
end)

describe("self_attention", function()
  it("starts by changing nothing, and learns to", function()
    local m, x = nn.self_attention {}, gan.randn(2, 3, 3, 16)
    assert.same(x:totable(), m(x):totable())
    assert.same({ 1, 1, 16, 2 }, m.query.weight:shape())
    assert.equal("gamma query.weight key.weight value.weight out.weight", names(m))
    local slope = gan.grad((m(x) * gan.randn(2, 3, 3, 16)):sum(), { m.gamma })[1]
    assert.is_true(slope:abs():item() > 0)
  end)

  it("may have its weights divided by their largest singular value", function()
    local m = nn.self_attention { spectral = true, reduce = 4 }:build { 1, 2, 2, 8 }
    assert.equal("gamma query.weight key.weight value.weight out.weight", names(m))
    assert.is_truthy(m:state()["value.weight_u"])
    refuses("self_attention: wanted an N x H x W x C input, got 2x8", m, gan.zeros(2, 8))
  end)
end)

describe("equalized", function()
  it("starts as a layer whose outputs are as large as its inputs, times the gain", function()
    local m = nn.equalized { nn.linear { out = 500 }, gain = 3 }
    assert.is_near(3, m(gan.randn(64, 400)):var():item() ^ 0.5, 0.15)
    local slow = nn.equalized { nn.linear { out = 500 }, rate = 0.01, bias = 2 }
    local y = slow(gan.randn(64, 400))
    assert.is_near(1, y:var():item() ^ 0.5, 0.05)
    assert.is_near(2, y:mean():item(), 0.05)
    assert.is_near(100, slow.layer.weight:var():item() ^ 0.5, 5)
    assert.equal("weight bias", names(slow))
    assert.equal("equalized{linear{out=500}, rate=0.01, bias=2}: 200500 parameters, output 500",
      (tostring(slow):match "[^\n]*"))
  end)

  it("is done in one with the layers around it", function()
    local m = nn.sequential {
      nn.equalized { nn.conv2d { out = 3, kernel = 3, pad = 1 }, gain = 1.5 }, nn.avg_pool { kernel = 2 },
      nn.leaky_relu {},
    }
    local x = gan.randn(2, 6, 6, 2)
    local one_by_one = m(x) -- the first call builds, layer by layer
    near(one_by_one, m(x), 1e-4)
  end)

  it("takes a linear or a conv2d alone", function()
    refuses("equalized: wanted a linear or conv2d, got relu", nn.equalized { nn.relu {} }, gan.zeros(2, 2))
    refuses("option 'layer' must be a layer, got 3", nn.equalized, 3)
    refuses("option 'rate' must be a positive number, got 0", nn.equalized, { nn.linear { out = 1 }, rate = 0 })
  end)
end)

describe("modulated_conv2d", function()
  it("gives every channel a variance of 1, whatever the style's size", function()
    local m = nn.modulated_conv2d { out = 40, kernel = 3 }
    local x = gan.randn(4, 12, 12, 30)
    for _, size in ipairs { 0.1, 10 } do
      local inside = m(x, gan.randn(4, 8) * size):narrow(2, 2, 10):narrow(3, 2, 10)
      assert.is_near(1, inside:var():item() ^ 0.5, 0.05)
    end
  end)

  it("wants a style beside the pictures", function()
    local m = nn.modulated_conv2d { out = 2, kernel = 3 }
    refuses("modulated_conv2d: wanted a style of 2 x numbers beside the input, m(x, w), got nothing", m,
      gan.zeros(2, 4, 4, 3))
    refuses("got a 3x5 tensor", m, gan.zeros(2, 4, 4, 3), gan.zeros(3, 5))
    m(gan.zeros(2, 4, 4, 3), gan.zeros(2, 5))
    refuses("wanted an N x H x W x 3 input, got 2x4x4x4", m, gan.zeros(2, 4, 4, 4), gan.zeros(2, 5))
    refuses("option 'kernel' must be odd, got 2", nn.modulated_conv2d, { out = 1, kernel = 2 })
  end)
end)

describe("pixel_noise", function()
  it("starts without noise; draws it in training, and keeps one picture of it for evaluation", function()
    local m, x = nn.pixel_noise {}, gan.zeros(2, 3, 3, 4)
    assert.same(x:totable(), m(x):totable())
    m.strength:fill_(1)
    local a, b = m(x), m(x)
    assert.is_true((a - b):abs():max():item() > 0.1)
    assert.same(a:narrow(4, 1, 1):totable(), a:narrow(4, 3, 1):totable())
    m:eval()
    assert.same(m(x):totable(), m(x):totable())
    refuses("pixel_noise: wanted pictures of 3x3, got 1x4x4x4", m, gan.zeros(1, 4, 4, 4))
  end)
end)

describe("style_mixing", function()
  -- A mapping that changes nothing: the styles are the latents.
  local function mixing(options)
    options.mapping = nn.sequential { nn.dropout { p = 0 } }
    return nn.style_mixing(options)
  end

  it("gives a sample's layers its style up to a layer drawn for it, then those of another latent", function()
    local n, layers = 4000, 4
    local m, z = mixing { layers = layers }, gan.randn(n, 2)
    local w = m(z)
    assert.same({ n, layers, 2 }, w:shape())
    local own, all, counts, others = z:totable(), w:totable(), { 0, 0, 0, 0 }, {}
    for i = 1, n do
      local first = all[i]
      assert.same(own[i], first[1])
      local after = 1
      while after < layers and first[after + 1][1] == own[i][1] do after = after + 1 end
      counts[after] = counts[after] + 1
      for k = 2, after do assert.same(own[i], first[k]) end
      for k = after + 1, layers do assert.same(first[layers], first[k]) end
      if after < layers then others[#others + 1] = first[layers] end
    end
    assert.is_near(0.1, counts[4] / n, 0.02) -- unmixed; six times its standard error is 0.028
    for after = 1, 3 do assert.is_near(0.3, counts[after] / n, 0.035) end
    local second = gan.tensor(others)
    assert.is_near(0, second:mean():item(), 0.06)
    assert.is_near(1, second:var():item(), 0.1)
  end)

  it("is exact where there is but one way to mix", function()
    local m = nn.style_mixing { mapping = nn.linear { out = 1, bias = false }, layers = 2, mixing = 1 }
    m:build { 1, 2 }
    m.mapping.weight:copy_(gan.tensor { { 2 }, { -3 } })
    gan.seed(5)
    local second = gan.randn(2, 2)
    gan.seed(5)
    local w = m(gan.tensor { { 1, 4 }, { 0.5, -1 } })
    for i, own in ipairs { 2 * 1 - 3 * 4, 2 * 0.5 + 3 } do
      assert.equal(own, w[i][1]:item())
      assert.is_near(2 * second[i][1]:item() - 3 * second[i][2]:item(), w[i][2]:item(), 1e-5)
    end
  end)

  it("mixes nothing in eval, with mixing = 0 and with one layer, and draws nothing then", function()
    local z = gan.randn(3, 2)
    for _, m in ipairs { mixing { layers = 3 }:eval(), mixing { layers = 3, mixing = 0 }, mixing { layers = 1 } } do
      local before, o = core.get_random(), m.options
      assert.same(z:reshape(3, 1, 2):expand { 3, o.layers, 2 }:totable(), m(z):totable())
      assert.same(before, core.get_random())
    end
  end)

  it("draws styles towards their mean, which follows the batches of training", function()
    local m = mixing { layers = 2, mixing = 0, decay = 0.75, truncation = 0.5 }
    m(gan.tensor { { 2, 4 }, { 6, 0 } }) -- the mean: 0.25 * {4, 2}
    assert.same({ 1, 0.5 }, m.mean:totable())
    m:eval()
    assert.same({ { { 3, -1 }, { 3, -1 } } }, m(gan.tensor { { 5, -2.5 } }):totable())
    assert.same({ 1, 0.5 }, m:state().mean:totable())
    m.truncation = 0
    assert.same({ 1, 0.5 }, m(gan.randn(1, 2))[1][2]:totable())
    assert.equal("style_mixing{layers=2, mixing=0, truncation=0}", (tostring(m):match "^[^:]*"))
  end)

  it("wants a mapping that gives numbers", function()
    refuses("style_mixing: the mapping must give N x style, got N x 1x2x1",
      nn.style_mixing { mapping = nn.reshape { 1, 2, 1 }, layers = 2 }, gan.zeros(1, 2))
    refuses("option 'mapping' must be a module, got 3", nn.style_mixing, { mapping = 3, layers = 2 })
    refuses("option 'mixing' must be", nn.style_mixing, { mapping = nn.relu {}, layers = 2, mixing = 1.5 })
  end)
end)
