-- A process that makes steps of a workload on demand (work.lua, peer.py), seen from the conductor.

local core = require "ganlua.core"

local Worker = {}
Worker.__index = Worker

local worker = {}

--- A word of a shell command.
function worker.quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- Starts a command that speaks the protocol; nil and the reason where it does not begin.
---@param command string
function worker.start(command)
  local pipe = os.tmpname()
  os.remove(pipe)
  assert(os.execute("mkfifo " .. worker.quote(pipe)))
  local output = assert(io.popen(("%s < %s"):format(command, worker.quote(pipe)), "r"))
  local orders = assert(io.open(pipe, "r+")) -- does not wait for a reader, who may never come
  local self = setmetatable({ orders = orders, output = output }, Worker)
  local line = output:read "l"
  os.remove(pipe)
  if not line then
    self:close()
    return nil, "it ended before its first step"
  end
  self.about = core.json_decode(line)
  return self
end

--- Makes n steps; their times in milliseconds, or nil where the process has died.
---@param n integer
function Worker:steps(n)
  self.orders:write(n, "\n")
  self.orders:flush()
  local line = self.output:read "l"
  return line and core.json_decode(line).ms
end

--- Ends the process; returns what it says last: how much memory it took.
function Worker:finish()
  self.orders:write "end\n" -- closing is not enough: later workers inherited the pipe
  self.orders:flush()
  local line = self.output:read "l"
  self:close()
  return line and core.json_decode(line) or {}
end

function Worker:close()
  self.orders:close()
  self.output:close()
end

--- What a command prints, decoded; nil where that is nothing.
---@param command string
function worker.ask(command)
  local output = assert(io.popen(command .. " 2>/dev/null", "r"))
  local line = output:read "l"
  output:close()
  return line and core.json_decode(line)
end

return worker
