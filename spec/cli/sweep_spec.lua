-- Sweeps: real processes, spawned by the interpreter and by a stock Lua.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "shell.lua")

-- Says what it was told; one combination can be made to crash, and all of them to count their starts.
local reporting = [[
local gan = require "ganlua"
local a, seed = gan.setting("a", "none"), gan.setting("seed", 1)
local file = io.open("starts", "a")
file:write(a, seed, "\n")
file:close()
if gan.setting("crash", "") == a .. seed then os.exit(false) end
if gan.setting("kill", "") == a .. seed then io.popen("kill -KILL $PPID"):close() end
for i = 1, 3 do gan.report { iteration = i, value = { of = seed * i } } end
gan.report { length = #a, text = "no number", value = { nan = 0 / 0 } }
]]

-- A script that trains by gan.sweep itself.
local training = [[
local gan = require "ganlua"
local nn = gan.nn
local function network(out) return nn.sequential { nn.linear { out = 4 }, nn.relu {}, nn.linear { out = out } } end
print("started")
local result = gan.sweep {
  base = { data = gan.data.ring {}, generator = network(2), discriminator = network(1), latent = 2, batch = 8 },
  loss = { gan.loss.hinge {}, gan.loss.minimax {} },
  schedule = { plain = gan.schedule.alternate { iterations = 3 }, both = gan.schedule.simultaneous { iterations = 3 } },
  seed = { 1, 2 }, workers = 2, metric = "modes.high_quality",
}
for _, row in ipairs(result.rows) do
  print(row.labels.loss, row.labels.schedule, row.runs, row.results["modes.high_quality"].n, row.results.d_loss.sd > 0)
end
]]

local place

local function sweep(words, script)
  shell.write(place .. "/script.lua", script or reporting)
  return shell.run_ganlua(words, { cwd = place })
end

local function starts()
  local count = 0
  for _ in (shell.read(place .. "/starts") or ""):gmatch "[^\n]+" do count = count + 1 end
  return count
end

describe("ganlua --sweep", function()
  before_each(function() place = shell.folder() end)
  after_each(function() shell.remove(place) end)

  it("runs every combination, and writes means and spreads over the seeds", function()
    local result = sweep { "--sweep", "a=x,yy", "--sweep", "seed=1..3", "--set", "workers=3", "script.lua" }
    assert.equal("", result.err)
    assert.equal(0, result.code)
    assert.matches("6/6", result.out)
    assert.matches("\na   runs  length  value%.of\nx   3     1 %+%- 0  6 %+%- 3\nyy  3     2 %+%- 0  6 %+%- 3\n",
      result.out)
    assert.matches("^a,runs,failed,length mean,length sd,length se,length min,length max,value.of mean.-\n"
      .. "x,3,0,1,0,0,1,1,6,3,1%.73205081,3,9\n", shell.read(place .. "/runs/script-sweep/table.csv"))
    assert.matches('"values":%[3%.?0?,6%.?0?,9%.?0?%]', shell.read(place .. "/runs/script-sweep/table.json"))
    assert.matches("^\137PNG", shell.read(place .. "/runs/script-sweep/curves.png"))
    assert.equal(6, starts())
  end)

  it("survives runs that crash and runs that are killed, and tries them again", function()
    local words = {
      "--sweep", "a=x,yy", "--sweep", "seed=1,2", "--set", "crash=x1", "--set", "kill=yy2", "script.lua",
    }
    local result = sweep(words)
    assert.equal(1, result.code)
    assert.matches("a=x,seed=1  failed: exit code 1", result.out)
    assert.matches("a=yy,seed=2  failed: signal 9", result.out)
    assert.matches("\nx   1, 1 failed  1 %+%- 0  6 %+%- 0\nyy  1, 1 failed", result.out)
    assert.equal("ganlua: --sweep: 2 runs failed; the same command tries again\n", result.err)
    assert.equal(4, starts())
    result = sweep(words)
    assert.matches("2 of 4 runs have finished before", result.out)
    assert.equal(6, starts())
  end)

  it("says by what words a run failed, and not how far it was", function()
    local result = sweep({ "--sweep", "a=x", "script.lua" }, [[
      require("ganlua").setting "a"
      print "no disk"
      io.write("19/50  d 1.423  g -0.734\n")
      os.exit(3, true)]])
    assert.matches("a=x  failed: exit code 3: no disk\n", result.out, 1, true)
  end)

  it("says where the script does not ask for what the sweep is over", function()
    local result = sweep({ "--sweep", "b=1,2", "--sweep", "seed=1", "script.lua" },
      [[print(require("ganlua").setting("a", 3)) require("ganlua").report { a = 1 }]])
    assert.equal(0, result.code, result.err)
    local warning = "warning: script.lua has not asked for the setting 'b', which the sweep is over\n"
    assert.equal(1, select(2, result.out:gsub(warning, "")))
    assert.is_nil(result.out:find("'seed'", 1, true))
    assert.equal("", result.err)
  end)

  it("runs what is new alone, and all of it where the script has changed", function()
    assert.equal(0, sweep({ "--sweep", "seed=1,2", "script.lua" }).code)
    local result = sweep { "--sweep", "seed=1..3", "script.lua" }
    assert.matches("2 of 3 runs have finished before", result.out)
    assert.equal(3, starts())
    result = sweep({ "--sweep", "seed=1..3", "script.lua" }, reporting .. "-- changed\n")
    assert.matches("runs/script%-sweep%-2/table.csv", result.out)
    assert.equal(6, starts())
  end)

  -- In a script: a signal to the sweep that started it.
  local signal = [[local function signal(name)
    io.popen("kill -" .. name .. " $(awk '/^PPid/ { print $2 }' /proc/$PPID/status)"):close()
  end
  ]]

  it("goes on after it was killed, and waits for what still runs", function()
    local script = signal .. reporting:gsub("for i = 1, 3", function(text)
      return "if not io.open 'killed' then io.open('killed', 'w'):close() signal 'KILL' os.execute 'sleep 1' end "
        .. text
    end, 1)
    local words = { "--set", "workers=1", "--sweep", "seed=1..2", "script.lua" }
    assert.equal(137, sweep(words, script).code)
    assert.equal(1, starts())
    local result = sweep(words, script)
    assert.equal(0, result.code)
    assert.matches("\n2     4 %+%- 0  4.5 %+%- 2.1\n", result.out)
    assert.is_true(starts() <= 3) -- the one that was running when its sweep was killed is run again, after its end
  end)

  it("ends its processes on Ctrl-C", function()
    local result = sweep({ "--set", "workers=1", "--sweep", "seed=1,2", "script.lua" },
      signal .. "signal 'INT' while true do end")
    assert.equal(130, result.code)
    assert.matches("sweep stopped: run it again to go on", result.out)
  end)

  it("refuses what is no sweep", function()
    local function refused(words, text)
      local result = sweep(words)
      assert.equal(1, result.code)
      assert.matches(text, result.err, 1, true)
    end
    refused({ "--sweep", "a", "script.lua" }, "--sweep must be NAME=A,B,C or NAME=1..5, got 'a'")
    refused({ "--sweep", "a=", "script.lua" }, "--sweep must be NAME=A,B,C or NAME=1..5, got 'a='")
    refused({ "--sweep", "a=1,1", "script.lua" }, "two values of 'a' print as 1")
    refused({ "--sweep", "base=1", "script.lua" }, "'base' is a setting of sweeps themselves")
    refused({ "--sweep", "a=1", "--set", "workers=x", "script.lua" },
      '--set workers=x: wanted a positive integer, or mpi')
    refused({ "--sweep", "a=1" }, "--sweep needs a script")
    refused({ "--sweep", "a=1", "none.lua" }, "sweep: cannot open none.lua")
  end)
end)

describe("gan.sweep", function()
  before_each(function() place = shell.folder() end)
  after_each(function() shell.remove(place) end)

  local rows = "hinge{margin=1}\tboth\t2\t2\ttrue\nhinge{margin=1}\tplain\t2\t2\ttrue\n"
    .. "minimax\tboth\t2\t2\ttrue\nminimax\tplain\t2\t2\ttrue\n"

  it("trains every combination of values that no command line could hold", function()
    local result = sweep({ "script.lua" }, training)
    assert.equal("", result.err)
    assert.equal(0, result.code)
    assert.equal(1, select(2, result.out:gsub("started\n", "")))
    assert.equal(rows, result.out:sub(-#rows))
    assert.matches("8 of 8 runs have finished before", sweep({ "script.lua" }, training).out)
  end)

  it("works in a stock Lua", function()
    shell.write(place .. "/script.lua", training)
    local result = shell.run({ "lua5.4", "-l", "ganlua", "script.lua" }, { cwd = place })
    assert.equal("", result.err)
    assert.equal(rows, result.out:sub(-#rows))
  end)

  it("makes its options by a function where networks depend on settings", function()
    local result = sweep({ "script.lua" }, [[
      local gan = require "ganlua"
      local nn = gan.nn
      local result = gan.sweep {
        base = function(c)
          return { data = gan.data.ring {}, generator = nn.linear { out = 2, bias = c.bias }, latent = 2,
            batch = c.size, discriminator = nn.linear { out = 1 }, loss = gan.loss.hinge {}, seed = c.seed,
            schedule = gan.schedule.alternate { iterations = 2 } }
        end,
        bias = { true, false }, size = { 4, 8 }, seed = { 1 },
      }
      print(#result.rows, result.metrics[1])]])
    assert.equal("", result.err)
    assert.matches("\n4\taccuracy\n$", result.out)
  end)

  it("refuses what it does not understand", function()
    local function refused(options, text)
      local result = sweep({ "script.lua" }, "require('ganlua').sweep(" .. options .. ")")
      assert.equal(1, result.code)
      assert.matches("script.lua:1: sweep: " .. text, result.err, 1, true)
    end
    refused("{ base = {} }", "no setting has a list of values")
    refused("{ seed = { 1 } }", "wanted either 'base' (gan.train's options) or 'script' (a path)")
    refused("{ base = {}, seed = 1 }", "'seed' must be a list of values, or a table {name = value}, got 1")
    refused("{ base = {}, seed = { 1 }, workers = 0 }",
      'option \'workers\' must be a positive integer, or "mpi", got 0')
    assert.matches("report: wanted a table {name = number}, got 3",
      sweep({ "script.lua" }, "require('ganlua').report(3)").err, 1, true)
  end)
end)

describe("examples/schedules.lua", function()
  it("compares eight schedules in a table and a picture", function()
    local out = shell.folder()
    local result = shell.run_ganlua({ "--out", out, "--set", "moves=400", "--set", "seeds=1",
      folder .. "../../examples/schedules.lua" }, { cwd = ".", timeout = 120 })
    assert.equal("", result.err)
    assert.equal(0, result.code)
    for _, name in ipairs {
      "alternate", "two for D", "five for D", "simultaneous", "extragradient", "balance", "phases", "follow",
    } do
      assert.matches("\n" .. name .. " +%d%.%d%d %+%- 0%.00 +%d+ %+%-  0 %%\n", result.out)
    end
    assert.matches("^\137PNG", shell.read(out .. "/schedules-sweep/modes.png"))
    shell.remove(out)
  end)
end)
