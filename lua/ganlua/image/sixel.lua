--- Sixel graphics (DEC's, as xterm, foot, mlterm and others draw them): a picture as text.
--
-- Six rows of pixels are a band; a character from "?" on says which of a column's six have the current colour. Colours
-- are those of a cube of 6 x 6 x 6, or 64 greys where the picture is grey; their parts are percents.

local core = require "ganlua.core"

-- Small pictures are made so large, in whole steps.
local least_width <const>, most_steps <const> = 240, 8

local function larger(pixels)
  local height, width, channels = table.unpack(pixels:shape())
  local k = math.min(most_steps, least_width // width)
  if k <= 1 then return pixels end
  return core.upsample_nearest(pixels:reshape(1, height, width, channels), k):reshape(height * k, width * k, channels)
end

-- Where a number is rounded up, over 4 x 4 pixels (Bayer 1973): what lies between two levels is a pattern of both.
local pattern <const> = { 0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5 }

-- A colour's place in the palette, at a pixel.
local function cube(pixel, x, y)
  local more = (2 * pattern[4 * (y % 4) + x % 4 + 1] + 1) * 255 // 32
  return 36 * ((pixel[1] * 5 + more) // 255) + 6 * ((pixel[2] * 5 + more) // 255) + (pixel[3] * 5 + more) // 255
end

local function grey(pixel) return pixel[1] // 4 end

local function percents(colour, is_grey)
  if is_grey then
    local part = (colour * 100 + 31) // 63
    return part, part, part
  end
  return colour // 36 * 20, colour // 6 % 6 * 20, colour % 6 * 20
end

-- A run of one character.
local function run(count, character)
  local text = string.char(63 + character)
  return count > 3 and ("!%d%s"):format(count, text) or text:rep(count)
end

-- A band: for each of its colours a line of characters; "$" goes back to the left.
local function band(rows, first, index)
  local lines, order, width = {}, {}, #rows[1]
  for x = 1, width do
    for bit = 0, math.min(5, #rows - first) do
      local colour = index(rows[first + bit][x], x, first + bit)
      if not lines[colour] then
        lines[colour] = {}
        order[#order + 1] = colour
      end
      lines[colour][x] = (lines[colour][x] or 0) | 1 << bit
    end
  end
  table.sort(order)
  local parts = {}
  for _, colour in ipairs(order) do
    local line, text, count, before = lines[colour], {}, 0, nil
    for x = 1, width do
      local character = line[x] or 0
      if character ~= before and count > 0 then
        text[#text + 1] = run(count, before)
        count = 0
      end
      before, count = character, count + 1
    end
    if before ~= 0 then text[#text + 1] = run(count, before) end
    parts[#parts + 1] = ("#%d%s"):format(colour, table.concat(text))
  end
  return table.concat(parts, "$")
end

--- The text that draws a picture.
---@param pixels ganlua.tensor H x W x 1 or 3
---@param bytes_of fun(pixels: ganlua.tensor): integer[][][] rows of { red, green, blue }, 0 to 255
---@return string
return function(pixels, bytes_of)
  local is_grey = pixels:shape()[3] == 1
  local rows = bytes_of(larger(pixels))
  local parts = { ('\27Pq"1;1;%d;%d'):format(#rows[1], #rows) }
  for colour = 0, is_grey and 63 or 215 do
    parts[#parts + 1] = ("#%d;2;%d;%d;%d"):format(colour, percents(colour, is_grey))
  end
  local bands = {}
  for first = 1, #rows, 6 do bands[#bands + 1] = band(rows, first, is_grey and grey or cube) end
  return table.concat(parts) .. table.concat(bands, "-") .. "\27\\"
end
