-- Several discriminators against one generator (GMAN, Durugkar 2017), each with weights, examples and random numbers
-- of its own; and one that is learned where the data are (federated averaging). Eight Gaussians on a circle, ten
-- seconds.
--     ganlua many_discriminators.lua                               three discriminators, in turn in one process
--     mpirun -n 4 ganlua many_discriminators.lua                   each player on a rank of its own: the same result
--     mpirun -n 4 ganlua --set apart=true many_discriminators.lua  each discriminator's rank has a third of the
--                                                                  modes: weights travel, examples do not
-- Prints how many modes were captured and each discriminator's loss. Expected: 8 of 8 modes, 90 to 92 % of high quality
-- (87 to 90 % with --set discriminators=1), apart 81 %.

local gan = require "ganlua"
local nn = gan.nn

local discriminators = gan.setting("discriminators", 3)
local apart = gan.setting("apart", false)
local iterations = gan.setting("iterations", 3000)

local data = gan.data.ring { modes = 8, radius = 1, std = 0.05 }

-- The modes whose number leaves the rank's own when divided by the number of discriminators: its own part of the data,
-- as a hospital or a telephone has its own pictures.
local function part(rank)
  local points = data:batch(4096)
  local rows, angle = {}, 2 * math.pi / 8
  for _, point in ipairs(points:totable()) do
    local mode = math.floor(math.atan(point[2], point[1]) / angle + 0.5) % 8
    if mode % discriminators == rank % discriminators then rows[#rows + 1] = point end
  end
  return gan.data.tensor(gan.tensor(rows))
end

local function network(out)
  return nn.sequential {
    nn.linear { out = 64 }, nn.relu {}, nn.linear { out = 64 }, nn.relu {}, nn.linear { out = out },
  }
end

-- The generator is on rank 0, the first discriminator on rank 1, and so on.
local places = {}
for rank = 1, discriminators do places[rank] = rank end

local adam = gan.optim.adam { lr = 1e-3, betas = { 0, 0.99 } }
local run = gan.train {
  name = "many_discriminators", latent = 8, batch = 128,
  data = apart and gan.dist.size > 1 and part(gan.dist.rank) or data,
  generator = network(2), discriminator = network(1),
  ranks = gan.dist.split { generator = { 0 }, discriminator = places, combine = gan.setting("combine", "mean"),
    average = apart and { every = 5 } or nil },
  loss = gan.loss.nonsaturating, penalties = { gan.penalty.r1 { weight = 0.1 } },
  optimizer = { generator = adam, discriminator = adam },
  schedule = gan.schedule.alternate { iterations = iterations }, ema = { decay = 0.99 },
}

local found = gan.metrics.modes(run:sample(4000), data.centres, data.std)
print(("%d of 8 modes, %.1f %% of high quality, reverse KL %.3f"):format(found.modes, found.high_quality * 100,
  found.reverse_kl))
for place = 1, discriminators > 1 and discriminators or 0 do
  print(("discriminator %d: loss %.3f"):format(place, run.metrics["d_loss_" .. place]))
end
