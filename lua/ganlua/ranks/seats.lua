--- One generator and several discriminators, each on a rank of its own (gan.dist.split): who has what.
--
-- 1. The generator's rank makes the samples and sends them to all. Each discriminator looks at them, and at real
--    examples of its own data, and steps by itself. In a move of the generator each sends back the slope of its loss by
--    the samples; the generator learns from their mean, the greatest, or their mean by softmax (GMAN, Durugkar 2017).
--    Its rank goes on from there to its parameters' gradients, while in a move of both the discriminators compute
--    theirs. Those gradients go to all ranks: each keeps a generator like it, and steps.
-- 2. A discriminator has a seat: a game as it sees it, with its own player, data and random numbers. The first one has
--    the run's random numbers: with it alone, a game is what one process plays.
-- 3. In one process all sit here, and take turns: the same numbers come of it, but for the order in which slopes are
--    added.

local core = require "ganlua.core"
local dotted = require "ganlua.dotted"
local nn_module = require "ganlua.nn.module"
local players = require "ganlua.player"
local ranks = require "ganlua.ranks"
local streams = require "ganlua.streams"

---@class ganlua.seat a game as one discriminator sees it
---@field place integer from 1
---@field here boolean whether this rank plays it
---@field module ganlua.module
---@field players { discriminator: ganlua.player, generator: ganlua.player }
---@field streams ganlua.streams
---@field data any
---@field own { slope: ganlua.tensor[]?, gradients: ganlua.tensor[]? } what a move has computed here

---@class ganlua.seats
---@field roles ganlua.roles
---@field list ganlua.seat[] by place
---@field here ganlua.seat[] those that this rank plays
---@field generates boolean whether the generator is here
local Seats = {}
Seats.__index = Seats

local seats = {}

-- Between the seeds of two discriminators' random numbers.
local apart <const> = 0x9E3779B97F4A7C15

--- Which of the discriminators is this rank's own: on the generator's rank, and in one process, the first.
---@param roles ganlua.roles
---@return integer place
function seats.own(roles)
  for place, rank in ipairs(roles.discriminator) do
    if ranks.many() and rank == ranks.rank then return place end
  end
  return 1
end

-- What is not a seat's own is the game's.
local function seat_of(game, fields)
  return setmetatable(fields, { __index = game, __newindex = game })
end

--- Seats of a game's discriminators; its player is this rank's own one.
---@param game ganlua.game
---@param roles ganlua.roles
---@param modules ganlua.module[] built
---@param data any what this rank reads
---@return ganlua.seats
function seats.new(game, roles, modules, data)
  local self = setmetatable({
    game = game, roles = roles, list = {}, here = {},
    generates = not ranks.many() or roles.generator == ranks.rank,
  }, Seats)
  for place, module in ipairs(modules) do
    local here = not ranks.many() or roles.discriminator[place] == ranks.rank
    local first = module == game.players.discriminator.module
    local player = first and game.players.discriminator
      or players.new("discriminator", module, game.players.discriminator.optimizer)
    if #modules > 1 then nn_module.titles[module] = ("discriminator %d"):format(place) end
    local seat = seat_of(game, {
      place = place, here = here, module = module,
      players = { discriminator = player, generator = game.players.generator },
      streams = streams.new(game.streams.seed + (place - 1) * apart),
      data = data.reader and data:reader() or data, own = {},
    })
    self.list[place] = seat
    if here then self.here[#self.here + 1] = seat end
  end
  return self
end

---- Moves that fail ---------------------------------------------------------------------------------------------

--- What a move that fails has to put back, by seat: see undo.
---@param written boolean see player.snapshot
function Seats:mark(written)
  local marks = {}
  for i, seat in ipairs(self.here) do
    marks[i] = {
      kept = players.snapshot(seat.players.discriminator, written), streams = seat.streams:mark(),
      data = seat.data.load_state and seat.data:state(),
    }
  end
  return marks
end

--- Undoes what an unfinished move did.
function Seats:back(marks)
  for i, seat in ipairs(self.here) do
    players.restore(seat.players.discriminator, marks[i].kept)
    seat.streams:back(marks[i].streams)
    if marks[i].data then seat.data:load_state(marks[i].data) end
  end
end

---- What is saved ---------------------------------------------------------------------------------------------------

--- The name of a discriminator among the networks of a checkpoint.
---@param place integer
---@return string
function seats.name(place)
  return place == 1 and "discriminator" or "discriminator" .. place
end

--- What only some ranks have goes into a snapshot: of each discriminator moments, what penalties remember, and places
--- in random numbers and data. On ranks that others play on, the networks become what they are there.
---@param snapshot ganlua.snapshot
function Seats:add_to(snapshot)
  local own, all = {}, {}
  for i, seat in ipairs(self.here) do
    local player = seat.players.discriminator
    own[i] = {
      place = seat.place, penalties = player.memory, streams = seat.streams:state(),
      data = seat.data.state and seat.data:state() or nil,
    }
    if ranks.many() then
      own[i].network = core.safetensors_encode(seat.module:state())
      own[i].moments = player.moments and dotted.pack(player.moments)
    end
  end
  for _, list in ipairs(ranks.gather(own)) do
    for _, one in ipairs(list) do
      local seat = self.list[one.place]
      if not seat.here then seat.module:load_state((core.safetensors_decode(one.network, seats.name(one.place)))) end
      snapshot.moments[seats.name(one.place)] = seat.here and seat.players.discriminator.moments
        or one.moments and dotted.unpack(one.moments)
      all[one.place] = { penalties = one.penalties, streams = one.streams, data = one.data }
    end
  end
  snapshot.counters.seats, snapshot.counters.data, snapshot.counters.penalties.discriminator = all, nil, nil
end

--- On the generator's rank, the first discriminator becomes what it is on its own: for who looks at the run there.
function Seats:show()
  local first = self.list[1]
  if not ranks.many() then return end
  local own = {}
  for i, buffer in ipairs(players.exchange_buffers(first.players.discriminator)) do
    own[i] = first.here and buffer or buffer:copy()
  end
  local buffers = #own
  for _, parameter in ipairs(first.players.discriminator.parameters) do own[#own + 1] = parameter end
  core.broadcast_(own, self.roles.discriminator[1])
  if buffers > 0 then players.exchange_buffers(first.players.discriminator, own) end
end

--- Before a snapshot: the generator's random numbers are drawn on its rank alone.
function Seats:meet()
  local streams_of = self.game.streams
  if ranks.many() then
    streams_of:go("network", ranks.gather(streams_of:place "network")[self.roles.generator + 1])
  end
end

--- Takes up what a checkpoint holds of the seats, when the networks have theirs.
---@param moments table<string, table> by seats.name
---@param saved table[] by place
---@param moves integer that the discriminators have made
function Seats:take(moments, saved, moves)
  for place, seat in ipairs(self.list) do
    local player = seat.players.discriminator
    player.moves, player.moments = moves, nil
    if seat.here then
      player.moments, player.memory = moments[seats.name(place)], saved[place].penalties
      seat.streams:load_state(saved[place].streams)
      if saved[place].data and seat.data.load_state then seat.data:load_state(saved[place].data) end
    end
  end
end

return seats
