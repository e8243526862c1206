--- How each step of a graph is written in C: a call of one of c_kernels' functions, with its weights, at its places in
-- memory: writers.OP(unit, step, x), x the C text of what it reads. Those of labels and styles are in c_conditions.lua.

local check = require "ganlua.check"
local core = require "ganlua.core"
local graph = require "ganlua.export.graph"
local kernels = require "ganlua.export.c_kernels"

-- Below so many outputs side by side, products are added up along the inputs.
local narrow = 8

-- Takes up a tensor under a name of the file's own; "0" for none.
local function weight(unit, step, tensor, what)
  if not tensor then return "0" end
  if not core.all_finite { tensor } then
    check.fail("export.c: %s: its %s has numbers that are not finite", step.where, what)
  end
  local values = tensor:reshape(-1):totable()
  local name = ("weight_%d"):format(#unit.weights + 1)
  unit.weights[#unit.weights + 1] = { name = name, values = values,
    what = ("%s of %s, %s"):format(what, step.where, check.shape_text(tensor:shape())) }
  return name
end

local function place(unit, value)
  local at = unit.plan.place_of[value]
  if at == "input" then return "z" end
  if at == "output" then return "image" end
  return at == 0 and "scratch" or "scratch + " .. at
end

local function use(unit, kernel)
  if unit.used[kernel] then return end
  unit.used[kernel] = true
  for _, needed in ipairs(kernels.needs[kernel] or {}) do use(unit, needed) end
end

local function call(unit, step, kernel, format, ...)
  use(unit, kernel)
  unit.calls[#unit.calls + 1] = ("    /* %s */\n    %s(%s, %s);"):format(graph.describe(unit.graph, step),
    step.op == "activation" and "apply_" .. kernel or kernel, place(unit, step.output), format:format(...))
end

local function c_number(value)
  local text = ("%.9g"):format(value)
  return (text:find "[.e]" and text or text .. ".") .. "f"
end

local writers = {}

function writers.linear(unit, step, x)
  local input, out = table.unpack(step.weight:shape())
  local short = out < narrow
  local w = weight(unit, step, short and step.weight:transpose(1, 2) or step.weight, "weight")
  call(unit, step, short and "linear_narrow" or "linear", "%s, %s, %s, %d, %d", x, w,
    weight(unit, step, step.bias, "bias"), input, out)
end

local function picture(unit, value) return table.unpack(unit.graph.shapes[value]) end

-- A convolution's call, its weight in the layout that the kernel takes.
local function convolution(unit, step, x, kernel, w)
  local height, width, input = picture(unit, step.inputs[1])
  local high, wide, out = picture(unit, step.output)
  call(unit, step, kernel, "%s, %s, %s, %d, %d, %d, %d, %d, %d, %d, %d, %d", x, weight(unit, step, w, "weight"),
    weight(unit, step, step.bias, "bias"), height, width, input, high, wide, out, step.kernel, step.stride, step.pad)
end

function writers.conv2d(unit, step, x)
  local short = step.weight:shape()[4] < narrow -- kernel x kernel x in x out
  convolution(unit, step, x, short and "conv2d_narrow" or "conv2d",
    short and step.weight:permute { 4, 1, 2, 3 } or step.weight)
end

function writers.conv_transpose2d(unit, step, x)
  local short = step.weight:shape()[3] * step.kernel < 2 * narrow -- kernel x kernel x out x in
  convolution(unit, step, x, short and "conv_transpose2d_narrow" or "conv_transpose2d",
    short and step.weight or step.weight:permute { 1, 4, 2, 3 })
end

function writers.scale_shift(unit, step, x)
  local channels = step.weight:numel()
  call(unit, step, "scale_shift", "%s, %s, %s, %d, %d", x, weight(unit, step, step.weight, "factors"),
    weight(unit, step, step.bias, "terms"), graph.numel(unit.graph.shapes[step.output]) // channels, channels)
end

function writers.layer_norm(unit, step, x)
  call(unit, step, "layer_norm", "%s, %s, %s, %d, %d, %s", x, weight(unit, step, step.weight, "weight"),
    weight(unit, step, step.bias, "bias"), graph.numel(unit.graph.shapes[step.output]) // step.size, step.size,
    c_number(step.eps))
end

function writers.activation(unit, step, x)
  local count = graph.numel(unit.graph.shapes[step.output])
  local slope = step.slope and ", " .. c_number(step.slope) or ""
  call(unit, step, step.name, "%s, %d%s", x, count, slope)
end

function writers.upsample(unit, step, x)
  local height, width, channels = picture(unit, step.inputs[1])
  call(unit, step, "upsample_" .. step.mode, "%s, %d, %d, %d, %d", x, height, width, channels, step.scale)
end

for _, kernel in ipairs { "avg_pool", "max_pool" } do
  writers[kernel] = function(unit, step, x)
    local _, width = picture(unit, step.inputs[1])
    local high, wide, channels = picture(unit, step.output)
    call(unit, step, kernel, "%s, %d, %d, %d, %d, %d", x, width, high, wide, channels, step.kernel)
  end
end

function writers.global_sum_pool(unit, step, x)
  local height, width, channels = picture(unit, step.inputs[1])
  call(unit, step, "global_sum_pool", "%s, %d, %d", x, height * width, channels)
end

function writers.mix(unit, step, x)
  call(unit, step, "mix", "%s, %s, %s, %s, %d", x, place(unit, step.inputs[2]), c_number(step.factors[1]),
    c_number(step.factors[2]), graph.numel(unit.graph.shapes[step.output]))
end

-- group_norm's groups lie among the channels of each pixel; one channel each is instance normalisation.
function writers.group_norm(unit, step, x)
  local shape = unit.graph.shapes[step.output]
  local channels = shape[#shape]
  call(unit, step, "group_norm", "%s, %s, %s, %d, %d, %d, %s", x, weight(unit, step, step.weight, "weight"),
    weight(unit, step, step.bias, "bias"), graph.numel(shape) // channels, channels, step.groups, c_number(step.eps))
end

function writers.pixel_norm(unit, step, x)
  local shape = unit.graph.shapes[step.output]
  local channels = shape[#shape]
  call(unit, step, "pixel_norm", "%s, %d, %d, %s", x, graph.numel(shape) // channels, channels, c_number(step.eps))
end

function writers.maxout(unit, step, x)
  call(unit, step, "maxout", "%s, %d, %d", x, graph.numel(unit.graph.shapes[step.output]), step.pieces)
end

function writers.pixel_shift(unit, step, x)
  local height, width, channels = picture(unit, step.output)
  call(unit, step, "pixel_shift", "%s, %s, %d, %d", x, weight(unit, step, step.bias, "terms"), height * width,
    channels)
end

function writers.attention(unit, step, x)
  local height, width, depth = picture(unit, step.inputs[1])
  local _, _, channels = picture(unit, step.output)
  call(unit, step, "attention", "%s, %s, %s, %d, %d, %d", x, place(unit, step.inputs[2]), place(unit, step.inputs[3]),
    height * width, depth, channels)
end

return { writers = writers, place = place, number = c_number, call = call, weight = weight }
