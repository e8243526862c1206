--- gan.export.c: a trained network as plain C99, for games and devices: a .c and a .h file that need libm and nothing
-- else. See ganlua.export.graph for what a network is taken to be, c_kernels for the loops.

local check = require "ganlua.check"
local core = require "ganlua.core"
local graph = require "ganlua.export.graph"
local kernels = require "ganlua.export.c_kernels"
local memory = require "ganlua.export.memory"
local templates = require "ganlua.export.c_templates"

local filled = templates.filled

-- Below so many outputs side by side, products are added up along the inputs.
local narrow = 8

---- Steps as calls -------------------------------------------------------------------------------------------------

-- What a file in the making holds.
---@class ganlua.c_unit
---@field name string prefix of all that it exports
---@field graph ganlua.graph
---@field plan ganlua.memory_plan
---@field weights { name: string, values: number[], what: string }[]
---@field calls string[]
---@field used table<string, boolean> kernels

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

function writers.avg_pool(unit, step, x)
  local _, width = picture(unit, step.inputs[1])
  local high, wide, channels = picture(unit, step.output)
  call(unit, step, "avg_pool", "%s, %d, %d, %d, %d, %d", x, width, high, wide, channels, step.kernel)
end

function writers.global_sum_pool(unit, step, x)
  local height, width, channels = picture(unit, step.inputs[1])
  call(unit, step, "global_sum_pool", "%s, %d, %d", x, height * width, channels)
end

function writers.mix(unit, step, x)
  call(unit, step, "mix", "%s, %s, %s, %s, %d", x, place(unit, step.inputs[2]), c_number(step.factors[1]),
    c_number(step.factors[2]), graph.numel(unit.graph.shapes[step.output]))
end

---- Files ----------------------------------------------------------------------------------------------------------

-- What the last step says of the numbers that come out.
local ranges = { tanh = "from -1 to 1", sigmoid = "from 0 to 1", relu = "from 0", softplus = "from 0" }

local function range_of(g)
  for i = #g.steps, 1, -1 do
    if g.steps[i].op ~= "reshape" then return ranges[g.steps[i].name] or "of any size" end
  end
  return "as they come in"
end

-- A weight as the text of an array.
local function array(entry)
  local lines, row = {}, {}
  for i, value in ipairs(entry.values) do
    row[#row + 1] = c_number(value)
    if #row == 8 or i == #entry.values then
      lines[#lines + 1] = "    " .. table.concat(row, ", ") .. ","
      row = {}
    end
  end
  return ("/* %s */\nstatic const float %s[%d] = {\n%s\n};"):format(entry.what, entry.name, #entry.values,
    table.concat(lines, "\n"))
end

-- The weights as the bytes of a file, and as the text that names their places in it.
local function side_file(unit)
  local bytes, names, count = {}, {}, 0
  for _, entry in ipairs(unit.weights) do
    names[#names + 1] = ("/* %s */\nstatic const float *const %s = weights + %d;"):format(entry.what, entry.name, count)
    for i, value in ipairs(entry.values) do bytes[count + i] = string.pack("<f", value) end
    count = count + #entry.values
  end
  local all = table.concat(bytes)
  return "ganlua-w" .. string.pack("<I4I4", count, core.checksum(all)) .. all, table.concat(names, "\n"), count
end

-- The texts of both files, and the bytes of the weights' where they have one.
local function write(unit, file, side)
  local g, listed = unit.graph, {}
  for _, step in ipairs(g.steps) do
    listed[#listed + 1] = " *   " .. graph.describe(g, step)
    if step.op ~= "reshape" then
      local writer = writers[step.op]
      if not writer then check.fail("export.c: %s: there is no way to write this layer in C", step.where) end
      writer(unit, step, place(unit, step.inputs[1]))
    end
  end
  if #unit.calls == 0 or unit.plan.place_of[g.output] == "input" then
    unit.calls[#unit.calls + 1] = ("    memcpy(image, z, %d * sizeof *z);"):format(graph.numel(g.shapes[1]))
  end
  if unit.plan.scratch == 0 then table.insert(unit.calls, 1, "    (void)scratch;") end
  side = side and #unit.weights > 0
  local shape, upper, bytes = g.shapes[g.output], unit.name:upper(), nil
  local is_picture, sizes = #shape == 3, { N = upper, H = shape[1], W = shape[2], C = shape[3] }
  local values = {
    FILE = file, NAME = unit.name, UPPER = upper, IN = graph.numel(g.shapes[1]), COUNT = graph.numel(shape),
    RANGE = range_of(g), SCRATCH = math.max(unit.plan.scratch, 1),
    LATENT = #g.shapes[1] == 1 and ", a latent as in training: of a standard normal distribution, as a rule"
      or (" (%s)"):format(check.shape_text(g.shapes[1])),
    LAYOUT = is_picture and filled(", $H x $W x $C: the rows of a picture from the top, in each its pixels, in each "
      .. "its channels", sizes) or "",
    SIZES = is_picture and filled("#define $N_HEIGHT $H\n#define $N_WIDTH $W\n#define $N_CHANNELS $C\n", sizes) or "",
    LAYERS = table.concat(listed, "\n"), CALLS = table.concat(unit.calls, "\n"), LOAD = "", INCLUDE = "",
    LOADING = side and (" * Before all, %s_load reads the weights from the file %s.weights.\n"):format(unit.name, file)
      or "",
  }
  local parts = { ("/* %s.c - made by ganlua; see %s.h. */"):format(file, file),
    ('#include "%s.h"\n\n#include <math.h>%s\n#include <string.h>'):format(file,
      side and "\n#include <stdint.h>\n#include <stdio.h>" or "") }
  if side then
    local names
    bytes, names, values.WEIGHTS = side_file(unit)
    values.LOAD, values.INCLUDE = filled(templates.load_declarations, values), "\n#include <stddef.h>\n"
    parts[#parts + 1] = "/* ---- Weights ---- */"
    parts[#parts + 1] = filled(templates.loader, values) .. "\n" .. names
  end
  parts[#parts + 1] = "/* ---- What layers compute ---- */"
  for _, kernel in ipairs(kernels.order) do
    if unit.used[kernel] then parts[#parts + 1] = kernels.text[kernel]:gsub("\n$", "") end
  end
  if not side and #unit.weights > 0 then
    parts[#parts + 1] = "/* ---- Weights ---- */"
    for _, entry in ipairs(unit.weights) do parts[#parts + 1] = array(entry) end
  end
  parts[#parts + 1] = "/* ---- The network ---- */"
  parts[#parts + 1] = filled(templates.body, values)
  return table.concat(parts, "\n\n"), filled(templates.header, values) .. filled(templates.declarations, values), bytes
end

---- gan.export.c ---------------------------------------------------------------------------------------------------

local options = {
  name = {
    is = function(value) return type(value) == "string" and value:find "^[%a_][%w_]*$" ~= nil end,
    wanted = "a C name, of letters, digits and _",
  },
  input = { is = graph.is_shape, wanted = "the shape of one sample, such as {64}" },
  weights = { type = "string", choices = { "array", "file" }, default = "array" },
}

-- "out/my-digits.c" -> "out/my-digits", "my-digits", "my_digits".
local function names_of(path)
  local stem = path:gsub("%.[ch]$", "")
  local file = stem:match "([^/]*)$"
  if file == "" then check.fail("export.c: the path must end in a file's name, got %q", path) end
  local name = file:gsub("[^%w_]", "_"):gsub("^%d", "_%0")
  return stem, file, name
end

--- Writes a network, as it is in eval mode, as C99: PATH.c and PATH.h, with the functions NAME_generate(z, image), and
--- NAME_generate_with(z, image, scratch) for several threads. Its numbers agree with ganlua's within 1e-4.
---
--- Options: name = the last part of the path (what the functions' names begin with); input = {...}, the shape of one
--- sample, where the first layer is not linear; weights = "array" in the .c file, or "file": beside it, in
--- PATH.weights, which NAME_load reads (better for networks of more than a million weights). Returns the files' paths.
---@param module ganlua.module run.ema or run.generator, for example
---@param path string
---@param given? { name: string?, input: integer[]?, weights: "array"|"file"|nil }
---@return string[]
return function(module, path, given)
  if type(path) ~= "string" then check.fail("export.c: the path must be a string, got %s", check.describe(path)) end
  local o = check.options("export.c", given, options)
  local stem, file, name = names_of(path)
  local source, head, bytes = core.no_grad(function()
    local g = graph.of("export.c", module, o.input)
    graph.fold(g)
    for _, shape in ipairs(g.shapes) do
      if graph.numel(shape) >= 1 << 31 then
        check.fail("export.c: %s numbers are too many for C's int", check.shape_text(shape))
      end
    end
    local unit = { name = o.name or name, graph = g, plan = memory.plan(g), weights = {}, calls = {}, used = {} }
    return write(unit, file, o.weights == "file")
  end)
  local paths = { stem .. ".c", stem .. ".h" }
  core.write_file(paths[1], source)
  core.write_file(paths[2], head)
  if bytes then
    paths[3] = stem .. ".weights"
    core.write_file(paths[3], bytes)
  end
  return paths
end
