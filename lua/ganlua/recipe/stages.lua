--- How a picture's size is reached by doubling: the smallest picture, and the sizes up to the whole.

local check = require "ganlua.check"

--- 64 gives 4 and { 8, 16, 32, 64 }; 28 gives 7 and { 14, 28 }. Raises for sizes that are no such number.
---@param where string how messages begin
---@param size integer
---@return integer smallest
---@return integer[] sizes
return function(where, size)
  local smallest, sizes = size, {}
  while smallest > 7 and smallest % 2 == 0 do
    table.insert(sizes, 1, smallest)
    smallest = smallest // 2
  end
  if smallest > 15 or #sizes == 0 then
    check.fail("%s: option 'size' must be a number up to 15 doubled a few times, such as 28, 32 or 64, got %d", where,
      size)
  end
  return smallest, sizes
end
