--- Layers that look at labels, the second thing that a network is called with: m(x, labels), labels N whole numbers
-- from 0. conditional_batch_norm and concat_embedding are for generators, projection for discriminators.

local core = require "ganlua.core"
local check = require "ganlua.check"
local module = require "ganlua.nn.module"
local batch_norm = require("ganlua.nn.norm").batch_norm
local plain = require "ganlua.nn.linear"
local spectral_norm = require("ganlua.nn.spectral_norm").spectral_norm

local layers = {}

local classes = { type = "integer", min = 1, required = true }

-- The labels of x's samples; raises where there are none, or another number of them.
local function labels_of(self, x, labels)
  if #x:shape() < 2 then self:fail("wanted an N x ... x C input, got %s", check.shape_text(x:shape())) end
  if not core.is_tensor(labels) then
    self:fail("wanted labels beside the input, m(x, labels), got %s", check.describe(labels))
  end
  local n, shape = x:shape()[1], labels:shape()
  if #shape ~= 1 or shape[1] ~= n then
    self:fail("wanted %d labels, one a sample, got %s", n, check.shape_text(shape))
  end
  return check.labels(self:where(), labels, self.options.classes)
end

--- Batch normalisation whose weight and bias are the class's (Dumoulin 2017), from 1 and 0: N x ... x C.
-- Options: classes; momentum = 0.1, eps = 1e-5, sync = false as batch_norm's.
layers.conditional_batch_norm = module.define_plain("conditional_batch_norm", {
  labels = true,
  own_start = true,
  options = {
    classes = classes,
    momentum = { type = "number", min = 0, max = 1, default = 0.1 },
    eps = { type = "number", above = 0, default = 1e-5 },
    sync = { type = "boolean", default = false },
  },

  setup = function(self)
    local o = self.options
    self:child("norm", batch_norm { momentum = o.momentum, eps = o.eps, affine = false, sync = o.sync }, "")
  end,

  build = function(self, shape)
    module.prepare(self.norm, shape)
    local size = { self.options.classes, shape[#shape] }
    self:parameter("weight", core.ones(size))
    self:parameter("bias", core.zeros(size))
  end,

  forward = function(self, x, labels)
    local places, shape = labels_of(self, x, labels), x:shape()
    for i = 2, #shape - 1 do shape[i] = 1 end
    local y = self.norm(x) -- checks x's channels
    return y * self.weight:index(1, places):reshape(shape) + self.bias:index(1, places):reshape(shape)
  end,
})

--- Puts the class's vector, which is trained, beside each sample's numbers (Mirza & Osindero 2014): N x F -> N x
-- (F + dim); beside those of each pixel: N x H x W x C -> N x H x W x (C + dim). Options: classes, dim.
layers.concat_embedding = module.define_plain("concat_embedding", {
  labels = true,
  options = { classes = classes, dim = { type = "integer", min = 1, required = true } },

  setup = function(self)
    self:child("embed", plain.embedding { count = self.options.classes, dim = self.options.dim }, "")
  end,

  forward = function(self, x, labels)
    labels_of(self, x, labels)
    local shape, spread = x:shape(), x:shape()
    for i = 2, #shape - 1 do shape[i] = 1 end
    shape[#shape], spread[#spread] = self.options.dim, self.options.dim
    return core.concat({ x, self.embed(labels):reshape(shape):expand(spread) }, #shape)
  end,
})

--- A discriminator's last layer, psi(phi) + embed(y) . phi (Miyato & Koyama 2018): N x features -> N x 1, psi linear.
-- Options: classes; spectral = false (true: both weights are divided by their largest singular value, as there).
layers.projection = module.define_plain("projection", {
  labels = true,
  options = { classes = classes, spectral = { type = "boolean", default = false } },

  setup = function(self)
    local norm = self.options.spectral and spectral_norm or function(layer) return layer end
    self:child("psi", norm(plain.linear { out = 1 }))
    self.vectors = plain.embedding { count = self.options.classes, dim = 1 }
    self:child("embed", norm(self.vectors))
  end,

  build = function(self, shape)
    if #shape ~= 2 then self:fail("wanted an N x features input, got %s", check.shape_text(shape)) end
    self.vectors.options.dim = shape[2]
    module.prepare(self.embed, shape)
  end,

  forward = function(self, x, labels)
    labels_of(self, x, labels)
    return self.psi(x) + core.sum(self.embed(labels) * x, { 2 }, { keepdim = true })
  end,
})

return layers
