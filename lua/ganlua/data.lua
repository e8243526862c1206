--- Data sets: where the real examples come from.
--
-- A data set is any object with `size`, `shape` and `batch(n) -> examples, labels`; these constructors make the usual
-- ones. Pictures are N x H x W x C in [-1, 1], labels count from 0. Batches follow the seed (see data/source.lua).

local check = require "ganlua.check"
local core = require "ganlua.core"
local idx = require "ganlua.data.idx"
local points = require "ganlua.data.points"
local source = require "ganlua.data.source"

local data = {}

-- What reads formats is loaded when a script needs it.
local reader = setmetatable({}, { __index = function(readers, name)
  local modules = {
    cifar = "ganlua.data.cifar", from = "ganlua.data.from", npy = "ganlua.data.npy", pictures = "ganlua.data.pictures",
  }
  readers[name] = require(modules[name])
  return readers[name]
end })

--- Pictures from IDX files (MNIST's format), gzipped or not.
---@param options { images: string, labels: string? }
function data.idx(options)
  local given = check.options("data.idx", options, {
    images = { type = "string", required = true },
    labels = { type = "string" },
  })
  return check.within("data.idx", idx.open, given.images, given.labels)
end

--- Digits and letters, 28x28 grey, drawn by the program with random slant, weight, size and place. Picture i is a
--- function of `seed` and i.
---@param options? { count: integer?, seed: integer? }
function data.glyphs(options)
  local given = check.options("data.glyphs", options, {
    count = { type = "integer", min = 1, max = 1 << 24, default = 20000 },
    seed = { type = "integer", default = 1 },
  })
  return source.new {
    name = "glyphs",
    count = given.count,
    example_shape = { 28, 28, 1 },
    classes = core.glyph_names,
    read = function(indices) return core.glyphs(indices, given.seed) end,
    labels_at = function(indices) -- the characters take turns
      local labels = indices:totable()
      for i, place in ipairs(labels) do labels[i] = (place - 1) % #core.glyph_names end
      return core.tensor(labels)
    end,
  }
end

--- Points in the plane around `modes` centres on a circle; `centres` holds them. Endless: each batch is drawn anew.
---@param options? { modes: integer?, radius: number?, std: number? }
function data.ring(options)
  local given = check.options("data.ring", options, {
    modes = { type = "integer", min = 1, default = 8 },
    radius = { type = "number", above = 0, default = 1 },
    std = { type = "number", min = 0, default = 0.01 },
  })
  return points.ring(given.modes, given.radius, given.std)
end

--- Points in the plane around side x side centres on a grid around 0.
---@param options? { side: integer?, spacing: number?, std: number? }
function data.grid(options)
  local given = check.options("data.grid", options, {
    side = { type = "integer", min = 1, default = 5 },
    spacing = { type = "number", above = 0, default = 2 },
    std = { type = "number", min = 0, default = 0.05 },
  })
  return points.grid(given.side, given.spacing, given.std)
end

--- Points in the plane along the arms of a spiral. Endless, as the ring.
---@param options? { arms: integer?, std: number? }
function data.spiral(options)
  local given = check.options("data.spiral", options, {
    arms = { type = "integer", min = 1, default = 2 },
    std = { type = "number", min = 0, default = 0.02 },
  })
  return points.spiral(given.arms, given.std)
end

-- Options whose first place holds the path, as in folder{ "pictures", size = 64 }; or the path alone.
local function with_path(where, options, spec)
  if type(options) == "string" then options = { path = options } end
  if options ~= nil and type(options) ~= "table" then
    check.fail("%s: wanted a path, or a table that begins with one, got %s", where, check.describe(options))
  end
  local copy = {}
  for key, value in pairs(options or {}) do copy[key == 1 and "path" or key] = value end
  spec.path = { type = "string", required = true }
  local given = check.options(where, copy, spec)
  if not core.exists(given.path) then check.fail("%s: %s: no such file or folder", where, given.path) end
  return given
end

local function is_size(value)
  if math.type(value) == "integer" then return value >= 1 and value <= 4096 end
  return type(value) == "table" and #value == 2 and is_size(value[1]) and is_size(value[2])
end

--- Pictures (PNG, JPEG) in a folder or a zip; its folders are the classes, where it has some. Each is brought to one
--- size: the largest part in its middle with the right proportions, averaged over areas. What is transparent shows
--- white, EXIF's turns are made, 16 bits become 8. Without `size` it is the pictures' own where they agree, else a
--- square; without `channels` 3 where one has colour. What cannot be read is skipped and named: tostring(set),
--- set.skipped. cache: bytes of decoded pictures that may stay in memory (default: all up to 1 GiB, or a third of the
--- memory cap); the rest is decoded one batch ahead of its use.
---@param options string|{ [1]: string, size: integer|integer[]|nil, channels: integer?, cache: integer? }
function data.folder(options)
  local given = with_path("data.folder", options, {
    size = { is = is_size, wanted = "a number of pixels, or {height, width}" },
    channels = { is = function(value) return value == 1 or value == 3 end, wanted = "1 (grey) or 3 (colour)" },
    cache = { type = "integer", min = 0 },
  })
  return check.within("data.folder", reader.pictures.open, given.path, given)
end

--- CIFAR-10's or CIFAR-100's binary files (data_batch_1.bin ..., train.bin), from their folder or one of them.
---@param options string|{ [1]: string }
function data.cifar10(options)
  local path = with_path("data.cifar10", options, {}).path
  local open = core.is_directory(path) and reader.cifar.open_folder or reader.cifar.open_file
  local set = check.within("data.cifar10", open, path)
  if set then return set end
  check.fail("data.cifar10: %s: no CIFAR binaries here (data_batch_1.bin ..., test_batch.bin, train.bin)", path)
end

--- Examples from numpy's .npy or .npz. Pictures are N x H x W, N x H x W x C or (layout = "nchw") N x C x H x W; bytes
--- become -1 to 1, other numbers stay as they are unless `range` says what their -1 and 1 are.
---@param options string|{ [1]: string, images: string?, labels: string?, layout: string?, range: number[]? }
function data.npy(options)
  local given = with_path("data.npy", options, {
    images = { type = "string" },
    labels = { type = "string" },
    layout = { type = "string", choices = { "nhw", "nhwc", "nchw" } },
    range = { is = function(range)
      return type(range) == "table" and #range == 2 and math.type(range[1]) and math.type(range[2])
        and range[1] < range[2]
    end, wanted = "{lowest, highest}" },
  })
  return check.within("data.npy", reader.npy.open, given.path, given)
end

--- The user's own data: read(i) gives example i, from 1: a tensor or nested numbers, all of one shape, and a label (a
--- whole number from 0) or nothing. With `count` there are so many; without, they never end. What read draws by
--- gan.rand and gan.randn depends on the seed and i alone.
---@param read fun(i: integer): any, integer?
---@param options? { count: integer?, classes: string[]? }
function data.from(read, options)
  if type(read) ~= "function" then
    check.fail("data.from: wanted a function that gives example i, got %s", check.describe(read))
  end
  local given = check.options("data.from", options, {
    count = { type = "integer", min = 1 },
    classes = { type = "table" },
  })
  return reader.from.open(read, given.count or math.huge, given.classes)
end

--- A data set from a tensor whose first dimension counts the examples, and labels (from 0) where there are any. What
--- the tensor was computed from is not kept: where the script keeps the tensor too, gan.no_grad around the computing
--- saves that memory.
---@param examples any n x shape
---@param labels? any n
function data.tensor(examples, labels)
  if not core.is_tensor(examples) or #examples:shape() < 1 or examples:shape()[1] < 1 then
    check.fail("data.tensor: wanted a tensor of at least one example, got %s", check.describe(examples))
  end
  local count = examples:shape()[1]
  if labels ~= nil then
    local right = core.is_tensor(labels) and #labels:shape() == 1 and labels:shape()[1] == count
    if not right then
      check.fail("data.tensor: wanted a label for each of %d examples, got %s", count, check.describe(labels))
    end
    check.labels("data.tensor", labels, source.most_classes)
  end
  examples, labels = examples:detach(), labels and labels:detach()
  return source.new {
    name = "tensor",
    count = count,
    example_shape = { table.unpack(examples:shape(), 2) },
    labels = labels,
    read = function(indices) return examples:index(1, indices), labels and labels:index(1, indices) end,
  }
end

local built_in = { glyphs = data.glyphs, ring = data.ring, grid = data.grid, spiral = data.spiral }

-- What a file is, by its first bytes.
local function open_file(path)
  local start = core.file_slice(path, 0, math.min(core.file_size(path), 6))
  if start == "\x93NUMPY" then return reader.npy.open(path, {}) end
  if start:sub(1, 4) == "PK\3\4" or start:sub(1, 4) == "PK\5\6" then
    if path:lower():find "%.npz$" then return reader.npy.open(path, {}) end
    return reader.pictures.open(path, {})
  end
  if start:find "^\x89PNG" or start:find "^\xff\xd8\xff" then
    check.fail("data.open: %s is one picture: name the folder that it lies in, or use gan.image.load", path)
  end
  return reader.cifar.open_file(path) or idx.open_file(path)
end

local function open_folder(path)
  return idx.open_folder(path) or reader.cifar.open_folder(path) or reader.pictures.open(path, {})
end

--- Opens what `path` names, and finds out what it is: a built-in data set ("glyphs", "ring", "grid", "spiral"); a
--- folder or file of IDX (MNIST's format) or of CIFAR binaries, the training part where there are several; a folder or
--- zip of PNG and JPEG; numpy's .npy and .npz. `print` the set to see what was found, `set:describe()` examines it.
---@param path string
function data.open(path)
  if type(path) ~= "string" then
    check.fail("data.open: wanted a path or a built-in name, got %s", check.describe(path))
  end
  if built_in[path] then return built_in[path]() end
  if not core.exists(path) then
    check.fail("data.open: %s: no such file or folder%s", path,
      check.hint(path, { "glyphs", "grid", "ring", "spiral" }))
  end
  return check.within("data.open", core.is_directory(path) and open_folder or open_file, path)
end

return data
