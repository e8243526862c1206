--- What a move may be told, for a whole run or for itself alone, and what that comes to at one moment.

local check = require "ganlua.check"
local curve = require "ganlua.curve"
local penalty = require "ganlua.penalty.define"

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
  penalties = { is = is_penalties, wanted = "a list of penalties, such as { gan.penalty.r1{} }" },
  noise = curve.option { min = 0 },
  top_k = curve.option { above = 0, max = 1 },
  unroll = { type = "table" },
}

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

-- What each kind of move takes.
local rows_of = { discriminator = {}, generator = {}, both = {} }
for name, row in pairs(move_options.rows) do
  for _, rows in pairs(rows_of) do rows[name] = row end
end
rows_of.discriminator.top_k, rows_of.discriminator.unroll = nil, nil
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

local movers_of = {
  discriminator = { "discriminator" }, generator = { "generator" }, both = { "discriminator", "generator" },
}

--- What one move is played with: curves are numbers here.
---@class ganlua.move_settings
---@field movers string[] who moves
---@field clock table<string, ganlua.clock> by player
---@field loss table
---@field batch integer
---@field optimizer table<string, ganlua.optimizer> by player
---@field lr table<string, number> by player
---@field ema_decay number?
---@field penalties ganlua.penalty[]
---@field noise number
---@field top_k number
---@field unroll { steps: integer, optimizer: ganlua.optimizer, lr: number }?
---@field extragradient boolean

--- The settings of a move.
---@param game ganlua.game
---@param kind "discriminator"|"generator"|"both"
---@param overrides table? what the move was told
---@return ganlua.move_settings
function move_options.resolve(game, kind, overrides)
  local where, usual = "game:" .. kind, game.settings
  local given = overrides == nil and {} or check.options(where, overrides, rows_of[kind])
  local s = { movers = movers_of[kind], clock = {}, optimizer = {}, lr = {} }
  for _, name in ipairs(s.movers) do
    local player, optimizer = game.players[name], given.optimizer
    if kind == "both" and optimizer then optimizer = optimizer[name] end
    s.optimizer[name] = optimizer or player.optimizer
    s.clock[name] = { move = player.moves, iteration = game.iteration }
    optimizer = s.optimizer[name]
    s.lr[name] = optimizer.lr and curve.at(optimizer.lr, s.clock[name], ("%s: %s's lr"):format(where, name))
  end
  s.extragradient = given.extragradient or false
  s.ema_decay = game.ema_decay and s.clock.generator and curve.at(game.ema_decay, s.clock.generator, "ema: decay")
  local clock = s.clock[s.movers[1]]
  s.loss_given = given.loss or usual.loss
  s.loss = s.loss_given.at and s.loss_given.at(clock) or s.loss_given
  s.batch = given.batch or usual.batch
  s.penalties = given.penalties or usual.penalties
  s.noise = curve.at(given.noise or usual.noise, clock, where .. ": noise")
  s.top_k = curve.at(given.top_k or usual.top_k, clock, where .. ": top_k")
  local unroll = move_options.unroll(where, given.unroll) or usual.unroll
  if unroll then
    local player = game.players.discriminator
    local optimizer = unroll.optimizer or player.optimizer
    local its_clock = { move = player.moves, iteration = game.iteration }
    s.unroll = { steps = unroll.steps, optimizer = optimizer, lr = curve.at(optimizer.lr, its_clock, where .. ": lr") }
  end
  return s
end

return move_options
