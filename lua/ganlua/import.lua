--- gan.import: trained networks from other programs.

local import = {
  torch = require("ganlua.torch.exchange").import,
}

return import
