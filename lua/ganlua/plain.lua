--- Plain values as bytes, and back: nil, booleans, numbers, strings, and tables of them. Nothing is lost: integers stay
-- integers, and every number keeps its bits.

local plain = {}

local pack, unpack = string.pack, string.unpack

-- Tables in tables, at most.
local deepest = 200

local function add(parts, value, path, open, depth)
  local kind = math.type(value) or type(value)
  if kind == "nil" then
    parts[#parts + 1] = "n"
  elseif kind == "boolean" then
    parts[#parts + 1] = value and "t" or "f"
  elseif kind == "integer" then
    parts[#parts + 1] = pack("<c1i8", "i", value)
  elseif kind == "float" then
    parts[#parts + 1] = pack("<c1d", "d", value)
  elseif kind == "string" then
    parts[#parts + 1] = pack("<c1s4", "s", value)
  elseif kind == "table" and not getmetatable(value) then
    if open[value] then error(path .. " contains itself", 0) end
    if depth == deepest then error(("%s lies in more than %d tables"):format(path, deepest), 0) end
    open[value] = true
    local keys = {}
    for key in next, value do keys[#keys + 1] = key end
    table.sort(keys, function(a, b) -- equal tables make equal bytes
      if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then return a < b end
      return type(a) < type(b) or type(a) == type(b) and tostring(a) < tostring(b)
    end)
    parts[#parts + 1] = "{"
    for _, key in ipairs(keys) do
      local name = ("%s[%s]"):format(path, type(key) == "string" and ("%q"):format(key) or tostring(key))
      if type(key) == "table" then error(name .. " has a table as its key", 0) end
      add(parts, key, name, open, depth + 1)
      add(parts, value[key], name, open, depth + 1)
    end
    parts[#parts + 1] = "}"
    open[value] = nil
  else
    error(("%s is a %s"):format(path, kind == "userdata" and "tensor or other object" or kind == "table" and "object"
      or kind), 0)
  end
end

--- The bytes of a value. Raises, without a position, naming what is not plain: "value[3] is a function".
---@param value any
---@param name? string what messages call it, "value"
---@return string
function plain.pack(value, name)
  local parts = {}
  add(parts, value, name or "value", {}, 0)
  return table.concat(parts)
end

local damaged = "not the bytes of a plain value"

local function read(bytes, at, depth)
  local kind = bytes:sub(at, at)
  at = at + 1
  if kind == "n" then return nil, at end
  if kind == "t" or kind == "f" then return kind == "t", at end
  if kind == "i" or kind == "d" then
    if #bytes < at + 7 then error(damaged, 0) end
    return unpack(kind == "i" and "<i8" or "<d", bytes, at)
  end
  if kind == "s" then
    if #bytes < at + 3 or #bytes - at - 3 < unpack("<I4", bytes, at) then error(damaged, 0) end
    return unpack("<s4", bytes, at)
  end
  if kind ~= "{" or depth == deepest then error(damaged, 0) end
  local value = {}
  while bytes:sub(at, at) ~= "}" do
    local key, field
    key, at = read(bytes, at, depth + 1)
    if key == nil or key ~= key or type(key) == "table" then error(damaged, 0) end
    field, at = read(bytes, at, depth + 1)
    value[key] = field
  end
  return value, at + 1
end

--- The value whose bytes begin at a place, and the place behind them. Raises, without a position, for other bytes.
---@param bytes string
---@param at? integer 1
---@return any value
---@return integer at
function plain.unpack(bytes, at)
  return read(bytes, at or 1, 0)
end

return plain
