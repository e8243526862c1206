--- Layers that are done as one where a sequence has them side by side.
--
-- A ReLU or leaky ReLU after a product or a batch normalisation is part of the same pass (see core/finish.c).
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

--- Layers that stand side by side in a sequence: the main one, and what it does besides.
---@class ganlua.joint
---@field first integer place of the first of them
---@field last integer
---@field at integer place of the main one, whose definition has joins and joined
---@field kind? "upsample"|"pool" what stands before or behind it
---@field scale? integer
---@field slope? number of the activation that follows

---- Finding -------------------------------------------------------------------------------------------------------

-- What a layer is as a resampling.
local function resampling(layer)
  local o = layer.options
  if layer.kind == "upsample" and o.mode == "nearest" then return "upsample", o.scale end
  if layer.kind == "avg_pool" then return "pool", o.kernel end
end

-- The slope of an activation that can follow in the same pass.
local function slope_of(layer)
  if layer.kind == "relu" then return 0 end
  if layer.kind == "leaky_relu" and layer.options.slope >= 0 then return layer.options.slope end
end

-- Whether a layer can do what a joint says.
local function can(layer, joint)
  local definition = layer.definition
  return definition.joined ~= nil and definition.joins(layer, joint)
end

-- The joint that begins with layer i, if there is one.
local function joint_at(layers, count, i)
  local joint = { first = i, last = i, at = i }
  for at = i, i < count and i + 1 or 0 do
    local kind, scale = resampling(layers[2 * i + 1 - at])
    local in_order = kind == "upsample" and at == i + 1 or kind == "pool" and at == i
    if in_order and scale > 1 then
      local more = { first = i, last = i + 1, at = at, kind = kind, scale = scale }
      if can(layers[at], more) then joint = more end
    end
  end
  local slope = joint.last < count and slope_of(layers[joint.last + 1])
  if slope then
    joint.slope = slope
    if can(layers[joint.at], joint) then joint.last = joint.last + 1 else joint.slope = nil end
  end
  return joint.last > i and joint or nil
end

--- The joints of a list of layers, by the place of their first.
---@param layers ganlua.module[]
---@param count integer
---@return table<integer, ganlua.joint>
function join.find(layers, count)
  local joints, i = {}, 1
  while i <= count do
    joints[i] = joint_at(layers, count, i)
    i = (joints[i] and joints[i].last or i) + 1
  end
  return joints
end

--- What a layer that an activation alone can join says in `joins`.
function join.follows(_, joint)
  return joint.kind == nil
end

---- Running -------------------------------------------------------------------------------------------------------

--- Runs the layers of a joint; nil where they must be run one by one: before all have been called, or when they fail.
---@param sequence ganlua.module
---@param joint ganlua.joint
---@param x ganlua.tensor
---@return ganlua.tensor?
function join.run(sequence, joint, x)
  for i = joint.first, joint.last do
    if not sequence[i].output_shape then return nil end
  end
  local main = sequence[joint.at]
  return module.run(main, main.definition.joined, x, joint)
end

--- The slope of the activation that a joint has; 1 where there is none.
---@param joint ganlua.joint?
---@return number
function join.slope(joint) return joint and joint.slope or 1 end

--- A product with its bias and the activation that a joint has. The product is given up.
---@param product ganlua.tensor?
---@param bias ganlua.tensor?
---@param joint ganlua.joint?
---@return ganlua.tensor?
function join.finish(product, bias, joint)
  local slope = join.slope(joint)
  if not product or not bias and slope == 1 then return product end
  local y = core.finish(product, bias, slope, true)
  product:free()
  return y
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
  if #shape ~= 4 then return nil end
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
