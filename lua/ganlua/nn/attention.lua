--- self_attention: every pixel looks at every other one.

local core = require "ganlua.core"
local check = require "ganlua.check"
local conv2d = require("ganlua.nn.conv").conv2d
local module = require "ganlua.nn.module"
local spectral_norm = require("ganlua.nn.spectral_norm").spectral_norm

local layers = {}

local parts = { "query", "key", "value", "out" }

--- y = x + gamma * out(sum over i of beta_ji value(x_i)), beta_ji the softmax over pixels i of query(x_j) . key(x_i)
-- (SAGAN, Zhang 2019): N x H x W x C -> N x H x W x C. query, key and value are 1x1 convolutions to C/reduce channels,
-- out one back to C, none with a bias; gamma starts at 0. The weights between pixels are N x HW x HW numbers: for
-- pictures of 32 x 32 at most. Options: reduce = 8; spectral = false (true: spectral_norm around the convolutions).
layers.self_attention = module.define_plain("self_attention", {
  options = {
    reduce = { type = "integer", min = 1, default = 8 },
    spectral = { type = "boolean", default = false },
  },

  setup = function(self)
    self.convolutions = {}
    for _, name in ipairs(parts) do
      local convolution = conv2d { out = 1, kernel = 1, bias = false }
      self.convolutions[name] = convolution
      self:child(name, self.options.spectral and spectral_norm(convolution) or convolution)
    end
  end,

  build = function(self, shape)
    if #shape ~= 4 then self:fail("wanted an N x H x W x C input, got %s", check.shape_text(shape)) end
    local reduced = math.max(1, shape[4] // self.options.reduce)
    for _, name in ipairs(parts) do self.convolutions[name].options.out = name == "out" and shape[4] or reduced end
    self:parameter("gamma", core.zeros { 1 })
  end,

  forward = function(self, x)
    local n, height, width = table.unpack(self:input(x, 4, "an N x H x W x C"))
    local function pixels(name) return self[name](x):reshape(n, height * width, -1) end
    local query, key, value = pixels "query", pixels "key", pixels "value"
    local beta = core.softmax(core.matmul(query, key, { transpose_b = true }), 3) -- N x HW (who looks) x HW (at whom)
    local seen = core.matmul(beta, value):reshape(n, height, width, -1)
    return x + self.out(seen) * self.gamma
  end,
})

return layers
