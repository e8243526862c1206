-- gan.recipe: shapes and parameter counts of the papers, and that each trains. ./dev recipes trains 200 iterations, and
-- looks at the larger networks in the paper's width, not a quarter of it.

local gan = require "ganlua"
local core = require "ganlua.core"
local nn = gan.nn

local long = os.getenv "GANLUA_LONG_SPECS" ~= nil
local iterations, w = long and 200 or 3, long and 64 or 16

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, "no error; wanted: " .. text)
  assert.matches(text, message, 1, true)
end

local function count(network)
  local total = 0
  for _, parameter in ipairs(network:parameters()) do total = total + parameter:numel() end
  return total
end

-- The sides and channels of a sequence's pictures, each once: "4x4x512 8x8x256 ...".
local function pictures(network)
  local list, last = {}, nil
  for i = 1, network.options.count do
    local shape = network[i].output_shape
    local text = #shape == 3 and table.concat(shape, "x")
    if text and text ~= last then list[#list + 1] = text end
    last = text or last
  end
  return table.concat(list, " ")
end

-- The same from sides and channels in widths: stages { 6, 8, 12, 4 }.
local function stages(numbers)
  local list = {}
  for i = 1, #numbers, 2 do list[#list + 1] = ("%dx%dx%d"):format(numbers[i], numbers[i], numbers[i + 1] * w) end
  return table.concat(list, " ")
end

-- Parameters of a convolution with a bias, and of a residual block with a 1x1 skip.
local function conv(kernel, from, to) return kernel * kernel * from * to + to end
local function block(from, to) return conv(3, from, to) + conv(3, to, to) + conv(1, from, to) end

describe("gan.recipe.dcgan", function()
  it("has the shapes of the paper's figure, and at half the width the parameters of PyTorch's example", function()
    local G, D = gan.recipe.dcgan { size = 64 }:built()
    assert.equal(3576704, count(G))
    assert.equal(2765568, count(D))
    G = gan.recipe.dcgan { size = 64, width = 128 }:built()
    assert.equal("1x1x100 4x4x1024 8x8x512 16x16x256 32x32x128 64x64x3", pictures(G))
  end)
end)

describe("gan.recipe.sngan_resnet", function()
  it("has the networks of the table for CIFAR-10", function()
    local G, D = gan.recipe.sngan_resnet { size = 32 }:built()
    assert.equal("4x4x256 8x8x256 16x16x256 32x32x256 32x32x3", pictures(G))
    assert.equal("16x16x128 8x8x128", pictures(D))
    local norms = 3 * 2 * 2 * 256 + 2 * 256
    assert.equal(128 * 4096 + 4096 + 3 * block(256, 256) + norms + conv(3, 256, 3), count(G))
    assert.equal(block(3, 128) + block(128, 128) + 2 * 2 * conv(3, 128, 128) + 128 + 1, count(D))
  end)

  it("has those of the table for STL-10", function()
    local G, D = gan.recipe.sngan_resnet { size = 48, width = w }:built()
    assert.equal(stages { 6, 8, 12, 4, 24, 2, 48, 1 } .. " 48x48x3", pictures(G))
    assert.equal(stages { 24, 1, 12, 2, 6, 4, 3, 8, 3, 16 }, pictures(D))
    local downs = block(3, w) + block(w, 2 * w) + block(2 * w, 4 * w) + block(4 * w, 8 * w) + block(8 * w, 16 * w)
    assert.equal(downs + 16 * w + 1, count(D))
    assert.equal(128 * 36 * 8 * w + 36 * 8 * w + block(8 * w, 4 * w) + block(4 * w, 2 * w) + block(2 * w, w)
      + 2 * (8 + 4 + 4 + 2 + 2 + 1 + 1) * w + conv(3, w, 3), count(G))
  end)

  it("has, with classes, their normalisations and the projection", function()
    local G, D = gan.recipe.sngan_resnet { size = 32, classes = 10 }:built()
    local plain_G, plain_D = gan.recipe.sngan_resnet { size = 32 }:built()
    assert.equal(9 * (3 * 2 * 2 * 256 + 2 * 256), count(G) - count(plain_G))
    assert.equal(10 * 128, count(D) - count(plain_D))
  end)
end)

describe("gan.recipe.sagan", function()
  it("has the networks of the paper at 128 pixels, with attention at 32", function()
    local G, D = gan.recipe.sagan { size = 128, classes = 5, width = w }:built()
    assert.equal(stages { 4, 16, 8, 16, 16, 8, 32, 4, 64, 2, 128, 1 } .. " 128x128x3", pictures(G))
    assert.equal(stages { 64, 1, 32, 2, 16, 4, 8, 8, 4, 16 }, pictures(D))
    assert.equal("self_attention", G[6].kind)
    assert.same({ 32, 32, 4 * w }, G[6].output_shape)
    assert.equal("self_attention", D[3].kind)
    assert.same({ 32, 32, 2 * w }, D[3].output_shape)
    local function attention(c) return 4 * c * c // 8 + 1 end
    assert.equal(block(3, w) + block(w, 2 * w) + attention(2 * w) + block(2 * w, 4 * w) + block(4 * w, 8 * w)
      + block(8 * w, 16 * w) + 2 * conv(3, 16 * w, 16 * w) + 16 * w + 1 + 5 * 16 * w, count(D))
    local norms = (16 + 16 + 16 + 8 + 8 + 4 + 4 + 2 + 2 + 1 + 1) * w
    assert.equal(128 * 16 * 16 * w + 16 * 16 * w + block(16 * w, 16 * w) + block(16 * w, 8 * w)
      + block(8 * w, 4 * w) + attention(4 * w) + block(4 * w, 2 * w) + block(2 * w, w) + 5 * 2 * norms + conv(3, w, 3),
      count(G))
  end)
end)

describe("gan.recipe.stylegan2_small", function()
  it("has, with the paper's widths, the parameters of StyleGAN2 for 256 pixels", function()
    local G, D = gan.recipe.stylegan2_small {
      size = 256, latent = 512, style = 512, layers = 8, base = 16384, most = 512,
    }:built()
    assert.equal(24767458, count(G))
    assert.equal(24001089, count(D))
    assert.same({ 256, 256, 3 }, G.output_shape)
    assert.equal("256x256x64 128x128x128 64x64x256 32x32x512 16x16x512 8x8x512 4x4x512 4x4x513 4x4x512", pictures(D))
  end)

  it("makes its pictures from the styles: another style is another picture, and each stage adds to it", function()
    local G = gan.recipe.stylegan2_small { size = 16, base = 64, most = 16, latent = 8, style = 8 }:built()
    local z = gan.randn(2, 8)
    local y = G:eval()(z)
    assert.is_true((y[1] - y[2]):abs():max():item() > 1e-3)
    assert.same(y:totable(), G(z):totable()) -- in eval there is no chance
    local names = 0
    for name in pairs(G:named_parameters()) do names = names + (name:find "^2%.picture%d%.weight$" and 1 or 0) end
    assert.equal(3, names)
  end)
end)

describe("the styles of gan.recipe.stylegan2_small", function()
  local size = { size = 16, channels = 1, base = 64, most = 16, latent = 8, style = 8 }
  local function generator()
    local G = gan.recipe.stylegan2_small(size).generator:build { 1, 8 }
    for name, p in G:named_parameters() do
      if name:find "picture%d.bias" then p:copy_(gan.randn(p:shape())) end
    end
    return G
  end

  -- Which layers' styles a sum over the picture depends on, as a text of 0 and 1.
  local function heard(synthesis)
    local styles = gan.randn(1, 6, 8)
    local slope = gan.grad(synthesis(styles):square():sum(), { styles })[1]
    local text = ""
    for layer = 1, 6 do text = text .. (slope[1][layer]:abs():max():item() > 0 and 1 or 0) end
    return text
  end

  it("go to the layers that they have in the paper's program", function()
    local synthesis = generator()[2]:eval()
    assert.equal("111111", heard(synthesis))
    -- A picture's own style is that of the next convolution; with one picture alone, the later layers are not heard.
    for picture, wanted in ipairs { "110000", "111100", "111111" } do
      local alone = synthesis:clone()
      for other = 1, 3 do
        if other ~= picture then alone["picture" .. other].weight:fill_(0) end
      end
      assert.equal(wanted, heard(alone))
    end
    refuses("(synthesis): wanted styles of 6 layers, got 1x5x8", synthesis, gan.zeros(1, 5, 8))
    refuses("wanted an N x layers x style input, got 1x8", synthesis, gan.zeros(1, 8))
  end)

  it("become the pictures, and are kept even by path_length, as PyTorch says", function()
    local reference = dofile(debug.getinfo(1, "S").source:match "^@(.*)lua/" .. "reference/styles.lua")
    local function numbers(shape, phase, frequency, most)
      local list, all = {}, 1
      for _, n in ipairs(shape) do all = all * n end
      for i = 1, all do list[i] = most * math.sin(frequency * (i - 1) + phase) end
      return gan.tensor(list):reshape(shape)
    end
    local recipe = gan.recipe.stylegan2_small { size = 8, channels = 1, latent = 3, style = 2, layers = 1, base = 24 }
    local G = recipe.generator:build { 1, 3 }:eval()
    local state = { ["1.mean"] = gan.zeros(2) }
    for k, row in ipairs(reference.parameters) do
      state[row[1]] = numbers(row[2], 0.9 * (k - 1) + 0.3, 1.7, row[1]:find "^1" and 80 or 0.8)
    end
    G:load_state(state)
    local function near(wanted, got, what)
      local most = math.max(1, wanted:abs():max():item())
      assert((wanted - got):abs():max():item() <= 1e-5 * most, what)
    end
    local z = numbers({ 2, 3 }, 0.1, 2.3, 1.1)
    for layer = 1, 4 do near(gan.tensor(reference.mapped), G[1](z):narrow(2, layer, 1):reshape(2, 2), "mapped") end
    near(gan.tensor(reference.pictures), G[2](numbers({ 2, 4, 2 }, 0.2, 2.3, 1.1)), "pictures")

    local penalty = gan.penalty.path_length { mapping = G[1], synthesis = G[2], shrink = 1, decay = 0.9 }
    local memory = {}
    stub(core, "randn", numbers({ 2, 8, 8, 1 }, 0.4, 2.3, 110))
    local done, value = pcall(penalty.value, { latent = z, memory = memory }, penalty.options)
    core.randn:revert()
    assert(done, value)
    assert.is_near(reference.length, memory.mean * 10, 1e-4 * reference.length)
    assert.is_near(reference.penalty, value:item(), 1e-4 * reference.penalty)
    local parameters, names = {}, {}
    for name, p in G:named_parameters() do names[#names + 1], parameters[#parameters + 1] = name, p end
    local wanted = {}
    for _, row in ipairs(reference.parameters) do wanted[row[1]] = row[3] end
    for i, gradient in ipairs(gan.grad(value, parameters, { unused = "zero" })) do
      local product = (gradient:reshape(-1) * gan.arange(0, gradient:numel(), 1):cos()):sum():item()
      assert.is_near(wanted[names[i]], product, 1e-4 * math.max(0.1, math.abs(wanted[names[i]])), names[i])
    end
  end)

  it("can be mixed by hand, and are two latents' in training", function()
    local G = generator():eval()
    local z = gan.randn(2, 8)
    local styles = G[1](z)
    local first, second = styles:narrow(1, 1, 1), styles:narrow(1, 2, 1)
    local mixed = gan.concat({ first:narrow(2, 1, 3), second:narrow(2, 4, 3) }, 2)
    local y, whole = G[2](mixed), G(z)
    for i = 1, 2 do assert.is_true((y[1] - whole[i]):abs():max():item() > 1e-3) end
    G:train()
    assert.is_true((G(z) - G(z)):abs():max():item() > 1e-3) -- noise has no strength yet
  end)

  it("are nearer to their mean where samples are asked for with truncation", function()
    local recipe = gan.recipe.stylegan2_small(size)
    local run = gan.trainer(recipe:options { data = gan.zeros(8, 16, 16, 1), iterations = 1, out = false })
    local function spread(truncation) return run:sample(20, { truncation = truncation }):var(1):mean():item() end
    local whole = spread(1)
    assert.is_true(whole > 0)
    assert.is_near(0, spread(0), 1e-9 * whole)
    assert.is_true(spread(0.5) < 0.6 * whole)
    assert.equal(1, run.ema[1].truncation) -- as before
    refuses("run:sample: option 'truncation' must be a number >= 0 and <= 1, got 1.5", run.sample, run, 1,
      { truncation = 1.5 })
    assert.equal(1, run.ema[1].truncation)
    local walk = select(2, gan.image.interpolate(run, gan.randn(2, 8), gan.randn(2, 8), { truncation = 0 }))
    assert.is_near(0, walk:var(1):max():item(), 1e-9 * whole)
    local plain = gan.trainer { data = gan.zeros(8, 2), latent = 2, out = false, loss = gan.loss.hinge {},
      generator = nn.linear { out = 2 }, discriminator = nn.linear { out = 1 },
      schedule = gan.schedule.alternate { iterations = 1 } }
    refuses("run:sample: option 'truncation': the linear has no nn.style_mixing", plain.sample, plain, 1,
      { truncation = 0.5 })
  end)
end)

describe("a recipe", function()
  it("prints its networks and what goes with them", function()
    local text = tostring(gan.recipe.sngan_resnet { size = 28, channels = 1, classes = 36, width = 4 })
    for _, wanted in ipairs { "sngan_resnet: Miyato 2018", "generator, of 128 numbers and a label", "28x28x1",
      "conditional_batch_norm{classes=36}", "spectral_norm(conv2d{kernel=3, out=8, pad=1})",
      "projection{classes=36, spectral=true}", "loss hinge{margin=1}, batch 64",
      "moves in an iteration: discriminator 5, generator 1" } do
      assert.matches(wanted, text, 1, true)
    end
  end)

  it("draws nothing while it is made and printed", function()
    local before = core.get_random()
    tostring(gan.recipe.dcgan { size = 28, width = 4 })
    assert.same(before, core.get_random())
  end)

  it("gives gan.train its options, and takes others", function()
    local recipe = gan.recipe.sngan_resnet { size = 28, channels = 1, width = 4 }
    local given = recipe:options { batch = 8, iterations = 7 }
    assert.equal(recipe.generator, given.generator)
    assert.equal(8, given.batch)
    assert.equal("function", type(given.schedule))
    assert.is_nil(given.iterations)
    refuses("'iterations' makes a schedule", recipe.options, recipe, { iterations = 1, schedule = print })
    refuses("recipe:options: wanted a table", recipe.options, recipe)
  end)

  it("says what it cannot be", function()
    refuses("gan.recipe has no 'dcgann' (did you mean 'dcgan'?)", function() return gan.recipe.dcgann end)
    refuses("recipe.dcgan: option 'size' is required", gan.recipe.dcgan)
    refuses("a number up to 15 doubled a few times, such as 28, 32 or 64, got 50", gan.recipe.dcgan, { size = 50 })
    refuses("recipe.dcgan: unknown option 'classes'", gan.recipe.dcgan, { size = 28, classes = 10 })
  end)

  local small = {
    dcgan = { width = 8, latent = 16 },
    sngan_resnet = { width = 4, latent = 16, classes = 36 },
    sagan = { width = 8, latent = 16, classes = 36 },
    stylegan2_small = { base = 128, most = 16, latent = 16, style = 16 },
  }
  for name, options in pairs(small) do
    it(("trains on glyphs: %s, %d iterations"):format(name, iterations), function()
      options.size, options.channels = 28, 1
      local data = gan.data.open "glyphs"
      local recipe = gan.recipe[name](options)
      local run = gan.train(recipe:options {
        data = data, batch = 16, iterations = iterations, out = false, progress = false, seed = 1,
        sample = { every = 1000, count = 36 },
      })
      assert.equal(iterations, run.metrics.iteration)
      local samples = run:sample(8, recipe.classes and { label = "K" } or nil)
      assert.same({ 8, 28, 28, 1 }, samples:shape())
      assert.is_true(core.all_finite(samples))
      for _, key in ipairs { "d_loss", "g_loss", "d_grad_norm", "g_grad_norm" } do
        for _, value in ipairs(run:history(key)) do assert.is_true(value - value == 0, key) end
      end
    end)
  end
end)

describe("path_length with mapping and synthesis", function()
  it("takes the slope in the styles: exact for linear networks", function()
    -- G(z) = (z A) B: the slope of y . G in w = z A is B y.
    local mapping, synthesis = nn.linear { out = 3, bias = false }, nn.linear { out = 2, bias = false }
    local z = gan.randn(8, 4)
    synthesis(mapping(z))
    local penalty = gan.penalty.path_length { mapping = mapping, synthesis = synthesis, shrink = 4, decay = 0 }
    gan.seed(4)
    local y = gan.randn(2, 2)
    gan.seed(4)
    local move = { latent = z, generated = synthesis(mapping(z)), memory = {} }
    local value = penalty.value(move, penalty.options):item()
    local lengths = y:matmul(synthesis.weight:transpose(1, 2)):square():sum(2):sqrt()
    assert.is_near((lengths - lengths:mean()):square():mean():item(), value, 1e-4)
    assert.is_near(lengths:mean():item(), move.memory.mean, 1e-4)
    -- Styles layer by layer: G(w) = sum of w_l B_l; the mean over the layers.
    local layered = nn.define("layered", {
      setup = function(self)
        for l = 1, 2 do self:child(l, nn.linear { out = 2, bias = false }) end
      end,
      forward = function(self, styles)
        local function of(l) return self[l](styles:narrow(2, l, 1):reshape(-1, 3)) end
        return of(1) + of(2)
      end,
    }) {}
    local mixed = nn.style_mixing { mapping = mapping, layers = 2 }
    move.memory = {}
    penalty = gan.penalty.path_length { mapping = mixed, synthesis = layered, shrink = 4, decay = 0 }
    layered(mixed(z))
    core.set_random { seed = 4, stream = 0, position = 0 }
    mixed(z:narrow(1, 1, 2))
    y = gan.randn(2, 2)
    core.set_random { seed = 4, stream = 0, position = 0 }
    value = penalty.value(move, penalty.options):item()
    local squares = y:matmul(layered[1].weight:transpose(1, 2)):square():sum(2)
      + y:matmul(layered[2].weight:transpose(1, 2)):square():sum(2)
    lengths = (squares / 2):sqrt()
    assert.is_near((lengths - lengths:mean()):square():mean():item(), value, 1e-4)
    refuses("path_length: wanted both mapping and synthesis", function()
      local half = gan.penalty.path_length { mapping = mapping }
      half.value(move, half.options)
    end)
  end)
end)
