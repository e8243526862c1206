--- What a program that ganlua is part of can sample: networks that the script gave a name, and the last run's
-- generator.

local check = require "ganlua.check"
local core = require "ganlua.core"
local generate = require "ganlua.generate"
local labels = require "ganlua.labels"
local nn_module = require "ganlua.nn.module"
local streams = require "ganlua.streams"

local published = {
  ---@type ganlua.trainer? the run that trained last
  latest = nil,
}

local networks = {}

-- Where latents are drawn from, when none are given: a stream of its own, so that a program which samples between two
-- moves changes nothing of the run.
local drawn

--- gan.publish: lets the program sample a network by this name. `latent`: how many numbers one sample is made of, from
--- which latents of a standard normal are drawn. For a network that looks at labels, `label` is the one that all
--- samples have, or `classes` how many there are, of which each sample's is drawn.
---@param name string
---@param network ganlua.module? nil takes the name away
---@param options { latent: integer, label: integer?, classes: integer? }
function published.publish(name, network, options)
  if type(name) ~= "string" then check.fail("publish: the name must be a string, got %s", check.describe(name)) end
  if network == nil then
    networks[name] = nil
    return
  end
  if not nn_module.is(network) then check.fail("publish: wanted a module, got %s", check.describe(network)) end
  local given = check.options("publish", options or {}, {
    latent = { type = "integer", min = 1, required = true }, label = { type = "integer", min = 0 },
    classes = { type = "integer", min = 1 },
  })
  local size, label, classes = given.latent, given.label, given.classes
  local told, wanted = label ~= nil or classes ~= nil, labels.taken_by(network)
  if told and not wanted then check.fail("publish: the %s looks at no labels", network.kind) end
  if wanted and not told then
    check.fail("publish: the %s looks at labels: option 'label' says which, or 'classes' how many there are",
      network.kind)
  end
  networks[name] = {
    network = network, size = size, latent = function(n) return core.randn(n, size) end,
    label = label and function(n) return core.full({ n }, label) end
      or classes and function(n) return labels.draw({ classes = classes }, n) end,
  }
end

local function names()
  local list = {}
  for name in pairs(networks) do list[#list + 1] = name end
  table.sort(list)
  return list
end

-- The network and how latents are drawn for it.
local function find(name)
  if name then
    local found = networks[name]
    if not found then check.fail("sample: nothing is published as '%s'%s", name, check.hint(name, names())) end
    return found
  end
  local run = published.latest
  if not run then check.fail("sample: no run has begun, and no name is given") end
  local plan = run.options.labels
  return {
    network = run.ema or run.generator, latent = run.options.latent, size = run.options.latent_text,
    label = plan and function(n) return labels.draw(plan, n) end,
  }
end

-- n latents, or those that are given, and labels where the network looks at them.
local function draw(found, n, z)
  if z and not found.label then return z end
  local _ <close> = streams.guard()
  core.set_random(drawn or { seed = core.get_random().seed, stream = streams.number "sample", position = 0 })
  z = z or found.latent(n)
  local drawn_labels = found.label and found.label(n)
  drawn = core.get_random()
  return z, drawn_labels
end

--- n samples of a network, or of the last run's generator (its average where there is one).
---@param name string?
---@param n integer
---@param z ganlua.tensor? latents as a row of numbers each; nil: drawn
---@return ganlua.tensor
function published.sample(name, n, z)
  local found = find(name)
  return core.no_grad(function() return generate(found.network, draw(found, n, z)) end)
end

--- The shape of one sample, and the numbers of its latent (0 where a function draws them).
---@param name string?
---@return integer[] shape
---@return integer latent
function published.shape(name)
  local found = find(name)
  local shape = found.network.output_shape
  if not shape then
    local before = drawn
    shape = published.sample(name, 1):shape()
    drawn = before
    table.remove(shape, 1)
  end
  return shape, found.size or 0
end

return published
