-- What the specs of programs share: running a command and seeing everything that came of it.
-- The build is found through the variables that `dev test` sets: GANLUA_BIN, GANLUA_BUILD.

local shell = {}

local function variable(name)
  return assert(os.getenv(name), name .. " is not set: run the specs with ./dev test")
end

shell.ganlua = variable "GANLUA_BIN"
shell.build = variable "GANLUA_BUILD"

--- A word that the shell takes as it is.
function shell.quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

local function quoted(words)
  local texts = {}
  for i, word in ipairs(words) do texts[i] = shell.quote(word) end
  return table.concat(texts, " ")
end

function shell.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

function shell.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

--- A new empty folder.
function shell.folder()
  local pipe = assert(io.popen("mktemp -d"))
  local path = pipe:read("l")
  pipe:close()
  return path
end

function shell.remove(path)
  os.execute("rm -rf " .. shell.quote(path))
end

--- Runs a program. Options: stdin (text), cwd, env (variables; false unsets one), timeout in seconds.
---@param words string[] the program and its arguments
---@return { code: integer, out: string, err: string }
function shell.run(words, options)
  options = options or {}
  local folder = shell.folder()
  shell.write(folder .. "/in", options.stdin or "")
  local env = { "env" }
  for name, value in pairs(options.env or {}) do
    if not value then table.insert(env, 2, "--unset=" .. name) else env[#env + 1] = name .. "=" .. value end
  end
  local command = ("cd %s && timeout -k 5 %d %s %s <%s/in >%s/out 2>%s/err"):format(
    shell.quote(options.cwd or folder), options.timeout or 60, quoted(env), quoted(words), folder, folder, folder)
  local _, kind, code = os.execute(command)
  local result = {
    code = kind == "signal" and 128 + code or code,
    out = shell.read(folder .. "/out"),
    err = shell.read(folder .. "/err"),
  }
  shell.remove(folder)
  return result
end

--- Runs the interpreter.
function shell.run_ganlua(words, options)
  return shell.run({ shell.ganlua, table.unpack(words) }, options)
end

--- Runs a program in a terminal while keys are pressed there, each when its turn has come: { "screen", text, keys }
--- waits until the text is on the screen, { "file", path, keys } until the file is there, { "start", keys } for
--- nothing.
---@param words string[] the program and its arguments
---@param steps string[][] keys as printf takes them
---@param options? table as for shell.run; TERM is dumb unless told
---@return { code: integer, screen: string }? # nil where there are no pseudo-terminals
function shell.in_terminal(words, steps, options)
  if shell.run({ "script", "-qec", "true", "/dev/null" }).code ~= 0 then return nil end
  options = options or {}
  local folder = options.cwd or shell.folder()
  local ended = "-- ended --"
  local keys = { "file() { until [ -e \"$1\" ]; do sleep .05; done; }",
    "screen() { until grep -qF -- \"$1\" screen; do sleep .05; done; }" }
  for _, step in ipairs(steps) do
    if step[1] ~= "start" then keys[#keys + 1] = step[1] .. " " .. shell.quote(step[2]) end
    keys[#keys + 1] = "printf " .. shell.quote(step[#step])
  end
  keys[#keys + 1] = "screen '" .. ended .. "'" -- `script` drops what comes after its input has ended
  shell.write(folder .. "/keys.sh", table.concat(keys, "\n"))
  shell.write(folder .. "/screen", "")
  -- Ctrl-C in a terminal reaches its shell too, and not every shell waits then until the program has ended.
  local command = ("trap : INT; %s; code=$?; echo '%s'; exit $code"):format(quoted(words), ended)
  local env = { TERM = "dumb", SHELL = "/bin/sh" }
  for name, value in pairs(options.env or {}) do env[name] = value end
  local terminal = ("sh keys.sh | script -qefc %s /dev/null > screen"):format(shell.quote(command))
  local result = shell.run({ "sh", "-c", terminal }, { cwd = folder, env = env, timeout = options.timeout })
  result.screen = shell.read(folder .. "/screen"):gsub("\r", ""):gsub(ended:gsub("%p", "%%%0") .. "\n", "")
  if not options.cwd then shell.remove(folder) end
  return result
end

--- Runs a Lua program given as text, as the file "script.lua" of a folder that holds nothing else.
---@param text string
---@param arguments? string[] the script's
function shell.run_script(text, arguments)
  local folder = shell.folder()
  shell.write(folder .. "/script.lua", text)
  local result = shell.run_ganlua({ "script.lua", table.unpack(arguments or {}) }, { cwd = folder })
  shell.remove(folder)
  return result
end

local prefix

--- The folder that `cmake --install` put everything into: this process's own, for others run beside it. Installed once;
--- ./dev clears what earlier runs have left.
function shell.installed()
  if not prefix then
    local unique = os.tmpname()
    os.remove(unique)
    local folder = ("%s/installed/%s"):format(shell.build, unique:match "[^/]+$")
    local words = { "cmake", "--install", shell.build, "--prefix", folder }
    local result = shell.run(words, { env = { LD_PRELOAD = false } })
    assert(result.code == 0, result.err)
    prefix = folder
  end
  return prefix
end

-- The files of a finished run, times aside, as one text by name.
function shell.contents(path)
  local found = {}
  local pipe = io.popen(("cd %s && find . -type f | sort"):format(shell.quote(path)))
  for name in pipe:lines() do
    found[name] = shell.read(path .. "/" .. name):gsub('"seconds":[%d.]+', "")
  end
  pipe:close()
  return found
end

return shell
