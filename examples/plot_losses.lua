-- Which loss? The curves of each one, and the slopes that the networks feel: `ganlua plot_losses.lua`, a second.
-- Writes losses.png (--set path=FILE for another name) with, from the top:
--   log D and log(1 - D), which the original game is written in, and the hinge max(0, 1 - t*y)
--   the slope that G feels: minimax's vanishes where D is sure of a fake (f far below 0), non-saturating's does not;
--   and the slope that D feels of a real sample: the hinge's is flat zero beyond the margin
--   each loss's terms over the score, r = D(x) or f = D(G(z)), and their slopes beside them

local gan = require "ganlua"

local path = gan.setting("path", "losses.png")
gan.loss.plot():save(path)
print("wrote " .. path)
