-- The live view: what is put on its board, what viewers may have a run do, and that a run stays what it was.

local gan = require "ganlua"
local core = require "ganlua.core"
local adjusting = require "ganlua.adjusting"
local columns = require "ganlua.view.columns"
local commands = require "ganlua.view.commands"
local folder_view = require "ganlua.view.folder"
local look = require "ganlua.look"
local metrics_log = require "ganlua.metrics_log"
local serving = require "ganlua.view.serving"
local nn = gan.nn

local root = os.tmpname()
os.remove(root)
core.make_directory(root)
teardown(function() os.execute(("rm -rf '%s'"):format(root)) end)

---- A board without a server ----------------------------------------------------------------------------------------

local open = serving.open
after_each(function() serving.open = open end)

-- What is posted, by event, and commands that viewers give: `asks(moves)` returns the JSON of one, or nil.
local function pretend(viewers, asks)
  local heard = { pictures = {}, past = {}, order = {}, asked = 0, refused = {} }
  local view = {
    viewers = function() return viewers or 0 end,
    put = function(_, name, png) heard.pictures[name] = png end,
    drop = function(_, name) heard.pictures[name] = nil end,
    post = function(_, event, json, keep)
      local list = heard[event] or {}
      heard[event] = list
      list[#list + 1] = core.json_decode(json)
      heard.order[#heard.order + 1] = event
      assert.is_true(keep == nil or keep >= 0)
    end,
    replace = function(_, event, list) heard.past[event] = list end,
    refuse = function(_, json) heard.refused[#heard.refused + 1] = json or "nil" end,
    asked = function(_, seconds)
      local text = asks and asks(heard, seconds)
      if not text then return nil end
      heard.asked = heard.asked + 1
      return text, heard.asked
    end,
  }
  local board = setmetatable({ link = "link", view = view, pictures = {}, bytes = 0 }, serving.board)
  serving.open = function() return board, true end
  return heard
end

local function ring(changes)
  local options = {
    out = false, progress = false, data = gan.data.ring {}, latent = 2, batch = 8, seed = 3, view = true,
    loss = gan.loss.hinge {}, schedule = gan.schedule.alternate { iterations = 6 },
    penalties = { gan.penalty.r1 { weight = 0.1 } }, ema = { decay = 0.9 },
    generator = nn.sequential { nn.linear { out = 6 }, nn.batch_norm {}, nn.relu {}, nn.linear { out = 2 } },
    discriminator = nn.sequential { nn.linear { out = 4 }, nn.leaky_relu {}, nn.linear { out = 1 } },
  }
  for name, value in pairs(changes or {}) do options[name] = value end
  return options
end

local function pictures(changes)
  changes = changes or {}
  changes.data = core.rand(16, 4, 4, 1) * 2 - 1
  changes.generator = nn.sequential { nn.linear { out = 16 }, nn.reshape { 4, 4, 1 }, nn.tanh {} }
  changes.discriminator = nn.sequential { nn.flatten {}, nn.linear { out = 1 } }
  return ring(changes)
end

-- Asks for each of a list in turn, the first of them at the k-th time that the run looks for commands.
local function one_by_one(k, list)
  local looked = 0
  return function()
    looked = looked + 1
    return looked >= k and table.remove(list, 1) or nil
  end
end

local function all_of(heard, field)
  local list = {}
  for _, event in ipairs(heard.metrics or {}) do
    local from = field == "iteration" and event.iteration or event.values[field]
    table.move(from, 1, #from, #list + 1, list)
  end
  return list
end

---- What is told ----------------------------------------------------------------------------------------------------

describe("the live view", function()
  it("tells what the run is, each row, each move, and the end", function()
    local heard = pretend()
    local run = gan.train(ring())
    local hello = heard.hello[1]
    assert.equal("hello", heard.order[1])
    assert.equal("run", hello.run)
    assert.same({ { name = "run", state = "running", live = true } }, hello.runs)
    assert.equal(2, hello.latent)
    assert.same({ 2 }, hello.shape)
    assert.is_true(hello.points)
    assert.same({ pause = true, sample = true, set = true }, hello.can)
    assert.matches("hinge", hello.config)
    assert.equal(6, heard.status[#heard.status].iteration)
    assert.equal("finished", heard.status[#heard.status].state)
    assert.equal(12, heard.status[#heard.status].moves)
    local losses = run:history "d_loss"
    for i, loss in ipairs(all_of(heard, "d_loss")) do assert.near(losses[i], loss, 1e-5 * math.abs(loss)) end
    assert.same({ 1, 2, 3, 4, 5, 6 }, all_of(heard, "iteration"))
    local kinds, next_first = "", 1
    for _, event in ipairs(heard.moves) do
      assert.equal(next_first, event.first)
      assert.equal(#event.kinds, #event.losses)
      next_first, kinds = next_first + #event.kinds, kinds .. event.kinds
    end
    assert.equal(("dg"):rep(6), kinds)
    assert.same({ "nil", '{"error":"the run has ended","ok":false}' }, heard.refused)
    assert.is_nil(heard.histogram)
    assert.is_nil(heard.points)
  end)

  it("changes nothing of what is computed, with viewers and without", function()
    local plain = gan.train(ring { view = false })
    local wanted = plain.generator:parameters()[1]:totable()
    for viewers = 0, 1 do
      local heard = pretend(viewers, one_by_one(3,
        { '{"do":"sample","count":2}', '{"do":"interpolate","from":1,"to":2}' }))
      local run = gan.train(ring())
      assert.equal(2, #heard.reply)
      assert.same(wanted, run.generator:parameters()[1]:totable())
      assert.same(plain:sample(3):totable(), run:sample(3):totable())
      plain = gan.train(ring { view = false })
    end
  end)

  it("shows a viewer the scores and the plane", function()
    local heard = pretend(1)
    gan.train(ring())
    local histogram, points = heard.histogram[1], heard.points[1]
    local sum = 0
    for _, count in ipairs(histogram.fake) do sum = sum + count end
    assert.equal(500, sum)
    assert.equal(20, #histogram.real)
    assert.equal(500, #points.real)
    assert.equal(500, #points.fake)
    assert.equal(40, points.surface.side)
    assert.equal(1600, #points.surface.values)
  end)

  it("shows pictures, from the run's folder where it has one", function()
    local heard = pretend()
    local run = gan.train(pictures { out = root .. "/shown", sample = { every = 3, count = 4 } })
    assert.equal(core.read_file(run.folder .. "/samples/000003.png"), heard.pictures["/sample/3.png?run=shown"])
    assert.same({ { run = "shown", iteration = 3 }, { run = "shown", iteration = 6 } }, heard.samples)
    core.write_file(run.folder .. "/samples/7.png", "another's")
    core.write_file(run.folder .. "/samples/000009.png", "no picture")
    heard = pretend()
    run.watchers:tell("begin", run, 6) -- as a run does that goes on
    assert.same({ { run = "shown", iteration = 3 }, { run = "shown", iteration = 6 } }, heard.samples)
    heard = pretend()
    gan.train(pictures { sample = { every = 3, count = 4 } })
    assert.same({ 8, 26, 1 }, core.picture_decode(heard.pictures["/sample/6.png?run=run"], "png"):shape())
  end)

  it("goes on where it cannot look at the networks, and says so once", function()
    local heard = pretend(1)
    local fragile = nn.define("fragile", { forward = function(_, x)
      if x:shape()[1] > 100 then error "too many" end
      return x
    end })
    gan.train(ring { discriminator = nn.sequential { fragile {}, nn.linear { out = 1 } } })
    assert.equal(1, #heard.warning)
    assert.matches("the view cannot look at the networks: .*too many", heard.warning[1].text)
    assert.equal("finished", heard.status[#heard.status].state)
  end)

  it("tells trouble, and a run that an error ends", function()
    local heard = pretend()
    pcall(gan.train, ring { schedule = function(game)
      game:discriminator()
      error "enough"
    end })
    assert.equal("stopped", heard.status[#heard.status].state)
  end)

  it("refuses what is no port", function()
    for _, wrong in ipairs { 65536, -1, 1.5, "browser" } do
      local ok, message = pcall(gan.trainer, ring { view = wrong })
      assert.is_false(ok)
      assert.matches('option \'view\' must be true, a port from 0 to 65535, or "terminal"', message, 1, true)
    end
  end)
end)

---- What is asked ---------------------------------------------------------------------------------------------------

describe("a viewer", function()
  it("pauses a run, plays it move by move, and lets it go on", function()
    local list = { '{"do":"pause"}', '{"do":"step"}', '{"do":"step"}', '{"do":"resume"}' }
    local looked = 0
    local heard = pretend(0, function(_, seconds)
      looked = looked + 1
      if looked == 4 or looked > 4 and seconds > 0 then return table.remove(list, 1) end
    end)
    local run = gan.train(ring())
    assert.equal(4, #heard.reply)
    for i, reply in ipairs(heard.reply) do assert.same({ id = i, ok = true }, reply) end
    local paused = {}
    for _, status in ipairs(heard.status) do
      if status.state == "paused" then paused[#paused + 1] = status.moves end
    end
    assert.same({ 4, 5, 6 }, paused)
    assert.equal(12, run.game:moves())
  end)

  it("does not count a pause as the run's time", function()
    local waits = 0
    pretend(0, function(heard, seconds)
      if #(heard.reply or {}) == 0 then return '{"do":"pause"}' end
      waits = waits + 1
      if seconds > 0 then core.sleep(0.1) end
      return waits == 5 and '{"do":"resume"}' or nil
    end)
    local run = gan.train(ring())
    local seconds = run:history "seconds"
    assert.is_true(seconds[#seconds] < core.monotonic() - run.started + 1e-3)
    assert.is_true(waits >= 5)
  end)

  it("lets Ctrl-C end a run that is paused", function()
    pretend(0, one_by_one(2, { '{"do":"pause"}' }))
    local interrupted, asked = core.interrupted, 0
    core.interrupted = function()
      asked = asked + 1
      return asked > 3 and "TERM"
    end
    local ok, message = pcall(gan.train, ring())
    core.interrupted = interrupted
    assert.is_false(ok)
    assert.matches("interrupted", message)
  end)

  it("gets samples of latents, and what lies between two", function()
    local heard = pretend(0, one_by_one(1, {
      '{"do":"sample","latents":[[0,1],[2,3]]}', '{"do":"sample","count":5}',
      '{"do":"interpolate","from":7,"to":9,"steps":3}',
    }))
    local run = gan.trainer(ring { schedule = function(game) game:discriminator() end })
    run:train()
    local expected = core.no_grad(run.generate, run, core.tensor { { 0, 1 }, { 2, 3 } }):totable()
    for i = 1, 2 do
      for j = 1, 2 do assert.near(expected[i][j], heard.reply[1].values[i][j], 1e-4) end
    end
    assert.equal(5, #heard.reply[2].values)
    assert.equal(3, #heard.reply[3].values)
    heard = pretend(0, one_by_one(1, { '{"do":"sample","count":2}' }))
    gan.train(pictures())
    assert.matches("^iVBORw0KGgo", heard.reply[1].png)
  end)

  it("is told what is wrong with a command, and the run goes on", function()
    local wrong = {
      { "[", "not JSON" }, { "3", "an object" }, { "{}", "no command nothing" }, { '{"do":{}}', "no command a table" },
      { '{"do":"sample","count":65}', "count must be a whole number from 1 to 64" },
      { '{"do":"sample","latents":[]}', "latents must be" },
      { '{"do":"sample","latents":[[1]]}', "must hold 2 numbers" },
      { '{"do":"sample","latents":[[1,"x"]]}', "no number at 2" },
      { '{"do":"sample","label":1}', "looks at no labels" },
      { '{"do":"interpolate","from":-1,"to":2}', "from must be a whole number" },
      { '{"do":"set","name":"nothing","value":1}', "there is no \"nothing\"; there are generator.lr" },
      { '{"do":"set","name":"generator.lr","value":"1"}', "generator.lr must be a number" },
      { '{"do":"set","name":"generator.lr","value":-1}', "lr" }, { '{"do":"set","name":"top_k","value":2}', "top_k" },
    }
    local list = {}
    for i, each in ipairs(wrong) do list[i] = each[1] end
    local heard = pretend(0, one_by_one(1, list))
    gan.train(ring())
    for i, reply in ipairs(heard.reply) do
      assert.is_false(reply.ok)
      assert.matches(wrong[i][2], reply.error, 1, true)
    end
    assert.equal(#wrong, #heard.reply)
    assert.equal("finished", heard.status[#heard.status].state)
  end)

  it("changes numbers by their names, curves too", function()
    local heard = pretend(0, one_by_one(1, {
      '{"do":"set","name":"generator.lr","value":0.5}', '{"do":"set","name":"loss.margin","value":2}',
      '{"do":"set","name":"r1.weight","value":3}', '{"do":"set","name":"noise","value":0.25}',
      '{"do":"set","name":"ema.decay","value":0.75}',
    }))
    local run = gan.train(ring {
      optimizer = {
        generator = gan.optim.adam { lr = gan.curve.cosine { from = 1e-3, to = 0, over = 9 }, eps = 1e-6 },
      },
    })
    local settings = run.game.settings
    assert.equal(0.5, run.game.players.generator.optimizer.lr)
    assert.equal(1e-6, run.game.players.generator.optimizer.eps)
    assert.equal(2, settings.loss.options.margin)
    assert.equal(3, settings.penalties[1].options.weight)
    assert.equal(0.25, settings.noise)
    assert.equal(0.75, settings.ema.decay)
    local list, by_name = heard.settings[#heard.settings].list, {}
    assert.matches("cosine", heard.settings[1].list[1].text)
    for _, one in ipairs(list) do by_name[one.name] = one.value end
    assert.same({ ["generator.lr"] = 0.5, ["discriminator.lr"] = 2e-4, ["loss.margin"] = 2, ["r1.weight"] = 3,
      noise = 0.25, top_k = 1, ["ema.decay"] = 0.75 }, by_name)
  end)

  it("leaves a run that goes on to the same bytes after a break", function()
    local function changed(at) return one_by_one(at, { '{"do":"set","name":"generator.lr","value":0.01}' }) end
    local function options(out)
      return ring { out = root .. out, checkpoint = { every = 4, keep = 0 },
        schedule = gan.schedule.alternate { iterations = 9 } }
    end
    pretend(0, changed(5))
    local whole = gan.train(options "/whole")
    local unchanged = gan.train(ring { view = false, schedule = gan.schedule.alternate { iterations = 9 } })
    assert.are_not.same(unchanged.generator:parameters()[1]:totable(), whole.generator:parameters()[1]:totable())
    for cut = 5, 12 do
      pretend(0, changed(5))
      local interrupted, asked = core.interrupted, 0
      core.interrupted = function()
        asked = asked + 1
        return asked == cut and "TERM"
      end
      local path = "/cut" .. cut
      assert.is_false(pcall(gan.train, options(path)))
      core.interrupted = interrupted
      pretend()
      local run = gan.train(options(path))
      assert.equal(0.01, run.game.players.generator.optimizer.lr)
      assert.same(whole.generator:parameters()[1]:totable(), run.generator:parameters()[1]:totable())
      assert.same(whole:history "g_loss", run:history "g_loss")
    end
  end)
end)

---- Its parts -------------------------------------------------------------------------------------------------------

describe("the view's parts:", function()
  it("base64 agrees with RFC 4648", function()
    for text, expected in pairs { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==",
      fooba = "Zm9vYmE=", foobar = "Zm9vYmFy", ["\xfb\xff\xbf"] = "+/+/" } do
      assert.equal(expected, commands.base64(text))
    end
  end)

  it("rows are thinned evenly, the last one is there, and gaps are null", function()
    local log = metrics_log.new { "frechet" }
    for i = 1, 10 do log:remember { iteration = 2 * i, d_loss = i, frechet = i % 5 == 0 and i or nil } end
    local rows = columns.rows(log, 1, 10, 4)
    assert.same({ 2, 8, 14, 20 }, rows.iteration)
    assert.same({ 1, 4, 7, 10 }, rows.values.d_loss)
    assert.equal('[null,null,null,10]', (core.json_encode(rows.values.frechet, nil, 6):gsub("10.0", "10")))
    assert.is_nil(rows.values.g_loss)
    assert.same({ 2, 4, 6 }, columns.rows(log, 1, 3, 100).iteration)
    local pieces = columns.pieces(log, 100, 4)
    assert.equal(3, #pieces)
    assert.same({ 18, 20 }, pieces[3].iteration)
    assert.same({ 9, 10 }, pieces[3].values.d_loss)
    assert.same({}, columns.pieces(metrics_log.new(), 100, 4))
  end)

  it("scores are counted in bins that real and fake share", function()
    assert.same({ low = 0, high = 4, counts = { real = { 2, 1 }, fake = { 0, 2 } } },
      look.binned({ real = { 0, 1, 2 }, fake = { 3, 4 } }, 2))
    assert.same({ low = 0.5, high = 1.5, counts = { fake = { 0, 1 } } }, look.binned({ fake = { 1 } }, 2))
    assert.is_nil(look.binned({ fake = {} }, 2))
  end)

  it("a surface holds D's score in the middle of each cell", function()
    local run = gan.trainer(ring { view = false })
    local values = look.surface(run, { -1, -2 }, { 1, 2 }, 4)
    local place = 0
    for row = 0, 3 do
      for column = 0, 3 do
        place = place + 1
        local x, y = -1 + (column + 0.5) / 2, -2 + (row + 0.5)
        local score = run.discriminator(core.tensor { { x, y } }):item()
        assert.near(score, values[place], 1e-5)
      end
    end
    assert.is_nil(look.surface(gan.trainer(ring { view = false, pac = 2 }), { 0, 0 }, { 1, 1 }, 4))
  end)

  it("run:adjust is for the REPL inside a run, too", function()
    local run = gan.trainer(ring { view = false, schedule = function(game) game:generator() end })
    run:train()
    run:adjust("noise", 3)
    assert.equal(3, run.game.settings.noise)
    local ok, message = pcall(run.adjust, run, "clip", 3)
    assert.is_false(ok)
    assert.matches('there is no "clip"; there are generator.lr', message, 1, true)
  end)

  it("everything that can be changed has a number at this moment", function()
    local run = gan.trainer(ring { view = false, clip = function(t) return t + 1 end })
    for _, one in ipairs(adjusting.list(run.game)) do
      assert.equal("number", type(adjusting.value(run.game, one)), one.name)
    end
  end)
end)

describe("a folder of runs", function()
  local function make(name, lines, samples)
    local path = root .. "/runs/" .. name
    core.make_directory(root .. "/runs")
    core.make_directory(path)
    core.write_file(path .. "/config.lua", "return {}\n")
    core.write_file(path .. "/metrics.jsonl", table.concat(lines, "\n") .. "\n")
    for file, bytes in pairs(samples or {}) do
      core.make_directory(path .. "/samples")
      core.write_file(path .. "/samples/" .. file, bytes)
    end
    return { name = name, folder = path }
  end

  local function show(...)
    local heard = pretend()
    folder_view.show((serving.open()), { ... })
    return heard
  end

  it("shows the rows, pictures and configurations of several, and takes no commands", function()
    local png = core.png_encode(core.zeros { 2, 2, 1 })
    local heard = show(make("a", { '{"iteration":1,"d_loss":0.5}', '{"iteration":2,"d_loss":0.25,"frechet":3}' },
      { ["000002.png"] = png }), make("b", { '{"iteration":1,"d_loss":0.75}' }))
    assert.equal(2, #heard.hello[1].runs)
    assert.equal("a", heard.hello[1].run)
    assert.same({ pause = false, sample = false, set = false }, heard.hello[1].can)
    assert.equal("finished run", heard.hello[1].why)
    assert.same({ { iteration = { 1, 2 }, run = "a", values = { d_loss = { 0.5, 0.25 }, frechet = { nil, 3 } } },
      { iteration = { 1 }, run = "b", values = { d_loss = { 0.75 } } } },
      { core.json_decode(heard.past.metrics[1]), core.json_decode(heard.past.metrics[2]) })
    assert.equal(png, heard.pictures["/sample/2.png?run=a"])
    assert.equal(1, #heard.refused)
  end)

  it("has the later rows of a run that went back", function()
    local log = folder_view.log(make("back", { '{"iteration":1,"d_loss":1}', '{"iteration":2,"d_loss":2}',
      '{"event":"rollback","iteration":2,"to":1}', '{"iteration":2,"d_loss":3}' }).folder)
    assert.same({ 1, 3 }, (log:history "d_loss"))
  end)

  it("leaves out what a stranger may have put there", function()
    local heard = show(make("strange", { "{", "[]", "3", '{"iteration":"x"}', '{"iteration":1.5}', ("["):rep(5000),
      '{"iteration":1,"d_loss":"high","__index":2,"a b":1,"values":{}}', "\xff\xfe",
      '{"iteration":2,"\\u0000":1}' },
      { ["000001.png"] = "no picture", ["x.png"] = "x", ["99999999999999999999.png"] = "x" }))
    local rows = core.json_decode(heard.past.metrics[1])
    assert.same({ 1 }, rows.iteration)
    assert.same({ __index = { 2 } }, rows.values)
    assert.same({}, heard.pictures)
  end)
end)
