--- What layers that make pictures larger or smaller are as steps, growing networks among them (see step.lua beside this
-- file).

local check = require "ganlua.check"
local core = require "ganlua.core"
local step = require "ganlua.export.step"

local add, rank, writers = step.add, step.rank, step.writers

function writers.upsample(g, m, x)
  local height, width, channels = rank(g, m, x, 3)
  local o = m.options
  return add(g, m, { height * o.scale, width * o.scale, channels },
    { op = "upsample", inputs = { x }, scale = o.scale, mode = o.mode })
end

for _, op in ipairs { "avg_pool", "max_pool" } do
  writers[op] = function(g, m, x)
    local height, width, channels = rank(g, m, x, 3)
    local kernel = m.options.kernel
    if math.min(height, width) < kernel then
      m:fail("export: wanted images of at least %d x %d, got %s", kernel, kernel, check.shape_text(g.shapes[x]))
    end
    return add(g, m, { height // kernel, width // kernel, channels }, { op = op, inputs = { x }, kernel = kernel })
  end
end

function writers.global_sum_pool(g, m, x)
  local _, _, channels = rank(g, m, x, 3)
  return add(g, m, { channels }, { op = "global_sum_pool", inputs = { x } })
end

function writers.global_avg_pool(g, m, x)
  local height, width, channels = rank(g, m, x, 3)
  local sum = add(g, m, { channels }, { op = "global_sum_pool", inputs = { x } })
  return add(g, m, { channels }, { op = "scale_shift", inputs = { sum },
    weight = core.full({ channels }, 1 / (height * width)), bias = core.zeros { channels } })
end

-- Pictures means over kernel x kernel pixels smaller; what is no picture stays.
local function smaller(g, m, x, kernel)
  local shape = g.shapes[x]
  if #shape ~= 3 or kernel == 1 then return x end
  return add(g, m, { shape[1] // kernel, shape[2] // kernel, shape[3] },
    { op = "avg_pool", inputs = { x }, kernel = kernel })
end

function writers.growing_discriminator(g, m, x)
  local progress = m.progress:item()
  local stage = math.ceil(progress)
  local weight = progress - (stage - 1)
  local function features(i)
    return step.walk(g, m["head" .. i], smaller(g, m, x, m.options.scale ^ (m.grows - i) // 1 | 0))
  end
  local y = step.walk(g, m["block" .. stage], features(stage))
  if weight < 1 then
    y = add(g, m, g.shapes[y], { op = "mix", inputs = { features(stage - 1), y }, factors = { 1 - weight, weight } })
  end
  for below = stage - 1, 1, -1 do y = step.walk(g, m["block" .. below], y) end
  return y
end

-- Its stages up to where it has grown to; a stage that fades in is mixed with the one below.
function writers.growing_generator(g, m, x)
  local progress = m.progress:item()
  local stage = math.ceil(progress)
  local weight = progress - (stage - 1)
  local function sample(i, features)
    local y = step.walk(g, m["head" .. i], features)
    local times, shape = m.options.scale ^ (m.grows - i) // 1 | 0, g.shapes[y]
    if #shape ~= 3 or times == 1 then return y end
    return add(g, m, { shape[1] * times, shape[2] * times, shape[3] },
      { op = "upsample", inputs = { y }, scale = times, mode = "nearest" })
  end
  for i = 1, stage - 1 do x = step.walk(g, m["block" .. i], x) end
  local y = sample(stage, step.walk(g, m["block" .. stage], x))
  if weight == 1 then return y end
  return add(g, m, g.shapes[y], { op = "mix", inputs = { sample(stage - 1, x), y }, factors = { 1 - weight, weight } })
end
