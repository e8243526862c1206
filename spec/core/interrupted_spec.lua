-- A move of the game, a load and a save with something going wrong at every point of them: memory that runs out at the
-- 1st, 2nd, 3rd ... allocation, a cancel that comes at the 1st, 2nd, 3rd ... kernel. Each is a Lua error; networks,
-- running statistics, moments, averages, random numbers and counts are as they were before; no tensor is left over.
-- What a cancel finds being written is written to its end.

local gan = require "ganlua"
local core = require "ganlua.core"

local nn = gan.nn
local support = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "../lua/support.lua")
local folder = support.folder(teardown)

local function make(optimizer)
  gan.seed(5)
  return gan.trainer {
    out = false, progress = false, seed = 9, latent = 3, batch = 6, data = gan.rand(24, 4, 4, 1) * 2 - 1,
    generator = nn.sequential {
      nn.linear { out = 2 * 2 * 3 }, nn.batch_norm {}, nn.relu {}, nn.reshape { 2, 2, 3 },
      nn.conv_transpose2d { out = 1, kernel = 4, stride = 2, pad = 1 }, nn.tanh {},
    },
    discriminator = nn.sequential {
      nn.spectral_norm(nn.conv2d { out = 3, kernel = 3, pad = 1 }), nn.leaky_relu {}, nn.dropout { p = 0.3 },
      nn.avg_pool { kernel = 2 }, nn.flatten {}, nn.linear { out = 1 },
    },
    loss = gan.loss.hinge {}, penalties = { gan.penalty.r1 { weight = 1, every = 2 } }, ema = { decay = 0.9 },
    optimizer = { generator = optimizer, discriminator = optimizer }, schedule = function() end,
  }
end

-- Everything that a move may change, as bytes.
local function snapshot(run)
  local tensors, counts = {}, {}
  for player, network in pairs { generator = run.generator, discriminator = run.discriminator, ema = run.ema } do
    for name, tensor in pairs(network:state()) do tensors[player .. name] = tensor end
  end
  for name, player in pairs(run.game.players) do
    counts[name] = { player.moves, player.moments and player.moments.step or 0, player.memory }
    for key, list in pairs(player.moments or {}) do
      for i, tensor in ipairs(type(list) == "table" and list or {}) do tensors[name .. key .. i] = tensor end
    end
  end
  counts.streams = run.game.streams:state()
  counts.data = run.game.data:state()
  return core.safetensors_encode(tensors, { counts = core.json_encode(counts) })
end

local function alive()
  collectgarbage()
  collectgarbage()
  return core.memory().tensors
end

-- How many tensors more are alive after f than before.
local function growth(f)
  local before = alive()
  f()
  return alive() - before
end

local faults = {
  ["memory runs out"] = { set = core.fail_allocations, says = "memory", least = 40 },
  ["it is cancelled"] = { set = core.cancel_after, says = "cancelled", least = 20 },
}

-- Runs f with a fault at point 1, 2, 3 ... until it succeeds; `state()` is what must not change. What a point leaves
-- over stays left over, so tensors are counted at every twentieth point (it takes its time in a large heap), and after
-- the success, which itself adds `more`: what it adds where nothing went wrong.
local function exhaust(fault, state, f, more)
  local before, tensors, n = state(), alive(), 0
  while true do
    n = n + 1
    fault.set(n)
    local ok, message = pcall(f)
    fault.set(0)
    if ok then
      assert(before ~= state(), "the move changed nothing")
      local now = alive()
      assert(now == tensors + more, ("in the end: %d tensors were alive, now %d"):format(tensors + more, now))
      return n - 1
    end
    assert(type(message) == "string" and message:lower():find(fault.says, 1, true), ("point %d: %s"):format(n, message))
    assert(before == state(), ("point %d changed something"):format(n))
    if n % 20 == 0 then
      local now = alive()
      assert(now == tensors, ("until point %d: %d tensors were alive, now %d"):format(n, tensors, now))
    end
  end
end

local moves = {
  ["the discriminator's move"] = { function(game) game:discriminator() end, gan.optim.adam {} },
  ["the generator's move, with its average"] = { function(game) game:generator() end, gan.optim.adam {} },
  ["a simultaneous move"] = { function(game) game:both() end, gan.optim.adamw {} },
  ["a simultaneous move by rmsprop"] = { function(game) game:both() end,
    gan.optim.rmsprop { lr = 0.01, momentum = 0.5 } },
  ["an optimistic move"] = { function(game) game:discriminator() end, gan.optim.optimistic_adam {} },
  ["an extragradient move"] = { function(game) game:both { extragradient = true } end, gan.optim.sgd { lr = 0.01 } },
  ["a move in parts, clipped"] = { function(game) game:generator { micro_batch = 4, clip = 0.1 } end,
    gan.optim.rmsprop { lr = 0.01 } },
}

describe("where", function()
  after_each(function()
    core.fail_allocations(0)
    core.cancel_after(0)
  end)

  for what, fault in pairs(faults) do
    for name, move in pairs(moves) do
      it(("%s in %s, all is as before"):format(what, name), function()
        local run, twin = make(move[2]), make(move[2])
        for _, each in ipairs { run, twin } do
          for _ = 1, 2 do -- what is made once is made; R1 is due again
            each.game:discriminator()
            each.game:generator()
          end
        end
        local more = growth(function() move[1](twin.game) end)
        local points = exhaust(fault, function() return snapshot(run) end, function() move[1](run.game) end, more)
        assert.is_true(points > fault.least)
      end)
    end
  end

  it("a run is interrupted at every point of three moves, it ends with the numbers of one that was not", function()
    local whole, broken = make(gan.optim.adam {}), make(gan.optim.adam {})
    for _, run in ipairs { whole, broken } do -- what is made once is made
      run.game:generator()
      run.game:discriminator()
    end
    for _, name in ipairs { "discriminator", "generator", "both" } do
      local more = growth(function() whole.game[name](whole.game) end)
      exhaust(faults["it is cancelled"], function() return snapshot(broken) end, function()
        broken.game[name](broken.game)
      end, more)
      assert.is_true(snapshot(whole) == snapshot(broken))
    end
  end)

  it("memory runs out in a load, nothing is loaded", function()
    local path = folder .. "/a.safetensors"
    do -- in frames of their own, which are gone when tensors are counted
      local saved = make(gan.optim.adam {})
      saved.game:both()
      saved:save(path)
    end
    local function added_by_a_load()
      local twin = make(gan.optim.adam {})
      return growth(function() twin:load(path) end)
    end
    added_by_a_load()
    local more, other = added_by_a_load(), make(gan.optim.adam {})
    local count = exhaust(faults["memory runs out"], function() return snapshot(other) end, function()
      other:load(path)
    end, more)
    assert.is_true(count > 10)
    local run = make(gan.optim.adam {})
    run.game:both()
    assert.is_true(snapshot(run) == snapshot(other))
  end)

  it("memory runs out in a save, the file before is as it was, and there is no other", function()
    local path = folder .. "/b.safetensors"
    local run = make(gan.optim.adam {})
    run:save(path)
    run.game:both()
    local count = exhaust(faults["memory runs out"], function() return core.read_file(path) end, function()
      run:save(path)
    end, 0)
    assert.is_true(count > 10)
    for _, name in ipairs(core.list_directory(folder)) do assert.is_nil(name:find "%.ganlua") end
  end)

  it("an error passes what is written whole, a cancel works again", function()
    local whole = require "ganlua.whole"
    pcall(function()
      local _ <close> = whole()
      do local _ <close> = whole() end
      assert.is_true(core.hold_cancel(true)) -- the outer block holds on
      error "boo"
    end)
    assert.is_false(core.hold_cancel(false))
  end)

  it("a cancel is held, work goes on, and stops when it is let go", function()
    assert.is_false(core.hold_cancel(true))
    core.cancel_after(1)
    assert.equal(3, (core.ones(3) * 1):sum():item())
    assert.is_true(core.hold_cancel(false))
    assert.has_error(function() return core.ones(3) * 1 end)
    core.cancel_after(0)
    assert.equal(3, (core.ones(3) * 1):sum():item())
  end)
end)
