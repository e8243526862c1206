--- Points in the plane as a PNG file, in front of a heat map: what gan.plot.scatter draws.

local check = require "ganlua.check"
local core = require "ganlua.core"
local plot = require "ganlua.plot"

-- Okabe & Ito's black and vermilion first: both show on the map's blue and on its orange.
local palette = { { 30, 30, 30 }, { 213, 60, 0 }, { 0, 114, 178 }, { 0, 158, 115 }, { 204, 121, 167 } }
local low_colour, high_colour = { 100, 150, 220 }, { 245, 190, 90 }
local ink = { 60, 60, 60 }
local text_height, margin = 13, 44
local cell = 4 -- pixels a side that share one evaluation of the heat; between them it is interpolated

-- A colour of 0 to 255 in [-1, 1].
local function shade(rgb) return { rgb[1] / 127.5 - 1, rgb[2] / 127.5 - 1, rgb[3] / 127.5 - 1 } end

local function is_range(value)
  return type(value) == "table" and #value == 2 and type(value[1]) == "number" and type(value[2]) == "number"
    and value[1] < value[2] and value[2] - value[1] < math.huge
end

local function series_of(row, place)
  local where = ("series %d"):format(place)
  local given = check.options("plot.scatter: " .. where, row, {
    name = { type = "string", default = where },
    points = { is = core.is_tensor, wanted = "points, an n x 2 tensor", required = true },
    radius = { type = "number", above = 0, default = 1.5 },
  })
  local shape = given.points:shape()
  if #shape ~= 2 or shape[2] ~= 2 then
    check.fail("plot.scatter: %s's points must be n x 2, got %s", where, check.describe(given.points))
  end
  given.colour = shade(palette[(place - 1) % #palette + 1])
  given.list = {}
  for _, point in ipairs(given.points:totable()) do
    local x, y = point[1], point[2]
    if x - x == 0 and y - y == 0 then table.insert(given.list, point) end
  end
  return given
end

-- What all points span, with a margin; a square, so that a circle looks like one.
local function span(series)
  local low, high = { math.huge, math.huge }, { -math.huge, -math.huge }
  for _, each in ipairs(series) do
    for _, point in ipairs(each.list) do
      for axis = 1, 2 do
        low[axis], high[axis] = math.min(low[axis], point[axis]), math.max(high[axis], point[axis])
      end
    end
  end
  if low[1] > high[1] then return { -1, 1 }, { -1, 1 } end
  local half = 0.6 * math.max(high[1] - low[1], high[2] - low[2], 1e-9)
  local x, y = (low[1] + high[1]) / 2, (low[2] + high[2]) / 2
  return { x - half, x + half }, { y - half, y + half }
end

-- The middles of side x side cells, row by row from the top left, as points.
local function middles(side, x, y)
  local at = core.affine(core.arange(0, side, 1), 1 / side, 0.5 / side)
  local across = core.affine(at, x[2] - x[1], x[1]):reshape(1, side, 1)
  local down = core.affine(at, y[1] - y[2], y[2]):reshape(side, 1, 1)
  local shape = { side, side, 1 }
  return core.concat({ across:expand(shape), down:expand(shape) }, 3):reshape(side * side, 2)
end

-- The heat as a picture of side*cell pixels a side: white is 0, blue is below, orange is above. Squeezed, so that what
-- is small next to the mean heat still shows.
local function heat_map(heat, side, x, y)
  local values = heat(middles(side, x, y))
  if not core.is_tensor(values) or values:numel() ~= side * side then
    check.fail("plot.scatter: heat must give one number for each of n x 2 points, got %s", check.describe(values))
  end
  values = values:detach():reshape(1, side, side, 1)
  local size = values:abs()
  values = (values / (size + size:mean() + 1e-12)):upsample_bilinear(cell)
  local white = core.ones { 1, 1, 1, 3 }
  local function towards(colour) return core.tensor(shade(colour)):reshape(1, 1, 1, 3) - white end
  return (white + values:clamp(0, 1) * towards(high_colour) - values:clamp(-1, 0) * towards(low_colour))
    :reshape(side * cell, side * cell, 3)
end

local function draw_ticks(canvas, given, frame)
  local colour, bottom = shade(ink), frame.top + frame.size
  for axis, range in ipairs { given.x, given.y } do
    local step = plot.tick_step(range[2] - range[1], 6)
    local format = ("%%.%df"):format(math.max(0, math.ceil(-math.log(step, 10) - 1e-9)))
    for i = math.ceil(range[1] / step - 1e-9), math.floor(range[2] / step + 1e-9) do
      local text = format:format(i * step)
      local width = core.text_width(text, text_height)
      if axis == 1 then
        local x = frame.to_x(i * step)
        core.draw_line(canvas, x, bottom, x, bottom + 4, colour, 1)
        core.draw_text(canvas, x - width / 2, bottom + 8, text, colour, text_height)
      else
        local y = frame.to_y(i * step)
        core.draw_line(canvas, margin - 4, y, margin, y, colour, 1)
        core.draw_text(canvas, margin - 8 - width, y - text_height / 2, text, colour, text_height)
      end
    end
  end
end

-- The names in one row under the title, each behind a sample of what it names.
local function draw_legend(canvas, series, heat_name, y)
  local x, colour = margin, shade(ink)
  local function name(text)
    core.draw_text(canvas, x + 14, y, text, colour, text_height)
    x = x + 14 + core.text_width(text, text_height) + 20
  end
  for _, each in ipairs(series) do
    core.draw_disc(canvas, x + 5, y + text_height / 2, 4, each.colour)
    name(each.name)
  end
  if heat_name then
    for _, side in ipairs { { low_colour, " < 0" }, { high_colour, " > 0" } } do
      core.draw_rect(canvas, x, y + 1, 10, 10, shade(side[1]))
      name(heat_name .. side[2])
    end
  end
end

--- Points in the plane as a picture in memory, as gan.plot.scatter gives it.
---@class ganlua.scatter
---@field pixels any H x W x 3
local Scatter = {}
Scatter.__index = Scatter

--- Writes the plot as a PNG file.
---@param path string
function Scatter:save(path) require("ganlua.image").save(self.pixels, path) end

--- Draws points. `series` is a list of {name=, points=, radius=}, points n x 2; later ones lie over earlier ones.
--- `heat` is drawn behind them: a function of n x 2 points that gives n numbers, such as a discriminator. x and y are
--- the ranges shown, {low, high}; without them all points are.
---@param options { title: string?, series: table[], heat: any, heat_name: string?, x: number[]?, y: number[]?,
--- size: integer? }
---@return ganlua.scatter
return function(options)
  local given = check.options("plot.scatter", options, {
    title = { type = "string" },
    series = { type = "table", required = true },
    heat = { is = function(value) return type(value) ~= "number" end, wanted = "a function of points, or a module" },
    heat_name = { type = "string", default = "heat" },
    x = { is = is_range, wanted = "a range {low, high}" },
    y = { is = is_range, wanted = "a range {low, high}" },
    size = { type = "integer", min = 200, max = 4096, default = 640 },
  })
  local series = {}
  for i, row in ipairs(given.series) do series[i] = series_of(row, i) end
  local x, y = span(series)
  given.x, given.y = given.x or x, given.y or y

  local side = given.size // cell
  local frame = { size = side * cell, top = given.title and 62 or 38 }
  function frame.to_x(v) return margin + (v - given.x[1]) / (given.x[2] - given.x[1]) * frame.size end
  function frame.to_y(v) return frame.top + (given.y[2] - v) / (given.y[2] - given.y[1]) * frame.size end

  local function picture()
    local area = given.heat and heat_map(given.heat, side, given.x, given.y)
      or core.full({ frame.size, frame.size, 3 }, 1)
    return (area - 1):pad(1, frame.top, margin - 8):pad(2, margin, 20) + 1
  end
  local canvas = core.no_grad(picture):copy()
  for _, each in ipairs(series) do
    for _, point in ipairs(each.list) do
      local across, down = frame.to_x(point[1]) - margin, frame.to_y(point[2]) - frame.top
      if across >= 0 and across <= frame.size and down >= 0 and down <= frame.size then
        core.draw_disc(canvas, margin + across, frame.top + down, each.radius, each.colour)
      end
    end
  end
  draw_ticks(canvas, given, frame)
  draw_legend(canvas, series, given.heat and given.heat_name, given.title and 38 or 14)
  if given.title then core.draw_text(canvas, margin, 12, given.title, shade(ink), 17) end
  return setmetatable({ pixels = canvas }, Scatter)
end
