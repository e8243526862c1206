-- A hinge GAN on pictures of 28x28: `ganlua train_hinge.lua [PATH]`.
-- PATH is a folder of IDX files (MNIST's format); without it, the built-in "glyphs" are learned.
-- Expected, in runs/train_hinge/samples/: strokes after a few hundred iterations, at the end rows of readable
-- characters; two minutes for glyphs on two cores, three for MNIST, whose digits score about 9 of 10 (see score.lua).

local gan = require "ganlua"
local nn = gan.nn

local path = arg and arg[1] or "glyphs"

local G = nn.sequential { -- 64 random numbers -> 28x28x1
  nn.linear { out = 512 }, nn.batch_norm {}, nn.relu {},
  nn.linear { out = 7 * 7 * 64 }, nn.batch_norm {}, nn.relu {}, nn.reshape { 7, 7, 64 },
  nn.conv_transpose2d { out = 32, kernel = 4, stride = 2, pad = 1 }, nn.batch_norm {}, nn.relu {},
  nn.conv_transpose2d { out = 1, kernel = 4, stride = 2, pad = 1 }, nn.tanh {},
}
local D = nn.sequential { -- 28x28x1 -> one score: above 0 says real
  nn.conv2d { out = 32, kernel = 4, stride = 2, pad = 1 }, nn.leaky_relu {},
  nn.conv2d { out = 64, kernel = 4, stride = 2, pad = 1 }, nn.batch_norm {}, nn.leaky_relu {},
  nn.flatten {}, nn.linear { out = 512 }, nn.batch_norm {}, nn.leaky_relu {},
  nn.linear { out = 1 },
}
nn.init.normal(G, 0.02)
nn.init.normal(D, 0.02)

gan.train {
  data = gan.data.open(path), generator = G, discriminator = D, latent = 64, batch = 64,
  loss = gan.loss.hinge {},
  optimizer = { generator = gan.optim.adam { lr = 1e-3 }, discriminator = gan.optim.adam { lr = 1e-3 } },
  schedule = gan.schedule.alternate { -- D moves first
    iterations = gan.setting("iterations", path == "glyphs" and 1500 or 3000),
  },
  ema = { decay = 0.995 },
}
