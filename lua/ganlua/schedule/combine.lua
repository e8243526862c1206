--- Schedules made of schedules: one after another, one until something holds, one with the loss switched on the way.
-- Each is a function that plays the game, and may be part of the next.

local check = require "ganlua.check"
local core = require "ganlua.core"
local defining = require "ganlua.schedule.define"
local move_options = require "ganlua.move_options"

local combine = {}

local begin, describe, length, named = defining.begin, defining.describe, defining.length, defining.named
local loss = move_options.rows.loss

--- One schedule after another; a table among them is what game:set is told at that point:
---
---     gan.schedule.sequence{ gan.schedule.alternate{ iterations = 1000 }, { loss = gan.loss.hinge{} },
---       gan.schedule.simultaneous{ iterations = 4000 } }
---@param list (function|table)[]
function combine.sequence(list)
  if type(list) ~= "table" or #list == 0 then
    check.fail("schedule.sequence: wanted a list of schedules, got %s", check.describe(list))
  end
  local texts, total = {}, 0
  for i, stage in ipairs(list) do
    if type(stage) ~= "table" and type(stage) ~= "function" then
      check.fail("schedule.sequence: stage %d must be a schedule or a table for game:set, got %s", i,
        check.describe(stage))
    end
    if type(stage) == "function" then
      texts[#texts + 1] = describe(stage)
      total = total and length(stage) and total + length(stage)
    else
      local keys = {}
      for key in pairs(stage) do keys[#keys + 1] = tostring(key) end
      table.sort(keys)
      texts[#texts + 1] = ("set{%s}"):format(table.concat(keys, ", "))
    end
  end
  return named(("sequence{%s}"):format(table.concat(texts, ", ")), total or nil, function(game, from)
    from = begin(game, from, total or nil)
    for _, stage in ipairs(list) do
      if type(stage) == "table" then
        game:set(stage)
      else
        stage(game, from)
        from = length(stage) and from + length(stage) or game.iteration
      end
    end
  end)
end

-- The same game to a schedule; whenever that closes an iteration, `look` hears what each player's last move returned.
-- `before`, if given, is called before everything that the schedule asks of the game.
local function watched(game, look, before)
  local last = {}
  local function next_iteration()
    if before then before() end
    for name, measured in pairs(game.latest) do last[name] = measured end
    game:next()
    look(last.discriminator, last.generator)
  end
  local function field(_, key)
    before()
    return game[key]
  end
  return setmetatable({ next = next_iteration }, { __index = before and field or game, __newindex = game })
end

-- An error of a schedule that plays in a coroutine of its own, with the way there through the script: whoever catches
-- it outside would not see it. It is the same way in a replay.
local function told_from(inner, game, problem)
  if type(problem) ~= "string" or game.recorder.problem ~= nil then return problem end
  local lines = {}
  for line in debug.traceback(inner):gmatch "\n(\t[^\n]+)" do
    if not line:find "^\t%[C%]" and not line:find "^\tganlua/" then lines[#lines + 1] = line end
  end
  if #lines == 0 then return problem end
  return game.recorder:reworded(problem, ("%s\nin the schedule of stop_when:\n%s"):format(problem,
    table.concat(lines, "\n")))
end

--- Plays a schedule until a condition holds, at the end of an iteration. condition(game, d, g) is told what the last
--- move of each player returned (nil before its first):
---
---     gan.schedule.stop_when(function(_, d) return d.accuracy > 0.95 end,
---       gan.schedule.alternate{ generator = 0, iterations = 500 })
---@param condition fun(game: ganlua.game, d: table?, g: table?): any
---@param play function
function combine.stop_when(condition, play)
  if type(condition) ~= "function" or type(play) ~= "function" then
    check.fail("schedule.stop_when: wanted a function and a schedule, got %s and %s", check.describe(condition),
      check.describe(play))
  end
  return named(("stop_when(%s, %s)"):format(describe(condition), describe(play)), nil,
    function(game, from)
      from = begin(game, from, length(play))
      -- The schedule is left where it stands. From a coroutine of its own this takes an error, which is raised again
      -- by whatever it says to the game after having caught it.
      local inner, over
      local the_end = setmetatable({}, { __tostring = function() return "stop_when: the condition holds" end })
      local function leave_if_over()
        if not over then return end
        if coroutine.running() == inner then coroutine.yield(the_end) end
        error(the_end, 0)
      end
      local function look(d, g)
        over = condition(game, d, g)
        leave_if_over()
      end
      inner = coroutine.create(function() play(watched(game, look, leave_if_over), from) end)
      if core.passes_moves then core.passes_moves(inner) end

      local yielded
      local answer = table.pack()
      repeat
        yielded = table.pack(coroutine.resume(inner, table.unpack(answer, 1, answer.n)))
        local ended = yielded[2] == the_end or coroutine.status(inner) == "dead"
        -- What else is yielded is for whoever plays the whole run: a program that plays one move at a time, say.
        if not ended then answer = table.pack(coroutine.yield(table.unpack(yielded, 2, yielded.n))) end
      until ended
      local fine, problem = yielded[1], yielded[2]
      if not fine and problem ~= the_end then problem = told_from(inner, game, problem) end
      coroutine.close(inner)
      if not fine and problem ~= the_end then error(problem, 0) end
    end)
end

--- Plays a schedule, and switches the loss on the way: each switch in its turn, `at` an iteration of the schedule, or
--- `when` a condition holds (as in stop_when).
---
---     gan.schedule.switch_loss{ schedule = gan.schedule.alternate{ iterations = 5000 },
---       { at = 1000, loss = gan.loss.hinge{} }, { when = function(_, d) return d.loss < 0.1 end, loss = ... } }
---@param options table
function combine.switch_loss(options)
  if type(options) ~= "table" then
    check.fail("schedule.switch_loss: wanted {schedule = ..., {at = ..., loss = ...}}, got %s", check.describe(options))
  end
  local switches, texts, rest = {}, {}, {}
  for key, value in pairs(options) do
    if math.type(key) ~= "integer" then rest[key] = value end
  end
  local play = check.options("schedule.switch_loss", rest, {
    schedule = { type = "function", wanted = "a schedule, such as gan.schedule.alternate{...}", required = true },
  }).schedule
  for i, given in ipairs(options) do
    local where = ("schedule.switch_loss: switch %d"):format(i)
    switches[i] = check.options(where, given, {
      at = { type = "integer", min = 0 },
      when = { type = "function" },
      loss = { is = loss.is, wanted = loss.wanted, required = true },
    })
    if (switches[i].at == nil) == (switches[i].when == nil) then
      check.fail("%s: wanted either 'at' or 'when'", where)
    end
    texts[i] = ("{%s=%s, loss=%s}"):format(switches[i].at and "at" or "when",
      switches[i].at or describe(switches[i].when), tostring(given.loss):gsub("^table: 0x%x+$", "a table"))
  end
  if #switches == 0 then check.fail("schedule.switch_loss: no switch is given: { at = 1000, loss = ... }") end
  local text = ("switch_loss{%s, schedule=%s}"):format(table.concat(texts, ", "), describe(play))
  return named(text, length(play), function(game, from)
    from = begin(game, from, length(play))
    local turn = 1
    local function look(d, g)
      local switch = switches[turn]
      if not switch then return end
      if switch.at and game.iteration - from >= switch.at or switch.when and switch.when(game, d, g) then
        game:set { loss = switch.loss }
        turn = turn + 1
        if switches[turn] and switches[turn].at then look(d, g) end
      end
    end
    if switches[1].at then look() end
    play(watched(game, look), from)
  end)
end

return combine
