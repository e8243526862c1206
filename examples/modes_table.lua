-- Ten seeds of each loss on each data set beside published rows: `ganlua modes_table.lua`, half an hour on two cores.
--   --set loss=hinge --set data=ring   one of the four alone
--   --set workers=2 --set seeds=10     processes side by side, and how many seeds each loss is given
-- Every seed is a process of its own, on one thread, that runs ring.lua or grid.lua as it stands; stopped and started
-- again, it goes on where it was. Rows are means over all seeds; spread is the least and the greatest of all modes of
-- all seeds.

local gan = require "ganlua"

local only_loss, only_data = gan.setting("loss", "all"), gan.setting("data", "all")
local folder = arg[0]:match "^(.*/)" or ""

-- Lin 2018 (PacGAN), table 1: modes, share of high quality in %, reverse KL; after 400,000 iterations of batch 100.
local published = {
  ring = { { "GAN", 6.3, 98.2, 0.45 }, { "ALI", 6.6, 97.6, 0.36 }, { "PacGAN2", 7.9, 95.6, 0.07 },
    { "PacGAN3", 7.8, 97.7, 0.10 } },
  grid = { { "GAN", 17.3, 94.8, 0.70 }, { "ALI", 24.1, 95.7, 0.14 }, { "PacGAN4", 24.8, 93.6, 0.04 } },
}

local seeds = {}
for seed = 1, gan.setting("seeds", 10) do seeds[seed] = seed end

-- `--set iterations=...` reaches the scripts too.
local function measure(data)
  return gan.sweep {
    script = folder .. data .. ".lua", name = "modes-" .. data,
    loss = only_loss == "all" and { "hinge", "nonsaturating" } or { only_loss }, seed = seeds,
    workers = gan.setting("workers", 2), metric = { "modes", "high_quality", "reverse_kl", "narrowest", "widest" },
  }
end

local function row(name, modes, quality, reverse_kl, rest)
  print((("%-24s %6.1f %9.1f %% %12s   %s"):format(name, modes, quality, reverse_kl, rest):gsub(" +$", "")))
end

for _, data in ipairs { "ring", "grid" } do
  if only_data == "all" or only_data == data then
    local swept = measure(data)
    print(("\n%-24s %6s %11s %12s   %s"):format(data, "modes", "quality", "reverse KL", "spread"))
    for _, line in ipairs(published[data]) do
      row(line[1] .. " (Lin 2018)", line[2], line[3], ("%.2f"):format(line[4]), "")
    end
    for _, each in ipairs(swept.rows) do
      local its, name = each.results, "ganlua, " .. each.labels.loss
      if each.runs == 0 then
        print(name .. ": every run failed")
      else
        row(name, its.modes.mean, 100 * its.high_quality.mean, ("%.4f"):format(its.reverse_kl.mean),
          ("%.2f to %.2f   %d seeds%s"):format(its.narrowest.min, its.widest.max, each.runs,
            each.failed > 0 and (", %d failed"):format(each.failed) or ""))
      end
    end
    print()
  end
end
