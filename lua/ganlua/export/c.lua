--- gan.export.c: a trained network as plain C99, for games and devices: a .c and a .h file that need libm and nothing
-- else. See ganlua.export.graph for what a network is taken to be, c_kernels for the loops.

local check = require "ganlua.check"
local core = require "ganlua.core"
local c_steps = require "ganlua.export.c_steps"
local graph = require "ganlua.export.graph"
local kernels = require "ganlua.export.c_kernels"
local memory = require "ganlua.export.memory"
local templates = require "ganlua.export.c_templates"
local truncation = require "ganlua.truncation"
require "ganlua.export.c_conditions"

local filled = templates.filled

-- What a file in the making holds.
---@class ganlua.c_unit
---@field name string prefix of all that it exports
---@field graph ganlua.graph
---@field plan ganlua.memory_plan
---@field weights { name: string, values: number[], what: string }[]
---@field calls string[]
---@field used table<string, boolean> kernels
---@field classes integer? how many labels there are, where the network looks at one

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
    row[#row + 1] = c_steps.number(value)
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
      local writer = c_steps.writers[step.op]
      if not writer then check.fail("export.c: %s: there is no way to write this layer in C", step.where) end
      writer(unit, step, c_steps.place(unit, step.inputs[1]))
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
    LATENT = #g.shapes[1] == 0 and ", a whole number from 0, its class"
      or #g.shapes[1] == 1 and ", a latent as in training: of a standard normal distribution, as a rule"
      or (" (%s)"):format(check.shape_text(g.shapes[1])),
    LAYOUT = is_picture and filled(", $H x $W x $C: the rows of a picture from the top, in each its pixels, in each "
      .. "its channels", sizes) or "",
    LABEL = unit.classes and ", int label" or "", PASS = unit.classes and ", label" or "",
    CLASS = unit.classes and (" * label: from 0 to %d, its class; any other counts as 0.\n"):format(unit.classes - 1)
      or "",
    CHECK = unit.classes and ("    label = label < 0 || label >= %d ? 0 : label;\n"):format(unit.classes) or "",
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
  truncation = truncation.row,
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
--- NAME_generate_with(z, image, scratch) for several threads. Its numbers agree with ganlua's within 1e-4. Where the
--- network looks at labels, the label stands behind z: NAME_generate(z, label, image).
---
--- Options: name = the last part of the path (what the functions' names begin with); input = {...}, the shape of one
--- sample, where the first layer is not linear; weights = "array" in the .c file, or "file": beside it, in
--- PATH.weights, which NAME_load reads (better for networks of more than a million weights); truncation, as run:sample
--- takes it. Returns the files' paths.
---@param module ganlua.module run.ema or run.generator, for example
---@param path string
---@param given? { name: string?, input: integer[]?, weights: "array"|"file"|nil, truncation: number? }
---@return string[]
return function(module, path, given)
  if type(path) ~= "string" then check.fail("export.c: the path must be a string, got %s", check.describe(path)) end
  local o = check.options("export.c", given, options)
  local stem, file, name = names_of(path)
  local _ <close> = truncation.of("export.c", module, o.truncation)
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
  check.within("export.c", core.write_file, paths[1], source)
  check.within("export.c", core.write_file, paths[2], head)
  if bytes then
    paths[3] = stem .. ".weights"
    check.within("export.c", core.write_file, paths[3], bytes)
  end
  return paths
end
