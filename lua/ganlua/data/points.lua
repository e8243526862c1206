--- Points in the plane around known centres: the smallest data that shows whether a generator finds every mode.

local core = require "ganlua.core"
local source = require "ganlua.data.source"
local streams = require "ganlua.streams"

local points = {}

-- n points, each around a centre drawn at random, and the centres' numbers from 0.
local function draw(centres, std, n)
  local labels = core.randint({ n }, centres:shape()[1])
  return centres:index(1, labels + 1) + core.randn(n, 2) * std, labels
end

local function mixture(name, list, std)
  local centres = core.tensor(list)
  return source.new {
    name = name,
    count = math.huge,
    example_shape = { 2 },
    kinds = #list,
    centres = centres,
    std = std,
    draw = function(first, n)
      return streams.with(core.get_random().seed, streams.number("points", first), draw, centres, std, n)
    end,
  }
end

--- Gaussians on a circle.
function points.ring(modes, radius, std)
  local centres = {}
  for i = 1, modes do
    local angle = 2 * math.pi * (i - 1) / modes
    centres[i] = { radius * math.cos(angle), radius * math.sin(angle) }
  end
  return mixture(("ring of %d"):format(modes), centres, std)
end

--- Gaussians on a square grid around 0.
function points.grid(side, spacing, std)
  local centres = {}
  for row = 1, side do
    for column = 1, side do
      centres[#centres + 1] = { (column - (side + 1) / 2) * spacing, (row - (side + 1) / 2) * spacing }
    end
  end
  return mixture(("grid of %dx%d"):format(side, side), centres, std)
end

-- n points along `arms` arms, each turning once around 0 on its way out; the arms' numbers from 0 are the labels.
local function draw_spiral(arms, std, n)
  local labels = core.randint({ n }, arms)
  local way = core.rand(n):sqrt() -- evenly spread along an arm, whose length grows with the square
  local angle = (way + labels / arms) * (2 * math.pi)
  local on_arm = core.concat({ (way * angle:cos()):reshape(n, 1), (way * angle:sin()):reshape(n, 1) }, 2)
  return on_arm + core.randn(n, 2) * std, labels
end

--- Points along the arms of a spiral, from 0 to the unit circle.
function points.spiral(arms, std)
  return source.new {
    name = ("spiral of %d"):format(arms),
    count = math.huge,
    example_shape = { 2 },
    kinds = arms,
    std = std,
    draw = function(first, n)
      return streams.with(core.get_random().seed, streams.number("points", first), draw_spiral, arms, std, n)
    end,
  }
end

return points
