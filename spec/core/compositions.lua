-- Samples, in the form of samples.lua, for what is built of several ops: the losses of gan.loss, the fused batch norm
-- against the composed one, and networks whose second and third derivatives mix inputs and weights.
--
-- Two more fields: `equals`, a function that must have the same value and derivatives; `order`, how many derivatives to
-- check by finite differences instead of two.

---@param core table
---@param gan table
---@return table<string, Sample[]>
return function(core, gan)
  local groups = {}

  -- Numbers without a pattern, none nearer to 0 than 0.05, all multiples of 1/1024: a float holds them exactly.
  local function numbers(shape, seed, scale)
    local list, n = { shape = shape }, 1
    for _, size in ipairs(shape) do n = n * size end
    for i = 1, n do
      local x = math.sin(78.233 * i + 11.17 * seed) * (scale or 1.5)
      x = x < 0 and x - 0.05 or x + 0.05
      list[i] = math.floor(x * 1024 + 0.5) / 1024
    end
    return list
  end

  local function values(...)
    return { shape = { select("#", ...) }, ... }
  end

  local function group(name, samples)
    groups[name] = samples
    for i, sample in ipairs(samples) do sample.label = ("%d (%s)"):format(i, sample.label) end
  end

  -- ---- Losses ----

  -- Scores on both sides of every kink, off it; and far out on both sides.
  local score_pairs = {
    { label = "ordinary scores", numbers({6}, 1, 2.5), numbers({6}, 2, 2.5) },
    { label = "scores of shape N x 1", numbers({4, 1}, 3, 2.5), numbers({4, 1}, 4, 2.5) },
    { label = "sure scores", values(8, 20, 40), values(-9, -25, -60) },
    { label = "wrong scores", values(-8, -20, -40), values(9, 25, 60) },
  }

  local function adversarial(name, loss, on_pairs)
    local samples = {}
    for _, pair in ipairs(score_pairs) do
      local real, fake = pair[1], pair[2]
      samples[#samples + 1] = { label = "discriminator, " .. pair.label, inputs = { real, fake },
        call = function(r, f) return loss.d(r, f) end }
      samples[#samples + 1] = { label = "generator, " .. pair.label, inputs = on_pairs and { fake, real } or { fake },
        call = function(f, r) return loss.g(f, r) end }
    end
    group("loss." .. name, samples)
  end

  adversarial("minimax", gan.loss.minimax{})
  adversarial("nonsaturating", gan.loss.nonsaturating{})
  adversarial("hinge", gan.loss.hinge{margin = 0.8})
  adversarial("margin_ranking", gan.loss.margin_ranking{margin = 0.7}, true)

  adversarial("squared_hinge", gan.loss.squared_hinge{margin = 0.8})
  adversarial("smooth_hinge", gan.loss.smooth_hinge{margin = 0.8})
  adversarial("least_squares", gan.loss.least_squares{real = 0.9, fake = -0.25, gen = 0.5})
  adversarial("wasserstein", gan.loss.wasserstein{})
  adversarial("relativistic", gan.loss.relativistic{}, true)
  adversarial("relativistic_average", gan.loss.relativistic_average{}, true)
  adversarial("kl_wasserstein", gan.loss.kl_wasserstein{})
  adversarial("dual_contrastive", gan.loss.dual_contrastive{}, true)
  adversarial("f_divergence", gan.loss.f_divergence{})

  -- Small scores, for e^f grows fast; and further bases, smoothed labels.
  local small = { numbers({3}, 12), numbers({3}, 13) }
  local variants = {}
  for label, loss in pairs{
    kl = gan.loss.f_divergence{kind = "kl"}, reverse_kl = gan.loss.f_divergence{kind = "reverse_kl"},
    pearson = gan.loss.f_divergence{kind = "pearson"}, tv = gan.loss.f_divergence{kind = "total_variation"},
    ["relativistic hinge"] = gan.loss.relativistic{base = "hinge"},
    ["relativistic least squares"] = gan.loss.relativistic{base = "least_squares"},
    ["average hinge"] = gan.loss.relativistic_average{base = "hinge"},
    ["average least squares"] = gan.loss.relativistic_average{base = "least_squares"},
    ["smoothed labels"] = gan.loss.nonsaturating{smooth = 0.1},
  } do
    variants[#variants + 1] = { label = label .. ", discriminator", inputs = small, call = loss.d }
    variants[#variants + 1] = { label = label .. ", generator", inputs = small,
      call = function(f, r) return loss.g(f, r) + 0 * r:sum() end }
  end
  table.sort(variants, function(a, b) return a.label < b.label end)
  group("loss variants", variants)

  -- The fused losses of one score to the third derivative.
  group("losses of one score", {
    { label = "logistic", order = 3, inputs = { numbers({5}, 14, 2) },
      call = function(x) return core.score_logistic(x, -1, 0.25) end },
    { label = "exponential", order = 3, inputs = { numbers({5}, 15) },
      call = function(x) return core.score_exponential(x, -1, 0.5) end },
    { label = "tanh", order = 3, inputs = { numbers({5}, 16) },
      call = function(x) return core.score_tanh(x, -1, 0.5) end },
    { label = "squared hinge, of a product", order = 3, inputs = { numbers({3}, 17), numbers({3}, 18) },
      call = function(x, y) return core.score_squared_hinge(x * y, 1, 3) end },
    { label = "hinge", inputs = { values(-3, -0.75, 0.5, 2) }, call = function(x) return core.score_hinge(x, -1, 1) end,
      equals = function(x) return core.relu(1 - x) end },
    { label = "logistic of softplus", inputs = { values(-30, -2, 0.5, 40) },
      call = function(x) return core.score_logistic(x) end, equals = core.softplus },
  })

  group("loss.value", {
    { label = "minimax", inputs = { score_pairs[1][1], score_pairs[1][2] },
      call = function(r, f) return gan.loss.minimax{}.value(r, f) end },
    { label = "hinge", inputs = { score_pairs[1][1], score_pairs[1][2] },
      call = function(r, f) return gan.loss.hinge{}.value(r, f) end },
  })

  local probabilities = values(0.0625, 0.25, 0.5, 0.9375)
  group("loss.minimax_prob", {
    { label = "discriminator", inputs = { probabilities, values(0.875, 0.25, 0.625, 0.03125) },
      call = function(x, z) return gan.loss.minimax_prob.d(x, z) end },
    { label = "generator", inputs = { probabilities }, call = function(z) return gan.loss.minimax_prob.g(z) end },
  })

  local function signs() return core.tensor{1, -1, 1, -1, 1, -1} end
  group("loss.svm_hinge", {
    { label = "ordinary", inputs = { numbers({6}, 5, 2.5) },
      call = function(y) return gan.loss.svm_hinge(y, signs()) end },
    { label = "extreme", inputs = { values(40, 30, -50, -60, 0.5, 0.5) },
      call = function(y) return gan.loss.svm_hinge(y, signs()) end },
  })
  group("loss.cross_entropy", {
    { label = "ordinary", inputs = { numbers({3, 4}, 6) },
      call = function(y) return gan.loss.cross_entropy(y, core.tensor{0, 3, 3}) end },
    { label = "extreme", inputs = { { shape = {2, 3}, 40, -30, 2, -60, 0, 50 } },
      call = function(y) return gan.loss.cross_entropy(y, core.tensor{0, 1}) end },
    { label = "one class", inputs = { numbers({3, 1}, 7) },
      call = function(y) return gan.loss.cross_entropy(y, core.tensor{0, 0, 0}) end },
  })
  group("loss.multiclass_hinge", {
    { label = "ordinary", inputs = { { shape = {3, 3}, 1, 0.5, -0.25, 2, -1, 0.125, -1, 1, 0.25 } },
      call = function(y) return gan.loss.multiclass_hinge(y, core.tensor{0, 0, 2}) end },
  })
  group("loss.l1", {
    { label = "ordinary", inputs = { values(1, -2, 3), values(0.5, 1, 4) }, call = gan.loss.l1 },
  })
  group("loss.bce_with_logits", {
    { label = "ordinary", inputs = { numbers({5}, 8, 2.5) },
      call = function(y) return gan.loss.bce_with_logits(y, core.tensor{0, 1, 0.875, 0.25, 1}) end },
    { label = "one target", inputs = { numbers({5}, 19, 2.5) },
      call = function(y) return gan.loss.bce_with_logits(y, 0.9) end },
    { label = "extreme", inputs = { values(-40, 40, 60, -60) },
      call = function(y) return gan.loss.bce_with_logits(y, core.tensor{0, 0.875, 0, 1}) end },
  })
  group("loss.mse", {
    { label = "ordinary", inputs = { numbers({2, 3}, 9), numbers({2, 3}, 10) },
      call = function(y, t) return gan.loss.mse(y, t) end },
  })

  -- ---- Penalties ----

  -- Each of gan.penalty on a game of small smooth networks: D(x) = tanh(x w1) w2, G(z) = tanh(z v); by real samples,
  -- latents and all weights. What a penalty remembers stays fixed (decay 1), its random numbers are the same each time.
  local function game_of(o, memory, only)
    local function place(real, latent, w1, w2, v)
      local function d(x) return core.matmul(core.tanh(core.matmul(x, w1)), w2) end
      local fake = core.tanh(core.matmul(latent, v))
      return {
        discriminator = d, real = real, fake = fake, generated = fake, latent = latent, memory = memory,
        real_scores = d(real), fake_scores = d(fake), parameters = { discriminator = { w1, w2 }, generator = { v } },
      }
    end
    return function(penalty, inputs)
      return function(...)
        local given, at = { ... }, {}
        for i = 1, 5 do
          at[i] = only and only ~= i and core.tensor(inputs[i].plain) or table.remove(given, 1)
        end
        core.set_random { seed = 3, stream = 0, position = 0 }
        local move = place(table.unpack(at))
        move.losses = {
          discriminator = core.sum(core.softplus(move.fake_scores)) + core.sum(core.softplus(-move.real_scores)),
          generator = core.sum(core.softplus(-move.fake_scores)),
        }
        return penalty.value(move, o)
      end
    end
  end

  local function matrix(rows, columns, seed, scale)
    local list = numbers({ rows, columns }, seed, scale)
    list.plain = {}
    for i = 1, rows do list.plain[i] = table.move(list, (i - 1) * columns + 1, i * columns, 1, {}) end
    return list
  end
  local small_game = { matrix(3, 2, 31), matrix(3, 2, 32), matrix(2, 3, 33), matrix(3, 1, 34), matrix(2, 2, 35) }
  local weights_only = { small_game[3] }

  local function penalty_group(name, settings, o, memory, only)
    group("penalty." .. name, {
      { label = only and "by weights" or "by samples and weights", inputs = only and weights_only or small_game,
        call = game_of(o, memory, only)(gan.penalty[name](settings), small_game) },
    })
  end
  penalty_group("r1", {}, {})
  penalty_group("r2", {}, {})
  penalty_group("gradient_penalty", {}, { target = 1 }, nil, 3) -- where u lies is not differentiated
  penalty_group("dragan", {}, { target = 1 }, nil, 3)
  penalty_group("drift", {}, {})
  penalty_group("consistency", { augment = function(x) return x * 0.5 end },
    { augment = function(x) return x * 0.5 end }, nil, 3)
  penalty_group("lecam", {}, { decay = 1 }, { real = 0.5, fake = -0.25 })
  penalty_group("path_length", {}, { decay = 1 }, { mean = 0.5 })
  penalty_group("consensus", {}, {}, nil, 3)
  group("penalty.auxiliary_classifier", {
    { label = "by scores", inputs = { numbers({3, 4}, 38), numbers({3, 4}, 39) }, call = function(real, fake)
      local move = { mover = "discriminator", real_class_scores = real, fake_class_scores = fake,
        real_labels = core.tensor{0, 3, 4}, fake_labels = core.tensor{2, 2, 1} }
      return gan.penalty.auxiliary_classifier{}.value(move, { fake = true, generator = 1 })
    end },
  })
  group("penalty.feature_matching", {
    { label = "by samples", inputs = { small_game[2] }, call = function(fake)
      local move = { real = core.tensor(small_game[1].plain), fake = fake }
      return gan.penalty.feature_matching { features = core.tanh }.value(move, { features = core.tanh })
    end },
  })

  -- ---- Augmentations ----

  -- The same random numbers each time: what is drawn is a constant, what is done with pictures is differentiated.
  local function augmented(augmentation)
    return function(x)
      core.set_random { seed = 5, stream = 0, position = 0 }
      return augmentation(core.tanh(x))
    end
  end
  group("augment.diffaugment", {
    { label = "colour", inputs = { numbers({2, 2, 2, 3}, 60) },
      call = augmented(gan.augment.diffaugment{translation = 0, cutout = 0}) },
    { label = "all", inputs = { numbers({2, 4, 4, 1}, 61) },
      call = augmented(gan.augment.diffaugment{translation = 0.25, cutout = 0.3}) },
  })
  group("augment.ada", {
    { label = "colour", inputs = { numbers({2, 2, 2, 3}, 62) },
      call = augmented(gan.augment.ada{p = 1, blit = false, geometric = false}) },
    { label = "all", inputs = { numbers({2, 3, 3, 1}, 63) }, call = augmented(gan.augment.ada{p = 1, noise = true}) },
  })

  -- ---- Fused against composed ----

  local function composed_batch_norm(eps)
    return function(x, gamma, beta)
      local over = {}
      for axis = 1, #x:shape() - 1 do over[axis] = axis end
      local centred = core.sub(x, core.mean(x, over, {keepdim = true}))
      local variance = core.mean(core.mul(centred, centred), over, {keepdim = true})
      local normal = core.div(centred, core.sqrt(core.add(variance, eps)))
      return core.add(core.mul(normal, gamma), beta)
    end
  end
  local pictures = { numbers({2, 3, 2, 2}, 11), numbers({2}, 12), numbers({2}, 13) }
  group("batch_norm, fused and composed", {
    { label = "pictures", inputs = pictures, equals = composed_batch_norm(1e-5),
      call = function(x, gamma, beta) return core.batch_norm(x, gamma, beta) end },
    { label = "vectors", inputs = { numbers({5, 3}, 14), numbers({3}, 15), numbers({3}, 16) },
      equals = composed_batch_norm(1e-2), call = function(x, gamma, beta)
        return core.batch_norm(x, gamma, beta, nil, 1e-2)
      end },
    { label = "moments given", inputs = pictures, equals = composed_batch_norm(1e-5),
      call = function(x, gamma, beta) return core.batch_norm(x, gamma, beta, core.channel_moments(x), 1e-5) end },
  })

  -- ---- Networks ----

  -- A discriminator of two convolutions; scores have shape N.
  local function discriminator(activation)
    return function(x, w1, w2)
      local h = activation(core.conv2d(x, w1, 2, 1))
      return core.sum(core.conv2d(h, w2, 1, 0), {2, 3, 4})
    end
  end
  local network = { numbers({2, 4, 4, 1}, 17), numbers({4, 4, 1, 2}, 18, 0.5), numbers({2, 2, 2, 1}, 19) }

  -- R1 (Mescheder 2018): 1/2 E[|grad_x D(x)|^2]; its gradient to the weights is a mixed second derivative of D.
  local function r1(d)
    return function(x, w1, w2)
      local scores = core.sum(d(x, w1, w2))
      local slope = core.grad(scores, {x}, {create_graph = true, unused = "zero"})[1]
      return core.mul(core.mean(core.sum(core.square(slope), {2, 3, 4})), 0.5)
    end
  end
  group("r1 penalty of a convolutional discriminator", {
    { label = "softplus", inputs = network, call = r1(discriminator(core.softplus)) },
    { label = "tanh", inputs = network, call = r1(discriminator(core.tanh)) },
    { label = "leaky_relu", inputs = network,
      call = r1(discriminator(function(x) return core.leaky_relu(x, 0.2) end)) },
    { label = "batch norm", inputs = { network[1], network[2], network[3], values(1.25, -0.75), values(0.5, 0.25) },
      call = function(x, w1, w2, gamma, beta)
        return r1(discriminator(function(h) return core.softplus(core.batch_norm(h, gamma, beta)) end))(x, w1, w2)
      end },
  })
  group("third derivative of two convolutions", {
    { label = "tanh", order = 3, inputs = network, call = discriminator(core.tanh) },
    { label = "sigmoid, transposed", order = 3,
      inputs = { numbers({1, 2, 2, 2}, 20), numbers({4, 4, 1, 2}, 21, 0.5), numbers({3, 3, 1, 1}, 22) },
      call = function(x, w1, w2)
        return core.conv2d(core.sigmoid(core.conv2d_input(x, w1, 4, 4, 2, 1)), w2, 1, 0)
      end },
  })

  -- ---- Layers made of several ops ----

  local samples = numbers({4, 2, 2, 4}, 23) -- of two pixels alone a normalisation makes 1 and -1, whatever they are
  for _, make in ipairs {
    { "group_norm", { groups = 2, affine = false } }, { "instance_norm", {} }, { "pixel_norm", {} },
    { "maxout", { pieces = 2 } }, { "minibatch_stddev", { group = 2 } },
  } do
    local layer = gan.nn[make[1]](make[2])
    group("nn." .. make[1], { { label = "pictures", inputs = { samples }, call = function(x) return layer(x) end } })
  end
  group("nn.max_pool", { { label = "pictures", inputs = { numbers({1, 4, 5, 2}, 40) },
    call = function(x) return gan.nn.max_pool{kernel = 2}(core.tanh(x)) end } })

  -- Layers with parameters, by input, by what stands beside it and by parameters.
  local function layer_group(name, layer, beside, inputs, parameters)
    layer:build(inputs[1].shape, beside and core.zeros(beside))
    local count = #inputs
    for _, each in ipairs(parameters) do inputs[#inputs + 1] = each end
    group("nn." .. name, { { label = "by input and parameters", inputs = inputs, call = function(...)
      return layer:with({ table.unpack({ ... }, count + 1) })(table.unpack({ ... }, 1, count))
    end } })
  end
  local function weight(seed, shape) return numbers(shape or {1, 1, 2, 1}, seed, 0.75) end
  layer_group("self_attention", gan.nn.self_attention{reduce = 2}, nil, { numbers({1, 2, 2, 2}, 41, 0.75) },
    { values(0.75), weight(42), weight(43), weight(44), weight(45, {1, 1, 1, 2}) })
  layer_group("modulated_conv2d", gan.nn.modulated_conv2d{out = 2, kernel = 3}, { 2, 2 },
    { numbers({2, 2, 2, 1}, 46), numbers({2, 2}, 47) },
    { weight(48, {3, 3, 1, 2}), values(0.25, -0.5), weight(49, {2, 1}), values(1.25) })
  -- The same latents and layers are drawn in each call.
  local mixing = gan.nn.style_mixing{mapping = gan.nn.linear{out = 2, bias = false}, layers = 3}
  mixing:build{1, 2}
  group("nn.style_mixing", { { label = "by latents and weights", inputs = { numbers({3, 2}, 52), weight(53, {2, 2}) },
    call = function(z, w)
      core.set_random{seed = 2, stream = 9, position = 0}
      return mixing:with{w}(core.tanh(z))
    end } })
  layer_group("equalized", gan.nn.equalized{gan.nn.linear{out = 2}, gain = 2, rate = 0.5}, nil,
    { numbers({2, 3}, 50) }, { weight(51, {3, 2}), values(0.5, 1) })

  return groups
end
