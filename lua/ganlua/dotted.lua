--- Nested tables of tensors and numbers (what optimisers remember) under dotted names: "generator.m.1".

local core = require "ganlua.core"

local dotted = {}

--- Puts the tensors of nested tables into `tensors` under dotted names, and numbers into `numbers`.
---@param value any
---@param name string
---@param tensors table<string, ganlua.tensor>
---@param numbers table<string, number>
function dotted.flatten(value, name, tensors, numbers)
  if core.is_tensor(value) then
    tensors[name] = value
  elseif type(value) == "number" then
    numbers[name] = value
  else
    for key, field in pairs(value) do dotted.flatten(field, name .. "." .. key, tensors, numbers) end
  end
end

--- Puts a value back where its dotted name says, below `root`; places in lists are numbers again. False where something
--- else is in its way.
---@param root table
---@param name string
---@param value any
---@return boolean
function dotted.place(root, name, value)
  local node, last = root, nil
  for key in name:gmatch "[^.]+" do
    key = math.tointeger(key) or key
    if last ~= nil then
      node[last] = node[last] or {}
      node = node[last]
      if type(node) ~= "table" or core.is_tensor(node) then return false end
    end
    last = key
  end
  if last == nil or node[last] ~= nil then return false end
  node[last] = value
  return true
end

--- The fields whose names begin with "prefix.", without it.
---@param fields table<string, any>
---@param prefix string
---@return table<string, any>
function dotted.under(fields, prefix)
  local found = {}
  for name, value in pairs(fields) do
    if type(name) == "string" and name:sub(1, #prefix + 1) == prefix .. "." then
      found[name:sub(#prefix + 2)] = value
    end
  end
  return found
end

--- Such tables as plain values, for another rank.
---@param value table
---@return table
function dotted.pack(value)
  local tensors, numbers = {}, {}
  dotted.flatten(value, "all", tensors, numbers)
  return { tensors = core.safetensors_encode(tensors), numbers = numbers }
end

--- What was packed.
---@param packed table
---@return table?
function dotted.unpack(packed)
  local root = {}
  for name, tensor in pairs((core.safetensors_decode(packed.tensors, "what a rank has sent"))) do
    dotted.place(root, name, tensor)
  end
  for name, number in pairs(packed.numbers) do dotted.place(root, name, number) end
  return root.all
end

return dotted
