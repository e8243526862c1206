-- Games that ranks play together and one process alone: `mpirun -n 3 ganlua games.lua NAME ...` prints of each what
-- every move measured, in full, and the networks' checksum at its end. Without names: all of them.

local gan = require "ganlua"
local core = require "ganlua.core"
local nn = gan.nn

local games = {}

local function points(wide)
  local G = nn.sequential { nn.linear { out = wide }, nn.relu {}, nn.linear { out = wide }, nn.relu {},
    nn.linear { out = 2 } }
  local D = nn.sequential { nn.linear { out = wide }, nn.leaky_relu {}, nn.linear { out = wide }, nn.leaky_relu {},
    nn.linear { out = 1 } }
  return { generator = G, discriminator = D, latent = 4, data = gan.data.ring {}, batch = 24 }
end

-- DCGAN's shape for 28 x 28, a tenth of its size. Its activations are smooth: a ReLU whose input is within rounding of
-- 0 jumps, and a thousandth of a gradient with it, as when a single process's weights differ in their last bit.
local function pictures(norm)
  local G = nn.sequential {
    nn.linear { out = 64 }, norm(), nn.silu {}, nn.linear { out = 7 * 7 * 16 }, norm(), nn.silu {},
    nn.reshape { 7, 7, 16 }, nn.conv_transpose2d { out = 8, kernel = 4, stride = 2, pad = 1 }, norm(), nn.silu {},
    nn.conv_transpose2d { out = 1, kernel = 4, stride = 2, pad = 1 }, nn.tanh {},
  }
  local D = nn.sequential {
    nn.conv2d { out = 8, kernel = 4, stride = 2, pad = 1 }, nn.silu {},
    nn.conv2d { out = 16, kernel = 4, stride = 2, pad = 1 }, norm(), nn.silu {},
    nn.flatten {}, nn.linear { out = 32 }, norm(), nn.silu {}, nn.linear { out = 1 },
  }
  return { generator = G, discriminator = D, latent = 16, data = gan.data.open "glyphs", batch = 24,
    loss = gan.loss.nonsaturating, optimizer = { generator = gan.optim.adam {}, discriminator = gan.optim.adam {} } }
end

local function none() return nn.sequential {} end
local function sync() return nn.batch_norm { sync = true } end

---- The games of the contract: 100 moves each ----------------------------------------------------------------------

function games.ring() return points(32), 50 end

function games.dcgan28() return pictures(sync), 50 end

-- Second derivatives, through synchronised batch norm too.
function games.r1()
  local game = pictures(sync)
  game.penalties, game.ema = { gan.penalty.r1 { weight = 2, every = 2 } }, { decay = 0.99 }
  return game, 50
end

---- All else that looks at a batch as a whole, or draws random numbers by sample ------------------------------------

local function changed(changes, make)
  return function()
    local game = (make or function() return points(16) end)()
    for name, value in pairs(changes()) do game[name] = value end
    return game, 6
  end
end

-- Where all scores may rise together and D's loss stays, the gradient of its last bias is 0 but for rounding, of which
-- Adam would make whole steps.
local function descent()
  return { generator = gan.optim.sgd { lr = 0.1 }, discriminator = gan.optim.sgd { lr = 0.1 } }
end

for _, name in ipairs { "relativistic", "relativistic_average", "kl_wasserstein", "dual_contrastive",
  "margin_ranking" } do
  games[name] = changed(function() return { loss = gan.loss[name], optimizer = descent() } end)
end

games.penalties = changed(function()
  return { penalties = {
    gan.penalty.gradient_penalty {}, gan.penalty.dragan {}, gan.penalty.lecam {}, gan.penalty.drift {},
    gan.penalty.path_length {}, gan.penalty.r2 { every = 2 },
    gan.penalty.feature_matching { features = function(x) return x:square() end },
  }, loss = gan.loss.wasserstein }
end)

games.consensus = changed(function() return { penalties = { gan.penalty.consensus { weight = 0.1 } } } end)
games.unroll = changed(function() return { unroll = { steps = 2 }, loss = gan.loss.nonsaturating } end)
games.top_k = changed(function() return { top_k = 0.5 } end)
games.pac = changed(function() return { pac = 2, noise = 0.1 } end)
games.clip = changed(function() return { clip = 0.1, reuse = true } end)
games.both = changed(function()
  return { schedule = gan.schedule.extragradient { iterations = 6 }, optimizer = descent() }
end)
games.micro_batch = changed(function() return { micro_batch = 8 } end)
games.dropout = changed(function() return {} end, function()
  local game = points(16)
  game.discriminator = nn.sequential { nn.linear { out = 16 }, nn.leaky_relu {}, nn.dropout {}, nn.linear { out = 1 } }
  return game
end)

games.augment = changed(function()
  return { augment = gan.augment.ada { p = 0.5, speed = 0.1, noise = true }, penalties = {
    gan.penalty.consistency { augment = gan.augment.diffaugment {} } } }
end, function() return pictures(none) end)

games.stddev = changed(function() return {} end, function()
  local game = pictures(none)
  game.discriminator = nn.sequential { nn.conv2d { out = 4, kernel = 4, stride = 4 }, nn.leaky_relu {},
    nn.minibatch_stddev {}, nn.flatten {}, nn.spectral_norm(nn.linear { out = 1 }) }
  game.penalties = { gan.penalty.r1 {} }
  return game
end)

games.labels = changed(function() return { labels = { dropout = 0.25 } } end, function()
  local game = pictures(none)
  game.generator = nn.sequential { nn.linear { out = 49 }, nn.reshape { 7, 7, 1 },
    nn.conditional_batch_norm { classes = 37, sync = true },
    nn.conv_transpose2d { out = 1, kernel = 4, stride = 4 }, nn.tanh {} }
  game.discriminator = nn.sequential { nn.conv2d { out = 4, kernel = 4, stride = 4 }, nn.leaky_relu {}, nn.flatten {},
    nn.linear { out = 37 } }
  game.penalties = { gan.penalty.auxiliary_classifier {} }
  return game
end)

---- Playing --------------------------------------------------------------------------------------------------------

local function checksum(run)
  local sum = 0
  for _, network in ipairs { run.generator, run.discriminator, run.ema } do
    sum = core.checksum(core.safetensors_encode(network:state()), sum)
  end
  return sum
end

local function play(name)
  local options, iterations = games[name]()
  options.loss = options.loss or gan.loss.hinge {}
  options.schedule = options.schedule or gan.schedule.alternate { iterations = iterations }
  options.optimizer = options.optimizer
    or { generator = gan.optim.adam { lr = 1e-3 }, discriminator = gan.optim.adam { lr = 1e-3 } }
  options.out, options.progress, options.seed = false, false, 7
  local batch = gan.setting "batch"
  options.batch = batch or options.batch
  options.on = { iteration = function(run)
    for _, player in ipairs { "discriminator", "generator" } do
      local measured = run.game.latest[player]
      if measured then
        print(("%s\t%s\t%.17g\t%.17g\t%.17g"):format(name, player, measured.loss, measured.penalty or 0,
          measured.grad_norm))
      end
    end
  end }
  local run = gan.train(options)
  print(("%s\tnetworks\t%d"):format(name, checksum(run)))
end

local names = { ... }
if #names == 0 then
  for name in pairs(games) do names[#names + 1] = name end
  table.sort(names)
end
for _, name in ipairs(names) do play(name) end
