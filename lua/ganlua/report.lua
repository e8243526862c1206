--- gan.report: how a script tells a sweep what came out of it.
--
--     gan.report{ modes = gan.metrics.modes(run:sample(2500), data.centres, data.std) }   -- "modes.modes", ...
--     on = { sample = function(run) gan.report{ iteration = run.game.iteration, score = f(run) } end }   -- a curve
--
-- The last value of each name is the result; values that come with an iteration are points of a curve.

local check = require "ganlua.check"
local core = require "ganlua.core"

local report = {}

-- Numbers by dotted names; lists are not results.
local function flatten(value, name, numbers)
  for key, field in pairs(value) do
    local deeper = name and name .. "." .. tostring(key) or key
    if type(key) == "string" and type(field) == "table" and getmetatable(field) == nil then
      flatten(field, deeper, numbers)
    elseif type(key) == "string" and type(field) == "number" and field - field == 0 then
      numbers[deeper] = field
    end
  end
  return numbers
end

--- Reports numbers by name, in tables of tables too. In a sweep they go to its table, else nowhere.
---@param values table
---@return table<string, number> numbers by dotted names
function report.report(values)
  if type(values) ~= "table" then
    check.fail("report: wanted a table {name = number}, got %s", check.describe(values))
  end
  local numbers = flatten(values, nil, {})
  local names = check.sorted_keys(numbers)
  local settings = package.loaded["ganlua.settings"]
  local path = settings and settings.set and settings.set["ganlua.report"]
  if path and #names > 0 then
    local size = core.exists(path) and core.file_size(path) or 0
    core.append_file(path, size, core.json_encode(numbers, names) .. "\n", false)
  end
  return numbers
end

local function lines_of(path, each)
  if not core.exists(path) then return end
  for line in core.read_file(path):gmatch "[^\n]+" do
    local fine, row = pcall(core.json_decode, line) -- the last one may be cut off
    if fine and type(row) == "table" then each(row) end
  end
end

--- What a run reported, and where it reported nothing what its metrics.jsonl ends with.
---@param folder string with report.jsonl in it, and the run's folder
---@return table<string, number> last
---@return table<string, table<integer, number>> series by name, by iteration
function report.read(folder)
  local last, series = {}, {}
  local function take(row, is_result)
    for name, value in pairs(row) do
      if type(value) == "number" and name ~= "iteration" then
        if is_result then last[name] = value end
        local iteration = math.tointeger(row.iteration)
        if iteration then
          series[name] = series[name] or {}
          series[name][iteration] = value
        end
      end
    end
  end
  lines_of(folder .. "/report.jsonl", function(row) take(row, true) end)
  local silent = next(last) == nil
  for _, name in ipairs(core.is_directory(folder) and core.list_directory(folder) or {}) do
    lines_of(("%s/%s/metrics.jsonl"):format(folder, name), function(row) take(row, silent) end)
  end
  return last, series
end

return report
