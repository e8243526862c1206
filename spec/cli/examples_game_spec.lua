-- The examples about schedules and labels, as a user runs them: what they print, and the pictures they write.

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

describe("examples/grow.lua", function()
  it("draws pictures at each stage", function()
    local _, out = run("grow.lua", { "iterations=2" })
    for _, iteration in ipairs { 2, 4, 6 } do
      assert.matches("^\137PNG", shell.read(("%s/grow/samples/%06d.png"):format(out, iteration)))
    end
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
