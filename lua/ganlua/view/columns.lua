--- What a run has measured, as the view's event `metrics` has it: columns of equal length, thinned to so many rows.

local columns = {}

local missing <const> = 0 / 0 -- JSON's null

--- The log's rows from one place to another, evenly thinned to `most`; the last one is there.
---@param log ganlua.metrics_log
---@param first integer
---@param last integer
---@param most integer
---@return { iteration: integer[], values: table<string, number[]> }
function columns.rows(log, first, last, most)
  local stride = math.max(1, math.ceil((last - first + 1) / most))
  local start = last - (last - first) // stride * stride
  local function thinned(name)
    local list, found = {}, false
    for place = start, last, stride do
      local value = log.values[name][place]
      list[#list + 1] = value or missing
      found = found or value
    end
    return found and list or nil
  end
  local values = {}
  for _, name in ipairs(log.columns) do
    if name ~= "iteration" then values[name] = thinned(name) end
  end
  return { iteration = thinned "iteration" or {}, values = values }
end

--- All of it, thinned to `most` rows, in pieces of `piece` rows at most.
---@param log ganlua.metrics_log
---@param most integer
---@param piece integer
---@return { iteration: integer[], values: table<string, number[]> }[]
function columns.pieces(log, most, piece)
  if log.count == 0 then return {} end
  local whole, list = columns.rows(log, 1, log.count, most), {}
  for first = 1, #whole.iteration, piece do
    local last = math.min(first + piece - 1, #whole.iteration)
    local part = { iteration = table.move(whole.iteration, first, last, 1, {}), values = {} }
    for name, values in pairs(whole.values) do part.values[name] = table.move(values, first, last, 1, {}) end
    list[#list + 1] = part
  end
  return list
end

return columns
