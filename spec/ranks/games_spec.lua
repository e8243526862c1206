-- One game on several ranks: what every move measures is what one process measures with the same batch, but for the
-- order in which floats are added; and on as many ranks again it is the same bytes.

local mpirun = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "mpirun.lua")

-- What games.lua has printed, by game: { moves = lists of numbers, networks = checksum }.
local function parsed(result)
  assert.equal(0, result.code, result.err)
  local games = {}
  for line in result.out:gmatch "[^\n]+" do
    local name, what, numbers = line:match "^([%w_]+)\t(%l+)\t(.*)$"
    if name then
      games[name] = games[name] or { moves = {} }
      if what == "networks" then
        games[name].networks = numbers
      else
        local move = {}
        for number in numbers:gmatch "%S+" do move[#move + 1] = tonumber(number) end
        table.insert(games[name].moves, move)
      end
    end
  end
  return games
end

-- The greatest difference of a column of moves, beside what its numbers are in the mean; of what is nearly 0, and comes
-- of larger numbers, beside 0.05.
local function apart(a, b, column)
  local most, scale = 0, 0
  for i in ipairs(a) do
    most = math.max(most, math.abs(a[i][column] - b[i][column]))
    scale = scale + math.abs(a[i][column]) / #a
  end
  return most / math.max(scale, 0.05)
end

-- Every game within `bound`, in losses, penalties and gradients' norms.
local function compare(alone, together, bound)
  local seen = 0
  for name, game in pairs(alone) do
    assert.equal(#game.moves, #together[name].moves, name)
    for column, what in ipairs { "losses", "penalties", "norms" } do
      local difference = apart(game.moves, together[name].moves, column)
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
    alone = alone or parsed(mpirun.run(1, { mpirun.games }))
    return alone
  end

  for count = 2, 4 do
    it(("is that of one process: %d ranks"):format(count), function()
      local together = parsed(mpirun.run(count, { mpirun.games }))
      if count == 3 then three = together end
      compare(played_alone(), together, 1e-5)
    end)
  end

  it("is the same bytes in every run", function()
    local again = parsed(mpirun.run(3, { mpirun.games }))
    three = three or parsed(mpirun.run(3, { mpirun.games }))
    for name, game in pairs(three) do
      assert.same(game.moves, again[name].moves)
      assert.equal(game.networks, again[name].networks)
    end
  end)

  it("may have a batch that ranks do not divide evenly", function()
    local arguments = { "--set", "batch=25", mpirun.games, "ring", "r1", "relativistic", "micro_batch", "dropout" }
    compare(parsed(mpirun.run(1, arguments)), parsed(mpirun.run(3, arguments)), 1e-5)
  end)
end)
