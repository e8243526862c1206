-- Pictures as files: what a PNG file holds, and how a grid lays pictures out.

local gan = require "ganlua"
local core = require "ganlua.core"
local image = gan.image

local path = os.tmpname()
teardown(function() os.remove(path) end)

-- Width, height and colour type of the PNG file at `path`.
local function header()
  local bytes = core.read_file(path)
  assert.equal("\137PNG\r\n\26\n", bytes:sub(1, 8))
  local width, height, depth, colours = string.unpack(">I4I4BB", bytes, 17)
  assert.equal(8, depth)
  return width, height, colours
end

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(text, message, 1, true)
end

describe("image.save", function()
  it("writes grey and colour pictures", function()
    image.save(gan.zeros(5, 7, 1), path)
    assert.same({ 7, 5, 0 }, { header() })
    image.save(gan.zeros(5, 7), path)
    assert.same({ 7, 5, 0 }, { header() })
    image.save(gan.zeros(5, 7, 3), path)
    assert.same({ 7, 5, 2 }, { header() })
  end)

  it("refuses what is no picture, and a path that cannot be written", function()
    refuses("got a 5x7x2 tensor", image.save, gan.zeros(5, 7, 2), path)
    refuses("got \"cat\"", image.save, "cat", path)
    refuses("path must be a string", image.save, gan.zeros(5, 7, 1), 3)
    refuses("/no/such/folder/x.png", image.save, gan.zeros(5, 7, 1), "/no/such/folder/x.png")
    refuses("image.save: what is written is PNG: wanted a name such as x.png, got x.jpg", image.save, gan.zeros(5, 7),
      "x.jpg")
  end)
end)

describe("image.grid", function()
  -- Four pictures of 2x2, filled with 0, 0.25, 0.5, 0.75.
  local pictures = (gan.arange(0, 4, 1) / 4):reshape(4, 1, 1, 1) + gan.zeros(4, 2, 2, 1)

  it("lays pictures out row by row, with a margin", function()
    local pixels = image.grid(pictures, { columns = 3, pad = 1 }).pixels
    assert.same({ 7, 10, 1 }, pixels:shape())
    local rows = pixels:reshape(7, 10):totable()
    for i, row in ipairs(rows) do
      for j, value in ipairs(row) do rows[i][j] = math.floor(value * 100 + 0.5) end
    end
    local g = -60 -- between the pictures, and where there is none
    assert.same({
      { g, g, g, g, g, g, g, g, g, g },
      { g, 0, 0, g, 25, 25, g, 50, 50, g },
      { g, 0, 0, g, 25, 25, g, 50, 50, g },
      { g, g, g, g, g, g, g, g, g, g },
      { g, 75, 75, g, g, g, g, g, g, g },
      { g, 75, 75, g, g, g, g, g, g, g },
      { g, g, g, g, g, g, g, g, g, g },
    }, rows)
  end)

  it("is no wider than it has pictures", function()
    assert.same({ 6, 18, 1 }, image.grid(pictures).pixels:shape())
  end)

  it("saves", function()
    image.grid(pictures):save(path)
    assert.same({ 18, 6, 0 }, { header() })
  end)

  it("refuses what are no pictures", function()
    refuses("got a 2x2x1 tensor", image.grid, gan.zeros(2, 2, 1))
    refuses("did you mean 'columns'", image.grid, pictures, { column = 2 })
  end)
end)
