--- A run's folder: config.lua (what was run), metrics.jsonl, samples/, losses.png, checkpoints.
--
-- A folder is never written into twice: where one of that name is, the next run takes NAME-2, NAME-3, ... It is made,
-- with config.lua in it, before the first move, so that a place that cannot be written to is known before the training
-- and not after.

local core = require "ganlua.core"
local check = require "ganlua.check"

local run_folder = {}

-- Where runs go: --out of the interpreter, else "runs".
local function parent_folder()
  local settings = package.loaded["ganlua.settings"]
  return settings and settings.out or "runs"
end

-- A run without a name is called after the script: "examples/ring.lua" -> "ring".
local function script_name()
  local script = arg and arg[0]
  local name = script and script:match("([^/]+)$"):gsub("%.lua$", "")
  return name and name:match("^[%w_.-]+$") and name or "run"
end

--- Makes the folder: `out`, or the run's name in the folder for runs; NAME-2 and so on where that is taken.
--- Raises where it cannot be made or written to.
---@param out? string
---@param name? string
---@param config string the text of config.lua
---@return string path
---@return string wanted the path that it would have had, were it free
function run_folder.create(out, name, config)
  for option, value in pairs { out = out, name = name } do
    if value == "" then check.fail("train: option '%s' must be a folder's name, got ''", option) end
  end
  local wanted = (out or parent_folder() .. "/" .. (name or script_name())):gsub("(.)/+$", "%1")
  local path, number = wanted, 1
  local made, problem = pcall(function()
    while not core.create_directory(path) do -- it is ours alone: two runs that start together get two
      number = number + 1
      path = ("%s-%d"):format(wanted, number)
    end
    core.write_file(path .. "/config.lua", config)
  end)
  if not made then check.fail("train: the run's folder cannot be written: %s", (problem:gsub("^.-:%d+: ", ""))) end
  return path, wanted
end

local function literal(value, indent)
  local kind = type(value)
  if kind == "string" then
    if not value:find("\n") then return ("%q"):format(value) end
    return "[[\n" .. value:gsub("%]%]", "] ]") .. "]]"
  elseif kind == "number" or kind == "boolean" then
    return tostring(value)
  elseif kind == "function" then
    local where = debug.getinfo(value, "S")
    return ("%q"):format(("function at %s:%d"):format(where.short_src, where.linedefined))
  elseif kind == "table" and not (getmetatable(value) and getmetatable(value).__tostring) then
    local keys, lines = {}, {}
    for key in pairs(value) do keys[#keys + 1] = key end
    table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
    for i, key in ipairs(keys) do
      local name = type(key) == "string" and key:match("^[%a_][%w_]*$") or ("[%s]"):format(literal(key, ""))
      lines[i] = ("%s  %s = %s,\n"):format(indent, name, literal(value[key], indent .. "  "))
    end
    return #lines == 0 and "{}" or "{\n" .. table.concat(lines) .. indent .. "}"
  end
  return literal(tostring(value), indent)
end

--- A table as the text of a Lua file that returns it, keys in order; functions and objects as what they print.
---@param config table
---@return string
function run_folder.config_text(config)
  return "return " .. literal(config, "") .. "\n"
end

--- The path of an iteration's sample picture, in a folder that is there.
---@param folder string
---@param iteration integer
function run_folder.sample_path(folder, iteration)
  core.make_directory(folder .. "/samples")
  return ("%s/samples/%06d.png"):format(folder, iteration)
end

return run_folder
