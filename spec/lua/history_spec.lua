-- What a schedule was told, as bytes: read as it was written, and refused where it is damaged.

require "ganlua"
local history = require "ganlua.history"
local plain = require "ganlua.plain"

local measured = { loss = 1.5, real = 2.0, fake = -1.0, accuracy = 0.75, penalty = 0.25, grad_norm = 3.0 }
local records = {
  { "start", nil, { iteration = 0, moves = { generator = 0 }, state = { "x", [2.5] = true } } },
  { "discriminator", nil, measured },
  { "generator", 77, { loss = 0.5, fake = 1.0 } },
  { "generator", nil, { loss = 0.5, fake = 1.0, accuracy = 0.5, own = 2 } },
  { "both", 5, { discriminator = measured, generator = { loss = 1, special = "own" } } },
  { "measure", nil, { n = 2, 1, false } },
  { "set", -1 }, { "grow" }, { "next" }, { "edit", nil, { state = {} } },
}

local function all_bytes()
  local parts = {}
  for i, record in ipairs(records) do parts[i] = history.record(table.unpack(record, 1, 3)) end
  parts[#parts + 1] = history.record_raised("generator", 9, "went wrong")
  return table.concat(parts)
end

describe("the history", function()
  it("is read as it was written", function()
    local bytes, at = all_bytes(), 1
    for _, record in ipairs(records) do
      local kind, raised, digest, result, behind = history.read(bytes, at)
      assert.equal(record[1], history.kinds[kind])
      assert.is_false(raised)
      assert.equal(record[2], digest)
      assert.same(record[3], result)
      at = behind
    end
    local kind, raised, digest, problem, behind = history.read(bytes, at)
    assert.same({ "generator", true, 9, "went wrong" }, { history.kinds[kind], raised, digest, problem })
    assert.equal(#bytes + 1, behind)
  end)

  it("that ends anywhere but behind a record is refused, naming the byte", function()
    local bytes, ends, at = all_bytes(), {}, 1
    while at <= #bytes do
      at = select(5, history.read(bytes, at))
      ends[at - 1] = true
    end
    for length = 1, #bytes do
      local place, problem = 1, nil
      local cut = bytes:sub(1, length)
      while place <= length and not problem do
        local fine, what, _, _, _, behind = pcall(history.read, cut, place)
        if fine then place = behind else problem = what end
      end
      if ends[length] then
        assert.is_nil(problem)
      else
        assert.matches("^the run's history is damaged at byte %d+$", problem)
      end
    end
  end)

  it("with a byte that no record begins with is refused", function()
    for _, byte in ipairs { "\0", "\10", "\63", "\7f", "\8", "\1\64", "\9i12345678" } do
      assert.has_error(function() history.read(byte, 1) end)
    end
  end)
end)

describe("plain values", function()
  it("refuse bytes that nothing is packed as", function()
    for _, bytes in ipairs { "", "q", "i123", "d1", "s\4\0\0\0abc", "s\255\255\255\255", "{nt}", "{{}t}",
      "{d" .. string.pack("<d", 0 / 0) .. "t}", "{", ("{i12345678"):rep(300), } do
      assert.has_error(function() plain.unpack(bytes) end, "not the bytes of a plain value")
    end
  end)

  it("lie in as many tables as can be read again", function()
    local deep = "bottom"
    for _ = 1, 200 do deep = { deep } end
    assert.same(deep, (plain.unpack(plain.pack(deep))))
    assert.has_error(function() plain.pack { deep } end, "value" .. ("[1]"):rep(200) .. " lies in more than 200 tables")
  end)
end)
