-- Data sets: the order of batches, the files they are read from, and what is said about bad ones.

local gan = require "ganlua"
local core = require "ganlua.core"
local data = gan.data

local support = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "support.lua")
local refuses = support.refuses
local folder = support.folder(teardown)

local function write(name, bytes)
  local path = folder .. "/" .. name
  core.write_file(path, bytes)
  return path
end

-- The bytes of an IDX file: sizes and a string of unsigned bytes.
local function idx(sizes, bytes)
  local head = string.pack(">BBBB", 0, 0, 8, #sizes)
  for _, size in ipairs(sizes) do head = head .. string.pack(">I4", size) end
  return head .. bytes
end

-- Ten pictures of 2x3; picture i (from 1) is filled with the byte 25*i, its label is i - 1.
local pixels, labels = {}, {}
for i = 1, 10 do pixels[i], labels[i] = string.char(25 * i):rep(6), string.char(i - 1) end
local pictures_path = write("train-images-idx3-ubyte", idx({ 10, 2, 3 }, table.concat(pixels)))
local labels_path = write("train-labels-idx1-ubyte", idx({ 10 }, table.concat(labels)))

describe("a data set's batches", function()
  local numbers = data.tensor(gan.arange(1, 11, 1):reshape(10, 1))
  before_each(function()
    gan.seed(5)
    numbers:load_state { position = 0 }
  end)

  local function drawn(n, k) return numbers:batch(n, k):reshape(n):totable() end

  it("hold each example once an epoch, in another order in the next", function()
    local first, second = drawn(10), drawn(10)
    assert.not_same(first, second)
    table.sort(first)
    table.sort(second)
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, first)
    assert.same(first, second)
  end)

  it("are functions of the seed and their number", function()
    local seventh
    for _ = 1, 7 do seventh = drawn(4) end
    assert.same(seventh, drawn(4, 7))
    gan.seed(6)
    assert.not_same(seventh, drawn(4, 7))
    gan.seed(5)
    assert.same(seventh, drawn(4, 7))
  end)

  it("run on over the end of an epoch, and may be larger than one", function()
    local all = drawn(30, 1)
    local parts = {}
    for k = 1, 10 do
      for _, value in ipairs(drawn(3, k)) do parts[#parts + 1] = value end
    end
    assert.same(all, parts)
  end)

  it("leave the script's random numbers alone", function()
    local before = core.get_random()
    drawn(4)
    data.ring():batch(4)
    assert.same(before, core.get_random())
  end)

  it("go on where a saved state stood", function()
    drawn(3)
    local state = numbers:state()
    local wanted = drawn(3)
    drawn(5)
    numbers:load_state(state)
    assert.same(wanted, drawn(3))
  end)

  it("refuse a size that is none", function()
    refuses("batch size must be a positive integer, got 0", numbers.batch, numbers, 0)
    refuses("batch size must be a positive integer, got \"all\"", numbers.batch, numbers, "all")
    refuses("number must be a positive integer, got 0", numbers.batch, numbers, 4, 0)
  end)
end)

describe("data:slice", function()
  local set = data.tensor(gan.arange(1, 11, 1), gan.arange(0, 10, 1))

  it("is a set of its own, of those examples", function()
    local part = set:slice(3, 6)
    assert.equal(4, part:size())
    local values, names = part:batch(4)
    local list = values:totable()
    assert.same(list, (names + 1):totable())
    table.sort(list)
    assert.same({ 3, 4, 5, 6 }, list)
  end)

  it("refuses what is not inside", function()
    refuses("5 to 11 is not inside 1 to 10", set.slice, set, 5, 11)
    refuses("0 to 3 is not inside", set.slice, set, 0, 3)
    refuses("has no end", data.ring().slice, data.ring(), 1, 5)
  end)
end)

describe("data.idx", function()
  it("reads bytes as -1 to 1, with their labels", function()
    local set = data.idx { images = pictures_path, labels = labels_path }
    assert.equal(10, set:size())
    assert.same({ 2, 3, 1 }, set:shape())
    assert.same({ "0", "1", "2", "3", "4", "5", "6", "7", "8", "9" }, set.classes)
    local images, names = set:batch(10)
    assert.same({ 10, 2, 3, 1 }, images:shape())
    for i, label in ipairs(names:totable()) do
      local wanted = 25 * (label + 1) * 2 / 255 - 1
      assert.is_near(wanted, images[i]:min():item(), 1e-6)
      assert.is_near(wanted, images[i]:max():item(), 1e-6)
    end
  end)

  it("has no labels where no file of them is given", function()
    local set = data.idx { images = pictures_path }
    assert.is_nil(set.classes)
    assert.is_nil((select(2, set:batch(2))))
  end)

  it("says which file is missing, cut short, damaged or something else", function()
    local bytes = idx({ 10, 2, 3 }, table.concat(pixels))
    local function bad(name, content)
      local path = write(name, content)
      refuses(path, data.idx, { images = path })
    end
    refuses(folder .. "/none", data.idx, { images = folder .. "/none" })
    bad("short", bytes:sub(1, -2))
    bad("head", bytes:sub(1, 9))
    bad("empty", "")
    bad("text", "pictures of digits\n")
    bad("huge", string.pack(">BBBBI4I4I4", 0, 0, 8, 3, 0xffffffff, 0xffffffff, 0xffffffff) .. "x")
    bad("gzip", "\31\139\8\0 this is no gzip stream")
    bad("labels-as-images", idx({ 10 }, table.concat(labels)))
    bad("no-pictures", idx({ 0, 2, 3 }, ""))
  end)

  it("refuses labels of another number", function()
    local path = write("nine-labels", idx({ 9 }, ("\0"):rep(9)))
    refuses("9 labels for the 10 pictures", data.idx, { images = pictures_path, labels = path })
  end)
end)

describe("data.open", function()
  it("finds pictures and labels in a folder", function()
    local set = data.open(folder)
    assert.equal(10, set:size())
    assert.equal(10, #set.classes)
  end)

  it("prefers the training split", function()
    local split = folder .. "/both"
    core.make_directory(split)
    write("both/t10k-images-idx3-ubyte", idx({ 1, 2, 3 }, pixels[1]))
    write("both/train-images-idx3-ubyte", idx({ 2, 2, 3 }, pixels[1] .. pixels[2]))
    assert.equal(2, data.open(split):size())
  end)

  it("takes a file, and the labels beside it", function()
    assert.equal(10, #data.open(pictures_path).classes)
  end)

  it("knows the built-in names", function()
    assert.same({ 28, 28, 1 }, data.open("glyphs"):shape())
    assert.equal(8, #data.open("ring").centres)
    assert.equal(25, #data.open("grid").centres)
  end)

  it("says what it did not find", function()
    refuses("no such file or folder (did you mean 'glyphs'?)", data.open, "glyph")
    core.make_directory(folder .. "/nothing")
    refuses("no pictures here (PNG, JPEG, IDX or CIFAR files)", data.open, folder .. "/nothing")
    refuses("a path or a built-in name, got 5", data.open, 5)
  end)
end)

describe("glyphs", function()
  it("are labelled pictures in [-1, 1], no two alike", function()
    local set = data.open "glyphs"
    local images, names = set:batch(64)
    assert.is_true(images:min():item() >= -1 and images:max():item() <= 1)
    assert.is_true(images:max():item() > 0.5 and images:mean():item() < 0)
    assert.is_true(names:max():item() < #set.classes)
    local flat = images:reshape(64, 784)
    for i = 2, 64 do assert.is_true((flat[i] - flat[i - 1]):abs():max():item() > 0.1) end
  end)
end)

describe("points", function()
  it("lie around their centres", function()
    local set = data.grid { side = 3, spacing = 1, std = 0.01 }
    local points, names = set:batch(200)
    assert.same({ 200, 2 }, points:shape())
    local off = points - set.centres:index(1, names + 1)
    assert.is_true(off:abs():max():item() < 0.06)
    assert.is_near(0.01, off:square():mean():item() ^ 0.5, 0.002)
    assert.same({ 9, 2 }, set.centres:shape())
    assert.is_near(0, set.centres:sum():item(), 1e-6)
  end)

  it("have no end", function()
    assert.equal(math.huge, data.ring():size())
    assert.matches("endless", tostring(data.ring()))
  end)
end)

describe("real digits", function()
  local path = (os.getenv "GANLUA_ROOT" or ".") .. "/../shared/data/mnist"

  it("are read from gzipped files", function()
    if not core.exists(path) then
      pending "no MNIST files here"
      return
    end
    local set = data.open(path)
    assert.equal(10000, set:size())
    assert.equal(10, #set.classes)
    local images, names = set:batch(10000, 1)
    assert.is_near(0.1325 * 2 - 1, images:mean():item(), 0.001)
    assert.equal(980, names:eq(0):sum():item())
  end)
end)
