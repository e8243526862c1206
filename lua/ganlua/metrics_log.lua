--- What a run measured: metrics.jsonl, one line an iteration, and the same numbers in memory.
--
-- Keys always come in the order below, times last, so two runs that compute the same differ in the last column alone.
-- Between the lines of iterations stand lines with a key "event": what was done to the run from outside.

local check = require "ganlua.check"
local core = require "ganlua.core"
local files = require "ganlua.ranks.files"
local journal = require "ganlua.journal"
local plot = require "ganlua.plot"

local metrics_log = {
  -- d_ and g_: the last move of the discriminator and of the generator in the iteration; a player that did not move has
  -- no columns, nor has a penalty where there is none. real, fake: mean scores; accuracy: the share of scores on the
  -- discriminator's right side of 0; augment: the probability of gan.augment.ada's changes.
  columns = {
    "iteration", "d_loss", "g_loss", "real", "fake", "accuracy", "d_penalty", "g_penalty", "d_grad_norm",
    "g_grad_norm", "augment", "seconds",
  },
}

--- Whether something is measured under this name.
---@param name any
---@param more? string[] columns that a run has besides
---@return boolean
function metrics_log.is_column(name, more)
  for _, columns in ipairs { metrics_log.columns, more } do
    for _, column in ipairs(columns) do
      if column == name then return true end
    end
  end
  return false
end

---@class ganlua.metrics_log
---@field lines integer of the file
---@field columns string[]
---@field count integer rows in memory
---@field values table<string, (number|false)[]> by column: each row's, false where it has none
local Log = {}
Log.__index = Log

-- What is measured of each of several discriminators: "d_loss_2".
local of_each = { "d_loss", "g_loss", "accuracy" }

--- A log of the usual columns, and of those of gan.train's option `measure`.
---@param measured? string[]
---@param discriminators? integer how many there are, where there are several
function metrics_log.new(measured, discriminators)
  local self = setmetatable({ lines = 0, kept = {}, several = discriminators or 1, values = {}, count = 0 }, Log)
  self:expect(measured or {})
  return self
end

-- Has a column from now on, empty until now.
local function add_column(self, name)
  if self.values[name] then return end
  local list = {}
  for i = 1, self.count do list[i] = false end
  self.values[name] = list
end

--- From now on these columns stand behind the usual ones.
---@param measured string[]
function Log:expect(measured)
  self.measured, self.columns = measured, table.move(metrics_log.columns, 1, #metrics_log.columns, 1, {})
  for place = 1, self.several > 1 and self.several or 0 do
    for _, name in ipairs(of_each) do self.columns[#self.columns + 1] = ("%s_%d"):format(name, place) end
  end
  table.move(measured, 1, #measured, #self.columns + 1, self.columns)
  for _, name in ipairs(self.columns) do add_column(self, name) end
end

--- Forgets the numbers in memory.
function Log:clear()
  self.values, self.count = {}, 0
  for _, name in ipairs(self.columns) do add_column(self, name) end
end

-- Where the first `count` lines of a text end, and the last of them; nil where it has fewer.
local function measure(text, count)
  local size, start = 0, 0
  for _ = 1, count do
    start, size = size, text:find("\n", size + 1, true)
    if not size then return nil end
  end
  return size, text:sub(start + 1, size - 1)
end

local function text_of(path, count)
  return count > 0 and files.exists(path) and files.read_file(path) or ""
end

--- Where the first `count` lines of a file end, in bytes, and the last of them; nil where it has fewer.
---@param path string
---@param count integer
---@return integer? size
---@return string? last
function metrics_log.measure(path, count)
  return measure(text_of(path, count), count)
end

local nothing <const> = {}

-- What was measured by iteration, in the lines of a text up to byte `last`: a replay computes none of it again. It
-- stands behind the last of the usual columns, in few lines.
local function measured_in(text, last)
  local usual, kept, at = {}, {}, 1
  for _, name in ipairs(metrics_log.columns) do usual[name] = true end
  while true do
    local _, stop = text:find('"seconds":', at, true)
    if not stop or stop > last then return kept end
    if text:find("^[%d.e+-]+,", stop + 1) then
      local line = text:sub(at, (text:find("\n", stop, true) or #text + 1) - 1):match "[^\n]*$"
      local fine, row = pcall(core.json_decode, line)
      local iteration = fine and type(row) == "table" and not row.event and math.tointeger(row.iteration)
      for name, value in pairs(iteration and row or nothing) do
        if not usual[name] and type(value) == "number" then
          kept[iteration] = kept[iteration] or {}
          kept[iteration][name] = value
        end
      end
    end
    at = stop + 1
  end
end

--- Appends to this file from now on, behind its first `lines` lines.
---@param path string
---@param lines? integer 0
---@return number seconds of the run when the last of these lines was written
function Log:open(path, lines)
  lines = lines or 0
  local text = text_of(path, lines)
  local size, last = measure(text, lines)
  if not size then check.fail("%s: is damaged: it has fewer than the %d lines that there were", path, lines) end
  self.kept = measured_in(text, size)
  self.file, self.lines = journal.open(path, size), lines
  return tonumber(last:match '"seconds":([%d.]+)') or 0
end

--- One iteration's numbers in the columns' names, from what its moves measured.
---@param iteration integer
---@param discriminator table? what its last move returned
---@param generator table?
---@param seconds number?
---@return table<string, number>
function metrics_log.row(iteration, discriminator, generator, seconds)
  local scores = discriminator or generator or {}
  local row = {
    iteration = iteration,
    d_loss = discriminator and discriminator.loss,
    g_loss = generator and generator.loss,
    real = scores.real,
    fake = scores.fake,
    accuracy = scores.accuracy,
    d_penalty = discriminator and discriminator.penalty,
    g_penalty = generator and generator.penalty,
    d_grad_norm = discriminator and discriminator.grad_norm,
    g_grad_norm = generator and generator.grad_norm,
    augment = discriminator and discriminator.augment,
    seconds = seconds and math.floor(seconds * 1000 + 0.5) / 1000,
  }
  if not scores.each then return row end
  for place, its in ipairs(scores.each) do row["accuracy_" .. place] = its.accuracy end
  for name, measured in pairs { d_loss = discriminator, g_loss = generator } do
    for place, its in ipairs(measured.each) do row[("%s_%d"):format(name, place)] = its.loss end
  end
  return row
end

--- Keeps one iteration's numbers in memory, and adds to them what the file has of an iteration that was played before.
---@param row table<string, number>
function Log:remember(row)
  for name, value in next, self.kept[row.iteration] or nothing do
    add_column(self, name)
    if row[name] == nil then row[name] = value end
  end
  local place = self.count + 1
  self.count = place
  for name, list in next, self.values do list[place] = row[name] or false end
end

-- Adds a line to the file, where there is one.
local function write(self, line)
  if not self.file then return end
  self.lines = self.lines + 1
  self.file:write(line .. "\n")
end

--- Keeps one iteration's numbers and writes their line.
---@param row table<string, number>
function Log:record(row)
  self:remember(row)
  if self.file then write(self, core.json_encode(row, self.columns, 6)) end
end

--- Writes a line about something that was done to the run.
---@param fields table<string, any> event= says what
function Log:note(fields)
  write(self, core.json_encode(fields))
end

--- All values of a column, and the iterations that they belong to; nil where there is no such column.
---@param name string
---@return number[]? values
---@return integer[]? iterations
function Log:history(name)
  if not self.values[name] then return nil end
  local values, iterations, all = {}, {}, self.values.iteration
  for place, value in ipairs(self.values[name]) do
    if value then values[#values + 1], iterations[#iterations + 1] = value, all[place] end
  end
  return values, iterations
end

--- Draws both players' losses into a PNG file.
---@param path string
function Log:plot(path)
  local series = {}
  for _, row in ipairs { { "d_loss", "discriminator" }, { "g_loss", "generator" } } do
    local values, iterations = self:history(row[1])
    if #values > 0 then series[#series + 1] = { name = row[2], x = iterations, y = values } end
  end
  plot.line({ title = "losses", x = "iteration", series = series }):save(path)
end

--- Draws what was measured of samples into a PNG file, a plot for each; nothing where nothing was.
---@param path string
function Log:plot_measured(path)
  local plots = {}
  for _, name in ipairs(self.measured) do
    local values, iterations = self:history(name)
    if #values > 0 and not name:find "_error$" then
      plots[#plots + 1] = plot.line { title = name, x = "iteration", width = 560, height = 300,
        series = { { name = "generated beside real", x = iterations, y = values } } }
    end
  end
  if #plots > 0 then plot.grid({ plots = plots }):save(path) end
end

--- Puts on disk what was recorded.
---@param sync? boolean all of it is there when this returns
function Log:flush(sync)
  if self.file then self.file:flush(sync) end
end

--- Ends the file; also where a run stops by an error.
function Log:close()
  local file = self.file
  self.file = nil
  if file then file:flush() end
end
Log.__close = Log.close

return metrics_log
