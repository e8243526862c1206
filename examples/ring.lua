-- Eight small Gaussians on a circle: does the generator find them all, and their width? `ganlua ring.lua`, a minute.
-- Expected: 8 of 8 modes, 98 to 99 % of high quality, reverse KL about 0.002 (0.004 with the non-saturating loss),
-- spread 0.8 to 1.1.
-- Prints how many modes were captured, the share of samples within three standard deviations of one (a perfect sampler:
-- 98.89 %) and more of gan.metrics.modes, and draws runs/ring/points.png: real and generated points, and what the
-- discriminator makes of the plane behind them. modes_table.lua runs it for many seeds, beside published numbers.

local gan = require "ganlua"
local nn = gan.nn

local iterations = gan.setting("iterations", 16000)
local loss = gan.setting("loss", "hinge") -- --set loss=nonsaturating

local data = gan.data.ring { modes = 8, radius = 1, std = 0.01 }

-- A mode is a hundredth wide. To see whether the generated one is as wide, D is shown each coordinate and waves of it,
-- from 2 to 64 radians a unit (Tancik 2020: Fourier features).
local waves = nn.define("waves", {
  options = { lowest = { type = "number", required = true }, octaves = { type = "integer", min = 1, required = true } },
  forward = function(self, x)
    local parts = { x }
    for octave = 0, self.options.octaves - 1 do
      local angle = x * (self.options.lowest * 2 ^ octave)
      parts[#parts + 1], parts[#parts + 2] = angle:sin(), angle:cos()
    end
    return gan.concat(parts, 2)
  end,
})

-- What G has to make are steep walks from mode to mode: its latent is spread out.
local spread = nn.define("spread", { forward = function(_, z) return z * 3 end })

local function network(out)
  return nn.sequential {
    nn.linear { out = 128 }, nn.relu {}, nn.linear { out = 128 }, nn.relu {},
    nn.linear { out = 128 }, nn.relu {}, nn.linear { out = out },
  }
end

-- Learning rates fall as a cosine: at the end the points settle. D's is the higher one, so that it keeps up with G.
local rate = loss == "hinge" and 7e-4 or 1e-3
local function adam(lr)
  return gan.optim.adam { lr = gan.curve.cosine { from = lr, over = iterations }, betas = { 0, 0.99 } }
end

-- Strong penalties at first hold the waves down until every mode has its share; they fade, and D sees each mode's
-- width. A part of them stays: without, D's score would be a cliff around each mode, nothing would be left between
-- modes, and their shares would drift apart. The non-saturating loss, which feels small differences less, gets more of
-- them, and nearly none at the end, when points hardly move any more and the last of them leave the ways between modes.
-- R1 flattens D where the real points are, R2 where the generated ones are.
local function fading(move)
  local done = move / iterations
  local weight = 2 ^ (-16.6 * done)
  if loss == "hinge" then return math.max(3e-3, weight) end
  return math.max(5e-3, weight) * 2 ^ (-7 * math.max(0, done - 0.85) / 0.15)
end

-- D moves, then G; in the last quarter with batches of twice the size, for gradients with half the noise.
local function schedule(game)
  game.planned = iterations
  while game.iteration < iterations do
    local batch = game.iteration < 0.75 * iterations and 256 or 512
    game:discriminator { batch = batch }
    game:generator { batch = batch }
    game:next()
  end
end

local run = gan.train {
  data = data, generator = nn.sequential { spread {}, network(2) },
  discriminator = nn.sequential { waves { lowest = 2, octaves = 6 }, network(1) },
  latent = 2, loss = gan.loss[loss] {},
  penalties = { gan.penalty.r1 { weight = fading, every = 2 }, gan.penalty.r2 { weight = fading, every = 2 } },
  optimizer = { generator = adam(rate), discriminator = adam(2e-3) },
  schedule = schedule, ema = { decay = 0.995 },
}

local samples = run:sample(2500)
local m = gan.metrics.modes(samples, data.centres, data.std)
local narrowest, widest = math.min(table.unpack(m.spread)), math.max(table.unpack(m.spread))
gan.report { modes = m.modes, high_quality = m.high_quality, reverse_kl = m.reverse_kl, narrowest = narrowest,
  widest = widest }
print(("%d of %d modes, %.2f %% of high quality, reverse KL %.4f, spread %.2f to %.2f"):format(m.modes, #data.centres,
  100 * m.high_quality, m.reverse_kl, narrowest, widest))

gan.plot.scatter {
  title = ("Ring: real and generated points after %d iterations"):format(iterations),
  series = {
    { name = "real", points = data:batch(1000), radius = 1.5 },
    { name = "generated", points = samples:narrow(1, 1, 1000), radius = 1.2 },
  },
  heat = run.discriminator, heat_name = "D",
}:save(run.folder .. "/points.png")
print(run.folder .. "/points.png shows them")
