-- What gan.import.torch reads: a file that PyTorch is said to have written. Whatever comes, the network takes all of
-- it, or is as it was, and a message names the file.

local core = require "ganlua.core"
local gan = require "ganlua"

local name = "weights.safetensors"
local nn = gan.nn

gan.seed(1)
local networks = {
  nn.sequential { nn.linear { out = 3 }, nn.batch_norm {} }:build { 1, 4 },
  nn.sequential { nn.linear { out = 5 }, nn.relu {}, nn.linear { out = 3 } }:build { 1, 4 },
  nn.sequential { nn.spectral_norm(nn.linear { out = 6 }), nn.relu {},
    nn.spectral_norm(nn.linear { out = 2, bias = false }) }:build { 1, 4 },
}

-- What stands in for a file.
local contents
function core.read_file() return contents end

local function state(m) return core.safetensors_encode(m:state()) end

return function(bytes)
  contents = bytes
  for _, m in ipairs(networks) do
    local before = state(m)
    local taken, problem = pcall(gan.import.torch, m, name)
    if not taken then
      local message = tostring(problem)
      assert(message:find(name, 1, true) or message:find("not enough memory", 1, true)
        or message:find("too long", 1, true), "an error that does not name the file: " .. message)
      assert(state(m) == before, "half a file taken")
    end
  end
end
