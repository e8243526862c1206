--- The view in the terminal, a watcher of a run (see watchers.lua): curves, samples and numbers at the bottom of the
-- screen, drawn anew as the run goes on; what is printed goes on above. At the end the last of it stays as text.
--
-- It takes at most a hundredth of the run's time, and draws at most four times a second: half of that time goes to the
-- drawing, half to asking the generator for samples. Where the terminal cannot show it, or is too small, there is the
-- plain progress line.

local budget = require "ganlua.view.budget"
local core = require "ganlua.core"
local look = require "ganlua.look"
local panels = require "ganlua.view.panels"
local progress = require "ganlua.progress"
local screen = require "ganlua.view.screen"
local series = require "ganlua.view.series"

local terminal = {}

---- What the terminal can do ----------------------------------------------------------------------------------------

--- What a terminal can show, by its variables: nil where it has no cursor to move.
---@param variable fun(name: string): string? os.getenv
---@return "utf8"|"ascii"|nil
function terminal.ability(variable)
  local kind = variable "TERM"
  if not kind or kind == "" or kind == "dumb" then return nil end
  for _, name in ipairs { "LC_ALL", "LC_CTYPE", "LANG" } do
    local value = variable(name)
    if value and value ~= "" then return value:lower():find "utf%-?8" and "utf8" or "ascii" end
  end
  return "ascii"
end

local least_columns <const>, least_rows <const> = 60, 14
local text_rows <const>, most_height <const> = 6, 30 -- rows that are left to what is printed; of the view

--- How many rows the view takes in a terminal of this size; nil where it is too small.
---@param columns integer
---@param rows integer
---@return integer?
function terminal.height(columns, rows)
  if columns < least_columns or rows < least_rows then return nil end
  return math.min(rows - text_rows, most_height)
end

---- The view --------------------------------------------------------------------------------------------------------

local charts <const> = {
  { title = "loss", { "d_loss", "discriminator" }, { "g_loss", "generator" } },
  { title = "score", { "real", "real" }, { "fake", "generated" } },
  { title = "gradient", { "d_grad_norm", "discriminator" }, { "g_grad_norm", "generator" } },
}
local share <const> = 0.005 -- of the time, for drawing and for looking each
local few_moves <const> = 50 -- before them nothing is known of how long the generator takes
local point_count <const>, picture_count <const> = 256, 24

---@class ganlua.view.terminal
local View = {}
View.__index = View

--- A watcher. What it is told besides is for specs.
---@param given? { ability: string?, write: function?, size: function?, clock: function? }
---@return ganlua.view.terminal
function terminal.new(given)
  given = given or {}
  local clock = given.clock or core.monotonic
  return setmetatable({
    ability = given.ability or progress.on_terminal() and terminal.ability(os.getenv) or nil,
    size = given.size or core.terminal_size,
    screen = screen.new(given.write or progress.write, core.at_kill),
    drawing = budget.new(clock, share), looking = budget.new(clock, share),
    curves = {}, latest = {}, moves = 0, line = "",
  }, View)
end

local function kind_of(run)
  local shape = run.generator.output_shape
  if look.is_plane(run) then return "points" end
  if #shape == 3 and (shape[3] == 1 or shape[3] == 3) then return "pictures" end
end

-- Asks the generator for what is shown.
local function renew(self, run)
  if self.kind == "points" then
    local points = self.points or { real = look.real(run, point_count) }
    if core.is_tensor(points.real) then points.real = points.real:totable() end
    points.fake = look.fake(run, point_count):totable()
    points.range = points.real and points.range or panels.extent(points.real or points.fake)
    self.points = points
  elseif self.kind == "pictures" then
    local grid = run.grid
    local n = math.min(picture_count, grid.latents:shape()[1])
    self.pictures = core.no_grad(run.generate, run, grid.latents:narrow(1, 1, n),
      grid.labels and grid.labels:narrow(1, 1, n))
  end
end

-- What is measured, in the order of metrics.jsonl.
local function measured(self, run)
  local names = {}
  for _, name in ipairs(run.log.columns) do
    if self.latest[name] and name ~= "iteration" and name ~= "seconds" then names[#names + 1] = name end
  end
  return names
end

local function head(self, run, columns, ascii)
  local at, dash = run:position(), ascii and "-" or "\u{2500}"
  local text = ("%s  iteration %d%s"):format(run.options.name or run.folder or "run", at.iteration,
    at.planned and " of " .. at.planned or "")
  text = dash:rep(2) .. " " .. panels.plain(text, columns - 4, ascii) .. " "
  return text .. dash:rep(columns - panels.width(text))
end

-- The samples, as lines of so many characters.
local function samples(self, columns, rows, ascii)
  if self.points and self.points.range then return panels.points(self.points, columns, rows, ascii) end
  if self.pictures then return panels.pictures(self.pictures, columns, rows, ascii) end
  return {}
end

--- The lines of the view.
---@param run ganlua.trainer
---@param columns integer of the view
---@param rows integer
---@return string[]
function View:frame(run, columns, rows)
  local ascii = self.ability == "ascii"
  local lines = { head(self, run, columns, ascii) }
  local below = panels.numbers(measured(self, run), self.latest, columns, rows < 14 and 1 or 3, ascii)
  if self.warning then
    below[#below + 1] = "\27[33m" .. panels.plain("warning: " .. self.warning, columns, ascii) .. "\27[0m"
  end
  below[#below + 1] = panels.plain(self.line, columns, ascii)
  local left = rows - #lines - #below
  local width = not self.kind and columns or self.kind == "points" and columns * 3 // 5 or columns // 2
  local count = math.max(1, math.min(#charts, left // 5))
  local drawn = {}
  for i = 1, count do
    local chart, curves = charts[i], {}
    for k, curve in ipairs(chart) do curves[k] = { name = curve[2], series = self.curves[curve[1]] } end
    local until_row = left * i // count
    local part = panels.chart(chart.title, curves, width - 2, until_row - #drawn, ascii)
    for _, line in ipairs(part) do drawn[#drawn + 1] = line end
    for row = #drawn + 1, until_row do drawn[row] = "" end
  end
  table.move(panels.beside(drawn, width, samples(self, columns - width, left, ascii)), 1, left, 2, lines)
  return table.move(below, 1, #below, #lines + 1, lines)
end

---- What a run tells ------------------------------------------------------------------------------------------------

local showing -- the view that has the screen: that of a run inside another's hook stays away

-- Takes the view from the screen; what it showed last stays as text. This works whatever has gone wrong.
local function leave(self, run)
  local columns, rows = self.size()
  local height = terminal.height(columns, rows)
  local fine, lines = pcall(self.frame, self, run, columns - 1, height or 0)
  self.screen:close(fine and height and lines or nil)
end

local function draw(self, run)
  local columns, rows = self.size()
  local height = terminal.height(columns, rows)
  if not height then
    self.screen:close()
    return run.progress:hand_to(nil)
  end
  run.progress:hand_to(function(text) self.line = text end)
  self.screen:draw(self:frame(run, columns - 1, height), columns, rows)
end

local function remember(self, name, at, value)
  self.latest[name] = value
  if self.curves[name] then self.curves[name]:add(at, value) end
end

function View:begin(run)
  if not self.ability or showing then return end
  showing = self
  self.kind, self.points, self.pictures, self.warning = kind_of(run), nil, nil, nil
  for _, chart in ipairs(charts) do
    for _, curve in ipairs(chart) do self.curves[curve[1]] = series.new() end
  end
  for _, name in ipairs(run.log.columns) do
    local values, iterations = run.log:history(name)
    for i, value in ipairs(values) do remember(self, name, iterations[i], value) end
  end
  draw(self, run)
end

function View:moved(run)
  if showing ~= self or run.talking then return end
  self.moves = self.moves + 1
  if not self.drawing:is_due() then return end
  if self.moves >= few_moves and self.looking:is_due() then self.looking:spend(renew, self, run) end
  self.drawing:spend(draw, self, run)
end

function View:iterated(_, row)
  if showing ~= self then return end
  for name, value in next, row do remember(self, name, row.iteration, value) end
end

function View:sampled(_, made)
  if showing ~= self or self.kind ~= "pictures" then return end
  self.pictures = made:narrow(1, 1, math.min(picture_count, made:shape()[1]))
end

function View:warned(run, message)
  self.warning = ("%s (iteration %d)"):format(message, run.game.iteration)
end

--- The REPL has the screen.
function View:waits(run)
  if showing ~= self then return end
  leave(self, run)
  self.drawing:renew()
end

function View:ended(run)
  if showing ~= self then return end
  showing = nil
  pcall(renew, self, run)
  leave(self, run)
  run.progress:hand_to(function() end) -- the line stands there
end

return terminal
