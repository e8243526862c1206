--- One run of a game: the schedule plays, and every iteration is logged, shown, sampled and saved where it is time to.
--
-- The run's folder is made before the first move. However a run ends, what it measured until then is in the folder.
--
-- A run that was cut off goes on to the same bytes. A checkpoint has all that is computed with, and how far the
-- history and metrics.jsonl were; both are cut back to that, and the schedule is replayed against the history (see
-- recorder.lua). Nothing that happens only because a run was cut off (a last checkpoint, a picture of that moment)
-- draws random numbers or calls a hook.
--
-- Under mpirun every rank has a run like this, and all go through the same lines; rank 0 alone writes files and says
-- something (see ranks/files.lua).

local adjusting = require "ganlua.adjusting"
local check = require "ganlua.check"
local collapse = require "ganlua.collapse"
local core = require "ganlua.core"
local game = require "ganlua.game"
local live = require "ganlua.live"
local logs = require "ganlua.logs"
local measuring = require "ganlua.measuring"
local metrics_log = require "ganlua.metrics_log"
local playing = require "ganlua.playing"
local progress = require "ganlua.progress"
local published = require "ganlua.published"
local ranks = require "ganlua.ranks"
local files = require "ganlua.ranks.files"
local resume = require "ganlua.resume"
local run_folder = require "ganlua.run_folder"
local output = require "ganlua.run_output"
local streams = require "ganlua.streams"
local talking = require "ganlua.talking"
local view = require "ganlua.view"
local watchers = require "ganlua.watchers"
local whole = require "ganlua.whole"

--- A training run, as gan.train and gan.trainer give it.
---@class ganlua.trainer
---@field generator ganlua.module
---@field discriminator ganlua.module
---@field ema ganlua.module? the generator's moving average, in eval mode
---@field state table the script's own; strings, numbers, booleans and tables of them are saved with the run
---@field metrics table<string, number> the last iteration's
---@field waiting number? once it is done: the share of its time in which it waited for data
---@field folder string? once the training has begun; none with out = false
local Run = {}
Run.__index = Run
for name, method in pairs(output) do Run[name] = method end

-- What moves are told where they say nothing else.
local function settings_of(given)
  return {
    loss = given.loss, batch = given.batch, micro_batch = given.micro_batch, reuse = given.reuse,
    penalties = given.penalties, clip = given.clip, noise = given.noise, top_k = given.top_k, unroll = given.unroll,
    ema = given.ema, augment = given.augment,
  }
end

-- Logs before views: what is shown has been written.
local function watchers_of(given)
  if ranks.rank > 0 then return watchers.new {} end
  local list = logs.watchers(given.log)
  for _, watcher in ipairs(view.watchers(given.view)) do list[#list + 1] = watcher end
  return watchers.new(list)
end

--- A run with checked options (see trainer.lua) and built networks.
---@param given table
---@param prepare function options, seed -> checked options of built networks: for a script that is edited while it runs
---@return ganlua.trainer
function Run.new(given, prepare)
  local self = setmetatable({
    options = given,
    generator = given.generator,
    discriminator = given.discriminator,
    ema = given.ema and given.generator:clone():eval(),
    state = {},
    metrics = {},
    prepare = prepare,
    live = given.live and live.watch() or nil,
    log = metrics_log.new(given.measure and given.measure.columns),
    images = 0,
    watch = {}, -- see collapse.lua
    watchers = watchers_of(given),
    recovery = { lr = 1, tries = 0 }, -- how often the run had to go back, and what its learning rates are times
  }, Run)
  if self.live then given.source = self.live.source end
  self.game = game.new {
    discriminator = self.discriminator,
    generator = self.generator,
    optimizer = given.optimizer,
    settings = settings_of(given),
    pac = given.pac,
    data = given.data.reader and given.data:reader() or given.data,
    latent = given.latent,
    labels = given.labels,
    seed = given.seed,
    ema = self.ema,
    state = self.state,
    after_move = function(...) self:after_move(...) end,
    after_iteration = function() self:after_iteration() end,
    after_recall = function() self:after_recall() end,
  }
  self.grid = self:make_grid()
  return self
end

--- Tells the game what the options say, and nothing that a schedule has set since.
function Run:configure()
  local given = self.options
  self.game:configure {
    settings = settings_of(given), optimizer = given.optimizer, pac = given.pac, latent = given.latent,
    labels = given.labels,
  }
end

-- Runs in play: one may be started inside another's hook.
local in_play = 0

-- Ctrl-C waits for the end of a move while a run is in play; the end of the last guard lets it through again.
local function hold_interrupts()
  local hold = core.hold_interrupt or function() end
  in_play = in_play + 1
  hold(true)
  return setmetatable({}, { __close = function()
    in_play = in_play - 1
    if in_play == 0 then hold(false) end
  end })
end

-- A run that an error stops leaves its networks, which are as they were before the move that failed, and their
-- pictures. The error is the user's to see: what cannot be written on top of it is not. A replay that fails has nothing
-- to leave.
local function leave_files(self)
  return setmetatable({}, { __close = function(_, problem)
    local stands = self.training and self.game.recorder.live and not self.interrupted
    local ends = self.training and problem ~= nil and not self.interrupted
    self.training = false
    core.forbid_reading(false)
    if ends then pcall(self.watchers.tell, self.watchers, "ended", self, "stopped") end
    if problem ~= nil and stands and self.folder and ranks.rank == 0 then
      local _ <close> = whole() -- what is saved, too
      local _ <close> = ranks.alone() -- the other ranks may be elsewhere
      pcall(function()
        local sick = playing.is_nan(self, problem)
        self.game.recorder:forget(problem)
        self:stop(sick)
      end)
      self.progress:finish()
    end
    local journals_closed, trouble = pcall(self.close_files, self)
    if not journals_closed and problem == nil then error(trouble, 0) end
  end })
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
  local shown <close> = progress.new { silent = not given.progress or ranks.rank > 0 }
  self.progress, self.played, self.images, self.before, self.game.waited = shown, 0, 0, 0, 0
  self.started = core.monotonic()
  self.generator:train()
  self.discriminator:train()
  self.finished = nil
  ranks.agree("train: the options", { given.seed, given.fingerprint },
    "every rank must come to them by the same script, settings and seed")
  ranks.agree("train: the networks", ranks.many() and core.checksum(self:encode()) or 0,
    "their weights must come from the script's seed, not from the clock or from gan.dist.rank")
  local iteration = resume.begin(self)
  self.training, self.interrupted = true, nil
  self.watchers:tell("begin", self, iteration)
  published.latest = self
  self.started = core.monotonic()

  playing.play(self)

  self:conclude()
  self.watchers:tell("ended", self, "finished")
  shown:say("done in %s%s", progress.duration(core.monotonic() - self.started), self:place())
  given.on.finish(self)
  return self
end

-- Where the files of a run are, for a message.
function Run:place()
  return self.folder and ": everything is in " .. self.folder or ""
end

-- What stands at the end of a run: pictures, plot, checkpoint; and that it was held up, if it was.
function Run:conclude()
  self.progress:show(self:position(), self.images, self.played, true)
  self.waiting = self.game.waited / math.max(core.monotonic() - self.started, 1e-9)
  if self.waiting > 0.05 and self.game.waited >= 1 then
    self.progress:say("it waited for data for %.0f %% of its time", 100 * self.waiting)
  end
  if self.sampled ~= self:moment() then self:write_samples() end
  if not self.folder then return end
  local written = self.saved == self:moment()
  self.finished, self.saved = true, self:moment()
  self:write_checkpoint()
  if not written then self.options.on.checkpoint(self, self.folder .. "/" .. run_folder.newest) end
end

-- What stands where a run stops before its end; it can go on from there. Where numbers are no longer finite the last
-- checkpoint is kept as it is: it is the last one that is known to be sound.
---@param sick? boolean
function Run:stop(sick)
  self.progress:show(self:position(), self.images, self.played, true)
  if not self.folder then return end
  if sick and files.exists(self.folder .. "/" .. run_folder.newest) then
    self.progress:say("the last sound checkpoint is kept%s", self:place())
  else
    self:write_checkpoint()
  end
  local _ <close> = streams.guard()
  self:draw(self:grid_samples(), nil)
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

function Run:after_move(kind, measured)
  self.watchers:tell("moved", self, kind, measured)
  if self.talking then return end -- by hand
  if core.move_made then core.move_made() end
  local signal = ranks.any(core.interrupted())
  if not signal then return self.live and playing.look(self) end
  if signal == "INT" and core.talk and talking.talk(self) then return end
  if core.take_interrupt then core.take_interrupt(signal) end
  self:stop()
  ranks.wait() -- all end when rank 0 has saved
  self.interrupted = signal
  self.watchers:tell("ended", self, "interrupted")
  self.progress:say("stopped by %s in iteration %d%s", signal == "INT" and "Ctrl-C" or "SIGTERM",
    self.game.iteration + 1, self:place())
  self:close_files()
  if core.hold_interrupt and in_play == 1 then core.hold_interrupt(false) end -- a script ends here; in the REPL:
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
  if given.measure and iteration % given.measure.every == 0 then measuring.add(self, self.metrics) end
  self.log:record(self.metrics)
  self.watchers:tell("iterated", self, self.metrics)
  given.on.iteration(self, self.metrics)
  playing.meet(self, collapse.after_iteration(self.watch, self.metrics))
  if iteration % given.sample.every == 0 then
    local samples, real = self:write_samples(), self:data_spread()
    playing.meet(self, real and collapse.after_sampling(self.watch, iteration, samples, real))
  end
  if self.folder and iteration % given.checkpoint.every == 0 then
    self:keep_checkpoint()
  end
  if core.progress then core.progress(iteration, played.planned or 0, self.images, self.metrics) end
  if self.progress:show(self:position(), self.images, self.played) then self.log:flush() end
end

-- An iteration that was played before the run was cut off: its line is in metrics.jsonl, its hooks were called.
function Run:after_recall()
  local latest = self.game.latest
  self.metrics = metrics_log.row(self.game.iteration, latest.discriminator, latest.generator)
  self.log:remember(self.metrics)
end

--- Changes a number from the next move on, by its name: "generator.lr", "discriminator.lr", "loss.margin", "r1.weight"
--- (of a penalty), "clip", "noise", "top_k", "ema.decay". It takes the place of a curve. For the REPL inside a run; a
--- schedule calls game:set. Raises where there is no such name, or the number is not allowed.
---@param name string
---@param value number
function Run:adjust(name, value)
  adjusting.set(self.game, name, value)
end

--- Everything that was measured under a name, and the iterations that the values belong to.
---@param name string as in metrics.jsonl: "d_loss", "g_loss", "real", "fake", ...
---@return number[] values
---@return integer[] iterations
function Run:history(name)
  local values, iterations = self.log:history(name)
  if not values then
    check.fail("run:history: nothing is measured as %s%s", check.describe(name), check.hint(name, self.log.columns))
  end
  return values, iterations
end

return Run
