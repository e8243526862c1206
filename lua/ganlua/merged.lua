--- A table's names and values with some changed: a new table. What `with` does to options.

local check = require "ganlua.check"

---@param values table
---@param changes table
---@return table
return function(values, changes)
  if type(changes) ~= "table" then
    check.fail("with: wanted the options to change, {name = value}, got %s%s", check.describe(changes),
      changes == nil and " (call it with a colon: hinge:with{margin = 2})" or "")
  end
  local all = {}
  for name, value in pairs(values) do all[name] = value end
  for name, value in pairs(changes) do all[name] = value end
  return all
end
