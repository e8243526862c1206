-- Who looks at a run: what watchers are told, and that looking changes nothing.

local gan = require "ganlua"
local core = require "ganlua.core"
local look = require "ganlua.look"
local watchers = require "ganlua.watchers"
local nn = gan.nn

local function trainer(changes)
  local options = {
    name = "watched", out = false, progress = false, data = gan.data.ring {}, latent = 2, batch = 8, seed = 3,
    loss = gan.loss.hinge {}, schedule = gan.schedule.alternate { iterations = 3 }, sample = { every = 2, count = 4 },
    generator = nn.sequential { nn.linear { out = 6 }, nn.batch_norm {}, nn.relu {}, nn.linear { out = 2 } },
    discriminator = nn.sequential { nn.linear { out = 4 }, nn.batch_norm {}, nn.leaky_relu {}, nn.linear { out = 1 } },
  }
  for name, value in pairs(changes or {}) do options[name] = value end
  return gan.trainer(options)
end

-- A watcher that writes down what it hears, and draws random numbers as it does.
local function listener()
  local heard = {}
  local self = { heard = heard }
  for _, event in ipairs { "begin", "moved", "iterated", "sampled", "warned", "ended" } do
    self[event] = function(_, run, what)
      assert.equal("number", type(core.randn(3):sum():item()))
      local text = event == "moved" and what or event == "iterated" and what.iteration
        or event == "sampled" and table.concat(what:shape(), "x") or event ~= "begin" and what or ""
      heard[#heard + 1] = event .. " " .. text
      assert.is_not_nil(run.game)
    end
  end
  return self
end

describe("a run's watchers", function()
  it("hear of each move, iteration, picture and of the end, in order", function()
    local run, watcher = trainer(), listener()
    run.watchers = watchers.new { watcher }
    run:train()
    assert.same({
      "begin ", "moved discriminator", "moved generator", "iterated 1", "moved discriminator", "moved generator",
      "iterated 2", "sampled 4x2", "moved discriminator", "moved generator", "iterated 3", "sampled 4x2",
      "ended finished",
    }, watcher.heard)
  end)

  it("hear of an error once, and it stays the run's", function()
    local run, watcher = trainer { schedule = function(game)
      game:discriminator()
      error("enough", 0)
    end }, listener()
    watcher.ended = function(_, _, how)
      watcher.heard[#watcher.heard + 1] = how
      error "hidden"
    end
    run.watchers = watchers.new { watcher }
    assert.has_error(function() run:train() end, "enough")
    assert.same({ "begin ", "moved discriminator", "stopped" }, watcher.heard)
  end)

  it("hear all of the end, though one of them fails", function()
    local run, first, second = trainer(), listener(), listener()
    first.ended = function() error("no space left", 0) end
    run.watchers = watchers.new { first, second }
    assert.has_error(function() run:train() end, "no space left")
    assert.equal("ended finished", second.heard[#second.heard - 1])
  end)

  it("hear of trouble in words", function()
    local run, watcher = trainer {
      sample = { every = 300, count = 8 }, schedule = gan.schedule.alternate { iterations = 900 },
      optimizer = { generator = gan.optim.sgd { lr = 1e-9 }, discriminator = gan.optim.sgd { lr = 1e-9 } },
      generator = nn.sequential { nn.linear { out = 2 } },
    }, listener()
    for _, parameter in ipairs(run.generator:parameters()) do parameter:sub_(parameter) end
    run.watchers = watchers.new { watcher }
    run:train()
    assert.matches("warned .*samples", table.concat(watcher.heard, "\n"))
  end)

  it("change nothing of what is computed", function()
    local function end_of(list, see)
      local run = trainer()
      run.watchers = watchers.new(list)
      if see then
        list[1].iterated = function()
          local real, fake = look.real(run, 16), look.fake(run, 16)
          assert.same({ 16 }, look.scores(run, real):shape())
          look.scores(run, fake)
        end
      end
      run:train()
      return run.generator:state()
    end
    local alone, watched = end_of {}, end_of({ listener() }, true)
    for name, value in pairs(alone) do
      assert.equal(0, (value - watched[name]):abs():max():item(), name)
    end
  end)
end)

describe("what can be seen of a run", function()
  it("is always the same data and samples, and the discriminator's scores of them", function()
    local run = trainer()
    run:train()
    local real, again = look.real(run, 16), look.real(run, 16)
    assert.equal(0, (real - again):abs():max():item())
    assert.equal(0, (look.fake(run, 16) - look.fake(run, 16)):abs():max():item())
    local scores = look.scores(run, real)
    run.discriminator:eval()
    assert.equal(0, (scores - run.discriminator(real):reshape(-1)):abs():max():item())
  end)

  it("has packs, and data of the script's own that cannot be read", function()
    local mine = { size = function() return 8 end, shape = function() return { 2 } end,
      batch = function(_, n) return gan.randn(n, 2) end }
    local run = trainer { pac = 2, data = mine }
    assert.is_nil(look.real(run, 8))
    assert.same({ 4 }, look.scores(run, look.fake(run, 8)):shape())
  end)

  it("asks with labels where the discriminator looks at them", function()
    local labels = gan.tensor { 0, 1, 0, 1, 0, 1, 0, 1 }
    local run = trainer {
      data = gan.data.tensor(gan.randn(8, 2), labels), latent = 3,
      generator = nn.sequential { nn.concat_embedding { classes = 2, dim = 2 }, nn.linear { out = 2 } },
      discriminator = nn.sequential { nn.linear { out = 4 }, nn.projection { classes = 2 } },
    }
    local x, classes = look.fake(run, 6)
    assert.same({ 6 }, classes:shape())
    local one, other = look.scores(run, x, classes), look.scores(run, x, 1 - classes)
    assert.is_true((one - other):abs():max():item() > 0)
  end)
end)
