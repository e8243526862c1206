--- gan.export: trained networks for other programs.

local export = {
  c = require "ganlua.export.c",
  onnx = require "ganlua.export.onnx",
  torch = require("ganlua.torch.exchange").export,
}

return export
