--- game:grow: the next stage of networks that grow, of both players (see ganlua.nn.growing).

local check = require "ganlua.check"
local curve = require "ganlua.curve"
local players = require "ganlua.player"

local growing = {}

local rows = {
  over = { type = "integer", min = 1 }, fade = curve.option { min = 0, max = 1 }, to = { type = "integer", min = 1 },
}

--- Brings in a stage, see Game:grow. Raises, and changes nothing, where a network has no such stage.
---@param game ganlua.game
---@param options table?
function growing.grow(game, options)
  local o = check.options("game:grow", options, rows)
  local fade, next_stages = o.fade or o.over and curve.linear { from = 0, to = 1, over = o.over } or 1, {}
  for name, player in pairs(game.players) do
    local stages = player.growing and player.growing.stages
    local stage = stages and (o.to or player.stage + 1)
    if stages and stage > stages then
      check.fail("game:grow: the %s has %d stages, no stage %d", name, stages, stage)
    end
    next_stages[name] = stage
  end
  if next(next_stages) == nil then
    check.fail("game:grow: neither network grows: see gan.nn.growing_generator and gan.nn.growing_discriminator")
  end
  game.shown = nil -- samples of a smaller network
  for name, stage in pairs(next_stages) do
    local player = game.players[name]
    if stage > player.stage then players.grow(player, stage, fade, game.iteration) end
  end
end

return growing
