--- What a move of the game computes: the gradients of those who move, and their steps.
--
-- 1. A move changes its own player's parameters only, and only after all its gradients are there and finite. A move
--    that fails leaves networks, running statistics, random numbers and the place in the data as they were before.
-- 2. Where both players move at once, both gradients are taken before either parameter is written.
-- 3. Under mpirun each rank computes its own rows of the batch; gradients are summed, and what was measured is of all.
--    So every rank makes the same step, or fails alike.

local augment = require "ganlua.augment"
local batches = require "ganlua.batches"
local core = require "ganlua.core"
local evaluation = require "ganlua.evaluation"
local move_options = require "ganlua.move_options"
local penalties = require "ganlua.penalty.define"
local players = require "ganlua.player"
local ranks = require "ganlua.ranks"
local share = require "ganlua.ranks.share"
local whole = require "ganlua.whole"

local moves = {}

-- Undoes what an unfinished move did. A game has one of these, for it makes one move at a time.
local undo = {
  __close = function(move)
    local game, discriminator, generator = move.game, move.discriminator, move.generator
    move.discriminator, move.generator = nil, nil
    if move.done then return end
    local _ <close> = whole()
    players.restore(game.players.discriminator, discriminator)
    players.restore(game.players.generator, generator)
    game.streams:back(move.streams)
    if move.data then game.data:load_state(move.data) end
  end,
}

-- Call as `local move <close> = begin(self, s)`; set move.done at the end.
local function begin(self, s)
  local move = self.unfinished or setmetatable({}, undo)
  -- Where the second of two steps may run out of memory, the first is undone.
  local written = s.extragradient
    or #s.movers > 1 and not (s.optimizer.discriminator.at_once and s.optimizer.generator.at_once)
  local discriminator = players.snapshot(self.players.discriminator, written)
  local generator = players.snapshot(self.players.generator, written)
  move.streams = self.streams:mark(move.streams)
  move.data = self.data.load_state and self.data:state()
  move.game, move.discriminator, move.generator, move.done = self, discriminator, generator, false
  self.unfinished = move
  return move
end

-- Each mover's gradients at the present point, and what was measured there, on some of a batch's samples.
local function slopes_of(self, s, due, batch, summed)
  local all, gradients = {}, {}
  local at = evaluation.new(self, s, due, batch)
  local movers = s.movers
  for i = 1, #movers do
    local name, added = movers[i], nil
    if #due[name] > 0 then
      self.streams:enter "penalty"
      at.mover = name
      added = penalties.total(due[name], at)
      self.streams:leave()
    end
    local slope, measured = players.gradients(self.players[name], self.iteration + 1, at:loss(name), added,
      i == #movers, summed)
    gradients[name] = slope
    measured.penalty = measured.penalty or due[name].listed and 0.0 or nil
    at:judge(name, measured)
    all[name] = measured
  end
  if not at.through then at.generated:free() end
  return gradients, all, at.shown
end

-- The same on the whole batch, in parts of micro_batch samples: means of the parts' numbers and gradients.
local function slopes(self, s, due)
  local batch = evaluation.batch(self, s, due)
  if s.micro_batch == s.batch then
    local _ <close> = share.within(batch.rows)
    return slopes_of(self, s, due, batch, ranks.many())
  end
  local sums, means = {}, {}
  for _, part in ipairs(share.parts(s.batch, s.micro_batch, self.pac)) do
    local _ <close> = share.within(part.rows)
    local gradients, measured = slopes_of(self, s, due, batches.part(batch, self.pac, part.first, part.count))
    for _, name in ipairs(s.movers) do
      means[name] = means[name] or {}
      for key, value in pairs(measured[name]) do means[name][key] = (means[name][key] or 0) + part.weight * value end
      sums[name] = core.no_grad(players.accumulate, sums[name], gradients[name], part.weight)
    end
  end
  for _, name in ipairs(s.movers) do core.all_sum_(sums[name]) end
  return sums, means
end

-- The moving average of the generator follows one step; buffers are taken over as they are.
local function follow(self, decay)
  local player = self.players.generator
  for i, average in ipairs(self.ema_parameters) do
    core.lerp_(average, self.averaged[i], 1 - decay)
  end
  for i, place in ipairs(player.buffers) do
    local copy = self.ema_buffers[i]
    copy[1][copy[2]] = place[1][place[2]]
  end
end

-- Whoever moves steps along its gradients, and the penalties do what they do then.
local function step(self, s, due, gradients)
  for i = 1, #s.movers do
    local name = s.movers[i]
    local player, lr = self.players[name], s.lr[name]
    players.step(player, s.optimizer[name], gradients[name], lr and lr * self.lr_scale)
    penalties.after(due[name], player.parameters)
  end
end

-- The gradients of whoever moves, as they are stepped along, the samples that were shown, and what was measured.
local function limited_slopes(self, s, due)
  local gradients, measured, shown = slopes(self, s, due)
  local iteration = self.iteration + 1
  for i = 1, #s.movers do
    local name = s.movers[i]
    local player, its = self.players[name], gradients[name]
    local norm = players.norm(player, iteration, its)
    measured[name].grad_norm = norm
    if self.norms_every and iteration % self.norms_every == 0 then players.keep_norms(player, iteration, its) end
    if s.clip[name] then players.clip(its, norm, s.clip[name]) end
  end
  return gradients, shown, measured
end

--- Plays a move; returns what each mover measured, by name.
---@param self ganlua.game
---@param kind "discriminator"|"generator"|"both"
---@param overrides ganlua.overrides?
---@return table<string, table>
function moves.play(self, kind, overrides)
  local s = move_options.resolve(self, kind, overrides)
  local movers, all_players = s.movers, self.players
  local D, G = all_players.discriminator, all_players.generator
  if D.fade then players.go_on_fading(D, self.iteration) end
  if G.fade then players.go_on_fading(G, self.iteration) end
  local move <close> = begin(self, s)
  local due = {}
  for i = 1, #movers do
    local name = movers[i]
    due[name] = penalties.due(s.penalties, all_players[name], s.clock[name])
  end

  local gradients, shown, measured = limited_slopes(self, s, due)
  if s.extragradient then
    do
      local _ <close> = whole()
      step(self, s, due, gradients)
    end
    gradients, shown = limited_slopes(self, s, due)
  end
  local _ <close> = whole() -- what is written is written whole
  if s.extragradient then
    players.return_to(D, move.discriminator)
    players.return_to(G, move.generator)
  end
  step(self, s, due, gradients)
  if s.augment and measured.discriminator then
    measured.discriminator.augment = augment.adjust(s.augment, D, s.batch)
  end
  share.level(s.batch, self.pac, D.buffers, G.buffers)
  if self.ema and due.generator then follow(self, s.ema_decay) end

  move.done = true
  self.shown = shown
  for i = 1, #movers do
    local name = movers[i]
    local player = all_players[name]
    player.moves = player.moves + 1
    self.latest[name] = measured[name]
    self.seen[name] = self.seen[name] + s.batch
  end
  return measured
end

return moves
