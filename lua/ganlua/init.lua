--- ganlua: experiments with generative adversarial networks.
-- `local gan = require "ganlua"` brings the tensors; gan.nn, gan.loss and the others are loaded when they are
-- first used, so that a script pays for what it needs. What does not exist is nil.

local core = require "ganlua.core"
local check = require "ganlua.check"
require "ganlua.streams" -- before a script can take math.random for itself

local gan = { _VERSION = "ganlua 0.1.0" }

for _, name in ipairs {
  "tensor", "zeros", "ones", "full", "rand", "randint", "randn", "arange", "linspace", "seed", "concat", "where",
  "grad", "no_grad", "memory", "is_tensor",
} do
  gan[name] = core[name]
end

--- Which kernels compute: "portable", "avx2", "avx512" or "amx"; the best that this CPU runs, unless the environment
-- variable GANLUA_KERNELS names another. With a name, chooses it from now on, for comparisons.
---@param name? string
---@return string
function gan.kernels(name)
  return core.kernels(name)
end

--- Writes tensors by name into a safetensors file; the file is there whole or not at all.
---@param path string
---@param tensors table<string, ganlua.tensor>
function gan.save(path, tensors)
  if type(path) ~= "string" then check.fail("save: the path must be a string, got %s", check.describe(path)) end
  if type(tensors) ~= "table" then
    check.fail("save: wanted a table {name = tensor}, got %s", check.describe(tensors))
  end
  for name, tensor in pairs(tensors) do
    if type(name) ~= "string" or not core.is_tensor(tensor) then
      check.fail("save: wanted a table {name = tensor}, got %s at %s", check.describe(tensor), tostring(name))
    end
  end
  check.within("save", core.write_file, path, core.safetensors_encode(tensors))
end

--- Reads a safetensors file.
---@param path string
---@return table<string, ganlua.tensor>
---@return table<string, string> metadata
function gan.load(path)
  if type(path) ~= "string" then check.fail("load: the path must be a string, got %s", check.describe(path)) end
  return check.within("load", function() return core.safetensors_decode(core.read_file(path), path) end)
end

local function permuted_images(where, layout, t, order)
  if not core.is_tensor(t) or #t:shape() ~= 4 then
    check.fail("%s: wanted images of shape %s, got %s", where, layout, check.describe(t))
  end
  return t:permute(order)
end

--- N x H x W x C (ganlua's images) to N x C x H x W (PyTorch's).
---@param t ganlua.tensor
---@return ganlua.tensor
function gan.to_nchw(t)
  return permuted_images("to_nchw", "N x H x W x C", t, { 1, 4, 2, 3 })
end

--- N x C x H x W (PyTorch's images) to N x H x W x C (ganlua's).
---@param t ganlua.tensor
---@return ganlua.tensor
function gan.from_nchw(t)
  return permuted_images("from_nchw", "N x C x H x W", t, { 1, 3, 4, 2 })
end

local truth = { ["true"] = true, ["false"] = false }

--- What `--set NAME=VALUE` said on the command line, else the default. The value takes the default's type;
-- without a default, what looks like a number or a truth value becomes one.
---@param name string
---@param default? number|boolean|string
---@return any value
function gan.setting(name, default)
  -- The interpreter leaves what its command line said here; --set's values are strings by name.
  local settings = package.loaded["ganlua.settings"]
  if settings then
    settings.asked = settings.asked or {} -- see ganlua.unasked
    settings.asked[name] = true
  end
  local text = settings and settings.set and settings.set[name]
  if text == nil then return default end
  local value = text
  if type(default) == "number" then
    value = tonumber(text)
  elseif type(default) == "boolean" then
    value = truth[text]
  elseif default == nil then
    value = tonumber(text)
    if value == nil then value = truth[text] end
    if value == nil then value = text end
  end
  if value == nil then
    check.fail("setting '%s' must be a %s, as its default %s is, got %q", name, type(default), tostring(default), text)
  end
  return value
end

--- Runs f(...) and tells where its time went, by op and by layer: print(gan.profile(f)). See ganlua.profile.
---@param f function
---@return ganlua.profile
function gan.profile(f, ...)
  return require "ganlua.profile"(f, ...)
end

--- Makes a training run; run:train() then runs it. See ganlua.train_options.
---@param options ganlua.train_options
---@return ganlua.trainer
function gan.trainer(options)
  return require("ganlua.trainer").trainer(options)
end

--- Makes a training run, runs it, and returns it.
---@param options ganlua.train_options
---@return ganlua.trainer
function gan.train(options)
  return require("ganlua.trainer").train(options)
end

--- Runs every combination of settings in processes side by side. See ganlua.sweep.
---@param options table
---@return table
function gan.sweep(options)
  return require("ganlua.sweep").sweep(options)
end

--- Tells a sweep what came out of a run: numbers by name, in tables of tables too. See ganlua.report.
---@param values table
---@return table<string, number>
function gan.report(values)
  return require("ganlua.report").report(values)
end

--- Lets the program that ganlua is part of sample a network by a name (ganlua_sample in ganlua.h).
---@param name string
---@param network ganlua.module? nil takes the name away
---@param options { latent: integer, label: integer?, classes: integer? } how many numbers one sample is made of; of a
--- network that looks at labels, the label that all samples have, or how many classes there are to draw from
function gan.publish(name, network, options)
  require("ganlua.published").publish(name, network, options)
end

-- Loaded at first use.
local lazy = {
  nn = "ganlua.nn", loss = "ganlua.loss", penalty = "ganlua.penalty", optim = "ganlua.optim",
  curve = "ganlua.curve", schedule = "ganlua.schedule", data = "ganlua.data", image = "ganlua.image",
  plot = "ganlua.plot", metrics = "ganlua.metrics", debug = "ganlua.debug",
  recipe = "ganlua.recipe", recover = "ganlua.recover", augment = "ganlua.augment", export = "ganlua.export",
  features = "ganlua.features", import = "ganlua.import", dist = "ganlua.dist",
}

return setmetatable(gan, {
  __index = function(_, name)
    if lazy[name] then gan[name] = require(lazy[name]) end
    return rawget(gan, name)
  end,
  -- Walks what is loaded and what is not yet, by name.
  __pairs = function()
    local names, place = {}, 0
    for name in next, gan do names[#names + 1] = name end
    for name in next, lazy do
      if rawget(gan, name) == nil then names[#names + 1] = name end
    end
    table.sort(names)
    return function()
      place = place + 1
      if names[place] then return names[place], gan[names[place]] end
    end
  end,
})
