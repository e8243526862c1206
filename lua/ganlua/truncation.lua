--- Samples nearer to the mean, of a generator with nn.style_mixing: better ones that differ less (the truncation trick,
-- Karras 2019).

local check = require "ganlua.check"
local nn_state = require "ganlua.nn.state"

local truncation = {
  --- What an option `truncation` takes.
  row = { type = "number", min = 0, max = 1 },
}

-- Puts back what each layer had.
local undo = { __close = function(before)
  for layer, value in pairs(before) do layer.truncation = value end
end }

--- Lets a network draw its styles towards their mean until the caller's block ends: `local _ <close> =
--- truncation.of("run:sample", network, 0.7)`. Raises where the network has none.
---@param where string how messages begin
---@param network ganlua.module
---@param psi number? 0: the mean, 1: as they are; nil: as the network says
function truncation.of(where, network, psi)
  local before = setmetatable({}, undo)
  if psi == nil then return before end
  nn_state.walk(network, function(m)
    if m.kind == "style_mixing" then before[m], m.truncation = m.truncation, psi end
  end)
  if not next(before) then
    check.fail("%s: option 'truncation': the %s has no nn.style_mixing, whose mean it would go towards", where,
      network.kind)
  end
  return before
end

return truncation
