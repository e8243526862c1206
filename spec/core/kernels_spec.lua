-- Every kernel set that this CPU runs, against the portable one, whose products are OpenBLAS's, on hundreds of random
-- shapes; and how a set is chosen.
--
-- The measure of an error is relative to what was added up: |got - wanted| / sum |a||b|, number by number. A sum of
-- K products in float may be off by K units of 6e-8 in theory, and is off by about sqrt(K) of them; avx2 and avx512
-- differ from the portable set in the order of their sums alone, and fuse multiplication and addition. amx rounds what
-- it multiplies: to 16 bits in two parts by default (3 * 2^-16 of a product may be lost), to 8 bits in bf16 (2 * 2^-8).
-- Where a convolution goes by fewer products (core/conv_winograd.c), each |b| is the sum over its phase's taps.
-- Where there is no AMX, its kernel is proved with its tile operations in plain C, as amx_emulated.

local gan = require "ganlua"
local core = require "ganlua.core"

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "../cli/shell.lua")

local BOUND <const> = {
  avx2 = { default = 1e-6 }, avx512 = { default = 1e-6 },
  amx = { default = 5e-5, float32 = 1e-6, bf16 = 8e-3 },
  amx_emulated = { default = 5e-5, bf16 = 8e-3 },
}

-- Numbers that do not depend on the engine's.
local state
local function random(low, high)
  state = (state * 1103515245 + 12345) % 2147483648
  return low + (state >> 8) % (high - low + 1)
end
-- Mostly small, now and then up to high.
local function skewed(high)
  return random(1, 3) == 1 and random(1, high) or random(1, math.min(high, 20))
end

local function largest(x)
  return x:numel() > 0 and x:max():item() or 0
end

-- Fails where the sets differ in call(a, b) by more than their bounds; worst keeps the largest error by set. The
-- emulation is slow: it has its turn at every eighth call. scale(a, b), of absolute values, is what errors are relative
-- to, if not call's own.
local calls = 0
local function compare(label, a, b, call, worst, scale)
  calls = calls + 1
  core.kernels "portable"
  local wanted = call(a, b)
  scale = (scale or call)(a:abs(), b:abs()) + 1e-30
  for _, set in ipairs(core.kernel_sets()) do
    core.kernels(set)
    local skipped = set == "portable" or set == "amx_emulated" and calls % 8 ~= 0
    for precision, bound in pairs(skipped and {} or BOUND[set]) do
      core.precision(precision)
      local got = call(a, b)
      assert.is_true(largest((got - call(a, b)):abs()) == 0, label .. ": not the same twice with " .. set)
      local off = largest((got - wanted):abs() / scale)
      assert.is_true(off <= bound, ("%s: %s, %s, is off by %.2g"):format(label, set, precision, off))
      local name = precision == "default" and set or set .. " " .. precision
      worst[name] = math.max(worst[name] or 0, off)
    end
    core.precision "default"
  end
end

-- Each of a kernel's weights becomes the sum over those of its phase, which lie a stride apart.
local function phase_sums(w, stride)
  local kh, kw, c, o = table.unpack(w:shape())
  local taps = w:reshape { kh // stride, stride, kw // stride, stride, c * o }
  return (taps * 0 + taps:sum({ 1, 3 }, true)):reshape { kh, kw, c, o }
end

-- check(...), which compares a convolution's three faces; `fewer`: where it goes by fewer products.
local function convolutions(worst, fewer)
  return function(n, h, w, c, kh, kw, o, stride, pad)
    local p, q = (h + 2 * pad - kh) // stride + 1, (w + 2 * pad - kw) // stride + 1
    local x, weight, y = gan.randn(n, h, w, c), gan.randn(kh, kw, c, o), gan.randn(n, p, q, o)
    local label = ("%dx%dx%dx%d, kernel %dx%d to %d, stride %d, pad %d"):format(n, h, w, c, kh, kw, o, stride, pad)
    local function forward(a, b) return core.conv2d(a, b, stride, pad) end
    local function input(a, b) return core.conv2d_input(a, b, h, w, stride, pad) end
    local function to_weight(a, b) return core.conv2d_weight(a, b, kh, kw, stride, pad) end
    compare("conv2d " .. label, x, weight, forward, worst,
      fewer and function(a, b) return forward(a, phase_sums(b, stride)) end)
    compare("conv2d_input " .. label, y, weight, input, worst,
      fewer and function(a, b) return input(a, phase_sums(b, stride)) end)
    compare("conv2d_weight " .. label, x, y, to_weight, worst,
      fewer and function(a, b) return phase_sums(to_weight(a, b), stride) end)
  end
end

local function report(what, worst)
  -- What rounds to 8 bits cannot be so exact: else tiles had no turn.
  if worst["amx bf16"] then assert.is_true(worst["amx bf16"] > 1e-4, what .. ": nothing was left to tiles") end
  local words = {}
  for set, off in pairs(worst) do words[#words + 1] = ("%s %.1e"):format(set, off) end
  table.sort(words)
  if #words > 0 then print(("%s against portable, at worst: %s"):format(what, table.concat(words, ", "))) end
end

describe("every kernel set", function()
  local before

  before_each(function()
    before = core.kernels()
    state = 4321
    gan.seed(7)
  end)
  after_each(function() core.kernels(before) end)

  it("multiplies matrices, transposed or not, as the portable one does", function()
    local worst = {}
    local function check(batch, m, n, k, ta, tb)
      local a, b = ta and { k, m } or { m, k }, tb and { n, k } or { k, n }
      if batch then
        table.insert(a, 1, batch)
        table.insert(b, 1, batch)
      end
      compare(("matmul %s %dx%dx%d %s %s"):format(batch or "", m, n, k, ta, tb), gan.randn(table.unpack(a)),
        gan.randn(table.unpack(b)), function(x, y) return core.matmul(x, y, ta, tb) end, worst)
    end
    gan.no_grad(function()
      for i = 1, 240 do
        local m, n = skewed(300), skewed(300)
        local k = math.min(skewed(600), 2000000 // (m * n) + 1)
        check(random(1, 6) == 1 and random(1, 5) or nil, m, n, k, i % 2 == 0, i % 4 > 1)
      end
      -- What the blocking has edges for: several blocks of the depth and of columns, long rows, nothing to add.
      for i = 1, 4 do
        local ta, tb = i % 2 == 0, i > 2
        check(nil, 70, 530, 300, ta, tb)
        check(nil, 601, 70, 259, ta, tb)
        check(nil, 1100, 3, 64, ta, tb)
        check(nil, 5, 1025, 33, ta, tb)
        check(nil, 13, 9, 0, ta, tb)
        check(nil, 0, 9, 3, ta, tb)
        check(nil, 259, 193, 331, ta, tb) -- enough work for tiles
        check(3, 97, 161, 130, ta, tb)
      end
    end)
    report("products", worst)
  end)

  it("convolves, forwards and to input and weight, as the portable one does", function()
    local worst = {}
    local check = convolutions(worst)
    gan.no_grad(function()
      for _ = 1, 300 do
        local kh, kw, stride, pad = random(1, 7), random(1, 7), random(1, 3), random(0, 3)
        local h, w = math.max(kh - 2 * pad, 1) + random(0, 9), math.max(kw - 2 * pad, 1) + random(0, 9)
        local p, q = (h + 2 * pad - kh) // stride + 1, (w + 2 * pad - kw) // stride + 1
        local most = 1000000 // (kh * kw * p * q) + 1
        local c = math.min(skewed(513), most)
        local o = math.min(skewed(513), most // c + 1)
        check(math.min(skewed(65), most // (c * o) + 1), h, w, c, kh, kw, o, stride, pad)
      end
      -- Channels that are cut into slices, few channels with a wide border, a border alone, no pictures.
      check(1, 3, 3, 513, 2, 2, 513, 1, 0)
      check(2, 9, 9, 3, 7, 7, 33, 2, 6)
      check(1, 1, 1, 16, 3, 3, 20, 3, 4)
      check(65, 4, 4, 16, 4, 4, 1, 2, 1)
      check(0, 4, 4, 16, 3, 3, 8, 1, 1)
      -- Enough work for tiles, which smaller ones leave to vectors: odd sizes, images that are no whole group, strides
      -- with taps that miss, borders wider than the kernel, few channels.
      check(33, 7, 9, 40, 3, 3, 50, 1, 1)
      check(64, 4, 4, 64, 4, 4, 33, 2, 1)
      check(19, 14, 10, 64, 5, 3, 61, 3, 2)
      check(5, 28, 28, 32, 4, 4, 32, 2, 1)
      check(2, 17, 23, 97, 3, 3, 70, 1, 4)
      check(21, 12, 12, 48, 2, 2, 48, 3, 0)
      check(16, 32, 32, 3, 5, 5, 64, 2, 2)
      check(64, 9, 9, 64, 8, 8, 64, 1 << 20, 0) -- a stride far wider than the picture
    end)
    report("convolutions", worst)
  end)

  it("convolves by fewer products as the portable one does", function()
    local worst = {}
    local check = convolutions(worst, true)
    gan.no_grad(function()
      -- Two taps a phase, and three; tiles that reach beyond the picture, channels that are no whole panel or several
      -- blocks of them, borders of all widths, one picture and more than a block of tiles has.
      check(1, 32, 32, 32, 4, 4, 32, 2, 1)
      check(65, 14, 14, 33, 4, 4, 47, 2, 1)
      check(7, 19, 21, 64, 4, 4, 65, 2, 2)
      check(3, 15, 17, 100, 4, 4, 40, 2, 0)
      check(2, 23, 25, 513, 4, 4, 34, 2, 1)
      check(2, 18, 18, 34, 4, 4, 513, 2, 3)
      check(9, 17, 18, 40, 2, 2, 70, 1, 0)
      check(9, 15, 16, 40, 2, 2, 70, 1, 1)
      check(5, 29, 31, 36, 6, 6, 36, 3, 2)
      check(33, 8, 8, 64, 3, 3, 96, 1, 1)
      check(4, 17, 13, 65, 3, 3, 33, 1, 0)
      check(3, 13, 17, 33, 3, 3, 65, 1, 2)
      check(1, 17, 16, 513, 3, 3, 300, 1, 1)
      check(2, 33, 31, 48, 6, 6, 48, 2, 2)
      check(1, 40, 41, 35, 9, 9, 36, 3, 4)
      for _ = 1, 40 do
        local r, stride = random(2, 3), random(1, 3)
        local k, pad = r * stride, random(0, r * stride)
        local h, w = k + stride * random(2, 14), k + stride * random(2, 14)
        check(random(1, 12), h, w, random(32, 90), k, k, random(32, 90), stride, pad)
      end
    end)
    report("convolutions by fewer products", worst)
  end)

  -- What tells that fewer products are taken: a number is added to those beside it, and taken off again.
  it("rounds a place of a convolution by fewer products as the largest number under it, and no other place", function()
    for _, set in ipairs(core.kernel_sets()) do
      core.kernels(set)
      local large = gan.full({ 1, 32, 1, 32 }, 2 ^ 25)
      local x = gan.concat({ gan.ones(1, 32, 15, 32), large, gan.ones(1, 32, 16, 32) }, 3)
      local w = gan.concat({ gan.ones(2, 1, 32, 32), gan.zeros(2, 1, 32, 32) }, 2) -- what is to the right counts for 0
      local row = core.conv2d(x, w, 1, 0):narrow(2, 1, 1):narrow(4, 1, 1):reshape { 31 }:totable()
      for place, y in ipairs(row) do
        local fewer = place == 15 and (set == "avx2" or set == "avx512")
        assert.equal(fewer and 0 or place == 16 and 2 ^ 31 or 64, y, ("%s, place %d"):format(set, place))
      end
    end
  end)

  it("gives the same bytes with any number of threads, but for the portable one's sums over a batch", function()
    local script = [[
      local gan = require "ganlua"
      local core = require "ganlua.core"
      local x, w, y = gan.randn(16, 14, 14, 64), gan.randn(4, 4, 64, 96), gan.randn(16, 7, 7, 96)
      core.write_file(arg[1], core.safetensors_encode {
        forward = core.conv2d(x, w, 2, 1), input = core.conv2d_input(y, w, 14, 14, 2, 1),
        weight = core.conv2d_weight(x, y, 4, 4, 2, 1), forward_3 = core.conv2d(y, gan.randn(3, 3, 96, 70), 1, 1),
        weight_3 = core.conv2d_weight(y, gan.randn(16, 7, 7, 70), 3, 3, 1, 1),
        product = gan.randn(700, 300):matmul(gan.randn(300, 200)),
      })
    ]]
    for _, set in ipairs(core.kernel_sets()) do
      if set ~= "portable" then
        local place, bytes = shell.folder(), {}
        shell.write(place .. "/script.lua", script)
        for threads = 1, 3 do
          local result = shell.run_ganlua({ "--threads", threads, "script.lua", "out" },
            { cwd = place, env = { GANLUA_KERNELS = set } })
          assert.equal("", result.err)
          bytes[threads] = shell.read(place .. "/out")
        end
        shell.remove(place)
        assert.is_true(bytes[1] == bytes[2] and bytes[1] == bytes[3], set)
      end
    end
  end)
end)

describe("gan.kernels", function()
  it("tells the set in use, and chooses another", function()
    local best = gan.kernels()
    for _, set in ipairs(core.kernel_sets()) do
      assert.equal(set, gan.kernels(set))
      assert.equal(set, gan.kernels())
    end
    gan.kernels(best)
  end)

  it("refuses a set that does not exist, and says which do", function()
    local ok, message = pcall(gan.kernels, "avx1024")
    assert.is_false(ok)
    assert.matches("kernels: wanted one of .*portable.*, got 'avx1024'", message)
  end)

  it("is asked by GANLUA_KERNELS", function()
    for _, set in ipairs(core.kernel_sets()) do
      local result = shell.run_ganlua({ "-l", "ganlua", "-e", "print(ganlua.kernels())" },
        { env = { GANLUA_KERNELS = set } })
      assert.equal(set .. "\n", result.out)
    end
    local result = shell.run_ganlua({ "-e", "require 'ganlua'" }, { env = { GANLUA_KERNELS = "fast" } })
    assert.equal(1, result.code)
    assert.matches("GANLUA_KERNELS: wanted one of .*portable.*, got 'fast'", result.err)
  end)
end)
