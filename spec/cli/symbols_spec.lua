-- What the libraries show and what they call, by nm: whoever links ganlua gets no names but its own, and nothing in it
-- prints, ends the process or takes signals.

local shell = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "shell.lua")

local sanitized = (os.getenv "GANLUA_CFLAGS" or ""):find "sanitize" ~= nil

-- The names that nm tells of a library, one a line, with its options.
local function symbols(options, library)
  local result = shell.run { "sh", "-c", ('nm %s "$0"'):format(options), shell.build .. "/" .. library }
  assert.equal(0, result.code, result.err)
  local names, count = {}, 0
  for line in result.out:gmatch "[^\n]+" do
    local name = line:match "^%x* *%a ([%w_]+)"
    if name then names[name], count = true, count + 1 end
  end
  assert.is_true(count > 0, library .. " has no symbols: " .. result.out)
  return names
end

local function all_match(names, library, patterns)
  for name in pairs(names) do
    local fine = false
    for _, pattern in ipairs(patterns) do fine = fine or name:find(pattern) ~= nil end
    assert.is_true(fine, library .. " shows " .. name)
  end
end

-- The sanitizers bring names and calls of their own.
local it_plain = sanitized and pending or it

describe("the libraries", function()
  it_plain("show the functions of ganlua.h and luaopen_ganlua, and nothing else", function()
    for _, library in ipairs { "libganlua.so", "ganlua.so" } do
      local names = symbols("-D --defined-only", library)
      all_match(names, library, { "^ganlua_", "^luaopen_ganlua$" })
      assert.is_true(names.luaopen_ganlua and names.ganlua_open)
    end
  end)

  it_plain("take no names but gan_*, ganlua_*, luaopen_ganlua from a program linked with an archive", function()
    all_match(symbols("-g --defined-only", "libganlua.a"), "libganlua.a", { "^gan_", "^ganlua_", "^luaopen_ganlua$" })
    all_match(symbols("-g --defined-only", "libgancore.a"), "libgancore.a", { "^gan_" })
  end)

  it_plain("call nothing that prints, ends the process or takes signals", function()
    local banned = {
      "exit", "_exit", "_Exit", "quick_exit", "abort", "atexit", "__assert_fail", "raise", "signal", "sigaction",
      "sigprocmask", "sigaltstack", "siginterrupt", "psignal", "printf", "vprintf", "fprintf", "vfprintf", "dprintf",
      "__printf_chk", "__vprintf_chk", "__fprintf_chk", "__vfprintf_chk", "__dprintf_chk", "puts", "putchar", "fputs",
      "fputc", "putc", "perror", "stdout", "stderr", "setlocale",
    }
    -- The live view puts back what civetweb does to SIGPIPE; house_spec sees that nothing else calls it.
    local may = { ["libganlua.a"] = { sigaction = true }, ["libgancore.a"] = {} }
    for library, allowed in pairs(may) do
      local calls = symbols("-u", library)
      for _, name in ipairs(banned) do
        assert.is_true(not calls[name] or allowed[name] == true, library .. " calls " .. name)
      end
    end
  end)
end)
