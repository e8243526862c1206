-- Running ganlua on several ranks, for specs; they are pending where there is no mpirun, or no ganlua_mpi.so.

local root = debug.getinfo(1, "S").source:match "^@(.*)spec/ranks/" or "../../"
local shell = dofile(root .. "spec/cli/shell.lua")

local mpirun = { shell = shell }

-- The repository's folder, from the root of the file system.
local pipe = assert(io.popen(("cd %s. && pwd"):format(root)))
mpirun.root = pipe:read "l" .. "/"
pipe:close()
mpirun.games = mpirun.root .. "spec/ranks/games.lua"

-- Open MPI's: more ranks than processors, as root too, and none bound to a processor.
local words = { "mpirun", "--oversubscribe", "--allow-run-as-root", "--bind-to", "none" }
mpirun.words = words

--- Why there is nothing to run; nil where there is.
---@return string?
function mpirun.missing()
  if shell.run({ "mpirun", "--version" }).code ~= 0 then return "there is no mpirun" end
  if not shell.read(shell.build .. "/ganlua_mpi.so") then return "ganlua was built without MPI" end
  if (os.getenv "GANLUA_CFLAGS" or ""):find "sanitize" then return "the sanitizers do not know MPI" end
end

--- busted's `it`, or where there is no MPI its `pending`, which says why.
---@param it function
---@param pending function
---@return function
function mpirun.it(it, pending)
  local missing = mpirun.missing()
  if not missing then return it end
  return function(name, f) pending(("%s (%s)"):format(name, missing), f) end
end

--- Runs the interpreter on so many ranks; 1: without mpirun, in one thread.
---@param count integer
---@param arguments string[]
---@param options? table as shell.run takes it
function mpirun.run(count, arguments, options)
  local line = { shell.ganlua, "--threads", "1" }
  if count > 1 then
    line = table.move(words, 1, #words, 1, {})
    table.move({ "-n", tostring(count), shell.ganlua, "--threads", "1" }, 1, 5, #line + 1, line)
  end
  return shell.run(table.move(arguments, 1, #arguments, #line + 1, line), options)
end

return mpirun
