-- The Dirac-GAN (Mescheder 2018), the smallest game there is, played through the real losses, penalties and schedules:
-- all data at 0, G = theta, D(x) = psi * x, steps of plain gradient descent of 0.2, theta = psi = 1 at the start, the
-- discriminator first. The distances from (0, 0) are known from the recursions, written in double without ganlua.

local gan = require "ganlua"
local nn, loss, penalty, schedule = gan.nn, gan.loss, gan.penalty, gan.schedule

local function one_number(name)
  return nn.define(name, {
    build = function(self) self:parameter("value", gan.ones(1, 1)) end,
    forward = function(self, x) return x:matmul(self.value) end,
  })
end
local theta, psi = one_number "theta", one_number "psi"

local zeros = {
  size = function() return math.huge end,
  shape = function() return { 1 } end,
  batch = function(_, n) return gan.zeros(n, 1) end,
}

-- Plays a game; returns the distance from (0, 0) after each of its iterations.
local function play(changes, moves)
  local G, D, distances, sgd = theta {}, psi {}, {}, gan.optim.sgd { lr = 0.2 }
  local given = {
    out = false, progress = false, seed = 1, data = zeros, generator = G, discriminator = D, batch = 1,
    latent = function(n) return gan.ones(n, 1) end, loss = loss.minimax, schedule = moves,
    optimizer = { generator = sgd, discriminator = sgd },
    on = {
      iteration = function()
        distances[#distances + 1] = math.sqrt(G.value:item() ^ 2 + D.value:item() ^ 2)
      end,
    },
  }
  for key, value in pairs(changes) do given[key] = value end
  gan.train(given)
  return distances
end

local function together(n) return schedule.simultaneous { iterations = n } end
local function in_turn(n) return schedule.alternate { iterations = n } end
local function five_to_one(n) return schedule.alternate { discriminator = 5, generator = 1, iterations = n } end

-- Within 1 % where the number is above 1e-4, else no greater than 1e-3 of the way there.
local function near(wanted, got, what)
  if wanted > 1e-4 then
    assert.is_near(wanted, got, 0.01 * wanted, what)
  else
    assert.is_true(got < 1e-4, ("%s: %g"):format(what, got))
  end
end

-- name, what is played, the distances after 200 moves of G (simultaneous, alternating 1, alternating 5), and whether it
-- converges: after 5,000 moves in turn it is at 0, or as far away as ever.
local table_of_methods = {
  { "minimax", {}, 2.453, 1.362, 1.901, false },
  { "hinge", { loss = loss.hinge }, 1.653, 1.350, 1.945, false },
  { "least_squares", { loss = loss.least_squares }, 1.318, 1.304, 1.069, false },
  { "wasserstein with weight_clip", { loss = loss.wasserstein, penalties = { penalty.weight_clip { limit = 1 } } },
    1.096, 0.9843, 0.7912, false },
  { "wasserstein with gradient_penalty",
    { loss = loss.wasserstein, penalties = { penalty.gradient_penalty { weight = 0.35, target = 1 } } },
    1.961, 1.279, 1.020, false },
  { "minimax with r1 of 0.3", { penalties = { penalty.r1 { weight = 0.3 } } }, 8.279e-3, 2.938e-3, 1.5e-13, true },
  { "minimax with the critical r1 of 1", { penalties = { penalty.r1 { weight = 1 } } }, 1.7e-7, 2.0e-6, 4.3e-5, true },
  { "nonsaturating with r1 of 0.3", { loss = loss.nonsaturating, penalties = { penalty.r1 { weight = 0.3 } } },
    6.317e-3, 2.158e-3, 1.3e-13, true },
  { "hinge with r1 of 0.3", { loss = loss.hinge, penalties = { penalty.r1 { weight = 0.3 } } },
    0.1806, 3.002e-3, 0, true },
  { "minimax with consensus", { penalties = { penalty.consensus { weight = 1 } } }, 1.341e-4, 4.4e-5, nil, true },
}

describe("the Dirac-GAN", function()
  for _, row in ipairs(table_of_methods) do
    local name, changes, at_once, one, five, converges = table.unpack(row, 1, 6)
    it(("%s with %s"):format(converges and "converges" or "does not converge", name), function()
      near(at_once, play(changes, together(200))[200], "simultaneous")
      if five then near(five, play(changes, five_to_one(200))[200], "alternating 5") end
      local distances = play(changes, in_turn(5000))
      near(one, distances[200], "alternating 1")
      if converges then
        assert.is_true(distances[5000] < 1e-6)
      else
        assert.is_true(distances[5000] > 0.9)
      end
    end)
  end

  it("converges very slowly with nonsaturating", function()
    local wanted = { { together, 0.6778, 0.62 }, { in_turn, 0.4180, 0.088 }, { five_to_one, 0.2963, 0.081 } }
    for _, row in ipairs(wanted) do
      local distances = play({ loss = loss.nonsaturating }, row[1](5000))
      near(row[2], distances[200], "after 200")
      assert.is_near(row[3], distances[5000], 0.01)
    end
  end)

  it("converges with instance noise, as far as its samples let it", function()
    for _, moves in ipairs { together(600), in_turn(600) } do
      local distances = play({ noise = 0.7, batch = 256 }, moves)
      for i = 400, 600 do assert.is_true(distances[i] < 0.2, ("move %d: %g"):format(i, distances[i])) end
    end
  end)
end)
