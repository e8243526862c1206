--- numpy's arrays as data sets: a .npy file of pictures or other examples, with labels in a second file; or an .npz
--- archive with both.
--
-- Rows of a .npy file stay on disk and are read as they are wanted. What an .npz holds compressed, and what lies in
-- Fortran's order, is brought into memory.

local check = require "ganlua.check"
local core = require "ganlua.core"
local source = require "ganlua.data.source"

local npy = {}

local longest_head <const> = 1 << 16

---@class ganlua.array
---@field name string what messages call it
---@field type string as numpy writes it, "<f4"
---@field shape integer[]
---@field rows fun(places: any, scale: number, shift: number): any the examples at these places, n x the rest of shape

-- The numbers in one row, and the shape of n rows.
local function row_numbers(shape)
  local numbers = 1
  for i = 2, #shape do numbers = numbers * shape[i] end
  return numbers
end

local function with_count(shape, n) return { n, table.unpack(shape, 2) } end

-- An array whose bytes, head and all, are in memory.
local function in_memory(bytes, name)
  local head = core.npy_parse(bytes, #bytes, name)
  local shape, axes, numbers = head.shape, #head.shape, nil
  local function all()
    if numbers then return numbers end
    if head.columns_first and axes > 1 then
      local reversed, order = {}, {}
      for i = 1, axes do
        reversed[i], order[i] = shape[axes + 1 - i], axes + 1 - i
      end
      numbers = core.numbers(bytes, head.type, reversed, 1, 0, name, head.offset + 1):permute(order)
    else
      numbers = core.numbers(bytes, head.type, shape, 1, 0, name, head.offset + 1)
    end
    bytes = nil
    return numbers
  end
  return { name = name, type = head.type, shape = shape, all = all,
    rows = function(places, scale, shift) return all():index(1, places) * scale + shift end }
end

-- An array in a file, of which nothing stays in memory.
local function in_file(path)
  local size = core.file_size(path)
  local head = core.npy_parse(core.file_slice(path, 0, math.min(size, longest_head)), size, path)
  if head.columns_first and #head.shape > 1 or #head.shape == 0 or head.shape[1] == 0 then
    return in_memory(core.read_file(path), path)
  end
  local shape, bytes = head.shape, row_numbers(head.shape) * head.bytes
  return { name = path, type = head.type, shape = shape,
    all = function() return core.numbers(core.read_file(path), head.type, shape, 1, 0, path, head.offset + 1) end,
    rows = function(places, scale, shift)
      local some = core.file_rows({ path }, shape[1], head.offset, bytes, places)
      return core.numbers(some, head.type, with_count(shape, #places), scale, shift, path)
    end }
end

--- The arrays of an .npz, by name without ".npy", and their names in order.
---@param path string
---@return table<string, fun(): ganlua.array>
---@return string[]
local function archive(path)
  local names, entries, problems = core.zip_list(path)
  local arrays, order = {}, {}
  for i, file in ipairs(names) do
    local name = file:match "^(.+)%.npy$"
    if name then
      order[#order + 1] = name
      arrays[name] = function()
        if problems[i] then check.fail("%s: %s: %s", path, file, problems[i]) end
        return in_memory(core.zip_read(path, entries[i], file), path .. ": " .. file)
      end
    end
  end
  if #order == 0 then check.fail("%s: holds no arrays (files that end in .npy)", path) end
  table.sort(order)
  return arrays, order
end

-- The name that stands first in `wanted`, "train" names before others.
local function choose(order, wanted)
  for _, training in ipairs { true, false } do
    for _, word in ipairs(wanted) do
      for _, name in ipairs(order) do
        local plain = name:lower():gsub("train", ""):gsub("[^%a%d]", "")
        if plain == word and (name:lower():find "train" ~= nil) == training then return name end
      end
    end
  end
end

local function open_archive(path, images, labels)
  local arrays, order = archive(path)
  local function get(name)
    if not arrays[name] then check.fail("%s: holds no array '%s'%s", path, name, check.hint(name, order)) end
    return arrays[name]()
  end
  images = images or choose(order, { "x", "images", "image", "imgs", "pictures", "data", "features", "arr0" })
    or #order == 1 and order[1]
  if not images then
    check.fail("%s: which array holds the examples? Say data.npy{ path, images = %q } (it holds %s)", path, order[1],
      table.concat(order, ", "))
  end
  if labels == nil then
    local training = images:lower():find "train" ~= nil
    labels = choose(order, { "y", "labels", "label", "targets", "target", "classes", "arr1" })
    if labels and (labels:lower():find "train" ~= nil) ~= training then labels = nil end
  end
  return get(images), labels and get(labels)
end

-- How the array's axes become an example's: "nhwc", "nchw", "nhw"; nil where examples are no pictures.
local function find_layout(array, given)
  local shape = array.shape
  if given then
    if #given ~= #shape then
      check.fail("%s: layout '%s' has %d axes, the array is %s", array.name, given, #given, check.shape_text(shape))
    end
    return given
  end
  if #shape == 3 then return "nhw" end
  if #shape ~= 4 then return nil end
  if shape[4] == 1 or shape[4] == 3 then return "nhwc" end
  if shape[2] == 1 or shape[2] == 3 then return "nchw" end
  check.fail("%s: %s are no pictures of 1 or 3 channels", array.name, check.shape_text(shape))
end

-- What a number is multiplied with, and what is added, to get from [low, high] to [-1, 1].
local function scaling(array, layout, range)
  if range then return 2 / (range[2] - range[1]), -1 - 2 * range[1] / (range[2] - range[1]) end
  if array.type:find "u1" and layout then return 2 / 255, -1 end
  return 1, 0
end

local function read_labels(array, count)
  local shape = array.shape
  if row_numbers(shape) ~= 1 or shape[1] ~= count then
    check.fail("%s: %s labels for %d examples", array.name, check.shape_text(shape), count)
  end
  local labels = array.all():reshape(count)
  check.labels(array.name, labels, source.most_classes)
  local classes = {}
  for label = 0, labels:max():item() // 1 do classes[label + 1] = ("%d"):format(label) end
  return labels, classes
end

--- Opens a .npy or .npz. given: labels (a .npy file; in an .npz the name of an array), images (in an .npz), layout,
--- range.
---@param path string
---@param given { images: string?, labels: string?, layout: string?, range: number[]? }
function npy.open(path, given)
  local array, label_array
  if core.file_size(path) >= 2 and core.file_slice(path, 0, 2) == "PK" then
    array, label_array = open_archive(path, given.images, given.labels)
  else
    if given.images then check.fail("data.npy: %s is one array, option 'images' names one of an .npz", path) end
    array = in_file(path)
    label_array = given.labels and in_file(given.labels)
  end
  local shape = array.shape
  if #shape < 2 or shape[1] < 1 then
    check.fail("%s: wanted examples along the first of at least 2 axes, got %s", array.name, check.shape_text(shape))
  end
  local layout = find_layout(array, given.layout)
  local scale, shift = scaling(array, layout, given.range)
  local labels, classes
  if label_array then labels, classes = read_labels(label_array, shape[1]) end
  local example_shape = { table.unpack(shape, 2) }
  if layout == "nhw" then example_shape[3] = 1 end
  if layout == "nchw" then example_shape = { shape[3], shape[4], shape[2] } end
  local set = source.new {
    name = array.name,
    count = shape[1],
    example_shape = example_shape,
    classes = classes,
    labels = labels,
    read = function(places)
      local examples = array.rows(places, scale, shift)
      if layout == "nhw" then examples = examples:reshape(#places, shape[2], shape[3], 1) end
      if layout == "nchw" then examples = examples:permute { 1, 3, 4, 2 } end
      return examples, labels and labels:index(1, places)
    end,
  }
  set.summary = ("%d examples of %s, numpy's %s %s%s"):format(shape[1], check.shape_text(example_shape), array.type,
    check.shape_text(shape), layout == "nchw" and ", taken as N x C x H x W" or "")
  return set
end

--- The array in a .npy file as a tensor, whatever its shape.
---@param path string
function npy.load(path) return in_file(path).all() end

return npy
