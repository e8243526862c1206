-- mpirun ... ganlua exchange.lua DELAY MBITS: how long sums over the ranks take, beside the model of network.lua, on
-- links of so many milliseconds one way and Mbit/s; then a small GAN trains. ./dev ranks-network runs it over hosts.sh.

local gan = require "ganlua"
local core = require "ganlua.core"
local dist = gan.dist

local here = arg[0]:match("^(.*/)") or ""
local network = dofile(here .. "../bench/network.lua")
local link = { latency = tonumber(arg[1]) / 1000, gbits = tonumber(arg[2]) / 1000, message = 10e-6 }

-- Median of how many milliseconds f takes; all begin together.
local function median(f)
  local times = {}
  f()
  for i = 1, 9 do
    dist.barrier()
    local before = core.monotonic()
    f()
    times[i] = (core.monotonic() - before) * 1000
  end
  table.sort(times)
  return times[5]
end

print "     bytes   measured      model"
for _, bytes in ipairs { 64, 2 ^ 14, 2 ^ 17, 2 ^ 19, 2 ^ 20, 2 ^ 21, 2 ^ 23 } do
  local x = gan.randn(bytes / 4 | 0)
  local ms = median(function() core.all_sum_ { x } end)
  local model = network.sum(bytes, dist.size, link) * 1000
  print(("%10d %7.2f ms %7.2f ms  %+.0f %%"):format(bytes, ms, model, 100 * (model / ms - 1)))
end

-- 60 iterations on letters, each player's gradients 0.5 and 2 MB.
local nn = gan.nn
local function up(out, kernel, stride, pad)
  return nn.conv_transpose2d { out = out, kernel = kernel, stride = stride, pad = pad }
end
local function down(out, kernel, stride, pad)
  return nn.conv2d { out = out, kernel = kernel, stride = stride, pad = pad }
end
local began = core.monotonic()
local run = gan.train {
  name = "network", data = gan.data.open "glyphs", latent = 64, batch = 64, loss = gan.loss.hinge {},
  generator = nn.sequential { nn.reshape { 1, 1, 64 }, up(128, 7, 1, 0), nn.batch_norm { sync = true }, nn.relu {},
    up(64, 4, 2, 1), nn.batch_norm { sync = true }, nn.relu {}, up(1, 4, 2, 1), nn.tanh {} },
  discriminator = nn.sequential { down(64, 4, 2, 1), nn.leaky_relu {}, down(128, 4, 2, 1), nn.leaky_relu {},
    down(1, 7, 1, 0), nn.flatten {} },
  optimizer = { generator = gan.optim.adam { lr = 2e-4 }, discriminator = gan.optim.adam { lr = 2e-4 } },
  schedule = gan.schedule.alternate { iterations = 60 }, out = false, progress = false,
}
print(("60 iterations of a DCGAN: %.0f ms each, losses %.4f and %.4f"):format((core.monotonic() - began) / 60 * 1000,
  run:history("d_loss")[60], run:history("g_loss")[60]))
