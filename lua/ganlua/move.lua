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
local seated_move = require "ganlua.ranks.seated_move"
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
    if move.seats then game.seats:back(move.seats) end
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
  move.seats = self.seats and self.seats:mark(written)
  move.game, move.discriminator, move.generator, move.done = self, discriminator, generator, false
  self.unfinished = move
  return move
end

-- Each mover's gradients at the present point, and what was measured there, on some of a batch's samples.
local function slopes_of(self, s, due, batch, summed)
  local all, gradients = {}, {}
  local at, movers = evaluation.new(self, s, due, batch), s.movers
  for i = 1, #movers do
    local name = movers[i]
    gradients[name], all[name] = at:slopes(name, due[name], i == #movers, summed)
  end
  if not at.through then at.generated:free() end
  return gradients, all, at.shown
end

-- The same on the whole batch, in parts of micro_batch samples: means of the parts' numbers and gradients.
local function slopes(self, s, due)
  local batch = evaluation.batch(self, s, due)
  if s.micro_batch == s.batch then
    local apart = self.federated and self.federated.average
    local _ <close> = (apart and share.apart or share.within)(batch.rows)
    return slopes_of(self, s, due, batch, ranks.many() and not apart)
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

-- What movers step along, at the present point, and what was measured there.
local function directions(self, s, due)
  local gradients, measured, shown = slopes(self, s, due)
  local movers = s.movers
  for i = 1, #movers do
    local name = movers[i]
    measured[name].grad_norm = players.direct(self.players[name], self, gradients[name], s.clip[name])
  end
  return gradients, measured, shown
end

-- The same where ranks may step apart: then they all have them, or none.
local function agreed_directions(self, s, due)
  if not (self.federated and self.federated.average) then return directions(self, s, due) end
  return self.federated:apart(s.batch, function() return directions(self, s, due) end)
end

-- Whoever moves steps along its gradients, and the penalties do what they do then.
local function step(self, s, due, gradients)
  local movers = s.movers
  for i = 1, #movers do
    local name = movers[i]
    local player = self.players[name]
    players.step(player, self, s, gradients[name])
    penalties.after(due[name], player.parameters)
  end
end

-- Computes a move on the batch of all ranks and steps; returns what each mover measured, by name, and what was shown.
local function moved(self, s, move)
  local D, G, apart = self.players.discriminator, self.players.generator, self.federated and self.federated.average
  local movers, due = s.movers, {}
  for i = 1, #movers do
    local name = movers[i]
    due[name] = penalties.due(s.penalties, self.players[name], s.clock[name])
  end

  local gradients, measured, shown = agreed_directions(self, s, due)
  if s.extragradient then
    do
      local _ <close> = whole()
      step(self, s, due, gradients)
    end
    local there, _, seen = agreed_directions(self, s, due)
    gradients, shown = there, seen
  end
  local _ <close> = whole() -- what is written is written whole
  if s.extragradient then
    players.return_to(D, move.discriminator)
    players.return_to(G, move.generator)
  end
  step(self, s, due, gradients)
  if s.augment and measured.discriminator then
    local p = augment.adjust(s.augment, D, s.batch)
    measured.discriminator.augment = apart and p and ranks.total(p) / ranks.size or p
  end
  if not apart then share.level(s.batch, self.pac, D.buffers, G.buffers) end
  return measured, shown
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
  local measured, shown
  if self.seats then
    measured = seated_move(self.seats, s)
  else
    measured, shown = moved(self, s, move)
  end
  local follows = self.ema and measured.generator ~= nil
  if follows or self.federated then
    local _ <close> = whole()
    if self.federated and self.federated.average then
      for _, name in ipairs(movers) do
        local met = self.federated:meet(name, s.batch)
        follows = follows and (met or name ~= "generator") -- the average is that of what all ranks have
      end
    end
    if follows then follow(self, s.ema_decay) end
  end

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
