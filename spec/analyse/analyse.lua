-- What can be found without running a file, and by watching every byte of a short run: cppcheck, gcc -fanalyzer and
-- valgrind. `./dev analyse`; it ends well where nothing is reported but what spec/analyse/explained.lua explains.
--   analyse.lua ROOT BUILD [ANALYSER ...]     the files of core/ and lua/ below ROOT, as they are compiled in BUILD

require "ganlua"
local core = require "ganlua.core"

local here = arg[0]:match "^(.*/)" or "./"
local root, build = assert(arg[1], "which sources?"), assert(arg[2], "which build?")
local explained = dofile(root .. "/spec/analyse/explained.lua")

local folder = os.tmpname()
os.remove(folder)
assert(core.create_directory(folder))
local _ <close> = setmetatable({}, { __close = function() os.execute(("rm -rf '%s'"):format(folder)) end })

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

local function lines_of(command, ...)
  local pipe = assert(io.popen(command:format(...)))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  local fine, _, code = pipe:close()
  return lines, fine, code
end

-- What is compiled into the shipped library; not what only proves it.
local commands = {}
for _, entry in ipairs(core.json_decode(core.read_file(build .. "/compile_commands.json"))) do
  local proof = entry.command:find("-DGAN_DOUBLE", 1, true) or entry.command:find("amx_emulated", 1, true)
  local path = entry.file:sub(1, #root + 1) == root .. "/" and entry.file:sub(#root + 2) or ""
  if not proof and (path:find "^core/" or path:find "^lua/") then commands[#commands + 1] = entry end
end

-- ---- Reports, and what explains them ----

local met, unexplained = {}, 0

local function report(path, line, name, text)
  local file = path:sub(1, #root + 1) == root .. "/" and path:sub(#root + 2) or path
  for i, row in ipairs(explained) do
    if file == row[1] and name == row[2] and text:find(row[3] or "", 1, true) then
      met[i] = true
      return
    end
  end
  unexplained = unexplained + 1
  print(("%s:%s: %s: %s"):format(file, line, name, text))
end

-- ---- The analysers ----

local analysers = {}

function analysers.cppcheck(processes)
  local list = folder .. "/commands.json"
  core.write_file(list, core.json_encode(commands))
  local lines, fine = lines_of("cppcheck --quiet -j %d --enable=warning,portability,performance --library=gnu "
    .. "--library=%s --template='{file}:{line}: {id}: {message}' --project=%s 2>&1", processes,
    quote(here .. "noreturn.cfg"), quote(list))
  assert(fine, table.concat(lines, "\n"))
  for _, line in ipairs(lines) do
    local file, at, name, text = line:match "^([^:]+):(%d+): (%w+): (.*)$"
    assert(file, line)
    report(file, at, name, text)
  end
end

function analysers.gcc(processes)
  local list = {}
  for i, entry in ipairs(commands) do
    local options = entry.command:gsub("^%S+", "gcc"):gsub(" %-o %S+ %-c ", " -O1 -fanalyzer -fanalyzer-verbosity=0 "
      .. "-fno-diagnostics-show-caret -o /dev/null -c ")
    list[i] = ("cd %s && %s"):format(quote(entry.directory), options)
  end
  core.write_file(folder .. "/list", table.concat(list, "\n") .. "\n")
  local lines, fine = lines_of("xargs -a %s -d '\\n' -P %d -n 1 sh -c 2>&1", quote(folder .. "/list"), processes)
  assert(fine, table.concat(lines, "\n"))
  for _, line in ipairs(lines) do
    local file, at, text, name = line:match "^([^:]+):(%d+):%d+: warning: (.*) %[%-Wanalyzer%-([%w-]+)%]$"
    if file then report(file, at, name, text) end
  end
end

function analysers.valgrind()
  for _, kernels in ipairs { "portable", "avx2" } do
    local lines, fine = lines_of("GANLUA_KERNELS=%s valgrind --quiet --error-exitcode=9 --leak-check=full "
      .. "--errors-for-leak-kinds=definite,indirect %s --threads 2 %s %s/%s 2>&1", kernels, quote(build .. "/ganlua"),
      quote(here .. "short.lua"), folder, kernels)
    if not fine then report("short.lua", 0, "valgrind (" .. kernels .. ")", table.concat(lines, "\n")) end
  end
end

local chosen, all = { table.unpack(arg, 3) }, { "cppcheck", "gcc", "valgrind" }
local processes = tonumber(lines_of("nproc")[1])
for _, name in ipairs(#chosen > 0 and chosen or all) do
  local began = core.monotonic()
  assert(analysers[name], ("no analyser %q; there are %s"):format(name, table.concat(all, ", ")))(processes)
  print(("%s: %.0f s"):format(name, core.monotonic() - began))
end
for i, row in ipairs(#chosen > 0 and {} or explained) do
  if not met[i] then
    unexplained = unexplained + 1
    print(("spec/analyse/explained.lua: %s is not reported of %s any more"):format(row[2], row[1]))
  end
end
print(("%d compilations; reports that nothing explains: %d"):format(#commands, unexplained))
if unexplained > 0 then os.exit(1, true) end
