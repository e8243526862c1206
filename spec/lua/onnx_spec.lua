-- gan.export.onnx: what is written is a sound ONNX file by a decoder that shares nothing with the writer, and computes
-- what ganlua computes; where Python's onnx and onnxruntime are there (GANLUA_PYTHON, or python3), by their word too.

local gan = require "ganlua"
local core = require "ganlua.core"
local here = debug.getinfo(1, "S").source:match "^@(.*/)"
local shell = dofile(here .. "../cli/shell.lua")
local reader = dofile(here .. "onnx/reader.lua")
local networks = dofile(here .. "onnx/networks.lua")()

local nn = gan.nn
local folder = shell.folder()
teardown(function() shell.remove(folder) end)
local path = folder .. "/net.onnx"

local function to_nchw(t) return #t:shape() == 4 and gan.to_nchw(t) or t end

local function exported(row)
  gan.export.onnx(row.network, path, { input = row.input })
  return reader.decode(core.read_file(path))
end

-- n of a network's samples, their labels, and what it makes of them.
local function batch(row, n)
  local places = {}
  for i = 1, n do places[i] = (i - 1) % #row.x + 1 end
  local chosen = gan.tensor(places)
  local x, labels = row.x:index(1, chosen), row.labels and row.labels:index(1, chosen)
  return to_nchw(x), labels, to_nchw(gan.no_grad(row.network, x, labels))
end

describe("gan.export.onnx", function()
  for _, row in ipairs(networks) do
    it("writes what computes the same: " .. row.name, function()
      local model = exported(row)
      assert.same({ 8, 13, "ganlua" }, { model.ir_version, model.opset, model.producer })
      for _, n in ipairs(row.batches) do
        local x, labels, wanted = batch(row, n)
        local got = reader.run(model, { input = x, labels = labels })
        assert.same(wanted:shape(), got:shape())
        -- The products may be AMX's, once here and once there.
        local off = (got - wanted):abs():max():item() / math.max(1, wanted:abs():max():item())
        assert(off <= (gan.kernels() == "amx" and 3e-4 or 1e-5), ("off by %g in a batch of %d"):format(off, n))
      end
    end)
  end

  it("has a batch of any size, pictures as N x C x H x W, and labels where the network looks at them", function()
    local by_name = {}
    for _, row in ipairs(networks) do by_name[row.name] = row end
    local model = exported(by_name["generator"])
    assert.same({ { name = "input", kind = 1, shape = { "batch", 16 } } }, model.inputs)
    assert.same({ { name = "output", kind = 1, shape = { "batch", 3, 15, 15 } } }, model.outputs)
    assert.matches("conv_transpose2d 4x4x12 -> 8x8x8, kernel 4, stride 2, pad 1", model.text, 1, true)
    model = exported(by_name["conditional discriminator"])
    assert.same({ { name = "input", kind = 1, shape = { "batch", 3, 5, 5 } },
      { name = "labels", kind = 7, shape = { "batch" } } }, model.inputs)
    assert.same({ { name = "output", kind = 1, shape = { "batch", 1 } } }, model.outputs)
    model = exported(by_name["embedding"])
    assert.same({ { name = "input", kind = 7, shape = { "batch" } } }, model.inputs)
    model = exported(by_name["embedding, and labels beside it"])
    assert.same({ { name = "input", kind = 7, shape = { "batch" } },
      { name = "labels", kind = 7, shape = { "batch" } } }, model.inputs)
    local row = by_name["discriminator"]
    model = exported(row)
    local whole = reader.run(model, { input = to_nchw(row.x) })
    local one = reader.run(model, { input = to_nchw(row.x):narrow(1, 2, 1) })
    assert.is_near(whole:totable()[2][1], one:item(), 1e-3)
  end)

  it("sees of the first layers what the network takes, where they tell", function()
    local by_name = {}
    for _, row in ipairs(networks) do by_name[row.name] = row end
    for name, shape in pairs { ["StyleGAN2"] = { "batch", 6 }, ["generator"] = { "batch", 16 },
      ["embedding"] = { "batch" }, ["conditional generator"] = { "batch", 7 } } do
      gan.export.onnx(by_name[name].network, path)
      assert.same(shape, reader.decode(core.read_file(path)).inputs[1].shape)
    end
    for _, name in ipairs { "embedding beside latents", "discriminator", "nothing" } do
      local ok, message = pcall(gan.export.onnx, by_name[name].network, path)
      assert.is_false(ok)
      assert.matches("say what it takes, as in input = {64}: its first layer does not tell", message, 1, true)
    end
  end)

  it("puts batch normalisation that follows a product into its weights", function()
    for _, node in ipairs(exported(networks[1]).nodes) do assert.not_equal("Mul", node.operator) end
  end)

  it("writes the same bytes for the same network, and does not change it", function()
    local m = networks[2].network:train()
    local before = core.safetensors_encode(m:state())
    gan.export.onnx(m, path, { input = networks[2].input })
    local bytes = core.read_file(path)
    gan.export.onnx(m, path, { input = networks[2].input })
    assert.equal(bytes, core.read_file(path))
    assert.equal(before, core.safetensors_encode(m:state()))
    assert.is_true(m.training)
    m:eval()
  end)

  local function refuses(text, ...)
    local ok, message = pcall(gan.export.onnx, ...)
    assert.is_false(ok)
    assert.matches(text, message, 1, true)
  end

  it("refuses what it cannot write, saying which and where", function()
    os.remove(path)
    local squares = nn.define("squares", { forward = function(_, x) return x * x end })
    local m = nn.sequential { nn.linear { out = 4 }, nn.reshape { 2, 2, 1 }, squares {} }
    refuses("not built yet", m, path)
    m(gan.randn(4, 3))
    refuses("sequential: layer 3 (squares): export: there is no way to write this layer (its nn.define may say one:",
      m, path)
    refuses("export.onnx: wanted a module, got 7", 7, path)
    refuses("the path must be a string, got nothing", m)
    local conv = nn.conv2d { out = 2, kernel = 3 }
    conv(gan.randn(1, 4, 4, 3))
    refuses("export.onnx: say what it takes, as in input = {64}", conv, path)
    local embedding = nn.embedding { count = 2, dim = 3 }:build(gan.zeros(1))
    refuses("embedding: export: an embedding takes whole numbers, and so it can only be what the network begins with",
      embedding, path, { input = { 7 } })
    local modulated = nn.modulated_conv2d { out = 2, kernel = 3 }
    modulated(gan.zeros(1, 4, 4, 3), gan.zeros(1, 2))
    refuses("modulated_conv2d: export: it takes a style beside its input", modulated, path, { input = { 4, 4, 3 } })
    local synthesis = gan.recipe.stylegan2_small { size = 8, latent = 4, style = 4, layers = 1, base = 16 }.generator
      :build { 1, 4 }[2]
    refuses("synthesis): export: wanted samples of at least 1 rows of numbers, got 4", synthesis, path,
      { input = { 4 } })
    refuses("(synthesis): export: wanted samples of at least 4 rows of numbers, got 3x4", synthesis, path,
      { input = { 3, 4 } })
    refuses("export.onnx: option 'truncation': the conv2d has no nn.style_mixing", conv, path, { truncation = 0.5 })
    refuses("unknown option 'inputs' (did you mean 'input'?)", conv, path, { inputs = { 3 } })
    refuses("conv2d: export: wanted samples of ... x 3, got 4x4x2", conv, path, { input = { 4, 4, 2 } })
    conv.weight:fill_(0 / 0)
    refuses("export.onnx: conv2d: its weight has numbers that are not finite", conv, path, { input = { 4, 4, 3 } })
    assert.is_nil(shell.read(path))
  end)

  local python = os.getenv "GANLUA_PYTHON" or "python3"
  local there = os.execute(shell.quote(python) .. " -c 'import onnx, onnxruntime, numpy' >/dev/null 2>&1")

  it("is accepted by onnx's checker and run by onnxruntime to 1e-5", function()
    if not there then return pending "no onnx and onnxruntime here" end
    local script = [[
import json, sys, numpy, onnx, onnxruntime
for line in sys.stdin:
    case = json.loads(line)
    model = onnx.load(case["path"])
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(case["path"], providers=["CPUExecutionProvider"])
    kind = numpy.int64 if session.get_inputs()[0].type == "tensor(int64)" else numpy.float32
    feed = {"input": numpy.array(case["x"], kind).reshape(case["x_shape"])}
    if "labels" in case:
        feed["labels"] = numpy.array(case["labels"], numpy.int64)
    y = session.run(None, feed)[0]
    wanted = numpy.array(case["y"], numpy.float32).reshape(case["y_shape"])
    assert y.shape == wanted.shape, (y.shape, wanted.shape)
    print("%g" % (abs(y - wanted).max() / max(1, abs(wanted).max())))
]]
    local lines, names, kernels = {}, {}, gan.kernels()
    if kernels == "amx" then gan.kernels "avx512" end
    local _ <close> = setmetatable({}, { __close = function() gan.kernels(kernels) end })
    for i, row in ipairs(networks) do
      local file = ("%s/%d.onnx"):format(folder, i)
      gan.export.onnx(row.network, file, { input = row.input })
      for _, n in ipairs(row.batches) do
        local x, labels, y = batch(row, n)
        lines[#lines + 1] = core.json_encode { path = file, x = x:reshape(-1):totable(), x_shape = x:shape(),
          y = y:reshape(-1):totable(), y_shape = y:shape(), labels = labels and labels:totable() }
        names[#names + 1] = ("%s, a batch of %d"):format(row.name, n)
      end
    end
    local result = shell.run({ python, "-c", script }, { stdin = table.concat(lines, "\n") .. "\n" })
    assert.equal(0, result.code, result.err)
    local count = 0
    for text in result.out:gmatch "%S+" do
      count = count + 1
      assert(tonumber(text) <= 1e-5, ("%s is off by %s"):format(names[count], text))
    end
    assert.equal(#names, count)
  end)
end)
