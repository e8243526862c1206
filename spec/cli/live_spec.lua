-- A script that is edited while it runs. Each script edits itself from a hook, so that nothing depends on timing; the
-- run looks at its file at every move.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "shell.lua")

-- The script; CAPITALS are set by what a spec edits. At iteration 5, 10, ... the next version takes the file's place.
local template = [[
local gan = require "ganlua"
local nn = gan.nn
clock = clock or 0
require("ganlua.core").monotonic = function() clock = clock + 1 return clock end
local version = VERSION
local function edit(run)
  local n = run.game.iteration
  if n % 5 ~= 0 then return end
  local next = io.open(("version-%d.lua"):format(n // 5 + 1))
  if not next then return end
  local file = io.open("script.lua.new", "w")
  file:write(next:read "a")
  file:close()
  os.rename("script.lua.new", "script.lua")
end
gan.train {
  name = "live", data = gan.data.ring {}, latent = 2, batch = 8, loss = gan.loss.LOSS{}, progress = true,
  generator = nn.sequential { nn.linear { out = WIDTH }, nn.relu {}, nn.linear { out = 2 } },
  discriminator = nn.sequential { nn.linear { out = 4 }, nn.leaky_relu {}, nn.linear { out = 1 } },
  optimizer = { generator = gan.optim.adam { lr = LR }, discriminator = gan.optim.adam { lr = LR } },
  schedule = function(game)
    SCHEDULE
    while game.iteration < 30 do
      game:discriminator()
      game:generator()
      game:next()
    end
  end,
  on = { iteration = function(run)
    run.state.versions = (run.state.versions or "") .. version
    edit(run)
  end, finish = function(run)
    print("END", run.state.versions, run.options.loss, run.options.optimizer.generator,
      run.game.players.generator.moves, run.game.players.generator.moments.step)
  end },
}
]]

local function version(number, changes)
  local values = { VERSION = tostring(number), LOSS = "minimax", WIDTH = "6", LR = "1e-3", SCHEDULE = "" }
  for name, value in pairs(changes or {}) do values[name] = value end
  return (template:gsub("%u%u+", values))
end

local function run(versions, words)
  local cwd = shell.folder()
  shell.write(cwd .. "/script.lua", versions[1])
  for i = 2, 10 do
    if versions[i] then shell.write(("%s/version-%d.lua"):format(cwd, i), versions[i]) end
  end
  local result = shell.run_ganlua(words or { "--live", "script.lua" }, { cwd = cwd })
  result.metrics = shell.read(cwd .. "/runs/live/metrics.jsonl") or ""
  return result, cwd
end

local function count(text, what)
  return select(2, text:gsub(what:gsub("%p", "%%%0"), ""))
end

describe("ganlua --live", function()
  it("takes up another loss and learning rate between two moves, and a broken file is told once", function()
    local result, cwd = run {
      version(1), version(2, { LOSS = "hinge" }), version(3) .. " this is no Lua", version(4, { WIDTH = "7" }),
      version(5, { LOSS = "hinge", LR = "5e-4" }),
    }
    assert.equal(0, result.code, result.err)
    assert.matches("END\t111112222222222222225555555555\t", result.out, 1, true)
    assert.matches("hinge{margin=1}\tadam{betas={0.5, 0.999}, eps=1e-08, lr=0.0005, weight_decay=0}\t30\t30",
      result.out, 1, true)
    assert.equal(1, count(result.out, "script.lua:37: syntax error near 'is'"))
    assert.equal(1, count(result.out, "the generator has changed its shape"))
    assert.matches("'1.weight' must be 2x7, got 2x6", result.out, 1, true)
    assert.equal(2, count(result.out, "the edited script takes over"))
    -- Every iteration has its line; each take-over has one, between moves.
    local iterations, events = 0, {}
    for line in result.metrics:gmatch "[^\n]+" do
      local event = line:match '"event":"([^"]*)"'
      if event then events[#events + 1] = line else iterations = iterations + 1 end
    end
    assert.equal(30, iterations)
    assert.same({ '{"event":"live","iteration":5,"moves":11,"source":"script-1.lua"}',
      '{"event":"live","iteration":20,"moves":42,"source":"script-2.lua"}' }, events)
    assert.equal(version(5, { LOSS = "hinge", LR = "5e-4" }), shell.read(cwd .. "/runs/live/script-2.lua"))
    shell.remove(cwd)
  end)

  it("waits while the file is empty: it is being written", function()
    local result, cwd = run { version(1), "", version(2), "print 'no training'" }
    assert.matches("END\t111111111122222222222222222222\t", result.out, 1, true)
    assert.equal(1, count(result.out, "(the run goes on with the script as it was)"))
    assert.matches("\nscript.lua: ended without gan.train\n", result.out, 1, true)
    shell.remove(cwd)
  end)

  it("goes on with the script as it was where the edited one fails while it plays", function()
    local result, cwd = run { version(1), version(2, { SCHEDULE = "game:nothing()" }) }
    assert.equal(0, result.code, result.err)
    assert.matches("END\t111111111111111111111111111111\t", result.out, 1, true)
    assert.equal(1, count(result.out, "attempt to call a nil value (method 'nothing')"))
    assert.matches("\nstack traceback:\n%s+[^\n]*script.lua:%d+: in [^\n]*'schedule'\n", result.out)
    assert.equal(30, count(result.metrics, '"d_loss"'))
    shell.remove(cwd)
  end)

  it("begins the replay of a run that is cut off at the source that was taken up", function()
    local last = version(2, { LOSS = "hinge", SCHEDULE = "if game.iteration == 12 then os.exit(9) end" })
    local whole, cwd = run { version(1), version(2, { LOSS = "hinge" }) }
    assert.equal(0, whole.code)
    shell.remove(cwd)
    -- The same, killed in iteration 13 and started again.
    last = last:gsub("game:generator%(%)", "game:generator() if game.iteration == 12 and not os.getenv 'AGAIN' then "
      .. "os.exit(9) end")
    local cut
    cut, cwd = run { version(1), last }
    assert.equal(9, cut.code)
    local again = shell.run_ganlua({ "--live", "script.lua" }, { cwd = cwd, env = { AGAIN = "1" } })
    assert.equal(0, again.code, again.err)
    assert.equal(whole.out:match "END[^\n]*", again.out:match "END[^\n]*")
    assert.equal(whole.metrics:gsub('"seconds":[%d.]+', ""),
      shell.read(cwd .. "/runs/live/metrics.jsonl"):gsub('"seconds":[%d.]+', ""))
    shell.remove(cwd)
  end)

  it("may be asked for by the script itself: live = true", function()
    local result, cwd = run({ (version(1):gsub("progress = true", "live = true, %0")), version(2) }, { "script.lua" })
    assert.matches("END\t111112222222222222222222222222\t", result.out, 1, true)
    assert.equal(1, count(result.metrics, '{"event":"live","iteration":5,'))
    shell.remove(cwd)
  end)

  it("needs a script that is a file, and without it edits change nothing", function()
    assert.matches("live needs a script that is a file", shell.run_ganlua({ "--live", "-" },
      { stdin = version(1) }).err, 1, true)
    local result, cwd = run({ version(1), version(2) }, { "script.lua" })
    assert.matches("END\t111111111111111111111111111111\t", result.out, 1, true)
    shell.remove(cwd)
  end)
end)

describe("Ctrl-C in a run of ganlua -i", function()
  local text = version(1):gsub("    edit%(run%)\n", "    if run.game.iteration == 5 and not told then told = true " ..
    "io.popen('kill -INT $PPID'):close() end\n")

  it("opens the REPL inside the run; resume goes on, and the run is marked edited", function()
    local cwd = shell.folder()
    shell.write(cwd .. "/script.lua", text)
    local result = shell.run_ganlua({ "-i", "script.lua" }, { cwd = cwd, stdin = table.concat({
      "game.iteration, G == run.generator, D == run.discriminator", "nonsense(", ")", "run.state.versions = 'by hand '",
      "for i = 1, 3 do math.random() end", "resume", "run", "" }, "\n") })
    assert.equal(0, result.code, result.err)
    assert.matches("The run waits in iteration 6.", result.out, 1, true)
    assert.matches("5\ttrue\ttrue\n", result.out, 1, true)
    assert.matches("END\tby hand 1111111111111111111111111\t", result.out, 1, true)
    assert.matches("attempt to call a nil value (global 'nonsense')", result.err, 1, true)
    assert.matches('{"event":"edited","iteration":5}', shell.read(cwd .. "/runs/live/metrics.jsonl"), 1, true)
    assert.matches("> nil\n", result.out, 1, true) -- afterwards its names are gone
    shell.remove(cwd)
  end)

  it("is replayed with what was changed by hand in run.state", function()
    local cwd = shell.folder()
    local cut = text:gsub("game:generator%(%)", "game:generator() "
      .. "if game.iteration == 12 and not os.getenv 'AGAIN' then os.exit(9) end")
    shell.write(cwd .. "/script.lua", cut)
    assert.equal(9, shell.run_ganlua({ "-i", "script.lua" },
      { cwd = cwd, stdin = "run.state.versions = 'by hand '\nresume\n" }).code)
    local result = shell.run_ganlua({ "script.lua" }, { cwd = cwd, env = { AGAIN = "1" } })
    assert.matches("END\tby hand 1111111111111111111111111\t", result.out, 1, true)
    shell.remove(cwd)
  end)
end)

describe("what is said to the game in the REPL inside a run", function()
  local text = version(1):gsub("    edit%(run%)\n", [[
    if run.game.iteration == 5 and not told and not os.getenv "AGAIN" then
      told = true
      io.popen("kill -INT $PPID"):close()
    elseif run.game.iteration == 12 and os.getenv "CUT" then
      os.exit(9)
    end
]])

  -- A run in which these lines are typed; where it is cut off and goes on, it was checked to do so.
  local function play(lines, cut)
    local cwd = shell.folder()
    shell.write(cwd .. "/script.lua", text)
    local result = shell.run_ganlua({ "-i", "script.lua" }, { cwd = cwd, env = { CUT = cut and "1" or false },
      stdin = table.concat(lines, "\n") .. "\nresume\n" })
    assert.equal(cut and 9 or 0, result.code, result.err)
    if cut then result = shell.run_ganlua({ "script.lua" }, { cwd = cwd, env = { AGAIN = "1" } }) end
    local metrics = shell.read(cwd .. "/runs/live/metrics.jsonl"):gsub('"seconds":[%d.]+', "")
    local checkpoint = shell.read(cwd .. "/runs/live/checkpoint.safetensors")
    shell.remove(cwd)
    return result, metrics, checkpoint
  end

  it("is said again when the run goes on after a break, which ends with the same bytes", function()
    local lines = {
      "game:set{ loss = gan.loss.hinge{}, optimizer = { generator = gan.optim.adam{ lr = 1e-5 } } }",
      "for _ = 1, 3 do math.random() game:generator() end error 'no matter'", "game:measure(os.time)",
      "game:discriminator{ batch = 3 } game:next()", "D:parameters()[1]:norm()",
      "pcall(game.both, game, { batch = 0 })",
    }
    local _, metrics, checkpoint = play(lines)
    local again, found, bytes = play(lines, true)
    assert.equal(0, again.code, again.err)
    assert.equal(metrics, found)
    assert.is_true(checkpoint == bytes)
    assert.matches("END%s+1+%s.*%s32%s+32\n", again.out)
    assert.equal(31, count(metrics, "\n")) -- 30 iterations, one of them closed by hand, and what marks the run
  end)

  it("is named where it cannot be said again", function()
    local result = play({ "l = gan.loss.hinge{}", "game:set{ loss = l }" }, true)
    assert.equal(1, result.code)
    assert.matches("what was typed by hand does not replay: game:set{ loss = l }: ", result.err, 1, true)
    assert.matches('resume = "restart_schedule"', result.err, 1, true)
  end)
end)

-- On a pseudo-terminal (by `script` of util-linux) keys are pressed when what they answer is on the screen, or when the
-- run has left a file that says so.
describe("Ctrl-C in a run on a terminal", function()
  -- In iteration 6 the run says that it is there, and waits for the key.
  local text = version(1):gsub("    edit%(run%)\n", [[
    if run.game.iteration == 5 and not told then
      told = true
      io.open("waits", "w"):close()
      repeat until require("ganlua.core").interrupted()
    elseif run.game.iteration == 6 then
      print("SAVED", io.open("runs/live/checkpoint.safetensors") ~= nil)
    end
]])

  -- Runs the script in a terminal; `steps` are pressed there.
  local function run_in_terminal(option, steps)
    local cwd = shell.folder()
    shell.write(cwd .. "/script.lua", text)
    local result = shell.in_terminal({ shell.ganlua, option, "script.lua" }, steps,
      { cwd = cwd, env = { HOME = cwd, XDG_STATE_HOME = false } }) or pending "no pseudo-terminals here"
    result.metrics = shell.read(cwd .. "/runs/live/metrics.jsonl") or ""
    return result, cwd
  end

  local edited = '{"event":"edited","iteration":5}'
  local ctrl_c = "\\003"

  for _, option in ipairs { "-i", "--live" } do
    it("opens the REPL with " .. option .. "; resume goes on after a checkpoint, the run marked edited", function()
      local result, cwd = run_in_terminal(option, {
        { "file", "waits", ctrl_c },
        { "screen", "The run waits in iteration 6.", "game.iteration, G == run.generator, D == run.discriminator\\n" },
        { "screen", "true", "run.state.versions = 'by hand '\\n_PROMPT = 'what ' .. 'now? '\\n" },
        { "screen", "what now? ", "io.open('runs/live/checkpoint.safetensors')\\nresume\\n" },
        option == "-i" and { "screen", "END", "os.exit(0)\\n" } or nil,
      })
      assert.matches("5%s+true%s+true\n", result.screen)
      assert.matches("what now%? io%.open.-\nnil%s+runs/live/checkpoint", result.screen) -- there was none before
      assert.matches("SAVED%s+true\n", result.screen)
      assert.matches("END%s+by hand 1111111111111111111111111%s", result.screen)
      assert.equal(0, result.code)
      assert.matches(edited, result.metrics, 1, true)
      assert.equal(30, count(result.metrics, '"d_loss"'))
      shell.remove(cwd)
    end)

    it("saves and ends with " .. option .. " at the second Ctrl-C; started again, it goes on from there", function()
      local result, cwd = run_in_terminal(option, {
        { "file", "waits", ctrl_c },
        { "screen", "The run waits in iteration 6.", "run.state.versions = 'by hand '\\n"
          .. "_PROMPT = 'what ' .. 'now? '\\n" },
        { "screen", "what now? ", ctrl_c },
      })
      assert.matches("stopped by Ctrl-C in iteration 6: everything is in runs/live\n", result.screen, 1, true)
      assert.equal(130, result.code)
      assert.matches(edited, result.metrics, 1, true)
      assert.equal(5, count(result.metrics, '"d_loss"'))
      result = shell.run_ganlua({ "-e", "told = true", "script.lua" }, { cwd = cwd })
      assert.equal(0, result.code, result.err)
      assert.matches("runs/live: going on from iteration 5\n", result.out, 1, true)
      assert.matches("END\tby hand 1111111111111111111111111\t", result.out, 1, true)
      shell.remove(cwd)
    end)
  end
end)
