--- How a run ends: at the end of its schedule, by a signal, or by an error. These are methods of a run.

local core = require "ganlua.core"
local files = require "ganlua.ranks.files"
local playing = require "ganlua.playing"
local ranks = require "ganlua.ranks"
local resume = require "ganlua.resume"
local run_folder = require "ganlua.run_folder"
local streams = require "ganlua.streams"
local whole = require "ganlua.whole"

---@class ganlua.trainer
local Ending = {}

-- Where the files of a run are, for a message.
function Ending:place()
  return self.folder and ": everything is in " .. self.folder or ""
end

-- What stands at the end of a run: pictures, plot, checkpoint; and that it was held up, if it was.
function Ending:conclude()
  self.progress:show(self:position(), self.images, self.played, true)
  self.waiting = self.game.waited / math.max(core.monotonic() - self.started, 1e-9)
  if self.waiting > 0.05 and self.game.waited >= 1 then
    self.progress:say("it waited for data for %.0f %% of its time", 100 * self.waiting)
  end
  if self.sampled ~= self:moment() then self:write_samples() end
  if not self.folder then
    if self.game.seats then resume.snapshot(self) end -- every rank has all discriminators, as after a checkpoint
    return
  end
  local written = self.saved == self:moment()
  self.finished, self.saved = true, self:moment()
  self:write_checkpoint()
  if not written then self.options.on.checkpoint(self, self.folder .. "/" .. run_folder.newest) end
end

-- What stands where a run stops before its end; it can go on from there. Where numbers are no longer finite the last
-- checkpoint is kept as it is: it is the last one that is known to be sound.
---@param sick? boolean
function Ending:stop(sick)
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
function Ending:close_files()
  local lock = self.lock
  self.lock = nil
  local _ <close> = setmetatable({}, { __close = function() if lock then lock:close() end end })
  self.log:close()
  if self.history_file then self.history_file:flush() end
end

-- Runs in play: one may be started inside another's hook.
local in_play = 0

-- Ctrl-C waits for the end of a move while a run is in play; the end of the last guard lets it through again.
function Ending:hold_interrupts()
  local hold = core.hold_interrupt or function() end
  in_play = in_play + 1
  hold(true)
  return setmetatable({}, { __close = function()
    in_play = in_play - 1
    if in_play == 0 then hold(false) end
  end })
end

-- A signal has come: what the run is at the end of this move is saved, and the script ends.
function Ending:interrupt(signal)
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

-- A run that an error stops leaves its networks, which are as they were before the move that failed, and their
-- pictures. The error is the user's to see: what cannot be written on top of it is not. A replay that fails has nothing
-- to leave; nor has a rank that knows a part of the run only: the last checkpoint stands.
function Ending:leaving()
  return setmetatable({}, { __close = function(_, problem)
    local stands = self.training and self.game.recorder.live and not self.interrupted
    local ends = self.training and problem ~= nil and not self.interrupted
    self.training = false
    core.forbid_reading(false)
    if ends then pcall(self.watchers.tell, self.watchers, "ended", self, "stopped") end
    if ranks.many() and self.options.ranks then stands = false end
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

return Ending
