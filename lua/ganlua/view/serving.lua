--- The board that a browser sees, and what stands on it: encoded events, pictures by run and iteration. One for all
-- runs of a script: a port is opened once.

local check = require "ganlua.check"
local core = require "ganlua.core"

local serving = {}

--- Where the view is served where nobody says so: TensorBoard's 6006 is another's.
serving.port = 6426

-- So many bytes of pictures are held; beyond that every other one goes.
local most_pictures = 64 << 20
-- A longer file is no picture of samples.
local most_picture <const>, png_mark <const> = 16 << 20, "\x89PNG\r\n\x1a\n"

--- JSON's null, in a table that is encoded.
serving.null = 0 / 0

---@class ganlua.board
---@field link string
---@field view any see lua/bind/view.c
---@field pictures table<string, { iteration: integer, size: integer }[]> by run
local Board = {}
serving.board = Board
Board.__index = Board

--- A text as JSON has it: bytes that are no UTF-8 show as "?".
---@param text string
---@return string
function serving.text(text)
  return utf8.len(text) and text or (text:gsub("[\x80-\xff]", "?"))
end

--- The bytes of a file; nil where there is none, or where it is longer than `most` bytes.
---@param path string
---@param most integer
---@return string?
function serving.read(path, most)
  if not core.exists(path) or core.is_directory(path) or core.file_size(path) > most then return nil end
  return core.read_file(path)
end

--- Tells the viewers an event.
---@param event string
---@param fields table
---@param keep? integer so many events of this name are told to a viewer that comes later; 0
function Board:post(event, fields, keep)
  self.view:post(event, core.json_encode(fields, nil, 6), keep)
end

--- What later viewers are told of this name.
---@param event string
---@param list table[]
function Board:replace(event, list)
  local texts = {}
  for i, fields in ipairs(list) do texts[i] = core.json_encode(fields, nil, 6) end
  self.view:replace(event, texts)
end

-- Every other picture of the run that has most goes.
local function thin(self)
  local longest
  for run, list in pairs(self.pictures) do
    if not longest or #list > #self.pictures[longest] then longest = run end
  end
  local kept, events = {}, {}
  for place, picture in ipairs(self.pictures[longest]) do
    if place % 2 == #self.pictures[longest] % 2 then
      kept[#kept + 1] = picture
    else
      self.view:drop(("/sample/%d.png?run=%s"):format(picture.iteration, longest))
      self.bytes = self.bytes - picture.size
    end
  end
  self.pictures[longest] = kept
  for run, list in pairs(self.pictures) do
    for _, picture in ipairs(list) do events[#events + 1] = { run = run, iteration = picture.iteration } end
  end
  self:replace("samples", events)
end

--- Puts up a picture of samples, and tells of it.
---@param run string
---@param iteration integer
---@param png string
function Board:picture(run, iteration, png)
  local list = self.pictures[run] or {}
  self.pictures[run] = list
  self.view:put(("/sample/%d.png?run=%s"):format(iteration, run), png)
  local known = false
  for _, picture in ipairs(list) do
    if picture.iteration == iteration then
      self.bytes, picture.size, known = self.bytes + #png - picture.size, #png, true
    end
  end
  if not known then
    list[#list + 1] = { iteration = iteration, size = #png }
    self.bytes = self.bytes + #png
  end
  self:post("samples", { run = run, iteration = iteration }, not known and 1 << 16 or 0)
  while self.bytes > most_pictures and #self.pictures[run] > 1 do thin(self) end
end

--- Puts up the pictures that a run has left in its folder. What is no picture there is left out.
---@param run string
---@param folder string
function Board:pictures_in(run, folder)
  local samples = folder .. "/samples"
  if not core.is_directory(samples) then return end
  local iterations = {}
  for _, file in ipairs(core.list_directory(samples)) do
    iterations[#iterations + 1] = math.tointeger(tonumber(file:match "^(%d%d?%d?%d?%d?%d?%d?%d?%d?)%.png$"))
  end
  table.sort(iterations)
  for _, iteration in ipairs(iterations) do
    local bytes = serving.read(("%s/%06d.png"):format(samples, iteration), most_picture)
    if bytes and bytes:sub(1, #png_mark) == png_mark then self:picture(run, iteration, bytes) end
  end
end

--- Commands are answered by this error from now on; nil: they are taken.
---@param why string?
function Board:refuse(why)
  self.view:refuse(why and core.json_encode { ok = false, error = why } or nil)
end

local opened

--- The board of this process, opened where it is not yet.
---@param options { port: integer?, host: string?, token: string? }
---@return ganlua.board
---@return boolean new
function serving.open(options)
  if opened then return opened, false end
  local settings = package.loaded["ganlua.settings"]
  if core.sandboxed and not settings.view then
    check.fail("view: the sandbox opens no port by itself: ganlua --view does")
  end
  local view = core.view_open {
    host = options.host, token = options.token, port = options.port or serving.port, tries = options.port and 1 or 32,
  }
  local host = options.host or "127.0.0.1"
  if host == "0.0.0.0" then host = "127.0.0.1" end
  opened = setmetatable({
    view = view, pictures = {}, bytes = 0,
    link = ("http://%s:%d/%s"):format(host, view:port(), options.token and "?token=" .. options.token or ""),
  }, Board)
  return opened, true
end

return serving
