--- What a run tells TensorBoard: each iteration its numbers; with the samples their picture, histograms of D's scores
-- and of the parameters, and the gradients' norms by parameter; at the beginning its configuration and its script.
--
-- `tensorboard --logdir runs` shows each run under the name of its folder.

local core = require "ganlua.core"
local events = require "ganlua.logs.events"
local look = require "ganlua.look"

local Board = {}
Board.__index = Board

local tensorboard = {}

-- So many buckets has a histogram, and so many examples are scored for one.
local buckets <const>, scored <const> = 50, 256

-- What columns of metrics.jsonl are called in TensorBoard, which makes a group of what has a common beginning.
local tags = {
  d_loss = "loss/discriminator", g_loss = "loss/generator", real = "score/real", fake = "score/fake",
  accuracy = "score/accuracy", d_penalty = "penalty/discriminator", g_penalty = "penalty/generator",
  d_grad_norm = "gradient_norm/discriminator", g_grad_norm = "gradient_norm/generator",
  augment = "augment/probability", seconds = "time/seconds",
}

local function tag_of(column) return tags[column] or "measure/" .. column end

-- Markdown that shows a text as it is.
local function verbatim(text)
  return "    " .. text:gsub("\n$", ""):gsub("\n", "\n    ")
end

function Board:begin(run, iteration)
  self.file = events.open(run.folder, iteration)
  run.game.norms_every = run.options.sample.every
  local script = run.options.source or _G.arg and _G.arg[0] and core.exists(_G.arg[0]) and core.read_file(_G.arg[0])
  local values = { events.text("config", verbatim(run.options.config)) }
  if script then values[2] = events.text("script", verbatim(script)) end
  self.file:add(iteration + 1, values)
end

function Board:iterated(run, row)
  local values = {}
  for i = 2, #run.log.columns do
    local name = run.log.columns[i]
    if row[name] then values[#values + 1] = events.scalar(tag_of(name), row[name]) end
  end
  self.file:add(row.iteration, values)
  self.closed = row.iteration
end

-- How the discriminator's scores are spread.
local function add_scores(run, values)
  local n = math.max(1, scored // run.options.pac) * run.options.pac
  for _, name in ipairs { "real", "fake" } do
    local x, classes = look[name](run, n)
    if x then
      values[#values + 1] = events.histogram("scores/" .. name, core.histogram(look.scores(run, x, classes), buckets))
    end
  end
end

-- How each parameter is spread, and how long its gradient was in this iteration, where its player moved.
local function add_parameters(player, iteration, values)
  local norms = player.norms and player.norms.iteration == iteration and player.norms
  for i, name in ipairs(player.names) do
    local full = player.name .. "." .. name
    values[#values + 1] = events.histogram("parameters/" .. full, core.histogram(player.parameters[i], buckets))
    if norms then values[#values + 1] = events.scalar("gradient_norm_of/" .. full, norms[i]) end
  end
end

-- What is seen after moves of an iteration that is not closed belongs to that one.
function Board:moved() self.closed = nil end

function Board:sampled(run, _, path)
  local values, iteration = {}, run.game.iteration
  if self.closed ~= iteration then iteration = iteration + 1 end
  if path then values[1] = events.image("samples", core.read_file(path)) end
  add_scores(run, values)
  for _, name in ipairs { "discriminator", "generator" } do
    add_parameters(run.game.players[name], iteration, values)
  end
  self.file:add(iteration, values)
end

function Board:saving() if self.file then self.file:flush(true) end end

function Board:ended() if self.file then self.file:flush() end end

--- A watcher that writes event files.
function tensorboard.new() return setmetatable({}, Board) end

return tensorboard
