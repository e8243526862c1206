-- The textbook's game: the discriminator for a while, then the generator for a while, then both together.
-- `ganlua phases.lua`, half a minute. Eight small Gaussians on a circle; at the end of each phase it prints
--
--     iteration   500: D right on 100 % of samples ...
--
-- and draws runs/phases/phases.png.

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

local function report(run)
  local now = run.game.iteration
  if now ~= alone and now ~= 2 * alone and now ~= 2 * alone + together then return end
  local samples = run:sample(1000)
  local m = gan.metrics.modes(samples, data.centres, data.std)
  local scores = gan.no_grad(function()
    local real, fake = run.discriminator((data:batch(1000))), run.discriminator(samples)
    return (real:gt(0):mean():item() + fake:lt(0):mean():item()) / 2
  end)
  print(("iteration %5d: D is right about %3.0f %% of samples; %d of 8 modes, %2.0f %% of high quality"):format(now,
    100 * scores, m.modes, 100 * m.high_quality))
end

local adam = gan.optim.adam { lr = 1e-3 }
gan.train {
  data = data, generator = network(2), discriminator = network(1), latent = 8, batch = 128,
  loss = gan.loss.nonsaturating {}, penalties = { gan.penalty.r1 { weight = 0.1 } },
  optimizer = { discriminator = adam, generator = adam },
  schedule = gan.schedule.phases { { discriminator = 1, iterations = alone }, { generator = 1, iterations = alone },
    { discriminator = 1, generator = 1, iterations = together } },
  on = { iteration = report },
}
