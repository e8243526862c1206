-- gan.export.c: what is written compiles without a warning as C99, and computes what ganlua computes.

local gan = require "ganlua"
local core = require "ganlua.core"
local folder_of_specs = debug.getinfo(1, "S").source:match "^@(.*/)"
local shell = dofile(folder_of_specs .. "../cli/shell.lua")

local nn = gan.nn
local folder = shell.folder()
teardown(function() shell.remove(folder) end)

local strict = { "cc", "-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-pedantic" }

-- A program that reads inputs from its standard input and writes what comes out.
local host = [[
#include "net.h"
#include <stdio.h>
static float z[NET_INPUT MORE], image[NET_OUTPUT], other[NET_OUTPUT], scratch[NET_SCRATCH];
int main(int argc, char **argv)
{
    int i;
    (void)argc, (void)argv;
    LOAD
    while (fread(z, sizeof z, 1, stdin) == 1) {
        net_generate(z LABEL, image);
        net_generate_with(z LABEL, other, scratch);
        for (i = 0; i < NET_OUTPUT; i++)
            if (image[i] != other[i])
                return 2;
        fwrite(image, sizeof image, 1, stdout);
    }
    return 0;
}
]]

local function compile(words)
  local result = shell.run(words, { cwd = folder })
  assert.equal("", result.err)
  assert.equal(0, result.code)
end

-- Exports m, compiles it, runs it on x (N x ...), and compares with m(x, labels) in eval mode.
local function agrees(m, x, options, load, labels)
  local filled = { LOAD = load or "", MORE = labels and "+ 1" or "", LABEL = labels and ", (int)z[NET_INPUT]" or "" }
  shell.write(folder .. "/main.c", (host:gsub("%u+", filled)))
  gan.export.c(m, folder .. "/net", options)
  local words = table.move(strict, 1, #strict, 1, {})
  for _, word in ipairs { "main.c", "net.c", "-o", "net", "-lm" } do words[#words + 1] = word end
  compile(words)
  local _ <close> = m:modes()
  m:eval()
  local wanted = gan.no_grad(m, x, labels):reshape(-1):totable()
  local rows = x:reshape(#x, -1)
  local numbers = (labels and gan.concat({ rows, labels:reshape(-1, 1) }, 2) or rows):reshape(-1):totable()
  local text = {}
  for i, value in ipairs(numbers) do text[i] = string.pack("<f", value) end
  local result = shell.run({ folder .. "/net" }, { cwd = folder, stdin = table.concat(text) })
  assert.equal(0, result.code, result.err)
  assert.equal(4 * #wanted, #result.out)
  for i, value in ipairs(wanted) do
    local got = string.unpack("<f", result.out, 4 * i - 3)
    local bound = 1e-4 * math.max(1, math.abs(value))
    assert.is_true(math.abs(got - value) <= bound, ("number %d: %.7g, wanted %.7g"):format(i, got, value))
  end
end

-- Trained-looking statistics for batch normalisation, and parameters that are not their first values.
local function lived_in(m, x, labels)
  gan.seed(3)
  m(x, labels)
  for name, p in m:named_parameters() do
    if name:find "bias" or #p:shape() == 1 then gan.no_grad(p.add_, p, gan.randn(p:shape()) * 0.3) end
  end
  m:train()
  for _ = 1, 3 do gan.no_grad(m, x * 1.5 + 0.1, labels) end
  return m
end

local function images(n, height, width, channels) return gan.randn(n, height, width, channels) end

describe("gan.export.c", function()
  it("agrees with a generator of digits", function()
    local z = gan.randn(5, 16)
    local G = lived_in(nn.sequential {
      nn.linear { out = 32 }, nn.batch_norm {}, nn.relu {},
      nn.linear { out = 7 * 7 * 12 }, nn.batch_norm {}, nn.relu {}, nn.reshape { 7, 7, 12 },
      nn.conv_transpose2d { out = 8, kernel = 4, stride = 2, pad = 1 }, nn.batch_norm {}, nn.relu {},
      nn.conv_transpose2d { out = 1, kernel = 4, stride = 2, pad = 1 }, nn.tanh {},
    }, z)
    agrees(G, z)
    local header = shell.read(folder .. "/net.h")
    for _, line in ipairs { "#define NET_INPUT 16", "#define NET_HEIGHT 28", "#define NET_OUTPUT 784",
      "784 numbers, 28 x 28 x 1: the rows of a picture from the top, in each its pixels, in each its channels",
      "from -1 to 1", "linear 32 -> 588", "conv_transpose2d 14x14x8 -> 28x28x1, kernel 4, stride 2, pad 1" } do
      assert.matches(line, header, 1, true)
    end
    assert.is_nil(header:find("batch_norm", 1, true)) -- it is in the weights
  end)

  it("agrees for convolutions of every kind of size", function()
    for _, case in ipairs {
      { nn.conv2d { out = 9, kernel = 3 }, 5, 6 }, { nn.conv2d { out = 3, kernel = 3, stride = 2, pad = 1 }, 7, 8 },
      { nn.conv2d { out = 16, kernel = 5, stride = 3, pad = 4, bias = false }, 4, 5 },
      { nn.conv2d { out = 1, kernel = 1 }, 3, 3 }, { nn.conv2d { out = 8, kernel = 4, pad = 3 }, 2, 1 },
      { nn.conv_transpose2d { out = 9, kernel = 3, stride = 2, pad = 1, output_pad = 1 }, 3, 4 },
      { nn.conv_transpose2d { out = 1, kernel = 3, stride = 3, pad = 2, bias = false }, 3, 4 },
      { nn.conv_transpose2d { out = 17, kernel = 2, stride = 3, output_pad = 2 }, 3, 2 },
      { nn.conv_transpose2d { out = 2, kernel = 5, pad = 3 }, 4, 5 },
    } do
      local layer, height, width = table.unpack(case)
      local x = images(2, height, width, 11)
      agrees(lived_in(nn.sequential { layer, nn.batch_norm {} }, x), x, { input = { height, width, 11 } })
    end
  end)

  it("agrees for every activation", function()
    local x = gan.randn(8, 9) * 4
    for _, activation in ipairs { nn.relu {}, nn.leaky_relu { slope = 0.3 }, nn.elu { alpha = 1.5 }, nn.gelu {},
      nn.silu {}, nn.tanh {}, nn.sigmoid {}, nn.softplus {} } do
      local m = nn.sequential { activation }
      m(x)
      agrees(m, x, { input = { 9 } })
    end
  end)

  it("agrees where layers resample, normalise, join and rearrange", function()
    local x = images(3, 6, 5, 8)
    local m = lived_in(nn.sequential {
      nn.batch_norm { affine = false }, nn.layer_norm {}, nn.upsample {}, nn.silu {},
      nn.residual { main = nn.sequential { nn.conv2d { out = 8, kernel = 3, pad = 1 }, nn.batch_norm {}, nn.relu {} } },
      nn.residual { main = nn.conv2d { out = 4, kernel = 3, pad = 1 },
        skip = nn.spectral_norm(nn.conv2d { out = 4, kernel = 1 }) },
      nn.dropout {}, nn.layer_norm { dims = 3 }, nn.upsample { scale = 3, mode = "bilinear" },
      nn.avg_pool { kernel = 4 }, nn.upsample { mode = "bilinear" }, nn.elu {}, nn.flatten {},
      nn.layer_norm { affine = false },
      nn.spectral_norm(nn.linear { out = 24 }), nn.reshape { 2, -1, 4 },
      nn.spectral_norm(nn.conv_transpose2d { out = 6, kernel = 2 }),
      nn.global_sum_pool {}, nn.linear { out = 3, bias = false },
    }, x)
    agrees(m, x, { input = { 6, 5, 8 } })
  end)

  it("agrees where pixels look at each other", function()
    local x = images(2, 7, 5, 6)
    local function look(spectral) return nn.self_attention { reduce = 3, spectral = spectral } end
    local m = lived_in(nn.sequential {
      look(false), nn.max_pool { kernel = 2 }, look(true), nn.conv2d { out = 12, kernel = 2, pad = 1 }, look(true),
      nn.max_pool { kernel = 2 }, look(false),
    }, x)
    agrees(m, x, { input = { 7, 5, 6 } })
    local far = nn.self_attention { reduce = 1 } -- so far apart that exp of the products overflows
    far(x)
    far.gamma:fill_(1)
    agrees(far, x * 6, { input = { 7, 5, 6 } })
  end)

  it("agrees for every normalisation, for maxout and for noise", function()
    local x = images(3, 6, 5, 12)
    local m = lived_in(nn.sequential {
      nn.group_norm { groups = 4 }, nn.maxout { pieces = 2 }, nn.pixel_norm {}, nn.instance_norm { affine = true },
      nn.pixel_noise {}, nn.equalized { nn.conv2d { out = 6, kernel = 3 } }, nn.pixel_noise {}, nn.instance_norm {},
      nn.max_pool { kernel = 3 }, nn.flatten {}, nn.equalized { nn.linear { out = 12 }, rate = 0.1 },
      nn.group_norm { groups = 3 }, nn.maxout { pieces = 3 }, nn.pixel_norm {},
    }, x)
    agrees(m, x, { input = { 6, 5, 12 } })
  end)

  it("agrees with a network that is growing, half-way through a stage", function()
    local function stage(size, out)
      return {
        block = size == 4 and nn.sequential { nn.linear { out = 16 * out }, nn.relu {}, nn.reshape { 4, 4, out } }
        or nn.sequential { nn.upsample {}, nn.conv2d { out = out, kernel = 3, pad = 1 }, nn.relu {} },
        head = nn.sequential { nn.conv2d { out = 1, kernel = 1 }, nn.tanh {} },
      }
    end
    local G = nn.growing_generator { stage(4, 6), stage(8, 5), stage(16, 4) }
    local z = gan.randn(2, 7)
    G(z)
    for _, progress in ipairs { 1, 1.25, 2, 3 } do
      G.progress = gan.tensor { progress }
      agrees(G, z)
    end
  end)

  it("writes a network that computes nothing, and one layer alone", function()
    local x = gan.randn(2, 6)
    local m = nn.sequential { nn.dropout {} }
    m(x)
    agrees(m, x, { input = { 6 } })
    local one = nn.linear { out = 2 }
    one(x)
    agrees(one, x)
  end)

  it("puts the weights beside the code where that is asked for, and refuses another file", function()
    local z = gan.randn(3, 5)
    local m = lived_in(nn.sequential { nn.linear { out = 9 }, nn.tanh {}, nn.linear { out = 4 } }, z)
    agrees(m, z, { weights = "file" }, 'if (net_load("net.weights") != 0) return 3;')
    local good = shell.read(folder .. "/net.weights")
    local function status(bytes)
      shell.write(folder .. "/other.weights", bytes)
      shell.write(folder .. "/main.c", '#include "net.h"\nint main(int argc, char **argv)\n'
        .. '{\n    return argc < 2 ? 9 : -net_load(argv[1]);\n}\n')
      compile { "cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "main.c", "net.c", "-o", "loads", "-lm" }
      return shell.run({ folder .. "/loads", folder .. "/other.weights" }).code
    end
    assert.equal(0, status(good))
    assert.equal(2, status(good:sub(1, -2)))
    assert.equal(2, status(good .. "x"))
    assert.equal(2, status(good:sub(1, 30) .. "x" .. good:sub(32)))
    assert.equal(2, status(""))
    assert.equal(1, shell.run({ folder .. "/loads", folder .. "/none" }).code)
  end)

  it("has a header for C++", function()
    local m = nn.linear { out = 2 }
    m(gan.randn(2, 3))
    gan.export.c(m, folder .. "/own-name.c", { name = "mine" })
    assert.is_truthy(shell.read(folder .. "/own-name.h"))
    gan.export.c(m, folder .. "/net")
    shell.write(folder .. "/main.cpp", '#include "net.h"\nint main()\n{\n'
      .. "    float z[NET_INPUT] = {1, 2, 3}, y[NET_OUTPUT];\n    net_generate(z, y);\n"
      .. "    return y[0] == y[0] ? 0 : 1;\n}\n")
    compile { "cc", "-std=c99", "-c", "net.c" }
    compile { "g++", "-Wall", "-Wextra", "-Werror", "-pedantic", "main.cpp", "net.o", "-o", "net", "-lm" }
    assert.equal(0, shell.run({ folder .. "/net" }).code)
  end)

  it("agrees with networks that look at a label, which stands behind z", function()
    local z, labels = gan.randn(5, 6), gan.tensor { 4, 0, 2, 1, 3 }
    local G = nn.sequential { nn.concat_embedding { classes = 6, dim = 3 }, nn.linear { out = 24 },
      nn.conditional_batch_norm { classes = 5 }, nn.relu {}, nn.reshape { 2, 3, 4 },
      nn.residual { main = nn.sequential { nn.conditional_batch_norm { classes = 5 }, nn.relu {},
        nn.conv2d { out = 4, kernel = 3, pad = 1 } } },
      nn.concat_embedding { classes = 5, dim = 2 }, nn.conv2d { out = 3, kernel = 1 }, nn.tanh {} }
    agrees(lived_in(G, z, labels), z, { input = { 6 } }, nil, labels)
    local header = shell.read(folder .. "/net.h")
    assert.matches("void net_generate(const float *z, int label, float *image);", header, 1, true)
    assert.matches("label: from 0 to 4, its class; any other counts as 0.", header, 1, true)
    local x = images(5, 4, 4, 3)
    local D = nn.sequential { nn.conv2d { out = 6, kernel = 3 }, nn.leaky_relu {}, nn.global_sum_pool {},
      nn.projection { classes = 5, spectral = true } }
    agrees(lived_in(D, x, labels), x, { input = { 4, 4, 3 } }, nil, labels)
    -- Any other label counts as the first.
    shell.write(folder .. "/main.c", [[
#include "net.h"
int main(void)
{
    static const int wrong[] = {-1, 5, 2147483647, -2147483647 - 1};
    static float z[NET_INPUT], image[NET_OUTPUT], other[NET_OUTPUT];
    int i;
    z[0] = 1;
    net_generate(z, 0, image);
    for (i = 0; i < 4; i++) {
        net_generate(z, wrong[i], other);
        if (image[0] != other[0])
            return 1;
    }
    net_generate(z, 3, other);
    return image[0] == other[0];
}
]])
    compile { "cc", "-fsanitize=address,undefined", "main.c", "net.c", "-o", "net", "-lm" }
    assert.equal(0, shell.run({ folder .. "/net" }, { cwd = folder }).code)
    local embedding = nn.sequential { nn.embedding { count = 4, dim = 5 }, nn.linear { out = 9 } }
    embedding(gan.tensor { 0 })
    agrees(embedding, gan.tensor { 3, 0, 2 })
  end)

  it("agrees with StyleGAN2's generator, drawn to its mean or not, and with its synthesis alone", function()
    local G = gan.recipe.stylegan2_small { size = 16, channels = 2, latent = 6, style = 5, base = 48, most = 10,
      layers = 2 }.generator
    local z = gan.randn(3, 6)
    agrees(lived_in(G, z), z, { input = { 6 } })
    G[1].truncation = 0.6
    agrees(G, z, { input = { 6 } })
    local styled = shell.read(folder .. "/net.c")
    G[1].truncation = 1
    gan.export.c(G, folder .. "/net", { input = { 6 }, truncation = 0.6 })
    assert.equal(styled, shell.read(folder .. "/net.c"))
    agrees(G[2], gan.randn(3, 6, 5), { input = { 6, 5 } })
    agrees(G[1], z, { input = { 6 } })
  end)

  it("writes the same bytes for the same network, and does not change it", function()
    local z = gan.randn(4, 5)
    local m = lived_in(nn.sequential { nn.spectral_norm(nn.linear { out = 9 }), nn.batch_norm {} }, z)
    local before = core.safetensors_encode(m:state())
    gan.export.c(m, folder .. "/net")
    local text = shell.read(folder .. "/net.c")
    gan.export.c(m, folder .. "/net")
    assert.equal(text, shell.read(folder .. "/net.c"))
    assert.equal(before, core.safetensors_encode(m:state()))
    assert.is_true(m.training)
  end)

  local function refuses(text, ...)
    local ok, message = pcall(gan.export.c, ...)
    assert.is_false(ok)
    assert.matches(text, message, 1, true)
  end

  it("refuses what it cannot write, saying which and where", function()
    local path = folder .. "/refused"
    local own = nn.define("squares", { forward = function(_, x) return x * x end })
    local m = nn.sequential { nn.linear { out = 2 }, own {} }
    refuses("not built yet", m, path)
    m(gan.randn(2, 3))
    refuses("sequential: layer 2 (squares): export: there is no way to write this layer (its nn.define may say one:", m,
      path)
    local compared = nn.sequential { nn.minibatch_stddev {} }:build { 4, 2, 2, 1 }
    refuses("sequential: layer 1 (minibatch_stddev): there is no way to write this layer in C", compared, path,
      { input = { 2, 2, 1 } })
    refuses("export.c: wanted a module, got", 7, path)
    refuses("export.c: wanted a module, got a table (of a run: run.ema or run.generator)", { generator = m }, path)
    local conv = nn.conv2d { out = 2, kernel = 3 }
    conv(images(1, 4, 4, 3))
    refuses("export.c: say what it takes, as in input = {64}", conv, path)
    refuses("conv2d: export: wanted samples of ... x 3, got 4x4x2", conv, path, { input = { 4, 4, 2 } })
    refuses("conv2d: export: wanted images of H x W x C, got samples of 48", conv, path, { input = { 48 } })
    refuses("conv2d: export: nothing is left of images of 2x2x3", conv, path, { input = { 2, 2, 3 } })
    local linear = nn.linear { out = 2 }
    linear(gan.randn(2, 3))
    refuses("export.c: unknown option 'weight'", linear, path, { weight = "file" })
    refuses("option 'name' must be a C name", linear, path, { name = "2x" })
    refuses("the path must end in a file's name", linear, folder .. "/")
    refuses("the path must be a string, got", linear)
    linear.bias:fill_(0 / 0)
    refuses("export.c: linear: its bias has numbers that are not finite", linear, path)
    assert.is_nil(shell.read(path .. ".c"))
  end)
end)
