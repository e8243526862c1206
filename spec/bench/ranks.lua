-- ./dev bench --ranks: what a step would take on many machines under mpirun, each a rank with the workload's own batch:
-- its time on this machine, measured, and a model of what travels.
--
-- A step has a sum of D's gradients, and one of G's (network.lua). Scores, running statistics and signals are gathered
-- three times a move. A third of a move is the part of the backward pass in which gradients come one after the other:
-- so long sums travel unseen.

local here = arg[0]:match "^(.*/)" or ""
local network = dofile(here .. "network.lua")
local workloads = dofile(here .. "workloads.lua")

---@type ganlua.link[]
local links = {
  { gbits = 1, latency = 50e-6, message = 5e-6 }, { gbits = 10, latency = 25e-6, message = 3e-6 },
  { gbits = 100, latency = 3e-6, message = 0.5e-6 },
}

-- Seconds of a step; `moves`: bytes of each move's gradients.
local function step_time(link, compute, moves, ranks)
  if ranks == 1 then return compute end
  local time = compute
  for _, bytes in ipairs(moves) do
    local hidden = compute / #moves / 3
    time = time + math.max(0, network.sum(bytes, ranks, link) - hidden) + 3 * network.gather(ranks, link)
  end
  return time
end

-- One workload's table; where adding machines stops helping, in words.
local function show(name, compute, moves)
  local megabytes = (moves[1] + moves[2]) / 1e6
  print(("%s: %.4g ms a step here, %.1f MB of gradients; times as fast as one machine, by machines:"):format(name,
    compute * 1000, megabytes))
  local head = { ("%-12s"):format "" }
  for power = 1, 10 do head[#head + 1] = (" %7d"):format(1 << power) end
  print(table.concat(head))
  for _, link in ipairs(links) do
    local cells, before, useful, half = { ("%-12s"):format(("%g Gbit/s"):format(link.gbits)) }, 1, 1, 1
    for power = 1, 10 do
      local ranks = 1 << power
      local speed = ranks * compute / step_time(link, compute, moves, ranks)
      if speed >= 1.1 * before and useful == ranks // 2 then useful = ranks end
      if speed >= ranks / 2 then half = ranks end
      before = speed
      cells[#cells + 1] = (" %7.2f"):format(speed)
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
