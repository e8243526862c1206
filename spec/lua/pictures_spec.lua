-- Pictures, archives and arrays as data: what is read, what is refused, and in which words. The files were made by
-- files/make_pictures.py and make_archives.py; the expected numbers are Pillow's and numpy's.

local gan = require "ganlua"
local core = require "ganlua.core"

local here = debug.getinfo(1, "S").source:match("^@(.*/)")
local files = here .. "files/"
local shell = dofile(here .. "../cli/shell.lua")

local function refuses(pattern, f, ...)
  local fine, message = pcall(f, ...)
  assert(not fine, "should have raised an error")
  assert(tostring(message):find(pattern, 1, true), ("'%s' lacks '%s'"):format(message, pattern))
end

-- In bytes, 0 to 255.
local function bytes(t) return (t + 1) * 127.5 end

-- name, height, width, channels, the mean of each channel, the first pixel, the last one: as Pillow has them, turned as
-- EXIF says, on white where transparent.
local expected = {
  { "rgb.png", 16, 16, 3, { 127.5, 127.5, 127.25 }, { 0, 0, 0 }, { 255, 255, 255 } },
  { "interlaced.png", 16, 16, 3, { 127.5, 127.5, 127.25 }, { 0, 0, 0 }, { 255, 255, 255 } },
  { "grey.png", 16, 16, 1, { 127.473 }, { 0 }, { 255 } },
  { "bits.png", 16, 16, 1, { 128.496 }, { 0 }, { 255 } },
  { "deep.png", 16, 16, 1, { 127.5 }, { 0 }, { 255 } },
  { "palette.png", 16, 16, 3, { 129.258, 126.836, 127.691 }, { 51, 17, 34 }, { 221, 238, 229 } },
  { "alpha.png", 16, 16, 3, { 215.625, 232.625, 224.031 }, { 255, 255, 255 }, { 255, 255, 255 } },
  { "rgb.jpg", 16, 16, 3, { 127.449, 127.488, 127.188 }, { 0, 0, 0 }, { 255, 255, 253 } },
  { "progressive.jpg", 16, 16, 3, { 127.449, 127.488, 127.188 }, { 0, 0, 0 }, { 255, 255, 253 } },
  { "grey.jpg", 16, 16, 1, { 127.453 }, { 0 }, { 255 } },
  { "cmyk.jpg", 16, 16, 3, { 127.5, 127.5, 127.031 }, { 0, 0, 0 }, { 255, 255, 254 } },
  { "ycck.jpg", 16, 16, 3, { 128.258, 126.711, 128.023 }, { 255, 120, 255 }, { 0, 134, 0 } },
  { "turned.jpg", 24, 16, 3, { 127.078, 127.547, 127.052 }, { 1, 254, 99 }, { 255, 1, 152 } },
  { "b_really_jpeg.png", 16, 16, 3, { 127.449, 127.488, 127.188 }, { 0, 0, 0 }, { 255, 255, 253 } },
  { "tall.png", 40, 20, 3, { 127.05, 127.05, 127.001 }, { 0, 0, 0 }, { 255, 255, 255 } },
  { "tiny.png", 3, 5, 3, { 127.2, 127.333, 127.267 }, { 0, 0, 0 }, { 255, 255, 255 } },
  { "one.png", 1, 1, 3, { 10, 200, 30 }, { 10, 200, 30 }, { 10, 200, 30 } },
  { "grey_alpha.png", 16, 16, 1, { 215.625 }, { 255 }, { 255 } },
  { "deep_rgb.png", 16, 16, 3, { 127.5, 127.5, 127.25 }, { 0, 0, 0 }, { 255, 255, 255 } },
  { "palette_alpha.png", 16, 16, 3, { 161.5, 97.75, 129.75 }, { 255, 0, 0 }, { 9, 9, 9 } },
  { "mirrored.jpg", 24, 16, 3, { 127.078, 127.547, 127.052 }, { 1, 0, 0 }, { 255, 255, 253 } },
  { "animated.png", 16, 16, 3, { 127.5, 127.5, 127.25 }, { 0, 0, 0 }, { 255, 255, 255 } }, -- its first frame
}

-- name, why it is no picture
local refused = {
  { "cut.png", "is cut short" }, { "cut.jpg", "is cut short" }, { "empty.png", "is empty" },
  { "huge.png", "IHDR" }, { "huge.jpg", "is 65500x65500, more than 134 million pixels" },
  { "no_picture.png", "is neither PNG nor JPEG" }, { "moving.gif", "is GIF, wanted PNG or JPEG" },
  { "really_gif.png", "is GIF, wanted PNG or JPEG" },
}

describe("gan.image.load", function()
  for _, row in ipairs(expected) do
    local name, height, width, channels, means, first, last = table.unpack(row)
    it("reads " .. name .. " as others do", function()
      local picture = bytes(gan.image.load(files .. "pictures/" .. name))
      assert.same({ height, width, channels }, picture:shape())
      local got = picture:reshape(height * width, channels):mean(1):totable()
      for channel = 1, channels do
        assert.is_near(means[channel], got[channel], 0.1)
        assert.is_near(first[channel], picture[1][1]:totable()[channel], 1.01)
        assert.is_near(last[channel], picture[height][width]:totable()[channel], 1.01)
      end
    end)
  end

  for _, row in ipairs(refused) do
    it("refuses " .. row[1] .. ", naming it and why", function()
      local before = gan.memory().tensors
      refuses(row[2], gan.image.load, files .. "pictures/" .. row[1])
      refuses(row[1], gan.image.load, files .. "pictures/" .. row[1])
      collectgarbage()
      assert.is_true(gan.memory().tensors <= before)
    end)
  end

  it("refuses what is not there", function()
    refuses("image.load: " .. files .. "no_such.png: cannot read: No such file", gan.image.load, files .. "no_such.png")
  end)
end)

describe("gan.data.folder", function()
  it("takes what it can, and says once what it left out and why", function()
    local set = gan.data.folder { files .. "pictures", size = 16 }
    assert.equal(#expected, set:size())
    assert.same({ 16, 16, 3 }, set:shape())
    local text = tostring(set)
    for _, part in ipairs { "22 pictures", "16x16x3 from 5 sizes", "1 hidden file", "1 other file", "8 skipped" } do
      assert.truthy(text:find(part, 1, true), text)
    end
    local reasons = {}
    for _, one in ipairs(set.skipped) do reasons[one.name] = one.reason end
    for _, row in ipairs(refused) do
      assert.truthy(reasons[row[1]] and reasons[row[1]]:find(row[2], 1, true), row[1])
    end
  end)

  it("cuts the middle out and averages over areas", function()
    local set = gan.data.folder { files .. "pictures", size = 10, channels = 1 }
    local place
    for i, path in ipairs(set.paths) do
      if path == "tall.png" then place = i end
    end
    local small = bytes(set.read(core.tensor { place })):reshape(10, 10)
    -- 40 x 20: the middle 20 x 20, each 2 x 2 block a pixel.
    local whole = bytes(gan.image.load(files .. "pictures/tall.png")):narrow(1, 11, 20)
    local grey = whole:reshape(10, 2, 10, 2, 3):mean({ 2, 4 })
    local weighed = (grey * core.tensor { 0.299, 0.587, 0.114 }:reshape(1, 1, 3)):sum(3)
    assert.is_true((small - weighed):abs():max():item() < 1.5)
  end)

  it("gives the same batches whether pictures are kept or decoded when they are wanted", function()
    local kept = gan.data.folder { files .. "pictures", size = 16 }
    local streamed = gan.data.folder { files .. "pictures", size = 16, cache = 0 }
    for k = 1, 5 do assert.equal(0, (kept:batch(7, k) - streamed:batch(7, k)):abs():max():item()) end
    for _ = 1, 5 do assert.equal(0, (kept:batch(4) - streamed:batch(4)):abs():max():item()) end
  end)

  it("decodes nothing ahead for a shape that it no longer has", function()
    local album = core.album { files .. "pictures/rgb.png", files .. "pictures/tall.png" }
    refuses("album_load: the album has no shape yet", album.load, album, 1, 2)
    assert.same({}, album:look(1, 2, 1 << 20))
    local places = core.tensor { 1, 2 }
    for _ = 1, 50 do
      album:prepare(8, 8, 1, 0)
      local small = album:read(places)
      album:prefetch(places)
      album:prepare(300, 300, 3, 0)
      assert.same({ 2, 300, 300, 3 }, album:read(places):shape())
      album:prefetch(places)
      album:prepare(8, 8, 1, 0)
      assert.equal(0, (album:read(places) - small):abs():max():item())
      album:prefetch(core.tensor { 2 })
    end
    album:prefetch(places)
    album:keep(core.tensor { 2 })
    assert.same({ 1, 8, 8, 1 }, album:read(core.tensor { 1 }):shape())
    refuses("2 is not a whole number from 0 to 0", album.read, album, core.tensor { 3 })
  end)

  it("keeps the album to itself: a script could change its shape while pictures are decoded", function()
    for _, value in pairs(gan.data.folder { files .. "pictures", size = 16 }) do
      assert.is_true(type(value) ~= "userdata" or core.is_tensor(value))
    end
  end)

  it("goes on where a state says", function()
    local set = gan.data.folder { files .. "pictures", size = 16, cache = 0 }
    set:batch(6)
    local state, first = set:state(), set:batch(6)
    set:batch(9)
    set:load_state(state)
    assert.equal(0, (first - set:batch(6)):abs():max():item())
  end)

  it("gives the same bytes on one thread, two and three", function()
    local script = ([[
      local gan = require "ganlua"
      local set, sum = gan.data.folder { "%spictures", size = 16, cache = %d }, 0
      for k = 1, 6 do
        local x = set:batch(5)
        sum = sum + (x * gan.linspace(1, 2, x:numel()):reshape(x:shape())):sum():item()
      end
      print(("%%.17g"):format(sum))
    ]])
    local first
    for _, cache in ipairs { 0, 1 << 20 } do
      for threads = 1, 3 do
        local result = shell.run({ shell.ganlua, "--threads", tostring(threads), "-e", script:format(files, cache) },
          { cwd = "." })
        assert.equal(0, result.code, result.err)
        first = first or result.out
        assert.equal(first, result.out)
      end
    end
  end)

  it("takes files of any name, and shows a name without what a terminal would obey", function()
    local folder = shell.folder()
    local function put(content, name)
      local to = folder .. "/" .. name
      core.make_directory((to:match "^(.*)/"))
      core.write_file(to, core.read_file(files .. "pictures/" .. content))
    end
    for _, name in ipairs { "ä/--help.png", "ä/%s%n.png", "ä/a 'b\" c.png", "esc\27[31m/UPPER.PNG" } do
      put("rgb.png", name)
    end
    put("cut.png", "ä/red\27[31m\nline\xff\xc2\x9b.png")
    put("cut.png", "ä/ü\xc2\x9b.png")
    local set = gan.data.open(folder)
    assert.equal(4, set:size())
    assert.same({ "esc\27[31m", "ä" }, set.classes)
    for _, text in ipairs { tostring(set), tostring(set:describe()) } do
      assert.truthy(text:find("\\xc3\\xa4/red\\x1b[31m\\nline\\xff\\xc2\\x9b.png (is cut short)", 1, true), text)
      assert.truthy(text:find("ä/ü\\xc2\\x9b.png (is cut short)", 1, true), text)
      assert.falsy(text:find "\27")
    end
    assert.truthy(tostring(set:describe()):find("esc\\x1b[31m: 1, ä: 3", 1, true))
    shell.remove(folder)
  end)

  it("gives up on folders that link to each other, in more ways than there is time for", function()
    local folder = shell.folder()
    for i = 1, 9 do
      core.make_directory(("%s/%d"):format(folder, i))
      for k = 1, 9 do assert(os.execute(("ln -s ../%d '%s/%d/%d'"):format(k, folder, i, k))) end
    end
    refuses("in more than 64 ways", gan.data.folder, folder)
    shell.remove(folder)
  end)

  it("says what is wrong with its options", function()
    refuses("no such file or folder", gan.data.folder, files .. "nowhere")
    refuses("option 'size'", gan.data.folder, { files .. "pictures", size = 0 })
    refuses("option 'channels'", gan.data.folder, { files .. "pictures", channels = 2 })
    refuses("no picture", gan.data.folder, files .. "npy")
  end)
end)

describe("a zip of pictures", function()
  it("has a class for each folder, and passes over what systems leave in it", function()
    local set = gan.data.open(files .. "classes.zip")
    assert.same({ "cat", "dog" }, set.classes)
    assert.equal(3, set:size())
    local counts = { [0] = 0, 0 }
    local _, labels = set:batch(3, 1)
    for _, label in ipairs(labels:totable()) do counts[label] = counts[label] + 1 end
    assert.same({ [0] = 2, 1 }, counts)
    local text = tostring(set)
    for _, part in ipairs { "2 hidden files", "1 other file", "../evil.png (its name leads out of the archive)",
      "top/dog/old.gif (is GIF, wanted PNG or JPEG)", "top/dog/broken.png (is cut short)" } do
      assert.truthy(text:find(part, 1, true), text)
    end
  end)

  it("may hold a bomb, which is not unpacked", function()
    local before = gan.memory().peak
    local set = gan.data.open(files .. "bomb.zip")
    assert.equal(1, set:size())
    assert.truthy(tostring(set):find("bomb.png (", 1, true))
    assert.is_true(gan.memory().peak - before < 8 << 20)
  end)

  it("may be of the kind that holds more than 4 GB", function()
    local set = gan.data.open(files .. "wide.zip")
    assert.equal(1, set:size())
    assert.equal(0, (set:batch(1)[1] - gan.image.load(files .. "pictures/rgb.png")):abs():max():item())
    refuses("wide_lost.zip: damaged zip: its 64-bit directory is said to lie beyond the file", gan.data.open,
      files .. "wide_lost.zip")
  end)

  it("is refused where it is cut short", function()
    refuses("cut.zip: not a zip, or cut short", gan.data.open, files .. "cut.zip")
  end)

  it("describes itself", function()
    local about = gan.data.open(files .. "classes.zip"):describe()
    local text = tostring(about)
    for _, part in ipairs { "3 of 16x16x3", "cat: 2, dog: 1", "16x16: 3" } do
      assert.truthy(text:find(part, 1, true), text)
    end
  end)
end)

describe("numpy's arrays", function()
  local function values(name) return gan.data.npy { files .. "npy/" .. name .. ".npy" }:batch(2, 1) end

  it("are read in every type of number, both byte orders and both orders of axes", function()
    for _, name in ipairs {
      "f2", "f4", "f8", "big_f4", "i1", "i2", "big_i2", "i4", "i8", "u2", "u4", "u8", "fortran",
    } do
      local sorted = values(name):reshape(-1):totable()
      local rows = sorted[1] == 0 and { 0, 12 } or { 12, 0 }
      for i, value in ipairs(sorted) do
        assert.equal(rows[(i - 1) // 12 + 1] + (i - 1) % 12, value, name)
      end
    end
    assert.equal(12, values "bool":sum():item())
    assert.is_near(0, bytes(values "u1"):sum():item() - 276, 1e-3)
  end)

  it("have their labels beside them in an archive, stored or compressed", function()
    for _, name in ipairs { "set.npz", "stored.npz" } do
      local images, labels = gan.data.open(files .. "npy/" .. name):batch(2, 1)
      for row, label in ipairs(labels:totable()) do
        local first = bytes(images[row]):reshape(-1):totable()[1]
        assert.is_near(label == 1 and 0 or 128, first, 1e-3)
      end
    end
  end)

  it("have whole numbers from 0 as labels, or are refused", function()
    local folder = shell.folder()
    local function written(name, kind, shape, content)
      local head = ("{'descr': '%s', 'fortran_order': False, 'shape': (%s,), }\n"):format(kind, shape)
      local path = folder .. "/" .. name
      local file = assert(io.open(path, "wb"))
      file:write("\x93NUMPY\1\0", string.pack("<s2", head), content)
      file:close()
      return path
    end
    local images = written("images.npy", "|u1", "3, 2, 2", ("\0"):rep(12))
    local function labels(last) return written("labels.npy", "<f4", "3", string.pack("<fff", 0, 1, last)) end
    for last, text in pairs { [0.5] = "label 3 is 0.5", [-1] = "label 3 is -1", [65536] = "label 3 is 65536" } do
      refuses(text, gan.data.npy, { images, labels = labels(last) })
    end
    assert.equal(3, #gan.data.npy { images, labels = labels(2) }.classes)
    shell.remove(folder)
  end)

  it("are refused where they are no numbers", function()
    refuses("numbers of type '<c8' are not read", gan.data.npy, { files .. "npy/complex.npy" })
    refuses("no such file", gan.data.npy, { files .. "npy/none.npy" })
  end)
end)

describe("CIFAR's binaries", function()
  local function written(name, content)
    local folder = shell.folder()
    local file = assert(io.open(folder .. "/" .. name, "wb"))
    file:write(content)
    file:close()
    return folder
  end

  it("are planes behind a label", function()
    local record = "\3" .. ("\0"):rep(1024) .. ("\127"):rep(1024) .. ("\255"):rep(1024)
    local folder = written("data_batch_1.bin", record .. "\9" .. ("\64"):rep(3072))
    local set = gan.data.open(folder)
    assert.equal(2, set:size())
    assert.same({ 32, 32, 3 }, set:shape())
    local images, labels = set:batch(2, 1)
    for row, label in ipairs(labels:totable()) do
      local pixel = bytes(images[row]):reshape(1024, 3)[500]:totable()
      for channel, value in ipairs(label == 3 and { 0, 127, 255 } or { 64, 64, 64 }) do
        assert.is_near(value, pixel[channel], 1e-3)
      end
    end
    shell.remove(folder)
  end)

  it("are refused where they are cut short, or hold a label that there is not", function()
    local folder = written("data_batch_1.bin", ("\0"):rep(3072))
    refuses("no whole number of CIFAR records", gan.data.cifar10, folder)
    shell.remove(folder)
    folder = written("data_batch_1.bin", "\99" .. ("\0"):rep(3072))
    refuses("first label is 99", gan.data.cifar10, folder)
    shell.remove(folder)
  end)
end)

describe("gan.data.from", function()
  it("asks a function for examples, whose random numbers follow the seed and the example's number", function()
    local function read(i) return gan.randn(2) + i, i % 3 end
    local a, labels = gan.data.from(read, { count = 10 }):batch(4, 1)
    local b = gan.data.from(read, { count = 10 }):batch(4, 1)
    assert.equal(0, (a - b):abs():max():item())
    assert.equal(4, labels:numel())
    assert.equal(math.huge, gan.data.from(read):size())
  end)

  it("says which example is wrong", function()
    refuses("example 1: wanted a tensor", gan.data.from, function() return "x" end)
    refuses("wanted a function", gan.data.from, 3)
    local set = gan.data.from(function(i) return gan.zeros(i == 3 and 5 or 2) end, { count = 3 })
    refuses("example 3 is 5, example 1 is 2", set.batch, set, 3)
    set = gan.data.from(function(i) return { i }, i - 1 end, { count = 3, classes = { "a", "b" } })
    refuses("data.from: example 3 has label 2, there are 2 classes", set.batch, set, 3)
  end)

  it("has numbers that are not finite told by its description, which counts the others", function()
    local set = gan.data.from(function(i) return i == 2 and { 0 / 0, 4 } or i == 5 and { 1, 1 / 0 } or { i, i } end,
      { count = 5 })
    local about = set:describe()
    assert.same({ 2, { 2, 5 } }, { about.not_finite, about.sick })
    assert.same({ 1, 4 }, { about.range.min, about.range.max })
    assert.is_near((1 + 1 + 4 + 3 + 3 + 4 + 4 + 1) / 8, about.range.mean, 1e-6)
    assert.matches("not finite  2 numbers (nan or infinite), in 2 examples: 2, 5", tostring(about), 1, true)
    about = gan.data.tensor(gan.full({ 3, 2 }, 0 / 0)):describe()
    assert.equal(6, about.not_finite)
    assert.is_nil(tostring(about):find("values", 1, true))
  end)
end)

describe("the pictures of CIFAR-10, where they are", function()
  local path = here .. "../../../shared/data/cifar10/test.zip"
  it("are 10,000 in ten classes", function()
    local file = io.open(path, "rb")
    if not file then return pending "no shared data here" end
    file:close()
    local set = gan.data.open(path)
    assert.equal(10000, set:size())
    assert.equal(10, #set.classes)
    assert.same({ 32, 32, 3 }, set:shape())
    assert.equal(0, #set.skipped)
  end)
end)
