--- gan.train's option `log`: what a run tells other programs, in files of its folder. Each kind is a watcher (see
-- watchers.lua); nothing of what is computed depends on it, so a run that goes on may have other logs than before.

local check = require "ganlua.check"

local logs = {}

local modules = { csv = "ganlua.logs.csv", tensorboard = "ganlua.logs.tensorboard" }
local names = { "csv", "tensorboard" }

--- The option as check.options takes it.
logs.option = {
  is = function(value) return type(value) == "string" or type(value) == "table" end,
  wanted = '"tensorboard", "csv" or a list of them',
}

--- Checks what was given; returns the names, each once.
---@param where string how messages begin
---@param given string|string[]|nil
---@param out string|false|nil the run's folder
---@return string[]
function logs.options(where, given, out)
  local list, seen = {}, {}
  if given == nil then return list end
  if type(given) == "string" then given = { given } end
  for key, name in pairs(given) do
    if math.type(key) ~= "integer" then
      check.fail("%s: option 'log' must be %s, got %s at %s", where, logs.option.wanted, check.describe(name),
        tostring(key))
    end
  end
  for _, name in ipairs(given) do
    if not modules[name] then
      check.fail("%s: option 'log': there is no log %s%s", where, check.describe(name), check.hint(name, names))
    end
    if not seen[name] then list[#list + 1] = name end
    seen[name] = true
  end
  if out == false and #list > 0 then
    check.fail("%s: option 'log': with out = false there is no folder to write %s into", where,
      table.concat(list, " and "))
  end
  return list
end

--- The watchers of these names.
---@param list string[]
---@return table[]
function logs.watchers(list)
  local made = {}
  for i, name in ipairs(list) do made[i] = require(modules[name]).new() end
  return made
end

return logs
