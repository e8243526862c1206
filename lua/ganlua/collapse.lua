--- Whether a game has gone wrong, by three numbers that anybody can read: the discriminator's accuracy, the gap between
-- real and fake scores, and how much samples differ from each other. Each trouble is told once a run.
--
-- What is remembered between iterations is a plain table (`watch`), saved with the run.

local core = require "ganlua.core"

local collapse = {}

-- So many iterations in a row must show it; and a gap of so many is one that no loss asks for.
local patience, wide_gap = 500, 100
-- Samples are too alike where their spread is below this share of the data's, at so many samplings in a row.
local least_spread, samplings = 0.05, 2

---@class ganlua.trouble
---@field kind string "nan", "accuracy", "gap" or "samples"
---@field iteration integer
---@field message string

-- Counts a symptom; true once it has lasted.
local function lasts(watch, name, there, long)
  watch[name] = there and (watch[name] or 0) + 1 or 0
  return watch[name] == long
end

--- Looks at an iteration's numbers.
---@param watch table
---@param row table<string, number> as in metrics.jsonl
---@return ganlua.trouble?
function collapse.after_iteration(watch, row)
  if not row.real or not row.fake then return nil end
  local gap = row.real - row.fake
  local stuck = lasts(watch, "accuracy", row.accuracy >= 0.999, patience)
  local wide = lasts(watch, "gap", gap > wide_gap, patience)
  if stuck and not watch.told_accuracy then
    watch.told_accuracy = true
    return {
      kind = "accuracy", iteration = row.iteration,
      message = ("the discriminator has told every real sample from every fake one for %d iterations (accuracy 1, "
        .. "score gap %.3g): the generator may learn nothing any more. What usually helps: a lower learning rate for "
        .. "the discriminator, a penalty such as gan.penalty.r1{}, noise = 0.1, or more moves of the generator")
        :format(patience, gap),
    }
  elseif wide and not watch.told_gap then
    watch.told_gap = true
    return {
      kind = "gap", iteration = row.iteration,
      message = ("real and fake scores have been more than %d apart for %d iterations (now %.3g): the discriminator "
        .. "runs away. What usually helps: nn.spectral_norm around its layers, a penalty such as gan.penalty.r1{}, or "
        .. "a lower learning rate"):format(wide_gap, patience, gap),
    }
  end
end

--- How much examples differ: the root mean square deviation from their mean.
---@param examples ganlua.tensor n x shape
---@return number
function collapse.spread(examples)
  return core.no_grad(function()
    local n = examples:shape()[1]
    local apart = examples:reshape(n, -1) - examples:reshape(n, -1):mean({ 1 }, { keepdim = true })
    return apart:square():mean():item() ^ 0.5
  end)
end

--- Looks at samples beside the data's spread.
---@param watch table
---@param iteration integer
---@param samples ganlua.tensor
---@param real number the data's spread
---@return ganlua.trouble?
function collapse.after_sampling(watch, iteration, samples, real)
  if samples:shape()[1] < 8 or iteration < patience then return nil end
  local spread = collapse.spread(samples)
  local alike = lasts(watch, "samples", spread < least_spread * real, samplings)
  if not alike or watch.told_samples then return nil end
  watch.told_samples = true
  return {
    kind = "samples", iteration = iteration,
    message = ("the samples are nearly all alike (their spread is %.3g, the data's %.3g): the generator has collapsed. "
      .. "What usually helps: going back to an earlier checkpoint with a lower learning rate, pac = 2, "
      .. "nn.minibatch_stddev{} in the discriminator, unroll, or another seed"):format(spread, real),
  }
end

return collapse
