--- gan.loss: the games' losses, and the classification losses beside them.
--
-- An adversarial loss is made with its options, gan.loss.hinge{margin=0.5}; with the defaults its name alone is one
-- too. It has d(real, fake), g(fake, real) and value(real, fake), each a scalar tensor. Scores are raw (logits), one
-- a sample: of shape N, N x 1 or N x 1 x 1 x 1. Below, r = D(x), f = D(G(z)), E is the mean over the batch and
-- sp(u) = log(1 + e^u) is softplus. Everything is minimised.

local core = require "ganlua.core"
local check = require "ganlua.check"

local loss = {}

local relu, softplus = core.relu, core.softplus

-- Scores as a tensor of shape N.
local function scores(where, name, s)
  if type(s) == "number" then return core.tensor { s } end
  if not core.is_tensor(s) then
    check.fail("%s: %s must be a tensor of scores, got %s%s", where, name, check.describe(s),
      type(s) == "table" and " (call it with a dot: loss.d(real, fake))" or "")
  end
  local shape, count = s:shape(), s:numel()
  if #shape == 0 then return s:reshape(1) end
  if shape[1] ~= count or count == 0 then
    check.fail("%s: %s must be one score a sample (N or N x 1), got %s", where, name, check.shape_text(shape))
  end
  return #shape == 1 and s or s:reshape(count)
end

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

local function always(mask)
  return mask:min():item() == 1
end

---- Defining a loss --------------------------------------------------------------------------------------------

---@class ganlua.loss
---@field name string
---@field options table
---@field d fun(real: ganlua.tensor, fake: ganlua.tensor): ganlua.tensor what the discriminator minimises
---@field g fun(fake: ganlua.tensor, real?: ganlua.tensor): ganlua.tensor what the generator minimises
---@field value fun(real: ganlua.tensor, fake: ganlua.tensor): ganlua.tensor V, the value of the game

local function describe(self)
  local texts = {}
  for name, value in pairs(self.options) do texts[#texts + 1] = ("%s=%s"):format(name, tostring(value)) end
  table.sort(texts)
  return self.name .. (#texts > 0 and ("{%s}"):format(table.concat(texts, ", ")) or "")
end

-- One loss: a definition with its options.
local function instance(row, options)
  local name, self = row.name, {}
  self.name, self.options = name, check.options(name, options, row.options)
  local o = self.options

  function self.d(real, fake)
    real, fake = scores(name .. ".d", "real", real), scores(name .. ".d", "fake", fake)
    if row.d then return row.d(real, fake, o) end
    return row.on_real(real, o):mean() + row.on_fake(fake, o):mean()
  end

  function self.g(fake, real)
    fake = scores(name .. ".g", "fake", fake)
    if row.g then return row.g(fake, real and scores(name .. ".g", "real", real), o) end
    return row.on_gen(fake, o):mean()
  end

  function self.value(real, fake)
    if row.value then return row.value(self, real, fake) end
    return self.d(real, fake) + self.g(fake, real)
  end

  return setmetatable(self, { __name = "ganlua.loss", __tostring = describe })
end

local definition = {
  name = { type = "string", required = true },
  options = { type = "table", default = {} },
  on_real = { type = "function" }, on_fake = { type = "function" }, on_gen = { type = "function" },
  d = { type = "function" }, g = { type = "function" }, value = { type = "function" },
}

--- Defines an adversarial loss, either by three elementwise functions of the scores, on_real(r), on_fake(f) and
-- on_gen(f), whose means are the losses, or by d(real, fake) and g(fake, real) as a whole. `options` are rows as in
-- check.options; each function gets their values as its last argument. value(loss, real, fake) is V where it is not
-- L_D + L_G. The result is a loss, and called with options makes others:
--   local mine = gan.loss.define{ name = "mine", on_real = function(r) return -r end,
--     on_fake = function(f) return f end, on_gen = function(f) return -f end }
---@param spec table
---@return ganlua.loss
function loss.define(spec)
  local row = check.options("loss.define", spec, definition)
  local by_row = row.on_real and row.on_fake and row.on_gen and not row.d and not row.g
  local by_whole = row.d and row.g and not row.on_real and not row.on_fake and not row.on_gen
  if not by_row and not by_whole then
    check.fail("loss.define: '%s' needs on_real, on_fake and on_gen, or else d and g", row.name)
  end
  return setmetatable(instance(row), {
    __name = "ganlua.loss",
    __tostring = describe,
    __call = function(_, options) return instance(row, options) end,
  })
end

local define = loss.define

local positive_margin = { margin = { type = "number", above = 0, default = 1 } }

-- V of the original game, E[log D(x)] + E[log(1 - D(G(z)))], of which the discriminator's loss is the negative.
local function original_value(self, real, fake)
  return -self.d(real, fake)
end

---- Adversarial losses -------------------------------------------------------------------------------------------

--- minimax{}: the original GAN. L_D = E[sp(-r)] + E[sp(f)] = -V, L_G = E[-sp(f)],
-- V = E[log D(x)] + E[log(1 - D(G(z)))] with D = sigmoid of the score. No gradient for G where D is sure.
-- Goodfellow 2014, eq. 1.
loss.minimax = define {
  name = "minimax",
  on_real = function(r) return softplus(-r) end,
  on_fake = function(f) return softplus(f) end,
  on_gen = function(f) return -softplus(f) end,
  value = original_value,
}

--- nonsaturating{}: L_D = E[sp(-r)] + E[sp(f)], L_G = E[sp(-f)]: G maximises E[log D(G(z))], so that it learns most
-- where D is sure. Goodfellow 2014, section 3.
loss.nonsaturating = define {
  name = "nonsaturating",
  on_real = function(r) return softplus(-r) end,
  on_fake = function(f) return softplus(f) end,
  on_gen = function(f) return softplus(-f) end,
  value = original_value,
}

--- hinge{margin=1}: L_D = E[max(0, m - r)] + E[max(0, m + f)], L_G = E[-f], V = L_D + L_G.
-- D aims for r >= m and f <= -m; past the margin a sample gives it no gradient. Lim & Ye 2017; Miyato 2018.
loss.hinge = define {
  name = "hinge",
  options = positive_margin,
  on_real = function(r, o) return relu(o.margin - r) end,
  on_fake = function(f, o) return relu(o.margin + f) end,
  on_gen = function(f) return -f end,
}

-- r_i and f_i stand side by side: there must be as many of them.
local function paired(where, real, fake)
  if not real then check.fail("%s: needs the real scores too: g(fake, real)", where) end
  local n, m = real:numel(), fake:numel()
  if n ~= m then check.fail("%s: compares pairs, got %d real and %d fake scores", where, n, m) end
end

--- margin_ranking{margin=1}: L_D = E[max(0, m - r_i + f_i)], L_G = E[max(0, m - f_i + r_i)], on pairs: a real sample
-- should score at least m above a fake one. Where nothing was learned (equal scores) the loss is m, not 0.
loss.margin_ranking = define {
  name = "margin_ranking",
  options = positive_margin,
  d = function(real, fake, o)
    paired("margin_ranking.d", real, fake)
    return relu(o.margin - real + fake):mean()
  end,
  g = function(fake, real, o)
    paired("margin_ranking.g", real, fake)
    return relu(o.margin - fake + real):mean()
  end,
}

local function probabilities(where, name, p)
  if always(p:ge(0) * p:le(1)) then return p end
  check.fail("%s: %s must be probabilities in [0, 1], got values from %g to %g (raw scores want gan.loss.minimax)",
    where, name, p:min():item(), p:max():item())
end

--- minimax_prob: the textbook's formula on probabilities, to type and to plot; to train, use minimax.
-- d(D_x, D_Gz) = -(E[log D(x)] + E[log(1 - D(G(z)))]), g(D_Gz) = E[log(1 - D(G(z)))].
-- A value outside [0, 1] is an error; 0 and 1 give the true infinity. Goodfellow 2014, eq. 1.
loss.minimax_prob = define {
  name = "minimax_prob",
  d = function(real, fake)
    probabilities("minimax_prob.d", "D(x)", real)
    probabilities("minimax_prob.d", "D(G(z))", fake)
    return -(core.log(real):mean() + core.log(1 - fake):mean())
  end,
  g = function(fake)
    probabilities("minimax_prob.g", "D(G(z))", fake)
    return core.log(1 - fake):mean()
  end,
  value = original_value,
}

---- Classification losses -------------------------------------------------------------------------------------------

--- svm_hinge(y, t) = E[max(0, 1 - t*y)]: y the raw output w*x + b, t its side, -1 or +1. Right side and |y| >= 1: 0.
-- On the right side with a smaller gap there still is a loss. The linear SVM adds lambda/2 * |w|^2, b free.
---@param y ganlua.tensor N or N x 1
---@param t ganlua.tensor|number
---@return ganlua.tensor
function loss.svm_hinge(y, t)
  y, t = pair("svm_hinge", y, t)
  if not always(t:abs():eq(1)) then check.fail("svm_hinge: t must be -1 or +1 everywhere") end
  return relu(1 - t * y):mean()
end

--- cross_entropy(y, class) = E[-log softmax(y)_class], by a stable log-sum-exp.
---@param y ganlua.tensor N x classes, raw scores
---@param class ganlua.tensor N, whole numbers from 0 to classes - 1
---@return ganlua.tensor
function loss.cross_entropy(y, class)
  local shape = core.is_tensor(y) and y:shape()
  if not shape or #shape ~= 2 or shape[1] == 0 then
    check.fail("cross_entropy: y must be N x classes, got %s", check.describe(y))
  end
  local n, classes = shape[1], shape[2]
  local column = check.labels("cross_entropy", class, classes)
  if column:numel() ~= n then
    check.fail("cross_entropy: y is %dx%d, so there must be %d labels, got %d", n, classes, n, column:numel())
  end
  local is_class = core.eq(column:reshape(n, 1), core.arange(1, classes + 1, 1))
  return -core.where(is_class, core.log_softmax(y, 2), 0):sum() / n
end

--- bce_with_logits(y, t) = E[sp(y) - t*y]: binary cross entropy of sigmoid(y), t in [0, 1] (label smoothing: 0.9).
---@param y ganlua.tensor raw scores
---@param t ganlua.tensor|number
---@return ganlua.tensor
function loss.bce_with_logits(y, t)
  y, t = pair("bce_with_logits", y, t)
  if not always(t:ge(0) * t:le(1)) then
    check.fail("bce_with_logits: t must be in [0, 1], got values from %g to %g", t:min():item(), t:max():item())
  end
  return (softplus(y) - t * y):mean()
end

--- mse(y, t) = E[(y - t)^2].
---@param y ganlua.tensor
---@param t ganlua.tensor|number
---@return ganlua.tensor
function loss.mse(y, t)
  y, t = pair("mse", y, t)
  return core.square(y - t):mean()
end

return setmetatable(loss, {
  __index = function(_, name)
    local names = {}
    for known in pairs(loss) do names[#names + 1] = known end
    table.sort(names)
    check.fail("gan.loss has no '%s'%s", tostring(name), check.hint(name, names))
  end,
})
