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
local resume = require "ganlua.resume"
local seats = require "ganlua.ranks.seats"
local ending = require "ganlua.run_ending"
local output = require "ganlua.run_output"
local talking = require "ganlua.talking"
local view = require "ganlua.view"
local watchers = require "ganlua.watchers"

--- A training run, as gan.train and gan.trainer give it.
---@class ganlua.trainer
---@field generator ganlua.module
---@field discriminator ganlua.module
---@field discriminators ganlua.module[]? of gan.dist.split: all of them. On several ranks those that others play are as
--- at the last checkpoint; discriminator is then the rank's own one, on the generator's rank the first
---@field ema ganlua.module? the generator's moving average, in eval mode
---@field state table the script's own; strings, numbers, booleans and tables of them are saved with the run
---@field metrics table<string, number> the last iteration's
---@field waiting number? once it is done: the share of its time in which it waited for data
---@field folder string? once the training has begun; none with out = false
local Run = {}
Run.__index = Run
for _, methods in ipairs { output, ending } do
  for name, method in pairs(methods) do Run[name] = method end
end

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
    discriminator = given.discriminators and given.discriminators[seats.own(given.ranks)] or given.discriminator,
    discriminators = given.discriminators,
    ema = given.ema and given.generator:clone():eval(),
    state = {},
    metrics = {},
    prepare = prepare,
    live = given.live and live.watch() or nil,
    log = metrics_log.new(given.measure and given.measure.columns, given.discriminators and #given.discriminators),
    images = 0,
    watch = {}, -- see collapse.lua
    watchers = watchers_of(given),
    recovery = { lr = 1, tries = 0 }, -- how often the run had to go back, and what its learning rates are times
  }, Run)
  if self.live then given.source = self.live.source end
  self.game = game.new {
    discriminator = self.discriminator,
    discriminators = self.discriminators,
    generator = self.generator,
    roles = given.ranks,
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

--- Plays the schedule to its end, in a folder of its own (with out = false, in none). On Ctrl-C the move is finished
--- and everything saved. A run that was cut off goes on where it was.
---@return ganlua.trainer self
function Run:train()
  local given = self.options
  if self.training then check.fail("run:train: this run is training already") end
  local _ <close> = self:hold_interrupts()
  local _ <close> = self:leaving()
  local _ <close> = self.game.streams:within "schedule"
  local shown <close> = progress.new { silent = not given.progress or ranks.rank > 0 }
  self.progress, self.played, self.images, self.before, self.game.waited = shown, 0, 0, 0, 0
  self.started = core.monotonic()
  self.generator:train()
  for _, module in ipairs(self.discriminators or { self.discriminator }) do module:train() end
  self.finished = nil
  ranks.agree("train: the options", { given.seed, given.fingerprint },
    "every rank must come to them by the same script, settings and seed")
  if ranks.many() then self:agree() end
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

-- Raises on all ranks where their networks are not the same before the first move, or what is saved later.
function Run:agree()
  local fresh, sum = self.options.ranks and self.game:moves() == 0, 0
  if fresh then
    for _, network in ipairs { self.generator, table.unpack(self.discriminators or { self.discriminator }) } do
      sum = core.checksum(core.safetensors_encode(network:state()), sum)
    end
  else
    sum = core.checksum(self:encode())
  end
  ranks.agree("train: the networks", sum,
    "their weights must come from the script's seed, not from the clock or from gan.dist.rank")
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
  self:interrupt(signal)
end

function Run:after_iteration()
  local given, played = self.options, self.game
  local iteration = played.iteration
  self.played = self.played + 1
  self.images = self.images + math.max(played.seen.discriminator, played.seen.generator)
  self.metrics = metrics_log.row(iteration, played.latest.discriminator, played.latest.generator,
    self.before + core.monotonic() - self.started)
  if given.measure and iteration % given.measure.every == 0 then
    measuring.add(self, self.metrics)
    if given.ranks then self.metrics = ranks.from_first(self.metrics) end -- others may have other data
  end
  self.log:record(self.metrics)
  self.watchers:tell("iterated", self, self.metrics)
  given.on.iteration(self, self.metrics)
  playing.meet(self, collapse.after_iteration(self.watch, self.metrics))
  if iteration % given.sample.every == 0 then
    local samples, real = self:write_samples(), self:data_spread()
    if given.ranks then real = ranks.from_first(real) end
    playing.meet(self, real and collapse.after_sampling(self.watch, iteration, samples, real))
  end
  if self.folder and iteration % given.checkpoint.every == 0 then
    self:keep_checkpoint()
  end
  if core.progress then core.progress(iteration, played.planned or 0, self.images, self.metrics) end
  if self.progress:is_due() then
    self.progress:show(self:position(), self.images, self.played, true)
    self.log:flush()
  end
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
