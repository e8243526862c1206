-- The view in the terminal, piece by piece: what goes in and what text comes out.

local gan = require "ganlua"
local braille = require "ganlua.view.braille"
local panels = require "ganlua.view.panels"
local screen = require "ganlua.view.screen"
local series = require "ganlua.view.series"
local terminal = require "ganlua.view.terminal"
local watchers = require "ganlua.watchers"
local screens = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "../cli/screen.lua")
local nn = gan.nn

local function bare(line) return (line:gsub("\27%[[%d;]*m", "")) end

local function bare_lines(lines)
  local found = {}
  for i, line in ipairs(lines) do found[i] = bare(line) end
  return found
end

local styles = { { colour = 39, mark = "." }, { colour = 208, mark = "x" }, { colour = 246, mark = "#" } }

describe("a canvas of braille", function()
  it("has 2 x 4 dots a character, as Unicode numbers them", function()
    local order = { { 0, 0 }, { 0, 1 }, { 0, 2 }, { 1, 0 }, { 1, 1 }, { 1, 2 }, { 0, 3 }, { 1, 3 } } -- dots 1 to 8
    for i, place in ipairs(order) do
      local canvas = braille.canvas(1, 1)
      canvas:dot(place[1], place[2], 1)
      assert.equal(utf8.char(0x2800 + (1 << (i - 1))), bare(canvas:lines(styles, false)[1]))
    end
  end)

  it("leaves out what lies outside, and is as wide as it was made", function()
    local canvas = braille.canvas(3, 2)
    for _, place in ipairs { { -1, 0 }, { 0, -1 }, { 6, 0 }, { 0, 8 } } do canvas:dot(place[1], place[2], 1) end
    assert.same({ "   ", "   " }, canvas:lines(styles, false))
    canvas:dot(5, 7, 2)
    assert.same({ "   ", "  \27[38;5;208m\u{2880}\27[0m" }, canvas:lines(styles, false))
  end)

  it("colours a character by whose dots it has, and has marks without UTF-8", function()
    local canvas = braille.canvas(4, 1)
    canvas:dot(0, 0, 1)
    canvas:dot(2, 0, 1)
    canvas:dot(4, 0, 2)
    canvas:dot(6, 0, 1)
    canvas:dot(7, 0, 2)
    assert.same({ "\27[38;5;39m..\27[38;5;208mx\27[38;5;246m#\27[0m" }, canvas:lines(styles, true))
  end)

  it("draws lines without gaps", function()
    local canvas = braille.canvas(4, 2)
    canvas:line(0, 7, 7, 0, 1)
    assert.same({ "  \u{2860}\u{280a}", "\u{2860}\u{280a}  " }, bare_lines(canvas:lines(styles, false)))
  end)
end)

describe("a series", function()
  it("keeps means of neighbours in bounded memory", function()
    local curve, sum = series.new(), 0
    for i = 1, 10000 do
      curve:add(i, i * i)
      sum = sum + i * i
    end
    assert.is_true(#curve.x <= 192)
    local total, count = 0, 0
    for i, n in ipairs(curve.counts) do total, count = total + n * curve.y[i], count + n end
    assert.equal(10000, count)
    assert.is_near(sum, total, 1e-6 * sum)
    for i = 1, #curve.x - 1 do
      local first, last = curve.x[i], curve.x[i + 1] - 1
      local mean = 0
      for k = first, last do mean = mean + k * k / (last - first + 1) end
      assert.is_near(mean, curve.y[i], 1e-9 * mean)
    end
  end)

  it("goes back with a run, and leaves out what is not finite", function()
    local curve = series.new()
    for i = 1, 5 do curve:add(i, i) end
    curve:add(3, 30)
    curve:add(4, 0 / 0)
    curve:add(5, math.huge)
    assert.same({ { 1, 2, 3 }, { 1, 2, 30 } }, { curve.x, curve.y })
  end)

  it("ranges over most values, and over one", function()
    local curve = series.new()
    for i = 1, 100 do curve:add(i, i == 1 and 1e6 or i / 100) end
    local low, high = series.range { curve }
    assert.is_true(low < 0.05 and high <= 1 and high > 0.95)
    local one = series.new()
    assert.is_nil(series.range { one })
    one:add(1, 2)
    low, high = series.range { one }
    assert.is_true(low < 2 and high > 2)
  end)
end)

describe("the panels", function()
  it("are as wide and as high as they are told", function()
    local d, g = series.new(), series.new()
    for i = 1, 300 do
      d:add(i, math.sin(i / 20))
      g:add(i, 1e3 * math.cos(i / 9))
    end
    local points = { real = { { 0, 1 }, { 1, 0 } }, fake = { { 0.5, 0.5 }, { 0 / 0, 1 }, { 1e300, 2 } } }
    points.range = panels.extent(points.real)
    local pictures = gan.randn(20, 28, 28, 1):clamp(-1, 1)
    for _, size in ipairs { { 20, 4 }, { 35, 9 }, { 61, 22 } } do
      local columns, rows = size[1], size[2]
      for _, ascii in ipairs { false, true } do
        for _, lines in ipairs {
          panels.chart("loss", { { name = "discriminator", series = d }, { name = "generator", series = g } },
            columns, rows, ascii),
          panels.points(points, columns, rows, ascii), panels.pictures(pictures, columns, rows, ascii),
          panels.numbers({ "d_loss", "density" }, { d_loss = -1.25, density = 1e-9 }, columns, rows, ascii),
        } do
          assert.is_true(#lines <= rows)
          for _, line in ipairs(lines) do
            assert.is_true(panels.width(line) <= math.max(columns, 28), line)
            assert.is_true(not ascii or not line:find "[\x80-\xff]")
          end
        end
      end
    end
  end)

  it("draw a rising curve from the lower left to the upper right, between its lowest and highest value", function()
    local curve = series.new()
    for i = 1, 8 do curve:add(i, i) end
    local lines = bare_lines(panels.chart("t", { { name = "n", series = curve } }, 13, 3, false))
    assert.same({ "t  n", "       8   \u{2860}\u{280a}", "       1 \u{2860}\u{280a}  " }, lines)
  end)

  it("put points where they are, in the colour of what they are", function()
    local given = { real = { { 0, 0 }, { 1, 1 } }, fake = { { 1, 1 }, { 1, 0 } }, range = { -0.5, 1.5, -0.5, 1.5 } }
    local lines = panels.points(given, 4, 3, true)
    assert.same({ "real  generated  both", "   #", " . x" }, bare_lines(lines))
    assert.equal("   \27[38;5;246m#\27[0m", lines[2])
    assert.equal(" \27[38;5;39m. \27[38;5;208mx\27[0m", lines[3])
  end)

  it("show at least eight pictures, as large as they go", function()
    assert.same({ by = 1, columns = 4, rows = 3 }, panels.layout(28, 28, 24, 120, 90))
    assert.same({ by = 2, columns = 4, rows = 3 }, panels.layout(28, 28, 24, 62, 50))
    assert.same({ by = 3, columns = 4, rows = 2 }, panels.layout(28, 28, 24, 41, 26))
    assert.same({ by = 1, columns = 2, rows = 1 }, panels.layout(28, 28, 2, 60, 40))
  end)

  it("keep what steers a terminal out of texts", function()
    assert.equal("a [31m b c?", panels.plain("a\27[31m\nb\u{9b}c\u{20ac}", 99, false):gsub("\u{20ac}", "?"))
    assert.equal("??", panels.plain("\xff\u{20ac}", 2, true):sub(1, 1) .. "?")
    assert.equal("ab", panels.plain("abc", 2, false))
  end)
end)

describe("lines at the bottom of the screen", function()
  local function terminal_of(columns, rows)
    local shown = screens.new(columns, rows)
    local undo = {}
    return shown, screen.new(function(text) shown:write(text) end, function(text) undo[#undo + 1] = text end), undo
  end

  it("stay there while others print above, and end as text", function()
    local shown, view, undo = terminal_of(20, 8)
    shown:write "one\n"
    view:draw({ "first", "second" }, 20, 8)
    assert.same({ "one", "", "", "", "", "", "first", "second" }, shown:lines())
    for i = 1, 7 do shown:write(("line %d\n"):format(i)) end
    shown:write "part"
    view:draw({ "third", "fourth" }, 20, 8)
    shown:write "ial"
    assert.same({ "line 3", "line 4", "line 5", "line 6", "line 7", "partial", "third", "fourth" }, shown:lines())
    view:close { "the", "end" }
    shown:write "more\n"
    assert.equal("one\nline 1\nline 2\nline 3\nline 4\nline 5\nline 6\nline 7\npartial\nthe\nend\nmore\n", shown:text())
    assert.same({ screen.undo, "" }, undo)
    view:close { "not again" }
    assert.is_nil(shown:text():find "again")
  end)

  it("follow the terminal's size and their own number", function()
    local shown, view = terminal_of(20, 10)
    shown:write "one\n"
    view:draw({ "a", "b" }, 20, 10)
    view:draw({ "a", "b", "c" }, 20, 10)
    assert.same({ "one", "", "", "", "", "", "", "a", "b", "c" }, shown:lines())
    view:draw({ "d" }, 20, 8)
    assert.same({ "one", "", "", "", "", "", "", "d", "", "" }, shown:lines())
    view:close()
    assert.equal("one\n", shown:text())
  end)

  it("are undone by what is written before a kill", function()
    local shown, view = terminal_of(20, 6)
    view:draw({ "a", "b" }, 20, 6)
    shown:write(screen.undo .. "$ ")
    assert.same({ "", "", "", "a", "b", "$" }, shown:lines())
    assert.same({ 1, 6, true }, { shown.top, shown.bottom, shown.wrap })
  end)
end)

describe("the view", function()
  it("knows what a terminal can show", function()
    local function ability(values) return terminal.ability(function(name) return values[name] end) end
    assert.equal("utf8", ability { TERM = "xterm", LANG = "de_DE.UTF-8" })
    assert.equal("utf8", ability { TERM = "linux", LC_ALL = "", LC_CTYPE = "C.utf8", LANG = "C" })
    assert.equal("ascii", ability { TERM = "xterm", LC_ALL = "C", LANG = "C.UTF-8" })
    assert.equal("ascii", ability { TERM = "vt100" })
    assert.is_nil(ability { TERM = "dumb", LANG = "C.UTF-8" })
    assert.is_nil(ability { LANG = "C.UTF-8" })
    assert.same({ 18, 30, 8 }, { terminal.height(80, 24), terminal.height(120, 60), terminal.height(60, 14) })
    assert.is_nil(terminal.height(59, 24))
    assert.is_nil(terminal.height(80, 13))
  end)

  local function trainer(changes)
    local options = {
      name = "seen", out = false, progress = false, data = gan.data.ring {}, latent = 2, batch = 8, seed = 3,
      loss = gan.loss.hinge {}, schedule = gan.schedule.alternate { iterations = 40 },
      generator = nn.sequential { nn.linear { out = 6 }, nn.batch_norm {}, nn.relu {}, nn.linear { out = 2 } },
      discriminator = nn.sequential { nn.linear { out = 4 }, nn.dropout { p = 0.5 }, nn.linear { out = 1 } },
    }
    for name, value in pairs(changes or {}) do options[name] = value end
    return gan.trainer(options)
  end

  -- Plays a run under a view. `step`: so many seconds pass at each look at the clock; nil: one at each move.
  local function play(run, step, columns, rows)
    local shown, draws, time = screens.new(columns or 80, rows or 24), {}, 0
    local view = terminal.new {
      ability = "utf8", size = function() return columns or 80, rows or 24 end,
      write = function(text)
        draws[#draws + 1] = text
        shown:write(text)
      end,
      clock = function()
        local players = run.game.players
        time = step and time + step or players.discriminator.moves + players.generator.moves
        return time
      end,
    }
    run.watchers = watchers.new { view }
    run:train()
    return shown, draws, time
  end

  local function pictures_of(n)
    return {
      data = gan.linspace(-1, 1, 16 * 64 * n):sin():reshape(16, 8, 8, n),
      generator = nn.sequential { nn.linear { out = 64 * n }, nn.tanh {}, nn.reshape { 8, 8, n } },
      discriminator = nn.sequential { nn.flatten {}, nn.linear { out = 1 } },
    }
  end

  it("changes nothing of what is computed, of points and of pictures", function()
    for _, changes in ipairs {
      function() return {} end, function() return pictures_of(1) end, function() return pictures_of(3) end,
      function() return { ema = { decay = 0.9 } } end,
    } do
      local run = trainer(changes())
      run:train()
      local alone = run.generator:state()
      run = trainer(changes())
      local _, draws = play(run)
      assert.is_true(#draws > 40) -- at every move
      for name, value in pairs(run.generator:state()) do
        assert.equal(0, (value - alone[name]):abs():max():item(), name)
      end
    end
  end)

  it("draws as seldom as keeps it within a hundredth of the time", function()
    local step = 2e-3 -- what a drawing takes, as the clock has it
    local _, draws, time = play(trainer { schedule = gan.schedule.alternate { iterations = 500 } }, step)
    local between = #draws - 2 -- but for the first and the last
    assert.is_true(between >= 3)
    assert.is_true(between * step <= 0.01 * time, ("%d in %g s"):format(between, time))
  end)

  it("shows pictures of its samples in half blocks", function()
    local shown = play(trainer(pictures_of(1)), nil, 100, 40)
    assert.matches("iteration 40 of 40.*\u{2580}\u{2580}\u{2580}", shown:text())
  end)

  it("shows its warnings in words, and nothing in a terminal that is too small", function()
    local run = trainer()
    run.options.on.iteration = function() run.watchers:tell("warned", run, "all samples\27[2J are alike") end
    local shown = play(run)
    assert.matches("warning: all samples [2J are alike (iteration 40)", shown:text(), 1, true)
    local _, draws = play(trainer(), nil, 80, 12)
    assert.equal(0, #draws)
  end)
end)
