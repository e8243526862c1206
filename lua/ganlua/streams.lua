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

--- Where a stream is: so many numbers into its purpose's own stream, or, where the script has seeded it, into another.
---@alias ganlua.place_in_stream integer | { seed: integer, stream: integer, position: integer }

---@class ganlua.streams
---@field seed integer
---@field states table<string, ganlua.place_in_stream> by purpose; 0 where there is none
---@field shared boolean? whether a mark has the same table, which is not written then
---@field outside { seed: integer, stream: integer, position: integer }? of what lies outside all purposes
local Set = {}
Set.__index = Set

--- A set of streams that go on where they stopped: one state per purpose.
---@param seed integer
---@return ganlua.streams
function streams.new(seed)
  return setmetatable({ seed = seed, states = {}, open = {}, depth = 0 }, Set)
end

-- Makes the stream of a purpose the current one, where it stopped last; nil is what lies outside all of them. Returns
-- where the one before it has come to.
local function exchange(self, purpose)
  local state = self.outside
  if purpose then state = self.states[purpose] or 0 end
  if type(state) == "number" then return core.exchange_random(self.seed, number_of[purpose], state) end
  if not state then return core.exchange_random() end
  return core.exchange_random(state.seed, state.stream, state.position)
end

-- A table of states that may be written.
local function own_states(self)
  if self.shared then
    local states = {}
    for purpose, state in next, self.states do states[purpose] = state end
    self.states, self.shared = states, nil
  end
  return self.states
end

-- Keeps how far the stream of a purpose has come.
local function keep(self, purpose, seed, stream, position)
  if seed == self.seed and stream == number_of[purpose] then
    if position ~= (self.states[purpose] or 0) then own_states(self)[purpose] = position end
  else
    local state = { seed = seed, stream = stream, position = position }
    if purpose then own_states(self)[purpose] = state else self.outside = state end
  end
end

-- How many purposes are entered, of all sets: math.random asks.
local entered = 0

--- How far the stream of a purpose is that is not the current one.
---@param purpose string
---@return integer
function Set:place(purpose)
  local state = self.states[purpose] or 0
  return type(state) == "table" and state.position or state
end

--- Puts such a stream to a place.
---@param purpose string
---@param position integer
function Set:go(purpose, position)
  own_states(self)[purpose] = position
end

--- Makes `purpose` the current stream, where it stopped last, until leave() goes back to the one that is current now.
---@param purpose string
function Set:enter(purpose)
  local depth = self.depth
  keep(self, self.open[depth], exchange(self, purpose))
  self.depth, self.open[depth + 1] = depth + 1, purpose
  entered = entered + 1
end

--- Remembers how far the current stream has come, and goes back to the one before it.
function Set:leave()
  local depth = self.depth
  keep(self, self.open[depth], exchange(self, self.open[depth - 1]))
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
  exchange(self, self.open[depth])
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

-- Keeps how far the current stream has come.
local function keep_current(self)
  keep(self, self.open[self.depth], core.exchange_random())
end

---@class ganlua.streams_mark
---@field states table<string, ganlua.place_in_stream> never written

--- Where all streams are now, for back().
---@param mark? ganlua.streams_mark one that is needed no more
---@return ganlua.streams_mark
function Set:mark(mark)
  mark = mark or {}
  keep_current(self)
  mark.states, mark.outside, mark.depth, self.shared = self.states, self.outside, self.depth, true
  return mark
end

--- Puts all streams back to where they were: what was entered since is left.
---@param mark ganlua.streams_mark
function Set:back(mark)
  self.states, self.outside, self.shared = mark.states, mark.outside, true
  go_to(self, mark.depth)
end

--- Puts the stream of one purpose back to where it was.
---@param purpose string
---@param mark ganlua.streams_mark
function Set:rewind(purpose, mark)
  keep_current(self)
  own_states(self)[purpose] = mark.states[purpose]
  go_to(self, self.depth)
end

-- The same states in a table of their own, those of purposes that there are.
local function copy_of(states)
  local copy = {}
  for purpose in pairs(number_of) do
    local state = states[purpose]
    copy[purpose] = type(state) == "table"
      and { seed = state.seed, stream = state.stream, position = state.position } or state
  end
  return copy
end

--- All positions, as a plain table that JSON can hold; a stream that the script has seeded is there as it stands.
function Set:state()
  if self.depth > 0 then keep_current(self) end
  return copy_of(self.states)
end

--- Takes over what state() gave.
function Set:load_state(plain)
  self.states, self.shared = copy_of(plain), nil
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
