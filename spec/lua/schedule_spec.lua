-- Schedules: who moves when. They are played here on a game that only writes down the moves.

local schedule = require("ganlua").schedule
local recorder = require "ganlua.recorder"

local function refuses(text, f)
  local ok, message = pcall(f)
  assert.is_false(ok)
  assert.matches(text, message, 1, true)
end

-- Plays a schedule from an iteration on; returns the moves as a string such as "DG|DG|" and the game. `tell` is what
-- the discriminator's i-th move measures.
local function played(play, from, tell)
  local moves, count = {}, 0
  local game = { iteration = from or 0, latest = {}, recorder = recorder.new {} }
  local function move(name, text)
    return function(self, overrides)
      count = count + 1
      moves[#moves + 1] = overrides and overrides.extragradient and "E" or text
      self.latest[name] = tell and tell(count) or { accuracy = 0.7, loss = 1 }
      return self.latest[name]
    end
  end
  game.discriminator, game.generator = move("discriminator", "D"), move("generator", "G")
  game.both = move("discriminator", "B")
  function game.set(_, settings) moves[#moves + 1] = "(" .. tostring(settings.loss or settings.batch) .. ")" end
  function game.next(self)
    moves[#moves + 1] = "|"
    self.iteration, self.latest = self.iteration + 1, {}
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

describe("schedule.balance", function()
  local function accuracies(list)
    return function(i) return { accuracy = list[i] or list[#list] } end
  end

  it("lets the player who is behind move alone", function()
    local balance = schedule.balance { low = 0.6, high = 0.8, iterations = 4 }
    assert.equal("DG|DG|DG|DG|", (played(balance, 0, accuracies { 0.7 })))
    assert.equal("DG|G|G|DG|", (played(balance, 0, accuracies { 0.9, 0.9, 0.9, 0.7, 0.7 })))
    assert.equal("DG|D|D|DG|", (played(balance, 0, accuracies { 0.5, 0.9, 0.5, 0.7, 0.7 })))
  end)

  it("lets nobody rest longer than its patience", function()
    local balance = schedule.balance { patience = 2, iterations = 7 }
    assert.equal("DG|G|G|DG|G|G|DG|", (played(balance, 0, accuracies { 1 })))
    assert.equal("DG|D|D|DG|D|D|DG|", (played(balance, 0, accuracies { 0 })))
  end)

  it("refuses bounds that cross", function()
    refuses("option 'low' must be at most high = 0.8, got 0.9", function()
      schedule.balance { low = 0.9, iterations = 1 }
    end)
    assert.equal("balance{high=0.8, iterations=5, low=0.6, patience=10}",
      schedule.describe(schedule.balance { iterations = 5 }))
  end)
end)

describe("schedule.sequence", function()
  it("plays one schedule after another, and sets what tables say between them", function()
    local moves, game = played(schedule.sequence {
      schedule.alternate { iterations = 2 }, { batch = 9 }, schedule.simultaneous { iterations = 1 },
      schedule.phases { { generator = 1, iterations = 1 }, { discriminator = 2, iterations = 1 } },
    })
    assert.equal("DG|DG|(9)B|G|DD|", moves)
    assert.equal(5, game.planned)
  end)

  it("goes on from where a loaded run stopped", function()
    local both = schedule.sequence { schedule.alternate { iterations = 2 }, schedule.simultaneous { iterations = 3 } }
    assert.equal("DG|B|B|B|", (played(both, 1)))
    assert.equal("B|B|", (played(both, 3)))
  end)

  it("tells a function of the user's own where it begins", function()
    local began
    local moves, game = played(schedule.sequence {
      schedule.alternate { iterations = 2 },
      function(game, from)
        began = from
        game:generator()
        game:next()
      end,
      schedule.alternate { iterations = 1 },
    })
    assert.equal("DG|DG|G|DG|", moves)
    assert.equal(2, began)
    assert.is_nil(game.planned)
  end)

  it("refuses what is no schedule", function()
    refuses("wanted a list of schedules, got nothing", function() schedule.sequence() end)
    refuses("stage 2 must be a schedule or a table for game:set, got 5", function()
      schedule.sequence { schedule.alternate { iterations = 1 }, 5 }
    end)
  end)
end)

describe("schedule.stop_when", function()
  it("ends a schedule at the end of an iteration", function()
    local told = {}
    local moves, game = played(schedule.stop_when(function(game, d, g)
      told[#told + 1] = { game.iteration, d.accuracy, g and g.accuracy }
      return d.accuracy > 0.35
    end, schedule.alternate { iterations = 9 }), 0, function(i) return { accuracy = i / 10 } end)
    assert.equal("DG|DG|DG|", moves)
    assert.same({ { 1, 0.1, 0.2 }, { 2, 0.3, 0.4 }, { 3, 0.5, 0.6 } }, told)
    assert.equal(9, game.planned)
  end)

  it("leaves a schedule that ends by itself", function()
    local function never() return false end
    assert.equal("DG|DG|", (played(schedule.stop_when(never, schedule.alternate { iterations = 2 }))))
  end)

  it("closes what the schedule has open, and passes its errors on", function()
    local closed
    played(schedule.stop_when(function() return true end, function(game)
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      while true do game:next() end
    end))
    assert.is_true(closed)
    refuses("it broke", function()
      played(schedule.stop_when(function() return true end, function() error "it broke" end))
    end)
  end)

  local function at_two(game) return game.iteration == 2 end

  it("ends a schedule that plays in coroutines of its own, and those that catch errors", function()
    local function in_coroutine(game)
      local play = coroutine.wrap(function()
        while true do
          game:discriminator()
          game:next()
          coroutine.yield()
        end
      end)
      for _ = 1, 9 do play() end
    end
    assert.equal("D|D|", (played(schedule.stop_when(at_two, in_coroutine))))
    local function catching(game)
      while game.iteration < 9 do pcall(in_coroutine, game) end
    end
    assert.equal("D|D|", (played(schedule.stop_when(at_two, catching))))
    local never = schedule.stop_when(function() return false end, catching)
    assert.equal("D|D|B|", (played(schedule.sequence { schedule.stop_when(at_two, never),
      schedule.simultaneous { iterations = 1 } })))
  end)

  it("hands on what a schedule yields to whoever plays the run, and the answer", function()
    local run = coroutine.wrap(function()
      return (played(schedule.stop_when(at_two, function(game)
        while true do
          game.asked = coroutine.yield("goes on?", game.iteration)
          game:next()
        end
      end)))
    end)
    assert.same({ "goes on?", 0 }, { run() })
    assert.same({ "goes on?", 1 }, { run(true) })
    assert.equal("||", run(true))
  end)

  it("tells of an error by which way the script came there", function()
    local function helper(game) return game.iteration.value.none end
    local ok, message = pcall(played, schedule.stop_when(at_two, function(game)
      game:next()
      helper(game)
      game:next()
    end))
    assert.is_false(ok)
    assert.matches("^spec/lua/schedule_spec.lua:%d+: attempt to index a number value [^\n]*\n"
      .. "in the schedule of stop_when:\n\tspec/lua/schedule_spec.lua:%d+: in upvalue 'helper'\n"
      .. "\tspec/lua/schedule_spec.lua:%d+: in [^\n]*$", message)
  end)

  it("is followed by the next of a sequence at once", function()
    local two = schedule.stop_when(function(game) return game.iteration == 2 end, schedule.alternate { iterations = 9 })
    local moves = played(schedule.sequence { two, schedule.simultaneous { iterations = 2 } })
    assert.equal("DG|DG|B|B|", moves)
  end)

  it("refuses what is no function", function()
    refuses("wanted a function and a schedule, got 3 and nothing", function() schedule.stop_when(3) end)
  end)
end)

describe("schedule.switch_loss", function()
  local function named_loss(name)
    return setmetatable({ d = print, g = print }, { __tostring = function() return name end })
  end
  local a, b = named_loss "a", named_loss "b"

  it("switches at an iteration, or when something holds", function()
    local play = schedule.switch_loss {
      { at = 2, loss = a }, { when = function(_, d) return d.loss > 6 end, loss = b },
      schedule = schedule.alternate { iterations = 5 },
    }
    local moves, game = played(play, 0, function(i) return { loss = i } end)
    assert.equal("DG|DG|(a)DG|DG|(b)DG|", moves)
    assert.equal(5, game.planned)
    assert.equal("switch_loss{{at=2, loss=a}, {when=function at spec/lua/schedule_spec.lua",
      schedule.describe(play):match "^.-_spec%.lua")
  end)

  it("has switched already where a run goes on behind it", function()
    local play = schedule.switch_loss {
      { at = 1, loss = a }, { at = 2, loss = b }, schedule = schedule.alternate { iterations = 4 },
    }
    assert.equal("(a)(b)DG|", (played(play, 3)))
    assert.equal("DG|(a)DG|(b)DG|DG|", (played(play)))
  end)

  it("refuses what it cannot switch", function()
    local play = schedule.alternate { iterations = 4 }
    refuses("switch 1: wanted either 'at' or 'when'", function()
      schedule.switch_loss { { loss = a }, schedule = play }
    end)
    refuses("switch 1: option 'loss' must be a loss with d and g", function()
      schedule.switch_loss { { at = 1, loss = 3 }, schedule = play }
    end)
    refuses("option 'schedule' is required", function() schedule.switch_loss { { at = 1, loss = a } } end)
    refuses("no switch is given", function() schedule.switch_loss { schedule = play } end)
  end)
end)

describe("a watched game", function()
  it("is the game: counts, settings and the script's own state go through", function()
    local gan = require "ganlua"
    local function network(out) return gan.nn.sequential { gan.nn.linear { out = out } } end
    local seen
    local run = gan.train {
      out = false, progress = false, seed = 1, generator = network(2), discriminator = network(1), latent = 2,
      data = gan.data.ring {}, batch = 4, loss = gan.loss.hinge {},
      schedule = schedule.sequence {
        schedule.stop_when(function(_, d) return d.accuracy < 2 end, schedule.stop_when(function() return false end,
          function(game)
            for i = 1, 5 do
              game.state.moves = i
              seen = game:discriminator()
              game:next()
            end
          end)),
        schedule.alternate { iterations = 2 },
      },
    }
    assert.equal(3, run.game.iteration)
    assert.equal(1, run.state.moves)
    assert.is_number(seen.loss)
    assert.equal(3, #run:history "d_loss")
  end)

  it("that is over does not come between a later move and what it undoes", function()
    local gan = require "ganlua"
    local function network(out) return gan.nn.sequential { gan.nn.linear { out = out } } end
    local hinge = gan.loss.hinge {}
    local broken = { d = function() error("no loss", 0) end, g = hinge.g }
    local fine, problem
    local run = gan.train {
      out = false, progress = false, seed = 1, generator = network(2), discriminator = network(1), latent = 2,
      data = gan.data.ring {}, batch = 4, loss = hinge,
      schedule = schedule.sequence {
        schedule.stop_when(function() return true end, schedule.alternate { iterations = 2 }),
        function(game)
          fine, problem = pcall(game.discriminator, game, { loss = broken })
          game:generator()
          game:next()
        end,
      },
    }
    assert.same({ false, "no loss", 2 }, { fine, problem, run.game.iteration })
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
