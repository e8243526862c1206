--- gan.curve: numbers that change during a run. Wherever an option is called a number or a curve, one of these may
-- stand, or a function(t) that returns a number:
--
--     optimizer = { generator = gan.optim.adam{ lr = gan.curve.cosine{from=1e-3, to=0, over=20000} } }
--     noise = function(t) return 0.5 * 0.999 ^ t end
--
-- t counts the moves that the player has made before this one, from 0. With by = "iteration" a curve counts
-- iterations instead.

local check = require "ganlua.check"
local core = require "ganlua.core"

local curve = {}

---@class ganlua.curve
---@field by string "move" or "iteration"

--- What t is at one moment.
---@class ganlua.clock
---@field move integer moves that the player made before
---@field iteration integer iterations that were closed before

local metatable = { __name = "ganlua.curve" }
function metatable.__call(self, t) return self.value(t) end
function metatable.__tostring(self) return self.text end

local function is_object(value)
  local found = type(value) == "table" and getmetatable(value)
  return found and found.__name == metatable.__name or false
end

--- Whether a value may stand where a number or a curve is wanted; numbers are not looked at further.
---@param value any
---@return boolean
function curve.is(value)
  return type(value) == "number" and value == value or type(value) == "function" or is_object(value)
end

local function within(row, number)
  return (not row.min or number >= row.min) and (not row.above or number > row.above)
    and (not row.max or number <= row.max) and (not row.below or number < row.below)
end

--- An option's row for check.options: a number within the row's bounds, or a curve. The row's field `curve` is what
--- curve.at takes, so that a curve stays within them too.
---@param row ganlua.option
---@return ganlua.option
function curve.option(row)
  local bounds = {}
  for _, bound in ipairs { { ">=", "min" }, { ">", "above" }, { "<=", "max" }, { "<", "below" } } do
    if row[bound[2]] then bounds[#bounds + 1] = ("%s %g"):format(bound[1], row[bound[2]]) end
  end
  local wanted = #bounds > 0 and "a number " .. table.concat(bounds, " and ") or "a number"
  return {
    curve = { row = row, wanted = wanted },
    default = row.default,
    required = row.required,
    wanted = wanted .. " or a curve",
    is = function(value)
      return curve.is(value) and (type(value) ~= "number" or within(row, value))
    end,
  }
end

--- The number that an option is at a moment.
---@param value number|function|ganlua.curve
---@param clock ganlua.clock
---@param what string how messages call it, e.g. "lr"
---@param bounds? table the field `curve` of its row
---@return number
function curve.at(value, clock, what, bounds)
  if type(value) == "number" then return value end
  local t = type(value) == "table" and value.by == "iteration" and clock.iteration or clock.move
  local number = value(t)
  if type(number) ~= "number" or number - number ~= 0 or bounds and not within(bounds.row, number) then
    check.fail("%s: the curve must give %s, at t = %d it gave %s", what, bounds and bounds.wanted or "a number", t,
      check.describe(number))
  end
  return number
end

-- A number, or another curve, after t moves of this one.
local function at_t(value, t)
  return type(value) == "number" and value or value(t)
end

-- The constructor of a kind of curve. `rows` are its options, make(options) gives the function of t.
local function kind(name, rows, make)
  rows.by = { type = "string", choices = { "move", "iteration" }, default = "move" }
  return function(options)
    local o = check.options("curve." .. name, options, rows)
    local texts = {}
    for key, value in pairs(o) do
      if value ~= rows[key].default and type(value) ~= "table" then
        texts[#texts + 1] = ("%s=%s"):format(key, type(value) == "number" and ("%g"):format(value) or tostring(value))
      elseif is_object(value) then
        texts[#texts + 1] = ("%s=%s"):format(key, tostring(value))
      elseif type(value) == "table" then
        texts[#texts + 1] = ("%s={%s}"):format(key, table.concat(value, ", "))
      end
    end
    table.sort(texts)
    return setmetatable({
      by = o.by, value = make(o), text = ("%s{%s}"):format(name, table.concat(texts, ", ")),
    }, metatable)
  end
end

local number = { type = "number", required = true }
local length = { type = "number", above = 0, required = true }

local constant = kind("constant", { value = number }, function(o)
  return function() return o.value end
end)

--- constant(v), or constant{value=}: the same number always.
---@param value number|table
---@return ganlua.curve
function curve.constant(value)
  return constant(type(value) == "number" and { value = value } or value)
end

--- linear{from=, to=, over=}: straight from one number to the other in `over` moves, then stays there.
---@type fun(options: { from: number, to: number, over: number, by: string? }): ganlua.curve
curve.linear = kind("linear", { from = number, to = number, over = length }, function(o)
  return function(t) return o.from + (o.to - o.from) * math.min(t / o.over, 1) end
end)

--- cosine{from=, to=0, over=}: half a cosine from one number to the other, flat at both ends, then stays there.
---@type fun(options: { from: number, to: number?, over: number, by: string? }): ganlua.curve
curve.cosine = kind("cosine", { from = number, to = { type = "number", default = 0 }, over = length }, function(o)
  return function(t)
    return o.to + (o.from - o.to) * (1 + math.cos(math.pi * math.min(t / o.over, 1))) / 2
  end
end)

--- warmup{to=, over=}: straight up from 0 in `over` moves; `to` may be a curve, which is scaled while it warms up.
---@type fun(options: { to: number|function|ganlua.curve, over: number, by: string? }): ganlua.curve
curve.warmup = kind("warmup", { to = curve.option { required = true }, over = length }, function(o)
  return function(t) return at_t(o.to, t) * math.min((t + 1) / o.over, 1) end
end)

local function is_rising_list(value)
  if type(value) ~= "table" or #value == 0 then return false end
  for i, t in ipairs(value) do
    if type(t) ~= "number" or t ~= t or i > 1 and t <= value[i - 1] then return false end
  end
  return true
end

--- steps{from=, at={t1, t2, ...}, factor=0.1}: is multiplied by the factor at each of these moves.
---@type fun(options: { from: number, at: number[], factor: number?, by: string? }): ganlua.curve
curve.steps = kind("steps", {
  from = number,
  at = { is = is_rising_list, wanted = "a list of rising numbers", required = true },
  factor = { type = "number", default = 0.1 },
}, function(o)
  return function(t)
    local value = o.from
    for _, place in ipairs(o.at) do
      if t >= place then value = value * o.factor end
    end
    return value
  end
end)

--- exponential{from=, half_life=, to=0}: halves its distance from `to` in each half_life moves.
---@type fun(options: { from: number, half_life: number, to: number?, by: string? }): ganlua.curve
curve.exponential = kind("exponential", {
  from = number, half_life = length, to = { type = "number", default = 0 },
}, function(o)
  return function(t) return o.to + (o.from - o.to) * 0.5 ^ (t / o.half_life) end
end)

--- Values of a curve as a tensor, from t = 0 on: to look at, or to plot.
---@param value number|function|ganlua.curve
---@param count integer
---@return ganlua.tensor
function curve.values(value, count)
  if not curve.is(value) then check.fail("curve.values: wanted a curve, got %s", check.describe(value)) end
  local list = {}
  for t = 0, count - 1 do list[t + 1] = curve.at(value, { move = t, iteration = t }, "curve.values") end
  return core.tensor(list)
end

return curve
