-- Ten seeds of each loss on each data set beside published rows: `ganlua modes_table.lua`, half an hour on two cores.
--   --set loss=hinge --set data=ring   one of the four alone
--   --set workers=2 --set seeds=10     processes side by side, and how many seeds each loss is given
-- Every seed is a process of its own, on one thread, that runs ring.lua or grid.lua as it stands. Rows are means over
-- all seeds; spread is the least and the greatest of all modes of all seeds.

local gan = require "ganlua"

local workers, seeds = gan.setting("workers", 2), gan.setting("seeds", 10)
local iterations = gan.setting("iterations", 0) -- 0: as many as the scripts play by themselves
local only_loss, only_data = gan.setting("loss", "all"), gan.setting("data", "all")

-- Lin 2018 (PacGAN), table 1: modes, share of high quality in %, reverse KL; after 400,000 iterations of batch 100.
local published = {
  ring = { { "GAN", 6.3, 98.2, 0.45 }, { "ALI", 6.6, 97.6, 0.36 }, { "PacGAN2", 7.9, 95.6, 0.07 },
    { "PacGAN3", 7.8, 97.7, 0.10 } },
  grid = { { "GAN", 17.3, 94.8, 0.70 }, { "ALI", 24.1, 95.7, 0.14 }, { "PacGAN4", 24.8, 93.6, 0.04 } },
}

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

-- The interpreter that runs this script, and the folder that the script is in.
local interpreter = 0
while arg[interpreter - 1] do interpreter = interpreter - 1 end
local folder = arg[0]:match("^(.*/)") or ""

-- Starts a worker: it plays some seeds one after the other.
local function start(data, loss, worker)
  local commands = {}
  for seed = worker, seeds, workers do
    local options = ("--threads 1 --seed %d --set loss=%s --set quiet=true"):format(seed, loss)
    if iterations > 0 then options = ("%s --set iterations=%d"):format(options, iterations) end
    commands[#commands + 1] = ("%s %s %s"):format(quoted(arg[interpreter]), options, quoted(folder .. data .. ".lua"))
  end
  return io.popen(table.concat(commands, "; ") .. " 2>&1")
end

-- What one run printed, as numbers. A run that says something else has failed, and the table with it.
local function parse(line)
  local numbers = {}
  for number in line:gmatch("%d+%.?%d*") do numbers[#numbers + 1] = tonumber(number) end
  local modes, of, quality, reverse_kl, least, most = table.unpack(numbers)
  if not line:find("^%d+ of %d+ modes") or not most then error("a run failed: " .. line, 0) end
  return { modes = modes, of = of, quality = quality, reverse_kl = reverse_kl, least = least, most = most }
end

local function measure(data, loss)
  local began, pipes, rows = os.time(), {}, {}
  for worker = 1, math.min(workers, seeds) do pipes[worker] = start(data, loss, worker) end
  for worker, pipe in ipairs(pipes) do
    local seed = worker
    for line in pipe:lines() do
      rows[seed] = parse(line)
      print(("  %s, %s, seed %d: %s"):format(data, loss, seed, line))
      seed = seed + workers
    end
    pipe:close()
  end
  local mean = { modes = 0, quality = 0, reverse_kl = 0, least = math.huge, most = 0, seconds = os.time() - began }
  for seed = 1, seeds do
    local row = rows[seed] or error(("seed %d printed nothing"):format(seed), 0)
    for _, name in ipairs { "modes", "quality", "reverse_kl" } do mean[name] = mean[name] + row[name] / seeds end
    mean.least, mean.most = math.min(mean.least, row.least), math.max(mean.most, row.most)
  end
  return mean
end

local function row(name, modes, quality, reverse_kl, rest)
  print(("%-24s %6.1f %9.1f %% %12s   %s"):format(name, modes, quality, reverse_kl, rest))
end

for _, data in ipairs { "ring", "grid" } do
  if only_data == "all" or only_data == data then
    local means = {}
    for _, loss in ipairs { "hinge", "nonsaturating" } do
      if only_loss == "all" or only_loss == loss then means[#means + 1] = { loss, measure(data, loss) } end
    end
    print(("\n%-24s %6s %11s %12s   %s"):format(data, "modes", "quality", "reverse KL", "spread"))
    for _, line in ipairs(published[data]) do
      row(line[1] .. " (Lin 2018)", line[2], line[3], ("%.2f"):format(line[4]), "")
    end
    for _, each in ipairs(means) do
      local mean = each[2]
      row("ganlua, " .. each[1], mean.modes, mean.quality, ("%.4f"):format(mean.reverse_kl),
        ("%.2f to %.2f   %d seeds in %d s"):format(mean.least, mean.most, seeds, mean.seconds))
    end
    print()
  end
end
