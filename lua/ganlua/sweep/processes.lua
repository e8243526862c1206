--- The processes of a sweep: each runs a script again with the settings of one combination, several side by side.
--
-- What a process does is its own: one that crashes is a gap in the table. A signal to the sweep is passed on to all,
-- and each is waited for while it saves its run.

local axis = require "ganlua.sweep.axis"
local check = require "ganlua.check"
local core = require "ganlua.core"
local over_ranks = require "ganlua.sweep.over_ranks"
local ranks = require "ganlua.ranks"
local report = require "ganlua.report"
local sweep_table = require "ganlua.sweep_table"

local processes = {}

--- The command that runs a script again with other settings. Raises where there is no script to run.
---@param script string
---@param told { set: table<string, any>, out: string, seed: integer? }
---@param threads integer
---@return string[]
function processes.command(script, told, threads)
  local arg = _G.arg
  if not arg or not arg[0] or not core.exists(arg[0]) then
    check.fail("sweep: needs a script in a file, which other processes can run again")
  end
  local first, set, line = 0, {}
  while arg[first - 1] do first = first - 1 end
  for name, value in pairs(told.set) do set[#set + 1] = name .. "=" .. value end
  table.sort(set)
  if package.loaded["ganlua.settings"] then -- the interpreter
    line = { arg[first], "--threads", tostring(threads), "--out", told.out, "--seed", tostring(told.seed or 1) }
    for _, text in ipairs(set) do table.move({ "--set", text }, 1, 2, #line + 1, line) end
  else -- a stock lua5.4
    for i, text in ipairs(set) do set[i] = ("[%q]=%q"):format(text:match "^(.-)=(.*)$") end
    local chunk = "package.loaded['ganlua.settings']={out=%q,set={%s}} require'ganlua'.seed(%s)"
    line = { arg[first], "-e", chunk:format(told.out, table.concat(set, ","), told.seed or 1) }
  end
  line[#line + 1] = script
  return table.move(arg, 1, #arg, #line + 1, line)
end

local function output_of(folder)
  local path = folder .. "/output.txt"
  return core.exists(path) and core.read_file(path) or ""
end

-- The last line that a process printed, but for the progress of its run.
local function last_words(folder)
  local last
  for line in output_of(folder):gmatch "[^\n]+" do
    local says_nothing = not line:find "%S" or line:find "^%s" or line:find "^stack traceback" or line:find "^%d+/%d+  "
    if not says_nothing then last = line end
  end
  return last
end

-- How far a run is, by its own progress line: a number from 0 to 1.
local function progress_of(folder)
  local path = folder .. "/output.txt"
  if not core.exists(path) then return nil end
  local size = core.file_size(path)
  local last = math.min(300, size)
  local done, planned = core.file_slice(path, size - last, last):match ".*\n(%d+)/(%d+)  "
  return done and tonumber(done) / math.max(1, tonumber(planned))
end

--- A sweep that is played: tasks (combinations, each with its folder), set, script or number and before, workers,
--- threads, seed; unasked, the settings by name that some script did not ask for.
local Sweep = {}
Sweep.__index = Sweep

---@param self table
function processes.new(self)
  return setmetatable(self, Sweep)
end

-- Starts a combination; false where an earlier sweep's process still runs it.
function Sweep:start(task)
  core.make_directory(task.folder)
  local set = {}
  for name, value in pairs(self.set) do set[name] = value end
  set["ganlua.report"] = task.folder .. "/report.jsonl"
  if self.script then
    for name, value in pairs(task.values) do set[name] = axis.words(value) end
  else
    set["ganlua.sweep"], set["ganlua.combination"] = ("%d"):format(self.number), task.key
    set["ganlua.sweeps"] = table.concat(self.before, ":")
  end
  local seed = task.labels.seed or self.seed
  task.process = core.spawn(processes.command(self.script or _G.arg[0], { set = set, out = task.folder, seed = seed },
    self.threads), task.folder .. "/output.txt")
  task.status = task.process and "runs" or nil
  task.began = core.monotonic()
  return task.process ~= nil
end

-- Takes up what a process left when it ended.
function Sweep:finish(task, how, code)
  local seconds = core.monotonic() - task.began
  task.process = nil
  if how == "exit" and code == 0 then
    task.status, task.seconds = "finished", seconds
    core.write_file(task.folder .. "/finished.json", core.json_encode { seconds = seconds, combination = task.labels })
    task.result, task.series = report.read(task.folder)
    local unasked = output_of(task.folder):match "the script has not asked for the settings? ([^\n]*)" or ""
    for name in unasked:gmatch "'([^']*)'" do self.unasked[name] = true end
  else
    local words = last_words(task.folder)
    task.status = "failed"
    task.why = ("%s %d%s"):format(how == "exit" and "exit code" or "signal", code, words and ": " .. words or "")
  end
end

--- Runs what has not finished, so many at a time; true where a signal ended it.
function Sweep:play()
  if ranks.many() then return over_ranks(self, progress_of) end
  if core.hold_interrupt then core.hold_interrupt(true) end
  local shown <close> = sweep_table.progress(self)
  local running = {}
  local waiting, interrupted
  repeat
    interrupted = core.interrupted()
    for place = #running, 1, -1 do
      local how, code = core.ended(running[place].process)
      if how then
        self:finish(running[place], how, code)
        shown:ended(table.remove(running, place))
      end
    end
    for _, task in ipairs(self.tasks) do
      if #running >= self.workers or interrupted then break end
      if not task.status and self:start(task) then running[#running + 1] = task end
    end
    for _, task in ipairs(running) do task.progress = progress_of(task.folder) end
    shown:show()
    waiting = #running
    for _, task in ipairs(self.tasks) do waiting = waiting + (task.status and 0 or 1) end
    if waiting > 0 and not interrupted then core.sleep(0.05) end
  until waiting == 0 or interrupted
  for _, task in ipairs(running) do core.terminate(task.process) end -- each saves its run, and ends
  while #running > 0 do
    if core.ended(running[1].process) then table.remove(running, 1).status = nil else core.sleep(0.02) end
  end
  return interrupted
end

return processes
