--- Modules made of modules: sequential, residual.

local check = require "ganlua.check"
local join = require "ganlua.nn.join"
local module = require "ganlua.nn.module"

local is_plain = module.is_plain

local layers = {}

-- The list of layers that sequential{a, b} and sequential(a, b) were given, up to the last that is not nil.
local function listed(first, ...)
  local given = module.is(first) and table.pack(first, ...) or first
  if type(given) ~= "table" then
    check.fail("sequential: wanted a list of layers, got %s", check.describe(given))
  end
  local count = 0
  for key in pairs(given) do
    if math.type(key) == "integer" then
      count = math.max(count, key)
    elseif key ~= "n" then
      check.fail("sequential: unknown option '%s' (it takes a list of layers)", tostring(key))
    end
  end
  return { layers = table.move(given, 1, count, 1, {}), count = count }
end

--- Layers one after the other: y = last(... second(first(x))). m[2] is the second. Whatever the call is given beside
-- x (labels) is given to every layer.
layers.sequential = module.define_plain("sequential", {
  options = { layers = { type = "table" }, count = { type = "integer" } },
  arguments = listed,

  setup = function(self)
    for i = 1, self.options.count do self:child(i, self.options.layers[i]) end
    self.joints = join.find(self.options.layers, self.options.count)
  end,

  forward = function(self, x, ...)
    local i, passing = 1, false -- whether x is nobody's but ours
    while i <= self.options.count do
      local layer = self[i]
      local joint = self.joints[i]
      local y = joint and join.run(self, joint, x)
      if y then i = joint.last + 1 else y, i = layer(x, ...), i + 1 end
      if passing and is_plain(layer) and not rawequal(x, y) then x:free() end
      -- What a layer gives that it was given is as it was.
      passing = is_plain(self[i - 1]) and (passing or not rawequal(x, y))
      x = y
    end
    return x
  end,

  describe = function() return "sequential" end,
}, function(self)
  for i = 1, self.options.count do
    if not is_plain(self[i]) then return false end
  end
  return true
end)

--- y = main(x) + skip(x); without a skip, + x itself (He 2016).
layers.residual = module.define_plain("residual", {
  options = {
    main = { is = module.is, wanted = "a module", required = true },
    skip = { is = module.is, wanted = "a module" },
  },

  setup = function(self)
    self:child("main", self.options.main)
    if self.options.skip then self:child("skip", self.options.skip) end
  end,

  forward = function(self, x, ...)
    local y, shortcut = self.main(x, ...), x
    if self.skip then shortcut = self.skip(x, ...) end
    local main_shape, skip_shape = check.shape_text(y:shape()), check.shape_text(shortcut:shape())
    if main_shape ~= skip_shape then
      self:fail("main gives %s and %s %s: they must agree", main_shape, self.skip and "skip" or "the input is",
        skip_shape)
    end
    local sum = y + shortcut
    if is_plain(self.main) and not rawequal(y, x) then y:free() end
    if self.skip and is_plain(self.skip) and not rawequal(shortcut, x) and not rawequal(shortcut, y) then
      shortcut:free()
    end
    return sum
  end,

  describe = function() return "residual" end,
}, function(self)
  return is_plain(self.main) and (not self.skip or is_plain(self.skip))
end)

return layers
