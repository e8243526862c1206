--- What a program that ganlua is part of can sample: networks that the script gave a name, and the last run's
-- generator.

local check = require "ganlua.check"
local core = require "ganlua.core"
local generate = require "ganlua.generate"
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
--- which latents of a standard normal are drawn.
---@param name string
---@param network ganlua.module? nil takes the name away
---@param options { latent: integer }
function published.publish(name, network, options)
  if type(name) ~= "string" then check.fail("publish: the name must be a string, got %s", check.describe(name)) end
  if network == nil then
    networks[name] = nil
    return
  end
  if not nn_module.is(network) then check.fail("publish: wanted a module, got %s", check.describe(network)) end
  local given = check.options("publish", options or {}, { latent = { type = "integer", min = 1, required = true } })
  local size = given.latent
  networks[name] = { network = network, size = size, latent = function(n) return core.randn(n, size) end }
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
  return { network = run.ema or run.generator, latent = run.options.latent, size = run.options.latent_text }
end

local function draw(latent, n)
  local _ <close> = streams.guard()
  core.set_random(drawn or { seed = core.get_random().seed, stream = streams.number "sample", position = 0 })
  local z = latent(n)
  drawn = core.get_random()
  return z
end

--- n samples of a network, or of the last run's generator (its average where there is one).
---@param name string?
---@param n integer
---@param z ganlua.tensor? latents as a row of numbers each; nil: drawn
---@return ganlua.tensor
function published.sample(name, n, z)
  local found = find(name)
  return core.no_grad(generate, found.network, z or core.no_grad(draw, found.latent, n))
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
