-- Eight schedules on the ring at equal moves, five seeds each: who finds the modes? `ganlua schedules.lua`, a minute
-- on two cores. Every run is 3,000 moves (both players at once count as two, and a look ahead as many again). Prints
--
--     schedule         modes of 8    high quality
--     follow         8.00 +- 0.00     60 +-  3 %
--     alternate      4.60 +- 1.72     11 +-  4 %     and six more; +- is the standard error of the mean
--
-- and draws runs/schedules-sweep/modes.png. `follow` was chosen on seeds 11 to 14 (`--set first=11`).

local gan = require "ganlua"
local nn, schedule = gan.nn, gan.schedule

local moves = gan.setting("moves", 3000)
local first, seeds = gan.setting("first", 1), gan.setting("seeds", 5)

local function network(out)
  return nn.sequential {
    nn.linear { out = 64 }, nn.relu {}, nn.linear { out = 64 }, nn.relu {}, nn.linear { out = out },
  }
end

local function enough(game) return game:moves() >= moves end

local schedules = {
  alternate = schedule.alternate { iterations = moves // 2 },
  ["two for D"] = schedule.alternate { discriminator = 2, iterations = moves // 3 },
  ["five for D"] = schedule.alternate { discriminator = 5, iterations = moves // 6 },
  simultaneous = schedule.simultaneous { iterations = moves // 2 },
  extragradient = schedule.extragradient { iterations = moves // 4 },
  balance = schedule.stop_when(enough, schedule.balance { iterations = moves }),

  -- The textbook's: the discriminator for a while, then the generator for a while, then both together.
  phases = schedule.phases { { discriminator = 1, iterations = 200 }, { generator = 1, iterations = 100 },
    { discriminator = 1, generator = 1, iterations = (moves - 300) // 2 } },

  -- D moves until it sees a gap between real and generated scores, five times at most; then G learns from a
  -- discriminator that has something to tell.
  follow = function(game)
    while not enough(game) do
      for _ = 1, 5 do
        local d = game:discriminator()
        if d.real - d.fake > 0.5 then break end
      end
      game:generator()
      game:next()
    end
  end,
}

local data = gan.data.ring { std = 0.02 }

-- Ten times in a run: how many modes, at how many moves.
local function report(run)
  local now, reported = run.game:moves(), run.state.reported or 0
  if now < reported + moves // 10 then return end
  reported = now - now % (moves // 10)
  run.state.reported = reported -- saved with the run
  gan.report { iteration = reported, modes = gan.metrics.modes(run:sample(1000), data.centres, data.std) }
end

local list = {}
for i = 1, seeds do list[i] = first + i - 1 end

local adam = gan.optim.adam { lr = 1e-3 }
local result = gan.sweep {
  base = {
    data = data, generator = network(2), discriminator = network(1), latent = 8, batch = 128,
    loss = gan.loss.nonsaturating {}, optimizer = { discriminator = adam, generator = adam },
    on = { iteration = report },
  },
  schedule = schedules, seed = list, metric = { "modes.modes", "modes.high_quality" },
}

table.sort(result.rows, function(a, b) return a.results["modes.modes"].mean > b.results["modes.modes"].mean end)
print(("\n%-14s %12s  %14s"):format("schedule", "modes of 8", "high quality"))
local series = {}
for i, row in ipairs(result.rows) do
  local found, quality = row.results["modes.modes"], row.results["modes.high_quality"]
  print(("%-14s %5.2f +- %4.2f  %5.0f +- %2.0f %%"):format(row.labels.schedule, found.mean, found.se,
    100 * quality.mean, 100 * quality.se))
  local curve = row.curves["modes.modes"]
  series[i] = { name = row.labels.schedule, x = curve.x, y = curve.y, style = i > 6 and "dashed" or "line" }
end
gan.plot.line {
  title = ("Modes of 8 found, mean of %d seeds"):format(seeds), x = "moves of both players", series = series,
}:save(result.folder .. "/modes.png")
print(result.folder .. "/modes.png shows them")
