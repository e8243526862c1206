--- How a run begins: at its start, or where it was cut off. What a checkpoint holds of a run, and taking it up again.
--
-- The folder's history and metrics.jsonl are cut back to what the checkpoint counts on; then the schedule is replayed,
-- and where the history ends the run takes up the checkpoint's tensors, streams and counters.

local check = require "ganlua.check"
local checkpoint = require "ganlua.checkpoint"
local core = require "ganlua.core"
local files = require "ganlua.ranks.files"
local history = require "ganlua.history"
local journal = require "ganlua.journal"
local metrics_log = require "ganlua.metrics_log"
local plain = require "ganlua.plain"
local players = require "ganlua.player"
local progress = require "ganlua.progress"
local ranks = require "ganlua.ranks"
local run_folder = require "ganlua.run_folder"
local talking = require "ganlua.talking"

local resume = {}

---- Checkpoints -----------------------------------------------------------------------------------------------------

--- Everything that a run is at this moment.
---@param self ganlua.trainer
---@return ganlua.snapshot
function resume.snapshot(self)
  local played, moves, moments, memory = self.game, {}, {}, {}
  if played.seats then played.seats:meet() end
  for name, player in pairs(played.players) do
    moves[name], moments[name], memory[name] = player.moves, player.moments, player.memory
  end
  local file = self.history_file
  local snapshot = {
    networks = self:networks(),
    moments = moments,
    shown = played.shown and played.shown.buffers,
    counters = {
      iteration = played.iteration,
      moves = moves,
      penalties = memory,
      seed = self.options.seed,
      streams = played.streams:state(),
      data = played.data.state and played.data:state() or nil,
      shown = played.shown and {
        latent_at = played.shown.latent_at, label_at = played.shown.label_at,
        network_at = played.shown.network_at, batch = played.shown.batch,
      },
      state = self.state,
      history = file and { size = file.size, start = played.recorder.start } or nil,
      metrics = self.log.lines,
      sampled = self.sampled,
      saved = self.saved,
      best = self.best,
      watch = self.watch,
      takes = self.takes,
      edited = self.edited,
      recovery = self.recovery,
      finished = self.finished,
    },
  }
  local apart = played.seats or played.federated
  if apart then apart:add_to(snapshot) end
  return snapshot
end

-- The script's own table stays the same table.
local function refill(state, values)
  for key in pairs(state) do state[key] = nil end
  for key, value in pairs(values) do state[key] = value end
end

--- Takes up all that a checkpoint holds.
---@param self ganlua.trainer
---@param saved ganlua.checkpoint
function resume.take(self, saved)
  local counters, played = saved.counters, self.game
  checkpoint.give(saved, played.federated and played.federated:named(self:networks()) or self:networks())
  played.iteration = counters.iteration
  for name, player in pairs(played.players) do
    player.moves, player.moments = counters.moves[name], saved.moments[name]
    player.memory = counters.penalties and counters.penalties[name] or {}
    players.refresh(player)
  end
  played.streams.seed, self.options.seed = counters.seed, counters.seed
  played.streams:load_state(counters.streams)
  if counters.data and played.data.load_state then played.data:load_state(counters.data) end
  if played.seats then played.seats:take(saved.moments, counters.seats, counters.moves.discriminator) end
  if played.federated then played.federated:take(saved) end
  played.shown = counters.shown
  if played.shown then played.shown.buffers = saved.shown end
  refill(self.state, counters.state)
  self.saved, self.sampled, self.best = counters.saved, counters.sampled, counters.best
  self.watch, self.takes, self.edited = counters.watch or {}, counters.takes, counters.edited
  self.recovery = counters.recovery or { lr = 1, tries = 0 }
  played.lr_scale = self.recovery.lr
end

--- The same in the run's folder, which is that of the script as it is now from here on: one that does not fit leaves
--- it to the script that it was.
---@param self ganlua.trainer
---@param saved ganlua.checkpoint
function resume.take_over(self, saved)
  resume.take(self, saved)
  run_folder.write_config(self.folder, self.options.config)
end

---- The schedule ----------------------------------------------------------------------------------------------------

-- What the schedule can see of the game as it starts.
local function seen(self)
  local played = self.game
  local moves, stages = {}, {}
  for name, player in pairs(played.players) do moves[name], stages[name] = player.moves, player.stage end
  local packed = pcall(plain.pack, self.state) -- what cannot be saved is named when the run is
  return {
    iteration = played.iteration, moves = moves, stages = stages, state = packed and self.state or {},
    random = played.streams:state().schedule or 0,
  }
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
    elseif number <= 2 and not raised then
      latest[kind] = result
    elseif kind == "both" and not raised then
      latest = result
    end
    at = behind
  end
end

--- Sets the game back to where the schedule started, and has it told all that it was told until the checkpoint.
---@param self ganlua.trainer
---@param saved ganlua.checkpoint
---@param on_arrival? function called when the checkpoint was taken up
function resume.replay(self, saved, on_arrival)
  local bytes = files.read_file(self.folder .. "/history"):sub(1, saved.counters.history.size)
  local start = saved.counters.history.start
  recount(self, bytes, start)
  local _, _, _, began, behind = history.read(bytes, start + 1)
  local played, lenient = self.game, self.options.resume == "changed"
  self.going_on_from = lenient and saved or nil
  self:configure()
  played.iteration = began.iteration
  for name, player in pairs(played.players) do
    player.moves = began.moves[name]
    players.return_to_stage(player, began.stages[name])
  end
  refill(self.state, began.state)
  played.streams:load_state { schedule = began.random }
  played.recorder.journal, played.recorder.start = self.history_file, start
  played.recorder:replay(bytes, behind, function()
    local drawn = played.streams:state().schedule
    resume.take_over(self, saved)
    local before = saved.counters.streams.schedule
    if not lenient and core.digest(drawn or 0) ~= core.digest(before or 0) then
      check.fail("the schedule does not replay: it drew other random numbers than before the run was cut off; "
        .. "resume = \"restart_schedule\" keeps the networks and starts the schedule at its first line")
    end
    if on_arrival then on_arrival() end
  end, function(edited)
    if edited.state then refill(self.state, edited.state) end
    if edited.text then talking.again(self, edited.text) end
  end, lenient)
end

--- The schedule starts at its first line, from where the game is now.
---@param self ganlua.trainer
function resume.start(self)
  self:configure()
  self.game.recorder:begin(self.history_file, seen(self))
end

-- Makes or finds the run's folder; returns the checkpoint that the run goes on from, if it does.
local function claim_folder(self)
  local given = self.options
  if not self.folder then
    local place = run_folder.claim(given)
    self.folder, self.lock = place.folder, place.lock
    if given.progress and ranks.rank == 0 then
      for _, text in ipairs(place.said) do progress.write(text .. "\n") end
      if place.resumed and not place.checkpoint then progress.write(self.folder .. ": the run starts again\n") end
    end
    return place.checkpoint, place.resumed and not place.checkpoint
  end
  self.lock = run_folder.lock(self.folder)
  if not self.lock then check.fail("run:train: %s is being written by another process", self.folder) end
  if not self.interrupted then return nil end
  self:save(self.folder .. "/" .. run_folder.newest) -- with what was changed by hand since
  return checkpoint.read(self.folder .. "/" .. run_folder.newest)
end

--- Opens the files and gives the schedule its beginning: a replay, or a start.
---@param self ganlua.trainer
---@return integer iteration after which the first move comes that is played
function resume.begin(self)
  local given = self.options
  if given.out == false then
    resume.start(self)
    return self.game.iteration
  end
  local saved, afresh = claim_folder(self)
  local counters = saved and saved.counters or {}
  local size = counters.history and counters.history.size or afresh and 0
    or self.history_file and self.history_file.size or 0
  self.history_file = journal.open(self.folder .. "/history", size)
  self.before = self.log:open(self.folder .. "/metrics.jsonl", counters.metrics or afresh and 0 or self.log.lines)
  if not saved then
    resume.start(self)
    if given.on.nan or given.on.collapse then self:write_checkpoint() end -- something to go back to
    return self.game.iteration
  end

  files.remove_file(self.folder .. "/samples/stopped.png")
  run_folder.trim(self.folder, given.checkpoint.keep, counters.iteration)
  self.log:clear()
  if given.resume == "restart_schedule" then
    recount(self, files.read_file(self.folder .. "/history"), size)
    resume.take_over(self, saved)
    resume.start(self)
  else
    resume.replay(self, saved)
  end
  if given.progress and ranks.rank == 0 then
    progress.write(("%s: going on from iteration %d\n"):format(self.folder, counters.iteration))
  end
  return counters.iteration
end

return resume
