--- gan.sweep: every combination of some settings in a process of its own, several side by side, and one table of what
-- came out.
--
--     gan.sweep{ base = { data = ..., generator = G, ... }, loss = { gan.loss.hinge{}, gan.loss.minimax{} },
--       schedule = { plain = gan.schedule.alternate{ iterations = 5000 }, wild = function(game) ... end },
--       seed = { 1, 2, 3 }, workers = 2, metric = "modes.high_quality" }
--     gan.sweep{ script = "ring.lua", loss = { "hinge", "nonsaturating" }, seed = { 1, 2, 3 } }
--
-- 1. With `base` (gan.train's options, or a function that makes them from one combination), each process runs the
--    script from its beginning to this very call, trains one combination there, and ends. With `script`, each process
--    runs that script, which reads its settings by gan.setting; seed is --seed. The shell's `ganlua --sweep` is that.
-- 2. What a process does is its own: one that crashes is a gap in the table.
-- 3. A sweep that was cut off goes on where the script is the same: what has finished is not run again.

local check = require "ganlua.check"
local core = require "ganlua.core"
local report = require "ganlua.report"
local sweep_table = require "ganlua.sweep_table"

local sweep = {}

local rows = {
  base = {
    is = function(value) return type(value) == "table" or type(value) == "function" end,
    wanted = "gan.train's options, or a function that makes them",
  },
  script = { type = "string" },
  workers = { type = "integer", min = 1 },
  metric = {
    is = function(value)
      if type(value) == "string" then return true end
      for _, name in ipairs(type(value) == "table" and value or {}) do
        if type(name) ~= "string" then return false end
      end
      return type(value) == "table" and #value > 0
    end,
    wanted = "a name such as 'modes.high_quality', or a list of names",
  },
  name = { type = "string" },
  resume = { type = "boolean", default = true },
}

---- Combinations --------------------------------------------------------------------------------------------------

-- A value in words.
local function words(value)
  if type(value) == "function" then return require("ganlua.schedule").describe(value) end
  return type(value) == "number" and ("%.14g"):format(value) or (tostring(value):gsub("^table: 0x%x+$", "table"))
end

-- What one setting goes through: {label =, value =}, in order; { name = value } gives the values names.
local function axis(name, list)
  if type(list) ~= "table" or getmetatable(list) or next(list) == nil then
    check.fail("sweep: '%s' must be a list of values, or a table {name = value}, got %s", name, check.describe(list))
  end
  local entries, labels, keys = {}, {}, {}
  for key in pairs(list) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if type(a) == type(b) then return a < b end
    return type(a) == "number"
  end)
  for i, key in ipairs(keys) do
    local label = type(key) == "string" and key or words(list[key])
    if labels[label] then
      check.fail("sweep: two values of '%s' print as %s: give them names: %s = { a = ..., b = ... }", name, label, name)
    end
    labels[label] = true
    entries[i] = { label = label, value = list[key] }
  end
  return entries
end

-- All combinations of the axes, the last one (seed) changing fastest: labels and values by name, and the key
-- "loss=hinge,seed=1".
local function combinations(axes)
  local all = { { labels = {}, values = {}, parts = {} } }
  for _, each in ipairs(axes) do
    local longer = {}
    for _, combination in ipairs(all) do
      for _, entry in ipairs(each.entries) do
        local new = { labels = { [each.name] = entry.label }, values = { [each.name] = entry.value } }
        for name, label in pairs(combination.labels) do new.labels[name] = label end
        for name, value in pairs(combination.values) do new.values[name] = value end
        new.parts = table.move(combination.parts, 1, #combination.parts, 1, {})
        table.insert(new.parts, each.name .. "=" .. entry.label)
        longer[#longer + 1] = new
      end
    end
    all = longer
  end
  for _, combination in ipairs(all) do combination.key = table.concat(combination.parts, ",") end
  return all
end

-- The options and the axes of a sweep.
local function understood(options)
  if type(options) ~= "table" then check.fail("sweep: wanted a table of options, got %s", check.describe(options)) end
  local plain, axes = {}, {}
  for name, value in pairs(options) do
    if rows[name] then
      plain[name] = value
    elseif type(name) ~= "string" then
      check.fail("sweep: settings have names, got %s at place %s", check.describe(value), tostring(name))
    else
      axes[#axes + 1] = { name = name, entries = axis(name, value) }
    end
  end
  plain = check.options("sweep", plain, rows)
  if (plain.base == nil) == (plain.script == nil) then
    check.fail("sweep: wanted either 'base' (gan.train's options) or 'script' (a path)")
  end
  if #axes == 0 then check.fail("sweep: no setting has a list of values, such as seed = {1, 2, 3}") end
  table.sort(axes, function(a, b)
    if (a.name == "seed") ~= (b.name == "seed") then return b.name == "seed" end
    return a.name < b.name
  end)
  return plain, axes
end

---- In a process of a sweep ---------------------------------------------------------------------------------------

local function settings_of()
  local settings = package.loaded["ganlua.settings"]
  return settings or {}, settings and settings.set or {}
end

local function copy_of(values)
  local copy = {}
  for key, value in pairs(values) do copy[key] = value end
  return copy
end

-- Trains one combination, reports what came out, and ends the process.
local function train_one(plain, all, key)
  for _, combination in ipairs(all) do
    if combination.key == key then
      local options
      if type(plain.base) == "function" then
        options = plain.base(copy_of(combination.values))
      else
        options = copy_of(plain.base)
        for name, value in pairs(combination.values) do options[name] = value end
      end
      options.name = options.name or "run"
      local run = require("ganlua.trainer").train(options)
      report.report(run.metrics)
      local data = run.options.data
      if type(data) == "table" and data.centres and data.std then
        local modes = require("ganlua.metrics").modes(run:sample(2500), data.centres, data.std)
        report.report { modes = modes }
      end
      os.exit(true, true)
    end
  end
  error(("sweep: the script changed: there is no combination %s any more"):format(key), 0)
end

---- The processes of a sweep --------------------------------------------------------------------------------------

-- The command that runs a script again with other settings.
local function command(script, told, threads)
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

-- A folder's name for a combination.
local function folder_name(key)
  return (key:gsub("[^%w=,._-]+", "-"):sub(1, 150))
end

local function read_json(path)
  if not core.exists(path) then return nil end
  local fine, value = pcall(core.json_decode, core.read_file(path))
  return fine and value or nil
end

-- The sweep's folder: the one that is there, where the same script made it with the same settings; else a new one.
local function choose_folder(plain, identity, name)
  local settings = settings_of()
  local wanted = (settings.out or "runs") .. "/" .. name
  local path, number = wanted, 1
  while core.exists(path) do
    local made_by = read_json(path .. "/sweep.json")
    if plain.resume and not settings.new and made_by and core.digest(made_by) == core.digest(identity) then
      return path
    end
    number = number + 1
    path = ("%s-%d"):format(wanted, number)
  end
  core.make_directory(path)
  core.write_file(path .. "/sweep.json", core.json_encode(identity))
  return path
end

-- The last line that a process printed.
local function last_words(folder)
  local last
  local file <close> = io.open(folder .. "/output.txt")
  for line in file and file:lines() or function() end do
    if line:find "%S" and not line:find "^%s" and not line:find "^stack traceback" then last = line end
  end
  return last
end

-- How far a run is, by its own progress line: a number from 0 to 1.
local function progress_of(folder)
  local file <close> = io.open(folder .. "/output.txt")
  if not file then return nil end
  file:seek("end", -math.min(300, file:seek "end"))
  local done, planned = file:read("a"):match ".*\n(%d+)/(%d+)  "
  return done and tonumber(done) / math.max(1, tonumber(planned))
end

local Sweep = {}
Sweep.__index = Sweep

-- Starts a combination; false where an earlier sweep's process still runs it.
function Sweep:start(task)
  core.make_directory(task.folder)
  local set = copy_of(self.set)
  set["ganlua.report"] = task.folder .. "/report.jsonl"
  if self.script then
    for name, value in pairs(task.values) do set[name] = words(value) end
  else
    set["ganlua.sweep"], set["ganlua.combination"] = ("%d"):format(self.number), task.key
    set["ganlua.sweeps"] = table.concat(self.before, ":")
  end
  local seed = task.labels.seed or self.seed
  task.process = core.spawn(command(self.script or arg[0], { set = set, out = task.folder, seed = seed },
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
  else
    task.status = "failed"
    task.why = ("%s %d%s"):format(how == "exit" and "exit code" or "signal", code,
      last_words(task.folder) and ": " .. last_words(task.folder) or "")
  end
end

local hold_interrupt = core.hold_interrupt or function() end

-- Runs what has not finished, so many at a time; true where a signal ended it.
function Sweep:play()
  hold_interrupt(true)
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

local calls, folders = 0, {}

--- Runs every combination, shows the table, writes it (table.txt, table.csv, table.json, curves.png) into the sweep's
--- folder, and returns it: rows, one for each combination of settings but the seed, of {labels =, runs =, failed =,
--- results = {NAME = {mean =, sd =, se =, min =, max =, values =}}, curves = {METRIC = {x =, y =}}}.
---@param options table base or script; workers, metric (a name or a list), name, resume; and settings, each a list of
--- its values
---@return { folder: string, rows: table[], metrics: string[] }
function sweep.sweep(options)
  local plain, axes = understood(options)
  local all = combinations(axes)
  local settings, set = settings_of()
  calls = calls + 1
  if set["ganlua.sweep"] then
    local number = tonumber(set["ganlua.sweep"])
    if calls == number and plain.base then train_one(plain, all, set["ganlua.combination"]) end
    for folder in set["ganlua.sweeps"]:gmatch "[^:]+" do folders[#folders + 1] = folder end
    if calls > number or not folders[calls] then check.fail("sweep: a process of a sweep cannot start one") end
    return read_json(folders[calls] .. "/table.json")
  end

  local workers = math.min(plain.workers or core.threads(), #all)
  local script = plain.script
  if script and not core.exists(script) then check.fail("sweep: cannot open %s", script) end
  command(script or "", { set = {}, out = "" }, 1) -- refuses where there is no script, before a folder is made
  local name = plain.name or ((script or arg[0]):match "([^/]+)$":gsub("%.lua$", "") .. "-sweep")
  if not plain.name and not script and calls > 1 then name = ("%s%d"):format(name, calls) end
  local self = setmetatable({
    number = calls, before = table.move(folders, 1, #folders, 1, {}), script = script,
    workers = workers, threads = settings.threads or math.max(1, core.threads() // workers),
    set = set, seed = settings.seed, axes = axes, tasks = all,
  }, Sweep)
  self.metrics = type(plain.metric) == "string" and { plain.metric } or plain.metric
  self.folder = choose_folder(plain, {
    script = script or arg[0], text = core.read_file(script or arg[0]), set = set, arguments = table.concat(arg, " "),
  }, name)
  folders[calls] = self.folder
  for _, task in ipairs(all) do
    task.folder = self.folder .. "/" .. folder_name(task.key)
    if read_json(task.folder .. "/finished.json") then
      task.status, self.found = "finished", (self.found or 0) + 1
      task.result, task.series = report.read(task.folder)
    end
  end
  if self.found then
    io.write(("%s: %d of %d runs have finished before, and are not run again\n"):format(self.folder, self.found, #all))
  end

  local interrupted = self:play()
  local result = sweep_table.conclude(self)
  if interrupted then
    io.write(("sweep stopped: run it again to go on, finished runs stay in %s\n"):format(self.folder))
  end
  hold_interrupt(false) -- a script ends here, if it was interrupted; in the REPL:
  if interrupted then error("interrupted: the sweep goes on when it is run again", 0) end
  return result
end

---- From the shell ------------------------------------------------------------------------------------------------

-- "A,B,C", and "1..5" for whole numbers, as a list.
local function listed(text)
  local list = {}
  for part in (text .. ","):gmatch "(.-)," do
    local first, last = part:match "^(%-?%d+)%.%.(%-?%d+)$"
    if first then
      for number = tonumber(first), tonumber(last) do list[#list + 1] = number end
    else
      list[#list + 1] = part
    end
  end
  return list
end

--- `ganlua --sweep NAME=A,B,C script`: a sweep over what the script reads by gan.setting. --set workers=2 and
--- --set metric=NAME go to the sweep.
---@param script string
---@param specs string[] each NAME=VALUES
function sweep.shell(script, specs)
  local _, set = settings_of()
  local options = { script = script, workers = math.tointeger(tonumber(set.workers)), metric = set.metric }
  for _, text in ipairs(specs) do
    local name, values = text:match "^([^=]+)=(.*)$"
    if rows[name] then error(("--sweep: '%s' is a setting of sweeps themselves"):format(name), 0) end
    options[name] = listed(values)
  end
  local failed = 0
  for _, row in ipairs(sweep.sweep(options).rows) do failed = failed + row.failed end
  if failed > 0 then
    error(("--sweep: %d run%s failed; the same command tries again"):format(failed, failed > 1 and "s" or ""), 0)
  end
end

return sweep
