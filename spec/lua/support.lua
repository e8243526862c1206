-- What specs share: a folder to write into, and what an error must say.

local core = require "ganlua.core"

local support = {}

--- A new empty folder; with `in_memory`, where there is such a file system. until_end: busted's teardown, which removes
--- it when the file is through.
function support.folder(until_end, in_memory)
  local path = os.tmpname()
  os.remove(path)
  if in_memory and core.is_directory "/dev/shm" then path = path:gsub("^/tmp", "/dev/shm") end
  core.make_directory(path)
  until_end(function() os.execute(("rm -rf '%s'"):format(path)) end)
  return path
end

--- f(...) must raise an error that has this text in it.
function support.refuses(text, f, ...)
  local ok, message = pcall(f, ...)
  assert(not ok, "no error; wanted: " .. text)
  assert(tostring(message):find(text, 1, true), ("'%s' lacks '%s'"):format(message, text))
end

return support
