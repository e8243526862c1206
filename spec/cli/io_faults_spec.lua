-- A full disk, a short write, an I/O error: the error is clear, the older checkpoint stays good, and once there is room
-- again the run goes on from it to the bytes of a run that had no trouble.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "shell.lua")

local game = folder .. "../soak/game.lua"
if game:sub(1, 1) ~= "/" then
  local pipe = io.popen "pwd"
  game = pipe:read "l" .. "/" .. game
  pipe:close()
end

local function run(cwd, fault)
  local env = { MARKER = "/dev/null" }
  for name, value in pairs(fault or {}) do env[name] = value end
  if fault then env.LD_PRELOAD = (os.getenv "LD_PRELOAD" or "") .. " " .. shell.build .. "/specs/libfaulty.so" end
  return shell.run_ganlua({ "--threads", "1", "--set", "iterations=20", game }, { cwd = cwd, env = env })
end

describe("a disk that fails", function()
  local whole = shell.folder()
  local wanted
  setup(function()
    assert.equal(0, run(whole).code)
    wanted = shell.read(whole .. "/runs/soak/checkpoint.safetensors")
  end)
  teardown(function() shell.remove(whole) end)

  local function survives(fault, path, after, message)
    local cwd = shell.folder()
    local result = run(cwd, { FAULT = fault, FAULT_PATH = path, FAULT_AFTER = tostring(after) })
    assert.equal(1, result.code, result.err)
    assert.matches(message, result.err, 1, true)
    local files = io.popen(("ls -A %s/runs/soak"):format(cwd)):read "a"
    assert.is_nil(files:find "%.tmp")
    result = run(cwd)
    assert.equal(0, result.code, result.err)
    assert.is_true(wanted == shell.read(cwd .. "/runs/soak/checkpoint.safetensors"))
    shell.remove(cwd)
  end

  -- Of the temporary files in the run's folder: config.lua, then plot, numbered copy, checkpoint, plot, checkpoint.
  for name, fault in pairs {
    ["that is full"] = { "full", "No space left on device" }, ["that takes half a write"] = { "short",
      "No space left on device" }, ["with an I/O error"] = { "error", "Input/output error" },
    ["that cannot sync"] = { "sync", "Input/output error" },
  } do
    it(name .. ", while a checkpoint is written", function()
      for _, after in ipairs { 3, 4, 6 } do survives(fault[1], "soak/.ganlua", after, fault[2]) end
    end)
    it(name .. ", while the history or the metrics grow", function()
      survives(fault[1], "soak/history", 2, "runs/soak/history: cannot write: " .. fault[2])
      survives(fault[1], "metrics.jsonl", 2, "runs/soak/metrics.jsonl: cannot write: " .. fault[2])
    end)
  end

  it("that is full from the beginning, is told before the first move", function()
    local cwd = shell.folder()
    local result = run(cwd, { FAULT = "full", FAULT_PATH = "soak", FAULT_AFTER = "1" })
    assert.equal(1, result.code)
    assert.matches("the run's folder cannot be written: ", result.err, 1, true)
    shell.remove(cwd)
  end)

  it("at every call of a save, leaves the file of before, and nothing else", function()
    local cwd = shell.folder()
    shell.run({ "mkdir", "saved" }, { cwd = cwd })
    local function save(value, fault)
      local code = ('local gan = require "ganlua" gan.save("saved/x", { x = gan.full({ 1000 }, %d) })'):format(value)
      return shell.run_ganlua({ "-e", code }, { cwd = cwd, env = fault })
    end
    assert.equal(0, save(0).code)
    local before = shell.read(cwd .. "/saved/x")
    for name, fault in pairs { full = "No space left on device", short = "No space left on device",
      error = "Input/output error", sync = "Input/output error" } do
      local after = 0
      repeat
        after = after + 1
        local result = save(after, { FAULT = name, FAULT_PATH = "saved", FAULT_AFTER = tostring(after),
          LD_PRELOAD = (os.getenv "LD_PRELOAD" or "") .. " " .. shell.build .. "/specs/libfaulty.so" })
        local files = io.popen(("ls -A %s/saved"):format(cwd)):read "a"
        assert.equal("x\n", files)
        if result.code ~= 0 then
          assert.equal(1, result.code)
          assert.matches(fault, result.err, 1, true)
          local now = shell.read(cwd .. "/saved/x")
          -- Where the folder alone could not be synced, the file is there, whole.
          assert.is_true(now == before or name == "sync" and #now == #before)
          before = now
        end
      until result.code == 0 or after > 20
      assert.is_true(after > 1 and after <= 20, name)
      before = shell.read(cwd .. "/saved/x")
    end
    shell.remove(cwd)
  end)
end)
