--- Ranks that each keep their own data (gan.dist.federated): every rank reads its rows of a batch from the data that
-- are there. Gradients travel each move, as they do of one batch that is shared out; or each rank makes its moves on
-- its rows alone, and weights travel now and then: their means, by rows, are where all go on (FedAvg, McMahan 2017; of
-- GANs, Rasouli 2020).

local alike = require "ganlua.ranks.alike"
local average = require "ganlua.ranks.average"
local check = require "ganlua.check"
local core = require "ganlua.core"
local dotted = require "ganlua.dotted"
local ranks = require "ganlua.ranks"
local share = require "ganlua.ranks.share"

---@class ganlua.federated
---@field average integer? after so many moves of a player its weights are averaged; nil: gradients travel
local Federated = {}
Federated.__index = Federated

local federated = {}

--- How a game's ranks are federated; nil in one process, which has all there is.
---@param game ganlua.game
---@param roles ganlua.roles
---@return ganlua.federated?
function federated.new(game, roles)
  if not ranks.many() then return nil end
  return setmetatable({ game = game, average = roles.average }, Federated)
end

--- A move of n samples that each rank computes alone: f() gives gradients, what was measured by player, and more. What
--- was measured is the ranks' mean then, by their rows of the batch.
---@param n integer
---@param f function
function Federated:apart(n, f)
  local gradients, shown
  local told = alike.told(self.game, function()
    local measured
    gradients, measured, shown = f()
    return { measured = measured, weight = share.rows(n, self.game.pac).weight }
  end)
  local means, weights = {}, {}
  for rank, own in ipairs(told) do weights[rank] = own.weight end
  for name in pairs(told[1].measured) do
    local list = {}
    for rank, own in ipairs(told) do list[rank] = own.measured[name] end
    means[name] = alike.mean(list, weights)
  end
  return gradients, means, shown
end

--- After a player's step in a move of n samples; whether its weights were averaged.
---@param name string
---@param n integer
---@return boolean
function Federated:meet(name, n)
  local player = self.game.players[name]
  if (player.moves + 1) % self.average ~= 0 then return false end
  average(player, { { player = player, weight = share.rows(n, self.game.pac).weight } })
  return true
end

---- What is saved ---------------------------------------------------------------------------------------------------

-- What of a checkpoint is a rank's.
local function name_of(rank) return "rank" .. rank end

--- What each rank has of its own goes into a snapshot: the place in its data, and where ranks step alone, networks,
--- moments and what penalties remember. Rank 0's networks are those of the run.
---@param snapshot ganlua.snapshot
function Federated:add_to(snapshot)
  local game, own = self.game, {}
  own.data = game.data.state and game.data:state() or nil
  if self.average then
    own.penalties, own.networks, own.moments = snapshot.counters.penalties, {}, {}
    for name, player in pairs(game.players) do
      own.networks[name] = core.safetensors_encode(player.module:state())
      own.moments[name] = player.moments and dotted.pack(player.moments)
    end
    if game.ema and ranks.rank == 0 then own.networks.ema = core.safetensors_encode(game.ema:state()) end
  end
  local all = ranks.gather(own)
  for place, one in ipairs(all) do
    local rank = name_of(place - 1)
    for name, bytes in pairs(one.networks or {}) do
      local state = core.safetensors_decode(bytes, rank)
      snapshot.networks[place == 1 and name or rank .. "." .. name] = { state = function() return state end }
    end
    local moments = {}
    for name, packed in pairs(one.moments or {}) do moments[name] = dotted.unpack(packed) end
    if place > 1 then
      snapshot.moments[rank] = moments
    else
      for name, its in pairs(moments) do snapshot.moments[name] = its end
    end
    one.networks, one.moments = nil, nil
  end
  snapshot.counters.ranks, snapshot.counters.data, snapshot.counters.penalties = all, nil, all[1].penalties
end

--- What this rank's networks are called in a checkpoint.
---@param networks table<string, ganlua.module>
---@return table<string, ganlua.module>
function Federated:named(networks)
  if not self.average or ranks.rank == 0 then return networks end
  local named = {}
  for name, network in pairs(networks) do
    named[name == "ema" and name or name_of(ranks.rank) .. "." .. name] = network
  end
  return named
end

--- Takes up what is this rank's in a checkpoint, when the networks have theirs.
---@param saved ganlua.checkpoint
function Federated:take(saved)
  local all, game = saved.counters.ranks or {}, self.game
  if #all ~= ranks.size then
    check.fail("%s: was saved by %d ranks, each with data of its own; these are %d", saved.path, #all, ranks.size)
  end
  local own = all[ranks.rank + 1]
  if own.data and game.data.load_state then game.data:load_state(own.data) end
  if not self.average or ranks.rank == 0 then return end
  local moments = saved.moments[name_of(ranks.rank)] or {}
  for name, player in pairs(game.players) do player.moments, player.memory = moments[name], own.penalties[name] end
end

return federated
