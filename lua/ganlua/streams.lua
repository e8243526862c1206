--- Random streams: one numbered sequence of random numbers per purpose, all from one seed.
--
-- Each purpose of a run (the order of the data, the latents, dropout, ...) draws from a stream of its own, so that
-- asking for more samples, or moving one player more often, does not change what another purpose draws. A stream's
-- numbers are a function of seed, stream and position alone; its state is three integers and can be saved.
--
-- While a run plays, math.random draws from its streams too: from "schedule" in the schedule, from "inside" inside
-- moves and hooks.

local core = require "ganlua.core"

local streams = {}

-- Purposes lie 2^40 apart: a purpose may use the numbers after its own for sub-streams (epochs, batches).
local purposes = {
  "weights", "order", "points", "data", "latent", "network", "grid", "sample", "noise", "penalty", "schedule", "inside",
  "example", "measure", "features", "label", "balanced", "augment",
}
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

---- A run's streams ------------------------------------------------------------------------------------------------

---@class ganlua.random_state
---@field seed integer
---@field stream integer
---@field position integer

---@class ganlua.streams
---@field seed integer
---@field states table<string, ganlua.random_state> by purpose; never written in place
---@field open string[] the purposes that were entered and not left, the last one current
local Set = {}
Set.__index = Set

--- A set of streams that go on where they stopped: one state per purpose.
---@param seed integer
---@return ganlua.streams
function streams.new(seed)
  return setmetatable({ seed = seed, states = {}, open = {}, depth = 0 }, Set)
end

-- The state of a purpose; nil is that of what lies outside all of them.
local function state_of(self, purpose)
  if not purpose then return self.outside end
  return self.states[purpose] or { seed = self.seed, stream = number_of[purpose], position = 0 }
end

-- Keeps how far the stream of a purpose has come.
local function keep(self, purpose, seed, stream, position)
  local state = state_of(self, purpose)
  if not state or state.position ~= position or state.seed ~= seed or state.stream ~= stream then
    state = { seed = seed, stream = stream, position = position }
  end
  if purpose then self.states[purpose] = state else self.outside = state end
end

-- How many purposes are entered, of all sets: math.random asks.
local entered = 0

--- How far the stream of a purpose is that is not the current one.
---@param purpose string
---@return integer
function Set:place(purpose)
  return state_of(self, purpose).position
end

--- Puts such a stream to a place.
---@param purpose string
---@param position integer
function Set:go(purpose, position)
  self.states[purpose] = { seed = self.seed, stream = number_of[purpose], position = position }
end

--- Makes `purpose` the current stream, where it stopped last, until leave() goes back to the one that is current now.
---@param purpose string
function Set:enter(purpose)
  local state, depth = state_of(self, purpose), self.depth
  keep(self, self.open[depth], core.exchange_random(state.seed, state.stream, state.position))
  self.depth, self.open[depth + 1] = depth + 1, purpose
  entered = entered + 1
end

--- Remembers how far the current stream has come, and goes back to the one before it.
function Set:leave()
  local depth = self.depth
  local purpose, outer = self.open[depth], state_of(self, self.open[depth - 1])
  keep(self, purpose, core.exchange_random(outer.seed, outer.stream, outer.position))
  self.depth, self.open[depth] = depth - 1, nil
  entered = entered - 1
end

-- Makes the states that were kept those of now, with the first `depth` of the open purposes.
local function go_to(self, depth)
  for i = self.depth, depth + 1, -1 do
    self.open[i] = nil
    entered = entered - 1
  end
  self.depth = depth
  local state = state_of(self, self.open[depth])
  if state then core.exchange_random(state.seed, state.stream, state.position) end
end

local leaves = { __close = function(block)
  local self = block.set
  if self.depth > block.depth + 1 then go_to(self, block.depth + 1) end
  self:leave()
end }

--- Enters a purpose until the caller's block ends, by an error too: `local _ <close> = set:within "sample"`.
---@param purpose string
function Set:within(purpose)
  local depth = self.depth
  self:enter(purpose)
  return setmetatable({ set = self, depth = depth }, leaves)
end

--- Where all streams are now, for back().
function Set:mark()
  keep(self, self.open[self.depth], core.exchange_random())
  local states = {}
  for purpose, state in next, self.states do states[purpose] = state end
  return { states = states, outside = self.outside, depth = self.depth }
end

--- Puts all streams back to where they were: what was entered since is left.
function Set:back(mark)
  self.states, self.outside = mark.states, mark.outside
  go_to(self, mark.depth)
end

--- All positions, as a plain table that JSON can hold; a stream that the script has seeded is there as it stands.
function Set:state()
  if self.depth > 0 then keep(self, self.open[self.depth], core.exchange_random()) end
  local plain = {}
  for purpose, state in pairs(self.states) do
    local usual = state.seed == self.seed and state.stream == number_of[purpose]
    plain[purpose] = usual and state.position
      or { seed = state.seed, stream = state.stream, position = state.position }
  end
  return plain
end

--- Takes over what state() gave.
function Set:load_state(plain)
  self.states = {}
  for purpose, state in pairs(plain) do
    if number_of[purpose] then
      self.states[purpose] = type(state) == "table"
        and { seed = state.seed, stream = state.stream, position = state.position }
        or { seed = self.seed, stream = number_of[purpose], position = state }
    end
  end
  if self.depth > 0 then go_to(self, self.depth) end
end

---- math.random ----------------------------------------------------------------------------------------------------

local random, randomseed = math.random, math.randomseed

-- In a run's schedule, moves and hooks: from the current stream; elsewhere Lua's own.
function math.random(...) -- luacheck: ignore 122
  if entered > 0 then return core.random(...) end
  return random(...)
end

-- In a run without a number: nothing, for nobody could go on from there.
function math.randomseed(...) -- luacheck: ignore 122
  if entered == 0 then return randomseed(...) end
  if ... ~= nil then
    local number = ...
    local _, stream = core.exchange_random()
    core.exchange_random(math.tointeger(number) or string.unpack("<i8", string.pack("<d", number)), stream, 0)
  end
end

return streams
