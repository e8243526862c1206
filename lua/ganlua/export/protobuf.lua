--- Protocol buffers, written: the wire format alone. A message is the text of its fields, one after the other.

local protobuf = {}

-- Seven bits a byte, the lowest first; the top bit says that more follow. A negative number is its 64 bits.
local function varint(value)
  local bytes = {}
  while value < 0 or value > 0x7f do
    bytes[#bytes + 1] = string.char(value & 0x7f | 0x80)
    value = value >> 7
  end
  bytes[#bytes + 1] = string.char(value)
  return table.concat(bytes)
end

--- A field that is a whole number.
---@param number integer the field's
---@param value integer
function protobuf.int(number, value) return varint(number << 3) .. varint(value) end

--- A field that is a float32.
---@param number integer
---@param value number
function protobuf.float(number, value) return varint(number << 3 | 5) .. string.pack("<f", value) end

--- A field that is a float64.
---@param number integer
---@param value number
function protobuf.double(number, value) return varint(number << 3 | 1) .. string.pack("<d", value) end

--- A field that is a list of float64, packed.
---@param number integer
---@param values number[]
function protobuf.doubles(number, values)
  local parts = {}
  for i, value in ipairs(values) do parts[i] = string.pack("<d", value) end
  return protobuf.bytes(number, table.concat(parts))
end

--- A field that is a text, bytes, or a message.
---@param number integer
---@param value string
function protobuf.bytes(number, value) return varint(number << 3 | 2) .. varint(#value) .. value end

return protobuf
