-- Games whose ranks have players or data of their own: `mpirun -n 3 ganlua roles.lua NAME ...` prints of each what
-- every move measured, in full; and the same of a computation that shares nothing with ganlua's trainer, by hand, in
-- one process. "NAME\twhat\tnumbers", as games.lua.

local gan = require "ganlua"
local core = require "ganlua.core"
local nn, dist = gan.nn, gan.dist

local batch, moves, rate = 24, 12, 0.2

---- Numbers that nobody draws --------------------------------------------------------------------------------------

-- Examples and latents by number: whoever asks, and in whichever order, they are these.
local function example(k) return { math.sin(k * 1.7) + 0.3 * (k % 5), math.cos(k * 0.9) } end
local function latent(k) return { math.sin(k * 2.3), math.cos(k * 1.1), math.sin(k * 0.7 + 1) } end

local function list_of(f, first, n)
  local rows = {}
  for i = 1, n do rows[i] = f(first + i - 1) end
  return gan.tensor(rows)
end

-- A data set that gives, of every block of `block` examples, those from `first` on: as many as are asked for.
local function data_of(first, block)
  local blocks = 0
  return {
    size = function() return math.huge end, shape = function() return { 2 } end,
    batch = function(_, n)
      blocks = blocks + 1
      return list_of(example, (blocks - 1) * block + first, n)
    end,
  }
end

-- Latents in order, from the schedule's beginning on.
local asked = 0
local function next_latent(n)
  asked = asked + n
  return list_of(latent, asked - n, n)
end

local function networks()
  return nn.sequential { nn.linear { out = 12 }, nn.silu {}, nn.linear { out = 2 } },
    nn.sequential { nn.linear { out = 12 }, nn.silu {}, nn.linear { out = 1 } }
end

local function told(name, what, ...)
  local texts = {}
  for i, number in ipairs { ... } do texts[i] = ("%.17g"):format(number) end
  print(("%s\t%s\t%s"):format(name, what, table.concat(texts, " ")))
end

---- By ganlua ------------------------------------------------------------------------------------------------------

local function trainer(name, options)
  local G, D = networks()
  local sgd = gan.optim.sgd { lr = rate }
  local defaults = {
    generator = G, discriminator = D, latent = next_latent, loss = gan.loss.nonsaturating, batch = batch, seed = 5,
    optimizer = { generator = sgd, discriminator = sgd }, out = false, progress = false,
    schedule = gan.schedule.alternate { iterations = moves },
    on = { iteration = function(run)
      local d, g = run.game.latest.discriminator, run.game.latest.generator
      told(name, "move", d.loss, d.grad_norm, g.loss, g.grad_norm)
      for place, its in ipairs(d.each or {}) do told(name, "each", its.loss, g.each[place].loss) end
    end },
  }
  for key, value in pairs(options) do defaults[key] = value end
  local schedule = defaults.schedule
  defaults.schedule = function(game)
    asked = 0
    return schedule(game)
  end
  return gan.trainer(defaults)
end

---- By hand ----------------------------------------------------------------------------------------------------------

local combined = {
  mean = function(losses) return losses:mean() end,
  max = function(losses) return losses:max() end,
  softmax = function(losses) return ((losses * 2):softmax(1) * losses):sum() end,
}

local function step(network, gradients)
  gan.no_grad(function()
    for i, p in ipairs(network:parameters()) do p:sub_(gradients[i] * rate) end
  end)
end

local function norm_of(gradients)
  local sum = 0
  for _, g in ipairs(gradients) do sum = sum + g:square():sum():item() end
  return math.sqrt(sum)
end

local function d_loss(D, real, fake)
  return (-D(real)):softplus():mean() + D(fake):softplus():mean()
end

-- One generator against several discriminators, each of whose data is data_of(place).
local function several(name, G, list, combine, at_once)
  local sources = {}
  for place in ipairs(list) do sources[place] = data_of(place, batch) end
  asked = 0
  for _ = 1, moves do
    local fake, losses, norms, steps = G(next_latent(batch)), {}, {}, {}
    for place, D in ipairs(list) do
      local loss = d_loss(D, sources[place]:batch(batch), fake:detach())
      local gradients = gan.grad(loss, D:parameters())
      losses[place], norms[place] = loss:item(), norm_of(gradients)
      steps[place] = function() step(D, gradients) end
    end
    if not at_once then
      for _, f in ipairs(steps) do f() end
      fake = G(next_latent(batch))
    end
    local scores = {}
    for place, D in ipairs(list) do scores[place] = (-D(fake)):softplus():mean():reshape(1) end
    local all = gan.concat(scores, 1)
    local loss = combine(all)
    local gradients = gan.grad(loss, G:parameters())
    if at_once then
      for _, f in ipairs(steps) do f() end
    end
    step(G, gradients)
    local d, n = 0, 0
    for place in ipairs(list) do d, n = d + losses[place] / #list, n + norms[place] / #list end
    told(name, "by hand", d, n, loss:item(), norm_of(gradients))
    for place in ipairs(list) do told(name, "each by hand", losses[place], all[place]:item()) end
  end
end

-- Networks of each rank's own, which step on its rows and become their mean after every k moves of a player.
local function averaged(name, G, D, k)
  local rows, own = batch // 3, {}
  for r = 1, 3 do own[r] = { G = G:clone(), D = D:clone(), data = data_of((r - 1) * rows, batch) } end
  local function meet(which)
    gan.no_grad(function()
      local lists = {}
      for r = 1, 3 do lists[r] = own[r][which]:parameters() end
      for i in ipairs(lists[1]) do
        local mean = (lists[1][i] + lists[2][i] + lists[3][i]) / 3
        for r = 1, 3 do lists[r][i]:copy_(mean) end
      end
    end)
  end
  asked = 0
  for move = 1, moves do
    local d, n, g, m = 0, 0, 0, 0
    local z = next_latent(batch)
    for r, its in ipairs(own) do
      local loss = d_loss(its.D, its.data:batch(rows), its.G(z:narrow(1, (r - 1) * rows + 1, rows)):detach())
      local gradients = gan.grad(loss, its.D:parameters())
      d, n = d + loss:item() / 3, n + norm_of(gradients) / 3
      step(its.D, gradients)
    end
    if move % k == 0 then meet "D" end
    z = next_latent(batch)
    for r, its in ipairs(own) do
      local loss = (-its.D(its.G(z:narrow(1, (r - 1) * rows + 1, rows)))):softplus():mean()
      local gradients = gan.grad(loss, its.G:parameters())
      g, m = g + loss:item() / 3, m + norm_of(gradients) / 3
      step(its.G, gradients)
    end
    if move % k == 0 then meet "G" end
    told(name, "by hand", d, n, g, m)
  end
end

---- The games ---------------------------------------------------------------------------------------------------------

local games = {}

for combine in pairs(combined) do
  for _, at_once in ipairs { false, true } do
    games[combine .. (at_once and "_both" or "")] = function(name)
      local run = trainer(name, {
        data = data_of(dist.rank, batch), -- rank 1 has the first discriminator, rank 2 the second
        ranks = dist.split { generator = { 0 }, discriminator = { 1, 2 }, combine = combine,
          lambda = combine == "softmax" and 2 or nil },
        schedule = at_once and gan.schedule.simultaneous { iterations = moves } or nil,
      })
      local G, list = run.generator:clone(), {}
      for place, D in ipairs(run.discriminators) do list[place] = D:clone() end
      run:train()
      if dist.rank == 0 then several(name, G, list, combined[combine], at_once) end
    end
  end
end

local function federated(average)
  return function(name)
    local run = trainer(name, {
      data = dist.size == 1 and data_of(0, batch) or data_of(dist.rank * batch // dist.size, batch),
      ranks = dist.federated { average = average and { every = average } or nil },
    })
    local G, D = run.generator:clone(), run.discriminator:clone()
    run:train()
    if average and dist.rank == 0 then averaged(name, G, D, average) end
  end
end
games.federated = federated()
games.averaged1 = federated(1)
games.averaged4 = federated(4)

-- What ganlua's own data and random numbers play: with one discriminator, and with several.
local function pictures(place, count)
  return function(name)
    local split = { generator = { place }, discriminator = {} }
    for rank = 0, count do
      if rank ~= place then table.insert(split.discriminator, rank) end
    end
    local adam = gan.optim.adam { lr = 1e-3 }
    local run = trainer(name, {
      data = gan.data.open "glyphs", latent = 6, ema = { decay = 0.9 }, penalties = { gan.penalty.r1 { every = 2 } },
      generator = nn.sequential { nn.linear { out = 49 }, nn.batch_norm {}, nn.silu {}, nn.reshape { 7, 7, 1 },
        nn.conv_transpose2d { out = 1, kernel = 4, stride = 4 }, nn.tanh {} },
      discriminator = nn.sequential { nn.conv2d { out = 4, kernel = 4, stride = 4 }, nn.leaky_relu {}, nn.flatten {},
        nn.dropout {}, nn.spectral_norm(nn.linear { out = 1 }) },
      augment = gan.augment.ada { p = 0.5, speed = 0.1 }, noise = 0.1, unroll = { steps = 1 }, top_k = 0.5, clip = 0.5,
      optimizer = { generator = adam, discriminator = adam }, loss = gan.loss.hinge {},
      ranks = count > 0 and dist.split(split) or nil,
    })
    run:train()
    local sum = 0
    for _, network in ipairs { run.generator, run.ema, table.unpack(run.discriminators or { run.discriminator }) } do
      sum = core.checksum(core.safetensors_encode(network:state()), sum)
    end
    told(name, "networks", sum)
  end
end
games.alone = pictures(0, 0)
games.pipeline = pictures(0, 1)
games.several = pictures(1, 2)

for _, name in ipairs { ... } do games[name](name) end
