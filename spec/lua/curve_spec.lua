-- Curves: numbers that change with the moves.

local gan = require "ganlua"
local curve = require "ganlua.curve"

local function follows(wanted, c)
  for t, value in pairs(wanted) do assert.is_near(value, c(t), 1e-12, "at t = " .. t) end
end

describe("gan.curve", function()
  it("has the usual ones", function()
    follows({ [0] = 3, [9] = 3 }, gan.curve.constant(3))
    follows({ [0] = 3 }, gan.curve.constant { value = 3 })
    follows({ [0] = 1, [5] = 0.6, [10] = 0.2, [99] = 0.2 }, gan.curve.linear { from = 1, to = 0.2, over = 10 })
    follows({ [0] = 1, [5] = 0.5, [10] = 0, [99] = 0 }, gan.curve.cosine { from = 1, over = 10 })
    follows({ [0] = 0.5, [1] = 1, [2] = 1.5, [3] = 2, [4] = 2 }, gan.curve.warmup { to = 2, over = 4 })
    follows({ [0] = 1, [9] = 1, [10] = 0.1, [20] = 0.01 }, gan.curve.steps { from = 1, at = { 10, 20 } })
    follows({ [0] = 8, [10] = 4, [20] = 2 }, gan.curve.exponential { from = 8, half_life = 10 })
    follows({ [0] = 9, [10] = 5 }, gan.curve.exponential { from = 9, half_life = 10, to = 1 })
  end)

  it("warms another curve up", function()
    local c = gan.curve.warmup { to = gan.curve.linear { from = 4, to = 0, over = 4 }, over = 2 }
    follows({ [0] = 2, [1] = 3, [2] = 2, [4] = 0 }, c)
  end)

  it("prints itself", function()
    assert.equal("linear{from=1, over=10, to=0.2}", tostring(gan.curve.linear { from = 1, to = 0.2, over = 10 }))
    assert.equal("steps{at={10, 20}, from=1}", tostring(gan.curve.steps { from = 1, at = { 10, 20 } }))
    assert.equal("constant{by=iteration, value=2}", tostring(gan.curve.constant { value = 2, by = "iteration" }))
  end)

  it("gives its values as a tensor", function()
    assert.same({ 0, 1, 4 }, gan.curve.values(function(t) return t * t end, 3):totable())
  end)

  it("refuses what makes no curve", function()
    assert.error_matches(function() gan.curve.linear { from = 1, to = 2 } end,
      "curve.linear: option 'over' is required")
    assert.error_matches(function() gan.curve.steps { from = 1, at = { 3, 2 } } end, "a list of rising numbers")
    assert.error_matches(function() gan.curve.cosine { from = 1, over = 0 } end, "must be a positive number, got 0")
    assert.error_matches(function() gan.curve.values("x", 3) end, "wanted a curve")
  end)
end)

describe("a number or a curve", function()
  local clock = { move = 4, iteration = 100 }

  it("counts the player's moves, or iterations", function()
    local options = { from = 0, to = 1, over = 100 }
    assert.equal(0.5, curve.at(0.5, clock, "lr"))
    assert.equal(5, curve.at(function(t) return t + 1 end, clock, "lr"))
    assert.is_near(0.04, curve.at(gan.curve.linear(options), clock, "lr"), 1e-12)
    options.by = "iteration"
    assert.is_near(1, curve.at(gan.curve.linear(options), clock, "lr"), 1e-12)
  end)

  it("must come out as a number", function()
    assert.error_matches(function() curve.at(function() return "x" end, clock, "lr") end,
      'lr: the curve must give a number, at t = 4 it gave "x"')
    assert.error_matches(function() curve.at(function() return 0 / 0 end, clock, "lr") end, "must give a number")
  end)

  it("is checked as an option", function()
    local row = curve.option { min = 0, below = 1 }
    assert.is_true(row.is(0.5) and row.is(print) and row.is(gan.curve.constant(7)))
    assert.is_false(row.is(1) or row.is(-1) or row.is("x") or row.is {})
    assert.equal("a number >= 0 and < 1 or a curve", row.wanted)
  end)
end)
