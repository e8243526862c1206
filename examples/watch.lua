-- Watches a training: `ganlua watch.lua`, a minute and a half on two cores. Every 100 iterations the first samples are
-- shown in the terminal (sixel graphics where it has them, else half blocks). At the end runs/watch has run.png, an
-- animated PNG of all samples over the training, walk.png, what lies between pairs of latents, and walking.png, the
-- walk as an animation. TensorBoard, where it is at hand, shows the rest: `tensorboard --logdir runs`.

local gan = require "ganlua"
local nn = gan.nn

local G = nn.sequential { -- 32 random numbers -> 28x28x1
  nn.linear { out = 7 * 7 * 32 }, nn.batch_norm {}, nn.relu {}, nn.reshape { 7, 7, 32 },
  nn.conv_transpose2d { out = 32, kernel = 4, stride = 2, pad = 1 }, nn.batch_norm {}, nn.relu {},
  nn.conv_transpose2d { out = 1, kernel = 4, stride = 2, pad = 1 }, nn.tanh {},
}
local D = nn.sequential {
  nn.conv2d { out = 16, kernel = 4, stride = 2, pad = 1 }, nn.leaky_relu {},
  nn.conv2d { out = 32, kernel = 4, stride = 2, pad = 1 }, nn.batch_norm {}, nn.leaky_relu {},
  nn.flatten {}, nn.linear { out = 1 },
}

local run = gan.train {
  data = gan.data.open "glyphs", generator = G, discriminator = D, latent = 32, batch = 64,
  loss = gan.loss.hinge {}, ema = { decay = 0.99 },
  optimizer = { generator = gan.optim.adam { lr = 1e-3 }, discriminator = gan.optim.adam { lr = 5e-4 } },
  schedule = gan.schedule.alternate { iterations = gan.setting("iterations", 1200) },
  sample = { every = gan.setting("every", 100), count = 36 }, log = "tensorboard",
  on = { sample = function(_, samples) gan.image.show(samples:narrow(1, 1, 12)) end },
}

gan.image.animate(run.folder):save(run.folder .. "/run.png")

gan.seed(5)
local steps = 10
local walk, pictures = gan.image.interpolate(run.ema, gan.randn(6, 32), gan.randn(6, 32), { steps = steps })
walk:save(run.folder .. "/walk.png")
walk:show()

-- Step by step, all six at once; there and back.
local frames = {}
for step = 1, 2 * steps do
  local places = {}
  for row = 1, 6 do places[row] = (row - 1) * steps + (step <= steps and step or 2 * steps + 1 - step) end
  frames[step] = gan.image.grid(pictures:index(1, places), { columns = 6 })
end
gan.image.animate(frames, { delay = 0.1, last = 0.1 }):save(run.folder .. "/walking.png")
print(("%s has run.png, walk.png and walking.png"):format(run.folder))
