--- The numbers of a running game that can be changed by their names: learning rates, options of the loss and of the
-- penalties, clipping, noise and the like. A change takes the place of a curve, too, and holds from the next move on.

local check = require "ganlua.check"
local curve = require "ganlua.curve"
local move_options = require "ganlua.move_options"

local adjusting = {}

---@class ganlua.adjustable
---@field name string "generator.lr", "loss.margin", "r1.weight", "noise", ...
---@field value number|function|ganlua.curve
---@field player string whose moves a curve counts
---@field change fun(value: number): table what game:set is told to change it

local players = { "generator", "discriminator" }

-- A list with another value at one place.
local function replaced(list, place, value)
  local new = table.move(list, 1, #list, 1, {})
  new[place] = value
  return new
end

local function add_options(add, prefix, object, is_number, player, change)
  for _, option in ipairs(check.sorted_keys(object.options)) do
    local value = object.options[option]
    if is_number(option, value) then
      add(("%s.%s"):format(prefix, option), value, player, function(number)
        return change(object:with { [option] = number })
      end)
    end
  end
end

--- All that can be changed now, in an order that stays.
---@param game ganlua.game
---@return ganlua.adjustable[]
function adjusting.list(game)
  local list, settings = {}, game.settings
  local function add(name, value, player, change)
    list[#list + 1] = { name = name, value = value, player = player, change = change }
  end
  for _, name in ipairs(players) do
    local optimizer = game.players[name].optimizer
    if optimizer.with and optimizer.lr then
      add(name .. ".lr", optimizer.lr, name, function(number)
        return { optimizer = { [name] = optimizer:with { lr = number } } }
      end)
    end
  end
  if settings.loss.with then
    add_options(add, "loss", settings.loss, function(_, value) return curve.is(value) end, "discriminator",
      function(loss) return { loss = loss } end)
  end
  local times = {}
  for place, penalty in ipairs(settings.penalties) do
    times[penalty.name] = (times[penalty.name] or 0) + 1
    local prefix = times[penalty.name] == 1 and penalty.name or penalty.name .. times[penalty.name]
    local player = penalty.player == "generator" and "generator" or "discriminator"
    add_options(add, prefix, penalty, function(option) return penalty.curves[option] end, player, function(changed)
      return { penalties = replaced(settings.penalties, place, changed) }
    end)
  end
  for _, name in ipairs { "clip", "noise", "top_k" } do
    if settings[name] ~= nil then
      local player = name == "top_k" and "generator" or "discriminator"
      add(name, settings[name], player, function(number) return { [name] = number } end)
    end
  end
  if settings.ema then
    add("ema.decay", settings.ema.decay, "generator", function(number) return { ema = { decay = number } } end)
  end
  return list
end

--- What a number is at this moment; nil of a curve that fails.
---@param game ganlua.game
---@param one ganlua.adjustable
---@return number?
function adjusting.value(game, one)
  local clock = { move = game.players[one.player].moves, iteration = game.iteration }
  local fine, number = pcall(curve.at, one.value, clock, one.name)
  return fine and number or nil
end

-- What game:set is to be told. Raises where there is no such name, or the number is not allowed.
local function settings_for(game, name, value)
  local names = {}
  for _, one in ipairs(adjusting.list(game)) do
    if one.name == name then
      if type(value) ~= "number" or value - value ~= 0 then
        check.fail("run:adjust: %s must be a number, got %s", name, check.describe(value))
      end
      local settings = one.change(value)
      move_options.check(game, "run:adjust", settings)
      return settings
    end
    names[#names + 1] = one.name
  end
  check.fail("run:adjust: there is no %s; there are %s", check.describe(name), table.concat(names, ", "))
end

--- Changes one, as if the schedule had called game:set.
---@param game ganlua.game
---@param name string
---@param value number
function adjusting.set(game, name, value)
  game:set(settings_for(game, name, value))
end

--- The same from outside, between two moves. It is kept in the history, as what is typed into the REPL inside a run is
--- (see talking.lua), and done again when the run goes on after a break.
---@param run ganlua.trainer
---@param name string
---@param value number
function adjusting.by_hand(run, name, value)
  settings_for(run.game, name, value) -- what is refused is not kept
  local recorder = run.game.recorder
  recorder:by_hand(("run:adjust(%q, %s)"):format(name, ("%.17g"):format(value)))
  run:adjust(name, value)
  recorder:edited(run.state)
  run.edited = true
  run.log:note { event = "edited", iteration = run.game.iteration, name = name, value = value }
  if run.folder then run:write_checkpoint() end
end

return adjusting
