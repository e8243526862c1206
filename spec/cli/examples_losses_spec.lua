-- The examples about losses, as a user runs them: what they print, and the pictures they write.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "shell.lua")

-- Runs an example that writes a picture; returns what it printed and the picture's bytes.
local function run(name, seed)
  local out = shell.folder()
  local path = out .. "/picture.png"
  local result = shell.run(
    { shell.ganlua, "--set", "path=" .. path, "--set", "seed=" .. (seed or 1), "examples/" .. name },
    { cwd = folder .. "../.." })
  local picture = shell.read(path)
  shell.remove(out)
  assert.equal(0, result.code, result.err)
  return result.out, picture
end

describe("examples/svm.lua", function()
  for _, seed in ipairs { 1, 2, 3 } do
    it("finds the line that the dual finds, and 97 % are on its right side: seed " .. seed, function()
      local printed, picture = run("svm.lua", seed)
      local accuracy = tonumber(printed:match("([%d.]+) %% of 240 points"))
      assert.is_true(accuracy >= 97, printed)
      local function solution(way)
        local w1, w2, b = printed:match(way .. ": +w = %((%-?[%d.]+), (%-?[%d.]+)%), b = (%-?[%d.]+)")
        return { tonumber(w1), tonumber(w2), tonumber(b) }
      end
      local primal, dual = solution "gradients", solution "dual"
      for i = 1, 3 do assert.is_near(dual[i], primal[i], 0.02 * math.abs(dual[i])) end
      assert.equal("\137PNG", picture:sub(1, 4))
    end)
  end
end)

describe("examples/plot_losses.lua", function()
  it("writes its picture", function()
    local printed, picture = run("plot_losses.lua")
    assert.matches("^wrote .*picture.png\n$", printed)
    assert.equal("\137PNG", picture:sub(1, 4))
    assert.is_true(#picture > 20000)
  end)
end)
