--- The settings of a sweep: what each goes through, and all combinations of them.

local check = require "ganlua.check"

local axis = {}

--- A value in words.
---@param value any
---@return string
function axis.words(value)
  if type(value) == "function" then return require("ganlua.schedule").describe(value) end
  return type(value) == "number" and ("%.14g"):format(value) or (tostring(value):gsub("^table: 0x%x+$", "table"))
end

--- What one setting goes through, in order; { name = value } gives the values names.
---@param name string
---@param list table
---@return { label: string, value: any }[]
function axis.entries(name, list)
  if type(list) ~= "table" or getmetatable(list) or next(list) == nil then
    check.fail("sweep: '%s' must be a list of values, or a table {name = value}, got %s", name, check.describe(list))
  end
  local entries, labels, keys = {}, {}, {}
  for key in pairs(list) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if type(a) == type(b) then return a < b end
    return type(a) == "number"
  end)
  for i, key in ipairs(keys) do
    local label = type(key) == "string" and key or axis.words(list[key])
    if labels[label] then
      check.fail("sweep: two values of '%s' print as %s: give them names: %s = { a = ..., b = ... }", name, label, name)
    end
    labels[label] = true
    entries[i] = { label = label, value = list[key] }
  end
  return entries
end

--- All combinations of the axes, the last one (seed) changing fastest: labels and values by name, and the key
--- "loss=hinge,seed=1".
---@param axes { name: string, entries: table[] }[]
---@return { labels: table<string, string>, values: table<string, any>, key: string }[]
function axis.combinations(axes)
  local all = { { labels = {}, values = {}, parts = {} } }
  for _, each in ipairs(axes) do
    local longer = {}
    for _, combination in ipairs(all) do
      for _, entry in ipairs(each.entries) do
        local new = { labels = { [each.name] = entry.label }, values = { [each.name] = entry.value } }
        for name, label in pairs(combination.labels) do new.labels[name] = label end
        for name, value in pairs(combination.values) do new.values[name] = value end
        new.parts = table.move(combination.parts, 1, #combination.parts, 1, {})
        table.insert(new.parts, each.name .. "=" .. entry.label)
        longer[#longer + 1] = new
      end
    end
    all = longer
  end
  for _, combination in ipairs(all) do combination.key = table.concat(combination.parts, ",") end
  return all
end

--- "A,B,C", and "1..5" for whole numbers, as a list.
---@param text string
---@return any[]
function axis.listed(text)
  local list = {}
  for part in (text .. ","):gmatch "(.-)," do
    local first, last = part:match "^(%-?%d+)%.%.(%-?%d+)$"
    if first then
      for number = tonumber(first), tonumber(last) do list[#list + 1] = number end
    else
      list[#list + 1] = part
    end
  end
  return list
end

return axis
