--- gan.metrics for two sets of samples, each n x d: features of pictures (see gan.features), or points. The numbers are
-- computed in double by the engine (see core/measure.c, core/neighbours.c).

local check = require "ganlua.check"
local core = require "ganlua.core"
local streams = require "ganlua.streams"

local sets = {}

-- Fails unless both are n x d of one d, of at least `fewest` samples each.
local function check_sets(name, fewest, given)
  local dims
  for _, row in ipairs(given) do
    local what, t = row[1], row[2]
    local shape = core.is_tensor(t) and t:shape() or {}
    if #shape ~= 2 or shape[1] < fewest or shape[2] < 1 or dims and shape[2] ~= dims then
      check.fail("metrics.%s: %s must be samples, n x %s with n at least %d, got %s", name, what, dims or "features",
        fewest, check.describe(t))
    elseif not core.all_finite(t) then
      check.fail("metrics.%s: %s are not all finite", name, what)
    end
    dims = shape[2]
  end
end

--- The Frechet distance of two sets of features (Heusel 2017; with Inception's features it is the FID):
--- |m_a - m_b|^2 + tr(A + B - 2 sqrt(A B)), m the means and A, B the covariances. It falls with more samples: compare
--- distances of as many, and see what real samples have to other real ones.
---@param a ganlua.tensor n x d
---@param b ganlua.tensor m x d
---@return number
function sets.frechet(a, b)
  check_sets("frechet", 2, { { "the first features", a }, { "the second features", b } })
  return core.frechet(a, b)
end

--- The kernel distance (KID, Binkowski 2018): the unbiased squared discrepancy of the kernel (x.y/d + 1)^3, over all
--- pairs. Unlike the Frechet distance it does not depend on the number of samples; it may be a little below 0.
---@param a ganlua.tensor n x d, n at least 3
---@param b ganlua.tensor m x d
---@return number
---@return number error its standard error, by the jackknife
function sets.kid(a, b)
  check_sets("kid", 3, { { "the first features", a }, { "the second features", b } })
  return core.kid(a, b)
end

--- The sliced Wasserstein distance (Rabin 2011): the root of the mean, over directions, of the squared 2-Wasserstein
--- distance of both sets' shadows on a line. Works on points and features of a few dimensions best.
--- Options: projections = 128, how many directions are drawn, from `seed` = 1; or directions, k x d.
---@param a ganlua.tensor n x d
---@param b ganlua.tensor m x d
---@param options? { projections: integer?, seed: integer?, directions: ganlua.tensor? }
---@return number
function sets.sliced_wasserstein(a, b, options)
  check_sets("sliced_wasserstein", 1, { { "the first samples", a }, { "the second samples", b } })
  local given = check.options("metrics.sliced_wasserstein", options, {
    projections = { type = "integer", min = 1, default = 128 }, seed = { type = "integer", default = 1 },
    directions = { type = "tensor" },
  })
  local directions = given.directions
  if not directions then
    local size = { given.projections, a:shape()[2] }
    directions = streams.with(given.seed, streams.number "measure", core.randn, size)
  end
  check_sets("sliced_wasserstein", 1, { { "the samples", a }, { "the directions", directions } })
  return core.sliced_wasserstein(a, b, directions)
end

---- Neighbours -----------------------------------------------------------------------------------------------------

-- The real and the generated set, and how many neighbours make a ball.
local function neighbourhoods(name, real, generated, options, default)
  local given = check.options("metrics." .. name, options, { k = { type = "integer", min = 1, default = default } })
  check_sets(name, given.k + 1, { { "the real features", real }, { "the generated features", generated } })
  return given.k
end

-- The share of points that lie among the centres.
local function covered(points, centres, k)
  return core.ball_counts(centres, points, k, true):gt(0):mean():item()
end

--- Precision: the share of generated samples that lie among real ones; recall: the share of real ones that lie among
--- generated ones (Kynkaanniemi 2019). Among: nearer to one of them than its k-th nearest neighbour in its own set is.
---@param real ganlua.tensor n x d
---@param generated ganlua.tensor m x d
---@param options? { k: integer? } 3
---@return { precision: number, recall: number }
function sets.precision_recall(real, generated, options)
  local k = neighbourhoods("precision_recall", real, generated, options, 3)
  return core.no_grad(function()
    return {
      precision = covered(generated, real, k), recall = covered(real, generated, k),
    }
  end)
end

--- Density: in how many real samples' neighbourhoods a generated one lies, over k (about 1 where both are alike, and it
--- may be more); coverage: the share of real samples with a generated one in their neighbourhood (Naeem 2020). Outliers
--- matter less than for precision and recall.
---@param real ganlua.tensor n x d
---@param generated ganlua.tensor m x d
---@param options? { k: integer? } 5
---@return { density: number, coverage: number }
function sets.density_coverage(real, generated, options)
  local k = neighbourhoods("density_coverage", real, generated, options, 5)
  return core.no_grad(function()
    return {
      density = core.ball_counts(real, generated, k, true):mean():item() / k,
      coverage = core.ball_counts(real, generated, k, false):gt(0):mean():item(),
    }
  end)
end

--- The samples of a set that are nearest to given ones: their places, n x count, and how far they are.
--- set:index(1, places[1]) are the first one's neighbours: to be looked at beside it.
---@param samples ganlua.tensor n x d
---@param set ganlua.tensor m x d
---@param options? { count: integer? } 1
---@return ganlua.tensor places
---@return ganlua.tensor distances
function sets.nearest(samples, set, options)
  local given = check.options("metrics.nearest", options, { count = { type = "integer", min = 1, default = 1 } })
  check_sets("nearest", 1, { { "the samples", samples }, { "the set's", set } })
  check_sets("nearest", given.count, { { "the set's", set } })
  return core.nearest(samples, set, given.count)
end

-- The Mann-Whitney statistic of two lists of numbers: how often a number of the first one is the smaller (ties count
-- half), and the statistic in its standard deviations from what chance gives.
local function mann_whitney(first, second)
  local m, n, all = #first, #second, {}
  for i, value in ipairs(first) do all[i] = { value, 1 } end
  for i, value in ipairs(second) do all[m + i] = { value, 0 } end
  table.sort(all, function(a, b) return a[1] < b[1] end)
  local ranks, ties, at = 0, 0, 1
  while at <= #all do
    local last, own = at, all[at][2]
    while all[last + 1] and all[last + 1][1] == all[at][1] do
      last = last + 1
      own = own + all[last][2]
    end
    local alike = last - at + 1
    ranks, ties = ranks + own * (at + last) / 2, ties + alike ^ 3 - alike
    at = last + 1
  end
  local larger = ranks - m * (m + 1) / 2 -- pairs in which the first one's is the larger
  local total = m + n
  local variance = m * n / 12 * (total + 1 - ties / (total * (total - 1)))
  return 1 - larger / (m * n), variance > 0 and (larger - m * n / 2) / variance ^ 0.5 or 0
end

--- Does a generator copy what it was trained on? The test of Meehan (2020): are its samples nearer to their nearest
--- training samples than held-out real ones are? `closer`: how often the generated one is, of pairs of a generated and
--- a held-out sample (0.5 by chance); `z`: how many standard deviations that is off (Mann-Whitney): below -3 or so it
--- copies, far above 0 it misses the data.
---@param generated ganlua.tensor n x d
---@param training ganlua.tensor m x d
---@param held_out ganlua.tensor k x d real samples that were not trained on
---@return { z: number, closer: number }
function sets.copying(generated, training, held_out)
  check_sets("copying", 1, { { "the generated features", generated }, { "the training features", training },
    { "the held-out features", held_out } })
  local _, ours = core.nearest(generated, training, 1)
  local _, theirs = core.nearest(held_out, training, 1)
  local closer, z = mann_whitney(ours:reshape(-1):totable(), theirs:reshape(-1):totable())
  return { z = z, closer = closer }
end

return sets
