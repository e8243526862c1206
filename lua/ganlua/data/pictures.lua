--- Pictures in a folder or a zip, as a data set: PNG and JPEG of any size, in one folder a class if there are classes.
--
-- All pictures are looked at, and decoded once, when the set is opened: what cannot be read is left out and named then,
-- not in the middle of a run. They stay in memory, a byte a number, as far as `cache` allows; the rest is decoded when
-- it is wanted, one batch ahead, on a thread of its own.

local check = require "ganlua.check"
local core = require "ganlua.core"
local listing = require "ganlua.data.listing"
local source = require "ganlua.data.source"

local pictures = {}

-- How many pictures the core is given at once: between two calls a signal is noticed.
local at_once <const> = 512
-- Sizes that are chosen where pictures differ: powers of two, as networks like them.
local smallest <const>, largest <const> = 8, 128

-- Keeps the pictures for which refused[place] is nil, in the album and in what the listing knows of them.
local function leave_out(album, list, class_of, refused)
  if not next(refused) then return class_of end
  local places, paths, classes = {}, {}, {}
  for place, path in ipairs(list.paths) do
    if refused[place] then
      list.skipped[#list.skipped + 1] = { name = path, reason = refused[place] }
    else
      places[#places + 1], paths[#paths + 1] = place, path
      classes[#classes + 1] = class_of and class_of[place]
    end
  end
  list.paths = paths
  listing.check_any(list, list.root)
  album:keep(core.tensor(places))
  return class_of and classes
end

-- Calls album:look or album:load on all pictures; what they refused, by place.
local function over_all(album, verb, ...)
  local refused = {}
  for first = 1, (album:count()), at_once do
    local some = album[verb](album, first, math.min(first + at_once - 1, (album:count())), ...)
    for place, reason in pairs(some) do refused[place] = reason end
  end
  return refused
end

-- The numbers of a column of the album's heads, and how often each comes.
local function column(heads, which)
  local values = heads:narrow(2, which, 1):reshape(heads:shape()[1]):totable()
  for i, value in ipairs(values) do values[i] = math.tointeger(value) end
  return values
end

-- The size that all have, or a square that suits most: the largest power of two that half of them reach.
local function choose_size(heights, widths)
  local same, sides = true, {}
  for i, height in ipairs(heights) do
    same = same and height == heights[1] and widths[i] == widths[1]
    sides[i] = math.min(height, widths[i])
  end
  if same then return heights[1], widths[1] end
  table.sort(sides)
  local median, side = sides[(#sides + 1) // 2], smallest
  while side * 2 <= math.min(median, largest) do side = side * 2 end
  return side, side
end

local function count_sizes(heights, widths)
  local counts, list = {}, {}
  for i, height in ipairs(heights) do
    local text = ("%dx%d"):format(height, widths[i])
    counts[text] = (counts[text] or 0) + 1
  end
  for text, count in pairs(counts) do list[#list + 1] = { size = text, count = count } end
  table.sort(list, function(a, b)
    if a.count ~= b.count then return a.count > b.count end
    return a.size < b.size
  end)
  return list
end

-- Most bytes for decoded pictures, and for decoding a single one.
local function limits(cache)
  local memory = core.memory()
  local free = memory.cap > 0 and memory.cap - memory.live or nil
  return cache or free and free // 3 or 1 << 30, free and free // 16 or 1 << 30
end

local function thousands(number)
  local text = tostring(number)
  while true do
    local more, found = text:gsub("^(%d+)(%d%d%d)", "%1,%2")
    if found == 0 then return text end
    text = more
  end
end

local function plural(count, one, many) return ("%s %s"):format(thousands(count), count == 1 and one or many) end

-- "7,114 pictures in 10 classes, 64x64x3 from 12 sizes, 3 skipped: a/b.png (is empty), ..."
local function summarise(set, list)
  local parts = { plural(set.count, "picture", "pictures")
    .. (set.classes and " in " .. plural(#set.classes, "class", "classes") or "") }
  local shape = check.shape_text(set.example_shape)
  parts[2] = #set.sizes == 1 and shape or ("%s from %s"):format(shape, plural(#set.sizes, "size", "sizes"))
  if list.part then parts[#parts + 1] = ("the part %q"):format(list.part) end
  if list.hidden > 0 then parts[#parts + 1] = plural(list.hidden, "hidden file", "hidden files") .. " passed over" end
  if list.foreign > 0 then parts[#parts + 1] = plural(list.foreign, "other file", "other files") .. " passed over" end
  local names = {}
  for i = 1, math.min(#list.skipped, 10) do
    names[i] = ("%s (%s)"):format(check.printable(list.skipped[i].name), list.skipped[i].reason)
  end
  if #list.skipped > 10 then names[11] = ("and %s more"):format(thousands(#list.skipped - 10)) end
  if #names > 0 then
    parts[#parts + 1] = ("%s skipped: %s"):format(thousands(#list.skipped), table.concat(names, ", "))
  end
  return table.concat(parts, ", ")
end

-- The labels of all pictures and the names of the classes that have any left.
local function label(names, class_of)
  local has, kept, number = {}, {}, {}
  for _, class in ipairs(class_of) do has[class] = true end
  for class, name in ipairs(names) do
    if has[class] then
      kept[#kept + 1] = name
      number[class] = #kept - 1
    end
  end
  local labels = {}
  for i, class in ipairs(class_of) do labels[i] = number[class] end
  return core.tensor(labels), kept
end

--- Opens a folder or a zip. given: size (a number, or {height, width}), channels (1 or 3), cache (bytes).
---@param path string
---@param given { size: integer|integer[]|nil, channels: integer?, cache: integer? }
function pictures.open(path, given)
  local zipped = not core.is_directory(path)
  local list = zipped and listing.zip(path) or listing.folder(path)
  list.root = path
  local names, class_of = listing.classes(list)
  listing.check_any(list, path)

  local album = zipped and core.album(path, list.where) or core.album(list.where)
  local cache, most = limits(given.cache)
  class_of = leave_out(album, list, class_of, over_all(album, "look", most))
  local heads = album:heads()
  local heights, widths, colours = column(heads, 1), column(heads, 2), column(heads, 3)
  local height, width = choose_size(heights, widths)
  if given.size then
    height = type(given.size) == "table" and given.size[1] or given.size
    width = type(given.size) == "table" and given.size[2] or given.size
  end
  local channels = given.channels
  if not channels then
    channels = 1
    for _, colour in ipairs(colours) do channels = colour == 1 and 3 or channels end
  end
  album:prepare(height, width, channels, cache)
  class_of = leave_out(album, list, class_of, over_all(album, "load"))
  heads = album:heads() -- of those that are left

  local labels, classes
  if names then labels, classes = label(names, class_of) end
  local set = source.new {
    name = path,
    count = (album:count()),
    example_shape = { height, width, channels },
    classes = classes,
    labels = labels,
    sizes = count_sizes(column(heads, 1), column(heads, 2)),
    paths = list.paths,
    skipped = list.skipped,
    hidden = list.hidden,
    foreign = list.foreign,
    read = function(places) return album:read(places), labels and labels:index(1, places) end,
    prefetch = function(places) album:prefetch(places) end,
  }
  set.summary = summarise(set, list)
  return set
end

return pictures
