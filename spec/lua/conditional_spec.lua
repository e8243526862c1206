-- Layers that look at labels, worked by hand.

local gan = require "ganlua"
local nn = gan.nn

local function near(wanted, got)
  assert.same(wanted:shape(), got:shape())
  local difference = (got - wanted):abs():max():item()
  assert.is_true(difference <= 1e-5, ("off by %g"):format(difference))
end

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, "no error; wanted: " .. text)
  assert.matches(text, message, 1, true)
end

describe("conditional_batch_norm", function()
  it("is batch_norm with the class's weight and bias", function()
    local x, labels = gan.randn(4, 2, 2, 3), gan.tensor { 1, 0, 1, 1 }
    local m = nn.conditional_batch_norm { classes = 2 }:build(x, labels)
    local state = m:state()
    state.weight, state.bias = gan.tensor { { 1, 1, 1 }, { 2, 3, 4 } }, gan.tensor { { 0, 0, 0 }, { 5, 6, 7 } }
    m:load_state(state)
    local y, plain = m:train()(x, labels), nn.batch_norm { affine = false }(x)
    near(plain:narrow(1, 2, 1), y:narrow(1, 2, 1))
    near(plain:narrow(1, 3, 2) * gan.tensor { 2, 3, 4 } + gan.tensor { 5, 6, 7 }, y:narrow(1, 3, 2))
    assert.is_true(m:state().running_mean:abs():max():item() > 0)
  end)

  it("starts with ones and zeros, whatever the weights around it start with", function()
    local m = nn.init.normal(nn.sequential { nn.linear { out = 3 }, nn.conditional_batch_norm { classes = 2 } }, 0.02)
    m(gan.randn(2, 4), gan.tensor { 0, 1 })
    assert.same({ { 1, 1, 1 }, { 1, 1, 1 } }, m[2].weight:totable())
    assert.same({ { 0, 0, 0 }, { 0, 0, 0 } }, nn.init.orthogonal(m)[2].bias:totable())
  end)

  it("takes labels through a sequence, and says what is wrong with them", function()
    local m = nn.sequential { nn.linear { out = 3 }, nn.conditional_batch_norm { classes = 2 } }
    assert.same({ 2, 3 }, m(gan.randn(2, 4), gan.tensor { 0, 1 }):shape())
    refuses("layer 2 (conditional_batch_norm): wanted labels beside the input, m(x, labels), got nothing", m,
      gan.randn(2, 4))
    refuses("wanted 2 labels, one a sample, got 3", m, gan.randn(2, 4), gan.tensor { 0, 1, 1 })
    refuses("label 2 is 2, wanted a whole number from 0 to 1", m, gan.randn(2, 4), gan.tensor { 0, 2 })
  end)
end)

describe("concat_embedding", function()
  it("puts the class's vector beside the numbers of each sample, or of each pixel", function()
    local m = nn.concat_embedding { classes = 2, dim = 2 }:build({ 1, 1 }, gan.zeros(1))
    m:load_state { weight = gan.tensor { { 1, 2 }, { 3, 4 } } }
    near(gan.tensor { { 9, 3, 4 }, { 8, 1, 2 } }, m(gan.tensor { { 9 }, { 8 } }, gan.tensor { 1, 0 }))
    local pictures = m(gan.zeros(2, 3, 3, 1), gan.tensor { 1, 0 })
    assert.same({ 2, 3, 3, 3 }, pictures:shape())
    assert.same({ 0, 3, 4 }, pictures[1][3][2]:totable())
    refuses("concat_embedding: wanted labels beside the input", m, gan.zeros(2, 3))
    refuses("concat_embedding: wanted an N x ... x C input, got 2", m, gan.zeros(2), gan.zeros(2))
    refuses("wanted an N x ... x C input, got scalar", nn.conditional_batch_norm { classes = 2 }, gan.tensor(1),
      gan.zeros(1))
  end)
end)

describe("projection", function()
  it("adds the product of the class's vector and the features", function()
    local x, labels = gan.tensor { { 1, 2 }, { 3, 4 } }, gan.tensor { 1, 0 }
    local m = nn.projection { classes = 2 }:build(x, labels)
    m:load_state { ["psi.weight"] = gan.tensor { { 1 }, { 10 } }, ["psi.bias"] = gan.tensor { 0.5 },
      ["embed.weight"] = gan.tensor { { 1, -1 }, { 100, 1000 } } }
    near(gan.tensor { { 21.5 + 2100 }, { 43.5 - 1 } }, m(x, labels))
    refuses("projection: wanted labels beside the input", m, x)
    refuses("wanted an N x features input, got 2x2x2x1", nn.projection { classes = 2 }, gan.zeros(2, 2, 2, 1), labels)
  end)

  it("divides both weights by their largest singular value where it is spectral", function()
    local m = nn.projection { classes = 2, spectral = true }:build({ 2, 3 }, gan.zeros(2)):eval()
    local state = m:state()
    assert.is_truthy(state["psi.weight_u"] and state["embed.weight_u"])
    local x, labels = gan.randn(2, 3), gan.tensor { 0, 1 }
    local function normed(name)
      local w = state[name .. ".weight"]
      local sigma = (w:matmul(state[name .. ".weight_u"]) * state[name .. ".weight_v"]):sum()
      return w / sigma
    end
    near(x:matmul(normed "psi") + state["psi.bias"]
      + (normed "embed":index(1, labels + 1) * x):sum({ 2 }, { keepdim = true }), m(x, labels))
  end)
end)
