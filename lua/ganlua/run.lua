--- One run of a game: the schedule plays, and every iteration is logged, shown, sampled and saved where it is time to.
--
-- The run's folder is made before the first move. However a run ends, what it measured until then is in the folder.

local check = require "ganlua.check"
local checkpoint = require "ganlua.checkpoint"
local core = require "ganlua.core"
local game = require "ganlua.game"
local metrics_log = require "ganlua.metrics_log"
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
      loss = given.loss, batch = given.batch, penalties = given.penalties, noise = given.noise, top_k = given.top_k,
      unroll = given.unroll,
    },
    pac = given.pac,
    data = given.data.reader and given.data:reader() or given.data,
    latent = given.latent,
    seed = given.seed,
    ema = self.ema,
    ema_decay = given.ema and given.ema.decay,
    state = self.state,
    after_move = function() self:after_move() end,
    after_iteration = function() self:after_iteration() end,
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
-- pictures. The error is the user's to see: what cannot be written on top of it is not.
local function leave_files(self)
  return setmetatable({}, { __close = function(_, problem)
    self.training = false
    if problem ~= nil and not self.interrupted and self.folder then pcall(self.conclude, self) end
  end })
end

--- Plays the schedule to its end, in a folder of its own (with out = false, in none). On Ctrl-C the move is finished
--- and everything saved.
---@return ganlua.trainer self
function Run:train()
  local given = self.options
  if self.training then check.fail("run:train: this run is training already") end
  if not self.folder and given.out ~= false then
    local folder, wanted = run_folder.create(given.out, given.name, given.config)
    self.folder = folder
    if folder ~= wanted and given.progress then
      io.write(wanted, " is there already: this run goes to ", folder, "\n")
    end
  end
  local _ <close> = hold_interrupts()
  local log <close> = self.log
  local shown <close> = progress.new { silent = not given.progress }
  if self.folder then log:open(self.folder .. "/metrics.jsonl") end
  self.progress, self.played, self.images = shown, 0, 0
  self.started = core.monotonic()
  self.generator:train()
  self.discriminator:train()
  self.training, self.interrupted = true, nil
  local _ <close> = leave_files(self)

  given.schedule(self.game)

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

-- What stands at the end of a run, however it ended: pictures, plot, checkpoint.
function Run:conclude()
  self.progress:show(self:position(), self.images, self.played, true)
  if self.sampled ~= moment(self) then self:write_samples() end
  if self.folder and self.saved ~= moment(self) then self:write_checkpoint(false) end
end

function Run:position()
  return { iteration = self.game.iteration, planned = self.game.planned, metrics = self.metrics }
end

function Run:after_move()
  local signal = core.interrupted()
  if not signal then return end
  self:conclude()
  self.progress:say("stopped by %s in iteration %d%s", signal == "INT" and "Ctrl-C" or "SIGTERM",
    self.game.iteration + 1, self:place())
  self.log:close()
  self.interrupted = signal
  if core.hold_interrupt and playing == 1 then core.hold_interrupt(false) end -- a script ends here; in the REPL:
  error("interrupted: the run is saved, run:train() goes on", 0)
end

function Run:after_iteration()
  local given, played = self.options, self.game
  local iteration = played.iteration
  self.played = self.played + 1
  self.images = self.images + math.max(played.seen.discriminator, played.seen.generator)
  self.metrics = metrics_log.row(iteration, played.latest.discriminator, played.latest.generator,
    core.monotonic() - self.started)
  self.log:record(self.metrics)
  given.on.iteration(self, self.metrics)
  if iteration % given.sample.every == 0 then self:write_samples() end
  local every = self.folder and given.checkpoint.every
  if every and iteration % every == 0 then self:write_checkpoint(true) end
  if self.progress:show(self:position(), self.images, self.played) then self.log:flush() end
end

---- Samples and files ---------------------------------------------------------------------------------------------

-- How many samples are made at a time: bounds the memory that many of them take.
local sample_batch = 250

-- Samples for given latents: the average where there is one, in eval mode, without a graph.
local function generate(self, z)
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
  return core.no_grad(generate, self, self.options.latent(n))
end

-- The same latents each time, so that pictures of different iterations can be compared. Samples that are no pictures
-- (points, say) have no file, and are handed to on.sample alone.
function Run:write_samples()
  local _ <close> = streams.guard()
  self.sampled = moment(self)
  local samples, path = core.no_grad(generate, self, self.grid_latents), nil
  local shape = samples:shape()
  if self.folder and #shape == 4 and (shape[4] == 1 or shape[4] == 3) then
    path = run_folder.sample_path(self.folder, self.game.iteration)
    require("ganlua.image").grid(samples):save(path)
  end
  self.options.on.sample(self, samples, path)
end

-- checkpoint.safetensors and losses.png; where `numbered`, the checkpoint of this iteration beside it, and no more of
-- those than were asked for.
function Run:write_checkpoint(numbered)
  local iteration, keep = self.game.iteration, self.options.checkpoint.keep
  local path = self.folder .. "/checkpoint.safetensors"
  self.saved = moment(self)
  self:save(path)
  if numbered and keep > 0 then
    self.kept = self.kept or {}
    table.insert(self.kept, ("%s/checkpoint-%06d.safetensors"):format(self.folder, iteration))
    core.write_file(self.kept[#self.kept], core.read_file(path))
    if #self.kept > keep then os.remove(table.remove(self.kept, 1)) end
  end
  self.log:plot(self.folder .. "/losses.png")
  self.options.on.checkpoint(self, path)
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

local function networks_of(self)
  return { generator = self.generator, discriminator = self.discriminator, ema = self.ema }
end

--- Saves everything that the run is at this moment into one file.
---@param path string
function Run:save(path)
  if type(path) ~= "string" then check.fail("run:save: wanted a path, got %s", check.describe(path)) end
  local played, moves, moments, memory = self.game, {}, {}, {}
  for name, player in pairs(played.players) do
    moves[name], moments[name], memory[name] = player.moves, player.moments, player.memory
  end
  checkpoint.save(path, {
    networks = networks_of(self),
    moments = moments,
    counters = {
      iteration = played.iteration,
      moves = moves,
      penalties = memory,
      seed = self.options.seed,
      streams = played.streams:state(),
      data = played.data.state and played.data:state() or nil,
      state = self.state,
    },
  })
end

--- Takes over what a file of run:save (or a run's folder) holds. The networks must be like those that were saved.
---@param path string
---@return ganlua.trainer self
function Run:load(path)
  if type(path) ~= "string" then check.fail("run:load: wanted a path, got %s", check.describe(path)) end
  if core.is_directory(path) then path = path .. "/checkpoint.safetensors" end
  local moments, counters = checkpoint.load(path, networks_of(self))
  local played = self.game
  self.saved, self.sampled = nil, nil
  played.iteration = counters.iteration
  for name, player in pairs(played.players) do
    player.moves, player.moments = counters.moves[name], moments[name]
    player.memory = counters.penalties and counters.penalties[name] or {}
  end
  played.streams.seed, self.options.seed = counters.seed, counters.seed
  played.streams:load_state(counters.streams)
  if counters.data and played.data.load_state then played.data:load_state(counters.data) end
  for key in pairs(self.state) do self.state[key] = nil end
  for key, value in pairs(counters.state) do self.state[key] = value end
  return self
end

return Run
