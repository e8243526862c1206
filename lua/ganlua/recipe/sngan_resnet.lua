--- gan.recipe.sngan_resnet{size=, channels=3, classes=, width=64, latent=128}: Miyato 2018, and with `classes` Miyato &
-- Koyama 2018. Residual networks, spectral normalisation in the discriminator. Pictures up to 32 pixels have the
-- networks of its CIFAR-10 table (4 * width channels in the generator, 2 * width in the discriminator), larger ones
-- those of its STL-10 and ImageNet tables (a pyramid from 16 * width down to width).

local loss = require "ganlua.loss"
local nn = require "ganlua.nn"
local optim = require "ganlua.optim"
local resnet = require "ganlua.recipe.resnet"
local stages = require "ganlua.recipe.stages"

local function generator(o, smallest, count)
  local small = o.size <= 32
  local function width(stage) return small and 4 * o.width or resnet.channels(o.width, count - stage) end
  local layers = {
    nn.linear { out = smallest * smallest * width(0) }, nn.reshape { smallest, smallest, width(0) },
  }
  for stage = 1, count do layers[#layers + 1] = resnet.up(resnet.plain, width(stage), o.classes) end
  table.move({ resnet.batch_norm(o.classes), nn.relu {}, nn.conv2d { out = o.channels, kernel = 3, pad = 1 },
    nn.tanh {} }, 1, 4, #layers + 1, layers)
  return nn.sequential(layers)
end

local function discriminator(o, count)
  local norm, layers = nn.spectral_norm, {}
  if o.size <= 32 then
    local width = 2 * o.width
    for i, block in ipairs { resnet.first, resnet.down, resnet.keep, resnet.keep } do layers[i] = block(norm, width) end
  else
    layers[1] = resnet.first(norm, o.width)
    local downs = math.max(4, count)
    for stage = 2, downs do layers[stage] = resnet.down(norm, resnet.channels(o.width, stage - 1)) end
    layers[downs + 1] = resnet.keep(norm, 16 * o.width, resnet.channels(o.width, downs - 1) ~= 16 * o.width)
  end
  table.move({ nn.relu {}, nn.global_sum_pool {}, resnet.score(o.classes) }, 1, 3, #layers + 1, layers)
  return nn.sequential(layers)
end

return {
  options = resnet.options,

  make = function(o)
    local smallest, sizes = stages("recipe.sngan_resnet", o.size)
    return {
      source = "Miyato 2018, Spectral normalization for generative adversarial networks",
      generator = nn.init.xavier(generator(o, smallest, #sizes)),
      discriminator = nn.init.xavier(discriminator(o, #sizes)),
      latent = o.latent, batch = 64, moves = { discriminator = 5, generator = 1 },
      loss = loss.hinge {},
      optimizer = {
        generator = optim.adam { lr = 2e-4, betas = { 0, 0.9 } },
        discriminator = optim.adam { lr = 2e-4, betas = { 0, 0.9 } },
      },
    }
  end,
}
