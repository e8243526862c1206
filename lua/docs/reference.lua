--- Every public name and its text, out of the comments that `?name` shows: what the reference and the definitions for
-- editors are made of.
--
-- A name is public when a script can reach it from `gan`, or is a documented method of an object that scripts are given
-- (objects, below). An entry has
--   page         the page that it is on: "gan.loss", "game"
--   name         "hinge"
--   expression   "gan.loss.hinge", "game:next"
--   heading      the same with what it takes, as a title
--   prose        lines of text; deeper ones are code
--   parameters   list of {name =, type =, optional =, text =}; and returns, list of {type =, text =}
--   annotations  the LuaCATS lines as they stand in the source
-- and text where it is one line of the engine's catalogue.

local core = require "ganlua.core"
local gan = require "ganlua"
local help = require "ganlua.help"

local reference = {}

-- What scripts are given: its class, where its methods are written, and which of them are for scripts (nil: all that
-- have a comment).
local objects = {
  { page = "network", class = "ganlua.module", prefix = "m:", files = { "nn/module.lua", "nn/state.lua" },
    tables = { Module = true, methods = true } },
  { page = "game", class = "ganlua.game", prefix = "game:", files = { "game.lua" }, tables = { Game = true },
    only = "discriminator generator both set grow next measure random moves" },
  { page = "run", class = "ganlua.trainer", prefix = "run:", files = { "run.lua", "run_output.lua" },
    tables = { Run = true, Output = true }, only = "train sample history save load" },
  { page = "dataset", class = "ganlua.data.source", prefix = "data:", files = { "data/source.lua" },
    tables = { Source = true } },
  { page = "recipe", class = "ganlua.recipe", prefix = "recipe:", files = { "recipe.lua" },
    tables = { Recipe = true } },
  { page = "features", class = "ganlua.features", prefix = "features:", files = { "features.lua" },
    tables = { Features = true } },
  { page = "picture", class = "ganlua.image", prefix = "picture:", files = { "image.lua" }, tables = { Image = true } },
  { page = "animation", class = "ganlua.animation", prefix = "animation:", files = { "image/animation.lua" },
    tables = { Animation = true } },
  { page = "plot", class = "ganlua.plot", prefix = "plot:", files = { "plot.lua" }, tables = { Plot = true } },
  { page = "scatter", class = "ganlua.scatter", prefix = "scatter:", files = { "scatter.lua" },
    tables = { Scatter = true } },
}
reference.objects = objects

---- Comments --------------------------------------------------------------------------------------------------------

local function stripped(line) return (line:gsub("^%s*%-%-%-?%s?", "")) end

-- Where a LuaCATS type at the start of a text ends: the type, and what comes after it.
local function split_type(text)
  local depth, i = 0, 1
  while i <= #text do
    local c = text:sub(i, i)
    if c == '"' then
      i = text:find('"', i + 1, true) or #text
    elseif c:find "[%(%[{<]" then
      depth = depth + 1
    elseif c:find "[%)%]}>]" then
      depth = depth - 1
    elseif c == " " and depth == 0 and not text:sub(1, i - 1):find "[:,|]$" then
      break
    end
    i = i + 1
  end
  return text:sub(1, i - 1), (text:sub(i + 1):gsub("^%s*#?%s*", ""))
end

--- A comment's lines as prose, parameters, returned values and fields.
---@param comment string[]
---@return table
function reference.parse(comment)
  local parsed = { prose = {}, parameters = {}, returns = {}, fields = {}, annotations = {} }
  local last
  local function take(tag, rest)
    if tag == "param" or tag == "field" then
      local name, mark, more = rest:match "^([%w_.]+)(%??)%s+(.*)$"
      if not name then name, mark, more = rest:match "^(%b[])(%??)%s+(.*)$" end
      if not name then name, mark, more = rest, "", "any" end
      local kind, text = split_type(more)
      local optional = mark == "?" or kind:find "%?$" ~= nil or kind:find "|nil" ~= nil
      last = { name = name, type = kind, optional = optional, text = text }
      table.insert(tag == "param" and parsed.parameters or parsed.fields, last)
    elseif tag == "return" then
      local kind, text = split_type(rest)
      last = { type = kind, text = text }
      table.insert(parsed.returns, last)
    else
      last = { text = "" }
      parsed[tag] = rest
    end
  end
  for _, line in ipairs(comment) do
    local tag, rest = line:match "^%s*%-%-%-@(%a+)%s*(.*)$"
    if tag then
      take(tag, rest)
      table.insert(parsed.annotations, line)
    elseif last then
      last.text = last.text .. " " .. stripped(line)
      parsed.annotations[#parsed.annotations] = parsed.annotations[#parsed.annotations] .. " " .. stripped(line)
    else
      table.insert(parsed.prose, stripped(line))
    end
  end
  return parsed
end

-- What a text begins with where that says how to call the thing: hinge{margin=1}.
local function called(name, prose)
  local first = prose[1] or ""
  return first:match("^" .. name .. "(%b{})") or first:match("^" .. name .. "(%b())")
end

---- Collecting ------------------------------------------------------------------------------------------------------

local function sorted_keys(t)
  local keys = {}
  for key in pairs(t) do
    if type(key) == "string" and key:sub(1, 1) ~= "_" then keys[#keys + 1] = key end
  end
  table.sort(keys)
  return keys
end

local function fail(...) error(("docs: " .. select(1, ...)):format(select(2, ...)), 0) end

-- One entry. Without a text there is none: `problems` gets its name.
local function entry(page, name, expression, found, problems)
  if not found then
    problems[#problems + 1] = expression
    return nil
  end
  local made = { page = page, name = name, expression = expression, prose = {}, parameters = {}, returns = {},
    annotations = {} }
  if found.text then -- "conv2d(x, weight, ...)\nwords", or "shape(t): words"
    local head, words = found.text:match "^%s*(.-%b())[:%s]%s*(.*)$"
    made.heading, made.text = expression .. (head or ""):match "%b()", found.text
    for line in (words .. "\n"):gmatch "(.-)\n" do table.insert(made.prose, line) end
    return made
  end
  for key, value in pairs(reference.parse(found.comment)) do made[key] = value end
  made.given = found.parameters
  made.heading = expression .. (called(name, made.prose) or found.parameters)
  return made
end

-- A module of gan, the functions and values in it, and the tables in it that are no modules (gan.nn.init).
local function walk(all, page, expression, value, sources)
  local found = help.find(expression, sources)
  if not found then all.problems[#all.problems + 1] = expression end
  local prose = found and reference.parse(found.comment).prose or {}
  local made = { name = page, kind = "module", entries = {}, prose = prose }
  table.insert(all.pages, made)
  for _, name in ipairs(sorted_keys(value)) do
    local member, path = value[name], expression .. "." .. name
    local metatable = getmetatable(member)
    if type(member) == "table" and not (metatable and metatable.__name) then
      walk(all, path, path, member, sources)
    else
      table.insert(made.entries, entry(page, name, path, help.find(path, sources), all.problems))
    end
  end
end

local function methods_of(object, texts)
  local wanted
  if object.only then
    wanted = {}
    for name in object.only:gmatch "%S+" do wanted[name] = true end
  end
  local found = {}
  for _, file in ipairs(object.files) do
    local block = {}
    for line in (texts["@ganlua/" .. file] .. "\n"):gmatch "(.-)\n" do
      local owner, name, given = line:match "^function ([%w_.]+):([%a][%w_]*)(%b())"
      if owner and object.tables[owner:match "[%w_]+$"] and #block > 0 and (not wanted or wanted[name]) then
        found[#found + 1] = { name = name, parameters = given, comment = block }
        if wanted then wanted[name] = nil end
      end
      if line:find "^%-%-" and not line:find "^%-%-%-%-+ " then block[#block + 1] = line else block = {} end
    end
  end
  if wanted and next(wanted) then fail("%s has no documented method %s", object.class, next(wanted)) end
  table.sort(found, function(a, b) return a.name < b.name end)
  return found
end

-- Every class that a comment declares, by name: its prose, its fields, its lines.
local function classes_of(texts)
  local classes = {}
  for _, chunk in ipairs(sorted_keys(texts)) do
    local block = {}
    for line in (texts[chunk] .. "\n"):gmatch "(.-)\n" do
      if line:find "^%-%-" and not line:find "^%-%-%-%-+ " then
        block[#block + 1] = line
      else
        local parsed = reference.parse(block)
        local name = parsed.class and parsed.class:match "^[%w_.]+"
        if name then
          classes[name] = classes[name] or { prose = {}, fields = {}, annotations = {} }
          for key, list in pairs(classes[name]) do table.move(parsed[key], 1, #parsed[key], #list + 1, list) end
        end
        block = {}
      end
    end
  end
  return classes
end

--- All there is: { pages = list of {name =, kind = "module"|"object", prose =, entries =}, classes = by name,
--- problems = expressions without a text }.
---@param sources table<string, string> the modules' texts by chunk name, "@ganlua/loss.lua"
---@return table
function reference.collect(sources)
  local all = { pages = {}, problems = {}, classes = classes_of(sources) }
  _G.gan, _G.t = gan, core.zeros(1) -- what expressions are looked up in
  walk(all, "gan", "gan", gan, sources)

  local tensor = { name = "tensor", kind = "object", class = "ganlua.tensor", entries = {}, prose = {
    "A tensor: float32 numbers with a shape, of rank 6 at most. Dimensions count from 1, negative ones from the end.",
    "Pictures are N x H x W x C. `+ - * / ^` broadcast, with numbers too; `#t` is the first dimension, `t[i]` a copy",
    "of its i-th slice. Whatever is computed is recorded for gradients, except inside gan.no_grad.",
  } }
  for _, name in ipairs(sorted_keys(help.tensor_methods())) do
    local expression = "t:" .. name
    table.insert(tensor.entries, entry("tensor", name, expression, help.find(expression, sources), all.problems))
  end
  table.insert(all.pages, tensor)

  for _, object in ipairs(objects) do
    local class = all.classes[object.class] or fail("no comment declares %s", object.class)
    local page = { name = object.page, kind = "object", class = object.class, prose = class.prose,
      fields = class.fields, entries = {} }
    for _, method in ipairs(methods_of(object, sources)) do
      local made = entry(object.page, method.name, object.prefix .. method.name, method, all.problems)
      table.insert(page.entries, made)
    end
    table.insert(all.pages, page)
  end
  return all
end

return reference
