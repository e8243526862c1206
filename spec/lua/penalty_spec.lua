-- Penalties: each against a number worked by hand, their slopes against differences, and how the game counts them.

local gan = require "ganlua"
local core = require "ganlua.core"
local penalties = require "ganlua.penalty.define"
local nn, penalty = gan.nn, gan.penalty

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(text, message, 1, true)
end

-- D(x) = |x|^2 / 2: its slope at x is x.
local function bowl(x) return (x:square():sum(2, { keepdim = true }) / 2) end

local real = gan.tensor { { 3, 4 }, { 0, 0.5 } } -- norms 5 and 0.5
local fake = gan.tensor { { 0, 2 }, { 1, 0 } } -- norms 2 and 1

-- What a penalty sees of a move with this discriminator.
local function move_of(D, changes)
  local move = { discriminator = D, real = real, fake = fake }
  for key, value in pairs(changes or {}) do move[key] = value end
  move.real_scores, move.fake_scores = move.real_scores or D(move.real), move.fake_scores or D(move.fake)
  return move
end

-- What a penalty adds to a loss in a move, as the game computes it.
local function term(p, move)
  local player = { name = p.player == "both" and "discriminator" or p.player, memory = {} }
  return penalties.total(penalties.due({ p }, player, { move = 0, iteration = 0 }), move)
end

local function adds(wanted, p, move)
  assert.is_near(wanted, term(p, move or move_of(bowl)):item(), 1e-5 * math.max(1, math.abs(wanted)))
end

describe("a penalty's value", function()
  it("gradient_penalty takes each sample's norm, not the batch's", function()
    local same = move_of(bowl, { fake = real }) -- whatever the mixture, it is the real samples
    adds(10 * ((5 - 1) ^ 2 + (0.5 - 1) ^ 2) / 2, penalty.gradient_penalty {}, same)
    adds(2 * ((5 - 3) ^ 2 + (0.5 - 3) ^ 2) / 2, penalty.gradient_penalty { weight = 2, target = 3 }, same)
    local of_the_batch = 10 * (math.sqrt(5 ^ 2 + 0.5 ^ 2) - 1) ^ 2
    assert.is_true(math.abs(term(penalty.gradient_penalty {}, same):item() - of_the_batch) > 1)
  end)

  it("gradient_penalty mixes each pair by a number of its own", function()
    local seen
    local function D(x)
      seen = x
      return bowl(x)
    end
    local n = 50
    term(penalty.gradient_penalty {}, move_of(D, { real = gan.ones(n, 2), fake = gan.zeros(n, 2) }))
    local shares, different = seen:totable(), {}
    for _, row in ipairs(shares) do
      assert.equal(row[1], row[2])
      assert.is_true(row[1] >= 0 and row[1] <= 1)
      different[row[1]] = true
    end
    local count = 0
    for _ in pairs(different) do count = count + 1 end
    assert.is_true(count > n // 2)
  end)

  it("one_sided leaves alone what is not too steep", function()
    adds(10 * (5 - 1) ^ 2 / 2, penalty.gradient_penalty { one_sided = true }, move_of(bowl, { fake = real }))
  end)

  it("r1 and r2 are half the mean of the squared norms", function()
    adds(10 / 2 * (25 + 0.25) / 2, penalty.r1 {})
    adds(3 / 2 * (4 + 1) / 2, penalty.r2 { weight = 3 })
  end)

  it("dragan looks around the real samples", function()
    local seen
    local function D(x)
      seen = x
      return x:sum(2) * 2 -- slope (2, 2) everywhere
    end
    adds(10 * (math.sqrt(8) - 1) ^ 2, penalty.dragan {}, move_of(D))
    local far, std = (seen - real):totable(), real:var():sqrt():item()
    for _, row in ipairs(far) do
      for _, step in ipairs(row) do assert.is_true(step >= 0 and step <= 0.5 * std) end
    end
    adds(0, penalty.dragan { target = 3, one_sided = true }, move_of(D))
  end)

  it("drift is the mean square of the real scores", function()
    adds(1e-3 * (12.5 ^ 2 + 0.125 ^ 2) / 2, penalty.drift {})
  end)

  it("consistency compares the scores of a sample and of what augment makes of it", function()
    local double = penalty.consistency { augment = function(x) return x * 2 end }
    adds(10 * ((3 * 12.5) ^ 2 + (3 * 0.125) ^ 2) / 2, double)
    refuses("penalty.consistency: option 'augment' is required", penalty.consistency)
    refuses("augment must return a tensor, got nothing", term,
      penalty.consistency { augment = function() end }, move_of(bowl))
  end)

  it("lecam pulls each side's scores to the other's running mean", function()
    local move = move_of(bowl) -- means: real 6.3125, fake 1.25
    local wanted = ((12.5 - 1.25) ^ 2 + (0.125 - 1.25) ^ 2) / 2 + ((2 - 6.3125) ^ 2 + (0.5 - 6.3125) ^ 2) / 2
    adds(0.3 * wanted, penalty.lecam {}, move)
    local p, player, clock = penalty.lecam { decay = 0.5 }, { name = "discriminator", memory = {} }, {}
    penalties.total(penalties.due({ p }, player, clock), move)
    penalties.total(penalties.due({ p }, player, clock), move_of(bowl, { real_scores = gan.zeros(2, 1) }))
    assert.is_near(6.3125 / 2, player.memory.lecam.real, 1e-6)
    assert.is_near(1.25, player.memory.lecam.fake, 1e-6)
  end)

  it("feature_matching compares the means of features", function()
    adds(((3 + 0) / 2 - (0 + 1) / 2) ^ 2 + ((4 + 0.5) / 2 - (2 + 0) / 2) ^ 2,
      penalty.feature_matching { features = function(x) return x end })
  end)

  it("path_length is the spread of the generator's slopes around their running mean", function()
    -- G stretches each of 2000 samples by 3, so |J^T y| = 3|y|: its mean square is 9.
    local z = gan.randn(2000, 1)
    local p, player = penalty.path_length { weight = 1, decay = 0 }, { name = "generator", memory = {} }
    local move = { latent = z, generated = z * 3 }
    local value = penalties.total(penalties.due({ p }, player, {}), move):item()
    assert.is_near(3 * math.sqrt(2 / math.pi), player.memory.path_length.mean, 0.15)
    assert.is_near(9 * (1 - 2 / math.pi), value, 0.4)
  end)

  it("consensus is half the squared length of both players' gradients", function()
    local a, b = gan.tensor { 2 }, gan.tensor { 5 }
    local move = { losses = { discriminator = (a * b):sum(), generator = (a * a * b):sum() },
      parameters = { discriminator = { a }, generator = { b } } }
    adds(10 / 2 * (5 ^ 2 + 4 ^ 2), penalty.consensus {}, move)
  end)
end)

-- D(x) = tanh(x a + b) c and G(z) = tanh(z e) f, and what PyTorch says.
describe("a penalty and its gradients agree with PyTorch's:", function()
  local folder = debug.getinfo(1, "S").source:match("^@(.*)lua/penalty_spec%.lua$")
  local reference = dofile(folder .. "reference/penalties.lua")

  local function near(wanted, got, what)
    local most = math.max(1, wanted:abs():max():item())
    assert.is_true((wanted - got):abs():max():item() <= 1e-5 * most, what)
  end

  for number, row in ipairs(reference) do
    it(("%s (%d)"):format(row.name, number), function()
      local t = {}
      for name, values in pairs(reference.inputs) do t[name] = gan.tensor(values) end
      local function features(x) return (x:matmul(t.a) + t.b):tanh() end
      local function D(x) return features(x):matmul(t.c) end
      local generated = t.z:matmul(t.e):tanh():matmul(t.f)
      local p = penalty[row.name](row.options(features))
      -- The discriminator's own penalties see samples without a graph.
      local move = move_of(D, {
        real = t.real, fake = p.player == "discriminator" and generated:detach() or generated,
        latent = t.z, generated = generated,
        parameters = { discriminator = { t.a, t.b, t.c }, generator = { t.e, t.f } },
      })
      local loss = gan.loss.nonsaturating
      move.losses = { discriminator = loss.d(move.real_scores, move.fake_scores), generator = loss.g(move.fake_scores) }

      stub(core, "rand", row.name == "dragan" and t.noise or t.share)
      stub(core, "randn", t.direction)
      local done, value = pcall(term, p, move)
      core.rand:revert()
      core.randn:revert()
      assert(done, value)

      local names, parameters = {}, {}
      for name in pairs(row.gradients) do
        names[#names + 1], parameters[#parameters + 1] = name, t[name]
      end
      near(gan.tensor(row.value), value, "value")
      for i, gradient in ipairs(core.grad(value, parameters)) do
        near(gan.tensor(row.gradients[names[i]]), gradient, names[i])
      end
    end)
  end
end)

---- In a game ------------------------------------------------------------------------------------------------------

local function trainer(changes)
  local given = {
    out = false, progress = false, seed = 3, data = gan.data.ring {}, latent = 4, batch = 16,
    generator = nn.sequential { nn.linear { out = 8 }, nn.relu {}, nn.linear { out = 2 } },
    discriminator = nn.sequential { nn.linear { out = 8 }, nn.leaky_relu {}, nn.linear { out = 1 } },
    loss = gan.loss.hinge {}, schedule = gan.schedule.alternate { iterations = 4 },
  }
  for key, value in pairs(changes) do given[key] = value end
  return gan.trainer(given)
end

describe("penalties in a game", function()
  it("are part of what a move returns, and of what is logged", function()
    local d, g
    local run = trainer { penalties = { penalty.r1 {}, penalty.drift {} }, schedule = function(game)
      d, g = game:discriminator(), game:generator()
      game:next()
    end }
    run:train()
    assert.is_true(d.penalty > 0)
    assert.is_nil(g.penalty)
    assert.near(d.penalty, run.metrics.d_penalty, 1e-12)
    assert.is_nil(trainer({}):train().metrics.d_penalty)
  end)

  it("change where the step goes, not what the loss is called", function()
    local function moved(list)
      local run, d = trainer { penalties = list }, nil
      run.options.schedule = function(game) d = game:discriminator() end
      run:train()
      return d.loss, run.discriminator:parameters()[1]:totable()
    end
    local loss, parameters = moved {}
    local same, others = moved { penalty.r1 { weight = 100 } }
    assert.equal(loss, same)
    assert.not_same(parameters, others)
  end)

  it("are computed in each k-th move and weighted by k", function()
    local function seen(every)
      local values, constant = {}, penalty.define { name = "constant", weight = 2,
        value = function(move) return (move.fake_scores * 0):sum() + 3 end }
      trainer { penalties = { constant { every = every } }, schedule = function(game)
        for i = 1, 8 do values[i] = game:discriminator().penalty end
      end }:train()
      return values
    end
    assert.same({ 6, 6, 6, 6, 6, 6, 6, 6 }, seen(1))
    assert.same({ 0, 0, 0, 24, 0, 0, 0, 24 }, seen(4))
  end)

  it("count on when a move writes them inline", function()
    local values = {}
    trainer { schedule = function(game)
      for i = 1, 4 do
        values[i] = game:discriminator { penalties = { penalty.r1 { every = 2 } } }.penalty > 0
        game:generator()
      end
    end }:train()
    assert.same({ false, true, false, true }, values)
  end)

  it("keep two of a name apart", function()
    local run = trainer { penalties = { penalty.r1 { every = 2 }, penalty.r1 { every = 3 } } }
    run:train()
    assert.same({ r1 = { count = 4 }, r12 = { count = 4 } }, run.game.players.discriminator.memory)
  end)

  it("go on where a saved run stopped", function()
    local path = os.tmpname()
    local list = { penalty.r1 { every = 3 }, penalty.lecam {} }
    local run = trainer { penalties = list }
    run:train()
    run:save(path)
    local loaded = trainer { penalties = list }
    loaded:load(path)
    os.remove(path)
    local memory = loaded.game.players.discriminator.memory
    assert.equal(4, memory.r1.count)
    assert.is_near(run.game.players.discriminator.memory.lecam.real, memory.lecam.real, 1e-12)
  end)

  it("are taken back with a move that fails", function()
    local run
    local broken = penalty.define { name = "broken", value = function(move) return move.fake_scores:sum() / 0 end }
    run = trainer { schedule = function(game)
      game:discriminator { penalties = { penalty.r1 {} } }
      game:discriminator { penalties = { penalty.r1 {}, broken {} } }
    end }
    refuses("iteration 1, discriminator: penalty is", run.train, run)
    assert.same({ r1 = { count = 1 } }, run.game.players.discriminator.memory)
    assert.equal(1, run.game.players.discriminator.moves)
  end)

  it("take curves, which count the player's moves or iterations", function()
    local values = {}
    local constant = penalty.define { name = "constant",
      value = function(move) return (move.fake_scores * 0):sum() + 1 end }
    local list = {
      constant { weight = function(t) return t end },
      constant { weight = gan.curve.linear { from = 0, to = 1000, over = 10, by = "iteration" } },
    }
    trainer { penalties = list, schedule = function(game)
      for _ = 1, 2 do
        values[#values + 1] = game:discriminator().penalty
        values[#values + 1] = game:discriminator().penalty
        game:next()
      end
    end }:train()
    assert.same({ 0, 1, 102, 103 }, values)
  end)

  it("clip the weights after each of the discriminator's steps", function()
    local run = trainer { penalties = { penalty.weight_clip { limit = 0.02 } }, schedule = function(game)
      game:discriminator()
    end }
    local before = run.generator:parameters()[1]:totable()
    run:train()
    local greatest = 0
    for _, p in ipairs(run.discriminator:parameters()) do greatest = math.max(greatest, p:abs():max():item()) end
    assert.is_near(0.02, greatest, 1e-6)
    assert.same(before, run.generator:parameters()[1]:totable())
  end)

  it("are added to the generator's loss where they are its own", function()
    local run = trainer { penalties = {
      penalty.path_length {}, penalty.feature_matching { features = function(x) return x end },
    } }
    run:train()
    assert.is_nil(run.metrics.d_penalty)
    assert.is_true(run.metrics.g_penalty > 0)
  end)
end)

describe("gan.penalty", function()
  it("prints what it was made with", function()
    assert.equal("r1{every=16, weight=1}", tostring(penalty.r1 { weight = 1, every = 16 }))
    assert.equal("weight_clip{limit=0.01}", tostring(penalty.weight_clip()))
  end)

  it("refuses what it cannot be", function()
    refuses("penalty.r1: unknown option 'wight' (did you mean 'weight'?)", penalty.r1, { wight = 1 })
    refuses("penalty.r1: option 'weight' must be a number >= 0 or a curve, got -1", penalty.r1, { weight = -1 })
    refuses("penalty.r1: option 'every' must be a positive integer, got 0", penalty.r1, { every = 0 })
    refuses("penalty.define: 'empty' needs value, or after", penalty.define, { name = "empty" })
    refuses("option 'player' must be one of 'discriminator', 'generator', 'both'", penalty.define,
      { name = "x", player = "D", value = print })
    refuses("'penalties' must be a list of penalties", trainer, { penalties = penalty.r1 {} })
    refuses("'penalties' must be a list of penalties", trainer, { penalties = { penalty.r1 } })
  end)

  it("names the nearest where there is none of a name", function()
    refuses("gan.penalty has no 'gradient_penality' (did you mean 'gradient_penalty'?)", function()
      return penalty.gradient_penality {}
    end)
  end)

  it("names the penalty whose value is no number", function()
    local shy = penalty.define { name = "shy", value = function(move) return move.fake_scores end }
    local run = trainer { penalties = { shy {} } }
    refuses("iteration 1, discriminator: the penalty must be one number, got a 16x1 tensor", run.train, run)
  end)
end)
