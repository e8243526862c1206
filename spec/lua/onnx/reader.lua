-- ONNX files read and computed, for the spec of gan.export.onnx: a decoder of protocol buffers and of onnx.proto's
-- fields, and each operator by the definition of ONNX's documentation, pictures N x C x H x W. It shares nothing with
-- the writer.

local gan = require "ganlua"

local reader = {}

---- Decoding --------------------------------------------------------------------------------------------------------

local function varint(bytes, at)
  local value, shift = 0, 0
  repeat
    local byte = assert(bytes:byte(at), "a number is cut off")
    value, shift, at = value | (byte & 0x7f) << shift, shift + 7, at + 1
  until byte < 0x80
  return value, at
end

-- A message's fields: by number, a list of values.
local function fields(bytes)
  local found, at = {}, 1
  while at <= #bytes do
    local tag, value
    tag, at = varint(bytes, at)
    local kind = tag & 7
    if kind == 0 then
      value, at = varint(bytes, at)
    elseif kind == 5 then
      value, at = string.unpack("<f", bytes, at)
    else
      assert(kind == 2, "a kind of field that ONNX does not use")
      local size
      size, at = varint(bytes, at)
      assert(at + size - 1 <= #bytes, "a message is cut off")
      value, at = bytes:sub(at, at + size - 1), at + size
    end
    found[tag >> 3] = found[tag >> 3] or {}
    table.insert(found[tag >> 3], value)
  end
  return found
end

local function one(message, number, default)
  local list = message[number]
  assert(not list or #list == 1, "a field stands there twice")
  return list and list[1] or default
end

-- A tensor's name and value: { kind = "float" | "int64", shape =, list = } or a tensor.
local function tensor_of(bytes)
  local message = fields(bytes)
  local shape, kind, raw = message[1] or {}, one(message, 2), one(message, 9, "")
  local count = 1
  for _, size in ipairs(shape) do count = count * size end
  local format, width = kind == 1 and "<f" or "<i8", kind == 1 and 4 or 8
  assert(kind == 1 or kind == 7)
  assert(#raw == count * width, "as many bytes as the shape says")
  local list = {}
  for i = 1, count do list[i] = string.unpack(format, raw, (i - 1) * width + 1) end
  if kind == 7 then return one(message, 8), list end
  return one(message, 8), gan.tensor(count == 0 and {} or list):reshape(shape)
end

local function attribute_of(bytes)
  local message = fields(bytes)
  local kind = one(message, 20)
  local number = assert(({ [1] = 2, [2] = 3, [3] = 4, [7] = 8 })[kind])
  local value = kind == 7 and (message[8] or {}) or one(message, number, 0)
  return one(message, 1), value
end

-- { name =, kind = 1 (float) or 7 (int64), shape = {"batch", 3, ...} }
local function info_of(bytes)
  local message = fields(bytes)
  local kind = fields(one(fields(one(message, 2)), 1))
  local shape = {}
  for i, dim in ipairs(fields(one(kind, 2))[1] or {}) do
    local d = fields(dim)
    shape[i] = one(d, 2) or one(d, 1)
  end
  return { name = one(message, 1), kind = one(kind, 1), shape = shape }
end

--- Everything in an ONNX file.
function reader.decode(bytes)
  local message = fields(bytes)
  local graph, opset = fields(one(message, 7)), fields(one(message, 8))
  local model = { ir_version = one(message, 1), producer = one(message, 2), opset = one(opset, 2),
    domain = one(opset, 1), text = one(graph, 10), nodes = {}, constants = {}, inputs = {}, outputs = {} }
  for i, node in ipairs(graph[1]) do
    local m, attributes = fields(node), {}
    for _, each in ipairs(m[5] or {}) do
      local name, value = attribute_of(each)
      attributes[name] = value
    end
    model.nodes[i] = { inputs = m[1] or {}, outputs = m[2], name = one(m, 3), operator = one(m, 4),
      attributes = attributes }
  end
  for _, constant in ipairs(graph[5] or {}) do
    local name, value = tensor_of(constant)
    assert(model.constants[name] == nil)
    model.constants[name] = value
  end
  for i, each in ipairs(graph[11]) do model.inputs[i] = info_of(each) end
  for i, each in ipairs(graph[12]) do model.outputs[i] = info_of(each) end
  return model
end

---- Computing -------------------------------------------------------------------------------------------------------

local function picture(x) return x:permute { 1, 3, 4, 2 } end
local function back(x) return x:permute { 1, 4, 2, 3 } end

-- All four pads, both strides and sizes are alike in what is written.
local function window(a)
  local p = a.pads or { 0, 0, 0, 0 }
  for _, value in ipairs(p) do assert(value == p[1]) end
  assert(a.kernel_shape[1] == a.kernel_shape[2] and a.strides[1] == a.strides[2])
  return a.kernel_shape[1], a.strides[1], p[1]
end

local function with_bias(y, bias) return bias and y + bias or y end

local function reduced(f)
  return function(a, x, axes)
    axes = axes or a.axes
    local dims = {}
    for i, axis in ipairs(axes) do dims[i] = axis + 1 end
    return x[f](x, dims, { keepdim = (a.keepdims or 1) == 1 })
  end
end

local function reshaped(_, x, sizes)
  local from, to = x:shape(), {}
  for i, size in ipairs(sizes) do to[i] = size == 0 and from[i] or size end
  return x:reshape(to)
end

-- Sizes are lists of whole numbers where numbers that are computed with are tensors.
local function concatenated(a, ...)
  if type(...) ~= "table" then return gan.concat({ ... }, a.axis + 1) end
  local all = {}
  for _, list in ipairs { ... } do table.move(list, 1, #list, #all + 1, all) end
  return all
end

local function gathered(a, x, places)
  if type(x) ~= "table" then
    return x:index((a.axis or 0) + 1, (type(places) == "table" and gan.tensor(places) or places) + 1)
  end
  local chosen = {}
  for i, place in ipairs(places) do chosen[i] = x[place + 1] end
  return chosen
end

local function expanded(_, x, sizes)
  local from, to = x:shape(), {}
  for i, size in ipairs(sizes) do to[i] = math.max(size, from[i]) end
  return x:expand(to)
end

local operators = {
  Identity = function(_, x) return x end,
  Add = function(_, x, y) return x + y end, Sub = function(_, x, y) return x - y end,
  Mul = function(_, x, y) return x * y end, Div = function(_, x, y) return x / y end,
  Sqrt = function(_, x) return x:sqrt() end, Erf = function(_, x) return x:erf() end,
  Relu = function(_, x) return x:clamp(0, math.huge) end, Tanh = function(_, x) return x:tanh() end,
  Sigmoid = function(_, x) return 1 / (1 + (-x):exp()) end, Softplus = function(_, x) return (1 + x:exp()):log() end,
  LeakyRelu = function(a, x) return gan.where(x:lt(0), x * a.alpha, x) end,
  Elu = function(a, x) return gan.where(x:lt(0), (x:exp() - 1) * a.alpha, x) end,
  ReduceMean = reduced "mean", ReduceSum = reduced "sum", ReduceMax = reduced "max",
  Transpose = function(a, x)
    local order = {}
    for i, axis in ipairs(a.perm) do order[i] = axis + 1 end
    return x:permute(order)
  end,
  Reshape = reshaped,
  Unsqueeze = function(_, x, axes)
    local shape = x:shape()
    for _, axis in ipairs(axes) do table.insert(shape, axis + 1, 1) end
    return x:reshape(shape)
  end,
  Gather = gathered, Concat = concatenated, Expand = expanded,
  Shape = function(_, x) return x:shape() end,
  Min = function(_, a, b) return { math.min(a[1], b[1]) } end,
  MatMul = function(_, x, y) return x:matmul(y) end, Softmax = function(a, x) return x:softmax(a.axis + 1) end,
  Gemm = function(_, x, weight, bias) return with_bias(x:matmul(weight), bias) end,
  Conv = function(a, x, weight, bias) -- out x in x kh x kw
    local kernel, stride, pad = window(a)
    assert(weight:shape()[3] == kernel)
    return back(with_bias(picture(x):conv2d(weight:permute { 3, 4, 2, 1 }, { stride = stride, pad = pad }), bias))
  end,
  ConvTranspose = function(a, x, weight, bias) -- in x out x kh x kw
    local kernel, stride, pad = window(a)
    local shape, more = x:shape(), a.output_padding[1]
    local function size(n) return stride * (n - 1) + more + kernel - 2 * pad end
    return back(with_bias(picture(x):conv2d_input(weight:permute { 3, 4, 2, 1 }, size(shape[3]), size(shape[4]),
      { stride = stride, pad = pad }), bias))
  end,
  AveragePool = function(a, x)
    return back(picture(x):avg_pool((window(a))))
  end,
  MaxPool = function(a, x) -- one pixel of each window after the other
    local kernel, stride = window(a)
    assert(kernel == stride)
    local height, width, largest = x:shape()[3] // kernel, x:shape()[4] // kernel, nil
    for i = 1, kernel do
      for k = 1, kernel do
        local rows, columns = gan.arange(0, height, 1) * kernel + i, gan.arange(0, width, 1) * kernel + k
        local pixel = x:index(3, rows):index(4, columns)
        largest = largest and gan.where(largest:lt(pixel), pixel, largest) or pixel
      end
    end
    return largest
  end,
  Resize = function(a, x, _, scales)
    local s = scales:totable()
    assert(s[1] == 1 and s[2] == 1 and s[3] == s[4])
    if a.mode == "nearest" then
      assert(a.coordinate_transformation_mode == "asymmetric" and a.nearest_mode == "floor")
      return back(picture(x):upsample_nearest(s[3] // 1 | 0))
    end
    assert(a.mode == "linear" and a.coordinate_transformation_mode == "half_pixel")
    return back(picture(x):upsample_bilinear(s[3] // 1 | 0))
  end,
}

--- What a decoded file makes of inputs by name. Every value must have been made before it is read, and only once.
function reader.run(model, inputs)
  local values = { [""] = false }
  for name, value in pairs(model.constants) do values[name] = value end
  for _, input in ipairs(model.inputs) do values[input.name] = assert(inputs[input.name], input.name) end
  for _, node in ipairs(model.nodes) do
    local given = {}
    for i, name in ipairs(node.inputs) do
      assert(values[name] ~= nil, name .. " is read before it is made")
      given[i] = values[name] or nil
    end
    assert(#node.outputs == 1 and values[node.outputs[1]] == nil)
    local compute = assert(operators[node.operator], node.operator)
    values[node.outputs[1]] = gan.no_grad(compute, node.attributes, table.unpack(given, 1, #node.inputs))
  end
  return values[model.outputs[1].name]
end

return reader
