--- gan.export.onnx: a trained network for every program that runs ONNX, browsers too. See ganlua.export.graph for what
-- a network is taken to be.

local check = require "ganlua.check"
local core = require "ganlua.core"
local graph = require "ganlua.export.graph"
local onnx_file = require "ganlua.export.onnx_file"
local onnx_steps = require "ganlua.export.onnx_steps"
local truncation = require "ganlua.truncation"
require "ganlua.export.onnx_conditions"

local sizes = onnx_steps.sizes

-- What a step is written with.
---@class ganlua.onnx_unit
---@field graph ganlua.graph
---@field file ganlua.onnx_file
---@field names string[] of the graph's values
---@field labels boolean whether there is an input of labels
---@field whole_input boolean whether the input is whole numbers

local options = {
  input = { is = graph.is_shape, wanted = "the shape of one sample, such as {64}" },
  truncation = truncation.row,
}

local function write(m, input)
  local g = graph.of("export.onnx", m, input)
  graph.fold(g)
  local unit = { graph = g, file = onnx_file.new(), names = { "input" }, labels = false, whole_input = false }
  local listed = {}
  for _, step in ipairs(g.steps) do
    for _, key in ipairs { "weight", "bias" } do
      if step[key] and not core.all_finite(step[key]) then
        check.fail("export.onnx: %s: its %s has numbers that are not finite", step.where, key)
      end
    end
    listed[#listed + 1] = graph.describe(g, step)
    unit.names[step.output] = onnx_steps.writers[step.op](unit, step, unit.names[step.inputs[1]])
  end
  unit.file:node("Identity", { unit.names[g.output] }, nil, "output")
  local inputs = { { name = "input", shape = sizes(g.shapes[1]), integers = unit.whole_input } }
  if unit.labels then inputs[2] = { name = "labels", shape = {}, integers = true } end
  return unit.file:encode(inputs, { { name = "output", shape = sizes(g.shapes[g.output]) } },
    table.concat(listed, "\n"))
end

--- Writes a network, as it is in eval mode, as an ONNX file (opset 13, ir version 8) with an input "input", an output
--- "output", and a batch of any size: latents N x 64, pictures N x C x H x W from -1 to 1, as other programs have them.
--- A network that looks at labels has an input "labels" too, N whole numbers from 0; the input of one that begins with
--- nn.embedding is such numbers itself. Its numbers agree with ganlua's within 1e-5. Options: input, the shape of one
--- sample as ganlua has it ({height, width, channels} for a picture), where the first layers do not tell; truncation,
--- as run:sample takes it.
---@param module ganlua.module run.ema or run.generator, for example
---@param path string
---@param given? { input: integer[]?, truncation: number? }
return function(module, path, given)
  if type(path) ~= "string" then check.fail("export.onnx: the path must be a string, got %s", check.describe(path)) end
  local o = check.options("export.onnx", given, options)
  local _ <close> = truncation.of("export.onnx", module, o.truncation)
  local bytes = core.no_grad(write, module, o.input)
  if #bytes >= 1 << 31 then
    check.fail("export.onnx: %d bytes are more than the 2 GB that protocol buffers may have", #bytes)
  end
  check.within("export.onnx", core.write_file, path, bytes)
end
