--- Weights that are averaged over several players, wherever these are: federated averaging (McMahan 2017).

local core = require "ganlua.core"
local players = require "ganlua.player"
local whole = require "ganlua.whole"

-- The tensors that are averaged: parameters, and running statistics of batches. Where the statistics are: places.
local function averaged(player)
  local list, places = table.move(player.parameters, 1, #player.parameters, 1, {}), {}
  for _, place in ipairs(player.buffers) do
    if place[1].kind == "batch_norm" then
      places[#places + 1], list[#list + 1] = place, place[1][place[2]]
    end
  end
  return list, places
end

local function scaled(list, weight)
  local copies = {}
  for i, x in ipairs(list) do copies[i] = x * weight end
  return copies
end

--- All players' weights become their mean. Called on every rank.
---@param like ganlua.player one of them, or one of this shape where none is here
---@param here { player: ganlua.player, weight: number }[] those that this rank plays; the weights of all ranks' add up
--- to 1
return function(like, here)
  local total
  for _, each in ipairs(here) do
    total = core.no_grad(players.accumulate, total, core.no_grad(scaled, averaged(each.player), each.weight), 1)
  end
  total = total or core.no_grad(scaled, averaged(like), 0)
  core.all_sum_(total)
  local _ <close> = whole()
  for _, each in ipairs(here) do
    local _, places = averaged(each.player)
    local count = #each.player.parameters
    for i, parameter in ipairs(each.player.parameters) do parameter:copy_(total[i]) end
    for i, place in ipairs(places) do place[1][place[2]] = total[count + i] end
  end
end
