-- ganlua --view on the real binary, with curl's place taken by a few lines of bash: a run that is watched, paused and
-- ended, finished runs in a folder, and the sandbox.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "shell.lua")

local script = [[
local gan = require "ganlua"
local nn = gan.nn
gan.train {
  name = "watched", data = gan.data.ring {}, latent = 2, batch = 8, loss = gan.loss.hinge {}, progress = true,
  generator = nn.sequential { nn.linear { out = 2 } }, discriminator = nn.sequential { nn.linear { out = 1 } },
  schedule = gan.schedule.alternate { iterations = tonumber(arg[1]) or 1e9 },
}
]]

-- bash functions: `link` waits for the port that the program says, `ask METHOD PATH MORE BODY` is a request,
-- `until_there TEXT COMMAND` repeats a command until what it prints holds the text.
local helpers = [[
link() {
  until port=$(sed -n 's|.*view: http://127.0.0.1:\([0-9]*\)/.*|\1|p' out | head -n 1); [ -n "$port" ]; do
    sleep .05
  done 2>/dev/null
}
ask() {
  exec 3<>/dev/tcp/127.0.0.1/$port
  printf '%s %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n%b\r\n%b' "$1" "$2" "$port" "$3" "$4" >&3
  timeout "${5:-20}" cat <&3
  exec 3<&- 3>&-
}
command() { ask POST /command "Content-Type: application/json\r\nContent-Length: ${#1}\r\n" "$1"; }
until_there() { text=$1; shift; until "$@" | grep -aq "$text"; do sleep .05; done; }
events() { ask GET /events "" "" 1; }
]]

local function has_bash()
  return shell.run({ "bash", "-c", "true" }).code == 0
end

-- Runs the program with these words in the background of a bash script, which sees `port`. Returns what it printed.
local function beside(words, steps, options)
  options = options or {}
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = shell.quote(word) end
  -- What an earlier program said of its port must be gone before `link` looks, however late this one starts.
  local text = ([[%srm -f out
%s %s >out 2>err &
program=$!
link
%s
wait $program; echo "code $?"; cat out err]]):format(helpers, shell.quote(shell.ganlua),
    table.concat(quoted, " "), steps)
  return shell.run({ "bash", "-c", text }, { cwd = options.cwd, timeout = 120 })
end

describe("ganlua --view", function()
  if not has_bash() then return pending "bash is not there" end

  local place = shell.folder()
  shell.write(place .. "/script.lua", script)
  teardown(function() shell.remove(place) end)

  it("serves the page and the run; pauses it, changes a number, and Ctrl-C ends it while it is paused", function()
    local result = beside({ "--view=0", "script.lua" }, [[
      ask GET / "" "" | grep -ai '<!doctype'
      command '{"do":"pause"}' | tail -c 30
      until_there '"state":"paused"' events
      command '{"do":"set","name":"generator.lr","value":0.125}' >replied
      until_there '"name":"generator.lr","text":"0.125","value":0.125' events
      kill -INT $program]], { cwd = place })
    assert.matches("<!doctype html>", result.out:lower(), 1, true)
    assert.matches('{"ok":true,"id":1}', result.out, 1, true)
    assert.matches("\nview: http://127.0.0.1:%d+/\n", "\n" .. result.out)
    assert.matches("code 130", result.out)
    assert.matches("stopped by Ctrl%-C", result.out)
    assert.matches('"event":"edited","iteration":%d+,"name":"generator.lr","value":0.125',
      shell.read(place .. "/runs/watched/metrics.jsonl"))
  end)

  it("shows a run's folder, and a folder of runs, until Ctrl-C", function()
    shell.run_ganlua({ "--set", "x=1", "script.lua", "3" }, { cwd = place })
    local result = beside({ "--view=0", "runs" }, [[
      events
      command '{"do":"pause"}'
      kill -INT $program]], { cwd = place })
    assert.matches('"name":"watched"', result.out, 1, true)
    assert.matches('"why":"finished run"', result.out, 1, true)
    assert.matches('"iteration":[1,2,3]', result.out, 1, true)
    assert.matches("a finished run cannot be changed", result.out, 1, true)
    assert.matches("code 130", result.out)
    result = shell.run_ganlua({ "--view", "runs/watched/samples-of-nothing" }, { cwd = place })
    assert.matches("cannot open", result.err)
    result = shell.run_ganlua({ "--view", place .. "/runs/.." }, { cwd = place })
    assert.matches("holds no run", result.err)
  end)

  it("shows a script in the sandbox, where a viewer only looks; a script alone opens no port", function()
    local result = beside({ "--sandbox", "--view=0", "script.lua" }, [[
      command '{"do":"pause"}'
      until_there '"why":"sandbox"' events
      kill -INT $program]], { cwd = place })
    assert.matches("in the sandbox a viewer can only look", result.out, 1, true)
    shell.write(place .. "/opens.lua", (script:gsub("progress = true", "view = 0")))
    result = shell.run_ganlua({ "--sandbox", "opens.lua" }, { cwd = place })
    assert.equal(1, result.code)
    assert.matches("the sandbox opens no port by itself", result.err, 1, true)
  end)
end)
