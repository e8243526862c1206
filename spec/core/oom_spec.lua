-- Out of memory, everywhere: a whole discriminator's and generator's move is run with its 1st, 2nd, 3rd ...
-- allocation failing, and every one after it, until the moves succeed. Each failure is a Lua error, leaks no tensor,
-- and leaves the parameters and the optimisers' state as they were.

local gan = require "ganlua"
local core = require "ganlua.core"

local nn = gan.nn

local function networks()
  gan.seed(4)
  local G = nn.sequential{
    nn.linear{out = 2 * 2 * 3}, nn.reshape{2, 2, 3}, nn.batch_norm{}, nn.relu{},
    nn.conv_transpose2d{out = 1, kernel = 4, stride = 2, pad = 1}, nn.tanh{},
  }
  local D = nn.sequential{
    nn.conv2d{out = 3, kernel = 4, stride = 2, pad = 1}, nn.leaky_relu{}, nn.conv2d{out = 2, kernel = 2},
    nn.batch_norm{}, nn.leaky_relu{}, nn.flatten{}, nn.linear{out = 1},
  }
  G:build{2, 5}
  D:build{2, 4, 4, 1}
  return G, D
end

-- One player: a network's parameters, an optimiser and its state.
local function player(m)
  local optimiser = gan.optim.adam{lr = 0.01}
  local parameters = m:parameters()
  return { parameters = parameters, optimiser = optimiser, state = optimiser:start(parameters) }
end

local function step(who, loss)
  local gradients = core.grad(loss, who.parameters, {consume = true, unused = "zero"})
  assert(core.all_finite(gradients))
  who.optimiser:step(who.state, who.parameters, gradients)
end

local function discriminator_move(game)
  local fake = core.no_grad(game.G, core.randn(4, 5))
  local d = game.loss.d(game.D(game.real), game.D(fake))
  step(game.discriminator, d)
  return d:item()
end

local function generator_move(game)
  local g = game.loss.g(game.D(game.G(core.randn(4, 5))))
  step(game.generator, g)
  return g:item()
end

-- Everything that a move may change on success only, as text.
local function snapshot(game)
  local list = {}
  for _, who in ipairs{game.discriminator, game.generator} do
    list[#list + 1] = who.state.step
    for _, tensors in ipairs{who.parameters, who.state.m, who.state.v} do
      for _, t in ipairs(tensors) do list[#list + 1] = table.concat(t:reshape{-1}:totable(), " ") end
    end
  end
  return table.concat(list, "\n")
end

local function tensors_alive()
  collectgarbage()
  collectgarbage()
  return core.memory().tensors
end

local function game()
  local G, D = networks()
  return { G = G, D = D, loss = gan.loss.hinge{}, real = gan.rand(4, 4, 4, 1) * 2 - 1, discriminator = player(D),
    generator = player(G) }
end

-- Runs `move` with allocation n = 1, 2, 3, ... failing; returns how many failures there were.
local function exhaust(play, move)
  local n = 1
  local before, alive = snapshot(play), tensors_alive()
  while true do
    core.fail_allocations(n)
    local ok, message = pcall(move, play)
    core.fail_allocations(0)
    if ok then return n - 1 end
    assert(type(message) == "string", "allocation " .. n .. ": the error is no string")
    assert(message:lower():find("memory"), ("allocation %d: the error is '%s'"):format(n, message))
    assert(before == snapshot(play), "allocation " .. n .. " changed the networks")
    local now = tensors_alive()
    assert(now == alive, ("allocation %d: %d tensors were alive, now %d"):format(n, alive, now))
    n = n + 1
  end
end

describe("when memory runs out", function()
  after_each(function() core.fail_allocations(0) end)

  it("a discriminator's move is a Lua error, leaks nothing and changes nothing", function()
    local play = game()
    discriminator_move(play) -- whatever is made once is made
    assert(exhaust(play, discriminator_move) > 50)
  end)

  it("a generator's move is a Lua error, leaks nothing and changes nothing", function()
    local play = game()
    generator_move(play)
    assert(exhaust(play, generator_move) > 50)
  end)

  it("a move with second derivatives is a Lua error, leaks nothing and changes nothing", function()
    local play = game()
    local function r1_move(g)
      local x = g.real:copy()
      local slope = core.grad(g.D(x):sum(), {x}, {create_graph = true})[1]
      step(g.discriminator, slope:square():sum() * 0.5 + g.loss.d(g.D(x), g.D(x * 0.5)))
    end
    r1_move(play)
    assert(exhaust(play, r1_move) > 100)
  end)

  it("making the networks is a Lua error and leaks nothing", function()
    networks()
    local alive, n = tensors_alive(), 0
    repeat
      n = n + 1
      core.fail_allocations(n)
      local ok, message = pcall(networks)
      core.fail_allocations(0)
      assert(ok or tostring(message):lower():find("memory"), message)
      assert(ok or alive == tensors_alive(), ("allocation %d leaks"):format(n))
    until ok
    assert(n > 10)
  end)

  it("every function that makes a tensor raises, and the script goes on", function()
    for _, make in ipairs{
      function() return gan.zeros(3) end, function() return gan.tensor{{1, 2}} end, function() return gan.rand(3) end,
      function() return gan.randn(3) end, function() return gan.arange(0, 3, 1) end,
      function() return core.permutation(5, 1, 1) end, function() return core.glyphs(gan.tensor{1, 2}, 1) end,
    } do
      local alive = tensors_alive()
      core.fail_allocations(1)
      local ok, message = pcall(make)
      core.fail_allocations(0)
      assert.is_false(ok)
      assert(message:lower():find("memory"), message)
      assert.are.equal(alive, tensors_alive())
      assert(make())
    end
  end)
end)
