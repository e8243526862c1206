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
-- 4. With workers = "mpi" under mpirun, each rank runs one combination at a time, on its host: see over_ranks.lua.

local axis = require "ganlua.sweep.axis"
local check = require "ganlua.check"
local core = require "ganlua.core"
local processes = require "ganlua.sweep.processes"
local progress = require "ganlua.progress"
local ranks = require "ganlua.ranks"
local report = require "ganlua.report"
local sweep_table = require "ganlua.sweep_table"

local sweep = {}

local rows = {
  base = {
    is = function(value) return type(value) == "table" or type(value) == "function" end,
    wanted = "gan.train's options, or a function that makes them",
  },
  script = { type = "string" },
  workers = {
    is = function(value) return value == "mpi" or math.type(value) == "integer" and value > 0 end,
    wanted = 'a positive integer, or "mpi"',
  },
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
      axes[#axes + 1] = { name = name, entries = axis.entries(name, value) }
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

---- The sweep -----------------------------------------------------------------------------------------------------

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

-- What the sweep is over should be asked for. Settings of the command line that reach the script are: see
-- ganlua.unasked.
local function tell_unasked(self, settings)
  if not self.script then return end
  for _, each in ipairs(self.axes) do
    if self.unasked[each.name] then
      progress.write(("warning: %s has not asked for the setting '%s', which the sweep is over\n"):format(self.script,
        each.name))
    end
  end
  settings.asked = settings.asked or {}
  for name in pairs(self.set) do settings.asked[name] = settings.asked[name] or not self.unasked[name] end
end

local calls, folders = 0, {}

--- Runs every combination, shows the table, writes it (table.txt, table.csv, table.json, curves.png) into the sweep's
--- folder, and returns it: rows, one for each combination of settings but the seed, of {labels =, runs =, failed =,
--- results = {NAME = {mean =, sd =, se =, min =, max =, values =}}, curves = {METRIC = {x =, y =}}}.
---@param options table base or script; workers (how many side by side, or "mpi": one on each rank of mpirun), metric (a
--- name or a list), name, resume; and settings, each a list of its values
---@return { folder: string, rows: table[], metrics: string[] }
function sweep.sweep(options)
  if not core.spawn then check.fail("sweep: the sandbox starts no other programs") end
  local plain, axes = understood(options)
  if ranks.many() and plain.workers ~= "mpi" then
    check.fail("sweep: wanted workers = \"mpi\", which hands combinations to the %d ranks of mpirun", ranks.size)
  end
  local all = axis.combinations(axes)
  local settings, set = settings_of()
  calls = calls + 1
  if set["ganlua.sweep"] then
    local number = tonumber(set["ganlua.sweep"])
    if calls == number and plain.base then train_one(plain, all, set["ganlua.combination"]) end
    for folder in set["ganlua.sweeps"]:gmatch "[^:]+" do folders[#folders + 1] = folder end
    if calls > number or not folders[calls] then check.fail("sweep: a process of a sweep cannot start one") end
    return read_json(folders[calls] .. "/table.json")
  end

  local workers = math.min(math.tointeger(plain.workers) or core.threads(), #all)
  local script = plain.script
  if script and not core.exists(script) then check.fail("sweep: cannot open %s", script) end
  processes.command(script or "", { set = {}, out = "" }, 1) -- refuses before a folder is made
  local name = plain.name or ((script or _G.arg[0]):match "([^/]+)$":gsub("%.lua$", "") .. "-sweep")
  if not plain.name and not script and calls > 1 then name = ("%s%d"):format(name, calls) end
  local self = processes.new {
    number = calls, before = table.move(folders, 1, #folders, 1, {}), script = script,
    workers = workers,
    threads = settings.threads or ranks.many() and core.threads() or math.max(1, core.threads() // workers),
    set = set, seed = settings.seed, axes = axes, tasks = all, unasked = {},
  }
  self.metrics = type(plain.metric) == "string" and { plain.metric } or plain.metric
  self.folder = ranks.from_first(ranks.rank == 0 and choose_folder(plain, {
    script = script or _G.arg[0], text = core.read_file(script or _G.arg[0]), set = set,
    arguments = table.concat(_G.arg, " "),
  }, name))
  folders[calls] = self.folder
  for _, task in ipairs(all) do
    task.folder = self.folder .. "/" .. folder_name(task.key)
    if ranks.from_first(read_json(task.folder .. "/finished.json") ~= nil) then
      task.status, self.found = "finished", (self.found or 0) + 1
      task.result, task.series = report.read(task.folder)
    end
  end
  if self.found and ranks.rank == 0 then
    progress.write(("%s: %d of %d runs have finished before, and are not run again\n"):format(self.folder,
      self.found, #all))
  end

  local interrupted = self:play()
  local result = ranks.from_first(ranks.rank == 0 and sweep_table.conclude(self))
  if ranks.rank == 0 then tell_unasked(self, settings) end
  if interrupted and ranks.rank == 0 then
    progress.write(("sweep stopped: run it again to go on, finished runs stay in %s\n"):format(self.folder))
  end
  -- A script ends here, if it was interrupted; in the REPL:
  if core.hold_interrupt then core.hold_interrupt(false) end
  if interrupted then error("interrupted: the sweep goes on when it is run again", 0) end
  return result
end

---- From the shell ------------------------------------------------------------------------------------------------

--- `ganlua --sweep NAME=A,B,C script`: a sweep over what the script reads by gan.setting. --set workers=2 and
--- --set metric=NAME go to the sweep.
---@param script string
---@param specs string[] each NAME=VALUES
---@return string? problem
function sweep.shell(script, specs)
  local _, set = settings_of()
  local workers = math.tointeger(tonumber(set.workers)) or set.workers
  if workers ~= nil and not rows.workers.is(workers) then
    return ("--set workers=%s: wanted a positive integer, or mpi"):format(set.workers)
  end
  local options = { script = script, workers = workers, metric = set.metric }
  set.workers, set.metric = nil, nil -- so much for them
  for _, text in ipairs(specs) do
    local name, values = text:match "^([^=]+)=(.*)$"
    if rows[name] then return ("--sweep: '%s' is a setting of sweeps themselves"):format(name) end
    options[name] = axis.listed(values)
  end
  local failed = 0
  for _, row in ipairs(sweep.sweep(options).rows) do failed = failed + row.failed end
  if failed == 0 then return nil end
  return ("--sweep: %d run%s failed; the same command tries again"):format(failed, failed > 1 and "s" or "")
end

return sweep
