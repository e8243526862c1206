--- How a loss is made: a definition, its options, and the checks that every loss shares. gan.loss is the table of those
-- that come with ganlua, made with the same define as anyone's own.
--
-- Invariant: what a definition's functions get are tensors of shape N and options that are numbers within their bounds;
-- a curve among the options has become a number before.

local core = require "ganlua.core"
local check = require "ganlua.check"
local curve = require "ganlua.curve"
local merged = require "ganlua.merged"

local defining = {}

---@class ganlua.loss
---@field name string
---@field options table numbers or curves
---@field d fun(real: ganlua.tensor, fake: ganlua.tensor): ganlua.tensor what the discriminator minimises
---@field g fun(fake: ganlua.tensor, real?: ganlua.tensor): ganlua.tensor what the generator minimises
---@field value fun(real: ganlua.tensor, fake: ganlua.tensor): ganlua.tensor V, the value of the game
---@field on_real? fun(r: ganlua.tensor): ganlua.tensor by score, where the loss is made of such terms
---@field on_fake? fun(f: ganlua.tensor): ganlua.tensor
---@field on_gen? fun(f: ganlua.tensor): ganlua.tensor
---@field with fun(self: ganlua.loss, changes: table): ganlua.loss the same with some options changed
---@field at fun(clock: ganlua.clock): ganlua.loss the loss at a moment: with numbers for its curves

-- Scores as a tensor of shape N.
local function scores(where, name, s)
  if type(s) == "number" then return core.tensor { s } end
  if not core.is_tensor(s) then
    check.fail("%s: %s must be a tensor of scores, got %s%s", where, name, check.describe(s),
      type(s) == "table" and " (call it with a dot: loss.d(real, fake))" or "")
  end
  local shape, count = s:shape(), s:numel()
  if #shape == 0 then return s:reshape(1) end
  if shape[1] ~= count or count == 0 then
    check.fail("%s: %s must be one score a sample (N or N x 1), got %s", where, name, check.shape_text(shape))
  end
  return #shape == 1 and s or s:reshape(count)
end

--- Fails unless r_i and f_i stand side by side: both are there, and as many of them.
---@param where string
---@param real? ganlua.tensor N
---@param fake ganlua.tensor N
function defining.paired(where, real, fake)
  if not real then check.fail("%s: needs the real scores too: g(fake, real)", where) end
  local n, m = real:numel(), fake:numel()
  if n ~= m then check.fail("%s: compares pairs, got %d real and %d fake scores", where, n, m) end
end

--- V of a zero-sum game, where D's loss is the negative of the game's value.
function defining.zero_sum(self, real, fake)
  return -self.d(real, fake)
end

local function describe(self)
  local texts = {}
  for name, value in pairs(self.options) do texts[#texts + 1] = ("%s=%s"):format(name, tostring(value)) end
  table.sort(texts)
  return self.name .. (#texts > 0 and ("{%s}"):format(table.concat(texts, ", ")) or "")
end

-- The options at a moment, and whether any of them changes: curves as numbers, which must keep the bounds too.
local function numbers_at(row, options, clock)
  local numbers, changes = {}, false
  for name, value in pairs(options) do
    if row.options[name].curve and type(value) ~= "number" then
      numbers[name], changes = curve.at(value, clock, row.name .. ": " .. name), true
    elseif type(value) == "table" and type(value.at) == "function" then -- a loss inside the loss
      numbers[name] = value.at(clock)
      changes = changes or numbers[name] ~= value
    else
      numbers[name] = value
    end
  end
  return changes and check.options(row.name, numbers, row.options) or numbers, changes
end

-- One loss: a definition with its options. Called without a trainer, its curves stand at their beginning.
local function instance(row, options)
  local name = row.name
  local self = { name = name, options = check.options(name, options, row.options) }
  local o, changes = numbers_at(row, self.options, { move = 0, iteration = 0 })

  for _, term in ipairs { "on_real", "on_fake", "on_gen" } do
    local f = row[term]
    self[term] = f and function(s) return f(s, o) end
  end

  function self.d(real, fake)
    real, fake = scores(name .. ".d", "real", real), scores(name .. ".d", "fake", fake)
    if row.d then return row.d(real, fake, o) end
    return row.on_real(real, o):mean() + row.on_fake(fake, o):mean()
  end

  function self.g(fake, real)
    fake = scores(name .. ".g", "fake", fake)
    if row.g then return row.g(fake, real and scores(name .. ".g", "real", real), o) end
    return row.on_gen(fake, o):mean()
  end

  function self.value(real, fake)
    real, fake = scores(name .. ".value", "real", real), scores(name .. ".value", "fake", fake)
    if row.value then return row.value(self, real, fake) end
    return self.d(real, fake) + self.g(fake, real)
  end

  function self.with(_, some)
    return instance(row, merged(self.options, some))
  end

  function self.at(clock)
    if not changes then return self end
    return instance(row, (numbers_at(row, self.options, clock)))
  end

  return setmetatable(self, { __name = "ganlua.loss", __tostring = describe })
end

local definition = {
  name = { type = "string", required = true },
  options = { type = "table", default = {} },
  on_real = { type = "function" }, on_fake = { type = "function" }, on_gen = { type = "function" },
  d = { type = "function" }, g = { type = "function" }, value = { type = "function" },
}

--- Defines an adversarial loss, either by three elementwise functions of the scores, on_real(r), on_fake(f) and
-- on_gen(f), whose means are the losses, or by d(real, fake) and g(fake, real) as a whole. `options` are rows as in
-- check.options (or curve.option, for numbers that may be curves); each function gets their values as its last
-- argument. value(loss, real, fake) is V where it is not L_D + L_G. The result is a loss, and called with options makes
-- others; gan.debug.check_loss tells whether its slopes and signs are right.
--   local mine = gan.loss.define{ name = "mine", on_real = function(r) return -r end,
--     on_fake = function(f) return f end, on_gen = function(f) return -f end }
---@param spec table
---@return ganlua.loss
function defining.define(spec)
  local row = check.options("loss.define", spec, definition)
  local by_row = row.on_real and row.on_fake and row.on_gen and not row.d and not row.g
  local by_whole = row.d and row.g and not row.on_real and not row.on_fake and not row.on_gen
  if not by_row and not by_whole then
    check.fail("loss.define: '%s' needs on_real, on_fake and on_gen, or else d and g", row.name)
  end
  return setmetatable(instance(row), {
    __name = "ganlua.loss",
    __tostring = describe,
    __call = function(_, options) return instance(row, options) end,
  })
end

return defining
