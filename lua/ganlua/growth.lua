--- Growth of a player's network (see ganlua.nn.growing): which stage it has reached, what of it is trained, and how
-- much the newest stage counts.

local core = require "ganlua.core"
local curve = require "ganlua.curve"
local nn_state = require "ganlua.nn.state"

local growth = {}

--- The growing modules of a network, and how many stages the tallest has; nil where nothing grows.
---@param network ganlua.module built
---@return { modules: ganlua.module[], stages: integer }?
function growth.of(network)
  local found = { modules = {}, stages = 0 }
  nn_state.walk(network, function(m)
    if m.grows then
      table.insert(found.modules, m)
      found.stages = math.max(found.stages, m.grows)
    end
  end)
  return found.stages > 0 and found or nil
end

-- The stage that a module belongs to, by module: those that are part of none belong to the first.
local function stages_by_module(found)
  local stage_of = {}
  for _, m in ipairs(found.modules) do
    for stage = 1, m.grows do
      for _, part in ipairs { m["block" .. stage], m["head" .. stage] } do
        nn_state.walk(part, function(inner) stage_of[inner] = math.max(stage_of[inner] or 1, stage) end)
      end
    end
  end
  return stage_of
end

--- Parameters and their names up to a stage: the first stage's in the order of the network, then what each stage added.
---@param network ganlua.module
---@param found table? from growth.of
---@param last integer
---@return ganlua.tensor[] parameters
---@return string[] names
function growth.parameters(network, found, last)
  local stage_of, parameters, names = found and stages_by_module(found) or {}, {}, {}
  for stage = 1, found and last or 1 do
    nn_state.walk(network, function(m, path)
      if (stage_of[m] or 1) ~= stage then return end
      for _, key in ipairs(m.parts.parameters) do
        parameters[#parameters + 1] = m[key]
        names[#names + 1] = path == "" and key or path .. "." .. key
      end
    end)
  end
  return parameters, names
end

--- How far the network says it is: also where it was loaded.
function growth.stage(found)
  local stage = 1
  for _, m in ipairs(found.modules) do stage = math.max(stage, math.ceil(m.progress:item())) end
  return stage
end

-- So much a stage counts from its first moment on: the network says by it that the stage is there.
local least <const> = 1e-6

--- Makes the newest stage count by a weight.
---@param found table from growth.of
---@param stage integer
---@param weight number 0 to 1
function growth.set(found, stage, weight)
  for _, m in ipairs(found.modules) do
    m.progress = core.tensor { math.min(stage - 1 + math.max(weight, least), m.grows) }
  end
end

local bounds = curve.option({ min = 0, max = 1 }).curve

--- What a fade says at a moment, counted from the moment that it began.
---@param fade { curve: any, move: integer, iteration: integer }
---@param moves integer
---@param iteration integer
---@return number
function growth.weight(fade, moves, iteration)
  local clock = { move = moves - fade.move, iteration = iteration - fade.iteration }
  return curve.at(fade.curve, clock, "game:grow: fade", bounds)
end

return growth
