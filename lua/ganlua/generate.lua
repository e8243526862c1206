--- Samples of a network for given latents, in eval mode: a batch at a time, so that the memory needed
--- does not grow with their number.

local core = require "ganlua.core"

local at_once <const> = 250

---@param network ganlua.module
---@param z ganlua.tensor n x latent
---@return ganlua.tensor n x shape
return function(network, z)
  local parts, count = {}, z:shape()[1]
  local _ <close> = network:modes()
  network:eval()
  for first = 1, count, at_once do
    parts[#parts + 1] = network(z:narrow(1, first, math.min(at_once, count - first + 1)))
  end
  return #parts == 1 and parts[1] or core.concat(parts, 1)
end
