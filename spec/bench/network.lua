-- What ranks pay for telling each other their gradients: a model of lua/mpi/exchange.c over TCP.
--
-- A sum of B bytes over n ranks goes in buckets of 1 MB: all ranks exchange their pieces of one (an all-to-all), then
-- its sums (an all-gather), and while one bucket travels the next begin. So every link carries 2 (n - 1)/n B bytes in
-- each direction, and a processor handles 2 (n - 1) messages a bucket. What nothing hides is one bucket's delay: of its
-- all-gather one message's, of its all-to-all n - 1, for OpenMPI has each rank meet the others one after the other (all
-- at once where little is sent); and three in place of each where a piece is longer than what is sent unasked, because
-- its receiver is asked first. `./dev ranks-network` compares it with what is measured.

local network = {}

---@class ganlua.link
---@field gbits number Gbit/s of a rank's link, in each direction
---@field latency number seconds that a short message takes, one way
---@field message number seconds of a processor that handles a message

local BUCKET <const> = 2 ^ 20 -- bytes: exchange.h's
local UNASKED <const> = 2 ^ 16 -- bytes of a message: OpenMPI's btl_tcp_eager_limit
local AT_ONCE <const> = 2 ^ 17 -- bytes of an all-to-all: OpenMPI's libnbc

--- Seconds of a gather of a few bytes.
---@param ranks integer
---@param link ganlua.link
---@return number
function network.gather(ranks, link)
  if ranks == 1 then return 0 end
  return link.latency + (ranks - 1) * link.message
end

--- Seconds of the sum of `bytes` bytes over ranks, from its first bucket to its last result.
---@param bytes number
---@param ranks integer
---@param link ganlua.link
---@return number
function network.sum(bytes, ranks, link)
  if ranks == 1 then return 0 end
  local buckets, bucket = math.ceil(bytes / BUCKET), math.min(bytes, BUCKET)
  local rounds = (ranks <= 8 and bucket < AT_ONCE or bucket < 2 ^ 12 * ranks) and 1 or ranks - 1
  local delays = (rounds + 1) * (bucket / ranks >= UNASKED and 3 or 1)
  return delays * link.latency + 2 * buckets * (ranks - 1) * link.message
    + 2 * (ranks - 1) / ranks * bytes * 8e-9 / link.gbits
end

return network
