-- Each fuzz target over the inputs that are kept of `./dev fuzz`: those that together reach every line that was ever
-- reached, and those that once were findings ("found-..."). A target ends by a signal where something is wrong.

local folder = debug.getinfo(1, "S").source:match "^@(.*/)"
local shell = dofile(folder .. "../cli/shell.lua")

describe("what is kept of fuzzing", function()
  for _, target in ipairs { "idx", "png", "jpeg", "zip", "npy", "safetensors", "json", "checkpoint", "torch",
    "script" } do
    it(("(%s) is read or refused in words"):format(target), function()
      local program = ("%s/fuzz/%s_fuzz"):format(shell.build, target)
      local result = shell.run({ "sh", "-c", '"$0" *', program }, { cwd = folder .. "corpus/" .. target })
      assert.equal(0, result.code, result.err)
      assert.is_true(assert(tonumber(result.out:match "^(%d+) inputs\n$")) >= 10)
    end)
  end
end)
