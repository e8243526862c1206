-- Networks written as ONNX, run by onnxruntime in node and in a browser, and the page of examples/browser, driven as a
-- person would. Needs Chromium, node, and a folder that GANLUA_NODE_MODULES names, with what
-- npm install --prefix FOLDER playwright-core axe-core onnxruntime-web puts into FOLDER/node_modules.

local gan = require "ganlua"
local core = require "ganlua.core"
local here = debug.getinfo(1, "S").source:match "^@(.*/)"
local shell = dofile(here .. "../cli/shell.lua")
local networks = dofile(here .. "../lua/onnx/networks.lua")()

local modules = os.getenv "GANLUA_NODE_MODULES"
local there = modules and core.exists(modules .. "/onnxruntime-web")
  and core.exists(os.getenv "CHROMIUM" or "/usr/bin/chromium") and os.execute "command -v node >/dev/null 2>&1"

local folder = shell.folder()
teardown(function() shell.remove(folder) end)

-- What ganlua makes of a network's samples, as generator.mjs wants to be told it.
local function case(i, row)
  local file = ("%d.onnx"):format(i)
  gan.export.onnx(row.network, folder .. "/" .. file, { input = row.input })
  local x, y = row.x, gan.no_grad(row.network, row.x, row.labels)
  if #x:shape() == 4 then x = gan.to_nchw(x) end
  if #y:shape() == 4 then y = gan.to_nchw(y) end
  return { file = file, kind = #x:shape() == 1 and "int64" or "float32", x = x:reshape(-1):totable(),
    x_shape = x:shape(), labels = row.labels and row.labels:totable(), y = y:reshape(-1):totable() }
end

describe("examples/browser and onnxruntime-web", function()
  it("draw what ganlua draws", function()
    if not there then return pending "no Chromium, or no GANLUA_NODE_MODULES with onnxruntime-web" end
    local kernels = gan.kernels()
    if kernels == "amx" then gan.kernels "avx512" end
    local _ <close> = setmetatable({}, { __close = function() gan.kernels(kernels) end })
    local cases = {}
    for i, row in ipairs(networks) do cases[i] = case(i, row) end
    shell.write(folder .. "/cases.json", core.json_encode(cases))
    local example = here .. "../../examples/browser/"
    for _, place in ipairs { "/plain/", "/labelled/" } do
      core.make_directory(folder .. place)
      for _, name in ipairs { "index.html", "draw.js" } do
        shell.write(folder .. place .. name, shell.read(example .. name))
      end
    end
    local labelled = gan.nn.sequential { gan.nn.concat_embedding { classes = 3, dim = 2 }, gan.nn.linear { out = 192 },
      gan.nn.tanh {}, gan.nn.reshape { 8, 8, 3 } }:build({ 1, 4 }, gan.zeros(1))
    gan.export.onnx(labelled, folder .. "/labelled/generator.onnx", { input = { 4 } })
    local made = shell.run_ganlua({ "--set", "iterations=2", "--set", "path=" .. folder .. "/plain/generator.onnx",
      "--out", folder .. "/runs", example .. "generator.lua" }, { cwd = "." })
    assert.equal("", made.err)

    local got = shell.run({ "node", here .. "generator.mjs", folder }, { cwd = ".", timeout = 900 })
    assert.equal(0, got.code, got.err)
    local seen = core.json_decode(got.out)
    assert.same({}, seen.problems)
    assert.same({}, seen.faults)
    assert.same({ "", "" }, { seen.errors[1], seen.errors[3] })
    assert.matches("99", seen.errors[2], 1, true) -- a class that there is not
    assert.same({ 122, 122 }, seen.size) -- four by four of 28 and a gap of 2
    assert.is_true(seen.walks and seen.others)
    assert.same({ false, true }, seen.asks)
    assert.is_true(seen.classes and seen.recovers)
    assert.matches("^%d+%.%d ms for 16 samples$", seen.took)
    for _, where in ipairs { "node", "browser" } do
      assert.equal(#cases, #seen[where])
      for i, off in ipairs(seen[where]) do
        assert(off <= 1e-5, ("%s, in %s: off by %g"):format(networks[i].name, where, off))
      end
    end
  end)
end)
