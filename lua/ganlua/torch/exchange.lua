--- gan.import.torch and gan.export.torch: weights from PyTorch and for PyTorch, as safetensors. See order.lua,
-- convert.lua and names.lua beside this file for what changes on the way.

local check = require "ganlua.check"
local convert = require "ganlua.torch.convert"
local core = require "ganlua.core"
local names = require "ganlua.torch.names"
local order = require "ganlua.torch.order"
local state = require "ganlua.nn.state"
local weights = require "ganlua.torch.weights"

local exchange = {}

local function is_names(value) return type(value) == "table" or type(value) == "function" end

local rows = {
  names = { is = is_names, wanted = "a table { [\"our name\"] = \"PyTorch's\" } or a function(our name)" },
  input = {
    is = function(value) return type(value) == "table" and math.type(value[1]) == "integer" end,
    wanted = "the shape of one sample, such as {32, 32, 3}",
  },
  flatten = { type = "string", choices = { "nchw", "nhwc" }, default = "nchw" },
}

local function options(where, m, path, given, more)
  if not state.is(m) then
    check.fail("%s: wanted a module, got %s%s", where, check.describe(m),
      type(m) == "table" and state.is(m.generator) and " (of a run: run.ema or run.generator)" or "")
  elseif type(path) ~= "string" then
    check.fail("%s: the path must be a string, got %s", where, check.describe(path))
  end
  local all = {}
  for _, list in ipairs { rows, more } do
    for name, row in pairs(list) do all[name] = row end
  end
  local o = check.options(where, given, all)
  m:parameters() -- raises where it is not built
  return o, o.flatten == "nchw" and order.of(m, o.input) or {}
end

---- In --------------------------------------------------------------------------------------------------------------

-- The shape of a tensor in PyTorch's layout; nil where it cannot be that of a tensor with these dimensions.
local function torch_shape(entry, orders)
  local own = core.zeros(entry.owner[entry.key]:shape())
  return convert.tensor(entry.owner, entry.key, own, orders[entry.owner] or {}, true):shape()
end

--- Takes over weights that PyTorch has saved (safetensors.torch.save_file(module.state_dict(), path)): layouts are
--- changed, names mapped. Layers are found by their places (the same network as nn.Sequential, wherever it lies in a
--- module), or else one after the other. Every tensor of the module must be there, in its shape, and each of the file
--- must be used, or nothing changes. What has another order is told: names, a table of our names (or layers) and
--- PyTorch's, or a function of ours; `prefix` takes the part of a file whose names begin with it. Features behind
--- `flatten` and before `reshape` are in PyTorch's order, C x H x W; flatten = "nhwc" says that they are not. input:
--- the shape of one sample, where the first layer is `flatten` or `reshape`.
---@param m ganlua.module built: called once, or m:build{...}
---@param path string
---@param given? { names: table|function|nil, prefix: string?, input: integer[]?, flatten: "nchw"|"nhwc"|nil }
---@return ganlua.module m
function exchange.import(m, path, given)
  local where = "import.torch: " .. tostring(path)
  local o, orders = options("import.torch", m, path, given, { prefix = { type = "string", default = "" } })
  local file, values, used = {}, {}, {}
  for name, tensor in pairs(check.within("import.torch", weights.read, path)) do
    if name:sub(1, #o.prefix) == o.prefix then file[name] = tensor end
  end
  if next(file) == nil then check.fail("%s: there are no weights in it%s", where, o.prefix == "" and "" or
    (" whose names begin with %q"):format(o.prefix)) end
  local entries, problems = names.entries(m), {}
  local their_name = names.match(where, entries, file, o.names)
  for _, entry in ipairs(entries) do
    local name = their_name[entry.name]
    local tensor, wanted = file[name], torch_shape(entry, orders)
    used[name] = true
    if not tensor then
      problems[#problems + 1] = ("%s is missing (%s of %s)"):format(check.printable(name), entry.name,
        entry.owner:where())
    elseif check.shape_text(tensor:shape()) ~= check.shape_text(wanted) then
      problems[#problems + 1] = ("%s is %s, wanted %s for %s of %s"):format(check.printable(name),
        check.shape_text(tensor:shape()), check.shape_text(wanted), entry.name, entry.owner:where())
    else
      values[entry.name] = core.no_grad(convert.tensor, entry.owner, entry.key, tensor, orders[entry.owner] or {},
        false)
    end
  end
  local spare = {}
  for name in pairs(file) do
    if not used[name] then spare[#spare + 1] = check.printable(name) end
  end
  table.sort(spare)
  if #spare > 0 then problems[#problems + 1] = "the network has nothing for " .. table.concat(spare, ", ") end
  if #problems > 0 then check.fail("%s: %s", where, table.concat(problems, "; ")) end
  return m:load_state(values)
end

---- Out -------------------------------------------------------------------------------------------------------------

-- What PyTorch's spectral_norm calls its weight.
local function torch_key(entry)
  local normed = entry.key == "weight" and entry.owner.place and entry.owner.place.parent.kind == "spectral_norm"
  return normed and "weight_orig" or entry.key
end

--- Writes a network's weights for PyTorch: module.load_state_dict(safetensors.torch.load_file(path)). Places count from
--- 0, as in an nn.Sequential of the same layers (nn.Flatten for flatten, nn.Unflatten for reshape), behind `prefix`;
--- `like` names a file of PyTorch's whose names are taken, `names` is as for gan.import.torch. Spectral normalisation's
--- are those of torch.nn.utils.spectral_norm.
---@param m ganlua.module built
---@param path string
---@param given? { prefix: string?, like: string?, names: table|function|nil, input: integer[]?, flatten: string? }
function exchange.export(m, path, given)
  local o, orders = options("export.torch", m, path, given,
    { prefix = { type = "string", default = "" }, like = { type = "string" } })
  local entries, tensors, their_name = names.entries(m), {}, nil
  if o.like then
    their_name = names.match("export.torch: " .. o.like, entries,
      check.within("export.torch", weights.read, o.like), o.names)
  end
  for _, entry in ipairs(entries) do
    local name = their_name and their_name[entry.name]
    if not name and o.names then
      local own = type(o.names) == "function" and o.names(entry.name)
      name = own or type(o.names) == "table" and (o.names[entry.name]
        or o.names[entry.group] and o.names[entry.group] .. "." .. torch_key(entry))
    end
    if not name then
      local group = names.shifted(entry.group)
      name = o.prefix .. (group == "" and "" or group .. ".") .. torch_key(entry)
    end
    if type(name) ~= "string" or tensors[name] then
      check.fail("export.torch: two tensors would be called %s", check.describe(name))
    end
    tensors[name] = core.no_grad(convert.tensor, entry.owner, entry.key, entry.owner[entry.key],
      orders[entry.owner] or {}, true)
  end
  check.within("export.torch", core.write_file, path, core.safetensors_encode(tensors, { format = "pt" }))
end

return exchange
