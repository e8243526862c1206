--- The REPL inside a run: what is typed between two moves, and what of it is typed again when the run goes on after a
-- break.
--
-- What is changed by hand (tensors, run.state, counters) is in the checkpoint that is written when the run goes on.
-- What is said to the game (game:set with its losses and optimisers, moves) is not there, so the text of such a line
-- is kept in the history, and run again in a replay. Such a line cannot count on names that another line made.

local core = require "ganlua.core"

local talking = {}

-- Gives what is typed its names, until the caller's block ends.
local function at_hand(self)
  local before = {}
  local values = { run = self, game = self.game, G = self.generator, D = self.discriminator,
    gan = _G.gan or package.loaded["ganlua"] }
  for name, value in pairs(values) do before[name], _G[name] = { _G[name] }, value end
  return setmetatable({}, { __close = function()
    for name in pairs(values) do _G[name] = before[name][1] end
  end })
end

--- Opens the REPL between two moves. What was changed is saved, and the run is marked as edited. Returns whether the
--- run goes on.
---@param self ganlua.trainer
---@return boolean
function talking.talk(self)
  self.watchers:tell("waits", self)
  self.progress:say("The run waits in iteration %d. run, game, G and D are at hand; resume goes on, Ctrl-C saves and "
    .. "ends.", self.game.iteration + 1)
  local recorder, mark = self.game.recorder, self.game.streams:mark()
  local go_on
  self.talking = true
  do
    local _ <close> = at_hand(self)
    go_on = core.talk(function(text) recorder:by_hand(text) end)
  end
  self.talking = nil
  self.game.streams:rewind("schedule", mark) -- numbers that were drawn by hand do not count
  self.edited, self.game.shown = true, nil -- samples of before
  self.log:note { event = "edited", iteration = self.game.iteration }
  recorder:edited(self.state)
  if go_on and self.folder then self:write_checkpoint() end
  return go_on
end

--- Runs again, in a replay, what was typed when the run was here before. Raises what that raises.
---@param self ganlua.trainer
---@param text string
function talking.again(self, text)
  local mark = self.game.streams:mark()
  local fine, problem
  do
    local _ <close> = at_hand(self)
    fine, problem = pcall(load("return " .. text, "=stdin", "t") or load(text, "=stdin", "t"))
  end
  if not self.game.recorder.live then self.game.streams:rewind("schedule", mark) end
  if not fine then error(problem, 0) end
end

return talking
