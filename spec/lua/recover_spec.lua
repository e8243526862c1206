-- When a game goes wrong: losses that are not finite, collapse, and going back.

local gan = require "ganlua"
local collapse = require "ganlua.collapse"
local core = require "ganlua.core"
local nn = gan.nn

local support = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "support.lua")
local folder = support.folder(teardown)

local count = 0
local function options(changes)
  count = count + 1
  local given = {
    out = ("%s/run%d"):format(folder, count), data = gan.data.ring {}, latent = 2, batch = 8, seed = 3,
    progress = false,
    generator = nn.sequential { nn.linear { out = 2 } }, discriminator = nn.sequential { nn.linear { out = 1 } },
    loss = gan.loss.hinge {}, schedule = gan.schedule.alternate { iterations = 20 }, checkpoint = { every = 5 },
  }
  for key, value in pairs(changes or {}) do given[key] = value end
  return given
end

-- A loss that is not finite from an iteration on, while sick() is true.
local function failing_loss(sick)
  local hinge = gan.loss.hinge {}
  return {
    d = hinge.d,
    g = function(fake) return sick() and fake:mean() / 0 or hinge.g(fake) end,
  }
end

describe("a loss that is not finite", function()
  it("stops the run, and the last sound checkpoint is kept", function()
    local run
    local given = options()
    given.loss = failing_loss(function() return run and run.game.iteration == 12 end)
    run = gan.trainer(given)
    local ok, message = pcall(run.train, run)
    assert.is_false(ok)
    assert.matches("iteration 13, generator: loss is", message, 1, true)
    assert.equal(10, gan.trainer(options()):load(given.out).game.iteration)
  end)

  it("goes back with rollback, on with half the learning rates, and to its end", function()
    local run
    local given = options { on = { nan = gan.recover.rollback { lr = 0.5, tries = 3 } } }
    given.loss = failing_loss(function() return run.game.iteration == 12 and run.recovery.tries < 2 end)
    run = gan.trainer(given)
    run:train()
    assert.equal(20, run.metrics.iteration)
    assert.same({ lr = 0.25, tries = 2 }, run.recovery)
    assert.equal(0.25, run.game.lr_scale)
    local events, lines = {}, 0
    for line in core.read_file(given.out .. "/metrics.jsonl"):gmatch "[^\n]+" do
      local row = core.json_decode(line)
      if row.event then events[#events + 1] = row else lines = lines + 1 end
    end
    assert.equal(20, lines)
    assert.equal(2, #events)
    assert.same({ event = "rollback", iteration = 13, kind = "nan", to = 10, lr = 0.25, tries = 2 }, events[2])
    assert.equal(20, #run:history "d_loss")
  end)

  it("does not loop for ever", function()
    local run, asked = nil, 0
    local given = options { on = { nan = function(...)
      asked = asked + 1
      return gan.recover.rollback { tries = 3 }(...)
    end } }
    given.loss = failing_loss(function() return run.game.iteration == 12 end)
    run = gan.trainer(given)
    local ok, message = pcall(run.train, run)
    assert.is_false(ok)
    assert.matches("loss is", message)
    assert.equal(4, asked)
    assert.equal(3, run.recovery.tries)
  end)

  it("goes back to the beginning before the first checkpoint", function()
    local run
    local given = options { on = { nan = gan.recover.rollback {} } }
    given.loss = failing_loss(function() return run.game.iteration == 2 and run.recovery.tries == 0 end)
    run = gan.trainer(given)
    assert.equal(20, run:train().metrics.iteration)
  end)

  it("goes back over the stages of networks that have grown since", function()
    local run
    local given = options {
      data = gan.rand(16, 4, 4, 1), out = ("%s/grown"):format(folder), checkpoint = { every = 5 },
      on = { nan = gan.recover.rollback {} },
      schedule = gan.schedule.progressive { stages = 2, iterations = 12, fade = 4 },
      generator = nn.growing_generator {
        { block = nn.sequential { nn.linear { out = 12 }, nn.reshape { 2, 2, 3 } },
          head = nn.conv2d { out = 1, kernel = 1 } },
        { block = nn.sequential { nn.upsample {}, nn.conv2d { out = 3, kernel = 3, pad = 1 } },
          head = nn.conv2d { out = 1, kernel = 1 } },
      },
      discriminator = nn.growing_discriminator {
        { block = nn.sequential { nn.flatten {}, nn.linear { out = 1 } }, head = nn.conv2d { out = 3, kernel = 1 } },
        { block = nn.avg_pool { kernel = 2 }, head = nn.conv2d { out = 3, kernel = 1 } },
      },
    }
    given.loss = failing_loss(function() return run.game.iteration == 13 and run.recovery.tries == 0 end)
    run = gan.trainer(given)
    run:train()
    assert.equal(1, run.recovery.tries)
    assert.equal(24, run.metrics.iteration)
    assert.equal(2, run.game.players.generator.stage)
  end)

  it("is told to a hook that only looks", function()
    local heard
    local given = options { loss = failing_loss(function() return true end), on = { nan = function(_, trouble)
      heard = trouble
    end } }
    assert.is_false(pcall(gan.train, given))
    assert.equal("nan", heard.kind)
    assert.equal("generator", heard.player)
    assert.equal(1, heard.iteration)
  end)

  it("is a schedule's own to catch", function()
    local run
    local given = options { on = { nan = error }, schedule = function(game)
      assert(not pcall(game.generator, game))
      game:discriminator()
      game:next()
    end }
    given.loss = failing_loss(function() return true end)
    run = gan.train(given)
    assert.equal(1, run.metrics.iteration)
  end)
end)

describe("an error of the script's own, where there is a plan for trouble,", function()
  local function helper(game) game:nothing() end

  it("comes with the lines that led to it, and leaves the run where it was", function()
    local given = options { on = { nan = gan.recover.rollback {} }, schedule = function(game)
      for _ = 1, 3 do
        game:discriminator()
        game:next()
      end
      helper(game)
    end }
    local ok, message = pcall(gan.train, given)
    assert.is_false(ok)
    assert.matches("^[^\n]*recover_spec.lua:%d+: attempt to call a nil value %(method 'nothing'%)\nstack traceback:\n",
      message)
    assert.matches("recover_spec.lua:%d+: in upvalue 'helper'\n", message)
    assert.matches("recover_spec.lua:%d+: in field 'schedule'\n", message)
    assert.equal(3, gan.trainer(options()):load(given.out).game.iteration)
  end)

  it("comes with them from a hook too, and is tried again when the run goes on", function()
    local broken = true
    local given = options { on = { collapse = gan.recover.rollback {}, iteration = function(run)
      if broken and run.metrics.iteration == 4 then helper(run) end
    end } }
    local ok, message = pcall(gan.train, given)
    assert.is_false(ok)
    assert.matches("recover_spec.lua:%d+: in upvalue 'helper'\n", message)
    broken = false
    assert.equal(20, gan.train(given).metrics.iteration)
    assert.equal(20, select(2, core.read_file(given.out .. "/metrics.jsonl"):gsub("\n", "")))
  end)
end)

describe("collapse", function()
  local function rows(count_of, accuracy, gap)
    local watch, heard = {}, {}
    for i = 1, count_of do
      heard[#heard + 1] = collapse.after_iteration(watch, { iteration = i, real = gap, fake = 0, accuracy = accuracy })
    end
    return heard
  end

  it("is noticed where the accuracy is stuck at 1, and told once", function()
    assert.same({}, rows(499, 1, 2))
    assert.same({}, rows(2000, 0.99, 2))
    local heard = rows(2000, 1, 2)
    assert.equal(1, #heard)
    assert.equal("accuracy", heard[1].kind)
    assert.equal(500, heard[1].iteration)
    assert.matches("accuracy 1, score gap 2", heard[1].message, 1, true)
    assert.matches("What usually helps: a lower learning rate for the discriminator", heard[1].message, 1, true)
  end)

  it("is noticed where scores run apart", function()
    assert.equal("gap", rows(500, 0.9, 101)[1].kind)
    assert.same({}, rows(2000, 0.9, 99))
  end)

  it("is noticed where samples are alike, at two samplings in a row", function()
    gan.seed(1)
    local same, apart = gan.randn(64, 2) * 0.01, gan.randn(64, 2)
    assert.is_near(1, collapse.spread(apart), 0.2)
    local watch = {}
    assert.is_nil(collapse.after_sampling(watch, 100, same, 0.7))
    assert.is_nil(collapse.after_sampling(watch, 600, same, 0.7))
    assert.is_nil(collapse.after_sampling(watch, 700, apart, 0.7))
    assert.is_nil(collapse.after_sampling(watch, 800, same, 0.7))
    assert.equal("samples", collapse.after_sampling(watch, 900, same, 0.7).kind)
    assert.is_nil(collapse.after_sampling(watch, 1000, same, 0.7))
  end)

  it("is told in a run, written into metrics.jsonl, and may be gone back from", function()
    local told
    local given = options {
      schedule = gan.schedule.alternate { discriminator = 1, generator = 0, iterations = 510 },
      data = gan.ones(8, 2) * 100, checkpoint = { every = 200 },
      optimizer = { discriminator = gan.optim.adam { lr = 0.1 } },
      on = { collapse = function(run, trouble)
        told = trouble
        return gan.recover.rollback { tries = 1 }(run)
      end },
    }
    local run = gan.train(given)
    assert.is_truthy(told)
    assert.equal(1, run.recovery.tries)
    assert.equal(510, run.metrics.iteration)
    assert.matches('"event":"rollback"', core.read_file(given.out .. "/metrics.jsonl"), 1, true)
  end)
end)
