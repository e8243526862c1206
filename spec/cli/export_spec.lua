-- examples/export_c.lua and the program beside it, as its head comment says.

local folder = debug.getinfo(1, "S").source:match "^@(.*/)"
local shell = dofile(folder .. "shell.lua")

describe("examples/export_c.lua", function()
  it("makes C that export_main.c draws with", function()
    local pipe = io.popen(("cd '%s../../examples' && pwd"):format(folder))
    local examples = pipe:read "l"
    pipe:close()
    local cwd = shell.folder()
    local result = shell.run_ganlua({ "--set", "iterations=2", examples .. "/export_c.lua" }, { cwd = cwd })
    assert.equal(0, result.code, result.err)
    result = shell.run({ "cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-Iruns/export_c",
      examples .. "/export_main.c", "runs/export_c/glyphs.c", "-lm", "-o", "glyphs" }, { cwd = cwd })
    assert.equal("", result.err)
    result = shell.run({ "./glyphs", "7" }, { cwd = cwd })
    assert.equal(0, result.code)
    assert.equal("P5\n224 224\n255\n", result.out:sub(1, 15))
    assert.equal(15 + 224 * 224, #result.out)
    shell.remove(cwd)
  end)
end)

describe("examples/browser", function()
  it("has the generator that its page draws with: latents in, pictures N x C x H x W out", function()
    local reader = dofile(folder .. "../lua/onnx/reader.lua")
    local out = shell.folder()
    local result = shell.run_ganlua({ "--set", "iterations=2", "--set", "path=" .. out .. "/generator.onnx",
      "--out", out, folder .. "../../examples/browser/generator.lua" }, { cwd = "." })
    assert.equal("", result.err)
    local model = reader.decode(shell.read(out .. "/generator.onnx"))
    assert.same({ { name = "input", kind = 1, shape = { "batch", 64 } } }, model.inputs)
    assert.same({ { name = "output", kind = 1, shape = { "batch", 1, 28, 28 } } }, model.outputs)
    local again = shell.run_ganlua({ "--set", "path=" .. out .. "/again.onnx", "--set",
      "from=" .. out .. "/browser/checkpoint.safetensors", folder .. "../../examples/browser/generator.lua" },
      { cwd = "." })
    assert.equal("", again.err)
    assert.equal(shell.read(out .. "/generator.onnx"), shell.read(out .. "/again.onnx"))
    shell.remove(out)
  end)
end)
