-- Layers, losses, optimisers and functions against the numbers that PyTorch gives (spec/reference, made by make.py
-- there). The measure is max |ours - theirs| / max(1, max |theirs|) over a tensor, and 1e-4 the most that is allowed,
-- 1e-5 for losses.

local gan = require "ganlua"

local folder = debug.getinfo(1, "S").source:match("^@(.*)lua/reference_spec%.lua$")
local function reference(name) return dofile(folder .. "reference/" .. name .. ".lua") end

local ALLOWED <const> = 1e-4

-- A leaf from { shape = {...}, numbers... }.
local function tensor(numbers)
  return gan.tensor(table.move(numbers, 1, #numbers, 1, {})):reshape(numbers.shape):detach()
end

local function tensors(by_name)
  local list = {}
  for name, numbers in pairs(by_name or {}) do list[name] = tensor(numbers) end
  return list
end

local function check(what, ours, theirs, allowed)
  assert.are.same(theirs.shape, ours:shape(), what)
  local list, largest, off = ours:reshape{-1}:totable(), 1, 0
  for i, wanted in ipairs(theirs) do
    local got = list[i]
    if math.abs(wanted) == math.huge then
      assert(got == wanted, ("%s: element %d is %g, wanted %g"):format(what, i, got, wanted))
    else
      assert(got == got, ("%s: element %d is NaN, wanted %.9g"):format(what, i, wanted))
      largest = math.max(largest, math.abs(wanted))
      off = math.max(off, math.abs(got - wanted))
    end
  end
  assert(off / largest <= (allowed or ALLOWED), ("%s is off by %.3g"):format(what, off / largest))
end

for _, file in ipairs { "layers", "more_layers" } do
  describe("a layer agrees with PyTorch:", function()
    for _, case in ipairs(reference(file)) do
      it(case.name, function()
        local m, x = case.make(gan.nn), tensor(case.input)
        local beside = case.beside and tensor(case.beside)
        m:build(x, beside)
        local state = tensors(case.parameters)
        for name, value in pairs(tensors(case.buffers)) do state[name] = value end
        for name, value in pairs(m:state()) do state[name] = state[name] or value end
        m:load_state(state)
        m[case.mode](m)

        local y = m(x, beside)
        check("the result", y, case.output)

        local targets, names = {}, {}
        local parameters = m:named_parameters()
        for name in pairs(case.grad or {}) do
          assert(parameters[name], "there is no parameter " .. name)
          names[#names + 1], targets[#targets + 1] = name, parameters[name]
        end
        assert.are.equal(#m:parameters(), #targets)
        if case.grad_input then targets[#targets + 1] = x end
        if #targets > 0 then
          local gradients = gan.grad(y, targets, { grad_output = tensor(case.grad_output) })
          for i, name in ipairs(names) do check("the gradient to " .. name, gradients[i], case.grad[name]) end
          if case.grad_input then check("the gradient to the input", gradients[#gradients], case.grad_input) end
        end

        local after = m:state()
        for name, numbers in pairs(case.buffers_after or {}) do check(name .. " afterwards", after[name], numbers) end
      end)
    end
  end)
end

for _, file in ipairs { "losses", "more_losses" } do
  describe("a loss agrees with PyTorch:", function()
    local losses = reference(file)

    -- Value and gradients of one scalar; `wanted`: the gradients by place of the argument, nil where none is looked at.
    local function differentiate(what, y, value, arguments, wanted, allowed)
      check(what, y, value, allowed or 1e-5)
      local gradients = gan.grad(y, arguments, { unused = "zero" })
      for i in ipairs(arguments) do
        if wanted[i] then
          check(("%s, gradient to argument %d"):format(what, i), gradients[i], wanted[i], allowed or 1e-5)
        end
      end
    end

    for _, case in ipairs(losses.adversarial) do
      it(case.name, function()
        local loss, real, fake = case.make(gan.loss), tensor(case.real), tensor(case.fake)
        differentiate("d", loss.d(real, fake), case.d, { real, fake }, { case.d_grad_real, case.d_grad_fake })
        differentiate("g", loss.g(fake, real), case.g, { fake, real }, { case.g_grad_fake, case.g_grad_real })
        if case.value then check("the value", loss.value(real, fake), case.value, 1e-5) end
      end)
    end

    -- 1 - p of a single-precision p near 1 has few digits, so that these are allowed more.
    for _, case in ipairs(losses.minimax_prob) do
      it("minimax_prob, " .. case.name, function()
        local loss, real, fake = gan.loss.minimax_prob, tensor(case.real), tensor(case.fake)
        differentiate("d", loss.d(real, fake), case.d, { real, fake }, { case.d_grad_real, case.d_grad_fake }, ALLOWED)
        differentiate("g", loss.g(fake), case.g, { fake }, { case.g_grad_fake }, ALLOWED)
      end)
    end

    for _, case in ipairs(losses.classification) do
      it(case.name, function()
        local scores = tensor(case.scores)
        differentiate(case.call, gan.loss[case.call](scores, tensor(case.target)), case.value, { scores },
          { case.grad })
      end)
    end
  end)
end

describe("an optimiser agrees with PyTorch over five steps:", function()
  for _, case in ipairs(reference "optimisers") do
    it(case.name, function()
      local optimiser = gan.optim[case.kind](case.options)
      local parameters = {}
      for i, numbers in ipairs(case.start) do parameters[i] = tensor(numbers) end
      local state = optimiser:start(parameters)
      for place, step in ipairs(case.steps) do
        local gradients = {}
        for i, numbers in ipairs(step.grads) do gradients[i] = tensor(numbers) end
        optimiser:step(state, parameters, gradients)
        for i, numbers in ipairs(step.parameters) do
          check(("parameter %d after step %d"):format(i, place), parameters[i], numbers)
        end
      end
    end)
  end
end)

describe("a function of tensors agrees with PyTorch:", function()
  for _, case in ipairs(reference "functions") do
    it(case.name, function()
      local inputs = {}
      for i, numbers in ipairs(case.inputs) do inputs[i] = tensor(numbers) end
      local y = case.call(table.unpack(inputs))
      check("the result", y, case.output)
      local gradients = gan.grad(y, inputs, { grad_output = tensor(case.grad_output) })
      for i, numbers in ipairs(case.grads) do check("the gradient to argument " .. i, gradients[i], numbers) end
    end)
  end
end)
