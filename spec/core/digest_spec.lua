require "ganlua"
local core = require "ganlua.core"

describe("core.digest", function()
  it("tells values apart, whatever the order they were filled in", function()
    local a, b = {}, {}
    a.x, a.y, a[1] = 1, { "s", true }, 2.5
    b[1], b.y, b.x = 2.5, { "s", true }, 1
    assert.equal(core.digest(a), core.digest(b))
    b.y[2] = false
    assert.not_equal(core.digest(a), core.digest(b))
  end)

  it("goes 16 tables deep", function()
    local function nested(depth, value)
      for _ = 1, depth do value = { value, last = 1 } end
      return value
    end
    assert.not_equal(core.digest(nested(16, 1)), core.digest(nested(16, 2)))
    assert.equal(core.digest(nested(40, 1)), core.digest(nested(40, 2)))
  end)

  it("ends for a table that holds itself many times", function()
    local t = {}
    for i = 1, 50 do t[i] = t end -- 50^16 ways through it
    assert.equal(core.digest(t), core.digest(t))
  end)
end)
