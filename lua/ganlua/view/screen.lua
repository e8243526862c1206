--- Lines at the bottom of the terminal that are drawn anew in place, while what others print goes on above them.
--
-- The terminal scrolls the rows above alone (its scrolling region), whoever prints there: scripts, child processes,
-- errors. Its scrollback stays whole. At the end the lines are written once more where the text has come to, as a part
-- of it.

local screen = {}

---@class ganlua.view.screen
---@field height integer? of the lines, while they are there
local Screen = {}
Screen.__index = Screen

local save <const>, back <const> = "\0277", "\0278" -- the cursor and its colours
local no_wrap <const>, wrap <const> = "\27[?7l", "\27[?7h"

--- What gives a terminal back that scrolls a part of its rows alone: the cursor goes below all of them.
screen.undo = "\27[r\27[?7h\27[999;1H\n"

---@param write function takes text
---@param at_kill? function takes the text that undoes what the terminal was told, for a program that is killed
---@return ganlua.view.screen
function screen.new(write, at_kill)
  return setmetatable({ write = write, at_kill = at_kill or function() end }, Screen)
end

-- The text that takes the lines away: they stand below the cursor, all of them.
local function cleared() return save .. "\27[r" .. back .. "\27[J\27[?7h" end

--- Draws the lines at the bottom of a terminal of this size; the first time, and where the size or the number of lines
--- has changed, room is made for them. A line is shorter than the terminal is wide.
---@param lines string[]
---@param columns integer
---@param rows integer
function Screen:draw(lines, columns, rows)
  local parts, height = {}, #lines
  if self.height ~= height or self.rows ~= rows or self.columns ~= columns then
    if self.height then parts[1] = cleared() end
    -- Down and up again: rows scroll away where there are too few, and the cursor keeps its column.
    parts[#parts + 1] = ("\27D"):rep(height) .. ("\27[%dA"):format(height)
    parts[#parts + 1] = save .. ("\27[1;%dr"):format(rows - height) .. back
    self.height, self.rows, self.columns = height, rows, columns
    self.at_kill(screen.undo)
  end
  parts[#parts + 1] = save .. no_wrap
  for i, line in ipairs(lines) do
    parts[#parts + 1] = ("\27[%d;1H\27[0m%s\27[K"):format(rows - height + i, line)
  end
  parts[#parts + 1] = back .. wrap
  self.write(table.concat(parts))
end

--- Gives the terminal back. What stands at the bottom is gone, and with `lines` these are written where the text has
--- come to.
---@param lines? string[]
function Screen:close(lines)
  if not self.height then return end
  self.height = nil
  local text = lines and "\r\n" .. table.concat(lines, "\r\n") .. "\r\n" or ""
  self.write(cleared() .. text)
  self.at_kill ""
end

return screen
