-- Line plots: round ticks, every point shown, what is said about bad series.

local gan = require "ganlua"
local plot = gan.plot

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(text, message, 1, true)
end

-- How many pixels of a plot have a colour (and not a grey).
local function coloured(drawn)
  local height, width = table.unpack(drawn.pixels:shape())
  local spread = drawn.pixels:max(3) - drawn.pixels:min(3)
  return spread:gt(0.3):sum():item(), height, width
end

describe("plot.tick_step", function()
  it("is 1, 2 or 5 times a power of ten, and puts no more ticks than asked for", function()
    for _, row in ipairs { { 10, 5, 2 }, { 10, 10, 1 }, { 1, 6, 0.2 }, { 3500, 8, 500 }, { 0.07, 8, 0.01 },
      { 99, 4, 50 }, { 1e-6, 3, 5e-7 } } do
      assert.is_near(row[3], plot.tick_step(row[1], row[2]), row[3] * 1e-9)
    end
  end)
end)

describe("plot.line", function()
  it("draws a line for each series", function()
    local one = coloured(plot.line { series = { { y = { 1, 2, 3 } } } })
    local two, height, width = coloured(plot.line { series = { { y = { 1, 2, 3 } }, { y = { 3, 2, 1 } } } })
    assert.is_true(one > 500)
    assert.is_true(two > one * 1.5)
    assert.same({ 480, 960 }, { height, width })
  end)

  it("has the size that it is given", function()
    local _, height, width = coloured(plot.line { series = { { y = { 1 } } }, width = 400, height = 300 })
    assert.same({ 300, 400 }, { height, width })
  end)

  it("shows a single high point among thousands", function()
    -- How many of the plot's rows have some colour below the legend.
    local function rows(y)
      local pixels = plot.line({ series = { { y = y } } }).pixels:narrow(1, 31, 440)
      return (pixels:max(3) - pixels:min(3)):max(2):gt(0.2):sum():item()
    end
    local y = {}
    for i = 1, 20000 do y[i] = 0 end
    assert.is_true(rows(y) < 10)
    y[12345] = 1
    assert.is_true(rows(y) > 300)
  end)

  it("takes tensors, leaves out what is not finite, and draws without any points", function()
    local x, y = gan.linspace(0, 1, 50), gan.linspace(0, 1, 50)
    assert.is_true(coloured(plot.line { series = { { x = x, y = y } } }) > 500)
    assert.is_true(coloured(plot.line { series = { { y = { 1, 0 / 0, 2, math.huge, 3 } } } }) > 500)
    assert.equal(0, (coloured(plot.line { series = {} })))
  end)

  it("writes axes, title and names", function()
    local bare = plot.line { series = { { y = { 1, 2 } } } }
    local named = plot.line { series = { { y = { 1, 2 } } }, title = "losses", x = "iteration" }
    local function dark(drawn) return drawn.pixels:max(3):lt(0):sum():item() end
    assert.is_true(dark(bare) > 1000)
    assert.is_true(dark(named) > dark(bare) + 100)
  end)

  it("leaves out what lies outside of y_range, and keeps the axis across", function()
    local y = { 0, 1, 100, 1, 0 }
    local all = plot.line { series = { { y = y } } }
    local cut = plot.line { series = { { y = y } }, y_range = { -1, 2 } }
    assert.is_true(coloured(cut) < coloured(all))
    assert.is_true(coloured(cut) > 300)
    refuses("option 'y_range' must be two numbers {low, high}", plot.line, { series = {}, y_range = { 2, 1 } })
  end)

  it("draws dashes, points and rings", function()
    local y, pixels = { 1, 2, 3 }, {}
    for _, style in ipairs { "line", "dashed", "points", "rings" } do
      pixels[style] = coloured(plot.line { series = { { name = "a", y = y, style = style } } })
      assert.is_true(pixels[style] > 40)
    end
    assert.is_true(pixels.dashed > 0.4 * pixels.line and pixels.dashed < 0.75 * pixels.line)
    assert.is_true(pixels.rings > pixels.points)
    refuses("option 'style' must be one of 'line', 'dashed', 'points', 'rings'", plot.line,
      { series = { { y = y, style = "dots" } } })
  end)

  it("refuses what cannot be drawn", function()
    refuses("option 'series' is required", plot.line, {})
    refuses("series 1 has 2 x for 3 y", plot.line, { series = { { x = { 1, 2 }, y = { 1, 2, 3 } } } })
    refuses("series 2's y must hold numbers, got \"b\" at place 2", plot.line,
      { series = { { y = { 1 } }, { y = { 1, "b" } } } })
    refuses("did you mean 'title'", plot.line, { titel = "x", series = {} })
  end)
end)

describe("plot.bar", function()
  -- How many pixels of a row differ from white.
  local function painted(picture, row)
    return picture.pixels:narrow(1, row, 1):min(3):lt(0.99):sum():item()
  end

  it("draws each value as long as it is", function()
    local picture = gan.plot.bar { groups = { "a", "b" }, series = { { name = "s", values = { 1, 4 } } } }
    -- A group is a bar of 18 rows and 14 of space below 38 of the legend; the bars' edges hold no text.
    local short, long = painted(picture, 38 + 2), painted(picture, 38 + 32 + 2)
    assert.is_true(long > 3.8 * short and long < 4.2 * short, ("%g and %g"):format(short, long))
  end)

  it("grows with its groups and series, and marks a value", function()
    local one = gan.plot.bar { groups = { "a" }, series = { { values = { 2 } } } }
    local more = gan.plot.bar { groups = { "a", "b" }, series = { { values = { 2, 1 } }, { values = { 3, 0 } } },
      mark = 1 }
    assert.is_true(#more.pixels > #one.pixels)
  end)

  it("names what it cannot draw", function()
    refuses("series 1 needs a number of 0 or more for each of 2 groups, got nothing at place 2", gan.plot.bar,
      { groups = { "a", "b" }, series = { { name = "s", values = { 1 } } } })
    refuses("there is nothing to draw", gan.plot.bar, { groups = {}, series = {} })
  end)
end)

describe("plot.grid", function()
  local function small(width) return plot.line { series = { { y = { 1, 2 } } }, width = width or 300, height = 200 } end

  it("puts plots row by row under a title", function()
    assert.same({ 400, 600, 3 }, plot.grid({ plots = { small(), small(), small() } }).pixels:shape())
    assert.same({ 200, 900, 3 }, plot.grid({ plots = { small(), small(), small() }, columns = 3 }).pixels:shape())
    assert.same({ 244, 300, 3 }, plot.grid({ plots = { small() }, title = "one" }).pixels:shape())
  end)

  it("refuses plots of different sizes, and none", function()
    refuses("plot.grid: plot 2 is 200x310x3 pixels, the first one 200x300x3", plot.grid,
      { plots = { small(), small(310) } })
    refuses("plot.grid: wanted a list of plots, got 3 at place 1", plot.grid, { plots = { 3 } })
    refuses("plot.grid: there are no plots", plot.grid, { plots = {} })
  end)
end)
