-- The reference, and the definitions for editors: every public name is in them, with the text that `?name` shows.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local root = folder .. "../../"
package.path = root .. "lua/docs/?.lua;" .. package.path
local shell = dofile(folder .. "../cli/shell.lua")
local gan = require "ganlua"
local definitions = require "definitions"
local help = require "ganlua.help"
local reference = require "reference"
local stubs = require "stubs"
local text = require "text"

local function sources_of()
  local sources = {}
  local pipe = assert(io.popen(("cd '%slua' && find ganlua -name '*.lua'"):format(root)))
  for path in pipe:lines() do sources["@" .. path] = shell.read(root .. "lua/" .. path) end
  pipe:close()
  return sources
end

-- Every name that a script reaches from gan, in tables that are no objects, and the methods of tensors.
local function public_names()
  local names = {}
  local function walk(prefix, value)
    for name, member in pairs(value) do
      if type(name) == "string" and name:sub(1, 1) ~= "_" then
        local metatable = getmetatable(member)
        local is_table = type(member) == "table" and not (metatable and metatable.__name)
        if is_table then walk(prefix .. name .. ".", member) else names[#names + 1] = prefix .. name end
      end
    end
  end
  walk("gan.", gan)
  for name in pairs(help.tensor_methods()) do names[#names + 1] = "t:" .. name end
  return names
end

local function none() end
local function squeezed(words) return (words:gsub("`", ""):gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")) end

describe("the reference", function()
  local sources = sources_of()
  local all = reference.collect(sources)
  local entries = {}
  for _, page in ipairs(all.pages) do
    for _, entry in ipairs(page.entries) do entries[entry.expression] = entry end
  end

  it("has a text for every public name", function()
    assert.same({}, all.problems)
    local names = public_names()
    assert.is_true(#names > 250)
    for _, name in ipairs(names) do
      assert.truthy(entries[name], name)
      assert.is_true(#entries[name].prose > 0 and entries[name].prose[1] ~= "", name .. " has no words")
    end
  end)

  it("says which have none", function()
    local fewer = {}
    for chunk, source in pairs(sources) do fewer[chunk] = source end
    fewer["@ganlua/recover.lua"] = fewer["@ganlua/recover.lua"]:gsub("%-%-%- Goes back[^\n]*\n%-%-%-@param[^\n]*\n"
      .. "%-%-%-@return[^\n]*\n", "\n\n\n")
    assert.same({ "gan.recover.rollback" }, reference.collect(fewer).problems)
  end)

  it("says what ? says", function()
    local count = 0
    for expression, entry in pairs(entries) do
      local shown = (expression:find "^gan%." or expression:find "^t:") and help.text(expression, sources)
      if shown then
        local html = text.words(stubs.paragraphs(entry.prose, none))
        local parts = { html, entry.type or "" }
        for _, list in ipairs { entry.parameters, entry.returns } do
          for _, item in ipairs(list) do
            parts[#parts + 1] = table.concat({ item.name or "", item.type, item.text }, " ")
          end
        end
        local page, words = squeezed(table.concat(parts, " ")), squeezed(shown)
        -- The prose as a whole, and every word of the annotations.
        assert.truthy(words:find(squeezed(html), 1, true), expression .. ": " .. html)
        page = page .. " " .. entry.heading .. " returns"
        for word in words:gmatch "%f[%a]%a%a%a+" do
          assert.truthy(page:find(word, 1, true), expression .. ": " .. word)
        end
        count = count + 1
      end
    end
    assert.is_true(count > 250)
  end)

  it("reads types with spaces in them", function()
    local parsed = reference.parse { "--- Words.",
      "---@param f? fun(a: string, b: number): string what it", "--- does",
      "---@param o { x: integer?, y: table<string, number> }? both",
      "---@return string? name", "---@return integer # n" }
    assert.same({ "Words." }, parsed.prose)
    assert.same({ { name = "f", type = "fun(a: string, b: number): string", optional = true, text = "what it does" },
      { name = "o", type = "{ x: integer?, y: table<string, number> }?", optional = true, text = "both" } },
      parsed.parameters)
    assert.same({ { type = "string?", text = "name" }, { type = "integer", text = "n" } }, parsed.returns)
  end)

  it("makes words that neither HTML, Markdown nor LDoc reads anything into", function()
    local words = [[a < b & "c" *d* _e_ `f` [g](h) \i @{j}]]
    assert.is_nil(text.inert(words):find "[<>\"'`*_%[%]\\@{}]")
    assert.equal(words, text.words(text.inert(words)))
  end)
end)

describe("the definitions for editors", function()
  local all = reference.collect(sources_of())
  local made = definitions.text(all)

  it("are Lua", function()
    assert.is_function(load(made))
    assert.truthy(made:find "^%-%-%-@meta ganlua\n")
    assert.equal("table", type(load(made)().nn))
  end)

  it("have every public name, and every method of what scripts are given", function()
    local count = 0
    for _, page in ipairs(all.pages) do
      for _, entry in ipairs(page.entries) do
        if page.kind == "module" then
          assert.truthy(made:find("\n" .. entry.expression .. " = nil\n", 1, true)
            or made:find("\nfunction " .. entry.expression .. "(", 1, true), entry.expression)
        else
          assert.truthy(made:find("\nfunction Object%d+:" .. entry.name .. "%("), entry.expression)
        end
        count = count + 1
      end
    end
    assert.is_true(count > 280)
  end)

  it("declare every class that they speak of", function()
    local declared = { ["ganlua.schedule"] = true }
    for name in made:gmatch "@class ([%w_.]+)" do declared[name] = true end
    for line in made:gmatch "%-%-%-@[pfrto]%a+ ([^\n]*)" do
      for name in line:gmatch "%f[%w]ganlua%.[%l_]+[%l_.]*%f[^%l_.]" do
        name = name:gsub("%.$", "")
        assert.truthy(declared[name], name .. " in " .. line)
      end
    end
  end)

  it("say what may be called, and with what", function()
    local zeros = "---@param ... integer|integer[]\n---@return ganlua.tensor\nfunction gan.zeros(...) end\n"
    assert.truthy(made:find(zeros, 1, true))
    local loss = made:match "(%-%-%-@class ganlua%.loss\n.-)\n\n"
    assert.truthy(loss:find("---@overload fun(options: table): ganlua.loss", 1, true))
    assert.truthy(made:find("---@type ganlua.loss\ngan.loss.hinge = nil\n", 1, true))
  end)

  it("are installed as the build made them", function()
    assert.equal(made, shell.read(shell.build .. "/definitions/ganlua.lua"))
    assert.equal(made, shell.read(shell.installed() .. "/share/ganlua/library/ganlua.lua"))
  end)
end)
