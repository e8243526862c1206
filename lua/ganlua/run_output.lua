--- What a run makes and writes: samples and their pictures, checkpoints, the plot. These are methods of a run.
--
-- A run that goes on after a break writes the same files: nothing here draws from the streams that the game draws from.

local check = require "ganlua.check"
local checkpoint = require "ganlua.checkpoint"
local collapse = require "ganlua.collapse"
local core = require "ganlua.core"
local generate = require "ganlua.generate"
local labels = require "ganlua.labels"
local ranks = require "ganlua.ranks"
local files = require "ganlua.ranks.files"
local resume = require "ganlua.resume"
local seats = require "ganlua.ranks.seats"
local run_folder = require "ganlua.run_folder"
local streams = require "ganlua.streams"
local truncation = require "ganlua.truncation"

---@class ganlua.trainer
local Output = {}

--- How far the game is, moves after the last next() included: files of this moment need not be written twice.
---@return string
function Output:moment()
  local players = self.game.players
  return ("%d %d %d"):format(self.game.iteration, players.discriminator.moves, players.generator.moves)
end

-- Samples for given latents (and labels, of a game that has them), of the average where there is one.
function Output:generate(z, classes)
  return generate(self.ema or self.generator, z, classes)
end

--- New samples: from the moving average where there is one, in eval mode, without a graph. `label`, of a game with
--- labels: the one that all have (a number, or the name of a class), or a list of n; without it they are drawn.
--- `truncation`, of a generator with nn.style_mixing: 1 leaves styles as they are, 0.7 draws them towards their mean.
---
---     run:sample(8, { label = 3 })
---@param n integer
---@param options? { label: any, truncation: number? }
---@return ganlua.tensor n x shape
function Output:sample(n, options)
  n = math.tointeger(n) or n
  if math.type(n) ~= "integer" or n < 1 then
    check.fail("run:sample: wanted a positive integer, got %s", check.describe(n))
  end
  local plan = self.options.labels
  local given = check.options("run:sample", options, { label = labels.row, truncation = truncation.row })
  local label = given.label
  if label ~= nil and not plan then check.fail("run:sample: option 'label': the generator looks at no labels") end
  local _ <close> = truncation.of("run:sample", self.ema or self.generator, given.truncation)
  local _ <close> = self.game.streams:within "sample"
  local z = self.options.latent(n)
  return core.no_grad(self.generate, self, z, plan and labels.chosen(plan, "run:sample", n, label))
end

-- Draws samples into the file of an iteration; returns its path. Samples that are no pictures (points, say) have none.
function Output:draw(samples, iteration)
  local shape = samples:shape()
  if not self.folder or #shape ~= 4 or shape[4] ~= 1 and shape[4] ~= 3 then return nil end
  local path = run_folder.sample_path(self.folder, iteration)
  if ranks.rank == 0 then require("ganlua.image").grid(samples, { columns = self.grid.columns }):save(path) end
  return path
end

-- The same latents each time, so that pictures of different iterations can be compared; with labels, one class a row
-- and one latent a column.
function Output:make_grid()
  local given = self.options
  local grid, plan = { columns = 8 }, given.labels
  streams.with(given.seed, streams.number "grid", function()
    if plan then
      grid.latents, grid.labels, grid.columns = labels.grid(plan, given.latent, given.sample.count)
    else
      grid.latents = given.latent(given.sample.count)
    end
  end)
  return grid
end

function Output:grid_samples()
  return core.no_grad(self.generate, self, self.grid.latents, self.grid.labels)
end

-- Writes the picture of samples. Samples that are no pictures are handed to on.sample alone.
function Output:write_samples()
  local _ <close> = streams.guard()
  self.sampled = self:moment()
  if self.game.seats then self.game.seats:show() end
  local samples = self:grid_samples()
  local path = self:draw(samples, self.game.iteration)
  self.watchers:tell("sampled", self, samples, path)
  self.options.on.sample(self, samples, path)
  return samples
end

-- How much the data's examples differ: of the first batch, which is read without a reader's moving on. Nil for data
-- of the script's own.
function Output:data_spread()
  local data = self.game.data
  if self.real_spread == nil then
    self.real_spread = data.reader
      and streams.with(self.options.seed, streams.number "data",
        function() return collapse.spread((data:batch(64, 1))) end)
  end
  return self.real_spread
end

-- checkpoint.safetensors and losses.png. What the checkpoint counts on is on disk before it, and so are its copies and
-- the plot: a run that goes on from it, or was finished with it, does not write them again.
---@param copies? string[] names of the copies
function Output:write_checkpoint(copies)
  self.history_file:flush(true)
  self.log:flush(true)
  self.watchers:tell("saving", self)
  local path = self.folder .. "/" .. run_folder.newest
  local bytes, problem = self:encode()
  ranks.agree(path .. ": what is saved", ranks.many() and core.checksum(bytes) or 0,
    "they have come apart, perhaps by what a hook of the script does on one rank alone")
  if ranks.rank == 0 then
    self.log:plot(self.folder .. "/losses.png")
    self.log:plot_measured(self.folder .. "/measures.png")
  end
  for _, name in ipairs(copies or {}) do files.write_file(self.folder .. "/" .. name, bytes) end
  files.write_file(path, bytes)
  if problem then check.fail("%s: saved, but without run.state: %s, which cannot be saved", path, problem) end
end

-- Whether the networks of this moment are the best so far, by the measure of checkpoint.best.
function Output:is_best()
  local by = self.options.checkpoint.best
  if not by then return false end
  local value
  if type(by) == "function" then
    value = by(self)
    if self.options.ranks then value = ranks.from_first(value) end
  else
    value = self.metrics[by:gsub("^%-", "")]
    if value and by:sub(1, 1) == "-" then value = -value end
  end
  if type(value) ~= "number" or value ~= value or self.best and value <= self.best then return false end
  self.best = value
  return true
end

-- The checkpoint of a closed iteration, under its number too, of which the last few are kept, and as the best one where
-- it is. on.checkpoint draws random numbers of its own, for a run that goes on from here does not call it again.
function Output:keep_checkpoint()
  local given, copies = self.options, {}
  self.saved = self:moment()
  if self:is_best() then copies[1] = run_folder.best end
  if given.checkpoint.keep > 0 then copies[#copies + 1] = run_folder.numbered(self.game.iteration) end
  self:write_checkpoint(copies)
  run_folder.trim(self.folder, given.checkpoint.keep, self.game.iteration)
  local mark = self.game.streams:mark()
  given.on.checkpoint(self, self.folder .. "/" .. run_folder.newest)
  self.game.streams:back(mark)
end

-- The networks that are saved, by name; of several discriminators the first is called as one alone is.
function Output:networks()
  local networks = { generator = self.generator, discriminator = self.discriminator, ema = self.ema }
  for place, module in ipairs(self.discriminators or {}) do networks[seats.name(place)] = module end
  return networks
end

-- The bytes of a checkpoint of this moment, and what run.state has that cannot be saved.
function Output:encode()
  return checkpoint.encode(resume.snapshot(self))
end

--- Saves everything that the run is at this moment into one file.
---@param path string
function Output:save(path)
  if type(path) ~= "string" then check.fail("run:save: wanted a path, got %s", check.describe(path)) end
  local bytes, problem = self:encode()
  files.write_file(path, bytes)
  if problem then check.fail("%s: saved, but without run.state: %s, which cannot be saved", path, problem) end
end

--- Takes over what a file of run:save (or a run's folder) holds. The networks must be like those that were saved. The
--- schedule then starts at its first line.
---@param path string
---@return ganlua.trainer self
function Output:load(path)
  if type(path) ~= "string" then check.fail("run:load: wanted a path, got %s", check.describe(path)) end
  if files.is_directory(path) then path = path .. "/" .. run_folder.newest end
  resume.take(self, checkpoint.read(path))
  self.saved, self.sampled, self.finished, self.best = nil, nil, nil, nil
  return self
end

return Output
