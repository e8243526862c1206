--- What a network holds: the walk over its modules, and its tensors by name: listed, saved, taken over, replaced
-- for one call, copied. See ganlua.nn.module for what a module is.

local core = require "ganlua.core"
local check = require "ganlua.check"
local whole = require "ganlua.whole"

local state = {}

--- Whether a value is a module.
---@param value any
---@return boolean
function state.is(value)
  local metatable = type(value) == "table" and getmetatable(value)
  return metatable and metatable.ganlua_module == true or false
end

-- Visits m and everything below it once, in order: visit(m, path), where path is "" for m itself.
local function walk(m, visit, path, seen)
  path, seen = path or "", seen or {}
  if seen[m] then return end
  seen[m] = true
  visit(m, path)
  for _, child in ipairs(m.parts.children) do
    local deeper = path == "" and child.path or child.path == "" and path or path .. "." .. child.path
    walk(m[child.key], visit, deeper, seen)
  end
end
state.walk = walk

-- Every parameter (or buffer) in order: { name = "1.weight", owner = module, key = "weight" }.
local function entries(self, group)
  walk(self, function(m)
    if not m.built then
      check.fail("%s: not built yet, its sizes are inferred at the first call: call it once, or %s:build{1, ...} "
        .. "with the shape of an input", m:where(), self.kind)
    end
  end)
  local list = {}
  walk(self, function(m, path)
    for _, key in ipairs(m.parts[group]) do
      list[#list + 1] = { name = path == "" and key or path .. "." .. key, owner = m, key = key }
    end
  end)
  return list
end

-- These become methods of every module.
---@class ganlua.module
state.methods = {}

--- All trained tensors, in a stable order.
---@return ganlua.tensor[]
function state.methods:parameters()
  local list = {}
  for i, entry in ipairs(entries(self, "parameters")) do list[i] = entry.owner[entry.key] end
  return list
end

-- A table name -> tensor that pairs, and a for loop over the table itself, walk in the order of the network.
local function named(list, value_of)
  local values, place_of = {}, {}
  for i, entry in ipairs(list) do
    values[entry.name], place_of[entry.name] = value_of(entry), i
  end
  local function following(_, name)
    local entry = list[name and place_of[name] + 1 or 1]
    if entry then return entry.name, values[entry.name] end
  end
  return setmetatable(values, {
    __pairs = function() return following end,
    __call = function(_, _, name) return following(nil, name) end,
  })
end

--- All trained tensors by name: `m:named_parameters()["1.weight"]`, or `for name, p in m:named_parameters() do`.
---@return table<string, ganlua.tensor>
function state.methods:named_parameters()
  return named(entries(self, "parameters"), function(entry) return entry.owner[entry.key] end)
end

local function state_entries(self)
  local list = entries(self, "parameters")
  for _, entry in ipairs(entries(self, "buffers")) do list[#list + 1] = entry end
  return list
end

--- A snapshot (copies) of parameters and buffers by name, as gan.save and load_state take it.
---@return table<string, ganlua.tensor>
function state.methods:state()
  return named(state_entries(self), function(entry) return entry.owner[entry.key]:copy() end)
end

-- Fails unless `values` has exactly the entries of the list (or, when some may be absent, no other), each of its shape.
local function check_values(self, where, list, values, partial)
  local known, names, problems = {}, {}, {}
  for i, entry in ipairs(list) do
    known[entry.name], names[i] = true, entry.name
    if values[entry.name] == nil and not partial then
      problems[#problems + 1] = ("'%s' is missing"):format(entry.name)
    end
  end
  for name in pairs(values) do
    if not known[name] then
      problems[#problems + 1] = ("'%s' is not part of it%s"):format(name, check.hint(name, names))
    end
  end
  for _, entry in ipairs(list) do
    local value, wanted = values[entry.name], entry.owner[entry.key]:shape()
    local shape = value ~= nil and core.is_tensor(value) and check.shape_text(value:shape())
    if value ~= nil and shape ~= check.shape_text(wanted) then
      problems[#problems + 1] = ("'%s' must be %s, got %s"):format(entry.name, check.shape_text(wanted),
        shape or check.describe(value))
    end
  end
  if #problems > 0 then check.fail("%s: %s: %s", self:where(), where, table.concat(problems, "; ")) end
end

--- The first half of load_state: checks the values and makes all that it needs. What it returns does the rest, and
--- cannot fail: several networks take over their states, or none does.
---@param values table<string, ganlua.tensor>
---@return function
function state.methods:loading(values)
  if type(values) ~= "table" then
    self:fail("load_state wants a table {name = tensor}, got %s", check.describe(values))
  end
  check_values(self, "load_state", state_entries(self), values)
  local parameters, buffers, given, copies = entries(self, "parameters"), entries(self, "buffers"), {}, {}
  for i, entry in ipairs(parameters) do given[i] = values[entry.name] end
  for i, entry in ipairs(buffers) do copies[i] = values[entry.name]:copy() end
  return function()
    local _ <close> = whole()
    for i, entry in ipairs(parameters) do entry.owner[entry.key]:copy_(given[i]) end
    for i, entry in ipairs(buffers) do entry.owner[entry.key] = copies[i] end
  end
end

--- Takes over parameters and buffers by name; every one must be there, with the right shape, or nothing changes.
---@param values table<string, ganlua.tensor>
---@return ganlua.module self
function state.methods:load_state(values)
  self:loading(values)()
  return self
end

--- A module that reads through to m but has these fields of its own. What a call assigns (running statistics) stays
-- in the stand-in: m is not touched.
---@param m ganlua.module
---@param fields table<string, any>
---@return ganlua.module
function state.stand_in(m, fields)
  local metatable = {}
  for key, value in pairs(getmetatable(m)) do metatable[key] = value end
  metatable.__index = m
  return setmetatable(fields, metatable)
end

-- A stand-in for m and for everything below it: fields[module] is what it has of its own.
local function stand_in_tree(m, fields, made)
  if not made[m] then
    made[m] = state.stand_in(m, fields[m] or {})
    for _, child in ipairs(m.parts.children) do
      rawset(made[m], child.key, stand_in_tree(m[child.key], fields, made))
    end
  end
  return made[m]
end

--- The same module with other parameters: `m:with(fast)(x)`. The values may have a graph; m is not touched.
---@param values ganlua.tensor[]|table<string, ganlua.tensor> all of them in parameters()'s order, or some by name
---@return ganlua.module
function state.methods:with(values)
  local list = entries(self, "parameters")
  if type(values) ~= "table" then
    self:fail("with wants a list or a table of parameters, got %s", check.describe(values))
  end
  local by_name = values
  if #values > 0 then
    if #values ~= #list then self:fail("with wants %d parameters, got %d", #list, #values) end
    by_name = {}
    for i, entry in ipairs(list) do by_name[entry.name] = values[i] end
  end
  check_values(self, "with", list, by_name, true)
  local replaced = {}
  for _, entry in ipairs(list) do
    replaced[entry.owner] = replaced[entry.owner] or {}
    replaced[entry.owner][entry.key] = by_name[entry.name]
  end
  return stand_in_tree(self, replaced, {})
end

-- A deep copy of modules, tensors and plain tables; `made` keeps what is shared inside shared in the copy.
local function duplicate(value, made)
  if made[value] then return made[value] end
  if core.is_tensor(value) then
    made[value] = value:copy()
    return made[value]
  elseif type(value) ~= "table" or getmetatable(value) and not state.is(value) then
    return value
  end
  local copy = {}
  made[value] = copy
  for key, field in next, value do
    if key == "place" and state.is(value) then
      copy.place = made[field.parent] and { parent = made[field.parent], name = field.name }
    else
      copy[key] = duplicate(field, made)
    end
  end
  return setmetatable(copy, getmetatable(value))
end

--- A deep copy that shares nothing with the original.
---@return ganlua.module
function state.methods:clone()
  return duplicate(self, {})
end

return state
