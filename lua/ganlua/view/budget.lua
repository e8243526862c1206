--- How often a view may do what costs the run time: again when so much time has passed that it stays within its share.

local budget = {}

local pause <const> = 0.25 -- seconds, at least

---@class ganlua.view.budget
local Budget = {}
Budget.__index = Budget

--- Due at once.
---@param clock fun(): number seconds
---@param share number of the time, 0 to 1
---@return ganlua.view.budget
function budget.new(clock, share)
  return setmetatable({ clock = clock, share = share, next = -math.huge }, Budget)
end

---@return boolean
function Budget:is_due() return self.clock() >= self.next end

--- Calls f(...), due or not.
---@param f function
function Budget:spend(f, ...)
  local before = self.clock()
  f(...)
  local now = self.clock()
  self.next = now + math.max(pause, (now - before) / self.share)
end

--- It is due, whatever was spent.
function Budget:renew() self.next = -math.huge end

return budget
