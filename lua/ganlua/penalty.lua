--- gan.penalty: what is added to a player's loss, in a run's (or a single move's) list `penalties`:
--
--     penalties = { gan.penalty.r1{weight=1, every=4}, gan.penalty.drift{} }
--
-- Each has `weight` in front, a number or a curve, and `every`: with every = k it is computed in each k-th move of its
-- player alone, and weighted by k. What a penalty remembers (that count, running means) belongs to the player, under
-- the penalty's name, so one that is written inline in a move is no fresh start. Norms of gradients are those of each
-- sample, never of the batch. Below, E is the mean over the batch, D is the discriminator's raw score. Under mpirun
-- the batch is that of all ranks; of a penalty of the script's own, each rank's value is computed of its own samples,
-- and the mean over the ranks counts.

local augment = require "ganlua.augment"
local check = require "ganlua.check"
local core = require "ganlua.core"
local curve = require "ganlua.curve"
local is_module = require("ganlua.nn.state").is
local define = require("ganlua.penalty.define").define
local share = require "ganlua.ranks.share"

local penalty = { define = define }

---- Penalties on the discriminator's slope -------------------------------------------------------------------------

-- The gradient of the scores to their samples, as n x everything: each score belongs to a sample, so that the gradient
-- of their sum holds each one's own.
local function slopes(scores, x)
  local gradient = core.grad(scores:sum(), { x }, { create_graph = true, unused = "zero" })[1]
  return gradient:reshape(x:shape()[1], -1)
end

-- Numbers in [0, 1), one a sample, in a shape that broadcasts to x.
local function one_each(x)
  local shape = x:shape()
  for i = 2, #shape do shape[i] = 1 end
  return core.rand(shape)
end

-- f of real or generated samples, and of their labels where the networks look at some.
local function with_labels(f, x, labels)
  if labels then return f(x, labels) end
  return f(x)
end

-- E[(norm - target)^2], or E[max(0, norm - target)^2], of the slopes at u.
local function slope_term(move, u, o)
  local excess = slopes(with_labels(move.discriminator, u, move.real_labels), u):norm(2) - o.target
  if o.one_sided then excess = core.relu(excess) end
  return excess:square():mean()
end

local function slope_options()
  return {
    target = curve.option { min = 0, default = 1 },
    one_sided = { type = "boolean", default = false },
  }
end

--- gradient_penalty{weight=10, target=1, one_sided=false}: weight * E[(|grad_u D(u)| - target)^2] at
-- u = a*x + (1 - a)*G(z), a ~ U[0, 1] for each sample. Gulrajani 2017 (WGAN-GP). With one_sided, E[max(0, |...| -
-- target)^2]: only too steep is wrong. Petzka 2018 (WGAN-LP). Where D looks at labels, u has x's.
penalty.gradient_penalty = define {
  name = "gradient_penalty", weight = 10, options = slope_options(),
  value = function(move, o)
    local a = one_each(move.real)
    return slope_term(move, (move.real * a + move.fake * (1 - a)):detach(), o)
  end,
}

-- The variance of all the batch's numbers.
local function variance(x)
  local own, mean = x:numel(), share.mean(x:mean())
  if not share.is_on() then return x:var() end
  local all = share.count(own)
  return share.mean((x - mean):square():mean()) * (all / (all - 1))
end

--- dragan{weight=10, target=1, one_sided=false}: as gradient_penalty, at u = x + 0.5*std(x)*U[0, 1]: around the real
-- samples; std is that of all the batch's numbers. Kodali 2017.
penalty.dragan = define {
  name = "dragan", weight = 10, options = slope_options(),
  value = function(move, o)
    local x = move.real:detach()
    return slope_term(move, (x + core.rand(x:shape()) * (variance(x):sqrt() * 0.5)):detach(), o)
  end,
}

--- r1{weight=10}: weight/2 * E[|grad_x D(x)|^2] at the real samples. Mescheder 2018.
penalty.r1 = define {
  name = "r1", weight = 10,
  value = function(move) return slopes(move.real_scores, move.real):square():sum(2):mean() / 2 end,
}

--- r2{weight=10}: weight/2 * E[|grad D(G(z))|^2] at the generated samples. Mescheder 2018.
penalty.r2 = define {
  name = "r2", weight = 10,
  value = function(move) return slopes(move.fake_scores, move.fake):square():sum(2):mean() / 2 end,
}

---- Penalties on the discriminator's scores ------------------------------------------------------------------------

--- drift{weight=1e-3}: weight * E[D(x)^2]: keeps scores from wandering off together. Karras 2018.
penalty.drift = define {
  name = "drift", weight = 1e-3,
  value = function(move) return move.real_scores:square():mean() end,
}

-- E[(D(x) - D(T(x)))^2].
local function inconsistency(move, o, x, scores, labels)
  local changed = core.no_grad(o.augment, x)
  if not core.is_tensor(changed) then
    check.fail("consistency: augment must return a tensor, got %s", check.describe(changed))
  end
  return (scores - with_labels(move.discriminator, changed, labels)):square():mean()
end

--- consistency{weight=10, augment=, fake=0}: weight * E[(D(x) - D(T(x)))^2], T an augmentation of gan.augment, or a
-- function augment(samples) -> samples. The score should not change where the picture's meaning does not. CR-GAN, Zhang
-- 2020. With fake = 1 the same, that many times, of generated samples (bCR-GAN, Zhao 2020).
penalty.consistency = define {
  name = "consistency", weight = 10,
  options = {
    augment = { is = augment.is, wanted = "an augmentation such as gan.augment.diffaugment{}, or a function",
      required = true },
    fake = curve.option { min = 0, default = 0 },
  },
  value = function(move, o)
    local real = inconsistency(move, o, move.real, move.real_scores, move.real_labels)
    if (o.fake or 0) == 0 then return real end
    return real + inconsistency(move, o, move.fake:detach(), move.fake_scores, move.fake_labels) * o.fake
  end,
}

--- lecam{weight=0.3, decay=0.99}: weight * (E[(D(x) - a_fake)^2] + E[(D(G(z)) - a_real)^2]), where a_real and a_fake
-- are running means of the scores: for small data sets. Tseng 2021.
penalty.lecam = define {
  name = "lecam", weight = 0.3, options = { decay = { type = "number", min = 0, below = 1, default = 0.99 } },
  value = function(move, o)
    local memory = move.memory
    for _, name in ipairs { "real", "fake" } do -- in this order: ranks exchange means
      local mean = share.mean_number(move[name .. "_scores"]:mean():item())
      memory[name] = memory[name] and o.decay * memory[name] + (1 - o.decay) * mean or mean
    end
    return (move.real_scores - memory.fake):square():mean() + (move.fake_scores - memory.real):square():mean()
  end,
}

--- weight_clip{limit=0.01}: no term; after each step every parameter of the discriminator is kept between -limit and
-- limit. Arjovsky 2017.
penalty.weight_clip = define {
  name = "weight_clip", options = { limit = curve.option { above = 0, default = 0.01 } },
  after = function(parameters, o)
    for _, p in ipairs(parameters) do p:clamp_(-o.limit, o.limit) end
  end,
}

---- Penalties on the generator -------------------------------------------------------------------------------------

--- feature_matching{weight=1, features=}: weight * |E[features(x)] - E[features(G(z))]|^2 on the generator's loss;
-- features is a module, or any function of a batch (and its labels, where there are any): the discriminator without its
-- last layer, say. Salimans 2016.
penalty.feature_matching = define {
  name = "feature_matching", player = "generator", needs = "real",
  options = {
    features = {
      is = function(value) return type(value) == "function" or is_module(value) end,
      wanted = "a module or a function", required = true,
    },
  },
  value = function(move, o)
    local real = core.no_grad(with_labels, o.features, move.real, move.real_labels)
    local apart = real:mean(1) - with_labels(o.features, move.fake, move.fake_labels):mean(1)
    return share.alike(share.mean(apart):square():sum())
  end,
}

--- path_length{weight=2, decay=0.99}: weight * E[(|J^T y| - a)^2], added to the generator's loss: J is the generator's
-- slope in the latent, y a random direction of unit variance per dimension over the root of a picture's area, a the
-- running mean of the norms: steps in the latent change pictures evenly. StyleGAN2, Karras 2020. For a generator that
-- is sequential{mapping, synthesis}, as there, give both: then the slope is taken in the styles between them, on a
-- batch of its own, 1/shrink of the move's. shrink = 2. Of styles layer by layer (N x layers x style, as
-- nn.style_mixing gives them) |J^T y|^2 is the mean over the layers.
penalty.path_length = define {
  name = "path_length", weight = 2, player = "generator",
  options = {
    decay = { type = "number", min = 0, below = 1, default = 0.99 }, mapping = { is = is_module, wanted = "a module" },
    synthesis = { is = is_module, wanted = "a module" },
    shrink = { type = "integer", min = 1, default = 2 },
  },
  value = function(move, o)
    local from, made = move.latent, move.generated
    if (o.mapping == nil) ~= (o.synthesis == nil) then check.fail("path_length: wanted both mapping and synthesis") end
    if o.mapping then
      from = o.mapping(from:narrow(1, 1, math.max(1, #from // o.shrink)))
      made = o.synthesis(from)
    end
    local shape = made:shape()
    local area = #shape == 4 and shape[2] * shape[3] or 1
    local projected = (made * core.randn(shape)):sum() / math.sqrt(area)
    local layers = #from:shape() == 3 and from:shape()[2] or 1
    local lengths = slopes(projected, from):norm(2) / math.sqrt(layers)
    local memory, mean = move.memory, share.mean_number(lengths:mean():item())
    memory.mean = (memory.mean or 0) * o.decay + mean * (1 - o.decay)
    return (lengths - memory.mean):square():mean()
  end,
}

---- A classifier beside the discriminator --------------------------------------------------------------------------

-- -log softmax of each sample's own class, averaged over those that have a label. Of n samples, so many have one:
-- under mpirun, as many of each n as among those of all ranks.
local function class_term(scores, labels)
  local own, n = core.eq(labels:reshape(labels:numel(), 1), core.arange(0, scores:shape()[2], 1)), labels:numel()
  local labelled = share.is_on() and share.mean_number(own:sum():item() / n) * n or own:sum():item()
  return -core.where(own, core.log_softmax(scores, 2), 0):sum() / math.max(n / share.count(n), labelled)
end

--- auxiliary_classifier{weight=1, fake=true, generator=1}: the discriminator also tells classes apart: it gives 1 + K
-- numbers a sample, its score and one for each class. weight * (E[-log p(class | x)] + E[-log p(class | G(z, class))])
-- on the discriminator's loss, generator * weight * E[-log p(class | G(z, class))] on the generator's. With
-- fake = false the discriminator learns classes from real samples alone. AC-GAN, Odena 2017.
penalty.auxiliary_classifier = define {
  name = "auxiliary_classifier", player = "both",
  options = { fake = { type = "boolean", default = true }, generator = curve.option { min = 0, default = 1 } },
  value = function(move, o)
    if not move.fake_class_scores then
      check.fail("auxiliary_classifier: the discriminator must give 1 + classes numbers a sample, its score and one "
        .. "for each class, and the generator look at labels")
    end
    if move.mover == "generator" then return class_term(move.fake_class_scores, move.fake_labels) * o.generator end
    local real = class_term(move.real_class_scores, move.real_labels)
    return o.fake and real + class_term(move.fake_class_scores, move.fake_labels) or real
  end,
}

---- A penalty on the game ------------------------------------------------------------------------------------------

--- consensus{weight=10}: weight/2 * |v|^2 on both players' losses, v = (dL_D/d its parameters, dL_G/d its parameters),
-- of the losses without penalties: each player also looks for a point where both are content. Mescheder 2017.
penalty.consensus = define {
  name = "consensus", weight = 10, player = "both", needs = "losses",
  value = function(move)
    if not move.consensus then -- both players' is the same, and computed once where they move together
      local sum
      for _, name in ipairs { "discriminator", "generator" } do
        local gradients = core.grad(move.losses[name], move.parameters[name], { create_graph = true, unused = "zero" })
        for _, gradient in ipairs(share.summed(gradients)) do
          local square = gradient:square():sum()
          sum = sum and sum + square or square
        end
      end
      move.consensus = share.alike(sum / 2)
    end
    return move.consensus
  end,
}

return check.closed("gan.penalty", penalty)
