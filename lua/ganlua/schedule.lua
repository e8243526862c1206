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
--
-- Where one schedule is part of another (sequence, stop_when, switch_loss), it is called with a second argument: the
-- iteration that it begins at. These here count their iterations from there.
--
-- The textbook's game, "the discriminator for a while, then the generator for a while, then both together", is
--
--     gan.schedule.phases{ {discriminator=1, iterations=500}, {generator=1, iterations=500},
--       {discriminator=1, generator=1, iterations=20000} }
--
-- Two time scales (TTUR, Heusel 2017) and a warm-up are matters of the optimisers:
--
--     optimizer = { discriminator = gan.optim.adam{ lr = 4e-4 }, generator = gan.optim.adam{ lr = 1e-4 } }
--     optimizer = { generator = gan.optim.adam{ lr = gan.curve.warmup{ to = 2e-4, over = 500 } } }

local check = require "ganlua.check"
local combine = require "ganlua.schedule.combine"
local curve = require "ganlua.curve"
local defining = require "ganlua.schedule.define"

local schedule = {
  describe = defining.describe,
  sequence = combine.sequence, stop_when = combine.stop_when, switch_loss = combine.switch_loss,
}

local begin, named = defining.begin, defining.named

---- The same moves again and again -------------------------------------------------------------------------------

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
  return named("alternate" .. moves_text(moves), moves.iterations, function(game, from)
    from = begin(game, from, moves.iterations)
    play(game, moves, from + moves.iterations)
  end)
end

-- A schedule in which every iteration is one move of both players.
local function together(name, overrides)
  return function(options)
    local given = check.options("schedule." .. name, options, {
      iterations = { type = "integer", min = 1, required = true },
    })
    return named(("%s{iterations=%d}"):format(name, given.iterations), given.iterations, function(game, from)
      from = begin(game, from, given.iterations)
      while game.iteration < from + given.iterations do
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
  return named(("phases{%s}"):format(table.concat(texts, ", ")), total, function(game, from)
    local last = begin(game, from, total)
    for _, phase in ipairs(phases) do
      last = last + phase.iterations
      play(game, phase, last)
    end
  end)
end

---- Decisions -----------------------------------------------------------------------------------------------------

--- Moves whoever is behind. Where the discriminator tells more than `high` of the samples apart it rests, where it
--- tells less than `low` apart the generator does; in between both move, D first. (A generator's move alone knows the
--- accuracy on generated samples.) Nobody rests for more than `patience` iterations on end.
---@param options { low: number?, high: number?, patience: integer?, iterations: integer } 0.6, 0.8 and 10
function schedule.balance(options)
  local o = check.options("schedule.balance", options, {
    low = { type = "number", min = 0, max = 1, default = 0.6 },
    high = { type = "number", min = 0, max = 1, default = 0.8 },
    patience = { type = "integer", min = 1, default = 10 },
    iterations = { type = "integer", min = 1, required = true },
  })
  if o.low > o.high then
    check.fail("schedule.balance: option 'low' must be at most high = %g, got %g", o.high, o.low)
  end
  local text = ("balance{high=%g, iterations=%d, low=%g, patience=%d}"):format(o.high, o.iterations, o.low, o.patience)
  return named(text, o.iterations, function(game, from)
    from = begin(game, from, o.iterations)
    local accuracy, d_rested, g_rested = o.low, 0, 0
    while game.iteration < from + o.iterations do
      local d_rests = accuracy > o.high and d_rested < o.patience
      local g_rests = accuracy < o.low and g_rested < o.patience
      d_rested, g_rested = d_rests and d_rested + 1 or 0, g_rests and g_rested + 1 or 0
      if not d_rests then accuracy = game:discriminator().accuracy end
      if not g_rests then
        local g = game:generator()
        if d_rests then accuracy = g.accuracy end
      end
      game:next()
    end
  end)
end

---- Growing -------------------------------------------------------------------------------------------------------

--- Networks that grow (gan.nn.growing_generator and growing_discriminator): `iterations` at each stage, a new one being
--- faded in over the first `fade` of them (half, unless said otherwise). Karras 2018.
---@param options { stages: integer, iterations: integer, fade: integer?, discriminator: integer?, generator: integer? }
function schedule.progressive(options)
  local o = check.options("schedule.progressive", options, {
    stages = { type = "integer", min = 1, required = true },
    iterations = { type = "integer", min = 1, required = true },
    fade = { type = "integer", min = 1 },
    discriminator = moves_option(1),
    generator = moves_option(1),
  })
  o.fade = o.fade or math.max(1, o.iterations // 2)
  local fade = curve.linear { from = 0, to = 1, over = o.fade, by = "iteration" }
  local text = ("progressive{fade=%d, iterations=%d, stages=%d}"):format(o.fade, o.iterations, o.stages)
  return named(text, o.stages * o.iterations, function(game, from)
    from = begin(game, from, o.stages * o.iterations)
    for stage = 1, o.stages do
      if stage > 1 then game:grow { to = stage, fade = fade } end
      play(game, o, from + stage * o.iterations)
    end
  end)
end

return schedule
