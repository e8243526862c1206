--- How weights start. Each function takes a module and returns it; weights that do not exist yet, because sizes are
-- inferred at the first call, are drawn then.
--
-- What changes: every "weight" of two dimensions or more (linear, convolutions, embedding); the bias beside it becomes
-- 0. Normalisation layers keep their ones and zeros, conditional ones too. The last dimension of a weight is its output
-- and the one before its input (of a transposed convolution: as PyTorch counts it, the other way round).

local core = require "ganlua.core"
local check = require "ganlua.check"
local state = require "ganlua.nn.state"

local initialize = {}

--- How many inputs one output adds up, and how many outputs one input reaches.
---@param weight ganlua.tensor
---@return integer fan_in
---@return integer fan_out
function initialize.fans(weight)
  local shape, numel = weight:shape(), weight:numel()
  return numel // shape[#shape], numel // shape[#shape - 1]
end

--- Uniform numbers in [-bound, bound).
---@param shape integer[]
---@param bound number
---@return ganlua.tensor
function initialize.uniform(shape, bound)
  return core.affine(core.rand(shape), 2 * bound, -bound)
end

--- PyTorch's default for linear and convolutions: uniform within 1/sqrt(fan_in) (its kaiming_uniform with a = sqrt(5)),
-- weight and bias alike. In build.
---@param m ganlua.module gets the parameters "weight" and, if it has the option, "bias"
---@param shape integer[] of the weight
---@param outputs integer
function initialize.default(m, shape, outputs)
  local weight = core.rand(shape)
  local bound = 1 / math.sqrt(math.max(1, (initialize.fans(weight))))
  m:parameter("weight", core.affine(weight, 2 * bound, -bound))
  if m.options.bias then m:parameter("bias", initialize.uniform({ outputs }, bound)) end
end

-- Draws the weights of m and of everything inside it by draw(shape, weight), now or when they are made.
local function apply(where, m, draw)
  if not state.is(m) then check.fail("nn.init.%s: wanted a module, got %s", where, check.describe(m)) end
  local function start(part)
    local weight, bias = part.weight, part.bias
    if not core.is_tensor(weight) or #weight:shape() < 2 or part.definition.own_start then return end
    weight:copy_(draw(weight:shape(), weight))
    if core.is_tensor(bias) then bias:fill_(0) end
  end
  state.walk(m, function(part)
    if part.built then
      core.no_grad(start, part)
    else
      part.initializer = start
    end
  end)
  return m
end

local function positive(where, name, value, default)
  if value == nil then return default end
  if type(value) ~= "number" or value ~= value or value < 0 then
    check.fail("nn.init.%s: %s must be a number >= 0, got %s", where, name, check.describe(value))
  end
  return value
end

initialize.schemes = {}

--- Normal with mean 0; std = 0.02 is DCGAN's (Radford 2016).
---@param m ganlua.module
---@param std? number
---@return ganlua.module m
function initialize.schemes.normal(m, std)
  std = positive("normal", "std", std, 0.02)
  return apply("normal", m, function(shape) return core.randn(shape) * std end)
end

--- Uniform, of variance gain^2 * 2 / (fan_in + fan_out) (Glorot & Bengio 2010).
---@param m ganlua.module
---@param gain? number
---@return ganlua.module m
function initialize.schemes.xavier(m, gain)
  gain = positive("xavier", "gain", gain, 1)
  return apply("xavier", m, function(shape, weight)
    local fan_in, fan_out = initialize.fans(weight)
    return initialize.uniform(shape, gain * math.sqrt(6 / (fan_in + fan_out)))
  end)
end

--- Uniform, of variance 2 / ((1 + slope^2) * fan_in), for layers before a (leaky) relu (He 2015).
---@param m ganlua.module
---@param slope? number of the leaky relu that follows; 0 for relu
---@return ganlua.module m
function initialize.schemes.kaiming(m, slope)
  slope = positive("kaiming", "slope", slope, 0)
  return apply("kaiming", m, function(shape, weight)
    return initialize.uniform(shape, math.sqrt(6 / ((1 + slope * slope) * initialize.fans(weight))))
  end)
end

-- Rows of a rows x columns matrix (rows <= columns), orthonormal: Gram-Schmidt, each row projected twice, which is
-- enough for float32 (Giraud 2005).
local function orthonormal_rows(rows, columns)
  local basis = core.zeros { rows, columns }
  for i = 1, rows do
    local row = core.randn { columns, 1 }
    for _ = 1, 2 do
      row = row - core.matmul(basis, core.matmul(basis, row), { transpose_a = true })
    end
    basis:set_(i, (row / row:norm()):reshape(columns))
  end
  return basis
end

--- Orthogonal: the weight as a (fan_in x outputs) matrix has orthonormal rows or columns (Saxe 2014).
---@param m ganlua.module
---@param gain? number
---@return ganlua.module m
function initialize.schemes.orthogonal(m, gain)
  gain = positive("orthogonal", "gain", gain, 1)
  return apply("orthogonal", m, function(shape, weight)
    local rows, columns = initialize.fans(weight), shape[#shape]
    local wide = rows <= columns
    local matrix = orthonormal_rows(math.min(rows, columns), math.max(rows, columns))
    return ((wide and matrix or matrix:transpose(1, 2)) * gain):reshape(shape)
  end)
end

return initialize
