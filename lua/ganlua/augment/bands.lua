--- Makes bands of frequencies of pictures stronger or weaker (Karras 2020, Training generative adversarial networks
-- with limited data, appendix B.6). The bands are octaves: 0 to pi/8, to pi/4, to pi/2, to pi, along the rows and then
-- along the columns. They come from the wavelet sym2: its lowpass, run forwards and backwards, lets L(w) = 1/2 + 9/16
-- cos w - 1/16 cos 3w through, what is left is the highest band, and L is divided again, with w doubled. So the bands
-- add up to the picture. It is mirrored at its edges, and all is linear in the pixels: products with matrices.

local core = require "ganlua.core"

local bands = {}

-- Filters are symmetric: lists of their taps from the middle on, the middle one at 1.
local low <const>, high <const> = { 1 / 2, 9 / 32, 0, -1 / 32 }, { 1 / 2, -9 / 32, 0, 1 / 32 }

local function tap(filter, k) return filter[math.abs(k) + 1] or 0 end

-- A filter whose frequencies are doubled `times` times: zeros stand between its taps.
local function stretched(filter, times)
  local list, step = {}, 1 << times
  for k = 0, (#filter - 1) * step do list[k + 1] = k % step == 0 and filter[k // step + 1] or 0 end
  return list
end

-- One filter after the other.
local function product(a, b)
  local list = {}
  for k = 0, #a + #b - 2 do
    local sum = 0
    for i = 1 - #a, #a - 1 do sum = sum + tap(a, i) * tap(b, k - i) end
    list[k + 1] = sum
  end
  return list
end

local low2 = product(low, stretched(low, 1))
local filters <const> = {
  product(low2, stretched(low, 2)), product(low2, stretched(high, 2)), product(low, stretched(high, 1)), high,
}

--- How many there are.
bands.count = #filters

-- Each band's filter as a matrix for lines of `size` pixels, one band a row: 4 x size^2.
local function matrices(size)
  local rows = {}
  for band, filter in ipairs(filters) do
    local row = {}
    for i = 1, size * size do row[i] = 0 end
    for to = 0, size - 1 do
      for k = 1 - #filter, #filter - 1 do
        local from = (to + k) % (2 * size)
        from = from < size and from or 2 * size - 1 - from
        local at = to * size + from + 1
        row[at] = row[at] + tap(filter, k)
      end
    end
    rows[band] = row
  end
  return core.tensor(rows)
end

--- Pictures whose bands are multiplied by `gains`, along either side.
---@param x ganlua.tensor N x H x W x C
---@param gains number[][] N lists of 4, the lowest band first
---@return ganlua.tensor
function bands.amplify(x, gains)
  local n, height, width, channels = table.unpack(x:shape())
  local function filter_of(size)
    return core.no_grad(function() return core.matmul(core.tensor(gains), matrices(size)):reshape(n, size, size) end)
  end
  local down = core.matmul(filter_of(height), x:reshape(n, height, width * channels))
  local lines = down:reshape(n, height, width, channels):permute { 1, 3, 2, 4 }:reshape(n, width, height * channels)
  return core.matmul(filter_of(width), lines):reshape(n, width, height, channels):permute { 1, 3, 2, 4 }
end

return bands
