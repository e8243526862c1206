--- What a viewer may have a run do between two moves, and what it answers. What is asked comes from outside: everything
-- is checked. Random numbers are drawn from streams that the game does not draw from.

local adjusting = require "ganlua.adjusting"
local check = require "ganlua.check"
local core = require "ganlua.core"
local labels = require "ganlua.labels"
local look = require "ganlua.look"
local streams = require "ganlua.streams"

local commands = {}

local most_samples = 64

---- Base64 (RFC 4648) -----------------------------------------------------------------------------------------------

local digits = {}
for i, range in ipairs { { "A", "Z" }, { "a", "z" }, { "0", "9" } } do
  for byte = range[1]:byte(), range[2]:byte() do digits[#digits + 1] = string.char(byte) end
  assert(#digits == ({ 26, 52, 62 })[i])
end
digits[63], digits[64] = "+", "/"

--- Bytes as text.
---@param bytes string
---@return string
function commands.base64(bytes)
  local parts = {}
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local n = a << 16 | (b or 0) << 8 | (c or 0)
    parts[#parts + 1] = digits[(n >> 18) + 1] .. digits[(n >> 12 & 63) + 1]
      .. (b and digits[(n >> 6 & 63) + 1] or "=") .. (c and digits[(n & 63) + 1] or "=")
  end
  return table.concat(parts)
end

---- Checking --------------------------------------------------------------------------------------------------------

local function whole(name, value, low, high)
  local number = math.tointeger(value)
  if not number or number < low or number > high then
    check.fail("%s must be a whole number from %d to %d, got %s", name, low, high, check.describe(value))
  end
  return number
end

-- A list of lists of `size` finite numbers, as a tensor.
local function latents(value, size)
  if type(value) ~= "table" or #value < 1 or #value > most_samples then
    check.fail("latents must be 1 to %d lists of numbers", most_samples)
  end
  local rows = {}
  for i, row in ipairs(value) do
    if type(row) ~= "table" or size and #row ~= size or #row < 1 or #row > 1 << 16 then
      check.fail("latents: list %d must hold %s numbers", i, size or "some")
    end
    rows[i] = {}
    for j = 1, #row do
      if type(row[j]) ~= "number" or row[j] - row[j] ~= 0 then
        check.fail("latents: list %d holds no number at %d", i, j)
      end
      rows[i][j] = row[j]
    end
  end
  return core.tensor(rows)
end

-- What an answer has of samples: a picture, or the numbers.
local function shown(samples, columns)
  local bytes = look.png(samples, columns)
  return bytes and { png = commands.base64(bytes) } or { values = samples:totable() }
end

---- The commands ----------------------------------------------------------------------------------------------------

local does = {}

--- { do="sample", latents={{...}, ...}?, count=8, label=? }
function does.sample(run, asked, number)
  local given = run.options
  local z = asked.latents and latents(asked.latents, given.latent_text)
  local n = z and z:shape()[1] or whole("count", asked.count or 8, 1, most_samples)
  local label, plan = asked.label, given.labels
  if label ~= nil and not plan then check.fail("label: the generator looks at no labels") end
  return streams.with(given.seed, streams.number("sample", number), function()
    z = z or given.latent(n)
    local classes = plan and labels.chosen(plan, "label", n, label)
    return shown(core.no_grad(run.generate, run, z, classes), 8)
  end)
end

--- { do="interpolate", from=seed, to=seed, steps=8 }
function does.interpolate(run, asked)
  local given = run.options
  local steps = whole("steps", asked.steps or 8, 2, most_samples)
  local function latent(name)
    local part = whole(name, asked[name], 0, 1 << 30)
    return streams.with(given.seed, streams.number("sample", part), given.latent, 1)
  end
  local from, to = latent "from", latent "to"
  local plan = given.labels
  local label = plan and streams.with(given.seed, streams.number "sample", labels.draw, plan, 1):item()
  local samples = require("ganlua.image.interpolate")(run.ema or run.generator, from, to,
    { steps = steps, label = label and math.tointeger(label) })
  return shown(samples, steps)
end

--- { do="set", name=, value= }
function does.set(run, asked)
  adjusting.by_hand(run, asked.name, asked.value)
  return {}
end

--- Does what was asked; the fields of the answer. Raises where that cannot be.
---@param run ganlua.trainer
---@param asked table decoded JSON
---@param number integer of the command
---@return table
function commands.answer(run, asked, number)
  local command = does[asked["do"]]
  if not command then check.fail("there is no command %s", check.describe(asked["do"])) end
  return command(run, asked, number)
end

return commands
