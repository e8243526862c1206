--- ADA's changes of pictures (Karras 2020, Training generative adversarial networks with limited data, appendix B):
-- each is made with probability p, each picture in its own way. What the pipeline of the paper does in one wavelet
-- filter, moving pixels, is one bilinear interpolation here.

local check = require "ganlua.check"
local bands = require "ganlua.augment.bands"
local core = require "ganlua.core"
local warp = require "ganlua.augment.warp"

-- Random numbers of one batch, a list of n for each purpose.
local function uniform(n) return core.rand(n):totable() end
local function normal(n) return core.randn(n):totable() end

-- For each of n pictures whether something happens to it.
local function happens(n, p)
  local list = uniform(n)
  for i, u in ipairs(list) do list[i] = u < p end
  return list
end

---- Where pixels go --------------------------------------------------------------------------------------------------

-- Lets what {a, b, c, d, e, f} does follow what `map` does to a picture. (Maps run from output to input, see
-- warp.affine: it is the new one that an output's place goes through first.)
local function follow(map, a, b, c, d, e, f)
  local m1, m2, m3, m4, m5, m6 = table.unpack(map)
  map[1], map[2], map[3] = m1 * a + m2 * d, m1 * b + m2 * e, m1 * c + m2 * f + m3
  map[4], map[5], map[6] = m4 * a + m5 * d, m4 * b + m5 * e, m4 * c + m5 * f + m6
end

local function rotate(map, angle)
  local cosine, sine = math.cos(angle), math.sin(angle)
  follow(map, cosine, sine, 0, -sine, cosine, 0)
end

-- Flips, quarter turns, whole pixels.
local function blit(maps, n, p, height, width)
  local flips, flipped = happens(n, p), uniform(n)
  local turns, quarters = happens(n, height == width and p or 0), uniform(n)
  local moves, down, right = happens(n, p), uniform(n), uniform(n)
  for i, map in ipairs(maps) do
    if flips[i] and flipped[i] < 0.5 then follow(map, -1, 0, 0, 0, 1, 0) end
    local quarter = turns[i] and quarters[i] * 4 // 1 or 0
    if quarter > 0 then
      local cosine, sine = ({ 0, -1, 0 })[quarter // 1 | 0], ({ 1, 0, -1 })[quarter // 1 | 0]
      follow(map, cosine, sine, 0, -sine, cosine, 0)
    end
    if moves[i] then
      follow(map, 1, 0, math.floor((right[i] * 0.25 - 0.125) * width + 0.5), 0, 1,
        math.floor((down[i] * 0.25 - 0.125) * height + 0.5))
    end
  end
end

-- Sizes, turns, parts of pixels. A turn stands before and behind the stretching, so that either happens with the
-- probability that makes p together.
local function geometric(maps, n, p, height, width)
  local turn = 1 - math.sqrt(1 - p)
  local scales, scale = happens(n, p), normal(n)
  local first, first_angle = happens(n, turn), uniform(n)
  local stretches, stretch = happens(n, p), normal(n)
  local second, second_angle = happens(n, turn), uniform(n)
  local moves, down, right = happens(n, p), normal(n), normal(n)
  for i, map in ipairs(maps) do
    if scales[i] then
      local s = 2 ^ (-0.2 * scale[i])
      follow(map, s, 0, 0, 0, s, 0)
    end
    if first[i] then rotate(map, (first_angle[i] * 2 - 1) * math.pi) end
    if stretches[i] then
      local s = 2 ^ (0.2 * stretch[i])
      follow(map, 1 / s, 0, 0, 0, s, 0)
    end
    if second[i] then rotate(map, (second_angle[i] * 2 - 1) * math.pi) end
    if moves[i] then follow(map, 1, 0, right[i] * 0.125 * width, 0, 1, down[i] * 0.125 * height) end
  end
end

local function moved(x, o, p)
  local n, height, width = table.unpack(x:shape())
  local maps, changed = {}, false
  for i = 1, n do maps[i] = { 1, 0, 0, 0, 1, 0 } end
  if o.blit then blit(maps, n, p, height, width) end
  if o.geometric then geometric(maps, n, p, height, width) end
  for _, map in ipairs(maps) do
    for place, value in ipairs { 1, 0, 0, 0, 1, 0 } do changed = changed or map[place] ~= value end
  end
  return changed and warp.affine(x, maps) or x
end

---- Colours ----------------------------------------------------------------------------------------------------------

-- Rows of a 3 x 3 matrix that turns colours around the grey axis, makes them stronger by `saturation`, and with `flip`
-- mirrors their brightness: in parts along the grey axis and across it.
local function colour_matrix(angle, saturation, flip)
  local cosine, sine, rows = math.cos(angle), math.sin(angle), {}
  for i = 1, 3 do
    rows[i] = {}
    for k = 1, 3 do
      local cross = k == i and 0 or ((k - i) % 3 == 1 and -1 or 1) / math.sqrt(3)
      local across = (k == i and 1 or 0) - 1 / 3
      rows[i][k] = (flip and -1 or 1) / 3 + saturation * (cosine * across + sine * cross)
    end
  end
  return rows
end

-- Brightness, contrast, and of colour pictures hue and saturation: y = M x + t for each picture's colours.
local function recoloured(x, p)
  local n, height, width, channels = table.unpack(x:shape())
  if channels ~= 1 and channels ~= 3 then
    check.fail("augment.ada: 'color' wants 1 or 3 channels, got %s", check.shape_text(x:shape()))
  end
  local brighter, brightness = happens(n, p), normal(n)
  local contrasts, contrast = happens(n, p), normal(n)
  local flips, flipped = happens(n, p), uniform(n)
  local turns, angle = happens(n, p), uniform(n)
  local saturates, saturation = happens(n, p), normal(n)
  local matrices, shifts = {}, {}
  for i = 1, n do
    local scale = contrasts[i] and 2 ^ (0.5 * contrast[i]) or 1
    local flip = flips[i] and flipped[i] < 0.5
    local rows = { { flip and -1 or 1 } }
    if channels == 3 then
      local turn, strength = turns[i] and (angle[i] * 2 - 1) * math.pi or 0, saturates[i] and 2 ^ saturation[i] or 1
      rows = colour_matrix(turn, strength, flip)
    end
    shifts[i] = {}
    for place, row in ipairs(rows) do
      local sum = 0
      for k = 1, channels do
        row[k] = row[k] * scale
        sum = sum + row[k]
      end
      shifts[i][place] = brighter[i] and 0.2 * brightness[i] * sum or 0
    end
    matrices[i] = rows
  end
  local pixels = x:reshape(n, height * width, channels)
  local y = core.matmul(pixels, core.tensor(matrices), { transpose_b = true })
  return (y + core.tensor(shifts):reshape(n, 1, channels)):reshape(n, height, width, channels)
end

---- Frequencies ------------------------------------------------------------------------------------------------------

-- The power that is expected in each band of pictures, whose sum stays as it is.
local expected <const> = { 10 / 13, 1 / 13, 1 / 13, 1 / 13 }

-- One band after the other is made stronger or weaker, and all of them so that the expected power stays.
local function filtered(x, p)
  local n, gains, any = #x, {}, false
  for i = 1, n do gains[i] = { 1, 1, 1, 1 } end
  for band = 1, bands.count do
    local there, amount = happens(n, p), normal(n)
    for i = 1, n do
      if there[i] then
        local gain = 2 ^ amount[i]
        local power = 1 + expected[band] * (gain * gain - 1)
        any = true
        for k = 1, bands.count do gains[i][k] = gains[i][k] * (k == band and gain or 1) / math.sqrt(power) end
      end
    end
  end
  return any and bands.amplify(x, gains) or x
end

---- Corruptions ------------------------------------------------------------------------------------------------------

local function noisy(x, p)
  local n, amounts, there = #x, normal(#x), happens(#x, p)
  for i = 1, n do amounts[i] = there[i] and 0.1 * math.abs(amounts[i]) or 0 end
  return x + core.randn(x:shape()) * core.tensor(amounts):reshape(n, 1, 1, 1)
end

local function cut(x, p)
  local n, height, width = table.unpack(x:shape())
  local there, top, left = happens(n, p), uniform(n), uniform(n)
  local tall, wide = height // 2, width // 2
  for i = 1, n do
    top[i] = there[i] and math.floor(top[i] * height - tall / 2 + 0.5) or height
    left[i] = math.floor(left[i] * width - wide / 2 + 0.5)
  end
  return x * warp.hole(n, height, width, top, left, tall, wide)
end

--- Changes pictures with probability p.
---@param x ganlua.tensor N x H x W x C
---@param o { blit: boolean, geometric: boolean, color: boolean, filter: boolean, noise: boolean, cutout: boolean }
---@param p number
---@return ganlua.tensor
return function(x, o, p)
  if p == 0 then return x end
  if o.blit or o.geometric then x = moved(x, o, p) end
  if o.color then x = recoloured(x, p) end
  if o.filter then x = filtered(x, p) end
  if o.noise then x = noisy(x, p) end
  if o.cutout then x = cut(x, p) end
  return x
end
