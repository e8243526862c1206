--- What can be seen of a run at a moment, computed for whoever looks (see watchers.lua): nothing of it changes the run,
-- neither its numbers nor the place in its data.
--
-- The discriminator is asked in eval mode, and without augmentation or instance noise.

local batches = require "ganlua.batches"
local core = require "ganlua.core"
local image = require "ganlua.image"
local labels = require "ganlua.labels"
local streams = require "ganlua.streams"

local look = {}

--- Some of the data, always the same: nil of data of the script's own, which cannot be read without moving on.
---@param run ganlua.trainer
---@param n integer a multiple of the run's pac
---@return ganlua.tensor? examples n x shape
---@return ganlua.tensor? labels n
function look.real(run, n)
  local data = run.game.data
  if not data.reader then return nil end
  return streams.with(run.options.seed, streams.number "data", function() return data:batch(n, 1) end)
end

--- Some samples of the generator (of its average where there is one), from latents that are always the same.
---@param run ganlua.trainer
---@param n integer
---@return ganlua.tensor samples n x shape
---@return ganlua.tensor? labels n
function look.fake(run, n)
  local given = run.options
  return streams.with(given.seed, streams.number "grid", function()
    local z = given.latent(n)
    local classes = given.labels and labels.draw(given.labels, n)
    return core.no_grad(run.generate, run, z, classes), classes
  end)
end

--- What the discriminator says to examples.
---@param run ganlua.trainer
---@param x ganlua.tensor n x shape; n is a multiple of the run's pac
---@param classes ganlua.tensor? n, where the discriminator looks at labels
---@return ganlua.tensor scores n / pac
function look.scores(run, x, classes)
  local given, D = run.options, run.discriminator
  local _ <close> = D:modes()
  D:eval()
  return core.no_grad(function()
    local y = D(batches.packed(x, given.pac), given.labels and given.labels.discriminator and classes or nil)
    local plan = given.labels
    if plan and plan.class_scores then y = y:narrow(2, 1, 1) end
    return y:reshape(-1)
  end)
end

--- Samples side by side, as the bytes of a PNG; nil of samples that are no pictures.
---@param samples ganlua.tensor n x shape
---@param columns integer
---@return string?
function look.png(samples, columns)
  local shape = samples:shape()
  if #shape ~= 4 or shape[4] ~= 1 and shape[4] ~= 3 then return nil end
  return core.png_encode(image.grid(samples, { columns = columns }).pixels:detach())
end

---- In numbers ------------------------------------------------------------------------------------------------------

-- A list of the finite numbers of a tensor.
local function finite(t)
  local list = {}
  for _, value in ipairs(t:reshape(-1):totable()) do
    if value - value == 0 then list[#list + 1] = value end
  end
  return list
end

--- Lists of numbers in bins that all share: nil where there is no finite number.
---@param lists table<string, number[]> by name
---@param bins integer
---@return { low: number, high: number, counts: table<string, integer[]> }?
function look.binned(lists, bins)
  local low, high = math.huge, -math.huge
  for _, list in pairs(lists) do
    for _, value in ipairs(list) do low, high = math.min(low, value), math.max(high, value) end
  end
  if low > high then return nil end
  if low == high then low, high = low - 0.5, high + 0.5 end
  local counts = {}
  for name, list in pairs(lists) do
    local count = {}
    for bin = 1, bins do count[bin] = 0 end
    for _, value in ipairs(list) do
      local bin = math.min(math.floor((value - low) / (high - low) * bins) + 1, bins)
      count[bin] = count[bin] + 1
    end
    counts[name] = count
  end
  return { low = low, high = high, counts = counts }
end

--- Histograms of the discriminator's scores, of n real samples (where the data can be looked at) and n generated ones,
--- in the same bins: nil where no score is finite.
---@param run ganlua.trainer
---@param n integer a multiple of the run's pac
---@param bins integer
---@return { low: number, high: number, counts: { real: integer[]?, fake: integer[] } }?
function look.histogram(run, n, bins)
  local real, real_labels = look.real(run, n)
  local fake, fake_labels = look.fake(run, n)
  return look.binned({
    real = real and finite(look.scores(run, real, real_labels)) or nil,
    fake = finite(look.scores(run, fake, fake_labels)),
  }, bins)
end

--- Whether the run's samples are points in the plane.
---@param run ganlua.trainer
---@return boolean
function look.is_plane(run)
  local shape = run.generator.output_shape
  return #shape == 1 and shape[1] == 2
end

--- The square that points span, with a margin. Nil where no point is finite.
---@param points number[][]
---@return number[]? low
---@return number[]? high
function look.span(points)
  local low, high = { math.huge, math.huge }, { -math.huge, -math.huge }
  for _, point in ipairs(points) do
    if point[1] - point[1] == 0 and point[2] - point[2] == 0 then
      for axis = 1, 2 do
        low[axis], high[axis] = math.min(low[axis], point[axis]), math.max(high[axis], point[axis])
      end
    end
  end
  if low[1] > high[1] then return nil end
  local half = 0.6 * math.max(high[1] - low[1], high[2] - low[2], 1e-9)
  local x, y = (low[1] + high[1]) / 2, (low[2] + high[2]) / 2
  return { x - half, y - half }, { x + half, y + half }
end

--- The discriminator's scores in the middles of side x side cells of a rectangle, row by row from low y. Nil where a
--- score is not of one point alone: with pac, or of a discriminator that looks at labels.
---@param run ganlua.trainer of points in the plane
---@param low number[]
---@param high number[]
---@param side integer
---@return number[]?
function look.surface(run, low, high, side)
  local given = run.options
  if given.pac > 1 or given.labels and given.labels.discriminator then return nil end
  local at = core.affine(core.arange(0, side, 1), 1 / side, 0.5 / side)
  local x = core.affine(at, high[1] - low[1], low[1]):reshape(1, side) + core.zeros { side, 1 }
  local y = core.affine(at, high[2] - low[2], low[2]):reshape(side, 1) + core.zeros { 1, side }
  local cells = core.concat({ x:reshape(side * side, 1), y:reshape(side * side, 1) }, 2)
  return look.scores(run, cells):totable()
end

return look
