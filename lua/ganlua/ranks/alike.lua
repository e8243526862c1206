--- What ranks compute apart and must fail in together: none goes on where another cannot.

local ranks = require "ganlua.ranks"

local alike = {}

--- What every rank's f() gives, plain values, in the order of ranks. Where one raises, all do, with its message, and
--- know whose numbers were not finite.
---@param game ganlua.game
---@param f fun(): any
---@return any[]
function alike.told(game, f)
  if not ranks.many() then return { f() } end
  local fine, result = pcall(f)
  local own = { result = fine and result or nil, problem = not fine and tostring(result) or nil }
  for name, player in pairs(game.players) do
    if not fine and player.not_finite then own.sick = name end
  end
  local told = ranks.gather(own)
  for rank, each in ipairs(told) do
    if each.problem then
      if each.sick then game.players[each.sick].not_finite = true end
      error(each.problem, 0)
    end
    told[rank] = each.result
  end
  return told
end

--- The mean of several players' numbers, key by key, where each has one.
---@param list table<string, number>[]
---@param weights? number[] all the same
---@return table<string, number>
function alike.mean(list, weights)
  local mean = {}
  for i, measured in ipairs(list) do
    for key, value in pairs(measured) do
      mean[key] = (mean[key] or 0.0) + value * (weights and weights[i] or 1 / #list)
    end
  end
  return mean
end

return alike
