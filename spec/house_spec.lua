-- The rules of the house, checked by reading the sources: who may know whom.

local root = debug.getinfo(1, "S").source:match("^@(.*)spec/house_spec%.lua$")

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

-- The files under a folder, as paths from the root.
local function files(under, pattern)
  local found = {}
  local command = "cd '%s' && find %s -type f -name '%s' | sort"
  local pipe = assert(io.popen(command:format(root == "" and "." or root, under, pattern)))
  for path in pipe:lines() do found[#found + 1] = path end
  pipe:close()
  assert(#found > 0, "no files " .. pattern .. " under " .. under)
  return found
end

local function c_files(under)
  local found = files(under, "*.c")
  table.move(files(under, "*.h"), 1, 1000, #found + 1, found)
  return found
end

-- A C text without comments and strings, so that words in them do not count.
local function code_of(path)
  local text = read(root .. path)
  local include_kept = text:gsub('(#%s*include%s*)"([^"\n]*)"', "%1<%2>")
  return (include_kept:gsub("/%*.-%*/", " "):gsub("//[^\n]*", ""):gsub('\\"', ""):gsub('"[^"\n]*"', '""'))
end

-- The base names of what a C file includes.
local function includes(path)
  local names = {}
  for name in code_of(path):gmatch("#%s*include%s*<([^>]*)>") do names[name:match("[^/]*$")] = true end
  return names
end

describe("the C files", function()
  it("include BLAS only where matrices are multiplied", function()
    local may = { ["core/matmul.c"] = true, ["core/conv.c"] = true }
    local seen = false
    for _, path in ipairs(c_files "core lua") do
      local names = includes(path)
      for _, header in ipairs { "cblas.h", "f77blas.h", "openblas_config.h", "dnnl.h" } do
        if names[header] then
          assert.is_true(may[path], path .. " includes " .. header)
          seen = true
        end
      end
    end
    assert.is_true(seen)
  end)

  -- cblas.h has no LAPACK: its Fortran names, and that of the product in double which measures need beside it, are
  -- declared in one small file.
  it("name LAPACK and Fortran's BLAS only in linalg.c, for measures", function()
    local seen = false
    for _, path in ipairs(c_files "core lua") do
      local code = " " .. code_of(path)
      for _, name in ipairs { "[sd]syevd?_", "[sd]gemm_", "[sd]gesd?vd_", "[sd]syrk_" } do
        if code:find("[^%w_]" .. name .. "%s*%(") then
          assert.equal("core/linalg.c", path)
          seen = true
        end
      end
      if includes(path)["linalg.h"] then
        assert.is_true(path == "core/linalg.c" or path == "core/measure.c" or path == "core/neighbours.c", path)
      end
    end
    assert.is_true(seen)
  end)

  it("know Lua only under lua/", function()
    for _, path in ipairs(c_files "core") do
      local names = includes(path)
      for _, header in ipairs { "lua.h", "lauxlib.h", "lualib.h", "luaconf.h", "bind.h", "ganlua.h" } do
        assert.is_nil(names[header], path .. " includes " .. header)
      end
    end
  end)

  it("make layers, losses and files of ops alone: they see gan.h and never op.h", function()
    local under = files("core/io", "*.[ch]")
    for _, path in ipairs { "core/layer.c", "core/loss.c" } do
      local file = io.open(root .. path)
      if file then
        file:close()
        under[#under + 1] = path
      end
    end
    assert.truthy(table.concat(under, " "):find("core/layer.c", 1, true))
    for _, path in ipairs(under) do
      local names = includes(path)
      assert.is_nil(names["op.h"], path .. " includes op.h")
      assert.is_nil(names["kernel.h"], path .. " includes kernel.h")
    end
  end)

  it("leave op.h to the core", function()
    for _, path in ipairs(c_files "lua") do
      assert.is_nil(includes(path)["op.h"], path .. " includes op.h")
    end
  end)

  it("reach Lua through gan.h: nothing in bind sees kernels or BLAS", function()
    for _, path in ipairs(c_files "lua/bind") do
      assert.is_nil(includes(path)["kernel.h"], path .. " includes kernel.h")
    end
  end)

  it("print, exit and handle signals only in main.c", function()
    local banned = {
      "printf", "vprintf", "puts", "putchar", "perror", "exit", "_exit", "_Exit", "quick_exit", "abort", "signal",
      "sigaction", "raise", "assert", "fprintf", "vfprintf", "dprintf", "fputs", "fputc", "putc", "atexit",
      "sigprocmask", "siginterrupt", "psignal",
    }
    -- The prompt of the REPL is line.c's.
    local may = { ["lua/main.c"] = {}, ["lua/line.c"] = { putchar = true, puts = true, fputs = true } }
    for _, name in ipairs(banned) do may["lua/main.c"][name] = true end
    may["lua/view/server.c"] = { sigaction = true } -- civetweb ignores SIGPIPE for all: it is put back
    may["lua/mpi/watch.c"] = { fprintf = true, _exit = true } -- ends a program whose other ranks are gone
    local seen = 0
    for _, path in ipairs(c_files "core lua") do
      local code = " " .. code_of(path)
      for _, name in ipairs(banned) do
        if code:find("[^%w_]" .. name .. "%s*%(") then
          assert.is_true((may[path] or {})[name], ("%s calls %s"):format(path, name))
          seen = seen + 1
        end
      end
      if not may[path] then
        assert.is_nil(code:find("[^%w_]std%a+[^%w_.]") and code:match("[^%w_](stdout)[^%w_]"), path .. " uses stdout")
        assert.is_nil(code:match("[^%w_](stderr)[^%w_]"), path .. " uses stderr")
      end
    end
    assert.is_true(seen > 0)
  end)

  it("reach files by their paths in one place", function()
    local banned = {
      "open", "openat", "creat", "fopen", "freopen", "gzopen", "opendir", "scandir", "stat", "lstat", "fstatat",
      "access", "mkdir", "mkdirat", "rename", "renameat", "unlink", "unlinkat", "remove", "rmdir", "link", "symlink",
      "truncate", "chmod", "chdir", "luaL_loadfile", "luaL_dofile", "tmpfile", "mkstemp",
    }
    -- ganlua.h's program says which script it runs; main.c is a program.
    local may = { ["lua/ganlua.c"] = { luaL_loadfile = true, fopen = true },
      ["lua/main.c"] = { luaL_loadfile = true, freopen = true },
      ["lua/isolate.c"] = { open = true, fopen = true },
      ["lua/bind/terminal.c"] = { open = true } } -- /dev/tty; the sandbox has no ask_terminal
    for _, path in ipairs(c_files "core lua") do
      local code = " " .. code_of(path)
      for _, name in ipairs(path == "core/io/gate.c" and {} or banned) do
        local found = code:find("[^%w_.>]" .. name .. "%s*%(")
        assert.is_true(not found or may[path] and may[path][name], ("%s calls %s"):format(path, name))
      end
    end
    for _, path in ipairs(files("lua/ganlua", "*.lua")) do
      local text = read(root .. path):gsub("%-%-[^\n]*", "")
      for _, name in ipairs { "io.open", "io.lines", "io.popen", "io.input", "os.remove", "os.rename", "os.tmpname",
        "loadfile", "dofile", "os.execute" } do
        assert.is_nil(text:find(name, 1, true), path .. " uses " .. name)
      end
    end
  end)

  it("set OpenBLAS's threads in one place", function()
    for _, path in ipairs(c_files "core lua") do
      if code_of(path):find("openblas_set_num_threads", 1, true) then
        assert.is_true(path == "core/matmul.c" or path == "core/conv.c", path)
      end
    end
  end)
end)

describe("the Lua modules", function()
  local function without_comments(path)
    return (read(root .. path):gsub("%-%-[^\n]*", ""))
  end

  -- Which of ganlua's modules a file requires, at load time or later.
  local function requires(path)
    local names, text = {}, without_comments(path)
    for name in text:gmatch('require%s*%(?%s*"([^"]*)"') do names[#names + 1] = name end
    for name in text:gmatch('= "(ganlua%.[%w_.]+)"') do names[#names + 1] = name end
    return names
  end

  -- check <- nn <- loss, penalty, optim <- schedule <- trainer; only init requires upwards. A file that is not
  -- named here is a helper, and may know what its level allows.
  local level = {
    ["ganlua.core"] = 0, ["ganlua.check"] = 1, ["ganlua.nn"] = 2, ["ganlua.loss"] = 3, ["ganlua.penalty"] = 3,
    ["ganlua.optim"] = 3, ["ganlua.schedule"] = 4, ["ganlua.trainer"] = 5,
  }
  local function level_of(module)
    while module do
      if level[module] then return level[module], module end
      module = module:match("^(.*)%.[^.]*$")
      if module == "ganlua" then return nil end
    end
  end

  local function module_of(path)
    return (path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", "."))
  end

  it("depend one way: check, nn, loss and optim, schedule, trainer", function()
    for _, path in ipairs(files("lua/ganlua", "*.lua")) do
      local own = module_of(path)
      local own_level, own_family = level_of(own)
      if own_level then
        for _, name in ipairs(requires(path)) do
          local other, family = level_of(name)
          assert.is_true(not other or other < own_level or family == own_family,
            ("%s (level %d) requires %s"):format(path, own_level, name))
        end
      end
    end
  end)

  it("leave `require \"ganlua\"` to scripts", function()
    local may = { ["lua/ganlua/repl.lua"] = true } -- it hands a user the module
    for _, path in ipairs(files("lua/ganlua", "*.lua")) do
      for _, name in ipairs(requires(path)) do
        assert.is_true(name ~= "ganlua" or may[path] == true, path .. " requires init.lua")
      end
    end
  end)

  it("have no cycles", function()
    local edges = {}
    for _, path in ipairs(files("lua/ganlua", "*.lua")) do
      edges[module_of(path)] = {}
      -- What a file needs to load stands at its beginning of lines, not inside functions.
      for line in without_comments(path):gmatch("[^\n]+") do
        local name = line:match('^%S.*require%s*%(?%s*"(ganlua[^"]*)"')
        if name then table.insert(edges[module_of(path)], name) end
      end
    end
    local state = {}
    local function visit(module, trail)
      if state[module] == "done" or not edges[module] then return end
      assert.not_equal("open", state[module], trail .. " -> " .. module)
      state[module] = "open"
      for _, name in ipairs(edges[module]) do visit(name, trail .. " -> " .. module) end
      state[module] = "done"
    end
    for module in pairs(edges) do visit(module, "") end
  end)
end)

describe("the project", function()
  it("has one version", function()
    local version = read(root .. "lua/ganlua.h"):match('#define GANLUA_VERSION "([%d.]+)"')
    assert.is_string(version)
    assert.equal("ganlua " .. version, read(root .. "lua/ganlua/init.lua"):match('_VERSION = "([^"]*)"'))
  end)

  it("names no path of the machine it was written on", function()
    for _, path in ipairs(files("core lua examples spec dev CMakeLists.txt", "*")) do
      if not path:find("%.png$") and path ~= "spec/house_spec.lua" then
        local text = read(root .. path)
        for _, wrong in ipairs { "/home/", "/work/", "/root/" } do
          assert.is_nil(text:find(wrong, 1, true), path .. " names " .. wrong)
        end
      end
    end
  end)
end)
