-- What `require "ganlua"` brings.

local gan = require "ganlua"
local shell = require "spec.cli.shell"

describe("ganlua", function()
  it("brings the tensor functions", function()
    for _, name in ipairs {
      "tensor", "zeros", "ones", "full", "rand", "randn", "arange", "linspace", "seed", "concat", "where", "grad",
      "no_grad", "memory", "is_tensor",
    } do
      assert.equal("function", type(gan[name]), name)
    end
  end)

  it("names its version", function()
    assert.matches("^ganlua %d+%.%d+", gan._VERSION)
  end)

  it("has nil where there is nothing", function()
    assert.is_nil(gan.no_such_thing)
  end)

  it("loads a module once, when it is first used", function()
    assert.equal(require "ganlua.optim", gan.optim)
    assert.equal(gan.optim, rawget(gan, "optim"))
  end)

  it("shows every name to pairs, in order", function()
    local seen, previous = {}, ""
    for name, value in pairs(gan) do
      assert.is_true(name > previous)
      assert.equal(gan[name], value)
      seen[name], previous = true, name
    end
    for _, name in ipairs { "nn", "loss", "optim", "schedule", "data", "image", "plot", "train", "tensor" } do
      assert.is_true(seen[name], name)
    end
  end)
end)

describe("gan.setting", function()
  local before = package.loaded["ganlua.settings"]
  before_each(function()
    package.loaded["ganlua.settings"] = {
      set = { lr = "0.001", fast = "true", name = "hinge", steps = "20", odd = "x" },
    }
  end)
  after_each(function() package.loaded["ganlua.settings"] = before end)

  it("is the default where the command line said nothing", function()
    assert.equal(64, gan.setting("batch", 64))
    assert.is_nil(gan.setting("batch"))
  end)

  it("takes the default's type", function()
    assert.equal(0.001, gan.setting("lr", 0.1))
    assert.is_true(gan.setting("fast", false))
    assert.equal("20", gan.setting("steps", "10"))
  end)

  it("guesses the type without a default", function()
    assert.equal(20, gan.setting("steps"))
    assert.is_true(gan.setting("fast"))
    assert.equal("hinge", gan.setting("name"))
  end)

  it("refuses what is not of the default's type", function()
    assert.error_matches(function() gan.setting("odd", 3) end,
      "setting 'odd' must be a number, as its default 3 is, got \"x\"")
    assert.error_matches(function() gan.setting("odd", true) end, "setting 'odd' must be a boolean")
  end)
end)

describe("gan.to_nchw", function()
  it("moves the channels in front, and from_nchw back", function()
    local images = gan.arange(0, 24, 1):reshape(1, 2, 3, 4)
    local moved = gan.to_nchw(images)
    assert.same({ 1, 4, 2, 3 }, moved:shape())
    assert.equal(images[1][2][3][4]:item(), moved[1][4][2][3]:item())
    assert.same(images:totable(), gan.from_nchw(moved):totable())
  end)

  it("refuses what are not images", function()
    assert.error_matches(function() gan.to_nchw(gan.zeros(2, 3)) end,
      "to_nchw: wanted images of shape N x H x W x C, got a 2x3 tensor")
    assert.error_matches(function() gan.from_nchw(3) end, "from_nchw: wanted images of shape N x C x H x W, got 3")
  end)
end)

describe("gan.save", function()
  it("writes what gan.load reads", function()
    local path = os.tmpname()
    gan.save(path, { weight = gan.tensor { { 1, 2 }, { 3, 4 } }, ["1.bias"] = gan.tensor { 5 } })
    local back = gan.load(path)
    os.remove(path)
    assert.same({ { 1, 2 }, { 3, 4 } }, back.weight:totable())
    assert.same({ 5 }, back["1.bias"]:totable())
  end)

  it("saves a network's parameters by name", function()
    local path = os.tmpname()
    local layer = gan.nn.linear { out = 2 }:build { 1, 3 }
    gan.save(path, layer:state())
    local other = gan.nn.linear { out = 2 }:build { 1, 3 }
    other:load_state(gan.load(path))
    os.remove(path)
    assert.same(layer.weight:totable(), other.weight:totable())
  end)

  it("saves what the collector leaves of a weak table", function()
    local path = os.tmpname()
    collectgarbage "generational" -- collects while the names are gathered
    local weak = setmetatable({}, { __mode = "v" })
    for i = 1, 20000 do weak["t" .. i] = gan.zeros(1) end
    weak.kept = gan.ones(2)
    local kept = weak.kept
    gan.save(path, weak)
    collectgarbage "incremental"
    assert.equal(kept:sum():item(), gan.load(path).kept:sum():item())
    os.remove(path)
  end)

  it("refuses what are not tensors by name", function()
    assert.error_matches(function() gan.save("x", { a = 3 }) end, "save: wanted a table {name = tensor}, got 3 at a")
    assert.error_matches(function() gan.save("x", gan.zeros(1)) end, "save: wanted a table")
    assert.error_matches(function() gan.save(nil, {}) end, "save: the path must be a string, got nothing")
  end)

  it("names a file that is not there", function()
    assert.error_matches(function() gan.load("no/such/file.safetensors") end, "no/such/file.safetensors")
  end)
end)

describe("ganlua's own modules", function()
  it("keep their globals when a script clears its own", function()
    local script = [[
      local gan, print, globals = require "ganlua", print, _G
      local names = {}
      for name in pairs(globals) do names[#names + 1] = name end
      for _, name in ipairs(names) do globals[name] = nil end
      print(gan.nn.sequential { gan.nn.linear { out = 2 }, gan.nn.relu {} }(gan.zeros(3, 4)):sum():item())
      gan.nn.linear { aut = 2 }
    ]]
    local result = shell.run_ganlua { "-e", script }
    assert.equal(1, result.code)
    assert.matches("^%-?%d+%.%d+\n$", result.out)
    assert.matches("linear: unknown option 'aut' %(did you mean 'out'%?%)", result.err)
  end)
end)
