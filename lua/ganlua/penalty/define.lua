--- What a penalty is, how a new one is defined, and what the game asks of a list of them. See ganlua.penalty.

local check = require "ganlua.check"
local core = require "ganlua.core"
local curve = require "ganlua.curve"
local is_module = require("ganlua.nn.state").is
local merged = require "ganlua.merged"

local penalty = {}

---@class ganlua.penalty
---@field name string
---@field player "discriminator"|"generator"|"both" whose loss it is added to
---@field needs? "real"|"losses" what it wants computed in a move that would do without
---@field every integer
---@field with fun(self: ganlua.penalty, changes: table): ganlua.penalty the same with some options changed

--- What a penalty's function sees of a move.
---@class ganlua.penalty_move
---@field mover "discriminator"|"generator" whose loss it is
---@field discriminator fun(x: ganlua.tensor, labels: ganlua.tensor?): ganlua.tensor scores; with labels where the game
--- has some
---@field real? ganlua.tensor as the discriminator saw them: with noise, packed; for the generator where needed
---@field fake ganlua.tensor the same of the generated
---@field real_scores? ganlua.tensor
---@field fake_scores ganlua.tensor
---@field real_labels? ganlua.tensor where the discriminator looks at labels, or tells classes apart
---@field fake_labels? ganlua.tensor what the generator was asked for
---@field real_class_scores? ganlua.tensor N x classes, of a discriminator that tells classes apart
---@field fake_class_scores? ganlua.tensor
---@field latent ganlua.tensor what the generator was given
---@field generated ganlua.tensor what it made
---@field losses? { discriminator: ganlua.tensor, generator: ganlua.tensor } where the definition needs them
---@field parameters { discriminator: ganlua.tensor[], generator: ganlua.tensor[] }
---@field memory table this penalty's own numbers, kept by the player and saved with the run

---- Defining a penalty -------------------------------------------------------------------------------------------

local definition = {
  name = { type = "string", required = true },
  options = { type = "table", default = {} },
  weight = { type = "number", min = 0, default = 1 },
  player = { type = "string", choices = { "discriminator", "generator", "both" }, default = "discriminator" },
  needs = { type = "string", choices = { "real", "losses" } },
  value = { type = "function" },
  after = { type = "function" },
}

local metatable = { __name = "ganlua.penalty" }

function metatable.__tostring(self)
  local texts = {}
  for name, value in pairs(self.options) do
    local text = type(value) == "number" and ("%g"):format(value) or is_module(value) and value.kind or tostring(value)
    texts[#texts + 1] = ("%s=%s"):format(name, text)
  end
  table.sort(texts)
  return ("%s{%s}"):format(self.name, table.concat(texts, ", "))
end

--- Whether a value is a penalty.
---@param value any
---@return boolean
function penalty.is(value)
  local found = type(value) == "table" and getmetatable(value)
  return found and found.__name == metatable.__name or false
end

--- Defines a penalty and returns its constructor. value(move, options) returns one number as a tensor, which the
--- weight is put in front of (see ganlua.penalty_move for what it sees); after(parameters, options) is called when the
--- player has stepped, under no_grad. One of the two, or both, must be there. `options` are rows as in check.options
--- (rows of curve.option may be curves: value sees numbers), `weight` is the default. needs = "real" has real samples
--- scored in the generator's move too, needs = "losses" both players' losses, with graphs to both.
---
---     local small = gan.penalty.define{ name = "small", weight = 0.1,
---       value = function(move) return move.fake_scores:square():mean() end }
---@param spec table
---@return fun(options?: table): ganlua.penalty
function penalty.define(spec)
  local row = check.options("penalty.define", spec, definition)
  if not row.value and not row.after then check.fail("penalty.define: '%s' needs value, or after", row.name) end
  local rows = {}
  for name, option in pairs(row.options) do rows[name] = option end
  if row.value then
    rows.weight = curve.option { min = 0, default = row.weight }
    rows.every = { type = "integer", min = 1, default = 1 }
  end
  local curves = {}
  for name, option in pairs(rows) do curves[name] = option.curve end
  local function make(options)
    local o = check.options("penalty." .. row.name, options, rows)
    return setmetatable({
      name = row.name, player = row.player, needs = row.needs, value = row.value, after = row.after,
      options = o, curves = curves, every = o.every or 1,
      with = function(_, changes) return make(merged(o, changes)) end,
    }, metatable)
  end
  return make
end

---- What the game calls ------------------------------------------------------------------------------------------

-- The options as numbers, at a moment.
local function options_at(self, clock)
  local o = {}
  for name, value in pairs(self.options) do
    local bounds = self.curves[name]
    if bounds and type(value) ~= "number" then value = curve.at(value, clock, self.name .. ": " .. name, bounds) end
    o[name] = value
  end
  return o
end

local nothing <const> = {} -- never written

--- The penalties of a list that a player's move computes this time, each with its options and its memory; their counts
--- go one up. The field `listed` says whether there are any that add something, now or another time.
---@param list ganlua.penalty[]
---@param player ganlua.player
---@param clock ganlua.clock
---@return { penalty: ganlua.penalty, options: table, memory: table }[]
function penalty.due(list, player, clock)
  if #list == 0 then return nothing end
  local due, times = {}, {}
  for _, each in ipairs(list) do
    if each.player == player.name or each.player == "both" then
      times[each.name] = (times[each.name] or 0) + 1
      local key = times[each.name] == 1 and each.name or each.name .. times[each.name]
      local memory = player.memory[key] or { count = 0 }
      player.memory[key] = memory
      memory.count = memory.count + 1
      due.listed = due.listed or each.value ~= nil
      if memory.count % each.every == 0 then
        due[#due + 1] = { penalty = each, options = options_at(each, clock), memory = memory }
      end
    end
  end
  return due
end

--- What the due penalties add to a loss, nil where that is nothing.
---@param due table[] from penalty.due
---@param move ganlua.penalty_move
---@return ganlua.tensor?
function penalty.total(due, move)
  local total
  for _, each in ipairs(due) do
    local value = each.penalty.value
    if value then
      move.memory = each.memory
      local term = value(move, each.options) * (each.options.weight * each.penalty.every)
      total = total and total + term or term
    end
  end
  return total
end

--- What the due penalties do when the player has stepped.
---@param due table[] from penalty.due
---@param parameters ganlua.tensor[] the player's
function penalty.after(due, parameters)
  for _, each in ipairs(due) do
    if each.penalty.after then core.no_grad(each.penalty.after, parameters, each.options) end
  end
end

return penalty
