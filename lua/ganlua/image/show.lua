--- gan.image.show: a picture in the terminal, as half blocks, or as sixel graphics where the terminal says that it has
-- them.

local check = require "ganlua.check"
local core = require "ganlua.core"
local progress = require "ganlua.progress"
local sixel = require "ganlua.image.sixel"

---- Bytes of a picture ----------------------------------------------------------------------------------------------

-- H x W x 1 or 3 from -1 to 1 as rows of { red, green, blue } from 0 to 255; what is not a number is black.
local function bytes_of(pixels)
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

-- Made smaller by means over k x k pixels, so that it is at most `most` pixels wide.
local function fitting(pixels, most)
  local height, width, channels = table.unpack(pixels:shape())
  local k = (width + most - 1) // most
  if k <= 1 or height < k then return pixels end
  return core.avg_pool(pixels:reshape(1, height, width, channels), k):reshape(height // k, width // k, channels)
end

---- Half blocks -----------------------------------------------------------------------------------------------------

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

-- Two rows of pixels a line: the upper one is the block's colour, the lower one the background's.
local function blocks(rows, exact)
  local lines = {}
  for y = 1, #rows, 2 do
    local upper, lower, parts, before = rows[y], rows[y + 1], {}, nil
    for x = 1, #upper do
      local style = colour(38, upper[x], exact) .. (lower and ";" .. colour(48, lower[x], exact) or "")
      parts[#parts + 1] = style ~= before and ("\27[%sm\u{2580}"):format(style) or "\u{2580}"
      before = style
    end
    lines[#lines + 1] = table.concat(parts) .. "\27[0m\n"
  end
  return table.concat(lines)
end

---- What the terminal can do ----------------------------------------------------------------------------------------

local answer -- of the terminal, asked once

-- Whether the terminal says that it has sixel graphics: 4 among its device attributes.
local function has_sixel()
  if answer == nil then answer = core.ask_terminal and core.ask_terminal("\27[c", "c", 0.3) or "" end
  for attribute in (answer:match "\27%[%?([%d;]*)c" or ""):gmatch "%d+" do
    if attribute == "4" then return true end
  end
  return false
end

---- gan.image.show --------------------------------------------------------------------------------------------------

local protocols = { "auto", "sixel", "blocks", "blocks256" }

--- Shows a picture in the terminal. protocol = "auto": sixel graphics where the terminal says that it has them, else
--- half blocks, in 24-bit colours where COLORTERM says so, else in 256; where there is no terminal, a line says what
--- would be shown. "sixel", "blocks" and "blocks256" are written in any case. width: at most so many columns of blocks
--- (the terminal's width), or pixels of sixel (800).
---@param pixels ganlua.tensor H x W x 1 or 3
---@param options? { protocol: string?, width: integer? }
return function(pixels, options)
  local given = check.options("image.show", options, {
    protocol = { type = "string", choices = protocols, default = "auto" },
    width = { type = "integer", min = 1 },
  })
  local protocol = given.protocol
  if protocol == "auto" then
    if not progress.on_terminal() then
      progress.write(("[a picture of %s: no terminal to show it in]\n"):format(check.shape_text(pixels:shape())))
      return
    end
    local colours = os.getenv "COLORTERM"
    protocol = has_sixel() and "sixel" or (colours == "truecolor" or colours == "24bit") and "blocks" or "blocks256"
  end
  core.no_grad(function()
    if protocol == "sixel" then
      progress.write(sixel(fitting(pixels, given.width or 800), bytes_of) .. "\n")
    else
      local rows = bytes_of(fitting(pixels, given.width or core.terminal_width()))
      progress.write(blocks(rows, protocol == "blocks"))
    end
  end)
end
