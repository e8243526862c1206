--- The processes of a sweep on the ranks of mpirun: each rank runs one combination at a time, in a process of its own,
-- and takes the next one that is left when it is through. The ranks tell each other five times a second what they do,
-- and each finds out by itself who takes what. One whose process was killed by a signal is given out once more.

local core = require "ganlua.core"
local ranks = require "ganlua.ranks"
local sweep_table = require "ganlua.sweep_table"

-- Seconds between two reports.
local pause <const> = 0.2

-- What this rank reports of the task that it runs; nil where it has none. A task that a process of an earlier sweep
-- still runs is begun when that has ended.
local function report_of(self, own, progress_of)
  if not own then return nil end
  local begun = own.process or self:start(own)
  own.status = "runs"
  if not begun then return { place = own.place } end
  local how, code = core.ended(own.process)
  if not how then return { place = own.place, progress = progress_of(own.folder) } end
  self:finish(own, how, code)
  return {
    place = own.place, ended = true, lost = how == "signal", status = own.status, why = own.why, seconds = own.seconds,
    result = own.result, series = own.series,
  }
end

-- Takes up what a rank reports; true where it is free.
local function take(self, told, shown)
  if not told then return true end
  local task = self.tasks[told.place]
  task.progress = told.progress
  if not told.ended then return false end
  if told.lost and not task.again then
    task.status, task.again = nil, true
  else
    task.status, task.why, task.seconds = told.status, told.why, told.seconds
    task.result, task.series = told.result, told.series
    shown:ended(task)
  end
  return true
end

-- The first task that nobody has had.
local function next_of(self)
  for _, task in ipairs(self.tasks) do
    if not task.status then return task end
  end
end

-- How many tasks are not through.
local function left(self)
  local count = 0
  for _, task in ipairs(self.tasks) do
    if not task.status or task.status == "runs" then count = count + 1 end
  end
  return count
end

--- Runs what has not finished, on all ranks; true where a signal ended it.
---@param self table a sweep of ganlua.sweep.processes
---@param progress_of fun(folder: string): number?
---@return boolean
return function(self, progress_of)
  if core.hold_interrupt then core.hold_interrupt(true) end
  local quiet = setmetatable({ ended = function() end, show = function() end }, { __close = function() end })
  local shown <close> = ranks.rank == 0 and sweep_table.progress(self) or quiet
  for place, task in ipairs(self.tasks) do task.place = place end
  local own, interrupted
  repeat
    local reports = ranks.gather { task = report_of(self, own, progress_of), signal = core.interrupted() }
    for _, report in ipairs(reports) do interrupted = interrupted or report.signal end
    for rank, report in ipairs(reports) do
      if take(self, report.task, shown) then
        local task = not interrupted and next_of(self) or nil
        if task then task.status = "runs" end
        if rank == ranks.rank + 1 then own = task end
      end
    end
    shown:show()
    if left(self) > 0 and not interrupted then core.sleep(pause) end
  until left(self) == 0 or interrupted
  local process = own and own.process
  if process then core.terminate(process) end -- it saves its run, and ends
  while process and not core.ended(process) do core.sleep(0.02) end
  for _, task in ipairs(self.tasks) do
    if task.status == "runs" then task.status = nil end
  end
  return interrupted and true or false
end
