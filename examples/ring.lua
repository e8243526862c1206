-- Eight small Gaussians on a circle: does the generator find them all, and their width? `ganlua ring.lua`, a minute.
-- Prints how many modes were captured, the share of samples within three standard deviations of one (a perfect sampler:
-- 98.89 %) and more of gan.metrics.modes, and draws runs/ring/points.png: real and generated points, and what the
-- discriminator makes of the plane behind them. modes_table.lua runs it for many seeds, beside published numbers.

local gan = require "ganlua"
local nn = gan.nn

local iterations = gan.setting("iterations", 8000)
local loss = gan.setting("loss", "hinge") -- --set loss=nonsaturating
local quiet = gan.setting("quiet", false) -- prints the one line alone, and writes nothing
local folder
if quiet then folder = false end

local data = gan.data.ring { modes = 8, radius = 1, std = 0.01 }

-- Inputs times a number. What D has to see is a hundredth wide: it learns that sooner where it looks larger. What G has
-- to make are steep walks from mode to mode.
local scale = nn.define("scale", {
  options = { by = { type = "number", required = true } },
  forward = function(self, x) return x * self.options.by end,
})

local function network(by, out)
  return nn.sequential {
    scale { by = by }, nn.linear { out = 128 }, nn.relu {}, nn.linear { out = 128 }, nn.relu {},
    nn.linear { out = 128 }, nn.relu {}, nn.linear { out = out },
  }
end

-- Learning rates fall as a cosine: at the end the points settle. D's is the higher one, so that it keeps up with G.
local function adam(lr)
  return gan.optim.adam { lr = gan.curve.cosine { from = lr, over = iterations }, betas = { 0, 0.99 } }
end

-- A strong penalty at first brings every mode in; at the end a weak one lets D see each mode's width.
local r1 = gan.penalty.r1 { weight = gan.curve.cosine { from = 1e-3, to = 1e-6, over = iterations }, every = 2 }

local run = gan.train {
  data = data, generator = network(5, 2), discriminator = network(20, 1), latent = 2, batch = 256,
  loss = gan.loss[loss] {}, penalties = { r1 },
  optimizer = { generator = adam(1e-3), discriminator = adam(2e-3) },
  schedule = gan.schedule.alternate { iterations = iterations },
  ema = { decay = 0.998 },
  out = folder, progress = not quiet,
}

local samples = run:sample(2500)
local m = gan.metrics.modes(samples, data.centres, data.std)
print(("%d of %d modes, %.2f %% of high quality, reverse KL %.4f, spread %.2f to %.2f"):format(m.modes, #data.centres,
  100 * m.high_quality, m.reverse_kl, math.min(table.unpack(m.spread)), math.max(table.unpack(m.spread))))

if not quiet then
  gan.plot.scatter {
    title = ("Ring: real and generated points after %d iterations"):format(iterations),
    series = {
      { name = "real", points = data:batch(1000), radius = 1.5 },
      { name = "generated", points = samples:narrow(1, 1, 1000), radius = 1.2 },
    },
    heat = run.discriminator, heat_name = "D",
  }:save(run.folder .. "/points.png")
  print(run.folder .. "/points.png shows them")
end
