--- What of a batch is a rank's, and how what ranks compute of their own rows becomes what one process computes of all.
--
-- Every rank draws a move's whole batch and takes its own rows of it, in order: rank 0 the first ones. Random numbers
-- inside networks, penalties and augmentations are those rows of what one process would draw (gan_share in core/gan.h).
-- Scores are gathered, so that each rank computes the loss of the whole batch: any loss, of pairs or of the batch as a
-- whole too. Its gradient by a rank's own scores is that rank's part of the gradient; the parts are added up. What a
-- penalty gives is the mean over a rank's rows, and counts by their share of the batch.
--
-- In one process all of this does nothing.

local check = require "ganlua.check"
local core = require "ganlua.core"
local ranks = require "ganlua.ranks"

local share = {}

--- Rows of a batch, or of a part of it, that are this rank's.
---@class ganlua.rows
---@field first integer how many rows of other ranks come before them
---@field count integer
---@field total integer of all ranks
---@field weight number count / total

-- The rows that are in work now; nil: all there are.
local current

---- Which rows are whose --------------------------------------------------------------------------------------------

-- Where part `part` of `parts` of rank r's packs begins, counted from the rank's first.
local function place(packs, r, parts, part)
  local first = packs * r // ranks.size
  return (packs * (r + 1) // ranks.size - first) * part // parts
end

-- This rank's rows of a part of a batch, and the place of the first of them among all of its rows.
local function rows_of(packs, pac, parts, part)
  local rows = { first = 0, count = 0, total = 0 }
  for r = 0, ranks.size - 1 do
    local length = (place(packs, r, parts, part) - place(packs, r, parts, part - 1)) * pac
    if r < ranks.rank then rows.first = rows.first + length end
    if r == ranks.rank then rows.count = length end
    rows.total = rows.total + length
  end
  rows.weight = rows.count / rows.total
  return rows, place(packs, ranks.rank, parts, part - 1) * pac + 1
end

-- Fails where a rank would have nothing to do: `each` is how many packs every rank has at least.
local function check_size(name, each, size, pac)
  if each > 0 then return end
  check.fail("train: %s = %d is not enough for %d ranks: each needs at least %d", name, size, ranks.size, pac)
end

--- The rows of a batch that are this rank's; nil in one process.
---@param batch integer
---@param pac integer so many rows stay together
---@return ganlua.rows?
function share.rows(batch, pac)
  if ranks.size == 1 then return nil end
  check_size("batch", batch // pac // ranks.size, batch, pac)
  return (rows_of(batch // pac, pac, 1, 1))
end

--- A batch in parts of at most micro_batch rows, of all ranks together: places among this rank's rows, how many, what
--- the part weighs, and the rows that all ranks compute then.
---@param batch integer
---@param micro_batch integer
---@param pac integer
---@return { first: integer, count: integer, weight: number, rows: ganlua.rows? }[]
function share.parts(batch, micro_batch, pac)
  local list = {}
  if ranks.size == 1 then
    for first = 1, batch, micro_batch do
      local count = math.min(micro_batch, batch - first + 1)
      list[#list + 1] = { first = first, count = count, weight = count / batch }
    end
    return list
  end
  local parts, packs = -(-batch // micro_batch), batch // pac
  check_size("micro_batch", packs // ranks.size // parts, micro_batch, pac)
  for part = 1, parts do
    local rows, first = rows_of(packs, pac, parts, part)
    list[part] = { first = first, count = rows.count, weight = rows.total / batch, rows = rows }
  end
  return list
end

--- Of n of something that this rank's rows have, how many the rows of all ranks have.
---@param n integer
---@return integer
function share.count(n) return current and n * current.total // current.count or n end

--- Whether this rank computes some of the rows of a batch now, and others the rest.
---@return boolean
function share.is_on() return current ~= nil end

-- Makes rows those in work; `apart`: what is made of them is not joined with the other ranks'.
local function enter(rows, apart)
  current = not apart and rows or nil
  if rows then core.set_share(rows.first, rows.count, rows.total) else core.set_share() end
end

--- Until the caller's block ends, these rows are in work: `local _ <close> = share.within(rows)`.
---@param rows ganlua.rows? nil: as it is
function share.within(rows)
  if not rows then return nil end
  local before = current
  enter(rows)
  return setmetatable({}, { __close = function() enter(before) end })
end

--- The same for ranks that each compute losses and steps of their own: only random numbers are those of these rows.
---@param rows ganlua.rows?
function share.apart(rows)
  if not rows then return nil end
  enter(rows, true)
  return setmetatable({}, { __close = function() enter(nil) end })
end

local function narrow(x, first, count) return x:narrow(1, first, count) end

--- Of something that all ranks have the rows of a batch of, these rows; in one process all.
---@param x ganlua.tensor?
---@param rows ganlua.rows?
---@return ganlua.tensor?
function share.taken(x, rows)
  if not x or not rows then return x end
  return core.no_grad(narrow, x, rows.first + 1, rows.count)
end

--- The next batch of a data set, these rows of it: examples and labels, where there are any.
---@param data any
---@param n integer
---@param rows ganlua.rows?
function share.read(data, n, rows)
  if rows and data.part then return data:part(n, rows.first, rows.count) end
  return data:batch(n)
end

---- Joining ---------------------------------------------------------------------------------------------------------

-- Of n rows, or packs of rows, how many of other ranks come before, and how many there are.
local function around(n)
  return current.first * n // current.count, current.total * n // current.count
end

--- The rows of all ranks, in their order, of something that each rank has its own rows of.
---@param x ganlua.tensor n x ...
---@return ganlua.tensor
function share.all(x)
  if not current then return x end
  local n = #x
  local before, total = around(n)
  return core.all_sum(x:pad(1, before, total - before - n))
end

--- This rank's n rows of something that was made of the rows of all.
---@param x ganlua.tensor
---@param n integer
---@return ganlua.tensor
function share.own(x, n)
  if not current then return x end
  return core.spread(x):narrow(1, around(n) + 1, n)
end

--- The scores of all ranks.
---@param real ganlua.tensor?
---@param fake ganlua.tensor
---@return ganlua.tensor? real
---@return ganlua.tensor fake
function share.scores(real, fake)
  if not current then return real, fake end
  fake = fake:reshape(-1, 1)
  if not real then return nil, share.all(fake) end
  local both = share.all(core.concat({ real:reshape(-1, 1), fake }, 2))
  return both:narrow(2, 1, 1), both:narrow(2, 2, 1)
end

---- Means -----------------------------------------------------------------------------------------------------------

--- A mean over this rank's rows as it counts among the others'.
---@param x ganlua.tensor
---@return ganlua.tensor
function share.weighted(x)
  return current and x * current.weight or x
end

--- The mean over the rows of all ranks, of a mean over this rank's; the same on all.
---@param x ganlua.tensor
---@return ganlua.tensor
function share.mean(x)
  return current and core.all_sum(x * current.weight) or x
end

--- The same of a number.
---@param number number
---@return number
function share.mean_number(number)
  return current and ranks.total(number * current.weight) or number
end

--- What a penalty gives that all ranks have the same already (of means over all of them): it counts as it is.
---@param x ganlua.tensor one number
---@return ganlua.tensor
function share.alike(x)
  if not current then return x end
  local y = x / current.weight
  return y + (x - y):detach()
end

--- Each rank's own part of gradients -> the gradients, with a graph.
---@param gradients ganlua.tensor[]
---@return ganlua.tensor[]
function share.summed(gradients)
  if not current then return gradients end
  local flat, sums, first = {}, {}, 1
  for i, gradient in ipairs(gradients) do flat[i] = gradient:reshape(-1) end
  local all = core.all_sum(core.concat(flat, 1))
  for i, gradient in ipairs(gradients) do
    sums[i] = all:narrow(1, first, gradient:numel()):reshape(gradient:shape())
    first = first + gradient:numel()
  end
  return sums
end

--- Parameters that all ranks have computed alike, for each rank's own rows.
---@param parameters ganlua.tensor[]
---@return ganlua.tensor[]
function share.spread(parameters)
  if not current then return parameters end
  local list = {}
  for i, parameter in ipairs(parameters) do list[i] = core.spread(parameter) end
  return list
end

--- Running statistics of batches become means over the ranks, each of which saw rows of its own.
---@param batch integer
---@param pac integer
---@param ... table[] buffers of networks, as player.buffers has them
function share.level(batch, pac, ...)
  local rows = share.rows(batch, pac)
  if not rows then return end
  local own, list = {}, {}
  for _, places in ipairs { ... } do
    for _, each in ipairs(places) do
      local layer, key = each[1], each[2]
      if layer.kind == "batch_norm" and layer.training and not layer.options.sync then
        own[#own + 1], list[#list + 1] = each, core.no_grad(core.affine, layer[key], rows.weight)
      end
    end
  end
  if #list == 0 then return end
  core.all_sum_(list)
  for i, each in ipairs(own) do each[1][each[2]] = list[i] end
end

return share
