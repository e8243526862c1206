--- Who plays what under mpirun, where not every rank plays both networks on its rows of one batch: what gan.train's
-- option `ranks` takes. gan.dist.split and gan.dist.federated make it; seats.lua and federated.lua play it.

local check = require "ganlua.check"
local ranks = require "ganlua.ranks"

local roles = {}

---@class ganlua.roles
---@field kind "split"|"federated"
---@field generator integer? of split: the rank that the generator is on
---@field discriminator integer[]? of split: the ranks of the discriminators, one each
---@field combine string? of split: "mean", "max" or "softmax"
---@field lambda number? of "softmax"
---@field average integer? after so many moves of a player its weights are averaged
local Roles = { __name = "ganlua.roles" }
Roles.__index = Roles

-- All but which rank has whom: a run may go on with other ones.
function Roles:__tostring()
  local texts = {}
  if self.kind == "split" then texts[1] = ("%d discriminators, %s"):format(#self.discriminator, self.combine) end
  if self.lambda then texts[#texts + 1] = ("lambda=%g"):format(self.lambda) end
  if self.average then texts[#texts + 1] = ("average every %d"):format(self.average) end
  return ("%s{%s}"):format(self.kind, table.concat(texts, ", "))
end

--- What config.lua says of them, from which a run that is changed is known: where each rank has what no other has, how
--- many these are.
function Roles:text()
  return tostring(self) .. (self.kind == "federated" and (" on %d ranks"):format(ranks.size) or "")
end

--- Whether a value is one of these.
---@param value any
---@return boolean
function roles.is(value)
  return getmetatable(value) == Roles
end

-- Whether a value is a list of ranks.
local function is_list(value)
  if type(value) ~= "table" or #value == 0 then return false end
  for place, rank in pairs(value) do
    if math.type(place) ~= "integer" or math.type(rank) ~= "integer" or rank < 0 then return false end
  end
  return true
end

local list = { is = is_list, wanted = "a list of ranks such as { 0 }", required = true }

-- The option `average`: after how many moves, or nil.
local function averaging(where, given)
  if not given then return nil end
  return check.options(where .. ": average", given, { every = { type = "integer", min = 1, required = true } }).every
end

-- Every rank has one place, and there are no others.
local function check_ranks(o)
  local where = {}
  for _, name in ipairs { "generator", "discriminator" } do
    for _, rank in ipairs(o[name]) do
      if where[rank] then check.fail("dist.split: rank %d is named twice", rank) end
      where[rank] = true
      if ranks.many() and rank >= ranks.size then
        check.fail("dist.split: option '%s' names rank %d: there are %d ranks, 0 to %d", name, rank, ranks.size,
          ranks.size - 1)
      end
    end
  end
  for rank = 0, ranks.many() and ranks.size - 1 or -1 do
    if not where[rank] then
      check.fail("dist.split: rank %d of %d has no player: name it, or start mpirun with -n %d", rank, ranks.size,
        #o.discriminator + 1)
    end
  end
  if #o.generator > 1 then
    check.fail("dist.split: option 'generator' must be one rank, got %d: where ranks share out both networks' batches, "
      .. "nothing needs to be said", #o.generator)
  end
end

--- See gan.dist.split.
---@param options table
---@return ganlua.roles
function roles.split(options)
  local o = check.options("dist.split", options, {
    generator = list, discriminator = list, lambda = { type = "number", min = 0 }, average = { type = "table" },
    combine = { type = "string", choices = { "mean", "max", "softmax" }, default = "mean" },
  })
  check_ranks(o)
  if o.lambda and o.combine ~= "softmax" then
    check.fail("dist.split: option 'lambda' is for combine = \"softmax\", which is %q", o.combine)
  end
  return setmetatable({
    kind = "split", generator = o.generator[1], discriminator = o.discriminator, combine = o.combine,
    lambda = o.combine == "softmax" and (o.lambda or 1) or nil, average = averaging("dist.split", o.average),
  }, Roles)
end

--- See gan.dist.federated.
---@param options? table
---@return ganlua.roles
function roles.federated(options)
  local o = check.options("dist.federated", options, { average = { type = "table" } })
  return setmetatable({ kind = "federated", average = averaging("dist.federated", o.average) }, Roles)
end

---- In gan.train ----------------------------------------------------------------------------------------------------

-- Fails for penalties that need the generator and a discriminator in one graph.
local function check_penalties(where, penalties)
  for _, penalty in ipairs(penalties) do
    if penalty.player ~= "discriminator" then
      check.fail("%s: the penalty %s is the generator's, which is on another rank than the discriminators: it does not "
        .. "go with ranks = gan.dist.split", where, penalty.name)
    end
  end
end

--- Fails for settings, of a run or of a move, that these roles cannot play.
---@param self ganlua.roles
---@param where string how messages begin
---@param given table
function roles.check(self, where, given)
  local function refuse(name, asked)
    if asked then
      check.fail("%s: option '%s' does not go with ranks = gan.dist.%s%s", where, name, self.kind,
        self.kind == "federated" and "{ average = ... }" or "")
    end
  end
  if self.kind == "split" or self.average then
    refuse("reuse", given.reuse)
    refuse("micro_batch", given.micro_batch)
  end
  if self.kind == "split" then
    refuse("live", given.live)
    refuse("extragradient", given.extragradient)
    check_penalties(where, given.penalties or {})
  end
end

return roles
