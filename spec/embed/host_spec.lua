-- Programs that use an installed libganlua: the README's, one in C++, one built with CMake.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "../cli/shell.lua")

local flags = os.getenv("GANLUA_CFLAGS") or ""

-- pkg-config and the dynamic linker see the install; compilers run without what the specs preload.
local function env()
  return {
    PKG_CONFIG_PATH = shell.installed() .. "/lib/pkgconfig", LD_LIBRARY_PATH = shell.installed() .. "/lib",
    CMAKE_PREFIX_PATH = shell.installed(), LUA_PATH = false, LUA_CPATH = false, LD_PRELOAD = false,
  }
end

local function succeeds(command, cwd)
  local result = shell.run({ "sh", "-c", command }, { cwd = cwd, env = env(), timeout = 120 })
  assert(result.code == 0, command .. "\n" .. result.out .. result.err)
  return result.out
end

describe("a program that embeds ganlua", function()
  local cwd
  before_each(function() cwd = shell.folder() end)
  after_each(function() shell.remove(cwd) end)

  it("is as short as the README says", function()
    local readme = assert(shell.read(folder .. "../../README.md"), "there is no README.md")
    local program = readme:match("```c\n(.-)```")
    assert.is_string(program, "README.md has no C program")
    assert.truthy(program:find("ganlua_open", 1, true))
    shell.write(cwd .. "/host.c", program)
    -- The script that it runs, whatever it is called.
    local script = program:match('ganlua_run_file%(%w+, "([^"]+)"')
    if script then shell.write(cwd .. "/" .. script, 'print(require("ganlua").zeros(2):sum():item())') end
    succeeds("cc -Wall -Wextra -Werror " .. flags .. " host.c $(pkg-config --cflags --libs ganlua) -o host", cwd)
    local out = succeeds("./host", cwd)
    if script then assert.equal("0.0\n", out) end
  end)

  it("can be written in C++", function()
    shell.write(cwd .. "/host.cc", [[
#include <ganlua.h>
#include <cstdio>
int main(int argc, char **argv)
{
    ganlua_config config = GANLUA_CONFIG_INIT;
    config.threads = 1;
    ganlua *gl = ganlua_open(&config);
    int status = ganlua_run_string(gl, "print(require('ganlua').ones(3):sum():item())");
    if (status == GANLUA_OK)
        status = ganlua_run_file(gl, "missing.lua", argc, argv);
    std::printf("%d %s\n", status == GANLUA_ERROR_FILE, ganlua_error(gl));
    ganlua_close(gl);
}
]])
    succeeds("g++ -std=c++11 -Wall -Wextra -Wpedantic -Werror " .. flags ..
      " host.cc $(pkg-config --cflags --libs ganlua) -o host", cwd)
    assert.matches("^3.0\n1 cannot open missing%.lua", succeeds("./host", cwd))
  end)

  it("finds shared and static library with CMake", function()
    shell.write(cwd .. "/host.c", [[
#include <ganlua.h>
int main(void)
{
    ganlua *gl = ganlua_open(NULL);
    int status = ganlua_run_string(gl, "print(require('ganlua').ones(2):sum():item())");
    ganlua_close(gl);
    return status;
}
]])
    shell.write(cwd .. "/CMakeLists.txt", [[
cmake_minimum_required(VERSION 3.25)
project(host C)
find_package(ganlua 0.1 REQUIRED)
add_executable(host_shared host.c)
target_link_libraries(host_shared ganlua::ganlua)
add_executable(host_static host.c)
target_link_libraries(host_static ganlua::static)
]])
    succeeds("CFLAGS='" .. flags .. "' cmake -G Ninja -B b . && ninja -C b", cwd)
    assert.equal("2.0\n", succeeds("b/host_shared", cwd))
    assert.equal("2.0\n", succeeds("b/host_static", cwd))
  end)

  it("links the static library by pkg-config --static", function()
    shell.write(cwd .. "/host.c", [[
#include <ganlua.h>
int main(void)
{
    ganlua *gl = ganlua_open(NULL);
    int status = ganlua_run_string(gl, "print(require('ganlua').ones(4):sum():item())");
    ganlua_close(gl);
    return status;
}
]])
    -- A place that has no shared library: the linker would take that.
    succeeds("mkdir lib && cp -r " .. shell.installed() .. "/lib/libganlua.a " .. shell.installed()
      .. "/lib/pkgconfig lib && cp -r " .. shell.installed() .. "/include .", cwd)
    succeeds("export PKG_CONFIG_PATH=$PWD/lib/pkgconfig && cc " .. flags
      .. " host.c $(pkg-config --static --cflags --libs ganlua) -o host", cwd)
    assert.equal("4.0\n", succeeds("env --unset=LD_LIBRARY_PATH ./host", cwd))
    assert.is_nil(succeeds("ldd ./host", cwd):find("libganlua", 1, true))
  end)
end)
