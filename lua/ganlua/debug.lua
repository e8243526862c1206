--- gan.debug: is what I wrote what I meant? Checks that answer in words.

local core = require "ganlua.core"
local check = require "ganlua.check"

local debug = {}

-- Scores for D's step, as of a D that has learned nothing: both sorts spread around 0.3; and for G's step, as of a D
-- that tells fakes: they lie around -0.3. So all lie between the targets that some losses have, 0 and 1 or -1, 0 and 1,
-- and off the round numbers where losses like to have their corners.
local usual_real = { -1.37, -0.83, -0.41, 0.07, 0.36, 0.77, 1.23, 1.71 }
local usual_fake = { 1.29, 0.88, 0.46, 0.13, -0.29, -0.74, -0.58, 1.62 }
local caught_fake = { -1.29, -0.88, -0.46, -0.13, 0.29, 0.74, 0.58, -1.62 }

-- Half the distance of the differences, and how far they may be off: what single precision allows for means of a few
-- numbers near 1.
local STEP <const> = 1 / 256
local ALLOWED <const> = 4e-3

---@class ganlua.loss_check
---@field ok boolean
---@field name string
---@field findings { ok: boolean, text: string }[]
---@field worst number how far the slopes were off finite differences, relative to the largest
local Verdict = { __name = "ganlua.loss_check" }

function Verdict:__tostring()
  local lines = { ("%s: %s"):format(self.name, self.ok and "sound" or "NOT sound") }
  for _, finding in ipairs(self.findings) do
    lines[#lines + 1] = ("  %s  %s"):format(finding.ok and "ok   " or "WRONG", finding.text)
  end
  return table.concat(lines, "\n")
end

-- The mean of finite numbers of a list.
local function mean(list)
  local sum = 0
  for _, value in ipairs(list) do sum = sum + value end
  return sum / #list
end

-- What f gives with one score moved.
local function value_at(f, list, place, by)
  local moved = table.move(list, 1, #list, 1, {})
  moved[place] = moved[place] + by
  return core.no_grad(f, core.tensor(moved)):item()
end

-- The slopes of f at a list of scores, and how far finite differences are from them. At a corner any slope between
-- those of its two sides is right.
local function slopes(f, list)
  local x = core.tensor(list)
  local y = f(x)
  if not core.is_tensor(y) or y:numel() ~= 1 then
    error(("returned %s instead of one number (is a mean missing?)"):format(check.describe(y)), 0)
  end
  local found = core.grad(y, { x }, { unused = "zero" })[1]:totable()
  local here, largest, off = y:item(), 0, 0
  for place, slope in ipairs(found) do
    local before, after = value_at(f, list, place, -STEP), value_at(f, list, place, STEP)
    local left, right, central = (here - before) / STEP, (after - here) / STEP, (after - before) / (2 * STEP)
    local low, high = math.min(left, right), math.max(left, right)
    local distance = math.max(low - slope, slope - high, 0)
    if high - low < 0.1 * math.max(math.abs(low), math.abs(high)) then distance = math.abs(slope - central) end
    if distance ~= distance then distance = math.huge end
    largest = math.max(largest, math.abs(slope), math.abs(central))
    off = math.max(off, distance)
  end
  return found, off / math.max(largest, 1e-3)
end

-- How many slopes would move their score the other way than wanted, in words; "" for none.
local function against(list, wanted)
  local count = 0
  for _, slope in ipairs(list) do
    if -slope * wanted < 0 then count = count + 1 end
  end
  return count == 0 and "" or ("; %d of %d single scores the other way"):format(count, #list)
end

-- What a step down the slopes does to scores, and whether it is what the game wants (1: raise, -1: lower).
local function direction(self, player, what, list, wanted)
  local move = -mean(list)
  local found = move > 0 and "raises" or move < 0 and "lowers" or "does not move"
  local ok = move * wanted > 0
  local text = ("a step on %s %s %s scores"):format(player, found, what)
  if not ok then
    text = text .. (", and should %s them%s"):format(wanted > 0 and "raise" or "lower",
      move == 0 and "" or ": is a sign wrong?")
  end
  table.insert(self.findings, { ok = ok, text = text .. (ok and against(list, wanted) or "") })
end

-- Slopes of f against finite differences; nil where there are none.
local function differences(self, what, f, list)
  local ok, found, off = pcall(slopes, f, list)
  if not ok then
    table.insert(self.findings, { ok = false, text = ("%s: %s"):format(what, tostring(found)) })
    return nil
  end
  self.worst = math.max(self.worst, off)
  local text = off <= ALLOWED and "the slope of %s agrees with finite differences (off by %.1e)"
    or "the slope of %s is not that of its value: off by %.1e of the largest slope (is something detached?)"
  table.insert(self.findings, { ok = off <= ALLOWED, text = text:format(what, off) })
  return found
end

-- NaN at scores far out is wrong; an infinity may be the truth.
local function limits(self, loss)
  local far = core.tensor { -1e4, 1e4 }
  local bad, infinite = {}, {}
  for _, sides in ipairs { { far, far }, { far, -far }, { core.full({ 2 }, 1e4), core.full({ 2 }, -1e4) },
    { core.full({ 2 }, -1e4), core.full({ 2 }, 1e4) } } do
    for name, f in pairs { d = loss.d, g = function(real, fake) return loss.g(fake, real) end } do
      local ok, value = pcall(function() return core.no_grad(f, sides[1], sides[2]):item() end)
      bad[name] = bad[name] or not ok or value ~= value
      infinite[name] = infinite[name] or ok and math.abs(value) == math.huge or nil
    end
  end
  local names = {}
  for _, name in ipairs { "d", "g" } do
    if bad[name] then names[#names + 1] = name end
  end
  if #names > 0 then
    table.insert(self.findings, { ok = false,
      text = ("scores of +-10000 give NaN or an error in %s (softplus, not log(sigmoid))"):format(
        table.concat(names, " and ")) })
  else
    table.insert(self.findings, { ok = true, text = "scores of +-10000 give no NaN"
      .. (next(infinite) and ", but infinity" or "") })
  end
end

local rows = {
  real = { is = core.is_tensor, wanted = "a tensor of scores" },
  fake = { is = core.is_tensor, wanted = "a tensor of scores" },
  print = { type = "boolean", default = false },
}

--- check_loss(loss, {real=, fake=, print=false}): checks a loss, one's own above all. Its slopes against finite
-- differences; its signs: a step on D should raise real scores and lower fake ones, a step on G raise fake scores; and
-- scores far out, which must not give NaN. The result has ok and findings, and as a string is the verdict to read:
--   print(gan.debug.check_loss(mine))
-- real and fake are the scores to look at, for a loss that wants others than eight around 0 (probabilities, say: with
-- scores given, none far out are tried). An equal number of both is best.
---@param loss ganlua.loss|table anything with d(real, fake) and g(fake, real)
---@param options? { real: ganlua.tensor?, fake: ganlua.tensor?, print: boolean? }
---@return ganlua.loss_check
function debug.check_loss(loss, options)
  local given = check.options("check_loss", options, rows)
  if type(loss) ~= "table" or type(loss.d) ~= "function" or type(loss.g) ~= "function" then
    check.fail("check_loss: wanted a loss with functions d and g, got %s", check.describe(loss))
  end
  local real = given.real and given.real:reshape(-1):totable() or usual_real
  local fake = given.fake and given.fake:reshape(-1):totable() or usual_fake
  local caught = given.fake and fake or caught_fake
  local r, f = core.tensor(real), core.tensor(fake)
  local named = type(rawget(loss, "name")) == "string"
  local self = setmetatable({
    ok = true, findings = {}, worst = 0, name = named and getmetatable(loss) and tostring(loss) or loss.name or "loss",
  }, Verdict)

  local d_real = differences(self, "d in real scores", function(x) return loss.d(x, f) end, real)
  local d_fake = differences(self, "d in fake scores", function(x) return loss.d(r, x) end, fake)
  local g_fake = differences(self, "g in fake scores", function(x) return loss.g(x, r) end, caught)
  if d_real then direction(self, "D", "real", d_real, 1) end
  if d_fake then direction(self, "D", "fake", d_fake, -1) end
  if g_fake then direction(self, "G", "fake", g_fake, 1) end
  if not given.real and not given.fake then limits(self, loss) end

  for _, finding in ipairs(self.findings) do self.ok = self.ok and finding.ok end
  if given.print then print(tostring(self)) end
  return self
end

return debug
