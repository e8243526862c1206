--- gan.optim: optimisers as settings. What an optimiser remembers of a network (moments, number of steps) belongs to
-- whoever trains it: setting:start(parameters) makes that state, a table of plain tensors that a checkpoint can save,
-- and setting:step(state, parameters, gradients) uses it. So a setting may be made anew for each step, with another
-- learning rate, and goes on from where the last one stopped.

local core = require "ganlua.core"
local check = require "ganlua.check"

local optim = {}

---@class ganlua.optimizer
---@field name string
---@field lr number

---@class ganlua.optimizer_state
---@field step integer steps made so far
---@field m? ganlua.tensor[] adam: running mean of the gradients
---@field v? ganlua.tensor[] adam: running mean of their squares
---@field velocity? ganlua.tensor[] sgd with momentum

local function zeros_like(parameters)
  local list = {}
  for i, p in ipairs(parameters) do list[i] = core.zeros(p:shape()) end
  return list
end

-- Fails unless there is one gradient (or buffer) for each parameter.
local function check_all(where, what, parameters, tensors)
  for i = 1, #parameters do
    if not core.is_tensor(tensors[i]) then
      check.fail("%s: %s %d of %d is missing, got %s", where, what, i, #parameters, check.describe(tensors[i]))
    end
  end
  if #tensors ~= #parameters then
    check.fail("%s: %d parameters and %d %ss", where, #parameters, #tensors, what)
  end
end

local methods = {}

--- The state before the first step.
---@param parameters ganlua.tensor[]
---@return ganlua.optimizer_state
function methods:start(parameters)
  local state = { step = 0 }
  for _, buffer in ipairs(self.buffers) do state[buffer] = zeros_like(parameters) end
  return state
end

-- Whether a state has the buffers of this setting, and no others.
local function fits(self, state)
  local count = 0
  for _, buffer in ipairs(self.buffers) do
    if not state[buffer] then return false end
  end
  for _ in pairs(state) do count = count + 1 end
  return count == #self.buffers + 1
end

--- Changes the parameters in place by one step, and the state with them. The state of an optimiser with other buffers
-- (of another kind, or sgd that got or lost its momentum) is started afresh: then the result is true. Every gradient
-- must be there; whether they are finite is the caller's to ask (core.all_finite) before this.
---@param state ganlua.optimizer_state
---@param parameters ganlua.tensor[]
---@param gradients ganlua.tensor[] in the same order
---@param lr? number instead of the setting's own
---@return boolean afresh
function methods:step(state, parameters, gradients, lr)
  check_all(self.name, "gradient", parameters, gradients)
  local afresh = not fits(self, state)
  if afresh then
    for key in pairs(state) do state[key] = nil end
    for key, value in pairs(self:start(parameters)) do state[key] = value end
  end
  for _, buffer in ipairs(self.buffers) do check_all(self.name, buffer, parameters, state[buffer]) end
  self.update(self, state, parameters, gradients, lr or self.lr)
  state.step = state.step + 1
  return afresh
end

-- A setting: name, options, the names of the buffers that it needs, and update(self, state, parameters, gradients, lr).
local function setting(name, options, buffers, update)
  local fields = { name = name, buffers = buffers, update = update }
  for key, value in pairs(options) do fields[key] = value end
  for key, method in pairs(methods) do fields[key] = method end
  return setmetatable({}, {
    __name = "ganlua.optimizer",
    __index = fields,
    __newindex = function(_, key)
      check.fail("%s: settings do not change (tried '%s'): make another, gan.optim.%s{...}", name, tostring(key), name)
    end,
    __tostring = function()
      local texts = {}
      for key, value in pairs(options) do
        local text = type(value) == "table" and ("{%g, %g}"):format(value[1], value[2]) or ("%g"):format(value)
        texts[#texts + 1] = key .. "=" .. text
      end
      table.sort(texts)
      return ("%s{%s}"):format(name, table.concat(texts, ", "))
    end,
  })
end

local function is_betas(value)
  if type(value) ~= "table" or #value ~= 2 then return false end
  for _, beta in ipairs(value) do
    if type(beta) ~= "number" or not (beta >= 0 and beta < 1) then return false end
  end
  return true
end

--- adam{lr=2e-4, betas={.5,.999}, eps=1e-8, weight_decay=0}: Kingma & Ba 2015, with DCGAN's defaults.
-- weight_decay is added to the gradient, as in PyTorch's Adam.
---@param options? table
---@return ganlua.optimizer
function optim.adam(options)
  local o = check.options("adam", options, {
    lr = { type = "number", min = 0, default = 2e-4 },
    betas = { is = is_betas, wanted = "two numbers >= 0 and < 1, such as {.5, .999}", default = { 0.5, 0.999 } },
    eps = { type = "number", min = 0, default = 1e-8 },
    weight_decay = { type = "number", min = 0, default = 0 },
  })
  return setting("adam", o, { "m", "v" }, function(_, state, parameters, gradients, lr)
    core.adam_(parameters, gradients, state.m, state.v, {
      lr = lr, beta1 = o.betas[1], beta2 = o.betas[2], eps = o.eps, weight_decay = o.weight_decay,
      step = state.step + 1,
    })
  end)
end

--- sgd{lr=, momentum=0, weight_decay=0}: p -= lr * velocity, velocity = momentum * velocity + gradient + decay * p.
---@param options table
---@return ganlua.optimizer
function optim.sgd(options)
  local o = check.options("sgd", options, {
    lr = { type = "number", min = 0, required = true },
    momentum = { type = "number", min = 0, below = 1, default = 0 },
    weight_decay = { type = "number", min = 0, default = 0 },
  })
  local buffers = o.momentum > 0 and { "velocity" } or {}
  return setting("sgd", o, buffers, function(_, state, parameters, gradients, lr)
    core.sgd_(parameters, gradients, state.velocity, {
      lr = lr, momentum = o.momentum, weight_decay = o.weight_decay,
    })
  end)
end

return optim
