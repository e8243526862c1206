--- What stands between a schedule and the game: it writes down each call and what came of it, and when a run goes on
-- after a break, it tells the schedule the same things again until it is where it was.
--
-- 1. In a replay nothing is computed. The schedule itself runs as it is, so all that it keeps in its variables, in
--    coroutines, in loops half done, is there again.
-- 2. After the last record the run takes up its tensors (on_arrival), inside that very call; the next call is played.
-- 3. What is typed into the REPL inside a run may call the game too. Those calls stand behind a record with the text,
--    and in a replay the text is run again between the same two calls of the schedule.
-- 4. Once something is wrong (the schedule does not replay, the run is given up), every later call raises it again: a
--    schedule that catches errors cannot go on without its tensors.

local check = require "ganlua.check"
local core = require "ganlua.core"
local history = require "ganlua.history"

local recorder = {}

---@class ganlua.recorder
---@field journal ganlua.journal? where records go; none: nothing is kept
---@field live boolean false in a replay
---@field problem any what every call raises
---@field calls integer of the schedule, from its start
---@field start integer? where in the journal the record is that this schedule started with
local Recorder = {}
Recorder.__index = Recorder

---@param streams ganlua.streams
---@return ganlua.recorder
function recorder.new(streams)
  return setmetatable({ streams = streams, live = true, calls = 0 }, Recorder)
end

---- Recording ------------------------------------------------------------------------------------------------------

--- From now on calls are recorded, or played without a record where there is no journal. `seen` is what the schedule
--- can see of the game as it starts.
---@param journal ganlua.journal?
---@param seen table plain
function Recorder:begin(journal, seen)
  self.journal, self.live, self.problem, self.busy, self.calls = journal, true, nil, nil, 0
  self.editing = nil
  if journal then
    self.start = journal.size
    journal:write(history.record("start", nil, seen))
  end
end

-- A call is played until the caller's block ends; an error that ends it is recorded.
local function begin(self, kind, overrides)
  if self.busy then
    check.fail("%s: inside %s: moves are made by the schedule alone", history.words(kind), history.words(self.busy))
  end
  if self.typed then
    if self.journal then self.journal:write(history.record("edit", nil, { text = self.typed })) end
    self.typed = nil
  end
  local streams = self.streams
  self.busy, self.digest = kind, overrides and self.journal and core.digest(overrides) or nil
  self.calls, self.depth = self.calls + 1, streams.depth
  streams:enter "inside"
  return self
end

local function during(self, kind, overrides, f, ...)
  local _ <close> = begin(self, kind, overrides)
  return f(...)
end

local function handed_on(fine, ...)
  if not fine then error(..., 0) end
  return ...
end

--- Plays a call: f(...) does it, and says by returned() what came of it. Returns what f returns.
---@param kind string
---@param overrides? table
---@param f function
---@return any ...
function Recorder:play(kind, overrides, f, ...)
  local _, is_main = coroutine.running()
  if is_main then return during(self, kind, overrides, f, ...) end
  -- An error in a coroutine closes nothing until the coroutine is closed, which a script may never do.
  return handed_on(pcall(during, self, kind, overrides, f, ...))
end

--- Records what the call that is played returned. Raises where that cannot be kept, though nobody keeps it.
---@param result? table see history.record
function Recorder:returned(result)
  if self.journal then
    self.journal:write(history.record(self.busy, self.digest, result))
  elseif self.busy == "measure" then
    history.record(self.busy, self.digest, result)
  end
end

function Recorder:__close(problem)
  local streams, kind, journal = self.streams, self.busy, self.journal
  while streams.depth > self.depth do streams:leave() end
  self.busy = nil
  if problem ~= nil and journal then
    self.raised, self.before = problem, journal.size
    journal:write(history.record_raised(kind, self.digest, problem))
  end
end

--- Forgets the call that ended in `problem`: the run stops by it, and is to try again when it goes on.
---@param problem any
function Recorder:forget(problem)
  if self.journal and self.raised == problem and self.before then self.journal:cut(self.before) end
  self.raised, self.before = nil, nil
end

--- An error goes on with more words: where it ended a call, it is that call's all the same.
---@param problem any
---@param text string
---@return string text
function Recorder:reworded(problem, text)
  if self.raised == problem then self.raised = text end
  return text
end

---- Replaying ------------------------------------------------------------------------------------------------------

--- The next calls are those of a text that was typed in between; nil: they are the schedule's again.
---@param text string?
function Recorder:by_hand(text)
  self.typed = text
end

--- Writes down that somebody has changed the run between two calls.
---@param state table run.state as it is now
function Recorder:edited(state)
  self.typed = nil
  if self.journal then self.journal:write(history.record("edit", nil, { state = state })) end
end

--- From now on the schedule is told what `bytes` holds from the place `at` on, the place behind a start.
---@param bytes string
---@param at integer
---@param on_arrival function what is done where the records end
---@param on_edit fun(edited: { state: table?, text: string? }) what is done where the run was changed by hand:
--- run.state was this then, or this text was run
---@param lenient boolean whether other settings of a call are fine: the script was changed
function Recorder:replay(bytes, at, on_arrival, on_edit, lenient)
  self.bytes, self.at, self.lenient = bytes, at, lenient
  self.on_arrival, self.on_edit = on_arrival, on_edit
  self.live, self.problem, self.busy, self.editing, self.calls = false, nil, nil, nil, 0
  core.forbid_reading(true)
  self:go_on()
end

--- Raises from now on: `kind` is what the schedule does where it did something else before; nil is its end.
function Recorder:differ(kind, digest)
  local number, _, recorded = history.read(self.bytes, self.at)
  local was = history.kinds[number]
  local now = kind and history.words(kind, digest) or "the schedule's end"
  if kind == was then now = "the same with other settings" end
  self.problem = ("the schedule does not replay: its call %d was %s, now it is %s. A run that goes on runs its "
    .. "schedule again up to where it was cut off, with the answers that it was given then; what else it asks "
    .. "(os.time, a file) answers differently, unless it asks in game:measure(f). resume = \"restart_schedule\" keeps "
    .. "the networks and starts the schedule at its first line"):format(self.calls, history.words(was, recorded), now)
  self.differs = true
  core.forbid_reading(false)
  check.fail("%s", self.problem)
end

--- What this call returned before; nil where it is to be played. Raises what it raised.
---@param kind string
---@param overrides? table
---@return table? result
function Recorder:recall(kind, overrides)
  if self.problem ~= nil then error(self.problem, 0) end
  if self.live then return nil end
  self.calls = self.calls + 1
  local number, raised, recorded, result, behind = history.read(self.bytes, self.at)
  local digest = overrides and core.digest(overrides) or nil
  if history.kinds[number] ~= kind or digest ~= recorded and not self.lenient then self:differ(kind, digest) end
  self.at = behind
  if raised then
    self:go_on()
    error(result, 0)
  end
  return result or {}
end

-- Does again what was done by hand at this place. A text's calls are recalled like the schedule's; behind them stands
-- the next edit. Where the records end in one of its calls, the rest of it is played.
function Recorder:edit()
  self.editing = true
  while not self.live and self.bytes:byte(self.at) == history.number_of.edit do
    local _, _, _, edited, behind = history.read(self.bytes, self.at)
    self.at = behind
    local fine, problem = pcall(self.on_edit, edited)
    local left = not self.live and edited.text and self.bytes:byte(self.at) ~= history.number_of.edit
    if self.differs or self.problem == nil and left then
      self.problem = ("what was typed by hand does not replay: %s: %s. resume = \"restart_schedule\" keeps the "
        .. "networks and starts the schedule at its first line"):format(edited.text,
        fine and "it did more then" or self.differs and "it says something else to the game now" or problem)
      self.differs = true
      core.forbid_reading(false)
    end
    if self.problem ~= nil then error(self.problem, 0) end
  end
  self.editing = nil
  if not self.live then self:go_on() end
end

--- After a call was recalled and counted: where it was the last one, the run takes up its tensors. Raises what a hook
--- raised in it.
function Recorder:go_on()
  if self.live then return end
  local first = string.byte(self.bytes, self.at) -- nil behind the last record
  if first then
    if first == history.number_of.edit and not self.editing then return self:edit() end
    if first ~= history.next_raised then return end
    local _, _, _, problem, behind = history.read(self.bytes, self.at)
    self.at = behind
    self:go_on()
    error(problem, 0)
  end
  core.forbid_reading(false)
  local arrived, problem = pcall(self.on_arrival)
  if not arrived then
    self.problem = problem
    error(problem, 0)
  end
  self.live, self.bytes = true, nil
end

local function told(self, f, ...)
  f(...)
  self:returned()
end

--- A call that changes the game's settings, by f(...), happens in a replay too; tensors may be read in it.
---@param kind string
---@param settings table
---@param f function
function Recorder:say(kind, settings, f, ...)
  if not self:recall(kind, settings) then return self:play(kind, settings, told, self, f, ...) end
  core.forbid_reading(false)
  local fine, problem = pcall(f, ...)
  if not self.live then
    core.forbid_reading(true)
    self:go_on()
  end
  if not fine then error(problem, 0) end
end

--- The schedule has returned. Raises where it had more to do before.
function Recorder:finish()
  if self.problem ~= nil then error(self.problem, 0) end
  if not self.live then
    self.calls = self.calls + 1
    self:differ()
  end
end

return recorder
