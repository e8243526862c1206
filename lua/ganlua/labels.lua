--- The labels of a game whose networks look at them: how many classes there are, which ones the generator is asked for,
-- and which ones samples are to have.
--
-- A game has labels where a layer of its generator looks at them (conditional_batch_norm, concat_embedding, or a layer
-- of the script's own that is defined with labels = true). Labels count from 0. With `dropout`, one class more stands
-- behind the last: it says "no label".

local check = require "ganlua.check"
local core = require "ganlua.core"
local nn_state = require "ganlua.nn.state"

local labels = {}

---@class ganlua.labels
---@field classes integer
---@field names string[]? of the classes
---@field discriminator boolean whether it is called with labels
---@field class_scores boolean whether it gives, behind its score, a score for each class
---@field drawn "data"|"balanced"
---@field shares number[]? of the classes and those before them, from 0 to 1; nil: all alike
---@field dropout number the probability that a network is told "no label"

--- What the option `labels` of gan.train takes.
labels.rows = {
  classes = { type = "integer", min = 1 },
  drawn = { type = "string", choices = { "data", "balanced" }, default = "data" },
  dropout = { type = "number", min = 0, below = 1, default = 0 },
}

-- The layers of a network that look at labels.
local function looking(network)
  local list = {}
  nn_state.walk(network, function(m)
    if m.definition.labels then list[#list + 1] = m end
  end)
  return list
end

--- Whether a network must be called with labels.
---@param network ganlua.module
---@return boolean
function labels.taken_by(network)
  return #looking(network) > 0
end

--- How often each class comes, class 0 first, where the data can tell; a script's own object may have the method
--- class_counts, and what it gives must be a list with examples in it.
---@param where string how messages begin
---@param data any
---@return number[]?
function labels.counts(where, data)
  local counts = type(data.class_counts) == "function" and data:class_counts() or nil
  if counts == nil then return nil end
  local total = 0
  for class, count in ipairs(type(counts) == "table" and counts or {}) do
    if type(count) ~= "number" or not (count >= 0 and count < math.huge) then
      check.fail("%s: data:class_counts() must give numbers of examples, got %s for class %d", where,
        check.describe(count), class - 1)
    end
    total = total + count
  end
  if total == 0 then
    check.fail("%s: data:class_counts() must give a list, how many examples each class has (class 0 first), or nil; "
      .. "got %s", where, type(counts) ~= "table" and check.describe(counts)
      or #counts == 0 and "an empty table" or "no examples at all")
  end
  return counts
end

-- How many classes the layers are for: the smallest number that one says, or nil.
local function least_classes(layers)
  local least
  for _, layer in ipairs(layers) do
    local size = layer.options.classes
    least = size and math.min(least or size, size) or least
  end
  return least
end

-- How many classes there are: as the option says, or the data, or else the layers.
local function count_classes(where, given, data, counts, layers, extra)
  local told, known = given.classes, data.classes and #data.classes or counts and #counts
  if told and known and told ~= known then
    check.fail("%s: option 'classes' says %d, the data have %d", where, told, known)
  end
  local least = least_classes(layers)
  local classes = told or known or least and least - extra
  if not classes or classes < 1 then
    check.fail("%s: nothing says how many classes there are: labels = { classes = n }", where)
  end
  for _, layer in ipairs(layers) do
    if layer.options.classes and layer.options.classes < classes + extra then
      check.fail("%s: %s is for %d classes, there are %d%s", where, layer:where(), layer.options.classes, classes,
        extra > 0 and ", and one more for \"no label\"" or "")
    end
  end
  return classes
end

-- The shares of the classes added up, nil where they are all alike.
local function add_up(where, counts, classes)
  if #counts > classes then
    check.fail("%s: the data have labels up to %d, there are %d classes", where, #counts - 1, classes)
  end
  local shares, sum, total, even = {}, 0, 0, #counts == classes
  for _, count in ipairs(counts) do total, even = total + count, even and count == counts[1] end
  for class = 1, classes do
    sum = sum + (counts[class] or 0)
    shares[class] = sum / total
  end
  return not even and shares or nil
end

--- The labels of a game; nil where its networks do not look at any.
---@param given ganlua.train_options checked
---@return ganlua.labels?
function labels.plan(given)
  local where, G, D = "train: labels", looking(given.generator), looking(given.discriminator)
  if #G == 0 then
    if #D > 0 then
      check.fail("%s: the discriminator looks at labels (%s), the generator does not: nn.conditional_batch_norm{} or "
        .. "nn.concat_embedding{} brings them in", where, D[1]:where())
    elseif given.labels then
      check.fail("%s: neither network looks at labels", where)
    end
    return nil
  end
  local o = check.options(where, given.labels, labels.rows)
  local layers = table.move(D, 1, #D, #G + 1, table.move(G, 1, #G, 1, {}))
  local counts = (o.drawn == "data" or not given.data.classes) and labels.counts(where, given.data)
    or nil
  local self = {
    names = given.data.classes, discriminator = #D > 0, class_scores = false, dropout = o.dropout, drawn = o.drawn,
    classes = count_classes(where, o, given.data, counts, layers, o.dropout > 0 and 1 or 0),
  }
  if #D > 0 and given.pac > 1 then
    check.fail("%s: pac = %d packs samples of several classes for one score: the discriminator cannot look at labels",
      where, given.pac)
  end
  if o.drawn == "data" and counts then self.shares = add_up(where, counts, self.classes) end
  return self
end

---- Drawing -------------------------------------------------------------------------------------------------------

-- The label at u in [0, 1), by the shares of the classes.
local function label_at(self, u)
  for class, share in ipairs(self.shares) do
    if u < share then return class - 1 end
  end
  return self.classes - 1
end

--- n labels, drawn from the current stream: as the data have them, or all alike.
---@param self ganlua.labels
---@param n integer
---@return ganlua.tensor
function labels.draw(self, n)
  if not self.shares then return core.randint({ n }, self.classes) end
  local list = core.rand(n):totable()
  for i, u in ipairs(list) do list[i] = label_at(self, u) end
  return core.tensor(list)
end

--- Labels as the networks are given them: with `dropout`, some say "no label".
---@param self ganlua.labels
---@param given ganlua.tensor
---@return ganlua.tensor
function labels.dropped(self, given)
  if self.dropout == 0 then return given end
  return core.where(core.rand(given:shape()):lt(self.dropout), self.classes, given)
end

---- What a user asks for ------------------------------------------------------------------------------------------

--- An option `label`: see labels.chosen.
labels.row = { is = function() return true end }

--- What a network alone tells of its labels: no names; nil where it looks at none.
---@param network ganlua.module
---@return ganlua.labels?
function labels.of_network(network)
  local layers = looking(network)
  if #layers == 0 then return nil end
  return { classes = least_classes(layers) or math.maxinteger, dropout = 0, class_scores = false, discriminator = false,
    drawn = "balanced" }
end

-- One label as a number: a class by its number or its name.
local function number_of(self, where, label)
  local number, most = label, self.classes - (self.dropout > 0 and 0 or 1)
  if type(label) == "string" and self.names then
    number = nil
    for class, name in ipairs(self.names) do number = name == label and class - 1 or number end
    if not number then check.fail("%s: there is no class '%s'%s", where, label, check.hint(label, self.names)) end
  end
  number = math.type(number) and math.tointeger(number)
  if not number or number < 0 or number > most then
    check.fail("%s: a label must be a whole number from 0 to %d%s, got %s", where, most,
      self.names and " or a class's name" or "", check.describe(label))
  end
  return number
end

--- n labels: one that all have (a number, or a class's name), a list or tensor of n, or drawn ones.
---@param self ganlua.labels
---@param where string how messages begin
---@param n integer
---@param label any
---@return ganlua.tensor
function labels.chosen(self, where, n, label)
  if label == nil then return labels.draw(self, n) end
  if core.is_tensor(label) then label = label:reshape(-1):totable() end
  if type(label) ~= "table" then return core.full({ n }, number_of(self, where, label)) end
  if #label ~= n then check.fail("%s: wanted one label or %d, got a list of %d", where, n, #label) end
  local list = {}
  for i, each in ipairs(label) do list[i] = number_of(self, where, each) end
  return core.tensor(list)
end

-- Classes in a picture of samples, at most.
local most_rows <const> = 100

--- How many samples a picture has where nothing says so: eight of each class.
---@param self ganlua.labels
---@return integer
function labels.grid_count(self)
  return 8 * math.min(self.classes, most_rows)
end

--- What a picture of samples is made of: one class a row, one latent a column.
---@param self ganlua.labels
---@param latent fun(n: integer): ganlua.tensor
---@param count integer samples, about
---@return ganlua.tensor latents
---@return ganlua.tensor labels
---@return integer columns
function labels.grid(self, latent, count)
  local rows = math.min(self.classes, most_rows, count)
  local columns = count // rows
  local places, list = {}, {}
  for i = 0, rows * columns - 1 do places[i + 1], list[i + 1] = i % columns + 1, i // columns end
  return latent(columns):index(1, core.tensor(places)), core.tensor(list), columns
end

return labels
