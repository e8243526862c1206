-- How fast pictures are loaded, and how long a training run waits for them:
--   ./dev run spec/bench/pictures.lua [FOLDER OR ZIP]      settings: iterations=30, width=16, batch=64, count=10000
-- Without a path: CIFAR-10's test set (10,000 JPEGs of 32 x 32) where it lies beside the checkout, else `count` PNGs
-- that this draws; "drawn" for these anyway. Rates are pictures per second of processor time, all threads together
-- (other programs do not lower them), and per second. The run is examples/cifar.lua's without classes, on pictures that
-- are decoded one batch ahead, and on pictures that are kept in memory.

local gan = require "ganlua"
local core = require "ganlua.core"

local here = arg[0]:match "^(.*/)" or ""
local count, iterations = gan.setting("count", 10000), gan.setting("iterations", 30)
local batch, width = gan.setting("batch", 64), gan.setting("width", 16)

-- Coloured letters in a folder, which is removed at the end.
local function drawn()
  local folder = os.tmpname()
  os.remove(folder)
  core.make_directory(folder)
  local letters, colours = gan.data.glyphs { count = count }, gan.rand(count, 1, 1, 3)
  for i = 1, count do
    local letter = letters:batch(1, i):pad(2, 2, 2):pad(3, 2, 2)
    gan.image.save(letter[1] * colours[i], ("%s/%05d.png"):format(folder, i))
  end
  return folder
end

local path, made = arg[1] or here .. "../../../shared/data/cifar10/test.zip", nil
if path == "drawn" or not arg[1] and not core.exists(path) then
  made = drawn()
  path = made
end
local _ <close> = setmetatable({}, { __close = function()
  if made then os.execute(("rm -rf '%s'"):format(made)) end
end })

local function rate(what, pictures, f)
  local since, used = core.monotonic(), os.clock()
  f()
  since, used = core.monotonic() - since, os.clock() - used
  print(("%-34s %7.0f pictures per second of processor time, %7.0f per second"):format(what, pictures / used,
    pictures / since))
end

local function waiting(what, data)
  local recipe = gan.recipe.sngan_resnet { size = 32, channels = 3, width = width }
  local run = gan.train(recipe:options { data = data, batch = batch, out = false, progress = false,
    iterations = iterations })
  print(("%-34s %.2f %% of its time"):format(what, 100 * run.waiting))
end

local set
local function open(cache)
  set = gan.data.folder { path, size = 32, channels = 3, cache = cache }
end
local function pass()
  for k = 1, set:size() // batch do set:batch(batch, k) end
end

open(0)
local pictures, passed = set:size(), set:size() // batch * batch
rate("opening (each decoded once)", pictures, function() open(0) end)
rate("batches, decoded as wanted", passed, pass)
waiting("training on these waits", set)
open()
rate("batches, kept in memory", passed, pass)
waiting("training on these waits", set)
