--- What a move computes where the generator and the discriminators are on ranks of their own: see seats.lua.

local alike = require "ganlua.ranks.alike"
local augment = require "ganlua.augment"
local average = require "ganlua.ranks.average"
local batches = require "ganlua.batches"
local core = require "ganlua.core"
local evaluation = require "ganlua.evaluation"
local penalties = require "ganlua.penalty.define"
local players = require "ganlua.player"
local ranks = require "ganlua.ranks"
local whole = require "ganlua.whole"

---- Samples and slopes ----------------------------------------------------------------------------------------------

-- Gives what the generator's rank has to all.
local function from_generator(self, tensors)
  core.broadcast_(tensors, self.roles.generator)
end

-- What the generator makes of a batch, on every rank; on its own one with a graph, where that is wanted. Its running
-- statistics come along.
local function generated(self, batch, graph)
  local game = self.game
  local G = game.players.generator
  local samples
  if self.generates then
    game.streams:enter "network"
    samples = graph and batches.generated(G.module, batch) or core.no_grad(batches.generated, G.module, batch)
    game.streams:leave()
  else
    samples = core.zeros { #batch.latent, table.unpack(G.module.output_shape) }
  end
  if not ranks.many() then return samples end
  local sent, buffers = { samples }, players.exchange_buffers(G)
  for i, buffer in ipairs(buffers) do
    buffers[i] = self.generates and buffer or buffer:copy()
    sent[i + 1] = buffers[i]
  end
  from_generator(self, sent)
  players.exchange_buffers(G, buffers)
  return samples
end

-- Looks at a move's samples as one discriminator does.
local function look(seat, s, due, batch, samples)
  local real, real_labels
  if evaluation.wants_real(s, due) then real, real_labels = batches.real(seat, s) end
  return evaluation.new(seat, s, due, {
    latent = batch.latent, labels = batch.labels, generated = samples:detach(), real = real, real_labels = real_labels,
  })
end

-- What f(seat) measures at each discriminator, by place; on all ranks.
local function each(self, f)
  local discriminator = self.game.players.discriminator
  local told = alike.told(self.game, function()
    local own = {}
    for i, seat in ipairs(self.here) do
      local _ <close> = setmetatable({}, { __close = function(_, problem)
        if problem ~= nil and seat.players.discriminator.not_finite then discriminator.not_finite = true end
      end })
      own[i] = { place = seat.place, measured = f(seat) }
    end
    return own
  end)
  local list = {}
  for _, own in ipairs(told) do
    for _, one in ipairs(own) do list[one.place] = one.measured end
  end
  return list
end

-- By how much each discriminator's loss counts in the generator's; the weights' sum is 1.
local function weights_of(roles, losses)
  local weights, total, greatest = {}, 0, 1
  for i, loss in ipairs(losses) do
    if loss > losses[greatest] then greatest = i end
  end
  for i, loss in ipairs(losses) do
    if roles.combine == "mean" then weights[i] = 1 end
    if roles.combine == "max" then weights[i] = i == greatest and 1 or 0 end
    if roles.combine == "softmax" then weights[i] = math.exp(roles.lambda * (loss - losses[greatest])) end
    total = total + weights[i]
  end
  for i, weight in ipairs(weights) do weights[i] = weight / total end
  return weights
end

-- The loss that the generator learns from, of the discriminators' losses, and its slope by each of them.
local function combined(roles, losses)
  local slopes, sum = weights_of(roles, losses), 0
  for i, loss in ipairs(losses) do sum = sum + slopes[i] * loss end
  for i, loss in ipairs(roles.lambda and losses or {}) do
    slopes[i] = slopes[i] * (1 + roles.lambda * (loss - sum)) -- the weights have slopes, too
  end
  return sum, slopes
end

-- What a discriminator tells the generator: the slope of its loss by the samples stays in its seat.
local function judge_samples(seat, at, consume)
  local loss = at:loss "generator"
  local measured = { loss = players.value(seat.players.generator, seat.iteration + 1, "loss", loss) }
  seat.own.slope = core.grad(loss, { at.generated }, { consume = consume })
  at:judge("generator", measured)
  return measured
end

-- A discriminator's own gradients stay in its seat.
local function judge_own(seat, s, at, due)
  local player = seat.players.discriminator
  local gradients, measured = at:slopes("discriminator", due.discriminator, true)
  seat.own.gradients = gradients
  measured.grad_norm = players.direct(player, seat, gradients, s.clip.discriminator)
  if s.augment then measured.augment = augment.adjust(s.augment, player, s.batch) end
  return measured
end

-- From the slope by the samples to the generator's gradients, which all ranks get.
local function through_generator(self, samples, slope)
  local parameters = self.game.players.generator.parameters
  if self.generates then return core.grad(samples, parameters, { consume = true, grad_output = slope }) end
  local gradients = {}
  for i, parameter in ipairs(parameters) do gradients[i] = core.zeros(parameter:shape()) end
  return gradients
end

---- Moves -----------------------------------------------------------------------------------------------------------

-- What all discriminators measured, as their mean; where there are several, each one's numbers in a list beside it.
local function summary(list)
  local mean = alike.mean(list)
  if #list > 1 then mean.each = list end
  return mean
end

-- The generator's part of a move: its gradients, on every rank, and what was measured.
local function generator_slopes(self, samples, evaluations, consume)
  local list = each(self, function(seat) return judge_samples(seat, evaluations[seat.place], consume) end)
  local losses = {}
  for place, measured in ipairs(list) do losses[place] = measured.loss end
  local loss, weights = combined(self.roles, losses)
  local slope
  for _, seat in ipairs(self.here) do
    slope = core.no_grad(players.accumulate, slope, seat.own.slope, weights[seat.place])
  end
  slope = slope or { core.zeros(samples:shape()) }
  core.all_sum_(slope)
  local measured = summary(list)
  measured.loss = loss
  return through_generator(self, samples, slope[1]), measured
end

-- The discriminators' weights become their mean.
local function become_one(self)
  local here = {}
  for i, seat in ipairs(self.here) do
    here[i] = { player = seat.players.discriminator, weight = 1 / #self.list }
  end
  average(self.list[1].players.discriminator, here)
end

--- Computes a move and steps; returns what each mover measured, by name. Whatever fails leaves steps undone.
---@param self ganlua.seats
---@param s ganlua.move_settings
---@return table<string, table>
return function(self, s)
  local game, moves, due = self.game, {}, {}
  local G = game.players.generator
  for _, name in ipairs(s.movers) do moves[name], game.players[name].not_finite = true, false end
  for _, seat in ipairs(self.here) do
    due[seat.place] = {
      discriminator = moves.discriminator
        and penalties.due(s.penalties, seat.players.discriminator, s.clock.discriminator) or nil,
      generator = moves.generator and {} or nil,
    }
  end
  local latent, labels = batches.asked(game, s.batch)
  local batch = { latent = latent, labels = labels }
  local samples = generated(self, batch, moves.generator)
  local evaluations = setmetatable({}, { __index = function(list, place)
    list[place] = look(self.list[place], s, due[place], batch, samples)
    return list[place]
  end })

  local measured, gradients = {}, nil
  if moves.generator then
    gradients, measured.generator = generator_slopes(self, samples, evaluations, not moves.discriminator)
  end
  if moves.discriminator then
    measured.discriminator = summary(each(self, function(seat)
      return judge_own(seat, s, evaluations[seat.place], due[seat.place])
    end))
  end
  if moves.generator then
    from_generator(self, gradients)
    measured.generator.grad_norm = players.direct(G, game, gradients, s.clip.generator)
  end

  local _ <close> = whole()
  for _, seat in ipairs(moves.discriminator and self.here or {}) do
    local player = seat.players.discriminator
    players.step(player, game, s, seat.own.gradients)
    penalties.after(due[seat.place].discriminator, player.parameters)
  end
  if moves.generator then players.step(G, game, s, gradients) end
  local every = moves.discriminator and self.roles.average
  if every and (game.players.discriminator.moves + 1) % every == 0 then become_one(self) end
  return measured
end
