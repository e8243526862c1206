--- What layers that look at labels are as steps (see step.lua beside this file).

local step = require "ganlua.export.step"

local add, writers = step.add, step.writers

function writers.conditional_batch_norm(g, m, x)
  step.with_channels(g, m, x, m.norm.running_mean:numel())
  local scale = m.weight / (m.norm.running_var + m.options.eps):sqrt()
  return add(g, m, g.shapes[x], { op = "class_scale_shift", inputs = { x }, weight = scale,
    bias = m.bias - m.norm.running_mean * scale })
end

function writers.projection(g, m, x)
  step.rank(g, m, x, 1)
  local psi = step.walk(g, m.psi, x)
  local embed = m.options.spectral and m.embed:normed() or m.embed
  local product = add(g, m, { 1 }, { op = "class_product", inputs = { x }, weight = embed.weight })
  return add(g, m, { 1 }, { op = "mix", inputs = { psi, product }, factors = { 1, 1 } })
end

function writers.concat_embedding(g, m, x)
  local shape = table.move(g.shapes[x], 1, #g.shapes[x], 1, {})
  shape[#shape] = shape[#shape] + m.options.dim
  return add(g, m, shape, { op = "class_concat", inputs = { x }, weight = m.embed.weight })
end

function writers.embedding(g, m, x)
  if #g.shapes[x] > 0 then
    m:fail("export: an embedding takes whole numbers, and so it can only be what the network begins with")
  end
  return add(g, m, { m.options.dim }, { op = "class_rows", inputs = { x }, weight = m.weight })
end
