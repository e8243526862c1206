--- gan.train and gan.trainer: what they take, checked before anything is written, and networks that fit the data.

local batches = require "ganlua.batches"
local cast = require "ganlua.ranks.cast"
local check = require "ganlua.check"
local core = require "ganlua.core"
local curve = require "ganlua.curve"
local data = require "ganlua.data"
local fingerprint = require "ganlua.fingerprint"
local labels = require "ganlua.labels"
local logs = require "ganlua.logs"
local measuring = require "ganlua.measuring"
local metrics_log = require "ganlua.metrics_log"
local move_options = require "ganlua.move_options"
local nn_module = require "ganlua.nn.module"
local optim = require "ganlua.optim"
local ranks = require "ganlua.ranks"
local roles = require "ganlua.ranks.roles"
local run = require "ganlua.run"
local run_folder = require "ganlua.run_folder"
local schedule = require "ganlua.schedule"
local streams = require "ganlua.streams"
local view = require "ganlua.view"

local trainer = {}

local function is_data(value)
  return core.is_tensor(value) or move_options.has(value, "size", "shape", "batch")
end

local function is_latent(value)
  return type(value) == "function" or math.tointeger(value) and math.tointeger(value) > 0
end

local rows = move_options.rows

--- What gan.train and gan.trainer take. Where a number or a curve is meant, see gan.curve.
---@class ganlua.train_options
---@field data any a data set (size, shape, batch), or a tensor
---@field generator ganlua.module
---@field discriminator ganlua.module|ganlua.module[] with gan.dist.split a list of them, or one, of which each of
--- several discriminators is a copy that starts with weights of its own (with the same, where it has been built before,
--- or where they are averaged)
---@field ranks ganlua.roles? who plays what under mpirun: gan.dist.split{...} or gan.dist.federated{...}. Without it
--- all ranks share each batch out
---@field latent integer|function numbers of a standard normal, or function(n) -> tensor
---@field labels { drawn: "data"|"balanced"|nil, dropout: number?, classes: integer? }? for networks that look at labels
--- (nn.conditional_batch_norm, nn.projection): how the generator's are drawn (as often as in the data, or all alike),
--- the probability that a network is told "no label" instead (one class more, the last), and how many classes there are
--- where neither the data nor the networks say so
---@field loss table see gan.loss
---@field micro_batch integer? so many samples are computed at a time, and the gradients of a batch added up: the same
--- result in less memory, but for what looks at a batch as a whole (batch norm, losses on pairs, top_k, unroll)
---@field reuse boolean? false; the generator's move learns from the samples that the discriminator's move before it
--- was shown, as in PyTorch's DCGAN example: one generation less in an iteration
---@field clip number|function|ganlua.curve|nil a longer gradient is shortened to this norm, over all parameters of the
--- player that moves, as PyTorch's clip_grad_norm_ does; grad_norm is what it was before
---@field penalties ganlua.penalty[]? see gan.penalty
---@field optimizer { generator: ganlua.optimizer?, discriminator: ganlua.optimizer? }? adam{} where nothing is said
---@field schedule function see gan.schedule
---@field batch integer? 64; under mpirun, of all ranks together
---@field augment ganlua.augmentation|function|nil all that the discriminator is shown goes through it: see gan.augment
---@field noise number|function|ganlua.curve|nil instance noise: the deviation of what is added to all that the
--- discriminator is shown
---@field pac integer? 1; so many samples are packed for one score, along the last dimension (PacGAN, Lin 2018)
---@field top_k number|function|ganlua.curve|nil 1; the generator learns from this share of its samples, the best-scored
--- ones (Sinha 2020)
---@field unroll { steps: integer, optimizer: ganlua.optimizer? }? the generator looks so many of the discriminator's
--- steps ahead, by its own optimiser or another: adam, adamw or sgd (Metz 2017)
---@field ema { decay: number|function|ganlua.curve }? a moving average of the generator is kept
---@field seed integer?
---@field name string? of the run's folder, in the folder for runs
---@field out string|false|nil the run's folder; false: a run that writes no files
---@field resume boolean|"changed"|"restart_schedule"|nil true: a run of this name that was cut off, of this script as
--- it is now, goes on where it was; false starts over; "changed" goes on with the last run of this name although the
--- script was changed; "restart_schedule" too, with the schedule at its first line
---@field live boolean? false; the run takes up edits of its script between two moves, see live.lua
---@field checkpoint { every: integer?, keep: integer?, best: string|function|nil }? written every 1000 iterations; the
--- last 2 are kept, and where `best` says what is measured, the best one: a column of metrics.jsonl of which more is
--- better ("accuracy") or less ("-g_loss"), or a function(run) that returns a number, of which more is better
---@field sample { every: integer?, count: integer? }? a picture of so many samples; with labels, one class a row
---@field measure { every: integer, features: any, metrics: table?, count: integer?, real: any }? how good the samples
--- are, in the lines of metrics.jsonl of every so many iterations. features: of gan.features, a module, or a
--- function(examples) -> n x d; without them the examples themselves are compared. metrics = { "frechet", "kid" }: also
--- "precision_recall", "density_coverage", "sliced_wasserstein", "classifier_score", and name =
--- function(generated, real) -> number. count = 2000 samples. real: a data set or tensor, the run's data by default. A
--- run whose module or real examples are others is a changed one; what a function uses is not looked at
---@field log string|string[]|nil "tensorboard", "csv" or a list of them: the numbers in the run's folder for other
--- programs too. TensorBoard's event files also have the sample pictures, histograms of scores and parameters, gradient
--- norms by parameter (these every sample.every iterations) and the script: `tensorboard --logdir runs`. "csv" is
--- metrics.csv, a table for spreadsheets
---@field on table<string, function>? iteration, sample, checkpoint, finish; nan and collapse, see gan.recover
---@field progress boolean? true
---@field view boolean|integer|"terminal"|nil false; true or a port: the run is shown in a browser while it goes on, at
--- http://127.0.0.1:PORT/; "terminal": in the terminal. What --view says comes first

local spec = {
  name = { type = "string" },
  out = {
    is = function(value) return value == false or type(value) == "string" end,
    wanted = "a path, or false for a run that writes no files",
  },
  data = { is = is_data, wanted = "a data set (size, shape, batch) or a tensor", required = true },
  generator = { is = nn_module.is, wanted = "a module", required = true },
  discriminator = {
    is = cast.is_discriminator, wanted = "a module, or with gan.dist.split a list of modules", required = true,
  },
  ranks = { is = roles.is, wanted = "gan.dist.split{...} or gan.dist.federated{...}" },
  latent = { is = is_latent, wanted = "a positive integer or a function(n) -> tensor", required = true },
  labels = { type = "table" },
  loss = { is = rows.loss.is, wanted = rows.loss.wanted, required = true },
  penalties = { is = rows.penalties.is, wanted = rows.penalties.wanted, default = {} },
  optimizer = { type = "table", default = {} },
  schedule = { type = "function", required = true },
  batch = { type = "integer", min = 1, default = 64 },
  micro_batch = rows.micro_batch,
  reuse = { type = "boolean", default = false },
  clip = rows.clip,
  noise = curve.option { min = 0, default = 0 },
  augment = rows.augment,
  top_k = curve.option { above = 0, max = 1, default = 1 },
  pac = { type = "integer", min = 1, default = 1 },
  unroll = { type = "table" },
  ema = { type = "table" },
  seed = { type = "integer" },
  resume = {
    is = function(value) return type(value) == "boolean" or value == "changed" or value == "restart_schedule" end,
    wanted = 'true, false, "changed" or "restart_schedule"',
    default = true,
  },
  live = { type = "boolean", default = false },
  checkpoint = { type = "table", default = {} },
  sample = { type = "table", default = {} },
  measure = { type = "table" },
  log = logs.option,
  on = { type = "table", default = {} },
  progress = { type = "boolean", default = true },
  view = view.row,
}

-- Every option checked, nested ones too, before anything is built or written.
local function checked(options)
  local given = check.options("train", options, spec)
  local optimizer = { is = rows.optimizer.is, wanted = rows.optimizer.wanted, default = optim.adam {} }
  given.optimizer = check.options("train: optimizer", given.optimizer,
    { generator = optimizer, discriminator = optimizer })
  given.ema = move_options.ema("train", given.ema)
  given.unroll = move_options.unroll("train", given.unroll)
  move_options.check_packs("train", given.batch, given.micro_batch, given.pac)
  if core.is_tensor(given.data) then given.data = data.tensor(given.data) end
  given.log = logs.options("train", given.log, given.out)
  given.measure = measuring.options("train: measure", given.measure, given.data, metrics_log.columns)
  local measured = given.measure and given.measure.columns
  given.checkpoint = check.options("train: checkpoint", given.checkpoint, {
    every = { type = "integer", min = 1, default = 1000 },
    keep = { type = "integer", min = 0, default = 2 },
    best = {
      is = function(value)
        return type(value) == "function"
          or type(value) == "string" and metrics_log.is_column(value:gsub("^%-", ""), measured)
      end,
      wanted = 'a column of metrics.jsonl ("accuracy", or "-g_loss" where less is better) or a function(run)',
    },
  })
  given.sample = check.options("train: sample", given.sample, {
    every = { type = "integer", min = 1, default = 500 },
    count = { type = "integer", min = 1 }, -- 64; with labels, 8 of each class
  })
  local callback = { type = "function", default = function() end }
  given.on = check.options("train: on", given.on,
    { iteration = callback, sample = callback, checkpoint = callback, finish = callback,
      nan = { type = "function" }, collapse = { type = "function" } })
  local size = math.tointeger(given.latent)
  if size then
    given.latent = function(n) return core.randn(n, size) end
    given.latent_text = size
  end
  given.seed = given.seed or core.get_random().seed
  local settings = package.loaded["ganlua.settings"]
  if settings and settings.new then given.resume = false end -- --new
  given.live = given.live or settings and settings.live -- --live
  if settings and settings.view then given.view = settings.view end -- --view
  if given.ranks then roles.check(given.ranks, "train", given) end
  for _, name in ipairs { "live", "view" } do
    if given[name] and ranks.many() then
      check.fail("train: option '%s' is for a run of one process: these are %d ranks%s", name, ranks.size,
        name == "view" and " (ganlua --view FOLDER shows the run's folder, while it goes on too)" or "")
    end
  end
  return given
end

-- Fails unless a discriminator, which is called so, gives a score a sample, or these and classes' scores.
local function check_scores(name, D, plan, pac)
  local shape, score = D.output_shape, 1
  for _, size in ipairs(shape) do score = score * size end
  if plan and #shape == 1 and score == 1 + plan.classes and pac == 1 then
    plan.class_scores = true
  elseif score ~= 1 then
    check.fail("train: the %s must give one score a sample%s, got %s", name, plan
      and (", or %d with those of an auxiliary classifier"):format(1 + plan.classes) or "", check.shape_text(shape))
  end
end

-- Builds both networks on one latent batch of two, and checks that they fit each other and the data.
local function build(given)
  local G, plan = given.generator, given.labels
  local z = given.latent(2)
  if not core.is_tensor(z) then check.fail("train: latent(2) must return a tensor, got %s", check.describe(z)) end
  local labels_of_two = plan and core.zeros { 2 } -- of class 0
  G:build(z, labels_of_two)
  local made, real = check.shape_text(G.output_shape), check.shape_text(given.data:shape())
  if made ~= real then
    check.fail("train: the generator makes samples of shape %s, those of the data are %s", made, real)
  end
  local all = given.discriminators or { given.discriminator }
  for place, D in ipairs(all) do
    D:build(batches.packed(core.zeros { given.pac * 2, table.unpack(G.output_shape) }, given.pac),
      plan and plan.discriminator and labels_of_two or nil)
    check_scores(#all > 1 and ("discriminator %d"):format(place) or "discriminator", D, plan, given.pac)
  end
  if given.ranks then cast.check(given) end
end

-- What config.lua tells of a run: all that it does follows from this, and from the script.
local function config_of(given)
  return {
    name = given.name, script = _G.arg and _G.arg[0], seed = given.seed,
    data = cast.data_text(given), latent = given.latent_text or given.latent, batch = given.batch,
    labels = given.labels and {
      classes = given.labels.classes, drawn = given.labels.drawn, dropout = given.labels.dropout,
    },
    micro_batch = given.micro_batch, reuse = given.reuse, clip = given.clip,
    generator = tostring(given.generator), discriminator = cast.discriminator_text(given),
    ranks = given.ranks and given.ranks:text(),
    loss = cast.printed(given.loss), penalties = given.penalties, noise = given.noise, top_k = given.top_k,
    pac = given.pac,
    augment = given.augment and cast.printed(given.augment) or nil, unroll = given.unroll,
    schedule = schedule.describe(given.schedule), ema = given.ema,
    optimizer = {
      generator = cast.printed(given.optimizer.generator), discriminator = cast.printed(given.optimizer.discriminator),
    },
    checkpoint = given.checkpoint, sample = given.sample,
    measure = given.measure and measuring.describe(given.measure),
  }
end

-- The text of config.lua, and the fingerprint that it holds.
local function describe(given)
  local config = config_of(given)
  local functions = { given.schedule }
  for _, hook in pairs(given.on) do functions[#functions + 1] = hook end
  for _, measure in ipairs(given.measure and given.measure.list or {}) do
    if measure.own then functions[#functions + 1] = measure.own end
  end
  config.fingerprint = fingerprint.of(run_folder.config_text(config), functions)
  config.threads, config.kernels = core.threads(), core.kernels()
  return run_folder.config_text(config), config.fingerprint
end

-- Checked options of networks that are built and fit. `seed`: of a run that takes them up.
local function prepared(options, seed)
  local given = checked(options)
  given.seed = seed or given.seed
  given.discriminators = cast.discriminators(given)
  given.discriminator = given.discriminators and given.discriminators[1] or given.discriminator
  given.labels = labels.plan(given)
  if given.ranks and given.labels then
    ranks.agree("train: the classes", { given.labels.classes, given.labels.shares or {} },
      "the ranks' data have others, or others as often: labels = { classes = ..., drawn = \"balanced\" }")
  end
  given.sample.count = given.sample.count or given.labels and labels.grid_count(given.labels) or 64
  streams.with(given.seed, streams.number "weights", build, given)
  given.config, given.fingerprint = describe(given)
  return given
end

--- Makes a run: networks are built, nothing is written yet. run:train() plays it.
---@param options ganlua.train_options
---@return ganlua.trainer
function trainer.trainer(options)
  return run.new(prepared(options), prepared)
end

--- gan.train: makes a run, plays it to its end and returns it.
---@param options ganlua.train_options
---@return ganlua.trainer
function trainer.train(options)
  return trainer.trainer(options):train()
end

return trainer
