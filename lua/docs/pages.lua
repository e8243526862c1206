--- A page written in Markdown, as LDoc's Markdown takes it: code coloured, tables and pictures as HTML, names of the
-- reference as links.

local text = require "text"

local pages = {}

local function cells_of(row)
  local cells = {}
  for cell in row:gsub("\\|", "\0"):match("^|(.*)|%s*$"):gmatch "[^|]+" do
    cells[#cells + 1] = cell:match("^%s*(.-)%s*$"):gsub("%z", "|")
  end
  return cells
end

-- `code`, links and pictures of a line; what else Markdown has is left to it.
local function inline(line, links)
  local kept = {}
  local function keep(html)
    kept[#kept + 1] = html
    return "\1" .. #kept .. "\1"
  end
  line = line:gsub("`([^`]+)`", function(code)
    local name = code:match "^[%a_][%w_.:]*"
    local address = name and links(name:gsub("[.:]+$", ""))
    local html = "<code>" .. text.inert(code) .. "</code>"
    return keep(address and ('<a href="%s">%s</a>'):format(address, html) or html)
  end)
  line = line:gsub("!%[([^%]]*)%]%(([^)]+)%)", function(words, path)
    return keep(('<img src="../pictures/%s" alt="%s" />'):format(path:match "[^/]+$", text.inert(words)))
  end)
  line = line:gsub("%]%(([%w_-]+)%.md(#?[%w_-]*)%)", "](%1.md.html%2)")
  line = line:gsub("(%w)_%f[%w]", "%1&#95;") -- inside a name it is no emphasis
  return (line:gsub("\1(%d+)\1", function(i) return kept[tonumber(i)] end))
end

local function of_table(rows, links)
  local html = { '<div class="table"><table>' }
  for i, row in ipairs(rows) do
    local cell = i == 1 and "th" or "td"
    if i ~= 2 then
      html[#html + 1] = "<tr>"
      for _, each in ipairs(cells_of(row)) do
        html[#html + 1] = ("<%s>%s</%s>"):format(cell, inline(each, links), cell)
      end
      html[#html + 1] = "</tr>"
    end
  end
  html[#html + 1] = "</table></div>"
  return table.concat(html, "\n")
end

--- The blocks of code in a page, in their order.
---@param source string
---@return { language: string, code: string }[]
function pages.blocks(source)
  local blocks = {}
  for language, code in ("\n" .. source):gmatch "\n```(%a*)\n(.-)\n```" do
    blocks[#blocks + 1] = { language = language, code = code .. "\n" }
  end
  return blocks
end

--- Where the pictures of a page lie, from the page.
---@param source string
---@return string[]
function pages.pictures(source)
  local paths = {}
  for path in source:gmatch "!%[[^%]]*%]%(([^)]+)%)" do paths[#paths + 1] = path end
  return paths
end

--- The page for LDoc.
---@param source string
---@param links fun(name: string): string?
---@return string
function pages.page(source, links)
  local parts, code, language, rows = {}, nil, nil, nil
  for line in (source .. "\n"):gmatch "(.-)\n" do
    local fence = line:match "^```(.*)$"
    if rows and not line:find "^|" then
      parts[#parts + 1] = of_table(rows, links)
      rows = nil
    end
    if code and fence then
      parts[#parts + 1] = text.code(table.concat(code, "\n"), language)
      code = nil
    elseif fence then
      code, language = {}, fence
    elseif code then
      code[#code + 1] = line
    elseif line:find "^|" then
      rows = rows or {}
      rows[#rows + 1] = line
    else
      parts[#parts + 1] = inline(line, links)
    end
  end
  return table.concat(parts, "\n") .. "\n"
end

return pages
