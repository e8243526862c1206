-- Trains a small generator of letters and digits (half a minute), and writes it as plain C for other programs:
-- runs/export_c/glyphs.c and glyphs.h, which need no ganlua. export_main.c beside this script is such a program:
--
--   ganlua examples/export_c.lua
--   cc -O3 -march=native -Iruns/export_c examples/export_main.c runs/export_c/glyphs.c -lm -o glyphs
--   ./glyphs > glyphs.pgm        # 64 of them, as a picture
--
-- The last line says how long a picture takes: 0.1 to 0.2 ms on one core.

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
  name = "export_c", data = gan.data.open "glyphs", generator = G, discriminator = D, latent = 32, batch = 64,
  loss = gan.loss.hinge {}, ema = { decay = 0.99 },
  optimizer = { generator = gan.optim.adam { lr = 1e-3 }, discriminator = gan.optim.adam { lr = 5e-4 } },
  schedule = gan.schedule.alternate { iterations = gan.setting("iterations", 1200) },
}

for _, path in ipairs(gan.export.c(run.ema, run.folder .. "/glyphs")) do print("wrote " .. path) end
