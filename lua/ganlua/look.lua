--- What can be seen of a run at a moment, computed for whoever looks (see watchers.lua): nothing of it changes the run,
-- neither its numbers nor the place in its data.
--
-- The discriminator is asked in eval mode, and without augmentation or instance noise.

local batches = require "ganlua.batches"
local core = require "ganlua.core"
local labels = require "ganlua.labels"
local streams = require "ganlua.streams"

local look = {}

--- Some of the data, always the same: nil of data of the script's own, which cannot be read without moving on.
---@param run ganlua.trainer
---@param n integer a multiple of the run's pac
---@return ganlua.tensor? examples n x shape
---@return ganlua.tensor? labels n
function look.real(run, n)
  local data = run.game.data
  if not data.reader then return nil end
  return streams.with(run.options.seed, streams.number "data", function() return data:batch(n, 1) end)
end

--- Some samples of the generator (of its average where there is one), from latents that are always the same.
---@param run ganlua.trainer
---@param n integer
---@return ganlua.tensor samples n x shape
---@return ganlua.tensor? labels n
function look.fake(run, n)
  local given = run.options
  return streams.with(given.seed, streams.number "grid", function()
    local z = given.latent(n)
    local classes = given.labels and labels.draw(given.labels, n)
    return core.no_grad(run.generate, run, z, classes), classes
  end)
end

--- What the discriminator says to examples.
---@param run ganlua.trainer
---@param x ganlua.tensor n x shape; n is a multiple of the run's pac
---@param classes ganlua.tensor? n, where the discriminator looks at labels
---@return ganlua.tensor scores n / pac
function look.scores(run, x, classes)
  local given, D = run.options, run.discriminator
  local _ <close> = D:modes()
  D:eval()
  return core.no_grad(function()
    local y = D(batches.packed(x, given.pac), given.labels and given.labels.discriminator and classes or nil)
    local plan = given.labels
    if plan and plan.class_scores then y = y:narrow(2, 1, 1) end
    return y:reshape(-1)
  end)
end

return look
