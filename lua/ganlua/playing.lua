--- Playing a run's schedule to its end, however often it has to begin: again at its first line because the script was
-- changed, or at the last checkpoint because something went wrong.
--
-- What ends a schedule from outside is an error that the recorder raises in each of its calls, so a schedule that
-- catches errors ends too. A run that has no plan for trouble is played without catching anything: tracebacks stay
-- whole. Where there is one, an error that it does not help against is raised again with its traceback in the message.

local check = require "ganlua.check"
local core = require "ganlua.core"
local live = require "ganlua.live"
local resume = require "ganlua.resume"
local run_folder = require "ganlua.run_folder"

local playing = {}

-- What ends a schedule so that the run can go back: { plan = , trouble = }.
local Back = { __tostring = function(back) return back.trouble.message end }

-- Goes back to the last checkpoint, and on from it with lower learning rates. They are on disk before the first move.
local function go_back(self, back)
  local saved = self.folder and run_folder.newest_checkpoint(self.folder)
  if not saved then check.fail("%s; there is no checkpoint to go back to", back.trouble.message) end
  local counters = saved.counters
  self.recovery = { lr = self.recovery.lr * (back.plan.lr or 1), tries = self.recovery.tries + 1 }
  self.progress:say("%s: going back to iteration %d, with learning rates times %g", back.trouble.message,
    counters.iteration, self.recovery.lr)
  self.log:close()
  self.log:open(self.folder .. "/metrics.jsonl", counters.metrics)
  self.log:note { event = "rollback", iteration = back.trouble.iteration, kind = back.trouble.kind,
    to = counters.iteration, lr = self.recovery.lr, tries = self.recovery.tries }
  self.log:clear()
  self.history_file:cut(counters.history.size)
  self.watchers:tell("begin", self, counters.iteration)
  counters.recovery = self.recovery
  resume.replay(self, saved, function() self:write_checkpoint() end)
end

--- Whether the error that ended a schedule is that of a number which was not finite, and whose.
---@param self ganlua.trainer
---@param problem any
---@return string? player
function playing.is_nan(self, problem)
  if problem == nil or problem ~= self.game.recorder.raised then return nil end
  for name, player in pairs(self.game.players) do
    if player.not_finite then return name end
  end
end

---- A script that is edited -----------------------------------------------------------------------------------------

-- What ends a schedule that another one takes the place of.
local TakeOver = { __tostring = function() return "the edited script takes over" end }

--- Looks whether the script was saved; if so, and if it works, the run takes it up and the schedule ends here.
---@param self ganlua.trainer
function playing.look(self)
  if not self.live:changed() then return end
  local mark, earlier = self.game.streams:mark(), self.options
  local taken, problem = pcall(function()
    local given = self.prepare(self.live:read(), self.options.seed)
    given.live, given.source = true, self.live.source
    live.take_up(self, given)
  end)
  self.game.streams:back(mark)
  if not taken then
    self.progress:say("%s\n(the run goes on with the script as it was)", problem)
    return
  end
  self.earlier = earlier
  local over = setmetatable({}, TakeOver)
  self.game.recorder.problem = over
  error(over, 0)
end

-- The schedule of the script that was taken up begins, at its first line. Its source and what it says are kept, so that
-- a run that is cut off begins there.
local function begin_edited(self, event)
  local played = self.game
  self.takes = (self.takes or 0) + 1
  local name = ("script-%d.lua"):format(self.takes)
  if self.folder then
    core.write_file(self.folder .. "/" .. name, self.options.source)
    run_folder.write_config(self.folder, self.options.config)
  end
  self.log:note { event = event, iteration = played.iteration, source = name,
    moves = played.players.discriminator.moves + played.players.generator.moves }
  resume.start(self)
  if self.folder then self:write_checkpoint() end
end

-- The edited script turned out not to work: the one before it is taken up again.
local function take_back(self, problem, traceback)
  self.progress:say("%s%s\n(the run goes on with the script as it was before, its schedule at its first line)", problem,
    traceback)
  local earlier = self.earlier
  self.earlier = nil
  live.take_up(self, earlier)
  begin_edited(self, "live, taken back")
end

---- Playing ---------------------------------------------------------------------------------------------------------

-- What the script wants done about an error: nil where it has no plan.
local function plan_for(self, problem)
  if getmetatable(problem) == Back then return problem end
  local hook, player = self.options.on.nan, playing.is_nan(self, problem)
  if not hook or not player then return nil end
  local trouble = { kind = "nan", iteration = self.game.iteration + 1, message = problem, player = player }
  local plan = hook(self, trouble)
  return plan and { plan = plan, trouble = trouble }
end

local function attempt(self)
  self.options.schedule(self.game)
  self.game.recorder:finish()
end

-- Raises an error again, text with the traceback of where it happened; a run that was interrupted says no more than
-- that.
local function raise(self, problem, traceback)
  if type(problem) == "string" and not self.interrupted then
    problem = self.game.recorder:reworded(problem, problem .. traceback)
  end
  error(problem, 0)
end

--- Plays the schedule. That of a changed script which goes another way than to where the run is, starts at its first
--- line.
---@param self ganlua.trainer
function playing.play(self)
  local on, recorder = self.options.on, self.game.recorder
  if not (on.nan or on.collapse or self.going_on_from or self.live) then return attempt(self) end
  while true do
    local traceback = "" -- which stays so where a call's limit has ended it
    local fine, problem = xpcall(attempt, function(raised)
      traceback = "\n" .. debug.traceback(nil, 2)
      return raised
    end, self)
    if fine then return end
    problem = recorder.problem or problem -- a schedule may have made another error of it
    if recorder.differs and self.going_on_from then
      self.progress:say("the changed schedule starts at its first line: %s", problem)
      resume.take_over(self, self.going_on_from)
      resume.start(self)
      self.going_on_from, recorder.differs = nil, nil
    elseif getmetatable(problem) == TakeOver or getmetatable(recorder.problem) == TakeOver then
      self.progress:say("the edited script takes over in iteration %d", self.game.iteration + 1)
      begin_edited(self, "live")
    else
      local back = plan_for(self, problem)
      if back then
        go_back(self, back)
      elseif self.earlier and not self.interrupted then
        take_back(self, problem, traceback)
      else
        raise(self, problem, traceback)
      end
    end
  end
end

--- A trouble that numbers show: it is told, and the script may have a plan for it.
---@param self ganlua.trainer
---@param trouble ganlua.trouble?
function playing.meet(self, trouble)
  if not trouble then return end
  self.progress:say("warning: %s", trouble.message)
  self.watchers:tell("warned", self, trouble.message)
  self.log:note { event = "collapse", iteration = trouble.iteration, kind = trouble.kind }
  local plan = self.options.on.collapse and self.options.on.collapse(self, trouble)
  if not plan then return end
  local back = setmetatable({ plan = plan, trouble = trouble }, Back)
  self.game.recorder.problem = back
  error(back, 0)
end

return playing
