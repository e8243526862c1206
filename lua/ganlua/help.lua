--- What `?name` shows in the REPL: the comment above a definition, out of the sources in the binary.
--
-- A thing is looked up by the expression that names it, gan.loss.hinge: a Lua function by the line it was defined
-- at, whatever else a module holds by its name in that module's files, a C function in the engine's catalogue, and
-- a module by the comment its file opens with.

local core = require "ganlua.core"

local help = {}

-- The functions of the engine that are not ops, hence not in its catalogue.
local native = {
  tensor = "tensor(values): a tensor of a number or of nested tables of numbers; it copies them.",
  grad = [[
grad(y, xs, {create_graph = false, grad_output = nil, unused = "error"}): the gradients of y to each tensor of the
list xs. y is one number, unless grad_output weighs its elements. With create_graph the gradients can be differentiated
again. unused = "zero" gives zeros for an x that y does not depend on.]],
  no_grad = "no_grad(f, ...): what f(...) returns; nothing in f is recorded for gradients.",
  seed = "seed(n): random tensors start over from n.",
  memory = "memory(): {live=, peak=, cap=} in bytes; cap is 0 when there is none.",
  is_tensor = "is_tensor(value): whether it is a tensor.",
  shape = "t:shape(): the sizes as a list, {2, 3}.",
  numel = "t:numel(): how many elements there are.",
  item = "t:item(): the only element, as a number.",
  totable = "t:totable(): the elements as nested tables of numbers.",
  free = "t:free(): gives the memory back now instead of when it is collected; t cannot be used any more.",
  set_ = "t:set_(i, values): writes a number or tensor into the i-th slice of t.",
  add_ = "t:add_(u, scale = 1): t = t + scale*u, in place; u broadcasts to t.",
  sub_ = "t:sub_(u, scale = 1): t = t - scale*u, in place; u broadcasts to t.",
  mul_ = "t:mul_(u): t = t*u, in place; u broadcasts to t.",
  copy_ = "t:copy_(u): t = u, in place; the shapes are the same.",
  fill_ = "t:fill_(value): every element becomes value, in place.",
  clamp_ = "t:clamp_(low, high): every element is kept between low and high, in place.",
  lerp_ = "t:lerp_(u, weight): t = t + weight*(u - t), in place: a moving average of decay 1 - weight.",
}

-- The lines of a text.
local function lines_of(text)
  local lines = {}
  for line in (text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  return lines
end

-- A comment's lines as a reader wants them; an annotation becomes "  name: type  words".
local function plain(line)
  local text = line:gsub("^%s*%-%-%-?%s?", "")
  local name, rest = text:match("^@param%s+(%S+)%s+(.*)")
  if name then return ("  %s: %s"):format(name, rest) end
  rest = text:match("^@return%s+(.*)")
  if rest then return "  returns " .. rest end
  rest = text:match("^@%w+%s+(.*)")
  return rest or text
end

-- The comment block that ends right above line `last`, as lines, or nil when there is none.
local function block_above(lines, last)
  local first = last
  while first > 1 and lines[first - 1]:find("^%s*%-%-") and not lines[first - 1]:find("^%-%-%-%-+ ") do
    first = first - 1
  end
  return first < last and table.move(lines, first, last - 1, 1, {}) or nil
end

-- The parameters in a line that defines a function, "(path, tensors)", else "".
local function parameters(line)
  return line:match("function%s*[%w_.:]*%s*(%b())") or ""
end

-- An entry: the heading under which a text is shown, and the lines of the comment that it comes from.
local function from_source(expression, line, block)
  local given = parameters(line)
  return block and { heading = expression .. given, parameters = given, comment = block }
end

local function of_lua_function(expression, f, sources)
  local info = debug.getinfo(f, "S")
  local text = sources[info.source]
  if not text and info.source:sub(1, 1) == "@" then
    local readable, found = pcall(core.read_file, info.source:sub(2))
    text = readable and found or nil
  end
  local lines = lines_of(text or "")
  local line = lines[info.linedefined]
  return line and from_source(expression, line, block_above(lines, info.linedefined))
end

-- The name a loaded ganlua module has: "ganlua.nn" for gan.nn.
local function module_name(value)
  for name, loaded in pairs(package.loaded) do
    if rawequal(loaded, value) and name:find("^ganlua%f[.\0]") then return name end
  end
end

-- The texts that make up a module, its own file first: nn/init.lua, nn/conv.lua, ...
local function texts_of(module, sources)
  local path = "@" .. module:gsub("%.", "/")
  local names, texts = {}, {}
  for chunk in pairs(sources) do
    if chunk == path .. ".lua" or chunk:sub(1, #path + 1) == path .. "/" then names[#names + 1] = chunk end
  end
  local own = { [path .. ".lua"] = true, [path .. "/init.lua"] = true }
  table.sort(names, function(a, b)
    if own[a] ~= own[b] then return own[a] end
    return a < b
  end)
  for i, chunk in ipairs(names) do texts[i] = sources[chunk] end
  return texts
end

local function of_definition(expression, module, name, sources)
  for _, text in ipairs(texts_of(module, sources)) do
    local lines = lines_of(text)
    for i, line in ipairs(lines) do
      if line:find("^%s*[%w_.]+%." .. name .. "%s*=") or line:find("^%s*function%s+[%w_.]+[.:]" .. name .. "%s*%(") then
        local entry = from_source(expression, line, block_above(lines, i))
        if entry then return entry end
      end
    end
  end
end

local function of_module(expression, module, value, sources)
  local text = texts_of(module, sources)[1]
  local head = {}
  for _, line in ipairs(lines_of(text or "")) do
    if not line:find("^%-%-") then break end
    head[#head + 1] = line
  end
  local names = {}
  for name in pairs(value) do
    if type(name) == "string" and name:sub(1, 1) ~= "_" then names[#names + 1] = name end
  end
  table.sort(names)
  return { heading = expression, comment = head, names = names }
end

--- The methods of tensors, by name.
---@return table<string, function>
function help.tensor_methods()
  local _, methods = debug.getupvalue(debug.getmetatable(core.zeros(0)).__index, 1)
  return methods
end

-- An engine's function: an op's line of the catalogue, or the words above.
local function of_native(value, name)
  local text = core.describe(value)
  if not text and (value == core[name] or value == help.tensor_methods()[name]) then text = native[name] end
  return text and { text = text }
end

local function evaluate(expression)
  local chunk, problem = load("return " .. expression, "=?", "t")
  if not chunk then return false, problem end
  return pcall(chunk)
end

--- Where the documentation of what an expression names comes from: { text = } of the engine's functions, else
--- { heading =, comment = its lines }, of functions with `parameters`, of modules with the sorted `names` in them.
--- Returns nil and the reason when there is none.
---@param expression string e.g. "gan.loss.hinge", "t:matmul"
---@param sources table<string, string> the embedded modules' texts by chunk name
---@return { text: string?, heading: string?, parameters: string?, comment: string[]?, names: string[]? }?
---@return string? reason
function help.find(expression, sources)
  local path = expression:gsub(":", ".")
  local found, value = evaluate(path)
  if not found then return nil, tostring(value):gsub("^%?:1: ", "") end
  if value == nil then return nil, ("%s is nil"):format(expression) end

  local module = module_name(value)
  if module and type(value) == "table" then return of_module(expression, module, value, sources) end

  local owner, name = path:match("^(.*)%.([%a_][%w_]*)$")
  local entry
  if type(value) == "function" and debug.getinfo(value, "S").what ~= "C" then
    entry = of_lua_function(expression, value, sources)
  end
  if not entry and type(value) == "function" and name then
    entry = of_native(value, name)
  end
  if not entry and owner then
    local _, container = evaluate(owner)
    module = module_name(container)
    entry = module and of_definition(expression, module, name, sources)
  end
  if entry then return entry end
  return nil, ("no documentation for %s (a %s)"):format(expression, type(value))
end

--- The documentation of what an expression names, as a reader wants it. Returns nil and the reason when there is none.
---@param expression string
---@param sources table<string, string>
---@return string?
---@return string? reason
function help.text(expression, sources)
  expression = expression:match("^%s*(.-)[%s(){}]*$")
  if expression == "" then return "?gan.loss.hinge shows the documentation of gan.loss.hinge; try ?gan" end
  local entry, reason = help.find(expression, sources)
  if not entry then return nil, reason end
  if entry.text then return entry.text end
  local lines = { entry.heading }
  for _, line in ipairs(entry.comment) do lines[#lines + 1] = plain(line) end
  if entry.names then lines[#lines + 1] = "\n  " .. table.concat(entry.names, " ") end
  return table.concat(lines, "\n")
end

return help
