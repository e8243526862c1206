--- DiffAugment (Zhao 2020): every picture that the discriminator is shown is changed, always.

local core = require "ganlua.core"
local warp = require "ganlua.augment.warp"

-- n whole numbers from low to high.
local function whole(n, low, high)
  local list = core.rand(n):totable()
  for i, u in ipairs(list) do list[i] = low + u * (high - low + 1) // 1 end
  return list
end

local function one_each(n) return core.rand { n, 1, 1, 1 } end

-- Brightness, by -0.5 to 0.5; saturation, times 0 to 2 around each pixel's mean; contrast, times 0.5 to 1.5 around the
-- picture's mean.
local function colour(x)
  local n = #x
  x = x + (one_each(n) - 0.5)
  local mean = core.mean(x, { 4 }, { keepdim = true })
  x = (x - mean) * (one_each(n) * 2) + mean
  mean = core.mean(x, { 2, 3, 4 }, { keepdim = true })
  return (x - mean) * (one_each(n) + 0.5) + mean
end

local function translated(x, share)
  local n, height, width = table.unpack(x:shape())
  local down, right = math.floor(height * share + 0.5), math.floor(width * share + 0.5)
  return warp.shift(x, whole(n, -down, down), whole(n, -right, right))
end

local function cut(x, share)
  local n, height, width = table.unpack(x:shape())
  local tall, wide = math.floor(height * share + 0.5), math.floor(width * share + 0.5)
  if tall == 0 or wide == 0 then return x end
  local top, left = whole(n, 0, height - tall % 2), whole(n, 0, width - wide % 2) -- of the middle
  for i = 1, n do top[i], left[i] = top[i] - tall // 2, left[i] - wide // 2 end
  return x * warp.hole(n, height, width, top, left, tall, wide)
end

--- Changes pictures: o.color, o.translation and o.cutout (shares of a side; 0: not).
---@param x ganlua.tensor N x H x W x C
---@param o { color: boolean, translation: number, cutout: number }
---@return ganlua.tensor
return function(x, o)
  if o.color then x = colour(x) end
  if o.translation > 0 then x = translated(x, o.translation) end
  if o.cutout > 0 then x = cut(x, o.cutout) end
  return x
end
