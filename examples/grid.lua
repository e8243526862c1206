-- Twenty-five small Gaussians on a grid: does the generator find them all, and their width? `ganlua grid.lua`, a
-- minute and a half. Expected: 25 of 25 modes, 96 to 98 % of high quality, reverse KL 0.002 to 0.013, spread 0.7 to
-- 1.2.
-- Prints how many modes were captured, the share of samples within three standard deviations of one (a perfect sampler:
-- 98.89 %) and more of gan.metrics.modes, and draws runs/grid/points.png: real and generated points, and what the
-- discriminator makes of the plane behind them. modes_table.lua runs it for many seeds, beside published numbers.

local gan = require "ganlua"
local nn = gan.nn

local loss = gan.setting("loss", "hinge") -- --set loss=nonsaturating
local iterations = gan.setting("iterations", 18000)
local hinge = loss == "hinge"

local data = gan.data.grid { side = 5, spacing = 2, std = 0.05 }

-- A mode is a fortieth of the spacing wide. To see whether the generated one is as wide, D is shown each coordinate and
-- waves of it, 1/2, 1 and 2 a unit (Tancik 2020: Fourier features). They rise one after the other (coarse to fine): all
-- at once, D would take modes for each other where waves are alike, and G would leave some out.
local waves = nn.define("waves", {
  options = { octaves = { type = "integer", min = 1, required = true } },
  setup = function(self) self.risen = 0 end,
  forward = function(self, x)
    local parts = { x }
    for octave = 0, self.options.octaves - 1 do
      local angle = x * (math.pi * 2 ^ octave)
      local height = math.max(0, math.min(1, self.risen * self.options.octaves - octave))
      parts[#parts + 1], parts[#parts + 2] = angle:sin() * height, angle:cos() * height
    end
    return gan.concat(parts, 2)
  end,
})
local fourier = waves { octaves = 3 }

-- What G has to make are steep walks from mode to mode: its latent is spread out.
local spread = nn.define("spread", { forward = function(_, z) return z * 1.5 end })

local function network(width, out)
  return nn.sequential {
    nn.linear { out = width }, nn.relu {}, nn.linear { out = width }, nn.relu {},
    nn.linear { out = width }, nn.relu {}, nn.linear { out = out },
  }
end

-- D is a sum of two: one sees the coordinates alone and keeps every mode's share, the other sees the waves and their
-- modes' width.
local critic = nn.residual { main = nn.sequential { fourier, network(96, 1) }, skip = network(80, 1) }

-- Learning rates fall as a cosine, to a power for G. While G's is high a mode trembles as a whole, D takes that for its
-- width, and what G makes at any one moment is narrower: G has to be calm for longer. D's is the higher one, so that it
-- keeps up.
local function adam(from, power)
  local function falling(move) return from * (0.5 + 0.5 * math.cos(math.pi * move / iterations)) ^ power end
  return gan.optim.adam { lr = falling, betas = { 0, 0.99 } }
end
local generator_adam = hinge and adam(1.6e-3, 2) or adam(1e-3, 1.5)

-- Strong penalties at first bring every mode in; they fade, and D sees each mode's width. Some of them stays: without,
-- D's score would be a cliff around each mode, and the modes' shares would drift apart. R1 flattens D where the real
-- points are, R2 where the generated ones are.
local least = hinge and 0.02 or 0.03
local function fading(move) return math.max(least, 2 ^ (-16.6 * move / iterations)) end
local penalties = { gan.penalty.r1 { weight = fading, every = 2 }, gan.penalty.r2 { weight = fading, every = 2 } }

-- The hinge minds how far real and generated scores are apart, not where they lie: they wander off together until real
-- ones are beyond the margin, where D learns from generated points alone and tears the modes apart. This holds them
-- near 0. The non-saturating loss does so by itself.
if hinge then penalties[3] = gan.penalty.drift { weight = 0.05 } end

-- D moves, then G. The waves rise from a fifth of the time to two fifths. Batches are small while modes are found, and
-- large in the last quarter, for gradients with half the noise.
local function schedule(game)
  game.planned = iterations
  while game.iteration < iterations do
    local done = game.iteration / iterations
    local batch = done < 0.25 and 128 or done < 0.75 and 256 or 512
    fourier.risen = math.max(0, math.min(1, 5 * done - 1))
    game:discriminator { batch = batch }
    game:generator { batch = batch }
    game:next()
  end
end

local run = gan.train {
  data = data, generator = nn.sequential { spread {}, network(128, 2) }, discriminator = critic,
  latent = 2, loss = gan.loss[loss] {},
  penalties = penalties, optimizer = { generator = generator_adam, discriminator = adam(2e-3, 1) },
  schedule = schedule, ema = { decay = 0.998 },
}
local samples = run:sample(2500)
local m = gan.metrics.modes(samples, data.centres, data.std)
local narrowest, widest = math.min(table.unpack(m.spread)), math.max(table.unpack(m.spread))
gan.report { modes = m.modes, high_quality = m.high_quality, reverse_kl = m.reverse_kl, narrowest = narrowest,
  widest = widest }
print(("%d of %d modes, %.2f %% of high quality, reverse KL %.4f, spread %.2f to %.2f"):format(m.modes, #data.centres,
  100 * m.high_quality, m.reverse_kl, narrowest, widest))

gan.plot.scatter {
  title = ("Grid: real and generated points after %d iterations"):format(iterations),
  series = {
    { name = "real", points = data:batch(1000), radius = 1.5 },
    { name = "generated", points = samples:narrow(1, 1, 1000), radius = 1.2 },
  },
  heat = run.discriminator, heat_name = "D",
}:save(run.folder .. "/points.png")
print(run.folder .. "/points.png shows them")
