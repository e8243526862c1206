-- What a user sees when a script goes wrong: the message, the line, the exit code.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "shell.lua")

describe("a script that fails", function()
  it("shows file, line and message, a traceback with the user's lines, and exits with 1", function()
    local result = shell.run_script("print 'before'\nlocal function inner()\n  error('boo')\nend\ninner()\n")
    assert.equal(1, result.code)
    assert.equal("before\n", result.out)
    assert.matches("^ganlua: script%.lua:3: boo\nstack traceback:\n", result.err)
    assert.matches("script%.lua:3: in .-inner", result.err)
    assert.matches("script%.lua:5: in main chunk", result.err)
  end)

  it("shows one traceback where a run had a plan for trouble that did not help", function()
    local result = shell.run_script([[
      local gan = require "ganlua"
      local function schedule(game) game:nothing() end
      gan.train { out = false, data = gan.data.ring {}, latent = 2, batch = 4, loss = gan.loss.hinge {},
        generator = gan.nn.linear { out = 2 }, discriminator = gan.nn.linear { out = 1 }, schedule = schedule,
        on = { nan = gan.recover.rollback {} } }]])
    assert.matches("^ganlua: script%.lua:2: attempt to call a nil value %(method 'nothing'%)\nstack traceback:\n",
      result.err)
    assert.equal(1, select(2, result.err:gsub("stack traceback", "")))
    assert.matches("script%.lua:2: in [^\n]*'schedule'\n", result.err)
    assert.matches("script%.lua:3: in main chunk", result.err)
  end)

  it("shows the place of a syntax error", function()
    local result = shell.run_script("local x = = 3\n")
    assert.equal(1, result.code)
    assert.matches("^ganlua: script%.lua:1: unexpected symbol near '='\n$", result.err)
  end)

  it("may raise anything", function()
    local object = shell.run_script("error(setmetatable({}, { __tostring = function() return 'an object' end }))")
    assert.equal(1, object.code)
    assert.matches("^ganlua: an object\n", object.err)
    local plain = shell.run_script("error({})")
    assert.equal(1, plain.code)
    assert.matches("^ganlua: table: ", plain.err)
    assert.matches("^ganlua: nil\n", shell.run_script("error(nil)").err)
  end)

  it("closes what it had open", function()
    local result = shell.run_script([[
      local guard <close> = setmetatable({}, { __close = function() print 'closed' end })
      global = setmetatable({}, { __gc = function() print 'collected' end })
      error 'boo']])
    assert.equal("closed\ncollected\n", result.out)
  end)

  it("points at the user's line for an error inside ganlua", function()
    local result = shell.run_script("local gan = require 'ganlua'\n\ngan.zeros(2, 3):matmul(gan.zeros(2, 3))\n")
    assert.equal(1, result.code)
    assert.matches("^ganlua: script%.lua:3: ", result.err)
    assert.matches("2x3", result.err)
    local option = shell.run_script("local gan = require 'ganlua'\n\n\ngan.nn.conv2d{ ot = 3, kernel = 1 }\n")
    assert.matches("^ganlua: script%.lua:4: conv2d: unknown option 'ot' %(did you mean 'out'%?%)", option.err)
  end)
end)

describe("ganlua", function()
  it("says that a script is not there", function()
    local result = shell.run_ganlua { "nowhere.lua" }
    assert.equal(1, result.code)
    assert.matches("^ganlua: cannot open nowhere%.lua[^\n]*\n$", result.err)
  end)

  it("says that a module is not there", function()
    local result = shell.run_ganlua { "-l", "no_such_module" }
    assert.equal(1, result.code)
    assert.matches("^ganlua: module 'no_such_module' not found", result.err)
  end)

  it("does not go on after a failed -e, -l or LUA_INIT", function()
    assert.equal("", shell.run_ganlua({ "-e", "error 'x'", "-e", "print 'on'" }).out)
    assert.equal("", shell.run_ganlua({ "-l", "no_such_module", "-e", "print 'on'" }).out)
    local result = shell.run_ganlua({ "-e", "print 'on'" }, { env = { LUA_INIT = "error 'x'" } })
    assert.equal("", result.out)
    assert.matches("^ganlua: LUA_INIT:1: x\n", result.err)
    assert.equal(1, result.code)
  end)
end)
