-- The linear classifier that the hinge loss comes from: y = w*x + b, trained on E[max(0, 1 - t*y)] + lambda/2 * |w|^2,
-- and the same problem solved another way, through its dual. `ganlua svm.lua`, a second.
-- Expected: at least 97 % on the right side, and w and b of the two ways within 2 % of each other. Draws svm.png: the
-- border y = 0, the margins y = -1 and y = 1, and rings around the support vectors, which alone hold the border in
-- place: those on a margin, inside it, or on the wrong side.

local gan = require "ganlua"

local lambda, count = 0.01, 240

-- ---- Two classes of points, at +c and -c, a few of them where the other class lives ----

gan.seed(gan.setting("seed", 1))
local t = gan.concat({ gan.ones(count // 2), -gan.ones(count // 2) }, 1)
local centre = gan.tensor { 1.4, 0.9 }
local x = t:reshape(count, 1) * centre + gan.randn(count, 2) * 0.8 + gan.tensor { 0.5, -0.3 }

-- ---- The primal: gradient steps on w and b ----

local w, b = gan.zeros(2, 1), gan.zeros(1)
local steps = 3000
local adam = gan.optim.adam { lr = gan.curve.cosine { from = 0.05, over = steps }, betas = { 0.9, 0.999 } }
local state = adam:start { w, b }
for _ = 1, steps do
  local loss = gan.loss.svm_hinge(x:matmul(w) + b, t) + lambda / 2 * w:square():sum()
  adam:step(state, { w, b }, gan.grad(loss, { w, b }))
end

-- ---- The dual: maximise sum(a) - |sum(a t x)|^2 / 2 over 0 <= a <= C, sum(a t) = 0, C = 1/(n lambda) ----

-- Sequential minimal optimisation: the two multipliers that break the conditions most move along a_i t_i + a_j t_j =
-- constant to their best place (Platt 1998, with the pair of Keerthi 2001), until none does by more than `gap`.
local function solve_dual(points, sides, most, gap)
  local a, weight, slope = {}, { 0, 0 }, {}
  for i = 1, #sides do a[i] = 0 end
  while true do
    -- slope[i] = t_i - w*x_i: b lies between the largest of those that may rise and the least of those that may fall.
    local up, down
    for i, p in ipairs(points) do
      slope[i] = sides[i] - (weight[1] * p[1] + weight[2] * p[2])
      local may_rise = sides[i] > 0 and a[i] < most or sides[i] < 0 and a[i] > 0
      local may_fall = sides[i] > 0 and a[i] > 0 or sides[i] < 0 and a[i] < most
      if may_rise and (not up or slope[i] > slope[up]) then up = i end
      if may_fall and (not down or slope[i] < slope[down]) then down = i end
    end
    if slope[up] - slope[down] < gap then return weight, (slope[up] + slope[down]) / 2 end

    local p, q = points[up], points[down]
    local square = (p[1] - q[1]) ^ 2 + (p[2] - q[2]) ^ 2
    local room_up = sides[up] > 0 and most - a[up] or a[up]
    local room_down = sides[down] > 0 and a[down] or most - a[down]
    local step = math.min((slope[up] - slope[down]) / math.max(square, 1e-12), room_up, room_down)
    a[up], a[down] = a[up] + sides[up] * step, a[down] - sides[down] * step
    if step == room_up then a[up] = sides[up] > 0 and most or 0 end
    if step == room_down then a[down] = sides[down] > 0 and 0 or most end
    for k = 1, 2 do weight[k] = weight[k] + step * (p[k] - q[k]) end
  end
end

local dual_w, dual_b = solve_dual(x:totable(), t:totable(), 1 / (count * lambda), 1e-6)

-- ---- What came out ----

local y = (x:matmul(w) + b):reshape(count)
local accuracy = 100 * (y * t):gt(0):mean():item()
local w1, w2 = w[1]:item(), w[2]:item()
print(("%.1f %% of %d points on the right side"):format(accuracy, count))
print(("by gradients: w = (%.4f, %.4f), b = %.4f"):format(w1, w2, b:item()))
print(("by the dual:  w = (%.4f, %.4f), b = %.4f"):format(dual_w[1], dual_w[2], dual_b))
local length = math.sqrt(dual_w[1] ^ 2 + dual_w[2] ^ 2)
print(("apart by %.2f %% of |w|"):format(100 * math.max(math.abs(w1 - dual_w[1]), math.abs(w2 - dual_w[2]),
  math.abs(b:item() - dual_b)) / length))

-- The points for which holds(i) is true, as a series.
local function points(name, style, holds)
  local series = { name = name, style = style, x = {}, y = {} }
  for i, p in ipairs(x:totable()) do
    if holds(i) then
      table.insert(series.x, p[1])
      table.insert(series.y, p[2])
    end
  end
  return series
end

-- The line w*x + b = value from one side of the points to the other.
local low, high = x:narrow(2, 2, 1):min():item(), x:narrow(2, 2, 1):max():item()
local function line(name, style, value)
  local function at(height) return (value - b:item() - w2 * height) / w1 end
  return { name = name, style = style, x = { at(low), at(high) }, y = { low, high } }
end

local sides, outputs = t:totable(), y:totable()
gan.plot.line {
  title = ("linear SVM: %.1f %% right"):format(accuracy), width = 900, height = 760,
  series = {
    points("t = +1", "points", function(i) return sides[i] > 0 end),
    points("t = -1", "points", function(i) return sides[i] < 0 end),
    line("y = 0", "line", 0), line("y = 1", "dashed", 1), line("y = -1", "dashed", -1),
    points("support vectors", "rings", function(i) return sides[i] * outputs[i] <= 1 + 1e-3 end),
  },
}:save(gan.setting("path", "svm.png"))
