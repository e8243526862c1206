-- gan.train's option `measure`: what stands in metrics.jsonl, that nothing else changes by it, and that a run which was
-- cut off goes on to the same bytes.

local gan = require "ganlua"
local core = require "ganlua.core"
local nn = gan.nn

local support = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "support.lua")
local folder = support.folder(teardown)

local pictures = core.rand(40, 4, 4, 1) * 2 - 1

local function options(out, changes)
  local given = {
    out = out, data = pictures, latent = 4, batch = 4, seed = 7, progress = false, ema = { decay = 0.9 },
    generator = nn.sequential { nn.linear { out = 8 }, nn.batch_norm {}, nn.relu {}, nn.dropout { p = 0.2 },
      nn.linear { out = 16 }, nn.reshape { 4, 4, 1 }, nn.tanh {} },
    discriminator = nn.sequential { nn.flatten {}, nn.linear { out = 6 }, nn.leaky_relu {}, nn.linear { out = 1 } },
    loss = gan.loss.hinge {}, schedule = gan.schedule.alternate { iterations = 12 },
    checkpoint = { every = 5 }, sample = { every = 6, count = 4 },
    on = { iteration = function(run) run.state.sum = (run.state.sum or 0) + math.random() + core.rand(1):item() end },
  }
  for key, value in pairs(changes or {}) do given[key] = value end
  return given
end

local function measure(changes)
  local given = { every = 4, count = 300, metrics = { "frechet", "kid", "density_coverage" } }
  for key, value in pairs(changes or {}) do given[key] = value end
  return given
end

-- The rows of metrics.jsonl, times aside.
local function rows(run)
  local list = {}
  for line in io.lines(run.folder .. "/metrics.jsonl") do
    local row = core.json_decode(line)
    row.seconds = nil
    list[#list + 1] = row
  end
  return list
end

local function state(run) return core.safetensors_encode(run.generator:state()) end

local function refuses(text, given)
  local ok, message = pcall(gan.train, options(false, { measure = given }))
  assert.is_false(ok)
  assert.matches(text, message, 1, true)
end

describe("gan.train's measure", function()
  it("adds columns to the iterations that are measured, and to the history", function()
    local run = gan.train(options(folder .. "/columns", { measure = measure() }))
    local list = rows(run)
    assert.is_nil(list[3].frechet)
    for _, i in ipairs { 4, 8, 12 } do
      for _, name in ipairs { "frechet", "kid", "kid_error", "density", "coverage" } do
        assert.is_number(list[i][name], name)
      end
    end
    local values, iterations = run:history "frechet"
    assert.same({ 4, 8, 12 }, iterations)
    assert.same({ list[4].frechet, list[8].frechet, list[12].frechet }, values)
    assert.equal(list[12].kid, run.metrics.kid)
    assert.is_true(core.exists(run.folder .. "/measures.png"))
  end)

  it("measures the average's samples beside the data, as the functions of gan.metrics do", function()
    local seen
    local run = gan.train(options(false, { measure = measure { metrics = { "frechet", own = function(generated, real)
      seen = { generated, real }
      return 2.5
    end } } }))
    assert.equal(2.5, run.metrics.own)
    local generated, real = table.unpack(seen)
    assert.same({ 300, 4, 4, 1 }, generated:shape())
    assert.same({ 40, 4, 4, 1 }, real:shape()) -- all there are, each once
    assert.is_near(pictures:sum():item(), real:sum():item(), 1e-3)
    assert.is_near(gan.metrics.frechet(real:reshape(40, 16), generated:reshape(300, 16)), run.metrics.frechet, 1e-4)
  end)

  it("changes nothing of the run", function()
    local plain = gan.train(options(folder .. "/plain"))
    local measured = gan.train(options(folder .. "/measured", { measure = measure() }))
    assert.equal(state(plain), state(measured))
    assert.equal(plain.state.sum, measured.state.sum)
    local one, other = rows(plain), rows(measured)
    for i, row in ipairs(one) do assert.equal(row.d_loss, other[i].d_loss) end
  end)

  it("takes features of gan.features, a module and a function, and looks at them in eval mode", function()
    local module = nn.sequential { nn.dropout {}, nn.flatten {}, nn.linear { out = 5 } }:build { 2, 4, 4, 1 }
    local given = measure { features = module, metrics = { "frechet" } }
    local first = gan.train(options(false, { measure = given })).metrics.frechet
    assert.is_true(module.training)
    assert.equal(first, gan.train(options(false, { measure = given })).metrics.frechet)
    module:eval()
    given.features = function(examples) return module(examples) end
    assert.equal(first, gan.train(options(false, { measure = given })).metrics.frechet)

    local labelled = gan.data.tensor(pictures, gan.arange(0, 40, 1):ge(20))
    local features = gan.features.train { data = labelled, iterations = 5, dim = 3, progress = false }
    local run = gan.train(options(false, { measure = measure { features = features,
      metrics = { "classifier_score", "precision_recall", "sliced_wasserstein" } } }))
    assert.is_true(run.metrics.classifier_score >= 1 and run.metrics.classifier_score <= 2)
    assert.is_true(run.metrics.sliced_wasserstein > 0 and run.metrics.recall >= 0)
  end)

  it("can decide which checkpoint is the best", function()
    local run = gan.train(options(folder .. "/best", { measure = measure { every = 5 },
      checkpoint = { every = 5, best = "-frechet" } }))
    assert.is_true(core.exists(run.folder .. "/checkpoint-best.safetensors"))
  end)

  it("goes on to the same bytes after a break at any move, and knows what it measured before", function()
    local whole = gan.train(options(folder .. "/whole", { measure = measure() }))
    for _, cut in ipairs { 7, 9, 11, 17, 20 } do
      local given = options(("%s/cut%d"):format(folder, cut), { measure = measure() })
      local run, asked, interrupted = gan.trainer(given), 0, core.interrupted
      core.interrupted = function()
        asked = asked + 1
        return asked == cut and "TERM"
      end
      local ok = pcall(run.train, run)
      core.interrupted = interrupted
      assert.is_false(ok)
      local other = gan.train(options(("%s/cut%d"):format(folder, cut), { measure = measure() }))
      assert.equal(("%s/cut%d"):format(folder, cut), other.folder)
      assert.same(rows(whole), rows(other))
      assert.equal(state(whole), state(other))
      assert.same({ whole:history "frechet" }, { other:history "frechet" })
      assert.same({ whole:history "kid_error" }, { other:history "kid_error" })
    end
  end)

  it("is measured again from where a run went back to", function()
    local run
    local hinge = gan.loss.hinge {}
    run = gan.trainer(options(folder .. "/back", {
      data = gan.data.ring {}, measure = measure { every = 2, metrics = { "frechet" } },
      generator = nn.sequential { nn.linear { out = 2 } }, discriminator = nn.sequential { nn.linear { out = 1 } },
      loss = { d = hinge.d, g = function(fake)
        return run.game.iteration == 8 and run.recovery.tries == 0 and fake:mean() / 0 or hinge.g(fake)
      end },
      on = { nan = gan.recover.rollback { lr = 0.5, tries = 1 } },
    }))
    run:train()
    assert.same({ lr = 0.5, tries = 1 }, run.recovery) -- from iteration 8 back to 5
    local values, iterations = run:history "frechet"
    assert.same({ 2, 4, 6, 8, 10, 12 }, iterations)
    local written = {}
    for _, row in ipairs(rows(run)) do written[#written + 1] = row.frechet end
    assert.same(written, values)
  end)

  it("goes on with features that were trained before the break and loaded behind it", function()
    local f = gan.features.train { data = gan.data.tensor(pictures, core.arange(0, 40, 1):lt(20)), iterations = 2,
      dim = 4, progress = false }
    local function run(features)
      return gan.trainer(options(folder .. "/loaded", { measure = measure { features = features, count = 40 } }))
    end
    local trained, loaded = run(f).options, run(gan.features.load(f:state())).options
    assert.equal(trained.fingerprint, loaded.fingerprint)
    local others = f:state()
    others["head.2.bias"] = others["head.2.bias"] + 1
    assert.not_equal(trained.fingerprint, run(gan.features.load(others)).options.fingerprint)
  end)

  it("knows a run by its features, a module's too, and by its real examples", function()
    local function fingerprint(changes)
      return gan.trainer(options(folder .. "/changed", { measure = measure(changes) })).options.fingerprint
    end
    local module = nn.sequential { nn.flatten {}, nn.linear { out = 5 }, nn.batch_norm {} }
    local before = fingerprint { features = module }
    assert.equal(before, fingerprint { features = module:clone() })
    local other = module:clone()
    other[2].weight:add_(1e-3)
    assert.not_equal(before, fingerprint { features = other })
    other = module:clone()
    other[3].running_mean = other[3].running_mean + 1
    assert.not_equal(before, fingerprint { features = other })

    local real = core.rand(300, 4, 4, 1)
    before = fingerprint { real = real }
    assert.equal(before, fingerprint { real = real:copy() })
    assert.not_equal(before, fingerprint {})
    assert.not_equal(before, fingerprint { real = gan.concat({ real:narrow(1, 1, 299), core.zeros(1, 4, 4, 1) }, 1) })
    local set = gan.data.tensor(real)
    before = fingerprint { real = set }
    assert.equal(before, fingerprint { real = gan.data.tensor(real) })
    assert.not_equal(before, fingerprint { real = gan.data.tensor(real + 1) })
    assert.same(set:batch(4):totable(), gan.data.tensor(real):batch(4):totable()) -- where it was
  end)

  it("leaves a run of another measure alone", function()
    gan.train(options(folder .. "/once", { measure = measure() }))
    local run = gan.train(options(folder .. "/once", { measure = measure { count = 200 } }))
    assert.equal(folder .. "/once-2", run.folder)
  end)

  it("shows on a terminal what it is doing, and says what came out", function()
    local written, write = {}, io.write
    io.write = function(...) written[#written + 1] = table.concat { ... } end -- luacheck: ignore 122
    local ok, problem = pcall(gan.train, options(false, { measure = measure(), progress = true }))
    io.write = write -- luacheck: ignore 122
    assert.is_true(ok, problem)
    assert.matches("iteration 8: frechet [%d.]+  kid [-%d.e]+  kid_error [%d.e-]+  density [%d.]+  coverage [%d.]+ "
      .. "%([%d.]+ s%)\n", table.concat(written))
  end)

  it("refuses what it cannot measure before the run begins", function()
    refuses("train: measure: option 'every' is required", {})
    refuses("there is no metric \"fretchet\" (did you mean 'frechet'?)", measure { metrics = { "fretchet" } })
    refuses("there is no metric \"fid\" (it is called 'frechet')", measure { metrics = { "fid" } })
    refuses("classifier_score needs a classifier", measure { metrics = { "classifier_score" } })
    refuses("metrics names nothing", measure { metrics = {} })
    refuses("there are two columns 'real'", measure { metrics = { real = function() return 1 end } })
    refuses("there are two columns 'kid'", measure { metrics = { "kid", kid = function() return 1 end } })
    refuses("option 'features' must be features", measure { features = 3 })
    refuses("wanted at least 8 real examples, got 3", measure { real = core.zeros { 3, 4, 4, 1 } })
    refuses("real examples are 4x3x1, those of the data are 4x4x1", measure { real = core.zeros { 30, 4, 3, 1 } })
    for _, value in ipairs { 0 / 0, math.huge } do
      refuses("own must give a finite number, got " .. tostring(value),
        measure { metrics = { own = function() return value end } })
    end
    refuses("own must give a finite number, got nothing", measure { metrics = { own = function() end } })
    refuses("features must be n x d numbers of n examples",
      measure { features = function() return core.zeros { 2 } end })
    local own = { size = function() return 9 end, shape = function() return { 4, 4, 1 } end,
      batch = function(_, n) return core.zeros { n, 4, 4, 1 } end }
    local ok, message = pcall(gan.train, options(false, { data = own, measure = measure() }))
    assert.is_false(ok)
    assert.matches("say what is real, as in real = tensor", message, 1, true)
  end)
end)
