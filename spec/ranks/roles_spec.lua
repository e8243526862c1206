-- Ranks that have players or data of their own: what they compute is what is computed by hand, or by one process; what
-- is saved goes on to the same bytes; and what cannot be is refused.

local folder = debug.getinfo(1, "S").source:match "^@(.*/)"
local mpirun = dofile(folder .. "mpirun.lua")
local shell = mpirun.shell
local script = mpirun.root .. "spec/ranks/roles.lua"

local it_alone, it = it, mpirun.it(it, pending)

-- As many moves, each column within `bound`.
local function alike(name, a, b, bound)
  assert.is_true(#a > 0, name)
  assert.equal(#a, #b, name)
  for column in ipairs(a[1]) do
    local difference = mpirun.apart(a, b, column)
    assert.is_true(difference < bound, ("%s, column %d: %.1e apart"):format(name, column, difference))
  end
end

describe("players on ranks of their own", function()
  local alone, together
  local function played()
    alone = alone or mpirun.told(mpirun.run(1, { script, "alone", "several", "federated" }))
    together = together or mpirun.told(mpirun.run(3, { script, "mean", "max", "softmax", "mean_both", "softmax_both",
      "federated", "averaged1", "averaged4", "several" }))
    return alone, together
  end

  it("are several discriminators against one generator, as by hand: their mean, the greatest, the softmax", function()
    played()
    for _, name in ipairs { "mean", "max", "softmax", "mean_both", "softmax_both" } do
      local game = together[name]
      alike(name, game.moves, game["by hand"], 1e-5)
      alike(name, game.each, game["each by hand"], 1e-5)
    end
  end)

  it("are in one process the same", function()
    played()
    alike("several", together.several.moves, alone.several.moves, 1e-5)
    alike("several", together.several.each, alone.several.each, 1e-5)
  end)

  it("are with one discriminator the game of one process, to the bit", function()
    played()
    local pipeline = mpirun.told(mpirun.run(2, { script, "pipeline" }))
    assert.same(alone.alone, pipeline.pipeline)
  end)

  it("may be both, on data that stay where they are: gradients travel, or weights", function()
    played()
    alike("federated", together.federated.moves, alone.federated.moves, 1e-5)
    alike("averaged by hand", together.averaged4.moves, together.averaged4["by hand"], 1e-5)
    -- With every move averaged, the losses are those of gradients that are; the norms are of each rank's own.
    for _, column in ipairs { 1, 3 } do
      local difference = mpirun.apart(together.federated.moves, together.averaged1.moves, column)
      assert.is_true(difference < 1e-5, ("averaged in each move, column %d: %.1e apart"):format(column, difference))
    end
  end)
end)

---- Runs ------------------------------------------------------------------------------------------------------------

local template = [[
local gan = require "ganlua"
local nn = gan.nn
gan.train {
  name = "run", data = gan.data.ring { modes = 8 + gan.dist.rank }, latent = 2, batch = 12, loss = gan.loss.hinge {},
  generator = nn.sequential { nn.linear { out = 8 }, nn.batch_norm {}, nn.silu {}, nn.dropout { p = 0.1 },
    nn.linear { out = 2 } },
  discriminator = nn.sequential { nn.linear { out = 8 }, nn.batch_norm {}, nn.leaky_relu {}, nn.dropout { p = 0.1 },
    nn.linear { out = 1 } },
  schedule = gan.schedule.alternate { iterations = 40 }, checkpoint = { every = 10 }, ema = { decay = 0.9 },
  augment = function(x) return x + gan.randn(x:shape()) * 0.1 end, RANKS
  on = { iteration = function(run)
    if run.game.iteration == 25 and gan.dist.rank == 1 and io.open "fail" then error "no more" end
  end },
}
]]

describe("a run with ranks =", function()
  local cwd
  before_each(function() cwd = shell.folder() end)
  after_each(function() shell.remove(cwd) end)

  local function run(count, roles, ...)
    shell.write(cwd .. "/script.lua", (template:gsub("RANKS", "ranks = " .. roles .. ",")))
    return mpirun.run(count, { "script.lua", ... }, { cwd = cwd })
  end

  local function refused(count, roles, message)
    local result = run(count, roles)
    assert.equal(1, result.code, roles)
    assert.truthy((result.out .. result.err):find(message, 1, true), result.out .. result.err)
  end

  for roles, also in pairs {
    ["gan.dist.split { generator = { 1 }, discriminator = { 2, 0 }, average = { every = 7 } }"] = 3,
    ["gan.dist.federated { average = { every = 7 } }"] = 0,
    ["gan.dist.federated {}"] = 0,
  } do
    it(roles .. " goes on to the same bytes from its last checkpoint", function()
      local whole = run(3, roles)
      assert.equal(0, whole.code, whole.err)
      local bytes = shell.read(cwd .. "/runs/run/checkpoint.safetensors")
      local first, lines = shell.read(cwd .. "/runs/run/metrics.jsonl"), 0
      shell.remove(cwd .. "/runs")
      shell.write(cwd .. "/fail", "")
      local failed = run(3, roles)
      assert.equal(1, failed.code)
      assert.truthy(failed.err:find "ganlua: rank 1: script.lua:%d+: no more")
      os.remove(cwd .. "/fail")
      local again = run(3, roles)
      assert.equal(0, again.code, again.err)
      assert.truthy(again.out:find("runs/run: going on from iteration 20", 1, true), again.out)
      assert.equal(bytes, shell.read(cwd .. "/runs/run/checkpoint.safetensors"))
      for line in shell.read(cwd .. "/runs/run/metrics.jsonl"):gmatch '[^\n]+' do
        lines = lines + 1
        assert.truthy(first:find(line:gsub('"seconds":[%d.]+', "\0"):match "^[^\0]*", 1, true), line)
        assert.equal(also > 0, line:find '"d_loss_2":' ~= nil and line:find '"g_loss_1":' ~= nil)
      end
      assert.equal(40, lines)
    end)
  end

  it("gan.dist.split goes on in one process, too", function()
    local roles = "gan.dist.split { generator = { 1 }, discriminator = { 2, 0 } }"
    local before = template
    template = template:gsub("modes = 8 %+ gan.dist.rank", "modes = 8")
    shell.write(cwd .. "/fail", "")
    assert.equal(1, run(3, roles).code)
    os.remove(cwd .. "/fail")
    local again = run(1, roles)
    assert.equal(0, again.code, again.err)
    assert.truthy((again.out .. again.err):find("runs/run: going on from iteration 20", 1, true), again.out)
    local whole = run(1, roles, "--new")
    template = before
    assert.equal(0, whole.code, whole.err)
    local last = '{"iteration":40,"d_loss":([-%d.e]+),"g_loss":([-%d.e]+)'
    local d, g = shell.read(cwd .. "/runs/run/metrics.jsonl"):match(last)
    local other_d, other_g = shell.read(cwd .. "/runs/run-2/metrics.jsonl"):match(last)
    assert.is_near(tonumber(d), tonumber(other_d), 1e-4)
    assert.is_near(tonumber(g), tonumber(other_g), 1e-4)
  end)

  it("gan.dist.split is refused where ranks are named wrongly", function()
    refused(3, "gan.dist.split { generator = { 0 }, discriminator = { 1, 1 } }", "dist.split: rank 1 is named twice")
    refused(3, "gan.dist.split { generator = { 0 }, discriminator = { 0, 1 } }", "dist.split: rank 0 is named twice")
    refused(2, "gan.dist.split { generator = { 0 }, discriminator = { 1, 2 } }",
      "dist.split: option 'discriminator' names rank 2: there are 2 ranks, 0 to 1")
    refused(3, "gan.dist.split { generator = { 0 }, discriminator = { 1 } }",
      "dist.split: rank 2 of 3 has no player: name it, or start mpirun with -n 2")
  end)

  it("one where the ranks' scripts or classes differ is refused", function()
    refused(2, "gan.dist.split { generator = { 0 }, discriminator = { 1 }, average = { every = 1 + gan.dist.rank } }",
      "train: the options of rank 1 are others than those of rank 0")
    refused(2, "gan.dist.federated {}, seed = gan.dist.rank",
      "train: the options of rank 1 are others than those of rank 0")
  end)

  it("an error in one rank's move is raised on all, and said once", function()
    local result = run(3, [[gan.dist.split { generator = { 0 }, discriminator = { 1, 2 } }, penalties = {
      gan.penalty.define { name = "breaking", value = function(move)
        return move.fake_scores:mean() * (gan.dist.rank == 2 and 0 / 0 or 1)
      end } {} }]])
    assert.equal(1, result.code)
    local _, times = result.err:gsub("iteration 1, discriminator: penalty is nan", "")
    assert.equal(1, times, result.err)
  end)
end)

describe("gan.dist.split in one process", function()
  local gan = require "ganlua"
  local nn = gan.nn

  local function trainer(options, split)
    split = split or {}
    local defaults = {
      data = gan.data.ring {}, latent = 2, batch = 8, loss = gan.loss.hinge {}, out = false, progress = false,
      generator = nn.sequential { nn.linear { out = 2 } }, discriminator = nn.sequential { nn.linear { out = 1 } },
      schedule = gan.schedule.alternate { iterations = 2 },
      ranks = gan.dist.split { generator = { 0 }, discriminator = split.ranks or { 1, 2 }, average = split.average,
        combine = split.combine, lambda = split.lambda },
    }
    for key, value in pairs(options) do defaults[key] = value end
    return gan.trainer(defaults)
  end

  local function refuses(message, f)
    local fine, problem = pcall(f)
    assert.is_false(fine, message)
    assert.truthy(tostring(problem):find(message, 1, true), problem)
  end

  it_alone("plays all discriminators in turn, each with weights of its own, or with those of the first", function()
    local run = trainer {}
    local a, b = run.discriminators[1]:parameters()[1]:totable(), run.discriminators[2]:parameters()[1]:totable()
    assert.not_same(a, b)
    run:train()
    assert.is_number(run:history("d_loss_2")[2])
    local averaged = trainer({}, { average = { every = 2 } })
    averaged:train()
    local list = averaged.discriminators
    assert.same(list[1]:parameters()[1]:totable(), list[2]:parameters()[1]:totable())
    local different = trainer { discriminator = { nn.sequential { nn.linear { out = 1 } },
      nn.sequential { nn.linear { out = 3 }, nn.tanh {}, nn.linear { out = 1 } } } }
    different:train()
    assert.equal(2, #different:history "accuracy_2")
  end)

  it_alone("tells a schedule what each measured", function()
    trainer({ schedule = function(game)
      local d, g = game:discriminator(), game:generator()
      assert.equal(2, #d.each)
      assert.is_near(d.loss, (d.each[1].loss + d.each[2].loss) / 2, 1e-12)
      assert.equal(math.max(g.each[1].loss, g.each[2].loss), g.loss)
      game:next()
    end }, { combine = "max" }):train()
  end)

  it_alone("steps by an optimiser of the script's own, which has no learning rate", function()
    local sgd = gan.optim.sgd { lr = 0.01 }
    local own = {
      start = function(_, parameters) return sgd:start(parameters) end,
      step = function(_, state, parameters, gradients) sgd:step(state, parameters, gradients, 0.01) end,
    }
    local function losses(optimizer)
      local run = trainer { optimizer = { generator = optimizer, discriminator = optimizer } }
      run:train()
      return run:history "d_loss"
    end
    assert.same(losses(sgd), losses(own))
  end)

  it_alone("refuses by name what it cannot do", function()
    local dist = gan.dist
    refuses("dist.split: option 'generator' must be a list of ranks such as { 0 }, got 0",
      function() dist.split { generator = 0, discriminator = { 1 } } end)
    refuses("dist.split: option 'discriminator' is required",
      function() dist.split { generator = { 0 } } end)
    refuses("dist.split: option 'generator' must be one rank, got 2",
      function() dist.split { generator = { 0, 1 }, discriminator = { 2 } } end)
    refuses("dist.split: option 'lambda' is for combine = \"softmax\"",
      function() dist.split { generator = { 0 }, discriminator = { 1 }, lambda = 2 } end)
    refuses("dist.federated: average: option 'every' is required",
      function() dist.federated { average = {} } end)
    refuses("option 'discriminator' is a list: several discriminators need ranks = gan.dist.split",
      function() trainer { discriminator = { nn.sequential { nn.linear { out = 1 } } }, ranks = dist.federated {} } end)
    refuses("option 'discriminator' is a list of 1, gan.dist.split has ranks for 2",
      function() trainer { discriminator = { nn.sequential { nn.linear { out = 1 } } } } end)
    refuses("option 'discriminator' must be a module, or with gan.dist.split a list of modules, got a table",
      function() trainer { discriminator = { nn.sequential { nn.linear { out = 1 } }, "another" } } end)
    refuses("the discriminator 2 must give one score a sample, got 3", function()
      trainer { discriminator = { nn.sequential { nn.linear { out = 1 } }, nn.sequential { nn.linear { out = 3 } } } }
    end)
    refuses("option 'reuse' does not go with ranks = gan.dist.split", function() trainer { reuse = true } end)
    refuses("option 'micro_batch' does not go with ranks = gan.dist.split", function() trainer { micro_batch = 4 } end)
    refuses("option 'live' does not go with ranks = gan.dist.split", function() trainer { live = true } end)
    refuses("the penalty path_length is the generator's",
      function() trainer { penalties = { gan.penalty.path_length {} } } end)
    refuses("game:both: option 'extragradient' does not go with ranks = gan.dist.split",
      function() trainer { schedule = gan.schedule.extragradient { iterations = 1 } }:train() end)
    refuses("option 'ranks' must be gan.dist.split{...} or gan.dist.federated{...}",
      function() trainer { ranks = { generator = { 0 } } } end)
    refuses("discriminators whose weights are averaged must be of the same layers", function()
      trainer({ discriminator = { nn.sequential { nn.linear { out = 1 } },
        nn.sequential { nn.linear { out = 3 }, nn.linear { out = 1 } } } }, { average = { every = 1 } })
    end)
  end)
end)
