-- Every op of the catalogue, every loss and some networks against finite differences in double: first and second order
-- (gradcheck and gradgradcheck), eps 1e-6, atol 1e-5, rtol 1e-3. The shipped module computes in float, so the walk is
-- done by a process of its own (gradcheck.lua) on the double build, which GANLUA_DOUBLE_CPATH points to, e.g.
-- build/double/?.so.

local folder = debug.getinfo(1, "S").source:match("^@(.*)gradient_spec%.lua$")
local gan = require "ganlua"
local core = require "ganlua.core"

-- Runs gradcheck.lua once; results by op: { passed = boolean, text = string }.
local results
local function walk()
  if results then return results end
  local cpath = os.getenv("GANLUA_DOUBLE_CPATH")
  assert(cpath, "set GANLUA_DOUBLE_CPATH to the double build's cpath pattern, e.g. build/double/?.so")
  local command = ("LUA_PATH='%s' LUA_CPATH='%s' %s %sgradcheck.lua gradients 2>&1"):format(package.path, cpath,
    os.getenv("GANLUA_LUA") or "lua5.4", folder)
  local done, rest = false, {}
  results = {}
  local pipe = assert(io.popen(command))
  for line in pipe:lines() do
    local op, verdict, text = line:match("^([^\t]+)\t(%a+)\t([^\t]*)")
    if op then
      results[op] = { passed = verdict == "ok", text = text }
    elseif line == "done" then
      done = true
    else
      rest[#rest + 1] = line
    end
  end
  pipe:close()
  if not done then
    results = nil
    error("the walk over the samples broke off:\n" .. table.concat(rest, "\n"))
  end
  return results
end

local function passes(op)
  local result = walk()[op]
  assert(result, "no samples for " .. op)
  assert(result.passed, op .. ": " .. result.text)
end

describe("the gradient of every op of the catalogue", function()
  local samples = dofile(folder .. "samples.lua")(core)

  for _, entry in ipairs(core.catalogue()) do
    it(entry.name .. (entry.differentiable and " agrees with finite differences to second order" or " is a constant"),
      function()
        local list = samples[entry.name]
        assert(list, "the catalogue has " .. entry.name .. ", but samples.lua has no samples for it")
        for _, sample in ipairs(list) do
          assert.are.equal(entry.differentiable, not sample.constant)
        end
        passes(entry.name)
      end)
  end

  it("has no samples for ops that are not in the catalogue", function()
    local known = {}
    for _, entry in ipairs(core.catalogue()) do known[entry.name] = true end
    for name in pairs(samples) do assert(known[name], name .. " has samples but is not in the catalogue") end
  end)
end)

describe("the gradient of compositions", function()
  local compositions = dofile(folder .. "compositions.lua")(core, gan)
  local names = {}
  for name in pairs(compositions) do names[#names + 1] = name end
  table.sort(names)

  for _, name in ipairs(names) do
    it("agrees with finite differences: " .. name, function() passes(name) end)
  end

  it("is checked for every loss there is", function()
    for name in pairs(gan.loss) do
      local is_loss = name ~= "define" and name ~= "plot"
      assert(not is_loss or compositions["loss." .. name], "compositions.lua has no samples of gan.loss." .. name)
    end
  end)

  it("is checked for every penalty that adds a term", function()
    for name in pairs(gan.penalty) do
      local adds = name ~= "define" and name ~= "weight_clip"
      assert(not adds or compositions["penalty." .. name], "compositions.lua has no samples of gan.penalty." .. name)
    end
  end)
end)
