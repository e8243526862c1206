-- What README.md shows works as it stands there. (Its C program is run by spec/embed/host_spec.lua.)

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "shell.lua")
local gan = require "ganlua"

local readme = assert(shell.read(folder .. "../../README.md"), "there is no README.md")
local scripts = {}
for script in readme:gmatch("```lua\n(.-)```") do scripts[#scripts + 1] = script end

describe("README.md", function()
  it("opens with a script that trains", function()
    local cwd = shell.folder()
    shell.write(cwd .. "/script.lua", scripts[1])
    local result = shell.run_ganlua({ "--set", "iterations=2", "script.lua" }, { cwd = cwd })
    assert.equal("", result.err)
    assert.equal(0, result.code)
    assert.truthy(shell.read(cwd .. "/runs/script/samples/000002.png"))
    shell.remove(cwd)
  end)

  it("has a schedule that plays", function()
    local block = scripts[2]:gsub("500", "2"):gsub("20000", "2")
    local schedule = assert(load("local gan, schedule = ...\n" .. block .. "\nreturn schedule"))(gan)
    local run = gan.train { out = os.tmpname() .. "-run", data = gan.data.open "ring", latent = 2, batch = 4,
      generator = gan.nn.linear { out = 2 }, discriminator = gan.nn.linear { out = 1 }, loss = gan.loss.hinge {},
      optimizer = { generator = gan.optim.adam {}, discriminator = gan.optim.adam {} }, progress = false,
      schedule = schedule }
    assert.equal(2, #run:history("d_loss"))
    shell.remove(run.folder)
  end)

  it("names losses that exist", function()
    local count = 0
    for name in readme:gmatch("gan%.loss%.([%w_]+)") do
      assert.truthy(gan.loss[name], name)
      count = count + 1
    end
    assert.is_true(count > 5)
  end)

  it("shows a picture that is there", function()
    for path in readme:gmatch("!%[[^%]]*%]%(([^)]+)%)") do
      assert.truthy(shell.read(folder .. "../../" .. path), path)
    end
  end)
end)
