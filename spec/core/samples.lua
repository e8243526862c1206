-- Sample calls for every op of the catalogue: what the gradient spec differentiates, and what the float and double
-- builds are compared on. Inputs are multiples of 1/1024, hence the same numbers in float and in double, and stand off
-- the kinks (0 for relu, ties for max), with both sides of them covered.
--
--   local ops = dofile("spec/core/samples.lua")(core)
--   for _, sample in ipairs(ops.mul) do ... sample.call(a, b) ... end
--
-- A sample marked `constant` returns something that no gradient may flow through.

---@class Sample
---@field inputs table[] what `call` is differentiated by: { shape = sizes, numbers... }
---@field call fun(...): any from tensors of these inputs to a tensor
---@field constant boolean|nil true when the result is a constant
---@field label string what tells this sample from its neighbours: the inputs' shapes

local unpack = table.unpack

-- A small generator of its own, so that the samples depend neither on the engine nor on each other's order of drawing.
local function generator(seed)
  local state = seed
  return function()
    state = (state * 1103515245 + 12345) % 2147483648
    return (state >> 8) / 8388608
  end
end

local function numel(shape)
  local n = 1
  for _, size in ipairs(shape) do n = n * size end
  return n
end

-- Numbers for an input. Options beside the sizes: low, high (default -1.5 and 1.5), away (least distance from 0,
-- default 0.06), distinct (no two numbers near each other), values (the numbers themselves).
local function draw(input, random)
  local shape = table.move(input, 1, #input, 1, {})
  local low, high, away = input.low or -1.5, input.high or 1.5, input.away or 0.06
  local numbers, n = { shape = shape }, numel(shape)
  for i = 1, n do
    local x
    if input.values then
      x = input.values[i]
    elseif input.distinct then
      local place = (i * 7 + 3) % n -- a permutation as long as 7 does not divide n
      x = low + (high - low) * (place + 0.5 + 0.4 * (random() - 0.5)) / n
    else
      x = low + (high - low) * random()
      if math.abs(x) < away then x = x < 0 and x - away or x + away end
    end
    numbers[i] = math.floor(x * 1024 + 0.5) / 1024
  end
  return numbers
end

local function shape_text(numbers)
  return #numbers.shape == 0 and "scalar" or table.concat(numbers.shape, "x")
end

---@param core table the module "ganlua.core" that the samples call
---@return table<string, Sample[]>
return function(core)
  local ops = {}

  -- sample("mul", { {2, 3}, {3} }, core.mul): one more sample; `call` gets one tensor per input.
  local function sample(name, inputs, call, constant)
    local list = ops[name] or {}
    ops[name] = list
    local random, drawn, shapes = generator(#name * 1000 + name:byte(1) * 100 + #list), {}, {}
    for i, input in ipairs(inputs) do
      drawn[i] = draw(input, random)
      shapes[i] = shape_text(drawn[i])
    end
    list[#list + 1] = { inputs = drawn, call = call, constant = constant,
      label = #list + 1 .. ": " .. table.concat(shapes, ", ") }
  end

  -- The same function for several lists of inputs.
  local function samples(name, lists, call, constant)
    for _, inputs in ipairs(lists) do sample(name, inputs, call, constant) end
  end

  -- ---- Elementwise ----

  local broadcasts = {
    { {2, 3}, {2, 3} }, { {2, 3}, {3} }, { {2, 1}, {1, 3} }, { {}, {2, 2} }, { {2, 2}, {} }, { {}, {} },
    { {2, 1, 3}, {4, 1} }, { {1, 2, 1, 2}, {2, 1, 3, 1} }, { {0, 3}, {3} }, { {2, 0}, {2, 1} }, { {1}, {0} },
  }
  samples("add", broadcasts, core.add)
  samples("sub", broadcasts, core.sub)
  samples("mul", broadcasts, core.mul)
  for _, pair in ipairs(broadcasts) do
    sample("div", { pair[1], { away = 0.5, unpack(pair[2]) } }, core.div)
  end
  sample("add", { {2, 2} }, function(x) return core.add(x, 2.5) end)
  sample("add", { {2, 2} }, function(x) return core.add(x, x) end)
  sample("sub", { {2, 2} }, function(x) return core.sub(2.5, x) end)
  sample("mul", { {2, 2} }, function(x) return core.mul(-1.5, x) end)
  sample("mul", { {2, 2} }, function(x) return core.mul(x, x) end)
  sample("div", { {2, 2, away = 0.5} }, function(x) return core.div(2, x) end)
  sample("div", { {2, 2} }, function(x) return core.div(x, -4) end)

  local ordinary = { { {2, 3} }, { {} }, { {1, 1} }, { {2, 0} } }
  local extreme = { {6, values = {-30, -9, -0.125, 0.125, 9, 30}} }
  local positive = { { {2, 3, low = 0.25, high = 3} }, { {low = 0.25, high = 3} }, { {0} } }
  for _, name in ipairs{"neg", "square", "exp", "sin", "cos", "tanh", "erf", "sigmoid", "softplus", "relu",
    "leaky_relu", "abs", "sign", "silu", "gelu", "elu"} do
    samples(name, ordinary, function(x) return core[name](x) end)
  end
  for _, name in ipairs{"tanh", "erf", "sigmoid", "softplus", "relu", "leaky_relu", "abs", "sign", "silu", "gelu",
    "elu"} do
    sample(name, extreme, function(x) return core[name](x) end)
  end
  for _, name in ipairs{"log", "sqrt"} do
    samples(name, positive, function(x) return core[name](x) end)
  end
  samples("affine", ordinary, function(x) return core.affine(x, -2.5, 0.75) end)
  sample("leaky_relu", { {2, 3} }, function(x) return core.leaky_relu(x, 0.01) end)
  sample("elu", { {2, 3} }, function(x) return core.elu(x, 1.7) end)
  for _, exponent in ipairs{-1, 0, 0.5, 1, 1.7, 2, 3} do
    samples("pow", positive, function(x) return core.pow(x, exponent) end)
  end
  for _, exponent in ipairs{-1, 2, 3} do -- of negative numbers: whole exponents only
    sample("pow", { {2, 3, away = 0.3} }, function(x) return core.pow(x, exponent) end)
  end
  samples("pow", { { {2, 3, low = 0.25, high = 2}, {3} }, { {low = 0.25, high = 2}, {2, 2} } }, core.pow)
  sample("pow", { {2, 3} }, function(x) return core.pow(2, x) end)
  samples("clamp", { { {5, values = {-2, -0.5, 0.25, 0.75, 2}} }, { {} }, { {0} } },
    function(x) return core.clamp(x, -1, 0.5) end)

  -- The losses of one score: both signs, both sides of every corner, and far out.
  for _, name in ipairs{"score_logistic", "score_hinge", "score_squared_hinge", "score_smooth_hinge"} do
    local f = core[name]
    samples(name, ordinary, function(x) return f(x) end)
    sample(name, extreme, function(x) return f(x, -1, 0.75) end)
    sample(name, { {7, values = {-3, -0.8125, -0.625, -0.25, 0.25, 0.625, 3}} }, function(x) return f(x, -1, 0.5) end)
    sample(name, { {7, values = {-3, -0.8125, -0.625, -0.25, 0.25, 0.625, 3}} }, function(x) return f(x, 1, 0.5) end)
  end
  samples("score_square", ordinary, function(x) return core.score_square(x) end)
  sample("score_square", extreme, function(x) return core.score_square(x, -0.5) end)
  samples("score_parabola", ordinary, function(x) return core.score_parabola(x, 0.25) end)
  for _, name in ipairs{"score_exponential", "score_tanh"} do
    local f = core[name]
    samples(name, ordinary, function(x) return f(x) end)
    sample(name, { {2, 3} }, function(x) return f(x, -1, -0.75) end)
  end
  sample("score_tanh", extreme, function(x) return core.score_tanh(x, 1, 0.5) end)

  for _, name in ipairs{"eq", "lt", "le", "gt", "ge"} do
    samples(name, { { {4, values = {1, 2, 3, -1}}, {4, values = {1, 3, 2, -1}} }, { {2, 1}, {3} }, { {0, 2}, {2} } },
      function(a, b) return core[name](a, b) end, true)
  end

  local function mask(shape, ...)
    local values = {...}
    return function(a, b) return core.where(core.tensor(values):reshape(shape), a, b) end
  end
  samples("where", { { {2, 3}, {2, 3} }, { {3}, {2, 1} }, { {}, {} } }, mask({2, 3}, 1, 0, 0, 1, 1, 0))
  sample("where", { {2, 3}, {} }, mask({3}, 0, 1, 2))
  sample("where", { {0, 3}, {3} }, mask({3}, 0, 1, 1))

  -- ---- Reductions ----

  local function reductions(name, options)
    local function input(...)
      return { distinct = options.distinct, low = options.low, high = options.high, ... }
    end
    local reduce = core[name]
    samples(name, { { input(2, 3) }, { input(2, 1, 4) } }, function(x) return reduce(x) end)
    if not options.several then -- what one number gives
      sample(name, { input() }, function(x) return reduce(x) end)
      sample(name, { input(2, 1, 2) }, function(x) return reduce(x, 2) end)
    end
    sample(name, { input(2, 3, 2) }, function(x) return reduce(x, 2) end)
    sample(name, { input(2, 3, 2) }, function(x) return reduce(x, -1) end)
    sample(name, { input(2, 3, 2) }, function(x) return reduce(x, {1, 3}) end)
    sample(name, { input(2, 3, 2) }, function(x) return reduce(x, {1, -1}, {keepdim = true}) end)
    sample(name, { input(2, 3, 2, 2) }, function(x) return reduce(x, {2}, {keepdim = true}) end)
    sample(name, { input(3, 0) }, function(x) return reduce(x, 1) end)
  end
  reductions("sum", {})
  reductions("mean", {})
  reductions("var", { several = true })
  reductions("max", { distinct = true })
  reductions("min", { distinct = true })
  reductions("norm", { low = 0.25, high = 2 })
  samples("sum", { { {0} }, { {2, 0} } }, function(x) return core.sum(x) end)
  sample("sum", { {2, 0, 3} }, function(x) return core.sum(x, 2) end)
  sample("norm", { {2, 3} }, function(x) return core.norm(x, 2) end)
  samples("argmax", { { {3, 4, distinct = true} }, { {2, 4, values = {1, 3, 3, 0, -1, -1, -2, -1}} } },
    function(x) return core.argmax(x, 2) end, true)
  sample("argmax", { {3, 4, 2, distinct = true} }, function(x) return core.argmax(x, 1) end, true)
  sample("argmax", { {0, 4} }, function(x) return core.argmax(x, -1) end, true)

  for _, case in ipairs{ { {2, 3}, {3} }, { {2, 3}, {2, 1} }, { {2, 3}, {} }, { {2, 3, 4}, {3, 1} }, { {2, 3}, {2, 3} },
    { {0, 3}, {3} }, { {2, 0}, {2, 1} } } do
    sample("sum_to", { case[1] }, function(x) return core.sum_to(x, case[2]) end)
  end
  for _, case in ipairs{ { {3}, {2, 3} }, { {2, 1}, {2, 3} }, { {}, {2, 3} }, { {3, 1}, {2, 3, 4} }, { {2, 3}, {2, 3} },
    { {1, 3}, {0, 3} } } do
    sample("expand", { case[1] }, function(x) return core.expand(x, case[2]) end)
  end

  -- ---- Shape ----

  for _, case in ipairs{ { {2, 6}, {3, 4} }, { {2, 6}, {-1} }, { {2, 3, 2}, {2, -1} }, { {1}, {} }, { {}, {1, 1} },
    { {0, 3}, {3, 0, 2} } } do
    sample("reshape", { case[1] }, function(x) return core.reshape(x, case[2]) end)
  end
  sample("reshape", { {4, 2} }, function(x) return core.reshape(x, 2, 4) end)
  for _, case in ipairs{ { {2, 3, 4}, {3, 1, 2} }, { {2, 3}, {2, 1} }, { {2, 3}, {1, 2} },
    { {2, 1, 2, 3}, {4, 2, 1, 3} }, { {}, {} }, { {2, 0, 3}, {2, 3, 1} },
    { {2, 1, 2, 1, 2, 2}, {6, 1, 5, 2, 4, 3} } } do
    sample("permute", { case[1] }, function(x) return core.permute(x, case[2]) end)
  end
  sample("transpose", { {2, 3, 4} }, function(x) return core.transpose(x, 1, 3) end)
  sample("transpose", { {2, 3, 4} }, function(x) return core.transpose(x, -1, -2) end)
  sample("transpose", { {0, 2} }, function(x) return core.transpose(x, 1, 2) end)
  sample("narrow", { {4, 3} }, function(x) return core.narrow(x, 1, 2, 2) end)
  sample("narrow", { {2, 3, 5} }, function(x) return core.narrow(x, -1, 1, 5) end)
  sample("narrow", { {2, 3, 2} }, function(x) return core.narrow(x, 2, 3, 1) end)
  sample("narrow", { {2, 3} }, function(x) return core.narrow(x, 2, 1, 0) end)
  sample("pad", { {2, 3} }, function(x) return core.pad(x, 1, 1, 2) end)
  sample("pad", { {2, 3, 2} }, function(x) return core.pad(x, 2, 0, 1) end)
  sample("pad", { {2, 3} }, function(x) return core.pad(x, -1, 0, 0) end)
  sample("pad", { {2, 0} }, function(x) return core.pad(x, 2, 1, 1) end)
  sample("concat", { {2, 3}, {1, 3} }, function(a, b) return core.concat({a, b}, 1) end)
  sample("concat", { {2, 1, 2}, {2, 3, 2}, {2, 0, 2} }, function(a, b, c) return core.concat({a, b, c}, 2) end)
  sample("concat", { {2, 2} }, function(a) return core.concat({a, a}, -1) end)
  sample("concat", { {3} }, function(a) return core.concat({a}, 1) end)
  sample("index", { {4, 2} }, function(x) return core.index(x, 1, core.tensor{3, 1, 3}) end)
  sample("index", { {2, 3, 2} }, function(x) return core.index(x, -2, core.tensor{2, 2, 1, 3}) end)
  sample("index", { {3, 2} }, function(x) return core.index(x, 1, core.zeros(0)) end)
  sample("index", { {3} }, function(x) return core.index(x, 1, core.tensor{2}) end)
  sample("scatter_add", { {3, 2} }, function(x) return core.scatter_add(x, 1, core.tensor{3, 1, 3}, 4) end)
  sample("scatter_add", { {2, 3, 2} }, function(x) return core.scatter_add(x, 2, core.tensor{1, 2, 1}, 2) end)
  sample("scatter_add", { {0, 2} }, function(x) return core.scatter_add(x, 1, core.zeros(0), 2) end)

  -- ---- Products ----

  samples("matmul", { { {2, 3}, {3, 4} }, { {1, 1}, {1, 1} }, { {0, 3}, {3, 2} }, { {2, 0}, {0, 2} },
    { {2, 3}, {3, 0} }, { {2, 2, 3}, {2, 3, 2} }, { {1, 2, 1}, {1, 1, 2} }, { {0, 2, 2}, {0, 2, 2} } }, function(a, b)
    return core.matmul(a, b)
  end)
  sample("matmul", { {3, 2}, {3, 4} }, function(a, b) return core.matmul(a, b, {transpose_a = true}) end)
  sample("matmul", { {2, 3}, {4, 3} }, function(a, b) return core.matmul(a, b, {transpose_b = true}) end)
  samples("matmul", { { {3, 2}, {4, 3} }, { {2, 3, 2}, {2, 2, 3} } }, function(a, b)
    return core.matmul(a, b, {transpose_a = true, transpose_b = true})
  end)
  sample("matmul", { {3, 3} }, function(a) return core.matmul(a, a) end)
  samples("linear", { { {3, 4}, {4, 2}, {2} }, { {3, 4}, {4, 2} }, { {0, 2}, {2, 3}, {3} }, { {1, 1}, {1, 1}, {1} } },
    function(x, w, b) return core.linear(x, w, b) end)

  -- Pictures, kernels, stride and pad: a row each for the whole triple.
  for _, case in ipairs{
    { x = {2, 4, 5, 2}, w = {3, 3, 2, 2}, stride = 1, pad = 0 },
    { x = {1, 3, 3, 2}, w = {3, 3, 2, 1}, stride = 1, pad = 1 },
    { x = {1, 6, 4, 1}, w = {4, 4, 1, 2}, stride = 2, pad = 1 },
    { x = {1, 6, 5, 1}, w = {3, 3, 1, 2}, stride = 2, pad = 0 },
    { x = {1, 5, 4, 2}, w = {2, 3, 2, 1}, stride = 3, pad = 2 },
    { x = {2, 2, 2, 3}, w = {1, 1, 3, 2}, stride = 1, pad = 0 },
    { x = {2, 2, 3, 1}, w = {2, 3, 1, 2}, stride = 1, pad = 0 },
    { x = {1, 2, 2, 1}, w = {1, 1, 1, 2}, stride = 1, pad = 2 },
    { x = {0, 3, 3, 2}, w = {2, 2, 2, 1}, stride = 1, pad = 0 },
    -- Enough channels for the kernels that take pictures where they lie; the last a kernel as large as the picture.
    { x = {1, 3, 2, 8}, w = {2, 3, 8, 3}, stride = 2, pad = 1 },
    { x = {2, 2, 3, 9}, w = {1, 2, 9, 2}, stride = 3, pad = 1 },
    { x = {1, 2, 3, 17}, w = {2, 2, 17, 1}, stride = 1, pad = 1 },
    { x = {2, 2, 2, 3}, w = {2, 2, 3, 2}, stride = 2, pad = 0 },
  } do
    local n, height, width, channels = unpack(case.x)
    local kernel_h, kernel_w, _, out = unpack(case.w)
    local stride, pad = case.stride, case.pad
    local y = { n, (height + 2 * pad - kernel_h) // stride + 1, (width + 2 * pad - kernel_w) // stride + 1, out }
    assert(channels == case.w[3])
    sample("conv2d", { case.x, case.w }, function(x, w) return core.conv2d(x, w, stride, pad) end)
    sample("conv2d_input", { y, case.w }, function(u, w) return core.conv2d_input(u, w, height, width, stride, pad) end)
    sample("conv2d_weight", { case.x, y }, function(x, u)
      return core.conv2d_weight(x, u, kernel_h, kernel_w, stride, pad)
    end)
  end

  -- ---- Normalisation, resampling ----

  samples("channel_moments", { { {4, 3} }, { {2, 2, 2, 2} }, { {1, 2} } }, core.channel_moments, true)
  samples("all_channel_moments", { { {4, 3} }, { {2, 2, 2, 2} }, { {1, 2} } }, core.all_channel_moments, true)
  samples("batch_norm", { { {4, 3}, {3}, {3} }, { {2, 2, 3, 2}, {2}, {2} }, { {3, 1}, {1}, {1} },
    { {1, 2}, {2}, {2} } }, function(x, gamma, beta) return core.batch_norm(x, gamma, beta) end)
  sample("batch_norm", { {2, 2, 3, 2}, {2}, {2} }, function(x, gamma, beta)
    return core.batch_norm(x, gamma, beta, core.all_channel_moments(x)) -- of one rank here; spec/ranks has more
  end)
  samples("all_sum", { { {2, 3} }, { {} } }, core.all_sum)
  samples("spread", { { {2, 3} }, { {} } }, core.spread)
  sample("batch_norm", { {2, 2, 2, 2}, {2}, {2} }, function(x, gamma, beta)
    return core.batch_norm(x, gamma, beta, core.channel_moments(x), 1e-3)
  end)
  for _, slope in ipairs { 0, 0.2 } do
    sample("batch_norm", { {3, 2, 2, 2}, {2}, {2} }, function(x, gamma, beta)
      return core.batch_norm(x, gamma, beta, nil, 1e-5, slope)
    end)
    sample("conv2d", { {2, 4, 3, 2}, {3, 2, 2, 3}, {3} }, function(x, w, bias)
      return core.conv2d(x, w, 1, 1, bias, slope)
    end)
    sample("conv2d_input", { {2, 2, 3, 3}, {2, 2, 2, 3}, {2} }, function(y, w, bias)
      return core.conv2d_input(y, w, 4, 6, 2, 0, bias, slope)
    end)
    sample("finish", { {4, 3}, {3} }, function(x, bias) return core.finish(x, bias, slope) end)
    sample("finish", { {2, 2, 3, 2} }, function(x) return core.finish(x, nil, slope) end)
    sample("finish", { {3, 4}, {4, 2}, {2} }, function(x, w, bias)
      return core.finish(core.matmul(x, w), bias, slope, true)
    end)
  end
  sample("finish", { {2, 3}, {3} }, function(x, bias) return core.finish(x, bias) end)
  sample("finish", { {0, 3}, {3} }, function(x, bias) return core.finish(x, bias, 0.2) end)
  for _, name in ipairs{"softmax", "log_softmax"} do
    local f = core[name]
    sample(name, { {2, 3} }, function(x) return f(x, 2) end)
    sample(name, { {2, 3} }, function(x) return f(x, 1) end)
    sample(name, { {2, 3, 2} }, function(x) return f(x, -2) end)
    sample(name, { {3, 1} }, function(x) return f(x, 2) end)
    sample(name, { {0, 3} }, function(x) return f(x, 2) end)
    sample(name, { {2, 3, values = {-40, 20, 19, 100, 99, 98}} }, function(x) return f(x, 2) end)
  end
  sample("standardize", { {3, 4} }, function(x) return core.standardize(x, {2}) end)
  sample("standardize", { {2, 2, 3, 2} }, function(x) return core.standardize(x, {2, 3}, 1e-3) end)
  sample("standardize", { {2, 3, 2} }, function(x) return core.standardize(x, {1, -1}) end)
  for _, name in ipairs{"upsample_nearest", "upsample_bilinear"} do
    local f = core[name]
    samples(name, { { {2, 2, 3, 2} }, { {1, 1, 1, 2} }, { {1, 1, 3, 1} }, { {0, 2, 2, 1} } }, function(x)
      return f(x, 2)
    end)
    sample(name, { {1, 2, 3, 1} }, function(x) return f(x, 3) end)
    sample(name, { {1, 2, 2, 1} }, function(x) return f(x, 1) end)
  end
  samples("avg_pool", { { {2, 4, 4, 2} }, { {1, 5, 3, 1} }, { {0, 2, 2, 1} } }, function(x)
    return core.avg_pool(x, 2)
  end)
  sample("avg_pool", { {1, 3, 4, 2} }, function(x) return core.avg_pool(x, 3) end)
  sample("avg_pool", { {1, 2, 2, 2} }, function(x) return core.avg_pool(x, 1) end)

  -- ---- Constants ----

  for _, name in ipairs{"detach", "copy"} do
    samples(name, { { {2, 3} }, { {} }, { {0, 2} } }, function(x) return core[name](x) end, true)
  end
  sample("zeros", {}, function() return core.zeros(2, 3) end, true)
  sample("ones", {}, function() return core.ones{2, 0} end, true)
  sample("randint", {}, function() return core.randint({3}, 5) end, true)
  sample("full", {}, function() return core.full({3}, 0.25) end, true)
  sample("arange", {}, function() return core.arange(-1, 1, 0.25) end, true)
  sample("linspace", {}, function() return core.linspace(-1, 1, 5) end, true)
  for _, name in ipairs{"rand", "randn"} do
    sample(name, {}, function()
      core.seed(3)
      return core[name](3, 5)
    end, true)
  end

  return ops
end
