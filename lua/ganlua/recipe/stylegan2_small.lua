--- gan.recipe.stylegan2_small{size=, channels=3, latent=128, style=128, layers=4, base=2048, most=128, mixing=0.9}:
-- Karras 2020 without its large sizes: a mapping network with style mixing, a generator of modulated convolutions with
-- skips to the picture, a residual discriminator, and the path length penalty. Stage i, of (4 * 2^i)^2 pixels where the
-- size is a power of 2, has base/(4 * 2^i) channels, `most` at most; the paper's configuration F is latent = 512,
-- style = 512, layers = 8, base = 32768 (16384 for 256 pixels), most = 512. Pictures are made larger by bilinear
-- interpolation, which is the paper's filter there, and smaller by means over 2 x 2 pixels, where the paper's filter is
-- twice as wide. The generator's parts can be called by themselves, to mix styles by hand:
--
--   local a, b = G[1](gan.randn(1, 128)), G[1](gan.randn(1, 128))     -- 1 x layers x style
--   local coarse_of_a = gan.concat({ a:narrow(2, 1, 4), b:narrow(2, 5, #b[1] - 4) }, 2)
--   gan.image.show(G[2](coarse_of_a))

local check = require "ganlua.check"
local core = require "ganlua.core"
local loss = require "ganlua.loss"
local nn = require "ganlua.nn"
local optim = require "ganlua.optim"
local penalty = require "ganlua.penalty"
local stages = require "ganlua.recipe.stages"

-- A leaky ReLU of slope 0.2 leaves this share of the size of its inputs: layers before one make up for it.
local GAIN <const> = 2 ^ 0.5

-- A picture of `size` x `size` and `channels` that is trained, whatever the input: N x H x W x C.
local constant = nn.define("constant", {
  options = { size = { type = "integer", required = true }, channels = { type = "integer", required = true } },
  build = function(self)
    self:parameter("value", core.randn { 1, self.options.size, self.options.size, self.options.channels })
  end,
  forward = function(self, w)
    local shape = self.value:shape()
    shape[1] = #w
    return self.value:expand(shape)
  end,
  steps = function(self, g, w)
    local o = self.options
    return g:add(self, { o.size, o.size, o.channels }, { op = "constant", inputs = { w }, weight = self.value })
  end,
})

-- A modulated convolution with noise and activation: m(x, w).
local styled = nn.define("styled_conv", {
  options = { out = { type = "integer", required = true }, up = { type = "boolean", default = false } },
  setup = function(self)
    if self.options.up then self:child("up", nn.upsample { mode = "bilinear" }, "") end
    self:child("conv", nn.modulated_conv2d { out = self.options.out, kernel = 3, bias = false }, "conv")
    self:child("noise", nn.pixel_noise {}, "noise")
  end,
  build = function(self) self:parameter("bias", core.zeros { self.options.out }) end,
  forward = function(self, x, w)
    if self.up then x = self.up(x) end
    return core.leaky_relu(self.noise(self.conv(x, w)) + self.bias, 0.2) * GAIN
  end,
  steps = function(self, g, x, w)
    if self.up then x = g:walk(self.up, x) end
    local y = g:walk(self.noise, g:walk(self.conv, x, w))
    local larger = g:add(self, g.shapes[y], { op = "scale_shift", inputs = { y }, bias = self.bias * GAIN,
      weight = core.full({ self.options.out }, GAIN) })
    return g:add(self, g.shapes[y], { op = "activation", inputs = { larger }, name = "leaky_relu", slope = 0.2 })
  end,
})

-- The style of one layer, N x style, of those of all.
local function of_layer(w, i)
  local shape = w:shape()
  return w:narrow(2, i, 1):reshape(shape[1], shape[3])
end

-- Styles to pictures: each stage adds to the picture of the one below, made twice as large. Styles are given layer by
-- layer, N x layers x style: two convolutions a stage (one at the first), and one to the last picture; the picture of
-- an earlier stage has the style of the next convolution.
local synthesis = nn.define("synthesis", {
  options = { stages = { type = "table", required = true }, pictures = { type = "integer", required = true } },
  setup = function(self)
    local list = self.options.stages
    self:child("start", constant { size = list[1].size, channels = list[1].channels })
    for i, stage in ipairs(list) do
      if i > 1 then self:child("up" .. i, styled { out = stage.channels, up = true }) end
      self:child("conv" .. i, styled { out = stage.channels })
      self:child("picture" .. i, nn.modulated_conv2d { out = self.options.pictures, kernel = 1, demodulate = false })
    end
    self:child("larger", nn.upsample { mode = "bilinear" })
  end,
  forward = function(self, w)
    local shape, count = self:input(w, 3, "an N x layers x style"), #self.options.stages
    if shape[2] ~= 2 * count then
      self:fail("wanted styles of %d layers, got %s", 2 * count, check.shape_text(shape))
    end
    local x, picture = self.start(w), nil
    for i = 1, count do
      if i > 1 then x = self["up" .. i](x, of_layer(w, 2 * i - 2)) end
      x = self["conv" .. i](x, of_layer(w, 2 * i - 1))
      local more = self["picture" .. i](x, of_layer(w, 2 * i))
      picture = picture and self.larger(picture) + more or more
    end
    return picture
  end,
  steps = function(self, g, w)
    local x, picture = g:walk(self.start, w), nil
    for i = 1, #self.options.stages do
      if i > 1 then x = g:walk(self["up" .. i], x, g:row(self, w, 2 * i - 2)) end
      x = g:walk(self["conv" .. i], x, g:row(self, w, 2 * i - 1))
      local more = g:walk(self["picture" .. i], x, g:row(self, w, 2 * i))
      picture = picture and g:add(self, g.shapes[more],
        { op = "mix", inputs = { g:walk(self.larger, picture), more }, factors = { 1, 1 } }) or more
    end
    return picture
  end,
  describe = function() return "synthesis" end,
})

-- Latents to styles for so many layers.
local function mapping(o, count)
  local layers = { nn.pixel_norm {} }
  for _ = 1, o.layers do
    layers[#layers + 1] = nn.equalized { nn.linear { out = o.style }, rate = 0.01, gain = GAIN }
    layers[#layers + 1] = nn.leaky_relu {}
  end
  return nn.style_mixing { mapping = nn.sequential(layers), layers = count, mixing = o.mixing }
end

-- A discriminator's block: half the size; the sum of two paths is as large as each of them.
local function block(from, to)
  return nn.residual {
    main = nn.sequential {
      nn.equalized { nn.conv2d { out = from, kernel = 3, pad = 1 }, gain = GAIN }, nn.leaky_relu {},
      nn.equalized { nn.conv2d { out = to, kernel = 3, pad = 1 } }, nn.avg_pool { kernel = 2 }, nn.leaky_relu {},
    },
    skip = nn.sequential {
      nn.equalized { nn.conv2d { out = to, kernel = 1, bias = false }, gain = 0.5 ^ 0.5 }, nn.avg_pool { kernel = 2 },
    },
  }
end

local function discriminator(list)
  local layers = {
    nn.equalized { nn.conv2d { out = list[#list].channels, kernel = 1 }, gain = GAIN }, nn.leaky_relu {},
  }
  for i = #list, 2, -1 do layers[#layers + 1] = block(list[i].channels, list[i - 1].channels) end
  local last = list[1].channels
  table.move({
    nn.minibatch_stddev { group = 4 },
    nn.equalized { nn.conv2d { out = last, kernel = 3, pad = 1 }, gain = GAIN }, nn.leaky_relu {}, nn.flatten {},
    nn.equalized { nn.linear { out = last }, gain = GAIN }, nn.leaky_relu {}, nn.equalized { nn.linear { out = 1 } },
  }, 1, 7, #layers + 1, layers)
  return nn.sequential(layers)
end

return {
  options = {
    latent = { type = "integer", min = 1, default = 128 },
    style = { type = "integer", min = 1, default = 128 },
    layers = { type = "integer", min = 1, default = 4 },
    base = { type = "integer", min = 1, default = 2048 },
    most = { type = "integer", min = 1, default = 128 },
    mixing = { type = "number", min = 0, max = 1, default = 0.9 },
  },

  make = function(o)
    local smallest, sizes = stages("recipe.stylegan2_small", o.size)
    table.insert(sizes, 1, smallest)
    local list = {}
    for i, size in ipairs(sizes) do
      list[i] = { size = size, channels = math.max(1, math.min(o.most, o.base // (2 << i))) }
    end
    local mapped, drawn = mapping(o, 2 * #list), synthesis { stages = list, pictures = o.channels }
    return {
      source = "Karras 2020, Analyzing and improving the image quality of StyleGAN",
      generator = nn.sequential { mapped, drawn },
      discriminator = discriminator(list),
      latent = o.latent, batch = 32, moves = { discriminator = 1, generator = 1 },
      loss = loss.nonsaturating {}, ema = { decay = 0.998 },
      penalties = {
        penalty.r1 { weight = 1, every = 16 },
        penalty.path_length { every = 4, mapping = mapped, synthesis = drawn },
      },
      -- The optimisers of a player whose penalty comes each k-th move alone: StyleGAN2's, appendix B.
      optimizer = {
        generator = optim.adam { lr = 2e-3 * 4 / 5, betas = { 0, 0.99 ^ (4 / 5) } },
        discriminator = optim.adam { lr = 2e-3 * 16 / 17, betas = { 0, 0.99 ^ (16 / 17) } },
      },
    }
  end,
}
