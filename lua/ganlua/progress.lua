--- What a run says while it goes: one line that updates on a terminal, a plain line every few seconds in a pipe.
--
-- Output goes through `write`; times come from `clock`. Nothing here changes what a run computes.

local core = require "ganlua.core"

local progress = {}

--- Where what ganlua itself says goes: to the program that ganlua is part of (core.tell), else to stdout.
---@param text string
function progress.write(text)
  if core.tell then return core.tell(text) end
  io.write(text)
  io.flush()
end

--- Whether that is a terminal, on which a line may be written anew.
---@return boolean
function progress.on_terminal()
  return not core.tell and core.is_terminal "stdout"
end

local Progress = {}
Progress.__index = Progress

-- Seconds between two lines: a terminal's line is rewritten, a pipe's stays.
local terminal_pause, pipe_pause = 0.1, 5

---@param options { silent: boolean?, terminal: boolean?, width: integer?, write: function?, clock: function? }
function progress.new(options)
  local terminal = options.terminal
  if terminal == nil then terminal = progress.on_terminal() end
  local self = setmetatable({
    silent = options.silent,
    terminal = terminal,
    width = options.width or terminal and core.terminal_size() or 0,
    write = options.write or progress.write,
    clock = options.clock or core.monotonic,
  }, Progress)
  self.started = self.clock()
  self.last, self.open = self.started, false
  return self
end

--- "3:05", or "1:02:03".
---@param seconds number
function progress.duration(seconds)
  local whole = math.floor(seconds + 0.5)
  if whole < 3600 then return ("%d:%02d"):format(whole // 60, whole % 60) end
  return ("%d:%02d:%02d"):format(whole // 3600, whole // 60 % 60, whole % 60)
end

-- What the columns of the line show of the last measurements, where they are there.
local columns = {
  { "d_loss", "d %.3f" }, { "g_loss", "g %.3f" }, { "real", "real %+.2f" }, { "fake", "fake %+.2f" },
}

--- The text of a line. `done` counts what this run did itself: images, iterations, in `seconds`.
---@param at { iteration: integer, planned: integer?, metrics: table<string, number> }
---@param done { images: integer, iterations: integer, seconds: number }
function progress.text(at, done)
  local parts = { at.planned and ("%d/%d"):format(at.iteration, at.planned) or ("%d"):format(at.iteration) }
  for _, column in ipairs(columns) do
    local value = at.metrics[column[1]]
    if value then parts[#parts + 1] = column[2]:format(value) end
  end
  if done.seconds > 0 and done.images > 0 then
    parts[#parts + 1] = ("%.0f images/s"):format(done.images / done.seconds)
  end
  if at.planned and done.iterations > 0 and at.planned > at.iteration then
    local left = done.seconds / done.iterations * (at.planned - at.iteration)
    parts[#parts + 1] = progress.duration(left) .. " left"
  end
  return table.concat(parts, "  ")
end

-- The terminal's line becomes this one.
local function rewrite(self, text)
  if self.elsewhere then return self.elsewhere(text) end
  self.write("\r" .. text:sub(1, math.max(1, self.width - 1)) .. "\27[K")
  self.open = true
end

-- Ends the terminal's line, so that other output starts on its own.
local function close_line(self)
  if self.open then self.write "\n" end
  self.open = false
end

--- Has the updating line shown by somebody else, f(text), from now on; nil: no longer.
---@param f function?
function Progress:hand_to(f)
  close_line(self)
  self.elsewhere = f
end

--- Whether it is time to show where the run is.
---@return boolean
function Progress:is_due()
  return self.clock() - self.last >= (self.terminal and terminal_pause or pipe_pause)
end

--- Shows where the run is, if it is time to (or `now`).
---@param at { iteration: integer, planned: integer?, metrics: table<string, number> }
---@param images integer pictures seen since the run started
---@param iterations integer iterations since the run started
---@param now? boolean
---@return boolean shown
function Progress:show(at, images, iterations, now)
  if not now and not self:is_due() then return false end
  local time = self.clock()
  self.last = time
  if self.silent then return true end
  local text = progress.text(at, { images = images, iterations = iterations, seconds = time - self.started })
  if self.terminal then
    rewrite(self, text)
  else
    self.write(text .. "\n")
  end
  return true
end

--- Says what goes on beside the iterations, if it is time to: on a terminal alone, where the next line takes its place.
---@param format string
function Progress:passing(format, ...)
  local time = self.clock()
  if self.silent or not self.terminal or time - self.last < terminal_pause then return end
  self.last = time
  rewrite(self, format:format(...))
end

--- Says something on a line of its own.
---@param format string
function Progress:say(format, ...)
  if self.silent then return end
  close_line(self)
  self.write(format:format(...) .. "\n")
end

--- Ends the updating line. Also what happens to it when the run stops by an error.
function Progress:finish() close_line(self) end
Progress.__close = Progress.finish

return progress
