-- What a run reads when it goes on: checkpoints, the history, metrics.jsonl. The first byte says what the rest is:
--   "f" a checkpoint file as it is;  "j" the JSON in one, whose tensors and checksum are right;  "c" the same, the
--   checksum left out;  "h" a history;  "m" metrics.jsonl;  anything else: a plain value's bytes.
-- Whatever comes, it is read, or refused by a message that names the file.

local core = require "ganlua.core"
local gan = require "ganlua"
local checkpoint = require "ganlua.checkpoint"
local history = require "ganlua.history"
local metrics_log = require "ganlua.metrics_log"
local plain = require "ganlua.plain"

local name = "runs/fuzzed/checkpoint.safetensors"

gan.seed(1)
local G, D = gan.nn.linear { out = 1 }, gan.nn.linear { out = 1, bias = false }
G:build { 1, 2 }
D:build { 1, 1 }

-- What stands in for a file.
local contents
function core.read_file() return contents end
function core.exists() return true end
function core.append_file() end

-- Calls f; an error must name `what`.
local function try(what, f, ...)
  local results = table.pack(pcall(f, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local message = tostring(results[2])
  if message:find("not enough memory", 1, true) or message:find("too long", 1, true) then return nil end
  assert(message:find(what, 1, true), "an error that does not name " .. what .. ": " .. message)
end

local function read_checkpoint(bytes)
  contents = bytes
  local read = try(name, checkpoint.read, name)
  if not read then return end
  local function weights() return core.digest { G.weight:totable(), G.bias:totable(), D.weight:totable() } end
  local before = weights()
  local given = pcall(checkpoint.give, read, { generator = G, discriminator = D })
  if not given then
    assert(before == weights(), "half a checkpoint taken")
  end
  -- What was read can be written, and is read as it was.
  local encoded, written, problem = pcall(checkpoint.encode, {
    networks = { generator = G, discriminator = D }, moments = read.moments,
    counters = read.counters, shown = read.shown,
  })
  assert(encoded or written:find("json: ", 1, true), written) -- counters that are no run's: a list with holes
  if not encoded or problem then return end
  contents = written
  local again = checkpoint.read(name)
  assert(plain.pack(again.counters.state) == plain.pack(read.counters.state), "run.state is another one")
end

local function with_json(text, checked)
  local tensors = { ["generator.weight"] = G.weight, ["generator.bias"] = G.bias, ["discriminator.weight"] = D.weight,
    ["moments.generator.m.1"] = G.weight, ["moments.generator.m.2"] = G.bias }
  local made, bytes = pcall(core.safetensors_encode, tensors,
    { ganlua = text, checksum = checked and "00000000" or nil })
  if not made then return end -- text that is not UTF-8
  if checked then
    local at = select(2, bytes:find('"checksum":"', 1, true))
    bytes = bytes:sub(1, at) .. ("%08x"):format(core.checksum(bytes)) .. bytes:sub(at + 9)
  end
  read_checkpoint(bytes)
end

-- Whether a record holds what no run writes: a move's numbers are floats.
local function is_odd_move(word, result)
  local function odd(measured)
    for _, value in pairs(type(measured) == "table" and measured or {}) do
      if math.type(value) ~= "float" then return true end
    end
    return type(measured) ~= "table"
  end
  if word == "both" then return odd(result.discriminator) or odd(result.generator) end
  return (word == "discriminator" or word == "generator") and odd(result)
end

local function read_history(bytes)
  local at = 1
  while at <= #bytes do
    local kind, raised, digest, result, behind = try("history", history.read, bytes, at)
    if not kind then return end
    assert(history.kinds[kind] and behind > at, "a record of no kind, or of no length")
    local word = history.kinds[kind]
    history.words(word, digest)
    if raised or not is_odd_move(word, result) then -- what was read, written again, is read as it was
      local again = raised and history.record_raised(word, digest, result) or history.record(word, digest, result)
      local number, also_raised, same_digest, same_result = history.read(again, 1)
      assert(number == kind and raised == also_raised and digest == same_digest, "another record")
      assert(plain.pack(result) == plain.pack(same_result), "another result")
    end
    at = behind
  end
end

local function read_metrics(bytes)
  contents = bytes:sub(2)
  local log = metrics_log.new()
  local lines = bytes:byte(1) or 0
  local seconds = try(name, log.open, log, name, lines)
  if seconds then
    assert(math.type(seconds), "seconds are no number")
    log:record(metrics_log.row(1, { loss = seconds }, nil, seconds))
    log:close()
  end
end

return function(bytes)
  local kind, rest = bytes:sub(1, 1), bytes:sub(2)
  if kind == "f" then
    read_checkpoint(rest)
  elseif kind == "j" or kind == "c" then
    with_json(rest, kind == "j")
  elseif kind == "h" then
    read_history(rest)
  elseif kind == "m" then
    read_metrics(rest)
  else
    local value, behind = try("plain value", plain.unpack, bytes)
    if behind then
      local packed = plain.pack(value)
      assert(plain.pack((plain.unpack(packed))) == packed, "another value")
    end
  end
end
