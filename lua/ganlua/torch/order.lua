--- In which order a network's features are where PyTorch has another one. PyTorch's pictures are C x H x W, ganlua's
-- are H x W x C: what a layer sees behind `flatten` is in that order, and so is what stands before `reshape`. The
-- weights of the layers between are put in order when they are exchanged.

local check = require "ganlua.check"

local order = {}

--- What the tensors of a layer are indexed by, where PyTorch's order differs: { H, W, C }.
---@class ganlua.torch_order
---@field input integer[]? of a linear layer's rows
---@field output integer[]? of its columns, and of vectors

-- Whether putting it in order changes anything.
local function matters(shape)
  return shape[1] * shape[2] > 1 and shape[3] > 1
end

-- Layers that work on features one by one, or have a vector of weights for them.
local passes = {}
for _, kind in ipairs { "batch_norm", "relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "softplus",
  "dropout", "pixel_norm", "layer_norm", "conditional_batch_norm" } do passes[kind] = true end

local function cannot_mend(m)
  m:fail("takes features in an order that PyTorch has otherwise, which weights cannot mend")
end

-- Follows what passes through a module. at: { shape =, order = (of the features that stand there), chain = (the layers
-- they passed since the last product) }.
local trace

local function trace_all(layers, at, found)
  for _, layer in ipairs(layers) do trace(layer, at, found) end
end

-- The layers in a chain make features that are then seen as pictures of this shape.
local function settle(m, at, found, shape)
  if not matters(shape) then return end
  if not at.chain[1] or at.chain[1].kind ~= "linear" then
    m:fail("there is no product before it whose weights could be put in PyTorch's order; flatten = \"nhwc\" leaves "
      .. "everything in ganlua's")
  end
  for _, layer in ipairs(at.chain) do
    found[layer] = found[layer] or {}
    found[layer].output = shape
  end
end

function trace(m, at, found)
  local kind, after = m.kind, m.output_shape
  if kind == "sequential" then
    local layers = {}
    for i = 1, m.options.count do layers[i] = m[i] end
    return trace_all(layers, at, found)
  elseif kind == "residual" then
    if at.order and not m.skip then cannot_mend(m) end
    for _, path in ipairs { m.main, m.skip } do
      trace(path, { shape = at.shape, order = at.order, chain = {} }, found)
    end
    at.order, at.chain = nil, {}
  elseif kind == "spectral_norm" then
    at.layer_shape = after
    trace(m.layer, at, found)
    found[m] = found[m.layer] -- its vectors are the layer's
  elseif kind == "linear" then
    found[m] = { input = at.order }
    at.order, at.chain = nil, { m }
  elseif (kind == "flatten" or kind == "reshape") and after then
    local before = at.shape
    if not before and #after == 3 and not matters(after) then before = { after[1] * after[2] * after[3] } end
    if not before then
      m:fail("say what the network takes, as in input = {32, 32, 3}; or flatten = \"nhwc\", where PyTorch's features "
        .. "are in ganlua's order")
    end
    if #after == 3 and #before == 1 then
      settle(m, at, found, after)
      at.order, at.chain = nil, {}
    elseif #after == 1 and #before == 3 then
      at.order, at.chain = matters(before) and before or nil, {}
    elseif check.shape_text(before) ~= check.shape_text(after) then
      at.order, at.chain = nil, {}
    end
  elseif at.shape and #at.shape == 1 and passes[kind] then
    local parts = { m }
    for _, child in ipairs(m.parts.children) do parts[#parts + 1] = m[child.key] end
    for _, part in ipairs(parts) do
      if at.order then found[part] = { output = at.order } end
      table.insert(at.chain, part)
    end
  else
    if at.order then cannot_mend(m) end
    for _, child in ipairs(m.parts.children) do trace(m[child.key], { chain = {} }, found) end
    at.order, at.chain = nil, {}
  end
  at.shape = after or at.layer_shape or at.shape
end

--- Where PyTorch has features in another order than a network, by layer.
---@param m ganlua.module built
---@param input integer[]? the shape of one sample that it takes, where its first layer is one that rearranges
---@return table<ganlua.module, ganlua.torch_order>
function order.of(m, input)
  local found = {}
  trace(m, { chain = {}, shape = input }, found)
  return found
end

return order
