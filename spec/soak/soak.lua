-- Kills a run with kill -9 at random instants, again and again, until it ends all the same; then it must have the bytes
-- of the run that nobody killed. Counts the kills by what the run was doing.
--   ./dev soak                200 kills, at least 20 in each phase
--   ./dev soak 30 7           30 kills, seed 7

local folder = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"
local shell = dofile(folder .. "../cli/shell.lua")

local soak = {}

local function child(out, marker, seconds)
  local words = { "env", "MARKER=" .. marker, shell.ganlua, "--threads", "1", "--out", out, folder .. "game.lua" }
  for i, word in ipairs(words) do words[i] = shell.quote(word) end
  local command = ("exec timeout -s KILL %.4f %s >%s/said 2>&1"):format(seconds, table.concat(words, " "), out)
  local _, kind, code = os.execute(command)
  return kind == "signal" and 128 + code or code
end

-- Seconds, with their fractions.
local function now()
  local pipe = io.popen "date +%s.%N"
  local text = pipe:read "l"
  pipe:close()
  return tonumber(text)
end

--- Kills so many times; raises where a run ends differently, or not at all.
---@param kills integer
---@param seed integer
---@return table<string, integer> by phase: starting, moving, sampling, saving
---@return integer runs that were brought to their end
function soak.run(kills, seed)
  math.randomseed(seed)
  local root = shell.folder()
  os.execute("mkdir " .. shell.quote(root .. "/whole"))
  local started = now()
  assert(child(root .. "/whole", "/dev/null", 600) == 0, shell.read(root .. "/whole/said"))
  local wanted = shell.contents(root .. "/whole/soak")
  local names = { m = "moving", s = "sampling", c = "saving", [""] = "starting" }
  local count, runs = { starting = 0, moving = 0, sampling = 0, saving = 0 }, 0
  local done, longest = 0, now() - started
  while done < kills do
    runs = runs + 1
    local out = ("%s/%d"):format(root, runs)
    os.execute("mkdir " .. shell.quote(out))
    local code
    repeat
      -- Short lives and long ones; each has the time to come to a checkpoint now and then.
      local seconds = done < kills and 0.02 + math.random() * longest or 600
      shell.write(root .. "/marker", "")
      code = child(out, root .. "/marker", seconds)
      if code == 137 then
        done = done + 1
        local phase = names[shell.read(root .. "/marker")]
        count[phase] = count[phase] + 1
      elseif code ~= 0 then
        error(("after kill %d the run failed:\n%s"):format(done, shell.read(out .. "/said")), 0)
      end
    until code == 0
    local found = shell.contents(out .. "/soak")
    for name, text in pairs(wanted) do
      if found[name] ~= text then error(("after kill %d: %s differs (in %s)"):format(done, name, out), 0) end
      found[name] = nil
    end
    local left = next(found)
    if left then error(("after kill %d: %s is left over (in %s)"):format(done, left, out), 0) end
    os.execute("rm -rf " .. shell.quote(out))
  end
  shell.remove(root)
  return count, runs
end

if arg and arg[0] and arg[0]:find "soak%.lua$" then -- as a program
  local kills, started = math.tointeger(arg[1]) or 200, now()
  local count, runs = soak.run(kills, math.tointeger(arg[2]) or 1)
  print(("%d kills: %d while starting, %d while moving, %d while sampling, %d while writing a checkpoint"):format(kills,
    count.starting, count.moving, count.sampling, count.saving))
  print(("%d runs, all with the bytes of the uncut one, in %.0f s"):format(runs, now() - started))
  for phase, kills_in_it in pairs(count) do
    local few = phase ~= "starting" and kills >= 200 and kills_in_it < 20
    if few then error(("only %d kills while %s"):format(kills_in_it, phase), 0) end
  end
end

return soak
