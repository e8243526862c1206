-- gan.augment: what each change does to pictures, in closed form; how often; and what a game makes of it.

local gan = require "ganlua"
local core = require "ganlua.core"
local bands = require "ganlua.augment.bands"
local warp = require "ganlua.augment.warp"
local nn, augment = gan.nn, gan.augment

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok, "no error; wanted: " .. text)
  assert.matches(text, message, 1, true)
end

local function near(wanted, got, within)
  assert.same(wanted:shape(), got:shape())
  local off = (got - wanted):abs():max():item()
  assert.is_true(off <= (within or 1e-5), ("off by %g"):format(off))
end

-- n times the picture whose pixels are 1, 2, 3, ... along its rows.
local function numbered(n, height, width)
  return gan.arange(1, height * width + 1, 1):reshape(1, height, width, 1):index(1, gan.ones(n))
end

-- One picture of a batch as rows of numbers.
local function rows_of(x, i)
  local shape = x:shape()
  return x[i]:reshape(shape[2], shape[3]):totable()
end

before_each(function() gan.seed(11) end)

describe("diffaugment", function()
  it("changes brightness, then saturation, then contrast", function()
    local x = gan.rand(3, 2, 2, 3) * 2 - 1
    local start = core.get_random()
    local y = augment.diffaugment { translation = 0, cutout = 0 }(x):totable()
    core.set_random(start)
    local drawn = {}
    for k = 1, 3 do drawn[k] = gan.rand(3):totable() end
    for i, picture in ipairs(x:totable()) do
      local bright, strong, contrast = drawn[1][i] - 0.5, drawn[2][i] * 2, drawn[3][i] + 0.5
      local sum, pixels = 0, {}
      for r = 1, 2 do
        for c = 1, 2 do
          local pixel = picture[r][c]
          local mean = (pixel[1] + pixel[2] + pixel[3]) / 3
          for k = 1, 3 do pixels[#pixels + 1] = (pixel[k] - mean) * strong + mean + bright end
          sum = sum + 3 * (mean + bright)
        end
      end
      for place, value in ipairs(pixels) do
        local r, c, k = (place - 1) // 6 + 1, (place - 1) // 3 % 2 + 1, (place - 1) % 3 + 1
        assert.is_near((value - sum / 12) * contrast + sum / 12, y[i][r][c][k], 1e-5)
      end
    end
  end)

  it("moves pictures by whole pixels, up to an eighth of a side, and zeros come in", function()
    local y = augment.diffaugment { color = false, cutout = false }(numbered(300, 16, 8))
    local seen = {}
    for i = 1, 300 do
      local rows, matches = rows_of(y, i), 0
      for down = -2, 2 do
        for right = -1, 1 do
          local same = true
          for r = 1, 16 do
            for c = 1, 8 do
              local from_r, from_c = r - down, c - right
              local inside = from_r >= 1 and from_r <= 16 and from_c >= 1 and from_c <= 8
              same = same and rows[r][c] == (inside and (from_r - 1) * 8 + from_c or 0)
            end
          end
          if same then
            matches = matches + 1
            seen[down .. " " .. right] = true
          end
        end
      end
      assert.equal(1, matches)
    end
    local kinds = 0
    for _ in pairs(seen) do kinds = kinds + 1 end
    assert.equal(15, kinds)
  end)

  it("cuts a rectangle out, of half of each side, that may lie half outside", function()
    local y = augment.diffaugment { color = false, translation = false }(numbered(400, 8, 6))
    local hidden, whole = 0, 0
    for i = 1, 400 do
      local zeros = 0
      for r, row in ipairs(rows_of(y, i)) do
        for c, value in ipairs(row) do
          assert.is_true(value == 0 or value == (r - 1) * 6 + c)
          zeros = zeros + (value == 0 and 1 or 0)
        end
      end
      assert.is_true(zeros > 0 and zeros <= 4 * 3)
      whole = whole + (zeros == 12 and 1 or 0)
      hidden = math.max(hidden, zeros)
    end
    assert.equal(12, hidden)
    -- Middles are 0 to 8 of 8 rows and 0 to 5 of 6 columns: 5 of 9 and 4 of 6 places leave all of it inside.
    assert.is_near(5 / 9 * 4 / 6, whole / 400, 0.08)
    assert.is_true(y:reshape(400, 48):max(1):totable()[1] > 0) -- every pixel is left somewhere
  end)

  it("says what it wants", function()
    refuses("augment.diffaugment: option 'cutout' must be a share of a side from 0 to 1, or a curve, or true or false, "
      .. "got 2", augment.diffaugment, { cutout = 2 })
    refuses("augment.diffaugment: unknown option 'colour' (did you mean 'color'?)", augment.diffaugment,
      { colour = true })
    refuses("gan.augment has no 'adaa' (did you mean 'ada'?)", function() return augment.adaa end)
    refuses("augment.diffaugment: wanted pictures N x H x W x C, got a 4x2 tensor", augment.diffaugment {},
      gan.zeros(4, 2))
    assert.equal("diffaugment{color=true, cutout=0.5, translation=0.125}", tostring(augment.diffaugment {}))
  end)
end)

describe("an affine map of pictures", function()
  local x = gan.randn(2, 5, 5, 2)
  local function mapped(map) return warp.affine(x, { map, map }) end

  it("is exact where it takes whole pixels", function()
    assert.same(x:totable(), mapped({ 1, 0, 0, 0, 1, 0 }):totable())
    local flipped, turned = mapped { -1, 0, 0, 0, 1, 0 }, mapped { 0, -1, 0, 1, 0, 0 }
    local moved = mapped { 1, 0, 2, 0, 1, 0 }
    for r = 1, 5 do
      for c = 1, 5 do
        assert.same(x[1][r][6 - c]:totable(), flipped[1][r][c]:totable())
        assert.same(x[2][c][6 - r]:totable(), turned[2][r][c]:totable())
        local from = c + 2 <= 5 and c + 2 or 11 - (c + 2) -- mirrored at the edge
        assert.same(x[1][r][from]:totable(), moved[1][r][c]:totable())
      end
    end
  end)

  it("interpolates between pixels, and mirrors at the edges", function()
    local half = mapped { 1, 0, 0.5, 0, 1, 0 }
    near((x:narrow(3, 1, 4) + x:narrow(3, 2, 4)) / 2, half:narrow(3, 1, 4))
    near(x:narrow(3, 5, 1), half:narrow(3, 5, 1))
    local even = gan.full({ 2, 4, 6, 1 }, 3)
    near(even, warp.affine(even, { { 0.7, -0.7, 0.3, 0.7, 0.7, 9 }, { 2, 0, 1, 0, 0.1, -20 } }))
  end)

  it("stretches a ramp", function()
    local ramp = gan.arange(0, 9, 1):reshape(1, 1, 9, 1) - 4
    near(ramp / 2, warp.affine(ramp, { { 0.5, 0, 0, 0, 1, 0 } }))
  end)
end)

describe("the bands of a picture", function()
  -- What the wavelet's lowpass lets through of a frequency, and the bands that it is divided into.
  local function low(w) return 0.5 + 9 / 16 * math.cos(w) - 1 / 16 * math.cos(3 * w) end
  local function through(gains, w)
    local shares = { low(w) * low(2 * w) * low(4 * w), low(w) * low(2 * w) * (1 - low(4 * w)),
      low(w) * (1 - low(2 * w)), 1 - low(w) }
    local sum = 0
    for band, share in ipairs(shares) do sum = sum + share * gains[band] end
    return sum
  end

  it("add up to it", function()
    local x = gan.randn(2, 5, 40, 3)
    near(x, bands.amplify(x, { { 1, 1, 1, 1 }, { 1, 1, 1, 1 } }), 1e-5)
  end)

  it("are octaves: a wave keeps its shape, up to the edges, and gets its frequency's gain", function()
    local gains = { { 0.5, 3, -1, 2 }, { 2, 0, 1, 0.25 } }
    for _, size in ipairs { { 12, 9 }, { 64, 32 } } do
      local height, width = table.unpack(size)
      local rows, columns = gan.arange(0, height, 1) + 0.5, gan.arange(0, width, 1) + 0.5
      for _, wave in ipairs { { 0, 0 }, { 1, 0 }, { 0, 1 }, { 3, 5 }, { height - 1, width - 1 }, { 7, 2 } } do
        local down, across = math.pi * wave[1] / height, math.pi * wave[2] / width
        local x = (rows * down):cos():reshape(1, height, 1, 1) * (columns * across):cos():reshape(1, 1, width, 1)
        x = x:expand { 2, height, width, 1 }
        local y = bands.amplify(x, gains)
        for i = 1, 2 do near(x[i] * (through(gains[i], down) * through(gains[i], across)), y[i], 3e-5) end
      end
    end
  end)

  it("lets gradients through: it is its own transpose", function()
    local x, w, gains = gan.randn(2, 6, 7, 2), gan.randn(2, 6, 7, 2), { { 1, 2, 3, 4 }, { 4, 1, 0, 1 } }
    near(bands.amplify(w, gains), gan.grad((bands.amplify(x, gains) * w):sum(), { x })[1], 1e-4)
  end)
end)

describe("ada", function()
  local function only(kind, more)
    local options = { blit = false, geometric = false, color = false, p = 1 }
    if kind then options[kind] = true end
    for name, value in pairs(more or {}) do options[name] = value end
    return augment.ada(options)
  end

  it("flips, turns by quarters and moves whole pixels, each with its probability", function()
    local x = numbered(3000, 8, 8)
    local y = only("blit", { p = 0.3 })(x)
    local changed = (y - x):abs():reshape(3000, 64):max(2):gt(0.01):mean():item()
    -- Not flipped, not turned, not moved; a move by up to one pixel is none in a quarter of cases.
    assert.is_near(1 - (1 - 0.3 / 2) * (1 - 0.3 * 3 / 4) * (1 - 0.3 * 3 / 4), changed, 0.03)
    local squares = { y:square():sum(), x:square():sum() }
    assert.is_true(math.abs(squares[1]:item() / squares[2]:item() - 1) < 0.02)
    assert.same(y:totable(), ((y + 0.5) - 0.5):totable()) -- still whole numbers
  end)

  it("turns and stretches around the middle: a disc stays near it", function()
    local rows, columns = warp.places(33, 33)
    local far = (rows - 16):square() + (columns - 16):square()
    local disc = (far:lt(25) * 2 - 1):reshape(1, 33, 33, 1):index(1, gan.ones(300))
    local y = only "geometric"(disc) / 2 + 0.5 -- 0 outside, 1 inside
    local mass = y:sum { 2, 3, 4 }
    local across = (y:reshape(300, 33 * 33) * (columns - 16)):sum(2) / mass
    assert.is_near(0, across:mean():item(), 0.8)
    assert.is_near(0.125 * 33, across:var():item() ^ 0.5, 0.8)
    local area = disc:lt(0):lt(0.5):sum():item() / 300
    assert.is_near(1, (mass / area):log():mean():exp():item(), 0.1)
    assert.is_near(2 * 0.2 * math.log(2), (mass / area):log():var():item() ^ 0.5, 0.06) -- areas go with squares
  end)

  it("changes colours by a matrix that leaves grey grey, and mirrors brightness half the time", function()
    -- Pixels black, red, green, blue give the shift and the matrix's columns.
    local x = gan.tensor { { 0, 0, 0 }, { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } }:reshape(1, 2, 2, 3)
    x = x:index(1, gan.ones(4000))
    local y = only "color"(x):reshape(4000, 4, 3):totable()
    local flips, contrast, brightness = 0, 0, 0
    for _, p in ipairs(y) do
      local m = {}
      for k = 1, 3 do m[k] = { p[k + 1][1] - p[1][1], p[k + 1][2] - p[1][2], p[k + 1][3] - p[1][3] } end -- columns
      for shift = 1, 2 do -- one matrix for all three colours, turned: circulant
        for k = 1, 3 do assert.is_near(m[1][k], m[(shift) % 3 + 1][(k - 1 + shift) % 3 + 1], 1e-3) end
      end
      local along = m[1][1] + m[1][2] + m[1][3]
      assert.is_near(p[1][1], p[1][2], 1e-4)
      flips = flips + (along < 0 and 1 or 0)
      contrast = contrast + math.log(math.abs(along), 2) ^ 2 / 4000
      brightness = brightness + (p[1][1] / along) ^ 2 / 4000
    end
    assert.is_near(0.5, flips / 4000, 0.04)
    assert.is_near(0.5, contrast ^ 0.5, 0.03)
    assert.is_near(0.2, brightness ^ 0.5, 0.015)

    local grey = only "color"(gan.tensor { 0, 1 }:reshape(1, 1, 2, 1):index(1, gan.ones(50))):reshape(50, 2)
    assert.is_true((grey:narrow(2, 2, 1) - grey:narrow(2, 1, 1)):abs():min():item() > 0.1)
    refuses("'color' wants 1 or 3 channels, got 1x2x2x4", only "color", gan.zeros(1, 2, 2, 4))
  end)

  it("makes bands stronger and weaker, with the power that is expected kept", function()
    local n = 2000
    local y = only("filter", { p = 0.3 })(gan.ones(n, 4, 4, 1)) -- even pictures are the lowest band's
    assert.is_near(0.7 ^ 4, (y:reshape(n, 16):narrow(2, 1, 1) - 1):abs():lt(1e-5):mean():item(), 0.04)
    -- With p = 1 the gain is the product over bands of g_1 / sqrt(1 + (g_k^2 - 1) share_k).
    local start = core.get_random()
    local x = gan.randn(3, 8, 8, 3)
    core.set_random(start)
    local changed = only "filter"(x)
    core.set_random(start)
    local amounts = {}
    for band = 1, 4 do
      gan.rand(3)
      amounts[band] = gan.randn(3):totable()
    end
    local gains = {}
    for i = 1, 3 do
      local power = 1
      gains[i] = {}
      for band = 1, 4 do
        gains[i][band] = 2 ^ amounts[band][i]
        power = power * (1 + (gains[i][band] ^ 2 - 1) * (band == 1 and 10 or 1) / 13)
      end
      for band = 1, 4 do gains[i][band] = gains[i][band] / power ^ 0.5 end
    end
    near(bands.amplify(x, gains), changed, 1e-4)
  end)

  it("adds noise and cuts out half of each side", function()
    local noise = only(nil, { noise = true })(gan.zeros(500, 4, 4, 1))
    assert.is_near(0.1, noise:square():mean():item() ^ 0.5, 0.02)
    local holes = only(nil, { cutout = true })(gan.ones(500, 8, 8, 1)):reshape(500, 64):eq(0):sum(2)
    assert.equal(16, holes:max():item())
    assert.is_true(holes:min():item() >= 4)
  end)

  it("does nothing with probability 0", function()
    local x = gan.randn(2, 4, 4, 3)
    assert.equal(x, augment.ada {}(x))
  end)
end)

describe("an augmentation in a game", function()
  local function options(changes)
    local given = {
      out = false, progress = false, data = gan.rand(32, 4, 4, 1) * 2 - 1, latent = 4, batch = 8, seed = 3,
      generator = nn.sequential { nn.linear { out = 16 }, nn.reshape { 4, 4, 1 } },
      discriminator = nn.sequential { nn.flatten {}, nn.linear { out = 1 } }, loss = gan.loss.hinge {},
      schedule = gan.schedule.alternate { iterations = 2 },
    }
    for key, value in pairs(changes or {}) do given[key] = value end
    return given
  end

  it("is what real and generated samples go through, and gradients too", function()
    local calls = {}
    local run = gan.train(options { augment = function(x)
      calls[#calls + 1] = x:shape()[1]
      return x * 0 + 0.5
    end, schedule = function(game)
      local d = game:discriminator()
      assert.equal(d.real, d.fake) -- nothing but the constant is seen
      assert.equal(0, game:generator().grad_norm)
      assert.same({ 8, 8, 8 }, calls)
      assert.is_true(game:generator { augment = false }.grad_norm > 0)
      game:set { augment = augment.diffaugment {} }
      assert.is_true(game:generator().grad_norm > 0)
      game:next()
    end })
    assert.same({ 8, 8, 8 }, calls)
    assert.is_true(core.all_finite(run:sample(2)))
  end)

  it("draws from a stream of its own", function()
    local function latents(given)
      local seen = {}
      given.latent = function(n)
        local z = gan.randn(n, 4)
        seen[#seen + 1] = z:totable()
        return z
      end
      gan.train(options(given))
      return seen
    end
    assert.same(latents {}, latents { augment = augment.ada { p = 1, speed = 0 } })
  end)

  it("says what it must be", function()
    refuses("'augment' must be an augmentation such as gan.augment.ada{}, a function of a batch, or false, got 3",
      gan.train, options { augment = 3 })
    refuses("augment: must return samples like those that it was given, 8x4x4x1, got a 8x2x4x1 tensor", gan.train,
      options { augment = function(x) return x:narrow(2, 1, 2) end })
    refuses("augment.ada: wanted pictures N x H x W x C, got a 8x2 tensor", gan.train, options {
      data = gan.data.ring {}, generator = nn.sequential { nn.linear { out = 2 } },
      discriminator = nn.sequential { nn.linear { out = 1 } }, augment = augment.ada {},
    })
    assert.matches("ada{", gan.trainer(options { augment = augment.ada {} }).options.config, 1, true)
  end)

  -- A discriminator that gives every sample this score.
  local function certain(score)
    return nn.define("certain", {
      build = function(self) self:parameter("w", gan.tensor { 0 }) end,
      forward = function(self, x) return x:reshape(#x, -1):sum(2) * 0 + score + self.w * 0 end,
    }) {}
  end

  local function probabilities(score, ada, moves, more)
    local list = {}
    local given = { discriminator = certain(score), augment = augment.ada(ada), schedule = function(game)
      for i = 1, moves do list[i] = game:discriminator(more).augment end
      game:next()
    end }
    local run = gan.train(options(given))
    return list, run
  end

  it("ada's probability goes up where real scores are above 0 too often, and down where they are not", function()
    -- Of 8 samples and 2 moves: 16 pictures of 100, which would be all the way.
    local up, run = probabilities(1, { speed = 0.1, every = 2 }, 6)
    local wanted = { 0, 0, 0.16, 0.16, 0.32, 0.32 }
    for i, p in ipairs(wanted) do assert.is_near(p, up[i], 1e-9) end
    assert.same({ up[6] }, (run:history "augment"))
    local down = probabilities(-1, { speed = 0.1, every = 2, p = 0.2 }, 6)
    for i, p in ipairs { 0.2, 0.2, 0.04, 0.04, 0, 0 } do assert.is_near(p, down[i], 1e-9) end
    assert.same({ 0.5, 0.5, 0.5 }, (probabilities(1, { speed = 0, every = 1, p = 0.5 }, 3)))
    assert.same({ 0.0, 1.0, 1.0 }, (probabilities(1, { speed = 1e-3, every = 1 }, 3)))
  end)

  it("may be as strong as a curve says: ada's probability, diffaugment's shares", function()
    local list, run = probabilities(1, { p = gan.curve.linear { from = 0, to = 1, over = 4 } }, 6)
    assert.same({ 0, 0.25, 0.5, 0.75, 1, 1 }, list)
    assert.matches("p=linear{from=0, over=4, to=1}", run.options.config, 1, true)
    assert.same({ 0, 1, 0, 1 }, (probabilities(1, { p = function(move) return move % 2 end }, 4)))
    refuses("option 'speed' says how p follows the discriminator, but p is a curve", augment.ada,
      { p = print, speed = 1 })
    refuses("augment.ada: p: the curve must give a number >= 0 and <= 1, at t = 2 it gave 2", probabilities, 1,
      { p = function(move) return move end }, 3)

    -- How many pixels of pictures of ones are cut out at the first and at the last moment.
    local zeros = {}
    local growing = augment.diffaugment { color = false, translation = false,
      cutout = gan.curve.linear { from = 0, to = 1, over = 2 } }
    gan.train(options { data = gan.ones(8, 4, 4, 1), augment = growing, discriminator = nn.define("counting", {
      build = function(self) self:parameter("w", gan.tensor { 0 }) end,
      forward = function(self, x)
        zeros[#zeros + 1] = x:eq(0):sum():item()
        return x:reshape(#x, -1):sum(2) * self.w
      end,
    }) {}, schedule = function(game)
      for _ = 1, 3 do game:discriminator() end
    end })
    -- Of each move's two batches the first is the real one; a batch of two was there to build it.
    assert.equal(0, zeros[2])
    assert.is_true(zeros[4] > 0 and zeros[6] > zeros[4], table.concat(zeros, " "))
    assert.same(gan.ones(2, 4, 4, 1):totable(), growing(gan.ones(2, 4, 4, 1)):totable())
  end)

  it("ada counts a batch in parts as the whole", function()
    local whole = probabilities(1, { speed = 0.1, every = 2 }, 6)
    assert.same(whole, (probabilities(1, { speed = 0.1, every = 2 }, 6, { micro_batch = 3 })))
  end)

  it("is a function of pictures, for consistency too", function()
    local seen = 0
    local D = nn.sequential { nn.flatten {}, nn.linear { out = 1 } }
    local real, fake = gan.randn(4, 4, 4, 1), gan.randn(4, 4, 4, 1)
    local move = { discriminator = D, real = real, fake = fake, real_scores = D(real), fake_scores = D(fake) }
    local function value(settings)
      local penalty = gan.penalty.consistency(settings)
      return penalty.value(move, penalty.options):item()
    end
    local function negative(x)
      seen = seen + 1
      return -x
    end
    local function off(x) return (D(x) - D(-x)):square():mean():item() end
    assert.is_near(off(real), value { augment = negative }, 1e-4)
    assert.is_near(off(real) + 2 * off(fake), value { augment = negative, fake = 2 }, 1e-4)
    assert.equal(3, seen)
    assert.is_true(value { augment = augment.diffaugment {} } > 0)
  end)
end)
