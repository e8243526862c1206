--- Playing a run's schedule to its end, however often it has to begin: again at its first line because the script was
-- changed, or at the last checkpoint because something went wrong.
--
-- What ends a schedule from outside is an error that the recorder raises in each of its calls, so a schedule that
-- catches errors ends too. A run that has no plan for trouble is played without catching anything: tracebacks stay
-- whole.

local check = require "ganlua.check"
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

--- Plays the schedule. That of a changed script which goes another way than to where the run is, starts at its first
--- line.
---@param self ganlua.trainer
function playing.play(self)
  local on, recorder = self.options.on, self.game.recorder
  if not (on.nan or on.collapse or self.going_on_from) then return attempt(self) end
  while true do
    local fine, problem = pcall(attempt, self)
    if fine then return end
    if recorder.differs and self.going_on_from then
      self.progress:say("the changed schedule starts at its first line: %s", problem)
      resume.take(self, self.going_on_from)
      resume.start(self)
      self.going_on_from, recorder.differs = nil, nil
    else
      local back = plan_for(self, problem)
      if not back then error(problem, 0) end
      go_back(self, back)
    end
  end
end

--- A trouble that numbers show: it is told, and the script may have a plan for it.
---@param self ganlua.trainer
---@param trouble ganlua.trouble?
function playing.meet(self, trouble)
  if not trouble then return end
  self.progress:say("warning: %s", trouble.message)
  self.log:note { event = "collapse", iteration = trouble.iteration, kind = trouble.kind }
  local plan = self.options.on.collapse and self.options.on.collapse(self, trouble)
  if not plan then return end
  local back = setmetatable({ plan = plan, trouble = trouble }, Back)
  self.game.recorder.problem = back
  error(back, 0)
end

return playing
