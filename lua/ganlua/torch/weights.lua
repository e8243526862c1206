--- The tensors of a safetensors file as PyTorch writes it: of any type of floating-point numbers. gan.load, which reads
-- what ganlua has written, is stricter.

local check = require "ganlua.check"
local core = require "ganlua.core"

local weights = {}

-- How the numbers of each type are called as numpy's; bfloat16 is the upper half of a float32.
local types = { F64 = "<f8", F32 = "<f4", F16 = "<f2", BF16 = "<f4" }
local sizes = { F64 = 8, F32 = 4, F16 = 2, BF16 = 2 }

local function damaged(path, format, ...)
  check.fail("%s: is no sound safetensors file: %s", path, format:format(...))
end

local function is_whole(value) return math.type(value) == "integer" and value >= 0 end

-- A header's entry: its type, shape, and where its bytes are.
local function entry_of(path, name, entry, room)
  local at = type(entry) == "table" and entry.data_offsets
  local shape = type(entry) == "table" and entry.shape
  if type(entry) ~= "table" or type(entry.dtype) ~= "string" or type(at) ~= "table" or type(shape) ~= "table"
    or not is_whole(at[1]) or not is_whole(at[2]) or at[1] > at[2] or at[2] > room then
    damaged(path, "what it says of %q", check.printable(name))
  end
  if #shape > 6 then
    check.fail("%s: %s has %d dimensions: tensors have at most 6", path, check.printable(name), #shape)
  end
  for i = 1, #shape do
    if not is_whole(shape[i]) then damaged(path, "the shape of %q", check.printable(name)) end
  end
  return entry.dtype, shape, at[1], at[2]
end

--- Reads the tensors of a file by name, in PyTorch's layouts. What is no floating-point number (batch norm's
--- num_batches_tracked) is left out.
---@param path string
---@return table<string, ganlua.tensor>
function weights.read(path)
  local bytes = core.read_file(path)
  if bytes:find "^PK\3\4" or bytes:find "^\128[\2-\5]" then -- a zip of pickles, or one alone
    check.fail("%s: is a file of torch.save: wanted one of safetensors.torch.save_file(module.state_dict(), path)",
      path)
  end
  local length = #bytes >= 8 and string.unpack("<I8", bytes) or -1
  if length < 2 or length > #bytes - 8 then damaged(path, "it ends in its header") end
  local fine, header = pcall(core.json_decode, bytes:sub(9, 8 + length))
  if not fine or type(header) ~= "table" then damaged(path, "its header is no JSON object") end
  local tensors, start, total = {}, 8 + length, 0
  for name, entry in pairs(header) do
    if name ~= "__metadata__" then
      local kind, shape, first, last = entry_of(path, name, entry, #bytes - start)
      total = total + (last - first)
      if total > #bytes - start then damaged(path, "its tensors overlap") end
      if types[kind] then
        local count = 1.0 -- a product of integers could wrap round
        for _, size in ipairs(shape) do count = count * size end
        if count ~= (last - first) / sizes[kind] then damaged(path, "the size of %q", check.printable(name)) end
        local numbers = bytes:sub(start + first + 1, start + last)
        if kind == "BF16" then numbers = numbers:gsub("..", "\0\0%0") end
        tensors[name] = core.numbers(numbers, types[kind], shape, 1, 0, path)
      end
    end
  end
  return tensors
end

return weights
