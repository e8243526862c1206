--- What a data set holds, in numbers and a picture: data:describe().

local check = require "ganlua.check"
local core = require "ganlua.core"

local describe = {}

local at_once <const> = 256
-- Of a set without end, and of a large one that a user does not want to wait for.
local endless_count <const> = 1000
local shown <const> = 64

---@class ganlua.description
---@field count number examples in all; math.huge where they are drawn anew
---@field examined integer how many were looked at
---@field shape integer[]
---@field classes { name: string, count: integer }[]?
---@field range { min: number, max: number, mean: number, std: number } of the numbers that are finite
---@field not_finite integer how many numbers are nan or infinite
---@field sick integer[] places of the examples that have such numbers
---@field sizes { size: string, count: integer }[]? of pictures before they were brought to one size
---@field duplicates integer[][] groups of places whose examples are equal, number for number
---@field skipped { name: string, reason: string }[]?
---@field grid ganlua.image? some examples, where they are pictures
local Description = {}
Description.__index = Description

local function list_text(list, most, text)
  local words = {}
  for i = 1, math.min(#list, most) do words[i] = text(list[i]) end
  if #list > most then words[#words + 1] = ("and %d more"):format(#list - most) end
  return table.concat(words, ", ")
end

function Description:__tostring()
  local lines = { self.summary or self.name }
  local function line(title, format, ...) lines[#lines + 1] = ("  %-11s "):format(title) .. format:format(...) end
  line("examples", "%s of %s%s", self.count == math.huge and "endless" or ("%d"):format(self.count),
    check.shape_text(self.shape), self.examined ~= self.count and (", %d examined"):format(self.examined) or "")
  if self.classes then
    line("classes", "%s", list_text(self.classes, 20, function(class)
      return ("%s: %d"):format(check.printable(class.name), class.count)
    end))
  end
  if self.sizes then
    line("sizes", "%s", list_text(self.sizes, 8, function(size) return ("%s: %d"):format(size.size, size.count) end))
  end
  local range = self.range
  if range.min <= range.max then
    line("values", "%.4g to %.4g, mean %.4g, standard deviation %.4g", range.min, range.max, range.mean, range.std)
  end
  if self.not_finite > 0 then
    line("not finite", "%d numbers (nan or infinite), in %d examples: %s", self.not_finite, #self.sick,
      list_text(self.sick, 8, tostring))
  end
  local extra = 0
  for _, group in ipairs(self.duplicates) do extra = extra + #group - 1 end
  line("duplicates", "%s", extra == 0 and "none" or ("%d, such as %s"):format(extra,
    list_text(self.duplicates, 3, function(group) return "{" .. list_text(group, 4, tostring) .. "}" end)))
  if self.skipped and #self.skipped > 0 then
    line("skipped", "%s", list_text(self.skipped, 10, function(file)
      return ("%s (%s)"):format(check.printable(file.name), file.reason)
    end))
  end
  if self.grid then line("grid", "description.grid:save(\"grid.png\") shows %d of them", self.shown) end
  return table.concat(lines, "\n")
end

-- Adds up minima, maxima and moments of the numbers that are finite over batches, and which examples have others.
local function measure(range, batch, start)
  local all, n = batch:numel(), batch:numel()
  local low, high, kept = batch, batch, batch
  if not core.all_finite(batch) then
    local finite = (batch - batch):eq(0)
    for i, share in ipairs(finite:reshape(#batch, -1):mean(2):totable()) do
      if share < 1 then table.insert(range.sick, start + i) end
    end
    n = math.floor(finite:sum():item() + 0.5)
    range.not_finite = range.not_finite + all - n
    kept = core.where(finite, batch, 0)
    low, high = core.where(finite, batch, math.huge), core.where(finite, batch, -math.huge)
  end
  range.min, range.max = math.min(range.min, low:min():item()), math.max(range.max, high:max():item())
  range.n, range.sum = range.n + n, range.sum + kept:mean():item() * all
  range.squares = range.squares + (kept * kept):mean():item() * all
end

-- Groups of equal examples, by their digests.
local function group(places_of)
  local groups = {}
  for _, places in pairs(places_of) do
    if #places > 1 then groups[#groups + 1] = places end
  end
  table.sort(groups, function(a, b) return a[1] < b[1] end)
  return groups
end

local function examine(set, count)
  local range = { min = math.huge, max = -math.huge, n = 0, sum = 0, squares = 0, not_finite = 0, sick = {} }
  local places_of, labelled, counts, first = {}, false, {}, nil
  for start = 0, count - 1, at_once do
    local n = math.min(at_once, count - start)
    local batch, labels
    if set.count == math.huge then
      batch, labels = set.draw(start, n)
    else
      batch, labels = set.read(core.arange(start + 1, start + n + 1, 1))
    end
    first = first or batch
    measure(range, batch, start)
    for i, digest in ipairs(core.row_digests(batch)) do
      local places = places_of[digest] or {}
      places_of[digest] = places
      places[#places + 1] = start + i
    end
    for _, label in ipairs(labels and labels:totable() or {}) do
      labelled, label = true, math.tointeger(label) or label
      counts[label] = (counts[label] or 0) + 1
    end
  end
  return range, group(places_of), labelled and counts or nil, first
end

-- Some examples from all over the set, as a picture.
local function sample(set, count, first)
  local shape = set.example_shape
  if #shape ~= 3 or shape[3] ~= 1 and shape[3] ~= 3 then return nil end
  local n = math.min(shown, count)
  local some = first:narrow(1, 1, math.min(n, first:shape()[1]))
  if set.count ~= math.huge then
    local places = {}
    for k = 1, n do places[k] = 1 + (k - 1) * count // n end
    some = set.read(core.tensor(places))
  end
  return require("ganlua.image").grid(some), some:shape()[1]
end

--- Looks at all examples (1,000 of an endless set; at most `most` where that is given), in order.
---@param set any
---@param most integer?
---@return ganlua.description
function describe.set(set, most)
  local count = set.count == math.huge and endless_count or set.count
  count = math.min(count, most or count)
  local range, duplicates, counts, first = core.no_grad(examine, set, count)
  local mean = range.sum / range.n
  local classes
  if counts then
    classes = {}
    local highest = 0
    for label in pairs(counts) do highest = math.max(highest, label) end
    for label = 0, math.max(highest, set.classes and #set.classes - 1 or 0) do
      local name = set.classes and set.classes[label + 1] or tostring(label)
      classes[label + 1] = { name = name, count = counts[label] or 0 }
    end
  end
  local grid, in_grid = sample(set, count, first)
  return setmetatable({
    name = tostring(set), summary = set.summary, count = set.count, examined = count, shape = set:shape(),
    classes = classes, sizes = set.sizes, skipped = set.skipped, duplicates = duplicates, grid = grid, shown = in_grid,
    not_finite = range.not_finite, sick = range.sick,
    range = {
      min = range.min, max = range.max, mean = mean, std = math.max(range.squares / range.n - mean ^ 2, 0) ^ 0.5,
    },
  }, Description)
end

return describe
