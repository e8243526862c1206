--- The path of a picture that is written: PNG, whatever it is called, and so it must not be called anything else.

local check = require "ganlua.check"

local others = { jpg = true, jpeg = true, gif = true, bmp = true, webp = true, tif = true, tiff = true, ppm = true,
  pdf = true, svg = true }

--- Raises where a path is no string, or ends as the files of another kind do.
---@param where string how messages begin
---@param path any
return function(where, path)
  if type(path) ~= "string" then check.fail("%s: the path must be a string, got %s", where, check.describe(path)) end
  local stem, kind = path:match "^(.*)%.(%a+)$"
  if kind and others[kind:lower()] then
    check.fail("%s: what is written is PNG: wanted a name such as %s.png, got %s", where, stem, path)
  end
end
