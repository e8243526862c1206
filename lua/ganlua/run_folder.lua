--- A run's folder: config.lua (what was run), metrics.jsonl, history, samples/, losses.png, checkpoints.
--
-- A run that was cut off and is unchanged goes on in its folder. Any other one gets a folder of its own: where one of
-- that name is, NAME-2, NAME-3, ... It is made, with config.lua in it, before the first move, so that a place that
-- cannot be written to is known before the training and not after. One process at a time writes into a folder: it holds
-- a lock on the history, which goes with the process, however that ends.

local check = require "ganlua.check"
local checkpoint = require "ganlua.checkpoint"
local core = require "ganlua.core"
local files = require "ganlua.ranks.files"
local metrics_log = require "ganlua.metrics_log"

local run_folder = {}

-- Where runs go: --out of the interpreter, else "runs".
local function parent_folder()
  local settings = package.loaded["ganlua.settings"]
  return settings and settings.out or "runs"
end

-- A run without a name is called after the script: "examples/ring.lua" -> "ring".
local function script_name()
  local script = _G.arg and _G.arg[0]
  local name = script and script:match("([^/]+)$"):gsub("%.lua$", "")
  return name and name:match("^[%w_.-]+$") and name or "run"
end

-- What names a run's files.
run_folder.newest = "checkpoint.safetensors"
run_folder.best = "checkpoint-best.safetensors"

--- The checkpoint of an iteration, one of the last few that are kept.
---@param iteration integer
function run_folder.numbered(iteration)
  return ("checkpoint-%06d.safetensors"):format(iteration)
end

--- The numbered checkpoints in a folder by iteration, the oldest first.
---@param folder string
---@return { iteration: integer, path: string }[]
function run_folder.kept(folder)
  local list = {}
  for _, name in ipairs(files.list_directory(folder)) do
    local iteration = math.tointeger(name:match "^checkpoint%-(%d+)%.safetensors$")
    if iteration then list[#list + 1] = { iteration = iteration, path = folder .. "/" .. name } end
  end
  table.sort(list, function(a, b) return a.iteration < b.iteration end)
  return list
end

--- Removes the numbered checkpoints of a folder but for the last few up to an iteration.
---@param folder string
---@param count integer
---@param iteration integer
function run_folder.trim(folder, count, iteration)
  local kept = run_folder.kept(folder)
  for i = #kept, 1, -1 do
    if kept[i].iteration <= iteration and count > 0 then count = count - 1 else files.remove_file(kept[i].path) end
  end
end

-- Whether the files that grow hold all that a checkpoint counts on.
local function complete(folder, counters)
  local history = counters.history
  if type(history) ~= "table" then return false, "it says nothing of the history" end
  local path = folder .. "/history"
  local size = files.exists(path) and files.file_size(path) or 0
  if size < history.size then return false, "the history is shorter" end
  if not metrics_log.measure(folder .. "/metrics.jsonl", counters.metrics or 0) then
    return false, "metrics.jsonl is shorter"
  end
  return true
end

--- The newest good checkpoint of a folder, and what is to be told of those that are not good. None at all: the run
--- was cut off before its first.
---@param folder string
---@return ganlua.checkpoint?
---@return string[] said
function run_folder.newest_checkpoint(folder)
  local paths, said = { folder .. "/" .. run_folder.newest }, {}
  local kept = run_folder.kept(folder)
  for i = #kept, 1, -1 do paths[#paths + 1] = kept[i].path end
  for _, path in ipairs(paths) do
    if files.exists(path) then
      local good, found = pcall(checkpoint.read, path)
      core.check_stopped() -- the end of a program's call says nothing of the file
      local problem = not good and found:gsub("^.-:%d+: ", "")
      if good then
        good, problem = complete(folder, found.counters)
        problem = problem and ("%s: cannot be gone on from: %s"):format(path, problem)
      end
      if good then
        if #said > 0 then said[#said + 1] = ("going on from %s, the one before"):format(path) end
        return found, said
      end
      said[#said + 1] = problem
    end
  end
  if #said > 0 then said[#said + 1] = ("no good checkpoint is left in %s: the run starts over"):format(folder) end
  return nil, said
end

-- The fingerprint in a folder's config.lua: nil where there is none.
local function fingerprint_in(folder)
  local path = folder .. "/config.lua"
  if not files.exists(path) then return nil end
  local chunk = load(files.read_file(path), "=config", "t", {})
  local fine, config = pcall(chunk or error)
  return fine and type(config) == "table" and config.fingerprint or nil
end

--- Says in a folder what is run there.
---@param folder string
---@param config string
function run_folder.write_config(folder, config)
  files.write_file(folder .. "/config.lua", config)
end

--- Holds a folder for one run at a time; false where another one has it. A process that was killed takes a moment to
--- die.
---@param folder string
function run_folder.lock(folder)
  return files.lock_file(folder .. "/history", 1)
end

---@class ganlua.place where a run writes
---@field folder string
---@field lock any held until it is closed
---@field checkpoint ganlua.checkpoint? what the run goes on from
---@field resumed boolean whether the folder is that of a run that was cut off
---@field said string[] what is to be told

-- The name of a file that is being written.
local half_done = "^%.ganlua%-%d+%-%d+%.tmp$"

-- Removes what writers that were killed left half done.
local function sweep_up(folder)
  for _, name in ipairs(files.list_directory(folder)) do
    local path = folder .. "/" .. name
    if name:find(half_done) then
      files.remove_file(path)
    elseif name == "samples" and files.is_directory(path) then
      sweep_up(path)
    end
  end
end

-- Whether a folder holds nothing: a run was killed that had just made it.
local function is_bare(folder)
  if not files.is_directory(folder) then return false end
  for _, name in ipairs(files.list_directory(folder)) do
    if name ~= "history" and not name:find(half_done) then return false end
  end
  return true
end

-- Looks whether a run can go on in a folder that is there; else says why not.
local function look_at(folder, given)
  local theirs, mode = fingerprint_in(folder), given.resume
  local bare = not theirs and is_bare(folder)
  if not theirs and not bare then return nil, "is there already" end
  if theirs and mode == true and theirs ~= given.fingerprint then
    return nil, "holds the run of another script, or of this one changed"
  end
  local lock = run_folder.lock(folder)
  if not lock then return nil, "is being written by another process" end
  local found, said = run_folder.newest_checkpoint(folder)
  if not found then run_folder.write_config(folder, given.config) end -- else where the script has taken it up
  if mode == true and found and found.counters.finished then
    lock:close()
    return nil, "holds a finished run"
  end
  sweep_up(folder)
  return { folder = folder, lock = lock, checkpoint = found, resumed = true, said = said }
end

-- Makes a folder of this name, or where it is taken NAME-2, NAME-3, ...
local function make(wanted, config)
  local path, number, lock = wanted, 1, nil
  while not lock do -- two runs that start together get two
    if files.create_directory(path) then
      lock = run_folder.lock(path)
    end
    if not lock then
      number = number + 1
      path = ("%s-%d"):format(wanted, number)
    end
  end
  run_folder.write_config(path, config)
  return { folder = path, lock = lock, resumed = false, said = {} }
end

--- The folder that a run writes into: where one of this name was cut off and is unchanged, that one, with the
--- checkpoint that it goes on from; else a new one. `resume`: false, always a new one; "changed" or "restart_schedule",
--- the last one that is there, whatever it holds. Raises where it cannot be made or written to.
---@param given { out: string?, name: string?, config: string, fingerprint: string, resume: any }
---@return ganlua.place
function run_folder.claim(given)
  for _, option in ipairs { "out", "name" } do
    if given[option] == "" then check.fail("train: option '%s' must be a folder's name, got ''", option) end
  end
  local wanted = (given.out or parent_folder() .. "/" .. (given.name or script_name())):gsub("(.)/+$", "%1")
  local there, reason = {}, nil
  local path = wanted
  while files.exists(path) do
    there[#there + 1] = path
    path = ("%s-%d"):format(wanted, #there + 1)
  end
  local made, place = pcall(function()
    for i = #there, 1, -1 do
      if given.resume == false then break end
      local found, why = look_at(there[i], given)
      if found then return found end
      reason = reason or why
    end
    return make(wanted, given.config)
  end)
  if not made then check.fail("train: the run's folder cannot be written: %s", (place:gsub("^.-:%d+: ", ""))) end
  if not place.resumed and #there > 0 then
    place.said[1] = ("%s %s: this run goes to %s"):format(there[#there], reason or "is there already", place.folder)
  end
  return place
end

local function literal(value, indent)
  local kind = type(value)
  if kind == "string" then
    if not value:find("\n") then return ("%q"):format(value) end
    return "[[\n" .. value:gsub("%]%]", "] ]") .. "]]"
  elseif kind == "number" or kind == "boolean" then
    return tostring(value)
  elseif kind == "function" then
    local where = debug.getinfo(value, "S")
    return ("%q"):format(("function at %s:%d"):format(where.short_src, where.linedefined))
  elseif kind == "table" and not (getmetatable(value) and getmetatable(value).__tostring) then
    local keys, lines = {}, {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for i, key in ipairs(keys) do
      local name = type(key) == "string" and key:match("^[%a_][%w_]*$") or ("[%s]"):format(literal(key, ""))
      lines[i] = ("%s  %s = %s,\n"):format(indent, name, literal(value[key], indent .. "  "))
    end
    return #lines == 0 and "{}" or "{\n" .. table.concat(lines) .. indent .. "}"
  end
  return literal(tostring(value), indent)
end

--- A table as the text of a Lua file that returns it, keys in order; functions and objects as what they print.
---@param config table
---@return string
function run_folder.config_text(config)
  return "return " .. literal(config, "") .. "\n"
end

--- The path of an iteration's sample picture in a folder that is there; without one, of the moment that a run stopped
--- at, which is gone again once it goes on.
---@param folder string
---@param iteration integer?
function run_folder.sample_path(folder, iteration)
  files.make_directory(folder .. "/samples")
  return ("%s/samples/%s.png"):format(folder, iteration and ("%06d"):format(iteration) or "stopped")
end

return run_folder
