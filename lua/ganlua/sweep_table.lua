--- What a sweep shows and writes: one table while it goes; at its end means and spreads over the seeds, as text, CSV
-- and JSON, and a picture of the curves.

local core = require "ganlua.core"
local progress = require "ganlua.progress"
local plot = require "ganlua.plot"

local sweep_table = {}

---- Rows ----------------------------------------------------------------------------------------------------------

-- The settings but the seed, and the runs that differ in the seed alone.
local function groups_of(self)
  local groups, by_key, names = {}, {}, {}
  for _, axis in ipairs(self.axes) do
    if axis.name ~= "seed" then names[#names + 1] = axis.name end
  end
  for _, task in ipairs(self.tasks) do
    local parts = {}
    for i, name in ipairs(names) do parts[i] = task.labels[name] end
    local key = table.concat(parts, "  ")
    if not by_key[key] then
      by_key[key] = { name = key, labels = {}, tasks = {} }
      for _, name in ipairs(names) do by_key[key].labels[name] = task.labels[name] end
      groups[#groups + 1] = by_key[key]
    end
    table.insert(by_key[key].tasks, task)
  end
  return groups, names
end

--- Mean and spread of numbers: sd is the standard deviation of the sample, se that of the mean.
---@param values number[]
function sweep_table.statistics(values)
  local sum, squares, least, most = 0, 0, math.huge, -math.huge
  for _, value in ipairs(values) do
    sum, least, most = sum + value, math.min(least, value), math.max(most, value)
  end
  local n, mean = #values, sum / #values
  for _, value in ipairs(values) do squares = squares + (value - mean) ^ 2 end
  local sd = n > 1 and math.sqrt(squares / (n - 1)) or 0
  return { mean = mean, sd = sd, se = sd / math.sqrt(n), min = least, max = most, n = n, values = values }
end

-- The chosen metrics, else all that any run has; times are no result.
local function metrics_of(self)
  if self.metrics then return self.metrics end
  local seen, names = { seconds = true }, {}
  for _, task in ipairs(self.tasks) do
    for name in pairs(task.result or {}) do
      if not seen[name] then names[#names + 1] = name end
      seen[name] = true
    end
  end
  table.sort(names)
  return names
end

-- The mean over a group's runs of a metric at each iteration where all of them have it; nil without any.
local function curve_of(group, metric)
  local sums, counts, runs = {}, {}, 0
  for _, task in ipairs(group.tasks) do
    local series = task.series and task.series[metric]
    runs = runs + (series and 1 or 0)
    for iteration, value in pairs(series or {}) do
      sums[iteration], counts[iteration] = (sums[iteration] or 0) + value, (counts[iteration] or 0) + 1
    end
  end
  local x, y = {}, {}
  for iteration, count in pairs(counts) do
    if count == runs then x[#x + 1] = iteration end
  end
  table.sort(x)
  for i, iteration in ipairs(x) do y[i] = sums[iteration] / runs end
  return #x > 0 and { x = x, y = y } or nil
end

local function result_of(self)
  local groups, names = groups_of(self)
  local metrics, rows = metrics_of(self), {}
  for i, group in ipairs(groups) do
    local row = { labels = group.labels, runs = 0, failed = 0, results = {}, curves = {} }
    local values = {}
    for _, task in ipairs(group.tasks) do
      if task.status == "finished" then row.runs = row.runs + 1 end
      if task.status == "failed" then row.failed = row.failed + 1 end
      for name, value in pairs(task.result or {}) do
        values[name] = values[name] or {}
        table.insert(values[name], value)
      end
    end
    for name, list in pairs(values) do row.results[name] = sweep_table.statistics(list) end
    for _, name in ipairs(metrics) do row.curves[name] = curve_of(group, name) end
    rows[i] = row
  end
  return { folder = self.folder, settings = names, metrics = metrics, rows = rows }, groups
end

---- Text ----------------------------------------------------------------------------------------------------------

-- Lines of cells as lines of text, columns side by side.
local function aligned(lines)
  local widths, texts = {}, {}
  for _, cells in ipairs(lines) do
    for i, cell in ipairs(cells) do widths[i] = math.max(widths[i] or 0, utf8.len(cell) or #cell) end
  end
  for i, cells in ipairs(lines) do
    local parts = {}
    for place, cell in ipairs(cells) do
      parts[place] = cell .. (" "):rep(widths[place] - (utf8.len(cell) or #cell))
    end
    texts[i] = table.concat(parts, "  "):gsub("%s+$", "")
  end
  return texts
end

local function text_of(result)
  local head, lines = {}, {}
  for _, name in ipairs(result.settings) do head[#head + 1] = name end
  head[#head + 1] = "runs"
  for _, name in ipairs(result.metrics) do head[#head + 1] = name end
  lines[1] = head
  for _, row in ipairs(result.rows) do
    local cells = {}
    for _, name in ipairs(result.settings) do cells[#cells + 1] = row.labels[name] end
    cells[#cells + 1] = ("%d%s"):format(row.runs, row.failed > 0 and (", %d failed"):format(row.failed) or "")
    for _, name in ipairs(result.metrics) do
      local its = row.results[name]
      cells[#cells + 1] = its and ("%.4g +- %.2g"):format(its.mean, its.sd) or "-"
    end
    lines[#lines + 1] = cells
  end
  return table.concat(aligned(lines), "\n") .. "\n"
end

local function quoted(text)
  return text:find '[,"\n]' and '"' .. text:gsub('"', '""') .. '"' or text
end

local statistics = { "mean", "sd", "se", "min", "max" }

local function csv_of(result)
  local lines = { {} }
  for _, name in ipairs(result.settings) do table.insert(lines[1], quoted(name)) end
  for _, name in ipairs { "runs", "failed" } do table.insert(lines[1], name) end
  for _, name in ipairs(result.metrics) do
    for _, part in ipairs(statistics) do table.insert(lines[1], quoted(name .. " " .. part)) end
  end
  for _, row in ipairs(result.rows) do
    local cells = {}
    for _, name in ipairs(result.settings) do cells[#cells + 1] = quoted(row.labels[name]) end
    cells[#cells + 1], cells[#cells + 2] = tostring(row.runs), tostring(row.failed)
    for _, name in ipairs(result.metrics) do
      for _, part in ipairs(statistics) do
        cells[#cells + 1] = row.results[name] and ("%.9g"):format(row.results[name][part]) or ""
      end
    end
    lines[#lines + 1] = cells
  end
  for i, cells in ipairs(lines) do lines[i] = table.concat(cells, ",") end
  return table.concat(lines, "\n") .. "\n"
end

---- The picture ---------------------------------------------------------------------------------------------------

-- Curves of the metric over iterations where runs have them; else the results, one place a row.
local function draw(self, result, groups)
  local metric, series = result.metrics[1], {}
  if not metric then return end
  for i, group in ipairs(groups) do
    local curve = result.rows[i].curves[metric]
    if curve and #curve.x > 1 then series[#series + 1] = { name = group.name, x = curve.x, y = curve.y } end
  end
  local across = "iteration"
  if #series == 0 then
    across = "row of the table"
    for i, row in ipairs(result.rows) do
      local values, x = row.results[metric] and row.results[metric].values or {}, {}
      for place = 1, #values do x[place] = i end
      if #values > 0 then series[#series + 1] = { name = groups[i].name, x = x, y = values, style = "points" } end
    end
  end
  if #series == 0 then return end
  plot.line { title = metric .. ", mean over seeds", x = across, series = series }:save(self.folder .. "/curves.png")
end

--- Shows the table, writes it with the picture, and returns it.
function sweep_table.conclude(self)
  local result, groups = result_of(self)
  local text = text_of(result)
  progress.write(text)
  core.write_file(self.folder .. "/table.txt", text)
  core.write_file(self.folder .. "/table.csv", csv_of(result))
  core.write_file(self.folder .. "/table.json", core.json_encode(result))
  draw(self, result, groups)
  progress.write(self.folder .. "/table.csv, table.json and curves.png have it\n")
  return result
end

---- While it goes -------------------------------------------------------------------------------------------------

local Progress = {}
Progress.__index = Progress

--- On a terminal a table of all runs that updates; in a pipe a line for each run that ends.
function sweep_table.progress(self)
  return setmetatable({
    sweep = self, lines = 0, last = 0,
    terminal = progress.on_terminal() and #groups_of(self) <= 30,
  }, Progress)
end

local function value_of(self, task)
  local metric = metrics_of(self)[1]
  local value = task.result and metric and task.result[metric]
  return value and ("%.4g"):format(value) or "done"
end

-- Says that a run has ended: where the table does not show it, or not why.
function Progress:ended(task)
  local self_sweep, done = self.sweep, 0
  if self.terminal and task.status ~= "failed" then return end
  for _, each in ipairs(self_sweep.tasks) do
    if each.status == "finished" or each.status == "failed" then done = done + 1 end
  end
  self:clear()
  local outcome = task.status == "failed" and "failed: " .. task.why
    or ("%s  %.0f s"):format(value_of(self_sweep, task), task.seconds)
  progress.write(("%d/%d  %s  %s\n"):format(done, #self_sweep.tasks, task.key, outcome))
end

function Progress:clear()
  if self.lines > 0 then progress.write(("\27[%dA\27[J"):format(self.lines)) end
  self.lines = 0
end

-- Draws the table, if it is time to.
function Progress:show()
  local now = core.monotonic()
  if not self.terminal or now - self.last < 0.5 then return end
  self.last = now
  local lines = {}
  for i, group in ipairs((groups_of(self.sweep))) do
    local cells = { group.name }
    for _, task in ipairs(group.tasks) do
      cells[#cells + 1] = task.status == "finished" and value_of(self.sweep, task)
        or task.status == "runs" and (task.progress and ("%.0f %%"):format(100 * task.progress) or "...")
        or task.status or "."
    end
    lines[i] = cells
  end
  self:clear()
  local width = core.terminal_size() - 1
  for _, line in ipairs(aligned(lines)) do progress.write(line:sub(1, width) .. "\n") end
  self.lines = #lines
end

Progress.__close = Progress.clear

return sweep_table
