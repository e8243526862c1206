--- A picture as lines of half blocks, two rows of pixels a line, in 24-bit colours or in 256.

local core = require "ganlua.core"

local blocks = {}

--- H x W x 1 or 3 from -1 to 1 as rows of { red, green, blue } from 0 to 255; what is not a number is black.
---@param pixels ganlua.tensor
---@return integer[][][]
function blocks.bytes(pixels)
  local whole = core.where(pixels:eq(pixels), (pixels + 1) * 127.5 + 0.5, 0):clamp(0, 255)
  local rows = whole:totable()
  for _, row in ipairs(rows) do
    for x, pixel in ipairs(row) do
      local red = pixel[1] // 1 | 0
      row[x] = { red, pixel[2] and pixel[2] // 1 | 0 or red, pixel[3] and pixel[3] // 1 | 0 or red }
    end
  end
  return rows
end

-- The nearest of the 256 colours that every terminal has: a cube of 6 x 6 x 6, and 24 greys.
local function of_palette(pixel)
  local red, green, blue = table.unpack(pixel)
  if red == green and green == blue then
    if red < 4 then return 16 end
    if red > 246 then return 231 end
    return 232 + math.min(23, (red - 3) // 10)
  end
  local function level(v) return v < 48 and 0 or v < 115 and 1 or (v - 35) // 40 end
  return 16 + 36 * level(red) + 6 * level(green) + level(blue)
end

local function colour(where, pixel, exact)
  if exact then return ("%d;2;%d;%d;%d"):format(where, pixel[1], pixel[2], pixel[3]) end
  return ("%d;5;%d"):format(where, of_palette(pixel))
end

--- Whether the terminal says that it has 24-bit colours.
---@return boolean
function blocks.exact()
  local colours = os.getenv "COLORTERM"
  return colours == "truecolor" or colours == "24bit"
end

--- The lines of a picture. The upper pixel is a block's colour, the lower one its background's.
---@param rows integer[][][] see blocks.bytes
---@param exact boolean 24-bit colours
---@return string[]
function blocks.lines(rows, exact)
  local lines = {}
  for y = 1, #rows, 2 do
    local upper, lower, parts, before = rows[y], rows[y + 1], {}, nil
    for x = 1, #upper do
      local style = colour(38, upper[x], exact) .. (lower and ";" .. colour(48, lower[x], exact) or "")
      parts[#parts + 1] = style ~= before and ("\27[%sm\u{2580}"):format(style) or "\u{2580}"
      before = style
    end
    lines[#lines + 1] = table.concat(parts) .. "\27[0m"
  end
  return lines
end

return blocks
