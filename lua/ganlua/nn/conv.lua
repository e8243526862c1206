--- Convolutions over images, N x H x W x C.

local core = require "ganlua.core"
local check = require "ganlua.check"
local define = require("ganlua.nn.module").define_plain
local initialize = require "ganlua.nn.initialize"
local join = require "ganlua.nn.join"

local layers = {}

local function options(more)
  local rows = {
    out = { type = "integer", min = 1, required = true },
    kernel = { type = "integer", min = 1, required = true },
    stride = { type = "integer", min = 1, default = 1 },
    pad = { type = "integer", min = 0, default = 0 },
    bias = { type = "boolean", default = true },
  }
  for name, row in pairs(more or {}) do rows[name] = row end
  return rows
end

-- The shape of an input that must have so many channels (any number while the layer is not built).
local function image_shape(self, x, channels)
  local shape = self:input(x, 4, "an N x H x W x C")
  if channels and shape[4] ~= channels then
    self:fail("wanted an N x H x W x %d input, got %s", channels, check.shape_text(shape))
  end
  return shape
end

--- Convolution. N x H x W x in -> N x (H + 2 pad - kernel) // stride + 1 x ... x out;
-- weight kernel x kernel x in x out.
-- Options: out, kernel; stride = 1, pad = 0, bias = true.
layers.conv2d = define("conv2d", {
  options = options(),

  build = function(self, shape)
    local o = self.options
    if #shape ~= 4 then self:fail("wanted an N x H x W x C input, got %s", check.shape_text(shape)) end
    initialize.default(self, { o.kernel, o.kernel, shape[4], o.out }, o.out)
  end,

  forward = function(self, x) return self.definition.joined(self, x) end,

  joins = function(self, joint)
    local o = self.options
    return not joint.kind or o.stride == 1 and o.pad < o.kernel
  end,

  joined = function(self, x, joint)
    local o = self.options
    if joint and joint.kind then return join.finish(join.convolve(x, self.weight, o.pad, joint), self.bias, joint) end
    local shape = image_shape(self, x, self.weight:shape()[3])
    if math.min(shape[2], shape[3]) + 2 * o.pad < o.kernel then
      self:fail("wanted an image of at least %d x %d for kernel %d and pad %d, got %s", o.kernel - 2 * o.pad,
        o.kernel - 2 * o.pad, o.kernel, o.pad, check.shape_text(shape))
    end
    return core.conv2d(x, self.weight, o.stride, o.pad, self.bias, join.slope(joint))
  end,
})

--- Transposed convolution: conv2d's gradient used forwards, for upsampling.
-- N x H x W x in -> N x (H - 1) stride - 2 pad + kernel + output_pad x ... x out; weight kernel x kernel x out x in.
-- Options: out, kernel; stride = 1, pad = 0, output_pad = 0 (less than stride), bias = true.
layers.conv_transpose2d = define("conv_transpose2d", {
  options = options { output_pad = { type = "integer", min = 0, default = 0 } },

  setup = function(self)
    local o = self.options
    if o.output_pad >= o.stride then
      self:fail("option 'output_pad' must be less than the stride %d, got %d", o.stride, o.output_pad)
    end
  end,

  build = function(self, shape)
    local o = self.options
    if #shape ~= 4 then self:fail("wanted an N x H x W x C input, got %s", check.shape_text(shape)) end
    initialize.default(self, { o.kernel, o.kernel, o.out, shape[4] }, o.out)
  end,

  forward = function(self, x) return self.definition.joined(self, x) end,
  joins = join.follows,

  joined = function(self, x, joint)
    local o = self.options
    local shape = image_shape(self, x, self.weight:shape()[4])
    local function size(n) return (n - 1) * o.stride - 2 * o.pad + o.kernel + o.output_pad end
    local height, width = size(shape[2]), size(shape[3])
    if height < 1 or width < 1 then
      self:fail("pad %d takes the whole %s picture away", o.pad, check.shape_text(shape))
    end
    return core.conv2d_input(x, self.weight, height, width, o.stride, o.pad, self.bias, join.slope(joint))
  end,
})

return layers
