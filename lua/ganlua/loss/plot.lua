-- Pictures of the losses of gan.loss: what each one makes of a score, and the slope that the networks feel.

local core = require "ganlua.core"
local check = require "ganlua.check"
local plot = require "ganlua.plot"

local pictures = {}

local WIDTH <const>, HEIGHT <const> = 620, 270
local POINTS <const> = 401

-- The losses of single scores, in the order in which they are explained.
local usual = {
  "minimax", "nonsaturating", "hinge", "squared_hinge", "smooth_hinge", "least_squares", "wasserstein",
}

local rows = {
  losses = { type = "table" },
  from = { type = "number", default = -4 },
  to = { type = "number", default = 4 },
}

-- What a term makes of scores x, and its slopes.
local function curve_of(term, x)
  local y = term(x)
  return y:detach(), core.grad(y:sum(), { x }, { unused = "zero" })[1]
end

-- The losses to draw: names are looked up, each must be made of single scores.
local function chosen(list)
  local loss, losses = require "ganlua.loss", {}
  for i, each in ipairs(list) do
    if type(each) == "string" then each = loss[each] end
    if type(each) ~= "table" or not each.on_real or not each.on_fake or not each.on_gen then
      check.fail("loss.plot: losses[%d] must be a loss made of single scores (on_real, on_fake, on_gen), got %s", i,
        type(each) == "table" and each.name or check.describe(each))
    end
    losses[i] = each
  end
  return losses
end

-- Two plots side by side: a loss's three terms and their slopes, over the score. on_gen is dashed, for it often lies
-- on on_real.
local function terms(each, from, to)
  local x = core.linspace(from, to, POINTS)
  local values, slopes = {}, {}
  for i, name in ipairs { "on_real(r)", "on_gen(f)", "on_fake(f)" } do
    local y, slope = curve_of(each[name:match("^[%w_]+")], x)
    values[i] = { name = name, x = x, y = y, style = i == 2 and "dashed" or "line" }
    slopes[i] = { name = name, x = x, y = slope, style = i == 2 and "dashed" or "line" }
  end
  local function draw(title, series, y_range)
    return plot.line { title = title, x = "score r or f", series = series, y_range = y_range, width = WIDTH,
      height = HEIGHT }
  end
  return draw(tostring(each), values, { -3.2, 4.2 }), draw(tostring(each) .. ": slopes", slopes, { -1.7, 1.7 })
end

-- The textbook's curves: the logarithms of the original game over a probability, the hinge over t*y.
local function textbook()
  local p = core.linspace(0.01, 0.99, POINTS)
  local ty = core.linspace(-3, 3, POINTS)
  return plot.line {
    title = "the original game, over the probability D = sigmoid(score)", x = "D",
    series = {
      { name = "log D(x)", x = p, y = p:log() },
      { name = "log(1 - D(G(z)))", x = p, y = (1 - p):log() },
    },
    width = WIDTH, height = HEIGHT,
  }, plot.line {
    title = "the hinge: nothing to learn beyond the margin", x = "t*y",
    series = { { name = "max(0, 1 - t*y)", x = ty, y = core.score_hinge(ty, -1, 1) } },
    width = WIDTH, height = HEIGHT,
  }
end

-- What the generator feels, and what the discriminator feels of a real sample: the reason to choose a loss.
local function compared(from, to)
  local loss, x = require "ganlua.loss", core.linspace(from, to, POINTS)
  local function slope(name, term) return { name = name, x = x, y = select(2, curve_of(loss[name][term], x)) } end
  return plot.line {
    title = "G's slope: minimax leaves a sure D unanswered (left)", x = "f = D(G(z))",
    series = { slope("minimax", "on_gen"), slope("nonsaturating", "on_gen"), slope("hinge", "on_gen") },
    y_range = { -1.15, 0.15 }, width = WIDTH, height = HEIGHT,
  }, plot.line {
    title = "D's slope on real samples: the hinge's ends at 1", x = "r = D(x)",
    series = { slope("minimax", "on_real"), slope("smooth_hinge", "on_real"), slope("hinge", "on_real") },
    y_range = { -1.15, 0.15 }, width = WIDTH, height = HEIGHT,
  }
end

--- The picture of gan.loss.plot.
---@param options? { losses: (string|ganlua.loss)[]?, from: number?, to: number? }
---@return ganlua.plot
function pictures.losses(options)
  local given = check.options("loss.plot", options, rows)
  if given.from >= given.to then check.fail("loss.plot: from must be below to, got %g and %g", given.from, given.to) end
  local plots = {}
  local function add(...)
    for _, each in ipairs { ... } do plots[#plots + 1] = each end
  end
  if not given.losses then
    add(textbook())
    add(compared(given.from, given.to))
  end
  for _, each in ipairs(chosen(given.losses or usual)) do add(terms(each, given.from, given.to)) end
  return plot.grid { title = "What losses make of a score", columns = 2, plots = plots }
end

return pictures
