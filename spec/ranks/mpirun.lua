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

--- Runs the interpreter on so many ranks; 1: without mpirun, in one thread. What the sanitizers find is an error.
---@param count integer
---@param arguments string[]
---@param options? table as shell.run takes it
function mpirun.run(count, arguments, options)
  options = options or {}
  options.timeout = options.timeout or 200 -- more ranks than processors, and the sanitizers, take their time
  options.env = options.env or {}
  -- mpirun is left alone: Open MPI 4.1.4's reads freed memory when it passes on that a rank has aborted.
  if count > 1 then options.env.LD_PRELOAD = false end
  local line = { shell.ganlua, "--threads", "1" }
  if count > 1 then
    line = table.move(words, 1, #words, 1, {})
    table.move({ "-n", tostring(count), shell.ganlua, "--threads", "1" }, 1, 5, #line + 1, line)
  end
  local result = shell.run(table.move(arguments, 1, #arguments, #line + 1, line), options)
  if result.err:find "runtime error: " or result.err:find "AddressSanitizer" then error(result.err, 0) end
  return result
end

--- What lines "NAME\tWHAT\tNUMBERS" of a run that went well tell, by name: moves, a list of lists of numbers; the same
--- of what is called otherwise ("by hand"); and networks, a checksum.
function mpirun.told(result)
  if result.code ~= 0 then error(("exit code %d: %s"):format(result.code, result.err), 0) end
  local games = {}
  for line in result.out:gmatch "[^\r\n]+" do
    local name, what, numbers = line:match "^([%w_]+)\t([%l ]+)\t(.*)$"
    if name then
      games[name] = games[name] or { moves = {} }
      local game, list = games[name], {}
      for number in numbers:gmatch "%S+" do list[#list + 1] = tonumber(number) end
      if what == "networks" then
        game.networks = numbers
      elseif what ~= "move" and not (what == "discriminator" or what == "generator") then
        game[what] = game[what] or {}
        table.insert(game[what], list)
      else
        table.insert(game.moves, list)
      end
    end
  end
  return games
end

--- The greatest difference of a column of moves, beside what its numbers are in the mean; of what is nearly 0, and
--- comes of larger numbers, beside 0.05.
function mpirun.apart(a, b, column)
  local most, scale = 0, 0
  for i in ipairs(a) do
    most = math.max(most, math.abs(a[i][column] - b[i][column]))
    scale = scale + math.abs(a[i][column]) / #a
  end
  return most / math.max(scale, 0.05)
end

return mpirun
