-- Trains a generator of letters and digits (two minutes) and writes it as generator.onnx beside this script, for
-- index.html there, which draws with it in a browser:
--
--   ganlua examples/browser/generator.lua
--   cd examples/browser && npm install onnxruntime-web && python3 -m http.server
--   # http://localhost:8000 shows 16 samples; the slider walks from each of them to another one
--
-- The page draws with any generator.onnx whose latents are numbers of a standard normal distribution; where the
-- generator looks at labels, it asks for the class.
--
-- --set from=RUN/checkpoint.safetensors exports what an earlier run of this script has trained.

local gan = require "ganlua"
local nn = gan.nn

local G = nn.sequential { -- 64 random numbers -> 28x28x1
  nn.linear { out = 512 }, nn.batch_norm {}, nn.relu {},
  nn.linear { out = 7 * 7 * 64 }, nn.batch_norm {}, nn.relu {}, nn.reshape { 7, 7, 64 },
  nn.conv_transpose2d { out = 32, kernel = 4, stride = 2, pad = 1 }, nn.batch_norm {}, nn.relu {},
  nn.conv_transpose2d { out = 1, kernel = 4, stride = 2, pad = 1 }, nn.tanh {},
}
local D = nn.sequential {
  nn.conv2d { out = 32, kernel = 4, stride = 2, pad = 1 }, nn.leaky_relu {},
  nn.conv2d { out = 64, kernel = 4, stride = 2, pad = 1 }, nn.batch_norm {}, nn.leaky_relu {},
  nn.flatten {}, nn.linear { out = 512 }, nn.batch_norm {}, nn.leaky_relu {}, nn.linear { out = 1 },
}
nn.init.normal(G, 0.02)
nn.init.normal(D, 0.02)

local folder = arg[0]:match "^(.*/)" or ""
local path = gan.setting("path", folder .. "generator.onnx")
local from = gan.setting("from", "")
if from == "" then
  local run = gan.train {
    name = "browser", data = gan.data.open "glyphs", generator = G, discriminator = D, latent = 64, batch = 64,
    loss = gan.loss.hinge {}, ema = { decay = 0.995 },
    optimizer = { generator = gan.optim.adam { lr = 1e-3 }, discriminator = gan.optim.adam { lr = 1e-3 } },
    schedule = gan.schedule.alternate { iterations = gan.setting("iterations", 1500) },
  }
  gan.export.onnx(run.ema, path)
else
  local average = {} -- "ema.1.weight" -> "1.weight"
  for name, tensor in pairs(gan.load(from)) do
    local own = name:match "^ema%.(.*)"
    if own then average[own] = tensor end
  end
  gan.export.onnx(G:build { 1, 64 }:load_state(average), path)
end
print("wrote " .. path)
