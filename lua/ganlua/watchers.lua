--- Who looks at a run while it plays: logs for other programs, views. A run tells its watchers what happened; nothing
-- that a watcher does changes what is computed (random numbers that it draws are its own).
--
-- A watcher is a table with any of these methods:
--
--     begin(run, iteration)         what comes next is the first move after so many iterations: at the start, where a
--                                   run goes on after a break, and where it goes back to a checkpoint; what was told of
--                                   later iterations holds no more
--     moved(run, kind, measured)    "discriminator", "generator" or "both", and what each mover measured, by player
--     iterated(run, row)            an iteration is closed: its numbers, named as in metrics.jsonl
--     sampled(run, samples, path)   N x shape, always of the same latents; the path of their picture, nil where none is
--     saving(run)                   a checkpoint is written next: what was told until now must be on disk before it
--     warned(run, message)          trouble, in words
--     waits(run)                    the REPL inside the run is about to open
--     ended(run, how)               "finished", "interrupted" (it can go on) or "stopped" (by an error); told once
--
-- An error of a watcher is the run's: a log that cannot be written stops it as metrics.jsonl would. But for ended(): it
-- is told on the way out, where a second error would hide the first.

local streams = require "ganlua.streams"

---@class ganlua.watchers
local Watchers = {}
Watchers.__index = Watchers

local watchers = {}

---@param list table[]
---@return ganlua.watchers
function watchers.new(list)
  return setmetatable({ list = list }, Watchers)
end

--- Tells each watcher what happened, in the order in which they came.
---@param event "begin"|"moved"|"iterated"|"sampled"|"saving"|"warned"|"waits"|"ended"
---@param run ganlua.trainer
function Watchers:tell(event, run, ...)
  if #self.list == 0 then return end
  local _ <close> = streams.guard()
  local problem
  for _, watcher in ipairs(self.list) do
    local method = watcher[event]
    if method and event == "ended" then -- of the end each is told: one may have the screen
      local fine, raised = pcall(method, watcher, run, ...)
      problem = problem or not fine and raised
    elseif method then
      method(watcher, run, ...)
    end
  end
  if problem then error(problem, 0) end
end

return watchers
