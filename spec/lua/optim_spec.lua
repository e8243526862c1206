-- Optimisers against their formulas worked by hand, and what happens to their state when the setting changes.

local gan = require "ganlua"
local core = require "ganlua.core"

local function near(wanted, got)
  for i, value in ipairs(wanted) do assert.is_near(value, got:totable()[i], 5e-6) end
end

describe("adam", function()
  it("follows Kingma & Ba, step by step", function()
    local p, wanted, m, v = gan.tensor { 1, -2 }, { 1, -2 }, { 0, 0 }, { 0, 0 }
    local adam = gan.optim.adam { lr = 0.1, betas = { 0.5, 0.9 }, weight_decay = 0.01 }
    local state = adam:start { p }
    for step = 1, 5 do
      local gradient = { 0.3 * step, -0.2 }
      for i = 1, 2 do
        local g = gradient[i] + 0.01 * wanted[i]
        m[i], v[i] = 0.5 * m[i] + 0.5 * g, 0.9 * v[i] + 0.1 * g * g
        wanted[i] = wanted[i] - 0.1 * (m[i] / (1 - 0.5 ^ step)) / (math.sqrt(v[i] / (1 - 0.9 ^ step)) + 1e-8)
      end
      assert.is_false(adam:step(state, { p }, { gan.tensor(gradient) }))
    end
    near(wanted, p)
    near(m, state.m[1])
    near(v, state.v[1])
    assert.equal(5, state.step)
  end)

  it("has DCGAN's defaults", function()
    local adam = gan.optim.adam()
    assert.equal(2e-4, adam.lr)
    assert.same({ 0.5, 0.999 }, adam.betas)
    assert.equal("adam{betas={0.5, 0.999}, eps=1e-08, lr=0.0002, weight_decay=0}", tostring(adam))
  end)

  it("goes on where it was when made anew with another learning rate", function()
    local function trained(settings)
      local p = gan.tensor { 1 }
      local state = settings[1]:start { p }
      for _, setting in ipairs(settings) do setting:step(state, { p }, { gan.tensor { 0.5 } }) end
      return p, state
    end
    local one = gan.optim.adam { lr = 0.1 }
    local p, state = trained { one, gan.optim.adam { lr = 0 }, gan.optim.adam { lr = 0.1 } }
    assert.equal(3, state.step)
    local _, same = trained { one, one, one }
    assert.same(same.v[1]:totable(), state.v[1]:totable())
    near({ 0.8 }, p)
  end)

  it("takes a learning rate for one step", function()
    local p, adam = gan.tensor { 1 }, gan.optim.adam { lr = 0.1 }
    adam:step(adam:start { p }, { p }, { gan.tensor { 3 } }, 0.25)
    near({ 0.75 }, p)
  end)

  it("refuses a list of gradients with a hole, and changes nothing", function()
    local p, q, adam = gan.tensor { 1 }, gan.tensor { 2 }, gan.optim.adam {}
    local state = adam:start { p, q }
    assert.error_matches(function() adam:step(state, { p, q }, { gan.tensor { 1 } }) end,
      "adam: gradient 2 of 2 is missing, got nothing")
    assert.error_matches(function() adam:step(state, { p }, { gan.ones(1), gan.ones(1) }) end,
      "adam: 1 parameters and 2 gradients")
    assert.equal(0, state.step)
    near({ 1 }, p)
  end)

  it("refuses a state of other parameters", function()
    local p, q, adam = gan.tensor { 1 }, gan.tensor { 2 }, gan.optim.adam {}
    assert.error_matches(function() adam:step(adam:start { p }, { p, q }, { gan.ones(1), gan.ones(1) }) end,
      "adam: m 2 of 2 is missing")
  end)
end)

describe("sgd", function()
  it("descends along the gradient", function()
    local p, sgd = gan.tensor { 1, 2 }, gan.optim.sgd { lr = 0.5, weight_decay = 0.1 }
    local state = sgd:start { p }
    sgd:step(state, { p }, { gan.tensor { 1, -1 } })
    near({ 1 - 0.5 * 1.1, 2 - 0.5 * (-1 + 0.2) }, p)
    assert.same({ step = 1 }, state)
  end)

  it("gathers momentum as PyTorch's", function()
    local p, sgd = gan.tensor { 1 }, gan.optim.sgd { lr = 0.1, momentum = 0.9 }
    local state = sgd:start { p }
    local wanted, velocity = 1, 0
    for g = 1, 4 do
      velocity = 0.9 * velocity + g
      wanted = wanted - 0.1 * velocity
      sgd:step(state, { p }, { gan.tensor { g } })
    end
    near({ wanted }, p)
    near({ velocity }, state.velocity[1])
  end)

  it("needs a learning rate", function()
    assert.error_matches(function() gan.optim.sgd {} end, "sgd: option 'lr' is required")
  end)
end)

describe("adamw", function()
  it("decays beside Adam's step, not through it", function()
    local p, wanted, m, v = gan.tensor { 1, -2 }, { 1, -2 }, { 0, 0 }, { 0, 0 }
    local adamw = gan.optim.adamw { lr = 0.1, betas = { 0.5, 0.9 }, weight_decay = 0.2 }
    local state = adamw:start { p }
    for step = 1, 4 do
      local gradient = { 0.3 * step, -0.2 }
      for i = 1, 2 do
        local g = gradient[i]
        m[i], v[i] = 0.5 * m[i] + 0.5 * g, 0.9 * v[i] + 0.1 * g * g
        wanted[i] = wanted[i] * (1 - 0.1 * 0.2)
          - 0.1 * (m[i] / (1 - 0.5 ^ step)) / (math.sqrt(v[i] / (1 - 0.9 ^ step)) + 1e-8)
      end
      adamw:step(state, { p }, { gan.tensor(gradient) })
    end
    near(wanted, p)
    assert.equal(0.01, gan.optim.adamw {}.weight_decay)
  end)
end)

describe("optimistic_adam", function()
  it("goes twice Adam's way and takes the last step back", function()
    local p, wanted, m, v, last = gan.tensor { 1, -2 }, { 1, -2 }, { 0, 0 }, { 0, 0 }, { 0, 0 }
    local optimizer = gan.optim.optimistic_adam { lr = 0.1, betas = { 0.5, 0.9 } }
    local state = optimizer:start { p }
    for step = 1, 5 do
      local gradient = { 0.3 * step, -0.2 }
      for i = 1, 2 do
        local g = gradient[i]
        m[i], v[i] = 0.5 * m[i] + 0.5 * g, 0.9 * v[i] + 0.1 * g * g
        local now = (m[i] / (1 - 0.5 ^ step)) / (math.sqrt(v[i] / (1 - 0.9 ^ step)) + 1e-8)
        wanted[i] = wanted[i] - 2 * 0.1 * now + 0.1 * last[i]
        last[i] = now
      end
      optimizer:step(state, { p }, { gan.tensor(gradient) })
    end
    near(wanted, p)
    near(last, state.last[1])
  end)

  it("ends where Adam circles, on x * y", function()
    local function distance(setting)
      local x, y = gan.tensor { 1 }, gan.tensor { 1 }
      local of_x, of_y = setting:start { x }, setting:start { y }
      for _ = 1, 3000 do
        local slope_x, slope_y = y:copy(), -x
        setting:step(of_x, { x }, { slope_x })
        setting:step(of_y, { y }, { slope_y })
      end
      return math.sqrt(x:item() ^ 2 + y:item() ^ 2)
    end
    local betas = { 0, 0.999 }
    assert.is_true(distance(gan.optim.optimistic_adam { lr = 0.03, betas = betas }) < 1e-6)
    assert.is_true(distance(gan.optim.adam { lr = 0.03, betas = betas }) > 1)
  end)
end)

describe("rmsprop", function()
  it("divides by the running root of the squares, as PyTorch's", function()
    for _, momentum in ipairs { 0, 0.9 } do
      local p, wanted, v, velocity = gan.tensor { 1 }, 1, 0, 0
      local rmsprop = gan.optim.rmsprop { lr = 0.1, alpha = 0.8, momentum = momentum, weight_decay = 0.01 }
      local state = rmsprop:start { p }
      for step = 1, 4 do
        local g = step - 2.5 + 0.01 * wanted
        v = 0.8 * v + 0.2 * g * g
        velocity = momentum * velocity + g / (math.sqrt(v) + 1e-8)
        wanted = wanted - 0.1 * velocity
        rmsprop:step(state, { p }, { gan.tensor { step - 2.5 } })
      end
      near({ wanted }, p)
      near({ v }, state.v[1])
    end
  end)
end)

describe("a setting", function()
  it("looks ahead at the same step, and changes nothing", function()
    local optim = gan.optim
    for _, one in ipairs {
      optim.sgd { lr = 0.1, weight_decay = 0.2 }, optim.sgd { lr = 0.1, momentum = 0.9 },
      optim.adam { lr = 0.1, weight_decay = 0.2 }, optim.adamw { lr = 0.1, weight_decay = 0.2 },
    } do
      local p, gradients = gan.tensor { 1, -2 }, { gan.tensor { 0.5, 0 } }
      local state = one:start { p }
      one:step(state, { p }, { gan.tensor { 3, 0.1 } })
      local before, later = p:totable(), state
      local ahead = { p }
      for _ = 1, 3 do ahead, later = one:ahead(later, ahead, gradients) end
      assert.same(before, p:totable())
      for _ = 1, 3 do one:step(state, { p }, gradients) end
      near(p:totable(), ahead[1])
      assert.equal(state.step, later.step)
    end
  end)

  it("takes a curve as learning rate", function()
    local p, sgd = gan.tensor { 0 }, gan.optim.sgd { lr = gan.curve.linear { from = 1, to = 0, over = 2 } }
    local state = sgd:start { p }
    for _ = 1, 4 do sgd:step(state, { p }, { gan.tensor { -1 } }) end
    near({ 1.5 }, p)
    assert.equal("sgd{lr=linear{from=1, over=2, to=0}, momentum=0, weight_decay=0}", tostring(sgd))
  end)

  it("starts another optimiser's state afresh, and says so", function()
    local p, adam, sgd = gan.tensor { 1 }, gan.optim.adam { lr = 0.1 }, gan.optim.sgd { lr = 0.1, momentum = 0.9 }
    local state = adam:start { p }
    adam:step(state, { p }, { gan.tensor { 1 } })
    assert.is_true(sgd:step(state, { p }, { gan.tensor { 1 } }))
    assert.equal(1, state.step)
    assert.is_nil(state.m)
    assert.is_false(sgd:step(state, { p }, { gan.tensor { 1 } }))
    assert.is_true(adam:step(state, { p }, { gan.tensor { 1 } }))
    assert.is_nil(state.velocity)
  end)

  it("does not change", function()
    local adam = gan.optim.adam {}
    assert.error_matches(function() adam.lr = 1 end, "adam: settings do not change %(tried 'lr'%)")
  end)

  it("checks its options", function()
    assert.error_matches(function() gan.optim.adam { lr = -1 } end,
      "adam: option 'lr' must be a number >= 0 or a curve, got %-1")
    assert.error_matches(function() gan.optim.adam { betas = { 0.5 } } end, "adam: option 'betas' must be two numbers")
    assert.error_matches(function() gan.optim.adam { beta = { 0.5, 0.9 } } end, "did you mean 'betas'")
  end)
end)

describe("core.norm_of_all", function()
  it("is the norm of all numbers together", function()
    assert.equal(0, core.norm_of_all {})
    assert.is_near(13, core.norm_of_all { gan.tensor { 3, 4 }, gan.tensor { { 12 } } }, 1e-12)
    local a, b, sum = gan.randn(300, 217), gan.randn(5), 0
    for _, t in ipairs { a, b } do sum = sum + t:square():sum():item() end
    assert.is_near(math.sqrt(sum), core.norm_of_all { a, gan.zeros(0), b }, 1e-3)
  end)

  it("overflows for no finite numbers, and for every other one", function()
    assert.is_near(1, core.norm_of_all { gan.full({ 4 }, 1e38) } / 2e38, 1e-6)
    for _, odd in ipairs { 1 / 0, -1 / 0, 0 / 0 } do
      local t = gan.zeros(1000)
      t:set_(777, odd)
      local norm = core.norm_of_all { gan.ones(3), t }
      assert.is_true(norm - norm ~= 0)
    end
  end)
end)
