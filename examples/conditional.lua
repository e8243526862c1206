-- A conditional GAN: it is told which letter or digit to draw. Labels flow from the data to both networks: the
-- generator's normalisations have a weight and a bias for each class, and the discriminator's last layer a vector of
-- each (Miyato & Koyama 2018). The sample pictures show one class a row, one latent a column: the row says what, the
-- column how.
--
--   ganlua examples/conditional.lua [PATH]             letters and digits that the program draws; or a data set's PATH
--   ganlua --set sample=K examples/conditional.lua     and afterwards a picture of class K alone, K.png in its folder
--
-- Three minutes on two idle cores. samples/001500.png then shows 36 rows of eight legible characters, each of its row's
-- class; 4, M and W are the hardest. halves.png shows them in two halves, as examples/conditional.png does.

local gan = require "ganlua"
local nn = gan.nn

local data = gan.data.open(arg and arg[1] or "glyphs")
local shape, classes = data:shape(), #data.classes
local small, channels = shape[1] // 4, shape[3]

local function norm() return nn.conditional_batch_norm { classes = classes } end

local G = nn.sequential { -- 64 random numbers and a label -> a picture
  nn.linear { out = 512 }, norm(), nn.relu {},
  nn.linear { out = small * small * 64 }, norm(), nn.relu {}, nn.reshape { small, small, 64 },
  nn.conv_transpose2d { out = 32, kernel = 4, stride = 2, pad = 1 }, norm(), nn.relu {},
  nn.conv_transpose2d { out = channels, kernel = 4, stride = 2, pad = 1 }, nn.tanh {},
}
local D = nn.sequential { -- a picture and a label -> one score
  nn.conv2d { out = 32, kernel = 4, stride = 2, pad = 1 }, nn.leaky_relu {},
  nn.conv2d { out = 64, kernel = 4, stride = 2, pad = 1 }, nn.batch_norm {}, nn.leaky_relu {},
  nn.flatten {}, nn.linear { out = 512 }, nn.batch_norm {}, nn.leaky_relu {},
  nn.projection { classes = classes },
}
nn.init.normal(G, 0.02)
nn.init.normal(D, 0.02)

local iterations = gan.setting("iterations", 1500)
local run = gan.train {
  data = data:balanced(), generator = G, discriminator = D, latent = 64, batch = 64,
  labels = { drawn = "balanced" },
  loss = gan.loss.hinge {},
  optimizer = { generator = gan.optim.adam { lr = 1e-3 }, discriminator = gan.optim.adam { lr = 1e-3 } },
  schedule = gan.schedule.alternate { iterations = iterations },
  ema = { decay = 0.995 },
}

-- The last picture is tall: its halves, side by side, but for the second one's left edge.
local tall = gan.image.load(("%s/samples/%06d.png"):format(run.folder, iterations))
local height, width = table.unpack(tall:shape())
local half = height // 2 + 1
local second = tall:narrow(1, height - half + 1, half):narrow(2, 3, width - 2)
gan.image.save(gan.concat({ tall:narrow(1, 1, half), second }, 2), run.folder .. "/halves.png")

local wanted = gan.setting "sample"
if wanted then
  local path = ("%s/%s.png"):format(run.folder, wanted)
  gan.image.grid(run:sample(64, { label = wanted })):save(path)
  print("64 samples of class " .. wanted .. ": " .. path)
end
