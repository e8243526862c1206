-- Scripts: calls of anything public (the catalogue, the methods, gan's functions, what they return), the results being
-- arguments of later calls. Each byte is a choice. Some calls have arguments of any kind; others have what might be
-- meant: kinds as the catalogue has them, options as the functions' own errors name them, now and then something else.
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

local folder = debug.getinfo(1, "S").source:match "^@(.*/)"
local meaning = dofile(folder .. "script/meaning.lua")
local callable = meaning.callable

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

  local meant = meaning.reader(byte, function() return argument(0) end)

  while at < #bytes do
    local how = byte()
    local callee, self, list
    if how < 60 then
      callee = callable[(byte() << 8 | byte()) % #callable + 1].call
    elseif how < 160 then
      local one = callable[(byte() << 8 | byte()) % #callable + 1]
      callee, list = one.call, meant(one.path)
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
      if #fields > 0 then
        local name = pick(fields)
        callee = self[name]
        if core.is_tensor(self) and byte() < 200 then list = meant(":" .. name) end
      end
    end
    if callee then
      if not list then
        list = { n = byte() % 5 }
        for i = 1, list.n do list[i] = argument(0) end
      end
      local results
      if self ~= nil then
        results = table.pack(pcall(callee, self, table.unpack(list, 1, list.n)))
      else
        results = table.pack(pcall(callee, table.unpack(list, 1, list.n)))
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
