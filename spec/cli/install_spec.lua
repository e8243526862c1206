-- What `cmake --install` puts where: it must work from any folder, with nothing but what was installed.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "shell.lua")

-- Only the given variables; no trace of the build.
local function env(more)
  local all = { LUA_PATH = false, LUA_CPATH = false, GANLUA_BUILD = false }
  for name, value in pairs(more or {}) do all[name] = value end
  return all
end

local program = [[
local gan = require "ganlua"
local G = gan.nn.sequential{ gan.nn.linear{out=4}, gan.nn.tanh{} }
print(#G(gan.zeros(3, 2)), gan.loss.hinge{}.g(gan.ones(3)):item(), ...)]]

describe("an installed ganlua", function()
  it("runs a script in a folder that holds only that script", function()
    local cwd = shell.folder()
    shell.write(cwd .. "/script.lua", program)
    local result = shell.run({ shell.installed() .. "/bin/ganlua", "script.lua", "x" }, { cwd = cwd, env = env() })
    assert.equal("", result.err)
    assert.equal("3\t-1.0\tx\n", result.out)
    shell.remove(cwd)
  end)

  it("is a module for the stock lua5.4, in the folder of the prefix that Debian's searches", function()
    local cwd = shell.folder()
    shell.write(cwd .. "/script.lua", program)
    local result = shell.run({ "lua5.4", "script.lua", "x" },
      { cwd = cwd, env = env { LUA_CPATH = shell.installed() .. "/lib/lua/5.4/?.so" } })
    assert.equal("", result.err)
    assert.equal("3\t-1.0\tx\n", result.out)
    shell.remove(cwd)
    -- With the default prefix, /usr/local, that is this entry of Debian's package.cpath.
    local paths = shell.run({ "lua5.4", "-E", "-e", "print(package.cpath)" }).out
    assert.truthy(paths:find("/usr/local/lib/lua/5.4/?.so", 1, true))
  end)

  it("shows nothing but its interface", function()
    for _, library in ipairs { "lib/libganlua.so", "lib/lua/5.4/ganlua.so" } do
      local symbols = shell.run({ "nm", "-D", "--defined-only", shell.installed() .. "/" .. library })
      assert.equal(0, symbols.code)
      local seen = {}
      for name in symbols.out:gmatch("%x+ %u ([%w_]+)") do
        seen[name] = true
        assert.truthy(name:find("^ganlua_") or name:find("^luaopen_ganlua"), library .. " shows " .. name)
      end
      assert.is_true(seen.luaopen_ganlua)
    end
  end)

  it("has a module without liblua, for the host has it", function()
    local needed = shell.run({ "readelf", "-d", shell.installed() .. "/lib/lua/5.4/ganlua.so" })
    assert.truthy(needed.out:find("NEEDED", 1, true))
    assert.is_nil(needed.out:find("liblua", 1, true))
  end)
end)
