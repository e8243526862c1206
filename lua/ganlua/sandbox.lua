--- What a script finds in the sandbox: this list, and nothing else. Run once, when the state is opened, by sandbox.c.
--
-- 1. Library tables, ganlua's too, are read-only, and so are the globals of their names.
-- 2. A metatable is seen and changed by who set it: of strings, of libraries, of ganlua's objects there is none to be
--    had.
-- 3. What takes long counts, see tables.c, strings.c, patterns.c, coroutines.c.

local check = require "ganlua.check"
local core = require "ganlua.core"
local gan = package.loaded["ganlua"]

-- Functions of the engine that no script has a use for in the sandbox.
for _, name in ipairs { "spawn", "ended", "terminate", "sleep", "fail_allocations", "cancel_after",
  "ask_terminal" } do
  core[name] = nil
end

core.sandboxed = true -- ganlua's own modules ask

---- Metatables ------------------------------------------------------------------------------------------------------

-- Metatables that scripts have set.
local own = setmetatable({}, { __mode = "k" })

-- What getmetatable gives instead of any other.
local locked = setmetatable({}, {
  __newindex = function() check.fail("the sandbox: this metatable is locked") end,
})

local function get_metatable(value)
  local metatable = getmetatable(value)
  if metatable == nil then return nil end
  if not own[metatable] then return locked end
  local shown = rawget(metatable, "__metatable")
  if shown ~= nil then return shown end
  return metatable
end

local function set_metatable(t, metatable)
  if type(t) ~= "table" then check.fail("setmetatable: wanted a table, got %s", check.describe(t)) end
  if metatable ~= nil and type(metatable) ~= "table" then
    check.fail("setmetatable: the metatable must be nil or a table, got %s", check.describe(metatable))
  end
  local before = getmetatable(t)
  if before ~= nil and (not own[before] or rawget(before, "__metatable") ~= nil) or metatable == locked then
    check.fail("setmetatable: the sandbox: this metatable is locked")
  end
  if metatable and rawget(metatable, "__gc") ~= nil then
    check.fail("setmetatable: the sandbox has no finalizers (__gc)")
  end
  if metatable then own[metatable] = true end
  return setmetatable(t, metatable, true)
end

---- Read-only tables ------------------------------------------------------------------------------------------------

-- Views by what they show, and the other way round.
local views, shown_by = setmetatable({}, { __mode = "k" }), setmetatable({}, { __mode = "k" })

-- A table that shows another, and the tables in it, and cannot be written to. Objects are called and print as they are.
local function view(t, name)
  if views[t] then return views[t] end
  local function shown(key, value)
    if type(value) ~= "table" then return value end
    return view(value, ("%s.%s"):format(name, tostring(key)))
  end
  local metatable = getmetatable(t)
  local proxy = setmetatable({}, {
    __index = function(_, key) return shown(key, t[key]) end,
    __newindex = function(_, key)
      check.fail("%s is read-only in the sandbox: '%s' cannot be set", name, tostring(key))
    end,
    __len = function() return #t end,
    __pairs = function()
      local step, state, key = pairs(t)
      return function()
        local value
        key, value = step(state, key)
        return key, shown(key, value)
      end
    end,
    __call = metatable and metatable.__call and function(_, ...) return t(...) end,
    __tostring = metatable and metatable.__tostring and function() return tostring(t) end,
    __name = metatable and metatable.__name,
  })
  views[t], shown_by[proxy] = proxy, t
  return proxy
end

-- A library with these of its functions and values.
local function library(name, from, names)
  local t = {}
  for _, each in ipairs(names) do t[each] = from[each] end
  return view(t, name)
end

---- Functions -------------------------------------------------------------------------------------------------------

-- ganlua's modules alone; they need no files.
local function require_module(name)
  local field = type(name) == "string" and name:match "^ganlua%.(%w+)$"
  local module = name == "ganlua" and gan or field and gan[field]
  if type(module) ~= "table" then
    check.fail("require: the sandbox has only ganlua and its modules, not %s", check.describe(name))
  end
  return view(module, name == "ganlua" and "gan" or (name:gsub("^ganlua", "gan")))
end

local function collect_garbage(option)
  if option ~= "count" then check.fail('collectgarbage: the sandbox allows only "count"') end
  return collectgarbage "count"
end

local function print_text(...)
  local texts = table.pack(...)
  for i = 1, texts.n do
    texts[i] = tostring(texts[i])
    core.spend(#texts[i] / 8)
  end
  core.spend(100)
  print(table.unpack(texts, 1, texts.n))
end

---- The globals -----------------------------------------------------------------------------------------------------

local allowed = {
  _VERSION = _VERSION,
  assert = assert, error = error, ipairs = ipairs, next = next, pairs = pairs, pcall = pcall, xpcall = xpcall,
  select = select, rawequal = rawequal, rawget = rawget, rawlen = rawlen, type = type,
  tonumber = tonumber, tostring = tostring,
  collectgarbage = collect_garbage, getmetatable = get_metatable, setmetatable = set_metatable, load = load,
  print = print_text, require = require_module,
  coroutine = library("coroutine", coroutine, {
    "close", "create", "isyieldable", "resume", "running", "status", "wrap", "yield",
  }),
  math = library("math", math, {
    "abs", "acos", "asin", "atan", "ceil", "cos", "deg", "exp", "floor", "fmod", "huge", "log", "max", "maxinteger",
    "min", "mininteger", "modf", "pi", "rad", "random", "randomseed", "sin", "sqrt", "tan", "tointeger", "type", "ult",
  }),
  os = library("os", os, { "clock", "date", "time" }),
  string = library("string", string, {
    "byte", "char", "find", "format", "gmatch", "gsub", "len", "lower", "match", "pack", "packsize", "rep", "reverse",
    "sub", "unpack", "upper",
  }),
  table = library("table", table, { "concat", "insert", "move", "pack", "remove", "sort", "unpack" }),
  utf8 = library("utf8", utf8, { "char", "charpattern", "codepoint", "codes", "len", "offset" }),
}

local globals = _G
allowed._G = globals

function allowed.rawset(t, key, value)
  if shown_by[t] or t == locked or t == globals and allowed[key] ~= nil then
    check.fail("rawset: this table is read-only in the sandbox")
  end
  return rawset(t, key, value)
end

local names = {}
for name in next, globals do names[#names + 1] = name end
for _, name in ipairs(names) do globals[name] = nil end

setmetatable(globals, {
  __index = allowed,
  __newindex = function(_, name, value)
    if allowed[name] ~= nil then check.fail("the global '%s' is read-only in the sandbox", name) end
    rawset(globals, name, value)
  end,
  __pairs = function()
    local all = {}
    for name, value in next, allowed do all[name] = value end
    for name, value in next, globals do all[name] = value end
    return next, all, nil
  end,
})
