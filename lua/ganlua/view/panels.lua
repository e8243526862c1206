--- What the view in the terminal is made of: curves, points, pictures and numbers, each as a list of lines of a given
-- width. Text goes in and comes out; nothing here asks the terminal.

local blocks = require "ganlua.image.blocks"
local braille = require "ganlua.view.braille"
local core = require "ganlua.core"
local series = require "ganlua.view.series"

local panels = {}

-- Of the 256 colours. They can be told apart on a dark and on a light background, and by colour-blind people.
local real <const>, fake <const>, both <const> = 39, 208, 246

-- By the layers of a canvas: the discriminator and what is real, the generator and what it makes, and where both are.
local styles <const> = {
  { colour = real, mark = "." }, { colour = fake, mark = "x" }, { colour = both, mark = "#" },
}

---- Text ------------------------------------------------------------------------------------------------------------

local function coloured(text, colour) return ("\27[38;5;%dm%s\27[0m"):format(colour, text) end
local function dim(text) return "\27[2m" .. text .. "\27[0m" end

--- A text as it may stand on a line of the view: without what steers a terminal, at most so many characters.
---@param text string
---@param width integer
---@param ascii boolean without UTF-8
---@return string
function panels.plain(text, width, ascii)
  text = text:gsub("%c+", " ")
  if ascii or not utf8.len(text) then return (text:gsub("[\x80-\xff]+", "?"):sub(1, width)) end
  text = text:gsub("\xc2[\x80-\x9f]", " ")
  local behind = utf8.offset(text, width + 1)
  return behind and text:sub(1, behind - 1) or text
end

--- How many characters wide a line is, without what colours it.
---@param line string
---@return integer
function panels.width(line)
  return utf8.len((line:gsub("\27%[[%d;]*m", "")))
end

--- The lines of two panels side by side.
---@param left string[]
---@param width integer of the left one, the gap included
---@param right string[]
---@return string[]
function panels.beside(left, width, right)
  local lines = {}
  for i = 1, math.max(#left, #right) do
    local line = left[i] or ""
    lines[i] = right[i] and line .. (" "):rep(width - panels.width(line)) .. right[i] or line
  end
  return lines
end

---- Curves ----------------------------------------------------------------------------------------------------------

local label_width <const> = 9

local function label(value) return dim(("%8.3g "):format(value)) end

--- One or two curves over iterations, with the range of their values at the left: a line of names, and `rows - 1` of
--- curves. What lies outside the range runs along its edge.
---@param title string
---@param curves { name: string, series: ganlua.view.series }[] the discriminator's or the real ones first
---@param columns integer
---@param rows integer
---@param ascii boolean
---@return string[]
function panels.chart(title, curves, columns, rows, ascii)
  local head, left = title, columns - #title
  local list, first, last = {}, math.huge, -math.huge
  for i, curve in ipairs(curves) do
    local x = curve.series.x
    left = left - 2 - #curve.name
    if left >= 0 then head = head .. "  " .. coloured(curve.name, styles[i].colour) end
    list[i] = curve.series
    if #x > 0 then first, last = math.min(first, x[1]), math.max(last, x[#x]) end
  end
  local low, high = series.range(list)
  if not low then return { head } end
  local canvas = braille.canvas(columns - label_width, rows - 1)
  local right, bottom = 2 * canvas.columns - 1, 4 * canvas.rows - 1
  local function place(one, i)
    local y = math.max(low, math.min(high, one.y[i]))
    local across = last > first and (one.x[i] - first) / (last - first) or 0
    return (across * right + 0.5) // 1 | 0, ((high - y) / (high - low) * bottom + 0.5) // 1 | 0
  end
  for layer, one in ipairs(list) do
    local x0, y0
    for i = 1, #one.x do
      local x1, y1 = place(one, i)
      canvas:line(x0 or x1, y0 or y1, x1, y1, layer)
      x0, y0 = x1, y1
    end
  end
  local lines = canvas:lines(styles, ascii)
  for i, line in ipairs(lines) do
    lines[i] = (i == 1 and label(high) or i == #lines and label(low) or (" "):rep(label_width)) .. line
  end
  table.insert(lines, 1, head)
  return lines
end

---- Points ----------------------------------------------------------------------------------------------------------

--- What points lie in, with a little air around them.
---@param points number[][] { x, y } each
---@return number[]? range { lowest x, highest x, lowest y, highest y }; nil where there are none
function panels.extent(points)
  local range = { math.huge, -math.huge, math.huge, -math.huge }
  for _, point in ipairs(points) do
    for i = 0, 1 do
      local value = point[1 + i]
      if value - value == 0 then
        range[1 + 2 * i], range[2 + 2 * i] = math.min(range[1 + 2 * i], value), math.max(range[2 + 2 * i], value)
      end
    end
  end
  if range[1] > range[2] or range[3] > range[4] then return nil end
  for i = 1, 3, 2 do
    local air = math.max(0.15 * (range[i + 1] - range[i]), 1e-3)
    range[i], range[i + 1] = range[i] - air, range[i + 1] + air
  end
  return range
end

--- Real and generated points in the plane, x and y to the same scale: a line of names, and `rows - 1` of points.
---@param given { real: number[][]?, fake: number[][], range: number[] } points as { x, y }
---@param columns integer
---@param rows integer
---@param ascii boolean
---@return string[]
function panels.points(given, columns, rows, ascii)
  local canvas = braille.canvas(columns, rows - 1)
  local left, right, bottom, top = table.unpack(given.range)
  local scale = math.min(2 * canvas.columns / (right - left), 4 * canvas.rows / (top - bottom))
  local x_middle, y_middle = (left + right) / 2, (bottom + top) / 2
  for layer, points in ipairs { given.real or {}, given.fake } do
    for _, point in ipairs(points) do
      local x, y = canvas.columns + (point[1] - x_middle) * scale, 2 * canvas.rows - (point[2] - y_middle) * scale
      if math.abs(x) < 1e6 and math.abs(y) < 1e6 then canvas:dot(x // 1 | 0, y // 1 | 0, layer) end -- no NaN
    end
  end
  local lines = canvas:lines(styles, ascii)
  local names = coloured("generated", fake)
  if given.real then names = coloured("real", real) .. "  " .. names .. "  " .. coloured("both", both) end
  table.insert(lines, 1, names)
  return lines
end

---- Pictures --------------------------------------------------------------------------------------------------------

local least_side <const>, enough <const> = 8, 8

--- How pictures are laid out on so many pixels: as large as lets eight be seen, made smaller by whole numbers.
---@param height integer of a picture
---@param width integer
---@param count integer of the pictures that there are
---@param across integer pixels
---@param down integer
---@return { by: integer, columns: integer, rows: integer } by: so many pixels a side become one
function panels.layout(height, width, count, across, down)
  local best
  for by = 1, math.max(1, math.min(height, width) // least_side) do
    best = {
      by = by,
      columns = math.max(1, (across - 1) // (width // by + 1)), rows = math.max(1, (down - 1) // (height // by + 1)),
    }
    if best.columns * best.rows >= math.min(enough, count) then break end
  end
  best.columns = math.min(best.columns, count)
  best.rows = math.min(best.rows, (count + best.columns - 1) // best.columns)
  return best
end

-- Characters by the ink that they have, for a terminal that has no half blocks.
local inks <const> = " .:-=+*#%@"

local function inked(rows)
  local lines = {}
  for y = 1, #rows, 2 do
    local parts = {}
    for x, upper in ipairs(rows[y]) do
      local lower = rows[y + 1] and rows[y + 1][x] or upper
      local light = (upper[1] + upper[2] + upper[3] + lower[1] + lower[2] + lower[3]) // 6
      parts[x] = inks:sub(1 + light * #inks // 256, 1 + light * #inks // 256)
    end
    lines[#lines + 1] = table.concat(parts)
  end
  return lines
end

--- The first of some pictures, side by side.
---@param pictures ganlua.tensor N x H x W x 1 or 3, from -1 to 1
---@param columns integer
---@param rows integer
---@param ascii boolean
---@return string[]
function panels.pictures(pictures, columns, rows, ascii)
  local count, height, width = table.unpack(pictures:shape())
  local layout = panels.layout(height, width, count, columns, 2 * rows)
  local n = math.min(count, layout.columns * layout.rows)
  return core.no_grad(function()
    local shown = pictures:narrow(1, 1, n)
    if layout.by > 1 then shown = core.avg_pool(shown, layout.by) end
    local grid = require("ganlua.image").grid(shown, { columns = layout.columns, pad = 1 }).pixels
    local down, across = table.unpack(grid:shape())
    local pixels = blocks.bytes(grid:narrow(1, 1, math.min(down, 2 * rows)):narrow(2, 1, math.min(across, columns)))
    return ascii and inked(pixels) or blocks.lines(pixels, blocks.exact())
  end)
end

---- Numbers ---------------------------------------------------------------------------------------------------------

--- Names and values, several a line in columns that stand below each other.
---@param names string[]
---@param values table<string, number>
---@param columns integer
---@param rows integer at most
---@param ascii boolean
---@return string[]
function panels.numbers(names, values, columns, rows, ascii)
  local longest = 0
  for _, name in ipairs(names) do longest = math.max(longest, #name) end
  longest = math.min(longest, 16)
  local cell = longest + 12
  local across, lines = math.max(1, (columns + 2) // cell), {}
  for i, name in ipairs(names) do
    local row = (i - 1) // across + 1
    if row > rows then break end
    local text = panels.plain(name, longest, ascii)
    lines[row] = (lines[row] and lines[row] .. "  " or "") .. dim(text .. (" "):rep(longest - #text))
      .. (" %9.4g"):format(values[name])
  end
  return lines
end

return panels
