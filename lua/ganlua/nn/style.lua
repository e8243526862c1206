--- What StyleGAN's networks are made of (Karras 2018 to 2020): equalized layers, modulated convolutions, noise.

local core = require "ganlua.core"
local check = require "ganlua.check"
local initialize = require "ganlua.nn.initialize"
local linear = require("ganlua.nn.linear").linear
local module = require "ganlua.nn.module"

local layers = {}

-- The layer with its weight and bias at the size that they have in use.
local function scaled(self)
  local layer, o = self.layer, self.options
  local weight = layer.weight * (o.gain * o.rate / math.sqrt(initialize.fans(layer.weight)))
  return module.stand_in(layer, { weight = weight, bias = layer.bias and layer.bias * o.rate })
end

--- equalized{layer, gain=1, rate=1}: a layer (linear, conv2d) whose weight starts from a standard normal and is
-- multiplied by gain/sqrt(fan_in) whenever it is used, so that an optimiser which moves all parameters alike moves all
-- layers alike (equalized learning rate, Karras 2018). `rate` slows it down: weight and bias are multiplied by it, and
-- the weight starts from 1/rate times as much. The bias starts at `bias` = 0. Parameters keep their names.
layers.equalized = module.define_plain("equalized", {
  options = {
    layer = { is = module.is, wanted = "a layer", required = true },
    gain = { type = "number", above = 0, default = 1 },
    rate = { type = "number", above = 0, default = 1 },
    bias = { type = "number", default = 0 },
  },

  arguments = function(given)
    if module.is(given) or type(given) ~= "table" then return { layer = given } end
    local options = {}
    for key, value in pairs(given) do options[key == 1 and "layer" or key] = value end
    return options
  end,

  setup = function(self)
    self:child("layer", self.options.layer, "")
    self.scaled = scaled -- for an exporter
  end,

  build = function(self, shape)
    local layer, o = self.layer, self.options
    module.prepare(layer, shape)
    if not core.is_tensor(layer.weight) or #layer.weight:shape() < 2 or layer.kind == "conv_transpose2d" then
      self:fail("wanted a linear or conv2d, got %s", layer.kind)
    end
    layer.weight:copy_(core.randn(layer.weight:shape()) / o.rate)
    if layer.bias then layer.bias:fill_(o.bias / o.rate) end
  end,

  forward = function(self, x, ...) return scaled(self)(x, ...) end,
  joins = function(self, joint) return self.layer.definition.joins(self.layer, joint) end,
  joined = function(self, x, joint) return self.layer.definition.joined(scaled(self), x, joint) end,

  describe = function(self)
    local o, words = self.options, { self.layer.definition.describe(self.layer) }
    for _, name in ipairs { "gain", "rate", "bias" } do
      if o[name] ~= self.definition.options[name].default then words[#words + 1] = ("%s=%.4g"):format(name, o[name]) end
    end
    return ("equalized{%s}"):format(table.concat(words, ", "))
  end,
}, function(self) return module.is_plain(self.layer) end)

--- A convolution that a style modulates (StyleGAN2, Karras 2020): m(x, w), x N x H x W x in, w N x numbers. The style
-- s = linear(w), whose bias starts at 1, scales the weight's inputs for each picture, and with demodulate = true the
-- outputs are scaled so that each channel's weights have norm 1 again: the inputs and the outputs are scaled instead,
-- which comes to the same. Stride 1, padded to the same size; the weight is equalized.
-- Options: out, kernel; demodulate = true, bias = true.
layers.modulated_conv2d = module.define_plain("modulated_conv2d", {
  options = {
    out = { type = "integer", min = 1, required = true },
    kernel = { type = "integer", min = 1, required = true },
    demodulate = { type = "boolean", default = true },
    bias = { type = "boolean", default = true },
  },

  setup = function(self)
    if self.options.kernel % 2 == 0 then self:fail("option 'kernel' must be odd, got %d", self.options.kernel) end
    self.modulation = linear { out = 1 }
    self:child("style", layers.equalized { self.modulation, bias = 1 })
  end,

  build = function(self, shape)
    local o = self.options
    if #shape ~= 4 then self:fail("wanted an N x H x W x C input, got %s", check.shape_text(shape)) end
    self.modulation.options.out = shape[4]
    self:parameter("weight", core.randn { o.kernel, o.kernel, shape[4], o.out })
    if o.bias then self:parameter("bias", core.zeros { o.out }) end
  end,

  forward = function(self, x, w)
    local o, shape = self.options, self:input(x, 4, "an N x H x W x C")
    local channels = self.weight:shape()[3]
    if shape[4] ~= channels then
      self:fail("wanted an N x H x W x %d input, got %s", channels, check.shape_text(shape))
    elseif not core.is_tensor(w) or #w:shape() ~= 2 or #w ~= shape[1] then
      self:fail("wanted a style of %d x numbers beside the input, m(x, w), got %s", shape[1], check.describe(w))
    end
    local style = self.style(w)
    local weight = self.weight / math.sqrt(o.kernel * o.kernel * channels)
    local y = core.conv2d(x * style:reshape(shape[1], 1, 1, channels), weight, 1, o.kernel // 2)
    if o.demodulate then
      local squares = core.matmul(style:square(), weight:square():sum { 1, 2 }) -- N x out
      y = y / (squares + 1e-8):sqrt():reshape(shape[1], 1, 1, o.out)
    end
    return self.bias and y + self.bias or y
  end,
})

--- Adds noise that differs by pixel and not by channel, times a trained strength that starts at 0 (StyleGAN, Karras
-- 2019): N x H x W x C. Drawn anew in training; in eval always the same picture of noise.
layers.pixel_noise = module.define_plain("pixel_noise", {
  build = function(self, shape)
    if #shape ~= 4 then self:fail("wanted an N x H x W x C input, got %s", check.shape_text(shape)) end
    self:parameter("strength", core.zeros { 1 })
    self:buffer("constant", core.randn { 1, shape[2], shape[3], 1 })
  end,

  forward = function(self, x)
    local shape = self:input(x, 4, "an N x H x W x C")
    if self.training then return x + core.randn { shape[1], shape[2], shape[3], 1 } * self.strength end
    local kept = self.constant:shape()
    if kept[2] ~= shape[2] or kept[3] ~= shape[3] then
      self:fail("wanted pictures of %dx%d, got %s", kept[2], kept[3], check.shape_text(shape))
    end
    return x + self.constant * self.strength
  end,
})

return layers
