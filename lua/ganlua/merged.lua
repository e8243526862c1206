--- A table's names and values with some changed: a new table.
---@param values table
---@param changes table
---@return table
return function(values, changes)
  local all = {}
  for name, value in pairs(values) do all[name] = value end
  for name, value in pairs(changes) do all[name] = value end
  return all
end
