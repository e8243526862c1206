-- The live view's page in a browser: driven as a person would, with a made-up run (fake.mjs) and with a real one. Needs
-- Chromium, node, and a folder with playwright-core and axe-core that GANLUA_NODE_MODULES names:
-- npm install --prefix FOLDER playwright-core axe-core; GANLUA_NODE_MODULES=FOLDER/node_modules ./dev test view/page

local core = require("ganlua") and require "ganlua.core"
local here = debug.getinfo(1, "S").source:match "^@(.*/)"
local shell = dofile(here .. "../cli/shell.lua")

local modules = os.getenv "GANLUA_NODE_MODULES"
local browser = os.getenv "CHROMIUM" or "/usr/bin/chromium"
local there = modules and core.exists(browser) and os.execute "command -v node >/dev/null 2>&1"
local it_seen = there and it or function(name)
  it(name, function() pending "no Chromium, or no GANLUA_NODE_MODULES with playwright-core and axe-core" end)
end

local folder = shell.folder()
teardown(function() shell.remove(folder) end)

local function absolute(path)
  return path:match "^/" and path or os.getenv "PWD" .. "/" .. path
end

-- Starts a server that says its address on a line, calls f(address), and ends the server.
local function serving(words, f)
  local said = folder .. "/said"
  shell.write(said, "")
  for i, word in ipairs(words) do words[i] = shell.quote(word) end
  os.execute(("cd %s && { %s >said 2>&1 </dev/null & echo $! >pid; }"):format(shell.quote(folder),
    table.concat(words, " ")))
  local address
  for _ = 1, 600 do
    address = shell.read(said):match "http://127%.0%.0%.1:%d+/"
    if address then break end
    os.execute "sleep 0.1"
  end
  local fine, problem = pcall(f, assert(address, shell.read(said)))
  os.execute("kill -9 " .. shell.read(folder .. "/pid"))
  assert(fine, problem)
end

-- What the drive has seen.
local function driven(address, what, where)
  local words = { "node", here .. "drive.mjs", address, what, where or os.getenv "GANLUA_SCREENSHOTS" }
  local got = shell.run(words, { cwd = ".", timeout = 900 })
  assert(got.code == 0, got.err)
  return core.json_decode(got.out)
end

local function fake(kind, f)
  serving({ "node", absolute(here .. "fake.mjs"), absolute(here .. "../../lua/view/page"), "0", kind }, f)
end

-- What every page must keep to.
local function is_sound(seen)
  assert.same({}, seen.problems)
  assert.same({}, seen.faults)
  assert.equal(0, seen.narrow)
end

-- What is seen of a run that goes on.
local function is_watched(seen)
  is_sound(seen)
  assert(seen.curves_grow and seen.stands and seen.second_moves and seen.both_grow and seen.grows_again)
  assert.same({ 1, "paused", "paused", "running" }, { seen.step, seen.after_step, seen.second, seen.after_reload })
  assert.equal("generator.lr is 0.0002 from now on.", seen.set)
  assert.matches("now 0.0002", seen.now, 1, true)
  assert.matches("^Losses: iteration %d+: D %S+, G %S+$", seen.pointed)
end

describe("the live view's page", function()
  it_seen("shows a run in the plane, pauses it, steps, changes a number, goes on, for two viewers", function()
    fake("points", function(address)
      local seen = driven(address, "watch")
      is_watched(seen)
      assert(seen.plane and seen.points_move)
      assert.matches("^In the picture of points: %(", seen.sampled)
      assert.equal("ring – ganlua", seen.title)
    end)
  end)

  it_seen("shows a run of pictures", function()
    fake("image", function(address)
      local seen = driven(address, "watch")
      is_watched(seen)
      assert.is_false(seen.plane)
    end)
  end)

  it_seen("compares runs that have ended, and takes their names for text", function()
    fake("finished", function(address)
      local seen = driven(address, "look")
      is_sound(seen)
      assert.same({ "finished", "hinge – ganlua", 0, 6, 4, 3 },
        { seen.state, seen.title, seen.enabled, #seen.legend, seen.fewer, #seen.runs })
      assert.matches("<img src=x onerror=\"document.title='owned'\"> (finished)", seen.runs[3], 1, true)
      assert.same({ "200 (1 of 10)", 224, 0 }, { seen.first_sample, seen.picture, seen.wide })
    end)
  end)

  local script = absolute(here .. "../../examples/ring.lua")

  it_seen("finds the run again whose process has ended and is there again", function()
    -- The first takes any port; the next ones, and whoever looks at the page, keep to it.
    local again = [[port=0
      while :; do
        "$0" --view=$port --set iterations=1000000 "$1" & echo $! >server.pid
        wait $!
        sleep 1
        port=$(sed -n 's|.*127.0.0.1:\([0-9]*\)/.*|\1|p' said | head -n 1)
      done]]
    finally(function() os.execute("kill -9 " .. shell.read(folder .. "/server.pid")) end)
    serving({ "sh", "-c", again, shell.ganlua, script }, function(address)
      local seen = driven(address, "lose", folder)
      is_sound(seen)
      assert.same({ "connection lost, trying again", 0, true, "paused" },
        { seen.lost, seen.enabled, seen.grows_again, seen.found })
    end)
  end)

  it_seen("only looks in the sandbox, and says so", function()
    serving({ shell.ganlua, "--sandbox", "--folder", folder, "--view=0", "--set", "iterations=1000000", script },
      function(address)
        local seen = driven(address, "look")
        is_sound(seen)
        assert.same({ "running", 0, 0, "In the sandbox a viewer can only look." },
          { seen.state, seen.enabled, seen.may, seen.why })
        assert.equal("in the sandbox a viewer can only look", seen.answer)
      end)
  end)

  it_seen("shows a training of ganlua's, while it goes on", function()
    serving({ shell.ganlua, "--view=0", "--set", "iterations=1000000", script }, function(address)
      local seen = driven(address, "watch")
      is_watched(seen)
      assert(seen.plane and seen.points_move)
    end)
  end)
end)
