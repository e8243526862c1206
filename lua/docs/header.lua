--- ganlua.h as a page: its comments as text, its declarations as code beneath their titles.

local stubs = require "stubs"
local text = require "text"

local header = {}

local function prose_of(comment)
  local lines = {}
  for line in (comment:gsub("^/%*%s*", ""):gsub("%s*%*/$", "") .. "\n"):gmatch "(.-)\n" do
    lines[#lines + 1] = line:gsub("^ %* ?", "")
  end
  return lines
end

-- What declarations declare: the words before their parentheses, else the name of a type.
local function names_of(code)
  local names = {}
  for name in ("\n" .. code):gmatch "\nGANLUA_API [^\n(]-([%w_]+)%(" do names[#names + 1] = name end
  if #names == 0 then names[1] = code:match "}%s*([%w_]+);%s*$" or code:match "^typedef void ([%w_]+)%(" end
  return names
end

--- The page in Markdown and HTML, for LDoc.
---@param source string the text of ganlua.h
---@param links fun(name: string): string?
---@return string
function header.page(source, links)
  local parts = { "# The C interface\n", '<div class="text">' }
  local body = source
  for _, noise in ipairs { "/%* clang%-format %a+ %*/\n", "#ifdef __cplusplus.-#endif\n", "#include [^\n]*\n",
    "#if defined.-#endif\n", "#ifndef GANLUA_H\n#define GANLUA_H\n", "#endif%s*$" } do
    body = body:gsub(noise, "")
  end
  for block in (body:gsub("%s+$", "") .. "\n\n"):gmatch "(.-)\n\n+" do
    block = block:gsub("^%s+", "")
    local title = block:match "^/%* %-%-%-%- (.-) %-%-%-%- %*/$"
    local comment, code = block:match "^(/%*.-%*/)%s*(.*)$"
    if title then
      parts[#parts + 1] = ("</div>\n\n## %s\n\n<div class=\"text\">"):format(title)
    else
      code = comment and code or block
      for _, name in ipairs(names_of(code)) do
        parts[#parts + 1] = ('<h3 id="%s"><code>%s</code></h3>'):format(name, text.inert(name))
      end
      if comment then parts[#parts + 1] = stubs.paragraphs(prose_of(comment), links) end
      if code ~= "" then parts[#parts + 1] = text.code(code, "c") end
    end
  end
  parts[#parts + 1] = "</div>"
  return table.concat(parts, "\n") .. "\n"
end

return header
