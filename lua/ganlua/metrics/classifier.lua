--- gan.metrics.classifier_score: what a classifier makes of samples.

local check = require "ganlua.check"
local core = require "ganlua.core"

local classifier = {}

-- exp of the mean over samples of KL(p(y|x) || p(y)).
local function score(p)
  local tiny = 1e-30 -- 0 log 0 is 0
  local marginal = p:mean(1):clamp(tiny, 1)
  return (p * (p:clamp(tiny, 1):log() - marginal:log())):sum(2):mean():exp():item()
end

--- The classifier score (Salimans 2016; with Inception's probabilities it is the Inception score): exp of the mean
--- divergence of p(y|x) from p(y). From 1 (every sample alike to the classifier) to the number of classes (each
--- certain, all equally frequent). Options: splits = 1; with more, the mean over so many parts, and their deviation.
---@param probabilities ganlua.tensor n x classes
---@param options? { splits: integer? }
---@return number
---@return number deviation of the splits' scores
function classifier.classifier_score(probabilities, options)
  local given = check.options("metrics.classifier_score", options,
    { splits = { type = "integer", min = 1, default = 1 } })
  local shape = core.is_tensor(probabilities) and probabilities:shape() or {}
  if #shape ~= 2 or shape[1] < given.splits or shape[2] < 1 then
    check.fail("metrics.classifier_score: wanted probabilities, n x classes with n at least %d, got %s", given.splits,
      check.describe(probabilities))
  end
  return core.no_grad(function()
    local off = (probabilities:sum(2) - 1):abs():max():item()
    if off ~= off or off > 1e-3 or probabilities:min():item() < 0 then
      check.fail("metrics.classifier_score: each sample's probabilities must be from 0 on and add up to 1 "
        .. "(softmax(2) makes them of a classifier's scores)")
    end
    local total, squares, size = 0, 0, shape[1] // given.splits
    for i = 1, given.splits do
      local value = score(probabilities:narrow(1, (i - 1) * size + 1, size))
      total, squares = total + value, squares + value ^ 2
    end
    local mean = total / given.splits
    return mean, math.max(0, squares / given.splits - mean ^ 2) ^ 0.5
  end)
end

return classifier
