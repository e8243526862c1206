-- What gan.import.torch reads: a file that PyTorch is said to have written. Whatever comes, the network takes all of
-- it, or is as it was, and a message names the file. What was taken and is written again is the same when it is read.

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
  nn.sequential { nn.linear { out = 12 }, nn.batch_norm {}, nn.relu {}, nn.reshape { 2, 2, 3 },
    nn.conv_transpose2d { out = 2, kernel = 2 }, nn.tanh {} }:build { 1, 4 },
  nn.sequential { nn.spectral_norm(nn.conv2d { out = 3, kernel = 2 }), nn.layer_norm {}, nn.leaky_relu {},
    nn.residual { main = nn.sequential { nn.conv2d { out = 3, kernel = 1 } } }, nn.flatten {},
    nn.linear { out = 2 }, nn.linear { out = 1 } }:build { 1, 3, 3, 2 },
}
local inputs = { [5] = { 3, 3, 2 } }

-- What stands in for a file.
local contents
function core.read_file() return contents end
function core.write_file(_, bytes) contents = bytes end

local function state(m) return core.safetensors_encode(m:state()) end

return function(bytes)
  for i, m in ipairs(networks) do
    contents = bytes
    local before, options = state(m), { input = inputs[i] }
    local taken, problem = pcall(gan.import.torch, m, name, options)
    if taken then
      local after = state(m)
      gan.export.torch(m, name, options)
      gan.import.torch(m, name, options)
      assert(state(m) == after, "written and read again it is another one")
    else
      local message = tostring(problem)
      assert(message:find(name, 1, true) or message:find("not enough memory", 1, true)
        or message:find("too long", 1, true), "an error that does not name the file: " .. message)
      assert(state(m) == before, "half a file taken")
    end
  end
end
