--- Settings of the command line that the script has not asked for: a misspelt --set has no effect, which is told.

local check = require "ganlua.check"

local unasked = {}

--- What is to be said at a script's end; nil where it has asked for all that it was told.
---@return string?
function unasked.warning()
  local settings = package.loaded["ganlua.settings"]
  local asked, names = settings.asked or {}, {}
  local in_sweep = settings.set["ganlua.report"] ~= nil
  for _, name in ipairs(check.sorted_keys(settings.set)) do
    local its_own = name:find "^ganlua%." or in_sweep and name == "seed" -- which is --seed too
    if not asked[name] and not its_own then names[#names + 1] = ("'%s'"):format(name) end
  end
  if #names == 0 then return nil end
  local hint = #names == 1 and check.hint(names[1]:sub(2, -2), check.sorted_keys(asked)) or ""
  return ("warning: the script has not asked for the setting%s %s%s"):format(#names > 1 and "s" or "",
    table.concat(names, ", "), hint)
end

return unasked
