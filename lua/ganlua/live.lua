--- Live: while a run plays, its script may be edited. When the file is saved it is run again up to its gan.train, and
-- the run takes up what that says between two moves: schedule, loss, penalties, optimisers, hooks, networks with other
-- code. The new networks adopt the running parameters; counters, moments, random streams, data and run.state stay; the
-- new schedule starts at its first line. What does not work is told once, and the run goes on with what it has.

local check = require "ganlua.check"
local core = require "ganlua.core"

local live = {}

-- Seconds between two looks at the file.
local pause = 0.1

-- The stamp of an empty file.
local empty = "^%S+ %S+ 0 "

---@class ganlua.live
---@field path string the script
---@field stamp string? of the file as it was read last
---@field source string
local Watch = {}
Watch.__index = Watch

--- Watches the script that is running. `source` is its text as it was read last.
---@return ganlua.live
function live.watch()
  local path = _G.arg and _G.arg[0]
  if not path or not core.exists(path) or core.is_directory(path) then
    check.fail("train: live needs a script that is a file")
  end
  return setmetatable({
    path = path, stamp = core.file_stamp(path), looked = core.monotonic(), source = core.read_file(path),
  }, Watch)
end

--- Whether the file was saved since it was read last. A file that is being written is not there for a moment, or empty.
function Watch:changed()
  local now = core.monotonic()
  if now - self.looked < pause then return false end
  self.looked = now
  local stamp = core.file_stamp(self.path)
  if not stamp or stamp == self.stamp or stamp:find(empty) then return false end
  self.stamp = stamp
  return true
end

-- What ends the script at its gan.train: { options = }.
local Reached = {}

--- Runs the script up to its gan.train; returns what it is told there. Raises what the script raises.
---@return table options
function Watch:read()
  local gan = package.loaded["ganlua"]
  self.source = core.read_file(self.path)
  local chunk, problem = load((self.source:gsub("^#[^\n]*", "")), "@" .. self.path, "t")
  if not chunk then error(problem, 0) end
  local train, trainer = rawget(gan, "train"), rawget(gan, "trainer")
  local function reach(options) error(setmetatable({ options = options }, Reached), 0) end
  local _ <close> = setmetatable({}, { __close = function() gan.train, gan.trainer = train, trainer end })
  gan.train, gan.trainer = reach, reach
  local _, reached = pcall(chunk, table.unpack(_G.arg))
  if getmetatable(reached) == Reached then return reached.options end
  if reached ~= nil then error(reached, 0) end
  error(("%s: ended without gan.train"):format(self.path), 0)
end

-- Gives a network's tensors to the one that takes its place.
local function adopt(name, from, to)
  local fits, problem = pcall(to.load_state, to, from:state())
  if not fits then
    error(("the %s has changed its shape, which a running one cannot: %s"):format(name,
      (problem:gsub("^.-:%d+: ", ""))), 0)
  end
  return to
end

--- Has a run take up options (checked ones, of built networks). Raises, and changes nothing, where a network does not
--- fit.
---@param run ganlua.trainer
---@param given table
function live.take_up(run, given)
  local generator = adopt("generator", run.generator, given.generator):train()
  local discriminator = adopt("discriminator", run.discriminator, given.discriminator):train()
  local ema = given.ema and generator:clone():eval()
  if ema and run.ema then adopt("moving average", run.ema, ema) end
  run.options = given
  run.log:expect(given.measure and given.measure.columns or {})
  run.generator, run.discriminator, run.ema = generator, discriminator, ema
  run.game:seat(discriminator, generator, ema)
end

return live
