-- The losses of gan.loss for classifiers: of outputs y and what they should be. Each is the mean over the batch.

local core = require "ganlua.core"
local check = require "ganlua.check"

local classification = {}

-- y and t as tensors of one shape (N and N x 1 agree); t may be a number.
local function pair(where, y, t)
  if not core.is_tensor(y) then check.fail("%s: y must be a tensor, got %s", where, check.describe(y)) end
  if type(t) == "number" then return y, core.full(y:shape(), t) end
  if not core.is_tensor(t) then check.fail("%s: t must be a tensor or a number, got %s", where, check.describe(t)) end
  local y_shape, t_shape, count = y:shape(), t:shape(), y:numel()
  if check.shape_text(y_shape) == check.shape_text(t_shape) then return y, t end
  if t:numel() ~= count or y_shape[1] ~= count or t_shape[1] ~= count then
    check.fail("%s: y is %s and t is %s: they must agree", where, check.shape_text(y_shape), check.shape_text(t_shape))
  end
  return y:reshape(count), t:reshape(count)
end

-- Scores by class and the mask of each sample's own class, both N x classes.
local function classes(where, y, class)
  local shape = core.is_tensor(y) and y:shape()
  if not shape or #shape ~= 2 or shape[1] == 0 then
    check.fail("%s: y must be N x classes, got %s", where, check.describe(y))
  end
  local n, count = shape[1], shape[2]
  local column = check.labels(where, class, count)
  if column:numel() ~= n then
    check.fail("%s: y is %dx%d, so there must be %d labels, got %d", where, n, count, n, column:numel())
  end
  return core.eq(column:reshape(n, 1), core.arange(1, count + 1, 1)), n, count
end

--- svm_hinge(y, t) = E[max(0, 1 - t*y)]: y the raw output w*x + b, t its side, -1 or +1. Right side and |y| >= 1: 0.
-- On the wrong side it grows linearly in y; on the right side with a smaller gap there still is a loss. The linear SVM
-- adds lambda/2 * |w|^2, b free. Cortes & Vapnik 1995.
---@param y ganlua.tensor N or N x 1
---@param t ganlua.tensor|number
---@return ganlua.tensor
function classification.svm_hinge(y, t)
  y, t = pair("svm_hinge", y, t)
  local right = t:abs():eq(1)
  if right:min():item() ~= 1 then
    local place = right:reshape(-1):lt(1):argmax():item()
    check.fail("svm_hinge: t must be -1 or +1 everywhere, got %g at place %d", t:reshape(-1)[place]:item(), place)
  end
  return core.score_hinge(t * y, -1, 1):mean()
end

--- multiclass_hinge(y, class) = E[max(0, 1 + max_{k != c} y_k - y_c)]: the score of the right class stands at least 1
-- above every other. Crammer & Singer 2001.
---@param y ganlua.tensor N x classes, at least two
---@param class ganlua.tensor N, whole numbers from 0 to classes - 1
---@return ganlua.tensor
function classification.multiclass_hinge(y, class)
  local own, _, count = classes("multiclass_hinge", y, class)
  if count < 2 then check.fail("multiclass_hinge: y must have two classes or more, got %d", count) end
  local best_other = core.where(own, -math.huge, y):max(2)
  return core.score_hinge(core.where(own, y, 0):sum(2) - best_other, -1, 1):mean()
end

--- cross_entropy(y, class) = E[-log softmax(y)_class], by a stable log-sum-exp.
---@param y ganlua.tensor N x classes, raw scores
---@param class ganlua.tensor N, whole numbers from 0 to classes - 1
---@return ganlua.tensor
function classification.cross_entropy(y, class)
  local own, n = classes("cross_entropy", y, class)
  return -core.where(own, core.log_softmax(y, 2), 0):sum() / n
end

--- bce_with_logits(y, t) = E[sp(y) - t*y], sp(y) = log(1 + e^y): binary cross entropy of sigmoid(y), t in [0, 1]. Label
-- smoothing is t = 0.9.
---@param y ganlua.tensor raw scores
---@param t ganlua.tensor|number
---@return ganlua.tensor
function classification.bce_with_logits(y, t)
  local targets
  y, targets = pair("bce_with_logits", y, t)
  if (targets:ge(0) * targets:le(1)):min():item() ~= 1 then
    check.fail("bce_with_logits: t must be in [0, 1], got values from %g to %g", targets:min():item(),
      targets:max():item())
  end
  if type(t) == "number" then return core.score_logistic(y, 1, t):mean() end
  return (core.score_logistic(y) - targets * y):mean()
end

--- mse(y, t) = E[(y - t)^2].
---@param y ganlua.tensor
---@param t ganlua.tensor|number
---@return ganlua.tensor
function classification.mse(y, t)
  y, t = pair("mse", y, t)
  return core.square(y - t):mean()
end

--- l1(y, t) = E[|y - t|]; at y = t its slope is 0.
---@param y ganlua.tensor
---@param t ganlua.tensor|number
---@return ganlua.tensor
function classification.l1(y, t)
  y, t = pair("l1", y, t)
  return core.abs(y - t):mean()
end

return classification
