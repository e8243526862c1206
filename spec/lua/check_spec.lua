-- Option checking: the words of a refusal, and the line that it points at.

local gan = require "ganlua"
local check = require "ganlua.check"

local rows = {
  kernel = { type = "integer", min = 1, required = true },
  stride = { type = "integer", min = 1, default = 1 },
  p = { type = "number", min = 0, max = 1, default = 0.5 },
  lr = { type = "number", above = 0 },
  mode = { type = "string", choices = { "nearest", "bilinear" }, default = "nearest" },
  mask = { type = "tensor" },
}

local function refuses(text, given)
  local line = debug.getinfo(1, "l").currentline + 1
  local ok, message = pcall(function() check.options("layer", given, rows) end)
  assert.is_false(ok)
  assert.equal(("check_spec.lua:%d: layer: %s"):format(line, text), message:match("check_spec.lua:.*$"))
end

describe("check.options", function()
  it("fills in the defaults and leaves the user's table alone", function()
    local given = { kernel = 3 }
    local options = check.options("layer", given, rows)
    assert.same({ kernel = 3, stride = 1, p = 0.5, mode = "nearest" }, options)
    assert.same({ kernel = 3 }, given)
  end)

  it("takes no options for an empty table", function()
    assert.same({ stride = 1 }, check.options("layer", nil, { stride = { type = "integer", default = 1 } }))
  end)

  it("takes a whole float for an integer", function()
    assert.equal("integer", math.type(check.options("layer", { kernel = 3.0 }, rows).kernel))
  end)

  it("keeps an option that is false", function()
    assert.is_false(check.options("layer", { bias = false }, { bias = { type = "boolean", default = true } }).bias)
  end)

  it("names what was wanted and what came", function()
    refuses("option 'kernel' must be a positive integer, got 0", { kernel = 0 })
    refuses("option 'kernel' must be a positive integer, got 2.5", { kernel = 2.5 })
    refuses("option 'kernel' must be a positive integer, got \"3\"", { kernel = "3" })
    refuses("option 'kernel' is required: a positive integer", {})
    refuses("option 'p' must be a number >= 0 and <= 1, got 1.5", { kernel = 1, p = 1.5 })
    refuses("option 'p' must be a number >= 0 and <= 1, got nan", { kernel = 1, p = math.abs(0 / 0) })
    refuses("option 'lr' must be a positive number, got 0", { kernel = 1, lr = 0 })
    refuses("option 'mode' must be one of 'nearest', 'bilinear', got \"cubic\"", { kernel = 1, mode = "cubic" })
    refuses("option 'mask' must be a tensor, got true", { kernel = 1, mask = true })
    refuses("option 'kernel' must be a positive integer, got a 2x3 tensor", { kernel = gan.zeros(2, 3) })
  end)

  it("names the nearest known key, or all of them", function()
    refuses("unknown option 'strid' (did you mean 'stride'?)", { strid = 2 })
    refuses("unknown option 'kernle' (did you mean 'kernel'?)", { kernle = 2 })
    refuses("unknown option 'groups' (known: kernel, lr, mask, mode, p, stride)", { groups = 2 })
  end)

  it("refuses what is not a table of names", function()
    refuses("options must be a table {name = value}, got 3", 3)
    refuses("options have names, got 3 at place 1 (known: kernel, lr, mask, mode, p, stride)", { 3 })
  end)
end)

describe("check.nearest", function()
  it("finds the name that was meant", function()
    local names = { "hinge", "minimax", "nonsaturating" }
    assert.equal("hinge", check.nearest("hing", names))
    assert.equal("hinge", check.nearest("Hinge", names))
    assert.equal("hinge", check.nearest("hnige", names))
    assert.equal("nonsaturating", check.nearest("non_saturating", names))
  end)

  it("finds none where none is near", function()
    assert.is_nil(check.nearest("wasserstein", { "hinge", "minimax" }))
    assert.is_nil(check.nearest("ab", { "p" }))
    assert.is_nil(check.nearest(7, { "hinge" }))
  end)
end)

describe("check.labels", function()
  it("turns labels from 0 into indices from 1", function()
    assert.same({ 1, 10, 4 }, check.labels("embedding", gan.tensor { 0, 9, 3 }, 10):totable())
  end)

  it("names the label that is out of range", function()
    assert.error_matches(function() check.labels("embedding", gan.tensor { 0, 10 }, 10) end,
      "embedding: label 2 is 10, wanted a whole number from 0 to 9")
    assert.error_matches(function() check.labels("embedding", gan.tensor { 0.5 }, 10) end, "label 1 is 0.5")
    assert.error_matches(function() check.labels("embedding", gan.zeros(2, 2), 10) end,
      "labels must be a tensor of shape N, got a 2x2 tensor")
  end)
end)

describe("an error in a file", function()
  local files = debug.getinfo(1, "S").source:match "^@(.*/)" .. "files/"
  local m = gan.nn.linear { out = 2 }:build { 1, 3 }
  local none, odd = "/no/such/file", files .. "make_pictures.py"

  -- That the message is this line's, and begins with what was called.
  local function begins(with, f, ...)
    local line = debug.getinfo(1, "l").currentline + 2
    local ok, message = pcall(function(...)
      f(...)
    end, ...)
    assert.is_false(ok)
    local wanted = ("check_spec.lua:%d: %s: "):format(line, with)
    assert.equal(wanted, message:match "check_spec.lua:.*$":sub(1, #wanted))
    assert.is_nil(message:find(with .. ": " .. with, 1, true))
  end

  it("begins with the function that the user has called", function()
    begins("load", gan.load, none)
    begins("load", gan.load, odd)
    begins("save", gan.save, none, { a = gan.zeros(1) })
    begins("features.load", gan.features.load, none)
    begins("features.load", gan.features.load, odd)
    begins("image.load", gan.image.load, none)
    begins("image.load", gan.image.load, odd)
    begins("image.save", gan.image.save, gan.zeros(2, 2, 1), none)
    local moving = gan.image.animate(gan.zeros(2, 4, 4, 1))
    begins("animation:save", moving.save, moving, none)
    begins("image.animate", gan.image.animate, { odd })
    begins("import.torch", gan.import.torch, m, none)
    begins("import.torch", gan.import.torch, m, odd)
    begins("export.torch", gan.export.torch, m, none)
    begins("export.onnx", gan.export.onnx, m, none)
    begins("export.c", gan.export.c, m, none)
    begins("data.open", gan.data.open, none)
    begins("data.open", gan.data.open, odd)
    begins("data.folder", gan.data.folder, files .. "npy")
    begins("data.npy", gan.data.npy, odd)
    begins("data.idx", gan.data.idx, { images = odd })
    begins("data.cifar10", gan.data.cifar10, odd)
  end)

  it("says which part of saved features does not fit", function()
    local ok, message = pcall(gan.features.load, { shape = gan.tensor { 4, 4, 1 }, classes = gan.tensor { 3 },
      ["head.2.weight"] = gan.zeros(5, 3) })
    assert.is_false(ok)
    assert.matches("features.load: the table: ", message, 1, true)
    assert.matches("load_state: '", message, 1, true)
  end)

  it("leaves alone what is no message about the user's line", function()
    local problem = {}
    local ok, got = pcall(check.within, "load", error, problem)
    assert.is_false(ok)
    assert.equal(problem, got)
    ok, got = pcall(check.within, "load", error, "not enough memory", 0)
    assert.same({ false, "not enough memory" }, { ok, got })
    assert.same({ 1, nil, 3 }, { check.within("load", function() return 1, nil, 3 end) })
  end)
end)
