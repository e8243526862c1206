--- Layers that change an image's size without a weight, N x H x W x C: upsample, avg_pool, max_pool, global_sum_pool,
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

-- The shape of pictures that have room for a window.
local function pooled_shape(self, x)
  local shape, kernel = self:input(x, 4, "an N x H x W x C"), self.options.kernel
  if shape[2] < kernel or shape[3] < kernel then
    self:fail("wanted an image of at least %d x %d, got %s", kernel, kernel, check.shape_text(shape))
  end
  return shape
end

--- Means over kernel x kernel windows that do not overlap; what does not fill one at the edge is left out.
-- Options: kernel.
layers.avg_pool = define("avg_pool", {
  options = { kernel = { type = "integer", min = 1, required = true } },
  forward = function(self, x)
    pooled_shape(self, x)
    return core.avg_pool(x, self.options.kernel)
  end,
})

--- The largest number in each kernel x kernel window of each channel; the windows are avg_pool's. Where several are the
-- largest, the gradient goes to the first. Options: kernel.
layers.max_pool = define("max_pool", {
  options = { kernel = { type = "integer", min = 1, required = true } },
  forward = function(self, x)
    local shape, kernel = pooled_shape(self, x), self.options.kernel
    local n, height, width, channels = shape[1], shape[2] // kernel, shape[3] // kernel, shape[4]
    if height * kernel < shape[2] then x = x:narrow(2, 1, height * kernel) end
    if width * kernel < shape[3] then x = x:narrow(3, 1, width * kernel) end
    local windows = x:reshape(n, height, kernel, width, kernel, channels):permute { 1, 2, 4, 3, 5, 6 }
    return windows:reshape(n, height, width, kernel * kernel, channels):max(4)
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
