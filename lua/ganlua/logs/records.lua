--- Files of records, TFRecord as TensorBoard reads it: each record is its length (8 bytes, the lowest first), a
-- checksum of that, the record, and a checksum of it. Checksums are CRC-32C (Castagnoli), masked.

local core = require "ganlua.core"

local records = {}

-- A checksum of bytes that hold checksums is weak: those that stand in files are turned and shifted.
local function masked(bytes)
  local crc = core.crc32c(bytes)
  return (crc >> 15 | crc << 17) + 0xa282ead8 & 0xffffffff
end

--- A record with what stands around it.
---@param bytes string
---@return string
function records.frame(bytes)
  local length = string.pack("<I8", #bytes)
  return length .. string.pack("<I4", masked(length)) .. bytes .. string.pack("<I4", masked(bytes))
end

--- The records of a file one after the other: the bytes of each and where it ends, until the file ends or one is torn.
---@param path string
---@return fun(): string?, integer?
function records.each(path)
  local text, at = core.read_file(path), 1
  return function()
    if #text - at + 1 < 16 then return nil end
    local length, crc = string.unpack("<I8I4", text, at)
    if crc ~= masked(text:sub(at, at + 7)) or length < 0 or length > #text - at - 15 then return nil end
    local bytes = text:sub(at + 12, at + 11 + length)
    if string.unpack("<I4", text, at + 12 + length) ~= masked(bytes) then return nil end
    at = at + 16 + length
    return bytes, at - 1
  end
end

return records
