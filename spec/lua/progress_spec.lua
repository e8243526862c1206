-- Progress: what is said, and how often, on a terminal and in a pipe.

require "ganlua" -- brings the modules

local progress = require "ganlua.progress"

-- A progress whose clock the spec moves and whose output it keeps.
local function make(options)
  local now, written = 100, {}
  options.clock = function() return now end
  options.write = function(text) written[#written + 1] = text end
  local self = progress.new(options)
  return self, function(seconds) now = now + seconds end, function() return table.concat(written) end
end

local at = { iteration = 250, planned = 1000, metrics = { d_loss = 0.9, g_loss = 0.125, real = 0.5, fake = -0.25 } }

describe("progress", function()
  it("says iteration, losses, scores, speed and the time left", function()
    assert.equal("250/1000  d 0.900  g 0.125  real +0.50  fake -0.25  3200 images/s  0:15 left",
      progress.text(at, { images = 16000, iterations = 250, seconds = 5 }))
  end)

  it("leaves out what is not known", function()
    assert.equal("7  g 1.000",
      progress.text({ iteration = 7, metrics = { g_loss = 1 } }, { images = 0, iterations = 7, seconds = 0 }))
  end)

  it("counts the time left from what this session did, not from the iterations before it", function()
    assert.matches("0:10 left$", progress.text({ iteration = 900, planned = 1000, metrics = {} },
      { images = 0, iterations = 100, seconds = 10 }))
  end)

  it("says in passing what goes on beside the iterations, on a terminal alone", function()
    local shown, pass, output = make { terminal = true, width = 30 }
    shown:passing("measuring: %d", 1)
    pass(1)
    shown:passing("measuring: %d", 2)
    pass(1)
    shown:say "done"
    assert.equal("\rmeasuring: 2\27[K\ndone\n", output())
    shown, pass, output = make { terminal = false }
    pass(9)
    shown:passing "measuring"
    assert.equal("", output())
  end)

  it("writes a plain line every few seconds into a pipe", function()
    local shown, pass, output = make { terminal = false }
    for _ = 1, 12 do
      pass(1)
      shown:show(at, 64, 1)
    end
    local lines = select(2, output():gsub("\n", ""))
    assert.equal(2, lines)
    assert.is_nil(output():find("[\r\27]"))
    shown:show(at, 64, 1, true)
    assert.equal(3, select(2, output():gsub("\n", "")))
  end)

  it("updates one line of a terminal, no longer than it is wide", function()
    local shown, pass, output = make { terminal = true, width = 20 }
    pass(1)
    shown:show(at, 64, 1)
    pass(1)
    shown:show(at, 64, 1)
    assert.equal("\r250/1000  d 0.900  \27[K\r250/1000  d 0.900  \27[K", output())
    shown:say("done")
    assert.matches("\27%[K\ndone\n$", output())
  end)

  it("says nothing when it is silent", function()
    local shown, pass, output = make { terminal = false, silent = true }
    pass(10)
    shown:show(at, 64, 1, true)
    shown:say("done")
    shown:finish()
    assert.equal("", output())
  end)

  it("writes durations as a clock does", function()
    assert.equal("0:00", progress.duration(0))
    assert.equal("1:05", progress.duration(65.2))
    assert.equal("1:01:40", progress.duration(3700))
  end)
end)
