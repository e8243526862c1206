-- Twenty-five small Gaussians on a grid: does the generator find them all, and their width? `ganlua grid.lua`.
-- Prints how many modes were captured, the share of samples within three standard deviations of one (a perfect sampler:
-- 98.89 %) and more of gan.metrics.modes, and draws runs/grid/points.png: real and generated points, and what the
-- discriminator makes of the plane behind them. modes_table.lua runs it for many seeds, beside published numbers.

local gan = require "ganlua"
local nn = gan.nn

local iterations = gan.setting("iterations", 18000)
local loss = gan.setting("loss", "hinge") -- --set loss=nonsaturating
local quiet = gan.setting("quiet", false) -- prints the one line alone, and writes nothing
local folder
if quiet then folder = false end

local data = gan.data.grid { side = 5, spacing = 2, std = 0.05 }

-- A mode is a fortieth of the spacing wide. To see whether the generated one is as wide, D is shown each coordinate and
-- waves of it, 1.5, 3 and 6 radians a unit (Tancik 2020: Fourier features). They rise one after the other (coarse to
-- fine): all at once, D would take modes for each other where waves are alike, and G would leave some out.
local waves = nn.define("waves", {
  options = { lowest = { type = "number", required = true }, octaves = { type = "integer", min = 1, required = true } },
  setup = function(self) self.risen = 0 end,
  forward = function(self, x)
    local parts = { x }
    for octave = 0, self.options.octaves - 1 do
      local angle = x * (self.options.lowest * 2 ^ octave)
      local height = math.max(0, math.min(1, self.risen * self.options.octaves - octave))
      parts[#parts + 1], parts[#parts + 2] = angle:sin() * height, angle:cos() * height
    end
    return gan.concat(parts, 2)
  end,
})
local fourier = waves { lowest = 1.5, octaves = 3 }

local function network(out)
  return nn.sequential {
    nn.linear { out = 160 }, nn.relu {}, nn.linear { out = 160 }, nn.relu {},
    nn.linear { out = 160 }, nn.relu {}, nn.linear { out = out },
  }
end

-- Learning rates fall as a cosine: at the end the points settle. D's is the higher one, so that it keeps up with G.
local function adam(lr)
  return gan.optim.adam { lr = gan.curve.cosine { from = lr, over = iterations }, betas = { 0, 0.99 } }
end

-- A strong penalty at first brings every mode in; at the end a weak one lets D see each mode's width. The
-- non-saturating loss keeps the modes' shares alike with R2 beside R1.
local fading = gan.curve.exponential { from = 10, half_life = iterations / 16.6 }
local penalties = { gan.penalty.r1 { weight = fading, every = 2 } }
if loss ~= "hinge" then penalties[2] = gan.penalty.r2 { weight = fading, every = 2 } end

-- D moves, then G. The waves have risen at half time; in the last quarter batches are twice the size, for gradients
-- with half the noise.
local function schedule(game)
  game.planned = iterations
  while game.iteration < iterations do
    local batch = game.iteration < 0.75 * iterations and 256 or 512
    fourier.risen = math.min(1, 2 * game.iteration / iterations)
    game:discriminator { batch = batch }
    game:generator { batch = batch }
    game:next()
  end
end

local run = gan.train {
  data = data, generator = network(2), discriminator = nn.sequential { fourier, network(1) },
  latent = 2, loss = gan.loss[loss] {},
  penalties = penalties, optimizer = { generator = adam(1e-3), discriminator = adam(2e-3) },
  schedule = schedule, ema = { decay = 0.995 },
  out = folder, progress = not quiet,
}

local samples = run:sample(2500)
local m = gan.metrics.modes(samples, data.centres, data.std)
print(("%d of %d modes, %.2f %% of high quality, reverse KL %.4f, spread %.2f to %.2f"):format(m.modes, #data.centres,
  100 * m.high_quality, m.reverse_kl, math.min(table.unpack(m.spread)), math.max(table.unpack(m.spread))))

if not quiet then
  gan.plot.scatter {
    title = ("Grid: real and generated points after %d iterations"):format(iterations),
    series = {
      { name = "real", points = data:batch(1000), radius = 1.5 },
      { name = "generated", points = samples:narrow(1, 1, 1000), radius = 1.2 },
    },
    heat = run.discriminator, heat_name = "D",
  }:save(run.folder .. "/points.png")
  print(run.folder .. "/points.png shows them")
end
