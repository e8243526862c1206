-- Labels in a game: from the data to both networks, what the generator is asked for, what samples are to be. Networks
-- are tiny and the data are points in the plane.

local gan = require "ganlua"
local core = require "ganlua.core"
local labels = require "ganlua.labels"
local nn = gan.nn

local support = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "support.lua")
local refuses = support.refuses
local folder = support.folder(teardown)

-- A layer that writes down the labels that it is called with.
local function listener(heard)
  return nn.define("listener", { labels = true, forward = function(_, x, given)
    heard[#heard + 1] = given and given:totable() or "none"
    return x
  end }) {}
end

local function clear(...)
  for _, list in ipairs { ... } do
    for i = #list, 1, -1 do list[i] = nil end
  end
end

local function generator(classes, ...)
  return nn.sequential { nn.linear { out = 8 }, nn.conditional_batch_norm { classes = classes }, nn.relu {},
    nn.linear { out = 2 }, ... }
end

local function discriminator(classes, ...)
  return nn.sequential { nn.linear { out = 8 }, nn.leaky_relu {}, nn.projection { classes = classes }, ... }
end

-- Examples of class c lie at (c, 10 + c); `counts` says how many there are of each.
local function data_of(counts)
  local points, classes = {}, {}
  for class, count in ipairs(counts) do
    for _ = 1, count do
      points[#points + 1], classes[#classes + 1] = { class - 1, 9 + class }, class - 1
    end
  end
  return gan.data.tensor(gan.tensor(points), gan.tensor(classes))
end

local function options(changes)
  local given = {
    out = false, progress = false, data = data_of { 6, 6, 6 }, generator = generator(3),
    discriminator = discriminator(3), latent = 4, batch = 12, loss = gan.loss.hinge {},
    schedule = gan.schedule.alternate { iterations = 3 }, seed = 3,
  }
  for key, value in pairs(changes or {}) do given[key] = value end
  return given
end

describe("labels in a game", function()
  it("come with real examples, and are drawn for generated ones", function()
    local heard_d, heard_g, shown = {}, {}, {}
    local D = nn.define("spy", { labels = true, forward = function(_, x, given)
      heard_d[#heard_d + 1], shown[#shown + 1] = given:totable(), x:totable()
      return x
    end })
    gan.train(options {
      generator = generator(3, listener(heard_g)), discriminator = nn.sequential { D {}, discriminator(3) },
      schedule = function(game)
        clear(heard_d, heard_g, shown)
        game:discriminator()
        local real = shown[1]
        for i, class in ipairs(heard_d[1]) do assert.same({ class, 10 + class }, real[i]) end
        assert.same(heard_g[1], heard_d[2])
        clear(heard_d, heard_g)
        game:generator()
        assert.equal(1, #heard_d)
        assert.same(heard_g[1], heard_d[1])
      end,
    })
  end)

  it("are drawn as often as the data have them, or all alike", function()
    local function shares(drawn)
      local plan = labels.plan(options { data = data_of { 1, 2, 7 }, labels = { drawn = drawn }, pac = 1 })
      core.set_random { seed = 5, stream = 0, position = 0 }
      local counts = { 0, 0, 0 }
      for _, label in ipairs(labels.draw(plan, 5000):totable()) do counts[label + 1] = counts[label + 1] + 1 / 5000 end
      return counts
    end
    for class, share in ipairs { 0.1, 0.2, 0.7 } do assert.is_near(share, shares "data"[class], 0.02) end
    for class = 1, 3 do assert.is_near(1 / 3, shares "balanced"[class], 0.02) end
  end)

  it("teach the generator which class is where", function()
    gan.seed(1)
    local run = gan.train(options {
      data = gan.data.tensor(gan.concat({ gan.randn(64, 2) * 0.1 + 1, gan.randn(64, 2) * 0.1 - 1 }, 1),
        gan.concat({ gan.zeros(64), gan.ones(64) }, 1)),
      generator = nn.sequential { nn.concat_embedding { classes = 2, dim = 2 }, nn.linear { out = 2 } },
      discriminator = nn.sequential { nn.linear { out = 16 }, nn.leaky_relu {}, nn.projection { classes = 2 } },
      loss = gan.loss.nonsaturating {}, batch = 64, ema = { decay = 0.95 },
      optimizer = { generator = gan.optim.adam { lr = 0.02 }, discriminator = gan.optim.adam { lr = 0.02 } },
      schedule = gan.schedule.alternate { iterations = 300 },
    })
    for label, centre in pairs { [0] = 1, -1 } do
      local mean = run:sample(500, { label = label }):mean(1):totable()
      assert.is_near(centre, mean[1], 0.4)
      assert.is_near(centre, mean[2], 0.4)
    end
  end)

  it("change nothing for networks that do not look at them", function()
    local examples = data_of { 6, 6 }.read(gan.arange(1, 13, 1))
    local function play(data)
      local run = gan.train(options {
        data = data, generator = nn.sequential { nn.linear { out = 2 } },
        discriminator = nn.sequential { nn.linear { out = 1 } },
      })
      return { run:history "d_loss", run:history "g_loss", run:sample(3):totable() }
    end
    assert.same(play(gan.data.tensor(examples)), play(gan.data.tensor(examples, gan.arange(0, 12, 1))))
  end)

  it("reach every move, every penalty, a look ahead and networks that grow", function()
    local p = gan.penalty
    local function all() return {
      p.gradient_penalty {}, p.dragan {}, p.r1 {}, p.r2 {}, p.drift {}, p.lecam {}, p.path_length {}, p.consensus {},
      p.consistency { augment = function(x) return x + 0.1 end },
      p.feature_matching { features = function(x, given) return x * (1 + given:reshape(#given, 1)) end },
    } end
    local run = gan.train(options { penalties = all(), reuse = true, schedule = function(game)
      game:discriminator()
      game:generator()
      game:generator { unroll = { steps = 2 }, top_k = 0.5 }
      game:both()
      game:both { extragradient = true }
      game:next()
    end })
    assert.is_true(core.all_finite(run:sample(4)))

    local function block(out)
      return nn.sequential { nn.linear { out = out }, nn.conditional_batch_norm { classes = 3 } }
    end
    run = gan.train(options {
      generator = nn.growing_generator { { block = block(4), head = nn.linear { out = 2 } },
        { block = block(4), head = nn.linear { out = 2 } } },
      discriminator = nn.growing_discriminator { { block = discriminator(3), head = nn.linear { out = 4 } },
        { block = nn.linear { out = 4 }, head = nn.linear { out = 4 } } },
      schedule = gan.schedule.progressive { stages = 2, iterations = 2, fade = 1 },
    })
    assert.is_true(core.all_finite(run:sample(4, { label = 1 })))
  end)

  it("go with their samples where a batch is computed in parts", function()
    local function gradients(micro_batch)
      local norms = {}
      gan.train(options {
        generator = nn.sequential { nn.concat_embedding { classes = 3, dim = 2 }, nn.linear { out = 2 } },
        micro_batch = micro_batch, schedule = function(game)
          norms = { game:discriminator().grad_norm, game:generator().grad_norm }
        end,
      })
      return norms
    end
    local whole, parts = gradients(12), gradients(5)
    for i = 1, 2 do assert.is_near(whole[i], parts[i], 1e-3 * whole[i]) end
  end)

  it("are the same ones where samples are used again", function()
    local heard = {}
    gan.train(options { generator = generator(3, listener(heard)), reuse = true, schedule = function(game)
      clear(heard)
      game:discriminator()
      game:generator()
      assert.equal(1, #heard)
    end })
  end)

  it("say what is wrong with them", function()
    local plain = nn.sequential { nn.linear { out = 2 } }
    refuses("train: labels: the discriminator looks at labels (sequential: layer 3 (projection)), the generator does "
      .. "not", gan.train, options { generator = plain })
    refuses("train: labels: neither network looks at labels", gan.train,
      options { generator = plain, discriminator = nn.sequential { nn.linear { out = 1 } }, labels = {} })
    refuses("layer 2 (conditional_batch_norm) is for 2 classes, there are 3", gan.train,
      options { generator = generator(2) })
    refuses('is for 3 classes, there are 3, and one more for "no label"', gan.train,
      options { labels = { dropout = 0.5 } })
    refuses("must return 12 labels too, which the discriminator looks at, got nothing", gan.train,
      options { data = gan.randn(20, 2) })
    refuses("pac = 2 packs samples of several classes", gan.train, options { pac = 2 })
    refuses("option 'classes' says 5, the data have 3", gan.train, options { labels = { classes = 5 } })
    refuses("unknown option 'drop'", gan.train, options { labels = { drop = 1 } })
    refuses("nothing says how many classes there are: labels = { classes = n }", gan.train,
      options { data = gan.randn(20, 2), generator = nn.sequential { listener {}, nn.linear { out = 2 } },
        discriminator = nn.sequential { nn.linear { out = 1 } } })
    refuses("is 3, wanted a whole number from 0 to 2", gan.train, options {
      labels = { classes = 3 }, discriminator = nn.sequential { nn.linear { out = 4 } },
      data = { size = function() return 10 end, shape = function() return { 2 } end,
        batch = function(_, n) return gan.zeros(n, 2), gan.full({ n }, 3) end },
    })
    for _, label in ipairs { 0.5, -1, 1e9 } do -- the last one would be a thousand million classes to count
      refuses(("data.tensor: label 2 is %g, wanted a whole number from 0 to 65535"):format(label), gan.data.tensor,
        gan.randn(2, 2), gan.tensor { 1, label })
      refuses("data.from: example 1: a label is a whole number from 0 to 65535, got " .. label, gan.data.from,
        function() return { 1, 2 }, label end)
    end
  end)
end)

describe("label dropout", function()
  it("tells both networks \"no label\" now and then, which is one class more", function()
    local heard = {}
    local run = gan.train(options {
      generator = generator(4, listener(heard)), discriminator = discriminator(4, listener(heard)), batch = 500,
      labels = { dropout = 0.25 }, schedule = function(game)
        clear(heard)
        game:discriminator()
        assert.equal(3, #heard)
        for _, given in ipairs(heard) do
          local none = 0
          for _, label in ipairs(given) do none = none + (label == 3 and 1 / 500 or 0) end
          assert.is_near(0.25, none, 0.06)
        end
      end,
    })
    assert.same({ 2, 2 }, run:sample(2, { label = 3 }):shape()) -- without a label
  end)
end)

describe("run:sample with labels", function()
  it("makes one class, or a list of them, by number or by name", function()
    local heard, data = {}, data_of { 2, 2, 2 }
    data.classes = { "cat", "dog", "eel" }
    local run = gan.train(options { data = data, generator = generator(3, listener(heard)) })
    local function told(n, label)
      run:sample(n, { label = label })
      return heard[#heard]
    end
    assert.same({ 2, 2 }, told(2, 2))
    assert.same({ 1, 1 }, told(2, "dog"))
    assert.same({ 0, 2, 1 }, told(3, { 0, "eel", 1 }))
    assert.same({ 2, 0 }, told(2, gan.tensor { 2, 0 }))
    assert.equal(300, #told(300, 1) + #heard[#heard - 1]) -- 250 are made at once
    for _, label in ipairs(told(200)) do assert.is_true(label == 0 or label == 1 or label == 2) end
    refuses("run:sample: a label must be a whole number from 0 to 2 or a class's name, got 3", told, 2, 3)
    refuses("there is no class 'dgo' (did you mean 'dog'?)", told, 2, "dgo")
    refuses("wanted one label or 2, got a list of 3", told, 2, { 0, 1, 2 })
    refuses("run:sample: unknown option 'labl'", run.sample, run, 2, { labl = 1 })
    refuses("the generator looks at no labels", gan.trainer(options {
      generator = nn.sequential { nn.linear { out = 2 } }, discriminator = nn.sequential { nn.linear { out = 1 } },
    }).sample, gan.trainer(options {
      generator = nn.sequential { nn.linear { out = 2 } }, discriminator = nn.sequential { nn.linear { out = 1 } },
    }), 2, { label = 0 })
  end)

  it("has a picture with one class a row and one latent a column", function()
    local function network(...)
      return nn.sequential { nn.linear { out = 16 }, nn.conditional_batch_norm { classes = 3 },
        nn.reshape { 4, 4, 1 }, ... }
    end
    local heard, samples = {}, nil
    local run = gan.train(options {
      out = folder .. "/grid", generator = network(listener(heard)), data = gan.data.tensor(gan.zeros(6, 4, 4, 1),
        gan.tensor { 0, 1, 2, 0, 1, 2 }), discriminator = nn.sequential { nn.flatten {}, discriminator(3) },
      on = { sample = function(_, made) samples = made end },
    })
    assert.same({ 24, 4, 4, 1 }, samples:shape()) -- eight of each class
    local row = heard[#heard]
    for i = 0, 23 do assert.equal(i // 8, row[i + 1]) end
    assert.is_true(core.all_finite(samples))
    local z = run.grid.latents
    assert.same(z:narrow(1, 1, 8):totable(), z:narrow(1, 17, 8):totable())
    assert.same({ 3 * 6 + 2, 8 * 6 + 2, 1 }, gan.image.load(run.folder .. "/samples/000003.png"):shape())
    assert.equal(3, run.options.labels.classes)
  end)
end)

describe("an auxiliary classifier", function()
  local function classifier(classes)
    return nn.sequential { nn.linear { out = 16 }, nn.leaky_relu {}, nn.linear { out = 1 + classes } }
  end

  it("adds the cross entropy of the right class, for real and generated samples", function()
    local real, fake = gan.randn(4, 3), gan.randn(4, 3)
    local of_real, of_fake = gan.tensor { 0, 1, 2, 0 }, gan.tensor { 2, 2, 0, 1 }
    local move = { real_class_scores = real, fake_class_scores = fake, real_labels = of_real, fake_labels = of_fake }
    local function value(mover, settings)
      local penalty = gan.penalty.auxiliary_classifier(settings)
      move.mover = mover
      return penalty.value(move, penalty.options):item()
    end
    local a, b = gan.loss.cross_entropy(real, of_real):item(), gan.loss.cross_entropy(fake, of_fake):item()
    assert.is_near(a + b, value "discriminator", 1e-5)
    assert.is_near(a, value("discriminator", { fake = false }), 1e-5)
    assert.is_near(b, value "generator", 1e-5)
    assert.is_near(b / 2, value("generator", { generator = 0.5 }), 1e-5)
    move.real_labels = gan.tensor { 0, 1, 3, 3 } -- "no label" says nothing
    assert.is_near(gan.loss.cross_entropy(real:narrow(1, 1, 2), gan.tensor { 0, 1 }):item(),
      value("discriminator", { fake = false }), 1e-5)
  end)

  it("teaches the generator classes that the score says nothing of", function()
    gan.seed(1)
    local run = gan.train(options {
      data = gan.data.tensor(gan.concat({ gan.randn(64, 2) * 0.1 + 1, gan.randn(64, 2) * 0.1 - 1 }, 1),
        gan.concat({ gan.zeros(64), gan.ones(64) }, 1)),
      generator = nn.sequential { nn.concat_embedding { classes = 2, dim = 2 }, nn.linear { out = 2 } },
      discriminator = classifier(2), penalties = { gan.penalty.auxiliary_classifier {} },
      loss = gan.loss.nonsaturating {}, batch = 64, ema = { decay = 0.95 },
      optimizer = { generator = gan.optim.adam { lr = 0.02 }, discriminator = gan.optim.adam { lr = 0.02 } },
      schedule = gan.schedule.alternate { iterations = 300 },
    })
    assert.is_true(run:sample(200, { label = 0 }):mean():item() > 0.5)
    assert.is_true(run:sample(200, { label = 1 }):mean():item() < -0.5)
  end)

  it("leaves penalties on the score's slope to the score", function()
    local seen
    gan.train(options { discriminator = classifier(3), penalties = {
      gan.penalty.auxiliary_classifier {}, gan.penalty.gradient_penalty {},
      gan.penalty.define { name = "seen", value = function(move)
        seen = { move.discriminator(move.real):shape(), move.real_scores:shape(), move.real_class_scores:shape() }
        return move.real_scores:mean()
      end } {},
    } })
    assert.same({ { 12, 1 }, { 12, 1 }, { 12, 3 } }, seen)
  end)

  it("wants the numbers of its classes", function()
    refuses("one score a sample, or 4 with those of an auxiliary classifier, got 3", gan.train,
      options { discriminator = nn.sequential { nn.linear { out = 3 } } })
    refuses("auxiliary_classifier: the discriminator must give 1 + classes numbers a sample", gan.train,
      options { penalties = { gan.penalty.auxiliary_classifier {} } })
  end)
end)

describe("gan.publish", function()
  it("gives a network's label, or draws it", function()
    local published = require "ganlua.published"
    local heard = {}
    local G = generator(3, listener(heard)):build(gan.zeros(2, 4), gan.zeros(2))
    refuses("publish: the sequential looks at labels: option 'label' says which, or 'classes'", gan.publish, "a", G,
      { latent = 4 })
    gan.publish("a", G, { latent = 4, label = 2 })
    assert.same({ 3, 2 }, published.sample("a", 3):shape())
    assert.same({ 2, 2, 2 }, heard[#heard])
    gan.publish("a", G, { latent = 4, classes = 3 })
    published.sample("a", 50, gan.zeros(50, 4))
    local seen = {}
    for _, label in ipairs(heard[#heard]) do seen[label] = true end
    assert.same({ [0] = true, true, true }, seen)
    gan.publish("a", nil)
    local run = gan.train(options { generator = generator(3, listener(heard)) })
    assert.same({ 4, 2 }, published.sample(nil, 4):shape()) -- of the last run, drawn as its labels are
    assert.equal(4, #heard[#heard])
    assert.equal(3, run.options.labels.classes)
    refuses("publish: the linear looks at no labels", gan.publish, "b", nn.linear { out = 1 },
      { latent = 2, label = 1 })
  end)
end)

describe("a data set by its classes", function()
  it("counts them", function()
    assert.same({ 1, 0, 2 }, gan.data.tensor(gan.zeros(3, 2), gan.tensor { 0, 2, 2 }):class_counts())
    assert.is_nil(gan.data.tensor(gan.zeros(3, 2)):class_counts())
    local glyphs = gan.data.glyphs { count = 50 }
    assert.equal(36, #glyphs:class_counts())
    assert.equal(1, glyphs:class_counts()[36])
    local slow = gan.data.glyphs { count = 50 }
    slow.labels_at = nil
    assert.same(glyphs:class_counts(), slow:class_counts()) -- as the examples themselves say
    assert.same({ 1, 1, 1 }, gan.data.ring { modes = 3 }:class_counts())
    assert.same({ 500, 500 }, gan.data.from(function(i) return { i }, i % 2 end):class_counts())
  end)

  it("says where a script's own counts are of no use", function()
    local data = gan.data.from(function(i) return { i, i }, i % 3 end)
    for _, row in ipairs {
      { {}, "must give a list, how many examples each class has (class 0 first), or nil; got an empty table" },
      { { 0, 0 }, "or nil; got no examples at all" }, { 3, "or nil; got 3" }, { { 4, "two" }, 'got "two" for class 1' },
      { { 4, -1 }, "must give numbers of examples, got -1 for class 1" },
    } do
      data.class_counts = function() return row[1] end
      refuses("train: labels: data:class_counts() ", gan.trainer, options { data = data })
      refuses(row[2], gan.trainer, options { data = data })
      refuses("features.train: data:class_counts() ", gan.features.train, { data = data, progress = false })
    end
    data.class_counts = function() return nil end
    assert.equal(3, gan.trainer(options { data = data }).options.labels.classes)
  end)

  it("has each class equally often where it is balanced, and every example in its turn", function()
    local set = data_of { 1, 4, 2 }
    local balanced = set:balanced()
    local counts = { [0] = 0, 0, 0 }
    for _ = 1, 4 do
      local _, classes = balanced:batch(6)
      for _, label in ipairs(classes:totable()) do counts[label] = counts[label] + 1 end
    end
    assert.same({ [0] = 8, 8, 8 }, counts)
    assert.same({ 1, 1, 1 }, balanced:class_counts())

    local numbered = gan.data.tensor(gan.arange(1, 6, 1), gan.tensor { 0, 1, 1, 1, 1 }):balanced()
    local seen = {}
    for _, value in ipairs((numbered:batch(8)):totable()) do seen[value] = (seen[value] or 0) + 1 end
    assert.same({ 4, 1, 1, 1, 1 }, seen)
    assert.same(numbered:batch(4, 2):totable(), numbered:reader():batch(4, 2):totable()) -- batch k is the seed's alone
    assert.equal(1, numbered:slice(1, 1):class_counts()[1])
    refuses("data:balanced: these examples have no labels", gan.data.tensor(gan.zeros(2, 1)).balanced,
      gan.data.tensor(gan.zeros(2, 1)))
    refuses("data:balanced: this data has no end", gan.data.ring {}.balanced, gan.data.ring {})
  end)

  it("is one class alone", function()
    local set = data_of { 2, 3, 1 }
    set.classes = { "cat", "dog", "eel" }
    local dogs = set:only "dog"
    assert.equal(3, dogs:size())
    assert.same({ { 1, 11 }, { 1, 11 } }, (dogs:batch(2)):totable())
    assert.equal(1, set:only(2):size())
    refuses("data:only: there is no class 'cow'", set.only, set, "cow")
    refuses("data:only: there are no examples of class 7", set.only, set, 7)
  end)
end)
