-- Networks that grow while they are trained: their layers, game:grow, and schedule.progressive.

local gan = require "ganlua"
local core = require "ganlua.core"
local nn, loss, schedule = gan.nn, gan.loss, gan.schedule

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(text, message, 1, true)
end

-- Pictures of 2x2, 4x4 and 8x8.
local function pictures()
  local function up()
    return nn.sequential { nn.upsample {}, nn.conv2d { out = 3, kernel = 3, pad = 1 }, nn.relu {} }
  end
  local function down()
    return nn.sequential { nn.conv2d { out = 3, kernel = 3, pad = 1 }, nn.leaky_relu {}, nn.avg_pool { kernel = 2 } }
  end
  local first = nn.sequential { nn.linear { out = 12 }, nn.reshape { 2, 2, 3 } }
  local last = nn.sequential { nn.flatten {}, nn.linear { out = 1 } }
  return nn.growing_generator {
    { block = first, head = nn.conv2d { out = 1, kernel = 1 } },
    { block = up(), head = nn.conv2d { out = 1, kernel = 1 } },
    { block = up(), head = nn.conv2d { out = 1, kernel = 1 } },
  }, nn.growing_discriminator {
    { block = last, head = nn.conv2d { out = 3, kernel = 1 } },
    { block = down(), head = nn.conv2d { out = 3, kernel = 1 } },
    { block = down(), head = nn.conv2d { out = 3, kernel = 1 } },
  }
end

-- Points: a stage more is a layer more.
local function points()
  local function block() return nn.sequential { nn.linear { out = 4 }, nn.leaky_relu {} } end
  return nn.growing_generator {
    { block = block(), head = nn.linear { out = 2 } }, { block = block(), head = nn.linear { out = 2 } },
  }, nn.growing_discriminator {
    { block = nn.linear { out = 1 }, head = nn.linear { out = 4 } }, { block = block(), head = nn.linear { out = 4 } },
  }
end

local function options(changes)
  local G, D = points()
  local given = {
    out = false, progress = false, seed = 5, generator = G, discriminator = D, latent = 3, data = gan.data.ring {},
    batch = 8, loss = loss.hinge {},
  }
  for key, value in pairs(changes) do given[key] = value end
  return given
end

local function is_copy(a, b) return (a - b):abs():max():item() == 0 end

describe("nn.growing_generator and nn.growing_discriminator", function()
  it("have the size of the last stage from the beginning", function()
    local G, D = pictures()
    G:build { 2, 5 }
    D:build { 2, 8, 8, 1 }
    local z = gan.randn(2, 5)
    local young = G(z)
    assert.same({ 2, 8, 8, 1 }, young:shape())
    assert.same({ 2, 1 }, D(young):shape())
    -- One pixel of the first stage is 4x4 of the last.
    assert.is_true(is_copy(young, core.upsample_nearest(core.avg_pool(young, 4), 4)))
    assert.is_near(0, (D(young) - D(core.upsample_nearest(core.avg_pool(young, 4), 4))):norm():item(), 1e-6)
  end)

  it("mix the two newest stages by a weight", function()
    local G, D = pictures()
    G:build { 2, 5 }
    D:build { 2, 8, 8, 1 }
    local z, x = gan.randn(2, 5), gan.randn(2, 8, 8, 1)
    local function at(progress)
      G.progress, D.progress = gan.tensor { progress }, gan.tensor { progress }
      return G(z)
    end
    local one, two, mixed = at(1), at(2), at(1.25)
    assert.is_near(0, (one * 0.75 + two * 0.25 - mixed):norm():item(), 1e-5)
    local features = D.head1(core.avg_pool(x, 4)) * 0.75 + D.block2(D.head2(core.avg_pool(x, 2))) * 0.25
    assert.is_near(0, (D.block1(features) - D(x)):norm():item(), 1e-5)
    assert.same({ 2, 8, 8, 1 }, at(3):shape())
  end)

  it("refuse stages that do not fit", function()
    refuses("growing_generator: wanted a list of stages {block = module, head = module}", nn.growing_generator, {})
    refuses("growing_generator: stage 1: option 'head' is required", nn.growing_generator, { { block = nn.relu {} } })
    local G = nn.growing_generator {
      { block = nn.linear { out = 3 }, head = nn.linear { out = 2 } },
      { block = nn.linear { out = 3 }, head = nn.linear { out = 4 } },
    }
    refuses("stage 2 makes 1x4, and stage 1 1x2: they must agree", G.build, G, { 1, 2 })
  end)
end)

describe("game:grow", function()
  it("leaves a stage that is not there alone, and trains it from then on", function()
    local young, grown
    gan.train(options { schedule = function(game)
      local G = game.players.generator.module
      local before = G.block2[1].weight:copy()
      for _ = 1, 3 do game:generator() end
      young = is_copy(before, G.block2[1].weight)
      game:grow { over = 4 }
      for _ = 1, 3 do game:generator() end
      grown = is_copy(before, G.block2[1].weight)
    end })
    assert.is_true(young)
    assert.is_false(grown)
  end)

  it("fades the new stage in over each player's moves", function()
    local seen = {}
    gan.train(options { schedule = function(game)
      game:discriminator()
      game:grow { over = 4 }
      local G, D = game.players.generator.module, game.players.discriminator.module
      for i = 1, 6 do
        game:discriminator()
        seen[i] = { D.progress:item(), G.progress:item() }
        if i % 2 == 0 then game:generator() end
      end
    end })
    for i, wanted in ipairs { { 1, 1 }, { 1.25, 1 }, { 1.5, 1.25 }, { 1.75, 1.25 }, { 2, 1.5 }, { 2, 1.5 } } do
      assert.is_near(wanted[1], seen[i][1], 1e-5)
      assert.is_near(wanted[2], seen[i][2], 1e-5)
    end
  end)

  it("lets new parameters join the optimiser with fresh moments", function()
    local lr = 0.01
    local before, after
    local run = gan.train(options {
      optimizer = { generator = gan.optim.adam { lr = lr, betas = { 0.5, 0.9 } } },
      schedule = function(game)
        for _ = 1, 20 do game:generator() end
        game:grow()
        local weight = game.players.generator.module.block2[1].weight
        before = weight:copy()
        game:generator()
        after = weight
      end,
    })
    -- Adam's first step is the learning rate, whichever the gradient; with 20 steps counted it would be 1.5 times that.
    local step = (after - before):abs():max():item()
    assert.is_near(lr, step, 1e-4)
    local moments = run.game.players.generator.moments
    assert.equal(21, moments.step)
    assert.equal(0, moments.since[1])
    assert.equal(20, moments.since[#moments.since])
    assert.equal(#run.generator:parameters(), #moments.m)
  end)

  it("keeps the moving average going", function()
    local run = gan.train(options { ema = { decay = 0 }, schedule = function(game)
      game:generator()
      game:grow { over = 2 }
      for _ = 1, 3 do game:generator() end
    end })
    for i, p in ipairs(run.generator:parameters()) do assert.is_true(is_copy(p, run.ema:parameters()[i])) end
    assert.equal(2, run.ema.progress:item())
  end)

  it("works with every optimiser, with clipping, and with a look ahead", function()
    for _, name in ipairs { "adam", "adamw", "optimistic_adam", "rmsprop", "sgd" } do
      local optimizer = gan.optim[name] { lr = 1e-3 }
      local unroll = (name == "adam" or name == "sgd") and { steps = 1 } or nil
      local run = gan.train(options {
        optimizer = { generator = optimizer, discriminator = optimizer }, clip = 1, unroll = unroll,
        schedule = function(game)
          game:both()
          game:grow { over = 2 }
          for _ = 1, 3 do game:both() end
        end,
      })
      assert.is_true(core.all_finite(run.generator:parameters()))
    end
  end)

  it("is taken up by a run that loads a grown one", function()
    local path = os.tmpname()
    local run = gan.train(options { schedule = function(game)
      game:both()
      game:grow()
      game:both()
    end })
    run:save(path)
    local other = gan.trainer(options { seed = 6, schedule = function(game)
      game:grow { to = 2 } -- is there already
      game:both()
    end })
    other:load(path)
    os.remove(path)
    local player = other.game.players.generator
    assert.equal(2, player.stage)
    assert.equal(#run.generator:parameters(), #player.parameters)
    local since = player.moments.since
    assert.same(run.game.players.generator.moments.since, since)
    other:train()
    assert.equal(3, player.moments.step)
  end)

  it("goes on to the same bytes where a run was cut off in a fade", function()
    local folder = os.tmpname()
    os.remove(folder)
    local function play(out, stop)
      return gan.trainer(options {
        out = folder .. out, ema = { decay = 0.5 }, checkpoint = { every = 2 },
        schedule = schedule.progressive { stages = 2, iterations = 6, fade = 4 },
        on = { iteration = function(run)
          if stop and run.game.iteration == stop then error("cut", 0) end
        end },
      })
    end
    local whole = play("/whole"):train()
    for _, stop in ipairs { 5, 6, 7, 9, 11 } do
      refuses("cut", function() play("/cut" .. stop, stop):train() end)
      local run = play("/cut" .. stop):train()
      assert.equal(12, run.game.iteration)
      for i, p in ipairs(whole.generator:parameters()) do assert.is_true(is_copy(p, run.generator:parameters()[i])) end
      for i, p in ipairs(whole.discriminator:parameters()) do
        assert.is_true(is_copy(p, run.discriminator:parameters()[i]))
      end
    end
    os.execute("rm -rf " .. folder)
  end)

  it("refuses what cannot grow", function()
    local plain = { generator = nn.linear { out = 2 }, discriminator = nn.linear { out = 1 } }
    plain.schedule = function(game) game:grow() end
    refuses("game:grow: neither network grows", gan.train, options(plain))
    refuses("has 2 stages, no stage 3", gan.train, options { schedule = function(game) game:grow { to = 3 } end })
    refuses("game:grow: unknown option 'ovr' (did you mean 'over'?)", gan.train,
      options { schedule = function(game) game:grow { ovr = 3 } end })
    refuses("game:grow: fade: the curve must give a number >= 0 and <= 1, at t = 0 it gave 2", gan.train,
      options { schedule = function(game) game:grow { fade = function() return 2 end } end })
  end)
end)

describe("schedule.progressive", function()
  it("brings the stages in on time", function()
    local seen = {}
    local run = gan.train(options {
      schedule = schedule.progressive { stages = 2, iterations = 3, fade = 2 },
      on = { iteration = function(run) seen[#seen + 1] = run.generator.progress:item() end },
    })
    assert.equal(6, run.game.iteration)
    assert.equal(6, run.game.planned)
    for i, wanted in ipairs { 1, 1, 1, 1, 1.5, 2 } do assert.is_near(wanted, seen[i], 1e-5) end
  end)

  it("trains pictures", function()
    local G, D = pictures()
    local run = gan.train(options {
      generator = G, discriminator = D, data = gan.rand(20, 8, 8, 1), batch = 4,
      schedule = schedule.progressive { stages = 3, iterations = 2, fade = 1 },
    })
    assert.equal(3, run.generator.progress:item())
    assert.is_true(core.all_finite(run:sample(3)))
  end)
end)
