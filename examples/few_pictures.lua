-- What augmentation does for a GAN that has few pictures: a DCGAN on 500 of one class.
--
--   ganlua --sweep augment=none,diffaugment,translation,ada --sweep seed=1..3 examples/few_pictures.lua PATH
--
-- PATH is a folder or zip of square PNG or JPEG, one folder a class, as for cifar.lua. Settings: augment=none
-- (diffaugment; translation, which is DiffAugment without colour and cutout; ada), class=1 (its number), count=500
-- pictures, iterations=6000, width=32, batch=32, lr=8e-4, features=features.safetensors (by which samples are measured;
-- learned from all pictures where there is no such file).
-- Expected for CIFAR-10's airplanes (test.zip of 10,000 pictures), seeds 1 to 3: none is best around iteration
-- 2,000 (4.6 to 5.5), learns by heart, and ends at 7.9, 7.3 and 7.3; ada, whose probability comes to 0.2, gets there
-- later, stays, and ends at 6.2, 6.8 and 6.4.
-- The Frechet distance is that of 1,000 samples' features from those of all pictures of the class, also of those
-- that the run does not see.

local gan = require "ganlua"

local path = arg and arg[1]
if not path then error("which pictures? ganlua examples/few_pictures.lua PATH, one folder a class", 0) end
local all = gan.data.open(path)
if not all.classes then error(path .. ": wanted pictures in classes", 0) end
local class = all:only(gan.setting("class", 1) - 1)
local some = class:slice(1, gan.setting("count", 500))

local augmentations = {
  none = function() end,
  diffaugment = function() return gan.augment.diffaugment {} end,
  translation = function() return gan.augment.diffaugment { color = false, cutout = 0 } end,
  ada = function() return gan.augment.ada { speed = 10 } end,
}
local augment = gan.setting("augment", "none")
if not augmentations[augment] then
  error(("augment=%s: wanted none, diffaugment, translation or ada"):format(augment), 0)
end

local file = gan.setting("features", "features.safetensors")
local features
if io.open(file) then
  features = gan.features.load(file)
else
  features = gan.features.train { data = all }
  gan.save(file, features:state())
end

local shape, iterations = some:shape(), gan.setting("iterations", 6000)
local recipe = gan.recipe.dcgan { size = shape[1], channels = shape[3], width = gan.setting("width", 32) }
-- Four times the paper's learning rate, and an ADA that follows as fast: learning by heart shows within minutes.
local adam = gan.optim.adam { lr = gan.setting("lr", 8e-4), betas = { 0.5, 0.999 } }
local run = gan.train(recipe:options {
  name = "few-" .. augment, data = some, batch = gan.setting("batch", 32), ema = { decay = 0.995 }, reuse = true,
  loss = gan.loss.hinge {},
  optimizer = { generator = adam, discriminator = adam }, augment = augmentations[augment](),
  measure = {
    every = math.min(500, iterations), features = features, metrics = { "frechet" }, count = 1000, real = class,
  },
  schedule = gan.schedule.alternate { iterations = iterations },
})

local distances, measured_at = run:history "frechet"
local best = 1
for i, distance in ipairs(distances) do
  if distance < distances[best] then best = i end
end
print(("%s: Frechet distance %.1f at the end, at best %.1f in iteration %d"):format(augment, distances[#distances],
  distances[best], measured_at[best]))
return { frechet = distances[#distances], best = distances[best] }
