--- What a schedule was told: one record for each of its calls, in the order they were made.
--
-- A record is a byte that says which call it was, the digest of the plain values in its settings where it had some
-- (see core.digest), and what came of it: what a move measured, what game:measure gave, or the error that was raised.
-- Where a schedule begins stands a record "start" with all that it can see of the game at that moment, and where
-- somebody changed the run by hand an "edit" with what the script's own table was then.

local plain = require "ganlua.plain"

local history = {}

local pack, unpack, byte = string.pack, string.unpack, string.byte

--- Calls by number, and their numbers.
history.kinds = { "discriminator", "generator", "both", "next", "set", "grow", "measure", "start", "edit" }
local number_of = {}
for number, kind in ipairs(history.kinds) do number_of[kind] = number end
history.number_of = number_of

-- What else the first byte says.
local has_digest, raised = 0x80, 0x40

--- How the record of an error in next() begins: it stands behind that of the next() itself, which had counted.
history.next_raised = number_of.next | raised

-- What moves measure, each with its bit in a record's mask. A table with anything else is kept as a plain value.
local whole_mask, no_penalty, other = 0x3f, 0x2f, 0x80

-- `first`: the record's first byte, where it begins with this. All that moves measure are floats.
local function pack_measured(measured, first)
  local loss, real, fake, accuracy = measured.loss, measured.real, measured.fake, measured.accuracy
  local penalty, norm = measured.penalty, measured.grad_norm
  local mask, known = 0, 0
  if loss then mask, known = mask | 1, known + 1 end
  if real then mask, known = mask | 2, known + 1 end
  if fake then mask, known = mask | 4, known + 1 end
  if accuracy then mask, known = mask | 8, known + 1 end
  if penalty then mask, known = mask | 16, known + 1 end
  if norm then mask, known = mask | 32, known + 1 end
  for _ in next, measured do known = known - 1 end
  if known ~= 0 then
    return (first and string.char(first) or "") .. "\x80" .. plain.pack(measured, "what a move measured")
  end
  if first then
    return pack("<BBdddddd", first, mask, loss or 0, real or 0, fake or 0, accuracy or 0, penalty or 0, norm or 0)
  end
  return pack("<Bdddddd", mask, loss or 0, real or 0, fake or 0, accuracy or 0, penalty or 0, norm or 0)
end

local function damaged(at)
  error(("the run's history is damaged at byte %d"):format(at), 0)
end

-- A plain value; `kind` is its type, where it must have one.
local function unpack_plain(bytes, at, kind)
  local good, value, behind = pcall(plain.unpack, bytes, at)
  if not good or kind and type(value) ~= kind then damaged(at) end
  return value, behind
end

local function unpack_measured(bytes, at)
  local mask = byte(bytes, at)
  if mask == other then return unpack_plain(bytes, at + 1, "table") end
  if not mask or mask > whole_mask or #bytes < at + 48 then damaged(at) end
  local _, loss, real, fake, accuracy, penalty, norm, behind = unpack("<Bdddddd", bytes, at)
  if mask == no_penalty then
    penalty = nil
  elseif mask ~= whole_mask then
    loss, real, fake = mask & 1 ~= 0 and loss or nil, mask & 2 ~= 0 and real or nil, mask & 4 ~= 0 and fake or nil
    accuracy, penalty = mask & 8 ~= 0 and accuracy or nil, mask & 16 ~= 0 and penalty or nil
    norm = mask & 32 ~= 0 and norm or nil
  end
  return { loss = loss, real = real, fake = fake, accuracy = accuracy, penalty = penalty, grad_norm = norm }, behind
end

local function head(kind, digest, flags)
  local tag = number_of[kind] | flags
  return digest and pack("<Bi8", tag | has_digest, digest) or string.char(tag)
end

--- The record of a call that returned: for a player's move what it measured, for both by the players' names; for
--- measure a list with its length n; for start and edit a table; else nothing.
---@param kind string
---@param digest integer?
---@param result? table
---@return string
function history.record(kind, digest, result)
  local number = number_of[kind]
  if number <= 2 and not digest then return pack_measured(result, number) end
  local first = head(kind, digest, 0)
  if number <= 2 then return first .. pack_measured(result) end
  if kind == "both" then return first .. pack_measured(result.discriminator) .. pack_measured(result.generator) end
  return result and first .. plain.pack(result, "what it returned") or first
end

--- The record of a call that raised.
---@param kind string
---@param digest integer?
---@param problem any
---@return string
function history.record_raised(kind, digest, problem)
  local kept, bytes = pcall(plain.pack, problem)
  return head(kind, digest, raised) .. (kept and bytes or plain.pack(tostring(problem)))
end

--- Reads the record at a place: the call's number, whether it raised, its digest, what record() was given as result (or
--- what was raised), and the place behind it. Raises, without a position, for other bytes.
---@param bytes string
---@param at integer
---@return integer kind
---@return boolean raised
---@return integer? digest
---@return any result
---@return integer behind
function history.read(bytes, at)
  local tag = byte(bytes, at)
  local kind, digest, result = tag and tag & 0x3f, nil, nil
  if not history.kinds[kind] then damaged(at) end
  at = at + 1
  if tag & has_digest ~= 0 then
    if #bytes < at + 7 then damaged(at) end
    digest, at = unpack("<i8", bytes, at)
  end
  if tag & raised ~= 0 then
    result, at = unpack_plain(bytes, at)
    return kind, true, digest, result, at
  end
  if kind <= 2 then
    result, at = unpack_measured(bytes, at)
  elseif kind == 3 then
    result = {}
    result.discriminator, at = unpack_measured(bytes, at)
    result.generator, at = unpack_measured(bytes, at)
  elseif kind >= 7 then
    result, at = unpack_plain(bytes, at, "table")
  end
  return kind, false, digest, result, at
end

--- A call in words: "game:discriminator{...}".
---@param kind string
---@param digest any whether it was told something
function history.words(kind, digest)
  return ("game:%s%s"):format(kind, digest and "{...}" or kind == "measure" and "(f)" or "()")
end

return history
