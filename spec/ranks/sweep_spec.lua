-- A sweep whose combinations are handed out to ranks.

local folder = debug.getinfo(1, "S").source:match "^@(.*/)"
local mpirun = dofile(folder .. "mpirun.lua")
local shell = mpirun.shell
local it = mpirun.it(it, pending)

-- Says which rank's environment it has, if any; the first process of x2 is killed.
local script = [[
local gan = require "ganlua"
local a, seed = gan.setting("a", "none"), gan.setting("seed", 1)
local file = io.open("starts", "a")
file:write(a, seed, " ", tostring(os.getenv "OMPI_COMM_WORLD_RANK"), "\n")
file:close()
if a .. seed == "x2" and not io.open "killed" then
  io.open("killed", "w"):close()
  io.popen("kill -KILL $PPID"):close()
end
gan.report { value = seed }
]]

describe("a sweep with workers = \"mpi\"", function()
  local cwd
  before_each(function()
    cwd = shell.folder()
    shell.write(cwd .. "/script.lua", script)
  end)
  after_each(function() shell.remove(cwd) end)

  local words = { "--sweep", "a=x,y", "--sweep", "seed=1..3", "--set", "workers=mpi", "script.lua" }

  it("runs every combination on one of the ranks, those again whose process was lost, and goes on", function()
    local result = mpirun.run(3, words, { cwd = cwd })
    assert.equal(0, result.code, result.err)
    local table_of_it = shell.read(cwd .. "/runs/script-sweep/table.txt")
    assert.equal("a  runs  value\nx  3     2 +- 1\ny  3     2 +- 1\n", table_of_it)
    local count = {}
    for line in shell.read(cwd .. "/starts"):gmatch "[^\n]+" do count[line] = (count[line] or 0) + 1 end
    assert.same({ ["x1 nil"] = 1, ["x2 nil"] = 2, ["x3 nil"] = 1, ["y1 nil"] = 1, ["y2 nil"] = 1, ["y3 nil"] = 1 },
      count)

    local again = mpirun.run(2, words, { cwd = cwd })
    assert.equal(0, again.code, again.err)
    assert.truthy(again.out:find("6 of 6 runs have finished before", 1, true))
    assert.equal(table_of_it, shell.read(cwd .. "/runs/script-sweep/table.txt"))
  end)

  it("is to be asked for under mpirun", function()
    local result = mpirun.run(2, { "--sweep", "a=x,y", "script.lua" }, { cwd = cwd })
    assert.equal(1, result.code)
    assert.truthy(result.err:find('sweep: wanted workers = "mpi"', 1, true), result.err)
  end)
end)
