--- The user's own data: a function that gives one example at a time.

local check = require "ganlua.check"
local core = require "ganlua.core"
local source = require "ganlua.data.source"
local streams = require "ganlua.streams"

local from = {}

-- Example i of the function: a tensor, and a label or nil. What it draws at random follows the seed and i.
local function example(read, i, classes)
  local seed = core.get_random().seed
  local value, label = streams.with(seed, streams.number("example", i), read, i)
  if type(value) == "table" or type(value) == "number" then value = core.tensor(value) end
  if not core.is_tensor(value) then
    check.fail("data.from: example %d: wanted a tensor or numbers, got %s", i, check.describe(value))
  end
  if label ~= nil and (math.type(label) == nil or label < 0 or label >= source.most_classes or label % 1 ~= 0) then
    check.fail("data.from: example %d: a label is a whole number from 0 to %d, got %s", i, source.most_classes - 1,
      check.describe(label))
  elseif label and classes and label >= #classes then
    check.fail("data.from: example %d has label %s, there are %d classes, whose labels are from 0", i,
      check.describe(label), #classes)
  end
  return value, label
end

--- A data set of the examples read(1), read(2), ...: see data.from.
---@param read fun(i: integer): any, integer?
---@param count number
---@param classes string[]?
function from.open(read, count, classes)
  local first, first_label = example(read, 1, classes)
  local shape = first:shape()

  -- The examples with these numbers, stacked.
  local function stack(numbers)
    local list, labels = {}, first_label and {} or nil
    for k, i in ipairs(numbers) do
      local value, label = example(read, i, classes)
      if check.shape_text(value:shape()) ~= check.shape_text(shape) then
        check.fail("data.from: example %d is %s, example 1 is %s", i, check.shape_text(value:shape()),
          check.shape_text(shape))
      elseif (label == nil) ~= (first_label == nil) then
        check.fail("data.from: example %d has %s label, example 1 has %s", i, label and "a" or "no",
          first_label and "one" or "none")
      end
      list[k] = value:reshape(1, table.unpack(shape))
      if labels then labels[k] = label end
    end
    return #list == 1 and list[1] or core.concat(list, 1), labels and core.tensor(labels)
  end

  return source.new {
    name = "a function",
    count = count,
    example_shape = shape,
    classes = classes,
    read = function(places)
      local numbers = places:totable()
      for k, place in ipairs(numbers) do numbers[k] = math.tointeger(place) end
      return stack(numbers)
    end,
    draw = function(start, n)
      local numbers = {}
      for k = 1, n do numbers[k] = start + k end
      return stack(numbers)
    end,
  }
end

return from
