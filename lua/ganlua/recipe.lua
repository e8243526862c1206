--- gan.recipe: the networks of well-known papers, with the loss and the optimisers that go with them. Each is one file
-- beside this one, made of the parts that scripts have, and a place to copy from.
--
--   local recipe = gan.recipe.sngan_resnet { size = 32, classes = 10 }
--   print(recipe)
--   gan.train(recipe:options { data = data, iterations = 50000 })

local check = require "ganlua.check"
local core = require "ganlua.core"
local labels = require "ganlua.labels"
local schedule = require "ganlua.schedule"
local streams = require "ganlua.streams"

--- Networks, loss and optimisers that go together, as the functions of gan.recipe give them.
---@class ganlua.recipe
---@field name string
---@field source string the paper
---@field size integer
---@field channels integer
---@field classes integer?
---@field generator ganlua.module
---@field discriminator ganlua.module
---@field latent integer
---@field loss ganlua.loss
---@field penalties ganlua.penalty[]?
---@field optimizer { generator: ganlua.optimizer, discriminator: ganlua.optimizer }
---@field batch integer
---@field moves { discriminator: integer, generator: integer } in an iteration
---@field ema { decay: number }?
local Recipe = {}
Recipe.__index = Recipe
Recipe.__name = "ganlua.recipe"

--- What gan.train takes: the recipe's own options, then what is given here; `iterations` makes the schedule.
---@param more table
---@return ganlua.train_options
function Recipe:options(more)
  if type(more) ~= "table" then
    check.fail("recipe:options: wanted a table of options for gan.train, got %s", check.describe(more))
  end
  local given = {}
  for _, name in ipairs { "generator", "discriminator", "latent", "loss", "penalties", "optimizer", "batch", "ema" } do
    given[name] = self[name]
  end
  for name, value in pairs(more) do
    if name ~= "iterations" then given[name] = value end
  end
  if more.iterations ~= nil then
    if more.schedule then check.fail("recipe:options: 'iterations' makes a schedule: leave out one of them") end
    given.schedule = schedule.alternate {
      discriminator = self.moves.discriminator, generator = self.moves.generator, iterations = more.iterations,
    }
  end
  return given
end

-- A network with its sizes, which are known once it is built: a copy of it is.
local function built(network, input)
  local _ <close> = streams.guard()
  local copy = network:clone()
  return copy:build(input, labels.taken_by(copy) and core.zeros { input[1] } or nil)
end

--- The networks with the shape of what each layer gives and its parameters; they are built in a copy.
---@return ganlua.module generator
---@return ganlua.module discriminator
function Recipe:built()
  return built(self.generator, { 1, self.latent }),
    built(self.discriminator, { 1, self.size, self.size, self.channels })
end

function Recipe:__tostring()
  local G, D = self:built()
  local lines = {
    ("%s: %s"):format(self.name, self.source),
    "", "generator, of " .. self.latent .. " numbers" .. (self.classes and " and a label" or ""), tostring(G),
    "", "discriminator", tostring(D), "",
    ("loss %s, batch %d, moves in an iteration: discriminator %d, generator %d"):format(tostring(self.loss), self.batch,
      self.moves.discriminator, self.moves.generator),
    ("optimizer of the generator %s, of the discriminator %s"):format(tostring(self.optimizer.generator),
      tostring(self.optimizer.discriminator)),
  }
  for _, penalty in ipairs(self.penalties or {}) do lines[#lines + 1] = "penalty " .. tostring(penalty) end
  if self.ema then lines[#lines + 1] = ("moving average, decay %g"):format(self.ema.decay) end
  return table.concat(lines, "\n")
end

local recipe = {}

-- What every recipe takes; its own options are beside it.
local function rows_of(own)
  local rows = {
    size = { type = "integer", min = 8, max = 1024, required = true },
    channels = { type = "integer", min = 1, default = 3 },
  }
  for name, row in pairs(own) do rows[name] = row end
  return rows
end

-- Each file returns { options = rows, make = function(options) -> fields of a recipe }; it is read when it is used.
local function make(name, options)
  local definition = require("ganlua.recipe." .. name)
  local o = check.options("recipe." .. name, options, rows_of(definition.options))
  local made = definition.make(o)
  made.name, made.size, made.channels, made.classes = name, o.size, o.channels, o.classes
  return setmetatable(made, Recipe)
end

--- dcgan{size=, channels=3, width=64, latent=100}: convolutions of stride 2 and batch normalisation; `width` channels
-- at half the size, twice as many at each halving. Radford 2016.
---@param options table
---@return ganlua.recipe
function recipe.dcgan(options) return make("dcgan", options) end

--- sngan_resnet{size=, channels=3, classes=, width=64, latent=128}: residual networks with spectral normalisation in
-- the discriminator; with `classes`, conditional normalisation and a projection. Miyato 2018; Miyato & Koyama 2018.
---@param options table
---@return ganlua.recipe
function recipe.sngan_resnet(options) return make("sngan_resnet", options) end

--- sagan{size=, channels=3, classes=, width=64, latent=128}: residual networks with spectral normalisation in both, and
-- self-attention at 32 pixels, or half the size of smaller pictures. Zhang 2019.
---@param options table
---@return ganlua.recipe
function recipe.sagan(options) return make("sagan", options) end

--- stylegan2_small{size=, channels=3, latent=128, style=128, layers=4, base=2048, most=128, mixing=0.9}: a mapping
-- network of so many layers to styles, of which a share `mixing` are two latents' in training, modulated convolutions
-- with skips to the picture, a residual discriminator, the path length penalty; base/4 channels at the smallest size,
-- half as many at each doubling, `most` at most. run:sample(n, { truncation = 0.7 }) draws nearer to the mean. Karras
-- 2020.
---@param options table
---@return ganlua.recipe
function recipe.stylegan2_small(options) return make("stylegan2_small", options) end

return check.closed("gan.recipe", recipe)
