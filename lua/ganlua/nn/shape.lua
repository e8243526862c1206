--- Layers that only rearrange: flatten, reshape.

local check = require "ganlua.check"
local define = require("ganlua.nn.module").define_plain

local layers = {}

--- N x ... -> N x (all the rest).
layers.flatten = define("flatten", {
  forward = function(self, x)
    local shape = x:shape()
    if #shape == 0 then self:fail("wanted an N x ... input, got a scalar") end
    local size = 1
    for i = 2, #shape do size = size * shape[i] end
    return x:reshape(shape[1], size)
  end,
})

local function is_sizes(sizes)
  if type(sizes) ~= "table" or #sizes == 0 then return false end
  local free = 0
  for key in pairs(sizes) do
    if not math.type(key) then return false end
  end
  for _, size in ipairs(sizes) do
    if not math.tointeger(size) or size < -1 then return false end
    if size == -1 then free = free + 1 end
  end
  return free <= 1
end

--- Gives each sample another shape: reshape{7, 7, 128} makes N x 6272 into N x 7 x 7 x 128. One size may be -1.
layers.reshape = define("reshape", {
  options = {
    sizes = { is = is_sizes, wanted = "a list of sizes such as {7, 7, 128}, at most one of them -1", required = true },
  },

  arguments = function(first, ...)
    return { sizes = math.type(first) and { first, ... } or first }
  end,

  forward = function(self, x)
    local shape, sizes = x:shape(), self.options.sizes
    if #shape == 0 then self:fail("wanted an N x ... input, got a scalar") end
    local have, wanted, free = 1, 1, nil
    for i = 2, #shape do have = have * shape[i] end
    for i, size in ipairs(sizes) do
      if size == -1 then free = i else wanted = wanted * size end
    end
    local fits
    if free then fits = wanted > 0 and have % wanted == 0 else fits = have == wanted end
    if not fits then
      self:fail("wanted samples of %s%d numbers for %s, got %s", free and "a multiple of " or "", wanted,
        check.shape_text(sizes), check.shape_text(shape))
    end
    local target = { shape[1], table.unpack(sizes) }
    if free then target[free + 1] = have // wanted end
    return x:reshape(target)
  end,

  describe = function(self)
    return ("reshape{%s}"):format(table.concat(self.options.sizes, ", "))
  end,
})

return layers
