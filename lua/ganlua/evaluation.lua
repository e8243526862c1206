--- One evaluation of a game at the players' present parameters: batches, what the discriminator is shown of them, its
-- scores, and the losses. Nothing is computed that no loss or penalty of the move asks for.
--
-- Every purpose draws from a random stream of its own (see streams.lua).

local check = require "ganlua.check"
local core = require "ganlua.core"
local players = require "ganlua.player"

local evaluation = {}

-- An evaluation is a ganlua.penalty_move.
local Evaluation = {}
Evaluation.__index = Evaluation

---- Batches -------------------------------------------------------------------------------------------------------

local function real_batch(game, n)
  game.streams:enter "data"
  local images = game.data:batch(n)
  game.streams:leave()
  if not core.is_tensor(images) then
    check.fail("data:batch(%d) must return a tensor, got %s", n, check.describe(images))
  end
  return images
end

local function latent_batch(game, n)
  game.streams:enter "latent"
  local z = game.latent(n)
  game.streams:leave()
  return z
end

--- Packs m samples to one (PacGAN, Lin 2018), along the last dimension: n x H x W x C to n/m x H x W x mC.
---@param x ganlua.tensor
---@param m integer n is a multiple of it
---@return ganlua.tensor
function evaluation.packed(x, m)
  if m == 1 then return x end
  local shape, apart, order = x:shape(), {}, { 1 }
  if #shape == 1 then return x:reshape(shape[1] // m, m) end
  apart[1], apart[2] = shape[1] // m, m
  for i = 2, #shape do apart[i + 1] = shape[i] end
  for i = 3, #shape do order[#order + 1] = i end
  order[#order + 1], order[#order + 2] = 2, #shape + 1
  shape[1], shape[#shape] = shape[1] // m, shape[#shape] * m
  return x:reshape(apart):permute(order):reshape(shape)
end

-- What the discriminator is shown of samples: with instance noise, packed.
local function shown(game, s, x)
  if s.noise > 0 then
    game.streams:enter "noise"
    x = x + core.randn(x:shape()) * s.noise
    game.streams:leave()
  end
  return evaluation.packed(x, game.pac)
end

---- Samples that are used again ------------------------------------------------------------------------------------

-- A move of the discriminator alone may leave what it was shown to the generator's next move, with its graph. Where a
-- run goes on between the two, only the places in the streams are left, and the generator's buffers as they were: then
-- the same samples are made once more.

--- What a move leaves: where the streams of the latents and of the network were, the generator's buffers before it made
--- samples (spectral norm's vectors move on by that, and the samples depend on them), and what came of them.
---@class ganlua.shown
---@field latent_at integer
---@field network_at integer
---@field batch integer
---@field buffers ganlua.tensor[]
---@field latent ganlua.tensor?
---@field generated ganlua.tensor? with its graph

-- Makes shown samples once more; the buffers have moved on by them already.
local function made_again(game, left)
  local player, streams = game.players.generator, game.streams
  local kept, mark = players.exchange_buffers(player, left.buffers), streams:mark()
  streams:go("latent", left.latent_at)
  streams:go("network", left.network_at)
  left.latent = latent_batch(game, left.batch)
  streams:enter "network"
  left.generated = player.module(left.latent)
  streams:leave()
  streams:back(mark)
  players.exchange_buffers(player, kept)
end

-- The samples that are there for a move of the generator, if they are.
local function left_for(game, s, due)
  local left = game.shown
  if not s.reuse or due.discriminator or not left or left.batch ~= s.batch then return nil end
  game.shown = nil -- the move uses up their graph
  if not left.generated then made_again(game, left) end
  return left
end

---- What a move needs ---------------------------------------------------------------------------------------------

-- Whether a loss compares the generator's scores with real ones: then its g fails without them, and works with them.
local needs_real = setmetatable({}, { __mode = "k" })

local function compares_pairs(s)
  if needs_real[s.loss_given] == nil then
    local scores = core.zeros { 2, 1 }
    if pcall(core.no_grad, s.loss.g, scores) then
      needs_real[s.loss_given] = false
    elseif pcall(core.no_grad, s.loss.g, scores, scores) then
      needs_real[s.loss_given] = true
    end
  end
  return needs_real[s.loss_given]
end

-- Whether a due penalty of a player needs something.
local function needed(due, what)
  for _, list in pairs(due) do
    for _, each in ipairs(list) do
      if each.penalty.needs == what then return true end
    end
  end
  return false
end

--- A move's batch: { real =, latent = }, real ones as the discriminator is shown them, where the move needs any.
---@param game ganlua.game
---@param s ganlua.move_settings
---@param due table<string, table[]> the penalties that the move computes, by player
function evaluation.batch(game, s, due)
  local real = due.discriminator or s.unroll or needed(due, "losses") or needed(due, "real") or compares_pairs(s)
  real = real and real_batch(game, s.batch)
  real = real and shown(game, s, real) or nil
  local left = left_for(game, s, due)
  if left then return { latent = left.latent, generated = left.generated, real = real } end
  local at = s.reuse and game.streams:place "latent"
  return { latent = latent_batch(game, s.batch), real = real, latent_at = at }
end

--- Some of a batch's samples, whole packs of them.
---@param batch { real: ganlua.tensor?, latent: ganlua.tensor }
---@param pac integer
---@param first integer
---@param count integer
function evaluation.part(batch, pac, first, count)
  return {
    latent = batch.latent:narrow(1, first, count),
    real = batch.real and batch.real:narrow(1, (first - 1) // pac + 1, count // pac),
  }
end

--- Evaluates the game for a move.
---@param game ganlua.game
---@param s ganlua.move_settings
---@param due table<string, table[]> the penalties that the move computes, by player
---@param batch { real: ganlua.tensor?, latent: ganlua.tensor, generated: ganlua.tensor?, latent_at: integer? }
function evaluation.new(game, s, due, batch)
  local discriminator, generator = game.players.discriminator, game.players.generator
  local D, G = discriminator.module, generator.module
  local d_moves, g_moves = due.discriminator ~= nil, due.generator ~= nil
  local losses = needed(due, "losses")
  local real_graph = d_moves or losses or g_moves and s.unroll ~= nil
  local self = setmetatable({
    game = game, settings = s,
    discriminator = D,
    parameters = { discriminator = discriminator.parameters, generator = generator.parameters },
    through = g_moves or losses, -- whether there is a graph to the generator
    latent = batch.latent, real = batch.real,
  }, Evaluation)

  local network_at = batch.latent_at and game.streams:place "network"
  game.streams:enter "network"
  if batch.generated then
    self.generated = batch.generated
  elseif s.reuse and d_moves and not self.through then
    local buffers = players.exchange_buffers(generator)
    local generated = G(self.latent)
    self.shown = {
      latent_at = batch.latent_at, network_at = network_at, batch = s.batch, latent = self.latent,
      generated = generated, buffers = buffers,
    }
    self.generated = generated:detach()
  else
    self.generated = self.through and G(self.latent) or core.no_grad(G, self.latent)
  end
  game.streams:leave()
  self.fake = shown(game, s, self.generated)
  game.streams:enter "network"
  if self.real then self.real_scores = real_graph and D(self.real) or core.no_grad(D, self.real) end
  self.fake_scores = D(self.fake)
  game.streams:leave()
  if losses then
    self.losses = { discriminator = self:loss "discriminator", generator = self:loss "generator" }
  end
  return self
end

---- Losses --------------------------------------------------------------------------------------------------------

-- The scores that the discriminator would give after some of its optimiser's steps on this batch, as functions of its
-- parameters and of the generator's: gradients go through the steps (Metz 2017).
local function unrolled_scores(self)
  local s, module, parameters = self.settings, self.discriminator, self.parameters.discriminator
  local real, fake, optimizer = self.real_scores, self.fake_scores, s.unroll.optimizer
  local state = self.game.players.discriminator.moments or optimizer:start(parameters)
  self.game.streams:enter "network"
  for _ = 1, s.unroll.steps do
    local gradients = core.grad(s.loss.d(real, fake), parameters, { create_graph = true, unused = "zero" })
    parameters, state = optimizer:ahead(state, parameters, gradients, s.unroll.lr)
    local by_name = {}
    for i, name in ipairs(self.game.players.discriminator.names) do by_name[name] = parameters[i] end
    local judge = module:with(by_name)
    real, fake = judge(self.real), judge(self.fake)
  end
  self.game.streams:leave()
  return real, fake
end

-- The k best-scored of n fakes (Sinha 2020), and as many real ones where there are some.
local function best(real, fake, share)
  local values = fake:reshape(-1):totable()
  local places, count = {}, math.max(1, math.floor(share * #values + 0.5))
  for i = 1, #values do places[i] = i end
  table.sort(places, function(a, b) return values[a] > values[b] or values[a] == values[b] and a < b end)
  local chosen = core.tensor { table.unpack(places, 1, count) }
  return real and real:narrow(1, 1, count), fake:index(1, chosen)
end

--- A player's loss, without penalties.
---@param name "discriminator"|"generator"
---@return ganlua.tensor
function Evaluation:loss(name)
  if self.losses then return self.losses[name] end
  local s, real, fake = self.settings, self.real_scores, self.fake_scores
  if name == "discriminator" then return s.loss.d(real, fake) end
  if s.unroll then real, fake = unrolled_scores(self) end
  if s.top_k < 1 then real, fake = best(real, fake, s.top_k) end
  return s.loss.g(fake, real)
end

local function judge(real, fake)
  local fake_right = fake:lt(0):mean():item()
  if not real then return fake:mean():item(), fake_right end
  return fake:mean():item(), fake_right, real:mean():item(), real:gt(0):mean():item()
end

--- Adds to what a player measured the mean scores, and the share of them on their right side of 0.
---@param name "discriminator"|"generator"
---@param measured table
function Evaluation:judge(name, measured)
  local fake, fake_right, real, real_right = core.no_grad(judge, name == "discriminator" and self.real_scores or nil,
    self.fake_scores)
  measured.real, measured.fake = real, fake
  measured.accuracy = real and (real_right + fake_right) / 2 or fake_right
end

return evaluation
