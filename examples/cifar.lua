-- A conditional SNGAN (Miyato 2018; Miyato & Koyama 2018) on small colour pictures in classes:
--
--   ganlua examples/cifar.lua PATH     a folder or zip of PNG or JPEG, one folder a class; CIFAR-10's binaries; an .npz
--
-- Settings: iterations=5000, width=16 (64 is the paper's: 16 times as much to compute), batch=64, moves=1 (the
-- discriminator's in an iteration, 5 in the paper), augment=none (ada or diffaugment, for a few hundred pictures),
-- features=FILE (measures the samples by them).
-- With these, pictures of 32x32 take about 35 minutes of processor time. The pictures in runs/cifar/samples have one
-- class a row, one latent a column. Of CIFAR-10, rows differ in colour (sky, grass, water) once 50,000 pictures were
-- seen; things to recognise take far longer.

local gan = require "ganlua"

local path = arg and arg[1]
if not path then error("which pictures? ganlua examples/cifar.lua PATH, a folder or zip with one folder a class", 0) end

local data = gan.data.open(path)
print(data)
local shape = data:shape()
if not data.classes or shape[1] ~= shape[2] then
  error(path .. ": wanted square pictures in classes (gan.data.folder{ path, size = 32 } makes them square)", 0)
end

local recipe = gan.recipe.sngan_resnet {
  size = shape[1], channels = shape[3], classes = #data.classes, width = gan.setting("width", 16),
}
local augment = gan.setting("augment", "none")

-- --set features=FILE: the Frechet distance of samples' features from real ones', every `measure` iterations.
-- The file is learned from the data where there is none.
local file, features = gan.setting("features", ""), nil
if io.open(file) then
  features = gan.features.load(file)
elseif file ~= "" then
  features = gan.features.train { data = data }
  gan.save(file, features:state())
end

gan.train(recipe:options {
  data = data, batch = gan.setting("batch", 64), ema = { decay = 0.999 }, reuse = true,
  augment = augment ~= "none" and gan.augment[augment] {} or nil,
  measure = features and {
    every = gan.setting("measure", 500), features = features, metrics = { "frechet", "kid" },
  } or nil,
  schedule = gan.schedule.alternate {
    discriminator = gan.setting("moves", 1), generator = 1, iterations = gan.setting("iterations", 5000),
  },
})
