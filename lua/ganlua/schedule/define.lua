--- What the built-in schedules share: their words, their lengths, and where one begins that is part of another.

local defining = {}

-- What each schedule that was made here is, in words: "alternate{discriminator=1, generator=1, iterations=5000}"; and
-- how many iterations it takes, where that is known.
local names = setmetatable({}, { __mode = "k" })
local lengths = setmetatable({}, { __mode = "k" })

--- Gives a schedule its words, and its length where that is known.
---@param text string
---@param length integer?
---@param play function
---@return function play
function defining.named(text, length, play)
  names[play], lengths[play] = text, length
  return play
end

--- A schedule in words; a function of the user's own by its place in the script.
---@param play function
---@return string
function defining.describe(play)
  local where = debug.getinfo(play, "S")
  return names[play] or ("function at %s:%d"):format(where.short_src, where.linedefined)
end

--- How many iterations a schedule takes; nil where that is not known.
---@param play function
---@return integer?
function defining.length(play)
  return lengths[play]
end

--- The iteration that a schedule begins at. The outermost one, which is not told, says how long the game will be.
---@param game ganlua.game
---@param from integer?
---@param length integer?
---@return integer
function defining.begin(game, from, length)
  if from then return from end
  game.planned = length
  return 0
end

return defining
