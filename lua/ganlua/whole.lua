--- Until the caller's block ends, a cancel waits: what is written is written whole. `local _ <close> = whole()`; blocks
--- may be inside each other, and an error lets go too.

local core = require "ganlua.core"

local outermost = setmetatable({}, { __close = function() core.hold_cancel(false) end })
local inner = setmetatable({}, { __close = function() end })

return function()
  return core.hold_cancel(true) and inner or outermost
end
