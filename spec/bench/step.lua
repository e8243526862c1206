-- How long one training iteration takes (a move of each player, batch 64, on 28x28 pictures), with the
-- layers of the DCGAN of examples/train_hinge.lua or smaller and larger ones:
--   ./dev bench                ./dev bench --set width=64
-- Prints the median and the fastest of 20 iterations, after 5 that warm up.

local gan = require "ganlua"
local core = require "ganlua.core"
local nn = gan.nn

local batch = gan.setting("batch", 64)
local width = gan.setting("width", 32)
local warm_up, timed = 5, gan.setting("iterations", 20)

local G = nn.sequential {
  nn.linear { out = 7 * 7 * 2 * width }, nn.batch_norm {}, nn.relu {}, nn.reshape { 7, 7, 2 * width },
  nn.conv_transpose2d { out = width, kernel = 4, stride = 2, pad = 1 }, nn.batch_norm {}, nn.relu {},
  nn.conv_transpose2d { out = 1, kernel = 4, stride = 2, pad = 1 }, nn.tanh {},
}
local D = nn.sequential {
  nn.spectral_norm(nn.conv2d { out = width, kernel = 4, stride = 2, pad = 1 }), nn.leaky_relu {},
  nn.spectral_norm(nn.conv2d { out = 2 * width, kernel = 4, stride = 2, pad = 1 }), nn.leaky_relu {},
  nn.flatten {}, nn.linear { out = 1 },
}

local pictures = gan.rand(1024, 28, 28, 1) * 2 - 1
local times = {}

local folder = os.tmpname()
os.remove(folder)
gan.train {
  name = "bench", out = folder, data = pictures, generator = G, discriminator = D, latent = 64, batch = batch,
  loss = gan.loss.hinge {}, progress = false, sample = { every = warm_up + timed + 1, count = 1 },
  schedule = function(game)
    for i = 1, warm_up + timed do
      local before = core.monotonic()
      game:discriminator()
      game:generator()
      game:next()
      if i > warm_up then times[#times + 1] = (core.monotonic() - before) * 1000 end
    end
  end,
}
os.execute("rm -rf '" .. folder .. "'")

table.sort(times)
print(("one iteration: median %.1f ms, fastest %.1f ms"):format(times[(#times + 1) // 2], times[1]))
print(("batch %d, width %d, %d threads, %s kernels, peak %.0f MB"):format(batch, width, core.threads(), gan.kernels(),
  gan.memory().peak / 2 ^ 20))
