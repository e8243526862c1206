-- A terminal for specs: what a program writes becomes what is on the screen, and what has scrolled off it. It knows
-- what ECMA-48 and the VT100 say of the sequences that ganlua writes, and refuses others.

local screen = {}

local Screen = {}
Screen.__index = Screen

function screen.new(columns, rows)
  local self = setmetatable({ columns = columns, rows = rows, row = 1, column = 1, top = 1, bottom = rows, wrap = true,
    cells = {}, scrollback = {} }, Screen)
  for row = 1, rows do self.cells[row] = {} end
  return self
end

-- A row as text, without what is blank at its end.
local function text_of(self, row)
  local cells = {}
  for column = 1, self.columns do cells[column] = row[column] or " " end
  return (table.concat(cells):gsub("%s+$", ""))
end

-- One row down; at the bottom of the region that scrolls, that scrolls.
local function down(self)
  if self.row ~= self.bottom then
    self.row = math.min(self.row + 1, self.rows)
    return
  end
  local gone = table.remove(self.cells, self.top)
  if self.top == 1 then table.insert(self.scrollback, text_of(self, gone)) end
  table.insert(self.cells, self.bottom, {})
end

local function put(self, character)
  if self.column > self.columns then
    if self.wrap then
      self.column = 1
      down(self)
    else
      self.column = self.columns
    end
  end
  self.cells[self.row][self.column] = character
  self.column = self.column + 1
end

local function number(text, default) return text == "" and default or tonumber(text) end

local sequences = {
  A = function(self, n) self.row = math.max(1, self.row - number(n, 1)) end,
  H = function(self, place)
    local row, column = place:match "^(%d*);?(%d*)$"
    self.row, self.column = math.min(number(row, 1), self.rows), math.min(number(column, 1), self.columns)
  end,
  K = function(self) for column = self.column, self.columns do self.cells[self.row][column] = nil end end,
  J = function(self)
    for column = self.column, self.columns do self.cells[self.row][column] = nil end
    for row = self.row + 1, self.rows do self.cells[row] = {} end
  end,
  r = function(self, region)
    local top, bottom = region:match "^(%d*);?(%d*)$"
    self.top, self.bottom = number(top, 1), number(bottom, self.rows)
    assert(self.top < self.bottom and self.bottom <= self.rows, "no such region: " .. region)
    self.row, self.column = 1, 1
  end,
  m = function() end,
  h = function(self, mode)
    assert(mode == "?7", "mode " .. mode)
    self.wrap = true
  end,
  l = function(self, mode)
    assert(mode == "?7", "mode " .. mode)
    self.wrap = false
  end,
}

local plain = {
  ["\n"] = function(self) -- the line discipline makes it a return, too
    self.column = 1
    down(self)
  end,
  ["\r"] = function(self) self.column = 1 end,
  ["\t"] = function(self) self.column = math.min(self.columns, self.column + 8 - (self.column - 1) % 8) end,
  ["\27" .. "7"] = function(self) self.saved = { self.row, self.column } end,
  ["\27" .. "8"] = function(self) self.row, self.column = table.unpack(self.saved) end,
  ["\27D"] = down,
}

--- Shows what a program has written.
---@param text string
function Screen:write(text)
  local at = 1
  while at <= #text do
    local parameters, final, behind = text:match("^\27%[([%d;?]*)(%a)()", at)
    if parameters then
      assert(sequences[final], "unknown sequence: " .. final)(self, parameters)
      at = behind
    else
      local piece = text:match("^\27.", at) or text:match("^" .. utf8.charpattern, at)
      if plain[piece] then
        plain[piece](self)
      else
        assert(not piece:find "^%c", ("unknown control: %q"):format(piece))
        put(self, piece)
      end
      at = at + #piece
    end
  end
end

--- The rows on the screen.
function Screen:lines()
  local lines = {}
  for row = 1, self.rows do lines[row] = text_of(self, self.cells[row]) end
  return lines
end

--- All text, that which has scrolled off the screen first, without what is blank at its end.
function Screen:text()
  local lines = table.move(self.scrollback, 1, #self.scrollback, 1, {})
  return (table.concat(table.move(self:lines(), 1, self.rows, #lines + 1, lines), "\n"):gsub("%s+$", "\n"))
end

return screen
