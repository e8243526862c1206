-- ganlua --view=terminal, in a pseudo-terminal of 80 x 24 as the program finds it there. Nothing depends on timing: the
-- view is drawn when a run begins and when it ends, however fast it is.

local folder = debug.getinfo(1, "S").source:match "^@(.*/)"
local shell = dofile(folder .. "shell.lua")
local screens = dofile(folder .. "screen.lua")

local script = [[
local function signal(name) io.popen("kill -" .. name .. " $PPID"):close() end
local gan = require "ganlua"
local nn = gan.nn
print "before"
local run = gan.train {
  name = "seen", data = gan.data.ring {}, latent = 2, batch = 8, loss = gan.loss.hinge {},
  generator = nn.sequential { nn.linear { out = 6 }, nn.relu {}, nn.linear { out = 2 } },
  discriminator = nn.sequential { nn.linear { out = 4 }, nn.leaky_relu {}, nn.linear { out = 1 } },
  schedule = gan.schedule.alternate { iterations = 30 },
  on = { iteration = function(run)
    local i = run.metrics.iteration
    print("printed in " .. i)
    if i == 10 then io.stderr:write "on stderr\n" os.execute "echo by a child" EVENT end
  end },
}
print("after", run.generator:parameters()[1]:sum():item())
]]

-- Runs the script in a terminal, with EVENT in iteration 10.
local function seen(event, options)
  options = options or {}
  local cwd = shell.folder()
  shell.write(cwd .. "/script.lua", (script:gsub("EVENT", event or "")))
  local words = { shell.ganlua, options.option or "--view=terminal", table.unpack(options.words or { "script.lua" }) }
  local env = { TERM = "xterm", LC_ALL = "C.UTF-8", HOME = cwd, XDG_STATE_HOME = false }
  for name, value in pairs(options.env or {}) do env[name] = value end
  local result = shell.in_terminal(words, options.steps or {}, { cwd = cwd, env = env })
    or pending "no pseudo-terminals here"
  shell.remove(cwd)
  return result
end

-- The screen after that; it has been given back.
local function screen_of(result)
  local screen = screens.new(80, 24)
  screen:write(result.screen)
  assert.same({ 1, 24, true }, { screen.top, screen.bottom, screen.wrap })
  return screen
end

local function find(text, what) return text:find(what, 1, true) end
local function count(text, what) return select(2, text:gsub(what:gsub("%p", "%%%0"), "")) end

describe("ganlua --view=terminal", function()
  it("shows a run below what is printed; its last picture stays, as text between the lines around it", function()
    local result = seen()
    assert.equal(0, result.code)
    local text = screen_of(result):text()
    local lines = { "before" }
    for i = 1, 30 do
      lines[#lines + 1] = "printed in " .. i
      if i == 10 then table.move({ "on stderr", "by a child" }, 1, 2, #lines + 1, lines) end
    end
    lines = table.concat(lines, "\n") .. "\n"
    assert.equal(lines, text:sub(1, #lines))
    local rest = text:sub(#lines + 1)
    assert.matches("^\n\u{2500}\u{2500} seen  iteration 30 of 30 [^\n ]+\nloss  discriminator  generator  ", rest)
    assert.matches("\nd_loss +[%d.]+  g_loss +[-%d.]+", rest)
    assert.matches("real  generated  both\n", rest)
    assert.matches("\n30/30  d .- images/s[^\n]*\ndone in 0:%d%d: everything is in runs/seen\nafter\t?[^\n]*\n$", rest)
    assert.equal(1, count(text, "iteration 30 of 30"))
    assert.is_nil(find(text, "iteration 0"))
    assert.is_true(count(result.screen, "\27[1;6r") == 1) -- it was there from the first move on
  end)

  it("changes nothing of what is computed", function()
    local with, without = seen(), seen(nil, { option = "--new" })
    assert.is_nil(find(without.screen, "\27[1;6r"))
    assert.equal(without.screen:match "after%s+[^\n]*", with.screen:match "after%s+[^\n]*")
  end)

  it("gives the screen back where an error ends the run", function()
    local result = seen "error 'as wanted'"
    assert.equal(1, result.code)
    local text = screen_of(result):text()
    assert.matches("by a child\n\n[^\n]* seen  iteration 10 of 30.*\nganlua: script.lua:%d+: as wanted\nstack", text)
  end)

  it("gives the screen back after Ctrl-C and SIGTERM", function()
    for name, code in pairs { INT = 130, TERM = 143 } do
      local result = seen(("signal %q"):format(name))
      assert.equal(code, result.code)
      local text = screen_of(result):text()
      assert.matches(" seen  iteration 10 of 30.*\nstopped by %S+ in iteration 11: everything is in runs/seen\n", text)
    end
  end)

  it("gives the screen back where a second Ctrl-C kills", function()
    local result = seen "signal 'INT' signal 'INT' print 'never'"
    assert.equal(130, result.code)
    local text = screen_of(result):text()
    assert.is_nil(find(text, "never"))
    assert.matches("by a child", text)
  end)

  it("leaves the screen to the REPL inside the run, and comes back", function()
    local result = seen("signal 'INT'", { words = { "-i", "script.lua" }, steps = {
      { "screen", "The run waits in iteration", "print('by ' .. 'hand')\\nresume\\n" },
      { "screen", "after", "os.exit(0)\\n" },
    } })
    assert.equal(0, result.code)
    local before, typed, behind = result.screen:match "^(.-)(The run waits in iteration.-by hand\n)(.*)$"
    assert.matches("\27%[r\0278\27%[J", before) -- given back
    assert.is_nil(find(typed, "\27[1;6r"))
    assert.truthy(find(behind, "\27[1;6r"))
    assert.truthy(find(behind, "iteration 30 of 30"))
    local _, last = behind:find ".*\27%[r"
    assert.is_true(last > select(2, behind:find ".*\27%[1;6r"))
  end)

  it("is the plain progress line on a dumb terminal, and plain lines where there is none", function()
    local result = seen(nil, { env = { TERM = "dumb" } })
    assert.matches("30/30  d", result.screen)
    assert.is_nil(find(result.screen, "\27[1;"))
    local cwd = shell.folder()
    shell.write(cwd .. "/script.lua", (script:gsub("EVENT", "")))
    local piped = shell.run_ganlua({ "--view=terminal", "script.lua" }, { cwd = cwd, env = { TERM = "xterm" } })
    assert.equal(0, piped.code, piped.err)
    assert.is_nil(find(piped.out, "\27"))
    shell.remove(cwd)
  end)

  it("has characters of ASCII alone where the terminal has no UTF-8", function()
    local result = seen(nil, { env = { LC_ALL = "C" } })
    assert.is_nil(result.screen:find "[\x80-\xff]")
    assert.matches("%-%- seen  iteration 30 of 30 %-%-%-", screen_of(result):text())
  end)
end)
