--- The processes that mpirun has started, which train one game together: who they are, and what they tell each other.
-- A process that was started by itself is rank 0 of 1.
--
-- 1. Every rank runs the whole script, with the same seed, and comes to the same decisions, because what it decides by
--    is the same on all. What could differ (an answer of the file system, a signal) is one rank's, told to all.
-- 2. Whoever calls a function of this module that exchanges something, calls it on every rank, in the same order.

local check = require "ganlua.check"
local core = require "ganlua.core"
local plain = require "ganlua.plain"
local progress = require "ganlua.progress"

local ranks = { rank = 0, size = 1 }

local alone = 0

--- Whether there are others.
---@return boolean
function ranks.many() return ranks.size > 1 end

-- Whether nothing is exchanged.
local function is_alone() return ranks.size == 1 or alone > 0 end

--- Until the caller's block ends, this rank exchanges nothing: for what it leaves behind when an error ends it, which
--- the others may know nothing of.
function ranks.alone()
  alone = alone + 1
  return setmetatable({}, { __close = function() alone = alone - 1 end })
end

---- Exchanging ------------------------------------------------------------------------------------------------------

--- Every rank's value, in the order of ranks: plain values, as run.state holds them.
---@param value any
---@return any[]
function ranks.gather(value)
  if is_alone() then return { value } end
  local list = core.gather(plain.pack(value, "what ranks exchange"))
  for i, bytes in ipairs(list) do list[i] = plain.unpack(bytes, 1) end
  return list
end

--- Rank 0's value; what the others have is forgotten.
---@param value any
---@return any
function ranks.from_first(value)
  if is_alone() then return value end
  return (plain.unpack(core.broadcast(ranks.rank == 0 and plain.pack(value, "what rank 0 tells the others") or ""), 1))
end

--- The sum of every rank's number, added in the order of ranks.
---@param number number
---@return number
function ranks.total(number)
  local sum = 0.0
  for _, each in ipairs(ranks.gather(number)) do sum = sum + each end
  return sum
end

--- The value of the first rank that has one other than nil and false: of a signal that only one was sent.
---@param value any
---@return any
function ranks.any(value)
  if is_alone() then return value end
  local list = ranks.gather(value or false)
  for rank = 1, ranks.size do
    if list[rank] then return list[rank] end
  end
  return value
end

--- Waits until every rank has come here.
function ranks.wait() ranks.gather(true) end

--- Raises on all ranks where not all have the same; `what` is what it is: "train: the networks".
---@param what string
---@param value any plain
---@param hint string
function ranks.agree(what, value, hint)
  if is_alone() then return end
  local mine = ("%016x"):format(core.digest(value))
  local list = ranks.gather(mine)
  for rank = 1, ranks.size do
    if list[rank] ~= list[1] then
      check.fail("%s of rank %d are others than those of rank 0: %s", what, rank - 1, hint)
    end
  end
end

---- Who they are ----------------------------------------------------------------------------------------------------

local function about_this_one()
  local host, cores, allowed = core.machine()
  return {
    host = host, cores = cores, allowed = allowed, threads = core.threads(), kernels = core.kernels(),
    precision = core.precision(),
  }
end

-- What ranks compute must be the same bytes on all.
local function check_alike(list)
  for rank, one in ipairs(list) do
    for _, name in ipairs { "kernels", "precision" } do
      if one[name] ~= list[1][name] then
        check.fail("rank %d on %s computes with %s %s, rank 0 on %s with %s: the environment variable "
          .. "GANLUA_KERNELS and --precision make them alike", rank - 1, one.host, name, one[name], list[1].host,
          list[1][name])
      end
    end
  end
end

-- The hosts by name, in the order of ranks: how many ranks and threads they have.
local function hosts_of(list)
  local hosts = {}
  for _, one in ipairs(list) do
    local host = hosts[one.host]
    if not host then
      host = { name = one.host, cores = one.cores, ranks = 0, threads = 0 }
      hosts[one.host], hosts[#hosts + 1] = host, host
    end
    host.ranks, host.threads = host.ranks + 1, host.threads + one.threads
  end
  return hosts
end

local function count(number, what)
  return ("%d %s%s"):format(number, what, number == 1 and "" or "s")
end

--- What is told of ranks: a line, and warnings in words. `list`: host, cores, allowed (processors that mpirun leaves
--- the rank) and threads of each.
---@param list { host: string, cores: integer, allowed: integer, threads: integer }[]
---@return string line
---@return string[] warnings
function ranks.introduction(list)
  local hosts, names, warnings = hosts_of(list), {}, {}
  local least, most, tight = math.huge, 0, nil
  for _, one in ipairs(list) do
    least, most = math.min(least, one.threads), math.max(most, one.threads)
    if one.threads > one.allowed then tight = tight or one end
  end
  for i, host in ipairs(hosts) do
    names[i] = #hosts > 1 and ("%s: %d"):format(host.name, host.ranks) or host.name
    if host.threads > host.cores then
      warnings[#warnings + 1] = ("%s: %s with %s together share %s: they take turns, and all wait for the slowest")
        :format(host.name, count(host.ranks, "rank"), count(host.threads, "thread"), count(host.cores, "processor"))
    end
  end
  if tight then
    warnings[#warnings + 1] = ("%s: mpirun has bound a rank of %d threads to %s: --map-by slot:PE=%d or --bind-to none "
      .. "gives it more"):format(tight.host, tight.threads, count(tight.allowed, "processor"), tight.threads)
  end
  local threads = least == most and count(most, "thread") or ("%d to %d threads"):format(least, most)
  return ("%s of %s each on %s (%s)"):format(count(#list, "rank"), threads, count(#hosts, "host"),
    table.concat(names, ", ")), warnings
end

local function begin(rank, size)
  ranks.rank, ranks.size = rank, size
  local list = ranks.gather(about_this_one())
  check_alike(list)
  if rank > 0 then return end
  local line, warnings = ranks.introduction(list)
  progress.write(line .. "\n")
  for _, warning in ipairs(warnings) do progress.write("warning: " .. warning .. "\n") end
end

local rank, size
if not core.sandboxed then rank, size = core.start_ranks() end
if size then begin(rank, size) end

return ranks
