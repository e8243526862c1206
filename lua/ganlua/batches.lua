--- A move's batch: real examples, latents, labels, and what the discriminator is shown of samples.
--
-- Every purpose draws from a random stream of its own (see streams.lua). Under mpirun, a rank's own rows of it (see
-- ranks/share.lua).

local augment = require "ganlua.augment"
local check = require "ganlua.check"
local core = require "ganlua.core"
local labels = require "ganlua.labels"
local players = require "ganlua.player"
local share = require "ganlua.ranks.share"

local batches = {}

-- Real examples and, where the networks look at labels, theirs. Of a game whose ranks keep data of their own (see
-- ranks/federated.lua), as many of these as the rank has rows.
local function real_batch(game, n, rows)
  local streams, plan = game.streams, game.labels
  local count = rows and rows.count or n
  streams:enter "data"
  local since = core.monotonic()
  local images, classes
  if rows and game.federated then
    n, images, classes = count, game.data:batch(count)
  else
    images, classes = share.read(game.data, n, rows)
  end
  game.waited = game.waited + (core.monotonic() - since)
  streams:leave()
  if not core.is_tensor(images) then
    check.fail("data:batch(%d) must return a tensor, got %s", n, check.describe(images))
  end
  local labelled = plan and (plan.discriminator or plan.class_scores)
  if n > count then
    if labelled and core.is_tensor(classes) and #classes == n then classes = share.taken(classes, rows) end
    if #images == n then images = share.taken(images, rows) end
  end
  if not labelled then return images end
  if not core.is_tensor(classes) or #classes:shape() ~= 1 or #classes ~= count then
    check.fail("data:batch(%d) must return %d labels too, which the discriminator looks at, got %s", n, n,
      check.describe(classes))
  end
  check.labels(("data:batch(%d)"):format(n), classes, plan.classes)
  local _ <close> = share.within(rows)
  streams:enter "label"
  classes = labels.dropped(plan, classes)
  streams:leave()
  return images, classes
end

local function latent_batch(game, n, rows)
  game.streams:enter "latent"
  local z = game.latent(n)
  game.streams:leave()
  return share.taken(z, rows)
end

-- What the generator is asked for; nil where it does not look at labels.
local function label_batch(game, n, rows)
  local plan = game.labels
  if not plan then return nil end
  game.streams:enter "label"
  local drawn = labels.dropped(plan, labels.draw(plan, n))
  game.streams:leave()
  return share.taken(drawn, rows)
end

---- What the discriminator is shown -------------------------------------------------------------------------------

--- Packs m samples to one (PacGAN, Lin 2018), along the last dimension: n x H x W x C to n/m x H x W x mC.
---@param x ganlua.tensor
---@param m integer n is a multiple of it
---@return ganlua.tensor
function batches.packed(x, m)
  if m == 1 then return x end
  local shape, apart, order = x:shape(), {}, { 1 }
  if #shape == 1 then return x:reshape(shape[1] // m, m) end
  apart[1], apart[2] = shape[1] // m, m
  for i = 2, #shape do apart[i + 1] = shape[i] end
  for i = 3, #shape do order[#order + 1] = i end
  order[#order + 1], order[#order + 2] = 2, #shape + 1
  shape[1], shape[#shape] = shape[1] // m, shape[#shape] * m
  return x:reshape(apart):permute(order):reshape(shape)
end

--- What the discriminator is shown of samples: augmented, with instance noise, packed.
---@param game ganlua.game
---@param s ganlua.move_settings
---@param x ganlua.tensor
---@return ganlua.tensor
function batches.shown(game, s, x)
  if s.augment then
    game.streams:enter "augment"
    x = augment.apply(s.augment, game.players.discriminator, x)
    game.streams:leave()
  end
  if s.noise > 0 then
    game.streams:enter "noise"
    x = x + core.randn(x:shape()) * s.noise
    game.streams:leave()
  end
  return batches.packed(x, game.pac)
end

--- What the generator makes of a batch.
---@param G ganlua.module
---@param batch { latent: ganlua.tensor, labels: ganlua.tensor? }
---@return ganlua.tensor
function batches.generated(G, batch)
  if batch.labels then return G(batch.latent, batch.labels) end
  return G(batch.latent)
end

---- Samples that are used again ------------------------------------------------------------------------------------

-- A move of the discriminator alone may leave what it was shown to the generator's next move, with its graph. Where a
-- run goes on between the two, only the places in the streams are left, and the generator's buffers as they were: then
-- the same samples are made once more.

--- What a move leaves: where the streams of the latents, labels and of the network were, the generator's buffers before
--- it made samples (spectral norm's vectors move on by that, and the samples depend on them), and what came of them.
---@class ganlua.shown
---@field latent_at integer
---@field label_at integer
---@field network_at integer
---@field batch integer
---@field buffers ganlua.tensor[]
---@field latent ganlua.tensor?
---@field labels ganlua.tensor?
---@field generated ganlua.tensor? with its graph

-- Makes shown samples once more; the buffers have moved on by them already.
local function made_again(game, left, rows)
  local player, streams = game.players.generator, game.streams
  local _ <close> = share.within(rows)
  local kept, mark = players.exchange_buffers(player, left.buffers), streams:mark()
  streams:go("latent", left.latent_at)
  streams:go("label", left.label_at or 0)
  streams:go("network", left.network_at)
  left.latent, left.labels = batches.asked(game, left.batch, rows)
  streams:enter "network"
  left.generated = batches.generated(player.module, left)
  streams:leave()
  streams:back(mark)
  players.exchange_buffers(player, kept)
end

-- The samples that are there for a move of the generator, if they are.
local function left_for(game, s, due, rows)
  local left = game.shown
  if not s.reuse or due.discriminator or not left or left.batch ~= s.batch then return nil end
  game.shown = nil -- the move uses up their graph
  if not left.generated then made_again(game, left, rows) end
  return left
end

---- A move's batch ------------------------------------------------------------------------------------------------

---@class ganlua.batch
---@field latent ganlua.tensor
---@field labels ganlua.tensor? what the generator is asked for
---@field generated ganlua.tensor? where the samples are there already
---@field real ganlua.tensor? as the discriminator is shown them
---@field real_labels ganlua.tensor? where the discriminator looks at labels
---@field latent_at integer? where the streams were, for a move whose samples may be used again
---@field label_at integer?
---@field rows ganlua.rows? which of the whole batch's these are; nil in one process

--- Draws real examples of a move's batch, as the discriminator is shown them, and their labels.
---@param game ganlua.game
---@param s ganlua.move_settings
---@param rows ganlua.rows?
---@return ganlua.tensor real
---@return ganlua.tensor? labels
function batches.real(game, s, rows)
  local real, labels_of = real_batch(game, s.batch, rows)
  local _ <close> = share.within(rows)
  return batches.shown(game, s, real), labels_of
end

--- Draws what the generator is asked for.
---@param game ganlua.game
---@param n integer
---@param rows ganlua.rows?
---@return ganlua.tensor latent
---@return ganlua.tensor? labels
function batches.asked(game, n, rows)
  return latent_batch(game, n, rows), label_batch(game, n, rows)
end

--- Draws a move's batch.
---@param game ganlua.game
---@param s ganlua.move_settings
---@param due table<string, table[]> the penalties that the move computes, by player
---@param wants_real boolean
---@return ganlua.batch
function batches.draw(game, s, due, wants_real)
  local real, real_labels
  local rows = share.rows(s.batch, game.pac)
  if wants_real then real, real_labels = batches.real(game, s, rows) end
  local left = left_for(game, s, due, rows)
  if left then
    return {
      latent = left.latent, labels = left.labels, generated = left.generated, real = real, real_labels = real_labels,
      rows = rows,
    }
  end
  local latent_at, label_at = s.reuse and game.streams:place "latent", s.reuse and game.streams:place "label"
  local latent, asked = batches.asked(game, s.batch, rows)
  return {
    latent = latent, labels = asked, real = real, real_labels = real_labels, latent_at = latent_at,
    label_at = label_at, rows = rows,
  }
end

local function narrow(tensor, first, count)
  return tensor and tensor:narrow(1, first, count)
end

--- Some of a batch's samples, whole packs of them.
---@param batch ganlua.batch
---@param pac integer
---@param first integer
---@param count integer
---@return ganlua.batch
function batches.part(batch, pac, first, count)
  return {
    latent = batch.latent:narrow(1, first, count), labels = narrow(batch.labels, first, count),
    real = narrow(batch.real, (first - 1) // pac + 1, count // pac),
    real_labels = narrow(batch.real_labels, first, count),
  }
end

return batches
