-- Eight small Gaussians on a circle: does the generator find them all? `ganlua ring.lua`, about 15 seconds.
-- Expected: 8 of 8 modes found, and about three quarters of the samples within five standard deviations of one.

local gan = require "ganlua"
local nn = gan.nn

local data = gan.data.ring { modes = 8, radius = 1, std = 0.02 }

local G = nn.sequential {
  nn.linear { out = 64 }, nn.leaky_relu {}, nn.linear { out = 64 }, nn.leaky_relu {}, nn.linear { out = 2 },
}
-- Spectral normalisation keeps D smooth; without it, now and then a mode is lost: try it, and other seeds.
local D = nn.sequential {
  nn.spectral_norm(nn.linear { out = 64 }), nn.leaky_relu {},
  nn.spectral_norm(nn.linear { out = 64 }), nn.leaky_relu {}, nn.linear { out = 1 },
}

local run = gan.train {
  data = data, generator = G, discriminator = D, latent = 16, batch = 256,
  loss = gan.loss.nonsaturating {},
  optimizer = {
    generator = gan.optim.adam { lr = 2e-3, betas = { 0.5, 0.99 } },
    discriminator = gan.optim.adam { lr = 4e-3, betas = { 0.5, 0.99 } },
  },
  schedule = gan.schedule.alternate { iterations = 8000 },
  ema = { decay = 0.999 },
}

local samples, found, close = run:sample(1000), 0, 0
for k = 1, #data.centres do
  local count = (samples - data.centres[k]):norm(2):lt(5 * 0.02):sum():item()
  close = close + count
  if count >= 20 then found = found + 1 end -- a fair share would be 125
end
print(("%d of 8 modes found, %.0f %% of the samples close to one"):format(found, close / 10))
