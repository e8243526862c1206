-- A run in little, for valgrind to watch: networks of most kinds of layers, a penalty of second order, and each kind of
-- file, written, and read again by the second half of the run. The argument is the folder it works in.

local gan = require "ganlua"
local nn = gan.nn

local folder = assert(arg[1], "which folder to work in?")

local function train(iterations)
  gan.train {
    out = folder .. "/run", progress = false, log = { "tensorboard", "csv" }, seed = 1,
    data = gan.data.open "glyphs", latent = 8, batch = 4,
    loss = gan.loss.hinge {}, penalties = { gan.penalty.r1 { weight = 1, every = 2 } }, ema = { decay = 0.9 },
    generator = nn.sequential {
      nn.linear { out = 7 * 7 * 4 }, nn.batch_norm {}, nn.relu {}, nn.reshape { 7, 7, 4 },
      nn.conv_transpose2d { out = 4, kernel = 4, stride = 2, pad = 1 }, nn.batch_norm {}, nn.relu {},
      nn.upsample {}, nn.conv2d { out = 1, kernel = 3, pad = 1 }, nn.tanh {},
    },
    discriminator = nn.sequential {
      nn.spectral_norm(nn.conv2d { out = 4, kernel = 4, stride = 4 }), nn.leaky_relu {}, nn.self_attention {},
      nn.minibatch_stddev {}, nn.flatten {}, nn.dropout {}, nn.linear { out = 1 },
    },
    schedule = gan.schedule.alternate { iterations = iterations }, sample = { every = 2, count = 4 },
    checkpoint = { every = 2 },
  }
end

train(3)
train(5)
