--- What lies in a folder or a zip: the pictures with their classes, and what is left out, with its reason.
--
-- A class is a folder: the first one of a picture's path, after the folders that all pictures lie in. Where these
-- are the parts of a set (train, test, ...), it is the training part that counts. Names are only names: nothing is
-- unpacked, and one that leads out of its archive is refused.

local check = require "ganlua.check"
local core = require "ganlua.core"

local listing = {}

local pictures = { png = true, jpg = true, jpeg = true, jpe = true, jfif = true }
-- Pictures that people expect to be read, and so are told of by name.
local others = { gif = true, bmp = true, webp = true, tif = true, tiff = true, avif = true, heic = true, ppm = true,
  pgm = true, jp2 = true }
local hidden = { ["thumbs.db"] = true, ["desktop.ini"] = true, ["__macosx"] = true }
local training = { train = true, training = true }
local parts = { train = true, training = true, test = true, testing = true, val = true, valid = true,
  validation = true, dev = true }

---@class ganlua.listing
---@field paths string[] as they stand under the root, in order
---@field where any[] what core.album takes: paths, or a zip's entries
---@field skipped { name: string, reason: string }[] pictures that are refused
---@field hidden integer files that start with a dot, or that systems leave behind
---@field foreign integer files that are no pictures

local function is_hidden(path)
  for name in path:gmatch "[^/]+" do
    if name:sub(1, 1) == "." and name ~= "." and name ~= ".." or hidden[name:lower()] then return true end
  end
  return false
end

-- Whether a path stays inside what it is in.
local function stays_inside(path)
  if path:sub(1, 1) == "/" or path:find("\\", 1, true) or path:find "^%a:" then return false end
  for name in path:gmatch "[^/]+" do
    if name == ".." then return false end
  end
  return true
end

-- Puts a file where it belongs. problem: why it cannot be read, where that is known.
local function add(list, path, where, problem)
  local ending = (path:match "%.([^./]+)$" or ""):lower()
  if is_hidden(path) then
    list.hidden = list.hidden + 1
  elseif not pictures[ending] and not others[ending] then
    list.foreign = list.foreign + 1
  elseif not stays_inside(path) then
    list.skipped[#list.skipped + 1] = { name = path, reason = "its name leads out of the archive" }
  elseif problem then
    list.skipped[#list.skipped + 1] = { name = path, reason = problem }
  elseif others[ending] then
    list.skipped[#list.skipped + 1] = { name = path, reason = ("is %s, wanted PNG or JPEG"):format(ending:upper()) }
  else
    list.paths[#list.paths + 1], list.where[#list.where + 1] = path, where
  end
end

local function new() return { paths = {}, where = {}, skipped = {}, hidden = 0, foreign = 0 } end

-- So often a folder may be come to: links to each other's folders lead round in more ways than there is time for.
local most_ways <const> = 64

-- `open`: the folders around this one, by their stamps: a link may lead back to one of them. `ways`: how often each
-- folder was come to.
local function walk(list, root, inside, open, ways)
  local stamp = core.file_stamp(root .. inside)
  if open[stamp] then return end
  open[stamp], ways[stamp] = true, (ways[stamp] or 0) + 1
  if ways[stamp] > most_ways then
    check.fail("%s: links in it lead to %s in more than %d ways", root, check.printable(inside), most_ways)
  end
  for _, name in ipairs(core.list_directory(root .. inside)) do
    local path = inside .. name
    if core.is_directory(root .. path) then
      if is_hidden(name) then
        list.hidden = list.hidden + 1
      else
        walk(list, root, path .. "/", open, ways)
      end
    else
      add(list, path, root .. path)
    end
  end
  open[stamp] = nil
end

--- The files under a folder.
---@param folder string
---@return ganlua.listing
function listing.folder(folder)
  local list = new()
  walk(list, folder:gsub("/+$", "") .. "/", "", {}, {})
  return list
end

--- The files in a zip, by name.
---@param path string
---@return ganlua.listing
function listing.zip(path)
  local names, entries, problems = core.zip_list(path)
  local order, list = {}, new()
  for i = 1, #names do order[i] = i end
  table.sort(order, function(a, b)
    if names[a] ~= names[b] then return names[a] < names[b] end
    return a < b
  end)
  for _, i in ipairs(order) do
    if names[i]:sub(-1) ~= "/" then add(list, names[i], entries[i], problems[i]) end
  end
  return list
end

---- Classes --------------------------------------------------------------------------------------------------------

-- Removes the pictures for which keep(path) is false.
local function filter(list, keep)
  local paths, where = {}, {}
  for i, path in ipairs(list.paths) do
    if keep(path) then paths[#paths + 1], where[#where + 1] = path, list.where[i] end
  end
  list.paths, list.where = paths, where
end

-- The folders right under `prefix` that hold pictures, in order, and whether pictures lie there themselves.
local function folders_under(list, prefix)
  local names, seen, loose = {}, {}, false
  for _, path in ipairs(list.paths) do
    local name = path:sub(#prefix + 1):match "^([^/]+)/"
    if not name then
      loose = true
    elseif not seen[name] then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names, loose
end

local function every(names, of)
  for _, name in ipairs(names) do
    if not of[name:lower()] then return false end
  end
  return #names > 0
end

--- The names of the classes and each picture's class, from 1; nil where there are no class folders. Leaves out what
--- belongs to no class, and the parts of the set that are not for training; `list.part` names the one that is.
---@param list ganlua.listing
---@return string[]? names
---@return integer[]? class_of
function listing.classes(list)
  local prefix = ""
  local names, loose = folders_under(list, prefix)
  while not loose and #names > 0 do
    local part
    if #names > 1 and every(names, parts) then
      for _, name in ipairs(names) do part = part or training[name:lower()] and name end
    end
    if not part and #names > 1 then break end
    local inner = prefix .. (part or names[1]) .. "/"
    if part then
      list.part = part
      filter(list, function(path) return path:sub(1, #inner) == inner end)
    end
    prefix = inner
    names, loose = folders_under(list, prefix)
  end
  if #names == 0 then return nil end
  filter(list, function(path)
    local inside = path:find("/", #prefix + 1, true)
    if not inside then
      list.skipped[#list.skipped + 1] = { name = path, reason = "lies beside the folders of the classes" }
    end
    return inside
  end)
  local number, class_of = {}, {}
  for i, name in ipairs(names) do number[name] = i end
  for i, path in ipairs(list.paths) do class_of[i] = number[path:sub(#prefix + 1):match "^([^/]+)/"] end
  return names, class_of
end

--- Raises for a listing without pictures, saying what was there.
---@param list ganlua.listing
---@param path string
function listing.check_any(list, path)
  if #list.paths > 0 then return end
  local first = list.skipped[1]
  local why = first and (" (%s: %s)"):format(check.printable(first.name), first.reason) or ""
  check.fail("%s: no pictures here (PNG, JPEG, IDX or CIFAR files): %d other files, %d hidden ones, %d refused%s", path,
    list.foreign, list.hidden, #list.skipped, why)
end

return listing
