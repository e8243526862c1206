--- gan.augment: what real and generated pictures go through, alike, before the discriminator sees them: for small data
-- sets, which a discriminator would learn by heart. Gradients go through it to the generator.
--
--     gan.train { augment = gan.augment.ada {}, ... }            -- or a function of a batch, made of tensors' ops
--
-- An augmentation is also a function of pictures: gan.augment.diffaugment{}(pictures) changes them, for a look, or for
-- gan.penalty.consistency.

local check = require "ganlua.check"
local core = require "ganlua.core"
local curve = require "ganlua.curve"

local augment = {}

---@class ganlua.augmentation
---@field name string
---@field options table numbers or curves
---@field curves table<string, table>? which options are curves, and within which bounds
---@field controller { target: number, every: integer, speed: number }? of one whose strength follows the discriminator

local Augmentation = { __name = "ganlua.augmentation" }

function Augmentation.__tostring(self)
  local texts = {}
  for name, value in pairs(self.options) do
    texts[#texts + 1] = ("%s=%s"):format(name, type(value) == "number" and ("%g"):format(value) or tostring(value))
  end
  table.sort(texts)
  return ("%s{%s}"):format(self.name, table.concat(texts, ", "))
end

-- Pictures changed, each with probability p.
local function changed(self, x, p)
  if not core.is_tensor(x) or #x:shape() ~= 4 then
    check.fail("augment.%s: wanted pictures N x H x W x C, got %s", self.name, check.describe(x))
  end
  return self.change(x, self.options, p)
end

local start = { move = 0, iteration = 0 }

-- For a look, or for a penalty: curves stand at their beginning.
function Augmentation.__call(self, x)
  self = augment.at(self, start)
  return changed(self, x, self.options.p or 1)
end

local within_one = curve.option { min = 0, max = 1 }

local function share(default)
  return {
    is = function(value) return type(value) == "boolean" or within_one.is(value) end,
    wanted = "a share of a side from 0 to 1, or a curve, or true or false", default = default,
  }
end

-- An augmentation; of its options those named in `strengths` may be curves from 0 to 1.
local function new(self, strengths)
  for _, name in ipairs(strengths) do
    if type(self.options[name]) ~= "number" then
      self.curves = self.curves or {}
      self.curves[name] = within_one.curve
    end
  end
  return setmetatable(self, Augmentation)
end

--- Whether an augmentation is another one in every move: some of its options are curves.
---@param self ganlua.augmentation|function|false|nil
---@return boolean
function augment.varies(self)
  return type(self) == "table" and self.curves ~= nil
end

--- An augmentation as it is at a moment, with numbers for its curves.
---@param self ganlua.augmentation
---@param clock ganlua.clock
---@return ganlua.augmentation
function augment.at(self, clock)
  if not augment.varies(self) then return self end
  local options = {}
  for name, value in pairs(self.options) do
    local bounds = self.curves[name]
    options[name] = bounds and curve.at(value, clock, ("augment.%s: %s"):format(self.name, name), bounds) or value
  end
  return setmetatable({ name = self.name, options = options, change = self.change }, Augmentation)
end

local function as_share(value, default)
  if type(value) == "boolean" then return value and default or 0 end
  return value
end

--- diffaugment{color=true, translation=0.125, cutout=0.5}: every picture is changed: brightness, saturation and
-- contrast; moved by up to that share of a side, with zeros coming in; a rectangle of that share of each side becomes
-- 0. true means the share named here, false nothing; a share may be a curve. Zhao 2020.
---@param options? { color: boolean?, translation: number|boolean|function|ganlua.curve|nil,
--- cutout: number|boolean|function|ganlua.curve|nil }
---@return ganlua.augmentation
function augment.diffaugment(options)
  local o = check.options("augment.diffaugment", options, {
    color = { type = "boolean", default = true }, translation = share(0.125), cutout = share(0.5),
  })
  o.translation, o.cutout = as_share(o.translation, 0.125), as_share(o.cutout, 0.5)
  local change = require "ganlua.augment.diffaugment"
  return new({ name = "diffaugment", options = o, change = change }, { "translation", "cutout" })
end

--- ada{target=0.6, every=4, speed=500, p=0, blit=true, geometric=true, color=true, filter=false, noise=false,
-- cutout=false}: each change is made with a probability that follows the discriminator: it starts at p, and every 4
-- moves it goes up where the mean sign of its scores of real samples is above `target` (a sign of learning by heart),
-- else down; so fast that it would take `speed` thousand real pictures from 0 to 1; 0: it stays at p. Where p is a
-- curve, that is the probability, whatever the discriminator says. blit: flips,
-- quarter turns, whole pixels; geometric: sizes, turns, stretching; color: brightness, contrast, hue, saturation;
-- filter: octaves of frequencies, stronger or weaker; noise; cutout: half of each side.
-- A discriminator's move returns the probability as `augment`, metrics.jsonl has it too. Karras 2020 (StyleGAN2-ADA).
---@param options? table
---@return ganlua.augmentation
function augment.ada(options)
  local flag, off = { type = "boolean", default = true }, { type = "boolean", default = false }
  local o = check.options("augment.ada", options, {
    target = { type = "number", min = -1, max = 1, default = 0.6 }, every = { type = "integer", min = 1, default = 4 },
    speed = { type = "number", min = 0, default = 500 }, p = curve.option { min = 0, max = 1, default = 0 },
    blit = flag, geometric = flag, color = flag, filter = off, noise = off, cutout = off,
  })
  local self = new({ name = "ada", options = o, change = require "ganlua.augment.ada" }, { "p" })
  if not self.curves then
    self.controller = { target = o.target, every = o.every, speed = o.speed }
    return self
  end
  for _, name in ipairs { "target", "every", "speed" } do
    if options[name] ~= nil then
      check.fail("augment.ada: option '%s' says how p follows the discriminator, but p is a curve", name)
    end
    o[name] = nil
  end
  return self
end

---- What the game calls ----------------------------------------------------------------------------------------------

--- Whether a value can be an augmentation of a game: one of these, or a function.
---@param value any
---@return boolean
function augment.is(value)
  return type(value) == "function" or type(value) == "table" and getmetatable(value) == Augmentation
end

-- Where the discriminator's player keeps what is remembered, beside what penalties remember.
local key <const> = "(augment)"

local function memory_of(self, player)
  player.memory[key] = player.memory[key] or { p = self.options.p, signs = 0, scores = 0, moves = 0, pictures = 0 }
  return player.memory[key]
end

--- What the discriminator is shown of samples.
---@param self ganlua.augmentation|function
---@param player ganlua.player the discriminator's
---@param x ganlua.tensor
---@return ganlua.tensor
function augment.apply(self, player, x)
  local y
  if type(self) == "function" then
    y = self(x)
  else
    y = changed(self, x, self.controller and memory_of(self, player).p or self.options.p or 1)
  end
  local wanted = check.shape_text(x:shape())
  if not core.is_tensor(y) or check.shape_text(y:shape()) ~= wanted then
    check.fail("augment: must return samples like those that it was given, %s, got %s", wanted, check.describe(y))
  end
  return y
end

--- Looks at the discriminator's scores of real samples, in a move of its own.
---@param self ganlua.augmentation|function
---@param player ganlua.player
---@param scores ganlua.tensor
function augment.observe(self, player, scores)
  if type(self) == "function" or not self.controller then return end
  local memory = memory_of(self, player)
  memory.signs = memory.signs + core.no_grad(core.sign, scores):sum():item()
  memory.scores = memory.scores + scores:numel()
end

--- After a move of the discriminator with so many real samples: the probability that it was made with, which may be
--- another from now on. Nil for augmentations that have none.
---@param self ganlua.augmentation|function
---@param player ganlua.player
---@param pictures integer
---@return number?
function augment.adjust(self, player, pictures)
  if type(self) == "function" then return nil end
  if not self.controller then return self.options.p and self.options.p + 0.0 end
  local memory, o = memory_of(self, player), self.controller
  local p = memory.p
  memory.moves, memory.pictures = memory.moves + 1, memory.pictures + pictures
  if memory.moves % o.every == 0 then
    local sign = memory.signs / memory.scores - o.target
    local step = o.speed > 0 and memory.pictures / (o.speed * 1000) or 0
    memory.p = math.min(1, math.max(0, p + (sign > 0 and step or sign < 0 and -step or 0)))
    memory.signs, memory.scores, memory.pictures = 0, 0, 0
  end
  return p + 0.0
end

return check.closed("gan.augment", augment)
