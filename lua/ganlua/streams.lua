--- Random streams: one numbered sequence of random numbers per purpose, all from one seed.
--
-- Each purpose of a run (the order of the data, the latents, dropout, ...) draws from a stream of its own, so that
-- asking for more samples, or moving one player more often, does not change what another purpose draws. A stream's
-- numbers are a function of seed, stream and position alone; its state is three integers and can be saved.

local core = require "ganlua.core"

local streams = {}

-- Purposes lie 2^40 apart: a purpose may use the numbers after its own for sub-streams (epochs, batches).
local purposes = { "weights", "order", "points", "data", "latent", "network", "grid", "sample", "noise", "penalty" }
local number_of = {}
for i, purpose in ipairs(purposes) do number_of[purpose] = i << 40 end

--- The number of a purpose's stream, or of its sub-stream `part` (from 0).
---@param purpose string
---@param part? integer
---@return integer
function streams.number(purpose, part)
  return number_of[purpose] + (part or 0)
end

local restore = { __close = function(saved) core.set_random(saved.state) end }

--- Puts the random numbers back where they are now when the caller's block ends, by an error too:
--- `local _ <close> = streams.guard()`.
function streams.guard()
  return setmetatable({ state = core.get_random() }, restore)
end

--- Draws from one stream of a seed, from its beginning, and leaves the caller's random numbers as they were.
---@param seed integer
---@param stream integer a number from streams.number
---@param f function called with the remaining arguments
---@return any ... what f returns
function streams.with(seed, stream, f, ...)
  local _ <close> = streams.guard()
  core.set_random { seed = seed, stream = stream, position = 0 }
  return f(...)
end

local Set = {}
Set.__index = Set

--- A set of streams that go on where they stopped: one state per purpose.
---@param seed integer
function streams.new(seed)
  return setmetatable({ seed = seed, states = {} }, Set)
end

--- Makes `purpose` the current stream, where it stopped last. The caller holds a guard.
function Set:enter(purpose)
  core.set_random(self.states[purpose] or { seed = self.seed, stream = number_of[purpose], position = 0 })
end

--- Remembers how far the current stream of `purpose` has come.
function Set:leave(purpose)
  self.states[purpose] = core.get_random()
end

--- All positions, as a plain table that JSON can hold.
function Set:state()
  local positions = {}
  for purpose, state in pairs(self.states) do positions[purpose] = state.position end
  return positions
end

function Set:load_state(positions)
  self.states = {}
  for purpose, position in pairs(positions) do
    if number_of[purpose] then
      self.states[purpose] = { seed = self.seed, stream = number_of[purpose], position = position }
    end
  end
end

return streams
