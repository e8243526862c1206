-- A run that is killed with kill -9 again and again ends with the bytes of the uncut one: the short form of ./dev soak.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local soak = dofile(folder .. "../soak/soak.lua")

describe("a run that is killed at random instants", function()
  it("goes on from a good checkpoint and ends with the same bytes", function()
    local count, runs = soak.run(12, 5)
    assert.equal(12, count.starting + count.moving + count.sampling + count.saving)
    assert.is_true(runs >= 1)
  end)
end)
