-- Pictures of training: shown in the terminal (read back from the characters), animated (read back from the file's
-- chunks), and what lies between two latents.

local gan = require "ganlua"
local core = require "ganlua.core"
local folder = debug.getinfo(1, "S").source:match "^@(.*/)"
local shell = dofile(folder .. "../cli/shell.lua")
local image, nn = gan.image, gan.nn

local function refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(text, message, 1, true)
end

-- What image.show writes.
local function shown(...)
  local said, write = {}, io.write
  io.write = function(...) said[#said + 1] = table.concat { ... } end -- luacheck: ignore 122
  local ok, problem = pcall(image.show, ...)
  io.write = write -- luacheck: ignore 122
  assert(ok, problem)
  return table.concat(said)
end

-- A picture of 4 x 3 pixels with colours from 0 to 255 that are whole numbers.
local colours = {
  { { 0, 0, 0 }, { 255, 255, 255 }, { 255, 0, 0 } }, { { 10, 20, 30 }, { 0, 255, 0 }, { 0, 0, 255 } },
  { { 200, 100, 50 }, { 200, 100, 50 }, { 200, 100, 50 } }, { { 1, 2, 3 }, { 4, 5, 6 }, { 7, 8, 9 } },
}
local picture = gan.tensor(colours) / 127.5 - 1

-- The pixels that half blocks of 24-bit colours show.
local function read_blocks(text)
  local rows = {}
  for line in text:gmatch "([^\n]*)\n" do
    local upper, lower, style = {}, {}, nil
    line = line:gsub("\27%[0m$", "")
    while #line > 0 do
      local codes, rest = line:match "^\27%[([%d;]*)m(.*)$"
      if codes then style, line = codes, rest end
      assert.equal("\u{2580}", line:sub(1, 3))
      line = line:sub(4)
      for _, row in ipairs { { upper, "38" }, { lower, "48" } } do
        local r, g, b = (style .. ";"):match(row[2] .. ";2;(%d+);(%d+);(%d+);")
        if r then table.insert(row[1], { tonumber(r), tonumber(g), tonumber(b) }) end
      end
    end
    rows[#rows + 1] = upper
    if #lower > 0 then rows[#rows + 1] = lower end
  end
  return rows
end

-- The pixels that sixel text draws, as { red, green, blue } in percent.
local function read_sixel(text)
  local width, height, body = text:match '^\27Pq"1;1;(%d+);(%d+)(.*)\27\\\n$'
  local palette, rows, x, y, colour = {}, {}, 1, 1, nil
  for i = 1, tonumber(height) do rows[i] = {} end
  local at = 1
  while at <= #body do
    local number, r, g, b, behind = body:match("^#(%d+);2;(%d+);(%d+);(%d+)()", at)
    if number then
      palette[number], at = { tonumber(r), tonumber(g), tonumber(b) }, behind
    elseif body:find("^#%d", at) then
      colour, at = body:match("^#(%d+)()", at)
    elseif body:find("^%$", at) then
      x, at = 1, at + 1
    elseif body:find("^%-", at) then
      x, y, at = 1, y + 6, at + 1
    else
      local count, character, next_at = body:match("^!(%d+)(.)()", at)
      if not count then count, character, next_at = 1, body:sub(at, at), at + 1 end
      for _ = 1, tonumber(count) do
        for bit = 0, 5 do
          if character:byte() - 63 >> bit & 1 == 1 then
            assert(rows[y + bit] and x <= tonumber(width) and not rows[y + bit][x], "a pixel is drawn twice")
            rows[y + bit][x] = palette[colour]
          end
        end
        x = x + 1
      end
      at = next_at
    end
  end
  return rows
end

describe("image.show", function()
  it("writes two pixels a half block", function()
    assert.same(colours, read_blocks(shown(picture, { protocol = "blocks" })))
    local odd = picture:narrow(1, 1, 3)
    assert.same({ colours[1], colours[2], colours[3] }, read_blocks(shown(odd, { protocol = "blocks" })))
  end)

  it("shows grey pictures, many in a grid, and grids", function()
    local grey = read_blocks(shown(gan.tensor { { -1, 1 } }, { protocol = "blocks" }))
    assert.same({ { { 0, 0, 0 }, { 255, 255, 255 } } }, grey)
    local many = gan.zeros(3, 4, 4, 1)
    local text = shown(many, { protocol = "blocks" })
    assert.equal(text, shown(image.grid(many), { protocol = "blocks" }))
    local rows = read_blocks(text)
    assert.same({ 8, 20 }, { #rows, #rows[1] })
  end)

  it("makes wide pictures as small as they must be, by means", function()
    local wide = gan.tensor { { -1, 1, 1, 1 }, { -1, 1, 1, 1 } }
    local rows = read_blocks(shown(wide, { protocol = "blocks", width = 2 }))
    assert.same({ { { 128, 128, 128 }, { 255, 255, 255 } } }, rows)
  end)

  it("has 256 colours where a terminal has no more: the nearest ones", function()
    local text = shown(gan.tensor { { { -1, -1, -1 }, { 1, 1, 1 }, { 1, -1, -1 }, { 0, 0, 0 } } },
      { protocol = "blocks256" })
    local found = {}
    for number in text:gmatch "38;5;(%d+)" do found[#found + 1] = tonumber(number) end
    assert.same({ 16, 231, 196, 244 }, found)
  end)

  it("draws sixel: every pixel once, in colours that are near", function()
    local rows = read_sixel(shown(picture, { protocol = "sixel" }))
    assert.same({ 32, 24 }, { #rows, #rows[1] }) -- eight times as large
    for i = 1, 4 do
      for j = 1, 3 do
        local sum = { 0, 0, 0 }
        for y = 8 * i - 7, 8 * i do
          for x = 8 * j - 7, 8 * j do
            for k = 1, 3 do sum[k] = sum[k] + rows[y][x][k] / 64 end
          end
        end
        for k = 1, 3 do assert.is_near(colours[i][j][k] / 2.55, sum[k], 2) end -- patterns of two levels
      end
    end
    local grey = read_sixel(shown(gan.linspace(-1, 1, 300):reshape(1, 300), { protocol = "sixel" }))
    for x = 1, 300 do assert.is_near((x - 1) / 2.99, grey[1][x][1], 1.7) end
  end)

  it("asks the terminal what it has, and believes it", function()
    local function on_terminal(answer, colour)
      local cwd = shell.folder()
      shell.write(cwd .. "/show.lua", "local gan = require 'ganlua'\ngan.image.show(gan.zeros(4, 4, 1))\n")
      local result = shell.in_terminal({ shell.ganlua, "show.lua" }, { { "start", answer } },
        { cwd = cwd, env = { TERM = "xterm", COLORTERM = colour or false } }) or pending "no pseudo-terminals here"
      shell.remove(cwd)
      return result.screen
    end
    local screen = on_terminal "\\033[?62;4;22c"
    assert.matches("\27[c", screen, 1, true)
    assert.matches('\27Pq"1;1;32;32', screen, 1, true)
    assert.matches("\27[38;2;128;128;128", on_terminal("\\033[?62;22c", "truecolor"), 1, true)
    assert.matches("\27[38;5;244", on_terminal "\\033[?6c", 1, true)
  end)

  it("says what it would show where there is no terminal", function()
    assert.equal("[a picture of 4x3x3: no terminal to show it in]\n", shown(picture))
  end)

  it("shows black where there is no number: a generator that came apart", function()
    local black, none = gan.full({ 1, 1, 3 }, -1), gan.full({ 1, 1, 3 }, 0 / 0)
    for _, protocol in ipairs { "blocks", "blocks256", "sixel" } do
      assert.equal(shown(black, { protocol = protocol }), shown(none, { protocol = protocol }))
    end
  end)

  it("refuses what is no picture", function()
    refuses("image.show: wanted a picture H x W x 1 or 3, or many, N x H x W x C, got a 3 tensor", image.show,
      gan.zeros(3))
    refuses("option 'protocol' must be one of 'auto'", image.show, picture, { protocol = "kitty" })
    refuses("option 'width' must be a positive integer, got 0", image.show, picture, { width = 0 })
  end)
end)

-- An animation's frames as PNG files, with their delays, by the chunks' definitions.
local function read_animation(bytes)
  local frames, at, head, numbers = {}, 9, nil, 0
  local count, loops
  local function chunk(kind, data)
    return string.pack(">I4", #data) .. kind .. data .. string.pack(">I4", core.checksum(kind .. data))
  end
  while at <= #bytes do
    local length, kind = string.unpack(">I4c4", bytes, at)
    local data = bytes:sub(at + 8, at + 7 + length)
    assert.equal(core.checksum(kind .. data), string.unpack(">I4", bytes, at + 8 + length))
    at = at + 12 + length
    if kind == "IHDR" then
      head = data
    elseif kind == "acTL" then
      count, loops = string.unpack(">I4I4", data)
    elseif kind == "fcTL" or kind == "fdAT" then
      assert.equal(numbers, (string.unpack(">I4", data)))
      numbers = numbers + 1
    end
    if kind == "fcTL" then
      local _, width, height, x, y, part, whole = string.unpack(">I4I4I4I4I4I2I2", data)
      assert.same({ string.unpack(">I4I4", head) }, { width, height, 9 })
      assert.same({ 0, 0 }, { x, y })
      frames[#frames + 1] = { delay = part / whole }
    elseif kind == "IDAT" or kind == "fdAT" then
      local pixels = kind == "IDAT" and data or data:sub(5)
      frames[#frames].picture = core.picture_decode("\137PNG\r\n\26\n" .. chunk("IHDR", head) .. chunk("IDAT", pixels)
        .. chunk("IEND", ""), "a frame")
    end
  end
  assert.equal(count, #frames)
  return frames, loops
end

describe("image.animate", function()
  local out = shell.folder()
  teardown(function() shell.remove(out) end)
  local function read(path) return read_animation(core.read_file(path)) end

  it("writes pictures one after the other, the last one longer", function()
    gan.seed(3)
    local pictures = gan.rand(4, 5, 6, 3) * 2 - 1
    image.animate(pictures, { delay = 0.1, last = 3, loops = 2 }):save(out .. "/x.png")
    local frames, loops = read(out .. "/x.png")
    assert.equal(2, loops)
    assert.same({ 0.1, 0.1, 0.1, 3 }, { frames[1].delay, frames[2].delay, frames[3].delay, frames[4].delay })
    for i, frame in ipairs(frames) do
      assert.is_true((frame.picture - pictures[i]):abs():max():item() <= 1 / 255 + 1e-6)
    end
    -- What knows nothing of animations sees the first one.
    assert.same(frames[1].picture:totable(), image.load(out .. "/x.png"):totable())
  end)

  it("shows a run's samples in order", function()
    local run = gan.train {
      out = out .. "/run", data = gan.rand(16, 4, 4, 1), latent = 3, batch = 4, progress = false, seed = 1,
      generator = nn.sequential { nn.linear { out = 16 }, nn.reshape { 4, 4, 1 } },
      discriminator = nn.sequential { nn.flatten {}, nn.linear { out = 1 } }, loss = gan.loss.hinge {},
      schedule = gan.schedule.alternate { iterations = 6 }, sample = { every = 2, count = 4 },
    }
    image.animate(run.folder):save(out .. "/run.png")
    local frames = read(out .. "/run.png")
    assert.equal(3, #frames)
    for i, iteration in ipairs { 2, 4, 6 } do
      local sample = image.load(("%s/samples/%06d.png"):format(run.folder, iteration))
      assert.same(sample:totable(), frames[i].picture:totable())
    end
  end)

  it("takes grids and any PNG file, decoded where it is of another kind", function()
    local palette = folder .. "files/pictures/palette.png"
    local frame = image.load(palette)
    image.animate { palette, frame }:save(out .. "/two.png")
    local frames = read(out .. "/two.png")
    assert.same(frames[1].picture:totable(), frames[2].picture:totable())
    local grid = image.grid(gan.zeros(2, 3, 3, 1))
    assert.equal("[ganlua.animation of 2 pictures]", tostring(image.animate { grid, grid }))
  end)

  it("refuses files that are damaged, and takes any number for a name", function()
    local png = core.read_file(folder .. "../../examples/grid.png")
    core.write_file(out .. "/damaged.png", png:sub(1, 2000) .. ("\0"):rep(100) .. png:sub(2101))
    refuses("damaged.png: ", image.animate, { out .. "/damaged.png" })
    core.write_file(out .. "/cut.png", png:sub(1, 40))
    refuses("cut.png: is cut short", image.animate, { out .. "/cut.png" })
    core.make_directory(out .. "/samples")
    for _, name in ipairs { "3", ("9"):rep(30) } do
      image.save(gan.zeros(2, 2, 1), ("%s/samples/%s.png"):format(out, name))
    end
    assert.equal(2, image.animate(out).count)
  end)

  it("refuses pictures of other sizes, and what are none", function()
    refuses("picture 2 is 3x2x1, the first one 2x2x1: they must agree", image.animate,
      { gan.zeros(2, 2, 1), gan.zeros(3, 2, 1) })
    refuses("picture 1 must be a picture H x W x 1 or 3, or a PNG file, got 3", image.animate, { 3 })
    refuses("wanted pictures, a list of them, or a run's folder, got nothing", image.animate)
    refuses("there are no sample pictures in " .. folder, image.animate, folder)
    refuses("wanted pictures N x H x W x 1 or 3, got a 3 tensor", image.animate, gan.zeros(3))
    local animation = image.animate(gan.zeros(1, 2, 2, 1))
    refuses("animation:save: what is written is PNG: wanted a name such as a/run.png, got a/run.GIF", animation.save,
      animation, "a/run.GIF")
    refuses("animation:save: the path must be a string, got 3", animation.save, animation, 3)
  end)
end)

describe("image.interpolate", function()
  local latents = {}
  local G = nn.define("seen", { forward = function(_, z)
    latents[#latents + 1] = z
    return z:narrow(2, 1, 1):reshape(-1, 1, 1, 1)
  end }) {}
  G:build { 1, 3 }

  it("goes along the sphere from one latent to the other, a row for each", function()
    local from, to = gan.tensor { { 1, 0, 0 }, { 0, 2, 0 } }, gan.tensor { { 0, 1, 0 }, { 0, 0, 2 } }
    local grid, pictures = image.interpolate(G, from, to, { steps = 3 })
    assert.same({ 6, 1, 1, 1 }, pictures:shape())
    assert.same({ 8, 11, 1 }, grid.pixels:shape())
    local rows = latents[#latents]:totable()
    local half = math.sqrt(0.5)
    for i, row in ipairs { { 1, 0, 0 }, { half, half, 0 }, { 0, 1, 0 }, { 0, 2, 0 }, { 0, 2 * half, 2 * half },
      { 0, 0, 2 } } do
      for k = 1, 3 do assert.is_near(row[k], rows[i][k], 1e-6) end
    end
  end)

  it("goes straight where that is asked for, and where both have one direction", function()
    local from = gan.tensor { { 1, 0, 0 } }
    image.interpolate(G, from, gan.tensor { { 0, 1, 0 } }, { steps = 3, way = "linear" })
    assert.same({ 0.5, 0.5, 0 }, latents[#latents]:totable()[2])
    image.interpolate(G, from, from * 3, { steps = 3 })
    assert.is_near(2, latents[#latents]:totable()[2][1], 1e-5)
  end)

  it("takes the labels that run:sample takes, one for all or one a row", function()
    local asked
    local labelled = nn.define("labelled", {
      labels = true, options = { classes = { type = "integer", default = 3 } },
      forward = function(_, z, labels)
        asked = labels:totable()
        return z:narrow(2, 1, 1):reshape(-1, 1, 1, 1)
      end,
    }) {}
    local data = gan.data.tensor(gan.zeros(6, 1, 1, 1), gan.tensor { 0, 1, 2, 0, 1, 2 })
    data.classes = { "ant", "bee", "cat" }
    local run = gan.trainer { data = data, latent = 2, generator = labelled, out = false, loss = gan.loss.hinge {},
      discriminator = nn.sequential { nn.flatten {}, nn.linear { out = 1 } },
      schedule = gan.schedule.alternate { iterations = 1 } }
    local z = gan.zeros(2, 2)
    local function with(generator, label)
      image.interpolate(generator, z, z, { steps = 2, label = label })
      return asked
    end
    assert.same({ 2, 2, 2, 2 }, with(run, "cat"))
    assert.same({ 1, 1, 0, 0 }, with(run, { "bee", 0 }))
    assert.same({ 1, 1, 2, 2 }, with(labelled, gan.tensor { 1, 2 }))
    assert.same({ 1, 1, 1, 1 }, with(labelled, 1))
    with(run) -- drawn, one a row
    assert.is_true(asked[1] == asked[2] and asked[3] == asked[4])
    refuses("image.interpolate: there is no class 'bea' (did you mean 'bee'?)", with, run, "bea")
    refuses("image.interpolate: a label must be a whole number from 0 to 2, got 3", with, labelled, 3)
    refuses("image.interpolate: a label must be a whole number from 0 to 2, got \"ant\"", with, labelled, "ant")
    refuses("image.interpolate: wanted one label or 2, got a list of 3", with, run, { 0, 1, 2 })
    refuses("option 'label': the generator looks at no labels", with, G, 1)
  end)

  it("refuses latents that do not belong together", function()
    refuses("wanted two tensors of latents, n x latent, got a 2x3 tensor and a 3x3 tensor", image.interpolate, G,
      gan.zeros(2, 3), gan.zeros(3, 3))
    refuses("wanted a network or a run, got a table", image.interpolate, { generator = G })
    refuses("option 'steps' must be", image.interpolate, G, gan.zeros(1, 3), gan.zeros(1, 3), { steps = 1 })
  end)
end)
