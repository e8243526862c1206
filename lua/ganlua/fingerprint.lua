--- Whether a script is the one that a run was started with: a fingerprint of what the run was told (the text of
-- config.lua, the settings of the command line) and of the sources that told it: the script, and the modules beside it
-- that it requires.
--
-- Threads and kernels are no part of it: a run may go on at another machine, if not to the same bytes.

local core = require "ganlua.core"

local fingerprint = {}

-- The files that the script was read from: itself, and modules that were found in its folder or in the one where it
-- was started.
local function source_files()
  if not package.searchpath then return {} end -- in the sandbox: one script, whose text is told
  local script = _G.arg and _G.arg[0]
  local files = {}
  if script and core.exists(script) and not core.is_directory(script) then files[1] = script end
  local beside = script and script:match "^(.*/)[^/]*$"
  for name in pairs(package.loaded) do
    local path = type(name) == "string" and not name:find "^ganlua" and package.searchpath(name, package.path)
    local near = path and (path:sub(1, 1) ~= "/" or beside and path:sub(1, #beside) == beside)
    if near then files[#files + 1] = path end
  end
  table.sort(files)
  return files
end

--- The fingerprint of a run as 16 hexadecimal digits.
---@param config string the text of its config.lua, without threads and kernels
---@param functions function[] whose source counts where it is no file: a chunk of -e, a string
---@return string
function fingerprint.of(config, functions)
  local settings = package.loaded["ganlua.settings"]
  local told = { (config:gsub("0x%x+", "")), settings and settings.set or {} }
  told[#told + 1] = settings and settings.script
  for _, path in ipairs(source_files()) do told[#told + 1] = core.read_file(path) end
  for _, f in ipairs(functions) do
    local source = debug.getinfo(f, "S").source
    if not source:find "^[@=]" then told[#told + 1] = source end
  end
  return ("%016x"):format(core.digest(told))
end

return fingerprint
