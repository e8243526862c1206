--- Samples of a network for given latents, in eval mode: a batch at a time, so that the memory needed
--- does not grow with their number.

local core = require "ganlua.core"

local at_once <const> = 250

---@param network ganlua.module
---@param z ganlua.tensor n x latent
---@param labels ganlua.tensor? n, for a network that looks at them
---@return ganlua.tensor n x shape
return function(network, z, labels)
  local parts, count = {}, z:shape()[1]
  local _ <close> = network:modes()
  network:eval()
  for first = 1, count, at_once do
    local n = math.min(at_once, count - first + 1)
    local some = z:narrow(1, first, n)
    parts[#parts + 1] = labels and network(some, labels:narrow(1, first, n)) or network(some)
  end
  return #parts == 1 and parts[1] or core.concat(parts, 1)
end
