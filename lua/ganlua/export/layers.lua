--- What each layer of gan.nn is as steps of a graph (see graph.lua beside this file).

local check = require "ganlua.check"
local core = require "ganlua.core"

local layers = {}

local function numel(shape)
  local product = 1
  for _, size in ipairs(shape) do product = product * size end
  return product
end
layers.numel = numel

-- Adds a step that makes a value of `shape`.
local function add(g, m, shape, step)
  g.shapes[#g.shapes + 1] = shape
  step.output, step.where = #g.shapes, m:where()
  g.steps[#g.steps + 1] = step
  return step.output
end

local function rank(g, m, x, wanted)
  local shape = g.shapes[x]
  if #shape ~= wanted then
    m:fail("export: wanted %s, got samples of %s", wanted == 1 and "features" or "images of H x W x C",
      check.shape_text(shape))
  end
  return table.unpack(shape)
end

local function agrees(g, m, x, channels)
  local shape = g.shapes[x]
  if shape[#shape] ~= channels then
    m:fail("export: wanted samples of ... x %d, got %s", channels, check.shape_text(shape))
  end
end

-- How a layer becomes steps, by its kind: writers.linear(graph, layer, input value) -> output value.
local writers = {}

function writers.sequential(g, m, x)
  for i = 1, m.options.count do x = layers.walk(g, m[i], x) end
  return x
end

function writers.residual(g, m, x)
  local main = layers.walk(g, m.main, x)
  local skip = m.skip and layers.walk(g, m.skip, x) or x
  local a, b = check.shape_text(g.shapes[main]), check.shape_text(g.shapes[skip])
  if a ~= b then m:fail("export: main gives %s and skip %s: they must agree", a, b) end
  return add(g, m, g.shapes[main], { op = "mix", inputs = { main, skip }, factors = { 1, 1 } })
end

function writers.linear(g, m, x)
  rank(g, m, x, 1)
  agrees(g, m, x, m.weight:shape()[1])
  return add(g, m, { m.weight:shape()[2] }, { op = "linear", inputs = { x }, weight = m.weight, bias = m.bias })
end

local function convolution(op, size_of, input_axis, output_axis)
  return function(g, m, x)
    local height, width = rank(g, m, x, 3)
    local o, shape = m.options, m.weight:shape()
    agrees(g, m, x, shape[input_axis])
    local result = { size_of(height, o), size_of(width, o), shape[output_axis] }
    if result[1] < 1 or result[2] < 1 then
      m:fail("export: nothing is left of images of %s", check.shape_text(g.shapes[x]))
    end
    return add(g, m, result, { op = op, inputs = { x }, weight = m.weight, bias = m.bias, kernel = o.kernel,
      stride = o.stride, pad = o.pad, output_pad = o.output_pad })
  end
end

writers.conv2d = convolution("conv2d", function(n, o) return (n + 2 * o.pad - o.kernel) // o.stride + 1 end, 3, 4)
writers.conv_transpose2d = convolution("conv_transpose2d", function(n, o)
  return (n - 1) * o.stride - 2 * o.pad + o.kernel + o.output_pad
end, 4, 3)

function writers.spectral_norm(g, m, x)
  return layers.walk(g, m:normed(), x)
end

function writers.batch_norm(g, m, x)
  agrees(g, m, x, m.running_mean:numel())
  local scale = (m.weight or m.scale) / (m.running_var + m.options.eps):sqrt()
  return add(g, m, g.shapes[x], { op = "scale_shift", inputs = { x }, weight = scale,
    bias = (m.bias or m.shift) - m.running_mean * scale })
end

-- Of pictures or features alone: the channels are the last dimension.
local function with_channels(g, m, x, channels)
  agrees(g, m, x, channels)
  if #g.shapes[x] ~= 1 then rank(g, m, x, 3) end
end

function writers.conditional_batch_norm(g, m, x)
  with_channels(g, m, x, m.norm.running_mean:numel())
  local scale = m.weight / (m.norm.running_var + m.options.eps):sqrt()
  return add(g, m, g.shapes[x], { op = "class_scale_shift", inputs = { x }, weight = scale,
    bias = m.bias - m.norm.running_mean * scale })
end

function writers.projection(g, m, x)
  rank(g, m, x, 1)
  local psi = layers.walk(g, m.psi, x)
  local embed = m.options.spectral and m.embed:normed() or m.embed
  local product = add(g, m, { 1 }, { op = "class_product", inputs = { x }, weight = embed.weight })
  return add(g, m, { 1 }, { op = "mix", inputs = { psi, product }, factors = { 1, 1 } })
end

function writers.group_norm(g, m, x)
  with_channels(g, m, x, m.channels)
  return add(g, m, g.shapes[x], { op = "group_norm", inputs = { x }, weight = m.weight, bias = m.bias,
    groups = m.options.groups, eps = m.options.eps })
end

-- As many groups as channels.
function writers.instance_norm(g, m, x)
  rank(g, m, x, 3)
  agrees(g, m, x, m.channels)
  return add(g, m, g.shapes[x], { op = "group_norm", inputs = { x }, weight = m.weight, bias = m.bias,
    groups = m.channels, eps = m.options.eps })
end

function writers.pixel_norm(g, m, x)
  return add(g, m, g.shapes[x], { op = "pixel_norm", inputs = { x }, eps = m.options.eps })
end

function writers.maxout(g, m, x)
  local shape, pieces = table.move(g.shapes[x], 1, #g.shapes[x], 1, {}), m.options.pieces
  if shape[#shape] % pieces ~= 0 then
    m:fail("export: wanted samples whose channels are a multiple of %d, got %s", pieces, check.shape_text(shape))
  end
  shape[#shape] = shape[#shape] // pieces
  return add(g, m, shape, { op = "maxout", inputs = { x }, pieces = pieces })
end

function writers.layer_norm(g, m, x)
  local shape, wanted = g.shapes[x], m.normalized
  local last = table.move(shape, #shape - #wanted + 1, #shape, 1, {})
  if check.shape_text(last) ~= check.shape_text(wanted) then
    m:fail("export: wanted samples of ... x %s, got %s", check.shape_text(wanted), check.shape_text(shape))
  end
  return add(g, m, shape, { op = "layer_norm", inputs = { x }, weight = m.weight, bias = m.bias, size = numel(wanted),
    eps = m.options.eps })
end

for _, name in ipairs { "relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "softplus" } do
  writers[name] = function(g, m, x)
    return add(g, m, g.shapes[x], { op = "activation", inputs = { x }, name = name,
      slope = m.options.slope or m.options.alpha })
  end
end

function writers.dropout(_, _, x) return x end

function writers.flatten(g, m, x)
  return add(g, m, { numel(g.shapes[x]) }, { op = "reshape", inputs = { x } })
end

function writers.reshape(g, m, x)
  local have, known, shape, free = numel(g.shapes[x]), 1, {}, nil
  for i, size in ipairs(m.options.sizes) do
    shape[i] = size
    if size == -1 then free = i else known = known * size end
  end
  if free and known > 0 then shape[free] = have // known end
  if numel(shape) ~= have then
    m:fail("export: wanted samples of %d numbers, got %s", known, check.shape_text(g.shapes[x]))
  end
  return add(g, m, shape, { op = "reshape", inputs = { x } })
end

function writers.upsample(g, m, x)
  local height, width, channels = rank(g, m, x, 3)
  local o = m.options
  return add(g, m, { height * o.scale, width * o.scale, channels },
    { op = "upsample", inputs = { x }, scale = o.scale, mode = o.mode })
end

function writers.avg_pool(g, m, x)
  local height, width, channels = rank(g, m, x, 3)
  local kernel = m.options.kernel
  if math.min(height, width) < kernel then
    m:fail("export: wanted images of at least %d x %d, got %s", kernel, kernel, check.shape_text(g.shapes[x]))
  end
  return add(g, m, { height // kernel, width // kernel, channels },
    { op = "avg_pool", inputs = { x }, kernel = kernel })
end

function writers.global_sum_pool(g, m, x)
  local _, _, channels = rank(g, m, x, 3)
  return add(g, m, { channels }, { op = "global_sum_pool", inputs = { x } })
end

function writers.global_avg_pool(g, m, x)
  local height, width, channels = rank(g, m, x, 3)
  local sum = add(g, m, { channels }, { op = "global_sum_pool", inputs = { x } })
  return add(g, m, { channels }, { op = "scale_shift", inputs = { sum },
    weight = core.full({ channels }, 1 / (height * width)), bias = core.zeros { channels } })
end

-- Pictures means over kernel x kernel pixels smaller; what is no picture stays.
local function smaller(g, m, x, kernel)
  local shape = g.shapes[x]
  if #shape ~= 3 or kernel == 1 then return x end
  return add(g, m, { shape[1] // kernel, shape[2] // kernel, shape[3] },
    { op = "avg_pool", inputs = { x }, kernel = kernel })
end

function writers.growing_discriminator(g, m, x)
  local progress = m.progress:item()
  local stage = math.ceil(progress)
  local weight = progress - (stage - 1)
  local function features(i)
    return layers.walk(g, m["head" .. i], smaller(g, m, x, m.options.scale ^ (m.grows - i) // 1 | 0))
  end
  local y = layers.walk(g, m["block" .. stage], features(stage))
  if weight < 1 then
    y = add(g, m, g.shapes[y], { op = "mix", inputs = { features(stage - 1), y }, factors = { 1 - weight, weight } })
  end
  for below = stage - 1, 1, -1 do y = layers.walk(g, m["block" .. below], y) end
  return y
end

-- Its stages up to where it has grown to; a stage that fades in is mixed with the one below.
function writers.growing_generator(g, m, x)
  local progress = m.progress:item()
  local stage = math.ceil(progress)
  local weight = progress - (stage - 1)
  local function sample(i, features)
    local y = layers.walk(g, m["head" .. i], features)
    local times, shape = m.options.scale ^ (m.grows - i) // 1 | 0, g.shapes[y]
    if #shape ~= 3 or times == 1 then return y end
    return add(g, m, { shape[1] * times, shape[2] * times, shape[3] },
      { op = "upsample", inputs = { y }, scale = times, mode = "nearest" })
  end
  for i = 1, stage - 1 do x = layers.walk(g, m["block" .. i], x) end
  local y = sample(stage, layers.walk(g, m["block" .. stage], x))
  if weight == 1 then return y end
  return add(g, m, g.shapes[y], { op = "mix", inputs = { sample(stage - 1, x), y }, factors = { 1 - weight, weight } })
end

--- The value that a module makes of the value x; its steps are added to g.
---@param g ganlua.graph
---@param m ganlua.module
---@param x integer
---@return integer
function layers.walk(g, m, x)
  local write = writers[m.kind]
  if not write then
    local kinds = {}
    for kind in pairs(writers) do kinds[#kinds + 1] = kind end
    table.sort(kinds)
    m:fail("export: there is no way to write this layer; these are known: %s", table.concat(kinds, ", "))
  end
  return write(g, m, x)
end

return layers
