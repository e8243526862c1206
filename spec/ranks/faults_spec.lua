-- Ranks that are stopped at random instants: the short form of ./dev faults.

local folder = debug.getinfo(1, "S").source:match "^@(.*/)"
local faults = dofile(folder .. "faults.lua")
local it = dofile(folder .. "mpirun.lua").it(it, pending)

describe("a run of which a rank is stopped at a random instant", function()
  it("ends everywhere, and goes on to the same bytes", function()
    assert.equal(2, #faults.run(2, 361, { iterations = 60, patience = 2 }))
  end)
end)
