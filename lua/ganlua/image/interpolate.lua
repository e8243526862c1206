--- gan.image.interpolate: what a generator makes on the way from one latent to another.

local check = require "ganlua.check"
local core = require "ganlua.core"
local generate = require "ganlua.generate"
local state = require "ganlua.nn.state"

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

--- What a generator makes on the way from latents to others: a row for each of n, from left to right. Options: steps =
--- 8, pictures in a row, both ends included; way = "spherical" or "linear"; label, of a generator that looks at labels.
---@param network ganlua.module run.ema or run.generator, for example
---@param from ganlua.tensor n x latent
---@param to ganlua.tensor n x latent
---@param options? { steps: integer?, way: "spherical"|"linear"|nil, label: integer? }
---@return ganlua.tensor pictures n * steps x H x W x C, row by row
---@return integer steps
return function(network, from, to, options)
  local given = check.options("image.interpolate", options, {
    steps = { type = "integer", min = 2, default = 8 },
    way = { type = "string", choices = { "spherical", "linear" }, default = "spherical" },
    label = { type = "integer", min = 0 },
  })
  if not state.is(network) then
    check.fail("image.interpolate: wanted a network, got %s%s", check.describe(network),
      type(network) == "table" and state.is(network.generator) and " (of a run: run.ema or run.generator)" or "")
  end
  local a, b = core.is_tensor(from) and from:shape() or {}, core.is_tensor(to) and to:shape() or {}
  if #a ~= 2 or a[1] < 1 or check.shape_text(a) ~= check.shape_text(b) then
    check.fail("image.interpolate: wanted two tensors of latents, n x latent, got %s and %s", check.describe(from),
      check.describe(to))
  end
  return core.no_grad(function()
    local angles, columns = given.way == "spherical" and angles_of(from, to), {}
    for step = 0, given.steps - 1 do
      columns[step + 1] = between(from, to, step / (given.steps - 1), angles):reshape(a[1], 1, a[2])
    end
    local n = a[1] * given.steps
    return generate(network, core.concat(columns, 2):reshape(n, a[2]), given.label and core.full({ n }, given.label))
  end), given.steps
end
