-- The examples about schedules, as a user runs them: what they print, and the pictures they write.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "shell.lua")

local function run(name, settings)
  local out = shell.folder()
  local words = { "--out", out }
  for _, text in ipairs(settings) do table.move({ "--set", text }, 1, 2, #words + 1, words) end
  words[#words + 1] = folder .. "../../examples/" .. name
  local result = shell.run_ganlua(words, { cwd = ".", timeout = 300 })
  assert.equal("", result.err)
  assert.equal(0, result.code)
  return result.out, out
end

describe("examples/phases.lua", function()
  it("shows what each phase of the textbook's schedule does", function()
    local printed, out = run("phases.lua", {})
    local rows = {}
    for right, modes, quality in printed:gmatch "D is right about +(%d+) %% of samples; (%d) of 8 modes, +(%d+) %%" do
      rows[#rows + 1] = { right = tonumber(right), modes = tonumber(modes), quality = tonumber(quality) }
    end
    assert.equal(3, #rows)
    assert.is_true(rows[1].right >= 95, printed) -- D alone tells all apart
    assert.is_true(rows[2].right <= 65 and rows[2].modes <= 3, printed) -- G alone goes where that D is fooled
    assert.is_true(rows[3].modes >= 7 and rows[3].quality >= 50, printed) -- together they find them
    assert.matches("^\137PNG", shell.read(out .. "/phases/points.png"))
    shell.remove(out)
  end)
end)

describe("examples/measure.lua", function()
  it("learns features, measures while it trains, and says what real examples would have", function()
    local printed, out = run("measure.lua", { "learn=20", "iterations=6", "every=3", "count=60" })
    assert.matches("iteration 6: frechet [%d.]+  kid ", printed)
    assert.matches("real beside real: frechet [%d.]+, coverage ", printed)
    assert.matches("copying: z = ", printed)
    assert.matches("^\137PNG", shell.read(out .. "/measure/measures.png"))
    shell.remove(out)
  end)
end)

describe("examples/watch.lua", function()
  it("shows samples while it trains, and leaves animations", function()
    local printed, out = run("watch.lua", { "iterations=4", "every=2" })
    assert.matches("%[a picture of 62x242x1: no terminal to show it in%]", printed)
    local animation = shell.read(out .. "/watch/run.png")
    assert.equal(2, (string.unpack(">I4", animation, animation:find("acTL", 1, true) + 4))) -- of two iterations
    assert.matches("acTL", shell.read(out .. "/watch/walking.png"), 1, true)
    assert.matches("^\137PNG", shell.read(out .. "/watch/walk.png"))
    shell.remove(out)
  end)
end)

describe("examples/grow.lua", function()
  it("draws pictures at each stage", function()
    local _, out = run("grow.lua", { "iterations=2" })
    for _, iteration in ipairs { 2, 4, 6 } do
      assert.matches("^\137PNG", shell.read(("%s/grow/samples/%06d.png"):format(out, iteration)))
    end
    shell.remove(out)
  end)
end)
