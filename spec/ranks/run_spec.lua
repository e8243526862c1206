-- A run on several ranks: what is said, who writes, how it ends and goes on; and gan.dist.

local folder = debug.getinfo(1, "S").source:match "^@(.*/)"
local mpirun = dofile(folder .. "mpirun.lua")
local shell = mpirun.shell

-- A run of so many iterations, whose checkpoints are ten apart. WHAT is done at the end of iteration 25.
local template = [[
local gan = require "ganlua"
local nn = gan.nn
gan.train {
  name = "run", data = gan.data.ring {}, latent = 2, batch = 12, loss = gan.loss.hinge {},
  generator = nn.sequential { nn.linear { out = 8 }, nn.batch_norm { sync = true }, nn.silu {}, nn.linear { out = 2 } },
  discriminator = nn.sequential { nn.linear { out = 8 }, nn.leaky_relu {}, nn.linear { out = 1 } },
  schedule = gan.schedule.alternate { iterations = 60 }, checkpoint = { every = 10 }, ema = { decay = 0.9 },
  on = { iteration = function(run)
    if run.game.iteration == 25 then WHAT end
  end, finish = function(run) print("END", run.metrics.d_loss) end },
}
]]

local function write(cwd, what)
  shell.write(cwd .. "/script.lua", (template:gsub("WHAT", what)))
end

local it_alone, it = it, mpirun.it(it, pending)

describe("a run on several ranks", function()
  local cwd
  before_each(function() cwd = shell.folder() end)
  after_each(function() shell.remove(cwd) end)

  local function run(count, ...)
    return mpirun.run(count, { "script.lua", ... }, { cwd = cwd })
  end

  it("says first who they are, once, and rank 0 alone writes and prints", function()
    write(cwd, "io.stderr:write('rank ' .. gan.dist.rank .. '\\n')")
    local result = run(3)
    assert.equal(0, result.code, result.err)
    assert.truthy(result.out:find "^3 ranks of 1 thread each on 1 host %(%S+%)\r?\n")
    local _, ends = result.out:gsub("END", "")
    assert.equal(1, ends)
    for rank = 0, 2 do assert.truthy(result.err:find("rank " .. rank, 1, true)) end
    local _, lines = shell.read(cwd .. "/runs/run/metrics.jsonl"):gsub("\n", "")
    assert.equal(60, lines)
    assert.is_nil(shell.read(cwd .. "/runs/run-2/config.lua"))
  end)

  it("says so where they are more than the processors", function()
    write(cwd, "")
    shell.write(cwd .. "/wide.lua", "require 'ganlua'")
    local words = table.move(mpirun.words, 1, #mpirun.words, 1, {})
    for _, word in ipairs { "-n", "2", shell.ganlua, "--threads", "1000", "wide.lua" } do words[#words + 1] = word end
    local result = shell.run(words, { cwd = cwd })
    assert.truthy(result.out:find "warning: %S+: 2 ranks with 2000 threads together share %d+ processors?: they take")
  end)

  it("ends everywhere by an error on one rank, and goes on from its last checkpoint, on as many ranks or others",
    function()
      write(cwd, "if gan.dist.rank == 1 and io.open 'fail' then error 'no more' end")
      local whole = run(3)
      assert.equal(0, whole.code, whole.err)
      local bytes = shell.read(cwd .. "/runs/run/checkpoint.safetensors")
      local loss = tonumber(whole.out:match "END%s+(%S+)")
      for _, count in ipairs { 3, 2, 1 } do
        shell.remove(cwd .. "/runs")
        shell.write(cwd .. "/fail", "")
        local failed = run(3)
        assert.equal(1, failed.code)
        assert.truthy(failed.err:find "ganlua: rank 1: script.lua:%d+: no more")
        os.remove(cwd .. "/fail")
        local again = run(count)
        assert.equal(0, again.code, again.err)
        assert.truthy(again.out:find "runs/run: going on from iteration 20", again.out)
        if count == 3 then assert.equal(bytes, shell.read(cwd .. "/runs/run/checkpoint.safetensors")) end
        assert.is_near(loss, tonumber(again.out:match "END%s+(%S+)"), 1e-4)
      end
    end)

  it("reports an error that all ranks have once", function()
    write(cwd, "error 'on all'")
    local result = run(3)
    assert.equal(1, result.code)
    local _, times = result.err:gsub("on all", "")
    assert.equal(1, times, result.err)
  end)

  it("ends everywhere, with a message, where a rank is killed or stands still", function()
    for signal, reason in pairs { KILL = "signal 9", STOP = "rank 1 on %S+ has not been heard of for 2 seconds" } do
      write(cwd, ("if gan.dist.rank == 1 then io.popen('kill -%s $PPID'):close() end"):format(signal))
      local result = mpirun.run(3, { "script.lua" }, { cwd = cwd, env = { GANLUA_PATIENCE = 2 } })
      assert.is_true(result.code ~= 0 and result.code ~= 124, result.err)
      assert.truthy((result.out .. result.err):find(reason), result.err)
    end
  end)

  it("refuses to begin where it cannot reach the others", function()
    assert(os.execute(("cp '%s' '%s/alone'"):format(shell.ganlua, cwd)))
    local words = table.move(mpirun.words, 1, #mpirun.words, 1, {})
    for _, word in ipairs { "-n", "2", cwd .. "/alone", "-e", "print(1)" } do words[#words + 1] = word end
    local result = shell.run(words, { cwd = cwd })
    assert.equal(1, result.code)
    assert.truthy(result.err:find("mpirun has started 2 processes, but ganlua was built without MPI", 1, true))
  end)

  it("refuses what it cannot do, by name", function()
    local cases = {
      { "batch = 12", "batch = 2", "batch = 2 is not enough for 3 ranks" },
      { "ema =", "live = true, ema =", "option 'live' is for a run of one process" },
      { "ema =", "view = true, ema =", "option 'view' is for a run of one process" },
      { "ema =", "seed = gan.dist.rank, ema =", "train: the options of rank 1 are others than those of rank 0" },
      { "ema =", "micro_batch = 2, ema =", "micro_batch = 2 is not enough for 3 ranks" },
    }
    for _, case in ipairs(cases) do
      write(cwd, "")
      local text = shell.read(cwd .. "/script.lua")
      local first, last = text:find(case[1], 1, true)
      shell.write(cwd .. "/script.lua", text:sub(1, first - 1) .. case[2] .. text:sub(last + 1))
      local result = run(3)
      assert.equal(1, result.code)
      assert.truthy(result.err:find(case[3], 1, true), result.err)
    end
    local result = mpirun.run(2, { "-i", "script.lua" }, { cwd = cwd })
    assert.equal(1, result.code)
    assert.truthy(result.err:find("-i does not go with several ranks", 1, true))
  end)
end)

describe("gan.profile on several ranks", function()
  -- The walk of gradients begins with the last layer, whose buckets are full long before it is through.
  local script = [[
local gan = require "ganlua"
local nn = gan.nn
local function wide(out) return nn.linear { out = out } end
local run = gan.trainer {
  data = gan.randn(64, 32), latent = 32, batch = 96, loss = gan.loss.hinge {}, out = false, progress = false,
  generator = nn.sequential { wide(512), nn.relu {}, wide(512), nn.relu {}, wide(1024), nn.relu {}, wide(32) },
  discriminator = nn.sequential { wide(512), nn.relu {}, wide(512), nn.relu {}, wide(1024), nn.relu {}, wide(1) },
  schedule = gan.schedule.alternate { iterations = 4 },
}
local profile = gan.profile(run.train, run)
local sums = profile.sums
print("BUCKETS", #sums.buckets, sums.bytes, sums.early)
for _, each in ipairs(sums.buckets) do
  assert(0 <= each.sent and each.sent <= each.arrived and each.arrived <= profile.total and each.sent <= each.wanted
    or each.bytes < 2 ^ 20)
end
assert(sums.hidden > 0 and sums.hidden <= sums.seconds and sums.seconds < profile.total)
print(tostring(profile):match "sums over the ranks[^\n]*")
]]

  it("tells what travelled while gradients were computed: some buckets have arrived before the walk is through",
    function()
      local cwd = shell.folder()
      shell.write(cwd .. "/script.lua", script)
      local result = mpirun.run(2, { "script.lua" }, { cwd = cwd })
      shell.remove(cwd)
      assert.equal(0, result.code, result.err)
      local buckets, bytes, early = result.out:match "BUCKETS%s+(%d+)%s+(%d+)%s+(%d+)"
      local parameters = 33 * 512 + 513 * 512 + 513 * 1024 + 1025 * 32 + 33 * 512 + 513 * 512 + 513 * 1024 + 1025
      assert.equal(4 * 4 * parameters, tonumber(bytes))
      assert.equal(4 * 2 * 4, tonumber(buckets)) -- of 2^18 numbers each, and a rest
      assert.is_true(tonumber(early) > 0, result.out)
      assert.truthy(result.out:find("sums over the ranks: 32 buckets, ", 1, true), result.out)
    end)
end)

describe("gan.dist", function()
  local script = [[
local gan = require "ganlua"
local dist = gan.dist
local r = dist.rank
local t = gan.tensor { r, -r, 0.5 }
local function text(x) return table.concat(x:totable(), " ") end
print(dist.size, dist.all_reduce(r), dist.all_reduce(r, "mean"), dist.all_reduce(r, "min"), dist.all_reduce(r, "max"))
print(text(dist.all_reduce(t)), text(dist.all_reduce(t, "min")), text(dist.all_reduce(t, "max")))
print(table.concat(dist.gather("rank " .. r), ","), dist.broadcast({ from = r }, dist.size - 1).from)
print(text(dist.broadcast(t, dist.size - 1)), text(dist.all_reduce(gan.full({ 300000 }, r)):narrow(1, 299999, 2)))
dist.barrier()
]]

  it("reduces, gathers and broadcasts numbers, tensors and plain values", function()
    local cwd = shell.folder()
    shell.write(cwd .. "/script.lua", script)
    local result = mpirun.run(3, { "script.lua" }, { cwd = cwd })
    shell.remove(cwd)
    assert.equal(0, result.code, result.err)
    local said = result.out:gsub("\r", ""):gsub("^.-\n", ""):gsub("warning[^\n]*\n", "")
    assert.equal("3\t3\t1.0\t0\t2\n3.0 -3.0 1.5\t0.0 -2.0 0.5\t2.0 0.0 0.5\nrank 0,rank 1,rank 2\t2\n"
      .. "2.0 -2.0 0.5\t3.0 3.0\n", said)
  end)
end)

describe("gan.dist in one process", function()
  it_alone("is rank 0 of 1", function()
    local gan = require "ganlua"
    local t = gan.tensor { 1, 2 }
    assert.same({ 0, 1 }, { gan.dist.rank, gan.dist.size })
    assert.equal(5, gan.dist.all_reduce(5))
    assert.same({ 1, 2 }, gan.dist.all_reduce(t, "mean"):totable())
    assert.same({ 7 }, gan.dist.gather(7))
    assert.same({ a = 1 }, gan.dist.broadcast { a = 1 })
    gan.dist.barrier()
    assert.has_error(function() gan.dist.all_reduce(1, "product") end)
    assert.has_error(function() gan.dist.broadcast(1, 1) end)
  end)
end)
