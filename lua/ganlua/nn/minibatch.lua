--- minibatch_stddev: lets a discriminator see how much the pictures of a batch differ.

local core = require "ganlua.core"
local define = require("ganlua.nn.module").define_plain
local share = require "ganlua.ranks.share"

local layers = {}

--- Adds a channel that holds, for each group of pictures, the standard deviation over the group, averaged over pixels
-- and channels (Karras 2018): N x H x W x C -> N x H x W x (C + 1). Picture i is in group i modulo N / group.
-- Options: group = 4, how many pictures are one; the whole batch where it has fewer; divides N otherwise.
-- eps = 1e-8, added to the variance. Under mpirun the batch is that of all ranks, which exchange their pictures for it.
layers.minibatch_stddev = define("minibatch_stddev", {
  options = {
    group = { type = "integer", min = 1, default = 4 },
    eps = { type = "number", above = 0, default = 1e-8 },
  },

  forward = function(self, x)
    local shape = self:input(x, 4, "an N x H x W x C")
    local own, h, w, c = table.unpack(shape)
    local all = share.all(x)
    local n = #all
    local group = math.min(self.options.group, n)
    if n % group ~= 0 then self:fail("a batch of %d cannot be split into groups of %d", n, group) end
    local groups = n // group
    local split = all:reshape(group, groups, h * w * c)
    local centred = split - core.mean(split, { 1 }, { keepdim = true })
    local deviation = (core.mean(centred * centred, { 1 }) + self.options.eps):sqrt() -- groups x HWC
    local one = core.mean(deviation, { 2 }):reshape(1, groups, 1):expand { group, groups, h * w }
    return core.concat({ x, share.own(one:reshape(n, h, w, 1), own) }, 4)
  end,
})

return layers
