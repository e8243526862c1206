--- gan.image.interpolate: what a generator makes on the way from one latent to another.

local check = require "ganlua.check"
local core = require "ganlua.core"
local generate = require "ganlua.generate"
local labels = require "ganlua.labels"
local state = require "ganlua.nn.state"
local truncation = require "ganlua.truncation"

-- The latents at part t of the ways from rows of a to rows of b. Along the sphere that they lie on: in many dimensions
-- a mean of two latents is too short, and no sample was ever made of such a one.
local function between(a, b, t, angles)
  if not angles then return a * (1 - t) + b * t end
  local first, second = {}, {}
  for i, angle in ipairs(angles) do
    local sine = math.sin(angle)
    if sine < 1e-4 then -- (nearly) one direction
      first[i], second[i] = { 1 - t }, { t }
    else
      first[i], second[i] = { math.sin((1 - t) * angle) / sine }, { math.sin(t * angle) / sine }
    end
  end
  return a * core.tensor(first) + b * core.tensor(second)
end

-- The angle between each row of a and the same one of b.
local function angles_of(a, b)
  local list = {}
  local cosines = (a * b):sum(2) / (a:norm(2) * b:norm(2) + 1e-30)
  for i, cosine in ipairs(cosines:totable()) do list[i] = math.acos(math.max(-1, math.min(1, cosine))) end
  return list
end

local options = {
  steps = { type = "integer", min = 2, default = 8 },
  way = { type = "string", choices = { "spherical", "linear" }, default = "spherical" },
  label = labels.row,
  truncation = truncation.row,
}

-- The network and what is known of its labels, of a network or of a run.
local function network_of(given)
  if state.is(given) then return given, labels.of_network(given) end
  if type(given) == "table" and state.is(given.generator) and type(given.options) == "table" then
    return given.ema or given.generator, given.options.labels
  end
  check.fail("image.interpolate: wanted a network or a run, got %s", check.describe(given))
end

-- A label for each of the n rows, as run:sample takes them; of a network alone none is drawn.
local function labels_of(plan, n, label)
  if label == nil and not plan then return nil end
  if not plan then check.fail("image.interpolate: option 'label': the generator looks at no labels") end
  return labels.chosen(plan, "image.interpolate", n, label)
end

--- What a generator makes on the way from latents to others: a row for each of n, from left to right. Options: steps =
--- 8, pictures in a row, both ends included; way = "spherical" or "linear"; label, of a generator that looks at labels,
--- as run:sample takes it: one for all, or a list or tensor with one for each row, else they are drawn; truncation, as
--- run:sample takes it.
---@param generator ganlua.module|ganlua.trainer run.ema or run.generator; a run, whose classes have names
---@param from ganlua.tensor n x latent
---@param to ganlua.tensor n x latent
---@param given? { steps: integer?, way: "spherical"|"linear"|nil, label: any, truncation: number? }
---@return ganlua.tensor pictures n * steps x H x W x C, row by row
---@return integer steps
return function(generator, from, to, given)
  local o = check.options("image.interpolate", given, options)
  local network, plan = network_of(generator)
  local a, b = core.is_tensor(from) and from:shape() or {}, core.is_tensor(to) and to:shape() or {}
  if #a ~= 2 or a[1] < 1 or check.shape_text(a) ~= check.shape_text(b) then
    check.fail("image.interpolate: wanted two tensors of latents, n x latent, got %s and %s", check.describe(from),
      check.describe(to))
  end
  local rows, steps = a[1], o.steps
  local classes = labels_of(plan, rows, o.label)
  local _ <close> = truncation.of("image.interpolate", network, o.truncation)
  return core.no_grad(function()
    local angles, columns = o.way == "spherical" and angles_of(from, to), {}
    for step = 0, steps - 1 do
      columns[step + 1] = between(from, to, step / (steps - 1), angles):reshape(rows, 1, a[2])
    end
    local z = core.concat(columns, 2):reshape(rows * steps, a[2])
    return generate(network, z, classes and classes:reshape(rows, 1):expand { rows, steps }:reshape(-1))
  end), steps
end
