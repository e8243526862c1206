--- The files of a run, of which rank 0 alone has any: what others ask is answered there, what they write is written
-- there. In one process these are the engine's functions.
--
-- Where something fails that is not the same on all ranks (a full disk), rank 0 raises alone, and all end with it.

local core = require "ganlua.core"
local ranks = require "ganlua.ranks"

local files = {}

-- What rank 0 finds, or raises, on every rank.
local function asking(name)
  return function(...)
    local answer
    if ranks.rank == 0 then answer = table.pack(pcall(core[name], ...)) end
    answer = ranks.from_first(answer)
    if not answer[1] then error(answer[2], 0) end
    return table.unpack(answer, 2, answer.n)
  end
end

-- What rank 0 does.
local function doing(name)
  return function(...)
    if ranks.rank == 0 then return core[name](...) end
  end
end

if ranks.many() then
  for _, name in ipairs { "exists", "is_directory", "list_directory", "read_file", "file_size", "create_directory" } do
    files[name] = asking(name)
  end
  for _, name in ipairs { "write_file", "append_file", "remove_file", "make_directory" } do
    files[name] = doing(name)
  end

  --- Holds a file for one run at a time, as core.lock_file does.
  function files.lock_file(path, seconds)
    local lock
    if ranks.rank == 0 then lock = core.lock_file(path, seconds) end
    local held = ranks.from_first(lock and true or false)
    return held and (lock or { close = function() end }) or nil
  end
end

return setmetatable(files, { __index = core })
