--- style_mixing: what stands between a mapping network and a generator of styles (StyleGAN, Karras 2019 and 2020).

local core = require "ganlua.core"
local check = require "ganlua.check"
local module = require "ganlua.nn.module"

-- The styles of each layer: those of a up to a layer drawn for each sample, from there on those of b.
local function crossed(self, a, b, n)
  local layers = self.options.layers
  local after = core.where(core.rand(n):lt(self.options.mixing), core.randint({ n }, layers - 1) + 1, layers)
  local of_a = core.arange(0, layers, 1):reshape(1, layers):lt(after:reshape(n, 1))
  return core.where(of_a:reshape(n, layers, 1), a, b)
end

-- The mean style follows a batch's.
local function follow(self, w)
  return self.mean * self.options.decay + w:mean(1) * (1 - self.options.decay)
end

local layers = {}

--- A mapping network whose styles are given layer by layer: N x latent -> N x layers x style. In training a share
-- `mixing` of the samples has the styles of a second latent, of a standard normal, from a layer on that is drawn for
-- each, so that neighbouring layers do not count on each other (style mixing, Karras 2019). In eval all layers have the
-- same style, drawn towards the mean of styles where truncation < 1: mean + truncation * (w - mean); the mean follows
-- each batch in training. Options: mapping, the network; layers; mixing = 0.9, decay = 0.995 (of the mean), truncation
-- = 1 (which run:sample takes too).
layers.style_mixing = module.define_plain("style_mixing", {
  options = {
    mapping = { is = module.is, wanted = "a module", required = true },
    layers = { type = "integer", min = 1, required = true },
    mixing = { type = "number", min = 0, max = 1, default = 0.9 },
    decay = { type = "number", min = 0, below = 1, default = 0.995 },
    truncation = { type = "number", min = 0, max = 1, default = 1 },
  },

  setup = function(self)
    self:child("mapping", self.options.mapping, "")
    self.truncation = self.options.truncation
  end,

  build = function(self, shape, ...)
    self.mapping:build(shape, ...)
    local style = self.mapping.output_shape
    if #style ~= 1 then self:fail("the mapping must give N x style, got N x %s", check.shape_text(style)) end
    self:buffer("mean", core.zeros(style))
  end,

  forward = function(self, z, ...)
    local w, n = self.mapping(z, ...), #z
    local size, count = self.mean:numel(), self.options.layers
    local styles = w:reshape(n, 1, size)
    if not self.training then
      if self.truncation < 1 then styles = self.mean + (styles - self.mean) * self.truncation end
    else
      self.mean = core.no_grad(follow, self, w)
      if count > 1 and self.options.mixing > 0 then
        return crossed(self, styles, self.mapping(core.randn(z:shape()), ...):reshape(n, 1, size), n)
      end
    end
    return styles:expand { n, count, size }
  end,

  describe = function(self)
    local o = self.options
    return ("style_mixing{layers=%d, mixing=%g%s}"):format(o.layers, o.mixing,
      self.truncation < 1 and (", truncation=%g"):format(self.truncation) or "")
  end,
}, function(self) return module.is_plain(self.mapping) end)

return layers
