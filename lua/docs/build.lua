--- Makes what is derived from comments and pages:
--
--   ganlua lua/docs/build.lua definitions FILE   the definitions for editors (cmake runs this)
--   ganlua lua/docs/build.lua site FOLDER        the site, put together by LDoc (`./dev docs`)
--
-- Pages are lua/docs/pages/*.md; those that begin with a number are the tutorial, in that order. Their pictures come
-- along.

local root = arg[0]:match "^(.*)lua/docs/build%.lua$"
package.path = root .. "lua/docs/?.lua"
local core = require("ganlua") and require "ganlua.core"

local what, target = arg[1], arg[2]

local read, write = core.read_file, core.write_file

local function list(pattern)
  local paths = {}
  local pipe = assert(io.popen(("cd '%s' && find %s | LC_ALL=C sort"):format(root == "" and "." or root, pattern)))
  for path in pipe:lines() do paths[#paths + 1] = path end
  pipe:close()
  return paths
end

local sources = {}
for _, path in ipairs(list "lua/ganlua -name '*.lua'") do
  sources["@" .. path:gsub("^lua/", "")] = read(root .. path)
end

local all = require("reference").collect(sources)
if #all.problems > 0 then
  error("these public names have no text: " .. table.concat(all.problems, ", "), 0)
end

if what == "definitions" then
  write(target, require("definitions").text(all))
  return
end
assert(what == "site" and target, "usage: ganlua lua/docs/build.lua definitions FILE | site FOLDER")

-- Where a name of the reference is, from a page of the site.
local address = {}
for _, page in ipairs(all.pages) do
  local file = ("../%s/%s.html"):format(page.kind == "module" and "modules" or "classes", page.name)
  if page.kind == "module" then address[page.name] = file end
  if page.class then address[page.class] = file end
  for _, entry in ipairs(page.entries) do address[entry.expression] = file .. "#" .. entry.name end
end
address["ganlua.train_options"] = "../modules/gan.html#train_options"
address["ganlua.overrides"] = "../classes/game.html#overrides"

local function links(name)
  if address[name] then return address[name] end
  return address["gan." .. name] -- nn.linear
end

-- Runs a shell's command; what it says on its standard error is an error.
local function run(command)
  local log = os.tmpname()
  local done = os.execute(("{ %s; } >%s 2>&1 || echo 'it failed' >>%s"):format(command, log, log))
  local said = read(log)
  os.remove(log)
  if not done or said ~= "" then error(said, 0) end
end

local function quoted(path) return "'" .. path:gsub("'", "'\\''") .. "'" end

-- What LDoc reads, in a folder of its own.
local source = target .. "/source"
run(("rm -rf %s && mkdir -p %s/pages %s/pictures"):format(quoted(target), quoted(source), quoted(target)))
local stubs, pages = require "stubs", require "pages"
for _, page in ipairs(all.pages) do
  write(("%s/%s.lua"):format(source, page.name), stubs.page(page, all.classes, links))
end
for _, path in ipairs(list "lua/docs/pages -name '*.md'") do
  local text = read(root .. path)
  write(source .. "/pages/" .. path:match "[^/]+$", pages.page(text, links))
  for _, picture in ipairs(pages.pictures(text)) do
    write(target .. "/pictures/" .. picture:match "[^/]+$", read(root .. "lua/docs/pages/" .. picture))
  end
end
write(source .. "/pages/c-interface.md", require("header").page(read(root .. "lua/ganlua.h"), links))
for _, name in ipairs { "config.ld", "ldoc.ltp", "ldoc.css" } do
  write(source .. "/" .. name, read(root .. "lua/docs/" .. name))
end

-- LDoc and its Markdown are written for Lua 5.1. It copies a style from the folder that it is in.
local ldoc = "lua5.1 /usr/bin/ldoc --fatalwarnings -q -c config.ld -s . -l . -d .. . >/dev/null"
run(("cd %s && %s"):format(quoted(source), ldoc))
run("rm -r " .. quoted(source))
