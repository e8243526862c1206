-- Which GANs converge? The smallest one there is tells: all data at 0, G = theta, D(x) = psi * x, plain gradient steps
-- of 0.2, both parameters at 1 in the beginning (Mescheder 2018). It has settled when theta and psi are 0.
-- `ganlua dirac.lua`, about 15 seconds. Expected: the table below, and dirac.png with the paths of (theta, psi).
-- Distances from (0, 0) after 200 moves of G, for both at once, one move of each in turn, and five of D for one of G:
--
--   method                           at once   1 to 1    5 to 1    after 5,000, 1 to 1
--   minimax                          2.453     1.362     1.901     1.37       does not converge
--   nonsaturating                    0.6778    0.418     0.2963    0.088      very slowly
--   minimax, r1 of 0.3               0.008279  0.002938  1.508e-13 1e-37     converges
--   ...

local gan = require "ganlua"
local nn, loss, penalty, schedule = gan.nn, gan.loss, gan.penalty, gan.schedule

-- Networks of one parameter.
local function one_number(name)
  return nn.define(name, {
    build = function(self) self:parameter("value", gan.ones(1, 1)) end,
    forward = function(self, x) return x:matmul(self.value) end,
  })
end
local generator, discriminator = one_number "theta", one_number "psi"

local zeros = {
  size = function() return math.huge end,
  shape = function() return { 1 } end,
  batch = function(_, n) return gan.zeros(n, 1) end,
}

-- Plays a game; returns its path: theta and psi, from the beginning and after each iteration.
local function play(method, moves)
  local G, D = generator {}, discriminator {}
  local path = { theta = { 1 }, psi = { 1 } }
  local sgd = gan.optim.sgd { lr = 0.2 }
  gan.train {
    out = false, progress = false, seed = 1,
    data = zeros, generator = G, discriminator = D, latent = function(n) return gan.ones(n, 1) end,
    loss = method.loss, penalties = method.penalties or {}, noise = method.noise or 0, batch = method.batch or 1,
    optimizer = { generator = sgd, discriminator = sgd }, schedule = moves,
    on = {
      iteration = function()
        table.insert(path.theta, G.value:item())
        table.insert(path.psi, D.value:item())
      end,
    },
  }
  return path
end

local function distance(path, move)
  return math.sqrt(path.theta[move + 1] ^ 2 + path.psi[move + 1] ^ 2)
end

local function verdict(method, path)
  local early, late = distance(path, 200), distance(path, 5000)
  if late < 1e-3 then return "converges" end
  if method.noise and late < 0.1 then return "converges, up to the noise" end
  return late < early / 2 and "very slowly" or "does not converge"
end

local r1 = penalty.r1 { weight = 0.3 }
local methods = {
  { name = "minimax", loss = loss.minimax },
  { name = "nonsaturating", loss = loss.nonsaturating },
  { name = "hinge", loss = loss.hinge },
  { name = "least_squares", loss = loss.least_squares },
  { name = "wasserstein, weight_clip 1", loss = loss.wasserstein, penalties = { penalty.weight_clip { limit = 1 } } },
  { name = "wasserstein, gradient_penalty 0.35", loss = loss.wasserstein,
    penalties = { penalty.gradient_penalty { weight = 0.35 } } },
  { name = "minimax, r1 of 0.3", loss = loss.minimax, penalties = { r1 } },
  { name = "minimax, r1 of 1", loss = loss.minimax, penalties = { penalty.r1 { weight = 1 } } },
  { name = "nonsaturating, r1 of 0.3", loss = loss.nonsaturating, penalties = { r1 } },
  { name = "hinge, r1 of 0.3", loss = loss.hinge, penalties = { r1 } },
  { name = "minimax, consensus 1", loss = loss.minimax, penalties = { penalty.consensus { weight = 1 } } },
  { name = "minimax, instance noise 0.7", loss = loss.minimax, noise = 0.7, batch = 256 },
}

local panels = {}
print(("%-35s %-9s %-9s %-9s %s"):format("method", "at once", "1 to 1", "5 to 1", "after 5,000, 1 to 1"))
for _, method in ipairs(methods) do
  local paths = {
    play(method, schedule.simultaneous { iterations = 200 }),
    play(method, schedule.alternate { iterations = 5000 }),
    play(method, schedule.alternate { discriminator = 5, generator = 1, iterations = 200 }),
  }
  print(("%-35s %-9.4g %-9.4g %-9.4g %-9.3g %s"):format(method.name, distance(paths[1], 200), distance(paths[2], 200),
    distance(paths[3], 200), distance(paths[2], 5000), verdict(method, paths[2])))

  local series = {}
  for i, name in ipairs { "at once", "1 to 1", "5 to 1" } do
    local path = paths[i]
    series[i] = { name = name, x = { table.unpack(path.theta, 1, 201) }, y = { table.unpack(path.psi, 1, 201) } }
  end
  panels[#panels + 1] = gan.plot.line {
    title = method.name, x = "theta", y = "psi", series = series, width = 400, height = 380,
  }.pixels
end

local rows = {}
for first = 1, #panels, 4 do
  rows[#rows + 1] = gan.concat({ table.unpack(panels, first, first + 3) }, 2)
end
local path = gan.setting("picture", "dirac.png")
gan.image.save(gan.concat(rows, 1), path)
print("the paths of (theta, psi): " .. path)
