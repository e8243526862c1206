-- gan.profile: where the time goes, and that nothing of it stays.

local gan = require "ganlua"
local core = require "ganlua.core"
local nn = gan.nn

local function row(rows, name)
  for _, each in ipairs(rows) do
    if each.name == name then return each end
  end
end

describe("gan.profile", function()
  local m = nn.sequential { nn.linear { out = 64 }, nn.relu {}, nn.linear { out = 1 } }
  m:build { 2, 32 }
  local x = gan.randn(256, 32)

  local function work()
    local y = m(x):mean()
    local gradients = gan.grad(y, m:parameters())
    return y:item(), #gradients
  end

  it("counts the calls of every op, forward and backward", function()
    local p = gan.profile(work)
    assert.equal(2, row(p.ops, "matmul").calls)
    assert.equal(2, row(p.ops, "finish").calls)
    assert.equal(1, row(p.ops, "grad").calls)
    assert.is_true(row(p.ops, "matmul").backward > 0)
    assert.equal(4, p.results[2])
  end)

  it("gives each layer its own time, in both directions", function()
    local p = gan.profile(work)
    local first, last = row(p.layers, "sequential: layer 1 (linear)"),
      row(p.layers, "sequential: layer 3 (linear)")
    assert.equal(1, first.calls)
    assert.is_true(first.forward > 0 and first.backward > 0)
    assert.is_true(last.forward > 0 and last.backward > 0)
    assert.is_true(row(p.layers, "sequential").forward < first.forward)
  end)

  it("calls networks by their part in a training run, and counts others where there are several", function()
    local function network(out) return nn.sequential { nn.linear { out = out } } end
    local p = gan.profile(function()
      gan.train {
        generator = network(2), discriminator = network(1), latent = 2, data = gan.data.ring {}, batch = 4,
        loss = gan.loss.hinge {}, schedule = gan.schedule.alternate { iterations = 2 }, ema = { decay = 0.9 },
        out = false, progress = false,
      }:sample(2)
      work()
    end)
    for _, name in ipairs { "generator", "discriminator", "moving average" } do
      assert.is_true(row(p.layers, name .. ", sequential: layer 1 (linear)").calls >= 1, name)
    end
    assert.equal(1, row(p.layers, "sequential: layer 3 (linear)").calls)
    p = gan.profile(function() return m(x), network(3)(x) end)
    assert.equal(1, row(p.layers, "network 1, sequential: layer 3 (linear)").calls)
    assert.equal(1, row(p.layers, "network 2, sequential: layer 1 (linear)").calls)
  end)

  it("accounts for all the time that passed", function()
    local p = gan.profile(work)
    local sum = p.lua
    for _, each in ipairs(p.ops) do sum = sum + each.forward + each.backward end
    assert.near(p.total, sum, 1e-9)
    assert.is_true(p.lua >= 0)
    local text = tostring(p)
    assert.truthy(text:find("sequential: layer 3 (linear)", 1, true))
    assert.truthy(text:find("matmul", 1, true))
  end)

  it("knows operators and methods by their names", function()
    local p = gan.profile(function()
      local y = -(x + x * 2 - x / 3) ^ 2
      return y:sum()
    end)
    for _, name in ipairs { "add", "mul", "sub", "div", "pow", "neg", "sum" } do
      assert.equal(1, row(p.ops, name).calls, name)
    end
  end)

  it("leaves everything as it was, after an error too", function()
    local matmul, add = core.matmul, getmetatable(x).__add
    local ok, message = pcall(gan.profile, function() error "mine" end)
    assert.is_false(ok)
    assert.truthy(message:find "mine")
    gan.profile(work)
    assert.equal(matmul, core.matmul)
    assert.equal(add, getmetatable(x).__add)
    assert.equal(0, core.set_tag(0))
    assert.same({}, core.profile_end())
  end)

  it("wants a function", function()
    assert.error_matches(function() gan.profile(3) end, "profile: wanted a function, got 3")
  end)
end)
