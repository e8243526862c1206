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
  group("loss.bce_with_logits", {
    { label = "ordinary", inputs = { numbers({5}, 8, 2.5) },
      call = function(y) return gan.loss.bce_with_logits(y, core.tensor{0, 1, 0.875, 0.25, 1}) end },
    { label = "extreme", inputs = { values(-40, 40, 60, -60) },
      call = function(y) return gan.loss.bce_with_logits(y, core.tensor{0, 0.875, 0, 1}) end },
  })
  group("loss.mse", {
    { label = "ordinary", inputs = { numbers({2, 3}, 9), numbers({2, 3}, 10) },
      call = function(y, t) return gan.loss.mse(y, t) end },
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

  return groups
end
