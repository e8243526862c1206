--- One player of a game: its network, its optimiser, and what is remembered between moves: the optimiser's moments
-- and the penalties' counts.

local check = require "ganlua.check"
local core = require "ganlua.core"
local growth = require "ganlua.growth"
local nn_state = require "ganlua.nn.state"
local optim = require "ganlua.optim"
local share = require "ganlua.ranks.share"

local player = {}

---@class ganlua.player
---@field name string
---@field module ganlua.module
---@field optimizer ganlua.optimizer
---@field parameters ganlua.tensor[] those that take part: not of stages that game:grow has not brought in
---@field names string[] theirs
---@field growing table? see growth.of
---@field stage integer? of a network that grows
---@field fade table? how the newest stage comes in
---@field buffers table[] as player.buffers has them
---@field moments ganlua.optimizer_state?
---@field memory table<string, table<string, number>> what each penalty remembers, by its name
---@field moves integer made so far
---@field norms { iteration: integer, [integer]: number }? of each parameter's gradient, where somebody looks
---@field not_finite boolean? whether the last move failed by a number that was not finite

--- Where a module's buffers (running statistics and the like) are: {owner, key}. They are replaced, never written in
--- place, so keeping a reference keeps the value.
---@param module ganlua.module
---@return table[]
function player.buffers(module)
  local places = {}
  nn_state.walk(module, function(part)
    for _, key in ipairs(part.parts.buffers) do places[#places + 1] = { part, key } end
  end)
  return places
end

---@param name string
---@param module ganlua.module built
---@param optimizer ganlua.optimizer
---@return ganlua.player
function player.new(name, module, optimizer)
  local self = {
    name = name,
    module = module,
    optimizer = optimizer,
    growing = growth.of(module),
    buffers = player.buffers(module),
    memory = {},
    moves = 0,
  }
  player.refresh(self)
  return self
end

--- Takes up the stage that the network is at, where it was loaded and is at another now.
---@param self ganlua.player
function player.refresh(self)
  local stage = self.growing and growth.stage(self.growing) or 1
  if stage == self.stage then return end
  self.stage, self.fade = stage, nil
  self.parameters, self.names = growth.parameters(self.module, self.growing, stage)
end

--- Sets a network that grows back to an earlier stage, for a replay; its tensors and moments are loaded afterwards.
---@param self ganlua.player
---@param stage integer
function player.return_to_stage(self, stage)
  self.moments = nil
  if not self.growing then return end
  growth.set(self.growing, stage, 1)
  player.refresh(self)
  self.fade = nil
end

--- Brings in the stages up to one; the newest comes in as `fade` says. What the optimiser remembers of the others
--- stays, of the new ones it remembers nothing.
---@param self ganlua.player
---@param stage integer
---@param fade number|function|ganlua.curve
---@param iteration integer
function player.grow(self, stage, fade, iteration)
  self.stage, self.fade = stage, { curve = fade, move = self.moves, iteration = iteration }
  self.parameters, self.names = growth.parameters(self.module, self.growing, stage)
  if self.moments then optim.join(self.moments, self.parameters) end
  growth.set(self.growing, stage, growth.weight(self.fade, self.moves, iteration))
end

--- Lets the newest stage count as its fade says now.
---@param self ganlua.player
---@param iteration integer
function player.go_on_fading(self, iteration)
  local weight = growth.weight(self.fade, self.moves, iteration)
  if weight ~= self.fade.weight then
    growth.set(self.growing, self.stage, weight)
    self.fade.weight = weight
  end
end

-- Names the first parameter whose gradient is not finite.
local function culprit(self, gradients)
  for place, name in ipairs(self.names) do
    if not core.all_finite(gradients[place]) then return name end
  end
end

--- The number in a loss or a penalty. Raises, naming iteration and player, where there is no finite one.
---@param self ganlua.player
---@param iteration integer that messages name
---@param what string
---@param loss ganlua.tensor one number
---@param of_all? fun(number: number): number what it is of all ranks
---@return number
function player.value(self, iteration, what, loss, of_all)
  if not core.is_tensor(loss) or loss:numel() ~= 1 then
    check.fail("iteration %d, %s: the %s must be one number, got %s", iteration, self.name, what, check.describe(loss))
  end
  local value = of_all and of_all(loss:item()) or loss:item()
  if value - value ~= 0 then
    self.not_finite = true
    check.fail("iteration %d, %s: %s is %s", iteration, self.name, what, value ~= value and "nan" or tostring(value))
  end
  return value
end

--- The gradients of a loss and what is added to it. Raises where a number is not finite.
---@param self ganlua.player
---@param iteration integer that messages name
---@param loss ganlua.tensor one number
---@param penalty? ganlua.tensor one number
---@param last boolean whether the graph is used up
---@param over_ranks boolean whether gradients are summed over the ranks, each of which has the loss of all rows, and
--- the penalty of its own
---@return ganlua.tensor[] gradients
---@return { loss: number, penalty: number? }
function player.gradients(self, iteration, loss, penalty, last, over_ranks)
  self.not_finite = false
  local measured = {
    loss = player.value(self, iteration, "loss", loss),
    penalty = penalty and player.value(self, iteration, "penalty", penalty, share.mean_number),
  }
  if penalty then loss = loss + share.weighted(penalty) end
  -- A stage whose head has been taken over from has a part that nothing depends on any more.
  local unused = self.growing and "zero" or nil
  return core.grad(loss, self.parameters, { consume = last, over_ranks = over_ranks, unused = unused }), measured
end

--- Adds a share of gradients, which are freed or taken over, to a sum of such.
---@param sum ganlua.tensor[]? nil at first
---@param gradients ganlua.tensor[]
---@param part number
---@return ganlua.tensor[] sum
function player.accumulate(sum, gradients, part)
  for i, gradient in ipairs(gradients) do
    if sum then
      sum[i]:add_(gradient, part)
      gradient:free()
    else
      gradient:mul_(part)
    end
  end
  return sum or gradients
end

--- The norm of all gradients together. Raises where one is not finite.
---@param self ganlua.player
---@param iteration integer that messages name
---@param gradients ganlua.tensor[]
---@return number
function player.norm(self, iteration, gradients)
  local norm = core.norm_of_all(gradients)
  if norm - norm ~= 0 then
    self.not_finite = true
    check.fail("iteration %d, %s: the gradient of '%s' is not finite", iteration, self.name, culprit(self, gradients))
  end
  return norm
end

-- Keeps the norm of each parameter's gradient, for whoever looks.
local function keep_norms(self, iteration, gradients)
  local norms = { iteration = iteration }
  for i, gradient in ipairs(gradients) do norms[i] = core.norm_of_all { gradient } end
  self.norms = norms
end

local function scale(gradients, factor)
  for _, gradient in ipairs(gradients) do gradient:mul_(factor) end
end

--- Shortens gradients whose norm is more than a limit, as PyTorch's clip_grad_norm_ does.
---@param gradients ganlua.tensor[]
---@param norm number
---@param limit number
function player.clip(gradients, norm, limit)
  if norm > limit then core.no_grad(scale, gradients, limit / (norm + 1e-6)) end
end

--- Makes gradients those that a step goes along: they are finite, and no longer than a limit. Their norm before.
---@param self ganlua.player
---@param game ganlua.game
---@param gradients ganlua.tensor[]
---@param limit number?
---@return number
function player.direct(self, game, gradients, limit)
  local iteration, every = game.iteration + 1, game.norms_every
  local norm = player.norm(self, iteration, gradients)
  if every and iteration % every == 0 then keep_norms(self, iteration, gradients) end
  if limit then player.clip(gradients, norm, limit) end
  return norm
end

--- One step along gradients, which are freed.
---@param self ganlua.player
---@param game ganlua.game
---@param s ganlua.move_settings
---@param gradients ganlua.tensor[]
function player.step(self, game, s, gradients)
  local optimizer, lr = s.optimizer[self.name], s.lr[self.name]
  self.moments = self.moments or optimizer:start(self.parameters)
  optimizer:step(self.moments, self.parameters, gradients, lr and lr * game.lr_scale)
  for _, gradient in ipairs(gradients) do gradient:free() end
end

---- Going back -----------------------------------------------------------------------------------------------------

-- A copy of nested tables; tensors are copied too where `deep`.
local function copy_of(value, deep)
  if core.is_tensor(value) then return deep and value:copy() or value end
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, field in pairs(value) do copy[key] = copy_of(field, deep) end
  return copy
end

--- The values of the buffers, and where others are given, those in their place.
---@param self ganlua.player
---@param values? ganlua.tensor[]
---@return ganlua.tensor[] before
function player.exchange_buffers(self, values)
  local before = {}
  for i, place in ipairs(self.buffers) do
    before[i] = place[1][place[2]]
    if values then place[1][place[2]] = values[i] end
  end
  return before
end

--- What a move that fails has to put back: the buffers and what penalties remember. Parameters and moments are the
--- last things that a move writes, so they are part of it only for a move of two steps (`written`).
---@param self ganlua.player
---@param written boolean
---@return table
function player.snapshot(self, written)
  return {
    memory = next(self.memory) and copy_of(self.memory, false) or nil,
    buffers = #self.buffers > 0 and player.exchange_buffers(self) or nil,
    moments = written and copy_of(self.moments, true) or self.moments,
    parameters = written and copy_of(self.parameters, true) or nil,
  }
end

--- Puts back what a snapshot kept.
---@param self ganlua.player
---@param kept table
function player.restore(self, kept)
  player.exchange_buffers(self, kept.buffers)
  self.memory, self.moments = kept.memory or {}, kept.moments
  player.return_to(self, kept)
end

--- Gives the parameters the values that a snapshot kept, if it did.
---@param self ganlua.player
---@param kept table
function player.return_to(self, kept)
  for i, value in ipairs(kept.parameters or {}) do self.parameters[i]:copy_(value) end
end

return player
