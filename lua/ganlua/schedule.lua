--- Schedules: who moves when. A schedule is a function that plays the game, and these make the usual ones.
--
-- Your own is written the same way:
--
--     schedule = function(game)
--       while game.iteration < 20000 do
--         local d = game:discriminator()              -- a move; it returns what it measured
--         if d.accuracy > 0.9 then game:generator() end
--         game:generator()
--         game:next()                                 -- closes the iteration: counts, logs, samples, saves
--       end
--     end

local check = require "ganlua.check"

local schedule = {}

-- What each schedule that was made here is, in words: "alternate{discriminator=1, generator=1, iterations=5000}".
local names = setmetatable({}, { __mode = "k" })

local function named(text, play)
  names[play] = text
  return play
end

--- A schedule in words; a function of the user's own by its place in the script.
---@param play function
---@return string
function schedule.describe(play)
  local where = debug.getinfo(play, "S")
  return names[play] or ("function at %s:%d"):format(where.short_src, where.linedefined)
end

local function moves_text(moves)
  return ("{discriminator=%d, generator=%d, iterations=%d}"):format(moves.discriminator, moves.generator,
    moves.iterations)
end

-- Plays whole iterations, the discriminator's moves first, until so many are done.
local function play(game, moves, last)
  while game.iteration < last do
    for _ = 1, moves.discriminator do game:discriminator() end
    for _ = 1, moves.generator do game:generator() end
    game:next()
  end
end

local function moves_option(default)
  return { type = "integer", min = 0, default = default }
end

-- The options of one stretch of iterations in which the same moves repeat.
local function stretch(where, given, default)
  local moves = check.options(where, given, {
    discriminator = moves_option(default),
    generator = moves_option(default),
    iterations = { type = "integer", min = 1, required = true },
  })
  if moves.discriminator + moves.generator == 0 then check.fail("%s: nobody moves in it", where) end
  return moves
end

--- The same moves in every iteration: `discriminator` of its, then `generator` of its (1 each unless said otherwise).
---@param options { discriminator: integer?, generator: integer?, iterations: integer }
function schedule.alternate(options)
  local moves = stretch("schedule.alternate", options, 1)
  return named("alternate" .. moves_text(moves), function(game)
    game.planned = moves.iterations
    play(game, moves, moves.iterations)
  end)
end

-- A schedule in which every iteration is one move of both players.
local function together(name, overrides)
  return function(options)
    local given = check.options("schedule." .. name, options, {
      iterations = { type = "integer", min = 1, required = true },
    })
    return named(("%s{iterations=%d}"):format(name, given.iterations), function(game)
      game.planned = given.iterations
      while game.iteration < given.iterations do
        game:both(overrides)
        game:next()
      end
    end)
  end
end

--- Both players move at once in every iteration: both gradients are taken at the same point.
---@type fun(options: { iterations: integer }): function
schedule.simultaneous = together("simultaneous")

--- Both players look one step ahead in every iteration, and step along the gradients there (Gidel 2019).
---@type fun(options: { iterations: integer }): function
schedule.extragradient = together("extragradient", { extragradient = true })

--- One stretch after another, each with its own moves; a player that is not named rests. `iterations` is each
--- stretch's own length.
---@param list { discriminator: integer?, generator: integer?, iterations: integer }[]
function schedule.phases(list)
  if type(list) ~= "table" or #list == 0 then
    check.fail("schedule.phases: wanted a list of phases, got %s", check.describe(list))
  end
  local phases, texts, total = {}, {}, 0
  for i, phase in ipairs(list) do
    phases[i] = stretch(("schedule.phases: phase %d"):format(i), phase, 0)
    texts[i] = moves_text(phases[i])
    total = total + phases[i].iterations
  end
  return named(("phases{%s}"):format(table.concat(texts, ", ")), function(game)
    game.planned = total
    local last = 0
    for _, phase in ipairs(phases) do
      last = last + phase.iterations
      play(game, phase, last)
    end
  end)
end

return schedule
