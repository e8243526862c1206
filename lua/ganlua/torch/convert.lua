--- One tensor of a layer in PyTorch's layout, and back. Convolutions: out x in x kh x kw (transposed ones in x out),
-- where ganlua has kh x kw x in x out (kh x kw x out x in); linear: out x in, where ganlua has in x out.

local convert = {}

-- Numbers along a dimension in the order C, H, W, from H, W, C, or back: `where` says which dimension of t it is.
local function reordered(t, where, size, to_torch)
  if not size then return t end
  local shape, split, order = t:shape(), {}, {}
  local h, w, c = table.unpack(size)
  local parts = to_torch and { h, w, c } or { c, h, w }
  local turned = to_torch and { 3, 1, 2 } or { 2, 3, 1 }
  for i, n in ipairs(shape) do
    if i == where then
      for k = 1, 3 do
        split[#split + 1] = parts[k]
        order[#order + 1] = #split - k + turned[k]
      end
    else
      split[#split + 1] = n
      order[#order + 1] = #split
    end
  end
  return t:reshape(split):permute(order):reshape(shape)
end

-- How the tensors of each kind of layer change places: rules.KIND.KEY(tensor, order, to_torch, layer).
local rules = {}

local function vector(t, order, to_torch)
  return reordered(t, 1, order.output, to_torch)
end

local function matrix(t, order, to_torch)
  if to_torch then
    return reordered(reordered(t, 1, order.input, true), 2, order.output, true):transpose(1, 2)
  end
  t = t:transpose(1, 2)
  return reordered(reordered(t, 1, order.input, false), 2, order.output, false)
end

local function kernel(t, _, to_torch)
  return t:permute(to_torch and { 4, 3, 1, 2 } or { 3, 4, 2, 1 })
end

rules.linear = { weight = matrix, bias = vector }
rules.conv2d = { weight = kernel }
rules.conv_transpose2d = { weight = kernel }
rules.modulated_conv2d = { weight = kernel }
rules.batch_norm = { weight = vector, bias = vector, running_mean = vector, running_var = vector }

-- Of class x features.
local function by_class(t, order, to_torch) return reordered(t, 2, order.output, to_torch) end
rules.conditional_batch_norm = { weight = by_class, bias = by_class }

-- A weight for each place of a picture.
local function of_pictures(t, order, to_torch)
  if #t:shape() == 1 then return vector(t, order, to_torch) end
  if #t:shape() ~= 3 then return t end
  return t:permute(to_torch and { 3, 1, 2 } or { 2, 3, 1 })
end
rules.layer_norm = { weight = of_pictures, bias = of_pictures }

-- N x H x W x C.
rules.pixel_noise = { constant = function(t, _, to_torch)
  return t:permute(to_torch and { 1, 4, 2, 3 } or { 1, 3, 4, 2 })
end }

-- Spectral normalisation's vectors: u is out, v has a number for each that an output adds up.
rules.spectral_norm = {
  weight_u = function(t, order, to_torch)
    local u = reordered(t:reshape(-1), 1, order.output, to_torch)
    return to_torch and u or u:reshape(-1, 1)
  end,
  weight_v = function(t, order, to_torch, m)
    local v, shape = t:reshape(-1), m.layer.weight:shape()
    if #shape == 4 then -- kh kw in, PyTorch's in kh kw
      local input = m.layer.kind == "conv_transpose2d" and shape[4] or shape[3]
      v = reordered(v, 1, { shape[1], shape[2], input }, to_torch)
    else
      v = reordered(v, 1, order.input, to_torch)
    end
    return to_torch and v or v:reshape(-1, 1)
  end,
}

--- Brings a tensor into PyTorch's layout (to_torch), or out of it.
---@param m ganlua.module whose it is
---@param key string "weight"
---@param t ganlua.tensor
---@param order ganlua.torch_order
---@param to_torch boolean
---@return ganlua.tensor
function convert.tensor(m, key, t, order, to_torch)
  local rule = rules[m.kind] and rules[m.kind][key]
  return rule and rule(t, order, to_torch, m) or t
end

return convert
