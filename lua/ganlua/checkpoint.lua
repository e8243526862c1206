--- Checkpoints: all that a run is at one moment, in one safetensors file.
--
-- Tensors: "generator.1.weight", "discriminator...", "ema...", and the optimisers' memory "moments.generator.m.1".
-- Metadata "ganlua": JSON with the counters, the positions of the random streams and of the data, and run.state.
-- The file is there whole or not at all; loading checks everything before it changes anything.

local check = require "ganlua.check"
local core = require "ganlua.core"

local checkpoint = {}

-- What every checkpoint's metadata begins with; raised when a reader of today's files could not read tomorrow's.
local format = 1

-- Puts the tensors of nested tables into `tensors` under dotted names, and numbers into `numbers`.
local function flatten(value, name, tensors, numbers)
  if core.is_tensor(value) then
    tensors[name] = value
  elseif type(value) == "number" then
    numbers[name] = value
  else
    for key, field in pairs(value) do flatten(field, name .. "." .. key, tensors, numbers) end
  end
end

-- Puts a value back where its dotted name says, below `root`; places in lists are numbers again.
local function place(root, name, value)
  local node, last = root, nil
  for key in name:gmatch "[^.]+" do
    key = math.tointeger(key) or key
    if last ~= nil then
      node[last] = node[last] or {}
      node = node[last]
    end
    last = key
  end
  node[last] = value
end

-- The fields whose names begin with "prefix.", without it.
local function under(fields, prefix)
  local found = {}
  for name, value in pairs(fields) do
    if name:sub(1, #prefix + 1) == prefix .. "." then found[name:sub(#prefix + 2)] = value end
  end
  return found
end

---@class ganlua.snapshot
---@field networks table<string, ganlua.module> "generator", "discriminator", perhaps "ema"
---@field moments table<string, table> the optimisers' states by player
---@field counters table whatever else is saved: strings, numbers, booleans, tables of them

--- Writes a snapshot. Raises where the counters hold what JSON cannot.
---@param path string
---@param snapshot ganlua.snapshot
function checkpoint.save(path, snapshot)
  local tensors, numbers = {}, {}
  for player, network in pairs(snapshot.networks) do
    for name, tensor in pairs(network:state()) do tensors[player .. "." .. name] = tensor end
  end
  flatten(snapshot.moments, "moments", tensors, numbers)
  local encoded, text = pcall(core.json_encode, { format = format, counters = snapshot.counters, moments = numbers })
  if not encoded then
    check.fail("checkpoint %s: what is saved holds what cannot be: %s", path, (text:gsub("^.-:%d+: ", "")))
  end
  core.write_file(path, core.safetensors_encode(tensors, { ganlua = text }))
end

--- Reads a file into networks like those that it was saved from, which take over their tensors; returns the rest.
---@param path string
---@param networks table<string, ganlua.module>
---@return table moments
---@return table counters
function checkpoint.load(path, networks)
  local tensors, metadata = core.safetensors_decode(core.read_file(path), path)
  local decoded, about = pcall(core.json_decode, metadata and metadata.ganlua or "")
  if not decoded or type(about) ~= "table" or type(about.counters) ~= "table" then
    check.fail("%s: is a file of tensors, but no checkpoint of a run", path)
  elseif about.format ~= format then
    check.fail("%s: is a checkpoint of format %s, this ganlua reads format %d", path, tostring(about.format), format)
  end

  local before = {}
  for player, network in pairs(networks) do before[player] = network:state() end
  for player, network in pairs(networks) do
    local loaded, problem = pcall(network.load_state, network, under(tensors, player))
    if not loaded then
      for other, state in pairs(before) do networks[other]:load_state(state) end
      check.fail("%s does not fit the %s: %s", path, player, (problem:gsub("^.-:%d+: ", "")))
    end
  end

  local moments = {}
  for name, tensor in pairs(under(tensors, "moments")) do place(moments, name, tensor) end
  for name, number in pairs(under(about.moments, "moments")) do place(moments, name, number) end
  return moments, about.counters
end

return checkpoint
