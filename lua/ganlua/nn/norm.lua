--- Layers that normalise what passes through: batch_norm, layer_norm.

local core = require "ganlua.core"
local check = require "ganlua.check"
local join = require "ganlua.nn.join"
local share = require "ganlua.ranks.share"
local define = require("ganlua.nn.module").define_plain

local layers = {}

-- running + momentum * (batch - running), as a new tensor: buffers are replaced, never written.
local function blend(running, batch, momentum)
  return running + (batch - running) * momentum
end

--- Batch normalisation by channel, the last dimension (Ioffe & Szegedy 2015).
-- Training: the batch's own moments, and running averages of them (the variance divided by n - 1, as PyTorch's);
-- eval: the running averages. Options: momentum = 0.1, eps = 1e-5, affine = true (trained weight and bias), sync =
-- false. With sync a game's moves under mpirun use the moments of the whole batch, as one process does, at the price of
-- an exchange in each pass; else each rank uses those of its own rows, and running averages are the ranks' means.
layers.batch_norm = define("batch_norm", {
  options = {
    momentum = { type = "number", min = 0, max = 1, default = 0.1 },
    eps = { type = "number", above = 0, default = 1e-5 },
    affine = { type = "boolean", default = true },
    sync = { type = "boolean", default = false },
  },

  build = function(self, shape)
    if #shape < 2 then self:fail("wanted an N x ... x C input, got %s", check.shape_text(shape)) end
    local channels = shape[#shape]
    local scale, shift = core.ones { channels }, core.zeros { channels }
    if self.options.affine then
      self:parameter("weight", scale)
      self:parameter("bias", shift)
    else
      self.scale, self.shift = scale, shift
    end
    self:buffer("running_mean", core.zeros { channels })
    self:buffer("running_var", core.ones { channels })
  end,

  forward = function(self, x) return self.definition.joined(self, x) end,
  joins = join.follows,

  joined = function(self, x, joint)
    local o, shape = self.options, x:shape()
    local channels = self.running_mean:numel()
    if #shape < 2 or shape[#shape] ~= channels then
      self:fail("wanted an N x ... x %d input, got %s", channels, check.shape_text(shape))
    end
    local scale, shift = self.weight or self.scale, self.bias or self.shift
    if not self.training then
      scale = scale / (self.running_var + o.eps):sqrt()
      return join.finish(x * scale, shift - self.running_mean * scale, joint)
    end
    local n = x:numel() // channels
    local together = o.sync and share.is_on()
    if n < 2 and not together then
      self:fail("wanted more than one value per channel in training, got %s", check.shape_text(shape))
    end
    local moments = together and core.all_channel_moments(x) or core.channel_moments(x)
    if together then n = moments[3][1]:item() end
    local y = core.batch_norm(x, scale, shift, moments, o.eps, joint and joint.slope)
    self.running_mean = core.no_grad(blend, self.running_mean, moments[1], o.momentum)
    self.running_var = core.no_grad(blend, self.running_var, moments[2] * (n / (n - 1)), o.momentum)
    return y
  end,
})

--- Normalises each sample over its last dimensions (Ba 2016), with a trained weight and bias of their shape.
-- Options: dims = 1 (how many of the last dimensions; 3 for a whole H x W x C image), eps = 1e-5, affine = true.
layers.layer_norm = define("layer_norm", {
  options = {
    dims = { type = "integer", min = 1, default = 1 },
    eps = { type = "number", above = 0, default = 1e-5 },
    affine = { type = "boolean", default = true },
  },

  build = function(self, shape)
    local dims = self.options.dims
    if #shape <= dims then
      self:fail("wanted an input with more than %d dimensions, got %s", dims, check.shape_text(shape))
    end
    self.normalized = table.move(shape, #shape - dims + 1, #shape, 1, {})
    if self.options.affine then
      self:parameter("weight", core.ones(self.normalized))
      self:parameter("bias", core.zeros(self.normalized))
    end
  end,

  forward = function(self, x)
    local shape, wanted, over = x:shape(), self.normalized, {}
    for i = 1, #wanted do
      over[i] = i - #wanted - 1
      if #shape <= #wanted or shape[#shape - #wanted + i] ~= wanted[i] then
        self:fail("wanted an N x %s input, got %s", check.shape_text(wanted), check.shape_text(shape))
      end
    end
    local y = core.standardize(x, over, self.options.eps)
    return self.weight and y * self.weight + self.bias or y
  end,
})

return layers
