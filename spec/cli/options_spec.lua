-- The interpreter's options, on the real binary.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "shell.lua")
local run, run_script = shell.run_ganlua, shell.run_script

local function prints(expected, words, options)
  local result = run(words, options)
  assert.equal("", result.err)
  assert.equal(expected, result.out)
  assert.equal(0, result.code)
end

describe("ganlua, as the stock lua,", function()
  it("runs a chunk with -e, in one word or two", function()
    prints("3\n", { "-e", "print(1 + 2)" })
    prints("3\n", { "-eprint(1 + 2)" })
  end)

  it("requires a module with -l, under its name or another", function()
    prints("table\n", { "-l", "ganlua", "-e", "print(type(ganlua.nn))" })
    prints("table\n", { "-l", "g=ganlua", "-e", "print(type(g.nn))" })
  end)

  it("runs -e and -l in the order given", function()
    prints("nil\ntable\n", { "-e", "print(g)", "-l", "g=ganlua", "-e", "print(type(g))" })
  end)

  it("gives a script its arguments, in arg and as ...", function()
    local result = run_script("print(#arg, arg[0], arg[1], arg[2], arg[-1] ~= nil, ...)", { "a b", "-x" })
    assert.equal("2\tscript.lua\ta b\t-x\ttrue\ta b\t-x\n", result.out)
    prints("a\t-v\t-\n", { "-W", "-", "a", "-v" }, { stdin = "print(arg[1], arg[2], arg[0])" })
  end)

  it("runs stdin with -, and without a terminal", function()
    prints("1\n", { "-" }, { stdin = "print(1)" })
    prints("1\n", {}, { stdin = "print(1)" })
  end)

  it("takes what follows -- as a script", function()
    local result = run { "--", "-e" }
    assert.equal(1, result.code)
    assert.matches("cannot open %-e", result.err)
  end)

  it("shows its version and Lua's with -v, and goes on", function()
    local result = run { "-v", "-e", "print(1)" }
    assert.matches("^ganlua %d+%.%d+%.%d+\nLua 5%.4[^\n]*\n1\n$", result.out)
  end)

  it("shows its version with --version, and stops", function()
    local result = run { "--version", "-e", "print(1)" }
    assert.matches("^ganlua %d+%.%d+%.%d+\n$", result.out)
    assert.equal(0, result.code)
  end)

  it("turns warnings on with -W", function()
    local result = run { "-W", "-e", "warn('care', 'ful')" }
    assert.equal("ganlua: warning: careful\n", result.err)
    assert.equal("", run({ "-e", "warn('careful')" }).err)
  end)

  it("reads LUA_INIT, LUA_PATH and LUA_CPATH, and not with -E", function()
    local env = { LUA_INIT = "x = 'init'", LUA_PATH = "here/?.lua", LUA_CPATH = "there/?.so" }
    local code = "print(x, package.path, package.cpath)"
    prints("init\there/?.lua\tthere/?.so\n", { "-e", code }, { env = env })
    local result = run({ "-E", "-e", code }, { env = env })
    assert.matches("^nil\t/usr", result.out)
    assert.is_nil(result.out:find("here", 1, true))
  end)

  it("prefers LUA_INIT_5_4, and runs a file named with @", function()
    prints("2\n", { "-e", "print(x)" }, { env = { LUA_INIT = "x = 1", LUA_INIT_5_4 = "x = 2" } })
    local init = shell.folder()
    shell.write(init .. "/init.lua", "x = 'file'")
    prints("file\n", { "-e", "print(x)" }, { env = { LUA_INIT = "@" .. init .. "/init.lua" } })
    shell.remove(init)
  end)

  it("loads C modules of the stock lua", function()
    local stock = { LUA_CPATH = false, LUA_PATH = false }
    local result = run({ "-e", "print(pcall(require, 'system.core'))" }, { env = stock })
    assert.matches("^true\ttable", result.out)
  end)

  it("returns what os.exit says", function()
    assert.equal(7, run({ "-e", "os.exit(7)" }).code)
  end)
end)

describe("ganlua's own options:", function()
  it("--help and -h show every option", function()
    local help = run { "--help" }
    assert.equal(0, help.code)
    for _, name in ipairs {
      "-e", "-i", "-l", "-v", "-E", "-W", "--threads", "--seed", "--out", "--memory", "--precision", "--set",
      "--version",
    } do
      assert.truthy(help.out:find(name, 1, true), name)
    end
    assert.equal(help.out, run({ "-h" }).out)
  end)

  it("--threads says how many compute", function()
    local code = "require 'ganlua'; print(require('ganlua.core').threads())"
    prints("1\n", { "--threads", "1", "-e", code })
    prints("2\n", { "--threads=2", "-e", code })
  end)

  it("--precision says how exact products are", function()
    local code = "require 'ganlua'; print(require('ganlua.core').precision())"
    prints("default\n", { "-e", code })
    for _, precision in ipairs { "default", "float32", "bf16" } do
      prints(precision .. "\n", { "--precision", precision, "-e", code })
    end
    local result = run { "--precision", "double" }
    assert.equal(1, result.code)
    assert.matches("%-%-precision must be default, float32 or bf16, got 'double'", result.err)
  end)

  it("--seed decides every random number, and is 1 by default", function()
    local code = "local gan = require 'ganlua'; print(math.random(1e9), gan.randn(3))"
    local first = run({ "--seed", "1", "-e", code }).out
    assert.equal(first, run({ "-e", code }).out)
    assert.equal(first, run({ "--seed=1", "-e", code }).out)
    local other = run({ "--seed", "2", "-e", code }).out
    assert.not_equal(first:match("^%d+"), other:match("^%d+"))
    assert.not_equal(first:match("\t(.*)"), other:match("\t(.*)"))
  end)

  it("--set reaches gan.setting, the last one of a name", function()
    local code = "local set = require('ganlua').setting; print(set('lr', 0.5), set('name', 'x'), set('n', 3))"
    prints("0.25\ta=b\t3\n", { "--set", "lr=1", "--set=lr=0.25", "--set", "name=a=b", "-e", code })
  end)

  it("--set names that the script does not ask for are told at its end", function()
    local function told(words, text)
      local place = shell.folder()
      shell.write(place .. "/script.lua", text or "print(require('ganlua').setting('rate', 1))")
      words[#words + 1] = "script.lua"
      local result = shell.run_ganlua(words, { cwd = place })
      shell.remove(place)
      assert.equal(0, result.code)
      return result.err
    end
    assert.equal("", told { "--set", "rate=2" })
    assert.equal("ganlua: warning: the script has not asked for the setting 'rat' (did you mean 'rate'?)\n",
      told { "--set", "rat=2" })
    assert.equal("ganlua: warning: the script has not asked for the settings 'a', 'b'\n",
      told({ "--set", "b=2", "--set", "a=1" }, "print 'no ganlua here'"))
  end)

  it("--set names do not mix with the interpreter's own settings", function()
    local code = "local gan = require 'ganlua'; print(gan.setting('out', 'none'), gan.setting('seed', 5))"
    prints("none\t5\n", { "--out", "there", "--seed", "9", "-e", code })
    prints("here\t4\n", { "--set", "out=here", "--set", "seed=4", "-e", code })
  end)

  it("--view says where runs are shown: in a browser, at a port, or in the terminal", function()
    local code = "local v = package.loaded['ganlua.settings'].view; print(v and (v.port or v.host or v))"
    prints("nil\n", { "-e", code })
    prints("8080\n", { "--view=8080", "-e", code })
    prints("terminal\n", { "--view=terminal", "-e", code })
    local token = ("t"):rep(16)
    prints("0.0.0.0\n", { "--view", "--view-host", "0.0.0.0", "--view-token=" .. token, "-e", code })
    for _, refused in ipairs {
      { { "--view=65536" }, "--view must be a port from 0 to 65535 or terminal, got '65536'" },
      { { "--view", "--view-host=::" }, "--view-host needs --view-token" },
      { { "--view", "--view-token=short" }, "--view-token must be 16 to 128 letters, digits, - and _, got 'short'" },
      { { "--view-token=" .. token }, "--view-token needs --view" },
      { { "--view", "--sandbox", "--isolate" }, "--view does not go with --isolate" },
    } do
      local result = run(refused[1])
      assert.equal(1, result.code)
      assert.truthy(result.err:find(refused[2], 1, true), result.err)
    end
  end)

  it("--memory caps Lua and tensors together", function()
    local code = "print(require('ganlua').memory().cap)"
    prints("67108864\n", { "--memory", "64M", "-e", code })
    prints("1610612736\n", { "--memory=1.5GB", "-e", code })
    prints("65536000\n", { "--memory=64000KiB", "-e", code })

    local strings = run { "--memory", "16M", "-e", "local t = {} for i = 1, 1e7 do t[i] = ('x'):rep(1000) .. i end" }
    assert.equal(1, strings.code)
    assert.matches("^ganlua: not enough memory", strings.err)
    local tensors = run { "--memory", "16M", "-e", "require('ganlua').zeros(1024, 1024, 16)" }
    assert.equal(1, tensors.code)
    assert.matches("memory", tensors.err)
  end)

  it("garbage is collected before memory is refused", function()
    local code = [[local gan = require 'ganlua'
      for i = 1, 200 do local t = gan.zeros(1024, 1024); local s = ('x'):rep(1e6) .. i end print 'fine']]
    prints("fine\n", { "--memory", "24M", "-e", code })
  end)

  it("a memory cap too small for Lua itself is said", function()
    local result = run { "--memory", "1K", "-e", "" }
    assert.equal(1, result.code)
    assert.equal("ganlua: not enough memory to start\n", result.err)
  end)
end)

describe("ganlua refuses", function()
  local function refuses(pattern, words)
    local result = run(words)
    assert.equal(1, result.code)
    assert.equal("", result.out)
    assert.matches("^ganlua: " .. pattern .. "\nusage: ganlua", result.err)
  end

  it("an unknown option, with the nearest known one", function()
    refuses("unknown option '%-%-thread' %(did you mean '%-%-threads'%?%)", { "--thread", "2" })
    refuses("unknown option '%-%-sed=3' %(did you mean '%-%-seed'%?%)", { "--sed=3" })
    refuses("unknown option '%-%-nothing%-like%-it'", { "--nothing-like-it" })
    refuses("unknown option '%-x'", { "-x" })
    refuses("unknown option '%-iv'", { "-iv" })
  end)

  it("an option without its value", function()
    refuses("%-%-seed needs a value", { "--seed" })
    refuses("%-e needs a chunk", { "-e" })
    refuses("%-l needs a module", { "-l" })
  end)

  it("values that make no sense", function()
    refuses("%-%-threads must be a whole number from 1 to 1024, got '0'", { "--threads", "0" })
    refuses("%-%-threads must be .* got '2x'", { "--threads=2x" })
    refuses("%-%-seed must be a whole number from 0, got '%-1'", { "--seed", "-1" })
    refuses("%-%-seed must be .* got '99999999999999999999'", { "--seed", "99999999999999999999" })
    refuses("%-%-memory must be a size such as 512M or 2G, got 'much'", { "--memory", "much" })
    refuses("%-%-memory must be a size such as 512M or 2G, got '1Q'", { "--memory", "1Q" })
    refuses("%-%-out must name a folder, got ''", { "--out", "" })
    refuses("%-%-set must be NAME=VALUE, got 'lr'", { "--set", "lr" })
  end)
end)
