-- Schedules: who moves when. They are played here on a game that only writes down the moves.

local schedule = require("ganlua").schedule

local function refuses(text, f)
  local ok, message = pcall(f)
  assert.is_false(ok)
  assert.matches(text, message, 1, true)
end

-- Plays a schedule from an iteration on; returns the moves as a string such as "DG|DG|" and the game.
local function played(play, from)
  local moves = {}
  local game = { iteration = from or 0 }
  function game.discriminator() moves[#moves + 1] = "D" end
  function game.generator() moves[#moves + 1] = "G" end
  function game.both(_, overrides) moves[#moves + 1] = overrides and overrides.extragradient and "E" or "B" end
  function game.next(self)
    moves[#moves + 1] = "|"
    self.iteration = self.iteration + 1
  end
  play(game)
  return table.concat(moves), game
end

describe("schedule.alternate", function()
  it("lets the discriminator move first", function()
    assert.equal("DG|DG|DG|", (played(schedule.alternate { iterations = 3 })))
  end)

  it("repeats a player's moves", function()
    assert.equal("DDG|DDG|", (played(schedule.alternate { discriminator = 2, iterations = 2 })))
    assert.equal("GG|", (played(schedule.alternate { discriminator = 0, generator = 2, iterations = 1 })))
  end)

  it("goes on from where a loaded run stopped", function()
    assert.equal("DG|", (played(schedule.alternate { iterations = 3 }, 2)))
    assert.equal("", (played(schedule.alternate { iterations = 3 }, 3)))
  end)

  it("tells the game how many iterations there will be", function()
    local _, game = played(schedule.alternate { iterations = 3 })
    assert.equal(3, game.planned)
  end)

  it("refuses what cannot be played", function()
    refuses("'iterations' is required", function() schedule.alternate {} end)
    refuses("positive integer, got 0", function() schedule.alternate { iterations = 0 } end)
    refuses("did you mean 'iterations'", function() schedule.alternate { iteration = 5 } end)
    refuses("nobody moves", function()
      schedule.alternate { discriminator = 0, generator = 0, iterations = 5 }
    end)
  end)
end)

describe("schedule.phases", function()
  it("plays one phase after another; who is not named rests", function()
    local moves, game = played(schedule.phases {
      { discriminator = 1, iterations = 2 },
      { generator = 2, iterations = 1 },
      { discriminator = 1, generator = 1, iterations = 1 },
    })
    assert.equal("D|D|GG|DG|", moves)
    assert.equal(4, game.planned)
  end)

  it("goes on in the middle of a phase", function()
    local phases = schedule.phases { { discriminator = 1, iterations = 2 }, { generator = 1, iterations = 2 } }
    assert.equal("D|G|G|", (played(phases, 1)))
    assert.equal("G|", (played(phases, 3)))
  end)

  it("names the phase that is wrong", function()
    refuses("phase 2: option 'iterations' is required", function()
      schedule.phases { { discriminator = 1, iterations = 2 }, { generator = 1 } }
    end)
    refuses("a list of phases", function() schedule.phases {} end)
  end)
end)

describe("schedule.simultaneous and schedule.extragradient", function()
  it("move both players at once", function()
    local moves, game = played(schedule.simultaneous { iterations = 3 })
    assert.equal("B|B|B|", moves)
    assert.equal(3, game.planned)
    assert.equal("E|", (played(schedule.extragradient { iterations = 3 }, 2)))
  end)

  it("print themselves, and refuse what cannot be played", function()
    assert.equal("simultaneous{iterations=3}", schedule.describe(schedule.simultaneous { iterations = 3 }))
    refuses("schedule.extragradient: option 'iterations' is required", function() schedule.extragradient {} end)
  end)
end)

describe("schedule.describe", function()
  it("puts a schedule into words", function()
    assert.equal("alternate{discriminator=2, generator=1, iterations=9}",
      schedule.describe(schedule.alternate { discriminator = 2, iterations = 9 }))
    assert.equal("phases{{discriminator=1, generator=0, iterations=2}, {discriminator=0, generator=3, iterations=4}}",
      schedule.describe(schedule.phases { { discriminator = 1, iterations = 2 }, { generator = 3, iterations = 4 } }))
    assert.matches("^function at .*schedule_spec.lua:%d+$", schedule.describe(function() end))
  end)
end)
