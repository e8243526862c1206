-- Checkpoints: a run that is loaded goes on as the one that was saved would have; bad files change nothing.

local gan = require "ganlua"
local core = require "ganlua.core"
local nn = gan.nn

local support = dofile(debug.getinfo(1, "S").source:match "^@(.*/)" .. "support.lua")
local refuses = support.refuses
local folder = support.folder(teardown)

local count = 0
local function make(iterations, width)
  count = count + 1
  return gan.trainer {
    out = ("%s/run%d"):format(folder, count), data = gan.data.ring {}, latent = 4, batch = 16, seed = 7,
    generator = nn.sequential { nn.linear { out = width or 8 }, nn.batch_norm {}, nn.relu {}, nn.linear { out = 2 } },
    discriminator = nn.sequential { nn.spectral_norm(nn.linear { out = 8 }), nn.leaky_relu {}, nn.dropout { p = 0.3 },
      nn.linear { out = 1 } },
    loss = gan.loss.hinge {}, ema = { decay = 0.9 }, progress = false,
    schedule = gan.schedule.alternate { discriminator = 2, iterations = iterations },
  }
end

local function weights(run)
  local list = {}
  for name, network in pairs { g = run.generator, d = run.discriminator, e = run.ema } do
    for key, tensor in pairs(network:state()) do list[name .. key] = tensor:totable() end
  end
  return list
end

describe("run:save and run:load", function()
  local path = folder .. "/saved.safetensors"

  it("go on exactly as without a break", function()
    local whole = make(6):train()
    local first = make(3):train()
    first:save(path)
    local second = make(6):load(path)
    assert.equal(3, second.game.iteration)
    second:train()
    assert.same(weights(whole), weights(second))
    assert.same(whole:sample(3):totable(), second:sample(3):totable())
    assert.equal(12, second.game.players.discriminator.moves)
  end)

  it("name every tensor after its player", function()
    make(1):train():save(path)
    local tensors = gan.load(path)
    for _, name in ipairs { "generator.1.weight", "generator.2.running_mean", "discriminator.1.weight_u",
      "ema.4.bias", "moments.generator.m.1", "moments.discriminator.v.3" } do
      assert.is_true(core.is_tensor(tensors[name]), name)
    end
  end)

  it("take a run's folder", function()
    local run = make(2):train()
    assert.equal(2, make(2):load(run.folder).game.iteration)
  end)

  it("keep the script's own table", function()
    local run = make(1)
    run.state.best, run.state.names, run.state.deep = 0.1, { "a", "b" }, { on = true, n = 3 }
    run:save(path)
    local other = make(1)
    local state = other.state
    other:load(path)
    assert.same({ best = 0.1, names = { "a", "b" }, deep = { on = true, n = 3 } }, other.state)
    assert.equal(state, other.state)
  end)

  it("keep what JSON has no word for", function()
    local run, other = make(1), make(1)
    run.state.best, run.state.at, run.state.none = math.huge, { [100] = "a", [200] = { -math.huge } }, 0 / 0
    run.state.zero, run.state[true] = "a\0b", { ["c\0d"] = 1 }
    run:save(path)
    other:load(path)
    assert.equal(math.huge, other.state.best)
    assert.same({ [100] = "a", [200] = { -math.huge } }, other.state.at)
    assert.is_true(other.state.none ~= other.state.none)
    assert.same({ "a\0b", { ["c\0d"] = 1 } }, { other.state.zero, other.state[true] })
  end)

  it("save the networks even where the script's table cannot be, and say so", function()
    local run, other = make(2):train(), make(2)
    os.remove(path)
    run.state.best = { value = print }
    refuses("run.state.best.value is a function", run.save, run, path)
    assert.equal(2, other:load(path).game.iteration)
    run.state.best = { run.state }
    refuses("run.state.best[1] contains itself", run.save, run, path)
    run.state.best = { [{}] = 1 }
    refuses("has a table as its key", run.save, run, path)
  end)

  it("are refused where a counter is missing, and nothing changes", function()
    local run = make(1)
    run:save(path)
    local tensors, about = core.safetensors_decode(core.read_file(path), path)
    local broken = about.ganlua:gsub('"moves"', '"m0ves"')
    core.write_file(path, core.safetensors_encode(tensors, { ganlua = broken }))
    local before = weights(run)
    refuses("without 'moves'", run.load, run, path)
    assert.same(before, weights(run))
  end)

  it("are refused where the optimisers' memory or the script's table is not as it was written", function()
    local run = make(1):train()
    run:save(path)
    local tensors, about = core.safetensors_decode(core.read_file(path), path)
    local before = weights(run)
    local function with(pattern, replacement)
      local text, found = about.ganlua:gsub(pattern, replacement)
      assert.equal(1, found)
      core.write_file(path, core.safetensors_encode(tensors, { ganlua = text }))
      refuses(path .. ": is damaged: ", run.load, run, path)
    end
    with('"moments":{', '"moments":{"moments.generator.m":1,')
    with('"moments":{', '"moments":{"moments.generator.m.1.x":1,')
    with('"moments":{', '"moments":{"moments.":1,')
    with('"moments":{', '"moments":{"moments.generator.x":"1",')
    for _, state in ipairs { "7", '{"ganlua.pairs":[7]}', '{"ganlua.pairs":7}', '{"ganlua.pairs":[[null,1]]}',
      '{"ganlua.pairs":[[{"ganlua.number":"nan"},1]]}', '{"ganlua.pairs":[[[],1]]}' } do
      with('"state":%b{}', '"state":' .. state)
    end
    assert.same(before, weights(run))
  end)

  it("refuse what is no checkpoint, or another network's, and change nothing", function()
    local run = make(1)
    local before = weights(run)
    refuses(folder .. "/none", run.load, run, folder .. "/none")
    gan.save(path, { x = gan.zeros(1) })
    refuses("is a file of tensors, but no checkpoint", run.load, run, path)
    make(1, 9):save(path)
    refuses("does not fit the ", run.load, run, path)
    make(1):save(path)
    core.write_file(path, core.read_file(path):sub(1, 500))
    refuses(path, run.load, run, path)
    assert.same(before, weights(run))
  end)
end)

describe("json", function()
  it("gives back what it wrote, keys in order", function()
    local value = { list = { 1, 2.5, -3e-9 }, text = 'quote " back \\ line \n bell \7 é', yes = true, no = false,
      big = 9007199254740993, nested = { { a = 1 }, { b = { "x" } } } }
    assert.same(value, core.json_decode(core.json_encode(value)))
    assert.equal('{"a":1,"b":[1,2],"c":"x"}', core.json_encode { c = "x", a = 1, b = { 1, 2 } })
    assert.equal("integer", math.type(core.json_decode "[7]"[1]))
  end)

  it("reads what others write", function()
    assert.same({ a = { 1, 2 }, b = "é/" }, core.json_decode ' { "a" : [ 1 , 2 ] , "b":"\\u00e9\\/" } ')
  end)

  it("writes numbers of six digits as its library does, with short cuts and without", function()
    local drawn, values = core.randn(4000):totable(), { 0.0, -0.0, 1.0, 10.0, 0.5, 100000.5, 999999.5, 9.9999995,
      0.0001, 0.00099999951, 1e-5, 1e6, 2.0 ^ 53, -1 / 0, 0 / 0, 3, -7 }
    for i, value in ipairs(drawn) do values[#values + 1] = value * 10.0 ^ (i % 13 - 6) end
    for i = -4000, 4000 do values[#values + 1] = i / 8 end
    for _, value in ipairs(values) do
      local short = core.json_encode({ a = value }, { "a" }, 6)
      assert.equal(short:sub(1, -2) .. ',"b":"x"}', core.json_encode({ a = value, b = "x" }, { "a", "b" }, 6))
    end
    assert.equal('{"a \\" é":1,"b":0.25}', core.json_encode({ b = 0.25, ['a " é'] = 1 }, { 'a " é', "b" }, 6))
    local names, long = {}, {}
    for i = 1, 100 do names[i] = "column" .. i end
    for i, name in ipairs(names) do long[name] = i / 7 end
    assert.near(100 / 7, core.json_decode(core.json_encode(long, names, 6)).column100, 1e-4)
  end)

  it("says where a text is wrong", function()
    for _, text in ipairs { "", "{", '{"a"}', "[1,]", "[1 2]", "nul", '"open', "{}x", "1-2" } do
      refuses("not JSON: ", core.json_decode, text)
    end
    refuses("either names or places", core.json_encode, { a = { [3] = 1 } })
    local loop = {}
    loop.again = loop
    refuses("contains itself", core.json_encode, loop)
  end)

  it("keeps zero bytes in text, and refuses them in names, which would end there", function()
    assert.same({ "a\0b" }, core.json_decode(core.json_encode { "a\0b" }))
    refuses("json: the name 'a...' has a zero byte in it", core.json_encode, { ["a\0b"] = 1 })
    refuses("json: the name 'a...' has a zero byte in it", core.json_encode, { ["a\0b"] = 1 }, { "a\0b" })
  end)

  it("writes no number that is not finite", function()
    assert.equal('{"x":null,"y":0.333333,"n":12}',
      core.json_encode({ x = 0 / 0, y = 1 / 3, n = 12 }, { "x", "y", "z", "n" }, 6))
  end)
end)
