--- What a run measured: metrics.jsonl, one line an iteration, and the same numbers in memory.
--
-- Keys always come in the order below, times last, so two runs that compute the same differ in the last column alone.

local core = require "ganlua.core"
local plot = require "ganlua.plot"

local metrics_log = {
  -- d_ and g_: the last move of the discriminator and of the generator in the iteration; a player that did not move has
  -- no columns, nor has a penalty where there is none. real, fake: mean scores; accuracy: the share of scores on the
  -- discriminator's right side of 0.
  columns = {
    "iteration", "d_loss", "g_loss", "real", "fake", "accuracy", "d_penalty", "g_penalty", "d_grad_norm",
    "g_grad_norm", "seconds",
  },
}

local Log = {}
Log.__index = Log

function metrics_log.new()
  local self = setmetatable({ values = {}, iterations = {} }, Log)
  for _, name in ipairs(metrics_log.columns) do
    self.values[name], self.iterations[name] = {}, {}
  end
  return self
end

--- Appends to this file from now on.
---@param path string
function Log:open(path)
  self:close()
  self.file = assert(io.open(path, "a"))
  self.file:setvbuf("full", 1 << 16)
end

--- One iteration's numbers in the columns' names, from what its moves measured.
---@param iteration integer
---@param discriminator table? what its last move returned
---@param generator table?
---@param seconds number
---@return table<string, number>
function metrics_log.row(iteration, discriminator, generator, seconds)
  local scores = discriminator or generator or {}
  return {
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
    seconds = math.floor(seconds * 1000 + 0.5) / 1000,
  }
end

--- Keeps one iteration's numbers and writes their line.
---@param row table<string, number>
function Log:record(row)
  for _, name in ipairs(metrics_log.columns) do
    local value = row[name]
    if value then
      local values, iterations = self.values[name], self.iterations[name]
      values[#values + 1], iterations[#iterations + 1] = value, row.iteration
    end
  end
  if self.file then assert(self.file:write(core.json_encode(row, metrics_log.columns, 6), "\n")) end
end

--- All values of a column, and the iterations that they belong to.
---@param name string one of metrics_log.columns
---@return number[] values
---@return integer[] iterations
function Log:history(name)
  return self.values[name], self.iterations[name]
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

--- Puts on disk what was recorded.
function Log:flush()
  if self.file then self.file:flush() end
end

--- Ends the file; also where a run stops by an error.
function Log:close()
  if self.file then self.file:close() end
  self.file = nil
end
Log.__close = Log.close

return metrics_log
