--- Where the values of a graph lie while it is computed: the input and the output in the caller's memory, the others in
-- one piece of scratch memory, of which a value's part is used again when nobody reads the value any more.

local graph = require "ganlua.export.graph"

local memory = {}

-- What may be written over what it reads: each number depends on the number of the same place.
local in_place = { activation = true, scale_shift = true, pixel_shift = true, mix = true, class_scale_shift = true,
  channel_product = true, demodulate = true }

-- Parts begin at multiples of so many numbers (64 bytes).
local line = 16

---@class ganlua.memory_plan
---@field place_of table<integer, integer|"input"|"output"> of each value: an offset in the scratch memory
---@field scratch integer numbers in all

--- Plans a graph's memory.
---@param g ganlua.graph
---@return ganlua.memory_plan
function memory.plan(g)
  -- Values that lie in the same place have the same owner: reshaped, or written over.
  local owner, reads = {}, {}
  local function owner_of(value)
    while owner[value] do value = owner[value] end
    return value
  end
  for _, step in ipairs(g.steps) do
    if step.op == "reshape" then owner[step.output] = owner_of(step.inputs[1]) end
  end
  for _, step in ipairs(g.steps) do
    if step.op ~= "reshape" then
      for _, x in ipairs(step.inputs) do reads[owner_of(x)] = (reads[owner_of(x)] or 0) + 1 end
    end
  end
  local input, output = owner_of(1), owner_of(g.output)
  for _, step in ipairs(g.steps) do
    local x = owner_of(step.inputs[1])
    if in_place[step.op] and reads[x] == 1 and x ~= input and x ~= output then
      local y = owner_of(step.output)
      owner[y], reads[x] = x, reads[y]
      if y == output then output = x end
    end
  end

  -- When each is written first and read last, in steps.
  local parts, list = {}, {}
  for i, step in ipairs(g.steps) do
    if step.op ~= "reshape" then
      local y = owner_of(step.output)
      if not parts[y] then
        parts[y] = { first = i, size = (graph.numel(g.shapes[y]) + line - 1) // line * line }
        list[#list + 1] = parts[y]
      end
      parts[y].last = i
      for _, x in ipairs(step.inputs) do
        if parts[owner_of(x)] then parts[owner_of(x)].last = i end
      end
    end
  end

  -- The lowest place that is free all that time.
  local scratch, placed = 0, {}
  for _, part in ipairs(list) do
    if part ~= parts[output] then
      part.offset = 0
      for _, other in ipairs(placed) do -- sorted by offset
        local meet = part.first <= other.last and other.first <= part.last
        if meet and part.offset + part.size > other.offset then
          part.offset = math.max(part.offset, other.offset + other.size)
        end
      end
      placed[#placed + 1] = part
      table.sort(placed, function(a, b) return a.offset < b.offset end)
      scratch = math.max(scratch, part.offset + part.size)
    end
  end

  local place_of = {}
  for value in ipairs(g.shapes) do
    local own = owner_of(value)
    place_of[value] = own == input and "input" or own == output and "output" or parts[own] and parts[own].offset
  end
  return { place_of = place_of, scratch = scratch }
end

return memory
