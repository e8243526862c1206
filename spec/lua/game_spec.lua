-- What a move can be besides one player's plain step: both at once, with a look ahead, with noise, packed samples, the
-- best of a batch; and settings that change while the game is played.

local gan = require "ganlua"
local core = require "ganlua.core"
local batches = require "ganlua.batches"
local nn, loss, penalty, schedule = gan.nn, gan.loss, gan.penalty, gan.schedule

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(text, message, 1, true)
end

---- The game of two numbers: D(x) = psi * x, G = theta, the data 0 ---------------------------------------------------

local function one_number(name)
  return nn.define(name, {
    build = function(self) self:parameter("value", gan.ones(1, 1)) end,
    forward = function(self, x) return x:matmul(self.value) end,
  })
end
local theta, psi = one_number "theta", one_number "psi"

-- L_D = f - r, L_G = -f: with r = 0 and f = psi * theta, the bilinear game.
local bilinear = loss.define {
  name = "bilinear",
  on_real = function(r) return -r end, on_fake = function(f) return f end, on_gen = function(f) return -f end,
}

-- Plays it by plain gradient steps of 0.2; returns theta, psi and the run.
local function numbers_after(changes)
  local G, D, sgd = theta {}, psi {}, gan.optim.sgd { lr = 0.2 }
  local given = {
    out = false, progress = false, seed = 1, generator = G, discriminator = D, batch = 1, loss = bilinear,
    data = gan.zeros(1, 1), latent = function(n) return gan.ones(n, 1) end,
    optimizer = { generator = sgd, discriminator = sgd },
  }
  for key, value in pairs(changes) do given[key] = value end
  local run = gan.train(given)
  return G.value:item(), D.value:item(), run
end

describe("a training step", function()
  it("asks the system for no memory once its blocks are recycled", function()
    local fresh = {}
    gan.train {
      out = false, progress = false, seed = 1, batch = 16, data = gan.randn(64, 8, 8, 1), latent = 4,
      loss = loss.hinge {}, penalties = { penalty.r1 { weight = 1 } },
      generator = nn.sequential { nn.linear { out = 256 }, nn.batch_norm {}, nn.relu {}, nn.reshape { 4, 4, 16 },
        nn.conv_transpose2d { out = 1, kernel = 4, stride = 2, pad = 1 } },
      discriminator = nn.sequential { nn.conv2d { out = 16, kernel = 4, stride = 2, pad = 1 }, nn.leaky_relu {},
        nn.flatten {}, nn.linear { out = 1 } },
      schedule = function(game)
        for i = 1, 60 do
          game:discriminator()
          game:generator()
          game:next()
          collectgarbage() -- Lua's own clock is another matter
          fresh[i] = core.memory().fresh
        end
      end,
    }
    assert.is_true(fresh[1] > 0)
    assert.equal(fresh[20], fresh[60])
  end)
end)

describe("reuse", function()
  -- Counts G's calls and keeps the latents that it got.
  local function watched(options)
    local seen = {}
    local G = nn.define("watched", {
      build = function(self) self:parameter("weight", gan.ones(2, 2)) end,
      forward = function(self, x)
        seen[#seen + 1] = x:totable()[1]
        return x:matmul(self.weight)
      end,
    }) {}
    local given = {
      out = false, progress = false, seed = 3, generator = G, discriminator = nn.linear { out = 1 }, batch = 2,
      data = gan.ones(4, 2), latent = 2, loss = loss.hinge {}, sample = { every = 1 << 30, count = 1 },
    }
    for key, value in pairs(options) do given[key] = value end
    local run = gan.trainer(given)
    for i = #seen, 1, -1 do seen[i] = nil end
    run:train()
    table.remove(seen) -- the picture at the end
    return seen, G
  end

  it("lets the generator learn from what the discriminator was shown", function()
    local anew = watched { schedule = schedule.alternate { iterations = 2 } }
    assert.equal(4, #anew)
    assert.not_same(anew[1], anew[2])
    assert.equal(2, #watched { reuse = true, schedule = schedule.alternate { iterations = 2 } })
  end)

  it("takes the same step as a move that generates the same samples", function()
    local latent = gan.randn(2, 2)
    local function weights(reuse)
      local _, G = watched { reuse = reuse, latent = function() return latent end,
        schedule = schedule.alternate { iterations = 3 } }
      return G.weight:totable()
    end
    assert.same(weights(false), weights(true))
  end)

  it("makes new samples where there are none left: a second move, another batch, a move told not to", function()
    assert.equal(2, #watched { reuse = true, schedule = schedule.alternate { generator = 2, iterations = 1 } })
    assert.equal(2, #watched { reuse = true, schedule = function(game)
      game:discriminator()
      game:generator { batch = 4 }
    end })
    assert.equal(2, #watched { reuse = true, schedule = function(game)
      game:discriminator()
      game:generator { reuse = false }
    end })
    assert.equal(3, #watched { reuse = true, schedule = function(game)
      game:discriminator()
      game:both()
      game:generator()
    end })
  end)
end)

describe("game:both", function()
  it("takes both gradients at the same point", function()
    local t, p = numbers_after { schedule = schedule.simultaneous { iterations = 1 } }
    assert.is_near(1.2, t, 1e-6)
    assert.is_near(0.8, p, 1e-6)
    t, p = numbers_after { schedule = schedule.alternate { iterations = 1 } }
    assert.is_near(1 + 0.2 * 0.8, t, 1e-6)
    assert.is_near(0.8, p, 1e-6)
  end)

  it("returns what each player measured, and is a move of each", function()
    local d, g
    local _, _, run = numbers_after { penalties = { penalty.r1 { weight = 1 } }, schedule = function(game)
      d, g = game:both()
      game:next()
    end }
    assert.is_near(1, d.loss, 1e-6)
    assert.is_near(-1, g.loss, 1e-6)
    assert.is_near(0.5, d.penalty, 1e-6)
    assert.is_nil(g.penalty)
    assert.is_near(2, d.grad_norm, 1e-6) -- of loss and penalty together: theta + psi
    assert.is_near(1, g.grad_norm, 1e-6)
    assert.is_true(d.real == 0 and d.fake == 1 and g.fake == 1 and g.real == nil)
    assert.equal(1, run.game.players.discriminator.moves)
    assert.equal(1, run.game.players.generator.moves)
    assert.is_near(-1, run.metrics.g_loss, 1e-6)
  end)

  it("takes an optimiser for each player", function()
    local t, p = numbers_after { schedule = function(game)
      game:both { optimizer = { generator = gan.optim.sgd { lr = 0 } } }
      refuses("game:both: option 'optimizer' must be { discriminator = optimiser, generator = optimiser }",
        game.both, game, { optimizer = gan.optim.sgd { lr = 0 } })
    end }
    assert.equal(1, t)
    assert.is_near(0.8, p, 1e-6)
  end)
end)

describe("extragradient", function()
  it("steps along the gradients one step ahead", function()
    local t, p = numbers_after { schedule = schedule.extragradient { iterations = 1 } }
    assert.is_near(1 + 0.2 * 0.8, t, 1e-6) -- one step ahead theta is 1.2 and psi 0.8
    assert.is_near(1 - 0.2 * 1.2, p, 1e-6)
  end)

  it("ends where simultaneous steps spiral out", function()
    local function distance(play)
      local t, p = numbers_after { schedule = play { iterations = 300 } }
      return math.sqrt(t ^ 2 + p ^ 2)
    end
    -- Each step multiplies the distance by sqrt((1 - h^2)^2 + h^2), and by sqrt(1 + h^2).
    assert.is_near(math.sqrt(2) * (0.96 ^ 2 + 0.04) ^ 150, distance(schedule.extragradient), 1e-4)
    assert.is_near(math.sqrt(2) * 1.04 ^ 150, distance(schedule.simultaneous), 1)
  end)

  it("changes nothing when its second half fails", function()
    local calls = 0
    local failing = { g = bilinear.g, d = function(real, fake)
      calls = calls + 1
      return calls == 2 and bilinear.d(real, fake) / 0 or bilinear.d(real, fake)
    end }
    local t, p, run = numbers_after {
      optimizer = { generator = gan.optim.adam { lr = 0.1 }, discriminator = gan.optim.adam { lr = 0.1 } },
      schedule = function(game)
        game:both()
        local before = { game.players.generator.parameters[1]:item(), game.players.discriminator.parameters[1]:item() }
        refuses("discriminator: loss is", game.both, game, { extragradient = true, loss = failing })
        assert.same(before,
          { game.players.generator.parameters[1]:item(), game.players.discriminator.parameters[1]:item() })
      end,
    }
    local moments = run.game.players.discriminator.moments
    assert.equal(1, moments.step)
    assert.is_near(0.5, moments.m[1]:item(), 1e-6)
    assert.is_near(0.9, p, 1e-4)
    assert.is_near(1.1, t, 1e-4)
  end)
end)

describe("consensus", function()
  it("descends the squared length of both gradients too", function()
    -- L_D = psi*theta, L_G = -psi*theta: |v|^2 = theta^2 + psi^2.
    local t, p = numbers_after {
      penalties = { penalty.consensus { weight = 0.5 } }, schedule = schedule.simultaneous { iterations = 1 },
    }
    assert.is_near(1 + 0.2 * (1 - 0.5), t, 1e-6)
    assert.is_near(1 - 0.2 * (1 + 0.5), p, 1e-6)
    t, p = numbers_after {
      penalties = { penalty.consensus { weight = 0.5 } }, schedule = schedule.alternate { iterations = 1 },
    }
    assert.is_near(0.7, p, 1e-6)
    assert.is_near(1 + 0.2 * (0.7 - 0.5), t, 1e-6)
  end)
end)

describe("unrolling", function()
  it("gives the generator the slope through the discriminator's next steps", function()
    -- After k steps psi is psi - k*lr*theta, so L_G = -(psi - k*lr*theta)*theta.
    for steps = 0, 3 do
      local t, p = numbers_after { schedule = function(game)
        game:generator { unroll = { steps = steps, optimizer = gan.optim.sgd { lr = 0.3 } } }
      end }
      assert.is_near(1 - 0.2 * (-1 + 2 * steps * 0.3), t, 1e-6)
      assert.equal(1, p)
    end
  end)

  it("takes the discriminator's own optimiser where no other is named, and leaves it as it was", function()
    local t, p, run = numbers_after { schedule = function(game) game:generator { unroll = { steps = 2 } } end }
    assert.is_near(1 - 0.2 * (-1 + 2 * 2 * 0.2), t, 1e-6)
    assert.equal(1, p)
    assert.is_nil(run.game.players.discriminator.moments)
  end)

  it("goes through Adam's steps and moments", function()
    local adam = gan.optim.adam { lr = 0.1 }
    local moments
    local t, p, run = numbers_after {
      optimizer = { discriminator = adam, generator = gan.optim.sgd { lr = 0.2 } },
      schedule = function(game)
        game:discriminator()
        moments = game.players.discriminator.moments.m[1]:item()
        game:generator { unroll = { steps = 2 } }
      end,
    }
    -- The discriminator's gradient is theta throughout: L_G = -psi_2(theta)*theta, differentiated by differences.
    local function generator_loss(x)
      local psi_x, m, v = 0.9, 0.5, 0.001
      for step = 2, 3 do
        m, v = 0.5 * m + 0.5 * x, 0.999 * v + 0.001 * x * x
        psi_x = psi_x - 0.1 * (m / (1 - 0.5 ^ step)) / (math.sqrt(v / (1 - 0.999 ^ step)) + 1e-8)
      end
      return -psi_x * x
    end
    local slope = (generator_loss(1 + 1e-5) - generator_loss(1 - 1e-5)) / 2e-5
    assert.is_near(1 - 0.2 * slope, t, 1e-4)
    assert.is_near(0.9, p, 1e-5)
    assert.equal(moments, run.game.players.discriminator.moments.m[1]:item())
    assert.equal(1, run.game.players.discriminator.moments.step)
  end)

  it("converges where the plain game circles", function()
    local t, p = numbers_after { unroll = { steps = 5 }, schedule = schedule.alternate { iterations = 200 } }
    assert.is_true(t ^ 2 + p ^ 2 < 1e-6)
  end)

  it("is checked", function()
    refuses("train: unroll: option 'steps' is required", numbers_after,
      { unroll = {}, schedule = schedule.simultaneous { iterations = 1 } })
    numbers_after { schedule = function(game)
      refuses("rmsprop: its steps cannot be looked ahead at", game.generator, game,
        { unroll = { steps = 1, optimizer = gan.optim.rmsprop { lr = 1 } } })
      refuses("game:generator: unroll: unknown option 'step' (did you mean 'steps'?)", game.generator, game,
        { unroll = { step = 1 } })
      refuses("game:discriminator: unknown option 'unroll'", game.discriminator, game, { unroll = {} })
    end }
  end)
end)

---- Noise, packs, the best ------------------------------------------------------------------------------------------

local function networks()
  return nn.sequential { nn.linear { out = 8 }, nn.relu {}, nn.linear { out = 2 } },
    nn.sequential { nn.linear { out = 8 }, nn.leaky_relu {}, nn.linear { out = 1 } }
end

local function options(changes)
  local G, D = networks()
  local given = {
    out = false, progress = false, seed = 3, data = gan.data.ring {}, generator = G, discriminator = D, latent = 4,
    batch = 16, loss = loss.hinge {}, schedule = schedule.alternate { iterations = 3 },
  }
  for key, value in pairs(changes or {}) do given[key] = value end
  return given
end

-- A loss that also writes down the scores it is given.
local function listening(heard)
  return {
    d = function(real, fake)
      heard.real, heard.fake = real:reshape(-1):totable(), fake:reshape(-1):totable()
      return real:mean() - fake:mean()
    end,
    g = function(fake)
      heard.gen = fake:reshape(-1):totable()
      return -fake:mean()
    end,
  }
end

describe("instance noise", function()
  it("is in all that the discriminator is shown", function()
    local heard = {}
    local D = nn.sequential { nn.linear { out = 1, bias = false } }
    gan.train(options {
      data = gan.zeros(1, 2), latent = function(n) return gan.zeros(n, 4) end, discriminator = D, batch = 400,
      generator = nn.sequential { nn.linear { out = 2, bias = false } }, loss = listening(heard),
      schedule = function(game)
        D:parameters()[1]:copy_(gan.tensor { { 3 }, { 4 } })
        game:discriminator { noise = 0.1, optimizer = gan.optim.sgd { lr = 0 } }
        game:generator { noise = 0.2 }
      end,
    })
    local function deviation(list) return gan.tensor(list):var():sqrt():item() end
    assert.is_near(0.5, deviation(heard.real), 0.06)
    assert.is_near(0.5, deviation(heard.fake), 0.06)
    assert.is_near(1, deviation(heard.gen), 0.12)
    assert.not_same(heard.real, heard.fake)
  end)

  it("takes a curve, and leaves the other random numbers alone", function()
    local function parameters(noise)
      local run = gan.train(options { noise = noise })
      return run.discriminator:parameters()[1]:totable()
    end
    local plain = parameters(0)
    assert.same(plain, parameters(gan.curve.constant(0)))
    assert.same(plain, parameters(function() return 0 end))
    assert.not_same(plain, parameters(gan.curve.linear { from = 0, to = 1, over = 2 }))
    refuses("train: option 'noise' must be a number >= 0 or a curve, got -1", gan.train, options { noise = -1 })
  end)
end)

describe("pac", function()
  it("packs m samples to one, along the last dimension", function()
    local points = gan.tensor { { 1, 2 }, { 3, 4 }, { 5, 6 }, { 7, 8 } }
    assert.same({ { 1, 2, 3, 4 }, { 5, 6, 7, 8 } }, batches.packed(points, 2):totable())
    local pictures = gan.arange(1, 13, 1):reshape(2, 2, 3, 1)
    local packed = batches.packed(pictures, 2)
    assert.same({ 1, 2, 3, 2 }, packed:shape())
    assert.same({ { 1, 7 }, { 2, 8 }, { 3, 9 } }, packed[1][1]:totable())
    assert.equal(points, batches.packed(points, 1))
  end)

  it("gives one score a pack", function()
    local heard = {}
    local run = gan.train(options { pac = 4, loss = listening(heard), penalties = { penalty.gradient_penalty {} } })
    assert.same({ 8, 8 }, run.discriminator:parameters()[1]:shape())
    assert.equal(4, #heard.real)
    assert.equal(4, #heard.gen)
    assert.same({ 5, 2 }, run:sample(5):shape())
    refuses("'batch' must be a multiple of pac = 3, got 16", gan.train, options { pac = 3 })
  end)
end)

describe("top_k", function()
  it("lets the generator learn from its best-scored samples", function()
    local all, best = {}, {}
    local run = gan.trainer(options { loss = listening(all), schedule = function(game)
      local still = gan.optim.sgd { lr = 0 }
      local mark = game.streams:mark()
      game:generator { optimizer = still }
      game.streams:back(mark) -- the same latents again
      game:generator { optimizer = still, top_k = 0.25, loss = listening(best) }
    end })
    run:train()
    table.sort(all.gen, function(a, b) return a > b end)
    assert.equal(16, #all.gen)
    assert.same({ table.unpack(all.gen, 1, 4) }, best.gen)
  end)

  it("takes a curve, and pairs too", function()
    local run = gan.train(options {
      loss = loss.margin_ranking {}, top_k = gan.curve.linear { from = 1, to = 0.5, over = 2 },
    })
    assert.equal(3, run.metrics.iteration)
    refuses("train: option 'top_k' must be a number > 0 and <= 1 or a curve, got 0", gan.train, options { top_k = 0 })
  end)
end)

---- Settings that change ---------------------------------------------------------------------------------------------

describe("curves in a game", function()
  it("set the learning rate by the player's moves", function()
    local asked = {}
    local sgd = gan.optim.sgd { lr = function(t)
      asked[#asked + 1] = t
      return 0.1
    end }
    local moves = schedule.alternate { generator = 2, iterations = 2 }
    gan.train(options { optimizer = { generator = sgd }, schedule = moves })
    assert.same({ 0, 1, 2, 3 }, asked)
  end)

  it("set it by iterations where they say so", function()
    local G = networks()
    local lr = gan.curve.steps { from = 0.1, at = { 1 }, factor = 0, by = "iteration" }
    local seen = {}
    gan.train(options { generator = G, optimizer = { generator = gan.optim.sgd { lr = lr } }, schedule = function(game)
      for i = 1, 4 do
        local before = G:parameters()[3]:totable()
        game:generator()
        seen[i] = before[1][1] ~= G:parameters()[3]:totable()[1][1]
        if i == 2 then game:next() end
      end
    end })
    assert.same({ true, true, false, false }, seen)
  end)

  it("set a loss's margin before it is called", function()
    local losses = {}
    gan.train(options { loss = loss.hinge { margin = function(t) return 100 * (t + 1) end }, schedule = function(game)
      for i = 1, 2 do losses[i] = game:discriminator { optimizer = gan.optim.sgd { lr = 0 } }.loss end
    end })
    assert.is_near(200, losses[1], 10)
    assert.is_near(400, losses[2], 10)
  end)

  it("set the moving average's decay", function()
    local run = gan.train(options { ema = { decay = gan.curve.steps { from = 0.5, at = { 2 }, factor = 0 } } })
    assert.same(run.generator:parameters()[1]:totable(), run.ema:parameters()[1]:totable())
  end)

  it("are asked before a move writes anything", function()
    local t, p
    refuses("game:both: generator's lr: the curve must give a number >= 0", numbers_after, {
      optimizer = {
        discriminator = gan.optim.sgd { lr = 0.2 }, generator = gan.optim.sgd { lr = function() return 0 / 0 end },
      },
      schedule = function(game)
        local players = game.players
        local done, message = pcall(game.both, game)
        t, p = players.generator.parameters[1]:item(), players.discriminator.parameters[1]:item()
        if not done then error(message, 0) end
      end,
    })
    assert.same({ 1, 1 }, { t, p })
  end)

  it("are named where they give no number", function()
    local run = gan.trainer(options { noise = function() return "much" end })
    refuses('game:discriminator: noise: the curve must give a number >= 0, at t = 0 it gave "much"', run.train, run)
  end)
end)

describe("out = false", function()
  it("plays without a folder", function()
    local heard = {}
    local run = gan.train(options { sample = { every = 2, count = 3 }, checkpoint = { every = 1 }, on = {
      sample = function(_, samples, path) heard[#heard + 1] = { samples:shape(), path } end,
      checkpoint = function() error "nothing is to be saved" end,
    } })
    assert.is_nil(run.folder)
    assert.same({ { { 3, 2 } }, { { 3, 2 } } }, heard)
    assert.equal(3, #run:history "d_loss")
    assert.is_true(core.all_finite(run:sample(4)))
  end)
end)
