--- The game of two networks: its players, its iterations, what is told of their moves. A schedule is a function that
-- plays it; what a move computes is in move.lua.
--
-- What an optimiser remembers (moments) and what penalties do (counts) belong to the player, whatever settings single
-- moves are given.

local check = require "ganlua.check"
local core = require "ganlua.core"
local federated = require "ganlua.ranks.federated"
local growing = require "ganlua.growing"
local move_options = require "ganlua.move_options"
local moves = require "ganlua.move"
local nn_module = require "ganlua.nn.module"
local players = require "ganlua.player"
local ranks = require "ganlua.ranks"
local recorders = require "ganlua.recorder"
local seats = require "ganlua.ranks.seats"
local streams = require "ganlua.streams"

local game = {}

--- The game that a schedule plays: it is called with one.
---@class ganlua.game
---@field iteration integer how many were closed by next()
---@field planned integer? how many there will be, if the schedule knows: progress is shown against it
---@field state table the script's own, saved with the run
local Game = {}
Game.__index = Game

--- A game between built networks. `options`: discriminator, generator, optimizer (by player), settings (what a move is
--- told where it says nothing else: see ganlua.overrides), pac, data, latent (a function of n), labels (see
--- labels.lua), seed; roles and all discriminators, where ranks have players or data of their own (see
--- ranks/roles.lua); ema, a copy of the generator, where an average is kept; state; and what the run hears of it:
--- after_move(kind, measured), after_iteration(game), and in a replay after_recall(game) where an iteration is closed.
---@param options table
---@return ganlua.game
function game.new(options)
  local self = setmetatable({
    iteration = 0,
    lr_scale = 1, -- of all learning rates: below 1 after a run had to go back
    state = options.state,
    data = options.data,
    streams = streams.new(options.seed),
    players = {},
    after_move = options.after_move,
    after_iteration = options.after_iteration,
    after_recall = options.after_recall,
    norms_every = nil, -- in every so many iterations a watcher wants gradients' norms, see player.direct
    waited = 0, -- seconds, for data
    latest = {}, -- what the last move of each player in this iteration measured
    seen = { discriminator = 0, generator = 0 }, -- pictures that each player's moves of this iteration used
  }, Game)
  self.recorder = recorders.new(self.streams)
  self:seat(options.discriminator, options.generator, options.ema)
  self:configure(options)
  self.roles = options.roles
  if self.roles and self.roles.kind == "split" then
    self.seats = seats.new(self, self.roles, options.discriminators, options.data)
  elseif self.roles then
    self.federated = federated.new(self, self.roles)
  end
  return self
end

--- Has these networks play from now on. What was remembered of the players that they take the place of stays.
---@param discriminator ganlua.module
---@param generator ganlua.module
---@param ema ganlua.module?
function Game:seat(discriminator, generator, ema)
  self.shown = nil -- by networks that may have left
  for name, module in pairs { discriminator = discriminator, generator = generator } do
    local before = self.players[name]
    local player = players.new(name, module, before and before.optimizer)
    if before then
      player.moments, player.memory, player.moves = before.moments, before.memory, before.moves
      player.fade = before.fade
    end
    self.players[name] = player
  end
  self.ema = ema
  nn_module.titles[generator], nn_module.titles[discriminator] = "generator", "discriminator"
  if ema then
    nn_module.titles[ema] = "moving average"
    self.averaged, self.ema_parameters = generator:parameters(), ema:parameters()
    self.ema_buffers = players.buffers(ema)
  end
end

--- What moves are told from now on where they say nothing else: settings, optimizer, pac, latent and labels, as
--- game.new has them.
---@param options table
function Game:configure(options)
  self.settings = options.settings
  self.settled = {} -- what move_options made of them, by kind of move
  self.pac, self.latent, self.labels = options.pac, options.latent, options.labels
  for name, player in pairs(self.players) do player.optimizer = options.optimizer[name] end
end

---- Moves ---------------------------------------------------------------------------------------------------------

-- Who writes down a game's calls. A method that was called with a dot does not know its game.
local function recorder_of(self, name)
  local found = type(self) == "table" and self.recorder
  if not found then check.fail("game.%s: is called with a colon: game:%s(...)", name, name) end
  return found
end

local function play(self, kind, overrides)
  local measured = moves.play(self, kind, overrides)
  self.recorder:returned(kind == "both" and measured or measured[kind])
  return measured
end

-- A player has made a move, when the run was here before.
local function recall(self, name, measured)
  local player = self.players[name]
  player.moves = player.moves + 1
  self.latest[name] = measured
end

-- One move: what it measured when the run was here before (see recorder.lua), else it is played and recorded. Returns
-- what the discriminator measured and what the generator did, as far as they move.
local function move(self, kind, overrides)
  local recorder = recorder_of(self, kind)
  local told = recorder:recall(kind, overrides)
  if told then
    local discriminator = kind == "both" and told.discriminator or kind == "discriminator" and told or nil
    local generator = kind == "both" and told.generator or kind == "generator" and told or nil
    if discriminator then recall(self, "discriminator", discriminator) end
    if generator then recall(self, "generator", generator) end
    recorder:go_on()
    return discriminator, generator
  end
  local measured = recorder:play(kind, overrides, play, self, kind, overrides)
  self.after_move(kind, measured)
  return measured.discriminator, measured.generator
end

--- What a move may be told for itself alone; the trainer takes the same for all of them.
---@class ganlua.overrides
---@field loss table?
---@field optimizer table? an optimiser; for both, { discriminator = optimiser, generator = optimiser }
---@field batch integer?
---@field reuse boolean? the generator learns from what the discriminator's move before was shown
---@field micro_batch integer? so many samples are computed at a time, and gradients added up
---@field penalties ganlua.penalty[]?
---@field clip number|function|ganlua.curve|nil the greatest norm of a player's gradient: a longer one is shortened
---@field augment ganlua.augmentation|function|false|nil what all that D is shown goes through; false: nothing
---@field noise number|function|ganlua.curve|nil instance noise: the deviation of what is added to all that D is shown
---@field top_k number|function|ganlua.curve|nil the generator learns from this share of its samples, the best-scored
---@field unroll { steps: integer, optimizer: table? }? the generator looks so many of the discriminator's steps ahead,
--- by its own optimiser or another
---@field ema { decay: number|function|ganlua.curve }?
---@field extragradient boolean? of both alone: see Game:both

--- The discriminator's move: one step on a batch of real and one of generated samples. Returns {loss=, real=, fake=,
--- accuracy=, penalty=, grad_norm=}: real and fake are mean scores, accuracy the share of scores on their right side of
--- 0, penalty what penalties added to the loss (nil where there are none, 0 in a move that left a lazy one out). With
--- gan.augment.ada, augment is the probability of its changes. With several discriminators (gan.dist.split) these are
--- means, and each is the list of what they measured; so in the generator's move, whose loss is what it learns from.
---@param overrides? ganlua.overrides settings for this move alone
function Game:discriminator(overrides)
  return (move(self, "discriminator", overrides))
end

--- The generator's move: one step on a batch of generated samples. Returns {loss=, fake=, accuracy=, penalty=,
--- grad_norm=}; accuracy is the discriminator's.
---@param overrides? ganlua.overrides settings for this move alone
function Game:generator(overrides)
  local _, measured = move(self, "generator", overrides)
  return measured
end

--- Both players' move at once, on the same batches: both gradients are taken at the same point. With extragradient =
--- true both step, take the gradients there, return, and step along those (Gidel 2019); each optimiser steps twice.
--- Returns two tables, the discriminator's and the generator's, measured where the move began.
---@param overrides? ganlua.overrides settings for this move alone
function Game:both(overrides)
  return move(self, "both", overrides)
end

--- How many moves a player has made, or both together.
---@param player? "discriminator"|"generator"
---@return integer
function Game:moves(player)
  if player == nil then return self.players.discriminator.moves + self.players.generator.moves end
  if not self.players[player] then
    check.fail("game:moves: wanted 'discriminator' or 'generator', got %s", check.describe(player))
  end
  return self.players[player].moves
end

--- Changes settings from here on: any that a move may be told; optimizer by player, as for both. What the optimisers
--- remember stays.
---
---     game:set{ loss = gan.loss.hinge{}, optimizer = { generator = gan.optim.adam{ lr = 1e-4 } } }
---@param settings ganlua.overrides
function Game:set(settings)
  recorder_of(self, "set"):say("set", settings, move_options.set, self, settings)
end

--- Brings in the next stage of networks that grow (gan.nn.growing_generator and growing_discriminator), of both
--- players. It is faded in: `fade` is a curve from 0 to 1 (how much it counts beside the stage below), over each
--- player's moves from here on; `over` says in how many of them by a straight line. `to` says which stage, and does
--- nothing where that has been reached. What the optimisers remember stays, new parameters join them with nothing.
---@param options? { over: integer?, fade: number|function|ganlua.curve|nil, to: integer? }
function Game:grow(options)
  recorder_of(self, "grow"):say("grow", options or {}, growing.grow, self, options)
end

local function close_iteration(self)
  self.recorder:returned()
  self.after_iteration(self)
  self.latest = {}
  self.seen.discriminator, self.seen.generator = 0, 0
end

--- Closes the iteration: it is counted and logged, and sampled and saved where it is time to.
function Game:next()
  local recalled = recorder_of(self, "next"):recall "next"
  self.iteration = self.iteration + 1
  if recalled then
    self.after_recall(self)
    self.latest = {}
    return self.recorder:go_on()
  end
  self.recorder:play("next", nil, close_iteration, self)
end

local function measure(self, f)
  local values = table.pack(f())
  local plain, problem = pcall(self.recorder.returned, self.recorder, values)
  if not plain then check.fail("game:measure: wanted plain values, but %s", problem) end
  return values
end

--- Runs f and returns what it returns: plain values, nothing else. This is where a schedule looks at anything but what
--- moves return (samples, weights, the clock): what f gave is kept, and when a run goes on after a break, the schedule
--- is given it again. Under mpirun, every rank is given what rank 0's f gave.
---@param f function
---@return any ...
function Game:measure(f)
  local recorder = recorder_of(self, "measure")
  if type(f) ~= "function" then check.fail("game:measure: wanted a function, got %s", check.describe(f)) end
  local values = recorder:recall "measure"
  if values then
    recorder:go_on()
  else
    values = ranks.from_first(recorder:play("measure", nil, measure, self, f))
  end
  return table.unpack(values, 1, values.n)
end

--- A random number of the schedule's own stream, as math.random gives them: in [0, 1), or a whole one from 1 to m, or
--- from m to n. It is the same one when a run goes on after a break.
---@param m? integer
---@param n? integer
---@return number
function Game:random(m, n)
  if n ~= nil then return core.random(m, n) end
  if m ~= nil then return core.random(m) end
  return core.random()
end

return game
