--- JSON for the run folder: lines of metrics.jsonl and the counters of a checkpoint.
--
-- Keys are written in alphabetical order, or in the order that the caller gives, so the same table is always the same
-- bytes. Integers stay integers. A number that is not finite becomes null: JSON has no word for it.

local json = {}

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r",
  ["\t"] = "\\t" }

local function quote(text)
  return '"' .. text:gsub('[%c"\\]', function(c) return escapes[c] or ("\\u%04x"):format(c:byte()) end) .. '"'
end

local function number(value)
  if math.type(value) == "integer" then return ("%d"):format(value) end
  if value ~= value or value == math.huge or value == -math.huge then return "null" end
  return ("%.17g"):format(value)
end

local function sorted_keys(object)
  local keys = {}
  for key in pairs(object) do
    if type(key) ~= "string" then
      error(("JSON has no key of type %s (%s)"):format(type(key), tostring(key)), 0)
    end
    keys[#keys + 1] = key
  end
  table.sort(keys)
  return keys
end

local encode

local function encode_table(value, seen)
  if seen[value] then error("JSON cannot hold a table that contains itself", 0) end
  seen[value] = true
  local parts, text = {}
  if #value > 0 then
    for key in pairs(value) do
      if not math.tointeger(key) then error(("JSON cannot hold a list with the key %s"):format(tostring(key)), 0) end
    end
    for i = 1, #value do parts[i] = encode(value[i], seen) end
    text = "[" .. table.concat(parts, ",") .. "]"
  else
    for i, key in ipairs(sorted_keys(value)) do parts[i] = quote(key) .. ":" .. encode(value[key], seen) end
    text = "{" .. table.concat(parts, ",") .. "}"
  end
  seen[value] = nil
  return text
end

function encode(value, seen)
  local kind = type(value)
  if kind == "string" then return quote(value) end
  if kind == "number" then return number(value) end
  if kind == "boolean" then return tostring(value) end
  if kind == "table" then return encode_table(value, seen) end
  error("JSON cannot hold a " .. kind, 0)
end

--- The text of a value made of strings, numbers, booleans, lists and tables with string keys. Raises for others.
---@return string
function json.encode(value)
  return encode(value, {})
end

--- One line for a flat record, its keys in the given order; keys without a value are left out. Numbers that are not
--- integers are written with six digits, which is what a reader of measurements wants.
---@param record table<string, number>
---@param order string[]
---@return string
function json.line(record, order)
  local parts = {}
  for _, key in ipairs(order) do
    local value = record[key]
    if math.type(value) == "float" and value - value == 0 then
      parts[#parts + 1] = ("%s:%.6g"):format(quote(key), value)
    elseif value ~= nil then
      parts[#parts + 1] = quote(key) .. ":" .. json.encode(value)
    end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local unescapes = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }
local words = { ["true"] = true, ["false"] = false }
local decode_value

local function fail(text, at, wanted)
  error(("JSON: %s expected at byte %d, found '%s'"):format(wanted, at, text:sub(at, at + 9)), 0)
end

local function decode_string(text, at)
  local parts, from = {}, at + 1
  while true do
    local stop = text:find('["\\]', from)
    if not stop then fail(text, at, "a closed string") end
    parts[#parts + 1] = text:sub(from, stop - 1)
    if text:byte(stop) == 34 then return table.concat(parts), stop + 1 end
    local letter = text:sub(stop + 1, stop + 1)
    if letter == "u" then
      local code = tonumber(text:match("^%x%x%x%x", stop + 2) or "", 16) or fail(text, stop, "\\u and four digits")
      parts[#parts + 1] = utf8.char(code)
      from = stop + 6
    else
      parts[#parts + 1] = unescapes[letter] or letter
      from = stop + 2
    end
  end
end

-- The items of a list or an object, from after its opening bracket to after its closing one.
local function decode_items(text, at, close, item)
  at = text:match("^%s*()", at)
  if text:sub(at, at) == close then return at + 1 end
  while true do
    at = text:match("^%s*()", item(at))
    local mark = text:sub(at, at)
    if mark == close then return at + 1 end
    if mark ~= "," then fail(text, at, "',' or '" .. close .. "'") end
    at = at + 1
  end
end

local function decode_list(text, at)
  local list = {}
  local after = decode_items(text, at + 1, "]", function(from)
    local value, stop = decode_value(text, from)
    list[#list + 1] = value
    return stop
  end)
  return list, after
end

local function decode_object(text, at)
  local object = {}
  local after = decode_items(text, at + 1, "}", function(from)
    from = text:match('^%s*()"', from) or fail(text, from, "a key")
    local key, stop = decode_string(text, from)
    stop = text:match("^%s*:()", stop) or fail(text, stop, "':'")
    object[key], stop = decode_value(text, stop)
    return stop
  end)
  return object, after
end

function decode_value(text, at)
  at = text:match("^%s*()", at)
  local first = text:sub(at, at)
  if first == "{" then return decode_object(text, at) end
  if first == "[" then return decode_list(text, at) end
  if first == '"' then return decode_string(text, at) end
  local word = text:match("^%a+", at)
  if word and (words[word] ~= nil or word == "null") then return words[word], at + #word end
  local digits = text:match("^-?%d[%d.eE+-]*", at)
  local value = digits and tonumber(digits)
  if not value then fail(text, at, "a value") end
  return value, at + #digits
end

--- The value that a text holds; null is nil. Raises, with the place, where the text is no JSON.
---@param text string
function json.decode(text)
  local value, at = decode_value(text, 1)
  if text:find("%S", at) then fail(text, at, "the end") end
  return value
end

return json
