--- A network as a list of plain steps: what an exporter writes, whatever the format.
--
-- A step reads values by number and makes one; value 1 is the input. Shapes are those of one sample. Each layer is as
-- it is in eval mode: dropout is nothing, batch normalisation a factor and a term a channel, spectral normalisation a
-- weight that is divided. Steps compute; what only rearranges (flatten, reshape) is a step "reshape".
--
-- Invariants: a step's inputs are made by steps before it; tensors may be the network's own, and are never written.

local check = require "ganlua.check"
local core = require "ganlua.core"
local state = require "ganlua.nn.state"
local steps = require "ganlua.export.step"
for _, family in ipairs { "layers", "resampling", "labelled", "styles" } do require("ganlua.export." .. family) end

local graph = { numel = steps.numel }

-- What the `steps` of a script's own layers call.
local Graph = { add = steps.add, walk = steps.walk, row = steps.row }
Graph.__index = Graph

---@class ganlua.graph_step
---@field op string "linear", "conv2d", "conv_transpose2d", "scale_shift", "activation", "layer_norm", "upsample",
--- "avg_pool", "max_pool", "global_sum_pool", "reshape", "mix", "group_norm", "pixel_norm", "maxout", "pixel_shift" (a
--- term for each pixel), "attention" (of queries, keys and values), "minibatch_stddev", "class_scale_shift",
--- "class_product" and "class_concat" (weight and bias have a row for each class, the network's labels say which),
--- "class_rows" (the input says which), "constant" (a weight for every sample of the input), "repeat" (numbers as rows
--- that are all alike), "row" (one of them), "channel_product" (of a picture and a factor for each channel), and
--- "demodulate" (a picture over the root of the squares of such factors times a weight)
---@field inputs integer[] values
---@field output integer
---@field where string the layer's place: "sequential: layer 3 (conv2d)"
---@field weight? ganlua.tensor in the layout of gan.nn
---@field bias? ganlua.tensor
---@field kernel? integer
---@field stride? integer
---@field pad? integer
---@field output_pad? integer of conv_transpose2d
---@field groups? integer of group_norm
---@field group? integer of minibatch_stddev
---@field pieces? integer of maxout
---@field name? string which activation
---@field slope? number of leaky_relu, and alpha of elu
---@field size? integer how many of the last numbers layer_norm takes together
---@field eps? number
---@field scale? integer of upsample
---@field mode? string of upsample
---@field factors? number[] of mix: the inputs times these, added up
---@field row? integer of row

--- A network as steps; g:add(m, shape, step), g:walk(m, x, ...) and g:row(m, x, i) are those of ganlua.export.step.
---@class ganlua.graph
---@field steps ganlua.graph_step[]
---@field shapes integer[][] of each value
---@field output integer the last value

--- Whether a value is the shape of a sample.
---@param value any
---@return boolean
function graph.is_shape(value)
  if type(value) ~= "table" or #value == 0 then return false end
  for _, size in ipairs(value) do
    if not math.tointeger(size) or size < 1 then return false end
  end
  return true
end

-- Layers that give what they are given in its shape.
local keeps_shape = { pixel_norm = true, dropout = true, relu = true, leaky_relu = true, elu = true, gelu = true,
  silu = true, tanh = true, sigmoid = true, softplus = true }

-- The shape of a sample that m takes, where its first layers tell: of an embedding it is one whole number.
local function first_input(m)
  if m.kind == "linear" then return { m.weight:shape()[1] } end
  if m.kind == "embedding" then return {} end
  if m.kind == "concat_embedding" then return nil end -- its embedding is of the labels
  for _, child in ipairs(m.parts.children) do
    local part = m[child.key]
    local shape = first_input(part)
    if shape or not keeps_shape[part.kind] then return shape end
  end
end

-- Leaves out the steps that the output does not need.
local function prune(g)
  local needed, kept = { [g.output] = true }, {}
  for i = #g.steps, 1, -1 do
    local step = g.steps[i]
    if needed[step.output] then
      table.insert(kept, 1, step)
      for _, x in ipairs(step.inputs) do needed[x] = true end
    end
  end
  g.steps = kept
end

--- The steps of a network that is built. `input`: the shape of one sample that it takes; where its first layer is
--- linear or an embedding, it may be left out. Raises for a layer that cannot be written, naming it and its place.
---@param where string how messages begin: "export.c"
---@param m ganlua.module
---@param input integer[]?
---@return ganlua.graph
function graph.of(where, m, input)
  if not state.is(m) then
    check.fail("%s: wanted a module, got %s%s", where, check.describe(m),
      type(m) == "table" and state.is(m.generator) and " (of a run: run.ema or run.generator)" or "")
  end
  m:parameters() -- raises where it is not built
  input = input or first_input(m)
  if not input then
    check.fail("%s: say what it takes, as in input = {64}: its first layer does not tell", where)
  end
  local g = setmetatable({ steps = {}, shapes = { input } }, Graph)
  local _ <close> = m:modes()
  m:eval()
  g.output = core.no_grad(steps.walk, g, m, 1)
  prune(g)
  return g
end

--- Puts each factor and term that follows a product into its weight and bias.
---@param g ganlua.graph
function graph.fold(g)
  local uses, made_by = { [g.output] = 1 }, {}
  for _, step in ipairs(g.steps) do
    made_by[step.output] = step
    for _, x in ipairs(step.inputs) do uses[x] = (uses[x] or 0) + 1 end
  end
  local kept, now = {}, {}
  for _, step in ipairs(g.steps) do
    for i, x in ipairs(step.inputs) do step.inputs[i] = now[x] or x end
    local product = made_by[step.inputs[1]]
    local into = product and product.weight and uses[product.output] == 1
      and (product.op == "linear" or product.op == "conv2d" or product.op == "conv_transpose2d")
    if step.op == "scale_shift" and into then
      local scale = product.op == "conv_transpose2d" and step.weight:reshape(-1, 1) or step.weight
      product.weight = product.weight * scale
      product.bias = product.bias and product.bias * step.weight + step.bias or step.bias
      now[step.output], uses[product.output] = product.output, uses[step.output]
    else
      kept[#kept + 1] = step
    end
  end
  g.steps, g.output = kept, now[g.output] or g.output
end

--- One line for a step: "linear 64 -> 6272", "conv_transpose2d 7x7x128 -> 14x14x64, kernel 4, stride 2, pad 1".
---@param g ganlua.graph
---@param step ganlua.graph_step
---@return string
function graph.describe(g, step)
  local text = ("%s %s -> %s"):format(step.name or step.op, check.shape_text(g.shapes[step.inputs[1]]),
    check.shape_text(g.shapes[step.output]))
  for _, name in ipairs { "kernel", "stride", "pad", "slope", "scale", "mode", "groups", "group", "pieces", "eps" } do
    if step[name] then text = ("%s, %s %s"):format(text, name, tostring(step[name])) end
  end
  return text
end

return graph
