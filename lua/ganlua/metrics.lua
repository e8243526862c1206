--- gan.metrics: how good samples are, in numbers. Here is what is known of mixtures of points; the files in metrics/
-- compare sets of features.

local check = require "ganlua.check"
local core = require "ganlua.core"

local metrics = {}

-- A sample further than this many standard deviations from its nearest centre belongs to no mode.
local reach = 3

-- For each sample the number of its nearest centre (n) and 1 where it is of high quality, else 0 (n).
local function assign(samples, centres, std)
  local n, dims = table.unpack(samples:shape())
  local modes = centres:shape()[1]
  local squares = (samples:reshape(n, 1, dims) - centres:reshape(1, modes, dims)):square():sum(3)
  return (-squares):argmax(2), squares:min(2):le((reach * std) ^ 2)
end

-- Each mode's high-quality samples: their number, and their root mean square distance per dimension from their mean.
local function histogram(samples, centres, std)
  local nearest, good = assign(samples, centres, std)
  local modes, dims = table.unpack(centres:shape())
  local weights = good:reshape(-1, 1)
  local counts = good:scatter_add(1, nearest, modes)
  local share = 1 / counts:clamp(1, math.huge):reshape(modes, 1)
  -- Distances from the centres first: small numbers, whose squares keep their digits.
  local apart = (samples - centres:index(1, nearest)) * weights
  local means = apart:scatter_add(1, nearest, modes) * share
  apart = (apart - means:index(1, nearest)) * weights
  local variances = apart:square():scatter_add(1, nearest, modes) * share
  return counts:totable(), (variances:sum(2) / dims):sqrt():totable()
end

-- n x dims numbers, at least one of them.
local function check_points(name, t, dims)
  local shape = core.is_tensor(t) and t:shape() or {}
  if #shape ~= 2 or shape[1] < 1 or shape[2] < 1 or dims and shape[2] ~= dims then
    check.fail("metrics.modes: %s must be points, n x %s, got %s", name, dims or "dimensions", check.describe(t))
  elseif not core.all_finite(t) then
    check.fail("metrics.modes: %s are not all finite", name)
  end
  return shape[2]
end

---@class ganlua.modes
---@field modes integer how many modes were captured: at least one sample of high quality is theirs
---@field high_quality number share of the samples that lie within 3 std (Euclidean) of their nearest centre
---@field reverse_kl number ln K minus the entropy of the high-quality samples' histogram over the K modes
---@field spread number[] for each mode, the deviation of its high-quality samples from their own mean, in std
---@field counts number[] for each mode, its high-quality samples

--- How well samples cover a mixture of K equal Gaussians: modes(samples, centres, std), samples n x dims, centres
-- K x dims, std the true standard deviation per dimension. The definitions are PacGAN's (Lin 2018), and spread beside
-- them: a sampler that collapsed onto the centres scores 100 % and is wrong, and its spread says so.
--
-- A sample is of high quality within 3 std of its nearest centre, so a perfect sampler scores 1 - exp(-9/2) = 98.89 %
-- in the plane, with a spread of 0.974 (the tails are cut off). Its reverse KL is about (K - 1) / (2 n) from n samples:
-- a histogram of few samples is uneven by chance. Where no sample is of high quality it is ln K, as for one mode.
---@param samples ganlua.tensor n x dims
---@param centres ganlua.tensor K x dims
---@param std number
---@return ganlua.modes
function metrics.modes(samples, centres, std)
  local dims = check_points("centres", centres)
  check_points("samples", samples, dims)
  if type(std) ~= "number" or not (std > 0 and std < math.huge) then
    check.fail("metrics.modes: std must be a number above 0, got %s", check.describe(std))
  end
  local counts, deviations = core.no_grad(histogram, samples, centres, std)

  local found, good = 0, 0
  for _, count in ipairs(counts) do
    good = good + count
    if count > 0 then found = found + 1 end
  end
  local reverse_kl, spread = math.log(#counts), {}
  for k, count in ipairs(counts) do
    if count > 0 then reverse_kl = reverse_kl + count / good * math.log(count / good) end
    spread[k] = deviations[k] / std
  end
  return {
    modes = found, high_quality = good / samples:shape()[1], reverse_kl = reverse_kl, spread = spread, counts = counts,
  }
end

for _, family in ipairs { "sets", "classifier" } do
  for name, measure in pairs(require("ganlua.metrics." .. family)) do metrics[name] = measure end
end

return check.closed("gan.metrics", metrics, require "ganlua.metrics.called")
