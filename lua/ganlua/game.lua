--- The game of two networks: its players, their moves, its iterations. A schedule is a function that plays it.
--
-- 1. A move changes its own player's parameters only, and only after all its gradients are there and finite. A move
--    that fails leaves networks, running statistics, random numbers and the place in the data as they were before.
-- 2. What an optimiser remembers (moments) belongs to the player, whatever settings single moves are given.
-- 3. Every purpose draws from a random stream of its own (see streams.lua).

local check = require "ganlua.check"
local core = require "ganlua.core"
local players = require "ganlua.player"
local streams = require "ganlua.streams"

local game = {}

---@class ganlua.game
---@field iteration integer how many were closed by next()
---@field planned integer? how many there will be, if the schedule knows: progress is shown against it
---@field state table the script's own, saved with the run
local Game = {}
Game.__index = Game

--- A game between built networks. `options`: discriminator, generator, optimizer (by player), loss, data, latent
--- (a function of n), batch, seed; ema (a copy of the generator) and ema_decay where one is kept; state; and what the
--- run hears of it: after_move(game), after_iteration(game).
---@param options table
---@return ganlua.game
function game.new(options)
  local self = setmetatable({
    iteration = 0,
    state = options.state,
    settings = { loss = options.loss, batch = options.batch },
    data = options.data,
    latent = options.latent,
    streams = streams.new(options.seed),
    ema = options.ema,
    ema_decay = options.ema_decay,
    after_move = options.after_move,
    after_iteration = options.after_iteration,
    latest = {}, -- what the last move of each player in this iteration measured
    seen = { discriminator = 0, generator = 0 }, -- pictures that each player's moves of this iteration used
  }, Game)
  self.players = {
    discriminator = players.new("discriminator", options.discriminator, options.optimizer.discriminator),
    generator = players.new("generator", options.generator, options.optimizer.generator),
  }
  if self.ema then
    self.ema_parameters, self.ema_buffers = self.ema:parameters(), players.buffers(self.ema)
  end
  return self
end

---- What a move is made of ----------------------------------------------------------------------------------------

-- Undoes what an unfinished move did, and gives the script its own random numbers back in any case.
local undo = {
  __close = function(before)
    core.set_random(before.random)
    if before.done then return end
    for _, buffer in ipairs(before.buffers) do buffer.owner[buffer.key] = buffer.value end
    before.game.streams.states = before.streams
    if before.data then before.game.data:load_state(before.data) end
  end,
}

-- Call as `local move <close> = begin(self)`; set move.done at the end.
local function begin(self)
  local buffers, positions = {}, {}
  for _, player in pairs(self.players) do
    for _, place in ipairs(player.buffers) do
      buffers[#buffers + 1] = { owner = place[1], key = place[2], value = place[1][place[2]] }
    end
  end
  for purpose, state in pairs(self.streams.states) do positions[purpose] = state end
  return setmetatable({
    game = self,
    random = core.get_random(),
    buffers = buffers,
    streams = positions,
    data = self.data.load_state and self.data:state(),
  }, undo)
end

local function real_batch(self, n)
  self.streams:enter "data"
  local images = self.data:batch(n)
  self.streams:leave "data"
  if not core.is_tensor(images) then
    check.fail("data:batch(%d) must return a tensor, got %s", n, check.describe(images))
  end
  return images
end

local function latent_batch(self, n)
  self.streams:enter "latent"
  local z = self.latent(n)
  self.streams:leave "latent"
  return z
end

-- Whether a loss compares the generator's scores with real ones: then its g fails without them, and works with them.
local needs_real = setmetatable({}, { __mode = "k" })

local function compares_pairs(loss)
  if needs_real[loss] == nil then
    local scores = core.zeros { 2, 1 }
    if pcall(core.no_grad, loss.g, scores) then
      needs_real[loss] = false
    elseif pcall(core.no_grad, loss.g, scores, scores) then
      needs_real[loss] = true
    end
  end
  return needs_real[loss]
end

-- Mean of scores, and the share of them above 0 (or below, for fakes).
local function judge(scores, real)
  local right = real and scores:gt(0) or scores:lt(0)
  return scores:mean():item(), right:mean():item()
end

local overridable = {
  loss = {
    is = function(value) return type(value) == "table" and value.d ~= nil and value.g ~= nil end,
    wanted = "a loss with d and g, such as gan.loss.hinge{}",
  },
  optimizer = {
    is = function(value) return type(value) == "table" and value.step ~= nil and value.start ~= nil end,
    wanted = "an optimiser, such as gan.optim.adam{}",
  },
  batch = { type = "integer", min = 1 },
}
game.option = overridable

-- Loss, optimiser and batch size of one move.
local function settings_of(self, player, overrides)
  local loss, batch, optimizer = self.settings.loss, self.settings.batch, player.optimizer
  if overrides == nil then return loss, batch, optimizer end
  local given = check.options(("game:%s"):format(player.name), overrides, overridable)
  return given.loss or loss, given.batch or batch, given.optimizer or optimizer
end

-- Ends a move: what it measured is the last that its player did.
local function finish(self, move, player, batch, measured)
  move.done = true
  player.moves = player.moves + 1
  self.latest[player.name] = measured
  self.seen[player.name] = self.seen[player.name] + batch
end

---- Moves ---------------------------------------------------------------------------------------------------------

local function move_discriminator(self, overrides)
  local player = self.players.discriminator
  local loss, batch, optimizer = settings_of(self, player, overrides)
  local move <close> = begin(self)

  local real = real_batch(self, batch)
  local z = latent_batch(self, batch)
  self.streams:enter "network"
  local fake = core.no_grad(self.players.generator.module, z)
  local real_scores, fake_scores = player.module(real), player.module(fake)
  self.streams:leave "network"
  local real_mean, real_right = core.no_grad(judge, real_scores, true)
  local fake_mean, fake_right = core.no_grad(judge, fake_scores, false)
  local value, norm = players.descend(player, self.iteration + 1, optimizer, loss.d(real_scores, fake_scores))
  fake:free()

  local measured = {
    loss = value, real = real_mean, fake = fake_mean, accuracy = (real_right + fake_right) / 2, grad_norm = norm,
  }
  finish(self, move, player, batch, measured)
  return measured
end

-- The moving average of the generator follows one step; buffers are taken over as they are.
local function follow(self)
  local player = self.players.generator
  for i, average in ipairs(self.ema_parameters) do
    core.lerp_(average, player.parameters[i], 1 - self.ema_decay)
  end
  for i, place in ipairs(player.buffers) do
    local copy = self.ema_buffers[i]
    copy[1][copy[2]] = place[1][place[2]]
  end
end

local function move_generator(self, overrides)
  local player, judge_module = self.players.generator, self.players.discriminator.module
  local loss, batch, optimizer = settings_of(self, player, overrides)
  local move <close> = begin(self)

  local real = compares_pairs(loss) and real_batch(self, batch)
  local z = latent_batch(self, batch)
  self.streams:enter "network"
  local fake_scores = judge_module(player.module(z))
  local real_scores = real and core.no_grad(judge_module, real)
  self.streams:leave "network"
  local fake_mean, fake_right = core.no_grad(judge, fake_scores, false)
  local value, norm = players.descend(player, self.iteration + 1, optimizer, loss.g(fake_scores, real_scores or nil))
  if self.ema then follow(self) end

  local measured = { loss = value, fake = fake_mean, accuracy = fake_right, grad_norm = norm }
  finish(self, move, player, batch, measured)
  return measured
end

--- The discriminator's move: one step on a batch of real and one of generated samples. Returns {loss=, real=, fake=,
--- accuracy=, grad_norm=}: real and fake are mean scores, accuracy the share of scores on their right side of 0.
---@param overrides? { loss: table?, optimizer: table?, batch: integer? } settings for this move alone
function Game:discriminator(overrides)
  local measured = move_discriminator(self, overrides)
  self.after_move(self)
  return measured
end

--- The generator's move: one step on a batch of generated samples. Returns {loss=, fake=, accuracy=, grad_norm=};
--- accuracy is the discriminator's.
---@param overrides? { loss: table?, optimizer: table?, batch: integer? } settings for this move alone
function Game:generator(overrides)
  local measured = move_generator(self, overrides)
  self.after_move(self)
  return measured
end

--- Closes the iteration: it is counted and logged, and sampled and saved where it is time to.
function Game:next()
  self.iteration = self.iteration + 1
  self.after_iteration(self)
  self.latest = {}
  self.seen.discriminator, self.seen.generator = 0, 0
end

return game
