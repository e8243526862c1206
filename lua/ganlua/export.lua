--- gan.export: trained networks for other programs.

local export = {
  c = require "ganlua.export.c",
  torch = require("ganlua.torch.exchange").export,
}

return export
