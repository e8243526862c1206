-- What all losses promise: limits far out, signs, options, what each one says about bad input. Their values stand in
-- spec/reference (PyTorch's) and in loss_spec.lua (by hand), their gradients are proved in spec/core.

local gan = require "ganlua"
local core = require "ganlua.core"
local loss = gan.loss

-- Every adversarial loss on raw scores, with its variants.
local losses = {
  loss.minimax, loss.nonsaturating, loss.minimax { smooth = 0.1 }, loss.nonsaturating { smooth = 0.1 },
  loss.hinge, loss.hinge { margin = 0.3 }, loss.squared_hinge, loss.smooth_hinge, loss.smooth_hinge { margin = 2 },
  loss.least_squares, loss.least_squares { real = 1, fake = -1, gen = 0 }, loss.wasserstein,
  loss.margin_ranking, loss.relativistic, loss.relativistic { base = "hinge" },
  loss.relativistic { base = "least_squares" }, loss.relativistic { base = loss.squared_hinge { margin = 2 } },
  loss.relativistic_average, loss.relativistic_average { base = "hinge" },
  loss.relativistic_average { base = "least_squares" }, loss.kl_wasserstein, loss.dual_contrastive,
  loss.f_divergence { kind = "pearson" }, loss.f_divergence { kind = "jensen_shannon" },
  loss.f_divergence { kind = "total_variation" },
}

-- Exponentials of scores: they leave the range of numbers.
local exponential = { loss.f_divergence { kind = "kl" }, loss.f_divergence { kind = "reverse_kl" } }

local function scores(...) return gan.tensor { ... } end

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(text, message, 1, true)
end

describe("every loss", function()
  for _, each in ipairs(losses) do
    it("is finite at scores of +-10000, with its gradients: " .. tostring(each), function()
      for _, r in ipairs { -1e4, 0, 1e4 } do
        for _, f in ipairs { -1e4, 0, 1e4 } do
          local real, fake = scores(r, r), scores(f, f)
          local d, g = each.d(real, fake), each.g(fake, real)
          local slopes = gan.grad(d + g, { real, fake }, { unused = "zero" })
          assert.is_true(core.all_finite { d, g, each.value(real, fake), slopes[1], slopes[2] })
        end
      end
    end)

    it("has slopes and signs that check_loss finds sound: " .. tostring(each), function()
      local verdict = gan.debug.check_loss(each)
      assert.is_true(verdict.ok, tostring(verdict))
    end)
  end

  for _, each in ipairs(exponential) do
    it("is the true limit at scores of +-10000, infinity among them, and sound: " .. tostring(each), function()
      assert.is_true(gan.debug.check_loss(each).ok)
      for _, far in ipairs { -1e4, 1e4 } do
        local d, g = each.d(scores(far), scores(far)):item(), each.g(scores(far)):item()
        assert.is_true(d == d and g == g)
      end
    end)
  end
end)

describe("the limits", function()
  -- name, r or f, and on_real, on_fake, on_gen there
  local rows = {
    { loss.minimax, 1e4, 0, 1e4, -1e4 }, { loss.minimax, -1e4, 1e4, 0, 0 },
    { loss.nonsaturating, 1e4, 0, 1e4, 0 }, { loss.nonsaturating, -1e4, 1e4, 0, 1e4 },
    { loss.nonsaturating { smooth = 0.25 }, 1e4, 2500, 1e4, 0 },
    { loss.nonsaturating { smooth = 0.25 }, -1e4, 7500, 0, 1e4 },
    { loss.hinge, 1e4, 0, 10001, -1e4 }, { loss.hinge, -1e4, 10001, 0, 1e4 },
    { loss.squared_hinge, 1e4, 0, 10001 ^ 2, -1e4 }, { loss.squared_hinge, -1e4, 10001 ^ 2, 0, 1e4 },
    { loss.smooth_hinge, 1e4, 0, 10000.5, -1e4 }, { loss.smooth_hinge, -1e4, 10000.5, 0, 1e4 },
    { loss.least_squares, 1e4, 9999 ^ 2 / 2, 5e7, 9999 ^ 2 / 2 },
    { loss.wasserstein, 1e4, -1e4, 1e4, -1e4 },
    { loss.f_divergence { kind = "kl" }, -1e4, 1e4, 0, 0 },
    { loss.f_divergence { kind = "kl" }, 1e4, -1e4, math.huge, -math.huge },
    { loss.f_divergence { kind = "reverse_kl" }, 1e4, 0, 9999, -9999 },
    { loss.f_divergence { kind = "reverse_kl" }, -1e4, math.huge, -10001, 10001 },
    { loss.f_divergence { kind = "pearson" }, 1e4, -1e4, 25010000, -25010000 },
    { loss.f_divergence { kind = "jensen_shannon" }, -1e4, 1e4 - math.log(2), -math.log(2), math.log(2) },
    { loss.f_divergence { kind = "total_variation" }, 1e4, -0.5, 0.5, -0.5 },
  }
  for _, row in ipairs(rows) do
    local each, at = row[1], row[2]
    it(("are exact: %s at %g"):format(tostring(each), at), function()
      for i, term in ipairs { "on_real", "on_fake", "on_gen" } do
        local wanted, got = row[i + 2], each[term](scores(at)):item()
        if math.abs(wanted) == math.huge then
          assert.equal(wanted, got)
        else
          assert.is_near(wanted, got, 1e-6 * math.max(1, math.abs(wanted)))
        end
      end
    end)
  end

  it("of losses on the batch as a whole are exact", function()
    assert.is_near(2e4, loss.kl_wasserstein.d(scores(-1e4), scores(1e4)):item(), 1e-2)
    assert.is_near(4e4, loss.dual_contrastive.d(scores(-1e4), scores(1e4)):item(), 1e-2)
    assert.is_near(0, loss.dual_contrastive.d(scores(1e4), scores(-1e4)):item(), 1e-6)
    assert.is_near(2e4, loss.relativistic.d(scores(-1e4), scores(1e4)):item(), 1e-2)
  end)
end)

describe("a fused loss of one score", function()
  it("has the same value whether it is recorded or not, on every kernel's odd ends", function()
    for _, n in ipairs { 1, 7, 33, 1000 } do
      local x = gan.linspace(-6, 6, n)
      for _, name in ipairs { "logistic", "hinge", "squared_hinge", "smooth_hinge", "exponential", "tanh" } do
        local f = core["score_" .. name]
        local recorded, plain = f(x, -1, 0.5), gan.no_grad(f, x, -1, 0.5)
        assert.is_near(0, (recorded - plain):abs():max():item(), 1e-6)
      end
    end
  end)

  it("keeps a NaN, and refuses a sign and a margin that are none", function()
    for _, name in ipairs { "logistic", "hinge", "squared_hinge", "smooth_hinge", "exponential", "tanh" } do
      local y = core["score_" .. name](scores(0 / 0)):item()
      assert.is_true(y ~= y, name)
    end
    refuses("score: sign must be 1 or -1, got 2", core.score_hinge, scores(1), 2)
    refuses("score_smooth_hinge: margin must be above 0, got 0", core.score_smooth_hinge, scores(1), 1, 0)
  end)
end)

describe("the hinges are one family:", function()
  it("a smooth hinge of a small margin is nearly the plain one of margin 0", function()
    local u = gan.linspace(-3, 3, 61)
    local plain = core.score_hinge(u, -1, 0)
    assert.is_near(0, (core.score_smooth_hinge(u, -1, 1e-3) - plain):abs():max():item(), 1e-3)
  end)

  it("their slopes meet at the corner as they should", function()
    local x = scores(-1, 0.5, 3)
    local function slopes(each) return gan.grad(each.on_real(x):sum(), { x })[1]:totable() end
    assert.same({ -1, -1, 0 }, slopes(loss.hinge))
    assert.same({ -4, -1, 0 }, slopes(loss.squared_hinge))
    assert.same({ -1, -0.5, 0 }, slopes(loss.smooth_hinge))
  end)
end)

describe("an f-divergence", function()
  it("of jensen_shannon is the original game, but for a constant", function()
    local r, f = scores(0.3, -1.2, 2), scores(-0.4, 0.9, 1)
    local js = loss.f_divergence { kind = "jensen_shannon" }
    assert.is_near(loss.minimax.value(r, f):item() + 2 * math.log(2), js.value(r, f):item(), 1e-5)
  end)

  it("takes its kinds by name", function()
    refuses("f_divergence: option 'kind' must be one of 'kl', 'reverse_kl', 'pearson', 'jensen_shannon', "
      .. "'total_variation', got \"js\"", loss.f_divergence, { kind = "js" })
  end)

  it("reaches the divergence of two Gaussians at its best score", function()
    -- p = N(0.5, 1), q = N(0, 1): log p/q = x/2 - 1/8, KL(p | q) = 1/8. Best scores: kl 1 + log p/q, reverse -log... .
    gan.seed(5)
    local q = gan.randn(200000)
    local p = q + 0.5
    local function best(x) return x * 0.5 - 0.125 end
    local kl = loss.f_divergence { kind = "kl" }
    assert.is_near(0.125, kl.value(best(p) + 1, best(q) + 1):item(), 0.01)
    assert.is_near(0.125, loss.kl_wasserstein.value(best(p), best(q)):item(), 0.01)
    -- reverse_kl: T = -q/p = -e^-v at v = log p/q.
    local reverse = loss.f_divergence { kind = "reverse_kl" }
    assert.is_near(0.125, reverse.value(best(p), best(q)):item(), 0.01)
  end)
end)

describe("kl_wasserstein", function()
  it("weighs generated samples by e^f / E[e^f], held constant", function()
    local r, f = scores(1, -0.5, 0.25), scores(0.5, 2, -1)
    local weights = f:softmax(1)
    local slopes = gan.grad(loss.kl_wasserstein.d(r, f), { r, f })
    assert.is_near(0, (slopes[2] - weights):abs():max():item(), 1e-6)
    assert.is_near(0, (gan.grad(loss.kl_wasserstein.g(f), { f })[1] + weights):abs():max():item(), 1e-6)
  end)
end)

describe("losses on pairs", function()
  local three, two = gan.zeros(3), gan.zeros(2)
  for _, name in ipairs { "margin_ranking", "relativistic", "relativistic_average" } do
    it("refuse unequal batches: " .. name, function()
      refuses(name .. ".d: compares pairs, got 3 real and 2 fake scores", loss[name].d, three, two)
      refuses(name .. ".g: compares pairs, got 3 real and 2 fake scores", loss[name].g, two, three)
      refuses(name .. ".g: needs the real scores too: g(fake, real)", loss[name].g, three)
    end)
  end

  it("refuse a base that is none", function()
    refuses("relativistic: option 'base' must be 'nonsaturating', 'hinge', 'least_squares' or a loss",
      loss.relativistic, { base = "hing" })
    refuses("got a table", loss.relativistic_average, { base = loss.kl_wasserstein })
  end)

  it("dual_contrastive compares each with all of the other batch, of any size", function()
    refuses("dual_contrastive.g: needs the real scores too", loss.dual_contrastive.g, two)
    local d = loss.dual_contrastive.d(scores(1), scores(0, 2)):item()
    local function sp(u) return math.log(1 + math.exp(u)) end
    local wanted = math.log(1 + math.exp(-1) + math.exp(1)) + (sp(-1) + sp(1)) / 2
    assert.is_near(wanted, d, 1e-5)
  end)
end)

describe("bad input", function()
  for _, name in ipairs { "hinge", "squared_hinge", "smooth_hinge", "margin_ranking" } do
    it("a negative margin: " .. name, function()
      refuses(name .. ": option 'margin' must be a number > 0 or a curve, got -0.5", loss[name], { margin = -0.5 })
    end)
  end

  it("a smoothing outside [0, 1)", function()
    refuses("minimax: option 'smooth' must be a number >= 0 and < 1 or a curve, got 1", loss.minimax, { smooth = 1 })
    refuses("did you mean 'smooth'", loss.nonsaturating, { smoth = 0.1 })
  end)

  it("an unknown loss, with the nearest name", function()
    refuses("gan.loss has no 'wassserstein' (did you mean 'wasserstein'?)", function() return loss.wassserstein end)
    refuses("gan.loss has no 'least_square' (did you mean 'least_squares'?)", function() return loss.least_square end)
  end)

  it("classes that are none", function()
    local y = gan.zeros(2, 3)
    refuses("multiclass_hinge: label 1 is 3, wanted a whole number from 0 to 2", loss.multiclass_hinge, y, scores(3, 0))
    refuses("multiclass_hinge: y must have two classes or more, got 1", loss.multiclass_hinge, gan.zeros(2, 1),
      scores(0, 0))
    refuses("multiclass_hinge: y must be N x classes, got a 3 tensor", loss.multiclass_hinge, gan.zeros(3), scores(0))
  end)

  it("shapes that do not agree", function()
    refuses("l1: y is 4x2 and t is 2: they must agree", loss.l1, gan.zeros(4, 2), gan.zeros(2))
  end)
end)

describe("an option that is a curve", function()
  local shrinking = loss.hinge { margin = gan.curve.linear { from = 2, to = 1, over = 10 } }

  it("has its number at a moment", function()
    assert.equal("hinge{margin=1.5}", tostring(shrinking.at { move = 5, iteration = 0 }))
    assert.is_near(1.5, shrinking.at({ move = 5, iteration = 0 }).on_real(scores(0)):item(), 1e-6)
  end)

  it("stands at its beginning without a trainer", function()
    assert.is_near(2, shrinking.on_real(scores(0)):item(), 1e-6)
  end)

  it("keeps the option's bounds", function()
    refuses("hinge: option 'margin' must be a number > 0 or a curve, got -1",
      loss.hinge { margin = function(t) return 1 - t end }.at, { move = 2, iteration = 0 })
  end)

  it("is found in the base of another loss too", function()
    local relative = loss.relativistic { base = shrinking }
    assert.is_near(1, relative.at({ move = 10, iteration = 0 }).d(scores(0), scores(0)):item(), 1e-6)
    assert.equal(loss.hinge, loss.hinge.at { move = 3, iteration = 3 })
  end)
end)

describe("gan.debug.check_loss", function()
  local function findings(verdict)
    local wrong = {}
    for _, finding in ipairs(verdict.findings) do
      if not finding.ok then wrong[#wrong + 1] = finding.text end
    end
    return table.concat(wrong, "\n")
  end

  it("finds a sign that is wrong", function()
    local verdict = gan.debug.check_loss(loss.define {
      name = "backwards", on_real = function(r) return r end, on_fake = function(f) return f end,
      on_gen = function(f) return f end,
    })
    assert.is_false(verdict.ok)
    assert.equal("a step on D lowers real scores, and should raise them: is a sign wrong?\n"
      .. "a step on G lowers fake scores, and should raise them: is a sign wrong?", findings(verdict))
    assert.matches("^backwards: NOT sound\n", tostring(verdict))
  end)

  it("finds a slope that is not the value's", function()
    local verdict = gan.debug.check_loss {
      d = function(r, f) return (f * f:detach():exp() - r):mean() end,
      g = function(f) return -f:detach():mean() end,
    }
    assert.matches("the slope of d in fake scores is not that of its value", findings(verdict), 1, true)
    assert.matches("a step on G does not move fake scores, and should raise them", findings(verdict), 1, true)
  end)

  it("finds scores that overflow, and a mean that is missing", function()
    local verdict = gan.debug.check_loss {
      d = function(r, f) return -r:sigmoid():log():mean() - (1 - f:sigmoid()):log():mean() + 0 * f:exp():mean() end,
      g = function(f) return -f end,
    }
    assert.matches("scores of +-10000 give NaN or an error in d and g", findings(verdict), 1, true)
    assert.matches("g in fake scores: returned a 8 tensor instead of one number (is a mean missing?)",
      findings(verdict), 1, true)
  end)

  it("looks at other scores, and refuses what is no loss", function()
    local p, q = scores(0.2, 0.6), scores(0.3, 0.8)
    assert.is_true(gan.debug.check_loss(loss.minimax_prob, { real = p, fake = q }).ok)
    refuses("check_loss: wanted a loss with functions d and g, got a function", gan.debug.check_loss, print)
    refuses("did you mean 'real'", gan.debug.check_loss, loss.hinge, { reel = p })
  end)

  it("leaves the random numbers alone", function()
    gan.seed(3)
    gan.debug.check_loss(loss.hinge)
    local after = gan.rand(1):item()
    gan.seed(3)
    assert.equal(gan.rand(1):item(), after)
  end)
end)

describe("gan.loss.plot", function()
  it("draws two pictures of each loss", function()
    local one = loss.plot { losses = { "hinge" } }.pixels:shape()
    local two = loss.plot { losses = { loss.minimax, loss.hinge { margin = 2 } }, from = -2, to = 2 }.pixels:shape()
    assert.equal(one[2], two[2])
    assert.is_true(two[1] > one[1])
  end)

  it("refuses losses that are not made of single scores", function()
    refuses("loss.plot: losses[2] must be a loss made of single scores (on_real, on_fake, on_gen), got relativistic",
      loss.plot, { losses = { "hinge", "relativistic" } })
    refuses("gan.loss has no 'hinj'", loss.plot, { losses = { "hinj" } })
    refuses("from must be below to, got 1 and 0", loss.plot, { from = 1, to = 0 })
  end)
end)
