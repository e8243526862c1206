--- gan.export: trained networks for other programs.

local export = {
  c = require "ganlua.export.c",
}

return export
