-- ./dev bench --ranks: what a step would take on many machines under mpirun, each a rank with the workload's own batch:
-- its time on this machine, measured, and a model of what travels.
--
-- A step has a sum of D's gradients, and one of G's. n bytes over R ranks travel in buckets of 1 MiB and two steps (see
-- lua/mpi/exchange.c), in each of which a rank sends R - 1 messages that hold (R - 1)/R of the bytes together:
--     sum(n, R) = 2 latency + 2 (R - 1) message ceil(n / bucket) + 2 n (R - 1)/R / bandwidth
-- Scores, running statistics and signals are gathered three times a move: latency + (R - 1) message each. A third of a
-- move is the part of the backward pass in which gradients come one after the other: so long sums travel unseen.

local here = arg[0]:match "^(.*/)" or ""
local workloads = dofile(here .. "workloads.lua")

local bucket <const> = 1 << 20

-- Seconds; bytes a second. A message is what one of many to send at once takes of the processor and the card.
local links = {
  { name = "1 Gbit/s", latency = 50e-6, message = 5e-6, bandwidth = 1e9 / 8 },
  { name = "10 Gbit/s", latency = 25e-6, message = 3e-6, bandwidth = 10e9 / 8 },
  { name = "100 Gbit/s", latency = 3e-6, message = 0.5e-6, bandwidth = 100e9 / 8 },
}

local function sum_time(link, bytes, ranks)
  local buckets = math.ceil(bytes / bucket)
  return 2 * link.latency + 2 * (ranks - 1) * link.message * buckets
    + 2 * bytes * (ranks - 1) / ranks / link.bandwidth
end

-- Seconds of a step; `moves`: bytes of each move's gradients.
local function step_time(link, compute, moves, ranks)
  if ranks == 1 then return compute end
  local time = compute
  for _, bytes in ipairs(moves) do
    local hidden = compute / #moves / 3
    time = time + math.max(0, sum_time(link, bytes, ranks) - hidden)
      + 3 * (link.latency + (ranks - 1) * link.message)
  end
  return time
end

-- One workload's table; where adding machines stops helping, in words.
local function show(name, compute, moves)
  local megabytes = (moves[1] + moves[2]) / 1e6
  print(("%s: %.4g ms a step here, %.1f MB of gradients; times as fast as one machine, by machines:"):format(name,
    compute * 1000, megabytes))
  local head = { ("%-12s"):format "" }
  for power = 1, 10 do head[#head + 1] = ("%6d"):format(1 << power) end
  print(table.concat(head))
  for _, link in ipairs(links) do
    local cells, before, useful, half = { ("%-12s"):format(link.name) }, 1, 1, 1
    for power = 1, 10 do
      local ranks = 1 << power
      local speed = ranks * compute / step_time(link, compute, moves, ranks)
      if speed >= 1.1 * before and useful == ranks // 2 then useful = ranks end
      if speed >= ranks / 2 then half = ranks end
      before = speed
      cells[#cells + 1] = ("%6.4g"):format(speed)
    end
    local words = useful == 1 and "two machines add less than a tenth"
      or useful < 1024 and ("beyond %d a doubling adds less than a tenth"):format(useful) or "each doubling helps"
    print(("%s  %s; half of each machine is used up to %d"):format(table.concat(cells), words, half))
  end
end

--- o: bench.lua's options; time(workload, options) -> milliseconds of a step.
return function(o, time)
  for _, name in ipairs { "mlp_ring", "dcgan28", "dcgan64", "sngan32" } do
    local options = o.quick and { batch = 4, width = 4 } or {}
    local ms = time(name, options)
    if ms then show(name, ms / 1000, workloads[name].gradients(options)) end
  end
end
