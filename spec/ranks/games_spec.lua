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

-- The games of the contract, and those that share out a batch in some other way: packs, parts, steps ahead.
local some = { "ring", "dcgan28", "r1", "pac", "micro_batch", "unroll", "labels" }

local function arguments(names)
  return table.move(names, 1, #names, 2, { mpirun.games })
end

describe("a game on several ranks", function()
  local alone, three
  local function played_alone()
    alone = alone or mpirun.told(mpirun.run(1, { mpirun.games }))
    return alone
  end

  -- On three ranks, which divide most batches unevenly among parts, all games; on others some.
  for count = 2, 4 do
    it(("is that of one process: %d ranks"):format(count), function()
      local together = mpirun.told(mpirun.run(count, arguments(count == 3 and {} or some)))
      if count == 3 then three = together end
      compare(together, played_alone(), 1e-5)
    end)
  end

  it("is the same bytes in every run", function()
    local again = mpirun.told(mpirun.run(3, arguments(some)))
    three = three or mpirun.told(mpirun.run(3, arguments(some)))
    for name, game in pairs(again) do
      assert.same(three[name].moves, game.moves)
      assert.equal(three[name].networks, game.networks)
    end
  end)

  it("may have a batch that ranks do not divide evenly", function()
    local uneven = { "--set", "batch=25", mpirun.games, "ring", "relativistic", "micro_batch", "dropout" }
    compare(mpirun.told(mpirun.run(1, uneven)), mpirun.told(mpirun.run(3, uneven)), 1e-5)
  end)
end)
