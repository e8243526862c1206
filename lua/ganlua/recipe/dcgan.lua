--- gan.recipe.dcgan{size=, channels=3, width=64, latent=100}: Radford 2016. Convolutions of stride 2 and nothing else,
-- batch normalisation but for the generator's last layer and the discriminator's first. `width` channels at half the
-- size, and twice as many at each halving from there on; the paper's figure has 128.

local loss = require "ganlua.loss"
local nn = require "ganlua.nn"
local optim = require "ganlua.optim"
local stages = require "ganlua.recipe.stages"

local function generator(o, smallest, count)
  local layers, width = { nn.reshape { 1, 1, o.latent } }, o.width << (count - 1)
  local function add(layer) layers[#layers + 1] = layer end
  add(nn.conv_transpose2d { out = width, kernel = smallest, bias = false })
  for stage = 1, count do
    add(nn.batch_norm {})
    add(nn.relu {})
    width = width // 2
    local out = stage < count and width or o.channels
    add(nn.conv_transpose2d { out = out, kernel = 4, stride = 2, pad = 1, bias = false })
  end
  add(nn.tanh {})
  return nn.sequential(layers)
end

local function discriminator(o, smallest, count)
  local layers, width = {}, o.width
  local function add(layer) layers[#layers + 1] = layer end
  for stage = 1, count do
    add(nn.conv2d { out = width, kernel = 4, stride = 2, pad = 1, bias = false })
    if stage > 1 then add(nn.batch_norm {}) end
    add(nn.leaky_relu { slope = 0.2 })
    width = width * 2
  end
  add(nn.conv2d { out = 1, kernel = smallest, bias = false })
  add(nn.flatten {})
  return nn.sequential(layers)
end

return {
  options = {
    width = { type = "integer", min = 1, default = 64 },
    latent = { type = "integer", min = 1, default = 100 },
  },

  make = function(o)
    local smallest, sizes = stages("recipe.dcgan", o.size)
    return {
      source = "Radford 2016, Unsupervised representation learning with deep convolutional GANs",
      generator = nn.init.normal(generator(o, smallest, #sizes), 0.02),
      discriminator = nn.init.normal(discriminator(o, smallest, #sizes), 0.02),
      latent = o.latent, batch = 128, moves = { discriminator = 1, generator = 1 },
      loss = loss.nonsaturating {},
      optimizer = {
        generator = optim.adam { lr = 2e-4, betas = { 0.5, 0.999 } },
        discriminator = optim.adam { lr = 2e-4, betas = { 0.5, 0.999 } },
      },
    }
  end,
}
