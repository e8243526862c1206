-- Ctrl-C and SIGTERM. Each script sends the signal to itself, so that nothing depends on timing.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "shell.lua")

-- `signal(name)` in a script: the shell that popen starts is a child of the interpreter.
local prelude = "local function signal(name) io.popen('kill -' .. name .. ' $PPID'):close() end "

local function run(text)
  return shell.run_script(prelude .. text)
end

describe("a signal, while no training runs,", function()
  it("interrupts Lua code: Ctrl-C exits with 130", function()
    local result = run("signal 'INT' while true do end")
    assert.equal(130, result.code)
    assert.matches("^ganlua: [^\n]*interrupted!\nstack traceback:", result.err)
    assert.matches("script%.lua:1: in main chunk", result.err)
  end)

  it("interrupts Lua code: SIGTERM exits with 143", function()
    assert.equal(143, run("signal 'TERM' while true do end").code)
  end)

  it("runs what the script wants closed", function()
    local result = run([[local _ <close> = setmetatable({}, { __close = function() print 'closed' end })
      signal 'INT' while true do end]])
    assert.equal("closed\n", result.out)
    assert.equal(130, result.code)
  end)

  it("exits with 130 even when the script catches it, and starts nothing new", function()
    local result = run("pcall(function() signal 'INT' while true do end end) print 'went on'")
    assert.equal("went on\n", result.out)
    assert.equal(130, result.code)
    local two = shell.run_ganlua { "-e", prelude .. "pcall(function() signal 'INT' while true do end end)",
      "-e", "print 'next'" }
    assert.equal("", two.out)
    assert.equal(130, two.code)
  end)

  it("kills when it comes a second time", function()
    local result = run("pcall(function() signal 'INT' while true do end end) print 'once' io.stdout:flush() " ..
      "signal 'INT' while true do end")
    assert.equal("once\n", result.out)
    assert.equal("", result.err)
    assert.equal(130, result.code)
  end)
end)

describe("a signal, while a trainer holds it off,", function()
  local hold = "require 'ganlua' local core = require 'ganlua.core' core.hold_interrupt(true) "

  it("is told by core.interrupted, and ends the script when the trainer lets go", function()
    local result = run(hold .. [[
      assert(core.interrupted() == false)
      signal 'INT'
      for i = 1, 1000 do local x = i end
      print(core.interrupted(), 'saved')
      core.hold_interrupt(false)
      print 'never']])
    assert.equal("INT\tsaved\n", result.out)
    assert.equal("ganlua: interrupted\n", result.err)
    assert.equal(130, result.code)
  end)

  it("is named TERM for SIGTERM, which exits with 143", function()
    local result = run(hold .. "signal 'TERM' print(core.interrupted()) core.hold_interrupt(false)")
    assert.equal("TERM\n", result.out)
    assert.equal(143, result.code)
  end)

  it("kills when it comes a second time", function()
    local result = run(hold .. "signal 'INT' print 'one' io.stdout:flush() signal 'TERM' print 'two'")
    assert.equal("one\n", result.out)
    assert.equal(143, result.code)
  end)

  it("lets a script that was not interrupted go on", function()
    local result = run(hold .. "core.hold_interrupt(false) print 'on'")
    assert.equal("on\n", result.out)
    assert.equal(0, result.code)
  end)
end)

describe("Ctrl-C during gan.train", function()
  it("finishes the move, writes the run folder, and exits with 130", function()
    local cwd = shell.folder()
    shell.write(cwd .. "/script.lua", prelude .. [[
      local gan = require 'ganlua'
      local nn = gan.nn
      gan.train {
        name = "short", data = gan.data.open "ring", latent = 2, batch = 16, loss = gan.loss.hinge{},
        generator = nn.sequential{ nn.linear{out=8}, nn.relu{}, nn.linear{out=2} },
        discriminator = nn.sequential{ nn.linear{out=8}, nn.relu{}, nn.linear{out=1} },
        optimizer = { generator = gan.optim.adam{}, discriminator = gan.optim.adam{} },
        schedule = gan.schedule.alternate{ iterations = 1000000 },
        on = { iteration = function(run) if run.metrics.iteration == 3 then signal 'INT' end end },
      }
      print 'never']])
    local result = shell.run_ganlua({ "script.lua" }, { cwd = cwd })
    assert.equal(130, result.code)
    assert.is_nil(result.out:find("never"))
    assert.is_string(shell.read(cwd .. "/runs/short/metrics.jsonl"))
    assert.is_string(shell.read(cwd .. "/runs/short/checkpoint.safetensors"))
    shell.remove(cwd)
  end)
end)
