-- One workload in a process of its own, steered by lines: ganlua spec/bench/work.lua NAME [KEY=NUMBER ...]
--
-- It prints what it is as one line of JSON; for each number n that it reads, it makes n steps and prints how many
-- milliseconds each took; at "end" it prints how much memory it took at most.

local gan = require "ganlua"
local core = require "ganlua.core"

local here = arg[0]:match("^(.*/)") or ""
local workloads = dofile(here .. "workloads.lua")

local function say(row)
  io.write(core.json_encode(row), "\n")
  io.flush()
end

-- The most memory that this process had, in MB, as Linux counts it; nil elsewhere.
local function peak_memory()
  local file = io.open "/proc/self/status"
  local text = file and file:read "a" or ""
  if file then file:close() end
  local kilobytes = text:match "VmHWM:%s*(%d+)"
  return kilobytes and kilobytes / 1024
end

local options = {}
for i = 2, #arg do
  local key, value = arg[i]:match "^(%w+)=(.*)$"
  options[key] = tonumber(value) or value
end

local step_of = workloads[arg[1]].make(options)
step_of(function(step)
  say { what = "ganlua", version = gan._VERSION, kernels = gan.kernels(), threads = core.threads() }
  for line in io.lines() do
    if line == "end" then break end
    local times = {}
    for i = 1, tonumber(line) do
      local before = core.monotonic()
      step()
      times[i] = (core.monotonic() - before) * 1000
    end
    say { ms = times }
  end
  say { peak_mb = peak_memory(), tensor_mb = gan.memory().peak / 2 ^ 20 }
end)
