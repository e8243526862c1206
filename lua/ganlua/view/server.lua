--- The live view of a run in a browser: a watcher (see watchers.lua) that puts on the board what happens, and does what
-- a viewer asks for between two moves.
--
-- 1. It takes its time from the run, so it counts it: what is shown anew waits until a hundred times as long has passed
--    as showing it took the last time, a quarter of a second at least. Histograms and surfaces are computed for viewers
--    that are there, and for nobody else.
-- 2. What it cannot look at (a discriminator of the script's own that wants something else) is told once, and no more
--    looked at: a view never ends a run.
-- 3. In the sandbox a viewer looks, and does nothing.

local adjusting = require "ganlua.adjusting"
local budget = require "ganlua.view.budget"
local columns = require "ganlua.view.columns"
local commands = require "ganlua.view.commands"
local core = require "ganlua.core"
local look = require "ganlua.look"
local progress = require "ganlua.progress"
local serving = require "ganlua.view.serving"

-- Rows of metrics that a viewer is told: of the past, in an event, of what is new.
local most_rows, piece, new_rows <const> = 2000, 500, 100
-- Pieces of news after which the past is thinned again.
local most_pieces <const> = 200
-- Moves in the strip, and events that they are kept in.
local most_moves, move_events <const> = 400, 40
-- How much of the time news and looks may take: with what viewers take of the machine, less than a hundredth.
local news_share <const>, looks_share <const> = 0.002, 0.003
-- Seconds that a paused run sleeps before it looks for Ctrl-C.
local nap <const> = 0.1
local most_points, most_scored, bins, side <const> = 500, 128, 20, 40

---@class ganlua.view_server
local Server = {}
Server.__index = Server

local server = {}

--- The watcher of a run.
---@param options { port: integer?, host: string?, token: string? }
function server.new(options)
  return setmetatable({ options = options }, Server)
end

---- What is told at the beginning -----------------------------------------------------------------------------------

-- The script's text, where it can be read.
local function script()
  local settings = package.loaded["ganlua.settings"]
  local name = _G.arg and _G.arg[0]
  local text = settings and settings.script
  if not text and name and core.exists(name) and not core.is_directory(name) then text = core.read_file(name) end
  if not text or #text > 1 << 18 then return nil end
  return { name = serving.text(name or "script"), text = serving.text(text) }
end

local function name_of(run)
  return run.folder and run.folder:match "([^/]+)/*$" or run.options.name or "run"
end

local function hello(self, run)
  local given = run.options
  local plan = given.labels
  local may = not core.sandboxed
  self.board:post("hello", {
    runs = { { name = self.name, folder = run.folder, state = "running", live = true } },
    run = self.name, script = script(), config = serving.text(given.config), columns = run.log.columns,
    planned = run.game.planned, latent = given.latent_text, labels = plan and (plan.names or plan.classes) or nil,
    shape = run.generator.output_shape, points = look.is_plane(run),
    can = { pause = may, sample = may, set = may }, why = not may and "sandbox" or nil,
  }, 1)
end

local function settings(self, run)
  local list = {}
  for i, one in ipairs(adjusting.list(run.game)) do
    local value = adjusting.value(run.game, one)
    list[i] = { name = one.name, value = value or serving.null, text = serving.text(type(one.value) == "number"
      and ("%g"):format(one.value) or tostring(one.value):gsub("^function: .*", "a function")) }
  end
  self.board:post("settings", { list = list }, 1)
end

-- All that was measured before, thinned.
local function past(self, run)
  local list = columns.pieces(run.log, most_rows, piece)
  for _, rows in ipairs(list) do rows.run = self.name end
  self.board:replace("metrics", list)
  self.place, self.told = run.log.count, 0
end

-- Everything that a viewer needs to begin.
local function begin_again(self, run)
  hello(self, run)
  settings(self, run)
  past(self, run)
end

function Server:begin(run)
  local board, new = serving.open(self.options)
  self.board, self.name, self.state = board, name_of(run), "running"
  self.clock = core.monotonic
  self.news, self.looks = budget.new(self.clock, news_share), budget.new(self.clock, looks_share)
  self.kinds, self.losses, self.first = {}, {}, run.game:moves() + 1
  self.fresh = not run.game.recorder.live
  for _, event in ipairs { "hello", "settings", "metrics", "moves", "samples", "histogram", "points", "status",
    "warning" } do
    board:replace(event, {})
  end
  board:refuse(core.sandboxed and "in the sandbox a viewer can only look" or nil)
  begin_again(self, run)
  if run.folder then board:pictures_in(self.name, run.folder) end -- of an earlier part of the run
  if new then run.progress:say("view: %s", board.link) end
end

---- News -------------------------------------------------------------------------------------------------------------

local function tell_status(self, run)
  local now = self.clock()
  self.board:post("status", {
    state = self.state, iteration = run.game.iteration, moves = run.game:moves(),
    seconds = run.before + now - run.started,
    text = progress.text(run:position(), { images = run.images, iterations = run.played, seconds = now - run.started }),
  }, 1)
end

local function tell_moves(self)
  local count = #self.kinds
  if count == 0 then return end
  local from = math.max(1, count - most_moves + 1)
  self.board:post("moves", {
    run = self.name, first = self.first + from - 1, kinds = table.concat(self.kinds, "", from),
    losses = table.move(self.losses, from, count, 1, {}),
  }, move_events)
  self.first = self.first + count
  self.kinds, self.losses = {}, {}
end

local function tell_metrics(self, run)
  local last = run.log.count
  if self.fresh or last < self.place then -- a replay, or the way back to a checkpoint, has filled the log anew
    self.fresh = false
    return begin_again(self, run)
  elseif last == self.place then
    return
  end
  local rows = columns.rows(run.log, self.place + 1, last, new_rows)
  rows.run = self.name
  self.board:post("metrics", rows, 1 << 16)
  self.place, self.told = last, self.told + 1
  if self.told >= most_pieces then past(self, run) end
end

local function news(self, run)
  tell_metrics(self, run)
  tell_moves(self)
  tell_status(self, run)
end

---- Looks ------------------------------------------------------------------------------------------------------------

local function rounded(run, n)
  local pac = run.options.pac
  return math.max(1, n // pac) * pac
end

local function tell_points(self, run)
  local real, fake = look.real(run, most_points), look.fake(run, most_points):totable()
  real = real and real:totable()
  local low, high = look.span(real or fake)
  local values = low and look.surface(run, low, high, side)
  self.board:post("points", {
    iteration = run.game.iteration, real = real, fake = fake,
    surface = values and { low = low, high = high, side = side, values = values } or nil,
  }, 1)
end

local function tell_scores(self, run)
  local found = look.histogram(run, rounded(run, look.is_plane(run) and most_points or most_scored), bins)
  if not found then return end
  self.board:post("histogram", {
    iteration = run.game.iteration, low = found.low, high = found.high, real = found.counts.real,
    fake = found.counts.fake,
  }, 1)
end

local function looks(self, run)
  local fine, problem = pcall(function()
    tell_scores(self, run)
    if look.is_plane(run) then tell_points(self, run) end
  end)
  if not fine then
    core.check_stopped() -- the end of a program's call is no trouble of the view
    self.blind = true
    self:warned(run, "the view cannot look at the networks: " .. tostring(problem))
  end
end

-- Whether there is somebody to look for, and something to look at.
local function is_watched(self) return not self.blind and self.board.view:viewers() > 0 end

---- Commands ---------------------------------------------------------------------------------------------------------

-- One command: pausing and going on here, the rest between two moves.
local function obey(self, run, text, number)
  local fine, answer = pcall(function()
    local asked = core.json_decode(text)
    if type(asked) ~= "table" then error("a command is an object", 0) end
    local what = asked["do"]
    if what == "pause" then
      self.state = "paused"
    elseif what == "resume" then
      self.state = "running"
    elseif what == "step" then
      self.state, self.step = "paused", true
    else
      return commands.answer(run, asked, number)
    end
    return {}
  end)
  core.check_stopped()
  if not fine then answer = { error = serving.text((tostring(answer):gsub("\nstack traceback:.*", ""))) } end
  answer.id, answer.ok = number, fine
  self.board:post("reply", answer)
  settings(self, run)
end

-- Does what was asked for; while the run is paused, until it is not. Ctrl-C ends the wait, and the run as it would.
local function serve(self, run, text, number)
  local began
  repeat
    if text then obey(self, run, text, number) end
    if self.state == "paused" and not self.step and not began then
      began = self.clock()
      self.news:spend(news, self, run)
      if is_watched(self) then self.looks:spend(looks, self, run) end
    end
    core.check_stopped()
    local waits = self.state == "paused" and not self.step and not core.interrupted()
    text, number = nil, nil
    if not self.step then text, number = self.board.view:asked(waits and nap or 0) end
  until not text and not waits
  if began then run.started = run.started + self.clock() - began end -- which the run's seconds leave out
  self.step = nil
  if self.state == "running" then tell_status(self, run) end
end

---- The watcher -----------------------------------------------------------------------------------------------------

local letters = { discriminator = "d", generator = "g", both = "b" }

function Server:moved(run, kind, measured)
  local its = measured[kind] or measured.discriminator
  local place = #self.kinds + 1
  self.kinds[place], self.losses[place] = letters[kind], its.loss
  local text, number = self.board.view:asked(0)
  if (text or self.state == "paused") and not run.talking then serve(self, run, text, number) end
  if self.news:is_due() then self.news:spend(news, self, run) end
  if self.looks:is_due() and is_watched(self) then self.looks:spend(looks, self, run) end
end

function Server:sampled(run, samples, path)
  local bytes = path and core.read_file(path) or look.png(samples, run.grid.columns)
  if bytes then self.board:picture(self.name, run.game.iteration, bytes) end
end

function Server:warned(run, message)
  self.board:post("warning", { iteration = run.game.iteration, text = serving.text(message) }, 100)
end

function Server:ended(run, how)
  if not self.board then return end
  self.state = how
  news(self, run)
  self.board:refuse "the run has ended"
end

return server
