-- What a schedule in Lua costs beside the mathematics: moves whose networks, losses and steps are stubs, recorded and
-- logged as always; then the run is cut off and replayed:
--   ./dev bench               ganlua --set moves=1000000 spec/bench/schedule.lua
-- Prints microseconds a move and the seconds of the replay, in time of the processor.

local gan = require "ganlua"
local core = require "ganlua.core"
local evaluation = require "ganlua.evaluation"
local player = require "ganlua.player"
local nn = gan.nn

local moves = gan.setting("moves", 1000000)

-- The mathematics, left out: what it would measure is there.
local stub = { through = true }
function stub:slopes(_, due) -- luacheck: ignore 212
  local gradients, measured = player.gradients()
  measured.penalty = measured.penalty or due.listed and 0.0 or nil
  return gradients, measured
end
function evaluation.batch() return {} end
function evaluation.new() return stub end
function player.gradients() return {}, { loss = 0.5, real = 0.5, fake = -0.5, accuracy = 0.75 } end
function player.norm() return 0.25 end
function player.step() end

local folder = os.tmpname()
os.remove(folder)

-- Plays until `moves` are made; then SIGTERM seems to come.
local asked, interrupted = 0, core.interrupted
local function train()
  return pcall(gan.train, {
    out = folder, data = gan.data.ring {}, generator = nn.sequential { nn.linear { out = 2 } },
    discriminator = nn.sequential { nn.linear { out = 1 } }, latent = 1, batch = 1, loss = gan.loss.hinge {},
    progress = false, checkpoint = { every = moves }, sample = { every = moves },
    schedule = function(game)
      for _ = 1, moves // 2 do
        game:discriminator()
        game:generator()
        game:next()
      end
    end,
    on = { finish = function() error "went too far" end },
  })
end

local start, played = os.clock(), nil
core.interrupted = function()
  asked = asked + 1
  if asked < moves then return false end
  played = os.clock() - start
  return "TERM"
end
local _, problem = train()
if not played then error(problem, 0) end
-- The resumed run closes the last iteration, and is at its end.
core.interrupted = interrupted
start = os.clock()
local replayed
core.forbid_reading = function(forbidden)
  if not forbidden then replayed = replayed or os.clock() - start end
end
train()
print(("%d moves: %.2f microseconds a move, replayed in %.2f s"):format(moves, played / moves * 1e6, replayed))
os.execute(("rm -rf '%s'"):format(folder))
