-- Eight small Gaussians on a circle: does the generator find them all? `ganlua ring.lua`, about 20 seconds.
-- Expected: 8 of 8 modes found, and more than 80 % of the samples close to one.

local gan = require "ganlua"
local nn = gan.nn

local data = gan.data.ring { modes = 8, radius = 1, std = 0.02 }

local function network(outputs)
  return nn.sequential { nn.linear { out = 128 }, nn.relu {}, nn.linear { out = 128 }, nn.relu {},
    nn.linear { out = outputs } }
end

local run = gan.train {
  data = data, generator = network(2), discriminator = network(1), latent = 16, batch = 256,
  loss = gan.loss.nonsaturating {},
  optimizer = { generator = gan.optim.adam { lr = 1e-3 }, discriminator = gan.optim.adam { lr = 1e-3 } },
  schedule = gan.schedule.alternate { iterations = 4000 },
  ema = { decay = 0.99 },
}

-- A sample is close to a mode when it lies within five standard deviations (and what the networks blur).
local samples, found, close = run:sample(1000), 0, 0
for k = 1, #data.centres do
  local distance = (samples - data.centres[k]):norm(2)
  local count = distance:lt(0.1):sum():item()
  close = close + count
  if count >= 20 then found = found + 1 end
end
print(("%d of 8 modes found, %.0f %% of the samples close to one"):format(found, close / 10))
