--- Dropout (Srivastava 2014).

local core = require "ganlua.core"
local define = require("ganlua.nn.module").define_plain

local layers = {}

--- In training: each number becomes 0 with probability p, the others are divided by 1 - p. In eval: x itself.
-- Options: p = 0.5.
layers.dropout = define("dropout", {
  options = { p = { type = "number", min = 0, max = 1, default = 0.5 } },

  forward = function(self, x)
    local p = self.options.p
    if not self.training or p == 0 then return x end
    local kept = core.ge(core.rand(x:shape()), p)
    return x * (p < 1 and kept * (1 / (1 - p)) or kept)
  end,
})

return layers
