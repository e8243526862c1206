-- The shipped float engine against the double build, on the same samples, small and large (the inputs are the same
-- numbers in both): results and first gradients. The measure is max |float - double| / max(1, max |double|) over a
-- tensor. A float rounds by 6e-8; every op is granted BOUND, a sample with a reason a larger one.

local folder = debug.getinfo(1, "S").source:match("^@(.*)float_double_spec%.lua$")

local BOUND <const> = 1e-6
local larger = {
  -- A batch of one: its gradient is 0, the difference of terms of size gamma / sqrt(eps) = 316.
  ["batch_norm 4: 1x2, 2, 2"] = 1e-4,
}

-- What gradcheck.lua prints as values on one build: op -> list of { sample =, what =, numbers }, and the ops in order.
local function values(cpath)
  local command = ("LUA_PATH='%s' LUA_CPATH='%s' %s %sgradcheck.lua values 2>&1"):format(package.path, cpath,
    os.getenv("GANLUA_LUA") or "lua5.4", folder)
  local ops, order, done, rest = {}, {}, false, {}
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do
    local op, sample, what, text = line:match("^([^\t]+)\t([^\t]+)\t([^\t]+)\t([^\t]*)$")
    if op then
      if not ops[op] then
        ops[op] = {}
        order[#order + 1] = op
      end
      local row = { sample = sample, what = what }
      for number in text:gmatch("%S+") do row[#row + 1] = tonumber(number) or 0 / 0 end
      table.insert(ops[op], row)
    elseif line == "done" then
      done = true
    else
      rest[#rest + 1] = line
    end
  end
  pipe:close()
  assert(done, "the walk over the samples broke off:\n" .. table.concat(rest, "\n"))
  return ops, order
end

local function distance(a, b)
  local largest, off = 1, 0
  for i, x in ipairs(b) do
    largest = math.max(largest, math.abs(x))
    local d = math.abs(a[i] - x)
    off = (d == d and d <= off) and off or (d == d and d or math.huge)
  end
  return off / largest
end

describe("the float engine", function()
  it("equals the double build within the stated bound, op by op", function()
    local cpath = os.getenv("GANLUA_DOUBLE_CPATH")
    assert(cpath, "set GANLUA_DOUBLE_CPATH to the double build's cpath pattern, e.g. build/double/?.so")
    local float, order = values(package.cpath)
    local double = values(cpath)
    local worst, worst_place, failures = 0, "nowhere", {}
    for _, op in ipairs(order) do
      assert.are.equal(#double[op], #float[op])
      for i, row in ipairs(float[op]) do
        assert.are.equal(#double[op][i], #row)
        local off = distance(row, double[op][i])
        local sample = op .. " " .. row.sample
        local place = sample .. ", " .. row.what
        if off > (larger[sample] or BOUND) then failures[#failures + 1] = ("%s: %.3g"):format(place, off) end
        if off > worst and not larger[sample] then worst, worst_place = off, place end
      end
    end
    assert(#failures == 0, "past the bound:\n" .. table.concat(failures, "\n"))
    assert(worst > 0, "both are the same build: GANLUA_DOUBLE_CPATH does not point to the double one")
    print(("float against double: at worst %.3g, in %s"):format(worst, worst_place))
  end)
end)
