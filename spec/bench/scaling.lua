-- ./dev bench --scaling FILE: what a step costs against one quantity at a time, as milliseconds and as picoseconds per
-- floating-point operation, drawn.

local gan = require "ganlua"
local core = require "ganlua.core"

local here = arg[0]:match("^(.*/)") or ""
local workloads = dofile(here .. "workloads.lua")

-- title, workload, the option that varies (nil: threads), its values, what the picture calls it
local studies = {
  { title = "dcgan28, by batch", workload = "dcgan28", key = "batch", values = { 16, 32, 64, 128, 256, 512 } },
  { title = "dcgan28, by width", workload = "dcgan28", key = "width", values = { 16, 32, 64, 128, 256 } },
  { title = "dcgan28, by picture side", workload = "dcgan28", key = "size", values = { 16, 24, 28, 32, 48, 64 } },
  { title = "mlp_ring, by width (parameters grow with its square)", workload = "mlp_ring", key = "width",
    values = { 32, 64, 128, 256, 512, 1024 } },
}

--- o: bench.lua's options; time(workload, options, threads) -> milliseconds of a step.
return function(o, time)
  local plots = {}
  local function study(title, x_name, values, measure)
    local costs = {}
    for i, value in ipairs(values) do
      local ms, gflop = measure(value)
      costs[i] = ms and ms / gflop or 0 / 0
      print(("%-40s %6g: %s ms, %.2f ps/FLOP"):format(title, value, ms and ("%9.3f"):format(ms) or "?", costs[i]))
      if o.quick then break end
    end
    local least = math.huge
    for _, cost in ipairs(costs) do least = math.min(least, cost) end
    local relative, powers = {}, {}
    for i, cost in ipairs(costs) do
      relative[i], powers[i] = cost / least, math.log(values[i], 2)
    end
    plots[#plots + 1] = gan.plot.line {
      title = title .. ": time per FLOP, the best = 1", x = "log2 of the " .. x_name, width = 560, height = 320,
      series = { { name = "ganlua", x = powers, y = relative } },
    }
  end
  for _, s in ipairs(studies) do
    study(s.title, s.key, s.values, function(value)
      local options = { [s.key] = value }
      return time(s.workload, options), workloads[s.workload].gflop(options)
    end)
  end
  local threads = {}
  for n = 1, core.threads() do threads[n] = n end
  study("dcgan28, by threads", "threads", threads, function(n)
    return time("dcgan28", {}, n), workloads.dcgan28.gflop {}
  end)
  gan.plot.grid { plots = plots, columns = 2, title = "What a training step costs" }:save(o.scaling)
end
