-- The game as the documentation promises it, line by line: every option, every move with every setting, every built-in
-- schedule, a curve wherever a number stands.

local gan = require "ganlua"
local core = require "ganlua.core"
local nn = gan.nn

local support = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "support.lua")
local folder = support.folder(teardown)

local function networks()
  return nn.sequential { nn.linear { out = 2 } }, nn.sequential { nn.linear { out = 1 } }
end

local function options(changes)
  local G, D = networks()
  local given = {
    out = false, progress = false, data = gan.data.ring {}, generator = G, discriminator = D, latent = 4, batch = 8,
    loss = gan.loss.hinge {}, seed = 1,
  }
  for key, value in pairs(changes) do given[key] = value end
  return given
end

describe("gan.train", function()
  it("takes all its options, calls every hook, and leaves a folder with all that was promised", function()
    local called = {}
    local function hook(name) return function(run) called[name] = (called[name] or 0) + (run and 1 or 0) end end
    local G = nn.sequential { nn.linear { out = 16 }, nn.reshape { 4, 4, 1 } }
    local D = nn.sequential { nn.flatten {}, nn.linear { out = 1 } }
    local run = gan.train {
      name = "hinge", out = folder .. "/hinge",
      data = gan.rand(32, 4, 4, 1),
      generator = G, discriminator = D, latent = function(n) return gan.randn(n, 4) end,
      loss = gan.loss.hinge {}, penalties = { gan.penalty.r1 { weight = 1, every = 4 } },
      optimizer = { generator = gan.optim.adam { lr = 2e-4 }, discriminator = gan.optim.adam { lr = 2e-4 } },
      schedule = gan.schedule.alternate { discriminator = 1, generator = 1, iterations = 20 },
      batch = 8, ema = { decay = 0.999 }, augment = nil, seed = 1, resume = true,
      checkpoint = { every = 5, keep = 3 }, sample = { every = 10, count = 4 },
      on = { iteration = hook "iteration", sample = hook "sample", checkpoint = hook "checkpoint", nan = hook "nan",
        collapse = hook "collapse", finish = hook "finish" },
      progress = false,
    }
    assert.same({ iteration = 20, sample = 2, checkpoint = 4, finish = 1 }, called)
    assert.same({ 64, 4, 4, 1 }, run:sample(64):shape())
    assert.equal(G, run.generator)
    assert.equal(D, run.discriminator)
    assert.is_false(run.ema.training)
    assert.same({}, run.state)
    assert.equal(20, run.metrics.iteration)
    assert.equal(20, #run:history "d_loss")
    assert.equal(folder .. "/hinge", run.folder)
    for _, name in ipairs { "config.lua", "metrics.jsonl", "samples/000010.png", "samples/000020.png", "losses.png",
      "checkpoint.safetensors", "checkpoint-000010.safetensors", "checkpoint-000015.safetensors",
      "checkpoint-000020.safetensors", "history" } do
      assert.is_true(core.exists(run.folder .. "/" .. name), name)
    end
    run:save(folder .. "/saved.safetensors")
    assert.same(run:sample(2):shape(), run:load(folder .. "/saved.safetensors"):sample(2):shape())
  end)

  it("takes any object with size, shape and batch as data, and goes on in it exactly where it has a state", function()
    local place, cut = 0, true
    local data = {
      size = function() return 100 end, shape = function() return { 2 } end,
      batch = function(_, n) place = place + n return gan.full({ n, 2 }, place) end,
      state = function() return { place = place } end, load_state = function(_, state) place = state.place end,
    }
    local given = options { data = data, out = folder .. "/own", checkpoint = { every = 1 }, schedule = function(game)
      for i = 1, 4 do
        game:discriminator()
        game:next()
        if i == 2 and cut then error "cut" end
      end
    end }
    assert.is_false(pcall(gan.train, given))
    place, cut = 0, false
    gan.train(given)
    assert.equal(32, place)
  end)

  it("is made without running by gan.trainer", function()
    local run = gan.trainer(options { schedule = gan.schedule.alternate { iterations = 2 } })
    assert.equal(0, run.game.iteration)
    assert.equal(run, run:train())
    assert.equal(2, run.game.iteration)
  end)
end)

describe("a schedule", function()
  it("plays each alone for a while, then both, decides by what moves return, and overrides settings", function()
    local game_of
    gan.train(options { schedule = function(game)
      game_of = game
      for _ = 1, 5 do game:discriminator() end
      for _ = 1, 5 do game:generator() end
      while game.iteration < 20 do
        local d = game:discriminator { loss = gan.loss.hinge { margin = 0.5 } }
        if d.accuracy > 0.9 then game:generator() end
        game:generator()
        game:next()
      end
    end })
    assert.equal(20, game_of.iteration)
    assert.equal(25, game_of:moves "discriminator")
    assert.is_true(game_of:moves "generator" >= 25)
  end)

  local overrides = {
    loss = gan.loss.minimax {}, optimizer = gan.optim.sgd { lr = 1e-2 }, batch = 4, micro_batch = 2, reuse = true,
    penalties = { gan.penalty.r1 {} }, clip = 0.5, noise = 0.1, top_k = 0.5, unroll = { steps = 1 },
    ema = { decay = 0.5 },
  }
  local both = {}
  for name, value in pairs(overrides) do both[name] = value end
  both.optimizer = { generator = gan.optim.sgd { lr = 1e-2 }, discriminator = gan.optim.adam {} }
  local of_generator = { top_k = true, unroll = true, ema = true }

  local function measured(m, names)
    local found = {}
    for name, value in pairs(m) do
      found[#found + 1] = name
      assert.equal("number", type(value), name)
    end
    table.sort(found)
    assert.same(names, found)
  end

  it("may override every setting in every move that it concerns, alone and by game:set", function()
    gan.train(options { ema = { decay = 0.9 }, schedule = function(game)
      for name, value in pairs(overrides) do
        if not of_generator[name] then game:discriminator { [name] = value } end
        game:generator { [name] = value }
        game:both { [name] = both[name] }
        game:set { [name] = both[name] }
        game:discriminator()
        game:generator()
        game:both()
        game:next()
      end
      game:both { extragradient = true }
    end })
  end)

  it("hears from a move what was promised", function()
    gan.train(options { schedule = function(game)
      local penalties = { gan.penalty.r1 {} }
      measured(game:discriminator { penalties = penalties },
        { "accuracy", "fake", "grad_norm", "loss", "penalty", "real" })
      measured(game:discriminator(), { "accuracy", "fake", "grad_norm", "loss", "real" })
      measured(game:generator(), { "accuracy", "fake", "grad_norm", "loss" })
      local d, g = game:both()
      measured(d, { "accuracy", "fake", "grad_norm", "loss", "real" })
      measured(g, { "accuracy", "fake", "grad_norm", "loss" })
      assert.same({ 3, "three" }, { game:measure(function() return 3, "three" end) })
      local r = game:random()
      assert.is_true(r >= 0 and r < 1 and game:random(5) <= 5 and game:random(2, 3) >= 2)
    end })
  end)

  it("is told where it calls a move with a dot, or measures what is not plain", function()
    local function refuses(text, play)
      local ok, message = pcall(gan.train, options { schedule = play })
      assert.is_false(ok)
      assert.matches("contract_spec%.lua:%d+: " .. text, message)
    end
    for _, name in ipairs { "discriminator", "generator", "both", "next", "set", "grow", "measure" } do
      refuses(("game%%.%s: is called with a colon: game:%s%%(%%.%%.%%.%%)"):format(name, name),
        function(game) game[name]() end)
    end
    refuses("game%.generator: is called with a colon", function(game) game.generator { batch = 4 } end)
    refuses("game:measure: wanted plain values, but what it returned%[1%] is a tensor",
      function(game) game:measure(function() return gan.zeros(1) end) end)
  end)

  local built_in = {
    alternate = gan.schedule.alternate { discriminator = 1, generator = 1, iterations = 5 },
    simultaneous = gan.schedule.simultaneous { iterations = 5 },
    extragradient = gan.schedule.extragradient { iterations = 5 },
    phases = gan.schedule.phases { { discriminator = 1, iterations = 2 }, { generator = 1, iterations = 2 },
      { discriminator = 1, generator = 1, iterations = 1 } },
    sequence = gan.schedule.sequence { gan.schedule.alternate { iterations = 2 }, { loss = gan.loss.minimax {} },
      gan.schedule.simultaneous { iterations = 3 } },
    stop_when = gan.schedule.stop_when(function(game) return game.iteration == 5 end,
      gan.schedule.alternate { iterations = 50 }),
    balance = gan.schedule.balance { low = 0.4, high = 0.9, iterations = 5 },
    switch_loss = gan.schedule.switch_loss { { at = 2, loss = gan.loss.hinge {} },
      schedule = gan.schedule.alternate { iterations = 5 } },
  }
  for name, schedule in pairs(built_in) do
    it("may be gan.schedule." .. name, function()
      assert.equal(5, gan.train(options { schedule = schedule }).game.iteration)
    end)
  end
end)

-- Each entry makes options with a number in one place, and says where that number is seen to have an effect.
describe("a curve stands wherever a number does:", function()
  local optim, curve = gan.optim, gan.curve
  local G, D = "generator", "discriminator"
  local places = {
    ["lr of adam"] = function(n) return { optimizer = { [G] = optim.adam { lr = n } } } end,
    ["lr of adamw"] = function(n) return { optimizer = { [G] = optim.adamw { lr = n } } } end,
    ["lr of sgd"] = function(n) return { optimizer = { [D] = optim.sgd { lr = n } } } end,
    ["lr of rmsprop"] = function(n) return { optimizer = { [D] = optim.rmsprop { lr = n } } } end,
    ["lr of optimistic_adam"] = function(n) return { optimizer = { [G] = optim.optimistic_adam { lr = n } } } end,
    ["a penalty's weight"] = function(n) return { penalties = { gan.penalty.r1 { weight = n } } } end,
    ["a lazy penalty's weight"] = function(n) return { penalties = { gan.penalty.r2 { weight = n, every = 2 } } } end,
    ["a penalty's target"] = function(n) return { penalties = { gan.penalty.gradient_penalty { target = n } } } end,
    ["weight clipping"] = function(n) return { penalties = { gan.penalty.weight_clip { limit = n } } } end,
    ["hinge's margin"] = function(n) return { loss = gan.loss.hinge { margin = n } } end,
    ["margin_ranking's margin"] = function(n) return { loss = gan.loss.margin_ranking { margin = n } } end,
    ["label smoothing"] = function(n) return { loss = gan.loss.minimax { smooth = n } } end,
    ["least_squares' targets"] = function(n) return { loss = gan.loss.least_squares { real = n, gen = n } } end,
    ["instance noise"] = function(n) return { noise = n } end,
    ["the share of top_k"] = function(n) return { top_k = n } end,
    ["clipping"] = function(n) return { clip = n } end,
    ["the average's decay"] = function(n) return { ema = { decay = n } } end,
  }

  -- All that a run of these options computed, as bytes.
  local function outcome(changes)
    changes.schedule = gan.schedule.alternate { iterations = 6 }
    local run = gan.train(options(changes))
    local numbers = {}
    local function add(value)
      if type(value) == "number" then numbers[#numbers + 1] = ("%a"):format(value) end
      for _, item in ipairs(type(value) == "table" and value or {}) do add(item) end
    end
    add { (run:history "d_loss"), (run:history "g_loss"), run:sample(2):totable() }
    for _, network in ipairs { run.generator, run.discriminator } do
      for _, parameter in ipairs(network:parameters()) do add(parameter:totable()) end
    end
    return table.concat(numbers, " ")
  end

  for name, place in pairs(places) do
    it(name, function()
      local constant = outcome(place(0.1))
      assert.equal(constant, outcome(place(curve.constant(0.1))))
      assert.equal(constant, outcome(place(function() return 0.1 end)))
      -- From the fourth move, or iteration, on it is another number: the curve is asked again, by either clock.
      local changing = outcome(place(function(t) return t < 3 and 0.1 or 0.1 * 6 end))
      assert.are_not.equal(constant, changing)
      local function later(by) return curve.steps { from = 0.1, at = { 3 }, factor = 6, by = by } end
      assert.equal(changing, outcome(place(later "move")))
      assert.equal(changing, outcome(place(later "iteration")))
    end)
  end

  it("in the settings of one move, and of game:set", function()
    gan.train(options { ema = { decay = 0.9 }, schedule = function(game)
      local asked = {}
      local function number(name) return function(t) asked[name] = t return 0.5 end end
      game:both {
        loss = gan.loss.hinge { margin = number "margin" }, noise = number "noise", clip = number "clip",
        top_k = number "top_k", ema = { decay = number "decay" },
        penalties = { gan.penalty.r1 { weight = number "r1" } }, optimizer = { [G] = optim.adam { lr = number "lr" } },
      }
      assert.same({ margin = 0, noise = 0, clip = 0, top_k = 0, decay = 0, r1 = 0, lr = 0 }, asked)
      game:set { noise = number "noise", ema = { decay = number "decay" } }
      game:both()
      assert.equal(1, asked.noise)
      assert.equal(1, asked.decay)
    end })
  end)
end)
