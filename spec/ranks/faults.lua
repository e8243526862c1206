-- Stops a rank of a run at a random instant, by kill -9 or by SIGSTOP, or cuts its host off, again and again: all ranks
-- end, with a message. Half of the runs then go on with the same command, to the bytes of the run that nobody stopped;
-- the others go on, to their end, on another number of ranks.
--   ./dev faults              50 instants; each run must have ended within 10 seconds
--   ./dev faults 10 7         10 instants, seed 7
--   ./dev faults --cut 10 7   the network is cut: ranks on three hosts that are network namespaces (hosts.sh)

local folder = debug.getinfo(1, "S").source:match "^@(.*/)" or "./"
local mpirun = dofile(folder .. "mpirun.lua")
local shell = mpirun.shell

local faults = {}

-- Starts a run, and after some seconds sends a signal to one of its ranks, which it knows by a word in its
-- environment, or cuts the network of a rank's host. Prints the seconds from then until all have ended, mpirun too,
-- and the exit code; nothing where the run had ended before.
local script = [[
each() { # runs a command with every rank's process and environment
  for process in /proc/[0-9]*; do
    [ "$(cat $process/comm 2>/dev/null)" = ganlua ] || continue
    told=$(tr '\0' '\n' <$process/environ 2>/dev/null)
    case $told in *"GANLUA_FAULT=$OUT"*) "$1" ${process#/proc/} "$told" ;; esac
  done
}
stop() {
  case $2 in *"OMPI_COMM_WORLD_RANK=$RANK"*) ;; *) return ;; esac
  then=$(date +%s%N)
  kill -$SIGNAL $1 && sent=1
}
lives() { left=1; }
"$@" >"$OUT/said" 2>&1 & run=$!
sleep "$AFTER"
if [ "$SIGNAL" = CUT ]; then
  then=$(date +%s%N)
  kill -0 $run 2>/dev/null && sent=1
  echo "cut $HOST" >"$GANLUA_WIRE"
else
  each stop
fi
wait $run; code=$?
while left=; each lives; [ -n "$left" ]; do sleep .05; done
[ -z "$sent" ] || echo "$(($(date +%s%N) - then)) $code"
[ "$SIGNAL" != CUT ] || echo "join $HOST" >"$GANLUA_WIRE"
]]

-- What ends a run whose rank was stopped; the last two are mpirun's, in a run or before it.
local reasons = { "signal 9", "has not been heard of", "has ended", "waits for the others to begin",
  "lost communication with a remote daemon", "unable to reliably start" }

local iterations, patience = 150, 5

-- The hosts' names, where the network is to be cut.
local hosts = {}
for name in (os.getenv "GANLUA_HOSTS" or ""):gmatch "[^,]+" do hosts[#hosts + 1] = name end

-- mpirun's words for ranks on those hosts, one each. In a run that is to be cut its daemons find out within four
-- seconds that one does not answer (see the page many.md).
local function over_hosts(ranks, watchful)
  local addresses = {}
  for i = 1, ranks do addresses[i] = "10.77.0." .. i end
  local words = { "--host", table.concat(addresses, ","), "-x", "GANLUA_FAULT", "-x", "GANLUA_PATIENCE" }
  for name, value in pairs {
    plm_rsh_agent = os.getenv "GANLUA_RSH", btl = "tcp,self", btl_tcp_if_include = "10.77.0.0/24",
    oob_tcp_if_include = "10.77.0.0/24", oob_tcp_keepalive_time = watchful and 1, oob_tcp_keepalive_intvl = 1,
    oob_tcp_keepalive_probes = 3,
  } do
    if value then table.move({ "--mca", name, tostring(value) }, 1, 3, #words + 1, words) end
  end
  return words
end

local function command(ranks, out, watchful)
  local line = table.move(mpirun.words, 1, #mpirun.words, 1, {})
  if #hosts > 0 then
    local words = over_hosts(ranks, watchful)
    table.move(words, 1, #words, #line + 1, line)
  end
  for _, word in ipairs { "-n", ranks, shell.ganlua, "--threads", "1", "--out", out,
    "--set", "iterations=" .. iterations, mpirun.root .. "spec/soak/game.lua" } do line[#line + 1] = word end
  return line
end

-- Runs to the end, however long others hold it up; returns the files of the run, times aside, by name.
local function finish(ranks, out)
  local result = shell.run(command(ranks, out), { timeout = 200, env = { GANLUA_FAULT = "", GANLUA_PATIENCE = 0 } })
  assert(result.code == 0, result.out .. result.err)
  return shell.contents(out .. "/soak")
end

-- A folder of this name.
local function made(path)
  os.execute("mkdir -p " .. shell.quote(path))
  return path
end

-- A run that is stopped, and how it ended: nil where it was too quick.
local function stopped(ranks, out)
  local signal, rank = #hosts > 0 and "CUT" or ({ "KILL", "STOP" })[math.random(2)], math.random(0, ranks - 1)
  local words = { "sh", "-c", script, "sh", table.unpack(command(ranks, out, true)) }
  local result = shell.run(words, { timeout = 200, env = {
    OUT = out, GANLUA_FAULT = out, RANK = rank, SIGNAL = signal, HOST = hosts[rank + 1],
    AFTER = ("%.3f"):format(0.2 + iterations / (#hosts > 0 and 20 or 60) * math.random()),
    GANLUA_PATIENCE = patience,
  } })
  local time, code = result.out:match "^(%d+) (%d+)"
  if not time then return nil end
  local said, known = shell.read(out .. "/said"), false
  for _, reason in ipairs(reasons) do known = known or said:find(reason, 1, true) end
  assert(code ~= "0" and known, ("a run with a rank stopped by %s: exit code %s\n%s"):format(signal, code, said))
  return { seconds = tonumber(time) / 1e9, signal = signal, ranks = ranks }
end

--- Stops a rank at so many instants. Raises where a run ends without a word, or goes on to other bytes.
---@param count integer
---@param seed integer
---@param short? { iterations: integer, patience: number } runs of so many, ranks that wait so many seconds: 150, 5
---@param tell? function told of each
---@return { seconds: number, signal: string, ranks: integer }[] ends
function faults.run(count, seed, short, tell)
  if short then iterations, patience = short.iterations, short.patience end
  math.randomseed(seed)
  local root, ends, wanted, tries = shell.folder(), {}, {}, 0
  while #ends < count do
    tries = tries + 1
    local ranks = math.random(2, #hosts > 0 and #hosts or 4)
    local out = made(("%s/%d"):format(root, tries))
    local other = tries % 2 == 0 and #hosts == 0 and ranks % 3 + 2 or ranks
    local fine = stopped(ranks, out)
    ends[#ends + 1] = fine
    local found = fine and finish(other, out)
    if found and other == ranks then
      wanted[ranks] = wanted[ranks] or finish(ranks, made(("%s/whole%d"):format(root, ranks)))
    end
    for name, text in pairs(found and other == ranks and wanted[ranks] or {}) do
      assert(found[name] == text, ("%s differs after %s on %d ranks"):format(name, fine.signal, ranks))
    end
    shell.remove(out)
    if fine and tell then tell(fine) end
  end
  shell.remove(root)
  return ends
end

if arg and arg[0] and arg[0]:find "faults%.lua$" then -- as a program
  if #hosts > 0 then iterations = 60 end -- a move takes its time there
  local missing = mpirun.missing()
  if missing then error(missing, 0) end
  local longest, by = 0, { KILL = 0, STOP = 0, CUT = 0 }
  io.stdout:setvbuf "line"
  faults.run(math.tointeger(arg[1]) or 50, math.tointeger(arg[2]) or 1, nil, function(each)
    print(("%s, %d ranks: ended after %.1f s"):format(each.signal, each.ranks, each.seconds))
    longest, by[each.signal] = math.max(longest, each.seconds), by[each.signal] + 1
  end)
  print(("%d ranks killed, %d stopped, %d cut off: all ended within %.1f s, and went on"):format(by.KILL, by.STOP,
    by.CUT, longest))
  if longest > 10 then error("that is longer than 10 seconds", 0) end
end

return faults
