--- How steps are written in an ONNX file whose numbers are those of a sample's class or style: more of the writers of
-- onnx_steps.lua beside this file.

local onnx_steps = require "ganlua.export.onnx_steps"

local writers, sizes, affine = onnx_steps.writers, onnx_steps.sizes, onnx_steps.affine
local is_picture, shape_of = onnx_steps.is_picture, onnx_steps.shape_of

---- Labels ----------------------------------------------------------------------------------------------------------

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

-- Beside the channels of a picture the class's numbers stand at each pixel; channels come last elsewhere.
function writers.class_concat(unit, step, x)
  local file, shape = unit.file, sizes(shape_of(unit, step.inputs[1]))
  local rank, axis = #shape, is_picture(shape) and 1 or #shape
  local spread, others = { 1, table.unpack(shape) }, {}
  for i = 1, rank do
    if i ~= axis then others[#others + 1] = i end
  end
  spread[axis + 1] = 1
  local rows = of_classes(unit, step.weight, "embedding")
  if rank > 1 then
    rows = file:node("Expand", { file:node("Unsqueeze", { rows, file:integers(others) }), file:integers(spread) })
  end
  return file:node("Concat", { x, rows }, { axis = axis })
end

-- The input are the labels themselves.
function writers.class_rows(unit, step, x)
  unit.whole_input = true
  return unit.file:node("Gather", { unit.file:constant(step.weight, "embedding"), x })
end

---- Styles ----------------------------------------------------------------------------------------------------------

-- How many samples there are is known when the file runs.
function writers.constant(unit, step, x)
  local file, order = unit.file, is_picture(shape_of(unit, step.output)) and { 1, 4, 2, 3 } or nil
  local value = file:constant(order and step.weight:permute(order) or step.weight, "value")
  local shape = { file:node("Gather", { file:node("Shape", { x }), file:integers { 0 } }) }
  for i = 1, #shape_of(unit, step.output) do shape[i + 1] = file:integers { 1 } end
  return file:node("Expand", { value, file:node("Concat", shape, { axis = 0 }) })
end

writers["repeat"] = function(unit, step, x)
  local file, count = unit.file, shape_of(unit, step.output)[1]
  return file:node("Expand", { file:node("Unsqueeze", { x, file:integers { 1 } }), file:integers { 1, count, 1 } })
end

function writers.row(unit, step, x)
  local file, size = unit.file, shape_of(unit, step.output)[1]
  local one = file:node("Gather", { x, file:integers { step.row - 1 } }, { axis = 1 })
  return file:node("Reshape", { one, file:integers { 0, size } })
end

-- A sample's numbers as factors of its channels.
local function by_sample(unit, numbers)
  return unit.file:node("Unsqueeze", { numbers, unit.file:integers { 2, 3 } })
end

function writers.channel_product(unit, step, x)
  return unit.file:node("Mul", { x, by_sample(unit, unit.names[step.inputs[2]]) })
end

function writers.demodulate(unit, step, x)
  local file, style = unit.file, unit.names[step.inputs[2]]
  local squares = file:node("MatMul", { file:node("Mul", { style, style }), file:constant(step.weight, "squares") })
  local norms = file:node("Sqrt", { file:node("Add", { squares, file:number(step.eps) }) })
  return file:node("Div", { x, by_sample(unit, norms) })
end
