-- The losses of gan.loss that estimate a divergence between the real and the generated distribution. r = D(x),
-- f = D(G(z)), E is the mean over the batch.

local core = require "ganlua.core"
local defining = require "ganlua.loss.define"

local divergence = {}

local define = defining.define
local log2 = math.log(2)

-- By divergence: g_f(v), the last activation that maps a score into f*'s domain, and f*(g_f(v)) (Nowozin 2016, tables
-- 2 and 6); V = E[g_f(r)] - E[f*(g_f(f))].
local activated = {
  kl = {
    function(v) return v end,
    function(v) return core.score_exponential(v, 1, -1) end,
  },
  reverse_kl = {
    function(v) return -core.score_exponential(v, -1) end,
    function(v) return v - 1 end,
  },
  pearson = {
    function(v) return v end,
    function(v) return core.score_parabola(v, 0.25) end,
  },
  jensen_shannon = {
    function(v) return log2 - core.score_logistic(v, -1) end,
    function(v) return core.score_logistic(v) - log2 end,
  },
  total_variation = {
    function(v) return core.score_tanh(v, 1, 0.5) end,
    function(v) return core.score_tanh(v, 1, 0.5) end,
  },
}

--- f_divergence{kind="jensen_shannon"}: L_D = -E[a(r)] + E[c(f)] = -V, L_G = -E[c(f)]; at D's best, V is the divergence
-- of the two distributions. With the output activations a = g_f and c = f*(g_f), of a raw score v:
--   kind               a(v)                   c(v)
--   kl                 v                      e^(v - 1)
--   reverse_kl         -e^-v                  v - 1
--   pearson            v                      v^2/4 + v
--   jensen_shannon     log 2 - log(1 + e^-v)  log(1 + e^v) - log 2
--   total_variation    tanh(v)/2              tanh(v)/2
-- e^v is infinite where it leaves the range of numbers (v > 88). pearson's c falls again below v = -2. jensen_shannon's
-- divergence is KL(p | m) + KL(q | m), m = (p + q)/2: twice what some call by that name.
-- Nowozin 2016, tables 2 and 6.
divergence.f_divergence = define {
  name = "f_divergence",
  options = {
    kind = {
      type = "string", default = "jensen_shannon",
      choices = { "kl", "reverse_kl", "pearson", "jensen_shannon", "total_variation" },
    },
  },
  on_real = function(r, o) return -activated[o.kind][1](r) end,
  on_fake = function(f, o) return activated[o.kind][2](f) end,
  on_gen = function(f, o) return -activated[o.kind][2](f) end,
  value = defining.zero_sum,
}

-- log E[e^s] of scores of shape N, without overflow.
local function log_mean_exp(s)
  local largest = s:max():detach()
  return (s - largest):exp():mean():log() + largest
end

--- kl_wasserstein{}: L_D = -E[r] + log E[e^f], L_G = -log E[e^f]: the Wasserstein loss in which each generated sample
-- has the weight w = e^f / E[e^f] that D thinks makes it look real: the gradients are those of -E[r] + E[w*f] and of
-- -E[w*f] with w held constant. V = -L_D, at D's best KL(real | generated). Song & Ermon 2020 (KL-WGAN).
divergence.kl_wasserstein = define {
  name = "kl_wasserstein",
  d = function(real, fake) return log_mean_exp(fake) - real:mean() end,
  g = function(fake) return -log_mean_exp(fake) end,
  value = defining.zero_sum,
}

-- E over a of log(1 + sum over b of e^(b - a)), as a softmax over a_i and all of b.
local function contrast(a, b)
  local n, m = a:numel(), b:numel()
  local rows = core.concat({ a:reshape(n, 1), b:reshape(1, m):expand(n, m) }, 2)
  return -rows:log_softmax(2):narrow(2, 1, 1):mean()
end

--- dual_contrastive{}: L_D = E_r[log(1 + sum_j e^(f_j - r))] + E_f[log(1 + sum_i e^(f - r_i))], L_G = -L_D: each real
-- sample against all generated ones of the batch, and each generated one against all real ones. V = -L_D.
-- Yu 2021.
divergence.dual_contrastive = define {
  name = "dual_contrastive",
  d = function(real, fake) return contrast(real, fake) + contrast(-fake, -real) end,
  g = function(fake, real)
    if not real then defining.paired("dual_contrastive.g", real, fake) end
    return -(contrast(real, fake) + contrast(-fake, -real))
  end,
  value = defining.zero_sum,
}

return divergence
