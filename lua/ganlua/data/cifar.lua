--- CIFAR's binary files (Krizhevsky 2009): a label, or two, and 3 x 32 x 32 bytes a picture, plane by plane. They stay
--- on disk: the system's own cache holds them.

local check = require "ganlua.check"
local core = require "ganlua.core"
local source = require "ganlua.data.source"

local cifar = {}

local pixels <const> = 3 * 32 * 32

-- The files that belong together, by what is found in a folder, and their labels: bytes in front of a picture; which
-- of them is its class; the file with the classes' names.
local layouts = {
  { files = "^data_batch_%d+%.bin$", labels = 1, class = 1, names = "batches.meta.txt", classes = 10 },
  { files = "^test_batch%.bin$", labels = 1, class = 1, names = "batches.meta.txt", classes = 10 },
  { files = "^train%.bin$", labels = 2, class = 2, names = "fine_label_names.txt", classes = 100 },
  { files = "^test%.bin$", labels = 2, class = 2, names = "fine_label_names.txt", classes = 100 },
}

local function class_names(folder, layout)
  local names = {}
  if core.exists(folder .. layout.names) then
    for line in core.read_file(folder .. layout.names):gmatch "[^\r\n]+" do names[#names + 1] = line end
  end
  if #names == layout.classes then return names end
  names = {}
  for label = 1, layout.classes do names[label] = tostring(label - 1) end
  return names
end

-- Files of whole records; all but the last must hold as many as the first.
local function open(paths, layout, folder)
  local record, rows, count = layout.labels + pixels, nil, 0
  for i, path in ipairs(paths) do
    local size = core.file_size(path)
    if size == 0 or size % record ~= 0 then
      check.fail("%s: %d bytes are no whole number of CIFAR records of %d bytes: is it cut short?", path, size, record)
    end
    rows = rows or size // record
    if size // record ~= rows and (i < #paths or size // record > rows) then
      check.fail("%s: holds %d pictures, the file before it %d", path, size // record, rows)
    end
    count = count + size // record
  end
  local classes = class_names(folder, layout)
  for i, path in ipairs(paths) do
    local label = core.file_slice(path, layout.class - 1, 1):byte()
    if label >= #classes then
      check.fail("%s: its first label is %d, of %d classes: not a CIFAR file", paths[i], label, #classes)
    end
  end
  return source.new {
    name = #paths == 1 and paths[1] or folder,
    count = count,
    example_shape = { 32, 32, 3 },
    classes = classes,
    read = function(places)
      local n = #places
      local rows_read = core.numbers(core.file_rows(paths, rows, 0, record, places), "|u1", { n, record })
      local labels = rows_read:narrow(2, layout.class, 1):reshape(n)
      local planes = rows_read:narrow(2, layout.labels + 1, pixels):reshape(n, 3, 32, 32)
      return planes:permute { 1, 3, 4, 2 } * (2 / 255) - 1, labels
    end,
  }
end

-- The files in a folder that match, in order.
local function matching(folder, pattern)
  local found = {}
  for _, name in ipairs(core.list_directory(folder)) do
    if name:find(pattern) then found[#found + 1] = folder .. name end
  end
  return found
end

--- The set in a folder of CIFAR-10 or CIFAR-100 binaries, the training pictures where there are any; nil where there
--- are none.
---@param folder string
function cifar.open_folder(folder)
  folder = folder:gsub("/+$", "") .. "/"
  for _, layout in ipairs(layouts) do
    local paths = matching(folder, layout.files)
    if #paths > 0 then return open(paths, layout, folder) end
  end
end

--- The set in one such file; nil where its name is none of theirs.
---@param path string
function cifar.open_file(path)
  local folder, name = path:match "^(.-)([^/]*)$"
  for _, layout in ipairs(layouts) do
    if name:find(layout.files) then return open({ path }, layout, folder) end
  end
end

return cifar
