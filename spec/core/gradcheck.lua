-- Runs every sample of samples.lua and compositions.lua on whichever build of the engine LUA_CPATH gives, as a process
-- of its own, since one process holds one build. Two jobs, by argument:
--
--   lua5.4 spec/core/gradcheck.lua gradients   finite differences of first and second order; wants the double build
--   lua5.4 spec/core/gradcheck.lua values      results and gradients with 17 digits, to compare builds by (and those of
--                                              large_samples.lua)
--
-- `gradients` prints a line "op <tab> ok|failed <tab> what" an op, `values` a line "op <tab> sample <tab> what <tab>
-- numbers" a tensor; both end with a line "done", so that a reader knows of a crash.

local gan = require "ganlua"
local core = require "ganlua.core"

local folder = arg[0]:match("^(.*)gradcheck%.lua$")
local groups = {
  dofile(folder .. "samples.lua")(core),
  dofile(folder .. "compositions.lua")(core, gan),
}

local EPS <const>, ATOL <const>, RTOL <const> = 1e-6, 1e-5, 1e-3
local EQUAL <const> = 1e-9 -- fused against composed, in double, relative to max(1, |composed|)

-- Fixed numbers in [-1, 1] that no sample uses: what results are weighed with.
local function weights(shape, seed)
  local list, n = {}, 1
  for _, size in ipairs(shape) do n = n * size end
  for i = 1, n do list[i] = math.floor(1024 * math.sin(12.9898 * (i + 31 * seed))) / 1024 end
  return { shape = shape, table.unpack(list) }
end

local function tensor(numbers)
  if #numbers == 0 then return core.zeros(numbers.shape) end
  return core.tensor(table.move(numbers, 1, #numbers, 1, {})):reshape(numbers.shape)
end

local function tensors(inputs)
  local list = {}
  for i, input in ipairs(inputs) do list[i] = tensor(input) end
  return list
end

local function flat(t)
  return t:numel() == 0 and {} or t:reshape{-1}:totable()
end

-- From f(inputs) -> tensor to the scalar function sum(f(inputs) * v), whose last input is v: the gradient to it is f,
-- and the gradient to the others is f's with grad_output v.
local function weighed(f)
  return function(...)
    local xs = {...}
    local v = table.remove(xs)
    return core.sum(core.mul(f(table.unpack(xs)), v))
  end
end

-- From a scalar function to sum over i of sum(its gradient to input i * fixed weights): one order up.
local function derivative(f, order)
  return function(...)
    local xs = {...}
    local total = core.zeros{}
    for i, gradient in ipairs(core.grad(f(...), xs, {create_graph = true, unused = "zero"})) do
      total = core.add(total, core.sum(core.mul(gradient, tensor(weights(gradient:shape(), i + 10 * order)))))
    end
    return total
  end
end

-- Compares f's gradients with central differences. Returns the worst share of the tolerance used, and where.
local function check(f, inputs)
  local worst, where = 0, ""
  local xs = tensors(inputs)
  local gradients = core.grad(f(table.unpack(xs)), xs, {unused = "zero"})
  for i, input in ipairs(inputs) do
    local got = flat(gradients[i])
    assert(#got == #input, "a gradient has another size than its input")
    for place, x in ipairs(input) do
      local function at(value)
        input[place] = value
        local moved = table.move(xs, 1, #xs, 1, {})
        moved[i] = tensor(input)
        input[place] = x
        return f(table.unpack(moved)):item()
      end
      local wanted = (at(x + EPS) - at(x - EPS)) / (2 * EPS)
      local share = math.abs(got[place] - wanted) / (ATOL + RTOL * math.abs(wanted))
      if share ~= share then share = math.huge end
      if share > worst then
        worst = share
        where = ("input %d, element %d: gradient %.10g, differences %.10g"):format(i, place, got[place], wanted)
      end
    end
  end
  return worst, where
end

-- Compares two functions' results and their derivatives up to the given order.
local function check_equal(f, g, inputs, order)
  for k = 0, order do
    local xs = tensors(inputs)
    local a = core.grad(f(table.unpack(xs)), xs, {unused = "zero"})
    local b = core.grad(g(table.unpack(xs)), xs, {unused = "zero"})
    for i in ipairs(xs) do
      local got, wanted = flat(a[i]), flat(b[i])
      for place in ipairs(wanted) do
        local off = math.abs(got[place] - wanted[place]) / math.max(1, math.abs(wanted[place]))
        assert(off <= EQUAL, ("order %d, input %d, element %d: fused %.12g, composed %.12g"):format(k, i, place,
          got[place], wanted[place]))
      end
    end
    f, g = derivative(f, k + 1), derivative(g, k + 1)
  end
end

-- What is wrong with a sample, or nil and the worst share of the tolerance.
local function judge(sample)
  local inputs = table.move(sample.inputs, 1, #sample.inputs, 1, {})
  local xs = tensors(inputs)
  local y = sample.call(table.unpack(xs))
  if sample.constant then
    if #xs > 0 and pcall(core.grad, core.sum(y), xs) then
      return "should be a constant, but a gradient flows through it"
    end
    return nil, 0
  end
  local v = weights(y:shape(), 7)
  inputs[#inputs + 1] = v
  local f, worst = weighed(sample.call), 0
  if sample.equals then
    check_equal(f, weighed(sample.equals), inputs, 2)
  end
  for order = 1, sample.order or 2 do
    local share, where = check(f, inputs)
    if share > 1 then return ("order %d, %s"):format(order, where) end
    worst = math.max(worst, share)
    f = derivative(f, order)
  end
  return nil, worst
end

local function sorted_names(ops)
  local names = {}
  for name in pairs(ops) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local jobs = {}

function jobs.gradients()
  for _, ops in ipairs(groups) do
    for _, name in ipairs(sorted_names(ops)) do
      local worst, failures = 0, {}
      for _, sample in ipairs(ops[name]) do
        local ran, failure, share = pcall(judge, sample)
        if not ran or failure then
          failures[#failures + 1] = ("%s: %s"):format(sample.label, failure)
        else
          worst = math.max(worst, share)
        end
      end
      local failed = #failures > 0
      print(name, failed and "failed" or "ok",
        failed and table.concat(failures, "; "):gsub("%s+", " ")
        or ("%d samples, at most %.3g of the tolerance"):format(#ops[name], worst), "")
      collectgarbage()
    end
  end
end

function jobs.values()
  groups[#groups + 1] = dofile(folder .. "large_samples.lua")(core)
  local function show(name, sample, what, t)
    local list = flat(t)
    for i, x in ipairs(list) do list[i] = ("%.17g"):format(x) end
    print(name, sample.label, what, table.concat(list, " "))
  end
  for _, ops in ipairs(groups) do
    for _, name in ipairs(sorted_names(ops)) do
      for _, sample in ipairs(ops[name]) do
        local xs = tensors(sample.inputs)
        local y = sample.call(table.unpack(xs))
        show(name, sample, "result", y)
        if not sample.constant then
          local upstream = tensor(weights(y:shape(), 7))
          for i, g in ipairs(core.grad(y, xs, {grad_output = upstream, unused = "zero"})) do
            show(name, sample, "gradient " .. i, g)
          end
        end
      end
    end
  end
end

jobs[arg[1]]()
print("done")
