-- How good and how varied are generated digits? `ganlua score.lua WEIGHTS RUN FOLDER`
-- WEIGHTS: saved by classify.lua; RUN: a run's folder of train_hinge.lua, or a checkpoint; FOLDER: the real digits.
-- Prints exp(mean KL(p(y|x) || p(y))) over 2,000 samples: 10 at best (each digit certain, all ten equally frequent),
-- 1 at worst; and the share of each class. Expected: 8.5 or more, no class below 4 %; real digits score about 9.5.

local gan = require "ganlua"
local nn = gan.nn

if #arg < 3 then error("usage: ganlua score.lua WEIGHTS RUN FOLDER", 0) end
local weights, run, folder = arg[1], arg[2], arg[3]
if not run:find("%.safetensors$") then run = run .. "/checkpoint.safetensors" end

-- The networks of classify.lua and train_hinge.lua.
local classifier = nn.sequential {
  nn.conv2d { out = 16, kernel = 5, stride = 2, pad = 2 }, nn.relu {},
  nn.conv2d { out = 32, kernel = 5, stride = 2, pad = 2 }, nn.relu {},
  nn.flatten {}, nn.linear { out = 128 }, nn.relu {}, nn.dropout { p = 0.3 }, nn.linear { out = 10 },
}
local generator = nn.sequential {
  nn.linear { out = 512 }, nn.batch_norm {}, nn.relu {},
  nn.linear { out = 7 * 7 * 64 }, nn.batch_norm {}, nn.relu {}, nn.reshape { 7, 7, 64 },
  nn.conv_transpose2d { out = 32, kernel = 4, stride = 2, pad = 1 }, nn.batch_norm {}, nn.relu {},
  nn.conv_transpose2d { out = 1, kernel = 4, stride = 2, pad = 1 }, nn.tanh {},
}
classifier:build({ 1, 28, 28, 1 }):load_state(gan.load(weights)):eval()

local average = {} -- the generator's moving average in the checkpoint: "ema.1.weight" -> "1.weight"
for name, tensor in pairs(gan.load(run)) do
  local own = name:match("^ema%.(.*)")
  if own then average[own] = tensor end
end
generator:build({ 1, 64 }):load_state(average):eval()

-- The score of pictures, and each class's share of them.
local function score(pictures)
  local log_p = classifier(pictures):log_softmax(2)
  local p = log_p:exp()
  local marginal = p:mean(1)
  local divergence = (p * (log_p - marginal:log())):sum(2):mean()
  local shares = {}
  for class = 1, 10 do shares[class] = ("%.1f"):format(100 * p:argmax(2):eq(class):mean():item()) end
  return divergence:exp():item(), table.concat(shares, " ")
end

gan.seed(1)
local data = gan.data.open(folder)
local real = data:slice(data:size() - 999, data:size()):batch(1000, 1)
for _, row in ipairs { { "2,000 generated", generator, gan.randn(2000, 64) }, { "1,000 real test", nil, real } } do
  local name, network, input = table.unpack(row, 1, 3)
  local value, shares = gan.no_grad(function() return score(network and network(input) or input) end)
  print(("%s digits: score %.2f; %% of 0 to 9: %s"):format(name, value, shares))
end
