--- gan.image.show: a picture in the terminal, as half blocks, or as sixel graphics where the terminal says that it has
-- them.

local blocks = require "ganlua.image.blocks"
local check = require "ganlua.check"
local core = require "ganlua.core"
local progress = require "ganlua.progress"
local sixel = require "ganlua.image.sixel"

-- Made smaller by means over k x k pixels, so that it is at most `most` pixels wide.
local function fitting(pixels, most)
  local height, width, channels = table.unpack(pixels:shape())
  local k = (width + most - 1) // most
  if k <= 1 or height < k then return pixels end
  return core.avg_pool(pixels:reshape(1, height, width, channels), k):reshape(height // k, width // k, channels)
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
    protocol = has_sixel() and "sixel" or blocks.exact() and "blocks" or "blocks256"
  end
  core.no_grad(function()
    if protocol == "sixel" then
      progress.write(sixel(fitting(pixels, given.width or 800), blocks.bytes) .. "\n")
    else
      local rows = blocks.bytes(fitting(pixels, given.width or core.terminal_size()))
      progress.write(table.concat(blocks.lines(rows, protocol == "blocks"), "\n") .. "\n")
    end
  end)
end
