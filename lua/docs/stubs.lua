--- What LDoc reads: a Lua file for each page of the reference, with the comments in LDoc's own form.
--
-- LDoc knows nothing of LuaCATS: here are its tags, @module, @classmod, @function, @param and @return. The texts are
-- HTML that Markdown leaves alone, and @heading is what a name is shown as: gan.loss.hinge{margin=1}.

local text = require "text"

local stubs = {}

-- Lines of prose as HTML: paragraphs, and what is indented as code.
local function paragraphs(prose, links)
  local parts, words, code = {}, {}, {}
  local function close()
    if #words > 0 then parts[#parts + 1] = "<p>" .. text.inline(table.concat(words, "\n"), links) .. "</p>" end
    while code[#code] == "" do table.remove(code) end
    local margin = math.huge
    for _, line in ipairs(code) do margin = line == "" and margin or math.min(margin, #line:match "^ *") end
    for i, line in ipairs(code) do code[i] = line:sub(margin + 1) end
    if #code > 0 then parts[#parts + 1] = text.code(table.concat(code, "\n"), "lua") end
    words, code = {}, {}
  end
  for _, line in ipairs(prose) do
    if line:find "^  " then
      if #words > 0 then close() end
      code[#code + 1] = line
    elseif line == "" then
      if #code > 0 then code[#code + 1] = "" else close() end
    else
      if #code > 0 then close() end
      words[#words + 1] = line
    end
  end
  close()
  return table.concat(parts, "\n")
end
stubs.paragraphs = paragraphs

local function typed(item, links)
  return ('<code class="type">%s</code> %s'):format(text.inline(item.type, links), text.inline(item.text, links))
end

-- A list of fields, those of a class or of options.
local function fields_of(fields, links)
  if not fields or #fields == 0 then return "" end
  local rows = { "<dl class=\"fields\">" }
  for _, field in ipairs(fields) do
    rows[#rows + 1] = ("<dt><code>%s</code></dt>"):format(text.inert(field.name))
    rows[#rows + 1] = ("<dd>%s</dd>"):format(typed(field, links))
  end
  rows[#rows + 1] = "</dl>"
  return table.concat(rows, "\n")
end

-- A comment in LDoc's form.
local function comment(html, tags)
  local lines = { "---" }
  for line in ('<div class="text">' .. html .. "</div>\n"):gmatch "(.-)\n" do
    lines[#lines + 1] = "--" .. line:gsub("^%-", "&#45;") -- LDoc keeps a space, and counts the dashes
  end
  for _, tag in ipairs(tags) do lines[#lines + 1] = "-- " .. tag:gsub("\n", " ") end
  return table.concat(lines, "\n") .. "\n\n"
end

local function of_entry(entry, links)
  local tags = { "@function " .. entry.name, "@heading " .. text.inert(entry.heading) }
  for _, p in ipairs(entry.parameters) do
    tags[#tags + 1] = ("@param%s %s %s"):format(p.optional and "[opt]" or "", p.name, typed(p, links))
  end
  for _, r in ipairs(entry.returns) do tags[#tags + 1] = "@return " .. typed(r, links) end
  local html = paragraphs(entry.prose, links)
  if entry.type then html = html .. ('\n<p><code class="type">%s</code></p>'):format(text.inline(entry.type, links)) end
  return comment(html, tags)
end

--- The options of gan.train and of a move, which are classes and no functions: shown on the pages that they belong to.
stubs.options = {
  gan = { { name = "train_options", class = "ganlua.train_options", heading = "options of gan.train" } },
  game = { { name = "overrides", class = "ganlua.overrides", heading = "options of a move, and of game:set" } },
}

--- The file of one page.
---@param page table see reference.collect
---@param classes table<string, table>
---@param links fun(name: string): string?
---@return string
function stubs.page(page, classes, links)
  local kind = page.kind == "module" and "@module " or "@classmod "
  local parts = {
    comment(paragraphs(page.prose, links) .. fields_of(page.fields, links), { kind .. page.name }),
  }
  for _, entry in ipairs(page.entries) do parts[#parts + 1] = of_entry(entry, links) end
  for _, options in ipairs(stubs.options[page.name] or {}) do
    local class = classes[options.class]
    local html = paragraphs(class.prose, links) .. fields_of(class.fields, links)
    parts[#parts + 1] = comment(html, { "@table " .. options.name, "@heading " .. options.heading })
  end
  return table.concat(parts)
end

return stubs
