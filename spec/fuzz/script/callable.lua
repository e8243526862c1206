-- What scripts of the fuzzer may call: { path = "gan.nn.linear", call = function }, a list in a fixed order.

local core = require "ganlua.core"
local gan = require "ganlua"
local nn = gan.nn

-- Not called: what waits or reads the machine, and what would make every later call fail.
local left_out = {
  ["core.forbid_reading"] = true, ["core.set_recording"] = true, ["core.profile_begin"] = true,
  ["core.set_share"] = true,
  ["core.profile_end"] = true, ["core.read_file"] = true, ["gan.sweep"] = true, ["gan.load"] = true,
  ["gan.recover.rollback"] = true, ["gan.schedule.describe"] = true, ["core.kernels"] = true, ["gan.kernels"] = true,
  ["core.ask_terminal"] = true, ["gan.features.load"] = true, ["gan.import.torch"] = true,
}

local functions = {}

local function collect(where, value, depth)
  local names = {}
  for name in pairs(value) do
    if type(name) == "string" then names[#names + 1] = name end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local path, field = where .. "." .. name, value[name]
    local callable = type(field) == "function" or getmetatable(field) and getmetatable(field).__call
    if callable and not left_out[path] and not nn.is_module(field) then
      functions[#functions + 1] = { path = path, call = field }
    end
    if type(field) == "table" and depth < 2 then collect(path, field, depth + 1) end
  end
end
collect("core", core, 2)
collect("gan", gan, 0)

-- A GAN in miniature, with whatever is overridden.
local function train(overrides, settings)
  local G = nn.sequential { nn.linear { out = 4 }, nn.relu {}, nn.linear { out = 2 } }
  local D = nn.sequential { nn.linear { out = 4 }, nn.leaky_relu {}, nn.linear { out = 1 } }
  local options = {
    data = gan.data.ring {}, generator = G, discriminator = D, latent = 2, batch = 8, out = false, progress = false,
    loss = gan.loss.hinge {}, schedule = function(game)
      for _ = 1, 2 do
        game:discriminator(type(settings) == "table" and settings or nil)
        game:generator()
        game:next()
      end
    end,
  }
  for key, value in pairs(type(overrides) == "table" and overrides or {}) do
    if key ~= "out" then options[key] = value end
  end
  return gan.train(options)
end
functions[#functions + 1] = { path = "train", call = train }

-- Calls whose arguments fit together, which chance would seldom find.
local function small(value, most)
  return type(value) == "number" and value == value and math.floor(math.abs(value)) % most // 1 | 0 or 1
end
local function recipe(path, call) functions[#functions + 1] = { path = path, call = call } end
recipe("conv2d", function(size, kernel, stride, pad)
  local x, w = core.randn(2, 4 + small(size, 9), 6, 3), core.randn(1 + small(kernel, 4), 1 + small(kernel, 4), 3, 5)
  local y = core.conv2d(x, w, 1 + small(stride, 3), small(pad, 3))
  return y, core.grad(y:square():sum(), { x, w }, { create_graph = stride == 1 })[1]
end)
recipe("conv_transpose2d", function(size, kernel, stride, pad)
  local x, w = core.randn(2, 1 + small(size, 5), 3, 3), core.randn(1 + small(kernel, 4), 1 + small(kernel, 4), 5, 3)
  local s = 1 + small(stride, 3)
  return core.conv2d_input(x, w, (x:shape()[2] - 1) * s + w:shape()[1], 2 * s + w:shape()[2], s, small(pad, 1))
end)
recipe("network", function(x, training)
  local m = nn.sequential {
    nn.conv2d { out = 3, kernel = 3, pad = 1 }, nn.batch_norm {}, nn.relu {}, nn.upsample {},
    nn.conv2d { out = 2, kernel = 3 }, nn.leaky_relu {},
    nn.avg_pool { kernel = 2 }, nn.layer_norm {}, nn.dropout {}, nn.flatten {}, nn.linear { out = 2 },
  }
  if not training then m:eval() end
  local y = m(core.is_tensor(x) and #x:shape() == 4 and x or core.randn(2, 4, 4, 2))
  return m, core.grad(y:square():sum(), m:parameters())[1], y
end)
recipe("step", function(lr, momentum, decay)
  local p, g = core.randn(3, 2), core.randn(3, 2)
  local optimiser = ({ gan.optim.adam, gan.optim.sgd, gan.optim.rmsprop, gan.optim.adamw })[1 + small(momentum, 4)] {
    lr = lr, weight_decay = decay }
  optimiser:step(optimiser:start { p }, { p }, { g })
  return p
end)
recipe("matmul", function(m, k, n, a, b)
  local x = core.randn(a and 1 + small(k, 70) or 1 + small(m, 70), a and 1 + small(m, 70) or 1 + small(k, 70))
  local y = core.randn(b and 1 + small(n, 70) or 1 + small(k, 70), b and 1 + small(k, 70) or 1 + small(n, 70))
  return core.matmul(x, y, { transpose_a = a and true, transpose_b = b and true })
end)
recipe("shapes", function(a, b, c)
  local x = core.randn(2, 3, 4)
  return x:narrow(1 + small(a, 3), 1 + small(b, 2), 1), x:permute { 3, 1, 2 }:sum(1 + small(a, 3)),
    core.concat({ x, x }, 1 + small(c, 3)), core.sum_to(x, { 3, 1 }),
    x:index(1 + small(a, 3), core.tensor { small(b, 2), 1 })
end)

return functions
