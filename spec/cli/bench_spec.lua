-- The benchmark's scripts run: a step of each workload, tiny, and the conductor from its options to its files. What the
-- times are is nobody's business here.

local core = require("ganlua") and require "ganlua.core"

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "shell.lua")
local root = io.popen("pwd"):read "l" -- programs run in folders of their own
local bench = (folder:sub(1, 1) == "/" and "" or root .. "/") .. folder .. "../bench/"

local names = { "mlp_ring", "dcgan28", "dcgan28_r1", "dcgan28_gp", "dcgan64", "sngan32" }

describe("a benchmark's worker", function()
  for _, name in ipairs(names) do
    it("makes steps of " .. name, function()
      local result = shell.run({ shell.ganlua, bench .. "work.lua", name, "batch=2", "width=4" },
        { stdin = "1\n2\nend\n" })
      local lines = {}
      for line in result.out:gmatch "[^\n]+" do lines[#lines + 1] = core.json_decode(line) end
      assert.are.equal("ganlua", lines[1].what)
      assert.are.equal(1, #lines[2].ms)
      assert.are.equal(2, #lines[3].ms)
      assert.is_true(lines[3].ms[2] > 0)
      assert.is_true(lines[4].tensor_mb > 0)
    end)
  end
end)

describe("the table of many machines", function()
  local function rows_of(result)
    assert.are.equal(0, result.code, result.err)
    local rows = {}
    for speeds, words in result.out:gmatch "\n10*%s?Gbit/s%s+([%d.%s]+)  (%l[^\n]*; half of [^\n]*)" do
      local row = {}
      for speed in speeds:gmatch "%S+" do row[#row + 1] = tonumber(speed) or error(words .. ": " .. speed) end
      assert.are.equal(10, #row, words)
      rows[#rows + 1] = row
    end
    assert.are.equal(12, #rows, result.out)
    return rows
  end

  it("has a line for each network, of 2 to 1,024 machines", function()
    rows_of(shell.run { shell.ganlua, bench .. "bench.lua", "--ranks", "--quick", "--no-python" })
  end)

  -- A step that is over at once gains nothing, one of an hour loses nothing: the widest and the narrowest of figures.
  for ms, most in pairs { [1e-6] = 1, [3.6e6] = 1024 } do
    it(("keeps its figures apart where a step takes %g ms"):format(ms), function()
      local rows = rows_of(shell.run { shell.ganlua, "-e", ([[
        arg = { [0] = %q }
        dofile(%q)({ quick = true }, function() return %.17g end)
      ]]):format(bench .. "bench.lua", bench .. "ranks.lua", ms) })
      for _, row in ipairs(rows) do assert.is_true(row[10] <= most and row[10] >= 0.99 * (most - 1), row[10]) end
    end)
  end
end)

describe("the benchmark of a schedule's moves", function()
  it("plays them, and replays them", function()
    local result = shell.run { shell.ganlua, "--set", "moves=200", bench .. "schedule.lua" } -- which ends as by SIGTERM
    assert.matches("^200 moves: %d+%.%d+ microseconds a move, replayed in %d+%.%d+ s\n$", result.out)
  end)
end)

describe("the benchmark of pictures", function()
  it("reads them, trains on them, and tells how fast and how long it waited", function()
    local result = shell.run { shell.ganlua, "--set", "iterations=1", "--set", "width=2", "--set", "batch=4", "--set",
      "count=9", bench .. "pictures.lua", "drawn" }
    assert.are.equal(0, result.code, result.err)
    local words = {}
    for line in result.out:gmatch "[^\n]+" do words[#words + 1] = line:match "^(.-)%s%s+%d+%.?%d* " end
    assert.are.same({ "opening (each decoded once)", "batches, decoded as wanted", "training on these waits",
      "batches, kept in memory", "training on these waits" }, words)
  end)
end)

-- bench.lua finds ganlua as ./dev bench leaves it, but nothing that measures the peaks: that takes seconds.
local function conduct(words)
  return shell.run({ shell.ganlua, bench .. "bench.lua", table.unpack(words) },
    { env = { GANLUA_BIN = shell.ganlua, GANLUA_BUILD = "nowhere" } })
end

describe("./dev bench", function()
  it("runs workloads and writes what it measured", function()
    local path = os.tmpname()
    local result = conduct { "--quick", "--no-python", "--json", path, "mlp_ring", "sample", "load", "startup" }
    assert.are.equal(0, result.code, result.err)
    local measured = core.json_decode(core.read_file(path))
    os.remove(path)
    assert.are.equal(4, #measured.rows)
    for _, row in ipairs(measured.rows) do assert.is_true(row.sides[1].ms.median > 0, row.workload) end
    assert.truthy(result.out:find("not measured", 1, true))
  end)

  it("says what it does not know", function()
    local result = conduct { "mlp_rong" }
    assert.are.equal(1, result.code)
    assert.truthy(result.err:find("no option or workload 'mlp_rong'", 1, true))
  end)

  it("draws what a step costs", function()
    local path = os.tmpname()
    local result = conduct { "--quick", "--no-python", "--scaling", path }
    assert.are.equal(0, result.code, result.err)
    assert.are.equal("\137PNG", core.read_file(path):sub(1, 4))
    os.remove(path)
  end)
end)
