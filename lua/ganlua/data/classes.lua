--- Data sets by their classes: how often each comes, all of them equally often, one of them alone.

local check = require "ganlua.check"
local core = require "ganlua.core"
local source = require "ganlua.data.source"
local streams = require "ganlua.streams"

local classes = {}

local at_once <const> = 256
-- Of a set without end that has to be looked at.
local endless_count <const> = 1000

-- The label of every example in order; nil where there are none.
local function all_labels(set)
  if set.labels then return set.labels:totable() end
  local all, count = {}, set.count == math.huge and endless_count or set.count
  for start = 0, count - 1, at_once do
    local n = math.min(at_once, count - start)
    local places = core.arange(start + 1, start + n + 1, 1)
    local labels
    if set.labels_at then
      labels = set.labels_at(places)
    else
      local read = set.count == math.huge and set.draw or set.read
      labels = select(2, core.no_grad(read, set.count == math.huge and start or places, n))
    end
    if not labels then return nil end
    table.move(labels:totable(), 1, n, start + 1, all)
  end
  return all
end

-- The same as integers.
local function whole_labels(set)
  local all = all_labels(set)
  for place, label in ipairs(all or {}) do all[place] = math.tointeger(label) end
  return all
end

-- The places of each class.
local function places_by_class(set, what)
  if set.count == math.huge then check.fail("data:%s: this data has no end, and so no places", what) end
  local labels = whole_labels(set)
  if not labels then check.fail("data:%s: these examples have no labels", what) end
  local places = {}
  for place, label in ipairs(labels) do
    for class = #places, label do places[class + 1] = places[class + 1] or {} end
    local own = places[label + 1]
    own[#own + 1] = place
  end
  return places
end

--- How often each class comes, by label + 1; nil where there are no labels. Of an endless set whose kinds are not known
--- the first 1,000 examples count.
---@param set any
---@return integer[]?
function classes.counts(set)
  if set.kinds then
    local even = {}
    for class = 1, set.kinds do even[class] = 1 end
    return even
  end
  local labels, counts = whole_labels(set), {}
  if not labels then return nil end
  for _, label in ipairs(labels) do
    for class = #counts + 1, label + 1 do counts[class] = 0 end
    counts[label + 1] = counts[label + 1] + 1
  end
  for class = #counts + 1, set.classes and #set.classes or 0 do counts[class] = 0 end
  return counts
end

-- What an order is made of: a permutation of n that depends on the seed, a class (0: the classes themselves) and a
-- round alone. Rounds are fewer than 2^20.
local function shuffled(cache, n, class, round)
  local seed = core.get_random().seed
  local kept = cache[class]
  if not kept or kept.round ~= round or kept.seed ~= seed then
    local order = core.permutation(n, seed, streams.number("balanced", class << 20 | round & 0xfffff))
    kept = { round = round, seed = seed, order = order:totable() }
    cache[class] = kept
  end
  return kept.order
end

--- The same examples in an order that has each class equally often: of every K examples in a row, one of each of the K
--- classes that have any. The examples of a class come in rounds: each once, then all again.
---@param set any
---@return any
function classes.balanced(set)
  local all = places_by_class(set, "balanced")
  local present, kinds, cache = {}, #all, {}
  for _, places in ipairs(all) do
    if #places > 0 then present[#present + 1] = places end
  end
  local function places_from(_, first, n)
    local list, count = {}, #present
    for k = 1, n do
      local e = first + k - 1
      local round, at = e // count, e % count
      local class = math.tointeger(shuffled(cache, count, 0, round)[at + 1])
      local own = present[class]
      local order = shuffled(cache, #own, class, round // #own)
      list[k] = own[math.tointeger(order[round % #own + 1])]
    end
    return core.tensor(list)
  end
  local own = set:reader()
  own.name, own.places = set.name .. ", balanced", places_from
  own.summary = set.summary and set.summary .. ", balanced"
  own.class_counts = function()
    local counts = {}
    for class = 1, kinds do counts[class] = #all[class] > 0 and 1 or 0 end
    return counts
  end
  return own
end

--- The examples of one class, as a set of its own, without labels.
---@param set any
---@param class integer|string its label, or its name
---@return any
function classes.only(set, class)
  local label = class
  if type(class) == "string" then
    label = nil
    for place, name in ipairs(set.classes or {}) do label = name == class and place - 1 or label end
    if not label then check.fail("data:only: there is no class '%s'%s", class, check.hint(class, set.classes or {})) end
  end
  local places = math.type(label) and places_by_class(set, "only")[label + 1] or {}
  if #places == 0 then check.fail("data:only: there are no examples of class %s", check.describe(class)) end
  local where = core.tensor(places)
  return source.new {
    name = ("%s, class %s"):format(set.name, set.classes and set.classes[label + 1] or label),
    count = #places,
    example_shape = set.example_shape,
    read = function(indices) return (set.read(where:index(1, indices))) end,
    prefetch = set.prefetch and function(indices) set.prefetch(where:index(1, indices)) end,
  }
end

return classes
