-- Samples, in the form of samples.lua, that are large enough for every path of the kernels: whole vectors and what is
-- left over, several pieces of work, bands of rows, several images. Too large for finite differences; the float and the
-- double build are compared on them.

---@param core table
---@return table<string, Sample[]>
return function(core)
  local groups = {}

  local function group(name, samples)
    groups["large " .. name] = samples
    for i, sample in ipairs(samples) do sample.label = tostring(i) end
  end

  -- Numbers between low and high without a pattern, multiples of 1/1024.
  local function numbers(shape, low, high)
    local list, n, state = { shape = shape }, 1, 12345
    for _, size in ipairs(shape) do n = n * size end
    for i = 1, n do
      state = (state * 1103515245 + 12345) % 2147483648
      list[i] = math.floor((low + (high - low) * (state >> 8) / 8388608) * 1024 + 0.5) / 1024
    end
    return list
  end

  -- Functions of one number over their whole useful range.
  for name, range in pairs{ exp = {-20, 5}, log = {0.001, 100}, sqrt = {0, 100}, sin = {-10, 10}, cos = {-10, 10},
    tanh = {-6, 6}, erf = {-4, 4}, sigmoid = {-20, 20}, softplus = {-20, 20}, leaky_relu = {-2, 2}, silu = {-10, 10},
    gelu = {-5, 5}, elu = {-10, 2} } do
    group(name, { { inputs = { numbers({2051}, range[1], range[2]) }, call = function(x) return core[name](x) end } })
  end

  group("arithmetic", {
    { inputs = { numbers({37, 53}, -2, 2), numbers({53}, -2, 2) }, call = core.mul },
    { inputs = { numbers({37, 53}, -2, 2), numbers({37, 1}, 1, 2) }, call = core.div },
    { inputs = { numbers({5, 1, 67}, -2, 2), numbers({11, 1}, -2, 2) }, call = core.add },
  })
  group("reductions", {
    { inputs = { numbers({30011}, 0, 1) }, call = function(x) return core.mean(x) end },
    { inputs = { numbers({701, 33}, 0, 0.01) }, call = function(x) return core.sum(x, 1) end },
    { inputs = { numbers({33, 701}, 0, 0.01) }, call = function(x) return core.sum(x, 2) end },
    { inputs = { numbers({7, 101, 13}, -1, 1) }, call = function(x) return core.var(x, {1, 3}) end },
    { inputs = { numbers({19, 301}, -1, 1) }, call = function(x) return core.max(x, 2) end },
    { inputs = { numbers({19, 301}, -5, 5) }, call = function(x) return core.log_softmax(x, 2) end },
  })
  group("matmul", {
    { inputs = { numbers({67, 129}, -1, 1), numbers({129, 35}, -1, 1) }, call = core.matmul },
    { inputs = { numbers({3, 17, 65}, -1, 1), numbers({3, 65, 9}, -1, 1) }, call = core.matmul },
  })
  group("conv2d", {
    { inputs = { numbers({3, 13, 11, 7}, -1, 1), numbers({4, 4, 7, 9}, -0.2, 0.2) },
      call = function(x, w) return core.conv2d(x, w, 2, 1) end },
    { inputs = { numbers({3, 7, 5, 9}, -1, 1), numbers({5, 5, 6, 9}, -0.2, 0.2) },
      call = function(y, w) return core.conv2d_input(y, w, 14, 10, 2, 2) end },
    { inputs = { numbers({5, 12, 12, 16}, -1, 1), numbers({3, 3, 16, 17}, -0.2, 0.2) },
      call = function(x, w) return core.conv2d(x, w, 1, 1) end },
    -- By fewer products.
    { inputs = { numbers({7, 18, 17, 33}, -1, 1), numbers({4, 4, 33, 34}, -0.2, 0.2) },
      call = function(x, w) return core.conv2d(x, w, 2, 1) end },
    { inputs = { numbers({5, 9, 12, 33}, -1, 1), numbers({3, 3, 32, 33}, -0.2, 0.2) },
      call = function(y, w) return core.conv2d_input(y, w, 9, 12, 1, 1) end },
  })
  group("batch_norm", {
    { inputs = { numbers({5, 9, 11, 19}, -1, 3), numbers({19}, 0.5, 1.5), numbers({19}, -1, 1) },
      call = function(x, gamma, beta) return core.batch_norm(x, gamma, beta) end },
    { inputs = { numbers({1031, 3}, 1, 3), numbers({3}, 0.5, 1.5), numbers({3}, -1, 1) },
      call = function(x, gamma, beta) return core.batch_norm(x, gamma, beta) end },
  })
  return groups
end
