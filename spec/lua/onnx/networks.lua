-- Networks with every layer that gan.export.onnx can write, for its spec: each is { name, network, x, labels, input,
-- batches }, the last one sizes of batches to try, of n samples of x, from the first one on again where it has fewer.

local gan = require "ganlua"
local nn = gan.nn

-- Trained-looking statistics for batch normalisation, and parameters that are not their first values.
local function lived_in(m, x, labels)
  m(x, labels)
  for name, p in m:named_parameters() do
    if name:find "bias" or #p:shape() == 1 then gan.no_grad(p.add_, p, gan.randn(p:shape()) * 0.3) end
  end
  m:train()
  for _ = 1, 3 do gan.no_grad(m, #x:shape() > 1 and x * 1.5 + 0.1 or x, labels) end
  return m:eval()
end

local function stage(size, out)
  return {
    block = size == 4 and nn.sequential { nn.linear { out = 16 * out }, nn.relu {}, nn.reshape { 4, 4, out } }
      or nn.sequential { nn.upsample {}, nn.conv2d { out = out, kernel = 3, pad = 1 }, nn.relu {} },
    head = nn.sequential { nn.conv2d { out = 2, kernel = 1 }, nn.tanh {} },
  }
end

local function stage_down(size, out)
  return {
    head = nn.conv2d { out = out, kernel = 1 },
    block = size == 4 and nn.sequential { nn.flatten {}, nn.linear { out = 1 } }
      or nn.sequential { nn.conv2d { out = out // 2, kernel = 3, pad = 1 }, nn.leaky_relu {},
        nn.avg_pool { kernel = 2 } },
  }
end

return function()
  gan.seed(3)
  local list = {}
  local function add(name, network, x, more)
    local row = { name = name, x = x, labels = more and more.labels, batches = more and more.batches or { 1, 2, 5, 8 } }
    row.network = lived_in(network, x, row.labels)
    if more and more.after then more.after(row.network) end
    row.input = #x:shape() > 1 and table.move(x:shape(), 2, #x:shape(), 1, {}) or nil
    list[#list + 1] = row
  end
  local function pictures(...) return gan.randn(...) end

  add("generator", nn.sequential {
    nn.linear { out = 32 }, nn.batch_norm {}, nn.relu {}, nn.linear { out = 4 * 4 * 12 }, nn.batch_norm {}, nn.relu {},
    nn.reshape { 4, 4, 12 }, nn.conv_transpose2d { out = 8, kernel = 4, stride = 2, pad = 1 }, nn.batch_norm {},
    nn.leaky_relu {}, nn.conv_transpose2d { out = 3, kernel = 3, stride = 2, pad = 1, bias = false },
    nn.tanh {},
  }, gan.randn(5, 16))
  add("discriminator", nn.sequential {
    nn.spectral_norm(nn.conv2d { out = 8, kernel = 4, stride = 2, pad = 1 }), nn.leaky_relu { slope = 0.1 },
    nn.dropout {}, nn.conv2d { out = 6, kernel = 3, bias = false }, nn.batch_norm { affine = false }, nn.flatten {},
    nn.spectral_norm(nn.linear { out = 1 }),
  }, pictures(4, 10, 8, 3))
  for _, activation in ipairs { nn.relu {}, nn.leaky_relu { slope = 0.3 }, nn.elu { alpha = 1.5 }, nn.gelu {},
    nn.silu {}, nn.tanh {}, nn.sigmoid {}, nn.softplus {} } do
    add(activation.kind, nn.sequential { activation }, gan.randn(8, 9) * 3)
  end
  add("resampled", nn.sequential {
    nn.conv_transpose2d { out = 8, kernel = 3, stride = 2, pad = 1, output_pad = 1 }, nn.silu {},
    nn.upsample {}, nn.residual { main = nn.sequential { nn.conv2d { out = 8, kernel = 3, pad = 1 },
      nn.batch_norm {}, nn.relu {} } },
    nn.residual { main = nn.conv2d { out = 4, kernel = 3, pad = 1 }, skip = nn.conv2d { out = 4, kernel = 1 } },
    nn.upsample { scale = 3, mode = "bilinear" }, nn.avg_pool { kernel = 4 },
    nn.residual { main = nn.sequential { nn.global_sum_pool {} }, skip = nn.global_avg_pool {} },
  }, pictures(3, 6, 5, 8))
  add("normalised", nn.sequential {
    nn.layer_norm {}, nn.layer_norm { dims = 2 }, nn.layer_norm { dims = 3 }, nn.group_norm { groups = 4 },
    nn.instance_norm { affine = true }, nn.instance_norm {}, nn.pixel_norm {}, nn.maxout { pieces = 2 }, nn.flatten {},
    nn.layer_norm { affine = false }, nn.linear { out = 24 }, nn.pixel_norm {}, nn.group_norm { groups = 3 },
    nn.maxout { pieces = 3 }, nn.reshape { 2, -1, 4 }, nn.batch_norm {}, nn.reshape { 4, 2 }, nn.reshape { 8 },
  }, pictures(3, 6, 5, 8))
  add("conditional generator", nn.sequential {
    nn.linear { out = 24 }, nn.conditional_batch_norm { classes = 5 }, nn.relu {}, nn.reshape { 2, 3, 4 },
    nn.conv2d { out = 6, kernel = 3, pad = 1 }, nn.conditional_batch_norm { classes = 5 }, nn.relu {},
  }, gan.randn(4, 7), { labels = gan.tensor { 0, 4, 2, 1 } })
  add("conditional discriminator", nn.sequential {
    nn.conv2d { out = 6, kernel = 3 }, nn.relu {}, nn.global_sum_pool {}, nn.projection { classes = 5 },
  }, pictures(4, 5, 5, 3), { labels = gan.tensor { 3, 0, 2, 2 } })
  add("growing generator", nn.growing_generator { stage(4, 6), stage(8, 5), stage(16, 4) }, gan.randn(2, 7),
    { after = function(m) m.progress = gan.tensor { 2.25 } end })
  add("growing discriminator", nn.growing_discriminator { stage_down(4, 4), stage_down(8, 8), stage_down(16, 16) },
    pictures(2, 16, 16, 2), { after = function(m) m.progress = gan.tensor { 2.75 } end })
  local function with_attention(spectral)
    return nn.sequential { nn.conv2d { out = 9, kernel = 3, pad = 1 }, nn.self_attention { reduce = 3,
      spectral = spectral }, nn.relu {}, nn.max_pool { kernel = 2 }, nn.self_attention { reduce = 2 } }
  end
  add("attention", with_attention(false), pictures(3, 7, 5, 4))
  add("attention, spectral", with_attention(true), pictures(2, 4, 6, 3))
  -- The whole batch is a group, or there are two or three of four pictures.
  add("minibatch", nn.sequential { nn.conv2d { out = 3, kernel = 3 }, nn.minibatch_stddev {},
    nn.conv2d { out = 2, kernel = 1 }, nn.max_pool { kernel = 3 }, nn.flatten {}, nn.linear { out = 1 } },
    pictures(12, 6, 7, 2), { batches = { 1, 2, 3, 8, 12 } })
  add("groups of five", nn.minibatch_stddev { group = 5, eps = 1e-3 }, pictures(10, 2, 3, 4),
    { batches = { 1, 2, 5, 10 } })
  add("embedding beside latents", nn.sequential { nn.concat_embedding { classes = 5, dim = 3 }, nn.linear { out = 24 },
    nn.relu {}, nn.reshape { 2, 3, 4 }, nn.concat_embedding { classes = 5, dim = 2 },
    nn.conv2d { out = 3, kernel = 3, pad = 1 }, nn.reshape { 6, 3 }, nn.concat_embedding { classes = 4, dim = 1 },
  }, gan.randn(4, 7), { labels = gan.tensor { 0, 3, 2, 1 } })
  add("equalized, with noise", nn.sequential {
    nn.equalized { nn.linear { out = 30 }, rate = 0.1, gain = 2, bias = 1 }, nn.leaky_relu {}, nn.reshape { 2, 3, 5 },
    nn.pixel_noise {}, nn.equalized { nn.conv2d { out = 4, kernel = 3, pad = 1 } }, nn.upsample {}, nn.pixel_noise {},
  }, gan.randn(4, 7))
  local function stylegan(truncation)
    local G = gan.recipe.stylegan2_small { size = 16, channels = 2, latent = 6, style = 5, base = 48, most = 10,
      layers = 2 }.generator
    G[1].truncation = truncation
    return G
  end
  add("StyleGAN2", stylegan(1), gan.randn(5, 6), { batches = { 1, 2, 5 } })
  add("StyleGAN2, nearer to its mean", stylegan(0.6), gan.randn(5, 6), { batches = { 1, 2, 5 } })
  -- With styles of its own for each layer.
  add("StyleGAN2's synthesis", stylegan(1):build { 1, 6 }[2], gan.randn(5, 6, 5), { batches = { 1, 2, 5 } })
  add("a layer of a script's own", nn.define("modulated_by_itself", {
    setup = function(self)
      self:child("first", nn.conv2d { out = 4, kernel = 3 })
      self:child("pool", nn.global_avg_pool {})
      self:child("second", nn.modulated_conv2d { out = 3, kernel = 3 })
    end,
    forward = function(self, x)
      local y = self.first(x)
      return self.second(y, self.pool(y))
    end,
    steps = function(self, g, x)
      local y = g:walk(self.first, x)
      return g:walk(self.second, y, g:walk(self.pool, y))
    end,
  }) {}, pictures(3, 5, 6, 2))
  add("embedding", nn.sequential { nn.embedding { count = 4, dim = 6 }, nn.linear { out = 12 }, nn.relu {},
    nn.reshape { 2, 2, 3 } }, gan.tensor { 3, 0, 1 })
  add("embedding, and labels beside it", nn.sequential { nn.embedding { count = 4, dim = 6 },
    nn.conditional_batch_norm { classes = 3 }, nn.linear { out = 2 } }, gan.tensor { 3, 0, 1 },
    { labels = gan.tensor { 2, 0, 1 } })
  add("nothing", nn.sequential { nn.dropout {} }, gan.randn(2, 6))
  return list
end
