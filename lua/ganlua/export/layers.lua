--- What each layer of gan.nn is as steps, but for those of resampling.lua, labelled.lua and styles.lua (see step.lua
-- beside this file).

local check = require "ganlua.check"
local core = require "ganlua.core"
local step = require "ganlua.export.step"

local add, agrees, rank, walk, writers = step.add, step.agrees, step.rank, step.walk, step.writers

function writers.sequential(g, m, x, ...)
  for i = 1, m.options.count do x = walk(g, m[i], x, ...) end
  return x
end

function writers.residual(g, m, x, ...)
  local main = walk(g, m.main, x, ...)
  local skip = m.skip and walk(g, m.skip, x, ...) or x
  local a, b = check.shape_text(g.shapes[main]), check.shape_text(g.shapes[skip])
  if a ~= b then m:fail("export: main gives %s and skip %s: they must agree", a, b) end
  return add(g, m, g.shapes[main], { op = "mix", inputs = { main, skip }, factors = { 1, 1 } })
end

function writers.linear(g, m, x)
  rank(g, m, x, 1)
  agrees(g, m, x, m.weight:shape()[1])
  return add(g, m, { m.weight:shape()[2] }, { op = "linear", inputs = { x }, weight = m.weight, bias = m.bias })
end

local function convolution(op, size_of, input_axis, output_axis)
  return function(g, m, x)
    local height, width = rank(g, m, x, 3)
    local o, shape = m.options, m.weight:shape()
    agrees(g, m, x, shape[input_axis])
    local result = { size_of(height, o), size_of(width, o), shape[output_axis] }
    if result[1] < 1 or result[2] < 1 then
      m:fail("export: nothing is left of images of %s", check.shape_text(g.shapes[x]))
    end
    return add(g, m, result, { op = op, inputs = { x }, weight = m.weight, bias = m.bias, kernel = o.kernel,
      stride = o.stride, pad = o.pad, output_pad = o.output_pad })
  end
end

writers.conv2d = convolution("conv2d", function(n, o) return (n + 2 * o.pad - o.kernel) // o.stride + 1 end, 3, 4)
writers.conv_transpose2d = convolution("conv_transpose2d", function(n, o)
  return (n - 1) * o.stride - 2 * o.pad + o.kernel + o.output_pad
end, 4, 3)

-- Layers that work with a weight made of what they keep.
function writers.spectral_norm(g, m, x) return walk(g, m:normed(), x) end
function writers.equalized(g, m, x) return walk(g, m:scaled(), x) end

function writers.batch_norm(g, m, x)
  agrees(g, m, x, m.running_mean:numel())
  local scale = (m.weight or m.scale) / (m.running_var + m.options.eps):sqrt()
  return add(g, m, g.shapes[x], { op = "scale_shift", inputs = { x }, weight = scale,
    bias = (m.bias or m.shift) - m.running_mean * scale })
end

function writers.group_norm(g, m, x)
  step.with_channels(g, m, x, m.channels)
  return add(g, m, g.shapes[x], { op = "group_norm", inputs = { x }, weight = m.weight, bias = m.bias,
    groups = m.options.groups, eps = m.options.eps })
end

-- As many groups as channels.
function writers.instance_norm(g, m, x)
  rank(g, m, x, 3)
  agrees(g, m, x, m.channels)
  return add(g, m, g.shapes[x], { op = "group_norm", inputs = { x }, weight = m.weight, bias = m.bias,
    groups = m.channels, eps = m.options.eps })
end

function writers.pixel_norm(g, m, x)
  return add(g, m, g.shapes[x], { op = "pixel_norm", inputs = { x }, eps = m.options.eps })
end

function writers.maxout(g, m, x)
  local shape, pieces = table.move(g.shapes[x], 1, #g.shapes[x], 1, {}), m.options.pieces
  if shape[#shape] % pieces ~= 0 then
    m:fail("export: wanted samples whose channels are a multiple of %d, got %s", pieces, check.shape_text(shape))
  end
  shape[#shape] = shape[#shape] // pieces
  return add(g, m, shape, { op = "maxout", inputs = { x }, pieces = pieces })
end

function writers.layer_norm(g, m, x)
  local shape, wanted = g.shapes[x], m.normalized
  local last = table.move(shape, #shape - #wanted + 1, #shape, 1, {})
  if check.shape_text(last) ~= check.shape_text(wanted) then
    m:fail("export: wanted samples of ... x %s, got %s", check.shape_text(wanted), check.shape_text(shape))
  end
  return add(g, m, shape, { op = "layer_norm", inputs = { x }, weight = m.weight, bias = m.bias,
    size = step.numel(wanted), eps = m.options.eps })
end

for _, name in ipairs { "relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "softplus" } do
  writers[name] = function(g, m, x)
    return add(g, m, g.shapes[x], { op = "activation", inputs = { x }, name = name,
      slope = m.options.slope or m.options.alpha })
  end
end

function writers.dropout(_, _, x) return x end

function writers.flatten(g, m, x)
  return add(g, m, { step.numel(g.shapes[x]) }, { op = "reshape", inputs = { x } })
end

function writers.reshape(g, m, x)
  local have, known, shape, free = step.numel(g.shapes[x]), 1, {}, nil
  for i, size in ipairs(m.options.sizes) do
    shape[i] = size
    if size == -1 then free = i else known = known * size end
  end
  if free and known > 0 then shape[free] = have // known end
  if step.numel(shape) ~= have then
    m:fail("export: wanted samples of %d numbers, got %s", known, check.shape_text(g.shapes[x]))
  end
  return add(g, m, shape, { op = "reshape", inputs = { x } })
end

---- What looks at other places and other pictures ------------------------------------------------------------------

-- gamma is a factor, which the last convolution takes up (see graph.fold).
function writers.self_attention(g, m, x)
  local height, width, channels = rank(g, m, x, 3)
  local query, key, value = walk(g, m.query, x), walk(g, m.key, x), walk(g, m.value, x)
  local seen = add(g, m, { height, width, g.shapes[value][3] },
    { op = "attention", inputs = { query, key, value } })
  local more = add(g, m, g.shapes[x], { op = "scale_shift", inputs = { walk(g, m.out, seen) },
    weight = m.gamma:expand { channels }, bias = core.zeros { channels } })
  return add(g, m, g.shapes[x], { op = "mix", inputs = { x, more }, factors = { 1, 1 } })
end

function writers.minibatch_stddev(g, m, x)
  local height, width, channels = rank(g, m, x, 3)
  return add(g, m, { height, width, channels + 1 },
    { op = "minibatch_stddev", inputs = { x }, group = m.options.group, eps = m.options.eps })
end

-- In eval mode it is always the same picture.
function writers.pixel_noise(g, m, x)
  local height, width = rank(g, m, x, 3)
  local kept = m.constant:shape()
  if kept[2] ~= height or kept[3] ~= width then
    m:fail("export: wanted images of %dx%d, got %s", kept[2], kept[3], check.shape_text(g.shapes[x]))
  end
  return add(g, m, g.shapes[x], { op = "pixel_shift", inputs = { x },
    bias = (m.constant * m.strength):reshape(height, width) })
end
