--- A curve that grows, in bounded memory: means over equally many values that follow each other. When there are too
-- many, each two become one.

local series = {}

local most <const> = 192 -- means: about as many as a chart has dots across

---@class ganlua.view.series
---@field x number[] where a mean's first value is
---@field y number[] means
local Series = {}
Series.__index = Series

---@return ganlua.view.series
function series.new()
  return setmetatable({ x = {}, y = {}, counts = {}, width = 1 }, Series)
end

-- Each two means become one.
local function halve(self)
  local x, y, counts = self.x, self.y, self.counts
  for i = 1, #x // 2 do
    local first, second = counts[2 * i - 1], counts[2 * i]
    x[i], counts[i] = x[2 * i - 1], first + second
    y[i] = (y[2 * i - 1] * first + y[2 * i] * second) / (first + second)
  end
  for i = #x, #x // 2 + 1, -1 do x[i], y[i], counts[i] = nil, nil, nil end
  self.width = 2 * self.width
end

--- Adds a value. Means that begin at `at` or behind it are from before the run went back, and are gone.
---@param at number
---@param value number left out where it is not finite
function Series:add(at, value)
  if value ~= value or value == math.huge or value == -math.huge then return end
  local x, y, counts = self.x, self.y, self.counts
  while #x > 0 and x[#x] >= at do x[#x], y[#x], counts[#x] = nil, nil, nil end
  local n = #x
  if n == most and counts[n] == self.width then
    halve(self)
    n = #x
  end
  if n > 0 and counts[n] < self.width then
    counts[n] = counts[n] + 1
    y[n] = y[n] + (value - y[n]) / counts[n]
  else
    x[n + 1], y[n + 1], counts[n + 1] = at, value, 1
  end
end

--- Where most of the values of several curves lie: without the most extreme fiftieth at either end.
---@param list ganlua.view.series[]
---@return number? low nil where there are no values
---@return number? high above low
function series.range(list)
  local values = {}
  for _, one in ipairs(list) do table.move(one.y, 1, #one.y, #values + 1, values) end
  if #values == 0 then return nil end
  table.sort(values)
  local cut = #values // 50
  local low, high = values[1 + cut], values[#values - cut]
  if high - low < 1e-6 * math.max(1, math.abs(high)) then
    local more = math.max(1e-3, 0.1 * math.abs(high))
    return low - more, high + more
  end
  return low, high
end

return series
