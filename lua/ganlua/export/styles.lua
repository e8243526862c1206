--- What the layers of StyleGAN's generators are as steps (see step.lua beside this file).

local core = require "ganlua.core"
local step = require "ganlua.export.step"

local add, walk, writers = step.add, step.walk, step.writers

-- In eval mode all layers have the same style, drawn towards the mean.
function writers.style_mixing(g, m, x, ...)
  local w, psi = walk(g, m.mapping, x, ...), m.truncation
  local size = m.mean:numel()
  if psi < 1 then
    w = add(g, m, { size }, { op = "scale_shift", inputs = { w }, weight = core.full({ size }, psi),
      bias = m.mean:reshape(size) * (1 - psi) })
  end
  return add(g, m, { m.options.layers, size }, { op = "repeat", inputs = { w } })
end

-- As the layer computes it: the style scales what goes into the convolution, and the norms divide what comes out.
function writers.modulated_conv2d(g, m, x, w)
  local o, height, width, channels = m.options, step.rank(g, m, x, 3)
  step.agrees(g, m, x, m.weight:shape()[3])
  if not w then m:fail("export: it takes a style beside its input: export the network that gives it one") end
  local style = walk(g, m.style, w)
  local weight = m.weight / math.sqrt(o.kernel * o.kernel * channels)
  local scaled = add(g, m, g.shapes[x], { op = "channel_product", inputs = { x, style } })
  local bias = not o.demodulate and m.bias or nil
  local y = add(g, m, { height, width, o.out }, { op = "conv2d", inputs = { scaled }, weight = weight, bias = bias,
    kernel = o.kernel, stride = 1, pad = o.kernel // 2 })
  if not o.demodulate then return y end
  y = add(g, m, g.shapes[y], { op = "demodulate", inputs = { y, style }, weight = weight:square():sum { 1, 2 },
    eps = 1e-8 })
  if not m.bias then return y end
  return add(g, m, g.shapes[y], { op = "scale_shift", inputs = { y }, weight = core.ones { o.out }, bias = m.bias })
end
