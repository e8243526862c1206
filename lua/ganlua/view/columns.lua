--- What a run has measured, as the view's event `metrics` has it: columns of equal length, thinned to so many rows.

local columns = {}

local missing <const> = 0 / 0 -- JSON's null

-- Where an iteration stands in a list of rising ones; nil where it is not.
local function place_of(iterations, iteration, guess)
  if iterations[guess] == iteration then return guess end
  local low, high = 1, #iterations
  while low <= high do
    local middle = (low + high) // 2
    if iterations[middle] == iteration then return middle end
    if iterations[middle] < iteration then low = middle + 1 else high = middle - 1 end
  end
end

--- The rows from one place to another in the log's list of iterations, evenly thinned to `most`; the last one is there.
---@param log ganlua.metrics_log
---@param first integer
---@param last integer
---@param most integer
---@return { iteration: integer[], values: table<string, number[]> }
function columns.rows(log, first, last, most)
  local _, all = log:history "iteration"
  local stride = math.max(1, math.ceil((last - first + 1) / most))
  local start = last - (last - first) // stride * stride
  local iterations, values = {}, {}
  for place = start, last, stride do iterations[#iterations + 1] = all[place] end
  for _, name in ipairs(log.columns) do
    local its, at = log:history(name)
    if name ~= "iteration" and its and #its > 0 then
      local list, found = {}, false
      for row, iteration in ipairs(iterations) do
        local place = place_of(at, iteration, start + (row - 1) * stride)
        list[row] = place and its[place] or missing
        found = found or place ~= nil
      end
      values[name] = found and list or nil
    end
  end
  return { iteration = iterations, values = values }
end

--- All of it, thinned to `most` rows, in pieces of `piece` rows at most.
---@param log ganlua.metrics_log
---@param most integer
---@param piece integer
---@return { iteration: integer[], values: table<string, number[]> }[]
function columns.pieces(log, most, piece)
  local _, all = log:history "iteration"
  if #all == 0 then return {} end
  local whole, list = columns.rows(log, 1, #all, most), {}
  for first = 1, #whole.iteration, piece do
    local last = math.min(first + piece - 1, #whole.iteration)
    local part = { iteration = table.move(whole.iteration, first, last, 1, {}), values = {} }
    for name, values in pairs(whole.values) do part.values[name] = table.move(values, first, last, 1, {}) end
    list[#list + 1] = part
  end
  return list
end

return columns
