-- Scatter plots: points where they belong, the heat map's colours, what is said about bad input.

local gan = require "ganlua"
local plot = gan.plot

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(text, message, 1, true)
end

-- The colour {r, g, b} of a pixel, counted from 0.
local function pixel(drawn, x, y)
  return drawn.pixels:narrow(1, y + 1, 1):narrow(2, x + 1, 1):reshape(3):totable()
end

-- A plot of 200x200 pixels from -1 to 1, without points: its own area begins at 44, 38.
local function heated(heat)
  return plot.scatter { series = {}, heat = heat, x = { -1, 1 }, y = { -1, 1 }, size = 200 }
end

describe("plot.scatter", function()
  it("draws points where they belong: y upwards", function()
    local drawn = plot.scatter {
      series = { { points = gan.tensor { { 0.5, 0.5 } }, radius = 4 } }, x = { -1, 1 }, y = { -1, 1 }, size = 200,
    }
    assert.is_true(pixel(drawn, 44 + 150, 38 + 50)[1] < -0.5)
    for _, other in ipairs { { 50, 50 }, { 150, 150 }, { 50, 150 } } do
      assert.same({ 1, 1, 1 }, pixel(drawn, 44 + other[1], 38 + other[2]))
    end
  end)

  it("colours the heat: orange above 0, blue below, white at 0", function()
    local drawn = heated(function(points) return points:narrow(2, 2, 1) end)
    local above, below = pixel(drawn, 144, 38 + 10), pixel(drawn, 144, 38 + 190)
    assert.is_true(above[1] > above[3] + 0.5)
    assert.is_true(below[3] > below[1] + 0.5)
    for channel = 1, 3 do assert.is_near(1, pixel(drawn, 144, 38 + 100)[channel], 0.05) end
    local flat = heated(function(points) return points:narrow(2, 1, 1) * 0 end)
    for channel = 1, 3 do assert.is_near(1, pixel(flat, 144, 138)[channel], 1e-6) end
  end)

  it("takes a module as heat, and leaves no graph behind", function()
    local drawn = heated(gan.nn.sequential { gan.nn.linear { out = 1 } })
    assert.same({ 38 + 200 + 36, 44 + 200 + 20, 3 }, drawn.pixels:shape())
  end)

  it("shows all points where no range is given, and leaves out what is not finite", function()
    local points = gan.tensor { { -3, 100 }, { 5, 108 }, { 0 / 0, 1 }, { 1, math.huge } }
    local drawn = plot.scatter { title = "two", series = { { name = "far", points = points, radius = 5 } } }
    local spread = drawn.pixels:max(3) - drawn.pixels:min(3)
    assert.equal(0, spread:gt(0.3):sum():item()) -- black on white
    local dark = drawn.pixels:narrow(1, 63, 600):narrow(2, 50, 600):max(3):lt(-0.7):sum():item()
    assert.is_true(dark > 2 * 60 and dark < 2 * 100, dark)
  end)

  it("refuses what are no points, no range and no heat", function()
    refuses("series 1's points must be n x 2, got a 3 tensor", plot.scatter, { series = { { points = gan.zeros(3) } } })
    refuses("option 'points' must be points", plot.scatter, { series = { { points = { 1, 2 } } } })
    refuses("option 'x' must be a range {low, high}", plot.scatter, { series = {}, x = { 1, 1 } })
    refuses("heat must give one number for each", heated, function(points) return points end)
  end)
end)
