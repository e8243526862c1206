--- Line plots as PNG files: axes with round ticks, numbers, a legend, colours that colour-blind readers tell apart.
--
-- A series with more points than the plot has columns of pixels is drawn as a pale band from the least to the greatest
-- value in each column and a line through their means: nothing is skipped, however long the run was.

local check = require "ganlua.check"
local core = require "ganlua.core"

local plot = {}

-- Okabe & Ito's palette, as 0 to 255.
local palette = {
  { 0, 114, 178 }, { 213, 94, 0 }, { 0, 158, 115 }, { 204, 121, 167 }, { 230, 159, 0 }, { 86, 180, 233 },
}
local ink, grid_grey = { 60, 60, 60 }, { 226, 226, 226 }
local text_height = 13

-- A colour in [-1, 1], mixed with white: 1 is the colour itself, 0 is white.
local function shade(rgb, strength)
  local mixed = {}
  for i = 1, 3 do mixed[i] = (255 + strength * (rgb[i] - 255)) / 127.5 - 1 end
  return mixed
end

-- The colour of series i.
local function colour_of(i) return palette[(i - 1) % #palette + 1] end

--- The distance between ticks, 1, 2 or 5 times a power of ten, that puts at most `most` on a range.
---@param range number above 0
---@param most integer
function plot.tick_step(range, most)
  local power = 10.0 ^ math.floor(math.log(range / most, 10))
  for _, factor in ipairs { 1, 2, 5 } do
    if range / (factor * power) <= most then return factor * power end
  end
  return 10 * power
end

-- The ticks from low to high and their texts, with as many decimals as the step has.
local function ticks(low, high, most)
  local step = plot.tick_step(high - low, most)
  local decimals = math.max(0, math.ceil(-math.log(step, 10) - 1e-9))
  local format = (step >= 1e6 or decimals > 5) and "%.3g" or ("%%.%df"):format(decimals)
  local list = {}
  for i = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) do
    list[#list + 1] = { value = i * step, text = format:format(i * step) }
  end
  return list
end

local function numbers(where, values)
  if core.is_tensor(values) and #values:shape() == 1 then return values:totable() end
  if type(values) ~= "table" then
    check.fail("plot.line: %s must be a list of numbers or a tensor of rank 1, got %s", where, check.describe(values))
  end
  for i, value in ipairs(values) do
    if type(value) ~= "number" then
      check.fail("plot.line: %s must hold numbers, got %s at place %d", where, check.describe(value), i)
    end
  end
  return values
end

local function finite(v) return v - v == 0 end

-- The points of a series that have a place on the plot: {x, y}.
local function points_of(row, place, y_range)
  local where = ("series %d"):format(place)
  local given = check.options("plot.line: " .. where, row, {
    name = { type = "string", default = where },
    x = { is = function() return true end, wanted = "a list" },
    y = { is = function() return true end, wanted = "a list", required = true },
    style = { type = "string", choices = { "line", "dashed", "points", "rings" }, default = "line" },
  })
  local y = numbers(where .. "'s y", given.y)
  local x = given.x and numbers(where .. "'s x", given.x)
  if x and #x ~= #y then check.fail("plot.line: %s has %d x for %d y", where, #x, #y) end
  local points = { name = given.name, style = given.style, from = math.huge, to = -math.huge }
  for i = 1, #y do
    local across = x and x[i] or i
    local inside = not y_range or y[i] >= y_range[1] and y[i] <= y_range[2]
    if finite(across) and finite(y[i]) then
      points.from, points.to = math.min(points.from, across), math.max(points.to, across)
    end
    if finite(across) and finite(y[i]) and inside then points[#points + 1] = { across, y[i] } end
  end
  return points
end

-- The range that all series take up, of x or of y, never empty.
local function range(series, axis)
  local low, high = math.huge, -math.huge
  for _, points in ipairs(series) do
    if axis == "x" then low, high = math.min(low, points.from), math.max(high, points.to) end
    for i = 1, axis == "y" and #points or 0 do
      low, high = math.min(low, points[i][2]), math.max(high, points[i][2])
    end
  end
  if low > high then return 0, 1 end
  if low == high then return low - 0.5, high + 0.5 end
  return low, high
end

-- What each column of pixels holds of a series: {x, low, high, mean} by increasing x.
local function columns_of(points, to_x, to_y)
  local columns, order = {}, {}
  for _, point in ipairs(points) do
    local x, y = to_x(point[1]), to_y(point[2])
    local place = math.floor(x + 0.5)
    local column = columns[place]
    if not column then
      column = { x = place, low = y, high = y, sum = 0, count = 0 }
      columns[place], order[#order + 1] = column, place
    end
    column.low, column.high = math.min(column.low, y), math.max(column.high, y)
    column.sum, column.count = column.sum + y, column.count + 1
  end
  table.sort(order)
  for i, place in ipairs(order) do
    order[i] = columns[place]
    order[i].mean = order[i].sum / order[i].count
  end
  return order
end

-- The line to draw for a series, {x, y} in pixels; where its points crowd, their band goes onto the canvas at once, so
-- that every line lies over every band.
local function path_of(canvas, points, colour, frame)
  local path = {}
  if #points <= frame.width or points.style == "points" or points.style == "rings" then
    for i, point in ipairs(points) do path[i] = { frame.to_x(point[1]), frame.to_y(point[2]) } end
    return path
  end
  for i, column in ipairs(columns_of(points, frame.to_x, frame.to_y)) do
    core.draw_line(canvas, column.x, column.low - 0.5, column.x, column.high + 0.5, shade(colour, 0.25), 1)
    path[i] = { column.x, column.mean }
  end
  return path
end

local dash <const>, gap <const> = 9, 7

-- A disc at each place, or a ring around it.
local function draw_marks(canvas, path, colour, rings)
  for _, point in ipairs(path) do
    core.draw_disc(canvas, point[1], point[2], rings and 7 or 3, colour)
    if rings then core.draw_disc(canvas, point[1], point[2], 5.4, shade(ink, 0)) end
  end
end

local function draw_path(canvas, path, colour, style)
  if style == "points" or style == "rings" then return draw_marks(canvas, path, colour, style == "rings") end
  local dashed = style == "dashed"
  local walked = 0 -- pixels along the path
  for i = 2, #path do
    local x, y = path[i - 1][1], path[i - 1][2]
    local across, down = path[i][1] - x, path[i][2] - y
    local length = math.sqrt(across ^ 2 + down ^ 2)
    local at = dashed and 0 or length
    if not dashed then core.draw_line(canvas, x, y, x + across, y + down, colour, 1.6) end
    while at < length do
      local phase = walked % (dash + gap)
      local step = math.min(length - at, (phase < dash and dash or dash + gap) - phase + 1e-9)
      if phase < dash then
        local from, to = at / length, (at + step) / length
        core.draw_line(canvas, x + from * across, y + from * down, x + to * across, y + to * down, colour, 1.6)
      end
      at, walked = at + step, walked + step
    end
  end
  if #path == 1 then core.draw_disc(canvas, path[1][1], path[1][2], 3, colour) end
end

local function draw_axes(canvas, frame, across, upwards)
  local black, pale = shade(ink, 1), shade(grid_grey, 1)
  for _, tick in ipairs(upwards) do
    local y = math.floor(frame.to_y(tick.value) + 0.5)
    core.draw_line(canvas, frame.left, y, frame.right, y, pale, 1)
    core.draw_text(canvas, frame.left - 8 - core.text_width(tick.text, text_height), y - text_height / 2, tick.text,
      black, text_height)
  end
  for _, tick in ipairs(across) do
    local x = math.floor(frame.to_x(tick.value) + 0.5)
    core.draw_line(canvas, x, frame.bottom, x, frame.bottom + 4, black, 1)
    core.draw_text(canvas, x - core.text_width(tick.text, text_height) / 2, frame.bottom + 8, tick.text, black,
      text_height)
  end
  core.draw_line(canvas, frame.left, frame.top, frame.left, frame.bottom, black, 1)
  core.draw_line(canvas, frame.left, frame.bottom, frame.right, frame.bottom, black, 1)
end

-- The pieces of a line in the legend: where each begins, and how long it is.
local dashes = { line = { { 0, 18 } }, dashed = { { 0, 7 }, { 11, 7 } } }

-- The names of the series in their colours, in one row under the title.
local function draw_legend(canvas, series, x, y)
  for i, points in ipairs(series) do
    if points.style == "points" or points.style == "rings" then
      draw_marks(canvas, { { x + 9, y + text_height / 2 } }, shade(colour_of(i), 1), points.style == "rings")
    end
    for _, piece in ipairs(dashes[points.style] or {}) do
      core.draw_rect(canvas, x + piece[1], y + text_height / 2 - 2, piece[2], 4, shade(colour_of(i), 1))
    end
    core.draw_text(canvas, x + 24, y, points.name, shade(ink, 1), text_height)
    x = x + 24 + core.text_width(points.name, text_height) + 24
  end
end

--- A plot in memory, as the functions of gan.plot give it.
---@class ganlua.plot
---@field pixels any H x W x 3
local Plot = {}
Plot.__index = Plot

--- Writes the plot as a PNG file.
---@param path string
function Plot:save(path) require("ganlua.image").save(self.pixels, path) end

-- Where the plot's own area lies in the picture, and how values become pixels in it.
local function make_frame(given, labels_width, x_range, y_range)
  local frame = {
    left = 28 + labels_width, right = given.width - 24,
    top = (given.title and 58 or 36) + (given.y and 18 or 0), bottom = given.height - (given.x and 58 or 36),
  }
  frame.width, frame.height = frame.right - frame.left, frame.bottom - frame.top
  function frame.to_x(v) return frame.left + (v - x_range[1]) / (x_range[2] - x_range[1]) * frame.width end
  function frame.to_y(v) return frame.bottom - (v - y_range[1]) / (y_range[2] - y_range[1]) * frame.height end
  return frame
end

local function is_range(value)
  return type(value) == "table" and #value == 2 and type(value[1]) == "number" and type(value[2]) == "number"
    and value[1] < value[2]
end

--- Draws lines. `series` is a list of {name=, x=, y=, style=}: lists of numbers or tensors; without x, points count
--- from 1. style is "line", "dashed", "points" or "rings" (around the points of others). Points that are
--- not finite, or outside of `y_range`, are left out.
---@param options { title: string?, x: string?, y: string?, series: table[], y_range: number[]?, width: integer?,
--- height: integer? }
---@return ganlua.plot
function plot.line(options)
  local given = check.options("plot.line", options, {
    title = { type = "string" },
    x = { type = "string" },
    y = { type = "string" },
    series = { type = "table", required = true },
    y_range = { is = is_range, wanted = "two numbers {low, high}" },
    width = { type = "integer", min = 200, max = 8192, default = 960 },
    height = { type = "integer", min = 150, max = 8192, default = 480 },
  })
  local series = {}
  for i, row in ipairs(given.series) do series[i] = points_of(row, i, given.y_range) end

  local x_low, x_high = range(series, "x")
  local y_low, y_high = table.unpack(given.y_range or { range(series, "y") })
  local margin = 0.04 * (y_high - y_low)
  y_low, y_high = y_low - margin, y_high + margin
  local across, upwards = ticks(x_low, x_high, given.width // 110), ticks(y_low, y_high, given.height // 60)
  local labels_width = 0
  for _, tick in ipairs(upwards) do labels_width = math.max(labels_width, core.text_width(tick.text, text_height)) end
  local frame = make_frame(given, labels_width, { x_low, x_high }, { y_low, y_high })

  local canvas, black = core.full({ given.height, given.width, 3 }, 1), shade(ink, 1)
  draw_axes(canvas, frame, across, upwards)
  local paths = {}
  for i, points in ipairs(series) do paths[i] = path_of(canvas, points, colour_of(i), frame) end
  for _, rings in ipairs { true, false } do -- what they stand around lies above them
    for i, path in ipairs(paths) do
      if (series[i].style == "rings") == rings then draw_path(canvas, path, shade(colour_of(i), 1), series[i].style) end
    end
  end
  draw_legend(canvas, series, frame.left, given.title and 36 or 12)
  if given.title then core.draw_text(canvas, frame.left, 10, given.title, black, 17) end
  if given.y then core.draw_text(canvas, 12, frame.top - 20, given.y, black, text_height) end
  if given.x then
    core.draw_text(canvas, frame.right - core.text_width(given.x, text_height), given.height - 24, given.x, black,
      text_height)
  end
  return setmetatable({ pixels = canvas }, Plot)
end

--- Puts plots of one size side by side, row by row, under a title.
---@param options { plots: ganlua.plot[], columns: integer?, title: string? }
---@return ganlua.plot
function plot.grid(options)
  local given = check.options("plot.grid", options, {
    plots = { type = "table", required = true },
    columns = { type = "integer", min = 1, default = 2 },
    title = { type = "string" },
  })
  local size
  for i, each in ipairs(given.plots) do
    if getmetatable(each) ~= Plot then
      check.fail("plot.grid: wanted a list of plots, got %s at place %d", check.describe(each), i)
    end
    local shape = check.shape_text(each.pixels:shape())
    size = size or shape
    if shape ~= size then check.fail("plot.grid: plot %d is %s pixels, the first one %s", i, shape, size) end
  end
  if not size then check.fail("plot.grid: there are no plots") end

  local height, width = table.unpack(given.plots[1].pixels:shape())
  local columns, rows = math.min(given.columns, #given.plots), {}
  if given.title then
    local head = core.full({ 44, columns * width, 3 }, 1)
    core.draw_text(head, 28, 16, given.title, shade(ink, 1), 21)
    rows[1] = head
  end
  for first = 1, #given.plots, columns do
    local row = {}
    for i = first, first + columns - 1 do
      row[#row + 1] = given.plots[i] and given.plots[i].pixels or core.full({ height, width, 3 }, 1)
    end
    rows[#rows + 1] = core.concat(row, 2)
  end
  return setmetatable({ pixels = core.concat(rows, 1) }, Plot)
end

--- Draws groups of bars from left to right: groups = names, series = {{name=, values=}}, a value for each group (see
--- ganlua.bars).
---@param options { title: string?, groups: string[], series: table[], mark: number?, format: string?, width: integer? }
---@return ganlua.plot
function plot.bar(options)
  return setmetatable({ pixels = require("ganlua.bars")(options) }, Plot)
end

--- Draws points in the plane, in front of a heat map (see ganlua.scatter).
---@param options table
---@return ganlua.scatter
function plot.scatter(options)
  return require("ganlua.scatter")(options)
end

return plot
