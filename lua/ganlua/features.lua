--- gan.features: what pictures look like to a network that has learned to tell their classes apart. The measures of
-- gan.metrics compare features, not pixels.
--
--     local f = gan.features.train { data = data }           -- about a minute
--     gan.save("features.safetensors", f:state())            -- f = gan.features.load "features.safetensors"
--     gan.metrics.frechet(f(real), f(run:sample(2000)))
--
-- Distances are only comparable where the features are the same ones.

local check = require "ganlua.check"
local core = require "ganlua.core"
local curve = require "ganlua.curve"
local cross_entropy = require("ganlua.loss.classification").cross_entropy
local generate = require "ganlua.generate"
local labels_of = require "ganlua.labels"
local nn = require "ganlua.nn"
local optim = require "ganlua.optim"
local progress = require "ganlua.progress"
local source = require "ganlua.data.source"
local streams = require "ganlua.streams"

local features = {}

--- A network that gives features, f(images), as gan.features.train and load give it.
---@class ganlua.features
---@field network ganlua.module examples to features, n x dim
---@field head ganlua.module? features to scores of the classes
---@field shape integer[] of one example
---@field classes integer
---@field accuracy number? share of held-out examples that it knew, once trained
local Features = {}
Features.__index = Features

---- Networks --------------------------------------------------------------------------------------------------------

-- Convolutions that halve the picture until it is at most 7 pixels a side, then two layers; the second one is the head.
local function body(shape, dim)
  local layers = {}
  if #shape == 3 then
    local channels, side = 32, math.max(shape[1], shape[2])
    while side > 7 do
      layers[#layers + 1] = nn.conv2d { out = channels, kernel = 3, stride = 2, pad = 1 }
      layers[#layers + 1] = nn.batch_norm {}
      layers[#layers + 1] = nn.relu {}
      channels, side = math.min(2 * channels, 128), (side + 1) // 2
    end
  else
    layers = { nn.flatten {}, nn.linear { out = 128 }, nn.relu {} }
  end
  layers[#layers + 1] = nn.flatten {}
  layers[#layers + 1] = nn.linear { out = dim }
  layers[#layers + 1] = nn.batch_norm {}
  layers[#layers + 1] = nn.relu {}
  return nn.sequential(layers)
end

local function make(shape, dim, classes)
  local network, head = body(shape, dim), nn.sequential { nn.dropout { p = 0.3 }, nn.linear { out = classes } }
  network:build { 2, table.unpack(shape) }
  head:build { 2, dim }
  return setmetatable({ network = network, head = head, shape = shape, classes = classes }, Features)
end

---- Use -------------------------------------------------------------------------------------------------------------

local function check_examples(self, images)
  local shape = core.is_tensor(images) and images:shape() or {}
  local wanted = check.shape_text(self.shape)
  if #shape ~= #self.shape + 1 or check.shape_text(table.move(shape, 2, #shape, 1, {})) ~= wanted then
    check.fail("features: wanted examples N x %s, got %s", wanted, check.describe(images))
  end
end

--- The features of examples, n x dim; in eval mode, without a graph.
---@param images ganlua.tensor
---@return ganlua.tensor
function Features:__call(images)
  check_examples(self, images)
  return core.no_grad(generate, self.network, images)
end

--- What the classifier makes of examples: n x classes, each from 0 to 1, together 1. For gan.metrics.classifier_score.
---@param images ganlua.tensor
---@return ganlua.tensor
function Features:probabilities(images)
  return core.no_grad(function() return generate(self.head, self(images)):softmax(2) end)
end

--- All that it is, as tensors by name, for gan.save.
---@return table<string, ganlua.tensor>
function Features:state()
  local tensors = { shape = core.tensor(self.shape), classes = core.tensor { self.classes } }
  for part, module in pairs { network = self.network, head = self.head } do
    for name, tensor in pairs(module:state()) do tensors[part .. "." .. name] = tensor end
  end
  return tensors
end

function Features:__tostring()
  return ("features of %s, %d numbers each, by a classifier of %d classes%s"):format(check.shape_text(self.shape),
    self.network.output_shape[1], self.classes,
    self.accuracy and (" (%.1f %% of held-out examples right)"):format(100 * self.accuracy) or "")
end

local function whole(tensor, most)
  local list = core.is_tensor(tensor) and #tensor:shape() == 1 and tensor:totable() or {}
  for i, value in ipairs(list) do
    list[i] = math.tointeger(value)
    if not list[i] or list[i] < 1 or list[i] > most then return nil end
  end
  return #list > 0 and list or nil
end

--- Takes up features that were saved: the path of a file of gan.save, or what gan.load gives.
---@param from string|table<string, ganlua.tensor>
---@return ganlua.features
function features.load(from)
  local tensors, where = from, "the table"
  if type(from) == "string" then
    where = from
    tensors = check.within("features.load", function() return core.safetensors_decode(core.read_file(from), from) end)
  elseif type(from) ~= "table" then
    check.fail("features.load: wanted a path or a table of tensors, got %s", check.describe(from))
  end
  local shape, classes, last = whole(tensors.shape, 1 << 16), whole(tensors.classes, 1 << 20), nil
  local head = tensors["head.2.weight"]
  if core.is_tensor(head) and #head:shape() == 2 then last = head:shape()[1] end
  if not shape or #shape > 5 or not classes or not last then
    check.fail("features.load: %s does not hold what gan.features made", where)
  end
  local self, parts = make(shape, last, classes[1]), { network = {}, head = {} }
  for name, tensor in pairs(tensors) do
    local part, own = name:match "^(%a+)%.(.+)$"
    if parts[part] then parts[part][own] = tensor end
  end
  for _, part in ipairs { "network", "head" } do
    check.within(("features.load: %s: %s"):format(where, part), self[part].load_state, self[part], parts[part])
  end
  return self
end

---- Training --------------------------------------------------------------------------------------------------------

-- Two parts of a data set, each tenth example, in a random order, in the second one. Data that never ends has one part.
local function split(data)
  if getmetatable(data) ~= source.Source or data.count == math.huge or data.count < 20 then return data, data end
  local order, tests = core.permutation(data.count, core.get_random().seed, streams.number "features"), data.count // 10
  local function part(first, count)
    local own = order:narrow(1, first, count)
    return source.new {
      name = data.name, count = count, example_shape = data.example_shape, classes = data.classes,
      read = function(indices) return data.read(own:index(1, indices)) end,
    }
  end
  return part(tests + 1, data.count - tests), part(1, tests)
end

local function labelled_batch(data, n, k)
  local images, labels = data:batch(n, k)
  if not core.is_tensor(labels) then
    check.fail("features.train: the data has no labels: data:batch gave %s beside the examples", check.describe(labels))
  end
  return images, labels
end

-- How many classes there are: what the data says, else what labels it has; of a script's own object, the largest label
-- of a first look.
local function count_classes(data)
  if type(data.classes) == "table" and #data.classes > 0 then return #data.classes end
  local counts = labels_of.counts("features.train", data)
  if counts then return #counts end
  local size = data:size()
  local _, labels = labelled_batch(data, size < 2000 and math.tointeger(size) or 2000, 1)
  return math.tointeger(labels:max():item()) + 1
end

local function accuracy(self, data)
  local right, count, size = 0, math.min(data:size(), 2000), 250
  for k = 1, math.max(1, count // size) do
    local images, labels = labelled_batch(data, size, k)
    right = right + self:probabilities(images):argmax(2):eq(labels + 1):mean():item()
  end
  return right / math.max(1, count // size)
end

local function train(given)
  local data = given.data
  local classes = given.classes or count_classes(data)
  local training, tests = split(data.reader and data:reader() or data)
  local self = make(data:shape(), given.dim, classes)
  local network = nn.sequential { self.network, self.head }:build { 2, table.unpack(self.shape) }
  local parameters = network:parameters()
  local optimizer = optim.adam { lr = curve.cosine { from = 2e-3, to = 0, over = given.iterations },
    betas = { 0.9, 0.999 } }
  local state, shown <close> = optimizer:start(parameters), progress.new { silent = not given.progress }
  for i = 1, given.iterations do
    local images, labels = labelled_batch(training, given.batch)
    local loss = cross_entropy(network(images), labels)
    local value = loss:item()
    optimizer:step(state, parameters, core.grad(loss, parameters, { consume = true }))
    shown:show({ iteration = i, planned = given.iterations, metrics = { d_loss = value } }, i * given.batch, i)
  end
  network:eval()
  self.accuracy = core.no_grad(accuracy, self, tests)
  shown:say("features: %.1f %% of held-out examples right", 100 * self.accuracy)
  return self
end

--- Trains a small classifier on labelled data; what its last layer but one gives are the features. A tenth of the data
--- is held out, and says how good it is. Options: data; iterations = 2000, batch = 64 (about a minute for pictures of
--- 32 x 32); dim = 128, how many features; classes, where the data does not tell; seed = 1; progress = true.
---@param options { data: any, iterations: integer?, batch: integer?, dim: integer?, classes: integer?, seed: integer?,
--- progress: boolean? }
---@return ganlua.features
function features.train(options)
  local given = check.options("features.train", options, {
    data = {
      is = function(value)
        return type(value) == "table" and value.size ~= nil and value.shape ~= nil and value.batch ~= nil
      end,
      wanted = "a data set with labels (size, shape, batch)", required = true,
    },
    iterations = { type = "integer", min = 1, default = 2000 },
    batch = { type = "integer", min = 2, default = 64 },
    dim = { type = "integer", min = 1, max = 4096, default = 128 },
    classes = { type = "integer", min = 2 },
    seed = { type = "integer", default = 1 },
    progress = { type = "boolean", default = true },
  })
  return streams.with(given.seed, streams.number "features", train, given)
end

return features
