--- Words as HTML that neither LDoc nor Markdown reads anything into.

local text = {}

-- What HTML, Markdown or LDoc would take for its own.
local special = "[&<>\"'`*_%[%]\\!#@{}]"

--- A text in which every such character is written by its number.
---@param words string
---@return string
function text.inert(words)
  return (words:gsub(special, function(c) return ("&#%d;"):format(c:byte()) end))
end

--- What text.inert and the tags around it said: the words alone, with single spaces.
---@param html string
---@return string
function text.words(html)
  local plain = html:gsub("<script.->.-</script>", " "):gsub("</?%a[^>]*>", "")
  plain = plain:gsub("&#(%d+);", function(number) return utf8.char(tonumber(number)) end)
  for name, c in pairs { lt = "<", gt = ">", quot = '"', apos = "'", amp = "&" } do
    plain = plain:gsub("&" .. name .. ";", c)
  end
  return (plain:gsub("%s+", " "))
end

-- Words whose names are links where links(name) knows the address of one.
local function linked(words, links)
  local parts, at = {}, 1
  while true do
    local from, to = words:find("%a[%w_]*[.:][%a_][%w_.:]*", at)
    if not from then break end
    local name = words:sub(from, to):gsub("[.:]+$", "")
    local address = links(name)
    parts[#parts + 1] = text.inert(words:sub(at, from - 1))
    parts[#parts + 1] = address and ('<a href="%s">%s</a>'):format(address, text.inert(name)) or text.inert(name)
    at = from + #name
  end
  parts[#parts + 1] = text.inert(words:sub(at))
  return table.concat(parts)
end

--- Prose: `code` in backticks, and names that links(name) knows the address of.
---@param words string
---@param links fun(name: string): string?
---@return string
function text.inline(words, links)
  local parts, code = {}, false
  for piece in (words .. "`"):gmatch "(.-)`" do
    parts[#parts + 1] = (code and "<code>%s</code>" or "%s"):format(linked(piece, links))
    code = not code
  end
  return table.concat(parts)
end

-- What is coloured, by language: comments, strings, words.
local languages = {
  lua = { comment = "^%-%-[^\n]*", words = "and break do else elseif end false for function if in local nil not or "
    .. "repeat return then true until while" },
  c = { comment = "^/%*.-%*/", words = "char const double else enum extern float for if int long return sizeof static "
    .. "struct typedef unsigned void while NULL size_t uint64_t int64_t" },
  sh = { comment = "^#[^\n]*", words = "" },
}

--- A block of code as HTML.
---@param code string
---@param language string "lua", "c", "sh" or anything else, which is not coloured
---@return string
function text.code(code, language)
  local colours, parts, at, words = languages[language], {}, 1, {}
  for word in (colours and colours.words or ""):gmatch "%S+" do words[word] = true end
  local function put(kind, piece)
    -- Lines that begin with spaces, and dots that end them, mean something to LDoc.
    local html = text.inert(piece):gsub("%.", "&#46;"):gsub("%?", "&#63;")
    if at == 1 then html = "\n" .. html end
    html = html:gsub("\n( +)", function(spaces) return "\n" .. ("&#32;"):rep(#spaces) end)
    if at == 1 then html = html:sub(2) end
    parts[#parts + 1] = kind and ("<span class=\"%s\">%s</span>"):format(kind, html) or html
    at = at + #piece
  end
  code = code:gsub("%s+$", "")
  while at <= #code do
    local rest = code:sub(at)
    local comment = colours and rest:match(colours.comment)
    local quoted = colours and (rest:match '^"[^"\n]*"' or rest:match "^'[^'\n]*'")
    local word = rest:match "^[%a_][%w_]*"
    if comment then
      put("comment", comment)
    elseif quoted then
      put("string", quoted)
    elseif word then
      put(words[word] and "keyword" or nil, word)
    else
      put(nil, rest:match "^%s+" or rest:sub(1, 1))
    end
  end
  return ('<pre class="code %s">%s</pre>'):format(language, table.concat(parts))
end

return text
