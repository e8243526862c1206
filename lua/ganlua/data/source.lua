--- What every data set is: examples in an endless, shuffled order.
--
-- Example number e of the endless sequence (from 0) lies in epoch e // size, and each epoch is a permutation of the
-- whole set that depends on the seed (gan.seed, or the run's) and the epoch alone. So batch k is a function of seed,
-- batch size and k, however the run came there, and the only state is how many examples were handed out.

local check = require "ganlua.check"
local core = require "ganlua.core"
local streams = require "ganlua.streams"

--- A data set, as gan.data.open gives it.
---@class ganlua.data.source
---@field name string
---@field classes string[]? the names of the classes
---@field centres ganlua.tensor? of points in the plane: the modes' centres, a row each
---@field std number? of points in the plane: a mode's width
local Source = {}
Source.__index = Source

local source = { Source = Source }

--- Labels are below this: what counts by class, counts up to the highest one.
source.most_classes = 1 << 16

--- Makes a data set of `count` examples. `read(indices)` returns the examples at those places (a tensor of numbers
--- from 1) and their labels, if there are any.
--- `prefetch(indices)`, where there is one, is told what will be wanted next. `draw(first, n)` stands for `read` where
--- count is math.huge; `kinds` is how many classes it draws alike. Where labels can be had without the examples,
--- `labels` is a tensor of all, or labels_at(indices) gives some. `places(set, first, n)` stands for the shuffled
--- order.
---@param fields { name: string, count: number, example_shape: integer[], read: function, classes: string[]? }
function source.new(fields)
  fields.position = 0
  return setmetatable(fields, Source)
end

--- How many examples there are; math.huge where they are drawn anew each time.
function Source:size() return self.count end

--- The shape of one example: {height, width, channels} for pictures.
function Source:shape() return { table.unpack(self.example_shape) } end

-- The places (from 1) of n examples from number `first` (from 0) of the endless order.
local function places(self, first, n)
  local seed, parts = core.get_random().seed, {}
  while n > 0 do
    local epoch, start = first // self.count, first % self.count
    if self.epoch ~= epoch or self.seed ~= seed then
      self.order = core.permutation(self.count, seed, streams.number("order", epoch))
      self.epoch, self.seed = epoch, seed
    end
    local length = math.min(n, self.count - start)
    parts[#parts + 1] = self.order:narrow(1, start + 1, length)
    first, n = first + length, n - length
  end
  return #parts == 1 and parts[1] or core.concat(parts, 1)
end

local function read(self, first, n)
  if self.count == math.huge then return self.draw(first, n) end
  local order = self.places or places
  local examples, labels = self.read(order(self, first, n))
  if self.prefetch then self.prefetch(order(self, first + n, n)) end -- most readers go on with the next batch
  return examples, labels
end

-- The examples from number `first` of the n that begin at `start`: of endless ones all are drawn.
local function read_part(self, start, n, first, count)
  if self.count == math.huge then
    local examples, labels = self.draw(start, n)
    return examples:narrow(1, first + 1, count), labels and labels:narrow(1, first + 1, count)
  end
  local order = self.places or places
  local examples, labels = self.read(order(self, start + first, count))
  if self.prefetch then self.prefetch(order(self, start + n + first, count)) end
  return examples, labels
end

--- The next n examples and their labels (nil where there are none), or batch k (from 1) of the endless order, which
--- leaves the place of the next one as it was.
---@param n integer
---@param k? integer
---@return any images n x shape
---@return any labels n, from 0
function Source:batch(n, k)
  if not math.tointeger(n) or n < 1 then
    check.fail("data:batch: the batch size must be a positive integer, got %s", check.describe(n))
  elseif k ~= nil and (not math.tointeger(k) or k < 1) then
    check.fail("data:batch: the batch's number must be a positive integer, got %s", check.describe(k))
  end
  n, k = math.tointeger(n), math.tointeger(k)
  local first = k and (k - 1) * n or self.position
  local images, labels = core.no_grad(read, self, first, n)
  if not k then self.position = first + n end
  return images, labels
end

--- Of the next n examples those from number `first` (from 0) on, `count` of them, and their labels; what comes next is
--- behind all n. So each of several readers that go on alike takes its own part of a batch.
---@param n integer
---@param first integer
---@param count integer
---@return any images count x shape
---@return any labels
function Source:part(n, first, count)
  local images, labels = core.no_grad(read_part, self, self.position, n, first, count)
  self.position = self.position + n
  return images, labels
end

--- The same examples from the first one on, with a place of its own: what one reader takes, another one still gets.
---@return ganlua.data.source
function Source:reader()
  local own = {}
  for key, value in pairs(self) do own[key] = value end
  own.position = 0
  return setmetatable(own, getmetatable(self))
end

--- The examples from number `first` to number `last` of the set, as a set of its own: to train on one part of the
--- data and test on another.
---@param first integer
---@param last integer
function Source:slice(first, last)
  if self.count == math.huge then check.fail("data:slice: this data has no end, and so no parts") end
  local whole = math.type(first) == "integer" and math.type(last) == "integer"
  if not whole or first < 1 or last < first or last > self.count then
    check.fail("data:slice: %s to %s is not inside 1 to %d", tostring(first), tostring(last), self.count)
  end
  local part = source.new {
    name = ("%s, %d to %d"):format(self.name, first, last),
    count = last - first + 1,
    example_shape = self.example_shape,
    classes = self.classes,
    labels = self.labels and self.labels:narrow(1, first, last - first + 1),
    read = function(indices) return self.read(indices + (first - 1)) end,
    prefetch = self.prefetch and function(indices) self.prefetch(indices + (first - 1)) end,
    labels_at = self.labels_at and function(indices) return self.labels_at(indices + (first - 1)) end,
  }
  return self.places and part:balanced() or part
end

--- How often each class comes, by label + 1; nil where there are no labels.
---@return integer[]?
function Source:class_counts()
  return require("ganlua.data.classes").counts(self)
end

--- The same examples in an order that has each class equally often.
---@return ganlua.data.source
function Source:balanced()
  return require("ganlua.data.classes").balanced(self)
end

--- The examples of one class alone, named by its label or its name.
---@param class integer|string
---@return ganlua.data.source
function Source:only(class)
  return require("ganlua.data.classes").only(self, class)
end

--- How far the set was read: what a checkpoint keeps.
function Source:state() return { position = self.position } end

--- Goes on where `state`, a table that state() gave, was.
---@param state { position: integer }
function Source:load_state(state) self.position = state.position end

--- Examines the set: counts by class, sizes, the range of values, duplicates, and a grid of some examples. `print` it.
---@param most? integer examine only the first ones
---@return ganlua.description
function Source:describe(most)
  if most ~= nil and (math.type(most) ~= "integer" or most < 1) then
    check.fail("data:describe: wanted how many examples to examine at most, got %s", check.describe(most))
  end
  return require("ganlua.data.describe").set(self, most)
end

function Source:__tostring()
  if self.summary then return ("%s: %s"):format(self.name, self.summary) end
  local count = self.count == math.huge and "endless" or ("%d"):format(self.count)
  local classes = self.classes and (", %d classes"):format(#self.classes) or ""
  return ("%s: %s examples of %s%s"):format(self.name, count, check.shape_text(self.example_shape), classes)
end

return source
