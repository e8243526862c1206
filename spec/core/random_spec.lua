-- Random numbers: a function of seed, stream and position alone, whatever the number of threads; their moments; their
-- state.

local gan = require "ganlua"
local core = require "ganlua.core"

local function numbers(t) return t:reshape{-1}:totable() end

describe("random numbers", function()
  it("are the same after the same seed and others after another", function()
    gan.seed(7)
    local a, b = gan.rand(5), gan.randn(2, 3)
    gan.seed(7)
    assert.are.same(a:totable(), gan.rand(5):totable())
    assert.are.same(b:totable(), gan.randn(2, 3):totable())
    gan.seed(8)
    assert.are_not.same(a:totable(), gan.rand(5):totable())
  end)

  it("are whole numbers below a count, each as likely", function()
    gan.seed(3)
    local uniform = gan.rand(6000)
    gan.seed(3)
    local found, times = gan.randint({ 6000 }, 6):totable(), { 0, 0, 0, 0, 0, 0 }
    for i, u in ipairs(uniform:totable()) do assert.equal(u * 6 // 1, found[i]) end
    for _, number in ipairs(found) do times[number // 1 + 1] = times[number // 1 + 1] + 1 end
    for _, count in ipairs(times) do assert.is_near(1000, count, 120) end -- four standard deviations
    assert.same({ 2, 3 }, gan.randint({ 2, 3 }, 1):shape())
    assert.error_matches(function() gan.randint({ 2 }, 0) end, "wanted a count from 1 to 16777216, got 0", 1, true)
  end)

  -- The known answers of Random123's Philox 4x32-10; the upper 24 bits of a word are a number in [0, 1).
  it("are those of Philox 4x32-10", function()
    for _, case in ipairs{
      { state = {seed = 0, stream = 0, position = 0}, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 },
      { state = {seed = -1, stream = -1, position = -1}, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd },
      { state = {seed = 0x299f31d0a4093822, stream = 0x0370734413198a2e, position = 0x85a308d3243f6a88},
        0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 },
    } do
      core.set_random(case.state)
      local drawn = gan.rand(4):totable()
      for i, word in ipairs(case) do assert.are.equal((word >> 8) / 2 ^ 24, drawn[i]) end
    end
  end)

  it("do not repeat from call to call", function()
    gan.seed(1)
    local seen = {}
    for _ = 1, 50 do
      for _, x in ipairs(gan.rand(101):totable()) do seen[x] = (seen[x] or 0) + 1 end
    end
    local different = 0
    for _ in pairs(seen) do different = different + 1 end
    assert(different > 5040, ("only %d of 5050 numbers differ"):format(different))
  end)

  it("go on where a saved state says", function()
    gan.seed(3)
    gan.randn(17)
    local state = core.get_random()
    local a = { numbers(gan.rand(9)), numbers(gan.randn(11)) }
    core.set_random(state)
    assert.are.same(a, { numbers(gan.rand(9)), numbers(gan.randn(11)) })
    assert.are.equal(3, state.seed)
    assert.are.equal("integer", math.type(state.position))
  end)

  it("have streams that do not touch each other", function()
    core.set_random{seed = 3, stream = 1, position = 0}
    local a = gan.rand(100):totable()
    core.set_random{seed = 3, stream = 2, position = 0}
    local b = gan.rand(100):totable()
    for i = 1, 100 do assert.are_not.equal(a[i], b[i]) end
  end)

  it("do not depend on how a shape is cut", function()
    gan.seed(5)
    local all = numbers(gan.rand(64, 64))
    gan.seed(5)
    assert.are.same(all, numbers(gan.rand(4096)))
  end)

  it("are uniform in [0, 1) with the moments of that distribution", function()
    gan.seed(11)
    local n = 1000000
    local t = gan.rand(n)
    assert(t:min():item() >= 0 and t:max():item() < 1)
    -- Standard errors: sqrt(1/12/n) = 2.9e-4 for the mean, about 7.5e-5 for the variance; four of them.
    assert.is_near(0.5, t:mean():item(), 1.2e-3)
    assert.is_near(1 / 12, t:var():item(), 3e-4)
    local tenths = {}
    for tenth = 0, 9 do
      tenths[#tenths + 1] = (t:ge(tenth / 10) * t:lt((tenth + 1) / 10)):mean():item()
      assert.is_near(0.1, tenths[#tenths], 1.2e-3)
    end
    -- Neighbours are not correlated.
    local a, b = t:narrow(1, 1, n - 1) - 0.5, t:narrow(1, 2, n - 1) - 0.5
    assert.is_near(0, (a * b):mean():item() * 12, 4e-3)
  end)

  it("are normal with the moments of that distribution", function()
    gan.seed(12)
    local t = gan.randn(1000000)
    assert.is_near(0, t:mean():item(), 4e-3)
    assert.is_near(1, t:var():item(), 6e-3)
    assert.is_near(0, (t ^ 3):mean():item(), 1.6e-2)
    assert.is_near(3, (t ^ 4):mean():item(), 4e-2)
    assert.is_near(0.6827, t:abs():lt(1):mean():item(), 2e-3)
    assert.is_near(0.0455, t:abs():gt(2):mean():item(), 9e-4)
    assert(t:abs():max():item() > 4 and core.all_finite(t))
  end)

  it("are the same whatever the number of threads", function()
    local script = [[
      local gan = require "ganlua"
      local core = require "ganlua.core"
      gan.seed(42)
      local n, u = gan.randn(300001), gan.rand(77, 1003)
      io.write(("%d "):format(core.threads()))
      local text = {}
      for i = 1, 300001, 997 do text[#text + 1] = ("%.9g"):format(n[i]:item()) end
      for i = 1, 77 do text[#text + 1] = ("%.9g"):format(u[i][i]:item()) end
      print(table.concat(text, " "))
    ]]
    local binary = os.getenv("GANLUA_BIN")
    if not binary then return pending("GANLUA_BIN does not name the interpreter") end
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(script)
    file:close()
    local function run(threads)
      local pipe = assert(io.popen(("'%s' --threads %d %s 2>&1"):format(binary, threads, path)))
      local text = pipe:read("a")
      pipe:close()
      local used, rest = text:match("^(%d+) (.*)$")
      assert(used, text)
      assert.are.equal(threads, tonumber(used))
      return rest
    end
    local one = run(1)
    assert.are.equal(one, run(2))
    assert.are.equal(one, run(5))
    os.remove(path)
  end)
end)

describe("permutation", function()
  it("holds each place once, and is a function of its arguments alone", function()
    local before = core.get_random()
    local p = core.permutation(1000, 9, 4):totable()
    local sorted = table.move(p, 1, #p, 1, {})
    table.sort(sorted)
    for i = 1, 1000 do assert.are.equal(i, sorted[i]) end
    assert.are.same(before, core.get_random())
    gan.rand(3)
    assert.are.same(p, core.permutation(1000, 9, 4):totable())
    assert.are_not.same(p, core.permutation(1000, 9, 5):totable())
    assert.are_not.same(p, core.permutation(1000, 10, 4):totable())
    assert.are.same({}, core.permutation(0, 1, 1):totable())
    assert.are.same({1}, core.permutation(1, 1, 1):totable())
  end)

  it("favours no order", function()
    local counts = {}
    for stream = 1, 6000 do
      local key = table.concat(core.permutation(3, 1, stream):totable(), " ")
      counts[key] = (counts[key] or 0) + 1
    end
    local orders = 0
    for key, count in pairs(counts) do
      orders = orders + 1
      assert(math.abs(count - 1000) < 5 * math.sqrt(1000 * 5 / 6), key .. " came " .. count .. " times of 6000")
    end
    assert.are.equal(6, orders)
  end)
end)
