-- The manual page tells of the options that `ganlua --help` tells of, and of no others.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "../cli/shell.lua")
local path = assert(io.popen(("realpath %s../../lua/docs/ganlua.1"):format(folder))):read "l"

-- "-e CHUNK", "-h, --help", ... as they stand at the beginning of lines.
local function options(text)
  local found = {}
  for line in text:gmatch "[^\n]+" do
    local option = line:match "^  (%-.*)$"
    option = option and option:match "^(.-)%s%s" or option
    if option then found[#found + 1] = option:gsub("%s+$", "") end
  end
  table.sort(found)
  return found
end

local function of_page()
  local found = {}
  local section = assert(shell.read(path)):match "\n%.SH OPTIONS\n(.-)\n%.SH "
  for line in section:gmatch "%.TP\n(%.B[^\n]*)" do
    local words = line:gsub("^%.B%a?%s+", ""):gsub("\\%-", "-"):gsub('" ?, ?"', ", "):gsub('"', "")
    found[#found + 1] = (words:gsub("%s+,", ","):gsub("%s+", " "))
  end
  table.sort(found)
  return found
end

describe("the manual page", function()
  it("has the options of --help", function()
    local help = shell.run_ganlua({ "--help" }).out
    local wanted = options(help)
    assert.is_true(#wanted > 20)
    assert.same(wanted, of_page())
  end)

  it("is sound, as man sees it", function()
    local result = shell.run({ "man", "--warnings", "-l", path }, { env = { MANWIDTH = "100", LC_ALL = "C.UTF-8" } })
    assert.equal("", result.err)
    assert.equal(0, result.code)
    assert.truthy(result.out:find("ganlua - run experiments", 1, true))
  end)

  it("is installed", function()
    assert.equal(shell.read(path), shell.read(shell.installed() .. "/share/man/man1/ganlua.1"))
  end)
end)
