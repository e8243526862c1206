--- maxout: the largest of several channels.

local core = require "ganlua.core"
local check = require "ganlua.check"
local define = require("ganlua.nn.module").define_plain

local layers = {}

--- The largest of each `pieces` neighbouring channels (Goodfellow 2013): N x ... x C -> N x ... x C/pieces. A layer
-- before it makes the channels: linear{out = 5 * 240}, maxout{pieces = 5}. Options: pieces, which divides C.
layers.maxout = define("maxout", {
  options = { pieces = { type = "integer", min = 1, required = true } },

  forward = function(self, x)
    local shape, pieces = x:shape(), self.options.pieces
    local channels = shape[#shape]
    if #shape < 2 or channels % pieces ~= 0 then
      self:fail("wanted an N x ... x C input whose C is a multiple of %d, got %s", pieces, check.shape_text(shape))
    end
    shape[#shape], shape[#shape + 1] = channels // pieces, pieces
    return core.max(x:reshape(shape), { #shape })
  end,
})

return layers
