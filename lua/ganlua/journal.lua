--- A file that grows: metrics.jsonl, the history. What is written gathers in memory and goes to disk in one piece.
--
-- A journal knows how long its file is, and puts each piece exactly there: what a writing that failed left behind, or
-- a run that was killed after its last checkpoint, is cut off by the next piece.

local files = require "ganlua.ranks.files"

---@class ganlua.journal
---@field path string
---@field offset integer bytes on disk
---@field size integer bytes, those that wait in memory included
local Journal = {}
Journal.__index = Journal

local journal = {}

-- So many bytes gather before they are written.
local piece = 1 << 16

--- Goes on with the file at `path` behind its first `offset` bytes; what else is in it goes away.
---@param path string
---@param offset? integer 0
---@return ganlua.journal
function journal.open(path, offset)
  offset = offset or 0
  files.append_file(path, offset, "", false)
  return setmetatable({ path = path, offset = offset, size = offset, waiting = {}, count = 0 }, Journal)
end

--- Appends bytes.
---@param bytes string
function Journal:write(bytes)
  self.count = self.count + 1
  self.waiting[self.count] = bytes
  self.size = self.size + #bytes
  if self.size - self.offset >= piece then self:flush() end
end

--- Hands what waits to the operating system; with `sync`, all of the file is on disk when this returns.
---@param sync? boolean
function Journal:flush(sync)
  if self.count == 0 and not sync then return end
  files.append_file(self.path, self.offset, table.concat(self.waiting, "", 1, self.count), sync or false)
  self.offset, self.waiting, self.count = self.size, {}, 0
end

--- Forgets what was written behind byte `size`.
---@param size integer not less than what a checkpoint counts on
function Journal:cut(size)
  self:flush()
  files.append_file(self.path, size, "", false)
  self.offset, self.size = size, size
end

return journal
