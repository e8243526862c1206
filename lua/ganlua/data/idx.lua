--- IDX files (MNIST's format), gzipped or not: their bytes stay bytes and become numbers batch by batch.

local check = require "ganlua.check"
local core = require "ganlua.core"
local source = require "ganlua.data.source"

local idx = {}

-- The bytes of an IDX file of unsigned bytes, its sizes, and where the data starts.
local function load_file(path)
  local bytes = core.read_file(path)
  local sizes, offset = core.idx_parse(bytes, path)
  return bytes, sizes, offset
end

-- The names of the classes: labels are bare numbers, so "0" to the highest that occurs.
local function class_names(bytes, offset)
  local highest, names = 0, {}
  for label = 255, 1, -1 do
    if bytes:find(string.char(label), offset + 1, true) then highest = label break end
  end
  for label = 0, highest do names[label + 1] = tostring(label) end
  return names
end

--- A data set from a file of pictures and, where given, a file of their labels. Bytes 0 to 255 become -1 to 1.
--- Raises with the file's name where one is missing, cut short, or not what it should be.
---@param images string
---@param labels? string
function idx.open(images, labels)
  local pixels, sizes, offset = load_file(images)
  if #sizes ~= 3 and #sizes ~= 4 then
    check.fail("%s: holds %d dimensions, wanted pictures: 3 (count, height, width) or 4 (and channels)", images, #sizes)
  end
  local count, shape = sizes[1], { sizes[2], sizes[3], sizes[4] or 1 }
  if count < 1 or shape[1] < 1 or shape[2] < 1 or shape[3] < 1 then
    check.fail("%s: holds no pictures: its sizes are %s", images, check.shape_text(sizes))
  end

  local classes, label_bytes, label_offset
  if labels then
    local label_sizes
    label_bytes, label_sizes, label_offset = load_file(labels)
    if #label_sizes ~= 1 or label_sizes[1] ~= count then
      check.fail("%s: %s labels for the %d pictures of %s", labels, check.shape_text(label_sizes), count, images)
    end
    classes = class_names(label_bytes, label_offset)
  end

  return source.new {
    name = images,
    count = count,
    example_shape = shape,
    classes = classes,
    read = function(indices)
      return core.pictures(pixels, offset, shape, indices, 2 / 255, -1),
        labels and core.labels(label_bytes, label_offset, indices) or nil
    end,
    labels_at = labels and function(indices) return core.labels(label_bytes, label_offset, indices) end,
  }
end

-- The labels that belong to a file of pictures, by MNIST's naming; nil where there are none.
local function labels_beside(images)
  local folder, name = images:match("^(.-)([^/]*)$")
  local stem = name:gsub("images", "labels"):gsub("idx%d", "idx1"):gsub("%.gz$", "")
  if stem == name:gsub("%.gz$", "") then return nil end
  for _, ending in ipairs { "", ".gz" } do
    local path = folder .. stem .. ending
    if core.exists(path) then return path end
  end
end

--- A data set from one file of pictures, with the labels that lie beside it.
---@param path string
function idx.open_file(path)
  return idx.open(path, labels_beside(path))
end

--- A data set from a folder: its file of pictures "...images-idx3...", the training split where there are several; nil
--- where it has none.
---@param folder string
function idx.open_folder(folder)
  local found
  for _, name in ipairs(core.list_directory(folder)) do
    if name:find("images[-.]idx%d") and (not found or name:find("^train")) then found = name end
  end
  return found and idx.open_file(folder:gsub("/+$", "") .. "/" .. found)
end

return idx
