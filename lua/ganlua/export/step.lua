--- How layers become steps of a graph (see graph.lua beside this file): what the files that say it for each layer
-- share, and the walk over a network. layers.lua, resampling.lua, labelled.lua and styles.lua fill step.writers; a
-- layer of a script's own says it by `steps` in nn.define.

local check = require "ganlua.check"

local step = {}

--- By a layer's kind: writers.linear(graph, layer, input value, what stands beside it) -> output value.
---@type table<string, fun(g: ganlua.graph, m: ganlua.module, x: integer, ...): integer>
step.writers = {}

--- How many numbers a sample of this shape has.
---@param shape integer[]
---@return integer
function step.numel(shape)
  local product = 1
  for _, size in ipairs(shape) do product = product * size end
  return product
end

--- Adds a step that makes a value of `shape`; the value.
---@param g ganlua.graph
---@param m ganlua.module
---@param shape integer[]
---@param added table see ganlua.graph_step; output and where are filled in
---@return integer
function step.add(g, m, shape, added)
  g.shapes[#g.shapes + 1] = shape
  added.output, added.where = #g.shapes, m:where()
  g.steps[#g.steps + 1] = added
  return added.output
end

--- Row i of a value of rows x numbers; raises where it is no such value.
---@param g ganlua.graph
---@param m ganlua.module
---@param x integer
---@param i integer
---@return integer
function step.row(g, m, x, i)
  local shape = g.shapes[x]
  if #shape ~= 2 or shape[1] < i then
    m:fail("export: wanted samples of at least %d rows of numbers, got %s", i, check.shape_text(shape))
  end
  for _, made in ipairs(g.steps) do
    if made.output == x and made.op == "repeat" then return made.inputs[1] end -- all rows are that one
  end
  return step.add(g, m, { shape[2] }, { op = "row", inputs = { x }, row = i })
end

--- The sizes of a value that must have so many dimensions; raises where it has others.
---@param g ganlua.graph
---@param m ganlua.module
---@param x integer
---@param wanted integer 1: features, 3: pictures
---@return integer ...
function step.rank(g, m, x, wanted)
  local shape = g.shapes[x]
  if #shape ~= wanted then
    m:fail("export: wanted %s, got samples of %s", wanted == 1 and "features" or "images of H x W x C",
      check.shape_text(shape))
  end
  return table.unpack(shape)
end

--- Raises where a value has other channels.
---@param g ganlua.graph
---@param m ganlua.module
---@param x integer
---@param channels integer
function step.agrees(g, m, x, channels)
  local shape = g.shapes[x]
  if shape[#shape] ~= channels then
    m:fail("export: wanted samples of ... x %d, got %s", channels, check.shape_text(shape))
  end
end

--- Raises where a value is neither pictures nor features alone, or has other channels.
---@param g ganlua.graph
---@param m ganlua.module
---@param x integer
---@param channels integer
function step.with_channels(g, m, x, channels)
  step.agrees(g, m, x, channels)
  if #g.shapes[x] ~= 1 then step.rank(g, m, x, 3) end
end

--- The value that a module makes of the value x (and of what stands beside it); its steps are added to g. Raises for a
--- layer that nobody has a way to write, naming it and its place.
---@param g ganlua.graph
---@param m ganlua.module
---@param x integer
---@return integer
function step.walk(g, m, x, ...)
  if m.definition.steps then return m.definition.steps(m, g, x, ...) end
  local write = step.writers[m.kind]
  if not write then
    local kinds = {}
    for kind in pairs(step.writers) do kinds[#kinds + 1] = kind end
    table.sort(kinds)
    m:fail("export: there is no way to write this layer (its nn.define may say one: steps = function(self, g, x)); "
      .. "these are known: %s", table.concat(kinds, ", "))
  end
  return write(g, m, x, ...)
end

return step
