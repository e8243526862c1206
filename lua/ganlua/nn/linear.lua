--- Layers whose weight is a plain matrix: linear, embedding.

local core = require "ganlua.core"
local check = require "ganlua.check"
local define = require("ganlua.nn.module").define_plain
local initialize = require "ganlua.nn.initialize"
local join = require "ganlua.nn.join"

local layers = {}

--- y = x W + b. x: N x in, W: in x out, b: out. Options: out; bias = true.
layers.linear = define("linear", {
  options = {
    out = { type = "integer", min = 1, required = true },
    bias = { type = "boolean", default = true },
  },

  build = function(self, shape)
    if #shape ~= 2 then self:fail("wanted an N x features input, got %s", check.shape_text(shape)) end
    initialize.default(self, { shape[2], self.options.out }, self.options.out)
  end,

  forward = function(self, x) return self.definition.joined(self, x) end,

  joined = function(self, x, joint)
    local shape, features = x:shape(), self.weight:shape()[1]
    if #shape ~= 2 or shape[2] ~= features then
      self:fail("wanted an N x %d input, got %s%s", features, check.shape_text(shape),
        #shape > 2 and " (nn.flatten{} makes one)" or "")
    end
    return join.finish(core.matmul(x, self.weight), self.bias, joint)
  end,

  joins = join.follows,
})

--- A vector for each class: labels (N, from 0 to count - 1) -> N x dim, from a normal distribution at first.
-- Options: count, dim.
layers.embedding = define("embedding", {
  options = {
    count = { type = "integer", min = 1, required = true },
    dim = { type = "integer", min = 1, required = true },
  },

  build = function(self)
    self:parameter("weight", core.randn { self.options.count, self.options.dim })
  end,

  forward = function(self, labels)
    return self.weight:index(1, check.labels(self:where(), labels, self.options.count))
  end,
})

return layers
