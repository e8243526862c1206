-- gan.grad and what belongs to it: what it returns, what it refuses, recording, and graphs that are long or shared.

local gan = require "ganlua"
local core = require "ganlua.core"

local function refused(f, ...)
  local ok, message = pcall(f)
  assert(not ok, "should have raised an error")
  for _, pattern in ipairs{...} do
    assert(tostring(message):find(pattern), ("the message '%s' lacks '%s'"):format(message, pattern))
  end
end

describe("grad", function()
  it("returns a gradient of each target's shape, in order", function()
    local x, w = gan.tensor{{1, 2}, {3, 4}}, gan.tensor{{5}, {6}}
    local gx, gw = table.unpack(gan.grad(x:matmul(w):sum(), {x, w}))
    assert.are.same({{5, 6}, {5, 6}}, gx:totable())
    assert.are.same({{4}, {6}}, gw:totable())
  end)

  it("undoes a broadcast", function()
    local x, b = gan.ones(2, 3), gan.tensor{1, 2, 3}
    assert.are.same({2, 2, 2}, gan.grad((x + b):sum(), {b})[1]:totable())
    local s = gan.tensor{4}:reshape{}
    assert.are.equal(6, gan.grad((x * s):sum(), {s})[1]:item())
    assert.are.same({}, gan.grad((x * s):sum(), {s})[1]:shape())
  end)

  it("adds up what a shared subexpression gets from all its uses", function()
    local x = gan.tensor{3}
    local h = x * x
    local y = (h * h + h * 2 + h:exp() * 0):sum() -- x^4 + 2 x^2
    assert.are.equal(4 * 27 + 4 * 3, gan.grad(y, {x})[1]:item())
  end)

  it("does not walk a diamond once per path", function()
    local x = gan.tensor{1}
    local y = x
    for _ = 1, 60 do y = (y + y) * 0.5 end -- 2^60 paths
    assert.are.equal(1, gan.grad(y:sum(), {x})[1]:item())
  end)

  it("weighs by grad_output, which a result of several numbers needs", function()
    local x = gan.tensor{1, 2, 3}
    local y = x * x
    assert.are.same({2, 0, -6}, gan.grad(y, {x}, {grad_output = gan.tensor{1, 0, -1}})[1]:totable())
    refused(function() gan.grad(y, {x}) end, "grad_output")
    refused(function() gan.grad(y, {x}, {grad_output = gan.ones(2)}) end, "grad_output", "3")
  end)

  it("gives second and third derivatives with create_graph", function()
    local x = gan.tensor{2}
    local y = (x ^ 4):sum()
    local g1 = gan.grad(y, {x}, {create_graph = true})[1]
    local g2 = gan.grad(g1:sum(), {x}, {create_graph = true})[1]
    local g3 = gan.grad(g2:sum(), {x})[1]
    assert.is_near(32, g1:item(), 1e-4)
    assert.is_near(48, g2:item(), 1e-4)
    assert.is_near(48, g3:item(), 1e-4)
  end)

  it("gives constants without create_graph", function()
    local x = gan.tensor{2}
    local g = gan.grad((x ^ 3):sum(), {x})[1]
    refused(function() gan.grad(g:sum(), {x}) end)
  end)

  it("may be called twice on one graph, for other targets too", function()
    local x, w = gan.tensor{2}, gan.tensor{5}
    local y = (x * w):sum()
    assert.are.equal(5, gan.grad(y, {x})[1]:item())
    assert.are.equal(2, gan.grad(y, {w})[1]:item())
    assert.are.equal(5, gan.grad(y, {x})[1]:item())
  end)

  it("takes results in the middle of a graph as targets", function()
    local x = gan.tensor{3}
    local h = x * 2
    local y = (h * h):sum()
    local gh, gx = table.unpack(gan.grad(y, {h, x}))
    assert.are.equal(12, gh:item())
    assert.are.equal(24, gx:item())
  end)

  it("gives the same target twice the same gradient, and y to itself 1", function()
    local x = gan.tensor{3}
    local y = (x * x):sum()
    local a, b, c = table.unpack(gan.grad(y, {x, x, y}))
    assert.are.equal(6, a:item())
    assert.are.equal(6, b:item())
    assert.are.equal(1, c:item())
  end)

  it("refuses a target that y does not depend on, unless zeros are wanted", function()
    local x, z = gan.tensor{1, 2}, gan.tensor{{1, 2, 3}}
    local y = (x * x):sum()
    refused(function() gan.grad(y, {x, z}) end, "2", "unused")
    local g = gan.grad(y, {x, z}, {unused = "zero"})
    assert.are.same({2, 4}, g[1]:totable())
    assert.are.same({{0, 0, 0}}, g[2]:totable())
    refused(function() gan.grad(y, {x}, {unused = "zeros"}) end, "zero")
    refused(function() gan.grad(y, {x}, {unsed = "zero"}) end, "unsed", "unused")
  end)

  it("does not see through detach", function()
    local x = gan.tensor{3}
    local y = (x:detach() * x):sum()
    assert.are.equal(3, gan.grad(y, {x})[1]:item())
    refused(function() gan.grad((x:detach() * 2):sum(), {x}) end)
    refused(function() gan.grad((x:copy() * 2):sum(), {x}) end)
  end)

  it("does not flow through comparisons", function()
    local x = gan.tensor{1, -1}
    refused(function() gan.grad(x:gt(0):sum(), {x}) end)
    assert.are.same({1, 0}, gan.grad((x:gt(0) * x):sum(), {x})[1]:totable())
  end)

  it("is right at the kinks: 0 for relu and abs at 0, 1 for elu, 1 for clamp at its bounds", function()
    local x = gan.zeros(1)
    local function slope(y) return gan.grad(y:sum(), {x})[1]:item() end
    assert.are.equal(0, slope(x:relu()))
    assert.are.equal(0, slope(x:abs()))
    assert.are.equal(1, slope(x:elu()))
    assert.are.equal(1, slope(x:clamp(0, 1)))
    assert.are.equal(1, slope(x:clamp(-1, 0)))
  end)

  it("goes to the first of equal largest numbers, and is 0 for a norm at 0", function()
    local x = gan.tensor{{1, 3, 3}}
    assert.are.same({{0, 1, 0}}, gan.grad(x:max(2):sum(), {x})[1]:totable())
    local z = gan.zeros(3)
    assert.are.same({0, 0, 0}, gan.grad(z:norm(), {z})[1]:totable())
  end)

  it("refuses arguments that make no sense", function()
    local x = gan.tensor{1}
    refused(function() gan.grad(x:sum()) end, "grad")
    refused(function() gan.grad(x:sum(), x) end, "grad")
    refused(function() gan.grad(x:sum(), {1}) end, "grad")
    refused(function() gan.grad(3, {x}) end, "grad")
    refused(function() gan.grad(x:sum(), {x}, true) end, "grad")
  end)

  it("frees the graph as it goes with consume, which then cannot be walked again", function()
    local x = gan.ones(1000)
    local y = x
    for _ = 1, 20 do y = y * 1.5 end
    y = y:sum()
    collectgarbage()
    collectgarbage()
    local before = gan.memory().live
    local g = gan.grad(y, {x}, {consume = true})[1]
    assert.is_near(1.5 ^ 20, g[1]:item(), 1)
    refused(function() gan.grad(y, {x}) end, "consume")
    assert(gan.memory().live <= before, "nothing was freed")
  end)
end)

describe("recording", function()
  it("is off inside no_grad, which passes arguments and results through", function()
    local x = gan.tensor{2}
    local y, n = gan.no_grad(function(t, k) return t * k, k end, x, 3)
    assert.are.equal(6, y:item())
    assert.are.equal(3, n)
    refused(function() gan.grad(y:sum(), {x}) end)
    y:add_(1) -- a leaf
  end)

  it("comes back after an error inside no_grad, and after nested ones", function()
    local x = gan.tensor{2}
    local raised = setmetatable({}, {})
    local ok, message = pcall(gan.no_grad, function() error(raised) end)
    assert.is_false(ok)
    assert.is_true(rawequal(raised, message))
    assert.are.equal(4, gan.grad((x * x):sum(), {x})[1]:item())
    gan.no_grad(function()
      gan.no_grad(function() end)
      refused(function() gan.grad((x * x):sum(), {x}) end)
      pcall(gan.no_grad, error)
      refused(function() gan.grad((x * x):sum(), {x}) end)
    end)
    assert.are.equal(4, gan.grad((x * x):sum(), {x})[1]:item())
  end)

  it("is as it was after an error inside grad", function()
    local x, z = gan.tensor{2}, gan.tensor{1}
    refused(function() gan.grad((x * x):sum(), {z}) end)
    assert.are.equal(4, gan.grad((x * x):sum(), {x})[1]:item())
    local w = gan.tensor{3}
    local y = (x * w):sum()
    w:add_(1)
    refused(function() gan.grad(y, {x}) end, "in place")
    assert.are.equal(4, gan.grad((x * x):sum(), {x})[1]:item())
  end)

  it("can be asked and set", function()
    assert.is_true(core.set_recording(false))
    assert.is_false(core.set_recording(true))
  end)
end)

describe("a graph of 200,000 operations", function()
  local N <const> = 200000

  local function chain(x)
    local y = x
    for _ = 1, N do y = y + 1e-6 end
    return y:sum()
  end

  it("is walked without running out of stack", function()
    local x = gan.tensor{1}
    assert.are.equal(1, gan.grad(chain(x), {x})[1]:item())
    assert.are.equal(1, gan.grad(chain(x), {x}, {consume = true})[1]:item())
  end)

  it("is freed without running out of stack", function()
    collectgarbage()
    collectgarbage()
    local before = core.memory().tensors
    local y = chain(gan.tensor{1})
    assert(core.memory().tensors >= before + N)
    y:free()
    collectgarbage()
    collectgarbage()
    assert.are.equal(before, core.memory().tensors)
  end)

  it("is differentiated with a graph of its own, and that one freed", function()
    local x = gan.tensor{1}
    local y = x
    for _ = 1, N // 10 do y = y * 1.00001 end
    local g = gan.grad(y:sum(), {x}, {create_graph = true})[1]
    assert.is_near(math.exp(0.2), g:item(), 1e-2)
  end)
end)

describe("numbers that no gradient reads", function()
  -- Bytes that f's result and what it was made of hold, in numbers of x's size.
  local function held(x, f)
    collectgarbage()
    collectgarbage()
    local before = gan.memory().live
    local y = f(x)
    collectgarbage()
    collectgarbage()
    local after = gan.memory().live
    return (after - before) / (4 * x:numel()), y
  end

  -- A block that is used again may be half as large again as what it holds.
  local function is_about(wanted, count)
    local right = count >= wanted and count <= 1.5 * wanted + 0.1
    assert.is_true(right, ("wanted %d tensors, got %.2f"):format(wanted, count))
  end

  local x = gan.randn(1 << 16)

  it("are given back at once: a sum of ten terms holds one tensor", function()
    is_about(1, (held(x, function()
      local y = x
      for _ = 1, 10 do y = (y + 1):reshape(256, 256):reshape(-1) end
      return y
    end)))
  end)

  it("are kept where a gradient reads them, and as long as it does", function()
    local count, y = held(x, function() return ((x + 1) * 2):tanh():square() end)
    is_about(2, count) -- tanh's result, which square reads too, and square's
    local slope = gan.grad(y, { x }, { grad_output = gan.ones(1 << 16), consume = true })[1]
    local inner = ((x + 1) * 2):tanh()
    assert.is_true((slope - 4 * inner * (1 - inner:square())):abs():max():item() < 1e-5)
  end)

  it("are kept where the script has the tensor, and where a second result reads it", function()
    local kept
    local count = held(x, function()
      kept = x + 1
      return kept * 2 + 1
    end)
    is_about(2, count)
    count = held(x, function()
      local middle = x + 1
      return (middle + middle:square()) * 1
    end)
    is_about(2, count) -- middle, for square, and the result
  end)

  it("do not change second derivatives", function()
    local z = gan.tensor { 0.5, -1, 2 }
    local h = ((z + 1) * 2 - 1):reshape(3, 1):square():reshape(3)
    local first = gan.grad(h:square():sum(), { z }, { create_graph = true })[1] -- h^2 = (2z + 1)^4
    local second = gan.grad(first:sum(), { z })[1]
    for i, value in ipairs(z:totable()) do
      assert.is_true(math.abs(first:totable()[i] - 8 * (2 * value + 1) ^ 3) < 1e-3)
      assert.is_true(math.abs(second:totable()[i] - 48 * (2 * value + 1) ^ 2) < 1e-3)
    end
  end)
end)

describe("gradients that share their numbers", function()
  it("do not: each may be changed in place without the others", function()
    local a, b = gan.ones(2), gan.ones(2)
    local g = gan.grad((a + b):sum(), {a, b})
    g[1]:mul_(10)
    assert.are.same({1, 1}, g[2]:totable())
    local weights = gan.ones(2)
    gan.grad(a + b, {a}, {grad_output = weights})[1]:mul_(3)
    assert.are.same({1, 1}, weights:totable())
    local p = gan.ones(2)
    gan.no_grad(function() p:expand(2):fill_(5) end)
    assert.are.same({1, 1}, p:totable())
  end)
end)

describe("no_grad", function()
  it("cannot be left by a yield, which would turn recording off for whoever goes on", function()
    local thread = coroutine.create(function() gan.no_grad(coroutine.yield) end)
    local ok, message = coroutine.resume(thread)
    assert.is_false(ok)
    assert(message:find("yield"))
    local x = gan.tensor{1, 2}
    assert.are.same({2, 4}, gan.grad((x * x):sum(), {x})[1]:totable())
  end)
end)

describe("a finalizer", function()
  local function count(f)
    local errors = 0
    warn("@off")
    setmetatable({}, {__gc = function() errors = errors + (pcall(f) and 0 or 1) end})
    collectgarbage()
    collectgarbage()
    return errors
  end

  it("can neither compute with tensors nor free one: it may interrupt a call that uses them", function()
    local x = gan.ones(3)
    assert.are.equal(1, count(function() return x + 1 end))
    assert.are.equal(1, count(function() x:free() end))
    assert.are.same({1, 1, 1}, x:totable())
  end)
end)
