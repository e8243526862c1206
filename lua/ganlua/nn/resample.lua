--- Layers that change an image's size without a weight, N x H x W x C: upsample, avg_pool, global_sum_pool,
-- global_avg_pool.

local core = require "ganlua.core"
local check = require "ganlua.check"
local define = require("ganlua.nn.module").define_plain

local layers = {}

--- Makes images scale times as large. Options: scale = 2, mode = "nearest" or "bilinear" (between pixel centres,
-- PyTorch's align_corners = false).
layers.upsample = define("upsample", {
  options = {
    scale = { type = "integer", min = 1, default = 2 },
    mode = { type = "string", choices = { "nearest", "bilinear" }, default = "nearest" },
  },
  forward = function(self, x)
    self:input(x, 4, "an N x H x W x C")
    local resample = self.options.mode == "nearest" and core.upsample_nearest or core.upsample_bilinear
    return resample(x, self.options.scale)
  end,
})

--- Means over kernel x kernel windows that do not overlap; what does not fill one at the edge is left out.
-- Options: kernel.
layers.avg_pool = define("avg_pool", {
  options = { kernel = { type = "integer", min = 1, required = true } },
  forward = function(self, x)
    local shape, kernel = self:input(x, 4, "an N x H x W x C"), self.options.kernel
    if shape[2] < kernel or shape[3] < kernel then
      self:fail("wanted an image of at least %d x %d, got %s", kernel, kernel, check.shape_text(shape))
    end
    return core.avg_pool(x, kernel)
  end,
})

--- The sum over all pixels: N x H x W x C -> N x C.
layers.global_sum_pool = define("global_sum_pool", {
  forward = function(self, x)
    self:input(x, 4, "an N x H x W x C")
    return core.sum(x, { 2, 3 })
  end,
})

--- The mean over all pixels: N x H x W x C -> N x C.
layers.global_avg_pool = define("global_avg_pool", {
  forward = function(self, x)
    self:input(x, 4, "an N x H x W x C")
    return core.mean(x, { 2, 3 })
  end,
})

return layers
