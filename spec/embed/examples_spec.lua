-- The programs in examples/embed, as a newcomer builds them: against the installed package, with a Makefile.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "../cli/shell.lua")
local examples = folder .. "../../examples/embed/"

local makefile = [[
CFLAGS = -Wall -Wextra -Werror $(EXTRA) $(shell pkg-config --cflags ganlua)
LDLIBS = $(shell pkg-config --libs $(STATIC) ganlua) -lpthread
]]

local function env()
  return {
    PKG_CONFIG_PATH = shell.installed() .. "/lib/pkgconfig", LD_LIBRARY_PATH = shell.installed() .. "/lib",
    LUA_PATH = false, LUA_CPATH = false, LD_PRELOAD = false, EXTRA = os.getenv("GANLUA_CFLAGS") or "",
  }
end

local function succeeds(command, cwd)
  local result = shell.run({ "sh", "-c", command }, { cwd = cwd, env = env(), timeout = 300 })
  assert(result.code == 0, command .. "\n" .. result.out .. result.err)
  return result.out, result.err
end

describe("an example of embedding", function()
  local cwd
  before_each(function()
    cwd = shell.folder()
    shell.write(cwd .. "/Makefile", makefile)
    for _, name in ipairs { "minimal.c", "frame_loop.c", "server.c", "sandbox.c" } do
      shell.write(cwd .. "/" .. name, assert(shell.read(examples .. name)))
    end
  end)
  after_each(function() shell.remove(cwd) end)

  it("is minimal", function()
    succeeds("make minimal", cwd)
    assert.equal("3.0\n", (succeeds("./minimal", cwd)))
  end)

  it("trains between frames, and says nothing but its own", function()
    succeeds("make frame_loop", cwd)
    local out, err = succeeds("./frame_loop 100", cwd)
    assert.equal("", err)
    assert.matches("%*", out)
    assert.matches("iteration 49  d %d", out)
    assert.matches("iteration 100  d %d+%.%d+  g %-?%d+%.%d+\n$", out)
    assert.falsy(out:find("done in", 1, true))
  end)

  it("goes on after scripts that mean no good", function()
    succeeds("make sandbox && mkdir files", cwd)
    shell.write(cwd .. "/loop.lua", "while true do pcall(error) end")
    shell.write(cwd .. "/out.lua", 'require "ganlua".save("../made", {})')
    shell.write(cwd .. "/good.lua", 'local gan = require "ganlua" gan.save("made", { x = gan.ones(3) })')
    local out, err = succeeds("./sandbox files loop.lua out.lua good.lua", cwd)
    assert.equal("", err)
    assert.matches("loop.lua: loop.lua:1: the [%w ]*limit of [%w ]+ is reached\n", out)
    assert.matches("out.lua:1: save: %.%./made: cannot write: the sandbox allows only paths below its folder", out)
    assert.matches("good.lua: done\n$", out)
    assert.is_nil(shell.read(cwd .. "/made"))
    assert.is_string(shell.read(cwd .. "/files/made"))
  end)

  it("serves a generator from several threads", function()
    shell.write(cwd .. "/generator.lua", [[
      local gan = require "ganlua"
      local G = gan.nn.sequential { gan.nn.linear { out = 8 }, gan.nn.tanh {}, gan.nn.linear { out = 2 } }
      G(gan.randn(1, 4))
      gan.publish("generator", G, { latent = 4 })
    ]])
    succeeds("make server", cwd)
    local once = succeeds("./server generator.lua 40", cwd)
    assert.equal(40, select(2, once:gsub("%d+: %-?%d+%.%d+\n", "")))
    assert.equal(once, (succeeds("./server generator.lua 40", cwd)))
  end)
end)
