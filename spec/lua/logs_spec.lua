-- What a run tells other programs: TensorBoard's event files and metrics.csv. The records are read here by the format's
-- definition; where GANLUA_PYTHON names a Python with tensorboard, by TensorBoard too.

local gan = require "ganlua"
local core = require "ganlua.core"
local here = debug.getinfo(1, "S").source:match "^@(.*/)"
local shell = dofile(here .. "../cli/shell.lua")
local nn = gan.nn

local folder = shell.folder()
teardown(function() shell.remove(folder) end)

local function options_of(changes)
  local options = {
    out = folder .. "/run", progress = false, resume = false, data = gan.data.open "glyphs",
    latent = 4, batch = 8, seed = 3, loss = gan.loss.hinge {}, log = { "tensorboard", "csv" },
    schedule = gan.schedule.alternate { iterations = 5 }, sample = { every = 2, count = 4 },
    generator = nn.sequential { nn.linear { out = 784 }, nn.tanh {}, nn.reshape { 28, 28, 1 } },
    discriminator = nn.sequential { nn.flatten {}, nn.linear { out = 4 }, nn.leaky_relu {}, nn.linear { out = 1 } },
  }
  for name, value in pairs(changes or {}) do options[name] = value end
  return options
end

local function train(changes) return gan.train(options_of(changes)) end

---- Reading ---------------------------------------------------------------------------------------------------------

-- Bit by bit, as the definition has it.
local function crc32c(bytes)
  local crc = 0xffffffff
  for at = 1, #bytes do
    crc = crc ~ bytes:byte(at)
    for _ = 1, 8 do crc = crc & 1 == 1 and crc >> 1 ~ 0x82f63b78 or crc >> 1 end
  end
  return crc ~ 0xffffffff
end

local function unmasked(masked)
  local turned = masked - 0xa282ead8 & 0xffffffff
  return (turned >> 17 | turned << 15) & 0xffffffff
end

local function varint(bytes, at)
  local value, shift = 0, 0
  repeat
    local byte = assert(bytes:byte(at), "a number is cut off")
    value, shift, at = value | (byte & 0x7f) << shift, shift + 7, at + 1
  until byte < 0x80
  return value, at
end

-- A message's fields: by number, a list of values.
local function fields(bytes)
  local found, at = {}, 1
  while at <= #bytes do
    local tag, value, size
    tag, at = varint(bytes, at)
    if tag & 7 == 0 then
      value, at = varint(bytes, at)
    elseif tag & 7 == 2 then
      size, at = varint(bytes, at)
      value, at = bytes:sub(at, at + size - 1), at + size
    else
      value, at = string.unpack(assert(({ [1] = "<d", [5] = "<f" })[tag & 7]), bytes, at)
    end
    found[tag >> 3] = found[tag >> 3] or {}
    table.insert(found[tag >> 3], value)
  end
  return found
end

local function event_files(place)
  local names = {}
  for _, name in ipairs(core.list_directory(place)) do
    if name:find "tfevents" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- All values of a run by tag and step, each of which is there once; the steps that sessions began with.
local function values_of(place)
  local values, begun = {}, {}
  for _, name in ipairs(event_files(place)) do
    local text, at = shell.read(place .. "/" .. name), 1
    while at <= #text do
      local length, crc = string.unpack("<I8I4", text, at)
      assert.equal(crc32c(text:sub(at, at + 7)), unmasked(crc))
      local bytes = text:sub(at + 12, at + 11 + length)
      assert.equal(length, #bytes)
      -- Bit by bit is slow: of long records core's word is taken, which is proved beside it.
      local ours = length < 4000 and crc32c or core.crc32c
      assert.equal(ours(bytes), unmasked((string.unpack("<I4", text, at + 12 + length))))
      local event = fields(bytes)
      if at == 1 then assert.equal("brain.Event:2", event[3][1]) end
      assert.is_true(event[1][1] > 1e9)
      if event[7] then begun[#begun + 1] = event[2][1] end
      for _, value in ipairs(event[5] and fields(event[5][1])[1] or {}) do
        local v = fields(value)
        local tag, step = v[1][1], event[2][1]
        values[tag] = values[tag] or {}
        assert.is_nil(values[tag][step], tag .. " is there twice")
        values[tag][step] = v
      end
      at = at + 16 + length
    end
  end
  return values, begun
end

local function steps_of(list)
  local steps = {}
  for step in pairs(list or {}) do steps[#steps + 1] = step end
  table.sort(steps)
  return steps
end

local function rows_of(place)
  local rows = {}
  for line in core.read_file(place .. "/metrics.jsonl"):gmatch "[^\n]+" do rows[#rows + 1] = core.json_decode(line) end
  return rows
end

local function doubles(bytes)
  local list = {}
  for at = 1, #bytes, 8 do list[#list + 1] = string.unpack("<d", bytes, at) end
  return list
end

---- Specs -----------------------------------------------------------------------------------------------------------

describe("core.crc32c", function()
  it("is that of RFC 3720, and of the definition", function()
    assert.equal(0xe3069283, core.crc32c "123456789")
    assert.equal(0x8a9136aa, core.crc32c(("\0"):rep(32)))
    assert.equal(0x62a8ab43, core.crc32c(("\xff"):rep(32)))
    assert.equal(0, core.crc32c "")
    local bytes = core.read_file(here .. "logs_spec.lua"):sub(1, 999)
    assert.equal(crc32c(bytes), core.crc32c(bytes))
  end)
end)

describe("core.histogram", function()
  it("counts what lies in each interval, and leaves out what is not finite", function()
    local h = core.histogram(gan.tensor { 0, 1, 1, 2.5, 4, 0 / 0, 1 / 0 }, 4)
    assert.same({ 1, 2, 1, 1, count = 5, least = 0, most = 4, sum = 8.5, squares = 24.25 }, h)
    assert.same({ 3, 0, count = 3, least = 2, most = 2, sum = 6, squares = 12 },
      core.histogram(gan.tensor { 2, 2, 2 }, 2))
    assert.same({ 0, count = 0, least = 0, most = 0, sum = 0, squares = 0 }, core.histogram(gan.tensor { 0 / 0 }, 1))
    assert.has_error(function() core.histogram(gan.tensor { 1 }, 0) end,
      "histogram: buckets must be from 1 to 1000, got 0")
  end)
end)

describe("log = \"tensorboard\"", function()
  local place = folder .. "/run"
  local run, values, begun

  setup(function()
    run = train()
    values, begun = values_of(place)
  end)

  it("has every number of every iteration", function()
    assert.same({ "events.out.tfevents.000001" }, event_files(place))
    assert.same({ 1 }, begun)
    local tags = { d_loss = "loss/discriminator", g_loss = "loss/generator", real = "score/real", fake = "score/fake",
      accuracy = "score/accuracy", d_grad_norm = "gradient_norm/discriminator",
      g_grad_norm = "gradient_norm/generator", seconds = "time/seconds" }
    for column, tag in pairs(tags) do
      assert.same({ 1, 2, 3, 4, 5 }, steps_of(values[tag]), tag)
      for _, row in ipairs(rows_of(place)) do
        local got = values[tag][row.iteration][2][1]
        assert.is_true(math.abs(got - row[column]) <= 1e-5 * math.max(1, math.abs(got)), tag)
      end
    end
    assert.is_nil(values["penalty/discriminator"])
  end)

  it("has the sample pictures' bytes", function()
    assert.same({ 2, 4, 5 }, steps_of(values.samples))
    for step, value in pairs(values.samples) do
      local image = fields(value[4][1])
      local png = shell.read(("%s/samples/%06d.png"):format(place, step))
      assert.equal(png, image[4][1])
      local width, height = string.unpack(">I4I4", png, 17)
      assert.same({ height, width, 1 }, { image[1][1], image[2][1], image[3][1] })
    end
  end)

  it("has histograms of scores and parameters, and norms of the parameters' gradients", function()
    assert.same({ 2, 4, 5 }, steps_of(values["scores/real"]))
    assert.same({ 2, 4, 5 }, steps_of(values["scores/fake"]))
    local weight = run.generator:state()["1.weight"]
    local h = fields(values["parameters/generator.1.weight"][5][5][1])
    local limits, counts, sum = doubles(h[6][1]), doubles(h[7][1]), 0
    for _, count in ipairs(counts) do sum = sum + count end
    assert.same({ weight:numel(), weight:numel(), #counts }, { math.tointeger(h[3][1]), math.tointeger(sum), #limits })
    assert.equal(weight:min():item(), h[1][1])
    assert.equal(weight:max():item(), h[2][1])
    assert.equal(h[2][1], limits[#limits])
    assert.is_near(weight:square():sum():item(), h[5][1], 1e-3 * h[5][1])

    for _, player in ipairs { "generator", "discriminator" } do
      local whole = values["gradient_norm/" .. player]
      for _, step in ipairs { 2, 4 } do
        local squares = 0
        for tag, list in pairs(values) do
          if tag:find("^gradient_norm_of/" .. player) then squares = squares + list[step][2][1] ^ 2 end
        end
        assert.is_near(whole[step][2][1], squares ^ 0.5, 1e-4 * squares ^ 0.5)
      end
    end
  end)

  it("has the configuration as text", function()
    local value = values.config[1]
    assert.equal("text", fields(fields(value[9][1])[1][1])[1][1])
    local tensor = fields(value[8][1])
    assert.same({ 7 }, tensor[1])
    assert.equal(core.read_file(place .. "/config.lua"), (tensor[8][1]:gsub("^    ", ""):gsub("\n    ", "\n")) .. "\n")
  end)

  it("changes nothing of what the run computes and saves", function()
    local plain = options_of { out = folder .. "/alone" }
    plain.log = nil
    gan.train(plain)
    for _, name in ipairs { "checkpoint.safetensors", "samples/000005.png", "history" } do
      assert.equal(shell.read(folder .. "/alone/" .. name), shell.read(place .. "/" .. name), name)
    end
  end)

  it("shows points without pictures, and moves after the last iteration as of the next", function()
    local points = folder .. "/points"
    train { out = points, data = gan.data.ring {}, schedule = function(game)
      for _ = 1, 2 do
        game:both()
        game:next()
      end
      game:discriminator()
    end, generator = nn.sequential { nn.linear { out = 2 } } }
    local got = values_of(points)
    assert.is_nil(got.samples)
    assert.same({ 2, 3 }, steps_of(got["scores/fake"]))
  end)
end)

describe("a run that is cut off", function()
  -- At the iteration that the file "kill" names it is ended by kill -9, or, as if that had come in the middle of a
  -- record, with half a one written: "torn".
  local script = [[
local gan = require "ganlua"
local nn = gan.nn
local core = require "ganlua.core"
gan.train {
  out = "run", progress = false, data = gan.data.ring {}, latent = 4, batch = 8, seed = 3, loss = gan.loss.hinge {},
  log = { "csv", "tensorboard" }, schedule = gan.schedule.alternate { iterations = 12 }, checkpoint = { every = 4 },
  sample = { every = 3, count = 4 }, measure = { every = 5, count = 8, metrics = { "sliced_wasserstein" } },
  generator = nn.sequential { nn.linear { out = 2 } }, discriminator = nn.sequential { nn.linear { out = 1 } },
  on = { iteration = function(run, row)
    local at, how = core.read_file "kill":match "^(%d+) (%a+)$"
    if row.iteration ~= tonumber(at) then return end
    if how == "killed" then os.execute "kill -9 $PPID" end
    for _, watcher in ipairs(run.watchers.list) do
      watcher:saving()
      local file = watcher.file
      core.append_file(file.path or file.file.path, file.offset or file.file.offset, "torn\1", false)
    end
    error("killed", 0)
  end },
}
]]

  local whole, cut, killed = folder .. "/whole", folder .. "/cut", folder .. "/killed"

  local function play(place, kill, how)
    shell.write(place .. "/script.lua", script)
    shell.write(place .. "/kill", ("%d %s"):format(kill, how or "never"))
    return shell.run_ganlua({ "script.lua" }, { cwd = place })
  end

  setup(function()
    os.execute(("mkdir %s %s %s"):format(whole, cut, killed))
    assert.equal(0, play(whole, 0).code)
  end)

  -- But for the seconds, and for what a file says of where it begins.
  local function is_as_whole(place)
    local wanted, got, begun = values_of(whole .. "/run"), values_of(place .. "/run")
    for tag, list in pairs(wanted) do
      if tag ~= "config" and tag ~= "script" then
        assert.same(steps_of(list), steps_of(got[tag]), tag)
        for step, value in pairs(list) do
          if tag ~= "time/seconds" then assert.same(value, got[tag][step], tag) end
        end
      end
    end
    assert.same({ 5, 10 }, steps_of(got["measure/sliced_wasserstein"]))
    local function table_of(which) -- the seconds stand before the one column that is measured
      return (shell.read(which .. "/run/metrics.csv"):gsub(",[%d.e-]*(,[^,\n]*\r\n)", "%1"))
    end
    assert.equal(table_of(whole), table_of(place))
    return begun
  end

  it("has one value of each step, as if it had not been", function()
    for _, kill in ipairs { 3, 7, 11 } do
      local result = play(cut, kill, "torn")
      assert.equal(1, result.code)
      assert.matches("killed", result.err)
      -- What an error leaves is newer than what kill -9 leaves: an older checkpoint takes its place.
      local older = ("%s/run/checkpoint-%06d.safetensors"):format(cut, kill // 4 * 4)
      local newest = cut .. "/run/checkpoint.safetensors"
      if kill > 4 then shell.write(newest, shell.read(older)) else os.remove(newest) end
    end
    local result = play(cut, 0)
    assert.equal(0, result.code, result.err)
    local begun = is_as_whole(cut)
    assert.same({ 5, 9 }, { begun[#begun - 1], begun[#begun] })
  end)

  it("has it after a kill -9 at each of its iterations", function()
    for kill = 1, 12 do assert.equal(137, play(killed, kill, "killed").code) end
    assert.equal(0, play(killed, 0).code)
    is_as_whole(killed)
  end)
end)

describe("a run that goes back to a checkpoint", function()
  it("has one value of each step", function()
    local place, bad = folder .. "/back", true
    local broken = gan.loss.define { name = "broken", on_real = function(r) return r end,
      on_fake = function(f) return f end, on_gen = function(f) return f * (0 / 0) end }
    train { out = place, checkpoint = { every = 2 }, on = { nan = gan.recover.rollback { tries = 1 } },
      schedule = function(game)
        for i = 1, 6 do
          game:discriminator()
          local now = i == 4 and game:measure(function() return bad end)
          bad = bad and i < 4
          game:generator(now and { loss = broken } or nil)
          game:next()
        end
      end }
    assert.equal(2, #event_files(place))
    local values, begun = values_of(place)
    assert.same({ 1, 3 }, begun)
    assert.same({ 1, 2, 3, 4, 5, 6 }, steps_of(values["loss/generator"]))
    assert.same({ 2, 4, 6 }, steps_of(values.samples))
    assert.equal(7, select(2, shell.read(place .. "/metrics.csv"):gsub("\r\n", "")))
  end)
end)

describe("log = \"csv\"", function()
  it("is a table with a header, empty where nothing was measured", function()
    local place = folder .. "/run"
    local text = shell.read(place .. "/metrics.csv")
    local lines = {}
    for line in text:gmatch "(.-)\r\n" do lines[#lines + 1] = line .. "," end
    assert.equal(6, #lines)
    assert.equal("iteration,d_loss,g_loss,real,fake,accuracy,d_penalty,g_penalty,d_grad_norm,g_grad_norm,augment,"
      .. "seconds,", lines[1])
    local names = {}
    for name in lines[1]:gmatch "([^,]*)," do names[#names + 1] = name end
    for i, row in ipairs(rows_of(place)) do
      local cells = {}
      for cell in lines[i + 1]:gmatch "([^,]*)," do cells[#cells + 1] = cell end
      assert.equal(#names, #cells)
      for at, name in ipairs(names) do assert.equal(row[name], tonumber(cells[at]), name) end
    end
  end)

  it("is written anew where other columns begin", function()
    local place = folder .. "/columns"
    train { out = place, log = "csv", on = { iteration = function(run, row)
      if row.iteration ~= 2 then return end
      run.log:expect { "more" }
      run.log:clear()
    end } }
    local text = shell.read(place .. "/metrics.csv")
    assert.matches("^iteration,[%w_,]*,seconds,more\r\n1,[^\n]*,\r\n", text)
    assert.equal(6, select(2, text:gsub("\r\n", "")))
  end)
end)

describe("gan.train's option log", function()
  local function refuses(text, changes)
    local ok, message = pcall(train, changes)
    assert.is_false(ok)
    assert.matches(text, message, 1, true)
  end

  it("names what is meant, and wants a folder", function()
    refuses("train: option 'log': there is no log \"tensorbord\" (did you mean 'tensorboard'?)", { log = "tensorbord" })
    refuses("train: option 'log': there is no log 7 (known: csv, tensorboard)", { log = { "csv", 7 } })
    refuses("train: option 'log' must be \"tensorboard\", \"csv\" or a list of them, got true", { log = true })
    refuses("option 'log' must be \"tensorboard\", \"csv\" or a list of them, got true at csv",
      { log = { csv = true } })
    refuses("train: option 'log': with out = false there is no folder to write csv and tensorboard into",
      { out = false, log = { "csv", "tensorboard", "csv" } })
  end)
end)

describe("TensorBoard", function()
  local python = os.getenv "GANLUA_PYTHON"
  local there = python and os.execute(shell.quote(python) .. " -c 'import tensorboard' >/dev/null 2>&1")

  it("reads scalars, images, histograms and texts as they were written", function()
    if not there then return pending "GANLUA_PYTHON names no Python with tensorboard" end
    local program = [[
import json, sys
from tensorboard.backend.event_processing import event_accumulator
kinds = ["scalars", "images", "histograms", "tensors", "compressedHistograms"]
board = event_accumulator.EventAccumulator(sys.argv[1], {kind: 0 for kind in kinds})
board.Reload()
tags = board.Tags()
print(json.dumps({
    "scalars": {t: [[e.step, e.value] for e in board.Scalars(t)] for t in tags["scalars"]},
    "images": {t: [[e.step, e.width, e.height, e.encoded_image_string.hex()] for e in board.Images(t)]
               for t in tags["images"]},
    "histograms": {t: [[e.step, vars(e.histogram_value)] for e in board.Histograms(t)] for t in tags["histograms"]},
    "texts": {t: [[e.step, e.tensor_proto.string_val[0].decode()] for e in board.Tensors(t)] for t in tags["tensors"]
              if board.SummaryMetadata(t).plugin_data.plugin_name == "text"},
}))
]]
    for _, place in ipairs { folder .. "/run", folder .. "/cut/run", folder .. "/killed/run" } do
      local result = shell.run { python, "-c", program, place }
      assert.equal(0, result.code, result.err)
      local board, values, count = core.json_decode(result.out), values_of(place), 0
      local function hex(bytes) return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
      for tag, list in pairs(values) do
        local _, first = next(list)
        local kind = first[2] and "scalars" or first[4] and "images" or first[5] and "histograms" or "texts"
        local steps = {}
        for i, row in ipairs(board[kind][tag] or {}) do
          local value = list[row[1]]
          steps[i], count = row[1], count + 1
          if kind == "scalars" then
            assert.equal(value[2][1], row[2])
          elseif kind == "images" then
            assert.equal(hex(fields(value[4][1])[4][1]), row[4])
          elseif kind == "histograms" then
            local h, theirs = fields(value[5][1]), row[2]
            assert.same({ h[1][1], h[2][1], h[3][1], h[4][1], h[5][1] },
              { theirs.min, theirs.max, theirs.num, theirs.sum, theirs.sum_squares })
            assert.same({ doubles(h[6][1]), doubles(h[7][1]) }, { theirs.bucket_limit, theirs.bucket })
          else
            assert.equal(fields(value[8][1])[8][1], row[2])
          end
        end
        assert.same(steps_of(list), steps, tag)
      end
      assert.is_true(count > 50)
    end
  end)
end)
