--- Checking what users hand in: options, labels, and where to point when something is wrong.
-- Every module checks its options here, so that all of ganlua refuses in the same words, e.g.
--   train.lua:12: conv2d: option 'kernel' must be a positive integer, got 0
--   train.lua:12: conv2d: unknown option 'strid' (did you mean 'stride'?)
-- An error points at the first line up the stack that is not ganlua's own.

local core = require "ganlua.core"

local check = {}

-- How the chunks of ganlua's own modules are called: "@ganlua/" in the binary, a folder when run from source.
local own_chunks = debug.getinfo(1, "S").source:match("^(.*)check%.lua$") or "@ganlua/"

-- The first line up the stack that is not ganlua's own, as messages begin: "train.lua:12: "; "" where there is none.
local function users_line()
  local level = 2
  local info = debug.getinfo(level, "Sl")
  while info and (info.what == "C" or info.source:sub(1, #own_chunks) == own_chunks) do
    level = level + 1
    info = debug.getinfo(level, "Sl")
  end
  return info and info.currentline > 0 and ("%s:%d: "):format(info.short_src, info.currentline) or ""
end

--- Raises a message (formed as string.format does) at the caller's line.
---@param format string
function check.fail(format, ...)
  error(users_line() .. format:format(...), 0)
end

-- What a call inside check.within gives; a message about the user's line is raised with `where` behind that line.
local function told(where, fine, ...)
  if fine then return ... end
  local message, line = ..., users_line()
  local inside = type(message) == "string" and message:sub(1, #line) == line and message:sub(#line + 1)
  if inside and inside:sub(1, #where) ~= where then message = ("%s%s: %s"):format(line, where, inside) end
  error(message, 0)
end

--- f(...), where what it calls does not know which function of ganlua's the user has called: its messages begin with
--- `where`, unless they do so anyway: "train.lua:12: load: net.safetensors: cannot read: No such file or directory".
---@param where string "load", "data.open"
---@param f function
---@return any ...
function check.within(where, f, ...)
  return told(where, pcall(f, ...))
end

--- "64x10", or "scalar" for the shape of a single number.
---@param shape integer[]
---@return string
function check.shape_text(shape)
  return #shape == 0 and "scalar" or table.concat(shape, "x")
end

--- A name that comes from outside (a file in a stranger's archive) as it can be shown: in one line, with nothing that a
--- terminal obeys. "\n" for a line break, "\xff" for what is no UTF-8.
---@param name string
---@return string
function check.printable(name)
  local strange = utf8.len(name) and "%c" or "[%c\x80-\xff]"
  local function code(bytes) return (bytes:gsub(".", function(byte) return ("\\x%02x"):format(byte:byte()) end)) end
  return (name:gsub("\n", "\\n"):gsub(strange, code):gsub("\xc2[\x80-\x9f]", code))
end

--- A value in words, as the "got ..." of a message has it.
---@param value any
---@return string
function check.describe(value)
  if value == nil then
    return "nothing"
  elseif core.is_tensor(value) then
    local shape = value:shape()
    return #shape == 0 and "a scalar tensor" or ("a %s tensor"):format(check.shape_text(shape))
  elseif type(value) == "string" then
    return ("%q"):format(value)
  elseif type(value) == "number" or type(value) == "boolean" then
    return tostring(value)
  end
  return "a " .. type(value)
end

-- Number of single-letter changes (insert, delete, replace, swap of neighbours) between two words.
local function edit_distance(a, b)
  local before, previous, current = {}, {}, {}
  for j = 0, #b do previous[j] = j end
  for i = 1, #a do
    current[0] = i
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local best = math.min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        best = math.min(best, before[j - 2] + 1)
      end
      current[j] = best
    end
    before, previous, current = previous, current, before
  end
  return previous[#b]
end

--- The known name that is closest to a word, nil when none is close enough to be meant by it.
---@param word any
---@param names string[]
---@return string?
function check.nearest(word, names)
  if type(word) ~= "string" then return nil end
  local nearest, least = nil, math.max(2, #word // 3) + 1
  for _, name in ipairs(names) do
    local distance = edit_distance(word:lower(), name:lower())
    if distance < least and distance < #name then nearest, least = name, distance end
  end
  return nearest
end

--- The end of a message about an unknown name: the one that was meant, or all there are.
---@param word any
---@param names string[]
---@param called? table<string, string> what things are called elsewhere, and here
---@return string
function check.hint(word, names, called)
  if called and called[word] then return (" (it is called '%s')"):format(called[word]) end
  local nearest = check.nearest(word, names)
  if nearest then return (" (did you mean '%s'?)"):format(nearest) end
  return #names > 0 and (" (known: %s)"):format(table.concat(names, ", ")) or ""
end

--- One option: what it must be. `is` replaces `type` where that is not enough.
---@class ganlua.option
---@field type? string "integer", "tensor", or one of Lua's own
---@field is? fun(value: any): boolean
---@field default? any
---@field required? boolean
---@field min? number
---@field above? number
---@field max? number
---@field below? number
---@field choices? string[]
---@field wanted? string what a message says is wanted; made from the fields above when absent

local function wanted(row)
  if row.wanted then return row.wanted end
  if row.choices then return ("one of '%s'"):format(table.concat(row.choices, "', '")) end
  local open = not row.max and not row.below
  if open and row.type == "integer" and row.min == 1 then return "a positive integer" end
  if open and row.type == "number" and row.above == 0 then return "a positive number" end
  local bounds = {}
  for _, bound in ipairs { { ">=", row.min }, { ">", row.above }, { "<=", row.max }, { "<", row.below } } do
    if bound[2] then bounds[#bounds + 1] = ("%s %g"):format(bound[1], bound[2]) end
  end
  local article = row.type:find("^[aeiou]") and "an " or "a "
  return article .. row.type .. (#bounds > 0 and " " .. table.concat(bounds, " and ") or "")
end

-- The value as the option holds it (3.0 becomes the integer 3), nil when it is not what the row wants.
local function accept(row, value)
  if row.is then
    if not row.is(value) then return nil end
  elseif row.type == "integer" then
    value = math.type(value) and math.tointeger(value)
    if not value then return nil end
  elseif row.type == "tensor" then
    if not core.is_tensor(value) then return nil end
  elseif type(value) ~= row.type or value ~= value then
    return nil
  end
  if row.min and value < row.min or row.above and value <= row.above then return nil end
  if row.max and value > row.max or row.below and value >= row.below then return nil end
  if row.choices then
    for _, choice in ipairs(row.choices) do
      if value == choice then return value end
    end
    return nil
  end
  return value
end

--- The keys of a table, sorted.
---@param t table
---@return any[]
function check.sorted_keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

--- Has a library say what it does not have, and what is meant.
---@param name string "gan.loss"
---@param library table
---@param called? table<string, string> what things are called elsewhere, and here
---@return table library
function check.closed(name, library, called)
  return setmetatable(library, {
    __index = function(_, key)
      check.fail("%s has no '%s'%s", name, tostring(key), check.hint(key, check.sorted_keys(library), called))
    end,
  })
end

-- The names of the options of a spec, in order. A spec does not change once it was used.
local names_of = setmetatable({}, { __mode = "k" })

--- Checks a table of options and returns a copy of it with the defaults filled in.
---@param where string how messages begin, e.g. "conv2d"
---@param given table? what the user wrote; nil is {}
---@param spec table<string, ganlua.option>
---@return table
function check.options(where, given, spec)
  if given == nil then given = {} end
  if type(given) ~= "table" then
    check.fail("%s: options must be a table {name = value}, got %s", where, check.describe(given))
  end
  local names = names_of[spec] or check.sorted_keys(spec)
  names_of[spec] = names
  for key in pairs(given) do
    if type(key) ~= "string" then
      check.fail("%s: options have names, got %s at place %s%s", where, check.describe(given[key]), tostring(key),
        #names > 0 and (" (known: %s)"):format(table.concat(names, ", ")) or "")
    elseif not spec[key] then
      check.fail("%s: unknown option '%s'%s", where, key, check.hint(key, names))
    end
  end
  local options = {}
  for _, name in ipairs(names) do
    local row, value = spec[name], given[name]
    if value == nil then
      if row.required then check.fail("%s: option '%s' is required: %s", where, name, wanted(row)) end
      options[name] = row.default
    else
      options[name] = accept(row, value)
      if options[name] == nil then
        check.fail("%s: option '%s' must be %s, got %s", where, name, wanted(row), check.describe(value))
      end
    end
  end
  return options
end

--- Checks class labels (a tensor of n whole numbers from 0 to count - 1) and returns them as indices from 1.
---@param where string how messages begin, e.g. "embedding"
---@param labels any
---@param count integer
---@return ganlua.tensor
function check.labels(where, labels, count)
  if not core.is_tensor(labels) or #labels:shape() ~= 1 then
    check.fail("%s: labels must be a tensor of shape N, got %s", where, check.describe(labels))
  end
  for place, label in ipairs(labels:totable()) do
    if label < 0 or label >= count or label % 1 ~= 0 then
      check.fail("%s: label %d is %g, wanted a whole number from 0 to %d", where, place, label, count - 1)
    end
  end
  return labels:detach() + 1
end

return check
