-- Modules: what every kind of layer shares, and what each one computes, worked by hand on small inputs. (Agreement
-- with PyTorch's numbers is reference_spec.lua's.)

local gan = require "ganlua"
local nn = gan.nn

local function same(wanted, got)
  assert.same(wanted, got:totable())
end

local function near(wanted, got, tolerance)
  local difference = (got - wanted):abs():max():item()
  assert.is_true(difference <= (tolerance or 1e-5), ("off by %g"):format(difference))
end

-- f fails with this text, at the line in this file that calls ganlua.
local function refuses(text, f)
  local ok, message = pcall(f)
  assert.is_false(ok, "no error; wanted: " .. text)
  assert.equal(text, message:match("nn_spec%.lua:%d+: (.*)$"), message)
end

local function small_network()
  return nn.sequential {
    nn.conv2d { out = 4, kernel = 3, pad = 1 }, nn.batch_norm {}, nn.leaky_relu {},
    nn.flatten {}, nn.linear { out = 1 },
  }
end

describe("a network", function()
  it("infers its sizes at the first call", function()
    local m = small_network()
    assert.same({ 2, 1 }, m(gan.randn(2, 5, 5, 3)):shape())
    same({ 3, 3, 3, 4 }, gan.tensor(m[1].weight:shape()))
    same({ 100, 1 }, gan.tensor(m[5].weight:shape()))
  end)

  it("names its parameters by place, in a stable order", function()
    local m = small_network():build { 1, 5, 5, 3 }
    local names = {}
    for name, p in m:named_parameters() do
      names[#names + 1] = name
      assert.equal(m:parameters()[#names], p)
    end
    assert.same({ "1.weight", "1.bias", "2.weight", "2.bias", "5.weight", "5.bias" }, names)
    local again = {}
    for name in pairs(m:named_parameters()) do again[#again + 1] = name end
    assert.same(names, again)
    assert.equal(m[2].weight, m:named_parameters()["2.weight"])
  end)

  it("lists a module that occurs twice once", function()
    local shared = nn.linear { out = 3 }
    local m = nn.sequential { shared, nn.relu {}, shared }:build { 1, 3 }
    assert.equal(2, #m:parameters())
  end)

  it("has no parameters before it is built, and says how to build it", function()
    refuses("sequential: not built yet, its sizes are inferred at the first call: call it once, or "
      .. "sequential:build{1, ...} with the shape of an input", function() return small_network():parameters() end)
  end)

  it("is built without being trained", function()
    local m = small_network()
    m[2].training = false
    m:build(gan.randn(3, 5, 5, 3))
    same({ 0, 0, 0, 0 }, m[2].running_mean)
    assert.is_true(m[1].training)
    assert.is_false(m[2].training)
  end)

  it("switches all its modules between training and evaluation", function()
    local m = nn.sequential { nn.residual { main = nn.sequential { nn.dropout {} } } }
    assert.equal(m, m:eval())
    assert.is_false(m[1].main[1].training)
    assert.equal(m, m:train())
    assert.is_true(m[1].main[1].training)
  end)

  it("hands labels to every layer", function()
    local seen
    local conditional = nn.define("conditional", { forward = function(_, x, labels) seen = labels return x end })
    local labels = gan.tensor { 1, 0 }
    nn.sequential { nn.linear { out = 2 }, nn.residual { main = conditional() } }(gan.ones(2, 2), labels)
    assert.equal(labels, seen)
  end)

  it("gives its gradients to all parameters", function()
    local m = small_network()
    local loss = m(gan.randn(4, 5, 5, 3)):square():mean()
    for _, slope in ipairs(gan.grad(loss, { m[1].weight, m[2].weight, m[5].bias })) do
      assert.is_true(slope:abs():max():item() > 0)
    end
  end)

  it("draws the same weights from the same seed", function()
    gan.seed(7)
    local a = nn.linear { out = 3 }:build { 1, 4 }
    gan.seed(7)
    local b = nn.linear { out = 3 }:build { 1, 4 }
    same(a.weight:totable(), b.weight)
    local bound = 1 / math.sqrt(4)
    assert.is_true(a.weight:abs():max():item() <= bound)
    assert.is_true(a.bias:abs():max():item() <= bound)
  end)
end)

describe("a mismatch", function()
  it("names the layer, its place, what came and what was wanted", function()
    local m = nn.sequential { nn.linear { out = 10 }, nn.relu {}, nn.conv2d { out = 4, kernel = 3 } }
    refuses("sequential: layer 3 (conv2d): wanted an N x H x W x C input, got 64x10", function()
      return m(gan.zeros(64, 7))
    end)
  end)

  it("is named through nested modules", function()
    local m = nn.sequential { nn.residual { main = nn.sequential { nn.flatten {}, nn.linear { out = 3 } } } }
    m(gan.zeros(2, 3))
    refuses("sequential: layer 1 (residual): main (sequential): layer 2 (linear): wanted an N x 3 input, got 2x4",
      function() return m(gan.zeros(2, 4)) end)
  end)

  it("of channels, features, samples and ranks is told", function()
    local conv = nn.conv2d { out = 4, kernel = 3 }:build { 1, 5, 5, 3 }
    refuses("conv2d: wanted an N x H x W x 3 input, got 2x5x5x1", function() return conv(gan.zeros(2, 5, 5, 1)) end)
    refuses("conv2d: wanted an image of at least 3 x 3 for kernel 3 and pad 0, got 2x2x2x3", function()
      return conv(gan.zeros(2, 2, 2, 3))
    end)
    local linear = nn.linear { out = 4 }:build { 1, 6 }
    refuses("linear: wanted an N x 6 input, got 2x3x2 (nn.flatten{} makes one)", function()
      return linear(gan.zeros(2, 3, 2))
    end)
    refuses("reshape: wanted samples of 12 numbers for 2x2x3, got 5x10", function()
      return nn.reshape { 2, 2, 3 }(gan.zeros(5, 10))
    end)
    refuses("upsample: wanted an N x H x W x C input, got 5x10", function() return nn.upsample {}(gan.zeros(5, 10)) end)
    refuses("linear: wanted a tensor, got 3", function() return linear(3) end)
  end)

  it("leaves a layer that failed to build as it was", function()
    local m = nn.linear { out = 2 }
    assert.is_false((pcall(m, gan.zeros(2, 3, 4))))
    assert.same({ 2, 2 }, m(gan.zeros(2, 5)):shape())
    assert.equal(2, #m:parameters())
  end)

  it("of options is told at the line that wrote them", function()
    refuses("conv2d: option 'kernel' must be a positive integer, got 0", function()
      return nn.conv2d { out = 3, kernel = 0 }
    end)
    refuses("conv2d: unknown option 'strid' (did you mean 'stride'?)", function()
      return nn.conv2d { out = 3, kernel = 1, strid = 2 }
    end)
    refuses("conv_transpose2d: option 'output_pad' must be less than the stride 2, got 2", function()
      return nn.conv_transpose2d { out = 3, kernel = 4, stride = 2, output_pad = 2 }
    end)
    refuses("sequential: layer 2 must be a module, got a function (a layer is made by a call: nn.relu{})", function()
      return nn.sequential { nn.linear { out = 1 }, nn.relu }
    end)
    refuses("sequential: layer 2 must be a module, got nothing", function()
      return nn.sequential { nn.relu(), nil, nn.relu() }
    end)
    refuses("residual: option 'main' is required: a module", function() return nn.residual {} end)
    refuses("spectral_norm: option 'layer' must be a layer, got 3", function()
      return nn.spectral_norm { layer = 3 }
    end)
  end)
end)

describe("state", function()
  it("is parameters and buffers, and a snapshot", function()
    local m = small_network()
    m(gan.randn(4, 5, 5, 3))
    local state = m:state()
    local mean = state["2.running_mean"]:totable()
    m(gan.randn(4, 5, 5, 3))
    m[5].bias:fill_(9)
    same(mean, state["2.running_mean"])
    assert.is_not.equal(9, state["5.bias"][1]:item())
  end)

  it("makes another network the same", function()
    local a, b = small_network(), small_network():build { 1, 5, 5, 3 }
    local x = gan.randn(4, 5, 5, 3)
    a(x)
    local weight = b[1].weight
    assert.equal(b, b:load_state(a:state()))
    same(a:eval()(x):totable(), b:eval()(x))
    assert.equal(weight, b[1].weight) -- copied in place: an optimiser keeps hold of it
    b[2].running_mean = b[2].running_mean + 1
    assert.is_not.same(a[2].running_mean:totable(), b[2].running_mean:totable())
  end)

  it("that does not fit is refused as a whole, entry by entry", function()
    local m = nn.sequential { nn.linear { out = 2 } }:build { 1, 3 }
    local before = m[1].weight:totable()
    refuses("sequential: load_state: '1.bias' is missing; '1.bais' is not part of it (did you mean '1.bias'?)",
      function() m:load_state { ["1.weight"] = gan.zeros(3, 2), ["1.bais"] = gan.zeros(2) } end)
    refuses("sequential: load_state: '1.weight' must be 3x2, got 2x3; '1.bias' must be 2, got 3", function()
      m:load_state { ["1.weight"] = gan.zeros(2, 3), ["1.bias"] = 3 }
    end)
    same(before, m[1].weight)
  end)
end)

describe("clone", function()
  it("shares nothing", function()
    local m = small_network()
    local x = gan.randn(4, 5, 5, 3)
    m(x)
    local copy = m:clone()
    same(m:eval()(x):totable(), copy:eval()(x))
    copy[1].weight:fill_(0)
    copy[2].running_mean = copy[2].running_mean + 1
    assert.is_true(m[1].weight:abs():max():item() > 0)
    assert.is_not.same(m[2].running_mean:totable(), copy[2].running_mean:totable())
    copy:train()
    assert.is_false(m[1].training)
  end)

  it("names its own places", function()
    local m = nn.sequential { nn.sequential { nn.linear { out = 1 } } }:build { 1, 2 }
    local copy = m[1]:clone()
    refuses("sequential: layer 1 (linear): wanted an N x 2 input, got 1x3", function() return copy(gan.zeros(1, 3)) end)
  end)

  it("works before the first call", function()
    local copy = nn.init.normal(nn.linear { out = 2 }, 0):clone()
    same({ { 0, 0 } }, copy(gan.ones(1, 3)))
  end)
end)

describe("with", function()
  local m = nn.sequential { nn.linear { out = 1 }, nn.batch_norm {} }:build { 1, 2 }
  local x = gan.tensor { { 1, 2 }, { 3, 5 } }

  it("calls with other parameters, in order or by name", function()
    local linear = nn.linear { out = 1 }:build { 1, 2 }
    local weight, bias = gan.tensor { { 2 }, { 10 } }, gan.tensor { 1 }
    same({ { 23 }, { 57 } }, linear:with { weight, bias }(x))
    near(linear(x) - linear.bias + 1, linear:with { bias = bias }(x))
  end)

  it("does not touch the module, running statistics included", function()
    local before, parameters = m:state(), m:parameters()
    m:with { ["1.weight"] = gan.ones(2, 1), ["2.bias"] = gan.ones(1) }(x)
    for i, p in ipairs(m:parameters()) do assert.equal(parameters[i], p) end
    for name, value in m:state() do same(before[name]:totable(), value) end
  end)

  it("leaves the module as it is on an error", function()
    local weight = m[1].weight
    assert.is_false((pcall(m:with { ["1.weight"] = gan.zeros(2, 1) }, gan.zeros(4, 7))))
    assert.equal(weight, m[1].weight)
  end)

  it("passes gradients through the parameters, as unrolling needs", function()
    local linear = nn.linear { out = 1, bias = false }:build { 1, 2 }
    local loss = linear(x):square():mean()
    local slope = gan.grad(loss, { linear.weight }, { create_graph = true })[1]
    local after = linear:with { linear.weight - slope * 0.1 }(x):square():mean()
    local through = gan.grad(after, { linear.weight })[1]
    -- y = X w, L = |y|^2/2 over two rows: dL/dw = A w with A = X'X; w' = (1 - 0.1 A) w, dL(w')/dw = (1 - 0.1 A) A w'.
    local A = x:transpose(1, 2):matmul(x)
    local step = gan.tensor { { 1, 0 }, { 0, 1 } } - A * 0.1
    local wanted = step:matmul(A):matmul(step):matmul(linear.weight)
    near(wanted, through, 1e-4 * (1 + wanted:abs():max():item()))
  end)

  it("refuses what does not fit", function()
    refuses("sequential: with wants 4 parameters, got 1", function() return m:with { gan.zeros(2, 1) } end)
    refuses("sequential: with: '1.weight' must be 2x1, got 1x2", function()
      return m:with { ["1.weight"] = gan.zeros(1, 2) }
    end)
  end)
end)

describe("tostring", function()
  it("prints layers, output shapes and parameter counts once built", function()
    local m = nn.sequential {
      nn.spectral_norm(nn.conv2d { out = 4, kernel = 3, pad = 1 }), nn.leaky_relu {},
      nn.residual { main = nn.dropout { p = 0.25 } }, nn.reshape { -1 }, nn.linear { out = 1 },
    }
    assert.matches("^sequential: not built yet\n", tostring(m))
    m:build { 1, 2, 2, 3 }
    assert.equal(table.concat({
      "sequential: 129 parameters, output 1",
      "          layer                                          output  parameters",
      "  1       spectral_norm(conv2d{kernel=3, out=4, pad=1})  2x2x4          112",
      "  2       leaky_relu                                     2x2x4            0",
      "  3       residual                                       2x2x4",
      "  3.main  dropout{p=0.25}                                2x2x4            0",
      "  4       reshape{-1}                                    16               0",
      "  5       linear{out=1}                                  1               17",
    }, "\n"), tostring(m))
  end)

  it("is one line for a single layer", function()
    assert.equal("linear{out=2}: not built yet", tostring(nn.linear { out = 2 }))
    assert.equal("linear{out=2}: 8 parameters, output 2", tostring(nn.linear { out = 2 }:build { 1, 3 }))
  end)
end)

describe("linear", function()
  it("is x W + b", function()
    local m = nn.linear { out = 2 }:build { 1, 2 }
    m:load_state { weight = gan.tensor { { 1, 2 }, { 3, 4 } }, bias = gan.tensor { 10, 20 } }
    same({ { 17, 30 } }, m(gan.tensor { { 1, 2 } }))
    assert.equal(1, #nn.linear { out = 2, bias = false }:build({ 1, 2 }):parameters())
  end)
end)

describe("conv2d", function()
  it("sums over its window", function()
    local m = nn.conv2d { out = 1, kernel = 2, stride = 2, pad = 1 }:build { 1, 2, 2, 1 }
    m:load_state { weight = gan.ones(2, 2, 1, 1), bias = gan.tensor { 0.5 } }
    same({ { { { 1.5 }, { 2.5 } }, { { 3.5 }, { 4.5 } } } }, m(gan.tensor { { { { 1 }, { 2 } }, { { 3 }, { 4 } } } }))
  end)
end)

describe("conv_transpose2d", function()
  it("has the size (H - 1) stride - 2 pad + kernel + output_pad", function()
    local m = nn.conv_transpose2d { out = 5, kernel = 4, stride = 2, pad = 1 }
    assert.same({ 2, 14, 6, 5 }, m(gan.zeros(2, 7, 3, 8)):shape())
    assert.same({ 4, 4, 5, 8 }, m.weight:shape())
    local odd = nn.conv_transpose2d { out = 5, kernel = 3, stride = 2, pad = 1, output_pad = 1 }
    assert.same({ 2, 14, 14, 5 }, odd(gan.zeros(2, 7, 7, 8)):shape())
  end)

  it("writes its kernel at each place", function()
    local m = nn.conv_transpose2d { out = 1, kernel = 2, stride = 2, bias = false }:build { 1, 1, 2, 1 }
    m:load_state { weight = gan.tensor { 1, 2, 3, 4 }:reshape(2, 2, 1, 1) }
    same({ { 1, 2, 10, 20 }, { 3, 4, 30, 40 } }, m(gan.tensor { 1, 10 }:reshape(1, 1, 2, 1)):reshape(2, 4))
  end)

  it("starts as PyTorch's: its fan counts the outputs", function()
    local m = nn.conv_transpose2d { out = 25, kernel = 2 }:build { 1, 2, 2, 3 }
    assert.is_true(m.weight:abs():max():item() <= 0.1)
    assert.is_true(m.weight:abs():max():item() > 0.09)
  end)
end)

describe("batch_norm", function()
  local x = gan.tensor { { 1, 10 }, { 3, 10 }, { 8, 16 } }

  it("normalises each channel in training and follows the moments", function()
    local m = nn.batch_norm {}
    local y = m(x)
    near(gan.zeros(2), y:mean(1))
    near(gan.ones(2), y:square():mean(1), 1e-4)
    near(gan.tensor { 0.4, 1.2 }, m.running_mean)
    near(gan.tensor { 0.9 + 0.1 * 13, 0.9 + 0.1 * 12 }, m.running_var)
  end)

  it("uses the running statistics in eval", function()
    local m = nn.batch_norm {}:build { 1, 2 }
    m:load_state {
      weight = gan.tensor { 2, 1 }, bias = gan.tensor { 0, 1 },
      running_mean = gan.tensor { 1, 10 }, running_var = gan.tensor { 4, 9 },
    }
    near(gan.tensor { { 0, 1 }, { 2, 1 }, { 7, 3 } }, m:eval()(x))
    near(gan.tensor { 1, 10 }, m.running_mean)
  end)

  it("replaces its buffers, so that an older graph stays valid", function()
    local m = nn.batch_norm {}
    local before = m(x) and m.running_mean
    local values = before:totable()
    m(x)
    same(values, before)
    assert.is_not.equal(before, m.running_mean)
  end)

  it("has no parameters without affine", function()
    assert.equal(0, #nn.batch_norm { affine = false }:build({ 1, 2 }):parameters())
  end)

  it("refuses a single value per channel in training", function()
    refuses("batch_norm: wanted more than one value per channel in training, got 1x2", function()
      return nn.batch_norm {}(gan.zeros(1, 2))
    end)
  end)
end)

describe("spectral_norm", function()
  it("makes the largest singular value one", function()
    local m = nn.spectral_norm(nn.linear { out = 2, bias = false }):build { 1, 2 }
    m.layer.weight:copy_(gan.tensor { { 3, 0 }, { 0, 1 } })
    for _ = 1, 30 do m(gan.zeros(1, 2)) end
    near(gan.tensor { { 1, 1 / 3 } }, m(gan.ones(1, 2)))
  end)

  it("keeps the names of its layer and adds its buffers", function()
    local m = nn.sequential { nn.spectral_norm(nn.linear { out = 2 }) }:build { 1, 3 }
    local names = {}
    for name in m:state() do names[#names + 1] = name end
    assert.same({ "1.weight", "1.bias", "1.weight_u", "1.weight_v" }, names)
  end)

  it("iterates in training only", function()
    local m = nn.spectral_norm(nn.conv2d { out = 3, kernel = 3 }):build { 1, 4, 4, 2 }
    local u = m.weight_u
    m:eval()(gan.zeros(1, 4, 4, 2))
    assert.equal(u, m.weight_u)
    m:train()(gan.zeros(1, 4, 4, 2))
    assert.is_not.equal(u, m.weight_u)
  end)

  it("takes singular vectors as constants: the gradient has no part along the weight", function()
    local m = nn.spectral_norm(nn.linear { out = 3, bias = false }):build { 1, 4 }
    m:eval()
    local slope = gan.grad(m(gan.randn(5, 4)):square():mean(), m:parameters())[1]
    -- W / sigma(W) does not change when W is scaled.
    assert.is_near(0, (slope * m.layer.weight):sum():item(), 1e-5)
  end)

  it("follows a transposed convolution's outputs", function()
    local m = nn.spectral_norm(nn.conv_transpose2d { out = 3, kernel = 2 }):build { 1, 4, 4, 5 }
    assert.same({ 3, 1 }, m.weight_u:shape())
    assert.same({ 20, 1 }, m.weight_v:shape())
  end)

  it("refuses a layer without a weight", function()
    refuses("spectral_norm: wanted a layer with a weight of two dimensions or more, got relu", function()
      return nn.spectral_norm(nn.relu {})(gan.zeros(1, 2))
    end)
  end)
end)

describe("an activation", function()
  local x = gan.tensor { { -2, 0, 1.5 } }
  local formulas = {
    relu = function(u) return math.max(0, u) end,
    leaky_relu = function(u) return u > 0 and u or 0.2 * u end,
    elu = function(u) return u > 0 and u or math.exp(u) - 1 end,
    silu = function(u) return u / (1 + math.exp(-u)) end,
    tanh = function(u) return (math.exp(u) - math.exp(-u)) / (math.exp(u) + math.exp(-u)) end,
    sigmoid = function(u) return 1 / (1 + math.exp(-u)) end,
    softplus = function(u) return math.log(1 + math.exp(u)) end,
  }
  for name, f in pairs(formulas) do
    it("has its formula: " .. name, function()
      near(gan.tensor { { f(-2), f(0), f(1.5) } }, nn[name] {}(x))
    end)
  end

  it("has its formula: gelu", function()
    near(gan.tensor { { -0.0455003, 0, 1.3997892 } }, nn.gelu {}(x))
  end)

  it("takes its option", function()
    same({ { -1, 0, 1.5 } }, nn.leaky_relu { slope = 0.5 }(x))
    near(gan.tensor { { 2 * (math.exp(-2) - 1), 0, 1.5 } }, nn.elu { alpha = 2 }(x))
  end)
end)

describe("reshape and flatten", function()
  it("keep the samples apart", function()
    local x = gan.arange(0, 24, 1):reshape(2, 12)
    local y = nn.reshape { 2, 2, 3 }(x)
    assert.same({ 2, 2, 2, 3 }, y:shape())
    same(x:totable(), nn.flatten {}(y))
    assert.same({ 2, 4, 3 }, nn.reshape { -1, 3 }(x):shape())
    assert.same({ 2, 3, 4 }, nn.reshape(3, 4)(x):shape())
    assert.same({ 2, 1 }, nn.flatten {}(gan.zeros(2)):shape())
  end)

  it("refuse sizes that are none", function()
    refuses("reshape: option 'sizes' must be a list of sizes such as {7, 7, 128}, at most one of them -1, got a table",
      function() return nn.reshape { -1, -1 } end)
    refuses("reshape: wanted samples of a multiple of 5 numbers for 5x-1, got 1x12", function()
      return nn.reshape { 5, -1 }(gan.zeros(1, 12))
    end)
  end)
end)

describe("dropout", function()
  it("drops and scales in training, and does nothing in eval", function()
    local m, x = nn.dropout { p = 0.25 }, gan.ones(100, 100)
    local y = m(x)
    assert.is_near(1, y:mean():item(), 0.05)
    assert.is_near(0.25, y:eq(0):mean():item(), 0.03)
    assert.is_near(4 / 3, y:max():item(), 1e-6)
    assert.equal(x, m:eval()(x))
    assert.equal(0, nn.dropout { p = 1 }(x):max():item())
  end)
end)

describe("upsample", function()
  it("repeats pixels, or blends them", function()
    local x = gan.tensor { 0, 4 }:reshape(1, 1, 2, 1)
    same({ { 0, 0, 4, 4 }, { 0, 0, 4, 4 } }, nn.upsample {}(x):reshape(2, 4))
    near(gan.tensor { { 0, 1, 3, 4 }, { 0, 1, 3, 4 } }, nn.upsample { mode = "bilinear" }(x):reshape(2, 4))
    assert.same({ 1, 3, 6, 1 }, nn.upsample { scale = 3 }(x):shape())
  end)
end)

describe("avg_pool and global_sum_pool", function()
  local x = gan.arange(1, 10, 1):reshape(1, 3, 3, 1)

  it("gather pixels", function()
    same({ { { { 3 } } } }, nn.avg_pool { kernel = 2 }(x))
    same({ { 45 } }, nn.global_sum_pool {}(x))
  end)

  it("refuse an image smaller than the window", function()
    refuses("avg_pool: wanted an image of at least 4 x 4, got 1x3x3x1", function()
      return nn.avg_pool { kernel = 4 }(x)
    end)
  end)
end)

describe("residual", function()
  it("adds its input, or the skip's", function()
    local m = nn.residual { main = nn.linear { out = 2 } }:build { 1, 2 }
    m:load_state { ["main.weight"] = gan.zeros(2, 2), ["main.bias"] = gan.tensor { 1, 2 } }
    same({ { 4, 6 } }, m(gan.tensor { { 3, 4 } }))
    local skipped = nn.residual { main = nn.linear { out = 3 }, skip = nn.linear { out = 3, bias = false } }
    assert.same({ 2, 3 }, skipped(gan.zeros(2, 5)):shape())
    assert.equal(3, #skipped:parameters())
  end)

  it("refuses paths that do not meet", function()
    refuses("residual: main gives 2x3 and the input is 2x5: they must agree", function()
      return nn.residual { main = nn.linear { out = 3 } }(gan.zeros(2, 5))
    end)
  end)
end)

describe("embedding", function()
  local m = nn.embedding { count = 3, dim = 2 }:build(gan.tensor { 0 })

  it("gives each label its row", function()
    m:load_state { weight = gan.tensor { { 1, 2 }, { 3, 4 }, { 5, 6 } } }
    same({ { 5, 6 }, { 1, 2 } }, m(gan.tensor { 2, 0 }))
  end)

  it("refuses labels that are none", function()
    refuses("embedding: label 2 is 3, wanted a whole number from 0 to 2", function() return m(gan.tensor { 0, 3 }) end)
  end)
end)

describe("layer_norm", function()
  it("normalises each sample over its last dimensions", function()
    local x = gan.tensor { { 1, 2, 3 }, { 10, 10, 40 } }
    local y = nn.layer_norm {}(x)
    near(gan.zeros(2), y:mean(2))
    near(gan.ones(2), y:square():mean(2), 1e-4)
    local images = nn.layer_norm { dims = 3 }
    near(gan.zeros(4), images(gan.randn(4, 3, 3, 2)):mean { 2, 3, 4 })
    assert.same({ 3, 3, 2 }, images.weight:shape())
    assert.equal(0, #nn.layer_norm { affine = false }:build({ 1, 3 }):parameters())
  end)

  it("refuses samples of another shape", function()
    local m = nn.layer_norm { dims = 2 }:build { 1, 3, 2 }
    refuses("layer_norm: wanted an N x 3x2 input, got 4x3x3", function() return m(gan.zeros(4, 3, 3)) end)
  end)
end)

describe("nn.init", function()
  it("draws weights now or when they are made", function()
    local built = nn.sequential { nn.linear { out = 200 } }:build { 1, 200 }
    local later = nn.sequential { nn.linear { out = 200 } }
    for _, m in ipairs { built, later } do
      assert.equal(m, nn.init.normal(m, 0.5))
      m(gan.zeros(1, 200))
      assert.is_near(0, m[1].weight:mean():item(), 0.02)
      assert.is_near(0.25, m[1].weight:var():item(), 0.02)
      assert.equal(0, m[1].bias:abs():max():item())
    end
  end)

  it("leaves normalisation layers alone", function()
    local m = nn.init.normal(nn.batch_norm {}, 3):build { 1, 4 }
    same({ 1, 1, 1, 1 }, m.weight)
  end)

  it("bounds xavier and kaiming by their fans", function()
    local conv = nn.conv2d { out = 20, kernel = 3 }:build { 1, 3, 3, 10 }
    local largest = nn.init.xavier(conv).weight:abs():max():item()
    local bound = math.sqrt(6 / (90 + 180))
    assert.is_true(largest <= bound and largest > 0.95 * bound)
    largest = nn.init.kaiming(conv, 0.2).weight:abs():max():item()
    bound = math.sqrt(6 / (1.04 * 90))
    assert.is_true(largest <= bound and largest > 0.95 * bound)
  end)

  it("makes orthogonal weights orthogonal", function()
    local tall = nn.init.orthogonal(nn.linear { out = 5 }:build { 1, 12 }, 2).weight
    local places = gan.arange(1, 6, 1)
    local identity = places:reshape(5, 1):eq(places)
    near(identity * 4, tall:transpose(1, 2):matmul(tall))
    local wide = nn.init.orthogonal(nn.linear { out = 12 }):build({ 1, 5 }).weight
    near(identity, wide:matmul(wide:transpose(1, 2)))
  end)

  it("refuses what is no module", function()
    refuses("nn.init.normal: wanted a module, got a 2x2 tensor", function() nn.init.normal(gan.zeros(2, 2)) end)
    refuses("nn.init.normal: std must be a number >= 0, got -1", function() nn.init.normal(nn.relu {}, -1) end)
  end)
end)

describe("nn.define", function()
  local scale = nn.define("scale", {
    options = { start = { type = "number", default = 1 } },
    build = function(self, shape) self:parameter("weight", gan.full({ shape[#shape] }, self.options.start)) end,
    forward = function(self, x) return x * self.weight end,
  })

  it("makes the user's own layer, with all that layers have", function()
    local m = nn.sequential { scale { start = 3 }, nn.relu {} }
    same({ { 3, 0 } }, m(gan.tensor { { 1, -1 } }))
    assert.equal("1.weight", (m:named_parameters()()))
    assert.equal("scale{start=3}: 2 parameters, output 2", tostring(m[1]))
    same({ { 5, 0 } }, m:with { gan.tensor { 5, 5 } }(gan.tensor { { 1, -1 } }))
    refuses("scale: unknown option 'strat' (did you mean 'start'?)", function() return scale { strat = 3 } end)
  end)

  it("holds other modules", function()
    local twice = nn.define("twice", {
      setup = function(self) self:child("inner", nn.linear { out = 2, bias = false }) end,
      forward = function(self, x) return self.inner(x) * 2 end,
    })
    local m = twice():build { 1, 2 }
    m:load_state { ["inner.weight"] = gan.tensor { { 1, 0 }, { 0, 1 } } }
    same({ { 2, 4 } }, m(gan.tensor { { 1, 2 } }))
  end)

  it("refuses a definition that is none", function()
    refuses("nn.define 'x': unknown option 'foward' (did you mean 'forward'?)", function()
      nn.define("x", { foward = math.abs })
    end)
    refuses("nn.define 'x': option 'forward' is required: a function", function() nn.define("x", {}) end)
  end)

  it("refuses a name that is taken, and a forward that returns nothing", function()
    local taken = nn.define("taken", {
      build = function(self) self:parameter("train", gan.zeros(1)) end,
      forward = function(_, x) return x end,
    })
    refuses("taken: 'train' cannot name a parameter: the module has something of that name", function()
      return taken()(gan.zeros(1))
    end)
    refuses("silent: forward must return a tensor, got nothing", function()
      return nn.define("silent", { forward = function() end })()(gan.zeros(1))
    end)
  end)
end)

describe("what passes between the layers of a sequence", function()
  local function layers_that_keep(kept)
    return nn.define("keeper", { forward = function(_, x)
      kept[#kept + 1] = x
      return x
    end }) {}
  end

  it("is given back when the next layer has used it", function()
    local m = nn.sequential { nn.linear { out = 1000 }, nn.relu {}, nn.linear { out = 1000 }, nn.tanh {} }
    m:build { 2, 10 }
    local x = gan.zeros(1000, 10)
    collectgarbage()
    local before = gan.memory().live
    collectgarbage "stop"
    local y = gan.no_grad(m, x)
    local after = gan.memory().live
    collectgarbage "restart"
    assert.is_true(after - before < 1.5 * 4 * y:numel(), ("%d bytes more"):format(after - before))
  end)

  it("stays where somebody else has it: the caller, a layer of one's own, a layer that gives back its input", function()
    local kept = {}
    local m = nn.sequential {
      nn.dropout { p = 0.5 }, nn.relu {}, layers_that_keep(kept), nn.relu {}, nn.dropout { p = 0.5 }, nn.tanh {},
      layers_that_keep(kept),
    }
    m:eval()
    local x = gan.randn(3, 4)
    local y = m(x)
    assert.equal(12, x:numel())
    assert.equal(y, kept[2])
    assert.is_near(0, (kept[1] - gan.no_grad(nn.relu {}, x)):abs():max():item(), 0)
    assert.is_near(0, (kept[1]:tanh() - y):abs():max():item(), 0)
  end)
end)
