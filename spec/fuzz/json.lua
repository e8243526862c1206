-- JSON, both ways. The first byte says what is done with the rest:
--   "o" an object is written with the keys of a list, and so many digits;
--   "x" a Lua table is written, which JSON may have no word for;
--   anything else: it is the text. What is read is written, and that is read as the same.

local core = require "ganlua.core"

local function same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b and math.type(a) == math.type(b) end
  for key, value in pairs(a) do
    if not same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

-- Calls f; an error must be one of those that are promised.
local function try(promised, f, ...)
  local results = table.pack(pcall(f, ...))
  if results[1] then return results[2] end
  for _, pattern in ipairs(promised) do
    if tostring(results[2]):find(pattern) then return nil end
  end
  error("not an error that is promised: " .. tostring(results[2]), 0)
end

local decoding = { "not JSON: .+ %(line %-?%d+%)", "not enough memory" }
local encoding = { "json: ", "not enough memory", "digits from 1 to 17", "table expected" }

local function round_trip(text)
  local value = try(decoding, core.json_decode, text)
  if value == nil then return end
  local written = try(encoding, core.json_encode, value)
  if written == nil then return end
  local again = core.json_decode(written)
  assert(same(value, again), "what was written is read as something else")
  assert(core.json_encode(again) == written, "equal values make other bytes")
end

-- A Lua value from bytes: each makes one, tables take what follows to their end.
local function build(bytes)
  local at = 0
  local function value(depth)
    at = at + 1
    local byte = bytes:byte(at) or 0
    if byte < 8 then return ({ true, false, 0 / 0, math.huge, 1 << 62, -0.0, "", "\xff\xfe" })[byte + 1] end
    if byte == 8 then return print end
    if byte == 9 then
      local own = {}
      own[1] = own
      return own
    end
    if byte < 64 then return byte / 7 end
    if byte < 96 then return bytes:sub(at, at + byte % 8) end
    if byte > 192 or depth > 150 then return byte end
    local made = {}
    for i = 1, byte % 8 do
      local key = byte < 128 and i or byte < 160 and "k" .. i or value(depth + 1)
      if key ~= nil and key == key then made[key] = value(depth + 1) end
    end
    return made
  end
  return value(0)
end

return function(bytes)
  local kind, rest = bytes:sub(1, 1), bytes:sub(2)
  if kind == "o" then
    local object = try(decoding, core.json_decode, rest:sub(2))
    local order = {}
    for name in rest:gmatch '"(%w+)"' do order[#order + 1] = name end
    try(encoding, core.json_encode, object, order, (rest:byte(1) or 0) % 20)
  elseif kind == "x" then
    local built = build(rest)
    local text = try(encoding, core.json_encode, built)
    if text then core.json_decode(text) end
  else
    round_trip(bytes)
  end
end
