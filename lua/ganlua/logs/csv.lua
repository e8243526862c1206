--- metrics.csv: the numbers of metrics.jsonl as a table for spreadsheets (RFC 4180: commas, CR LF, a header). A place
-- is empty where nothing was measured, and where the number was not finite.
--
-- The file follows from metrics.jsonl: where a run goes on, goes back, or begins to measure something else, all of it
-- is written anew from there.

local core = require "ganlua.core"
local journal = require "ganlua.journal"

local Csv = {}
Csv.__index = Csv

local csv = {}

-- Names of columns are words and values are numbers: nothing here needs quotes.
local function text_of(value)
  if math.type(value) == "integer" then return tostring(value) end
  if type(value) ~= "number" or value - value ~= 0 then return "" end
  return ("%.6g"):format(value) -- as metrics.jsonl has it
end

local function record(columns, row)
  local cells = {}
  for i, name in ipairs(columns) do cells[i] = text_of(row[name]) end
  return table.concat(cells, ",") .. "\r\n"
end

-- All that metrics.jsonl has.
local function write_anew(self, run)
  local columns, lines = run.log.columns, {}
  lines[1] = table.concat(columns, ",") .. "\r\n"
  run.log:flush()
  for line in core.read_file(run.folder .. "/metrics.jsonl"):gmatch "[^\n]+" do
    local row = core.json_decode(line)
    if row.event == nil then lines[#lines + 1] = record(columns, row) end
  end
  local text, path = table.concat(lines), run.folder .. "/metrics.csv"
  core.write_file(path, text)
  self.columns, self.file, self.flushed = columns, journal.open(path, #text), core.monotonic()
end

function Csv:begin(run) write_anew(self, run) end

function Csv:iterated(run, row)
  if self.columns ~= run.log.columns then return write_anew(self, run) end
  self.file:write(record(self.columns, row))
  if core.monotonic() - self.flushed < 1 then return end
  self.file:flush()
  self.flushed = core.monotonic()
end

function Csv:saving() if self.file then self.file:flush(true) end end

function Csv:ended() if self.file then self.file:flush() end end

--- A watcher that writes metrics.csv.
function csv.new() return setmetatable({}, Csv) end

return csv
