--- Bars side by side as a PNG file: what gan.plot.bar draws.

local check = require "ganlua.check"
local core = require "ganlua.core"

-- Okabe & Ito's palette, as 0 to 255.
local palette = { { 0, 114, 178 }, { 230, 159, 0 }, { 0, 158, 115 }, { 204, 121, 167 }, { 213, 94, 0 } }
local ink, pale = { 60, 60, 60 }, { 226, 226, 226 }
local text_height, thick, space = 13, 18, 14

-- A colour of 0 to 255 in [-1, 1].
local function shade(rgb) return { rgb[1] / 127.5 - 1, rgb[2] / 127.5 - 1, rgb[3] / 127.5 - 1 } end

local function series_of(row, place, count)
  local where = ("series %d"):format(place)
  local given = check.options("plot.bar: " .. where, row, {
    name = { type = "string", default = where },
    values = { type = "table", required = true },
  })
  for i = 1, count do
    local value = given.values[i]
    if type(value) ~= "number" or value ~= value or value < 0 or value == math.huge then
      check.fail("plot.bar: %s needs a number of 0 or more for each of %d groups, got %s at place %d", where, count,
        check.describe(value), i)
    end
  end
  given.colour = shade(palette[(place - 1) % #palette + 1])
  return given
end

local function draw_legend(canvas, series, x, y, black)
  for _, each in ipairs(series) do
    core.draw_rect(canvas, x, y, 12, 12, each.colour)
    core.draw_text(canvas, x + 18, y, each.name, black, text_height)
    x = x + 18 + core.text_width(each.name, text_height) + 24
  end
end

--- Draws bars from left to right. `groups` names the groups, each series has a value (0 or more) for every group;
--- `mark` draws a line at a value, `format` writes the values at the ends of their bars.
---@param options { title: string?, groups: string[], series: table[], mark: number?, format: string?, width: integer? }
---@return any pixels H x W x 3
return function(options)
  local given = check.options("plot.bar", options, {
    title = { type = "string" },
    groups = { type = "table", required = true },
    series = { type = "table", required = true },
    mark = { type = "number", min = 0 },
    format = { type = "string", default = "%g" },
    width = { type = "integer", min = 300, max = 8192, default = 720 },
  })
  local series, most, names_width, values_width = {}, given.mark or 0, 0, 0
  for i, row in ipairs(given.series) do series[i] = series_of(row, i, #given.groups) end
  if #series == 0 or #given.groups == 0 then check.fail("plot.bar: there is nothing to draw") end
  for i, name in ipairs(given.groups) do
    if type(name) ~= "string" then
      check.fail("plot.bar: groups must be names, got %s at place %d", check.describe(name), i)
    end
    names_width = math.max(names_width, core.text_width(name, text_height))
    for _, each in ipairs(series) do
      most = math.max(most, each.values[i])
      values_width = math.max(values_width, core.text_width(given.format:format(each.values[i]), text_height))
    end
  end

  local top = (given.title and 40 or 12) + 26
  local group_height = #series * thick + space
  local height = top + #given.groups * group_height + 12
  local left, black = 24 + names_width, shade(ink)
  local scale = (given.width - left - values_width - 32) / (most > 0 and most or 1)
  local canvas = core.full({ height, given.width, 3 }, 1)
  if given.title then core.draw_text(canvas, 16, 12, given.title, black, 17) end
  draw_legend(canvas, series, left, top - 26, black)
  for i, name in ipairs(given.groups) do
    local y = top + (i - 1) * group_height
    core.draw_text(canvas, left - 8 - core.text_width(name, text_height), y + (#series * thick - text_height) / 2, name,
      black, text_height)
    for j, each in ipairs(series) do
      local at, long = y + (j - 1) * thick, each.values[i] * scale
      core.draw_rect(canvas, left, at + 1, math.max(long, 1), thick - 2, each.colour)
      core.draw_text(canvas, left + long + 6, at + (thick - text_height) / 2, given.format:format(each.values[i]),
        black, text_height)
    end
  end
  if given.mark then
    local x = left + given.mark * scale
    core.draw_line(canvas, x, top - 4, x, height - 12, black, 1)
  end
  core.draw_line(canvas, left, top - 4, left, height - 12, shade(pale), 1)
  return canvas
end
