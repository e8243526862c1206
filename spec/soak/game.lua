-- The run that soak.lua kills: a small game with pictures, samples and checkpoints. It says in a file what it is doing
-- (m: moving, s: sampling, c: writing a checkpoint), so that kills can be counted by phase.
--   MARKER=FILE ganlua --out FOLDER game.lua

local gan = require "ganlua"
local nn = gan.nn

local marker = os.getenv "MARKER"
local iterations = gan.setting("iterations", 60)

local run = gan.trainer {
  name = "soak", data = gan.data.glyphs { count = 64 }, latent = 4, batch = 64, seed = 3, progress = false,
  generator = nn.sequential { nn.linear { out = 16 }, nn.batch_norm {}, nn.relu {}, nn.linear { out = 784 },
    nn.reshape { 28, 28, 1 }, nn.tanh {} },
  discriminator = nn.sequential { nn.flatten {}, nn.linear { out = 16 }, nn.leaky_relu {}, nn.dropout { p = 0.2 },
    nn.linear { out = 1 } },
  loss = gan.loss.hinge {}, penalties = { gan.penalty.r1 { every = 3 } }, ema = { decay = 0.9 },
  sample = { every = 1, count = 64 }, checkpoint = { every = 12, keep = 2 },
  on = { iteration = function(run) run.state.drawn = (run.state.drawn or 0) + math.random() end },
  schedule = function(game)
    while game.iteration < iterations do
      for _ = 1, math.random(2) do game:discriminator() end
      if game:discriminator().accuracy > 0.6 then game:generator { batch = 32 } end
      game:generator()
      game:next()
    end
  end,
}

if marker then
  local file = assert(io.open(marker, "w"))
  file:setvbuf "no"
  local function say(phase)
    file:seek "set"
    file:write(phase)
  end
  -- What the methods of this run do is said before and after.
  local function marked(name, phase)
    local method = run[name]
    run[name] = function(...)
      say(phase)
      local result = method(...)
      say "m"
      return result
    end
  end
  say "m"
  marked("write_samples", "s")
  marked("write_checkpoint", "c")
end
run:train()
