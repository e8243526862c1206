--- Pictures as files: one, or many in a grid, or one after the other; read from PNG and JPEG; shown in the terminal.
--
-- A picture is H x W x C with C = 1 (grey) or 3 (colour) and values from -1 (black) to 1 (white); what lies outside is
-- clamped when it is written.

local check = require "ganlua.check"
local check_path = require "ganlua.image.path"
local core = require "ganlua.core"

local image = {}

-- What shows between and around the pictures of a grid: a dark grey, so that black pictures have an edge.
local background = -0.6

--- Writes one picture, H x W, H x W x 1 or H x W x 3, as a PNG file; a path that ends as another kind's is refused.
---@param t any
---@param path string
function image.save(t, path)
  local shape = core.is_tensor(t) and t:shape() or {}
  if #shape == 2 then shape[3] = 1 end
  if #shape ~= 3 or shape[3] ~= 1 and shape[3] ~= 3 then
    check.fail("image.save: wanted a picture H x W x 1 or H x W x 3, got %s", check.describe(t))
  end
  check_path("image.save", path)
  check.within("image.save", core.write_file, path, core.png_encode(t:detach():reshape(shape)))
end

--- Reads a PNG or JPEG file: H x W x 1 where it is grey, H x W x 3 where it has colour, from -1 to 1, upright. What is
--- transparent shows white.
---@param path string
---@return any
function image.load(path)
  if type(path) ~= "string" then
    check.fail("image.load: the path must be a string, got %s", check.describe(path))
  end
  return check.within("image.load", function()
    return core.picture_decode(core.file_slice(path, 0, core.file_size(path)), path)
  end)
end

--- A picture in memory, as gan.image.grid gives it.
---@class ganlua.image
---@field pixels any H x W x C
local Image = {}
Image.__index = Image

--- Writes it as a PNG file.
---@param path string
function Image:save(path) image.save(self.pixels, path) end

--- Shows it in the terminal, see image.show.
function Image:show(options) image.show(self.pixels, options) end

function Image:__tostring() return ("[ganlua.image %s]"):format(check.shape_text(self.pixels:shape())) end

-- n x H x W x C on rows of `columns`, `pad` pixels around each: rows*(H+pad)+pad x columns*(W+pad)+pad x C.
local function lay_out(t, columns, pad)
  local n, height, width, channels = table.unpack(t:shape())
  local rows = (n + columns - 1) // columns
  -- Padding is with zeros: shifted by it, the background is zero.
  local cells = (t - background):pad(1, 0, rows * columns - n):pad(2, 0, pad):pad(3, 0, pad)
  cells = cells:reshape(rows, columns, height + pad, width + pad, channels):permute { 1, 3, 2, 4, 5 }
  return cells:reshape(rows * (height + pad), columns * (width + pad), channels):pad(1, pad, 0):pad(2, pad, 0)
    + background
end

--- Many pictures, n x H x W x C, as one: row by row, from the top left. `image.grid(t):save(path)` writes it.
---@param t any
---@param options? { columns: integer?, pad: integer? }
---@return ganlua.image
function image.grid(t, options)
  local given = check.options("image.grid", options, {
    columns = { type = "integer", min = 1, default = 8 },
    pad = { type = "integer", min = 0, default = 2 },
  })
  local shape = core.is_tensor(t) and t:shape() or {}
  if #shape ~= 4 or shape[1] < 1 or shape[4] ~= 1 and shape[4] ~= 3 then
    check.fail("image.grid: wanted pictures N x H x W x 1 or N x H x W x 3, got %s", check.describe(t))
  end
  local pixels = core.no_grad(lay_out, t, math.min(given.columns, shape[1]), given.pad)
  return setmetatable({ pixels = pixels }, Image)
end

--- Shows pictures in the terminal: one (H x W, H x W x 1 or 3), many (N x H x W x C, in a grid), or a grid. As sixel
--- graphics where the terminal has them, else as half blocks. Options: protocol = "auto", "sixel", "blocks",
--- "blocks256"; width, at most so many columns or pixels. See ganlua.image.show.
---@param t any
---@param options? { protocol: string?, width: integer? }
function image.show(t, options)
  local pixels = getmetatable(t) == Image and t.pixels or t
  local shape = core.is_tensor(pixels) and pixels:shape() or {}
  if #shape == 4 then pixels = image.grid(pixels).pixels end
  if #shape == 2 then pixels = pixels:reshape(shape[1], shape[2], 1) end
  shape = core.is_tensor(pixels) and pixels:shape() or {}
  if #shape ~= 3 or shape[1] < 1 or shape[2] < 1 or shape[3] ~= 1 and shape[3] ~= 3 then
    check.fail("image.show: wanted a picture H x W x 1 or 3, or many, N x H x W x C, got %s", check.describe(t))
  end
  require("ganlua.image.show")(pixels:detach(), options)
end

--- What a generator, or a run's, makes on the way from latents to others, n x latent each: a grid with a row for each
--- of n. Options: steps = 8; way = "spherical" or "linear"; label and truncation as run:sample takes them, a label for
--- all or a list with one for each row. The pictures themselves, n * steps x H x W x C, are the second result. See
--- ganlua.image.interpolate.
---@param network ganlua.module|ganlua.trainer
---@param from ganlua.tensor
---@param to ganlua.tensor
---@param options? { steps: integer?, way: "spherical"|"linear"|nil, label: any, truncation: number? }
---@return ganlua.image
---@return ganlua.tensor
function image.interpolate(network, from, to, options)
  local pictures, steps = require("ganlua.image.interpolate")(network, from, to, options)
  return image.grid(pictures, { columns = steps }), pictures
end

--- Pictures of one size one after the other, as an animated PNG: `image.animate(run.folder):save("run.png")` shows a
--- run's samples. Also of n x H x W x C, or a list of pictures, grids and PNG files. Options: delay = 0.2 seconds, last
--- = 2, loops = 0 (for ever). See ganlua.image.animation.
---@param frames any
---@param options? { delay: number?, last: number?, loops: integer? }
---@return ganlua.animation
function image.animate(frames, options)
  return require("ganlua.image.animation")(frames, options)
end

return image
