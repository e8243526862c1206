--- Measures during training: gan.train's option `measure`. Every so many iterations samples are drawn, and what
-- gan.metrics says of their features beside real ones stands in that iteration's line of metrics.jsonl.
--
-- Nothing of the run changes by it: latents, labels and real examples come from the beginning of streams of their own,
-- so that they are the same ones each time, and after a break too.

local called = require "ganlua.metrics.called"
local check = require "ganlua.check"
local core = require "ganlua.core"
local labels = require "ganlua.labels"
local is_module = require("ganlua.nn.state").is
local metrics = require "ganlua.metrics"
local streams = require "ganlua.streams"

local measuring = {}

-- So many samples are made at a time.
local at_once <const> = 250

-- What each measure's columns are called, and their numbers from { real =, generated = } (features) and how to get the
-- classifier's probabilities.
local measures = {
  frechet = { { "frechet" }, function(f) return metrics.frechet(f.real, f.generated) end },
  kid = { { "kid", "kid_error" }, function(f) return metrics.kid(f.real, f.generated) end },
  sliced_wasserstein = { { "sliced_wasserstein" }, function(f)
    return metrics.sliced_wasserstein(f.real, f.generated)
  end },
  precision_recall = { { "precision", "recall" }, function(f)
    local both = metrics.precision_recall(f.real, f.generated)
    return both.precision, both.recall
  end },
  density_coverage = { { "density", "coverage" }, function(f)
    local both = metrics.density_coverage(f.real, f.generated)
    return both.density, both.coverage
  end },
  classifier_score = { { "classifier_score" }, function(f)
    return (metrics.classifier_score(f.probabilities))
  end },
}

local names = check.sorted_keys(measures)

---- Options ---------------------------------------------------------------------------------------------------------

local function is_callable(value)
  local metatable = getmetatable(value)
  return type(value) == "function" or type(metatable) == "table" and metatable.__call ~= nil
end

local function is_data(value)
  return core.is_tensor(value) or type(value) == "table" and type(value.reader) == "function"
end

local rows = {
  every = { type = "integer", min = 1, required = true },
  features = { is = is_callable, wanted = "features (of gan.features), a module, or a function(examples) -> n x d" },
  metrics = { type = "table", default = { "frechet", "kid" } },
  count = { type = "integer", min = 8, default = 2000 },
  real = { is = is_data, wanted = "a data set of gan.data, or a tensor of examples" },
}

-- The measures that are asked for, the user's own too: { name =, columns =, compute = }, and all columns.
local function chosen(where, given)
  local list, columns, own = {}, {}, {}
  for key, value in pairs(given.metrics) do
    if math.type(key) == "integer" then
      if not measures[value] then
        check.fail("%s: there is no metric %s%s", where, check.describe(value), check.hint(value, names, called))
      end
    elseif type(value) ~= "function" or not tostring(key):find "^%l[%w_]*$" then
      check.fail("%s: metrics are names, or name = function(generated, real) -> number; got %s at %s", where,
        check.describe(value), tostring(key))
    else
      own[#own + 1] = key
    end
  end
  for _, name in ipairs(given.metrics) do
    list[#list + 1] = { name = name, columns = measures[name][1], compute = measures[name][2] }
    if name == "classifier_score" and not (type(given.features) == "table" and given.features.probabilities) then
      check.fail("%s: classifier_score needs a classifier: features of gan.features.train", where)
    end
  end
  table.sort(own)
  for _, name in ipairs(own) do
    local f = given.metrics[name]
    list[#list + 1] = { name = name, columns = { name }, own = f,
      compute = function(all) return f(all.examples, all.real_examples) end }
  end
  for _, measure in ipairs(list) do table.move(measure.columns, 1, #measure.columns, #columns + 1, columns) end
  if #list == 0 then check.fail("%s: metrics names nothing that is to be measured", where) end
  return list, columns
end

--- Checks gan.train's table `measure`, with the data it trains on. Adds `list`, the measures, and `columns`, what they
--- are called in metrics.jsonl.
---@param where string how messages begin
---@param given table?
---@param data any
---@param taken string[] columns that there are already
---@return table?
function measuring.options(where, given, data, taken)
  if given == nil then return nil end
  local o = check.options(where, given, rows)
  o.list, o.columns = chosen(where, o)
  local known = {}
  for _, name in ipairs(taken) do known[name] = true end
  for _, name in ipairs(o.columns) do
    if known[name] then check.fail("%s: there are two columns '%s' in metrics.jsonl", where, name) end
    known[name] = true
  end
  o.apart = o.real ~= nil -- from the data
  o.real = o.real or is_data(data) and data or nil
  if not o.real then
    check.fail("%s: say what is real, as in real = tensor: the data is the script's own, and reading it would move it",
      where)
  end
  local shape = o.real:shape()
  local size = core.is_tensor(o.real) and table.remove(shape, 1) or o.real:size()
  local theirs, ours = check.shape_text(shape), check.shape_text(data:shape())
  if theirs ~= ours then check.fail("%s: real examples are %s, those of the data are %s", where, theirs, ours) end
  if size < o.count then o.real_count = math.max(8, math.tointeger(size)) end
  if size < 8 then check.fail("%s: wanted at least 8 real examples, got %d", where, size) end
  if is_module(o.features) then o.features:build { 1, table.unpack(shape) } end
  return o
end

---- What config.lua says of it --------------------------------------------------------------------------------------

-- Features that were trained or loaded, or a module: what they are made of counts, not which object they are.
local function features_text(features)
  local text = features and tostring(features):gsub("0x%x+", "")
  local trained = type(features) == "table" and features.probabilities ~= nil
  if not trained and not is_module(features) then return text end
  local sum = core.checksum(core.safetensors_encode(features:state()))
  return trained and ("features %08x"):format(sum) or ("%s\nstate %08x"):format(text, sum)
end

-- Real examples that are not the run's data: the numbers of a tensor, or of a data set's first examples.
local function real_text(real)
  local text, examples = tostring(real), real
  if core.is_tensor(real) then
    text = check.describe(real)
  else
    local n = math.tointeger(math.min(64, real:size()))
    examples = streams.with(1, streams.number "data", function() return (real:batch(n, 1)) end)
  end
  local sum, count = 0, #examples
  for first = 1, count, at_once do
    local part = examples:narrow(1, first, math.min(at_once, count - first + 1))
    sum = core.checksum(core.float_bytes(part), sum)
  end
  return ("%s, %08x"):format(text, sum)
end

--- What config.lua says of it, from which a run that is changed is known.
---@param o table
---@return table
function measuring.describe(o)
  local list = {}
  for i, measure in ipairs(o.list) do list[i] = measure.name end
  return {
    every = o.every, count = o.count, metrics = list, features = features_text(o.features),
    real = o.apart and real_text(o.real) or nil,
  }
end

---- Measuring -------------------------------------------------------------------------------------------------------

-- What the features of examples are: n x d.
local function features_of(o, examples)
  local n = examples:shape()[1]
  local y = o.features and core.no_grad(o.features, examples) or examples
  if not core.is_tensor(y) or #y:shape() < 2 or y:shape()[1] ~= n then
    check.fail("train: measure: features must be n x d numbers of n examples, got %s", check.describe(y))
  end
  return y:detach():reshape(n, -1)
end

-- Makes `count` examples in parts, and what is wanted of them: features, probabilities, the examples themselves.
local function gather(o, count, make, say)
  local wanted, parts = { features = true }, { features = {}, probabilities = {}, examples = {} }
  for _, measure in ipairs(o.list) do
    wanted.probabilities = wanted.probabilities or measure.name == "classifier_score"
    wanted.examples = wanted.examples or measure.own
  end
  local modes <close> = type(o.features) == "table" and o.features.modes and o.features:modes() or nil
  if modes then o.features:eval() end
  for first = 0, count - 1, at_once do
    local n = math.min(at_once, count - first)
    local examples = make(n, first // at_once + 1)
    table.insert(parts.features, features_of(o, examples))
    if wanted.probabilities then table.insert(parts.probabilities, o.features:probabilities(examples)) end
    if wanted.examples then table.insert(parts.examples, examples:detach()) end
    say(first + n)
  end
  local all = {}
  for name, list in pairs(parts) do all[name] = #list > 0 and core.concat(list, 1) or nil end
  return all
end

-- Real examples, the same ones each time.
local function real_of(o, seed, say)
  local count = o.real_count or o.count
  if core.is_tensor(o.real) then
    return gather(o, count, function(n, k) return o.real:narrow(1, (k - 1) * at_once + 1, n) end, say)
  end
  return streams.with(seed, streams.number "data", gather, o, count, function(n, k)
    if n == at_once then return (o.real:batch(n, k)) end
    return (o.real:batch(at_once, k)):narrow(1, 1, n)
  end, say)
end

--- Measures a run's samples and adds the numbers to an iteration's row. Says what came out.
---@param run ganlua.trainer
---@param row table<string, number>
function measuring.add(run, row)
  local o, begun = run.options.measure, core.monotonic()
  local _ <close> = streams.guard()
  local seed = run.options.seed
  local function say(what, count)
    return function(done) run.progress:passing("measuring: %d of %d %s examples", done, count, what) end
  end
  run.measured = run.measured or {}
  if not run.measured[o] then run.measured = { [o] = real_of(o, seed, say("real", o.real_count or o.count)) } end
  local real = run.measured[o]
  local plan = run.options.labels
  local generated = streams.with(seed, streams.number "measure", gather, o, o.count, function(n)
    return core.no_grad(run.generate, run, run.options.latent(n), plan and labels.draw(plan, n))
  end, say("generated", o.count))
  local all = {
    real = real.features, generated = generated.features, probabilities = generated.probabilities,
    examples = generated.examples, real_examples = real.examples,
  }
  local told = {}
  for _, measure in ipairs(o.list) do
    run.progress:passing("measuring: %s", measure.name)
    local values = table.pack(core.no_grad(measure.compute, all))
    for i, column in ipairs(measure.columns) do
      local value = values[i]
      if type(value) ~= "number" or value - value ~= 0 then
        check.fail("train: measure: %s must give a finite number, got %s", measure.name, check.describe(value))
      end
      row[column] = tonumber(("%.6g"):format(value)) + 0.0 -- as the file has it
      told[#told + 1] = ("%s %.4g"):format(column, value)
    end
  end
  run.progress:say("iteration %d: %s (%.1f s)", row.iteration, table.concat(told, "  "), core.monotonic() - begun)
end

return measuring
