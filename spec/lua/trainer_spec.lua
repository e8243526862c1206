-- gan.train: the game, its moves, its folder, its ends. Networks are tiny and the data are points in the plane.

local gan = require "ganlua"
local core = require "ganlua.core"
local nn = gan.nn

local support = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "support.lua")
local refuses = support.refuses
local folder = support.folder(teardown)

local function generator()
  return nn.sequential { nn.linear { out = 8 }, nn.batch_norm {}, nn.relu {}, nn.linear { out = 2 } }
end

local function discriminator()
  return nn.sequential { nn.spectral_norm(nn.linear { out = 8 }), nn.leaky_relu {}, nn.linear { out = 1 } }
end

local count = 0
-- A small game, with whatever a spec sets differently.
local function options(changes)
  count = count + 1
  local given = {
    out = ("%s/run%d"):format(folder, count),
    data = gan.data.ring {}, generator = generator(), discriminator = discriminator(), latent = 4, batch = 16,
    loss = gan.loss.hinge {}, schedule = gan.schedule.alternate { iterations = 5 }, seed = 3, progress = false,
  }
  for key, value in pairs(changes or {}) do given[key] = value end
  return given
end

-- All numbers of a module, parameters and buffers, as one list.
local function numbers(module)
  local list = {}
  for _, tensor in pairs(module:state()) do
    for _, value in ipairs(tensor:reshape(-1):totable()) do list[#list + 1] = value end
  end
  return list
end

local function read(path) return core.read_file(path) end

describe("gan.train", function()
  it("plays the schedule and returns the run", function()
    local run = gan.train(options { ema = { decay = 0.9 } })
    assert.equal(5, run.metrics.iteration)
    assert.same({ 1, 2, 3, 4, 5 }, (run:history "iteration"))
    assert.equal(5, #run:history "g_loss")
    local samples = run:sample(10)
    assert.same({ 10, 2 }, samples:shape())
    assert.is_true(core.all_finite(samples))
  end)

  it("learns a shift of two numbers", function()
    gan.seed(1)
    local run = gan.train(options {
      data = core.randn(512, 2) * 0.1 + gan.tensor { 2, -1 },
      generator = nn.sequential { nn.linear { out = 2 } },
      discriminator = nn.sequential { nn.linear { out = 16 }, nn.leaky_relu {}, nn.linear { out = 1 } },
      optimizer = {
        generator = gan.optim.adam { lr = 0.02 }, discriminator = gan.optim.adam { lr = 0.02 },
      },
      loss = gan.loss.nonsaturating {}, batch = 64, ema = { decay = 0.95 },
      schedule = gan.schedule.alternate { iterations = 300 },
    })
    local mean = run:sample(1000):mean(1):totable()
    assert.is_near(2, mean[1], 0.3)
    assert.is_near(-1, mean[2], 0.3)
  end)

  it("gives the same bytes for the same seed, times aside, and others for another", function()
    local function lines(seed)
      local run = gan.train(options { seed = seed })
      return (read(run.folder .. "/metrics.jsonl"):gsub('"seconds":[%d.]+', ""))
    end
    local first = lines(3)
    core.randn(7) -- what the script draws itself changes nothing
    assert.equal(first, lines(3))
    assert.not_equal(first, lines(4))
  end)

  it("leaves the script's random numbers where they were", function()
    gan.seed(9)
    local before = core.get_random()
    gan.train(options()):sample(5)
    assert.same(before, core.get_random())
  end)

  it("takes a tensor as data, and a latent of the user's own", function()
    local run = gan.train(options {
      data = gan.randn(32, 2),
      latent = function(n) return gan.rand(n, 4) end,
    })
    assert.equal(5, run.metrics.iteration)
  end)

  it("takes any object with size, shape and batch", function()
    local asked = {}
    local mine = {
      size = function() return 100 end,
      shape = function() return { 2 } end,
      batch = function(_, n)
        asked[#asked + 1] = n
        return gan.zeros(n, 2)
      end,
    }
    gan.train(options { data = mine })
    assert.same({ 16, 16, 16, 16, 16 }, asked)
  end)

  it("calls back", function()
    local heard = {}
    local function note(name) return function() heard[#heard + 1] = name end end
    gan.train(options {
      schedule = gan.schedule.alternate { iterations = 2 }, sample = { every = 1 }, checkpoint = { every = 2 },
      on = { iteration = note "i", sample = note "s", checkpoint = note "c", finish = note "f" },
    })
    assert.equal("i s i s c f", table.concat(heard, " "))
  end)

  it("refuses options that it does not have, and what they cannot be", function()
    refuses("unknown option 'schedul' (did you mean 'schedule'?)", gan.train, options { schedul = 1 })
    refuses("train: ema: unknown option 'decai' (did you mean 'decay'?)", gan.train, options { ema = { decai = 1 } })
    refuses("train: on: unknown option 'itaration'", gan.train, options { on = { itaration = print } })
    refuses("'latent' must be a positive integer or a function(n) -> tensor, got 0", gan.train, options { latent = 0 })
    refuses("'loss' must be a loss with d and g", gan.train, options { loss = "hinge" })
    refuses("'data' is required", gan.train, { generator = generator() })
    refuses("'generator' must be an optimiser", gan.train, options { optimizer = { generator = 1e-3 } })
  end)

  it("refuses networks that do not fit, before anything is written", function()
    local given = options { generator = nn.sequential { nn.linear { out = 3 } } }
    refuses("generator makes samples of shape 3, those of the data are 2", gan.train, given)
    refuses("one score a sample, got 2", gan.train,
      options { discriminator = nn.sequential { nn.linear { out = 2 } } })
    assert.is_false(core.exists(given.out))
  end)
end)

describe("a move", function()
  it("returns what it measured", function()
    local d, g
    gan.train(options { schedule = function(game)
      d, g = game:discriminator(), game:generator()
    end })
    for _, name in ipairs { "loss", "real", "fake", "accuracy", "grad_norm" } do
      assert.equal("number", type(d[name]), name)
    end
    assert.is_true(d.accuracy >= 0 and d.accuracy <= 1 and d.grad_norm > 0)
    assert.is_near(-g.fake, g.loss, 1e-6)
    assert.is_true(g.grad_norm > 0)
  end)

  it("changes its own player's parameters only", function()
    local given = options()
    local G, D = given.generator, given.discriminator
    local function parameters(module)
      local list = {}
      for i, p in ipairs(module:parameters()) do list[i] = p:totable() end
      return list
    end
    given.schedule = function(game)
      local g, d = parameters(G), parameters(D)
      game:discriminator()
      assert.same(g, parameters(G))
      assert.not_same(d, parameters(D))
      d = parameters(D)
      game:generator()
      assert.not_same(g, parameters(G))
      assert.same(d, parameters(D))
    end
    gan.train(given)
  end)

  it("takes settings for itself alone", function()
    local drawn = {}
    gan.train(options { latent = function(n)
      drawn[#drawn + 1] = n
      return gan.randn(n, 4)
    end, sample = { count = 3 }, schedule = function(game)
      drawn = {}
      local d = game:discriminator { loss = gan.loss.hinge { margin = 100 }, batch = 8 }
      assert.is_true(d.loss > 150)
      assert.is_true(game:discriminator().loss < 50)
      assert.same({ 8, 16 }, drawn)
      refuses("game:generator: unknown option 'los' (did you mean 'loss'?)", game.generator, game, { los = 1 })
    end })
  end)

  it("keeps the player's moments when a move is given another setting", function()
    local run = gan.trainer(options { schedule = function(game)
      for _ = 1, 3 do game:generator { optimizer = gan.optim.adam { lr = 1e-4 } } end
    end })
    run:train()
    assert.equal(3, run.game.players.generator.moments.step)
    assert.is_nil(run.game.players.discriminator.moments)
  end)

  it("computes the loss of pairs from real scores too", function()
    local run = gan.train(options { loss = gan.loss.margin_ranking {} })
    assert.equal(5, run.metrics.iteration)
  end)
end)

describe("a move that fails", function()
  -- Plays two good iterations, then a move with `changes`; gives the run and the message.
  local function failed(changes, player)
    local given = options { ema = { decay = 0.5 } }
    local before
    given.schedule = function(game)
      for _ = 1, 2 do
        game:discriminator()
        game:generator()
        game:next()
      end
      before = { numbers(given.generator), numbers(given.discriminator), given.data:state(), game.streams:state() }
      game[player](game, changes)
    end
    local run = gan.trainer(given)
    local ok, message = pcall(run.train, run)
    assert.is_false(ok)
    assert.same(before,
      { numbers(given.generator), numbers(given.discriminator), given.data:state(), run.game.streams:state() })
    return message, run
  end

  local function nan_loss()
    return { d = function(real) return (real:mean() - 1e9):log() end, g = function(fake) return fake:mean() / 0 end }
  end

  it("names iteration, player and what was not finite, and changes nothing", function()
    assert.matches("iteration 3, discriminator: loss is nan", failed({ loss = nan_loss() }, "discriminator"), 1, true)
    assert.matches("iteration 3, generator: loss is %-?inf", failed({ loss = nan_loss() }, "generator"))
  end)

  it("names the parameter whose gradient is not finite", function()
    -- The square root has the value 0 and an infinite slope at 0.
    local steep = {
      d = function(real) return (real - real:detach()):sqrt():mean() end,
      g = function(fake) return (fake - fake:detach()):sqrt():mean() end,
    }
    assert.matches("iteration 3, discriminator: the gradient of '1.weight' is not finite",
      failed({ loss = steep }, "discriminator"), 1, true)
  end)

  it("changes nothing when the loss raises", function()
    local broken = { d = function() error "no loss today" end, g = function() return 5 end }
    assert.matches("no loss today", failed({ loss = broken }, "discriminator"))
    assert.matches("generator: the loss must be one number, got 5", failed({ loss = broken }, "generator"))
  end)

  it("leaves the metrics of the iterations before it on disk", function()
    local _, run = failed({ loss = nan_loss() }, "discriminator")
    assert.equal(2, select(2, read(run.folder .. "/metrics.jsonl"):gsub("\n", "")))
  end)

  it("shows the user's line in the traceback of an error in the schedule", function()
    local line
    local given = options { schedule = function(game)
      game:discriminator()
      line = debug.getinfo(1, "l").currentline + 1
      game:generater()
    end }
    local _, traceback = xpcall(gan.train, debug.traceback, given)
    assert.matches(("trainer_spec.lua:%d: in "):format(line), traceback, 1, true)
  end)
end)

describe("the generator's moving average", function()
  it("follows each of the generator's steps by 1 - decay", function()
    local given = options { ema = { decay = 0.75 } }
    local run = gan.trainer(given)
    local start = run.ema:parameters()[1]:copy()
    given.schedule = nil
    run.options.schedule = function(game) game:generator() end
    run:train()
    local wanted = start * 0.75 + given.generator:parameters()[1] * 0.25
    assert.is_true((wanted - run.ema:parameters()[1]):abs():max():item() < 1e-6)
  end)

  it("takes over the running statistics, and samples come from it", function()
    local run = gan.train(options { ema = { decay = 0.9 } })
    local state, average = run.generator:state(), run.ema:state()
    assert.same(state["2.running_mean"]:totable(), average["2.running_mean"]:totable())
    assert.is_false(run.ema.training)
    assert.is_true(run.generator.training)
  end)
end)

describe("a run's waiting for data", function()
  it("is a share of its time, and told where it is more than a twentieth", function()
    local now, clock = 100, core.monotonic
    local _ <close> = setmetatable({}, { __close = function() core.monotonic = clock end })
    core.monotonic = function() return now end
    local function run(reading, other)
      local data = {
        size = function() return 100 end, shape = function() return { 2 } end,
        batch = function(_, n)
          now = now + reading
          return core.zeros(n, 2)
        end,
      }
      local said = {}
      local waiting = gan.train(options { data = data, out = false, on = {
        iteration = function(self)
          now = now + other
          self.progress.say = function(_, format, ...) said[#said + 1] = format:format(...) end
        end,
      } }).waiting
      return waiting, table.concat(said, "\n")
    end
    local waiting, said = run(3, 7)
    assert.is_near(0.3, waiting, 1e-9)
    assert.matches("it waited for data for 30 % of its time", said, 1, true)
    waiting, said = run(1, 99)
    assert.is_near(0.01, waiting, 1e-9)
    assert.is_nil(said:find "waited")
  end)
end)

describe("run:sample", function()
  it("makes many at once, the same as a few at a time would be", function()
    local run = gan.train(options())
    assert.same({ 600, 2 }, run:sample(600):shape())
  end)

  it("goes on with other samples, and has no graph", function()
    local run = gan.train(options())
    local first, second = run:sample(4), run:sample(4)
    assert.not_same(first:totable(), second:totable())
    refuses("grad", core.grad, first:sum(), { run.generator:parameters()[1] })
  end)

  it("refuses a number that is none", function()
    local run = gan.trainer(options())
    refuses("wanted a positive integer, got 0", run.sample, run, 0)
    refuses("wanted a positive integer, got nothing", run.sample, run)
  end)
end)

describe("run:history", function()
  it("gives values and their iterations, also where a player rested", function()
    local run = gan.train(options { schedule = gan.schedule.phases {
      { discriminator = 1, iterations = 2 }, { discriminator = 1, generator = 1, iterations = 2 },
    } })
    local values, iterations = run:history "g_loss"
    assert.equal(2, #values)
    assert.same({ 3, 4 }, iterations)
  end)

  it("names the nearest measurement", function()
    local run = gan.trainer(options())
    refuses("nothing is measured as \"d_los\" (did you mean 'd_loss'?)", run.history, run, "d_los")
  end)
end)

describe("a run's folder", function()
  local function pictures()
    return options {
      data = gan.rand(8, 4, 4, 1) * 2 - 1,
      generator = nn.sequential { nn.linear { out = 16 }, nn.reshape { 4, 4, 1 }, nn.tanh {} },
      discriminator = nn.sequential { nn.flatten {}, nn.linear { out = 1 } },
      sample = { every = 2, count = 4 },
    }
  end

  it("holds config, metrics, pictures, plot and checkpoint", function()
    local run = gan.train(pictures())
    local names = core.list_directory(run.folder)
    assert.same({ "checkpoint.safetensors", "config.lua", "history", "losses.png", "metrics.jsonl", "samples" }, names)
    assert.same({ "000002.png", "000004.png", "000005.png" }, core.list_directory(run.folder .. "/samples"))
    local config = assert(load(read(run.folder .. "/config.lua"), "config", "t", {}))()
    assert.equal(3, config.seed)
    assert.matches("hinge", config.loss)
    assert.matches("linear", config.generator)
    assert.equal("alternate{discriminator=1, generator=1, iterations=5}", config.schedule)
  end)

  it("has the metrics' keys in one order, the time last", function()
    local run = gan.train(options())
    local line = read(run.folder .. "/metrics.jsonl"):match("^[^\n]*")
    local keys = {}
    for key in line:gmatch '"([%w_]+)":' do keys[#keys + 1] = key end
    assert.same({ "iteration", "d_loss", "g_loss", "real", "fake", "accuracy", "d_grad_norm", "g_grad_norm",
      "seconds" }, keys)
  end)

  it("has the same pictures for the same seed", function()
    local data = gan.rand(8, 4, 4, 1) * 2 - 1
    local function picture(seed)
      local given = pictures()
      given.data, given.seed = data, seed
      return read(gan.train(given).folder .. "/samples/000004.png")
    end
    local first = picture(1)
    assert.equal(first, picture(1))
    assert.not_equal(first, picture(2))
  end)

  it("has the moves after the last next() in its checkpoint", function()
    local run = gan.train(options { checkpoint = { every = 1 }, schedule = function(game)
      game:discriminator()
      game:next()
      game:generator()
    end })
    local saved = gan.load(run.folder .. "/checkpoint.safetensors")
    assert.same(run.generator:state()["1.weight"]:totable(), saved["generator.1.weight"]:totable())
  end)

  it("is another one where there is one of that name", function()
    local given = options()
    assert.equal(given.out, gan.train(given).folder)
    given.generator, given.discriminator = generator(), discriminator()
    assert.equal(given.out .. "-2", gan.train(given).folder)
  end)

  it("is known to be impossible before the training", function()
    core.write_file(folder .. "/file", "")
    local moves, out = 0, folder .. "/file/run"
    local given = options { out = out, schedule = function() moves = moves + 1 end }
    refuses("folder cannot be written: cannot make folder " .. folder .. "/file", gan.train, given)
    assert.equal(0, moves)
  end)

  it("keeps the last numbered checkpoints", function()
    local run = gan.train(options { checkpoint = { every = 1, keep = 2 } })
    local found = {}
    for _, name in ipairs(core.list_directory(run.folder)) do
      if name:find "^checkpoint" then found[#found + 1] = name end
    end
    assert.same({ "checkpoint-000004.safetensors", "checkpoint-000005.safetensors", "checkpoint.safetensors" }, found)
  end)
end)

describe("an interrupt", function()
  it("is taken after the move, when everything is saved", function()
    local interrupted, moves = false, 0
    stub(core, "interrupted", function() return interrupted and "INT" end)
    local run = gan.trainer(options { schedule = function(game)
      while true do
        game:discriminator()
        game:next()
        moves = moves + 1
        interrupted = moves == 3
      end
    end })
    local ok, message = pcall(run.train, run)
    core.interrupted:revert()
    assert.is_false(ok)
    assert.matches("interrupted", message)
    assert.equal("INT", run.interrupted)
    assert.equal(4, run.game.players.discriminator.moves)
    assert.equal(3, select(2, read(run.folder .. "/metrics.jsonl"):gsub("\n", "")))
    assert.is_true(core.exists(run.folder .. "/checkpoint.safetensors"))
    assert.is_true(core.exists(run.folder .. "/losses.png"))
  end)
end)

describe("a run that is stopped by an error", function()
  it("leaves its last good networks and the log", function()
    local bad = gan.loss.define { name = "bad", d = function(r, f) return r:mean() + f:mean() end,
      g = function(f) return f:mean() * (0 / 0) end }
    local given = options { schedule = function(game)
      for _ = 1, 3 do
        game:discriminator()
        game:generator()
        game:next()
      end
      game:generator { loss = bad }
    end }
    local run = gan.trainer(given)
    refuses("iteration 4, generator: loss is", run.train, run)
    local saved = gan.load(given.out .. "/checkpoint.safetensors")
    assert.same(run.generator:state()["1.weight"]:totable(), saved["generator.1.weight"]:totable())
    local _, lines = read(given.out .. "/metrics.jsonl"):gsub("\n", "")
    assert.equal(3, lines)
  end)

  it("cannot be started inside itself, and lets others play in its hooks", function()
    local run
    run = gan.trainer(options { on = { iteration = function() run:train() end } })
    refuses("training already", run.train, run)
    local inner
    gan.train(options { on = { finish = function() inner = gan.train(options()) end } })
    assert.equal(5, inner.metrics.iteration)
  end)
end)

describe("the data of a run", function()
  it("is read from its beginning, whoever read it before", function()
    local data = gan.data.tensor(core.randn(64, 2))
    local losses = {}
    for i = 1, 2 do
      gan.seed(1) -- the same weights
      losses[i] = gan.train(options { data = data, out = false }):history "d_loss"
    end
    assert.same(losses[1], losses[2])
  end)
end)

describe("run:sample", function()
  it("leaves the networks in the modes that they were in", function()
    local run = gan.train(options())
    run.generator:eval()
    run:sample(2)
    assert.is_false(run.generator.training)
    run.generator:train()
    run:sample(2.0)
    assert.is_true(run.generator.training)
  end)
end)
