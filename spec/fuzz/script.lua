-- Scripts: calls of anything public (the catalogue, the methods, gan's functions, what they return) with arguments of
-- any kind, the results being arguments of later calls. Each byte is a choice.
--
-- Errors are fine; what is not: a crash, an error that is no text, a state (recording, reading) that a failed call left
-- behind, a tensor that is alive when the Lua state is closed.

local core = require "ganlua.core"

-- Nothing here may leave this process or its folder.
local function refused(what) return function() error(what .. " is not for the fuzzer", 0) end end
for _, name in ipairs {
  "write_file", "append_file", "make_directory", "create_directory", "list_directory", "lock_file", "spawn",
  "terminate", "ended", "sleep",
} do
  core[name] = refused(name)
end
for _, library in ipairs { "io", "os" } do
  for name, field in pairs(_G[library]) do
    if type(field) == "function" and name ~= "type" and name ~= "time" and name ~= "clock" then
      _G[library][name] = refused(library .. "." .. name)
    end
  end
end
_G.print = refused "print"

local gan = require "ganlua"
local nn = gan.nn

-- ---- What may be called ----

-- Not called: what waits or reads the machine, and what would make every later call fail.
local left_out = {
  ["core.forbid_reading"] = true, ["core.set_recording"] = true, ["core.profile_begin"] = true,
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

local operators = {
  function(a, b) return a + b end, function(a, b) return a - b end, function(a, b) return a * b end,
  function(a, b) return a / b end, function(a, b) return a ^ b end, function(a) return -a end,
  function(a) return #a end, function(a, b) return a[b] end, function(a) return tostring(a) end,
  function(a, b) return a == b end, function(a, b) return a < b end, function(a, b) return a .. b end,
  function(a, b, c) a[b] = c end, function(a, ...) return a(...) end,
}

local names = {
  "out", "kernel", "stride", "pad", "bias", "lr", "betas", "eps", "weight", "every", "from", "to", "over", "slope",
  "margin", "real", "fake", "gen", "create_graph", "grad_output", "unused", "keepdim", "transpose_a", "transpose_b",
  "modes", "radius", "std", "side", "classes", "count", "dim", "p", "scale", "mode", "momentum", "affine", "dims",
  "iterations", "discriminator", "generator", "name", "on_real", "on_fake", "on_gen", "d", "g", "columns", "x", "y",
  "series", "title", "batch", "loss", "penalties", "optimizer", "data", "latent", "ema", "decay", "noise", "clip",
  "micro_batch", "top_k", "pac", "unroll", "steps", "seed", "main", "skip", "output_pad", "stages", "block", "head",
}
local words = { "nearest", "bilinear", "zero", "error", "ring", "glyphs", "a", "", "hinge", "fuzz\0y", "-g_loss" }
local numbers = {
  0, 1, 2, 3, 4, 5, 7, 8, 16, 28, -1, -2, 0.5, -0.5, 1e-3, 1e30, -1e30, 1e9, 0 / 0, math.huge, -math.huge, 1 << 31,
  1 << 53, math.maxinteger, math.mininteger, 2 ^ 63, 255, 65536,
}

-- ---- Reading a program ----

local function run(bytes)
  local at, values, kept = 0, {}, 0
  local function byte()
    at = at + 1
    return bytes:byte(at) or 0
  end
  local function keep(value)
    if value == nil then return end
    kept = kept % 24 + 1
    values[kept] = value
  end
  local function pick(list) return list[byte() % #list + 1] end

  local argument
  local function make_table(depth)
    local made, count, kind = {}, byte() % 6, byte() % 3
    for i = 1, count do
      local key = kind == 0 and i or kind == 1 and pick(names) or pick { i, "1", 1.5, true, pick(names) }
      made[key] = argument(depth + 1)
    end
    return made
  end

  function argument(depth)
    local kind = byte() % 16
    if kind < 5 then return values[byte() % 24 + 1] end
    if kind < 8 then return pick(numbers) end
    if kind == 8 then return byte() % 9 end
    if kind == 9 then return pick(words) end
    if kind == 10 then return pick { true, false } end
    if kind == 11 then return nil end
    if kind == 12 then
      local value = argument(depth + 1)
      return function(...) return pick { value, ..., 1 } end
    end
    if kind == 13 then return core.randn(1 + byte() % 4, 1 + byte() % 4) end
    if kind == 14 then return core.randn(1 + byte() % 3, 1 + byte() % 6, 1 + byte() % 6, 1 + byte() % 3) end
    if depth > 3 then return {} end
    return make_table(depth)
  end

  while at < #bytes do
    local how = byte()
    local callee, self
    if how < 160 then
      callee = functions[(byte() << 8 | byte()) % #functions + 1].call
    elseif how < 200 then
      callee = pick(operators)
    else -- a method or a field of a value
      self = values[byte() % 24 + 1]
      local fields = {}
      local metatable = getmetatable(self)
      local index = type(self) == "table" and self or type(metatable) == "table" and metatable.__index
      while type(index) == "table" do
        for name, field in next, index do
          if type(field) == "function" and type(name) == "string" then fields[#fields + 1] = name end
        end
        local beyond = getmetatable(index)
        index = type(beyond) == "table" and rawget(beyond, "__index") or nil
      end
      table.sort(fields)
      if #fields > 0 then callee = self[pick(fields)] end
    end
    if callee then
      local count = byte() % 5
      local list = table.pack()
      for i = 1, count do list[i] = argument(0) end
      local results
      if self ~= nil then
        results = table.pack(pcall(callee, self, table.unpack(list, 1, count)))
      else
        results = table.pack(pcall(callee, table.unpack(list, 1, count)))
      end
      if results[1] then
        keep(results[2])
        keep(results[3])
      else
        local told = type(results[2]) == "string" or getmetatable(results[2]) ~= nil
        -- A function of the program's own raises what it likes.
        if not told and type(results[2]) ~= "table" then error("an error that is a " .. type(results[2]), 0) end
        if tostring(results[2]):find("too long", 1, true) then return end
      end
    end
  end
end

return function(bytes)
  core.seed(1)
  core.fail_allocations(0)
  core.cancel_after(0)
  local fine, problem = pcall(run, bytes) -- the program's own tensors may be too many, or one that was to be cancelled
  core.fail_allocations(0)
  core.cancel_after(0)
  local text = tostring(problem)
  if not fine and not text:find("out of memory", 1, true) and not text:find "cancelled$" then error(problem, 0) end
  local probe <close> = core.ones(2, 2)
  local y <close> = probe * 2
  local slope <close> = core.grad(y:sum(), { probe })[1] -- recording is on, reading allowed
  assert(slope:sum():item() == 8)
  slope:free()
end
