--- One run of a game: the schedule plays, and every iteration is logged, shown, sampled and saved where it is time to.
--
-- The run's folder is made before the first move. However a run ends, what it measured until then is in the folder.
--
-- A run that was cut off goes on to the same bytes. A checkpoint has all that is computed with, and how far the
-- history and metrics.jsonl were; both are cut back to that, and the schedule is replayed against the history (see
-- recorder.lua). Nothing that happens only because a run was cut off (a last checkpoint, a picture of that moment)
-- draws random numbers or calls a hook.

local check = require "ganlua.check"
local checkpoint = require "ganlua.checkpoint"
local core = require "ganlua.core"
local game = require "ganlua.game"
local history = require "ganlua.history"
local journal = require "ganlua.journal"
local metrics_log = require "ganlua.metrics_log"
local plain = require "ganlua.plain"
local player_module = require "ganlua.player"
local progress = require "ganlua.progress"
local run_folder = require "ganlua.run_folder"
local streams = require "ganlua.streams"

---@class ganlua.trainer
---@field generator ganlua.module
---@field discriminator ganlua.module
---@field ema ganlua.module? the generator's moving average, in eval mode
---@field state table the script's own; strings, numbers, booleans and tables of them are saved with the run
---@field metrics table<string, number> the last iteration's
---@field folder string? once the training has begun; none with out = false
local Run = {}
Run.__index = Run

--- A run with checked options (see trainer.lua) and built networks.
---@param given table
---@return ganlua.trainer
function Run.new(given)
  local self = setmetatable({
    options = given,
    generator = given.generator,
    discriminator = given.discriminator,
    ema = given.ema and given.generator:clone():eval(),
    state = {},
    metrics = {},
    log = metrics_log.new(),
    images = 0,
  }, Run)
  self.game = game.new {
    discriminator = self.discriminator,
    generator = self.generator,
    optimizer = given.optimizer,
    settings = {
      loss = given.loss, batch = given.batch, micro_batch = given.micro_batch, penalties = given.penalties,
      clip = given.clip, noise = given.noise, top_k = given.top_k, unroll = given.unroll, ema = given.ema,
    },
    pac = given.pac,
    data = given.data.reader and given.data:reader() or given.data,
    latent = given.latent,
    seed = given.seed,
    ema = self.ema,
    state = self.state,
    after_move = function() self:after_move() end,
    after_iteration = function() self:after_iteration() end,
    after_recall = function() self:after_recall() end,
  }
  self.grid_latents = streams.with(given.seed, streams.number "grid", given.latent, given.sample.count)
  return self
end

-- Runs in play: one may be started inside another's hook.
local playing = 0

-- Ctrl-C waits for the end of a move while a run is in play; the end of the last guard lets it through again.
local function hold_interrupts()
  local hold = core.hold_interrupt or function() end
  playing = playing + 1
  hold(true)
  return setmetatable({}, { __close = function()
    playing = playing - 1
    if playing == 0 then hold(false) end
  end })
end

-- A run that an error stops leaves its networks, which are as they were before the move that failed, and their
-- pictures. The error is the user's to see: what cannot be written on top of it is not. A replay that fails has nothing
-- to leave.
local function leave_files(self)
  return setmetatable({}, { __close = function(_, problem)
    local stands = self.training and self.game.recorder.live and not self.interrupted
    self.training = false
    core.forbid_reading(false)
    if problem ~= nil and stands and self.folder then
      pcall(function()
        self.game.recorder:forget(problem)
        self:stop()
      end)
    end
    local journals_closed, trouble = pcall(self.close_files, self)
    if not journals_closed and problem == nil then error(trouble, 0) end
  end })
end

-- What the schedule can see of the game as it starts.
local function seen(self)
  local played = self.game
  local moves = {}
  for name, player in pairs(played.players) do moves[name] = player.moves end
  local packed = pcall(plain.pack, self.state) -- what cannot be saved is named when the run is
  return {
    iteration = played.iteration, moves = moves, state = packed and self.state or {},
    random = played.streams:state().schedule or 0,
  }
end

---- Going on -------------------------------------------------------------------------------------------------------

-- The script's own table stays the same table.
local function refill(state, values)
  for key in pairs(state) do state[key] = nil end
  for key, value in pairs(values) do state[key] = value end
end

-- Takes up all that a checkpoint holds.
local function take(self, saved)
  local counters, played = saved.counters, self.game
  checkpoint.give(saved, self:networks())
  played.iteration = counters.iteration
  for name, player in pairs(played.players) do
    player.moves, player.moments = counters.moves[name], saved.moments[name]
    player.memory = counters.penalties and counters.penalties[name] or {}
    player_module.refresh(player)
  end
  played.streams.seed, self.options.seed = counters.seed, counters.seed
  played.streams:load_state(counters.streams)
  if counters.data and played.data.load_state then played.data:load_state(counters.data) end
  refill(self.state, counters.state)
  self.saved, self.sampled, self.best = counters.saved, counters.sampled, counters.best
end

-- Shows the log what the records up to byte `last` tell of closed iterations.
local function recount(self, bytes, last)
  local latest, iteration, at = {}, 0, 1
  while at <= last do
    local number, raised, _, result, behind = history.read(bytes, at)
    local kind = history.kinds[number]
    if kind == "start" then
      iteration = result.iteration
    elseif kind == "next" and not raised then
      iteration = iteration + 1
      self.log:remember(metrics_log.row(iteration, latest.discriminator, latest.generator))
      latest = {}
    elseif number <= 3 and not raised then
      for name, measured in pairs(result) do latest[name] = measured end
    end
    at = behind
  end
end

-- Sets the game back to the start that the history has at byte `start`, and has the schedule told all that follows.
local function replay(self, saved)
  local bytes = core.read_file(self.folder .. "/history"):sub(1, saved.counters.history.size)
  local start = saved.counters.history.start
  recount(self, bytes, start)
  local _, _, _, began, behind = history.read(bytes, start + 1)
  local played, lenient = self.game, self.options.resume == "changed"
  self.going_on_from = lenient and saved or nil
  played.iteration = began.iteration
  for name, player in pairs(played.players) do player.moves = began.moves[name] end
  refill(self.state, began.state)
  played.streams:load_state { schedule = began.random }
  played.recorder.journal, played.recorder.start = self.history_file, start
  played.recorder:replay(bytes, behind, function()
    local drawn = played.streams:state().schedule
    take(self, saved)
    local then_ = saved.counters.streams.schedule
    if not lenient and core.digest(drawn or 0) ~= core.digest(then_ or 0) then
      check.fail("the schedule does not replay: it drew other random numbers than before the run was cut off; "
        .. "resume = \"restart_schedule\" keeps the networks and starts the schedule at its first line")
    end
  end, lenient)
end

-- The schedule starts at its first line, from where the game is now.
local function start(self)
  self.game.recorder:begin(self.history_file, seen(self))
end

-- Makes or finds the run's folder; returns the checkpoint that the run goes on from, if it does.
local function claim_folder(self)
  local given = self.options
  if not self.folder then
    local place = run_folder.claim(given)
    self.folder, self.lock = place.folder, place.lock
    if given.progress then
      for _, text in ipairs(place.said) do io.write(text, "\n") end
      if place.resumed and not place.checkpoint then io.write(self.folder, ": the run starts again\n") end
    end
    return place.checkpoint, place.resumed and not place.checkpoint
  end
  self.lock = run_folder.lock(self.folder)
  if not self.lock then check.fail("run:train: %s is being written by another process", self.folder) end
  if not self.interrupted then return nil end
  self:save(self.folder .. "/" .. run_folder.newest) -- with what was changed by hand since
  return checkpoint.read(self.folder .. "/" .. run_folder.newest)
end

-- Opens the files and gives the schedule its beginning: a replay, or a start.
local function begin(self)
  local given = self.options
  if given.out == false then return start(self) end
  local saved, afresh = claim_folder(self)
  local counters = saved and saved.counters or {}
  local size = counters.history and counters.history.size or afresh and 0
    or self.history_file and self.history_file.size or 0
  self.history_file = journal.open(self.folder .. "/history", size)
  self.before = self.log:open(self.folder .. "/metrics.jsonl", counters.metrics or afresh and 0 or self.log.lines)
  if not saved then return start(self) end

  os.remove(self.folder .. "/samples/stopped.png")
  run_folder.trim(self.folder, given.checkpoint.keep, counters.iteration)
  self.log:clear()
  if given.resume == "restart_schedule" then
    recount(self, core.read_file(self.folder .. "/history"), size)
    take(self, saved)
    start(self)
  else
    replay(self, saved)
  end
  if given.progress then
    io.write(("%s: going on from iteration %d\n"):format(self.folder, counters.iteration))
  end
end

-- Plays the schedule. A changed script's schedule that has another way to where the run is starts at its first line.
local function play(self)
  local given, recorder = self.options, self.game.recorder
  if given.resume ~= "changed" or recorder.live then
    given.schedule(self.game)
    return recorder:finish()
  end
  local _, problem = pcall(function()
    given.schedule(self.game)
    recorder:finish()
  end)
  if not recorder.differs then
    if problem ~= nil then error(problem, 0) end
    return
  end
  self.progress:say("the changed schedule starts at its first line: %s", problem)
  take(self, self.going_on_from)
  start(self)
  given.schedule(self.game)
end

--- Plays the schedule to its end, in a folder of its own (with out = false, in none). On Ctrl-C the move is finished
--- and everything saved. A run that was cut off goes on where it was.
---@return ganlua.trainer self
function Run:train()
  local given = self.options
  if self.training then check.fail("run:train: this run is training already") end
  local _ <close> = hold_interrupts()
  local _ <close> = leave_files(self)
  local _ <close> = self.game.streams:within "schedule"
  local shown <close> = progress.new { silent = not given.progress }
  self.progress, self.played, self.images, self.before = shown, 0, 0, 0
  self.started = core.monotonic()
  self.generator:train()
  self.discriminator:train()
  self.finished = nil
  begin(self)
  self.training, self.interrupted = true, nil
  self.started = core.monotonic()

  play(self)

  self:conclude()
  shown:say("done in %s%s", progress.duration(core.monotonic() - self.started), self:place())
  given.on.finish(self)
  return self
end

-- Where the files of a run are, for a message.
function Run:place()
  return self.folder and ": everything is in " .. self.folder or ""
end

-- How far the game is, moves after the last next() included: files of this moment need not be written twice.
local function moment(self)
  local players = self.game.players
  return ("%d %d %d"):format(self.game.iteration, players.discriminator.moves, players.generator.moves)
end

-- What stands at the end of a run: pictures, plot, checkpoint.
function Run:conclude()
  self.progress:show(self:position(), self.images, self.played, true)
  if self.sampled ~= moment(self) then self:write_samples() end
  if not self.folder then return end
  local written = self.saved == moment(self)
  self.finished, self.saved = true, moment(self)
  self:write_checkpoint()
  if not written then self.options.on.checkpoint(self, self.folder .. "/" .. run_folder.newest) end
end

-- What stands where a run stops before its end; it can go on from there.
function Run:stop()
  self.progress:show(self:position(), self.images, self.played, true)
  if not self.folder then return end
  self:write_checkpoint()
  local _ <close> = streams.guard()
  self:draw(core.no_grad(self.generate, self, self.grid_latents), nil)
end

-- Ends the files that grow, and lets another run have the folder.
function Run:close_files()
  local lock = self.lock
  self.lock = nil
  local _ <close> = setmetatable({}, { __close = function() if lock then lock:close() end end })
  self.log:close()
  if self.history_file then self.history_file:flush() end
end

function Run:position()
  return { iteration = self.game.iteration, planned = self.game.planned, metrics = self.metrics }
end

function Run:after_move()
  local signal = core.interrupted()
  if not signal then return end
  self:stop()
  self.progress:say("stopped by %s in iteration %d%s", signal == "INT" and "Ctrl-C" or "SIGTERM",
    self.game.iteration + 1, self:place())
  self:close_files()
  self.interrupted = signal
  if core.hold_interrupt and playing == 1 then core.hold_interrupt(false) end -- a script ends here; in the REPL:
  self.game.recorder.problem = "interrupted: the run is saved, run:train() goes on"
  error(self.game.recorder.problem, 0)
end

function Run:after_iteration()
  local given, played = self.options, self.game
  local iteration = played.iteration
  self.played = self.played + 1
  self.images = self.images + math.max(played.seen.discriminator, played.seen.generator)
  self.metrics = metrics_log.row(iteration, played.latest.discriminator, played.latest.generator,
    self.before + core.monotonic() - self.started)
  self.log:record(self.metrics)
  given.on.iteration(self, self.metrics)
  if iteration % given.sample.every == 0 then self:write_samples() end
  if self.folder and iteration % given.checkpoint.every == 0 then
    self:keep_checkpoint()
  end
  if self.progress:show(self:position(), self.images, self.played) then self.log:flush() end
end

-- An iteration that was played before the run was cut off: its line is in metrics.jsonl, its hooks were called.
function Run:after_recall()
  local latest = self.game.latest
  self.metrics = metrics_log.row(self.game.iteration, latest.discriminator, latest.generator)
  self.log:remember(self.metrics)
end

---- Samples and files ---------------------------------------------------------------------------------------------

-- How many samples are made at a time: bounds the memory that many of them take.
local sample_batch = 250

-- Samples for given latents: the average where there is one, in eval mode.
function Run:generate(z)
  local network, parts, count = self.ema or self.generator, {}, z:shape()[1]
  local _ <close> = network:modes()
  network:eval()
  for first = 1, count, sample_batch do
    parts[#parts + 1] = network(z:narrow(1, first, math.min(sample_batch, count - first + 1)))
  end
  return #parts == 1 and parts[1] or core.concat(parts, 1)
end

--- New samples: from the moving average where there is one, in eval mode, without a graph.
---@param n integer
---@return ganlua.tensor n x shape
function Run:sample(n)
  n = math.tointeger(n) or n
  if math.type(n) ~= "integer" or n < 1 then
    check.fail("run:sample: wanted a positive integer, got %s", check.describe(n))
  end
  local _ <close> = self.game.streams:within "sample"
  return core.no_grad(self.generate, self, self.options.latent(n))
end

-- Draws samples into the file of an iteration; returns its path. Samples that are no pictures (points, say) have none.
function Run:draw(samples, iteration)
  local shape = samples:shape()
  if not self.folder or #shape ~= 4 or shape[4] ~= 1 and shape[4] ~= 3 then return nil end
  local path = run_folder.sample_path(self.folder, iteration)
  require("ganlua.image").grid(samples):save(path)
  return path
end

-- The same latents each time, so that pictures of different iterations can be compared. Samples that are no pictures
-- are handed to on.sample alone.
function Run:write_samples()
  local _ <close> = streams.guard()
  self.sampled = moment(self)
  local samples = core.no_grad(self.generate, self, self.grid_latents)
  self.options.on.sample(self, samples, self:draw(samples, self.game.iteration))
end

-- checkpoint.safetensors and losses.png. What the checkpoint counts on is on disk before it, and so are its copies and
-- the plot: a run that goes on from it, or was finished with it, does not write them again.
---@param copies? string[] names of the copies
function Run:write_checkpoint(copies)
  self.history_file:flush(true)
  self.log:flush(true)
  local path = self.folder .. "/" .. run_folder.newest
  local bytes, problem = self:encode()
  self.log:plot(self.folder .. "/losses.png")
  for _, name in ipairs(copies or {}) do core.write_file(self.folder .. "/" .. name, bytes) end
  core.write_file(path, bytes)
  if problem then check.fail("%s: saved, but without run.state: %s, which cannot be saved", path, problem) end
end

-- Whether the networks of this moment are the best so far, by the measure of checkpoint.best.
function Run:is_best()
  local by = self.options.checkpoint.best
  if not by then return false end
  local value
  if type(by) == "function" then
    value = by(self)
  else
    value = self.metrics[by:gsub("^%-", "")]
    if value and by:sub(1, 1) == "-" then value = -value end
  end
  if type(value) ~= "number" or value ~= value or self.best and value <= self.best then return false end
  self.best = value
  return true
end

-- The checkpoint of a closed iteration, under its number too, of which the last few are kept, and as the best one where
-- it is. on.checkpoint draws random numbers of its own, for a run that goes on from here does not call it again.
function Run:keep_checkpoint()
  local given, copies = self.options, {}
  self.saved = moment(self)
  if self:is_best() then copies[1] = run_folder.best end
  if given.checkpoint.keep > 0 then copies[#copies + 1] = run_folder.numbered(self.game.iteration) end
  self:write_checkpoint(copies)
  run_folder.trim(self.folder, given.checkpoint.keep, self.game.iteration)
  local mark = self.game.streams:mark()
  given.on.checkpoint(self, self.folder .. "/" .. run_folder.newest)
  self.game.streams:back(mark)
end

--- Everything that was measured under a name, and the iterations that the values belong to.
---@param name string as in metrics.jsonl: "d_loss", "g_loss", "real", "fake", ...
---@return number[] values
---@return integer[] iterations
function Run:history(name)
  local values, iterations = self.log:history(name)
  if not values then
    check.fail("run:history: nothing is measured as %s%s", check.describe(name), check.hint(name, metrics_log.columns))
  end
  return values, iterations
end

---- Checkpoints ---------------------------------------------------------------------------------------------------

function Run:networks()
  return { generator = self.generator, discriminator = self.discriminator, ema = self.ema }
end

-- Everything that the run is at this moment.
local function snapshot(self)
  local played, moves, moments, memory = self.game, {}, {}, {}
  for name, player in pairs(played.players) do
    moves[name], moments[name], memory[name] = player.moves, player.moments, player.memory
  end
  local file = self.history_file
  return {
    networks = self:networks(),
    moments = moments,
    counters = {
      iteration = played.iteration,
      moves = moves,
      penalties = memory,
      seed = self.options.seed,
      streams = played.streams:state(),
      data = played.data.state and played.data:state() or nil,
      state = self.state,
      history = file and { size = file.size, start = played.recorder.start } or nil,
      metrics = self.log.lines,
      sampled = self.sampled,
      saved = self.saved,
      best = self.best,
      finished = self.finished,
    },
  }
end

-- The bytes of a checkpoint of this moment, and what run.state has that cannot be saved.
function Run:encode()
  return checkpoint.encode(snapshot(self))
end

--- Saves everything that the run is at this moment into one file.
---@param path string
function Run:save(path)
  if type(path) ~= "string" then check.fail("run:save: wanted a path, got %s", check.describe(path)) end
  local bytes, problem = self:encode()
  core.write_file(path, bytes)
  if problem then check.fail("%s: saved, but without run.state: %s, which cannot be saved", path, problem) end
end

--- Takes over what a file of run:save (or a run's folder) holds. The networks must be like those that were saved. The
--- schedule then starts at its first line.
---@param path string
---@return ganlua.trainer self
function Run:load(path)
  if type(path) ~= "string" then check.fail("run:load: wanted a path, got %s", check.describe(path)) end
  if core.is_directory(path) then path = path .. "/" .. run_folder.newest end
  take(self, checkpoint.read(path))
  self.saved, self.sampled, self.finished, self.best = nil, nil, nil, nil
  return self
end

return Run
