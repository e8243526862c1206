--- The residual blocks of SNGAN and SAGAN (Miyato 2018, appendix B; after Gulrajani 2017).

local nn = require "ganlua.nn"

local resnet = {}

--- What both recipes take beside a size and channels.
resnet.options = {
  classes = { type = "integer", min = 1 },
  width = { type = "integer", min = 1, default = 64 },
  latent = { type = "integer", min = 1, default = 128 },
}

-- A 3x3 convolution that keeps the size, or a 1x1 one; `norm` is put around it.
local function conv3(norm, out) return norm(nn.conv2d { out = out, kernel = 3, pad = 1 }) end
local function conv1(norm, out) return norm(nn.conv2d { out = out, kernel = 1 }) end

--- No normalisation of weights: what `norm` is in a generator without one.
function resnet.plain(layer) return layer end

--- The normalisation in a generator: the class's where there are classes.
---@param classes integer?
---@return ganlua.module
function resnet.batch_norm(classes)
  return classes and nn.conditional_batch_norm { classes = classes } or nn.batch_norm {}
end

--- A generator's block: twice the size, `out` channels.
---@param norm fun(layer: ganlua.module): ganlua.module
---@param out integer
---@param classes integer?
---@return ganlua.module
function resnet.up(norm, out, classes)
  return nn.residual {
    main = nn.sequential {
      resnet.batch_norm(classes), nn.relu {}, nn.upsample {}, conv3(norm, out),
      resnet.batch_norm(classes), nn.relu {}, conv3(norm, out),
    },
    skip = nn.sequential { nn.upsample {}, conv1(norm, out) },
  }
end

--- A discriminator's first block, of pictures: half the size, `out` channels.
---@param norm fun(layer: ganlua.module): ganlua.module
---@param out integer
---@return ganlua.module
function resnet.first(norm, out)
  return nn.residual {
    main = nn.sequential { conv3(norm, out), nn.relu {}, conv3(norm, out), nn.avg_pool { kernel = 2 } },
    skip = nn.sequential { nn.avg_pool { kernel = 2 }, conv1(norm, out) },
  }
end

--- A discriminator's further block: half the size, `out` channels.
---@param norm fun(layer: ganlua.module): ganlua.module
---@param out integer
---@return ganlua.module
function resnet.down(norm, out)
  return nn.residual {
    main = nn.sequential { nn.relu {}, conv3(norm, out), nn.relu {}, conv3(norm, out), nn.avg_pool { kernel = 2 } },
    skip = nn.sequential { conv1(norm, out), nn.avg_pool { kernel = 2 } },
  }
end

--- A discriminator's block that keeps the size. Where it has other channels than its input, `widens` is true.
---@param norm fun(layer: ganlua.module): ganlua.module
---@param out integer
---@param widens? boolean
---@return ganlua.module
function resnet.keep(norm, out, widens)
  return nn.residual {
    main = nn.sequential { nn.relu {}, conv3(norm, out), nn.relu {}, conv3(norm, out) },
    skip = widens and conv1(norm, out) or nil,
  }
end

--- What a discriminator ends in: one score, of the class where there are classes (Miyato & Koyama 2018).
---@param classes integer?
---@return ganlua.module
function resnet.score(classes)
  return classes and nn.projection { classes = classes, spectral = true } or nn.spectral_norm(nn.linear { out = 1 })
end

--- Channels of a pyramid: `width` at the largest, twice as many at each halving, 16 * width at most.
---@param width integer
---@param halvings integer
---@return integer
function resnet.channels(width, halvings)
  return width * math.min(16, 1 << halvings)
end

return resnet
