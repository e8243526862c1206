--- gan.profile: where a function's time goes, by op and by layer.
--
-- While it runs, the engine's functions are replaced by ones that look at the clock, every layer notes that it is
-- called, and the walk of gradients is timed op by op. Otherwise nothing of this is there.

local core = require "ganlua.core"
local check = require "ganlua.check"
local module = require "ganlua.nn.module"

---@class ganlua.profile_row
---@field name string
---@field calls integer forward
---@field forward number seconds
---@field backward number seconds

---@class ganlua.profile
---@field total number seconds
---@field ops ganlua.profile_row[] the longest first
---@field layers ganlua.profile_row[] the innermost layer that a computation belongs to
---@field lua number seconds of the script itself and of the collector: what no op took
---@field results table what the function returned
---@field sums ganlua.profile_sums? what travelled to and from the other ranks under mpirun

--- The sums of gradients over the ranks, on this rank.
---@class ganlua.profile_sums
---@field buckets { sent: number, arrived: number, wanted: number, bytes: integer }[] each in seconds since f began:
--- when it was sent, when its sums had arrived, when the walk of gradients was through and waited for it
---@field bytes integer
---@field early integer how many buckets had arrived before the walk was through
---@field seconds number in which something was on its way
---@field hidden number of these, before the walk was through

local Profile = { __name = "ganlua.profile" }
Profile.__index = Profile

-- These call Lua, or are no computation.
local untimed = {
  no_grad = true, set_tag = true, profile_begin = true, profile_end = true, monotonic = true, is_tensor = true,
  catalogue = true, describe = true, note_sums = true,
}

-- The tables that hold the engine's functions: its own, the tensors' methods, their operators, and gan with its copies.
local function tables()
  local metatable = debug.getmetatable(core.zeros(0))
  local _, methods = debug.getupvalue(metatable.__index, 1)
  return { core, methods, metatable, package.loaded["ganlua"] }
end

-- Names that users know for operators.
local operators = {
  __add = "add", __sub = "sub", __mul = "mul", __div = "div", __pow = "pow", __unm = "neg",
}

local function row_of(rows, name)
  local row = rows[name]
  if not row then
    row = { name = name, calls = 0, forward = 0, backward = 0 }
    rows[name] = row
    rows[#rows + 1] = row
  end
  return row
end

local function root_of(layer)
  while layer.place do layer = layer.place.parent end
  return layer
end

-- Names the layers: each by its place in its network, and the network by its part in a game ("generator"); others are
-- counted where there are several.
local function name_layers(self)
  local numbers, count = {}, 0
  for _, row in ipairs(self.layers) do
    local root = root_of(row.layer)
    if not module.titles[root] and not numbers[root] then count, numbers[root] = count + 1, count + 1 end
  end
  for _, row in ipairs(self.layers) do
    local root = root_of(row.layer)
    local title = module.titles[root] or count > 1 and ("network %d"):format(numbers[root])
    row.name = (title and title .. ", " or "") .. row.layer:where()
    row.layer = nil
  end
end

-- Makes a function that calls f and adds its time to its op and to the layer that is being computed.
local function timed(self, name, f)
  local clock, row = self.clock, nil
  local function finish(since, ...)
    local seconds, layer = clock() - since, self.layers[self.tag]
    row = row or row_of(self.ops, name)
    row.calls, row.forward = row.calls + 1, row.forward + seconds
    if name ~= "grad" then layer.forward = layer.forward + seconds end -- its ops are told apart by core
    return ...
  end
  return function(...) return finish(clock(), f(...)) end
end

-- Puts timed functions in; the result closes to what was there.
local function instrument(self)
  local put_back = {}
  for _, owner in ipairs(tables()) do
    for key, f in next, owner do
      local name = operators[key] or key
      local wanted = type(f) == "function" and not untimed[key] and (operators[key] or key:sub(1, 2) ~= "__")
      if wanted and debug.getinfo(f, "S").what == "C" then put_back[#put_back + 1] = { owner, key, f, name } end
    end
  end
  for _, each in ipairs(put_back) do each[1][each[2]] = timed(self, each[4], each[3]) end
  local before = module.observe(function(layer, forward, x, ...)
    local tag = self.tag_of[layer]
    if not tag then
      tag = #self.layers + 1
      self.layers[tag] = { layer = layer, calls = 0, forward = 0, backward = 0 }
      self.tag_of[layer] = tag
    end
    local outside = self.tag
    self.tag = tag
    core.set_tag(tag)
    self.layers[tag].calls = self.layers[tag].calls + 1
    local y = forward(layer, x, ...)
    self.tag = outside
    core.set_tag(outside)
    return y
  end)
  core.profile_begin()
  core.note_sums(true)
  return setmetatable({}, { __close = function()
    for _, each in ipairs(put_back) do each[1][each[2]] = each[3] end
    module.observe(before)
    core.set_tag(0)
    self.gradients = core.profile_end()
    self.travels = core.note_sums(false)
  end })
end

-- What the walks of gradients took, out of the time of `grad`: what remains there is the walking itself.
local function add_gradients(self)
  for _, each in ipairs(self.gradients) do
    local row, layer = row_of(self.ops, each.op), self.layers[each.tag]
    row.backward, layer.backward = row.backward + each.seconds, layer.backward + each.seconds
    self.ops.grad.forward = self.ops.grad.forward - each.seconds
  end
end

-- What the sums over the ranks took. Buckets travel beside each other: a moment in which several do counts once.
local function sums_of(travels, since)
  local sums, done = { buckets = travels, bytes = 0, early = 0, seconds = 0, hidden = 0 }, -math.huge
  for _, each in ipairs(travels) do
    local start = math.max(each.sent, done)
    done = math.max(done, each.arrived)
    sums.bytes = sums.bytes + each.bytes
    sums.seconds = sums.seconds + done - math.min(start, done)
    sums.hidden = sums.hidden + math.max(math.min(done, each.wanted) - start, 0)
    if each.arrived <= each.wanted then sums.early = sums.early + 1 end
    for _, name in ipairs { "sent", "arrived", "wanted" } do each[name] = each[name] - since end
  end
  return sums
end

-- Of 12.3 ms of sums over the ranks, how much was hidden.
local function line_of_sums(sums)
  return ("\n\nsums over the ranks: %d buckets, %.1f MB, were on their way for %.2f ms, of which %.2f ms while "
    .. "gradients were still computed; %d had arrived by then"):format(#sums.buckets, sums.bytes / 1e6,
    sums.seconds * 1000, sums.hidden * 1000, sums.early)
end

local function longest_first(rows)
  table.sort(rows, function(a, b)
    local x, y = a.forward + a.backward, b.forward + b.backward
    return x > y or x == y and a.name < b.name
  end)
  return rows
end

-- Seconds of every row.
local function sum(rows)
  local total = 0
  for _, row in ipairs(rows) do total = total + row.forward + row.backward end
  return total
end

local function lines_of(self, title, rows)
  local lines = { ("%10s %10s %10s %8s  %s"):format("forward", "backward", "share", "calls", title) }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = ("%7.2f ms %7.2f ms %8.1f %% %8d  %s"):format(row.forward * 1000, row.backward * 1000,
      100 * (row.forward + row.backward) / self.total, row.calls, row.name)
  end
  return table.concat(lines, "\n")
end

function Profile:__tostring()
  return ("%.2f ms in all, of which %.2f ms (%.1f %%) in no op: the script and the collector\n\n%s\n\n%s"):format(
    self.total * 1000, self.lua * 1000, 100 * self.lua / self.total, lines_of(self, "op", self.ops),
    lines_of(self, "layer", self.layers)) .. (self.sums and line_of_sums(self.sums) or "")
end

--- Runs f(...) and returns where its time went: print(gan.profile(f)) shows it, by op and by layer. Backward is the
--- time of an op's gradient, and belongs to the layer that the op was called in. Timing costs a few percent while f
--- runs, and nothing before and after.
---@param f function
---@return ganlua.profile
return function(f, ...)
  if type(f) ~= "function" then check.fail("profile: wanted a function, got %s", check.describe(f)) end
  local self = {
    clock = core.monotonic, ops = {}, tag = 0, tag_of = {},
    layers = { [0] = { name = "(no layer: losses, optimisers, data)", calls = 0, forward = 0, backward = 0 } },
  }
  local since, results
  do
    local _ <close> = instrument(self)
    since = self.clock()
    results = table.pack(f(...))
  end
  local total = self.clock() - since
  add_gradients(self)
  name_layers(self)
  local layers = table.move(self.layers, 0, #self.layers, 1, {})
  return setmetatable({
    total = total, sums = self.travels and sums_of(self.travels, since), lua = total - sum(self.ops), results = results,
    ops = longest_first(table.move(self.ops, 1, #self.ops, 1, {})), layers = longest_first(layers),
  }, Profile)
end
