--- Checkpoints: all that a run is at one moment, in one safetensors file.
--
-- Tensors: "generator.1.weight", "discriminator...", "ema...", the optimisers' memory "moments.generator.m.1", and
-- "shown.1" ...: the generator's buffers before it made samples that are to be used again (see batches.lua).
-- Metadata "ganlua": JSON with the counters, the positions of the random streams and of the data, and run.state;
-- "checksum": the CRC-32 of the file as it is with eight zeros in the checksum's place.
-- The file is there whole or not at all; loading checks everything before it changes anything.

local check = require "ganlua.check"
local core = require "ganlua.core"
local dotted = require "ganlua.dotted"
local files = require "ganlua.ranks.files"

local checkpoint = {}

-- What every checkpoint's metadata begins with; raised when a reader of today's files could not read tomorrow's.
local format = 1

-- run.state is the script's own: numbers may be infinite and keys may be anything but tables. What JSON has no word for
-- is written as a table with one of these keys.
local pairs_key, number_key = "ganlua.pairs", "ganlua.number"

local function is_plain_object(value)
  for key in pairs(value) do
    if type(key) ~= "string" or key:find("\0", 1, true) then return false end
    if key == pairs_key or key == number_key then return false end
  end
  return true
end

local function is_list(value)
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  return count == #value
end

-- A value as JSON can hold it; `path` is its name in errors, `open` the tables that it lies in.
local function pack(value, path, open)
  local kind = type(value)
  if kind == "number" and value - value ~= 0 then return { [number_key] = tostring(value) } end
  if kind == "string" and not utf8.len(value) then error(("%s is text that is not UTF-8"):format(path), 0) end
  if kind == "string" or kind == "number" or kind == "boolean" then return value end
  if kind ~= "table" then error(("%s is a %s"):format(path, kind), 0) end
  if open[value] then error(("%s contains itself"):format(path), 0) end
  open[value] = true
  local packed = {}
  if is_list(value) then
    for i, item in ipairs(value) do packed[i] = pack(item, ("%s[%d]"):format(path, i), open) end
  elseif is_plain_object(value) then
    for key, item in pairs(value) do packed[key] = pack(item, path .. "." .. key, open) end
  else
    local entries = {}
    for key, item in pairs(value) do
      local name = ("%s[%s]"):format(path, tostring(key))
      if type(key) == "table" then error(name .. " has a table as its key", 0) end
      entries[#entries + 1] = { pack(key, name .. "'s key", open), pack(item, name, open), name }
    end
    table.sort(entries, function(a, b) return a[3] < b[3] end) -- equal tables make equal bytes
    for _, entry in ipairs(entries) do entry[3] = nil end
    packed[pairs_key] = entries
  end
  open[value] = nil
  return packed
end

-- The value that was packed; raises `damaged` where it was not made by pack.
local damaged = "the state in it is not as it was written"

local function unpack(value)
  if type(value) ~= "table" then return value end
  if value[number_key] then
    local huge = { inf = math.huge, ["-inf"] = -math.huge }
    return huge[value[number_key]] or 0 / 0
  end
  local unpacked, entries = {}, value[pairs_key] or {}
  if type(entries) ~= "table" then error(damaged, 0) end
  for _, entry in ipairs(entries) do
    local key
    if type(entry) == "table" then key = unpack(entry[1]) end
    if key == nil or key ~= key or type(key) == "table" then error(damaged, 0) end
    unpacked[key] = unpack(entry[2])
  end
  for key, item in pairs(value) do
    if key ~= pairs_key then unpacked[key] = unpack(item) end
  end
  return unpacked
end

---@class ganlua.snapshot
---@field networks table<string, ganlua.module> "generator", "discriminator", perhaps "ema"
---@field moments table<string, table> the optimisers' states by player
---@field shown ganlua.tensor[]?
---@field counters table whatever else is saved: strings, numbers, booleans, tables of them

-- Where the checksum stands among a file's bytes, and what it is.
local function find_checksum(bytes)
  local first, last, hex = bytes:sub(1, 8 + (#bytes >= 8 and math.min(string.unpack("<I8", bytes), 1 << 24) or 0))
    :find '"checksum":"(%x%x%x%x%x%x%x%x)"'
  return first and last - 8, hex
end

-- The CRC-32 of a file whose checksum stands at a byte.
local function checksum(bytes, at)
  local before = core.checksum(bytes:sub(1, at - 1) .. "00000000")
  return ("%08x"):format(core.checksum(bytes, before, at + 8))
end

--- The file of a snapshot, and where run.state holds what cannot be saved (a function, a tensor, a table in itself),
--- a message that names it: all the rest is in the file.
---@param snapshot ganlua.snapshot
---@return string bytes
---@return string? problem
function checkpoint.encode(snapshot)
  local tensors, numbers = {}, {}
  for player, network in pairs(snapshot.networks) do
    for name, tensor in pairs(network:state()) do tensors[player .. "." .. name] = tensor end
  end
  dotted.flatten(snapshot.moments, "moments", tensors, numbers)
  dotted.flatten(snapshot.shown or {}, "shown", tensors, numbers)
  local counters = {}
  for name, value in pairs(snapshot.counters) do counters[name] = value end
  local packed, state = pcall(pack, counters.state or {}, "run.state", {})
  counters.state = packed and state or {}
  local text = core.json_encode { format = format, counters = counters, moments = numbers }
  local bytes = core.safetensors_encode(tensors, { ganlua = text, checksum = "00000000" })
  local at = find_checksum(bytes)
  bytes = bytes:sub(1, at - 1) .. checksum(bytes, at) .. bytes:sub(at + 8)
  return bytes, not packed and state or nil
end

---@class ganlua.checkpoint what was read from a file
---@field path string
---@field tensors table<string, ganlua.tensor>
---@field moments table
---@field shown ganlua.tensor[]
---@field counters table

--- Reads a file and checks all that can be checked without networks. Raises for a damaged one.
---@param path string
---@return ganlua.checkpoint
function checkpoint.read(path)
  local bytes = files.read_file(path)
  local at, hex = find_checksum(bytes)
  if at and checksum(bytes, at) ~= hex then check.fail("%s: is damaged: its checksum is wrong", path) end
  local tensors, metadata = core.safetensors_decode(bytes, path)
  local decoded, about = pcall(core.json_decode, metadata and metadata.ganlua or "")
  if not decoded or type(about) ~= "table" or type(about.counters) ~= "table" then
    check.fail("%s: is a file of tensors, but no checkpoint of a run", path)
  elseif about.format ~= format then
    check.fail("%s: is a checkpoint of format %s, this ganlua reads format %d", path, tostring(about.format), format)
  end

  for name, kind in pairs { iteration = "number", moves = "table", seed = "number", streams = "table" } do
    if type(about.counters[name]) ~= kind then check.fail("%s: is a checkpoint without '%s'", path, name) end
  end
  if type(about.moments) ~= "table" then check.fail("%s: is a checkpoint without 'moments'", path) end

  for name, value in pairs(about.moments) do
    if type(value) ~= "number" then check.fail("%s: is damaged: its '%s' is no number", path, name) end
  end
  local moments, shown = {}, {}
  local function put(root, fields, prefix)
    for name, value in pairs(dotted.under(fields, prefix)) do
      if not dotted.place(root, name, value) then
        check.fail("%s: is damaged: nothing can be called '%s.%s' in it", path, prefix, name)
      end
    end
  end
  put(shown, tensors, "shown")
  put(moments, tensors, "moments")
  put(moments, about.moments, "moments")
  local good, state = pcall(unpack, about.counters.state or {})
  if not good or type(state) ~= "table" then check.fail("%s: is damaged: %s", path, good and damaged or state) end
  about.counters.state = state
  return { path = path, tensors = tensors, moments = moments, shown = shown, counters = about.counters }
end

--- Gives the tensors of a checkpoint to networks like those that it was saved from; where one does not fit, nothing
--- changes, and the message says which layer and which shape.
---@param self ganlua.checkpoint
---@param networks table<string, ganlua.module>
function checkpoint.give(self, networks)
  local all = {}
  for player, network in pairs(networks) do
    local fits, load = pcall(network.loading, network, dotted.under(self.tensors, player))
    if not fits then
      local reason = load:gsub("^.-:%d+: ", "")
      if reason:find "^out of memory" then error(load, 0) end
      check.fail("%s does not fit the %s: %s", self.path, player, reason)
    end
    all[#all + 1] = load
  end
  for _, load in ipairs(all) do load() end
end

return checkpoint
