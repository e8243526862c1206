--- gan.train and gan.trainer: what they take, checked before anything is written, and networks that fit the data.

local check = require "ganlua.check"
local core = require "ganlua.core"
local data = require "ganlua.data"
local game = require "ganlua.game"
local nn_module = require "ganlua.nn.module"
local optim = require "ganlua.optim"
local run = require "ganlua.run"
local run_folder = require "ganlua.run_folder"
local schedule = require "ganlua.schedule"
local streams = require "ganlua.streams"

local trainer = {}

local function is_data(value)
  return core.is_tensor(value)
    or type(value) == "table" and value.size ~= nil and value.shape ~= nil and value.batch ~= nil
end

local function is_latent(value)
  return type(value) == "function" or math.type(value) == "integer" and value > 0
end

local spec = {
  name = { type = "string" },
  out = { type = "string" },
  data = { is = is_data, wanted = "a data set (size, shape, batch) or a tensor", required = true },
  generator = { is = nn_module.is, wanted = "a module", required = true },
  discriminator = { is = nn_module.is, wanted = "a module", required = true },
  latent = { is = is_latent, wanted = "a positive integer or a function(n) -> tensor", required = true },
  loss = { is = game.option.loss.is, wanted = game.option.loss.wanted, required = true },
  optimizer = { type = "table", default = {} },
  schedule = { type = "function", required = true },
  batch = { type = "integer", min = 1, default = 64 },
  ema = { type = "table" },
  seed = { type = "integer" },
  checkpoint = { type = "table", default = {} },
  sample = { type = "table", default = {} },
  on = { type = "table", default = {} },
  progress = { type = "boolean", default = true },
}

-- Every option checked, nested ones too, before anything is built or written.
local function checked(options)
  local given = check.options("train", options, spec)
  local optimizer = { is = game.option.optimizer.is, wanted = game.option.optimizer.wanted, default = optim.adam {} }
  given.optimizer = check.options("train: optimizer", given.optimizer,
    { generator = optimizer, discriminator = optimizer })
  given.ema = given.ema and check.options("train: ema", given.ema, {
    decay = { type = "number", min = 0, below = 1, required = true },
  })
  local every, count = { type = "integer", min = 1 }, { type = "integer", min = 1, default = 64 }
  given.checkpoint = check.options("train: checkpoint", given.checkpoint, {
    every = every,
    keep = { type = "integer", min = 0, default = 0 },
  })
  given.sample = check.options("train: sample", given.sample, {
    every = { type = "integer", min = 1, default = 500 },
    count = count,
  })
  local callback = { type = "function", default = function() end }
  given.on = check.options("train: on", given.on,
    { iteration = callback, sample = callback, checkpoint = callback, finish = callback })
  if core.is_tensor(given.data) then given.data = data.tensor(given.data) end
  if math.type(given.latent) == "integer" then
    local size = given.latent
    given.latent = function(n) return core.randn(n, size) end
    given.latent_text = size
  end
  given.seed = given.seed or core.get_random().seed
  return given
end

-- Builds both networks on one latent batch of two, and checks that they fit each other and the data.
local function build(given)
  local G, D = given.generator, given.discriminator
  local z = given.latent(2)
  if not core.is_tensor(z) then check.fail("train: latent(2) must return a tensor, got %s", check.describe(z)) end
  G:build(z)
  local made, real = check.shape_text(G.output_shape), check.shape_text(given.data:shape())
  if made ~= real then
    check.fail("train: the generator makes samples of shape %s, those of the data are %s", made, real)
  end
  D:build { 2, table.unpack(G.output_shape) }
  local score = 1
  for _, size in ipairs(D.output_shape) do score = score * size end
  if score ~= 1 then
    check.fail("train: the discriminator must give one score a sample, got %s", check.shape_text(D.output_shape))
  end
end

-- What an object prints, without the address that a plain table prints.
local function printed(value)
  return (tostring(value):gsub("^table: 0x%x+$", "a table"))
end

-- The text of the run's config.lua.
local function config_text(given)
  return run_folder.config_text {
    name = given.name, script = arg and arg[0], seed = given.seed,
    data = printed(given.data), latent = given.latent_text or given.latent, batch = given.batch,
    generator = tostring(given.generator), discriminator = tostring(given.discriminator),
    loss = printed(given.loss), schedule = schedule.describe(given.schedule), ema = given.ema,
    optimizer = {
      generator = printed(given.optimizer.generator), discriminator = printed(given.optimizer.discriminator),
    },
    checkpoint = given.checkpoint, sample = given.sample,
    threads = core.threads(), kernels = core.kernel_set(),
  }
end

--- Makes a run: networks are built, nothing is written yet. run:train() plays it.
---@param options table as gan.train's
---@return ganlua.trainer
function trainer.trainer(options)
  local given = checked(options)
  streams.with(given.seed, streams.number "weights", build, given)
  given.config = config_text(given)
  return run.new(given)
end

--- gan.train: makes a run, plays it to its end and returns it.
---@param options table
---@return ganlua.trainer
function trainer.train(options)
  return trainer.trainer(options):train()
end

return trainer
