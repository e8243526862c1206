--- Layers that normalise each sample by itself, in training and evaluation alike: group_norm, instance_norm,
-- pixel_norm. (layer_norm, which has weights for each place, stands with batch_norm.)

local core = require "ganlua.core"
local check = require "ganlua.check"
local define = require("ganlua.nn.module").define_plain

local layers = {}

local function build_affine(self, channels)
  if not self.options.affine then return end
  self:parameter("weight", core.ones { channels })
  self:parameter("bias", core.zeros { channels })
end

local function affine(self, y)
  return self.weight and y * self.weight + self.bias or y
end

-- The shape of N x ... x C, whose C is what the layer was built for.
local function channels_last(self, x)
  local shape = x:shape()
  if #shape < 2 or shape[#shape] ~= self.channels then
    self:fail("wanted an N x ... x %d input, got %s", self.channels, check.shape_text(shape))
  end
  return shape
end

--- Normalises each sample over its pixels and the channels of a group (Wu & He 2018), N x ... x C; groups of
-- neighbouring channels. Options: groups, which divides C; eps = 1e-5; affine = true (weight and bias by channel).
layers.group_norm = define("group_norm", {
  options = {
    groups = { type = "integer", min = 1, required = true },
    eps = { type = "number", above = 0, default = 1e-5 },
    affine = { type = "boolean", default = true },
  },

  build = function(self, shape)
    local channels, groups = shape[#shape], self.options.groups
    if #shape < 2 then self:fail("wanted an N x ... x C input, got %s", check.shape_text(shape)) end
    if channels % groups ~= 0 then self:fail("%d channels cannot be split into %d groups", channels, groups) end
    self.channels = channels
    build_affine(self, channels)
  end,

  forward = function(self, x)
    local shape, groups = channels_last(self, x), self.options.groups
    local pixels = 1
    for i = 2, #shape - 1 do pixels = pixels * shape[i] end
    local split = x:reshape(shape[1], pixels, groups, self.channels // groups)
    return affine(self, core.standardize(split, { 2, 4 }, self.options.eps):reshape(shape))
  end,
})

--- Normalises each channel of each picture over its pixels (Ulyanov 2016), N x H x W x C.
-- Options: eps = 1e-5; affine = false (true: a trained weight and bias by channel).
layers.instance_norm = define("instance_norm", {
  options = {
    eps = { type = "number", above = 0, default = 1e-5 },
    affine = { type = "boolean", default = false },
  },

  build = function(self, shape)
    self.channels = shape[#shape]
    build_affine(self, self.channels)
  end,

  forward = function(self, x)
    self:input(x, 4, "an N x H x W x C")
    channels_last(self, x)
    return affine(self, core.standardize(x, { 2, 3 }, self.options.eps))
  end,
})

--- Divides the channels at each pixel by the root of their mean square (Karras 2018), N x ... x C.
-- Options: eps = 1e-8.
layers.pixel_norm = define("pixel_norm", {
  options = { eps = { type = "number", above = 0, default = 1e-8 } },

  forward = function(self, x)
    local shape = x:shape()
    if #shape < 2 then self:fail("wanted an N x ... x C input, got %s", check.shape_text(shape)) end
    return x / (core.mean(x * x, { #shape }, { keepdim = true }) + self.options.eps):sqrt()
  end,
})

return layers
