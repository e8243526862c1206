-- Every block of code in README.md and in the pages of the documentation works as it stands there, with small settings.
--
-- A page is followed from top to bottom in a folder of its own. A block that begins with a file's name ("-- first.lua",
-- "/* host.c: ... */") is that file; other Lua is run as a script; sh is a shell's. `./dev run` and `ganlua` are this
-- build's interpreter, with small settings. What is no script on its own in the README is
-- completed here, by rules that anybody can read.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "../cli/shell.lua")
local root = assert(io.popen(("realpath %s../.."):format(folder))):read "l" .. "/"
package.path = root .. "lua/docs/?.lua;" .. package.path
local pages = require "pages"

local small = "--set iterations=3 --set alone=2 --set together=2"

-- A folder in which `./dev run X` runs this build; examples are those of the repository.
local function workplace()
  local cwd = shell.folder()
  shell.write(cwd .. "/dev", ([[#!/bin/sh
case $1 in
  run)
    shift
    for word; do # a command's own number of iterations is small here, too
      case $word in iterations=*) word=iterations=3 ;; esac
      set -- "$@" "$word"
      shift
    done
    exec '%s' %s "$@"
    ;;
  *) '%sdev' help | grep -q "^  $1 " ;; # a word of ./dev; what it does has specs of its own
esac
]]):format(shell.ganlua, small, root))
  assert(os.execute(("chmod +x '%s/dev' && ln -s '%sexamples' '%s' '%s'"):format(cwd, root, shell.build, cwd)))
  if not shell.build:find "/build$" then os.execute(("ln -s '%s' '%s/build'"):format(shell.build, cwd)) end
  return cwd
end

local env = { LUA_PATH = false, LUA_CPATH = false, LD_PRELOAD = false, CFLAGS = os.getenv "GANLUA_CFLAGS" }

local function run_lua(cwd, code, name)
  shell.write(cwd .. "/" .. name, code)
  local words = {}
  for word in small:gmatch "%S+" do words[#words + 1] = word end
  words[#words + 1] = name
  local result = shell.run_ganlua(words, { cwd = cwd, timeout = 300 })
  assert(result.code == 0, code .. "\n" .. result.err)
end

local function run_sh(cwd, code)
  local result = shell.run({ "sh", "-e", "-c", code }, { cwd = cwd, env = env, timeout = 300 })
  assert(result.code == 0, code .. "\n" .. result.out .. result.err)
end

local function file_of(code)
  return code:match "^%-%- ([%w_]+%.lua)\n" or code:match "^/%* ([%w_]+%.c): "
end

local function page_files()
  local names = {}
  for path in assert(io.popen(("ls '%slua/docs/pages'"):format(root))):lines() do names[#names + 1] = path end
  return names
end

describe("the pages of the documentation", function()
  local total = 0

  for _, name in ipairs(page_files()) do
    local page = shell.read(root .. "lua/docs/pages/" .. name)
    local blocks = pages.blocks(page)
    if #blocks > 0 then
      it("can be followed: " .. name, function()
        local cwd = workplace()
        for i, block in ipairs(blocks) do
          local file = file_of(block.code)
          if file then
            shell.write(cwd .. "/" .. file, block.code)
          elseif block.language == "lua" then
            run_lua(cwd, block.code, ("block%d.lua"):format(i))
          else
            assert.equal("sh", block.language, "a block of " .. name .. " has no language")
            run_sh(cwd, block.code)
          end
          total = total + 1
        end
        for file in page:gmatch "`(runs/[^`]*%.png)`" do
          if not file:find "%d%d%d%d" then assert.is_string(shell.read(cwd .. "/" .. file), file) end
        end
        shell.remove(cwd)
      end)
    end

    it("show pictures beside the command that makes them: " .. name, function()
      for _, picture in ipairs(pages.pictures(page)) do
        assert.is_string(shell.read(root .. "lua/docs/pages/" .. picture), picture)
      end
      for before, after in page:gmatch "(.-)!%[[^%]]*%]%([^)]+%)()" do
        local near = before:sub(-1600) .. page:sub(after, after + 200)
        assert.truthy(near:find("```sh\n", 1, true), name)
      end
    end)
  end

  it("have blocks", function() assert.is_true(total > 20) end)
end)

---- README ----------------------------------------------------------------------------------------------

-- What stands before a fragment of the README: what its reader has, and a gan.train whose missing options are there.
local prelude = [[
local gan = require "ganlua"
local nn = gan.nn
local function network(out) return nn.sequential { nn.linear { out = out } } end
local G, D = network(2):build { 2, 2 }, network(1):build { 2, 2 }
gan.export.torch(G, "weights.safetensors")
local f = function(x) return x:reshape(x:shape()[1], -1) end
-- Whatever stands between a network's other layers: "..." in the README.
local others = nn.define("others", { forward = function(_, x)
  if #x:shape() == 2 then return gan.ones(28, 28, 1) * x:narrow(2, 1, 1):reshape(-1, 1, 1, 1) end
  return x:reshape(x:shape()[1], -1)
end })
local train, open = gan.train, gan.data.open
gan.data.open = function(path)
  if path == "photos.zip" then
    local labels = {}
    for i = 1, 20 do labels[i] = i % 10 end
    return gan.data.tensor(gan.rand(20, 32, 32, 3) * 2 - 1, gan.tensor(labels))
  end
  return open(path)
end
local function completed(options)
  options.data = options.data or open "ring"
  options.batch, options.out, options.progress = 4, false, false
  options.latent, options.loss = options.latent or 2, options.loss or gan.loss.hinge {}
  if options.measure then options.measure.every, options.measure.count = 1, 8 end
  options.schedule = gan.schedule.alternate { iterations = 1 }
  return options
end
gan.train = function(options) return train(completed(options)) end
local run = gan.train { generator = G, discriminator = D, ema = { decay = 0.9 } }
]]

describe("README.md", function()
  local blocks = pages.blocks(shell.read(root .. "README.md"))
  local count = { lua = 0, c = 0, sh = 0 }
  local program

  for i, block in ipairs(blocks) do
    it(("works, block %d (%s)"):format(i, block.language), function()
      local cwd, code = workplace(), block.code
      if block.language == "sh" then
        run_sh(cwd, code)
      elseif block.language == "c" then
        -- A program, or lines for the one before it.
        if code:find("#include", 1, true) then program = code else
          code = program:gsub("(GANLUA_CONFIG_INIT;\n)", function(line) return line .. code end)
        end
        shell.write(cwd .. "/host.c", code)
        shell.write(cwd .. "/train.lua", "print(1)")
        local flags = ("PKG_CONFIG_PATH='%s/lib/pkgconfig'; export PKG_CONFIG_PATH\n"):format(shell.installed())
        run_sh(cwd, flags .. "cc -Wall -Werror $CFLAGS host.c $(pkg-config --cflags --libs ganlua) -o host")
      else
        assert.equal("lua", block.language)
        if code:find("require \"ganlua\"", 1, true) then
          run_lua(cwd, code, "block.lua")
        else
          code = code:gsub("gan%.train %b{}", function(call)
            return (call:gsub("%.%.%.", "generator = G, discriminator = D"))
          end):gsub("%.%.%.", "others {}")
          run_lua(cwd, prelude .. "do\n" .. code .. "\nend\n", "block.lua")
        end
      end
      count[block.language] = count[block.language] + 1
      shell.remove(cwd)
    end)
  end

  it("has blocks of each language", function()
    assert.is_true(count.lua >= 6 and count.c == 2 and count.sh >= 1)
  end)
end)
