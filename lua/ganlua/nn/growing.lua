--- Networks that grow while they are trained (Karras 2018): growing_generator, growing_discriminator. game:grow brings
-- in the next stage; schedule.progressive does so on time.
--
-- All stages are built at once, and samples have the size of the last one from the beginning: a young generator's are
-- made larger by repeating pixels, a young discriminator looks at means over them. So data, samples and pictures need
-- not know. The buffer `progress` says how far it is: 2 is two stages, 1.25 a second one that counts for a quarter.

local core = require "ganlua.core"
local check = require "ganlua.check"
local module = require "ganlua.nn.module"

local layers = {}

-- The options of growing{ {block =, head =}, {block =, head =}, ..., scale = 2 }.
local function arguments_of(name)
  return function(given)
    if type(given) ~= "table" or #given == 0 then
      check.fail("%s: wanted a list of stages {block = module, head = module}, got %s", name, check.describe(given))
    end
    local options = { stages = {} }
    for key, value in pairs(given) do
      if math.type(key) ~= "integer" then
        options[key] = value
      else
        options.stages[key] = check.options(("%s: stage %d"):format(name, key), value, {
          block = { is = module.is, wanted = "a module", required = true },
          head = { is = module.is, wanted = "a module", required = true },
        })
      end
    end
    return options
  end
end

local options = { stages = { type = "table" }, scale = { type = "integer", min = 1, default = 2 } }

local function setup(self)
  self.grows = #self.options.stages
  for i, stage in ipairs(self.options.stages) do
    self:child("block" .. i, stage.block, i .. ".block")
    self:child("head" .. i, stage.head, i .. ".head")
  end
end

-- How many pixels of the last stage are one of this.
local function factor(self, stage)
  return self.options.scale ^ (self.grows - stage) // 1 | 0
end

local function larger(self, stage, x)
  local times = factor(self, stage)
  return #x:shape() == 4 and times > 1 and core.upsample_nearest(x, times) or x
end

local function smaller(self, stage, x)
  local times = factor(self, stage)
  return #x:shape() == 4 and times > 1 and core.avg_pool(x, times) or x
end

-- Every stage, so that all are built; and that they fit.
local function build(self, go, shape, ...)
  local _ <close> = self:modes()
  self:eval()
  local wanted
  for i, y in ipairs(go(core.zeros(shape), ...)) do
    local text = check.shape_text(y:shape())
    wanted = wanted or text
    if text ~= wanted then self:fail("stage %d makes %s, and stage 1 %s: they must agree", i, text, wanted) end
  end
  self:buffer("progress", core.tensor { 1 })
end

-- The stage that is the newest, and its weight beside the one below.
local function progress_of(self)
  local progress = self.progress:item()
  local stage = math.ceil(progress)
  return stage, progress - (stage - 1)
end

--- A generator of several stages: growing_generator{ {block =, head =}, ..., scale = 2 }. A block makes features of the
--- features of the one before (the first: of the latents), a head makes a sample of them. Each stage's picture has
--- `scale` times as many pixels a side as the one before; samples that are no pictures stay as they are.
layers.growing_generator = module.define("growing_generator", {
  arguments = arguments_of "growing_generator", options = options, setup = setup,

  build = function(self, ...)
    build(self, function(x, ...)
      local samples = {}
      for i = 1, self.grows do
        x = self["block" .. i](x, ...)
        samples[i] = larger(self, i, self["head" .. i](x, ...))
      end
      return samples
    end, ...)
  end,

  forward = function(self, x, ...)
    local stage, weight = progress_of(self)
    for i = 1, stage - 1 do x = self["block" .. i](x, ...) end
    local y = larger(self, stage, self["head" .. stage](self["block" .. stage](x, ...), ...))
    if weight == 1 then return y end
    return larger(self, stage - 1, self["head" .. stage - 1](x, ...)) * (1 - weight) + y * weight
  end,

  describe = function() return "growing_generator" end,
})

--- A discriminator of several stages: growing_discriminator{ {block =, head =}, ..., scale = 2 }, the smallest pictures
--- first. A head makes features of a sample, a block makes of them what the block of the stage before takes; the first
--- stage's block makes the score.
layers.growing_discriminator = module.define("growing_discriminator", {
  arguments = arguments_of "growing_discriminator", options = options, setup = setup,

  build = function(self, ...)
    build(self, function(x, ...)
      local scores = {}
      for i = 1, self.grows do
        local y = self["head" .. i](smaller(self, i, x), ...)
        for below = i, 1, -1 do y = self["block" .. below](y, ...) end
        scores[i] = y
      end
      return scores
    end, ...)
  end,

  forward = function(self, x, ...)
    local stage, weight = progress_of(self)
    local y = self["block" .. stage](self["head" .. stage](smaller(self, stage, x), ...), ...)
    if weight < 1 then y = self["head" .. stage - 1](smaller(self, stage - 1, x), ...) * (1 - weight) + y * weight end
    for below = stage - 1, 1, -1 do y = self["block" .. below](y, ...) end
    return y
  end,

  describe = function() return "growing_discriminator" end,
})

return layers
