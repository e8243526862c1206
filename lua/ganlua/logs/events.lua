--- TensorBoard's event files: the messages Event and Summary (tensorboard/compat/proto), and the files of a run.
--
-- 1. Each time that a run begins or goes on there is a new file, events.out.tfevents.000001, ...2: a TensorBoard that
--    follows the folder goes on with the next one. Numbers are not used twice.
-- 2. Before that, what older files have of iterations that are going to be played (again), and a record that was torn,
--    is cut off. So whoever reads the files finds one value of each step; and a TensorBoard that has read more is told
--    by the new file to forget it.

local core = require "ganlua.core"
local journal = require "ganlua.journal"
local protobuf = require "ganlua.export.protobuf"
local records = require "ganlua.logs.records"

local int, float, double, bytes = protobuf.int, protobuf.float, protobuf.double, protobuf.bytes

local events = {}

---- Values ----------------------------------------------------------------------------------------------------------

-- What a value is shown by, where its kind does not say so.
local function plugin(name) return bytes(9, bytes(1, bytes(1, name))) end

--- A number.
---@param tag string
---@param value number
function events.scalar(tag, value) return bytes(1, bytes(1, tag) .. float(2, value)) end

--- A PNG file of grey or coloured pixels.
---@param tag string
---@param png string
function events.image(tag, png)
  local width, height, _, kind = string.unpack(">I4I4I1I1", png, 17)
  local channels = ({ [0] = 1, [2] = 3, [3] = 3, [4] = 2, [6] = 4 })[kind]
  return bytes(1, bytes(1, tag) .. bytes(4, int(1, height) .. int(2, width) .. int(3, channels) .. bytes(4, png)))
end

--- What core.histogram gives; nothing where it counted nothing.
---@param tag string
---@param h table
function events.histogram(tag, h)
  if h.count == 0 then return "" end
  local limits = {}
  for i = 1, #h do limits[i] = h.least + (h.most - h.least) * i / #h end
  return bytes(1, bytes(1, tag) .. bytes(5, double(1, h.least) .. double(2, h.most) .. double(3, h.count)
    .. double(4, h.sum) .. double(5, h.squares) .. protobuf.doubles(6, limits) .. protobuf.doubles(7, h)))
end

--- A text, which is shown as Markdown: a tensor of one string.
---@param tag string
---@param text string
function events.text(tag, text)
  local tensor = int(1, 7) .. bytes(2, bytes(2, int(1, 1))) .. bytes(8, text)
  return bytes(1, bytes(1, tag) .. bytes(8, tensor) .. plugin "text")
end

---- Files -----------------------------------------------------------------------------------------------------------

---@class ganlua.event_file
---@field file ganlua.journal
local File = {}
File.__index = File

local pattern <const> = "^events%.out%.tfevents%.(%d+)$"

-- The step of an event: its second field, behind the time, where it has one.
local function step_of(event)
  if event:byte(10) ~= 2 << 3 then return 0 end
  local step, shift, at = 0, 0, 11
  repeat
    local byte = event:byte(at) or 0
    step, shift, at = step | (byte & 0x7f) << shift, shift + 7, at + 1
  until byte < 0x80
  return step
end

-- Cuts off what a file has of later iterations, and what is torn.
local function cut(path, iteration)
  local size = 0
  for event, last in records.each(path) do
    if step_of(event) > iteration then break end
    size = last
  end
  if size < core.file_size(path) then core.append_file(path, size, "", false) end
end

--- A new file in a folder; the older ones hold nothing of what comes after an iteration.
---@param folder string
---@param iteration integer
---@return ganlua.event_file
function events.open(folder, iteration)
  local latest = 0
  for _, name in ipairs(core.list_directory(folder)) do
    local number = math.tointeger(name:match(pattern))
    if number then
      cut(folder .. "/" .. name, iteration)
      latest = math.max(latest, number)
    end
  end
  local self = setmetatable({
    file = journal.open(("%s/events.out.tfevents.%06d"):format(folder, latest + 1)),
    clock = os.time() - core.monotonic(),
    flushed = core.monotonic(),
  }, File)
  self:write(0, bytes(3, "brain.Event:2"))
  self:write(iteration + 1, bytes(7, int(1, 1))) -- what was read of this step and later ones is to be forgotten
  return self
end

-- An event of a step: the time, and what it is about.
function File:write(step, what)
  local now = core.monotonic()
  self.file:write(records.frame(double(1, self.clock + now) .. int(2, step) .. what))
  if now - self.flushed < 1 then return end
  self.file:flush()
  self.flushed = now
end

--- Adds values of a step.
---@param step integer
---@param values string[] of the functions above
function File:add(step, values)
  local summary = table.concat(values)
  if summary ~= "" then self:write(step, bytes(5, summary)) end
end

--- Hands what was written to the operating system; with `sync`, it is on disk when this returns.
---@param sync? boolean
function File:flush(sync) self.file:flush(sync) end

return events
