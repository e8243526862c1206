--- gan.image.animate: pictures one after the other, as an animated PNG (APNG), which every browser shows; what does not
-- know it shows the first one. Its frames are those of ordinary PNG files, put in other chunks.

local check = require "ganlua.check"
local check_path = require "ganlua.image.path"
local core = require "ganlua.core"

local signature <const> = "\137PNG\r\n\26\n"

---- PNG files -------------------------------------------------------------------------------------------------------

local function chunk(kind, data)
  return string.pack(">I4", #data) .. kind .. data .. string.pack(">I4", core.checksum(kind .. data))
end

-- The head (IHDR) and the compressed pixels of a PNG file that ganlua has written.
local function parts_of(bytes)
  local at, head, data = #signature + 1, nil, {}
  while at < #bytes do
    local length, kind = string.unpack(">I4c4", bytes, at)
    local text = bytes:sub(at + 8, at + 7 + length)
    if kind == "IHDR" then head = text elseif kind == "IDAT" then data[#data + 1] = text end
    at = at + 12 + length
  end
  return head, table.concat(data)
end

-- A frame as ganlua writes it: of a picture, an image, or a file, which may be of any kind, or damaged.
local function png_of(frame, where)
  if type(frame) == "string" then return core.png_encode(core.picture_decode(core.read_file(frame), frame)) end
  local pixels = type(frame) == "table" and frame.pixels or frame
  local shape = core.is_tensor(pixels) and pixels:shape() or {}
  if #shape ~= 3 or shape[3] ~= 1 and shape[3] ~= 3 then
    check.fail("image.animate: %s must be a picture H x W x 1 or 3, or a PNG file, got %s", where,
      check.describe(frame))
  end
  return core.png_encode(pixels:detach())
end

---- Frames ----------------------------------------------------------------------------------------------------------

-- The sample pictures of a run's folder, in order.
local function of_folder(folder)
  local samples = core.is_directory(folder .. "/samples") and folder .. "/samples" or folder
  local list = {}
  for _, name in ipairs(core.list_directory(samples)) do
    if name:find "^%d+%.png$" then list[#list + 1] = samples .. "/" .. name end
  end
  table.sort(list, function(a, b)
    return tonumber(a:match "(%d+)%.png$") < tonumber(b:match "(%d+)%.png$")
  end)
  if #list == 0 then check.fail("image.animate: there are no sample pictures in %s", folder) end
  return list
end

local function frames_of(given)
  if type(given) == "string" then return of_folder(given) end
  if core.is_tensor(given) then
    local list, shape = {}, given:shape()
    if #shape ~= 4 or shape[1] < 1 then
      check.fail("image.animate: wanted pictures N x H x W x 1 or 3, got %s", check.describe(given))
    end
    for i = 1, shape[1] do list[i] = given[i] end
    return list
  elseif type(given) ~= "table" or #given == 0 then
    check.fail("image.animate: wanted pictures, a list of them, or a run's folder, got %s", check.describe(given))
  end
  return given
end

--- Pictures one after the other, as gan.image.animate gives them.
---@class ganlua.animation
---@field bytes string of the file
---@field count integer frames
local Animation = {}
Animation.__index = Animation

--- Writes the animation as a PNG file.
---@param path string
function Animation:save(path)
  check_path("animation:save", path)
  check.within("animation:save", core.write_file, path, self.bytes)
end

function Animation:__tostring() return ("[ganlua.animation of %d pictures]"):format(self.count) end

--- Pictures of one size one after the other: `image.animate(frames):save("run.png")`. frames: n x H x W x C, a list of
--- pictures, grids and PNG files, or a run's folder, whose sample pictures are shown in order. Options: delay = 0.2,
--- seconds of each; last = 2, of the last one; loops = 0, how often (0: for ever).
---@param frames any
---@param options? { delay: number?, last: number?, loops: integer? }
---@return ganlua.animation
return function(frames, options)
  local given = check.options("image.animate", options, {
    delay = { type = "number", min = 0, max = 60, default = 0.2 },
    last = { type = "number", min = 0, max = 60, default = 2 },
    loops = { type = "integer", min = 0, max = 1 << 30, default = 0 },
  })
  local list = check.within("image.animate", frames_of, frames)
  local parts, order, first = {}, 0, nil
  local function numbered(kind, data)
    parts[#parts + 1] = chunk(kind, string.pack(">I4", order) .. data)
    order = order + 1
  end
  for i, frame in ipairs(list) do
    local where = type(frame) == "string" and frame or ("picture %d"):format(i)
    local head, data = parts_of(check.within("image.animate", png_of, frame, where))
    if not first then
      first = head
      parts[1] = signature .. chunk("IHDR", head) .. chunk("acTL", string.pack(">I4I4", #list, given.loops))
    elseif head ~= first then
      local width, height, _, colours = string.unpack(">I4I4BB", head)
      check.fail("image.animate: %s is %dx%dx%d, the first one %s: they must agree", where, height, width,
        colours == 0 and 1 or 3, ("%dx%dx%d"):format(string.unpack(">I4", first, 5), string.unpack(">I4", first),
          first:byte(10) == 0 and 1 or 3))
    end
    local width, height = string.unpack(">I4I4", head)
    local delay = i == #list and given.last or given.delay
    numbered("fcTL", string.pack(">I4I4I4I4I2I2BB", width, height, 0, 0, delay * 1000 // 1 | 0, 1000, 0, 0))
    if i == 1 then parts[#parts + 1] = chunk("IDAT", data) else numbered("fdAT", data) end
  end
  parts[#parts + 1] = chunk("IEND", "")
  return setmetatable({ bytes = table.concat(parts), count = #list }, Animation)
end
