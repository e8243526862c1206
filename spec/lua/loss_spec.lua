-- The losses, number by number, against LOSSES' formulas worked by hand in Lua.

local gan = require "ganlua"
local loss = gan.loss

local real_list, fake_list = { 2, 0.25, -1 }, { -3, 0.5, 1 }
local real, fake = gan.tensor(real_list), gan.tensor(fake_list)

local function near(wanted, got, tolerance)
  assert.is_near(wanted, got:item(), tolerance or 1e-5)
end

local function mean(list, f)
  local sum = 0
  for _, value in ipairs(list) do sum = sum + f(value) end
  return sum / #list
end

local function softplus(u) return math.log(1 + math.exp(u)) end
local function hinge(u) return math.max(0, u) end
local function negative(u) return -u end

local rows = {
  minimax = {
    function(r) return softplus(-r) end, softplus, function(f) return -softplus(f) end, original = true,
  },
  nonsaturating = {
    function(r) return softplus(-r) end, softplus, function(f) return softplus(-f) end, original = true,
  },
  hinge = { function(r) return hinge(1 - r) end, function(f) return hinge(1 + f) end, negative },
}

for name, row in pairs(rows) do
  describe(name, function()
    local wanted_d = mean(real_list, row[1]) + mean(fake_list, row[2])
    local wanted_g = mean(fake_list, row[3])

    it("has the formula's values", function()
      near(wanted_d, loss[name] {}.d(real, fake))
      near(wanted_g, loss[name]().g(fake, real))
      near(row.original and -wanted_d or wanted_d + wanted_g, loss[name] {}.value(real, fake))
    end)

    it("is a loss without being called, too", function()
      near(wanted_d, loss[name].d(real, fake))
      assert.equal(name, loss[name].name)
    end)

    it("takes scores of shape N, N x 1 and N x 1 x 1 x 1 alike", function()
      near(wanted_d, loss[name].d(real:reshape(3, 1), fake:reshape(3, 1, 1, 1)))
      near(wanted_g, loss[name].g(fake:reshape(3, 1)))
    end)

    it("takes batches of different sizes", function()
      near(mean({ 2 }, row[1]) + mean(fake_list, row[2]), loss[name].d(gan.tensor { 2 }, fake))
    end)

    it("stays finite for scores far out", function()
      local far = gan.tensor { -1e4, 1e4 }
      assert.is_true(loss[name].d(far, far):item() < math.huge)
      assert.is_true(math.abs(loss[name].g(far):item()) < math.huge)
    end)
  end)
end

describe("minimax", function()
  it("equals the textbook's formula on probabilities", function()
    local p, q = real:sigmoid(), fake:sigmoid()
    near(loss.minimax.d(real, fake):item(), loss.minimax_prob.d(p, q))
    near(loss.minimax.g(fake):item(), loss.minimax_prob.g(q))
    near(loss.minimax.value(real, fake):item(), loss.minimax_prob.value(p, q))
  end)

  it("gives G no gradient where D is sure, and nonsaturating does", function()
    local sure = gan.tensor { -30 }
    near(0, gan.grad(loss.minimax.g(sure), { sure })[1], 1e-6)
    near(-1, gan.grad(loss.nonsaturating.g(sure), { sure })[1], 1e-6)
  end)

  it("has a value whose gradient to G's parameters is that of its second term alone", function()
    local G = gan.nn.sequential { gan.nn.linear { out = 8 }, gan.nn.tanh(), gan.nn.linear { out = 2 } }
    local D = gan.nn.sequential { gan.nn.linear { out = 8 }, gan.nn.tanh(), gan.nn.linear { out = 1 } }
    local x, z = gan.randn(16, 2), gan.randn(16, 3)
    local f = D(G(z))
    local second = -f:softplus():mean()
    local whole = loss.minimax.value(D(x), f)
    local by_second = gan.grad(second, G:parameters())
    for i, slope in ipairs(gan.grad(whole, G:parameters())) do
      near(0, (slope - by_second[i]):abs():max(), 1e-6)
      assert.is_true(slope:abs():max():item() > 0)
    end
  end)
end)

describe("hinge", function()
  it("asks for its margin", function()
    -- E[0, 0.25, 1.5] + E[0, 1, 1.5]
    near((0.25 + 1.5 + 1 + 1.5) / 3, loss.hinge { margin = 0.5 }.d(real, fake))
  end)

  it("gives a sample beyond the margin no gradient", function()
    local r, f = gan.tensor { 1.5, 0.5 }, gan.tensor { -1.5, -0.5 }
    local slopes = gan.grad(loss.hinge.d(r, f), { r, f })
    assert.same({ 0, -0.5 }, slopes[1]:totable())
    assert.same({ 0, 0.5 }, slopes[2]:totable())
  end)

  it("refuses a margin that is none, and unknown options", function()
    assert.error_matches(function() loss.hinge { margin = 0 } end,
      "hinge: option 'margin' must be a number > 0 or a curve, got 0")
    assert.error_matches(function() loss.hinge { margin = -1 } end, "'margin' must be a number > 0 or a curve, got %-1")
    assert.error_matches(function() loss.hinge { margn = 1 } end, "did you mean 'margin'")
  end)

  it("prints its options", function()
    assert.equal("hinge{margin=2}", tostring(loss.hinge { margin = 2 }))
    assert.equal("minimax", tostring(loss.minimax {}))
  end)
end)

describe("margin_ranking", function()
  it("is the margin where nothing was learned", function()
    near(0.75, loss.margin_ranking { margin = 0.75 }.d(gan.zeros(4), gan.zeros(4)))
    near(1, loss.margin_ranking {}.g(gan.zeros(4), gan.zeros(4)))
  end)

  it("compares pairs", function()
    local l = loss.margin_ranking {}
    near((0 + 1.25 + 3) / 3, l.d(real, fake))
    near((6 + 0.75 + 0) / 3, l.g(fake, real))
  end)

  it("refuses batches that do not pair up", function()
    assert.error_matches(function() loss.margin_ranking {}.d(real, gan.zeros(2)) end,
      "margin_ranking.d: compares pairs, got 3 real and 2 fake scores")
    assert.error_matches(function() loss.margin_ranking {}.g(fake) end, "needs the real scores too")
  end)
end)

describe("minimax_prob", function()
  it("is infinite at the end of the range, never clamped and never nan", function()
    assert.equal(math.huge, loss.minimax_prob.d(gan.tensor { 0, 1 }, gan.tensor { 0, 0.5 }):item())
    assert.equal(math.huge, loss.minimax_prob.d(gan.tensor { 1 }, gan.tensor { 1 }):item())
    assert.equal(-math.huge, loss.minimax_prob.g(gan.tensor { 1, 0 }):item())
    near(0, loss.minimax_prob.d(gan.tensor { 1 }, gan.tensor { 0 }))
  end)

  it("refuses what is no probability", function()
    assert.error_matches(function() loss.minimax_prob.d(gan.tensor { 1.5 }, gan.tensor { 0 }) end,
      "minimax_prob.d: D%(x%) must be probabilities in %[0, 1%], got values from 1.5 to 1.5")
    assert.error_matches(function() loss.minimax_prob.g(gan.tensor { -0.5, 1 }) end, "D%(G%(z%)%) must be")
    assert.error_matches(function() loss.minimax_prob.g(gan.tensor { 0 / 0 }) end, "D%(G%(z%)%) must be")
  end)
end)

describe("svm_hinge", function()
  it("counts the gap as well as the side", function()
    near((0 + 0.5 + 3 + 0.25) / 4, loss.svm_hinge(gan.tensor { 2, 0.5, 2, -0.75 }, gan.tensor { 1, 1, -1, -1 }))
    near(0.5, loss.svm_hinge(gan.tensor { { 0.5 } }, 1))
  end)

  it("refuses sides other than -1 and +1", function()
    assert.error_matches(function() loss.svm_hinge(real, gan.tensor { 1, 0, -1 }) end,
      "svm_hinge: t must be %-1 or %+1 everywhere, got 0 at place 2")
    assert.error_matches(function() loss.svm_hinge(real, 0.5) end, "got 0.5 at place 1")
  end)
end)

describe("cross_entropy", function()
  local y = gan.tensor { { 1, 2, 0.5 }, { -1, 0, 3 } }

  it("is the mean of -log softmax at the class", function()
    local function lse(a, b, c) return math.log(math.exp(a) + math.exp(b) + math.exp(c)) end
    near((lse(1, 2, 0.5) - 2 + lse(-1, 0, 3) + 1) / 2, loss.cross_entropy(y, gan.tensor { 1, 0 }))
  end)

  it("has the gradient (softmax - one_hot) / n", function()
    local slope = gan.grad(loss.cross_entropy(y, gan.tensor { 1, 0 }), { y })[1]
    local wanted = (y:softmax(2) - gan.tensor { { 0, 1, 0 }, { 1, 0, 0 } }) / 2
    near(0, (slope - wanted):abs():max(), 1e-6)
  end)

  it("does not overflow", function()
    near(2e4, loss.cross_entropy(gan.tensor { { 1e4, -1e4 } }, gan.tensor { 1 }), 1)
  end)

  it("names a label out of range and a batch that does not fit", function()
    assert.error_matches(function() loss.cross_entropy(y, gan.tensor { 1, 3 }) end,
      "cross_entropy: label 2 is 3, wanted a whole number from 0 to 2")
    assert.error_matches(function() loss.cross_entropy(y, gan.tensor { 1 }) end,
      "cross_entropy: y is 2x3, so there must be 2 labels, got 1")
    assert.error_matches(function() loss.cross_entropy(real, gan.tensor { 1 }) end, "y must be N x classes")
  end)
end)

describe("with", function()
  it("changes some options, and wants them in a table", function()
    assert.equal(2, loss.hinge:with { margin = 2 }.options.margin)
    local wanted = "with: wanted the options to change, {name = value}, got %s"
    assert.error_matches(function() loss.hinge:with(3) end, wanted:format "3", 1, true)
    local dot = wanted:format "nothing (call it with a colon"
    assert.error_matches(function() loss.hinge.with { margin = 2 } end, dot, 1, true)
    assert.error_matches(function() gan.optim.adam { lr = 1 }:with(true) end, wanted:format "true", 1, true)
    assert.error_matches(function() gan.penalty.r1 { weight = 1 }:with() end, wanted:format "nothing", 1, true)
  end)
end)

describe("bce_with_logits", function()
  it("is softplus(y) - t*y", function()
    near((softplus(2) - 2 + softplus(0.25) - 0.5 * 0.25 + softplus(-1)) / 3,
      loss.bce_with_logits(real, gan.tensor { 1, 0.5, 0 }))
    near(mean(real_list, function(y) return softplus(y) - 0.9 * y end), loss.bce_with_logits(real:reshape(3, 1), 0.9))
  end)

  it("refuses targets outside [0, 1]", function()
    assert.error_matches(function() loss.bce_with_logits(real, gan.tensor { 0, 2, 1 }) end,
      "bce_with_logits: t must be in %[0, 1%], got values from 0 to 2")
  end)
end)

describe("mse", function()
  it("is the mean square", function()
    near((25 + 0.0625 + 4) / 3, loss.mse(real, fake))
    near((4 + 0.0625 + 1) / 3, loss.mse(real, 0))
  end)

  it("does not broadcast a mistake away", function()
    assert.error_matches(function() loss.mse(gan.zeros(4, 2), gan.zeros(2)) end, "mse: y is 4x2 and t is 2")
    near(29.0625 / 3, loss.mse(real:reshape(3, 1), fake))
  end)
end)

describe("loss.define", function()
  it("makes a loss of three rows", function()
    local mine = loss.define {
      name = "mine", options = { k = { type = "number", default = 2 } },
      on_real = function(r, o) return -r * o.k end,
      on_fake = function(f, o) return f * o.k end,
      on_gen = function(f) return -f end,
    }
    near(2 * (-0.5 - 1.25 / 3), mine.d(real, fake))
    near(3 * (-0.5 - 1.25 / 3), mine { k = 3 }.d(real, fake))
    near(0.5, mine.g(fake))
    assert.equal("mine{k=3}", tostring(mine { k = 3 }))
  end)

  it("makes a loss of d and g", function()
    local mine = loss.define {
      name = "whole",
      d = function(r, f) return (f - r):mean() end,
      g = function(f, r) return (r - f):mean() end,
    }
    near(0, mine.value(real, fake))
    near(0.5 + 1.25 / 3, mine.g(fake, real))
  end)

  it("refuses half a loss and unknown keys", function()
    assert.error_matches(function() loss.define { name = "half", on_real = math.abs } end,
      "loss.define: 'half' needs on_real, on_fake and on_gen, or else d and g")
    assert.error_matches(function() loss.define { name = "x", on_reel = math.abs } end, "did you mean 'on_real'")
  end)
end)

describe("gan.loss", function()
  it("names the nearest loss for an unknown one", function()
    assert.error_matches(function() return loss.hing end, "gan.loss has no 'hing' %(did you mean 'hinge'%?%)")
  end)

  it("says what scores are", function()
    assert.error_matches(function() loss.hinge.d(gan.zeros(4, 2), fake) end,
      "hinge.d: real must be one score a sample %(N or N x 1%), got 4x2")
    assert.error_matches(function() loss.hinge:d(real, fake) end, "call it with a dot")
    assert.error_matches(function() loss.hinge.g(gan.zeros(0)) end, "hinge.g: fake must be one score a sample")
  end)
end)
