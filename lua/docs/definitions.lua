--- Definitions for lua-language-server: what `gan.` completes to, with texts, parameters and types. Editors read the
-- file, nothing runs it (---@meta); it is made from the same comments as the reference.

local core = require "ganlua.core"
local reference = require "reference"

local definitions = {}

-- Kinds of the catalogue's arguments, as LuaCATS has them.
local kinds = {
  tensor = "ganlua.tensor|number", ["tensor?"] = "ganlua.tensor|number|nil", number = "number", integer = "integer",
  flag = "boolean", axis = "integer", axes = "integer|integer[]", shape = "integer|integer[]", order = "integer[]",
  place = "integer", indices = "integer[]|ganlua.tensor", tensors = "ganlua.tensor[]",
}

-- What the functions of a module give where their comments leave that to the module's.
local given = {
  ["gan.nn"] = "ganlua.module", ["gan.loss"] = "ganlua.loss", ["gan.penalty"] = "ganlua.penalty",
  ["gan.augment"] = "ganlua.augmentation", ["gan.data"] = "ganlua.data.source", ["gan.schedule"] = "ganlua.schedule",
}

local reserved = { ["end"] = true, ["repeat"] = true, ["function"] = true, ["in"] = true }

local function comment_of(lines)
  local text = {}
  for i, line in ipairs(lines) do text[i] = "---" .. (line == "" and "" or " " .. line) end
  return text
end

-- An op of the engine's catalogue: its parameters and their types; of a method, t is the first. A shape at the end may
-- come as numbers, too: gan.zeros(2, 3).
local function of_op(arguments, as_method)
  local lines, names = {}, {}
  for name, rest, behind in arguments:gmatch "([%w_]+):(%S+) ?()" do
    local kind, default = rest:match "^([%a?]+)=?(.*)$"
    if kind == "shape" and behind > #arguments then name = "..." end
    if not (as_method and #lines == 0 and #names == 0) then
      local optional = default ~= "" or kind == "flag" or kind == "axes" or kind == "tensor?"
      local shown = reserved[name] and name .. "_" or name
      lines[#lines + 1] = ("---@param %s%s %s"):format(shown, optional and "?" or "", kinds[kind] or "any")
      names[#names + 1] = shown
    else
      as_method = false
    end
  end
  lines[#lines + 1] = "---@return ganlua.tensor"
  return lines, "(" .. table.concat(names, ", ") .. ")"
end

-- The names in "fill_(value)" or "grad(y, xs, {create_graph = false})".
local function of_signature(heading)
  local names = {}
  for word in heading:match "%b()":sub(2, -2):gsub("%b{}", "options"):gmatch "[^,]+" do
    names[#names + 1] = word:match "%.%.%." or word:match "[%a_][%w_]*"
  end
  return "(" .. table.concat(names, ", ") .. ")"
end

local function of_entry(entry, target, ops)
  local lines = comment_of(entry.prose)
  local op = entry.text and ops[entry.name]
  local method = target:find ":" ~= nil
  if op then
    local annotations, parameters = of_op(op, method)
    table.move(annotations, 1, #annotations, #lines + 1, lines)
    lines[#lines + 1] = ("function %s%s end"):format(target, parameters)
  elseif entry.text then
    lines[#lines + 1] = "---@return any"
    lines[#lines + 1] = ("function %s%s end"):format(target, of_signature(entry.heading))
  elseif entry.type then -- ---@type fun(...)
    table.move(entry.annotations, 1, #entry.annotations, #lines + 1, lines)
    lines[#lines + 1] = target .. " = nil"
  elseif entry.given == "" and #entry.annotations == 0 then -- made by a definition: called with a table of options
    local class = given[entry.page] or "any"
    lines[#lines + 1] = "---@type " .. (class == "ganlua.loss" and class or "fun(...: any): " .. class)
    lines[#lines + 1] = target .. " = nil"
  else
    table.move(entry.annotations, 1, #entry.annotations, #lines + 1, lines)
    if #entry.returns == 0 and given[entry.page] then lines[#lines + 1] = "---@return " .. given[entry.page] end
    lines[#lines + 1] = ("function %s%s end"):format(target, entry.given == "" and "(...)" or entry.given)
  end
  return table.concat(lines, "\n") .. "\n\n"
end

local function of_class(name, class)
  local lines = comment_of(class.prose)
  for i, line in ipairs(class.annotations) do
    if i == 1 or not line:find "@class" then lines[#lines + 1] = line end
  end
  assert(lines[#lines] and table.concat(lines, "\n"):find("@class " .. name, 1, true), name)
  if name == "ganlua.loss" then lines[#lines + 1] = "---@overload fun(options: table): ganlua.loss" end
  return table.concat(lines, "\n") .. "\n\n"
end

-- The classes that a text speaks of, and those that these speak of, in order.
local function spoken_of(text, classes)
  local found, names = {}, {}
  local function look(words)
    for name in words:gmatch "ganlua%.[%w_.]+" do
      if classes[name] and not found[name] then
        found[name] = true
        names[#names + 1] = name
        look(table.concat(classes[name].annotations, "\n"))
      end
    end
  end
  look(text)
  table.sort(names)
  return names
end

--- The text of the file.
---@param all table see reference.collect
---@return string
function definitions.text(all)
  local ops, methods = {}, {}
  for _, op in ipairs(core.catalogue()) do ops[op.name] = op.arguments end
  for _, object in ipairs(reference.objects) do methods[object.class] = object end

  local parts = {}
  for i, page in ipairs(all.pages) do
    local target
    if page.kind == "module" then
      target = page.name
      parts[#parts + 1] = table.concat(comment_of(page.prose), "\n") .. "\n"
      parts[#parts + 1] = (page.name == "gan" and "local gan = {}" or page.name .. " = {}") .. "\n\n"
    else
      target = "Object" .. i
      if page.class == "ganlua.tensor" then
        parts[#parts + 1] = table.concat(comment_of(page.prose), "\n") .. "\n---@class ganlua.tensor\n"
        for _, operator in ipairs { "add", "sub", "mul", "div", "pow" } do
          parts[#parts + 1] = ("---@operator %s(ganlua.tensor|number): ganlua.tensor\n"):format(operator)
        end
        parts[#parts + 1] = "---@operator unm: ganlua.tensor\n---@operator len: integer\n"
      else
        parts[#parts + 1] = of_class(page.class, all.classes[page.class]):gsub("\n+$", "\n")
      end
      if page.class == "ganlua.module" then
        parts[#parts + 1] = "---@overload fun(x: ganlua.tensor, labels?: ganlua.tensor): ganlua.tensor\n"
      end
      parts[#parts + 1] = ("local %s = {}\n\n"):format(target)
    end
    local mark = page.kind == "module" and "." or ":"
    for _, entry in ipairs(page.entries) do parts[#parts + 1] = of_entry(entry, target .. mark .. entry.name, ops) end
  end
  parts[#parts + 1] = "return gan\n"

  local body, head = table.concat(parts), {
    "---@meta ganlua\n-- For lua-language-server. Made by lua/docs/definitions.lua: do not edit.\n\n",
    "---@alias ganlua.schedule fun(game: ganlua.game, from?: integer)\n\n",
  }
  for _, name in ipairs(spoken_of(body, all.classes)) do
    if not methods[name] then head[#head + 1] = of_class(name, all.classes[name]) end
  end
  return table.concat(head) .. body
end

return definitions
