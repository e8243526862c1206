-- That ./dev analyse sees what it is for: a tree with faults put there on purpose.

local shell = require "spec.cli.shell"

local faulty = [[
#include <stdlib.h>
#include <string.h>

int last(const int *list, int count);
int last(const int *list, int count)
{
    int *copy = malloc((size_t)count * sizeof *copy);
    if (!copy)
        return 0;
    memcpy(copy, list, (size_t)count * sizeof *copy);
    return copy[count - 1];
}
]]

describe("analyse", function()
  local folder
  before_each(function()
    folder = shell.folder()
    shell.run { "mkdir", "-p", folder .. "/core", folder .. "/spec/analyse" }
    shell.write(folder .. "/core/faulty.c", faulty)
    shell.write(folder .. "/compile_commands.json", ([[ [{ "directory": "%s", "file": "%s/core/faulty.c",
      "command": "cc -Wall -o faulty.o -c %s/core/faulty.c" }] ]]):format(folder, folder, folder))
  end)
  after_each(function() shell.remove(folder) end)

  local function analyse(explained, ...)
    shell.write(folder .. "/spec/analyse/explained.lua", "return { " .. explained .. " }")
    return shell.run_ganlua({ "spec/analyse/analyse.lua", folder, folder, ... }, { cwd = "." })
  end

  local reports = { gcc = "core/faulty.c:11: malloc-leak: leak of", cppcheck = "core/faulty.c:11: memleak: " }
  for name, wanted in pairs(reports) do
    local there = shell.run({ name, "--version" }).code == 0 and it or pending
    there("reports what " .. name .. " finds", function()
      local result = analyse("", name)
      assert.equal("", result.err)
      assert.equal(1, result.code)
      assert.truthy(result.out:find(wanted, 1, true), result.out)
    end)

    there("takes an explanation for what " .. name .. " finds, of that file, name and text alone", function()
      local row = '{ "core/faulty.c", "%s", "%s" }'
      local id = wanted:match ": ([%w-]+):"
      assert.equal(0, analyse(row:format(id, "copy"), name).code)
      assert.equal(1, analyse(row:format(id, "list"), name).code)
      assert.equal(1, analyse(row:format("uninitvar", "copy"), name).code)
    end)
  end

  it("names the analysers where one is asked for that is none", function()
    assert.matches('no analyser "lint"; there are cppcheck, gcc, valgrind', analyse("", "lint").err)
  end)
end)
