-- The REPL: piped through -i, and on a pseudo-terminal (by `script` of util-linux) for what needs one.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "shell.lua")

-- What a session prints, prompts and the version aside.
local function session(lines, words)
  local result = shell.run_ganlua({ "-i", table.unpack(words or {}) }, { stdin = lines .. "\n" })
  local out = result.out:gsub("^ganlua [^\n]*\n[^\n]*\n", ""):gsub("%f[^\0\n]>>? ", ""):gsub("^>>? ", "")
  repeat
    local count
    out, count = out:gsub("%f[^\0\n]>>? ", "")
  until count == 0
  return (out:gsub("\n$", "")), result
end

describe("the REPL", function()
  it("prints what an expression gives", function()
    assert.equal("2", session("1 + 1"))
    assert.equal("1\tnil\ttext", session("1, nil, 'text'"))
    assert.equal("", session("x = 5"))
    assert.equal("", session("(function() end)()"))
  end)

  it("prints tables with what they hold, but no deeper", function()
    assert.equal('{1, "two", deep = {...}, empty = {}, f = function}',
      session("{1, 'two', f = print, deep = {1}, empty = {}}"))
    assert.equal('{[-1] = true, ["a b"] = 1}', session("{[-1] = true, ['a b'] = 1}"))
  end)

  it("breaks a long table into lines and leaves out what is too much", function()
    local out = session("(function() local t = {} for i = 1, 100 do t[i] = i * 1000 end return t end)()")
    assert.matches("^{\n  1000,\n  2000,\n", out)
    assert.matches("\n  %.%.%. 60 more\n}$", out)
  end)

  it("prints a tensor with its shape", function()
    assert.matches("%[ganlua%.tensor 2x2%]", session("gan.tensor{{1, 2}, {3, 4}}"))
    assert.matches("{%[ganlua%.tensor 3%], n = 1}", session("{gan.zeros(3), n = 1}"))
  end)

  it("reads statements that go over several lines", function()
    assert.equal("1\n2", session("for i = 1, 2 do\nprint(i)\nend"))
    assert.equal("{1, 2}", session("{1,\n2}"))
    assert.equal("6", session("1 +\n5"))
  end)

  it("goes on after errors of every kind", function()
    local out, result = session("error 'boo'\nlocal x = = 1\nnil + 1\nerror({})\nerror()\ngan.zeros(-1)\n" ..
      "gan.nn.conv2d{out = 0}\n'still here'")
    assert.equal("still here", out)
    assert.equal(0, result.code)
    assert.matches("stdin:1: boo\nstack traceback:\n", result.err)
    assert.matches("unexpected symbol near '='", result.err)
    assert.matches("attempt to perform arithmetic on a nil value", result.err)
    assert.is_nil(result.err:find("repl.lua", 1, true))
  end)

  it("goes on after running out of memory", function()
    local out, result = session("gan.zeros(1024, 1024, 64)\n'still here'", { "--memory", "32M" })
    assert.equal("still here", out)
    assert.matches("memory", result.err)
  end)

  it("knows gan, which scripts must require", function()
    assert.equal("table", session("type(gan.nn)"))
    assert.equal("nil\n", shell.run_ganlua({ "-e", "print(gan)" }).out)
  end)

  it("comes after the script, with its globals", function()
    assert.equal("42", session("x", { "-e", "x = 42" }))
  end)
end)

describe("? in the REPL", function()
  it("shows the comment above a Lua function, with its parameters", function()
    local out = session("?gan.setting")
    assert.matches("^gan%.setting%(name, default%)\n.*%-%-set NAME=VALUE", out)
    assert.matches("\n  name: string", out)
  end)

  it("shows what a loss or a layer is", function()
    assert.matches("^gan%.loss%.hinge\nhinge{margin=1}: L_D = ", session("?gan.loss.hinge"))
    assert.matches("^gan%.nn%.conv2d\nConvolution", session("?gan.nn.conv2d"))
    assert.matches("^gan%.nn%.conv2d\nConvolution", session("?gan.nn.conv2d{}"))
    assert.matches("L_D = ", session("l = gan.loss\n?l.hinge"))
  end)

  it("shows an op's line of the catalogue", function()
    assert.matches("^conv2d%(x, ", session("core = require 'ganlua.core'\n?core.conv2d"))
    assert.matches("^matmul%(", session("t = gan.zeros(1)\n?t:matmul"))
    assert.matches("^grad%(y, xs", session("?gan.grad"))
    assert.matches("^t:shape%(%)", session("t = gan.zeros(1)\n?t:shape"))
  end)

  it("shows how a module opens, and what is in it", function()
    local out = session("?gan.nn")
    assert.matches("^gan%.nn\ngan%.nn: the layers of networks", out)
    assert.truthy(out:find(" conv2d ", 1, true))
  end)

  it("says so when there is nothing", function()
    assert.matches("gan%.nothing is nil", session("?gan.nothing"))
    assert.matches("no documentation for print", session("?print"))
    assert.matches("hinge", session("?gan.loss.hing"))
    assert.matches("%?gan", session("?"))
  end)
end)

-- What is not an op has its words in help.lua: none is forgotten.
describe("the documentation", function()
  it("covers every function of gan and every method of a tensor", function()
    local code = [[
      local gan = require "ganlua"
      local help, sources = require "ganlua.help", {}
      _G.gan, _G.t = gan, gan.zeros(1)
      local _, methods = debug.getupvalue(debug.getmetatable(t).__index, 1)
      local function documented(prefix, names)
        for name, value in pairs(names) do
          if type(value) == "function" and debug.getinfo(value, "S").what == "C" then
            local text = help.text(prefix .. name, sources)
            if not text then print(prefix .. name) end
          end
        end
      end
      documented("gan.", gan)
      documented("t:", methods)
      print "done"]]
    assert.equal("done\n", shell.run_ganlua({ "-e", code }).out)
  end)
end)

describe("completion", function()
  -- The embedded module itself, in the interpreter, without a terminal.
  local function completes(word)
    local code = ("require 'ganlua' gan = require 'ganlua' t = gan.zeros(1) " ..
      "print(table.concat(require('ganlua.repl').complete(%q, 1), ' '))"):format(word)
    local result = shell.run_ganlua { "-e", code }
    assert.equal("", result.err)
    return (result.out:gsub("\n$", ""))
  end

  it("knows globals and keywords", function()
    assert.equal("repeat require return", completes("re"))
  end)

  it("knows what a table holds", function()
    assert.equal("gan.nn.conv2d gan.nn.conv_transpose2d", completes("gan.nn.conv"))
    assert.equal("string.format", completes("string.fo"))
  end)

  it("knows methods", function()
    assert.equal("t:matmul", completes("t:matm"))
    assert.truthy((" " .. completes("t:") .. " "):find(" t:reshape ", 1, true))
  end)

  it("has nothing for what is not there", function()
    assert.equal("", completes("nothing.at."))
    assert.equal("", completes("nothing:"))
    assert.equal("", completes("f()."))
  end)
end)

describe("the REPL on a terminal", function()
  it("greets, completes with Tab, and keeps a history", function()
    local home = shell.folder()
    local result = shell.in_terminal({ shell.ganlua },
      { { "start", "'a' .. 'b'\\nprint(gan.nn.max_un\\t == nil, gan.to_nc\\t ~= nil)\\nos.exit(0)\\n" } },
      { env = { HOME = home, XDG_STATE_HOME = false } }) or pending "no pseudo-terminals here"
    assert.equal(0, result.code)
    assert.matches("ganlua %d+%.%d+", result.screen)
    assert.matches("\nab\n", result.screen)
    assert.matches("\ntrue\ttrue\n", (result.screen:gsub("true +true", "true\ttrue")))
    local history = shell.read(home .. "/.ganlua_history")
    assert.is_string(history)
    assert.truthy(history:find("gan.to_nchw", 1, true))
    shell.remove(home)
  end)
end)
