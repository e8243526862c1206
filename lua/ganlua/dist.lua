--- gan.dist: the processes that mpirun has started, for scripts that want more than gan.train does with them by itself.
--
--     mpirun -n 4 ganlua train.lua
--
-- Each of them, a rank, runs the whole script. gan.dist.rank counts from 0, gan.dist.size is how many there are; in a
-- process that was started by itself, 0 and 1, and what is exchanged is its own. The functions are called on every
-- rank, in the same order: where one is left out on a rank, the others wait for it. Sums are added in the order of the
-- ranks: all have the same bytes, in every run. print writes on rank 0 alone; io.stderr is everybody's.

local check = require "ganlua.check"
local core = require "ganlua.core"
local ranks = require "ganlua.ranks"
local roles = require "ganlua.ranks.roles"

local dist = {}

--- This process, from 0.
dist.rank = ranks.rank

--- How many processes there are.
dist.size = ranks.size

local operations = { "sum", "mean", "min", "max" }

-- Fails for an operation that there is not.
local function check_operation(operation)
  for _, name in ipairs(operations) do
    if name == operation then return end
  end
  check.fail("dist.all_reduce: there is no operation %s%s", check.describe(operation),
    check.hint(operation, operations))
end

-- The least or greatest of every rank's x, element by element.
local function extreme(x, operation)
  local place = core.zeros { ranks.size, 1 }
  place:set_(ranks.rank + 1, 1)
  local all = core.all_sum(place * x:reshape(1, -1))
  return all[operation](all, 1):reshape(x:shape())
end

local function reduce_tensor(x, operation)
  if operation == "min" or operation == "max" then return core.no_grad(extreme, x, operation) end
  local sum = x:copy()
  core.all_sum_ { sum }
  if operation == "mean" then sum:mul_(1 / ranks.size) end
  return sum
end

--- Every rank's number, or tensor (of one shape), made one: "sum", "mean", "min" or "max". A tensor is a new one,
--- without a graph.
---@param value number|ganlua.tensor
---@param operation? "sum"|"mean"|"min"|"max" "sum"
---@return number|ganlua.tensor
function dist.all_reduce(value, operation)
  operation = operation or "sum"
  check_operation(operation)
  if core.is_tensor(value) then
    local shapes = ranks.gather(value:shape())
    for rank, shape in ipairs(shapes) do
      if check.shape_text(shape) ~= check.shape_text(shapes[1]) then
        check.fail("dist.all_reduce: rank %d brings a tensor of shape %s, rank 0 of %s", rank - 1,
          check.shape_text(shape), check.shape_text(shapes[1]))
      end
    end
    return reduce_tensor(value, operation)
  elseif type(value) ~= "number" then
    check.fail("dist.all_reduce: wanted a number or a tensor, got %s", check.describe(value))
  end
  local list = ranks.gather(value)
  if operation == "min" or operation == "max" then return math[operation](table.unpack(list)) end
  local sum = 0
  for _, each in ipairs(list) do sum = sum + each end
  return operation == "mean" and sum / #list or sum
end

--- Every rank's value, in the order of ranks: a list whose first is rank 0's. Numbers, strings, booleans, and tables of
--- them.
---@param value any
---@return any[]
function dist.gather(value)
  return ranks.gather(value)
end

--- One rank's value, for all: a tensor, or numbers, strings, booleans and tables of them. What the others bring is not
--- looked at.
---@param value any
---@param from? integer rank 0
---@return any
function dist.broadcast(value, from)
  from = from or 0
  if not math.tointeger(from) or from < 0 or from >= ranks.size then
    check.fail("dist.broadcast: 'from' must be a rank from 0 to %d, got %s", ranks.size - 1, check.describe(from))
  end
  local is_tensor = core.is_tensor(value)
  if ranks.size == 1 then return is_tensor and value:copy() or value end
  local mine = ranks.rank == from
  local told = ranks.gather(mine and { tensor = is_tensor, value = is_tensor and value:shape() or value } or false)
  local answer = told[from + 1]
  if not answer.tensor then return answer.value end
  local x = mine and value:copy() or core.zeros(answer.value)
  core.broadcast_({ x }, from)
  return x
end

--- Waits until every rank has come here.
function dist.barrier()
  ranks.wait()
end

--- Who plays what, for gan.train's option `ranks`: one generator and several discriminators against it, each on a
--- rank of its own with its own parameters, examples and random numbers (GMAN, Durugkar 2017); or, with one of them,
--- both players side by side. The generator makes the samples for all. It learns from the "mean" of the
--- discriminators' losses, the greatest ("max"), or the mean weighted by the softmax of lambda times the losses
--- ("softmax", lambda = 1). With average = { every = k } discriminators of the same layers begin alike, and after every
--- k of their moves their weights become the mean: with other data on each rank, a federated discriminator. In one
--- process all play in turn, and the same comes of it.
---
---     mpirun -n 4 ganlua train.lua
---     gan.train{ ranks = gan.dist.split{ generator = { 0 }, discriminator = { 1, 2, 3 } }, ... }
---@param options { generator: integer[], discriminator: integer[], combine: string?, lambda: number?,
--- average: { every: integer }? }
---@return ganlua.roles
function dist.split(options)
  return roles.split(options)
end

--- For gan.train's option `ranks`: every rank plays both networks on its share of each batch, and reads examples from
--- the data that its own script gives it: they stay where they are. Gradients travel in each move; or with average =
--- { every = k }, each rank steps by itself, and after every k moves of a player the weights become the mean of the
--- ranks' (FedAvg, McMahan 2017). In one process it is as if nothing were said.
---
---     gan.train{ data = gan.data.open("part-" .. gan.dist.rank),
---       ranks = gan.dist.federated{ average = { every = 20 } }, ... }
---@param options? { average: { every: integer }? }
---@return ganlua.roles
function dist.federated(options)
  return roles.federated(options)
end

return check.closed("gan.dist", dist)
