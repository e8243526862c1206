--- The live view: a run is looked at while it goes on, in a browser or in the terminal.
--
-- `view = true` (or a port) in gan.train, or `ganlua --view`: see view/server.lua. "terminal": see view/terminal.lua.

local view = {}

-- Who watches, by what is wanted: "terminal", or else the browser's.
local modules = { terminal = "ganlua.view.terminal", browser = "ganlua.view.server" }

local function is_port(value)
  return math.type(value) == "integer" and value >= 0 and value <= 65535
end

--- The row of gan.train's option, as in check.options.
view.row = {
  is = function(value) return type(value) == "boolean" or is_port(value) or value == "terminal" end,
  wanted = 'true, a port from 0 to 65535, or "terminal"',
}

--- The watchers of a run (see watchers.lua) with this option: what gan.train was told, or what --view said.
---@param wanted boolean|integer|"terminal"|{ port: integer?, host: string?, token: string? }|nil
---@return table[]
function view.watchers(wanted)
  if not wanted then return {} end
  local module = modules[wanted == "terminal" and "terminal" or "browser"]
  if math.type(wanted) == "integer" then wanted = { port = wanted } end
  return { require(module).new(type(wanted) == "table" and wanted or {}) }
end

return view
