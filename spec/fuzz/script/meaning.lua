-- Arguments as they might be meant: kinds as the catalogue has them, options as the functions' own errors name them;
-- now and then something else.

local core = require "ganlua.core"
local gan = require "ganlua"
local nn = gan.nn

local folder = debug.getinfo(1, "S").source:match "^@(.*/)"
local callable = dofile(folder .. "callable.lua")

local meaning = { callable = callable }

-- The kinds of an op's arguments, and the options of a function that takes some: those it cannot do without, too.
local kinds, options, required = {}, {}, {}
for _, op in ipairs(core.catalogue()) do
  local list = {}
  for kind, default in op.arguments:gmatch ":([%a?]+)(=?)" do
    list[#list + 1] = { kind = kind, needed = default == "" }
  end
  kinds["core." .. op.name], kinds["gan." .. op.name] = list, list
  kinds[":" .. op.name] = { table.unpack(list, 2) }
end
for _, one in ipairs(callable) do
  local _, message = pcall(one.call, { ["?"] = 1 })
  local known = tostring(message):match "unknown option '%?' %(known: ([^)]*)%)"
  if known then
    options[one.path] = {}
    for name in known:gmatch "[%w_]+" do table.insert(options[one.path], name) end
    local given = {}
    repeat
      local _, wanted = pcall(one.call, given)
      local missing = tostring(wanted):match "option '([%w_]+)' is required"
      if missing then given[missing] = 2 end
    until not missing
    required[one.path] = given
  end
end

local function network(out) return nn.sequential { nn.linear { out = 4 }, nn.relu {}, nn.linear { out = out or 2 } } end

-- What an option of this name usually is.
local usual = {
  data = function() return gan.data.ring {} end, generator = function() return network() end,
  discriminator = function() return network(1) end, network = function() return network() end,
  loss = function() return gan.loss.hinge {} end, progress = function() return false end,
  out = function(byte) return 1 + byte % 4 end, latent = function() return 2 end,
  series = function()
    return { { name = "a", x = { 1, 2 }, y = { 2, 1 }, points = core.ones(2, 2), values = { 1 } } }
  end,
  columns = function() return { "a", "b" } end,
  schedule = function() return gan.schedule.alternate { iterations = 2 } end,
  iterations = function(byte) return byte % 4 end, real = function() return core.randn(8, 2) end,
  stages = function() return { 1, 2 } end, betas = function() return { 0.5, 0.9 } end,
  size = function(byte) return 4 << byte % 3 end, values = function() return { 1, 2 } end,
  on_real = function() return function(r) return r end end, on_fake = function() return function(f) return f end end,
  on_gen = function() return function(f) return -f end end, names = function() return { "a", "b" } end,
}

--- What makes lists of arguments for a function's path, out of a program's bytes.
---@param byte fun(): integer the next one
---@param anything fun(): any an argument of any kind
---@return fun(path: string): table?
function meaning.reader(byte, anything)
  -- Most tensors of a call have the same rank, and all sizes are 2: they fit each other more often than not.
  local rank
  local function tensor()
    local kind = byte()
    if kind < 24 then return anything() end
    if kind < 40 then return byte() / 16 - 8 end
    local shape = {}
    for i = 1, kind < 70 and byte() % 5 or rank do shape[i] = 2 end
    return core.randn(shape)
  end

  local fitting = {
    tensor = tensor, ["tensor?"] = tensor, flag = function() return byte() % 2 == 0 end,
    number = function() return byte() / 64 - 1 end, integer = function() return byte() % 5 end,
    axis = function() return 1 + byte() % math.max(rank, 1) end, place = function() return 1 + byte() % 2 end,
    axes = function() return byte() % 2 == 0 and { 1 + byte() % math.max(rank, 1) } or nil end,
    indices = function() return { 1 + byte() % 2, 1 } end, tensors = function() return { tensor(), tensor() } end,
    shape = function()
      local shape = {}
      for i = 1, rank do shape[i] = 2 end
      return shape
    end,
    order = function()
      local order, first = {}, byte()
      for i = 1, rank do order[i] = (first + i) % rank + 1 end
      return order
    end,
  }

  local function fitting_list(list)
    local made = { n = 0 }
    rank = byte() % 5
    for i, one in ipairs(list) do
      if not one.needed and byte() % 3 == 0 then break end
      made.n = i
      made[i] = byte() < 12 and anything() or fitting[one.kind]()
    end
    return made
  end

  local function one_meant()
    local kind = byte()
    if kind < 150 then return tensor() end
    if kind < 180 then return network() end
    if kind < 195 then return byte() % 5 end
    if kind < 210 then return { tensor(), tensor() } end
    if kind < 220 then return { network(), nn.relu {} } end
    if kind < 230 then return "fuzzed" end
    return anything()
  end

  local function options_of(path)
    local made = {}
    for _, name in ipairs(options[path]) do
      local value = byte()
      if value > 130 and required[path][name] then value = value - 130 end
      if value < 110 and usual[name] then
        made[name] = usual[name](byte())
      elseif value < 90 then
        made[name] = 1 + byte() % 4
      elseif value < 120 then
        made[name] = byte() / 256
      elseif value < 130 then
        made[name] = anything()
      end
    end
    return made
  end

  local function meant_list(path)
    local n = 1 + byte() % 3
    rank = 1 + byte() % 4
    if options[path] and byte() < 200 then n = 1 end
    local made = { n = n }
    for i = 1, n do made[i] = i == n and options[path] and options_of(path) or one_meant() end
    return made
  end

  -- A list of arguments, its length n in it, for the function of a path; nil for a method (":add") that is no op.
  return function(path)
    if kinds[path] then return fitting_list(kinds[path]) end
    if path:sub(1, 1) ~= ":" then return meant_list(path) end
  end
end

return meaning
