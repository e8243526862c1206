--- The base of every network: what a module is, and how a new kind of it is defined.
--
-- A module is a table with its parameters, buffers and children as plain fields, so that a forward function
-- reads `self.weight` and calls `self.main(x)`; `parts` keeps their names in order. Sizes are inferred: `build`
-- runs at the first call, from that input's shape.
--
-- Invariants: parameters are leaves, written in place by optimisers and load_state only; buffers (running
-- statistics and the like) are replaced, never written, because a graph may have saved them; the order of
-- parameters() is that of definition and never changes.

local core = require "ganlua.core"
local check = require "ganlua.check"
local state = require "ganlua.nn.state"

local walk = state.walk

local module = { is = state.is, stand_in = state.stand_in }

--- A network or a part of one, as the constructors of gan.nn give it. It is called: y = m(x), or m(x, labels).
---@class ganlua.module
---@field kind string the layer's name, e.g. "conv2d"
---@field options table as check.options filled them in
---@field training boolean
---@field built boolean
---@field output_shape? integer[] of one sample, as the first call gave it
local Module = {}
for name, method in pairs(state.methods) do Module[name] = method end

---- What a definition's functions call ---------------------------------------------------------------------

--- Where this module stands in its network: "sequential: layer 3 (conv2d)".
---@return string
function Module:where()
  if not self.place then return self.kind end
  return ("%s: %s (%s)"):format(self.place.parent:where(), self.place.name, self.kind)
end

--- Raises a message that begins with where this module stands.
---@param format string
function Module:fail(format, ...)
  check.fail("%s: %s", self:where(), format:format(...))
end

--- Checks an input's rank and returns its shape; `layout` is what the message wants, e.g. "an N x features".
---@param x ganlua.tensor
---@param rank integer
---@param layout string
---@return integer[]
function Module:input(x, rank, layout)
  local shape = x:shape()
  if #shape ~= rank then self:fail("wanted %s input, got %s", layout, check.shape_text(shape)) end
  return shape
end

local function register(self, group, key, value)
  if type(key) ~= "string" or not core.is_tensor(value) then
    self:fail("a %s needs a name and a tensor, got %s and %s", group, check.describe(key), check.describe(value))
  elseif self[key] ~= nil then
    self:fail("'%s' cannot name a %s: the module has something of that name", key, group)
  end
  self[key] = value
end

--- Adds a parameter; in build.
---@param name string
---@param tensor ganlua.tensor
function Module:parameter(name, tensor)
  register(self, "parameter", name, tensor)
  table.insert(self.parts.parameters, name)
end

--- Adds a buffer: saved with the state, not trained; in build. To change it, assign a new tensor to the field.
---@param name string
---@param tensor ganlua.tensor
function Module:buffer(name, tensor)
  register(self, "buffer", name, tensor)
  table.insert(self.parts.buffers, name)
end

--- Adds a module inside this one; in setup.
---@param key string|integer the field that holds it; an integer is the place in a sequence
---@param child ganlua.module
---@param path? string what it is called in parameter names; "" adds nothing to them
function Module:child(key, child, path)
  if not module.is(child) then
    self:fail("%s must be a module, got %s%s", math.type(key) and "layer " .. key or key, check.describe(child),
      type(child) == "function" and " (a layer is made by a call: nn.relu{})" or "")
  elseif self[key] ~= nil then
    self:fail("'%s' cannot name a child: the module has something of that name", key)
  end
  self[key] = child
  table.insert(self.parts.children, { key = key, path = path or tostring(key) })
  child.place = { parent = self, name = math.type(key) and "layer " .. key or key }
end

---- Calls ---------------------------------------------------------------------------------------------------

-- Makes the parameters, for inputs of this shape (and what is beside them), if that has not happened yet.
local function prepare(self, shape, ...)
  if self.built then return end
  for _, group in ipairs { "parameters", "buffers" } do -- left by a build that failed half-way
    for _, key in ipairs(self.parts[group]) do self[key] = nil end
    self.parts[group] = {}
  end
  core.no_grad(self.definition.build, self, shape, ...)
  self.built = true
  if self.initializer then core.no_grad(self.initializer, self) end
end
module.prepare = prepare

-- Around a first call: if it fails, whatever it built is unbuilt again, so that the next call may bring other sizes.
local function undo_on_error(self)
  local unbuilt = {}
  walk(self, function(m)
    if not m.built then unbuilt[#unbuilt + 1] = m end
  end)
  return setmetatable({}, { __close = function(_, problem)
    if problem == nil then return end
    for _, m in ipairs(unbuilt) do m.built = false end
  end })
end

--- What networks are in a game, for messages: "generator", "discriminator", "moving average".
module.titles = setmetatable({}, { __mode = "k" })

-- What is told of every call, or nil.
local observer

--- Puts f around the forward function of every module's calls (nil: nothing), which it calls itself; returns what was
--- there.
---@param f fun(m: ganlua.module, forward: function, x: ganlua.tensor, ...): ganlua.tensor|nil
function module.observe(f)
  local before = observer
  observer = f
  return before
end

-- What a forward function of a module gives.
local function run(self, forward, x, ...)
  if observer then return observer(self, forward, x, ...) end
  return forward(self, x, ...)
end
module.run = run

local function call(self, x, ...)
  if not core.is_tensor(x) then self:fail("wanted a tensor, got %s", check.describe(x)) end
  local _ <close> = not self.output_shape and undo_on_error(self) or nil
  if not self.built then prepare(self, x:shape(), ...) end
  local y = run(self, self.definition.forward, x, ...)
  if not self.output_shape then
    if not core.is_tensor(y) then self:fail("forward must return a tensor, got %s", check.describe(y)) end
    self.output_shape = y:shape()
    table.remove(self.output_shape, 1)
  end
  return y
end

--- Builds without training anything: one dry call in eval mode. Parameters are there afterwards.
---@param input ganlua.tensor|integer[] an input, or the shape of one (the batch first)
---@return ganlua.module self
function Module:build(input, ...)
  local _ <close> = self:modes()
  self:eval()
  local x = core.is_tensor(input) and input or core.zeros(input)
  core.no_grad(call, self, x, ...)
  return self
end

--- What each part's mode is now, to be had again: `local _ <close> = m:modes()` before m:eval().
function Module:modes()
  local modes = {}
  walk(self, function(m) modes[m] = m.training end)
  return setmetatable({}, { __close = function()
    for m, training in pairs(modes) do m.training = training end
  end })
end

--- Training mode: dropout drops, batch_norm uses the batch's statistics.
---@return ganlua.module self
function Module:train()
  walk(self, function(m) m.training = true end)
  return self
end

--- Evaluation mode: what comes out for a sample does not depend on the others, nor on chance.
---@return ganlua.module self
function Module:eval()
  walk(self, function(m) m.training = false end)
  return self
end

---- Definition ----------------------------------------------------------------------------------------------

-- How a module prints in one line: its kind and the options that differ from their defaults.
local function described(self)
  local texts = {}
  for name, row in pairs(self.definition.options) do
    local value = self.options[name]
    if value ~= row.default then
      texts[#texts + 1] = ("%s=%s"):format(name, type(value) == "string" and ("%q"):format(value) or tostring(value))
    end
  end
  table.sort(texts)
  return self.kind .. (#texts > 0 and ("{%s}"):format(table.concat(texts, ", ")) or "")
end

local specification = {
  options = { type = "table", default = {} },
  arguments = { type = "function", default = function(given) return given end },
  setup = { type = "function", default = function() end },
  build = { type = "function", default = function() end },
  forward = { type = "function", required = true },
  describe = { type = "function", default = described },
  labels = { type = "boolean", default = false },
  own_start = { type = "boolean", default = false },
  joins = { type = "function", default = function() return false end },
  joined = { type = "function" },
  steps = { type = "function" },
}

--- Defines a kind of module and returns its constructor.
--
-- options: what it takes, rows as in check.options. build(self, shape, ...): makes parameters with
-- self:parameter(name, tensor) and self:buffer(name, tensor), for inputs of that shape. forward(self, x, ...).
-- And where needed: setup(self) adds children with self:child(name, module) when it is constructed; labels = true: it
-- is called with labels, forward(self, x, labels), and so is the network in a game; own_start = true: gan.nn.init
-- leaves its weights as build made them; arguments(...) makes the table of options from what the constructor was given;
-- describe(self) -> one line; joins(self, joint) tells whether the layer can do a resampling beside it in the same
-- operation, joined(self, x, joint) does both (see ganlua.nn.join); steps(self, g, x, ...) says to gan.export what
-- forward does: x stands for what comes in, g:walk(layer, x) is what a layer makes of it, g:add(self, shape, step) a
-- step of ganlua.export.graph, and what comes out is returned.
---@param name string
---@param spec table
---@param plain? fun(self: ganlua.module): boolean see define_plain
---@return fun(options?: table): ganlua.module
function module.define(name, spec, plain)
  if type(name) ~= "string" then check.fail("nn.define: the name must be a string, got %s", check.describe(name)) end
  local definition = check.options(("nn.define '%s'"):format(name), spec, specification)
  local metatable = {
    __index = setmetatable({ kind = name, definition = definition }, { __index = Module }),
    __call = call,
    __name = "ganlua.module",
    __tostring = function(self) return require("ganlua.nn.summary").text(self) end,
    ganlua_module = true,
  }
  return function(...)
    local options = check.options(name, definition.arguments(...), definition.options)
    local self = setmetatable({
      options = options,
      training = true,
      built = false,
      parts = { parameters = {}, buffers = {}, children = {} },
    }, metatable)
    definition.setup(self)
    self.parts.plain = plain ~= nil and plain(self)
    return self
  end
end

local function always() return true end

--- Whether a module keeps neither what it is given nor what it gives.
---@param m ganlua.module
---@return boolean
function module.is_plain(m)
  return m.parts.plain
end

--- Defines a layer that keeps neither what it is given nor what it gives: between two such layers of a sequence the
--- numbers are given back as soon as no graph needs them, not when the collector comes by. For one that is made of
--- others, `plain` says whether they are so too.
---@param name string
---@param spec table
---@param plain? fun(self: ganlua.module): boolean
function module.define_plain(name, spec, plain)
  return module.define(name, spec, plain or always)
end

return module
