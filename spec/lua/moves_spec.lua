-- Settings of moves: for one move, and from here on; batches in parts; clipped gradients.

local gan = require "ganlua"
local core = require "ganlua.core"
local nn, loss, penalty = gan.nn, gan.loss, gan.penalty

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(text, message, 1, true)
end

local function network(out)
  return nn.sequential { nn.linear { out = 8 }, nn.leaky_relu {}, nn.linear { out = out } }
end

-- A small run on points; `changes` replace its settings. Returns the run, and all that its moves returned.
local function played(changes)
  local sgd = gan.optim.sgd { lr = 0.1 }
  local given = {
    out = false, progress = false, seed = 3, generator = network(2), discriminator = network(1), latent = 3,
    data = gan.data.ring {}, batch = 12, loss = loss.nonsaturating {},
    optimizer = { generator = sgd, discriminator = sgd },
    schedule = function(game)
      for _ = 1, 3 do
        game:discriminator()
        game:generator()
        game:both()
        game:next()
      end
    end,
  }
  for key, value in pairs(changes or {}) do given[key] = value end
  return gan.train(given)
end

local function parameters(run)
  local values = {}
  for _, network_of in ipairs { run.generator, run.discriminator } do
    for _, p in ipairs(network_of:parameters()) do
      for _, value in ipairs(p:reshape(-1):totable()) do values[#values + 1] = value end
    end
  end
  return values
end

local function assert_near(wanted, got, tolerance)
  assert.equal(#wanted, #got)
  for i = 1, #wanted do assert.is_near(wanted[i], got[i], tolerance) end
end

-- How far two runs' parameters are apart, at most.
local function distance(a, b)
  local most = 0
  a, b = parameters(a), parameters(b)
  for i = 1, #a do most = math.max(most, math.abs(a[i] - b[i])) end
  return most
end

describe("micro_batch", function()
  it("gives what the whole batch gives, for losses and penalties that are means", function()
    for _, name in ipairs { "nonsaturating", "hinge", "least_squares", "wasserstein", "margin_ranking" } do
      local settings = { loss = loss[name] {}, penalties = { penalty.r1 { weight = 1 } } }
      local whole = played(settings)
      settings.micro_batch = 5 -- parts of 5, 5 and 2
      local parts = played(settings)
      assert_near(parameters(whole), parameters(parts), 2e-6)
      for _, column in ipairs { "d_loss", "g_loss", "real", "fake", "accuracy", "d_penalty", "d_grad_norm" } do
        assert_near(whole:history(column), parts:history(column), 1e-5)
      end
    end
  end)

  it("is a setting of a single move too, and takes whole packs", function()
    local settings = { pac = 2, schedule = function(game) game:discriminator() end }
    local whole = played(settings)
    settings.schedule = function(game) game:discriminator { micro_batch = 4 } end
    assert_near(parameters(whole), parameters(played(settings)), 1e-6)
    settings.schedule = function(game) game:discriminator { micro_batch = 3 } end
    refuses("game:discriminator: option 'micro_batch' must be a multiple of pac = 2, got 3", played, settings)
    refuses("train: option 'micro_batch' must be a multiple of pac = 2, got 3", played, { pac = 2, micro_batch = 3 })
    refuses("option 'micro_batch' must be a positive integer, got 0", played, { micro_batch = 0 })
  end)

  it("sees parts alone where a loss looks at the batch as a whole", function()
    local settings = { loss = loss.relativistic_average {} }
    local whole = played(settings)
    settings.micro_batch = 4
    assert.is_true(distance(whole, played(settings)) > 1e-4)
  end)

  it("takes a move back whole when a later part fails", function()
    local calls = 0
    local failing = loss.define { name = "failing", d = function(real, fake)
      calls = calls + 1
      return (real:mean() - fake:mean()) / (calls == 2 and 0 or 1)
    end, g = function(fake) return fake:mean() end }
    local run = gan.trainer {
      out = false, progress = false, seed = 3, generator = network(2), discriminator = network(1), latent = 3,
      data = gan.data.ring {}, batch = 8, micro_batch = 4, loss = failing,
      schedule = function(game) game:discriminator() end,
    }
    local before = parameters(run)
    refuses("iteration 1, discriminator: loss is", run.train, run)
    assert.same(before, parameters(run))
    assert.equal(2, calls)
  end)
end)

describe("clip", function()
  -- One move of plain gradient descent with a rate of 1: the step is the gradient.
  local function step(overrides)
    local before, after, measured
    played { optimizer = { discriminator = gan.optim.sgd { lr = 1 } }, schedule = function(game)
      local its = game.players.discriminator.parameters
      before = core.concat({ its[1]:reshape(-1), its[2], its[3]:reshape(-1), its[4] }, 1):copy()
      measured = game:discriminator(overrides)
      after = core.concat({ its[1]:reshape(-1), its[2], its[3]:reshape(-1), its[4] }, 1)
    end }
    return before - after, measured
  end

  it("shortens a player's whole gradient to a norm, and returns the norm that it had", function()
    local free, measured = step()
    assert.is_near(measured.grad_norm, free:norm():item(), 1e-5)
    local clipped, of_clipped = step { clip = 0.01 }
    assert.equal(measured.grad_norm, of_clipped.grad_norm)
    assert.is_near(0.01, clipped:norm():item(), 1e-6)
    assert_near((free * (0.01 / measured.grad_norm)):totable(), clipped:totable(), 1e-6)
  end)

  it("leaves a shorter gradient alone", function()
    assert.same(step():totable(), step { clip = 1e3 }:totable())
    assert.same(step():totable(), step { clip = math.huge }:totable())
  end)

  it("is a curve where that is wanted, within its bounds", function()
    local clipped = step { clip = gan.curve.linear { from = 0.01, to = 1, over = 10 } }
    assert.is_near(0.01, clipped:norm():item(), 1e-6)
    refuses("game:discriminator: clip: the curve must give a number > 0, at t = 0 it gave 0", step,
      { clip = gan.curve.linear { from = 0, to = 1, over = 10 } })
    refuses("option 'clip' must be a number > 0 or a curve, got 0", played, { clip = 0 })
  end)

  it("clips the gradient of a batch in parts once, not each part's", function()
    assert_near(step { clip = 0.01 }:totable(), step { clip = 0.01, micro_batch = 5 }:totable(), 1e-6)
  end)

  it("holds for every move where the run says so", function()
    assert_near(parameters(played { clip = 0.01 }), parameters(played { schedule = function(game)
      for _ = 1, 3 do
        game:discriminator { clip = 0.01 }
        game:generator { clip = 0.01 }
        game:both { clip = 0.01 }
      end
    end }), 0)
  end)
end)

describe("game:set", function()
  it("changes settings from here on", function()
    local losses = {}
    played { loss = loss.hinge {}, schedule = function(game)
      local still = gan.optim.sgd { lr = 0 }
      game:set { optimizer = { discriminator = still } }
      for i = 1, 3 do
        if i == 2 then game:set { loss = loss.hinge { margin = 100 } } end
        losses[i] = game:discriminator().loss
      end
    end }
    assert.is_true(losses[1] < 10)
    assert.is_near(200, losses[2], 10)
    assert.is_near(200, losses[3], 10)
  end)

  it("is what every move was told", function()
    local function schedule(set)
      return function(game)
        local overrides = { batch = 7, noise = 0.3, clip = 0.5, penalties = { penalty.r2 { weight = 2 } } }
        if set then game:set(overrides) end
        for _ = 1, 3 do
          game:discriminator(not set and overrides or nil)
          game:generator(not set and overrides or nil)
        end
      end
    end
    assert.same(parameters(played { schedule = schedule(true) }), parameters(played { schedule = schedule(false) }))
  end)

  it("keeps what the optimisers remember, and gives way to a move's own settings", function()
    local run = played { optimizer = {}, schedule = function(game)
      game:discriminator()
      game:set { optimizer = { discriminator = gan.optim.adam { lr = 0 } } }
      local before = game.players.discriminator.parameters[1]:copy()
      game:discriminator()
      assert.same(before:totable(), game.players.discriminator.parameters[1]:totable())
      game:discriminator { optimizer = gan.optim.adam { lr = 0.1 } }
      assert.is_true((before - game.players.discriminator.parameters[1]):norm():item() > 0.01)
    end }
    assert.equal(3, run.game.players.discriminator.moments.step)
  end)

  it("sets the moving average's decay, where one is kept", function()
    local run = played { ema = { decay = 0.9 }, schedule = function(game)
      game:generator()
      game:set { ema = { decay = 0 } }
      game:generator()
    end }
    assert.same(run.generator:parameters()[1]:totable(), run.ema:parameters()[1]:totable())
    refuses("game:set: no moving average is kept", played, { schedule = function(game)
      game:set { ema = { decay = 0.5 } }
    end })
  end)

  it("refuses what no move can be told", function()
    local function set(settings)
      return played, { schedule = function(game) game:set(settings) end }
    end
    refuses("game:set: unknown option 'los' (did you mean 'loss'?)", set { los = 1 })
    refuses("game:set: option 'loss' must be a loss with d and g", set { loss = 1 })
    refuses("game:set: option 'optimizer' must be { discriminator = optimiser", set { optimizer = gan.optim.adam {} })
    refuses("game:set: ema: option 'decay' must be a number >= 0 and < 1 or a curve", set { ema = { decay = 2 } })
  end)
end)

describe("curves", function()
  it("keep the bounds of the number that they stand for", function()
    local function below(t) return -1 - t end
    refuses("discriminator's lr: the curve must give a number >= 0, at t = 0 it gave -1", played,
      { optimizer = { discriminator = gan.optim.adam { lr = below } } })
    refuses("r1: weight: the curve must give a number >= 0, at t = 0 it gave -1", played,
      { penalties = { penalty.r1 { weight = below } } })
    refuses("game:discriminator: top_k: the curve must give a number > 0 and <= 1, at t = 0 it gave 2", played,
      { top_k = function() return 2 end })
    refuses("ema: decay: the curve must give a number >= 0 and < 1, at t = 0 it gave 1", played,
      { ema = { decay = function() return 1 end } })
  end)
end)
