--- What gan.train takes of several discriminators and of data that differ from rank to rank: see roles.lua.

local check = require "ganlua.check"
local growth = require "ganlua.growth"
local nn_module = require "ganlua.nn.module"
local ranks = require "ganlua.ranks"

local cast = {}

--- Whether a value is a module, or a list of such.
function cast.is_discriminator(value)
  if nn_module.is(value) then return true end
  if type(value) ~= "table" or getmetatable(value) or #value == 0 then return false end
  for place, module in pairs(value) do
    if math.type(place) ~= "integer" or not nn_module.is(module) then return false end
  end
  return true
end

--- The discriminators of gan.dist.split: a list, or copies of one. Nil without it.
function cast.discriminators(given)
  local list, split = given.discriminator, given.ranks and given.ranks.kind == "split"
  local one = nn_module.is(list)
  if not split and not one then
    check.fail("train: option 'discriminator' is a list: several discriminators need ranks = gan.dist.split{...}")
  elseif not split then
    return nil
  end
  local count = #given.ranks.discriminator
  if one then
    list = { list }
    for place = 2, count do list[place] = list[1]:clone() end
  elseif #list ~= count then
    check.fail("train: option 'discriminator' is a list of %d, gan.dist.split has ranks for %d", #list, count)
  end
  return table.move(list, 1, count, 1, {})
end

--- What only built networks show: none grows, and those that are averaged are alike, and begin alike.
function cast.check(given)
  local list = given.discriminators or {}
  for _, network in ipairs { given.generator, table.unpack(list) } do
    if growth.of(network) and #list > 0 then
      check.fail("train: networks that grow do not go with ranks = gan.dist.split")
    end
  end
  for place = 2, given.ranks.average and #list or 0 do
    local fits = pcall(list[place].load_state, list[place], list[1]:state())
    if not fits then check.fail("train: discriminators whose weights are averaged must be of the same layers") end
  end
end

---- In config.lua ------------------------------------------------------------------------------------------------

--- What an object prints, without the address that a plain table prints.
function cast.printed(value)
  return (tostring(value):gsub("^table: 0x%x+$", "a table"))
end

--- The data as they print; under gan.dist.split and federated those of the ranks that read them, where they differ.
function cast.data_text(given)
  local own = cast.printed(given.data)
  if not given.ranks then return own end
  local all, list, alike = ranks.gather(own), {}, true
  if ranks.many() and given.ranks.kind == "split" then
    for place, rank in ipairs(given.ranks.discriminator) do list[place] = all[rank + 1] end
  else
    list = all
  end
  for _, text in ipairs(list) do alike = alike and text == list[1] end
  return alike and list[1] or list
end

--- Discriminators as they print: one where all are the same.
function cast.discriminator_text(given)
  local texts, alike = {}, true
  for place, module in ipairs(given.discriminators or { given.discriminator }) do
    texts[place] = tostring(module)
    alike = alike and texts[place] == texts[1]
  end
  return alike and texts[1] or texts
end

return cast
