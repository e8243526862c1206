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

--- Pictures from IDX files (MNIST's format), gzipped or not.
---@param options { images: string, labels: string? }
function data.idx(options)
  local given = check.options("data.idx", options, {
    images = { type = "string", required = true },
    labels = { type = "string" },
  })
  return idx.open(given.images, given.labels)
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
  end
  examples, labels = examples:detach(), labels and labels:detach()
  return source.new {
    name = "tensor",
    count = count,
    example_shape = { table.unpack(examples:shape(), 2) },
    read = function(indices) return examples:index(1, indices), labels and labels:index(1, indices) end,
  }
end

local built_in = { glyphs = data.glyphs, ring = data.ring, grid = data.grid }

--- Opens what `path` names: a built-in data set ("glyphs", "ring", "grid"), an IDX file of pictures, or a folder with
--- one, the training split where it holds several. Labels are taken from the file beside it.
---@param path string
function data.open(path)
  if type(path) ~= "string" then
    check.fail("data.open: wanted a path or a built-in name, got %s", check.describe(path))
  end
  if built_in[path] then return built_in[path]() end
  if core.is_directory(path) then return idx.open_folder(path) end
  if not core.exists(path) then
    check.fail("data.open: %s: no such file or folder%s", path, check.hint(path, { "glyphs", "grid", "ring" }))
  end
  return idx.open_file(path)
end

return data
