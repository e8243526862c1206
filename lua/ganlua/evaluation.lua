--- One evaluation of a game at the players' present parameters: batches, what the discriminator is shown of them, its
-- scores, and the losses. Nothing is computed that no loss or penalty of the move asks for.

local augment = require "ganlua.augment"
local batches = require "ganlua.batches"
local core = require "ganlua.core"
local penalties = require "ganlua.penalty.define"
local players = require "ganlua.player"
local share = require "ganlua.ranks.share"

local evaluation = {}

-- An evaluation is a ganlua.penalty_move. Under mpirun, all it has are this rank's rows, but for all_real_scores and
-- all_fake_scores, those of all ranks, which losses are made of.
local Evaluation = {}
Evaluation.__index = Evaluation

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

--- Whether a move needs real examples.
---@param s ganlua.move_settings
---@param due table<string, table[]> the penalties that the move computes, by player
---@return boolean
function evaluation.wants_real(s, due)
  local wants = due.discriminator or s.unroll or needed(due, "losses") or needed(due, "real") or compares_pairs(s)
  return wants and true or false
end

--- A move's batch, real examples in it where the move needs any.
---@param game ganlua.game
---@param s ganlua.move_settings
---@param due table<string, table[]> the penalties that the move computes, by player
---@return ganlua.batch
function evaluation.batch(game, s, due)
  return batches.draw(game, s, due, evaluation.wants_real(s, due))
end

---- Scores --------------------------------------------------------------------------------------------------------

-- What the discriminator, or one like it with other parameters, gives: scores and, for an auxiliary classifier, a score
-- for each class.
local function judged(plan, network, x, labels)
  local y = plan and plan.discriminator and network(x, labels) or network(x)
  if not plan or not plan.class_scores then return y end
  return y:narrow(2, 1, 1), y:narrow(2, 2, plan.classes)
end

-- The discriminator as penalties call it: samples, and their labels where the game has any -> scores.
local function discriminator_of(plan, D)
  if not plan then return D end
  return function(x, labels)
    local scores = judged(plan, D, x, labels)
    return scores
  end
end

--- Evaluates the game for a move.
---@param game ganlua.game
---@param s ganlua.move_settings
---@param due table<string, table[]> the penalties that the move computes, by player
---@param batch ganlua.batch
function evaluation.new(game, s, due, batch)
  local discriminator, generator = game.players.discriminator, game.players.generator
  local D, G, plan = discriminator.module, generator.module, game.labels
  local d_moves, g_moves = due.discriminator ~= nil, due.generator ~= nil
  local losses = needed(due, "losses")
  local real_graph = d_moves or losses or g_moves and s.unroll ~= nil
  local self = setmetatable({
    game = game, settings = s,
    discriminator = discriminator_of(plan, D),
    parameters = { discriminator = discriminator.parameters, generator = generator.parameters },
    through = g_moves or losses, -- whether there is a graph to the generator
    latent = batch.latent, real = batch.real, real_labels = batch.real_labels, fake_labels = batch.labels,
  }, Evaluation)

  local network_at = batch.latent_at and game.streams:place "network"
  game.streams:enter "network"
  if batch.generated then
    self.generated = batch.generated
  elseif s.reuse and d_moves and not self.through then
    local buffers = players.exchange_buffers(generator)
    local generated = batches.generated(G, batch)
    self.shown = {
      latent_at = batch.latent_at, label_at = batch.label_at, network_at = network_at, batch = s.batch,
      latent = self.latent, labels = batch.labels, generated = generated, buffers = buffers,
    }
    self.generated = generated:detach()
  else
    self.generated = self.through and batches.generated(G, batch) or core.no_grad(batches.generated, G, batch)
  end
  game.streams:leave()
  self.fake = batches.shown(game, s, self.generated)
  game.streams:enter "network"
  if self.real and real_graph then
    self.real_scores, self.real_class_scores = judged(plan, D, self.real, self.real_labels)
  elseif self.real then
    self.real_scores, self.real_class_scores = core.no_grad(judged, plan, D, self.real, self.real_labels)
  end
  self.fake_scores, self.fake_class_scores = judged(plan, D, self.fake, self.fake_labels)
  game.streams:leave()
  self.all_real_scores, self.all_fake_scores = share.scores(self.real_scores, self.fake_scores)
  if losses then
    self.losses = { discriminator = self:loss "discriminator", generator = self:loss "generator" }
  end
  return self
end

---- Losses --------------------------------------------------------------------------------------------------------

-- The scores that the discriminator would give after some of its optimiser's steps on this batch, as functions of its
-- parameters and of the generator's: gradients go through the steps (Metz 2017).
local function unrolled_scores(self)
  local s, plan, parameters = self.settings, self.game.labels, self.parameters.discriminator
  local module = self.game.players.discriminator.module
  local real, fake, optimizer = self.all_real_scores, self.all_fake_scores, s.unroll.optimizer
  local state = self.game.players.discriminator.moments or optimizer:start(parameters)
  self.game.streams:enter "network"
  for step = 1, s.unroll.steps do
    local gradients = core.grad(s.loss.d(real, fake), parameters, { create_graph = true, unused = "zero" })
    if step == 1 then gradients = share.summed(gradients) end -- later ones have passed share.spread
    parameters, state = optimizer:ahead(state, parameters, gradients, s.unroll.lr)
    local by_name, spread = {}, share.spread(parameters)
    for i, name in ipairs(self.game.players.discriminator.names) do by_name[name] = spread[i] end
    local ahead = module:with(by_name)
    real, fake = share.scores((judged(plan, ahead, self.real, self.real_labels)),
      (judged(plan, ahead, self.fake, self.fake_labels)))
  end
  self.game.streams:leave()
  return real, fake
end

-- The k best-scored of n fakes (Sinha 2020), and as many real ones where there are some.
local function best(real, fake, part)
  local values = fake:reshape(-1):totable()
  local places, count = {}, math.max(1, math.floor(part * #values + 0.5))
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
  local s, real, fake = self.settings, self.all_real_scores, self.all_fake_scores
  if name == "discriminator" then return s.loss.d(real, fake) end
  if s.unroll then real, fake = unrolled_scores(self) end
  if s.top_k < 1 then real, fake = best(real, fake, s.top_k) end
  return s.loss.g(fake, real)
end

--- A player's gradients at this point, and what was measured.
---@param name "discriminator"|"generator"
---@param due table[] its penalties, from penalty.due
---@param last boolean whether the graph is used up
---@param over_ranks boolean? whether they are summed over the ranks
---@return ganlua.tensor[] gradients
---@return table measured
function Evaluation:slopes(name, due, last, over_ranks)
  local game, added = self.game, nil
  if #due > 0 then
    game.streams:enter "penalty"
    self.mover = name
    added = penalties.total(due, self)
    game.streams:leave()
  end
  local gradients, measured = players.gradients(game.players[name], game.iteration + 1, self:loss(name), added, last,
    over_ranks)
  measured.penalty = measured.penalty or due.listed and 0.0 or nil
  self:judge(name, measured)
  return gradients, measured
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
  local s = self.settings
  if name == "discriminator" and s.augment then
    augment.observe(s.augment, self.game.players.discriminator, self.all_real_scores)
  end
  local fake, fake_right, real, real_right = core.no_grad(judge,
    name == "discriminator" and self.all_real_scores or nil, self.all_fake_scores)
  measured.real, measured.fake = real, fake
  measured.accuracy = real and (real_right + fake_right) / 2 or fake_right
end

return evaluation
