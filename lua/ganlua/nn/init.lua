--- gan.nn: the layers of networks. Each file beside this one is a layer or a small family of them.
--
--   local D = nn.sequential{
--     nn.conv2d{out=64, kernel=4, stride=2, pad=1}, nn.leaky_relu{}, nn.flatten{}, nn.linear{out=1},
--   }
--   local scores = D(images)        -- sizes are inferred here
--   print(D)                        -- layers, output shapes, parameter counts

local module = require "ganlua.nn.module"

local nn = {
  define = module.define,
  is_module = module.is,
}

--- How weights begin: each of these takes a network, before or after it is built, and sets all of its weights.
--   nn.init.normal(G, 0.02)
nn.init = require("ganlua.nn.initialize").schemes

for _, family in ipairs {
  "container", "linear", "conv", "norm", "sample_norm", "spectral_norm", "activation", "maxout", "shape", "resample",
  "dropout", "growing", "minibatch", "conditional", "attention", "style", "mixing",
} do
  for name, constructor in pairs(require("ganlua.nn." .. family)) do nn[name] = constructor end
end

return nn
