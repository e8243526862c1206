--- A canvas of dots, 2 x 4 in a character of braille, for curves and points in the terminal. Where the terminal has no
-- UTF-8 a character stands for its dots.
--
-- Dots are drawn by layers, numbered 1, 2, 4, ... A character has one colour: that of the layers that have dots in it.

local braille = {}

---@class ganlua.view.canvas
---@field columns integer characters across; dots are twice as many
---@field rows integer characters down; dots are four times as many
local Canvas = {}
Canvas.__index = Canvas

-- The bits of a character's dots, by column and row.
local bits <const> = { { 0x01, 0x02, 0x04, 0x40 }, { 0x08, 0x10, 0x20, 0x80 } }

-- The characters by their dots.
local characters <const> = {}
for dots = 0, 255 do characters[dots] = utf8.char(0x2800 + dots) end

--- An empty canvas.
---@param columns integer
---@param rows integer
---@return ganlua.view.canvas
function braille.canvas(columns, rows)
  return setmetatable({ columns = columns, rows = rows, dots = {}, layers = {} }, Canvas)
end

--- Draws a dot; one that lies outside is left out.
---@param x integer from 0, to the right
---@param y integer from 0, downwards
---@param layer integer 1, 2, 4, ...
function Canvas:dot(x, y, layer)
  local column, row = x // 2, y // 4
  if column < 0 or column >= self.columns or row < 0 or row >= self.rows then return end
  local place = row * self.columns + column
  self.dots[place] = (self.dots[place] or 0) | bits[x % 2 + 1][y % 4 + 1]
  self.layers[place] = (self.layers[place] or 0) | layer
end

--- Draws a line between two dots.
---@param x0 integer
---@param y0 integer
---@param x1 integer
---@param y1 integer
---@param layer integer
function Canvas:line(x0, y0, x1, y1, layer)
  local steps = math.max(math.abs(x1 - x0), math.abs(y1 - y0), 1)
  local right, down = (x1 - x0) / steps, (y1 - y0) / steps
  for i = 0, steps do self:dot((x0 + right * i + 0.5) // 1 | 0, (y0 + down * i + 0.5) // 1 | 0, layer) end
end

--- The canvas as lines, each `columns` characters wide.
---@param styles table<integer, { colour: integer, mark: string }> by the layers of a character, added up: the colour of
--- 256, and the character without UTF-8
---@param ascii boolean without UTF-8
---@return string[]
function Canvas:lines(styles, ascii)
  local lines = {}
  for row = 0, self.rows - 1 do
    local parts, before = {}, nil
    for column = 1, self.columns do
      local place = row * self.columns + column - 1
      local dots = self.dots[place]
      if dots then
        local style = styles[self.layers[place]]
        local text = ascii and style.mark or characters[dots]
        parts[column] = style == before and text or ("\27[38;5;%dm%s"):format(style.colour, text)
        before = style
      else
        parts[column] = " "
      end
    end
    lines[row + 1] = table.concat(parts) .. (before and "\27[0m" or "")
  end
  return lines
end

return braille
