--- One player of a game: its network, its optimiser, and what that remembers between moves (moments).
--
-- A step writes parameters only after all its gradients are there and finite: one that fails has changed nothing.

local check = require "ganlua.check"
local core = require "ganlua.core"
local nn_state = require "ganlua.nn.state"

local player = {}

---@class ganlua.player
---@field name string
---@field module ganlua.module
---@field optimizer ganlua.optimizer
---@field parameters ganlua.tensor[]
---@field buffers table[] as player.buffers has them
---@field moments ganlua.optimizer_state?
---@field moves integer made so far

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
  return {
    name = name,
    module = module,
    optimizer = optimizer,
    parameters = module:parameters(),
    buffers = player.buffers(module),
    moves = 0,
  }
end

-- Names the first parameter whose gradient is not finite.
local function culprit(self, gradients)
  local place = 0
  for name in self.module:named_parameters() do
    place = place + 1
    if not core.all_finite(gradients[place]) then return name end
  end
end

-- The Euclidean norm of all gradients together.
local function norm_of(gradients)
  local squares = 0
  for _, gradient in ipairs(gradients) do squares = squares + gradient:norm():item() ^ 2 end
  return math.sqrt(squares)
end

--- One step down a loss. Raises, naming iteration and player, where the loss or a gradient is not finite.
---@param self ganlua.player
---@param iteration integer that messages name
---@param optimizer ganlua.optimizer
---@param loss ganlua.tensor one number; its graph is used up
---@return number loss
---@return number norm of its gradient
function player.descend(self, iteration, optimizer, loss)
  if not core.is_tensor(loss) or loss:numel() ~= 1 then
    check.fail("iteration %d, %s: the loss must be one number, got %s", iteration, self.name, check.describe(loss))
  end
  local value = loss:item()
  if value - value ~= 0 then
    check.fail("iteration %d, %s: loss is %s", iteration, self.name, value ~= value and "nan" or tostring(value))
  end

  local gradients = core.grad(loss, self.parameters, { consume = true })
  if not core.all_finite(gradients) then
    check.fail("iteration %d, %s: the gradient of '%s' is not finite", iteration, self.name, culprit(self, gradients))
  end
  local norm = core.no_grad(norm_of, gradients)
  self.moments = self.moments or optimizer:start(self.parameters)
  optimizer:step(self.moments, self.parameters, gradients)
  for _, gradient in ipairs(gradients) do gradient:free() end
  return value, norm
end

return player
