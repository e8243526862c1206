--- How each step of a graph is written in an ONNX file: writers.OP(unit, step, x) -> the name of what it makes. Those
-- of labels and styles are in onnx_conditions.lua.
--
-- Inside the file pictures are N x C x H x W, as ONNX's operators have them; what lies otherwise in ganlua (features
-- behind flatten, before reshape) is brought into ganlua's order there. All weights stay what they are.

local check = require "ganlua.check"
local core = require "ganlua.core"

local function shape_of(unit, value) return unit.graph.shapes[value] end

local function is_picture(shape) return #shape == 3 end

-- A sample's sizes as the file has them.
local function sizes(shape)
  return is_picture(shape) and { shape[3], shape[1], shape[2] } or shape
end

-- Sizes with those of the batch before them, which stay: 0 says so.
local function with_batch(shape)
  return table.move(shape, 1, #shape, 2, { 0 })
end

-- A constant for each channel, shaped so that it broadcasts over a value.
local function by_channel(unit, t, shape, what)
  return unit.file:constant(is_picture(shape) and t:reshape(-1, 1, 1) or t:reshape(-1), what)
end

-- The axes of the last k dimensions of a sample.
local function last_axes(shape, k)
  local axes = {}
  for i = #shape - k + 1, #shape do
    axes[#axes + 1] = is_picture(shape) and ({ 2, 3, 1 })[i] or i
  end
  table.sort(axes)
  return axes
end

-- (x - mean) / sqrt(variance + eps) over axes.
local function standardized(unit, x, axes, eps)
  local file = unit.file
  local centred = file:node("Sub", { x, file:node("ReduceMean", { x }, { axes = axes }) })
  local variance = file:node("ReduceMean", { file:node("Mul", { centred, centred }) }, { axes = axes })
  return file:node("Div", { centred, file:node("Sqrt", { file:node("Add", { variance, file:number(eps) }) }) })
end

-- x * weight + bias, constants by name; without a weight x.
local function affine(unit, x, weight, bias)
  if not weight then return x end
  return unit.file:node("Add", { unit.file:node("Mul", { x, weight }), bias })
end

local writers = {}

-- The weight, and the bias where there is one, as inputs of a node.
local function parameters(unit, x, weight, bias)
  local inputs = { x, unit.file:constant(weight, "weight") }
  if bias then inputs[3] = unit.file:constant(bias, "bias") end
  return inputs
end

function writers.linear(unit, step, x)
  return unit.file:node("Gemm", parameters(unit, x, step.weight, step.bias))
end

local function window(step)
  local k, s, p = step.kernel, step.stride, step.pad
  return { kernel_shape = { k, k }, strides = { s, s }, pads = { p, p, p, p } }
end

function writers.conv2d(unit, step, x)
  return unit.file:node("Conv", parameters(unit, x, step.weight:permute { 4, 3, 1, 2 }, step.bias), window(step))
end

function writers.conv_transpose2d(unit, step, x)
  local attributes = window(step)
  attributes.output_padding = { step.output_pad, step.output_pad }
  return unit.file:node("ConvTranspose", parameters(unit, x, step.weight:permute { 4, 3, 1, 2 }, step.bias), attributes)
end

function writers.scale_shift(unit, step, x)
  local shape = shape_of(unit, step.output)
  return affine(unit, x, by_channel(unit, step.weight, shape, "factors"), by_channel(unit, step.bias, shape, "terms"))
end

function writers.layer_norm(unit, step, x)
  local shape, count, k = shape_of(unit, step.output), 1, 0
  while count < step.size or k == 0 do
    count, k = count * shape[#shape - k], k + 1
  end
  -- A weight of the last k dimensions; a picture's stand as C x H x W.
  local function constant(t, what)
    if not t then return nil end
    if not is_picture(shape) then return unit.file:constant(t, what) end
    local full = { 1, 1, 1 }
    table.move(shape, 4 - k, 3, 4 - k, full)
    return unit.file:constant(t:reshape(full):permute { 3, 1, 2 }, what)
  end
  return affine(unit, standardized(unit, x, last_axes(shape, k), step.eps), constant(step.weight, "weight"),
    constant(step.bias, "bias"))
end

function writers.group_norm(unit, step, x)
  local shape = shape_of(unit, step.output)
  local split = unit.file:node("Reshape", { x, unit.file:integers { 0, step.groups, -1 } })
  local normed = standardized(unit, split, { 2 }, step.eps)
  local whole = unit.file:node("Reshape", { normed, unit.file:integers(with_batch(sizes(shape))) })
  if not step.weight then return whole end
  return affine(unit, whole, by_channel(unit, step.weight, shape, "weight"), by_channel(unit, step.bias, shape, "bias"))
end

function writers.pixel_norm(unit, step, x)
  local file, axes = unit.file, last_axes(shape_of(unit, step.output), 1)
  local square = file:node("ReduceMean", { file:node("Mul", { x, x }) }, { axes = axes })
  return file:node("Div", { x, file:node("Sqrt", { file:node("Add", { square, file:number(step.eps) }) }) })
end

local operators = { relu = "Relu", tanh = "Tanh", sigmoid = "Sigmoid", softplus = "Softplus" }

function writers.activation(unit, step, x)
  local file = unit.file
  if step.name == "leaky_relu" then return file:node("LeakyRelu", { x }, { alpha = step.slope + 0.0 }) end
  if step.name == "elu" then return file:node("Elu", { x }, { alpha = step.slope + 0.0 }) end
  if step.name == "silu" then return file:node("Mul", { x, file:node("Sigmoid", { x }) }) end
  if step.name == "gelu" then
    local erf = file:node("Erf", { file:node("Mul", { x, file:number(0.5 ^ 0.5) }) })
    local share = file:node("Mul", { file:node("Add", { erf, file:number(1) }), file:number(0.5) })
    return file:node("Mul", { x, share })
  end
  return file:node(operators[step.name], { x })
end

function writers.maxout(unit, step, x)
  local shape = sizes(shape_of(unit, step.output))
  local split = { 0, shape[1], step.pieces, table.unpack(shape, 2) }
  if not is_picture(shape) then
    split = with_batch(table.move(shape, 1, #shape, 1, {}))
    split[#split + 1] = step.pieces
  end
  local axis = is_picture(shape) and 2 or #split - 1
  local apart = unit.file:node("Reshape", { x, unit.file:integers(split) })
  return unit.file:node("ReduceMax", { apart }, { axes = { axis }, keepdims = 0 })
end

function writers.reshape(unit, step, x)
  local from, to, file = shape_of(unit, step.inputs[1]), shape_of(unit, step.output), unit.file
  if check.shape_text(from) == check.shape_text(to) then return x end
  if is_picture(from) then x = file:node("Transpose", { x }, { perm = { 0, 2, 3, 1 } }) end
  x = file:node("Reshape", { x, file:integers(with_batch(to)) })
  return is_picture(to) and file:node("Transpose", { x }, { perm = { 0, 3, 1, 2 } }) or x
end

function writers.upsample(unit, step, x)
  local scales = unit.file:constant(core.tensor { 1, 1, step.scale, step.scale }, "scales")
  local nearest = step.mode == "nearest"
  return unit.file:node("Resize", { x, "", scales }, {
    mode = nearest and "nearest" or "linear",
    coordinate_transformation_mode = nearest and "asymmetric" or "half_pixel",
    nearest_mode = nearest and "floor" or nil,
  })
end

for op, operator in pairs { avg_pool = "AveragePool", max_pool = "MaxPool" } do
  writers[op] = function(unit, step, x)
    local k = step.kernel
    return unit.file:node(operator, { x }, { kernel_shape = { k, k }, strides = { k, k } })
  end
end

function writers.global_sum_pool(unit, _, x)
  return unit.file:node("ReduceSum", { x, unit.file:integers { 2, 3 } }, { keepdims = 0 })
end

function writers.mix(unit, step, x)
  local file, parts = unit.file, { x, unit.names[step.inputs[2]] }
  for i, factor in ipairs(step.factors) do
    if factor ~= 1 then parts[i] = file:node("Mul", { parts[i], file:number(factor) }) end
  end
  return file:node("Add", parts)
end

-- A picture of terms, the same for each channel.
function writers.pixel_shift(unit, step, x)
  local shape = shape_of(unit, step.output)
  return unit.file:node("Add", { x, unit.file:constant(step.bias:reshape(1, shape[1], shape[2]), "terms") })
end

-- Pixels are the last axis; a column of the weights belongs to who looks.
function writers.attention(unit, step)
  local file, height, width, channels = unit.file, table.unpack(shape_of(unit, step.output))
  local function pixels(i) return file:node("Reshape", { unit.names[step.inputs[i]], file:integers { 0, 0, -1 } }) end
  local keys = file:node("Transpose", { pixels(2) }, { perm = { 0, 2, 1 } })
  local weights = file:node("Softmax", { file:node("MatMul", { keys, pixels(1) }) }, { axis = 1 })
  local seen = file:node("MatMul", { pixels(3), weights })
  return file:node("Reshape", { seen, file:integers { 0, channels, height, width } })
end

-- The batch is known when the file runs: its pictures are made into group x groups, as ganlua does.
function writers.minibatch_stddev(unit, step, x)
  local file, height, width, channels = unit.file, table.unpack(shape_of(unit, step.inputs[1]))
  local batch = file:node("Gather", { file:node("Shape", { x }), file:integers { 0 } })
  local group = file:node("Min", { batch, file:integers { step.group } })
  local split = file:node("Reshape", { x,
    file:node("Concat", { group, file:integers { -1, channels * height * width } }, { axis = 0 }) })
  local centred = file:node("Sub", { split, file:node("ReduceMean", { split }, { axes = { 0 } }) })
  local variance = file:node("ReduceMean", { file:node("Mul", { centred, centred }) }, { axes = { 0 } })
  local deviation = file:node("Sqrt", { file:node("Add", { variance, file:number(step.eps) }) })
  local one = file:node("ReduceMean", { deviation }, { axes = { 2 } }) -- 1 x groups x 1
  local spread = file:node("Expand", { one,
    file:node("Concat", { group, file:integers { 1, height * width } }, { axis = 0 }) })
  local channel = file:node("Reshape", { spread, file:integers { -1, 1, height, width } })
  return file:node("Concat", { x, channel }, { axis = 1 })
end

return {
  writers = writers, sizes = sizes, shape_of = shape_of, is_picture = is_picture, affine = affine,
}
