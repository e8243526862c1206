--- gan.recover: what a run does when it has gone wrong. These are made for the hooks on.nan and on.collapse:
--
--     on = { nan = gan.recover.rollback { lr = 0.5, tries = 3 } }
--
-- Such a hook is called as hook(run, trouble), see ganlua.trouble. What it returns is done: nil, nothing more (a loss
-- that is not finite then stops the run); { lr = factor }: the run goes back to its last checkpoint, and from there on
-- with all learning rates times that factor.

local check = require "ganlua.check"

local recover = {}

--- Goes back to the last checkpoint and on with learning rates times `lr` (0.5), at most `tries` times (3) in a run.
---@param options? { lr: number?, tries: integer? }
---@return fun(run: ganlua.trainer, trouble: ganlua.trouble): { lr: number }?
function recover.rollback(options)
  local given = check.options("recover.rollback", options, {
    lr = { type = "number", above = 0, max = 1, default = 0.5 },
    tries = { type = "integer", min = 1, default = 3 },
  })
  return function(run)
    if run.recovery.tries < given.tries then return { lr = given.lr } end
  end
end

return recover
