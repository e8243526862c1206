--- How a network prints: a line for each layer with its place, what comes out of it, and how many parameters it has.

local check = require "ganlua.check"
local state = require "ganlua.nn.state"

local summary = {}

local function own_parameters(m)
  local count = 0
  for _, key in ipairs(m.parts.parameters) do count = count + m[key]:numel() end
  return count
end

local function plural(count, noun)
  return ("%d %s%s"):format(count, noun, count == 1 and "" or "s")
end

-- Pads all cells of a column to the widest; numbers stand on the right.
local function aligned(rows)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do widths[i] = math.max(widths[i] or 0, #cell) end
  end
  for i, row in ipairs(rows) do
    local place, layer, output, count = table.unpack(row)
    lines[i] = ("  %-" .. widths[1] .. "s  %-" .. widths[2] .. "s  %-" .. widths[3] .. "s  %" .. widths[4] .. "s")
      :format(place, layer, output, count):gsub("%s+$", "")
  end
  return table.concat(lines, "\n")
end

--- The table as text: one line for a single layer; "?" stands for what is known only after the first call.
---@param m ganlua.module
---@return string
function summary.text(m)
  local rows, total, built, hidden = { { "", "layer", "output", "parameters" } }, 0, true, {}
  state.walk(m, function(part, path)
    built = built and part.built
    total = total + own_parameters(part)
    for _, child in ipairs(part.parts.children) do
      if child.path == "" then hidden[part[child.key]] = part end -- printed as one with its parent
    end
    if part == m or hidden[part] then return end
    local own = own_parameters(part)
    for _, child in ipairs(part.parts.children) do
      if child.path == "" then own = own + own_parameters(part[child.key]) end
    end
    local leads = #part.parts.children > 0 and own == 0
    local output = part.output_shape and check.shape_text(part.output_shape) or "?"
    local count = leads and "" or part.built and tostring(own) or "?"
    rows[#rows + 1] = { path, part.definition.describe(part), output, count }
  end)
  local head = ("%s: %s"):format(m.definition.describe(m), built and plural(total, "parameter") or "not built yet")
  if built and m.output_shape then head = head .. ", output " .. check.shape_text(m.output_shape) end
  return #rows == 1 and head or head .. "\n" .. aligned(rows)
end

return summary
