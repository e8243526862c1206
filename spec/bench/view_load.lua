-- What a live view costs: dcgan28's moves with two viewers and without a view, in turns within one run, so that what
-- else the machine does meets both alike; then a storm of connections. `./dev view-load --set turns=40`. A turn is some
-- seconds long: what a view may do, it may do so often in a second, and a short turn would have more of it.

io.stdout:setvbuf "line"
local gan = require "ganlua"
local core = require "ganlua.core"
local server = require "ganlua.view.server"
local serving = require "ganlua.view.serving"
local watchers = require "ganlua.watchers"
local nn = gan.nn

local turns, iterations = gan.setting("turns", 12), gan.setting("iterations", 100)
local program = assert(os.getenv "GANLUA_VIEWERS", "run it by ./dev view-load")

local G = nn.sequential {
  nn.linear { out = 512 }, nn.batch_norm {}, nn.relu {},
  nn.linear { out = 7 * 7 * 64 }, nn.batch_norm {}, nn.relu {}, nn.reshape { 7, 7, 64 },
  nn.conv_transpose2d { out = 32, kernel = 4, stride = 2, pad = 1 }, nn.batch_norm {}, nn.relu {},
  nn.conv_transpose2d { out = 1, kernel = 4, stride = 2, pad = 1 }, nn.tanh {},
}
local D = nn.sequential {
  nn.conv2d { out = 32, kernel = 4, stride = 2, pad = 1 }, nn.leaky_relu {},
  nn.conv2d { out = 64, kernel = 4, stride = 2, pad = 1 }, nn.batch_norm {}, nn.leaky_relu {},
  nn.flatten {}, nn.linear { out = 512 }, nn.batch_norm {}, nn.leaky_relu {}, nn.linear { out = 1 },
}

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

local function megabytes()
  for line in io.lines "/proc/self/status" do
    local size = line:match "^VmRSS:%s*(%d+)"
    if size then return size / 1024 end
  end
end

local run
local function play(game, list)
  local began = core.monotonic()
  for _ = 1, iterations do
    game:discriminator()
    game:generator()
    game:next()
  end
  if list then list[#list + 1] = (core.monotonic() - began) / iterations end
end

local function spawn(...)
  return (core.spawn({ program, tostring(serving.open({}).view:port()), ... }, os.tmpname()))
end

run = gan.trainer {
  out = false, progress = false, data = gan.data.open "glyphs", generator = G, discriminator = D, latent = 64,
  batch = 64, loss = gan.loss.hinge {}, optimizer = { generator = gan.optim.adam { lr = 1e-3 } },
  schedule = function(game)
    local view, none, viewers = run.watchers, watchers.new {}, { spawn "watch", spawn "watch" }
    while serving.open({}).view:viewers() < 2 do core.sleep(0.01) end
    play(game)
    local with, without = {}, {}
    for turn = 1, turns do
      run.watchers = turn % 2 == 1 and view or none
      play(game, turn % 2 == 1 and with or without)
    end
    run.watchers = view
    local a, b = median(with), median(without)
    print(("an iteration takes %.3f ms with two viewers, %.3f ms without a view: %+.2f %%"):format(a * 1000, b * 1000,
      (a / b - 1) * 100))

    local before, iteration = megabytes(), game.iteration
    for round = 1, 3 do
      local storm = spawn("storm", "1000")
      local how
      repeat
        play(game)
        how = { core.ended(storm) }
      until how[1]
      assert(how[1] == "exit" and how[2] == 0, "the view was not there")
      print(("round %d: 1000 connections came and went; %d iterations meanwhile, %.0f MB before, %.0f MB now"):format(
        round, game.iteration - iteration, before, megabytes()))
    end
    for _, viewer in ipairs(viewers) do core.terminate(viewer) end
  end,
}
run.watchers = watchers.new { server.new { port = 0 } }
run:train()
