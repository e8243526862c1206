--- What a network's tensors are called in PyTorch. Places count from 0 there, and PyTorch's module may lie inside
-- another one ("main.3.weight"), or have no layer where ganlua has one ("flatten", "reshape").
--
-- A group is what belongs to one layer: the part of a name before its last word, and its keys.

local check = require "ganlua.check"
local state = require "ganlua.nn.state"

local names = {}

-- PyTorch's words for what spectral normalisation keeps, both its old and its new ones.
local words = {
  { "parametrizations.weight.original", "weight" }, { "parametrizations.weight.0._u", "weight_u" },
  { "parametrizations.weight.0._v", "weight_v" }, { "weight_orig", "weight" },
}

-- "main.0.weight" -> "main.0", "weight".
local function split(name)
  for _, pair in ipairs(words) do
    local long = pair[1]
    if name == long then return "", pair[2] end
    if name:sub(-#long - 1) == "." .. long then return name:sub(1, -#long - 2), pair[2] end
  end
  local group, key = name:match "^(.*)%.([^.]*)$"
  return group or "", key or name
end

local function joined(group, key) return group == "" and key or group .. "." .. key end

--- A network's tensors in its order: { name = "1.weight", group = "1", key = "weight", owner = module }.
---@param m ganlua.module
function names.entries(m)
  local list = {}
  for _, kind in ipairs { "parameters", "buffers" } do
    state.walk(m, function(each, path)
      for _, key in ipairs(each.parts[kind]) do
        list[#list + 1] = { name = joined(path, key), group = path, key = key, owner = each }
      end
    end)
  end
  return list
end

-- The groups of a list of entries, in order.
local function groups_of(entries)
  local groups, seen = {}, {}
  for _, entry in ipairs(entries) do
    if not seen[entry.group] then
      seen[entry.group] = true
      groups[#groups + 1] = entry.group
    end
  end
  -- Buffers come after all parameters: a layer that has nothing else would be the last one.
  table.sort(groups, function(a, b)
    local x, y = a:gmatch "[^.]+", b:gmatch "[^.]+"
    while true do
      local p, q = x(), y()
      if p == q and p == nil then return false end
      if p ~= q then
        if p == nil or q == nil then return p == nil end
        local n, k = math.tointeger(p), math.tointeger(q)
        if n and k then return n < k end
        return p < q
      end
    end
  end)
  return groups
end

--- A group's name where places count from 0: "2.main.3" -> "1.main.2".
---@param group string
---@return string
function names.shifted(group)
  return (group:gsub("[^.]+", function(word)
    local place = math.tointeger(word)
    return place and tostring(place - 1)
  end))
end

-- A common beginning with which all groups are there, counted from 0.
local function by_place(groups, known)
  local wanted = names.shifted(groups[1])
  local prefixes = {}
  for group in pairs(known) do
    if group == wanted then
      prefixes[#prefixes + 1] = ""
    elseif wanted == "" then
      prefixes[#prefixes + 1] = group .. "."
    elseif group:sub(-#wanted - 1) == "." .. wanted then
      prefixes[#prefixes + 1] = group:sub(1, -#wanted - 1)
    end
  end
  table.sort(prefixes, function(a, b) return #a < #b or #a == #b and a < b end)
  for _, prefix in ipairs(prefixes) do
    local found = {}
    for _, group in ipairs(groups) do
      local theirs = prefix .. names.shifted(group)
      if group == "" then theirs = prefix:gsub("%.$", "") end
      if not known[theirs] then
        found = nil
        break
      end
      found[group] = theirs
    end
    if found then return found end
  end
end

-- One group after the other, where PyTorch's differ in numbers alone: their order is that of the layers.
local function by_order(groups, theirs)
  if #groups ~= #theirs then return nil end
  local pattern
  for _, group in ipairs(theirs) do
    local plain = group:gsub("%d+", "#")
    if pattern and plain ~= pattern then return nil end
    pattern = plain
  end
  if not pattern:find "#" and #groups > 1 then return nil end
  local found = {}
  for i, group in ipairs(groups) do found[group] = theirs[i] end
  return found
end

local function listed(groups)
  local shown = {}
  for i, group in ipairs(groups) do shown[i] = group == "" and "(itself)" or check.printable(group) end
  return table.concat(shown, ", ")
end

-- What the user says: a function, or a table of names or groups.
local function told(given, group, key)
  if given == nil then return nil end
  local own = joined(group, key)
  if type(given) == "function" then return given(own) end
  return given[own] or given[group] and joined(given[group], key)
end

--- For each of a network's tensors, by name, what it is called in a file.
---@param where string how messages begin
---@param entries table[] see names.entries
---@param file table<string, any> its names
---@param given? table<string, string>|fun(name: string): string?
---@return table<string, string>
function names.match(where, entries, file, given)
  local theirs, known, real = {}, {}, {}
  for name in pairs(file) do
    local group, key = split(name)
    if not known[group] then
      known[group] = true
      theirs[#theirs + 1] = { group = group }
    end
    real[joined(group, key)] = name
  end
  local groups = groups_of(entries)
  local their_groups = groups_of(theirs)
  local found = by_place(groups, known)
  if not found or #groups ~= #their_groups then found = by_order(groups, their_groups) or found or {} end
  local result = {}
  for _, entry in ipairs(entries) do
    local name = told(given, entry.group, entry.key)
    if not name and found[entry.group] then name = joined(found[entry.group], entry.key) end
    if not name then
      check.fail("%s: cannot tell which of its layers (%s) are the network's (%s): say names = { [\"%s\"] = \"...\" }",
        where, listed(their_groups), listed(groups), entry.group)
    end
    result[entry.name] = real[name] or name
  end
  return result
end

return names
