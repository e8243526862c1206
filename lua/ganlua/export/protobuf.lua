--- Protocol buffers, written: the wire format alone (numbers, doubles of it are not needed here). A message is the text
-- of its fields, one after the other.

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

--- A field that is a text, bytes, or a message.
---@param number integer
---@param value string
function protobuf.bytes(number, value) return varint(number << 3 | 2) .. varint(#value) .. value end

return protobuf
