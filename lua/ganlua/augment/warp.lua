--- Moves the pixels of each picture of a batch in its own way. Where they go is drawn beforehand and is a constant to
-- the gradient; in the pixels everything is linear, and made of ops.

local check = require "ganlua.check"
local core = require "ganlua.core"

local warp = {}

-- A float of this size has no digits behind the point: adding it and taking it away rounds. (The core in double, which
-- gradients are checked with, has more.)
local BIG <const> = ((core.tensor { 0.25 } + 0x1.8p23) - 0x1.8p23):item() == 0 and 0x1.8p23 or 0x1.8p52

-- The largest whole number that is not above t.
local function floor(t)
  local rounded = (t + BIG) - BIG
  return rounded - rounded:gt(t)
end

-- A batch of n numbers as n x 1.
local function column(list)
  return core.tensor(list):reshape(#list, 1)
end

--- The rows and columns (from 0) of all pixels of an H x W picture, each 1 x HW.
---@param height integer
---@param width integer
---@return ganlua.tensor rows
---@return ganlua.tensor columns
function warp.places(height, width)
  local along = core.arange(0, height * width, 1):reshape(1, height * width)
  local rows = floor((along + 0.5) / width)
  return rows, along - rows * width
end

-- The pixels at these places (N x HW each, whole numbers inside the picture): N x H x W x C.
local function gather(x, rows, columns)
  local n, height, width, channels = table.unpack(x:shape())
  if n * height * width > 1 << 24 then
    check.fail("augment: a batch of %s has more pixels than can be counted: a smaller batch, or micro_batch",
      check.shape_text(x:shape()))
  end
  local first = core.arange(0, n, 1):reshape(n, 1) * (height * width)
  local places = (first + rows * width + columns + 1):reshape(n * height * width)
  return x:reshape(n * height * width, channels):index(1, places):reshape(n, height, width, channels)
end

--- Whole pixels down and to the right, with zeros where nothing comes from.
---@param x ganlua.tensor N x H x W x C
---@param down number[] n whole numbers
---@param right number[]
---@return ganlua.tensor
function warp.shift(x, down, right)
  local n, height, width = table.unpack(x:shape())
  local rows, columns, inside = core.no_grad(function()
    local from_row, from_column = warp.places(height, width)
    from_row, from_column = from_row - column(down), from_column - column(right)
    local there = from_row:ge(0) * from_row:lt(height) * from_column:ge(0) * from_column:lt(width)
    return from_row:clamp(0, height - 1), from_column:clamp(0, width - 1), there:reshape(n, height, width, 1)
  end)
  return gather(x, rows, columns) * inside
end

-- Whole numbers, of which those outside 0 to size - 1 are mirrored at the picture's edges.
local function reflected(k, size)
  local turn = k - floor(k / (2 * size)) * (2 * size)
  return core.where(turn:ge(size), 2 * size - 1 - turn, turn)
end

--- An affine map of each picture: the pixel that lies (dx, dy) from the middle is taken from (a dx + b dy + c,
--- d dx + e dy + f) in the input, between its four neighbours by bilinear interpolation, mirrored at the edges.
---@param x ganlua.tensor N x H x W x C
---@param maps number[][] n lists {a, b, c, d, e, f}; c and f in pixels
---@return ganlua.tensor
function warp.affine(x, maps)
  local n, height, width = table.unpack(x:shape())
  local corners = core.no_grad(function()
    local all, rows, columns = core.tensor(maps), warp.places(height, width)
    local dx, dy = columns - (width - 1) / 2, rows - (height - 1) / 2
    local function at(place) return all:narrow(2, place, 1) end
    local across = at(1) * dx + at(2) * dy + at(3) + (width - 1) / 2 -- N x HW
    local down = at(4) * dx + at(5) * dy + at(6) + (height - 1) / 2
    local left, top = floor(across), floor(down)
    local right_share, bottom_share = across - left, down - top
    local list = {}
    for bottom = 0, 1 do
      for right = 0, 1 do
        local share = right == 1 and right_share or 1 - right_share
        share = share * (bottom == 1 and bottom_share or 1 - bottom_share)
        list[#list + 1] = {
          rows = reflected(top + bottom, height), columns = reflected(left + right, width),
          share = share:reshape(n, height, width, 1),
        }
      end
    end
    return list
  end)
  local y
  for _, corner in ipairs(corners) do
    local part = gather(x, corner.rows, corner.columns) * corner.share
    y = y and y + part or part
  end
  return y
end

--- What is left of each picture without a rectangle: 0 inside it, 1 elsewhere, N x H x W x 1.
---@param n integer
---@param height integer
---@param width integer
---@param top number[] n rows of the first pixel, which may lie outside
---@param left number[]
---@param tall integer
---@param wide integer
---@return ganlua.tensor
function warp.hole(n, height, width, top, left, tall, wide)
  return core.no_grad(function()
    local rows, columns = warp.places(height, width)
    rows, columns = rows - column(top), columns - column(left)
    local inside = rows:ge(0) * rows:lt(tall) * columns:ge(0) * columns:lt(wide)
    return (1 - inside):reshape(n, height, width, 1)
  end)
end

return warp
