--- gan.loss: the games' losses, and the classification losses beside them.
--
-- An adversarial loss is made with its options, gan.loss.hinge{margin=0.5}; with the defaults its name alone is one
-- too. It has d(real, fake), g(fake, real) and value(real, fake), each a scalar tensor. Scores are raw (logits), one
-- a sample: of shape N, N x 1 or N x 1 x 1 x 1. Below, r = D(x), f = D(G(z)), E is the mean over the batch and
-- sp(u) = log(1 + e^u) is softplus. Everything is minimised. Options that are numbers may be curves (see gan.curve),
-- where a trainer plays the game.
--
-- L_D = E[on_real(r)] + E[on_fake(f)] and L_G = E[on_gen(f)], with
--   loss             on_real(r)       on_fake(f)       on_gen(f)
--   minimax          sp(-r)           sp(f)            -sp(f)
--   nonsaturating    sp(-r)           sp(f)            sp(-f)
--   hinge            max(0, m - r)    max(0, m + f)    -f
--   squared_hinge    max(0, m - r)^2  max(0, m + f)^2  -f
--   smooth_hinge     h(r)             h(-f)            -f           h: hinge, its corner a parabola
--   least_squares    (r - b)^2 / 2    (f - a)^2 / 2    (f - c)^2 / 2
--   wasserstein      -r               f                -f
--   f_divergence     -g_f(r)          f*(g_f(f))       -f*(g_f(f))  by kind
-- On pairs, or on the batch as a whole: margin_ranking, relativistic, relativistic_average, kl_wasserstein,
-- dual_contrastive. On probabilities: minimax_prob. For classifiers: svm_hinge, multiclass_hinge, cross_entropy,
-- bce_with_logits, mse, l1.

local core = require "ganlua.core"
local check = require "ganlua.check"
local curve = require "ganlua.curve"
local defining = require "ganlua.loss.define"

local loss = { define = defining.define }

local define, paired, zero_sum = defining.define, defining.paired, defining.zero_sum
local logistic = core.score_logistic

local margin = { margin = curve.option { above = 0, default = 1 } }
local smooth = { smooth = curve.option { min = 0, below = 1 } }

---- Losses of single scores ---------------------------------------------------------------------------------------

-- sp(-r), the cross entropy of a real sample; with smoothing its target is 1 - smooth.
local function log_real(r, o) return logistic(r, -1, o.smooth or 0) end
local function log_fake(f) return logistic(f) end

-- E[log D(x)] + E[log(1 - D(G(z)))], which smoothed labels do not change.
local function original_value(_, real, fake)
  return -(logistic(real, -1):mean() + logistic(fake):mean())
end

--- minimax{smooth=0}: the original GAN. L_D = E[sp(-r)] + E[sp(f)] = -V, L_G = E[-sp(f)],
-- V = E[log D(x)] + E[log(1 - D(G(z)))] with D = sigmoid of the score. No gradient for G where D is sure: its slope
-- in f is -sigmoid(f). smooth = 0.1 makes D's target for real samples 0.9: on_real(r) = sp(-r) + smooth*r (one-sided
-- label smoothing, Salimans 2016). Goodfellow 2014, eq. 1.
loss.minimax = define {
  name = "minimax", options = smooth,
  on_real = log_real,
  on_fake = log_fake,
  on_gen = function(f) return -logistic(f) end,
  value = original_value,
}

--- nonsaturating{smooth=0}: L_D = E[sp(-r)] + E[sp(f)], L_G = E[sp(-f)]: G maximises E[log D(G(z))], so that it learns
-- most where D is sure: its slope in f is -sigmoid(-f). V and smooth as for minimax. Goodfellow 2014, section 3.
loss.nonsaturating = define {
  name = "nonsaturating", options = smooth,
  on_real = log_real,
  on_fake = log_fake,
  on_gen = function(f) return logistic(f, -1) end,
  value = original_value,
}

--- hinge{margin=1}: L_D = E[max(0, m - r)] + E[max(0, m + f)], L_G = E[-f], V = L_D + L_G.
-- D aims for r >= m and f <= -m; past the margin a sample gives it no gradient. The score says on which side of the
-- border a sample lies and how far; it is not a probability. Lim & Ye 2017; Tran 2017; Miyato 2018.
loss.hinge = define {
  name = "hinge", options = margin,
  on_real = function(r, o) return core.score_hinge(r, -1, o.margin) end,
  on_fake = function(f, o) return core.score_hinge(f, 1, o.margin) end,
  on_gen = function(f) return -f end,
}

--- squared_hinge{margin=1}: L_D = E[max(0, m - r)^2] + E[max(0, m + f)^2], L_G = E[-f], V = L_D + L_G: the hinge of the
-- L2-SVM; samples far on the wrong side count more, and the slope has no jump. Tang 2013.
loss.squared_hinge = define {
  name = "squared_hinge", options = margin,
  on_real = function(r, o) return core.score_squared_hinge(r, -1, o.margin) end,
  on_fake = function(f, o) return core.score_squared_hinge(f, 1, o.margin) end,
  on_gen = function(f) return -f end,
}

--- smooth_hinge{margin=1}: L_D = E[h(r)] + E[h(-f)], L_G = E[-f], V = L_D + L_G, with h(u) = m/2 - u where u <= 0,
-- (m - u)^2/(2m) where 0 < u < m, and 0 where u >= m: the hinge's corner as a parabola. Rennie & Srebro 2005, scaled to
-- the margin.
loss.smooth_hinge = define {
  name = "smooth_hinge", options = margin,
  on_real = function(r, o) return core.score_smooth_hinge(r, -1, o.margin) end,
  on_fake = function(f, o) return core.score_smooth_hinge(f, 1, o.margin) end,
  on_gen = function(f) return -f end,
}

--- least_squares{real=1, fake=0, gen=1}: L_D = E[(r - b)^2/2] + E[(f - a)^2/2], L_G = E[(f - c)^2/2] with targets
-- b = real, a = fake, c = gen. V = L_D + L_G. Mao 2017 (LSGAN).
loss.least_squares = define {
  name = "least_squares",
  options = {
    real = curve.option { default = 1 }, fake = curve.option { default = 0 }, gen = curve.option { default = 1 },
  },
  on_real = function(r, o) return core.score_square(r, o.real) end,
  on_fake = function(f, o) return core.score_square(f, o.fake) end,
  on_gen = function(f, o) return core.score_square(f, o.gen) end,
}

--- wasserstein{}: L_D = E[-r] + E[f] = -V, L_G = E[-f]: V is the distance between the distributions as far as D can
-- tell, and means something only while D's slope is bounded: with gan.penalty.gradient_penalty or weight_clip.
-- Arjovsky 2017.
loss.wasserstein = define {
  name = "wasserstein",
  on_real = function(r) return -r end,
  on_fake = function(f) return f end,
  on_gen = function(f) return -f end,
  value = zero_sum,
}

---- Losses on pairs -----------------------------------------------------------------------------------------------

--- margin_ranking{margin=1}: L_D = E[max(0, m - r_i + f_i)], L_G = E[max(0, m - f_i + r_i)], on pairs: a real sample
-- should score at least m above a fake one. Where nothing was learned (equal scores) the loss is m, not 0.
loss.margin_ranking = define {
  name = "margin_ranking", options = margin,
  d = function(real, fake, o)
    paired("margin_ranking.d", real, fake)
    return core.score_hinge(real - fake, -1, o.margin):mean()
  end,
  g = function(fake, real, o)
    paired("margin_ranking.g", real, fake)
    return core.score_hinge(fake - real, -1, o.margin):mean()
  end,
}

-- The bases of the relativistic losses that have a name, their least squares as in the paper.
local relative = {
  nonsaturating = loss.nonsaturating,
  hinge = loss.hinge,
  least_squares = {
    on_real = function(u) return 2 * core.score_square(u, 1) end,
    on_fake = function(u) return 2 * core.score_square(u, -1) end,
  },
}
local base = {
  base = {
    is = function(value)
      return relative[value] ~= nil or type(value) == "table" and value.on_real ~= nil and value.on_fake ~= nil
    end,
    wanted = "'nonsaturating', 'hinge', 'least_squares' or a loss of single scores such as gan.loss.hinge{margin=2}",
    default = "nonsaturating",
  },
}

--- relativistic{base="nonsaturating"}: L_D = E[on_real(r_i - f_i)], L_G = E[on_real(f_i - r_i)], on pairs: D tells how
-- much more real a real sample is than a generated one. base is "nonsaturating", "hinge", "least_squares" (whose
-- on_real(u) is (u - 1)^2 here), or any loss that has on_real and on_fake. Jolicoeur-Martineau 2018 (RpGAN, with one
-- term).
loss.relativistic = define {
  name = "relativistic", options = base,
  d = function(real, fake, o)
    paired("relativistic.d", real, fake)
    return (relative[o.base] or o.base).on_real(real - fake):mean()
  end,
  g = function(fake, real, o)
    paired("relativistic.g", real, fake)
    return (relative[o.base] or o.base).on_real(fake - real):mean()
  end,
}

local function above_average(a, b, terms)
  return terms.on_real(a - b:mean()):mean() + terms.on_fake(b - a:mean()):mean()
end

--- relativistic_average{base="nonsaturating"}: L_D = E[on_real(r - E[f])] + E[on_fake(f - E[r])],
-- L_G = E[on_real(f - E[r])] + E[on_fake(r - E[f])]: both terms, for G too. base as for relativistic; on_fake(u) of
-- "least_squares" is (u + 1)^2. Jolicoeur-Martineau 2018 (RaSGAN, RaHinge, RaLS).
loss.relativistic_average = define {
  name = "relativistic_average", options = base,
  d = function(real, fake, o)
    paired("relativistic_average.d", real, fake)
    return above_average(real, fake, relative[o.base] or o.base)
  end,
  g = function(fake, real, o)
    paired("relativistic_average.g", real, fake)
    return above_average(fake, real, relative[o.base] or o.base)
  end,
}

---- Probabilities -------------------------------------------------------------------------------------------------

local function probabilities(where, name, p)
  if (p:ge(0) * p:le(1)):min():item() == 1 then return p end
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
  value = zero_sum,
}

---- Divergences, classifiers, pictures ----------------------------------------------------------------------------

for _, family in ipairs { "ganlua.loss.divergence", "ganlua.loss.classification" } do
  for name, each in pairs(require(family)) do loss[name] = each end
end

--- plot{losses=, from=-4, to=4}: each loss's on_real, on_fake and on_gen beside their slopes, as a picture with
-- :save(path). losses is a list of names and losses; without it, the textbook's logarithms and the hinge come first and
-- then the losses that the table above begins with.
---@param options? { losses: (string|ganlua.loss)[]?, from: number?, to: number? }
---@return ganlua.plot
function loss.plot(options)
  return require("ganlua.loss.plot").losses(options)
end

return check.closed("gan.loss", loss)
