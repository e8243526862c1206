-- The site of the documentation: LDoc has no warnings, no link is dead, every name and picture is there.

local folder = debug.getinfo(1, "S").source:match("^@(.*/)")
local shell = dofile(folder .. "../cli/shell.lua")
local root = assert(io.popen(("realpath %s../.."):format(folder))):read "l" .. "/"
package.path = root .. "lua/docs/?.lua;" .. package.path
local text = require "text"

describe("the documentation's site", function()
  local site = shell.folder() .. "/site"
  local built = shell.run_ganlua({ root .. "lua/docs/build.lua", "site", site }, { timeout = 300 })
  local files, pages = {}, {}
  for path in assert(io.popen(("cd '%s' && find . -type f"):format(site))):lines() do
    local name = path:sub(3)
    files[name] = shell.read(site .. "/" .. name)
    if name:find "%.html$" then pages[name] = files[name] end
  end
  teardown(function() shell.remove(site) end)

  -- Where an address on a page leads.
  local function resolve(page, address)
    local path, anchor = address:match "^([^#]*)#?(.*)$"
    local at = path == "" and page or (page:match "^(.*/)" or "") .. path
    at = at:gsub("[^/]+/%.%./", "")
    return at, anchor
  end

  local function has_anchor(html, anchor)
    return html:find('id="' .. anchor .. '"', 1, true) or html:find('name="' .. anchor .. '"', 1, true)
  end

  it("is built without a warning", function()
    assert.equal("", built.err)
    assert.equal(0, built.code)
    assert.is_string(files["index.html"])
    assert.is_string(files["ldoc.css"])
    assert.is_nil(files["source/config.ld"])
  end)

  it("has no dead link, and no picture that is not there or says nothing", function()
    local count, pictures = 0, 0
    for page, html in pairs(pages) do
      for address in html:gmatch '<a [^>]*href="([^"]*)"' do
        local path, anchor = resolve(page, address)
        assert.is_string(pages[path], ("%s: %s leads nowhere"):format(page, address))
        if anchor ~= "" then assert.truthy(has_anchor(pages[path], anchor), ("%s: %s"):format(page, address)) end
        count = count + 1
      end
      for address, words in html:gmatch '<img src="([^"]*)" alt="([^"]*)"' do
        assert.is_string(files[(resolve(page, address))], page .. ": " .. address)
        assert.is_true(#words > 10, page .. ": " .. address .. " has no words")
        pictures = pictures + 1
      end
      assert.is_nil(html:find("???", 1, true), page)
      assert.is_nil(html:match "%w<em>", page) -- a name's underscores are no emphasis
      local _, ids = html:gsub(' id="content"', "")
      assert.equal(1, ids, page)
    end
    assert.is_true(count > 1000 and pictures >= 6)
  end)

  it("has a command beside each picture that makes it", function()
    local names, pictures = { "README.md" }, 0
    local list = assert(io.popen(("cd '%s' && ls lua/docs/pages/*.md"):format(root)))
    for name in list:lines() do names[#names + 1] = name end
    for _, name in ipairs(names) do
      local paragraphs = {}
      for paragraph in (shell.read(root .. name) .. "\n\n"):gmatch "(.-)\n\n+" do
        paragraphs[#paragraphs + 1] = paragraph
      end
      for i, paragraph in ipairs(paragraphs) do
        if paragraph:find "^!%[" then
          local around = (paragraphs[i - 1] or "") .. (paragraphs[i + 1] or "")
          assert.truthy(around:find("./dev ", 1, true), name .. ": " .. paragraph)
          pictures = pictures + 1
        end
      end
    end
    assert.is_true(pictures >= 10)
  end)

  it("has six pages of tutorial, and each one leads to the next", function()
    for i = 1, 6 do
      local name
      for page in pairs(pages) do name = page:find("topics/" .. i .. "-", 1, true) and page or name end
      assert.is_string(name, "page " .. i)
      if i < 6 then assert.truthy(pages[name]:find(('href="%d-[^"]*"'):format(i + 1)), name) end
    end
  end)

  it("shows code as it was written", function()
    local source = shell.read(root .. "lua/docs/pages/3-schedules.md"):match "```lua\n(.-)\n```"
    local html = pages["topics/3-schedules.md.html"]:match '<pre class="code lua">(.-)</pre>'
    html = html:gsub("</?span[^>]*>", ""):gsub("&#(%d+);", function(c) return string.char(tonumber(c)) end)
    assert.equal(source, html)
  end)

  it("has every function and type of ganlua.h", function()
    local html = pages["topics/c-interface.md.html"]
    local words = text.words(html)
    local count = 0
    for name in shell.read(root .. "lua/ganlua.h"):gmatch "\nGANLUA_API [^\n(]-([%w_]+)%(" do
      assert.truthy(has_anchor(html, name), name)
      assert.truthy(words:find(name .. "(", 1, true), name)
      count = count + 1
    end
    assert.is_true(count > 15)
    assert.truthy(words:find("The sandbox is for scripts of people that the program does not trust", 1, true))
  end)
end)
