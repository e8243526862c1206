--- What a move may be told, for a whole run or for itself alone, and what that comes to at one moment.

local augment = require "ganlua.augment"
local check = require "ganlua.check"
local curve = require "ganlua.curve"
local penalty = require "ganlua.penalty.define"
local roles = require "ganlua.ranks.roles"

local move_options = {}

-- Whether a value is an object with these methods.
local function has(value, ...)
  if type(value) ~= "table" then return false end
  for _, name in ipairs { ... } do
    if type(value[name]) ~= "function" then return false end
  end
  return true
end
move_options.has = has

local function is_optimizer(value)
  return has(value, "step", "start")
end

local function is_penalties(value)
  if type(value) ~= "table" or penalty.is(value) then return false end
  for i, each in pairs(value) do
    if math.type(i) ~= "integer" or not penalty.is(each) then return false end
  end
  return true
end

--- The rows, as in check.options.
move_options.rows = {
  loss = {
    is = function(value) return has(value, "d", "g") end,
    wanted = "a loss with d and g, such as gan.loss.hinge{}",
  },
  optimizer = { is = is_optimizer, wanted = "an optimiser, such as gan.optim.adam{}" },
  batch = { type = "integer", min = 1 },
  micro_batch = { type = "integer", min = 1 },
  reuse = { type = "boolean" },
  penalties = { is = is_penalties, wanted = "a list of penalties, such as { gan.penalty.r1{} }" },
  clip = curve.option { above = 0 },
  noise = curve.option { min = 0 },
  augment = {
    is = function(value) return value == false or augment.is(value) end,
    wanted = "an augmentation such as gan.augment.ada{}, a function of a batch, or false",
  },
  top_k = curve.option { above = 0, max = 1 },
  unroll = { type = "table" },
  ema = { type = "table" },
}

local ema_rows = { decay = curve.option { min = 0, below = 1, required = true } }

--- Checks the table of an option `ema`.
---@param where string how messages begin
---@param given table?
function move_options.ema(where, given)
  return given and check.options(where .. ": ema", given, ema_rows)
end

local unroll_rows = {
  steps = { type = "integer", min = 0, required = true },
  optimizer = {
    is = function(value) return is_optimizer(value) and value.ahead ~= nil end, wanted = "an optimiser of gan.optim",
  },
}

--- Checks the table of an option `unroll`.
---@param where string how messages begin
---@param given table?
function move_options.unroll(where, given)
  return given and check.options(where .. ": unroll", given, unroll_rows)
end

-- What each kind of move takes, and game:set.
local rows_of = { discriminator = {}, generator = {}, both = {}, set = {} }
for name, row in pairs(move_options.rows) do
  for _, rows in pairs(rows_of) do rows[name] = row end
end
for _, name in ipairs { "top_k", "unroll", "ema" } do rows_of.discriminator[name] = nil end
rows_of.both.extragradient = { type = "boolean", default = false }
rows_of.both.optimizer = {
  is = function(value)
    if type(value) ~= "table" or is_optimizer(value) then return false end
    for name, optimizer in pairs(value) do
      if name ~= "discriminator" and name ~= "generator" or not is_optimizer(optimizer) then return false end
    end
    return true
  end,
  wanted = "{ discriminator = optimiser, generator = optimiser }",
}
rows_of.set.optimizer = rows_of.both.optimizer

local movers_of = {
  discriminator = { "discriminator" }, generator = { "generator" }, both = { "discriminator", "generator" },
}

--- Batches must be whole packs.
---@param where string how messages begin
---@param batch integer
---@param micro_batch integer?
---@param pac integer
function move_options.check_packs(where, batch, micro_batch, pac)
  for name, size in pairs { batch = batch, micro_batch = micro_batch } do
    if size % pac ~= 0 then
      check.fail("%s: option '%s' must be a multiple of pac = %d, got %d", where, name, pac, size)
    end
  end
end

-- The overrides of a move or of game:set, checked, nested ones too.
local function checked(game, where, kind, overrides)
  local given = check.options(where, overrides, rows_of[kind])
  given.unroll = move_options.unroll(where, given.unroll)
  given.ema = move_options.ema(where, given.ema)
  if given.ema and not game.ema then
    check.fail("%s: no moving average is kept: gan.train's option 'ema' begins one", where)
  end
  if game.roles then roles.check(game.roles, where, given) end
  move_options.check_packs(where, given.batch or game.settings.batch, given.micro_batch or game.settings.micro_batch,
    game.pac)
  return given
end

--- What one move is played with: curves are numbers here.
---@class ganlua.move_settings
---@field movers string[] who moves
---@field clock table<string, ganlua.clock> by player
---@field loss table
---@field batch integer
---@field changes boolean? whether any of the numbers below may be another in the next move
---@field reuse boolean the generator learns from the samples that the discriminator's last move was shown
---@field micro_batch integer at most batch: the gradients of so many samples are taken at a time
---@field optimizer table<string, ganlua.optimizer> by player
---@field lr table<string, number> by player
---@field ema_decay number?
---@field penalties ganlua.penalty[]
---@field clip table<string, number> by player: the greatest norm of its gradient
---@field augment ganlua.augmentation|function|false|nil by the clock of the discriminator where both move, as noise
---@field noise number by the clock of the discriminator where both move, as the loss
---@field top_k number
---@field unroll { steps: integer, optimizer: ganlua.optimizer, lr: number }?
---@field extragradient boolean

-- What does not change from move to move: `given`, and the game's settings where it says nothing. Fields in `told` are
-- numbers or curves still.
local function settled(game, kind, given)
  local usual = game.settings
  local s = {
    where = "game:" .. kind, movers = movers_of[kind], clock = {}, optimizer = {}, lr = {}, clip = {}, told = {},
    extragradient = given.extragradient or false,
    loss_given = given.loss or usual.loss,
    batch = given.batch or usual.batch,
    penalties = given.penalties or usual.penalties,
  }
  for _, name in ipairs(s.movers) do
    local optimizer = given.optimizer
    if kind == "both" and optimizer then optimizer = optimizer[name] end
    s.optimizer[name] = optimizer or game.players[name].optimizer
    s.clock[name] = {}
    local lr = s.optimizer[name].lr
    if type(lr) == "number" then s.lr[name] = lr else s.changes = true end
  end
  for _, name in ipairs { "clip", "noise", "top_k" } do
    local value = given[name] or usual[name]
    s.told[name] = value
    if value ~= nil and type(value) ~= "number" then s.changes = true end
  end
  s.told.ema, s.told.unroll = given.ema or usual.ema, given.unroll or usual.unroll
  s.told.augment = given.augment
  if s.told.augment == nil then s.told.augment = usual.augment end
  if s.told.ema or s.told.unroll or augment.varies(s.told.augment) then s.changes = true end
  if not s.changes then
    s.noise, s.top_k, s.augment = s.told.noise, s.told.top_k, s.told.augment
    for _, name in ipairs(s.movers) do s.clip[name] = s.told.clip end
  end
  s.micro_batch = math.min(given.micro_batch or usual.micro_batch or s.batch, s.batch)
  s.reuse = given.reuse
  if s.reuse == nil then s.reuse = usual.reuse end
  s.reuse = s.reuse and kind ~= "both" and s.micro_batch == s.batch
  return s
end

local function number_of(s, name, clock)
  local value = s.told[name]
  if type(value) ~= "function" and type(value) ~= "table" then return value end
  return curve.at(value, clock, ("%s: %s"):format(s.where, name), move_options.rows[name].curve)
end

-- The learning rate of an optimiser at a moment; nil where it has none.
local function rate_of(s, optimizer, clock, name)
  local lr = optimizer.lr
  if type(lr) ~= "function" and type(lr) ~= "table" then return lr end
  return curve.at(lr, clock, ("%s: %s's lr"):format(s.where, name), optimizer.lr_bounds)
end

-- What a curve, an average or a look ahead gives at this moment.
local function numbers(game, s, clock)
  local told = s.told
  for name, its in pairs(s.clock) do
    s.lr[name] = rate_of(s, s.optimizer[name], its, name)
    s.clip[name] = number_of(s, "clip", its)
  end
  s.noise = number_of(s, "noise", clock)
  s.top_k = number_of(s, "top_k", s.clock.generator or clock)
  s.augment = augment.at(told.augment, clock)
  if told.ema and s.clock.generator then
    s.ema_decay = curve.at(told.ema.decay, s.clock.generator, "ema: decay", ema_rows.decay.curve)
  end
  if told.unroll then
    local player = game.players.discriminator
    local optimizer = told.unroll.optimizer or player.optimizer
    local lr = rate_of(s, optimizer, { move = player.moves, iteration = game.iteration }, "discriminator")
    s.unroll = { steps = told.unroll.steps, optimizer = optimizer, lr = lr }
  end
end

--- The settings of a move; they are good until the next one is asked for.
---@param game ganlua.game
---@param kind "discriminator"|"generator"|"both"
---@param overrides table? what the move was told
---@return ganlua.move_settings
function move_options.resolve(game, kind, overrides)
  local s
  if overrides == nil then
    s = game.settled[kind] or settled(game, kind, {})
    game.settled[kind] = s
  else
    s = settled(game, kind, checked(game, "game:" .. kind, kind, overrides))
  end
  local movers, clock = s.movers, s.clock[s.movers[1]]
  for i = 1, #movers do
    local name = movers[i]
    local its = s.clock[name]
    its.move, its.iteration = game.players[name].moves, game.iteration
  end
  s.loss = s.loss_given.at and s.loss_given.at(clock) or s.loss_given
  if s.changes then numbers(game, s, clock) end
  return s
end

--- Raises where game:set would refuse these settings.
---@param game ganlua.game
---@param where string how messages begin
---@param settings table
function move_options.check(game, where, settings)
  checked(game, where, "set", settings)
end

--- Makes settings those of all moves from here on.
---@param game ganlua.game
---@param settings table
function move_options.set(game, settings)
  local given = checked(game, "game:set", "set", settings)
  for name, optimizer in pairs(given.optimizer or {}) do game.players[name].optimizer = optimizer end
  given.optimizer = nil
  for name, value in pairs(given) do game.settings[name] = value end
  game.settled = {}
end

return move_options
