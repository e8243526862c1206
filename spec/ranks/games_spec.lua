-- One game on several ranks: what every move measures is what one process measures with the same batch, but for the
-- order in which floats are added; and on as many ranks again it is the same bytes.

local mpirun = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "mpirun.lua")

-- Every game within `bound`, in losses, penalties and gradients' norms.
local function compare(alone, together, bound)
  local seen = 0
  for name, game in pairs(alone) do
    assert.equal(#game.moves, #together[name].moves, name)
    for column, what in ipairs { "losses", "penalties", "norms" } do
      local difference = mpirun.apart(game.moves, together[name].moves, column)
      assert.is_true(difference < bound, ("%s of %s: %.1e apart"):format(what, name, difference))
    end
    seen = seen + 1
  end
  assert.is_true(seen > 0)
end

local it = mpirun.it(it, pending)

describe("a game on several ranks", function()
  local alone, three
  local function played_alone()
    alone = alone or mpirun.told(mpirun.run(1, { mpirun.games }))
    return alone
  end

  for count = 2, 4 do
    it(("is that of one process: %d ranks"):format(count), function()
      local together = mpirun.told(mpirun.run(count, { mpirun.games }))
      if count == 3 then three = together end
      compare(played_alone(), together, 1e-5)
    end)
  end

  it("is the same bytes in every run", function()
    local again = mpirun.told(mpirun.run(3, { mpirun.games }))
    three = three or mpirun.told(mpirun.run(3, { mpirun.games }))
    for name, game in pairs(three) do
      assert.same(game.moves, again[name].moves)
      assert.equal(game.networks, again[name].networks)
    end
  end)

  it("may have a batch that ranks do not divide evenly", function()
    local arguments = { "--set", "batch=25", mpirun.games, "ring", "r1", "relativistic", "micro_batch", "dropout" }
    compare(mpirun.told(mpirun.run(1, arguments)), mpirun.told(mpirun.run(3, arguments)), 1e-5)
  end)
end)
