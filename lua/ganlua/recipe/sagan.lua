--- gan.recipe.sagan{size=, channels=3, classes=, width=64, latent=128}: Zhang 2019. SNGAN's residual networks with
-- spectral normalisation in both, self-attention in both at 32 pixels (half the size of smaller pictures), and two
-- learning rates in place of more moves for the discriminator.

local loss = require "ganlua.loss"
local nn = require "ganlua.nn"
local optim = require "ganlua.optim"
local resnet = require "ganlua.recipe.resnet"
local stages = require "ganlua.recipe.stages"

-- The largest size below the whole, up to 32.
local function attended(sizes)
  local best
  for i, size in ipairs(sizes) do
    if size <= 32 and i < #sizes then best = size end
  end
  return best
end

local function attention() return nn.self_attention { spectral = true } end

local function generator(o, smallest, sizes)
  local norm, count = nn.spectral_norm, #sizes
  local first = resnet.channels(o.width, count)
  local layers = { norm(nn.linear { out = smallest * smallest * first }), nn.reshape { smallest, smallest, first } }
  for stage, size in ipairs(sizes) do
    layers[#layers + 1] = resnet.up(norm, resnet.channels(o.width, count - stage), o.classes)
    if size == attended(sizes) then layers[#layers + 1] = attention() end
  end
  table.move({ resnet.batch_norm(o.classes), nn.relu {}, norm(nn.conv2d { out = o.channels, kernel = 3, pad = 1 }),
    nn.tanh {} }, 1, 4, #layers + 1, layers)
  return nn.sequential(layers)
end

local function discriminator(o, sizes)
  local norm, count, layers = nn.spectral_norm, #sizes, {}
  for stage = 1, count do
    local block = stage == 1 and resnet.first or resnet.down
    layers[#layers + 1] = block(norm, resnet.channels(o.width, stage - 1))
    if sizes[count - stage] and sizes[count - stage] == attended(sizes) then layers[#layers + 1] = attention() end
  end
  layers[#layers + 1] = resnet.keep(norm, resnet.channels(o.width, count - 1))
  table.move({ nn.relu {}, nn.global_sum_pool {}, resnet.score(o.classes) }, 1, 3, #layers + 1, layers)
  return nn.sequential(layers)
end

return {
  options = resnet.options,

  make = function(o)
    local smallest, sizes = stages("recipe.sagan", o.size)
    return {
      source = "Zhang 2019, Self-attention generative adversarial networks",
      generator = nn.init.xavier(generator(o, smallest, sizes)),
      discriminator = nn.init.xavier(discriminator(o, sizes)),
      latent = o.latent, batch = 64, moves = { discriminator = 1, generator = 1 },
      loss = loss.hinge {},
      optimizer = {
        generator = optim.adam { lr = 1e-4, betas = { 0, 0.9 } },
        discriminator = optim.adam { lr = 4e-4, betas = { 0, 0.9 } },
      },
    }
  end,
}
