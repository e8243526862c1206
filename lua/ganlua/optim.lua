--- gan.optim: optimisers as settings. What an optimiser remembers of a network (moments, number of steps) belongs to
-- whoever trains it: setting:start(parameters) makes that state, a table of plain tensors that a checkpoint can save,
-- and setting:step(state, parameters, gradients) uses it. So a setting may be made anew for each step, with another
-- learning rate, and goes on from where the last one stopped.
--
-- A learning rate is a number or a curve (see gan.curve); without a trainer, a curve's t is the steps made so far.

local core = require "ganlua.core"
local check = require "ganlua.check"
local curve = require "ganlua.curve"
local merged = require "ganlua.merged"
local whole = require "ganlua.whole"

local optim = {}

---@class ganlua.optimizer
---@field name string
---@field lr number|function|ganlua.curve
---@field at_once? boolean its step is one call of the engine, which needs no memory and so cannot fail half-way

---@class ganlua.optimizer_state
---@field step integer steps made so far
---@field m? ganlua.tensor[] adam: running mean of the gradients
---@field v? ganlua.tensor[] adam, rmsprop: running mean of their squares
---@field velocity? ganlua.tensor[] sgd and rmsprop with momentum
---@field since? integer[] by parameter, how many steps were made before it joined; absent: none
---@field last? ganlua.tensor[] optimistic_adam: where the last step went, at a learning rate of 1

local lr_bounds = curve.option({ min = 0 }).curve

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

--- The same setting with some options changed.
---@param changes table
---@return ganlua.optimizer
function methods:with(changes)
  return optim[self.name](merged(self.options, changes))
end

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
  return count == #self.buffers + (state.since and 2 or 1)
end

--- Takes parameters into a state that were not there before, at the list's end: nothing is remembered of them, and
--- their steps are counted from now (Adam corrects its means by that count).
---@param state ganlua.optimizer_state
---@param parameters ganlua.tensor[] the old ones, and the new ones after them
function optim.join(state, parameters)
  state.since = state.since or {}
  for i = 1, #parameters do
    local known = false
    for key, list in pairs(state) do
      if type(list) == "table" and key ~= "since" then
        known = known or list[i] ~= nil
        list[i] = list[i] or core.zeros(parameters[i]:shape())
      end
    end
    state.since[i] = state.since[i] or known and 0 or state.step
  end
end

-- Calls f(step, slice) for each run of parameters that have made as many steps: slice(list) is its part of a list.
local function by_age(state, count, f)
  if not state.since then return f(state.step + 1, function(list) return list end) end
  local first = 1
  while first <= count do
    local last = first
    while last < count and state.since[last + 1] == state.since[first] do last = last + 1 end
    local from, to = first, last
    f(state.step + 1 - state.since[first], function(list) return table.move(list, from, to, 1, {}) end)
    first = last + 1
  end
end

-- How many steps parameter i has made, the one in the making included.
local function age(state, i)
  return state.step + 1 - (state.since and state.since[i] or 0)
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
  lr = lr or curve.at(self.lr, { move = state.step, iteration = state.step }, self.name .. ": lr", lr_bounds)
  self.update(self, state, parameters, gradients, lr)
  state.step = state.step + 1
  return afresh
end

--- The same step as a function: what parameters and state would be after it. Nothing is changed, and gradients go
--- through it, so that a player can look ahead at the other's steps and differentiate through them.
---@param state ganlua.optimizer_state
---@param parameters ganlua.tensor[]
---@param gradients ganlua.tensor[] in the same order, perhaps with a graph
---@param lr? number instead of the setting's own
---@return ganlua.tensor[] parameters
---@return ganlua.optimizer_state state
function methods:ahead(state, parameters, gradients, lr)
  if not self.function_of then
    check.fail("%s: its steps cannot be looked ahead at: unrolling knows adam, adamw, and sgd", self.name)
  end
  check_all(self.name, "gradient", parameters, gradients)
  if not fits(self, state) then state = self:start(parameters) end
  lr = lr or curve.at(self.lr, { move = state.step, iteration = state.step }, self.name .. ": lr", lr_bounds)
  return self.function_of(state, parameters, gradients, lr)
end

-- Updates that are made of ops compute all that changes first, and then write it: one that fails has changed nothing.
local function add(writes, tensor, value)
  writes[#writes + 1] = { tensor, value }
end

local function write(writes)
  local _ <close> = whole()
  for _, each in ipairs(writes) do
    each[1]:copy_(each[2])
    each[2]:free()
  end
end

-- a + weight * (b - a), as a new tensor.
local function lerp(a, b, weight)
  return a + (b - a) * weight
end

-- A setting: name, options, the names of the buffers that it needs, update(self, state, parameters, gradients, lr), and
-- where there is one, the same as a function (see methods:ahead).
local function setting(name, options, buffers, update, function_of)
  local fields = {
    name = name, options = options, buffers = buffers, update = update,
    function_of = function_of, lr_bounds = lr_bounds,
    at_once = name == "adam" or name == "adamw" or name == "sgd",
  }
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
        local text = tostring(value)
        if type(value) == "number" then text = ("%g"):format(value) end
        if key == "betas" then text = ("{%g, %g}"):format(value[1], value[2]) end
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

-- The options of Adam's family: DCGAN's defaults.
local function adam_options(name, options, weight_decay)
  return check.options(name, options, {
    lr = curve.option { min = 0, default = 2e-4 },
    betas = { is = is_betas, wanted = "two numbers >= 0 and < 1, such as {.5, .999}", default = { 0.5, 0.999 } },
    eps = { type = "number", min = 0, default = 1e-8 },
    weight_decay = { type = "number", min = 0, default = weight_decay },
  })
end

local function adam(name, o, decoupled)
  local function function_of(state, parameters, gradients, lr)
    local new, next_state = {}, { step = state.step + 1, m = {}, v = {}, since = state.since }
    for i, p in ipairs(parameters) do
      local correct_m, correct_v = 1 - o.betas[1] ^ age(state, i), 1 - o.betas[2] ^ age(state, i)
      local g = decoupled and gradients[i] or gradients[i] + p * o.weight_decay
      local m = state.m[i] * o.betas[1] + g * (1 - o.betas[1])
      local v = state.v[i] * o.betas[2] + g:square() * (1 - o.betas[2])
      -- The root's slope is infinite at 0: the tiny number makes that of a gradient of 0 count as 0.
      local direction = (m / correct_m) / ((v / correct_v + 1e-24):sqrt() + o.eps)
      if decoupled then p = p * (1 - lr * o.weight_decay) end
      new[i], next_state.m[i], next_state.v[i] = p - direction * lr, m, v
    end
    return new, next_state
  end
  return setting(name, o, { "m", "v" }, function(_, state, parameters, gradients, lr)
    by_age(state, #parameters, function(step, slice)
      core.adam_(slice(parameters), slice(gradients), slice(state.m), slice(state.v), {
        lr = lr, beta1 = o.betas[1], beta2 = o.betas[2], eps = o.eps, weight_decay = o.weight_decay,
        decoupled = decoupled, step = step,
      })
    end)
  end, function_of)
end

--- adam{lr=2e-4, betas={.5,.999}, eps=1e-8, weight_decay=0}: Kingma & Ba 2015, with DCGAN's defaults.
-- weight_decay is added to the gradient, as in PyTorch's Adam.
---@param options? table
---@return ganlua.optimizer
function optim.adam(options)
  return adam("adam", adam_options("adam", options, 0), false)
end

--- adamw{lr=2e-4, betas={.5,.999}, eps=1e-8, weight_decay=0.01}: Adam with decoupled weight decay: p -= lr * decay * p
-- beside the step. Loshchilov & Hutter 2019.
---@param options? table
---@return ganlua.optimizer
function optim.adamw(options)
  return adam("adamw", adam_options("adamw", options, 0.01), true)
end

--- optimistic_adam{lr=2e-4, betas={.5,.999}, eps=1e-8, weight_decay=0}: twice Adam's step, minus the last one: games
-- that go round in circles spiral inwards. Daskalakis 2018, algorithm 1.
---@param options? table
---@return ganlua.optimizer
function optim.optimistic_adam(options)
  local o = adam_options("optimistic_adam", options, 0)
  local function update(state, parameters, gradients, lr)
    local writes = {}
    for i, p in ipairs(parameters) do
      local correct_m, correct_v = 1 - o.betas[1] ^ age(state, i), 1 - o.betas[2] ^ age(state, i)
      local g, last = gradients[i], state.last[i]
      if o.weight_decay > 0 then g = g + p * o.weight_decay end
      local m, v = lerp(state.m[i], g, 1 - o.betas[1]), lerp(state.v[i], g:square(), 1 - o.betas[2])
      local now = (m / correct_m) / ((v / correct_v):sqrt() + o.eps)
      add(writes, p, p + now * (-2 * lr) + last * lr)
      add(writes, state.m[i], m)
      add(writes, state.v[i], v)
      add(writes, last, now)
    end
    write(writes)
  end
  return setting("optimistic_adam", o, { "m", "v", "last" }, function(_, ...) core.no_grad(update, ...) end)
end

--- rmsprop{lr=, alpha=0.99, eps=1e-8, momentum=0, weight_decay=0}: p -= lr * g / (sqrt(v) + eps), v the running mean
-- of g^2, as PyTorch's; with momentum that quotient gathers speed. The Wasserstein GAN's optimiser (Arjovsky 2017).
---@param options table
---@return ganlua.optimizer
function optim.rmsprop(options)
  local o = check.options("rmsprop", options, {
    lr = curve.option { min = 0, required = true },
    alpha = { type = "number", min = 0, below = 1, default = 0.99 },
    eps = { type = "number", min = 0, default = 1e-8 },
    momentum = { type = "number", min = 0, below = 1, default = 0 },
    weight_decay = { type = "number", min = 0, default = 0 },
  })
  local function update(state, parameters, gradients, lr)
    local writes = {}
    for i, p in ipairs(parameters) do
      local g, velocity = gradients[i], state.velocity and state.velocity[i]
      if o.weight_decay > 0 then g = g + p * o.weight_decay end
      local v = lerp(state.v[i], g:square(), 1 - o.alpha)
      local direction = g / (v:sqrt() + o.eps)
      if velocity then
        direction = velocity * o.momentum + direction
        add(writes, velocity, direction)
      end
      add(writes, p, p + direction * -lr)
      add(writes, state.v[i], v)
    end
    write(writes)
  end
  local buffers = o.momentum > 0 and { "v", "velocity" } or { "v" }
  return setting("rmsprop", o, buffers, function(_, ...) core.no_grad(update, ...) end)
end

--- sgd{lr=, momentum=0, weight_decay=0}: p -= lr * velocity, velocity = momentum * velocity + gradient + decay * p.
---@param options table
---@return ganlua.optimizer
function optim.sgd(options)
  local o = check.options("sgd", options, {
    lr = curve.option { min = 0, required = true },
    momentum = { type = "number", min = 0, below = 1, default = 0 },
    weight_decay = { type = "number", min = 0, default = 0 },
  })
  local function function_of(state, parameters, gradients, lr)
    local new, next_state = {}, { step = state.step + 1, velocity = state.velocity and {}, since = state.since }
    for i, p in ipairs(parameters) do
      local direction = gradients[i] + p * o.weight_decay
      if state.velocity then
        direction = state.velocity[i] * o.momentum + direction
        next_state.velocity[i] = direction
      end
      new[i] = p - direction * lr
    end
    return new, next_state
  end
  local buffers = o.momentum > 0 and { "velocity" } or {}
  return setting("sgd", o, buffers, function(_, state, parameters, gradients, lr)
    core.sgd_(parameters, gradients, state.velocity, {
      lr = lr, momentum = o.momentum, weight_decay = o.weight_decay,
    })
  end, function_of)
end

return optim
