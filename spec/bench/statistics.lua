-- What a list of times comes to.

local statistics = {}

--- The value below which a share of the list lies.
---@param list number[]
---@param share number 0.5: the median
function statistics.quantile(list, share)
  local sorted = table.move(list, 1, #list, 1, {})
  table.sort(sorted)
  local place = 1 + share * (#sorted - 1)
  local low = math.floor(place)
  local high = math.min(low + 1, #sorted)
  return sorted[low] + (place - low) * (sorted[high] - sorted[low])
end

--- Median and quartiles.
---@param list number[]
---@return { median: number, low: number, high: number, count: integer }
function statistics.summary(list)
  return {
    median = statistics.quantile(list, 0.5), low = statistics.quantile(list, 0.25),
    high = statistics.quantile(list, 0.75), count = #list,
  }
end

return statistics
