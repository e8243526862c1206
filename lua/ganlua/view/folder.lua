--- `ganlua --view FOLDER`: a run that is on disk, or several in one folder, beside each other. What the files hold is
-- read as what a stranger may have written: it is checked, and what does not fit is left out.

local check = require "ganlua.check"
local columns = require "ganlua.view.columns"
local core = require "ganlua.core"
local metrics_log = require "ganlua.metrics_log"
local progress = require "ganlua.progress"
local serving = require "ganlua.view.serving"

local folder_view = {}

local most_rows, piece <const> = 2000, 500
local most_runs <const> = 200
local most_bytes <const> = 256 << 20 -- of metrics.jsonl
local most_columns <const> = 100

local read = serving.read

-- The numbers of a line of metrics.jsonl; nil of any other line.
local function row_of(line)
  local fine, row = pcall(core.json_decode, line)
  local iteration = fine and type(row) == "table" and row.event == nil and math.tointeger(row.iteration)
  if not iteration then return nil end
  local numbers = { iteration = iteration }
  for name, value in pairs(row) do
    if type(name) == "string" and name:find "^[%w_.]+$" and type(value) == "number" and name ~= "iteration" then
      numbers[name] = value
    end
  end
  return numbers
end

--- The log of a run's folder: a run that went back to a checkpoint has the later lines alone.
---@param folder string
---@return ganlua.metrics_log
function folder_view.log(folder)
  local rows, last = {}, 0
  for line in (read(folder .. "/metrics.jsonl", most_bytes) or ""):gmatch "[^\n]+" do
    local row = row_of(line)
    if row then
      while last > 0 and rows[last].iteration >= row.iteration do
        rows[last] = nil
        last = last - 1
      end
      last = last + 1
      rows[last] = row
    end
  end
  local more, known = {}, {}
  for _, name in ipairs(metrics_log.columns) do known[name] = true end
  for _, row in ipairs(rows) do
    for name in pairs(row) do
      if not known[name] and #more < most_columns then more[#more + 1], known[name] = name, true end
    end
  end
  table.sort(more)
  local log = metrics_log.new(more)
  for _, row in ipairs(rows) do log:remember(row) end
  return log
end

--- Whether a folder is that of a run.
---@param folder string
---@return boolean
function folder_view.is_run(folder)
  return core.exists(folder .. "/config.lua") and core.exists(folder .. "/metrics.jsonl")
end

-- The runs that a folder is, or has in it: { name=, folder= }, by name.
local function runs_in(folder)
  folder = folder:gsub("(.)/+$", "%1")
  if folder_view.is_run(folder) then return { { name = folder:match "[^/]+$" or folder, folder = folder } } end
  local list = {}
  for _, name in ipairs(core.list_directory(folder)) do
    if utf8.len(name) and folder_view.is_run(folder .. "/" .. name) and #list < most_runs then
      list[#list + 1] = { name = name, folder = folder .. "/" .. name }
    end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

--- What stands on the board of finished runs.
---@param board ganlua.board
---@param list { name: string, folder: string }[]
function folder_view.show(board, list)
  local names, all, known = {}, {}, {}
  local pieces, statuses = {}, {}
  for i, run in ipairs(list) do
    local log = folder_view.log(run.folder)
    names[i] = { name = run.name, folder = run.folder, state = "finished", live = false }
    for _, column in ipairs(log.columns) do
      if not known[column] then all[#all + 1], known[column] = column, true end
    end
    for _, rows in ipairs(columns.pieces(log, most_rows, piece)) do
      rows.run = run.name
      pieces[#pieces + 1] = rows
    end
    statuses[i] = { iteration = log.values.iteration[log.count] or 0, seconds = log.values.seconds[log.count] or nil }
  end
  local config = read(list[1].folder .. "/config.lua", 1 << 20)
  board:post("hello", {
    runs = names, run = list[1].name, config = config and serving.text(config) or nil, columns = all, points = false,
    can = { pause = false, sample = false, set = false }, why = "finished run",
  }, 1)
  board.view:post("settings", '{"list":[]}', 1)
  board:replace("metrics", pieces)
  board:refuse "a finished run cannot be changed"
  for _, run in ipairs(list) do board:pictures_in(run.name, run.folder) end
  local first = statuses[1]
  board:post("status", {
    state = "finished", iteration = first.iteration, seconds = first.seconds, moves = serving.null,
    text = ("%d iterations"):format(first.iteration),
  }, 1)
end

--- What the interpreter does for `ganlua --view FOLDER`: serves it until Ctrl-C. False where that is no folder.
---@param path string
---@return boolean
function folder_view.shell(path)
  if not core.exists(path) or not core.is_directory(path) then return false end
  local list = runs_in(path)
  if #list == 0 then check.fail("--view: %s holds no run (config.lua and metrics.jsonl)", path) end
  local told = package.loaded["ganlua.settings"].view
  if told == "terminal" then check.fail "--view=terminal: shows a script's runs, not a folder" end
  local board = serving.open(told)
  folder_view.show(board, list)
  progress.write(("view: %s (Ctrl-C ends)\n"):format(board.link))
  if core.hold_interrupt then core.hold_interrupt(true) end -- Ctrl-C ends the loop, and the program
  while not core.interrupted() do core.sleep(3600) end
  return true
end

return folder_view
