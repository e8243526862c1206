-- The examples about schedules and labels, as a user runs them: what they print, and the pictures they write.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "shell.lua")
local gan = require "ganlua"

local function run(name, settings, ...)
  local out = shell.folder()
  local words = { "--out", out }
  for _, text in ipairs(settings) do table.move({ "--set", text }, 1, 2, #words + 1, words) end
  table.move({ folder .. "../../examples/" .. name, ... }, 1, 1 + select("#", ...), #words + 1, words)
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

describe("examples/modes_table.lua", function()
  it("sweeps over losses and seeds of ring.lua and grid.lua, and shows them beside published rows", function()
    local printed, out = run("modes_table.lua", { "iterations=3", "seeds=2" })
    assert.matches("\nring +modes +quality +reverse KL +spread\nGAN %(Lin 2018%) +6%.3 +98%.2 %% +0%.45\n", printed)
    local rows = select(2, printed:gsub("\nganlua, %a+ +%d+%.%d +%d+%.%d %% +%d%.%d+ +%d%.%d%d to %d%.%d%d +2 seeds",
      ""))
    assert.equal(4, rows, printed)
    shell.remove(out)
  end)
end)

describe("examples/conditional.lua", function()
  it("draws one class a row, and the class that it is asked for", function()
    local printed, out = run("conditional.lua", { "iterations=2", "sample=K" })
    assert.matches("64 samples of class K: " .. out .. "/conditional/K.png", printed, 1, true)
    for _, name in ipairs { "K.png", "samples/000002.png" } do
      assert.matches("^\137PNG", shell.read(out .. "/conditional/" .. name))
    end
    shell.remove(out)
  end)
end)

describe("examples/cifar.lua", function()
  it("trains on a folder of colour pictures in classes, one class a row", function()
    local pictures = shell.folder()
    for _, class in ipairs { "cat", "dog" } do
      assert(os.execute(("mkdir '%s/%s'"):format(pictures, class)))
      for i = 1, 4 do
        gan.image.save(gan.rand(16, 16, 3) * 2 - 1, ("%s/%s/%d.png"):format(pictures, class, i))
      end
    end
    local printed, out = run("cifar.lua", { "iterations=3", "width=2", "batch=4", "augment=ada" }, pictures)
    assert.matches("8 pictures in 2 classes, 16x16x3", printed, 1, true)
    local shape = gan.image.load(out .. "/cifar/samples/000003.png"):shape()
    assert.same({ 2 * 18 + 2, 8 * 18 + 2, 3 }, shape)
    shell.remove(out)
    shell.remove(pictures)
  end)

  it("says what it wants", function()
    local result = shell.run_ganlua({ folder .. "../../examples/cifar.lua" }, { cwd = "." })
    assert.equal(1, result.code)
    assert.matches("which pictures? ganlua examples/cifar.lua PATH", result.err, 1, true)
  end)
end)
