--- Elementwise activations: each is an op of the engine as a layer.

local core = require "ganlua.core"
local define = require("ganlua.nn.module").define_plain

local layers = {}

--- max(0, x).
layers.relu = define("relu", {
  forward = function(_, x) return core.relu(x) end,
})

--- x where x > 0, slope * x elsewhere. Options: slope = 0.2, as in DCGAN.
layers.leaky_relu = define("leaky_relu", {
  options = { slope = { type = "number", default = 0.2 } },
  forward = function(self, x) return core.leaky_relu(x, self.options.slope) end,
})

--- x where x > 0, alpha * (e^x - 1) elsewhere (Clevert 2016). Options: alpha = 1.
layers.elu = define("elu", {
  options = { alpha = { type = "number", default = 1 } },
  forward = function(self, x) return core.elu(x, self.options.alpha) end,
})

--- x * Phi(x), Phi the normal distribution function, exact (Hendrycks & Gimpel 2016).
layers.gelu = define("gelu", {
  forward = function(_, x) return core.gelu(x) end,
})

--- x * sigmoid(x).
layers.silu = define("silu", {
  forward = function(_, x) return core.silu(x) end,
})

--- (e^x - e^-x) / (e^x + e^-x): what a generator of pictures in [-1, 1] ends in.
layers.tanh = define("tanh", {
  forward = function(_, x) return core.tanh(x) end,
})

--- 1 / (1 + e^-x). Discriminators do not need it: the losses take raw scores.
layers.sigmoid = define("sigmoid", {
  forward = function(_, x) return core.sigmoid(x) end,
})

--- log(1 + e^x), without overflow.
layers.softplus = define("softplus", {
  forward = function(_, x) return core.softplus(x) end,
})

return layers
