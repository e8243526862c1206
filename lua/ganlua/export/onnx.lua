--- gan.export.onnx: a trained network for every program that runs ONNX, browsers too. See ganlua.export.graph for what
-- a network is taken to be.
--
-- Inside the file pictures are N x C x H x W, as ONNX's operators have them; what lies otherwise in ganlua (features
-- behind flatten, before reshape) is brought into ganlua's order there. All weights stay what they are.

local check = require "ganlua.check"
local core = require "ganlua.core"
local graph = require "ganlua.export.graph"
local onnx_file = require "ganlua.export.onnx_file"

-- What a step is written with.
---@class ganlua.onnx_unit
---@field graph ganlua.graph
---@field file ganlua.onnx_file
---@field names string[] of the graph's values
---@field labels boolean whether there is an input of labels

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

---- Steps -----------------------------------------------------------------------------------------------------------

-- How each step is written: writers.OP(unit, step, x) -> the name of what it makes.
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
  local channels = shape[#shape]
  local split = unit.file:node("Reshape", { x, unit.file:integers { 0, step.groups, -1 } })
  local normed = standardized(unit, split, { 2 }, step.eps)
  local whole = unit.file:node("Reshape", { normed, unit.file:integers(with_batch(sizes(shape))) })
  if not step.weight then return whole end
  assert(step.weight:numel() == channels)
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

function writers.avg_pool(unit, step, x)
  local k = step.kernel
  return unit.file:node("AveragePool", { x }, { kernel_shape = { k, k }, strides = { k, k } })
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

-- The rows of a table that belong to the labels: N x columns.
local function of_classes(unit, t, what)
  unit.labels = true
  return unit.file:node("Gather", { unit.file:constant(t, what), "labels" })
end

function writers.class_scale_shift(unit, step, x)
  local file, shape = unit.file, shape_of(unit, step.output)
  local function rows(t, what)
    local chosen = of_classes(unit, t, what)
    return is_picture(shape) and file:node("Unsqueeze", { chosen, file:integers { 2, 3 } }) or chosen
  end
  return affine(unit, x, rows(step.weight, "factors"), rows(step.bias, "terms"))
end

function writers.class_product(unit, step, x)
  local product = unit.file:node("Mul", { x, of_classes(unit, step.weight, "embedding") })
  return unit.file:node("ReduceSum", { product, unit.file:integers { 1 } })
end

---- gan.export.onnx -------------------------------------------------------------------------------------------------

local options = {
  input = { is = graph.is_shape, wanted = "the shape of one sample, such as {64}" },
}

local function write(m, input)
  local g = graph.of("export.onnx", m, input)
  graph.fold(g)
  local unit = { graph = g, file = onnx_file.new(), names = { "input" }, labels = false }
  local listed = {}
  for _, step in ipairs(g.steps) do
    for _, key in ipairs { "weight", "bias" } do
      if step[key] and not core.all_finite(step[key]) then
        check.fail("export.onnx: %s: its %s has numbers that are not finite", step.where, key)
      end
    end
    listed[#listed + 1] = graph.describe(g, step)
    unit.names[step.output] = writers[step.op](unit, step, unit.names[step.inputs[1]])
  end
  unit.file:node("Identity", { unit.names[g.output] }, nil, "output")
  local inputs = { { name = "input", shape = sizes(g.shapes[1]) } }
  if unit.labels then inputs[2] = { name = "labels", shape = {}, integers = true } end
  return unit.file:encode(inputs, { { name = "output", shape = sizes(g.shapes[g.output]) } },
    table.concat(listed, "\n"))
end

--- Writes a network, as it is in eval mode, as an ONNX file (opset 13, ir version 8) with an input "input", an output
--- "output", and a batch of any size: latents N x 64, pictures N x C x H x W from -1 to 1, as other programs have them.
--- A network that looks at labels has an input "labels" too, N whole numbers from 0. Its numbers agree with ganlua's
--- within 1e-5. Options: input, the shape of one sample as ganlua has it ({height, width, channels} for a picture),
--- where the first layer is not linear.
---@param module ganlua.module run.ema or run.generator, for example
---@param path string
---@param given? { input: integer[]? }
return function(module, path, given)
  if type(path) ~= "string" then check.fail("export.onnx: the path must be a string, got %s", check.describe(path)) end
  local o = check.options("export.onnx", given, options)
  local bytes = core.no_grad(write, module, o.input)
  if #bytes >= 1 << 31 then
    check.fail("export.onnx: %d bytes are more than the 2 GB that protocol buffers may have", #bytes)
  end
  core.write_file(path, bytes)
end
