-- The workloads of ./dev bench: name -> { make = function(options) -> worker, gflop = function(options) }.
--
-- A worker is a function(answer): it calls answer(step) once it is ready, and answer calls step() as often as it is
-- asked to. gflop is that of one step, where it is known. Options: batch, width, size, ... (numbers), each with the
-- workload's own default. peer.py holds the same networks, losses, optimisers and batches for PyTorch.

local gan = require "ganlua"
local nn = gan.nn

local adam = gan.optim.adam { lr = 2e-4, betas = { 0.5, 0.999 } }

local function conv(out, kernel, stride, pad, bias)
  return nn.conv2d { out = out, kernel = kernel, stride = stride, pad = pad, bias = bias }
end

local function up(out, kernel, stride, pad, bias)
  return nn.conv_transpose2d { out = out, kernel = kernel, stride = stride, pad = pad, bias = bias }
end

---- Networks ------------------------------------------------------------------------------------------------------

local networks = {}

function networks.mlp_ring(width)
  return nn.sequential {
    nn.linear { out = width }, nn.relu {}, nn.linear { out = width }, nn.relu {}, nn.linear { out = 2 },
  }, nn.sequential {
    nn.linear { out = width }, nn.leaky_relu {}, nn.linear { out = width }, nn.leaky_relu {}, nn.linear { out = 1 },
  }
end

-- Pictures of 28 x 28; a penalty on D's slope goes without batch normalisation in D.
function networks.dcgan28(width, size, penalised)
  local first = size // 4
  return nn.sequential {
    nn.reshape { 1, 1, 64 }, up(2 * width, first, 1, 0, false), nn.batch_norm {}, nn.relu {},
    up(width, 4, 2, 1, false), nn.batch_norm {}, nn.relu {}, up(1, 4, 2, 1, true), nn.tanh {},
  }, nn.sequential {
    conv(width, 4, 2, 1, true), nn.leaky_relu {},
    conv(2 * width, 4, 2, 1, penalised), penalised and nn.leaky_relu {} or nn.sequential {
      nn.batch_norm {}, nn.leaky_relu {},
    },
    conv(1, first, 1, 0, true),
  }
end

function networks.dcgan64(width)
  return nn.sequential {
    nn.reshape { 1, 1, 100 }, up(8 * width, 4, 1, 0, false), nn.batch_norm {}, nn.relu {},
    up(4 * width, 4, 2, 1, false), nn.batch_norm {}, nn.relu {}, up(2 * width, 4, 2, 1, false), nn.batch_norm {},
    nn.relu {}, up(width, 4, 2, 1, false), nn.batch_norm {}, nn.relu {}, up(3, 4, 2, 1, false), nn.tanh {},
  }, nn.sequential {
    conv(width, 4, 2, 1, false), nn.leaky_relu {}, conv(2 * width, 4, 2, 1, false), nn.batch_norm {}, nn.leaky_relu {},
    conv(4 * width, 4, 2, 1, false), nn.batch_norm {}, nn.leaky_relu {}, conv(8 * width, 4, 2, 1, false),
    nn.batch_norm {}, nn.leaky_relu {}, conv(1, 4, 1, 0, false),
  }
end

-- SNGAN's residual networks for 32 x 32 (Miyato 2018).
function networks.sngan32(g, d)
  local function grow()
    return nn.residual {
      main = nn.sequential {
        nn.batch_norm {}, nn.relu {}, nn.upsample { scale = 2 }, conv(g, 3, 1, 1), nn.batch_norm {}, nn.relu {},
        conv(g, 3, 1, 1),
      },
      skip = nn.sequential { nn.upsample { scale = 2 }, conv(g, 1, 1, 0) },
    }
  end
  local function sn(out, kernel, pad) return nn.spectral_norm(conv(out, kernel, 1, pad)) end
  local function keep()
    return nn.residual { main = nn.sequential { nn.relu {}, sn(d, 3, 1), nn.relu {}, sn(d, 3, 1) } }
  end
  return nn.sequential {
    nn.linear { out = 4 * 4 * g }, nn.reshape { 4, 4, g }, grow(), grow(), grow(), nn.batch_norm {}, nn.relu {},
    conv(3, 3, 1, 1), nn.tanh {},
  }, nn.sequential {
    nn.residual {
      main = nn.sequential { sn(d, 3, 1), nn.relu {}, sn(d, 3, 1), nn.avg_pool { kernel = 2 } },
      skip = nn.sequential { nn.avg_pool { kernel = 2 }, sn(d, 1, 0) },
    },
    nn.residual {
      main = nn.sequential { nn.relu {}, sn(d, 3, 1), nn.relu {}, sn(d, 3, 1), nn.avg_pool { kernel = 2 } },
      skip = nn.sequential { sn(d, 1, 0), nn.avg_pool { kernel = 2 } },
    },
    keep(), keep(), nn.relu {}, nn.global_sum_pool {}, nn.spectral_norm(nn.linear { out = 1 }),
  }
end

---- Work ----------------------------------------------------------------------------------------------------------

-- GFLOP of a move of D and one of G on `batch` samples. d, g: multiply-adds of each layer for one sample. D is run
-- three times forwards; backwards to its weights twice, to its inputs three times, of which two end at the first
-- layer. `again`: G makes new samples for its own move. `more`: D's passes that a penalty adds.
local function step_gflop(batch, d, g, again, more)
  local function sum(list)
    local total = 0
    for _, n in ipairs(list) do total = total + n end
    return total
  end
  local of_d = (3 + 2 + 3 + (more or 0)) * sum(d) - 2 * d[1]
  local of_g = (again and 4 or 3) * sum(g) - g[1]
  return 2e-9 * batch * (of_d + of_g)
end

local function mlp_gflop(o)
  local w = o.width or 128
  return step_gflop(o.batch or 512, { 2 * w, w * w, w }, { 2 * w, w * w, 2 * w }, true)
end

local function dcgan28_gflop(more)
  return function(o)
    local w, s = o.width or 64, (o.size or 28) // 4
    local outer, middle, inner = (2 * s) ^ 2 * 16 * w, s ^ 2 * 16 * w * 2 * w, s ^ 2 * 2 * w
    return step_gflop(o.batch or 64, { outer, middle, inner }, { inner * 64, middle, outer }, false, more)
  end
end

local function dcgan64_gflop(o)
  local w = o.width or 64
  local outer, middle, inner = 1024 * 48 * w, 256 * 16 * 2 * w * w, 16 * 8 * w
  return step_gflop(o.batch or 64, { outer, middle, middle, middle, inner },
    { inner * 100, middle, middle, middle, outer }, false)
end

local function sngan32_gflop(o)
  local g = o.width or 256
  local d = g // 2
  local list_g, list_d = { 128 * 16 * g }, { 1024 * 27 * d, 1024 * 9 * d * d, 256 * 3 * d }
  for _, side in ipairs { 8, 16, 32 } do list_g[#list_g + 1] = side ^ 2 * 19 * g * g end
  list_g[#list_g + 1] = 1024 * 27 * g
  list_d[#list_d + 1] = 256 * 19 * d * d
  list_d[#list_d + 1] = 64 * 36 * d * d
  return step_gflop(o.batch or 32, list_d, list_g, true)
end

-- Bytes of D's gradients and of G's.
local function gradients_of(G, D, latent, shape)
  G:build { 2, latent }
  D:build { 2, table.unpack(shape) }
  local bytes = {}
  for i, network in ipairs { D, G } do
    bytes[i] = 0
    for _, parameter in ipairs(network:parameters()) do bytes[i] = bytes[i] + 4 * parameter:numel() end
  end
  return bytes
end

---- Workers -------------------------------------------------------------------------------------------------------

-- A worker whose step is one move of D, one of G, through gan.train as everybody uses it.
local function training(options)
  return function(answer)
    gan.train {
      data = options.data, generator = options.G, discriminator = options.D, latent = options.latent,
      batch = options.batch, loss = options.loss, penalties = options.penalties,
      reuse = options.reuse, optimizer = { generator = adam, discriminator = adam }, out = false, progress = false,
      sample = { every = 1 << 40, count = 1 },
      schedule = function(game)
        answer(function()
          game:discriminator()
          game:generator()
          game:next()
        end)
      end,
    }
  end
end

local function pictures(size, channels)
  return gan.no_grad(function() return gan.rand(512, size, size, channels) * 2 - 1 end)
end

local function dcgan28(penalties)
  return function(o)
    local width, size = o.width or 64, o.size or 28
    local G, D = networks.dcgan28(width, size, #penalties > 0)
    nn.init.normal(G, 0.02)
    nn.init.normal(D, 0.02)
    return training {
      G = G, D = D, latent = 64, batch = o.batch or 64, data = pictures(size, 1), penalties = penalties,
      reuse = true,
      loss = gan.loss.nonsaturating {},
    }
  end
end

-- gradients(options): bytes of D's and of G's, where several machines would exchange them.
local workloads = {
  mlp_ring = { gflop = mlp_gflop, make = function(o)
    local G, D = networks.mlp_ring(o.width or 128)
    return training {
      G = G, D = D, latent = 2, batch = o.batch or 512, data = gan.data.open "ring", loss = gan.loss.hinge {},
    }
  end, gradients = function(o)
    local G, D = networks.mlp_ring(o.width or 128)
    return gradients_of(G, D, 2, { 2 })
  end },

  dcgan28 = { gflop = dcgan28_gflop(0), make = dcgan28 {}, gradients = function(o)
    local G, D = networks.dcgan28(o.width or 64, 28, false)
    return gradients_of(G, D, 64, { 28, 28, 1 })
  end },
  dcgan28_r1 = { gflop = dcgan28_gflop(3), make = dcgan28 { gan.penalty.r1 { weight = 10 } } },
  dcgan28_gp = { gflop = dcgan28_gflop(4), make = dcgan28 { gan.penalty.gradient_penalty { weight = 10 } } },

  dcgan64 = { gflop = dcgan64_gflop, make = function(o)
    local G, D = networks.dcgan64(o.width or 64)
    nn.init.normal(G, 0.02)
    nn.init.normal(D, 0.02)
    return training {
      G = G, D = D, latent = 100, batch = o.batch or 64, data = pictures(64, 3), loss = gan.loss.nonsaturating {},
      reuse = true,
    }
  end, gradients = function(o)
    local G, D = networks.dcgan64(o.width or 64)
    return gradients_of(G, D, 100, { 64, 64, 3 })
  end },

  sngan32 = { gflop = sngan32_gflop, make = function(o)
    local G, D = networks.sngan32(o.width or 256, (o.width or 256) // 2)
    return training {
      G = G, D = D, latent = 128, batch = o.batch or 32, data = pictures(32, 3), loss = gan.loss.hinge {},
    }
  end, gradients = function(o)
    local G, D = networks.sngan32(o.width or 256, (o.width or 256) // 2)
    return gradients_of(G, D, 128, { 32, 32, 3 })
  end },

  -- 10,000 pictures from dcgan28's generator, in batches of 250.
  sample = { make = function(o)
    local G = networks.dcgan28(o.width or 64, 28, false)
    G:build { 2, 64 }
    G:eval()
    local function all()
      for _ = 1, (o.count or 10000) // 250 do G(gan.randn(250, 64)) end
    end
    return function(answer)
      answer(function() gan.no_grad(all) end)
    end
  end },

  -- From a file of 60,000 pictures to one pass over all of them in batches of 64.
  load = { make = function(o)
    return function(answer)
      answer(function()
        local data = gan.data.idx { images = o.file }
        for _ = 1, data:size() // 64 do data:batch(64) end
      end)
    end
  end },

  -- A square product: what the kernels reach at their best.
  product = { gflop = function() return 2 * 1.024 ^ 3 end, make = function()
    local a, b = gan.randn(1024, 1024), gan.randn(1024, 1024)
    return function(answer)
      answer(function()
        gan.no_grad(a.matmul, a, b):free()
      end)
    end
  end },
}

return workloads
