--- The REPL: reads a statement or an expression, runs it, prints what it gives.
--
-- What needs C comes from the interpreter as a table, `host`: read_line, add_history, set_completer, call (with
-- Ctrl-C and tracebacks) and sources; and inside a run, `inside`, which is told a text before it is run. An
-- error in what was typed is shown and never ends the REPL.

local repl = {}

local keywords = {
  "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil",
  "not", "or", "repeat", "return", "then", "true", "until", "while",
}

---- Printing ------------------------------------------------------------------------------------------------

local most_entries = 40
local width = 100

-- A value inside a table, in a few words: a table in a table is not opened.
local function brief(value)
  local kind = type(value)
  if kind == "string" then
    return #value > 60 and ("%q ..."):format(value:sub(1, 57)) or ("%q"):format(value)
  elseif kind == "function" or kind == "thread" then
    return kind
  elseif kind == "number" or kind == "boolean" then
    return tostring(value)
  end
  local metatable = debug.getmetatable(value)
  if metatable and (metatable.__tostring or metatable.__name) then
    local text = tostring(value)
    return text:match("%[ganlua%.tensor[^\n]*%]%s*$") or text:match("^[^\n]*")
  end
  if kind == "table" then return next(value) == nil and "{}" or "{...}" end
  return tostring(value)
end

local function key_text(key)
  if type(key) == "string" and key:find("^[%a_][%w_]*$") then return key end
  return ("[%s]"):format(brief(key))
end

-- By kind, then by value, so that a table prints the same way every time.
local function before(a, b)
  local kind_a, kind_b = type(a), type(b)
  if kind_a ~= kind_b then return kind_a < kind_b end
  if kind_a == "number" or kind_a == "string" then return a < b end
  return tostring(a) < tostring(b)
end

--- A value as the REPL prints it: a table with what it holds, anything else as print does.
---@param value any
---@return string
function repl.format(value)
  local metatable = debug.getmetatable(value)
  if type(value) ~= "table" or (metatable and metatable.__tostring) then return tostring(value) end

  local entries, keys, fields = {}, {}, {}
  local count = #value
  for i = 1, math.min(count, most_entries) do entries[i] = brief(rawget(value, i)) end
  for key, field in pairs(value) do -- with what a table says of itself: gan loads its modules when they are asked for
    if not (math.type(key) == "integer" and key >= 1 and key <= count) then
      keys[#keys + 1], fields[key] = key, field
    end
  end
  table.sort(keys, before)
  for i = 1, math.min(#keys, most_entries - #entries) do
    entries[#entries + 1] = ("%s = %s"):format(key_text(keys[i]), brief(fields[keys[i]]))
  end
  local left = count + #keys - #entries
  if left > 0 then entries[#entries + 1] = ("... %d more"):format(left) end

  local line = ("{%s}"):format(table.concat(entries, ", "))
  if #line <= width then return line end
  return ("{\n  %s\n}"):format(table.concat(entries, ",\n  "))
end

---- Completion ----------------------------------------------------------------------------------------------

-- Adds to `names` the string keys a value can be indexed with, its metatable's included.
local function collect(value, names, depth)
  if type(value) == "table" then
    for key in pairs(value) do
      if type(key) == "string" then names[key] = true end
    end
  end
  local metatable = debug.getmetatable(value)
  local index = metatable and rawget(metatable, "__index")
  if type(value) == "userdata" and type(index) == "function" then -- a tensor's looks names up in its upvalue
    local _, methods = debug.getupvalue(index, 1)
    index = methods
  end
  if type(index) == "table" and depth < 8 then collect(index, names, depth + 1) end
end

--- The words that may stand from byte `start` of a line to its end.
---@param line string
---@param start integer
---@return string[]
function repl.complete(line, start)
  local word = line:sub(start)
  local owner, separator, prefix = word:match("^([%a_][%w_.]*)([.:])([%w_]*)$")
  local names = {}
  local value
  if owner then
    local chunk = load("return " .. owner, "=completion", "t")
    local found
    found, value = pcall(chunk or error)
    if not found then return {} end
    collect(value, names, 0)
  elseif word:find("^[%w_]*$") then
    prefix = word
    collect(_G, names, 0)
    for _, keyword in ipairs(keywords) do names[keyword] = true end
  end

  local words = {}
  for name in pairs(names) do
    local fits = name:sub(1, #(prefix or "")) == prefix and name:find("^[%a_][%w_]*$")
    if fits and name:sub(1, 2) == "__" and prefix:sub(1, 2) ~= "__" then fits = false end
    if fits and separator == ":" and type(value[name]) ~= "function" then fits = false end
    if fits then words[#words + 1] = (owner and owner .. separator or "") .. name end
  end
  table.sort(words)
  return words
end

---- Reading -------------------------------------------------------------------------------------------------

local function show(host, expression)
  local text, reason = require("ganlua.help").text(expression, host.sources())
  print(text or reason)
end

local function prompt(name, default)
  local value = _G[name]
  return value == nil and default or tostring(value)
end

-- Reads lines until they are a statement or an expression. Returns the chunk, or nil and the error of code that
-- cannot be completed; nil alone for nothing to run; false at the end of the input.
local function read_chunk(host)
  local text = host.read_line(prompt("_PROMPT", "> "))
  if host.inside and text == false then return "end" end
  if host.inside and text and text:find "^%s*resume%s*$" then return "resume" end
  if text == nil then return false end
  if not text or not text:find("%S") then return nil end
  local topic = text:match("^%s*%?(.*)")
  if topic then
    host.add_history(text)
    return function() show(host, topic) end
  end
  local chunk, problem
  while true do
    local expression, incomplete = load("return " .. text, "=stdin", "t")
    chunk, problem = expression, nil
    if chunk then break end
    chunk, problem = load(text, "=stdin", "t")
    if chunk or not (problem:find("<eof>$") or incomplete:find("<eof>$")) then break end
    local more = host.read_line(prompt("_PROMPT2", ">> "))
    if more == false then return nil end
    if more == nil then break end
    text = text .. "\n" .. more
  end
  host.add_history(text)
  if host.inside and chunk then host.inside(text) end
  return chunk, problem
end

-- Shows an error, without the REPL's own part of the traceback.
local function warn_user(message)
  io.stdout:flush()
  io.stderr:write("ganlua: ", (message:gsub("\n%s*%[C%]: in field 'call'.*", "")), "\n")
end

--- Runs until the input ends, with `gan` as a global; inside a run (host.inside) also until "resume" is read, or until
--- Ctrl-C at the prompt, and then it returns false.
---@param host table
---@return boolean
function repl.run(host)
  host.set_completer(repl.complete)
  if _G.gan == nil then _G.gan = require "ganlua" end
  while true do
    local chunk, problem = read_chunk(host)
    if chunk == false or chunk == "resume" then break end
    if chunk == "end" then return false end
    if chunk then
      local results = table.pack(host.call(chunk))
      if not results[1] then
        warn_user(results[2])
      elseif results.n > 1 then
        local shown, text = host.call(function()
          local texts = {}
          for i = 2, results.n do texts[i - 1] = repl.format(results[i]) end
          return table.concat(texts, "\t")
        end)
        if shown then print(text) else warn_user(text) end
      end
    elseif problem then
      warn_user(problem)
    end
    io.stdout:flush()
  end
  return true
end

return repl
