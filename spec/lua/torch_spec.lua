-- gan.import.torch and gan.export.torch: networks whose weights PyTorch has saved (spec/reference/torch, made by
-- make_torch.py there) make what they make in PyTorch, and come out again as they came in.

local gan = require "ganlua"
local core = require "ganlua.core"
local nn = gan.nn
local weights = require "ganlua.torch.weights"

local files = debug.getinfo(1, "S").source:match "^@(.*)lua/torch_spec%.lua$" .. "reference/torch/"
local out = os.tmpname()
teardown(function() os.remove(out) end)

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(text, message, 1, true)
end

-- PyTorch's tensor as ganlua has it: pictures N x H x W x C.
local function from_torch(t)
  return #t:shape() == 4 and gan.from_nchw(t) or t
end

-- A built network with the weights of a file, having made what PyTorch's makes of the same input within 1e-4.
local function check(name, network, options)
  local io = gan.load(files .. name .. "_io.safetensors")
  local x, y = from_torch(io.x), from_torch(io.y)
  network:build(x)
  gan.import.torch(network, files .. name .. ".safetensors", options)
  network:eval()
  local made = gan.no_grad(network, x)
  assert.same(y:shape(), made:shape())
  local off = (made - y):abs():max():item()
  assert(off <= 1e-4 * math.max(1, y:abs():max():item()), ("%s is off by %g"):format(name, off))
  return network
end

local function dcgan()
  local function up(size) return nn.conv_transpose2d { out = size, kernel = 4, stride = 2, pad = 1, bias = false } end
  return nn.sequential {
    nn.conv_transpose2d { out = 8, kernel = 4, bias = false }, nn.batch_norm {}, nn.relu {},
    up(4), nn.batch_norm {}, nn.relu {}, up(3), nn.tanh {},
  }
end

local function projected()
  return nn.sequential {
    nn.linear { out = 24 }, nn.batch_norm {}, nn.relu {}, nn.reshape { 3, 2, 4 },
    nn.conv_transpose2d { out = 6, kernel = 3, stride = 2, pad = 1, output_pad = 1 }, nn.layer_norm { dims = 3 },
    nn.tanh {},
  }
end

local function discriminator()
  return nn.sequential {
    nn.spectral_norm(nn.conv2d { out = 4, kernel = 3, stride = 2, pad = 1 }), nn.leaky_relu {},
    nn.spectral_norm(nn.conv_transpose2d { out = 5, kernel = 3 }), nn.flatten {}, nn.batch_norm {}, nn.leaky_relu {},
    nn.spectral_norm(nn.linear { out = 1 }),
  }
end

local function small(last) return nn.sequential { nn.linear { out = 3 }, last } end

describe("gan.import.torch", function()
  it("takes a DCGAN's generator, found in a module's field", function() check("dcgan", dcgan()) end)

  it("finds layers one after the other where a network of ours has more of them", function()
    local G = nn.sequential { nn.dropout {}, nn.reshape { 1, 1, 6 }, dcgan() }
    local io = gan.load(files .. "dcgan_io.safetensors")
    G:build { 1, 6 }
    gan.import.torch(G, files .. "dcgan.safetensors")
    G:eval()
    local made = gan.no_grad(G, io.x:reshape(3, 6))
    assert.is_true((gan.to_nchw(made) - io.y):abs():max():item() < 1e-4)
  end)

  it("puts features in order that PyTorch makes a picture of, and the weights of a picture's places", function()
    check("projected", projected())
  end)

  it("puts features in order that PyTorch made of a picture; spectral normalisation of every kind of layer", function()
    check("discriminator", discriminator())
    check("parametrized", nn.sequential { nn.spectral_norm(nn.linear { out = 6 }), nn.relu {},
      nn.spectral_norm(nn.linear { out = 2, bias = false }) })
  end)

  it("reads numbers of half the size", function()
    check("half", small(nn.batch_norm {}))
    check("bfloat", small(nn.batch_norm {}))
  end)

  it("is told what names cannot tell", function()
    local function network() return nn.sequential { nn.linear { out = 5 }, nn.relu {}, nn.linear { out = 3 } } end
    check("named", network(), { names = { ["1"] = "first", ["3"] = "second" } })
    check("named", network(), { names = function(own)
      return (own:gsub("^1", "first"):gsub("^3", "second"))
    end })
    local unknown = network():build { 1, 4 }
    refuses("cannot tell which of its layers (first, second) are the network's (1, 3): say names = { [\"1\"] = ",
      gan.import.torch, unknown, files .. "named.safetensors")
  end)

  it("names every tensor that does not fit, and changes nothing", function()
    local function up(size) return nn.conv_transpose2d { out = size, kernel = 4, stride = 2, pad = 1 } end
    local m = nn.sequential { nn.conv_transpose2d { out = 9, kernel = 4, bias = false }, nn.batch_norm {}, nn.relu {},
      up(4), nn.batch_norm { affine = false }, nn.relu {}, up(3) }
    m:build { 1, 1, 1, 6 }
    local before = core.safetensors_encode(m:state())
    local file = files .. "dcgan.safetensors"
    refuses("main.0.weight is 6x8x4x4, wanted 6x9x4x4 for 1.weight of sequential: layer 1 (conv_transpose2d)",
      gan.import.torch, m, file)
    refuses("main.3.bias is missing (4.bias of sequential: layer 4 (conv_transpose2d))", gan.import.torch, m, file)
    refuses("the network has nothing for main.4.bias, main.4.weight", gan.import.torch, m, file)
    assert.equal(before, core.safetensors_encode(m:state()))
  end)

  it("refuses what is no module, one that is not built, and files that are none", function()
    refuses("import.torch: wanted a module, got 3", gan.import.torch, 3, "x")
    refuses("not built yet", gan.import.torch, dcgan(), files .. "dcgan.safetensors")
    local m = small(nn.relu {}):build { 1, 4 }
    refuses("the path must be a string", gan.import.torch, m)
    refuses("there are no weights in it whose names begin with \"G.\"", gan.import.torch, m,
      files .. "half.safetensors", { prefix = "G." })
    local good = core.read_file(files .. "half.safetensors")
    for _, bytes in ipairs { "", "short", good:sub(1, 40), good:sub(1, -3), good:gsub("F16", "F64"),
      good:gsub('"shape"', '"shade"'), good:gsub("{", "[", 1), (good:gsub("%[3,4%]", "[9,9]")) } do
      core.write_file(out, bytes)
      refuses("is no sound safetensors file", gan.import.torch, m, out)
    end
    local twice = '{"0.weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},'
      .. '"0.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}' -- a small file, tensors without end
    core.write_file(out, string.pack("<I8", #twice) .. twice .. ("\0"):rep(8))
    refuses("is no sound safetensors file: its tensors overlap", gan.import.torch, m, out)
    for _, layer in ipairs { nn.maxout { pieces = 2 }, nn.residual { main = nn.linear { out = 12 } } } do
      local mixed = nn.sequential { nn.flatten {}, layer, nn.linear { out = 1 } }:build { 1, 2, 2, 3 }
      refuses(("layer 2 (%s): takes features in an order that PyTorch has otherwise"):format(layer.kind),
        gan.import.torch, mixed, files .. "half.safetensors", { input = { 2, 2, 3 } })
    end
    local flat = nn.sequential { nn.flatten {}, nn.linear { out = 1 } }:build { 1, 2, 2, 3 }
    refuses("sequential: layer 1 (flatten): say what the network takes, as in input = {32, 32, 3}", gan.import.torch,
      flat, files .. "half.safetensors")
  end)

  it("names what torch.save writes, zipped or not", function()
    local m = nn.linear { out = 1 }:build { 1, 2 }
    for _, head in ipairs { "PK\3\4", "\128\2", "\128\5" } do
      core.write_file(out, head .. ("x"):rep(100))
      refuses("is a file of torch.save: wanted one of safetensors.torch.save_file(", gan.import.torch, m, out)
    end
  end)

  it("has StyleGAN2's convolutions as PyTorch has them, and back", function()
    local G = gan.recipe.stylegan2_small({ size = 8, channels = 2, latent = 4, style = 3, layers = 1, base = 24 })
      .generator:build { 1, 4 }
    local before = core.safetensors_encode(G:state())
    gan.export.torch(G, out)
    local written = gan.load(out)
    local weight = G[2].up2.conv.weight
    assert.same({ 3, 3, 6, 3 }, weight:shape())
    assert.same(weight:permute { 4, 3, 1, 2 }:totable(), written["1.up2.conv.weight"]:totable())
    assert.same({ 1, 1, 8, 8 }, written["1.up2.noise.constant"]:shape())
    assert.equal(before, core.safetensors_encode(gan.import.torch(G, out):state()))
  end)

  it("needs not be told what a DCGAN takes, whose latents are pictures of one pixel", function()
    local G = gan.recipe.dcgan({ size = 28, width = 4, latent = 6 }).generator:build { 1, 6 }
    local before = core.safetensors_encode(G:state())
    gan.export.torch(G, out)
    assert.equal(before, core.safetensors_encode(gan.import.torch(G, out):state()))
  end)
end)

describe("gan.export.torch", function()
  -- What is exported with a file's own names is that file, but for counters.
  local function returns(name, network, options)
    check(name, network, options)
    local file = files .. name .. ".safetensors"
    gan.export.torch(network, out, { like = file, names = options and options.names })
    local ours, theirs = weights.read(out), weights.read(file)
    for key, tensor in pairs(theirs) do
      assert.same(tensor:shape(), ours[key] and ours[key]:shape(), key)
      assert.same(tensor:totable(), ours[key]:totable(), key)
      ours[key] = nil
    end
    assert.is_nil(next(ours))
  end

  it("gives back what came in, bit by bit", function()
    returns("dcgan", dcgan())
    returns("projected", projected())
    returns("discriminator", discriminator())
    returns("parametrized", nn.sequential { nn.spectral_norm(nn.linear { out = 6 }), nn.relu {},
      nn.spectral_norm(nn.linear { out = 2, bias = false }) })
    returns("named", nn.sequential { nn.linear { out = 5 }, nn.relu {}, nn.linear { out = 3 } },
      { names = { ["1"] = "first", ["3"] = "second" } })
  end)

  it("names places from 0, behind a prefix; another network of ours takes them in again", function()
    local first, second = discriminator():build { 2, 8, 6, 3 }, discriminator():build { 2, 8, 6, 3 }
    gan.export.torch(first, out, { prefix = "D." })
    local names = {}
    for name in pairs(weights.read(out)) do names[#names + 1] = name end
    table.sort(names)
    assert.same({ "D.0.bias", "D.0.weight_orig", "D.0.weight_u", "D.0.weight_v", "D.2.bias", "D.2.weight_orig" },
      table.move(names, 1, 6, 1, {}))
    gan.import.torch(second, out)
    assert.equal(core.safetensors_encode(first:state()), core.safetensors_encode(second:state()))
  end)

  it("refuses two tensors of one name", function()
    local m = nn.sequential { nn.linear { out = 5 }, nn.linear { out = 3 } }:build { 1, 4 }
    refuses("two tensors would be called \"same\"", gan.export.torch, m, out, { names = function() return "same" end })
  end)
end)
