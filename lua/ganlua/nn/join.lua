--- A resampling and the convolution beside it, done as one with fewer operations; sequential asks for it.
--
-- Making a picture s times as large by repeating pixels and then convolving it reads each pixel s x s times: the same
-- numbers come from one transposed convolution of stride s, whose kernel holds sums of the weights. Convolving and then
-- taking means over s x s windows is one convolution of stride s with a larger kernel, which holds their means. For
-- s = 2 and a 3 x 3 kernel both need 16 products where there were 36. A 1 x 1 convolution and a resampling change
-- places, so that it works on the smaller picture. The results differ by rounding alone, and so do their gradients of
-- any order, as all of this is made of ops.

local core = require "ganlua.core"
local module = require "ganlua.nn.module"

local join = {}

--- A resampling beside a convolution.
---@class ganlua.joint
---@field kind "upsample"|"pool"
---@field scale integer
---@field at integer where in its sequence the convolution is

-- What a layer is as a resampling.
local function resampling(layer)
  local o = layer.options
  if layer.kind == "upsample" and o.mode == "nearest" then return "upsample", o.scale end
  if layer.kind == "avg_pool" then return "pool", o.kernel end
end

--- The pairs of layers that can be done as one, by the place of the first.
---@param layers ganlua.module[]
---@param count integer
---@return table<integer, ganlua.joint>
function join.find(layers, count)
  local joints = {}
  for i = 1, count - 1 do
    for at = i, i + 1 do
      local kind, scale = resampling(layers[2 * i + 1 - at])
      local in_order = kind == "upsample" and at == i + 1 or kind == "pool" and at == i
      if in_order and scale > 1 then
        local joint = { kind = kind, scale = scale, at = at }
        if layers[at].definition.joins(layers[at], joint) then joints[i] = joint end
      end
    end
  end
  return joints
end

--- Runs a pair; nil where it must be run layer by layer: before both have seen a picture, or when they would fail.
---@param sequence ganlua.module
---@param first integer the place of the first layer
---@param joint ganlua.joint
---@param x ganlua.tensor
---@return ganlua.tensor?
function join.run(sequence, first, joint, x)
  local conv = sequence[joint.at]
  if not sequence[first].output_shape or not sequence[first + 1].output_shape or #x:shape() ~= 4 then return nil end
  return module.run(conv, conv.definition.joined, x, joint)
end

-- Whether weight k (from 0) of a line of the kernel is among those that add up at place t of the larger one's line.
local function mixes(kind, kernel, scale, t, k)
  local first = kind == "pool" and t - scale + 1 or kernel - 1 - t
  return k >= first and k < first + scale
end

-- Matrices that make the larger kernel's places (rows) of the kernel's (columns), by what they depend on.
local mixers = {}

local function mixer(kind, kernel, scale)
  local name = ("%s %d %d"):format(kind, kernel, scale)
  if not mixers[name] then
    local rows, size = {}, kernel + scale - 1
    local weight = kind == "pool" and 1 / scale ^ 2 or 1
    for t = 0, size ^ 2 - 1 do
      local row = {}
      for k = 0, kernel ^ 2 - 1 do
        local down = mixes(kind, kernel, scale, t // size, k // kernel)
        local across = mixes(kind, kernel, scale, t % size, k % kernel)
        row[#row + 1] = down and across and weight or 0
      end
      rows[#rows + 1] = row
    end
    mixers[name] = core.tensor(rows)
  end
  return mixers[name]
end

-- The larger kernel.
local function mixed(weight, kind, scale)
  local kernel, _, a, b = table.unpack(weight:shape())
  local size = kernel + scale - 1
  return core.matmul(mixer(kind, kernel, scale), weight:reshape(kernel ^ 2 // 1, a * b)):reshape(size, size, a, b)
end

--- The convolution (of stride 1) of x and its resampling, before or after, without a bias. nil for a picture that is
--- too small, or that has other channels: the layers, one by one, say so.
---@param x ganlua.tensor
---@param weight ganlua.tensor kernel x kernel x in x out
---@param pad integer less than the kernel
---@param joint ganlua.joint
---@return ganlua.tensor?
function join.convolve(x, weight, pad, joint)
  local shape, scale = x:shape(), joint.scale
  local kernel, _, channels = table.unpack(weight:shape())
  local grow = joint.kind == "upsample" and scale or 1
  local height, width = grow * shape[2] + 2 * pad - kernel + 1, grow * shape[3] + 2 * pad - kernel + 1
  local least = joint.kind == "pool" and scale or 1
  if shape[4] ~= channels or height < least or width < least then return nil end
  if joint.kind == "upsample" then
    if kernel == 1 then return core.upsample_nearest(core.conv2d(x, weight, 1, 0), scale) end
    local larger = mixed(weight:permute { 1, 2, 4, 3 }, "upsample", scale)
    return core.conv2d_input(x, larger, height, width, scale, kernel - 1 - pad)
  end
  if kernel == 1 then return core.conv2d(core.avg_pool(x, scale), weight, 1, 0) end
  return core.conv2d(x, mixed(weight, "pool", scale), scale, pad)
end

return join
