-- Tensors as a script sees them: making, reading, arithmetic, shapes, in-place changes, and what is refused.

local gan = require "ganlua"
local core = require "ganlua.core"

-- Calls f, which must raise; returns the message. Every pattern given must be in it.
local function refused(f, ...)
  local ok, message = pcall(f)
  assert(not ok, "should have raised an error")
  assert.are.equal("string", type(message))
  for _, pattern in ipairs{...} do
    assert(message:find(pattern), ("the message '%s' lacks '%s'"):format(message, pattern))
  end
  return message
end

local function close(wanted, got)
  if type(wanted) == "table" then
    assert.are.equal(#wanted, #got)
    for i in ipairs(wanted) do close(wanted[i], got[i]) end
  else
    assert.is_near(wanted, got, 1e-5 * math.max(1, math.abs(wanted)))
  end
end

-- t has these values (nested tables).
local function holds(wanted, t) close(wanted, t:totable()) end

describe("making a tensor", function()
  it("takes nested tables of numbers", function()
    local t = gan.tensor{{1, 2}, {3, 4}, {5, 6}}
    assert.are.same({3, 2}, t:shape())
    assert.are.same({{1, 2}, {3, 4}, {5, 6}}, t:totable())
    assert.are.same({2, 1, 1}, gan.tensor{{{1}}, {{2}}}:shape())
  end)

  it("refuses ragged tables, strings and mixtures, and says where", function()
    refused(function() gan.tensor{{1, 2}, {3}} end, "tensor")
    refused(function() gan.tensor{{1, 2}, 3} end, "tensor")
    refused(function() gan.tensor{1, "x"} end, "tensor")
    refused(function() gan.tensor{{1, 2}, {3, {4}}} end, "tensor")
    refused(function() gan.tensor() end, "tensor")
  end)

  it("fills shapes given as numbers or as one table", function()
    assert.are.same({{0, 0, 0}, {0, 0, 0}}, gan.zeros(2, 3):totable())
    assert.are.same({{1, 1}}, gan.ones{1, 2}:totable())
    assert.are.same({{7, 7}, {7, 7}}, gan.full({2, 2}, 7):totable())
    assert.are.same({2, 3, 4}, gan.rand(2, 3, 4):shape())
    assert.are.same({5}, gan.randn{5}:shape())
    assert.are.same({}, gan.zeros{}:shape())
    assert.are.equal(0, gan.zeros{}:item())
  end)

  it("counts with arange (the end left out) and linspace (the end included)", function()
    assert.are.same({0, 1, 2, 3}, gan.arange(0, 4, 1):totable())
    assert.are.same({5, 3, 1}, gan.arange(5, 0, -2):totable())
    assert.are.same({0}, gan.arange(3, 3, 1):shape())
    assert.are.same({0, 0.25, 0.5, 0.75, 1}, gan.linspace(0, 1, 5):totable())
    assert.are.same({2}, gan.linspace(2, 9, 1):totable())
  end)

  it("refuses bad shapes before anything is allocated", function()
    collectgarbage()
    local before = gan.memory().live
    refused(function() gan.zeros(-1) end, "zeros")
    refused(function() gan.zeros(2, 1.5) end, "zeros")
    refused(function() gan.zeros("2x3") end, "zeros")
    refused(function() gan.zeros(1, 1, 1, 1, 1, 1, 1) end)
    refused(function() gan.zeros(1 << 40, 1 << 40) end)
    refused(function() gan.ones(math.maxinteger, 2) end)
    refused(function() gan.full({1 << 62}, 1) end)
    refused(function() gan.rand(1 << 31, 1 << 31) end)
    for bits = 49, 62 do refused(function() gan.zeros(1 << bits) end) end
    refused(function() gan.arange(0, 1e30, 1) end)
    refused(function() gan.arange(0, 1, 0) end)
    assert.are.equal(before, gan.memory().live)
    assert(gan.memory().peak < 1 << 40, "what was refused counts as peak memory")
  end)

  it("can have no elements", function()
    local t = gan.zeros(0, 3)
    assert.are.same({0, 3}, t:shape())
    assert.are.equal(0, t:numel())
    assert.are.equal(0, #t)
    assert.are.same({}, t:totable())
    assert.are.equal(0, t:sum():item())
    assert.are.same({0, 0, 0}, t:sum(1):totable())
    assert.are.same({0, 2}, t:matmul(gan.ones(3, 2)):shape())
    assert.are.same({{0, 0}, {0, 0}}, gan.zeros(2, 0):matmul(gan.zeros(0, 2)):totable())
    assert.are.same({0, 3}, (t + gan.ones(3)):shape())
    refused(function() return t:max() end, "max")
    refused(function() return t:item() end, "item")
  end)
end)

describe("reading a tensor", function()
  local t = gan.tensor{{1, 2, 3}, {4, 5, 6}}

  it("tells its sizes", function()
    assert.are.same({2, 3}, t:shape())
    assert.are.equal(2, #t)
    assert.are.equal(6, t:numel())
    assert.are.equal("integer", math.type(t:shape()[1]))
    assert.are.equal("integer", math.type(t:numel()))
  end)

  it("gives the only number of a tensor that has one", function()
    assert.are.equal(2.5, gan.tensor{{2.5}}:item())
    refused(function() t:item() end, "item", "2x3")
  end)

  it("indexes from 1, as a copy, with nil past the end", function()
    assert.are.same({4, 5, 6}, t[2]:totable())
    assert.are.equal(6, t[2][3]:item())
    assert.is_nil(t[3])
    local rows = 0
    for i, row in ipairs(t) do
      rows = rows + 1
      assert.are.same(t:totable()[i], row:totable())
    end
    assert.are.equal(2, rows)
  end)

  it("refuses an in-place call on the copy, and names set_", function()
    local u = gan.zeros(2, 3)
    refused(function() u[1]:add_(1) end, "set_")
    refused(function() u[1]:fill_(1) end, "set_")
    u:set_(1, gan.tensor{7, 8, 9})
    assert.are.same({{7, 8, 9}, {0, 0, 0}}, u:totable())
    u:set_(2, 5)
    assert.are.same({{7, 8, 9}, {5, 5, 5}}, u:totable())
    refused(function() u:set_(3, 5) end, "set_")
  end)

  it("lets gradients flow through an index", function()
    local x = gan.tensor{{1, 2}, {3, 4}}
    local g = gan.grad((x[2] * x[2]):sum(), {x})[1]
    assert.are.same({{0, 0}, {6, 8}}, g:totable())
  end)

  it("names a method that does not exist", function()
    refused(function() t:summ() end, "summ")
  end)

  it("prints its values and then what it is", function()
    local text = tostring(gan.tensor{{1, 2.5}, {-3, 4}})
    assert(text:find("2%.5") and text:find("%-3"), text)
    assert(text:find("%[ganlua%.tensor 2x2%]"), text)
    assert(tostring(gan.zeros{}):find("ganlua%.tensor"), "a scalar")
    assert(tostring(gan.zeros(0, 3)):find("%[ganlua%.tensor 0x3%]"), "no elements")
    assert(#tostring(gan.zeros(100, 100, 10)) < 20000, "a large tensor prints in full")
  end)
end)

describe("arithmetic", function()
  local a, b = gan.tensor{{1, 2}, {3, 4}}, gan.tensor{10, 20}

  it("broadcasts by numpy's rules", function()
    assert.are.same({{11, 22}, {13, 24}}, (a + b):totable())
    assert.are.same({{-9, -18}, {-7, -16}}, (a - b):totable())
    assert.are.same({{10, 40}, {30, 80}}, (a * b):totable())
    holds({{0.1, 0.1}, {0.3, 0.2}}, a / b)
    assert.are.same({{11, 12}, {13, 14}}, (a + gan.tensor{{10}}):totable())
    assert.are.same({{11, 12}, {23, 24}}, (a + gan.tensor{{10}, {20}}):totable())
    assert.are.same({{11, 21}, {12, 22}}, (gan.tensor{{1}, {2}} + b):totable())
    assert.are.same({4, 2, 3}, (gan.zeros(4, 1, 3) + gan.zeros(2, 1)):shape())
  end)

  it("takes numbers on either side", function()
    assert.are.same({{2, 3}, {4, 5}}, (a + 1):totable())
    assert.are.same({{9, 8}, {7, 6}}, (10 - a):totable())
    assert.are.same({{2, 4}, {6, 8}}, (2 * a):totable())
    holds({{12, 6}, {4, 3}}, 12 / a)
    assert.are.same({{1, 4}, {9, 16}}, (a ^ 2):totable())
    assert.are.same({{-1, -2}, {-3, -4}}, (-a):totable())
    holds({2, 4, 8}, 2 ^ gan.tensor{1, 2, 3})
  end)

  it("names the operation and both shapes when they do not fit", function()
    refused(function() return gan.zeros(2, 3) + gan.zeros(2, 2) end, "add", "2x3", "2x2")
    refused(function() return gan.zeros(2, 3) * gan.zeros(4) end, "mul", "2x3", "4")
    refused(function() return gan.zeros(2, 3):matmul(gan.zeros(2, 3)) end, "matmul", "2x3")
    refused(function() return a + "x" end)
    refused(function() return a + {} end)
    refused(function() return a + nil end)
  end)

  it("compares by methods, with 0 and 1, and refuses < naming them", function()
    local c, d = gan.tensor{1, 2, 3}, gan.tensor{3, 2, 1}
    assert.are.same({1, 0, 0}, c:lt(d):totable())
    assert.are.same({1, 1, 0}, c:le(d):totable())
    assert.are.same({0, 1, 0}, c:eq(d):totable())
    assert.are.same({0, 0, 1}, c:gt(2):totable())
    assert.are.same({0, 1, 1}, c:ge(2):totable())
    refused(function() return c < d end, "lt")
    refused(function() return c <= d end, "le")
    refused(function() return c > d end, "[lg]t")
    refused(function() return c < 2 end, "lt")
  end)

  it("chooses with where", function()
    assert.are.same({1, 20, 3}, gan.where(gan.tensor{1, 0, 1}, gan.tensor{1, 2, 3}, gan.tensor{10, 20, 30}):totable())
    assert.are.same({1, 0, 3}, gan.where(gan.tensor{1, 0, 1}, gan.tensor{1, 2, 3}, 0):totable())
  end)

  it("computes elementwise functions", function()
    local x = gan.tensor{-2, -0.5, 0, 0.5, 2}
    holds({2, 0.5, 0, 0.5, 2}, x:abs())
    holds({-1, -1, 0, 1, 1}, x:sign())
    holds({0, 0, 0, 0.5, 2}, x:relu())
    holds({-0.2, -0.05, 0, 0.5, 2}, x:leaky_relu(0.1))
    holds({-1, -0.5, 0, 0.5, 1}, x:clamp(-1, 1))
    holds({math.exp(-2), math.exp(-0.5), 1, math.exp(0.5), math.exp(2)}, x:exp())
    holds({0, 1, 2}, gan.tensor{1, math.exp(1), math.exp(2)}:log())
    holds({0, 1, 3}, gan.tensor{0, 1, 9}:sqrt())
    holds({math.sin(-2), math.sin(-0.5), 0, math.sin(0.5), math.sin(2)}, x:sin())
    holds({math.cos(2), math.cos(0.5), 1, math.cos(0.5), math.cos(2)}, x:cos())
    holds({0.5, 1 / (1 + math.exp(-1))}, gan.tensor{0, 1}:sigmoid())
    holds({math.log(2), 1000, 0}, gan.tensor{0, 1000, -1000}:softplus())
    holds({0.76159416, -0.76159416}, gan.tensor{1, -1}:tanh())
    refused(function() return x:clamp(1, -1) end, "clamp")
  end)
end)

describe("reducing", function()
  local t = gan.tensor{{1, 5, 3}, {6, 2, 4}}

  it("takes all, one or several dimensions, from 1 or from the end", function()
    assert.are.equal(21, t:sum():item())
    assert.are.same({7, 7, 7}, t:sum(1):totable())
    assert.are.same({9, 12}, t:sum(2):totable())
    assert.are.same({9, 12}, t:sum(-1):totable())
    assert.are.same({{9}, {12}}, t:sum({2}, {keepdim = true}):totable())
    assert.are.same({{21}}, t:sum({1, 2}, {keepdim = true}):totable())
    assert.are.equal(3.5, t:mean():item())
    assert.are.same({3, 4}, t:mean(2):totable())
    assert.are.same({6, 5, 4}, t:max(1):totable())
    assert.are.same({1, 2}, t:min(2):totable())
    assert.are.equal(6, t:max():item())
  end)

  it("computes the unbiased variance and the Euclidean norm", function()
    holds({4, 4}, t:var(2))
    assert.is_near(3.5, t:var():item(), 1e-5)
    assert.is_near(5, gan.tensor{3, 4}:norm():item(), 1e-6)
    holds({5, 13}, gan.tensor{{3, 4}, {5, 12}}:norm(2))
    assert.are.equal(0, gan.zeros(3):norm():item())
  end)

  it("does not hide a NaN", function()
    local x = gan.tensor{1, 0 / 0, 3}
    for _, name in ipairs{"sum", "mean", "var", "norm", "max", "min"} do
      local y = x[name](x):item()
      assert(y ~= y, name .. " hides a NaN")
    end
  end)

  it("gives places from 1 with argmax, the first of equals", function()
    assert.are.same({2, 1}, t:argmax(2):totable())
    assert.are.same({2, 1, 2}, t:argmax(1):totable())
    assert.are.same({2}, gan.tensor{{1, 3, 3}}:argmax(2):totable())
    assert.are.equal(4, gan.tensor{{1, 3}, {3, 5}}:argmax():item())
    assert.are.same({{2, 2}}, gan.tensor{{1, 3}, {3, 5}}:argmax({1}, {keepdim = true}):totable())
    refused(function() return gan.zeros(2, 2, 2):argmax({1, 2}) end, "one dimension, or all")
  end)

  it("makes probabilities with softmax, without overflow", function()
    holds({{0.5, 0.5}, {1, 0}}, gan.tensor{{3, 3}, {1000, 0}}:softmax(2))
    holds({{-math.log(2), -math.log(2)}, {0, -1000}}, gan.tensor{{3, 3}, {1000, 0}}:log_softmax(2))
  end)

  it("refuses dimensions that are not there", function()
    refused(function() return t:sum(3) end, "sum")
    refused(function() return t:sum(0) end, "sum")
    refused(function() return t:sum(-3) end, "sum")
    refused(function() return t:sum({1, 1}) end, "sum")
    refused(function() return t:sum({1}, {keepdims = true}) end, "sum", "keepdims")
    refused(function() return t:argmax(4) end, "argmax")
    refused(function() return t:softmax(0) end, "softmax")
  end)
end)

describe("shapes", function()
  local t = gan.tensor{{1, 2, 3}, {4, 5, 6}}

  it("reshape, with one size inferred", function()
    assert.are.same({{1, 2}, {3, 4}, {5, 6}}, t:reshape(3, 2):totable())
    assert.are.same({1, 2, 3, 4, 5, 6}, t:reshape{-1}:totable())
    assert.are.same({3, 2, 1}, t:reshape(3, -1, 1):shape())
    refused(function() t:reshape(4, 2) end, "reshape", "2x3", "4x2")
    refused(function() t:reshape(4, -1) end, "reshape")
    refused(function() t:reshape(-1, -1) end, "reshape")
  end)

  it("transpose and permute", function()
    assert.are.same({{1, 4}, {2, 5}, {3, 6}}, t:transpose(1, 2):totable())
    assert.are.same({{1, 4}, {2, 5}, {3, 6}}, t:permute{2, 1}:totable())
    assert.are.same({4, 2, 3}, gan.zeros(2, 3, 4):permute{3, 1, 2}:shape())
    refused(function() t:permute{1, 1} end, "permute")
    refused(function() t:permute{1} end, "permute")
    refused(function() t:transpose(1, 3) end, "transpose")
  end)

  it("narrow, pad, concat, index, scatter_add", function()
    assert.are.same({{2, 3}, {5, 6}}, t:narrow(2, 2, 2):totable())
    assert.are.same({{0, 1, 2, 3, 0, 0}, {0, 4, 5, 6, 0, 0}}, core.pad(t, 2, 1, 2):totable())
    assert.are.same({{1, 2, 3}, {4, 5, 6}, {7, 8, 9}}, gan.concat({t, gan.tensor{{7, 8, 9}}}, 1):totable())
    assert.are.same({{3, 1, 3}, {6, 4, 6}}, t:index(2, gan.tensor{3, 1, 3}):totable())
    assert.are.same({{4, 0, 2}, {10, 0, 5}}, core.scatter_add(t, 2, gan.tensor{1, 3, 1}, 3):totable())
    refused(function() t:narrow(2, 3, 2) end, "narrow")
    refused(function() t:narrow(2, 0, 2) end, "narrow")
    refused(function() t:narrow(2, math.maxinteger, 2) end, "narrow")
    refused(function() core.pad(t, 1, -1, 0) end, "pad")
    refused(function() gan.concat({t, gan.zeros(2, 2)}, 1) end, "concat", "2x2")
    refused(function() gan.concat({}, 1) end, "concat")
    refused(function() t:index(2, gan.tensor{4}) end, "index", "4")
    refused(function() t:index(2, gan.tensor{0}) end, "index")
    refused(function() t:index(2, gan.tensor{1.5}) end, "index")
  end)

  it("multiply matrices", function()
    assert.are.same({{1, 3}, {4, 6}}, t:matmul(gan.tensor{{1, 0}, {0, 0}, {0, 1}}):totable())
    assert.are.same({2, 2, 5}, gan.zeros(2, 2, 3):matmul(gan.zeros(2, 3, 5)):shape())
    assert.are.same({{14, 32}, {32, 77}}, core.matmul(t, t, {transpose_b = true}):totable())
  end)
end)

describe("changing a tensor in place", function()
  it("works on leaves and returns the tensor", function()
    local t = gan.tensor{{1, 2}, {3, 4}}
    t:add_(gan.tensor{10, 20})
    assert.are.same({{11, 22}, {13, 24}}, t:totable())
    t:mul_(2)
    assert.are.same({{22, 44}, {26, 48}}, t:totable())
    t:copy_(gan.zeros(2, 2))
    t:fill_(3)
    assert.are.same({{3, 3}, {3, 3}}, t:totable())
    t:clamp_(0, 1)
    assert.are.same({{1, 1}, {1, 1}}, t:totable())
    assert.is_true(rawequal(t, t:add_(1)))
  end)

  it("refuses what has a graph, and shapes that would have to grow", function()
    local x = gan.ones(2)
    local y = x * 2
    refused(function() y:add_(1) end, "add_")
    y:detach():add_(1)
    refused(function() gan.ones(2):add_(gan.ones(3, 2)) end, "add_")
    refused(function() gan.ones(2):copy_(gan.ones(3)) end, "copy_", "3")
  end)

  it("leaves a copy alone and shows in what is shared", function()
    local t = gan.zeros(2)
    local copied, detached, reshaped = t:copy(), t:detach(), gan.no_grad(function() return t:reshape(2, 1) end)
    t:fill_(5)
    assert.are.same({0, 0}, copied:totable())
    assert.are.same({5, 5}, detached:totable())
    assert.are.same({{5}, {5}}, reshaped:totable())
  end)

  it("is caught by grad when a graph had saved the old numbers", function()
    local x, w = gan.tensor{1, 2}, gan.tensor{3, 4}
    local y = (x * w):sum()
    w:add_(1)
    refused(function() gan.grad(y, {x}) end, "in place")
    local z = (x + w):sum() -- addition saves nothing
    w:add_(1)
    assert.are.same({1, 1}, gan.grad(z, {x})[1]:totable())
  end)

  it("is caught for results that were saved, through a detached view as well", function()
    local x = gan.tensor{1, 2}
    local e = x:exp()
    local y = e:sum()
    e:detach():fill_(0)
    refused(function() gan.grad(y, {x}) end, "in place")
  end)
end)

describe("memory", function()
  it("is given back by free and by <close>", function()
    collectgarbage()
    collectgarbage()
    local before = gan.memory().live
    local t = gan.zeros(1000)
    assert(gan.memory().live >= before + 4000)
    t:free()
    assert.are.equal(before, gan.memory().live)
    refused(function() return t + 1 end, "free")
    refused(function() return t:shape() end)
    t:free()
    do
      local u <close> = gan.zeros(1000)
      assert(gan.memory().live > before and u)
    end
    assert.are.equal(before, gan.memory().live)
  end)

  it("is collected as tensors are made, without being asked", function()
    collectgarbage()
    local before = gan.memory().live
    local largest = 0
    for _ = 1, 2000 do
      local t = gan.zeros(250, 1000) -- a megabyte each
      largest = math.max(largest, gan.memory().live)
      assert(t)
    end
    assert(largest - before < 512 * 2 ^ 20, ("%d MB were live at once"):format(largest // 2 ^ 20))
  end)

  it("has a cap, which is an error when garbage does not help, and the script goes on", function()
    local binary = os.getenv("GANLUA_BIN")
    if not binary then return pending("GANLUA_BIN does not name the interpreter") end
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write[[
      local gan = require "ganlua"
      local kept = gan.zeros(1000, 1000) -- 4 MB of the 24
      print(pcall(gan.zeros, 10000, 1000))
      for i = 1, 100 do
        local x = gan.ones(1000, 500)
        local loss = ((x + i) * x):exp():sum() -- garbage of 8 MB a round
        gan.grad(loss, {x}, {consume = i % 2 == 0})
      end
      print(kept:sum():item(), gan.memory().peak <= 24 << 20)
    ]]
    file:close()
    local pipe = assert(io.popen(("'%s' --memory 24M %s 2>&1"):format(binary, path)))
    local text = pipe:read("a")
    pipe:close()
    os.remove(path)
    assert(text:find("^false%s.*out of memory.*40%.0 MB wanted.*cap.*\n0%.0%s+true\n$"), text)
  end)

  it("refuses what is larger than there can be, and the script goes on", function()
    refused(function() gan.zeros(1 << 20, 1 << 20, 1 << 10) end)
    assert.are.equal(3, (gan.ones(3)):sum():item())
  end)
end)

describe("an error", function()
  it("points at the line of the script that made it", function()
    local chunk = assert(load("local gan = ...\n\nreturn gan.zeros(2) + gan.zeros(3)", "=script.lua"))
    refused(function() chunk(gan) end, "^script%.lua:3:")
  end)

  it("names the function and the argument", function()
    refused(function() return core.conv2d(gan.zeros(1, 4, 4, 2), gan.zeros(3, 3, 5, 1), 1, 0) end, "conv2d", "3x3x5x1")
    refused(function() return core.conv2d(gan.zeros(1, 4, 4, 2), gan.zeros(5, 5, 2, 1), 1, 0) end, "conv2d")
    refused(function() return core.conv2d(gan.zeros(1, 4, 4, 2), gan.zeros(3, 3, 2, 1), 0, 0) end, "conv2d", "stride")
    refused(function() return core.matmul(gan.ones(2), gan.ones(2), {transpose = true}) end, "matmul", "transpose")
    refused(function() return core.exp("x") end, "exp")
    refused(function() return core.exp() end, "exp")
    refused(function() return core.narrow(gan.zeros(2), 1, "a", 1) end, "narrow")
  end)
end)

describe("powers and activations", function()
  it("have numpy's values at the edges", function()
    assert.are.same({4, 1, 9}, (gan.tensor{-2, 0, 3} ^ gan.tensor{2, 0, 2}):totable())
    assert.are.same({4, -8}, ((-2) ^ gan.tensor{2, 3}):totable())
    assert.are.same({1, 1}, (gan.tensor{math.huge, 0 / 0} ^ 0):totable())
    assert.are.same({0, 0, 1}, gan.tensor{-math.huge, -1, 1}:relu():totable())
    local x = gan.tensor{0, 2}
    local g = gan.grad((x ^ gan.tensor{0, 3}):sum(), {x})[1]
    assert.are.same({0, 12}, g:totable())
  end)

  it("take flags and lists of dimensions for what they are", function()
    refused(function() return gan.ones(2, 2, 2):sum(1, 2) end, "keepdim", "true or false")
    refused(function() return gan.full({2}, {1}) end, "value", "a number")
    refused(function() return gan.no_grad(5) end, "no_grad", "a function")
  end)
end)
