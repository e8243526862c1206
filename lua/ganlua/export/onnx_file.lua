--- The file of gan.export.onnx in the making: nodes, constants, and their messages (ONNX's onnx.proto, whose field
-- numbers stand here). Operators are those of opset 13, the file's version (ir_version) is 8.

local core = require "ganlua.core"
local protobuf = require "ganlua.export.protobuf"

local int, float, bytes = protobuf.int, protobuf.float, protobuf.bytes

local FLOAT <const>, INT64 <const> = 1, 7

---@class ganlua.onnx_file
---@field nodes string[] messages
---@field constants string[] messages
---@field count integer of names made up so far
local File = {}
File.__index = File

local onnx_file = {}

---@return ganlua.onnx_file
function onnx_file.new()
  return setmetatable({ nodes = {}, constants = {}, count = 0, known = {} }, File)
end

-- A name that no value has yet.
local function fresh(self, what)
  self.count = self.count + 1
  return ("%s_%d"):format(what, self.count)
end

local function tensor(name, kind, shape, raw)
  local parts = {}
  for _, size in ipairs(shape) do parts[#parts + 1] = int(1, size) end
  parts[#parts + 1] = int(2, kind) .. bytes(8, name) .. bytes(9, raw)
  return table.concat(parts)
end

--- A constant of float32 numbers; its name.
---@param t ganlua.tensor
---@param what string what it is, for the name
function File:constant(t, what)
  local name = fresh(self, what)
  table.insert(self.constants, tensor(name, FLOAT, t:shape(), core.float_bytes(t)))
  return name
end

--- A constant of whole numbers: sizes, axes. The same ones are one constant.
---@param list integer[]
function File:integers(list)
  local key = table.concat(list, " ")
  if not self.known[key] then
    local name = fresh(self, "sizes")
    table.insert(self.constants, tensor(name, INT64, { #list }, string.pack(("<" .. ("i8"):rep(#list)),
      table.unpack(list))))
    self.known[key] = name
  end
  return self.known[key]
end

--- A constant that is one number.
---@param value number
function File:number(value)
  return self:constant(core.tensor(value), "number")
end

-- An attribute's message: an integer, a float, a text or a list of integers, by the value's type.
local function attribute(name, value)
  local head = bytes(1, name)
  if math.type(value) == "integer" then return head .. int(3, value) .. int(20, 2) end
  if type(value) == "number" then return head .. float(2, value) .. int(20, 1) end
  if type(value) == "string" then return head .. bytes(4, value) .. int(20, 3) end
  local parts = { head }
  for _, each in ipairs(value) do parts[#parts + 1] = int(8, each) end
  return table.concat(parts) .. int(20, 7)
end

--- Adds a node; the name of the value it makes.
---@param operator string
---@param inputs string[] "" for one that is left out
---@param attributes? table<string, any>
---@param output? string
---@return string
function File:node(operator, inputs, attributes, output)
  output = output or fresh(self, operator:lower())
  local parts, names = {}, {}
  for _, name in ipairs(inputs) do parts[#parts + 1] = bytes(1, name) end
  parts[#parts + 1] = bytes(2, output) .. bytes(3, "make_" .. output) .. bytes(4, operator)
  for name in pairs(attributes or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do parts[#parts + 1] = bytes(5, attribute(name, attributes[name])) end
  table.insert(self.nodes, table.concat(parts))
  return output
end

-- What an input or output is: its sizes, the first one open ("batch").
local function value_info(value)
  local dims = { bytes(1, bytes(2, "batch")) }
  for _, size in ipairs(value.shape) do dims[#dims + 1] = bytes(1, int(1, size)) end
  local kind = int(1, value.integers and INT64 or FLOAT) .. bytes(2, table.concat(dims))
  return bytes(1, value.name) .. bytes(2, bytes(1, kind))
end

--- The bytes of the file. inputs and outputs: { name =, shape = (without the batch), integers = }.
---@param inputs table[]
---@param outputs table[]
---@param text string what the network is, for who looks into the file
---@return string
function File:encode(inputs, outputs, text)
  local parts = {}
  for _, node in ipairs(self.nodes) do parts[#parts + 1] = bytes(1, node) end
  parts[#parts + 1] = bytes(2, "network")
  for _, constant in ipairs(self.constants) do parts[#parts + 1] = bytes(5, constant) end
  parts[#parts + 1] = bytes(10, text)
  for _, value in ipairs(inputs) do parts[#parts + 1] = bytes(11, value_info(value)) end
  for _, value in ipairs(outputs) do parts[#parts + 1] = bytes(12, value_info(value)) end
  return int(1, 8) .. bytes(2, "ganlua") .. bytes(7, table.concat(parts)) .. bytes(8, bytes(1, "") .. int(2, 13))
end

return onnx_file
