-- ./dev bench --ranks: what a game costs on 2 to 1,024 ranks, by the model of network.lua, with this machine's times of
-- computing, and where adding machines stops helping. A global batch of 1,024 is split: a rank has 1024/n examples.

local here = arg[0]:match("^(.*/)") or ""
local network = dofile(here .. "network.lua")
local workloads = dofile(here .. "workloads.lua")

-- As measured between machines with TCP: 50 us one way on 1 Gbit/s, less on the faster ones, and 10 us of a processor
-- for each message.
local links = {
  { gbits = 1, latency = 50e-6, message = 10e-6 }, { gbits = 10, latency = 25e-6, message = 10e-6 },
  { gbits = 100, latency = 10e-6, message = 5e-6 },
}
local batch = 1024

-- Seconds of computing for n examples: a line through two batches that were measured. A rank with few examples pays
-- what does not depend on them: Adam, the script, the gathered gradients.
local function computing(name, time, o)
  local few, many = o.quick and 1 or 8, o.quick and 2 or 64
  local a, b = time(name, { batch = few }), time(name, { batch = many })
  if not a or not b then return nil end
  local slope = math.max(0, (b - a) / (many - few))
  local fixed = math.max(0, a - slope * few)
  return function(examples) return (fixed + slope * examples) / 1000 end
end

--- o: bench.lua's options; time(workload, options) -> milliseconds of a step (a move of D and one of G).
return function(o, time)
  print(("a global batch of %d, ms an iteration (a move of each player), by the model of network.lua"):format(batch))
  for _, name in ipairs { "mlp_ring", "dcgan28", "dcgan64" } do
    local compute = computing(name, time, o)
    local bytes = workloads[name].gradients()
    if not compute then
      print(name .. ": not measured")
    else
      print(("\n%s: gradients of %.1f MB (D) and %.1f MB (G); one machine %.0f ms"):format(name, bytes[1] / 2 ^ 20,
        bytes[2] / 2 ^ 20, compute(batch) * 1000))
      print("  ranks     1 Gbit/s      10 Gbit/s     100 Gbit/s     (ms, times faster than one)")
      local best, stopped = {}, {}
      for power = 1, 10 do
        local ranks, cells = 2 ^ power | 0, {}
        for i, link in ipairs(links) do
          local each = compute(batch / ranks) / 2 -- of a move
          local seconds = network.move(each, each * 2 / 3, bytes[1], 2, ranks, link)
            + network.move(each, each * 2 / 3, bytes[2], 2, ranks, link)
          cells[i] = ("%8.2f %5.1fx"):format(seconds * 1000, compute(batch) / seconds)
          if not best[i] or seconds < 0.9 * best[i] then
            best[i] = seconds
          else
            stopped[i] = stopped[i] or ranks // 2
          end
        end
        print(("  %5d %s"):format(ranks, table.concat(cells, " ")))
      end
      for i, link in ipairs(links) do
        print(("  on %g Gbit/s %s"):format(link.gbits, stopped[i]
          and ("more than %d ranks gain less than a tenth"):format(stopped[i]) or "1,024 ranks still gain a tenth"))
      end
    end
  end
end
