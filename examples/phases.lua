-- The textbook's game: the discriminator for a while, then the generator for a while, then both together.
-- `ganlua phases.lua`, some seconds. Eight small Gaussians on a circle are to be found; at the end of each phase it
-- prints
--
--     iteration   300: D is right about 100 % of samples; 0 of 8 modes,  0 % of high quality
--     iteration   600: D is right about  50 % of samples; 1 of 8 modes, 44 % of high quality
--     iteration  4600: D is right about  55 % of samples; 8 of 8 modes, 75 % of high quality
--
-- and draws runs/phases/points.png: alone against a discriminator that does not answer, the generator runs to one place
-- that fools it; together they find all of them.

local gan = require "ganlua"
local nn = gan.nn

local alone = gan.setting("alone", 300) -- iterations that each plays alone
local together = gan.setting("together", 4000)

local data = gan.data.ring { std = 0.02 }

local function network(out)
  return nn.sequential {
    nn.linear { out = 64 }, nn.relu {}, nn.linear { out = 64 }, nn.relu {}, nn.linear { out = out },
  }
end

local function share_right(D, real, fake)
  return (D(real):gt(0):mean():item() + D(fake):lt(0):mean():item()) / 2
end

local ends = { [alone] = "after D alone", [2 * alone] = "after G alone", [2 * alone + together] = "after both" }
local series = { { name = "real", points = data:batch(500), radius = 1.2 } }

local function look(run)
  local iteration = run.game.iteration
  if not ends[iteration] then return end
  local samples = run:sample(1000)
  local right = gan.no_grad(share_right, run.discriminator, data:batch(1000), samples)
  local m = gan.metrics.modes(samples, data.centres, data.std)
  print(("iteration %5d: D is right about %3.0f %% of samples; %d of 8 modes, %2.0f %% of high quality"):format(
    iteration, 100 * right, m.modes, 100 * m.high_quality))
  series[#series + 1] = { name = ends[iteration], points = samples:narrow(1, 1, 500), radius = 1.2 }
end

local adam = gan.optim.adam { lr = 1e-3 }
local run = gan.train {
  data = data, generator = network(2), discriminator = network(1), latent = 8, batch = 128,
  loss = gan.loss.nonsaturating {}, penalties = { gan.penalty.r1 { weight = 0.1 } },
  optimizer = { discriminator = adam, generator = adam },
  schedule = gan.schedule.phases { { discriminator = 1, iterations = alone }, { generator = 1, iterations = alone },
    { discriminator = 1, generator = 1, iterations = together } },
  on = { iteration = look }, progress = gan.setting("progress", true),
}

gan.plot.scatter { title = "D alone, G alone, then both", series = series }:save(run.folder .. "/points.png")
print(run.folder .. "/points.png shows them")
