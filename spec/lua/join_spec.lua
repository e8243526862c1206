-- Layers that a sequence runs as one: equal to the layers one by one, in value, first and second derivatives.

local gan = require "ganlua"
local core = require "ganlua.core"
local nn = gan.nn

-- The greatest difference, by the greatest number.
local function difference(a, b)
  assert.same(a:shape(), b:shape())
  return (a - b):abs():max():item() / (b:abs():max():item() + 1e-12)
end

local function alike(wanted, found, what)
  for i, each in ipairs(wanted) do
    local off = difference(found[i], each)
    assert.is_true(off < 1e-5, ("%s %d differs by %.1e"):format(what, i, off))
  end
end

-- A sequence of two layers, built for pictures of this size, and the same function layer by layer.
local function pair(first, second, size)
  local m = nn.sequential { first, second }
  m:build { 2, size, size, 3 }
  m:eval()
  return m, function(x) return m[2](m[1](x)) end
end

-- Whether a call resamples nothing on its own.
local function is_joined(m)
  local p = gan.profile(function() m(gan.randn(1, 8, 8, 3)) end)
  for _, row in ipairs(p.ops) do
    if row.name == "upsample_nearest" or row.name == "avg_pool" then return false end
  end
  return true
end

local cases = {} -- kind, kernel, pad, scale
for _, kernel_and_pad in ipairs { { 3, 1 }, { 1, 0 }, { 5, 2 }, { 2, 0 }, { 4, 1 }, { 3, 0 } } do
  for _, kind in ipairs { "upsample", "avg_pool" } do
    for scale = 2, 3 do cases[#cases + 1] = { kind, kernel_and_pad[1], kernel_and_pad[2], scale } end
  end
end

local function layers_of(kind, kernel, pad, scale, normed)
  local conv = nn.conv2d { out = 5, kernel = kernel, pad = pad }
  if normed then conv = nn.spectral_norm(conv) end
  if kind == "upsample" then return nn.upsample { scale = scale }, conv end
  return conv, nn.avg_pool { kernel = scale }
end

describe("a sequence of a convolution and a resampling", function()
  before_each(function() gan.seed(1) end) -- second derivatives of unlucky numbers are off by more

  for _, case in ipairs(cases) do
    it(("equals its layers to second order: %s, kernel %d, pad %d, scale %d"):format(table.unpack(case)), function()
      for _, size in ipairs { 8, 9 } do
        for _, normed in ipairs { false, true } do
          local first, second = layers_of(case[1], case[2], case[3], case[4], normed)
          local m, plain = pair(first, second, size)
          local x = gan.randn(2, size, size, 3)
          local targets, weight = { x, table.unpack(m:parameters()) }, gan.randn(m(x):shape())
          local function slopes(f) return gan.grad((f(x) * weight):tanh():sum(), targets, { create_graph = true }) end
          local function bends(gradients)
            return gan.grad(gradients[1]:square():sum(), targets, { unused = "zero" })
          end
          local wanted, found = slopes(plain), slopes(m)
          alike({ plain(x) }, { m(x) }, "output")
          alike(wanted, found, "gradient")
          alike(bends(wanted), bends(found), "second derivative")
        end
      end
    end)
  end

  it("takes the activation behind them along", function()
    for _, kind in ipairs { "upsample", "avg_pool" } do
      local first, second = layers_of(kind, 3, 1, 2, true)
      local m = nn.sequential { first, second, nn.leaky_relu {} }
      m:build { 2, 8, 8, 3 }
      m:eval()
      local x = gan.randn(2, 8, 8, 3)
      assert.equal(3, m.joints[1].last)
      alike({ m[3](m[2](m[1](x))) }, { m(x) }, kind)
    end
  end)

  it("is one operation, but for a 1 x 1 kernel, which changes places", function()
    assert.is_true(is_joined((pair(nn.upsample {}, nn.conv2d { out = 4, kernel = 3, pad = 1 }, 8))))
    assert.is_true(is_joined((pair(nn.conv2d { out = 4, kernel = 3, pad = 1 }, nn.avg_pool { kernel = 2 }, 8))))
    local m = pair(nn.upsample {}, nn.conv2d { out = 4, kernel = 1 }, 8)
    assert.equal(256, m(gan.randn(1, 8, 8, 3)):numel() / 4)
  end)

  it("stays two where one cannot do both", function()
    for _, layers in ipairs {
      { nn.upsample { mode = "bilinear" }, nn.conv2d { out = 4, kernel = 3, pad = 1 } },
      { nn.upsample {}, nn.conv2d { out = 4, kernel = 3, pad = 1, stride = 2 } },
      { nn.conv2d { out = 4, kernel = 3, pad = 1, stride = 2 }, nn.avg_pool { kernel = 2 } },
      { nn.conv2d { out = 4, kernel = 1, pad = 1 }, nn.avg_pool { kernel = 2 } },
      { nn.avg_pool { kernel = 2 }, nn.conv2d { out = 4, kernel = 3, pad = 1 } },
    } do
      local m, plain = pair(layers[1], layers[2], 8)
      local x = gan.randn(2, 8, 8, 3)
      assert.same({}, m.joints)
      assert.equal(0, difference(m(x), plain(x)))
    end
  end)

  it("names the layer that does not fit, as ever", function()
    local m = pair(nn.conv2d { out = 4, kernel = 3, pad = 1 }, nn.avg_pool { kernel = 2 }, 8)
    assert.error_matches(function() m(gan.randn(1, 8, 8, 2)) end, "layer 1 %(conv2d%): wanted an N x H x W x 3 input")
    assert.error_matches(function() m(gan.randn(1, 1, 8, 3)) end,
      "layer 2 %(avg_pool%): wanted an image of at least 2 x 2")
  end)

  it("trains spectral normalisation's vectors as the layers alone do", function()
    local first, second = layers_of("avg_pool", 3, 1, 2, true)
    local m = pair(first, second, 8)
    local other, x = m:clone(), gan.randn(2, 8, 8, 3)
    m:train()
    other:train()
    for _ = 1, 3 do
      m(x)
      other[2](other[1](x))
    end
    assert.same(other[1].weight_u:totable(), m[1].weight_u:totable())
  end)
end)

describe("a sequence of a product or a batch normalisation and an activation", function()
  local mains = {
    { "linear", function() return nn.linear { out = 6 } end, { 5, 4 } },
    { "linear without a bias", function() return nn.linear { out = 6, bias = false } end, { 5, 4 } },
    { "conv2d", function() return nn.conv2d { out = 4, kernel = 3, pad = 1 } end, { 2, 5, 5, 3 } },
    { "conv_transpose2d", function() return nn.conv_transpose2d { out = 4, kernel = 4, stride = 2, pad = 1 } end,
      { 2, 4, 4, 3 } },
    { "batch_norm", function() return nn.batch_norm {} end, { 3, 4, 4, 5 } },
    { "spectral_norm", function() return nn.spectral_norm(nn.linear { out = 6 }) end, { 5, 4 } },
  }
  local activations = {
    relu = function() return nn.relu {} end, leaky_relu = function() return nn.leaky_relu { slope = 0.1 } end,
  }

  for _, main in ipairs(mains) do
    for name, activation in pairs(activations) do
      it(("equals its layers to second order: %s and %s"):format(main[1], name), function()
        local m = nn.sequential { main[2](), activation() }
        m:build(main[3])
        m:eval()
        if main[1] == "batch_norm" then m:train() end
        assert.equal(2, m.joints[1].last)
        local x = gan.randn(main[3])
        for _, p in ipairs(m:parameters()) do p:add_(gan.randn(p:shape()), 0.3) end
        local function plain(u) return m[2](m[1](u)) end
        local targets, weight = { x, table.unpack(m:parameters()) }, gan.randn(m(x):shape())
        local function slopes(f, create)
          return gan.grad((f(x) * weight):tanh():sum(), targets, { create_graph = create })
        end
        local function bends(gradients) return gan.grad(gradients[1]:square():sum(), targets, { unused = "zero" }) end
        alike({ plain(x) }, { m(x) }, "output")
        alike(slopes(plain, false), slopes(m, false), "fused gradient")
        local wanted, found = slopes(plain, true), slopes(m, true)
        alike(wanted, found, "recorded gradient")
        alike(bends(wanted), bends(found), "second derivative")
      end)
    end
  end

  it("moves running statistics as the layers do", function()
    local m = nn.sequential { nn.batch_norm {}, nn.relu {} }
    m:build { 2, 3 }
    local other, x = m:clone(), gan.randn(8, 3)
    m(x)
    other[2](other[1](x))
    assert.same(other[1].running_var:totable(), m[1].running_var:totable())
  end)

  it("stays two where the slope is negative, and keeps what is no number", function()
    local m = nn.sequential { nn.linear { out = 2 }, nn.leaky_relu { slope = -0.1 } }
    assert.same({}, m.joints)
    local odd = gan.tensor { { 0 / 0, 1 / 0, -1 / 0 } }
    local y = core.finish(odd, nil, 0):totable()[1]
    assert.is_true(y[1] ~= y[1] and y[2] == 1 / 0 and y[3] == 0)
  end)

  it("tells who uses numbers that were given up", function()
    local x = gan.randn(2, 3)
    local product = x:tanh()
    local y = core.finish(product, nil, 0.2, true)
    assert.error_matches(function() gan.grad(y:sum(), { x }) end, "changed in place")
  end)
end)
