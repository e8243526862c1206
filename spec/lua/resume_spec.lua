-- Runs that were cut off go on to the same bytes: every built-in schedule and wild ones, cut at every move.

local gan = require "ganlua"
local core = require "ganlua.core"
local nn = gan.nn

local support = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "support.lua")
local refuses = support.refuses
local folder = support.folder(teardown, true) -- a thousand runs are written

-- Stops a run as SIGTERM would, at the end of its k-th move.
local function cut_at(k, run)
  local asked, interrupted = 0, core.interrupted
  core.interrupted = function()
    asked = asked + 1
    return asked == k and "TERM"
  end
  local ok, message = pcall(run.train, run)
  core.interrupted = interrupted
  return ok, message
end

-- What a run prints while `f` is called, and what f returns.
local function listen(f, ...)
  local said, write = {}, io.write
  io.write = function(...) said[#said + 1] = table.concat { ... } end -- luacheck: ignore 122
  local ok, result = pcall(f, ...)
  io.write = write -- luacheck: ignore 122
  return assert(ok and result, result), table.concat(said)
end

gan.seed(1) -- whatever specs before this one drew
local pictures = core.rand(32, 4, 4, 1) * 2 - 1

local function options(out, schedule, changes)
  local given = {
    out = out, data = pictures, latent = 4, batch = 4, seed = 7, progress = false, schedule = schedule,
    generator = nn.sequential { nn.linear { out = 8 }, nn.batch_norm {}, nn.relu {}, nn.dropout { p = 0.2 },
      nn.linear { out = 16 }, nn.reshape { 4, 4, 1 }, nn.tanh {} },
    discriminator = nn.sequential { nn.flatten {}, nn.spectral_norm(nn.linear { out = 6 }), nn.leaky_relu {},
      nn.linear { out = 1 } },
    loss = gan.loss.hinge {}, penalties = { gan.penalty.r1 { weight = 0.1, every = 3 } }, ema = { decay = 0.9 },
    optimizer = { generator = gan.optim.adam { lr = gan.curve.cosine { from = 1e-2, to = 1e-3, over = 30 } } },
    noise = 0.1, sample = { every = 4, count = 4 }, checkpoint = { every = 7, keep = 2 },
    on = { iteration = function(run)
      run.state.sum = (run.state.sum or 0) + math.random() + core.rand(1):item()
    end },
  }
  for key, value in pairs(changes or {}) do given[key] = value end
  return given
end

-- What a run's folder holds, times aside, by name.
local function contents(path)
  local found = {}
  for _, name in ipairs(core.list_directory(path)) do
    if core.is_directory(path .. "/" .. name) then
      for inner, text in pairs(contents(path .. "/" .. name)) do found[name .. "/" .. inner] = text end
    else
      found[name] = core.read_file(path .. "/" .. name):gsub('"seconds":[%d.]+', "")
    end
  end
  return found
end

local count = 0
local function new_path()
  count = count + 1
  return ("%s/run%d"):format(folder, count)
end

-- Until the block ends, plots are text files of their numbers: drawing a thousand of them takes long.
local function plain_plots()
  local line = gan.plot.line
  gan.plot.line = function(given)
    return { save = function(_, path) core.write_file(path, core.json_encode(given)) end }
  end
  return setmetatable({}, { __close = function() gan.plot.line = line end })
end

-- Less to compute, where a spec is about the schedule alone.
local function plain_networks()
  return {
    generator = nn.sequential { nn.linear { out = 16 }, nn.reshape { 4, 4, 1 } },
    discriminator = nn.sequential { nn.flatten {}, nn.linear { out = 1 } }, penalties = {}, noise = 0,
    sample = { every = 20, count = 4 }, checkpoint = { every = 14, keep = 2 },
  }
end

-- Plays a schedule uncut, then cut at every move and gone on with; all folders must be alike. `changes()` makes other
-- options, where there are some. Returns how many moves were made, and in how many calls.
local function survives_every_cut(schedule, changes)
  local _ <close> = plain_plots()
  changes = changes or function() end
  local whole = gan.train(options(new_path(), schedule, changes()))
  local wanted, samples = contents(whole.folder), whole:sample(2):totable()
  local moves = whole.game.players.discriminator.moves + whole.game.players.generator.moves
  local calls = 0
  for k = 1, moves do
    local path = new_path()
    local done, message = cut_at(k, gan.trainer(options(path, schedule, changes())))
    if done then break end -- both players may move in one call
    assert.matches("interrupted", message)
    calls = k
    local run = gan.train(options(path, schedule, changes()))
    assert.equal(path, run.folder)
    local found = contents(path)
    for name, text in pairs(wanted) do
      assert.is_true(text == found[name], ("cut at move %d: %s differs"):format(k, name))
      found[name] = nil
    end
    assert.is_nil(next(found))
    assert.same(samples, run:sample(2):totable())
    assert.same(whole:history "d_loss", run:history "d_loss")
    os.execute(("rm -rf '%s'"):format(path))
  end
  return moves, calls
end

describe("a run that was cut off and is unchanged", function()
  it("ends with the bytes of the uncut one, on pictures that are decoded when they are wanted", function()
    local files = debug.getinfo(1, "S").source:match "^@(.*/)" .. "files/pictures"
    local _, calls = survives_every_cut(gan.schedule.alternate { iterations = 6 }, function()
      local changes = plain_networks()
      changes.data = gan.data.folder { files, size = 4, channels = 1, cache = 0 }
      return changes
    end)
    assert.is_true(calls >= 10)
  end)

  it("ends with the bytes of the uncut one: StyleGAN2, whose styles are mixed at layers drawn at random", function()
    local _, calls = survives_every_cut(gan.schedule.alternate { iterations = 5 }, function()
      local recipe = gan.recipe.stylegan2_small { size = 8, channels = 1, latent = 4, style = 4, layers = 1, base = 16 }
      local changes = recipe:options { checkpoint = { every = 2, keep = 1 } }
      changes.data = core.zeros(8, 8, 8, 1) + core.arange(0, 8, 1):reshape(8, 1, 1, 1) / 8
      changes.penalties = { gan.penalty.r1 { every = 2 }, gan.penalty.path_length { every = 2,
        mapping = recipe.generator[1], synthesis = recipe.generator[2] } }
      return changes
    end)
    assert.equal(10, calls)
  end)

  it("ends with the bytes of the uncut one: alternate, cut at each of 60 moves", function()
    assert.equal(60, (survives_every_cut(gan.schedule.alternate { discriminator = 2, iterations = 20 })))
  end)

  it("ends with the bytes of the uncut one: simultaneous, cut at each of 60 moves of both players", function()
    assert.same({ 120, 60 }, { survives_every_cut(gan.schedule.simultaneous { iterations = 60 }, plain_networks) })
  end)

  it("ends with the bytes of the uncut one: extragradient, cut at each of 60 moves of both players", function()
    assert.same({ 120, 60 }, { survives_every_cut(gan.schedule.extragradient { iterations = 60 }, plain_networks) })
  end)

  it("ends with the bytes of the uncut one: samples that are used again, of layers that move on by making them",
    function()
      survives_every_cut(gan.schedule.alternate { generator = 2, iterations = 20 }, function()
        return { reuse = true, generator = nn.sequential {
          nn.spectral_norm(nn.linear { out = 8 }), nn.batch_norm {}, nn.relu {}, nn.dropout { p = 0.2 },
          nn.spectral_norm(nn.linear { out = 16 }), nn.reshape { 4, 4, 1 }, nn.tanh {},
        } }
      end)
    end)

  it("ends with the bytes of the uncut one: labels, dropped or drawn again, and an augmentation that follows D",
    function()
      survives_every_cut(gan.schedule.alternate { generator = 2, iterations = 15 }, function()
        return {
          data = gan.data.tensor(pictures, core.arange(0, 32, 1):clamp(0, 2)):balanced(), reuse = true,
          labels = { dropout = 0.3 }, augment = gan.augment.ada { speed = 0.2, every = 3, noise = true, cutout = true },
          penalties = { gan.penalty.auxiliary_classifier {} },
          generator = nn.sequential {
            nn.concat_embedding { classes = 4, dim = 3 }, nn.linear { out = 8 },
            nn.conditional_batch_norm { classes = 4 }, nn.relu {}, nn.linear { out = 16 }, nn.reshape { 4, 4, 1 },
          },
          discriminator = nn.sequential { nn.flatten {}, nn.spectral_norm(nn.linear { out = 6 }), nn.leaky_relu {},
            nn.linear { out = 4 } },
        }
      end)
    end)

  it("ends with the bytes of the uncut one: curves wherever a number stands, and the consensus penalty", function()
    local c = gan.curve
    local schedule = gan.schedule.phases {
      { discriminator = 1, generator = 1, iterations = 15 }, { discriminator = 2, generator = 1, iterations = 10 },
    }
    assert.equal(60, (survives_every_cut(schedule, function()
      return {
        penalties = { gan.penalty.consensus { weight = c.linear { from = 0, to = 1, over = 20 } } },
        loss = gan.loss.hinge { margin = c.steps { from = 2, at = { 10, 20 }, factor = 0.5 } },
        optimizer = {
          discriminator = gan.optim.rmsprop { lr = c.warmup { to = c.cosine { from = 1e-2, over = 30 }, over = 9 } },
          generator = gan.optim.optimistic_adam { lr = c.exponential { from = 1e-2, half_life = 9, by = "iteration" } },
        },
        augment = gan.augment.ada { p = c.linear { from = 0, to = 1, over = 30 } },
        noise = function(move) return 0.5 * 0.9 ^ move end, clip = c.linear { from = 1, to = 0.1, over = 30 },
        ema = { decay = c.linear { from = 0.5, to = 0.99, over = 20 } },
      }
    end)))
  end)

  it("ends with the bytes of the uncut one: unrolled, the best samples alone, gradients of parts", function()
    assert.equal(60, (survives_every_cut(gan.schedule.alternate { iterations = 30 }, function()
      return {
        unroll = { steps = 2 }, top_k = gan.curve.linear { from = 1, to = 0.5, over = 30 }, micro_batch = 2,
        penalties = {}, loss = gan.loss.nonsaturating {}, sample = { every = 20, count = 4 },
      }
    end)))
  end)

  it("ends with the bytes of the uncut one: phases", function()
    assert.equal(60, (survives_every_cut(gan.schedule.phases {
      { discriminator = 1, iterations = 20 }, { generator = 2, iterations = 5 },
      { discriminator = 1, generator = 2, iterations = 10 },
    })))
  end)

  it("ends with the bytes of the uncut one: balance, until 60 moves are made", function()
    assert.equal(60, (survives_every_cut(gan.schedule.stop_when(function(game) return game:moves() >= 60 end,
      gan.schedule.balance { low = 0.5, high = 0.6, patience = 2, iterations = 60 }), plain_networks)))
  end)

  it("ends with the bytes of the uncut one: switch_loss, at an iteration and on a condition", function()
    local switched = 0
    local function high(_, d)
      if d.loss > 0.2 then switched = switched + 1 end
      return d.loss > 0.2
    end
    assert.equal(60, (survives_every_cut(gan.schedule.switch_loss {
      { at = 5, loss = gan.loss.least_squares {} }, { when = high, loss = gan.loss.hinge { margin = 2 } },
      { at = 25, loss = gan.loss.nonsaturating {} }, schedule = gan.schedule.alternate { iterations = 30 },
    }, plain_networks)))
    assert.is_true(switched > 30) -- in the uncut run, and again in those that go on
  end)

  it("ends with the bytes of the uncut one: stop_when inside stop_when", function()
    local function low(_, d) return d and d.accuracy < 0.1 end
    assert.equal(60, (survives_every_cut(gan.schedule.stop_when(low,
      gan.schedule.stop_when(function(game) return game.iteration == 30 end,
        gan.schedule.alternate { iterations = 40 })), plain_networks)))
  end)

  it("ends with the bytes of the uncut one: stop_when around coroutines, its errors caught", function()
    local function in_coroutines(game)
      local function forever(name)
        return coroutine.wrap(function()
          while true do
            coroutine.yield(game[name](game))
            if name == "generator" then game:next() end
          end
        end)
      end
      local d, g = forever "discriminator", forever "generator"
      while true do
        d()
        g()
      end
    end
    assert.equal(60, (survives_every_cut(function(game)
      local function at(iteration) return function() return game.iteration == iteration end end
      gan.schedule.stop_when(at(20), in_coroutines)(game)
      game.state.caught = select(2, pcall(gan.schedule.stop_when(at(40), function(same)
        if same.iteration == 20 then same:generator { loss = 3 } end
      end), game))
      gan.schedule.stop_when(at(29), in_coroutines)(game)
    end, plain_networks)))
  end)

  it("ends with the bytes of the uncut one: sequence with game:set between, and the others in it", function()
    local function low(_, d) return d and d.accuracy < 0.6 end
    local moves = survives_every_cut(gan.schedule.sequence {
      gan.schedule.balance { low = 0.5, high = 0.6, patience = 2, iterations = 15 },
      { loss = gan.loss.nonsaturating {}, batch = 4, micro_batch = 2, clip = 0.1, penalties = {},
        optimizer = { discriminator = gan.optim.sgd { lr = gan.curve.warmup { to = 0.1, over = 20 } } } },
      gan.schedule.stop_when(low, gan.schedule.stop_when(function(game) return game.iteration == 25 end,
        gan.schedule.alternate { iterations = 20 })),
      gan.schedule.switch_loss {
        { at = 2, loss = gan.loss.least_squares {} }, { when = low, loss = gan.loss.hinge {} },
        schedule = gan.schedule.simultaneous { iterations = 20 },
      },
    })
    assert.is_true(moves >= 60, moves)
  end)

  it("ends with the bytes of the uncut one: progressive", function()
    local function growing()
      return {
        generator = nn.growing_generator {
          { block = nn.sequential { nn.linear { out = 12 }, nn.reshape { 2, 2, 3 } },
            head = nn.conv2d { out = 1, kernel = 1 } },
          { block = nn.sequential { nn.upsample {}, nn.conv2d { out = 3, kernel = 3, pad = 1 }, nn.batch_norm {} },
            head = nn.conv2d { out = 1, kernel = 1 } },
        },
        discriminator = nn.growing_discriminator {
          { block = nn.sequential { nn.flatten {}, nn.linear { out = 1 } }, head = nn.conv2d { out = 3, kernel = 1 } },
          { block = nn.avg_pool { kernel = 2 }, head = nn.conv2d { out = 3, kernel = 1 } },
        },
      }
    end
    local schedule = gan.schedule.progressive { stages = 2, iterations = 15, fade = 6 }
    assert.equal(60, (survives_every_cut(schedule, growing)))
  end)

  it("ends with the bytes of the uncut one: nested coroutines", function()
    assert.equal(60, (survives_every_cut(function(game)
      local function player(name, share)
        return coroutine.wrap(function()
          local inner = coroutine.wrap(function()
            while true do
              for _ = 1, share do coroutine.yield(game[name](game)) end
              coroutine.yield(game[name](game, { batch = 2 }))
            end
          end)
          while true do coroutine.yield(inner()) end
        end)
      end
      local d, g, done = player("discriminator", 2), player("generator", 1), 0
      while done < 60 do
        -- What goes wrong in a coroutine, and is caught by whoever resumes it, leaves nothing half done.
        local fine, problem = coroutine.resume(coroutine.create(function() game:generator { loss = 3 } end))
        assert(not fine and problem:find "option 'loss' must be")
        assert(not pcall(game.set, game, { batch = 0 }))
        for _, play in ipairs { d, g, d } do
          play()
          done = done + 1
        end
        game:next()
      end
    end)))
  end)

  it("ends with the bytes of the uncut one: random numbers of all kinds", function()
    assert.equal(60, (survives_every_cut(function(game)
      math.randomseed(11)
      for i = 1, 60 do
        local n = math.random(3) + game:random(0, 1) + (math.random() < 0.5 and 1 or 0)
        if i == 30 then gan.seed(5) end
        gan.randn(2)
        local player = n % 2 == 0 and "discriminator" or "generator"
        game[player](game, { batch = n + 1, loss = gan.loss.hinge { margin = n } })
        if math.random(2) == 1 then game:next() end
      end
    end)))
  end)

  it("ends with the bytes of the uncut one: decisions by metrics, measures, caught errors and the run's own state",
    function()
      assert.equal(60, (survives_every_cut(function(game)
        local state, spent = game.state, 0
        state.best = math.huge
        while spent < 60 do
          local d = game:discriminator()
          spent = spent + 1
          local caught = pcall(game.generator, game, { loss = { d = print, g = function() error "no" end } })
          assert(not caught)
          local norm, list = game:measure(function()
            return game.players.discriminator.parameters[1]:norm():item(), { game.iteration, on = true }
          end)
          if (d.loss < state.best or norm % 0.01 < 0.005) and spent < 60 then
            state.best = d.loss
            game:generator { batch = 3 + list[1] % 2 }
            spent = spent + 1
          end
          if spent % 3 == 0 or not list.on then game:next() end
        end
      end)))
    end)

  it("goes on after several cuts, at the same moves' numbers", function()
    local schedule = gan.schedule.alternate { iterations = 15 }
    local wanted = contents(gan.train(options(new_path(), schedule)).folder)
    local path = new_path()
    for _, k in ipairs { 3, 1, 9, 14 } do cut_at(k, gan.trainer(options(path, schedule))) end
    gan.train(options(path, schedule))
    local found = contents(path)
    for name, text in pairs(wanted) do assert.is_true(text == found[name], name) end
  end)

  it("starts again where it was killed before its first checkpoint", function()
    local schedule = gan.schedule.alternate { iterations = 5 }
    local wanted = contents(gan.train(options(new_path(), schedule)).folder)
    local path = new_path()
    local run = cut_at(6, gan.trainer(options(path, schedule)))
    assert.is_false(run)
    os.remove(path .. "/checkpoint.safetensors")
    gan.train(options(path, schedule))
    assert.same(wanted["metrics.jsonl"], contents(path)["metrics.jsonl"])
    assert.same(wanted["checkpoint.safetensors"], contents(path)["checkpoint.safetensors"])
  end)

  it("tries again the move that an error stopped it in", function()
    local path, broken = new_path(), true
    local function schedule(game)
      for _ = 1, 5 do
        game:discriminator()
        game:generator { loss = { d = print, g = function(fake)
          if broken and game.iteration == 3 then error "no disk" end
          return -fake:mean()
        end } }
        game:next()
      end
    end
    refuses("no disk", gan.train, options(path, schedule))
    broken = false
    local run = gan.train(options(path, schedule))
    assert.equal(path, run.folder)
    assert.equal(5, run.metrics.iteration)
    local wanted = contents(gan.train(options(new_path(), schedule)).folder)
    assert.is_true(wanted["checkpoint.safetensors"] == contents(path)["checkpoint.safetensors"])
  end)
end)

describe("a run that is finished or changed", function()
  it("starts in a new folder and says so", function()
    local path = new_path()
    local function train(changes)
      return listen(gan.train, options(path, gan.schedule.alternate { iterations = 2 }, changes))
    end
    assert.equal(path, train { progress = true }.folder)
    local run, text = train { progress = true }
    assert.equal(path .. "-2", run.folder)
    assert.matches(path .. " holds a finished run: this run goes to " .. path .. "-2", text, 1, true)
    run, text = train { progress = true, batch = 5 }
    assert.equal(path .. "-3", run.folder)
    assert.matches("holds the run of another script, or of this one changed", text, 1, true)
  end)

  it("starts in a new folder with resume = false, though it was cut off", function()
    local path, schedule = new_path(), gan.schedule.alternate { iterations = 3 }
    cut_at(2, gan.trainer(options(path, schedule)))
    assert.equal(path .. "-2", gan.train(options(path, schedule, { resume = false })).folder)
    assert.equal(path, gan.train(options(path, schedule)).folder)
  end)

  it("is left alone while another one writes it", function()
    local path, inner = new_path(), nil
    local schedule = gan.schedule.alternate { iterations = 2 }
    gan.train(options(path, schedule, { on = { iteration = function()
      inner = inner or gan.train(options(path, schedule, { progress = false }))
    end } }))
    assert.equal(path .. "-2", inner.folder)
  end)
end)

describe("resume = \"changed\"", function()
  it("carries on with a changed script, at the place where the schedule was", function()
    local path, first = new_path(), gan.schedule.alternate { iterations = 6 }
    cut_at(7, gan.trainer(options(path, first)))
    local run = gan.train(options(path, gan.schedule.alternate { iterations = 9 }, { resume = "changed", batch = 6 }))
    assert.equal(path, run.folder)
    assert.equal(9, run.metrics.iteration)
    assert.equal(9, run.game.players.discriminator.moves)
    assert.equal(9, #run:history "d_loss")
    assert.equal(9, select(2, core.read_file(path .. "/metrics.jsonl"):gsub("\n", "")))
  end)

  it("starts a schedule that goes another way at its first line", function()
    local path = new_path()
    cut_at(7, gan.trainer(options(path, gan.schedule.alternate { iterations = 6 })))
    local run = gan.train(options(path, function(game)
      while game.iteration < 8 do
        game:generator()
        game:next()
      end
    end, { resume = "changed" }))
    assert.equal(8, run.metrics.iteration)
    assert.equal(4, run.game.players.discriminator.moves)
    assert.equal(8, run.game.players.generator.moves)
  end)

  it("goes on with a finished run that was told to play longer", function()
    local path = new_path()
    gan.train(options(path, gan.schedule.alternate { iterations = 3 }))
    local run = gan.train(options(path, gan.schedule.alternate { iterations = 5 }, { resume = "changed" }))
    assert.equal(path, run.folder)
    assert.equal(5, run.game.players.generator.moves)
    local wanted = gan.train(options(new_path(), gan.schedule.alternate { iterations = 5 }))
    assert.same(wanted:sample(2):totable(), run:sample(2):totable())
  end)

  it("names the layer and the shape where a network no longer fits, and changes nothing", function()
    local path, schedule = new_path(), gan.schedule.alternate { iterations = 3 }
    cut_at(3, gan.trainer(options(path, schedule)))
    local before = core.read_file(path .. "/checkpoint.safetensors")
    local given = options(path, schedule, { resume = "changed" })
    given.discriminator = nn.sequential { nn.flatten {}, nn.spectral_norm(nn.linear { out = 9 }), nn.leaky_relu {},
      nn.linear { out = 1 } }
    refuses("does not fit the discriminator: ", gan.train, given)
    refuses("'2.weight' must be 16x9, got 16x6", gan.train, given)
    assert.is_true(before == core.read_file(path .. "/checkpoint.safetensors"))
    assert.equal(path, gan.train(options(path, schedule)).folder) -- the script of before goes on
  end)
end)

describe("a schedule that does not replay", function()
  local function cut(schedule, k, changes)
    local path = new_path()
    cut_at(k or 5, gan.trainer(options(path, schedule, changes)))
    return options(path, schedule, changes)
  end

  it("is caught: the first move that differs is named, and a way out", function()
    local clock = 0
    local function schedule(game)
      clock = clock + 1
      for i = 1, 6 do
        game:discriminator()
        if i >= 2 and clock > 1 then game:discriminator() end
        game:generator { batch = 4 }
        game:next()
      end
    end
    local given = cut(schedule)
    local before = core.read_file(given.out .. "/checkpoint.safetensors")
    refuses("its call 5 was game:generator{...}, now it is game:discriminator()", gan.train, given)
    refuses('resume = "restart_schedule"', gan.train, given)
    assert.is_true(before == core.read_file(given.out .. "/checkpoint.safetensors"))
    given.resume = "restart_schedule"
    local run = gan.train(given)
    assert.equal(given.out, run.folder)
    assert.equal(2 + 6, run.metrics.iteration)
  end)

  it("is caught where settings differ, where it ends too early, and where it draws other random numbers", function()
    local clock = 0
    local function cut_at_first(schedule)
      clock = 0
      return cut(schedule)
    end
    refuses("now it is the same with other settings", gan.train, cut_at_first(function(game)
      clock = clock + 1
      for _ = 1, 6 do game:discriminator { batch = 2 * clock } end
    end))
    refuses("was game:discriminator(), now it is the schedule's end", gan.train, cut_at_first(function(game)
      clock = clock + 1
      for _ = 1, clock == 1 and 6 or 3 do game:discriminator() end
    end))
    refuses("it drew other random numbers", gan.train, cut_at_first(function(game)
      clock = clock + 1
      for _ = 1, 6 do
        for _ = 1, clock do math.random() end
        game:discriminator()
      end
    end))
  end)

  it("cannot go on by catching that", function()
    local clock, played = 0, 0
    local given = cut(function(game)
      clock = clock + 1
      for _ = 1, 6 do
        if pcall(game[clock == 1 and "discriminator" or "generator"], game) then played = played + 1 end
      end
    end)
    played = 0
    refuses("does not replay", gan.train, given)
    assert.equal(0, played)
  end)

  it("is told where it reads a tensor", function()
    local given = cut(function(game)
      for _ = 1, 6 do
        game:discriminator()
        local norm = game.players.discriminator.parameters[1]:norm():item()
        assert(norm > 0)
      end
    end)
    refuses("resume_spec.lua:", gan.train, given)
    refuses("Read it in game:measure(function() return ... end)", gan.train, given)
    assert.equal(1, gan.tensor { 1 }:item()) -- afterwards nothing is forbidden
  end)

  it("is refused moves inside hooks and measures, which a replay leaves out", function()
    refuses("game:generator(): inside game:measure(f)", gan.train, options(new_path(), function(game)
      game:measure(function() game:generator() end)
    end))
    refuses("wanted plain values, but what it returned[1] is a tensor", gan.train, options(new_path(), function(game)
      game:measure(function() return gan.zeros(1) end)
    end))
  end)
end)

describe("a damaged checkpoint", function()
  local schedule = gan.schedule.alternate { iterations = 20 }
  local function damage(path, place)
    local bytes = core.read_file(path)
    place = place < 0 and #bytes + place or place
    core.write_file(path, bytes:sub(1, place - 1) .. string.char(bytes:byte(place) ~ 1) .. bytes:sub(place + 1))
  end

  it("falls back to the one before, says so, and ends with the same bytes", function()
    local wanted = contents(gan.train(options(new_path(), schedule)).folder)
    for _, place in ipairs { 3, 200, -5 } do
      local path = new_path()
      cut_at(2 * 15, gan.trainer(options(path, schedule)))
      damage(path .. "/checkpoint.safetensors", place)
      local run, said = listen(gan.train, options(path, schedule, { progress = true }))
      assert.equal(path, run.folder)
      assert.matches(path .. "/checkpoint.safetensors: ", said, 1, true)
      assert.matches("going on from " .. path .. "/checkpoint-000014.safetensors, the one before", said, 1, true)
      assert.matches("going on from iteration 14", said, 1, true)
      local found = contents(path)
      for name, text in pairs(wanted) do assert.is_true(text == found[name], name) end
    end
  end)

  it("is no reason to stop where none is good: the run starts over", function()
    local path = new_path()
    cut_at(2 * 3, gan.trainer(options(path, schedule)))
    damage(path .. "/checkpoint.safetensors", 300)
    local run, said = listen(gan.train, options(path, schedule, { progress = true }))
    assert.equal(path, run.folder)
    assert.matches("no good checkpoint is left", said, 1, true)
    assert.equal(20, run.metrics.iteration)
  end)
end)

describe("checkpoints", function()
  it("keep the last ones and the best one", function()
    local run = gan.train(options(new_path(), gan.schedule.alternate { iterations = 10 }, {
      checkpoint = { every = 2, keep = 3, best = function(run) return -math.abs(run.metrics.iteration - 4) end },
    }))
    local names = {}
    for _, name in ipairs(core.list_directory(run.folder)) do
      if name:find "^checkpoint" then names[#names + 1] = name end
    end
    assert.same({ "checkpoint-000006.safetensors", "checkpoint-000008.safetensors", "checkpoint-000010.safetensors",
      "checkpoint-best.safetensors", "checkpoint.safetensors" }, names)
    local other = gan.trainer(options(new_path(), gan.schedule.alternate { iterations = 1 }))
    assert.equal(4, other:load(run.folder .. "/checkpoint-best.safetensors").game.iteration)
    refuses("'best' must be a column of metrics.jsonl", gan.trainer,
      options(new_path(), print, { checkpoint = { best = "d_los" } }))
  end)
end)
