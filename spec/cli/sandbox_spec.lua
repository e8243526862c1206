-- ganlua --sandbox: what the command line makes of it. What holds inside is in spec/embed/sandbox_spec.c.

local shell = require "spec.cli.shell"

describe("ganlua --sandbox", function()
  local home
  before_each(function()
    home = shell.folder()
    shell.run { "mkdir", home .. "/files", home .. "/more" }
  end)
  after_each(function() shell.remove(home) end)

  -- Runs a script's text in the sandbox of home/files.
  local function run(text, options, arguments)
    shell.write(home .. "/script.lua", text)
    local words = { "--sandbox", "--folder", "files", table.unpack(options or {}) }
    words[#words + 1] = "script.lua"
    return shell.run_ganlua(table.move(arguments or {}, 1, #(arguments or {}), #words + 1, words), { cwd = home })
  end

  it("runs a script with its arguments", function()
    local result = run("print(io, arg[0], arg[1], ...)", {}, { "a", "b" })
    assert.same({ code = 0, out = "nil\tscript.lua\ta\ta\tb\n", err = "" }, result)
  end)

  it("runs chunks and what stdin holds", function()
    local result = shell.run_ganlua({ "--sandbox", "-e", "x = 1", "-e", "print(x, debug)" }, { cwd = home })
    assert.same({ code = 0, out = "1\tnil\n", err = "" }, result)
    result = shell.run_ganlua({ "--sandbox", "-" }, { cwd = home, stdin = "print(package) error 'boo'" })
    assert.equal(1, result.code)
    assert.equal("nil\n", result.out)
    assert.matches("^ganlua: stdin:1: boo\nstack traceback:", result.err)
  end)

  it("ends what goes over a limit", function()
    local result = run("while true do pcall(error) end", { "--instructions", "1e6" })
    assert.equal(1, result.code)
    assert.matches("^ganlua: script.lua:1: the limit of 1000000 instructions is reached\n", result.err)
    result = run("while true do pcall(error) end", { "--seconds", "0.1" })
    assert.matches("the time limit of 0.1 s is reached\n", result.err)
    result = run("local t = {} while true do t = {t} end", { "--memory", "20M" })
    assert.matches("not enough memory", result.err)
  end)

  it("trains in its folder, and nowhere else", function()
    local result = run [[
      local gan = require "ganlua"
      local run = gan.train {
        name = "glyphs", data = gan.data.open "glyphs", latent = 8, loss = gan.loss.hinge {}, batch = 8,
        generator = gan.nn.sequential { gan.nn.linear { out = 784 }, gan.nn.tanh {}, gan.nn.reshape { 28, 28, 1 } },
        discriminator = gan.nn.sequential { gan.nn.flatten {}, gan.nn.linear { out = 1 } },
        schedule = gan.schedule.alternate { iterations = 4 }, sample = { every = 2, count = 4 },
      }
      print(run.folder)
      gan.save("../more/made", { x = gan.ones(1) })
    ]]
    assert.equal(1, result.code)
    assert.matches("\nruns/glyphs\n$", result.out)
    assert.matches("%.%./more/made: cannot write: the sandbox allows only paths below its folder", result.err)
    for _, name in ipairs { "config.lua", "samples/000004.png", "checkpoint.safetensors", "losses.png" } do
      assert.is_string(shell.read(home .. "/files/runs/glyphs/" .. name), name)
    end
    assert.equal("", shell.run({ "ls", "-A", home .. "/more" }).out)
  end)

  it("takes nothing from the environment", function()
    shell.write(home .. "/script.lua", "print(x, pcall(require, 'module'))")
    shell.write(home .. "/module.lua", "print 'mine'")
    local result = shell.run_ganlua({ "--sandbox", "script.lua" },
      { cwd = home, env = { LUA_INIT = "x = 1", LUA_PATH = home .. "/?.lua" } })
    assert.equal(0, result.code)
    assert.matches("^nil\tfalse\t.*the sandbox has only ganlua", result.out)
  end)

  it("saves and exits with 143 on SIGTERM", function()
    shell.write(home .. "/script.lua", [[
      local gan = require "ganlua"
      gan.train {
        name = "ring", data = gan.data.ring {}, latent = 2, loss = gan.loss.hinge {}, batch = 8,
        generator = gan.nn.linear { out = 2 }, discriminator = gan.nn.linear { out = 1 }, checkpoint = { every = 1 },
        schedule = function(game) while true do game:discriminator() game:generator() game:next() end end,
      }
    ]])
    local command = "%s --sandbox script.lua >out 2>err & until test -s runs/ring/checkpoint.safetensors; do "
      .. "sleep 0.02; done; kill -TERM $!; wait $!; echo $?"
    local result = shell.run({ "bash", "-c", command:format(shell.quote(shell.ganlua)) }, { cwd = home })
    assert.equal("143\n", result.out)
    assert.equal("", shell.read(home .. "/err"))
  end)

  describe("--isolate", function()
    -- A container may forbid it, and the sanitizers want more than it leaves.
    local probe = shell.run_ganlua { "--sandbox", "--isolate", "-e", "x = 1" }
    local sanitized = (os.getenv "GANLUA_CFLAGS" or ""):find "sanitize"
    local isolated = (sanitized or probe.err:find "the system does not do this") and pending or it
    local save = 'local gan = require "ganlua" gan.save("mine", { x = gan.ones(300, 300):matmul(gan.ones(300, 300)) })'

    local function intrude(options, how)
      shell.write(home .. "/script.lua", save)
      local words = { "--sandbox", "--isolate", "--folder", "files", table.unpack(options) }
      words[#words + 1] = "script.lua"
      return shell.run_ganlua(words, { cwd = home, env = {
        INTRUDER = how, LD_PRELOAD = (os.getenv "LD_PRELOAD" or "") .. " " .. shell.build .. "/specs/libintruder.so",
      } })
    end

    isolated("runs scripts as the sandbox does", function()
      local result = run(save .. " print(gan.load('mine').x:sum():item(), io)", { "--isolate", "--seconds", "10" })
      assert.same({ code = 0, out = "27000000.0\tnil\n", err = "" }, result)
      result = run("error 'boo'", { "--isolate" })
      assert.equal(1, result.code)
      assert.matches("^ganlua: script.lua:1: boo", result.err)
      result = run("while true do end", { "--isolate", "--seconds", "0.1" })
      assert.matches("the time limit of 0.1 s is reached", result.err)
      result = run("x = 1", { "--isolate", "--folder", "none" })
      assert.matches("%-%-folder none: No such file or directory", result.err)
    end)

    isolated("leaves code that gets past ganlua nothing but its folder", function()
      local result = intrude({}, nil)
      assert.equal("", result.err)
      assert.equal(0, result.code)
      local refused = 0
      for what, answer in result.out:gmatch "([%w ]+): ([^\n]*)\n" do
        assert.not_equal("done", answer, what)
        refused = refused + 1
      end
      assert.is_true(refused == 7 or refused == 10, result.out)
      assert.is_string(shell.read(home .. "/files/mine"))
      assert.equal("", shell.run({ "ls", "-A", home .. "/more" }).out)
    end)

    isolated("kills what does not end by itself", function()
      local result = intrude({ "--seconds", "0.1" }, "spin")
      assert.equal(137, result.code)
      assert.equal("ganlua: the isolated process was killed: it did not end within 2.1 s\n", result.err)
    end)

    isolated("hands signals on", function()
      shell.write(home .. "/script.lua", "require 'ganlua'.save('begun', {}) while true do end")
      local command = "%s --sandbox --isolate --folder files script.lua >out 2>err & until test -e files/begun; do "
        .. "sleep 0.02; done; kill -TERM $!; wait $!; echo $?"
      local result = shell.run({ "bash", "-c", command:format(shell.quote(shell.ganlua)) }, { cwd = home })
      assert.equal("143\n", result.out)
    end)
  end)

  it("says what does not go with it", function()
    for wanted, words in pairs {
      ["%-%-folder needs %-%-sandbox"] = { "--folder", "x" }, ["%-%-isolate needs %-%-sandbox"] = { "--isolate" },
      ["%-%-instructions needs %-%-sandbox"] = { "--instructions", "5" },
      ["%-%-seconds needs %-%-sandbox"] = { "--seconds", "5" },
      ["%-%-seconds must be a number above 0, got '0'"] = { "--sandbox", "--seconds", "0" },
      ["%-%-instructions must be a number such as 1000000 or 1e9, got 'many'"] = { "--sandbox", "--instructions=many" },
      ["%-i does not go with %-%-sandbox"] = { "--sandbox", "-i" },
      ["%-l does not go with %-%-sandbox"] = { "--sandbox", "-l", "ganlua" },
      ["%-%-live does not go with %-%-sandbox"] = { "--sandbox", "--live", "x.lua" },
      ["%-%-folder none: No such file or directory"] = { "--sandbox", "--folder", "none", "-e", "x = 1" },
    } do
      local result = shell.run_ganlua(words, { cwd = home })
      assert.equal(1, result.code, wanted)
      assert.matches(wanted, result.err)
    end
  end)
end)
