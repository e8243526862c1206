-- Networks that grow while they are trained (Karras 2018): `ganlua grow.lua`, two to four minutes on two cores.
-- Pictures of letters are learned at 7x7 first, then at 14x14, then at 28x28; each new stage is faded in over half of
-- its iterations. Expected, in runs/grow/samples/: blots of 7x7 pixels in 000600.png, coarse characters of 14x14 in
-- 001200.png, readable ones in 001800.png (here grow.png).

local gan = require "ganlua"
local nn = gan.nn

local iterations = gan.setting("iterations", 600) -- at each stage

-- One stage more: twice as many pixels a side, for the generator and for the discriminator.
local function up(channels)
  return nn.sequential {
    nn.conv_transpose2d { out = channels, kernel = 4, stride = 2, pad = 1 }, nn.batch_norm {}, nn.relu {},
  }
end
local function down(channels)
  return nn.sequential { nn.conv2d { out = channels, kernel = 4, stride = 2, pad = 1 }, nn.leaky_relu {} }
end

-- What makes a picture of features, and features of a picture.
local function to_picture() return nn.sequential { nn.conv2d { out = 1, kernel = 3, pad = 1 }, nn.tanh {} } end
local function from_picture(channels)
  return nn.sequential { nn.conv2d { out = channels, kernel = 3, pad = 1 }, nn.leaky_relu {} }
end

local G = nn.growing_generator { -- 64 random numbers -> 7x7, 14x14, 28x28
  {
    block = nn.sequential {
      nn.linear { out = 256 }, nn.batch_norm {}, nn.relu {},
      nn.linear { out = 7 * 7 * 64 }, nn.batch_norm {}, nn.relu {}, nn.reshape { 7, 7, 64 },
    },
    head = to_picture(),
  },
  { block = up(32), head = to_picture() },
  { block = up(16), head = to_picture() },
}
local D = nn.growing_discriminator { -- a picture of the stage's size -> one score
  {
    block = nn.sequential { nn.flatten {}, nn.linear { out = 256 }, nn.leaky_relu {}, nn.linear { out = 1 } },
    head = from_picture(64),
  },
  { block = down(64), head = from_picture(32) },
  { block = down(32), head = from_picture(16) },
}

local adam = gan.optim.adam { lr = 5e-4 }
gan.train {
  data = gan.data.open "glyphs", generator = G, discriminator = D, latent = 64, batch = 64,
  loss = gan.loss.hinge {}, penalties = { gan.penalty.r1 { weight = 1, every = 8 } },
  optimizer = { generator = adam, discriminator = adam },
  schedule = gan.schedule.progressive { stages = 3, iterations = iterations },
  ema = { decay = 0.99 }, sample = { every = iterations },
}
