--- Spectral normalisation (Miyato 2018): a layer whose weight is divided by its largest singular value.

local core = require "ganlua.core"
local module = require "ganlua.nn.module"

local layers = {}

-- What a call of power iteration does not divide by less than.
local TINY = 1e-12

local function normalized(v)
  return v / v:norm():clamp(TINY, math.huge)
end

-- The weight as a matrix with a row for each number that an output adds up: (kh kw in) x out.
local function as_matrix(layer)
  local weight = layer.weight
  local shape = weight:shape()
  if layer.kind == "conv_transpose2d" then -- kh x kw x out x in
    weight, shape = weight:transpose(3, 4), { shape[1], shape[2], shape[4], shape[3] }
  end
  return weight:reshape(-1, shape[#shape])
end

-- One step of power iteration: the matrix's left and right singular vectors, from the right one so far.
local function iterate(matrix, u)
  local v = normalized(core.matmul(matrix, u))
  return normalized(core.matmul(matrix, v, { transpose_a = true })), v
end

-- The layer with its weight divided; in training the vectors move on.
local function normed(self)
  local matrix = as_matrix(self.layer)
  if self.training then
    self.weight_u, self.weight_v = core.no_grad(iterate, matrix, self.weight_u)
  end
  local sigma = (core.matmul(matrix, self.weight_u) * self.weight_v):sum()
  return module.stand_in(self.layer, { weight = self.layer.weight / sigma })
end

--- spectral_norm(layer): the layer (linear, conv2d, conv_transpose2d, embedding) with its weight W divided by
-- sigma = v' W u, where u and v follow W's first singular vectors by one power iteration a training call. They are
-- constants to the gradient, as in PyTorch. Parameters keep the names that they have without it.
layers.spectral_norm = module.define_plain("spectral_norm", {
  options = { layer = { is = module.is, wanted = "a layer", required = true } },

  arguments = function(given)
    return module.is(given) and { layer = given } or given
  end,

  setup = function(self)
    self:child("layer", self.options.layer, "")
    self.normed = normed -- for an exporter
  end,

  build = function(self, shape)
    module.prepare(self.layer, shape)
    if not core.is_tensor(self.layer.weight) or #self.layer.weight:shape() < 2 then
      self:fail("wanted a layer with a weight of two dimensions or more, got %s", self.layer.kind)
    end
    local matrix = as_matrix(self.layer)
    local u, v = normalized(core.randn { matrix:shape()[2], 1 }), nil
    for _ = 1, 15 do u, v = iterate(matrix, u) end -- so that eval mode is right before any training
    self:buffer("weight_u", u)
    self:buffer("weight_v", v)
  end,

  forward = function(self, x, ...) return normed(self)(x, ...) end,
  joins = function(self, joint) return self.layer.definition.joins(self.layer, joint) end,
  joined = function(self, x, joint) return self.layer.definition.joined(normed(self), x, joint) end,

  describe = function(self)
    local layer = self.layer
    return ("spectral_norm(%s)"):format(layer.definition.describe(layer))
  end,
}, function(self) return module.is_plain(self.layer) end)

return layers
