--- How steps are written in C whose numbers are those of a sample's class or style: more of the writers of c_steps.lua,
-- and of the functions of c_kernels.lua. The label is an argument of what is exported.

local c_steps = require "ganlua.export.c_steps"
local graph = require "ganlua.export.graph"
local kernels = require "ganlua.export.c_kernels"

local writers, call, place, weight = c_steps.writers, c_steps.call, c_steps.place, c_steps.weight
local text = kernels.text

for _, name in ipairs { "copy", "repeated", "channel_product", "demodulate", "concat_channels" } do
  table.insert(kernels.order, name)
end

text.copy = [[
static void copy(float *y, const float *x, int n)
{
    memcpy(y, x, (size_t)n * sizeof *y);
}
]]

text.repeated = [[
static void repeated(float *y, const float *x, int n, int size)
{
    int i;
    for (i = 0; i < n; i++)
        memcpy(y + i * size, x, (size_t)size * sizeof *y);
}
]]

text.channel_product = [[
/* Of n pixels, each channel times its factor; y may be x. */
static void channel_product(float *y, const float *x, const float *factor, int n, int channels)
{
    int i, c;
    for (i = 0; i < n; i++, x += channels, y += channels)
        for (c = 0; c < channels; c++)
            y[c] = x[c] * factor[c];
}
]]

text.demodulate = [[
/* Of n pixels, each channel over the norm of its weights times the style; y may be x. squares: in x channels. */
static void demodulate(float *y, const float *x, const float *style, const float *squares, int n, int in,
                       int channels, float eps)
{
    int i, c;
    for (c = 0; c < channels; c++) {
        float sum = eps, factor;
        for (i = 0; i < in; i++)
            sum += style[i] * style[i] * squares[i * channels + c];
        factor = 1 / sqrtf(sum);
        for (i = 0; i < n; i++)
            y[i * channels + c] = x[i * channels + c] * factor;
    }
}
]]

text.concat_channels = [[
/* Of n pixels, the channels of x, and behind them the same `more` numbers. */
static void concat_channels(float *y, const float *x, const float *numbers, int n, int channels, int more)
{
    int i, c;
    for (i = 0; i < n; i++, x += channels) {
        for (c = 0; c < channels; c++)
            *y++ = x[c];
        for (c = 0; c < more; c++)
            *y++ = numbers[c];
    }
}
]]

-- A value's numbers: pixels, and channels of each.
local function sizes_of(unit, value)
  local shape = unit.graph.shapes[value]
  local channels = shape[#shape]
  return graph.numel(shape) // channels, channels
end

---- Labels ----------------------------------------------------------------------------------------------------------

-- The row of a table that belongs to the label. A label is for all tables: the shortest one says how many there are.
local function of_class(unit, step, table_of_rows, what)
  local rows, columns = table.unpack(table_of_rows:shape())
  unit.classes = math.min(unit.classes or rows, rows)
  return ("%s + label * %d"):format(weight(unit, step, table_of_rows, what), columns)
end

function writers.class_scale_shift(unit, step, x)
  call(unit, step, "scale_shift", "%s, %s, %s, %d, %d", x, of_class(unit, step, step.weight, "factors"),
    of_class(unit, step, step.bias, "terms"), sizes_of(unit, step.output))
end

function writers.class_product(unit, step, x)
  local _, columns = table.unpack(step.weight:shape())
  call(unit, step, "linear_narrow", "%s, %s, 0, %d, 1", x, of_class(unit, step, step.weight, "embedding"), columns)
end

function writers.class_concat(unit, step, x)
  local n, channels = sizes_of(unit, step.inputs[1])
  local _, more = table.unpack(step.weight:shape())
  call(unit, step, "concat_channels", "%s, %s, %d, %d, %d", x, of_class(unit, step, step.weight, "embedding"), n,
    channels, more)
end

-- The input is the label.
function writers.class_rows(unit, step)
  local rows, columns = table.unpack(step.weight:shape())
  call(unit, step, "copy", "%s + (z[0] > 0 && z[0] < %d ? (int)z[0] : 0) * %d, %d",
    weight(unit, step, step.weight, "embedding"), rows, columns, columns)
end

---- Styles ----------------------------------------------------------------------------------------------------------

function writers.constant(unit, step)
  call(unit, step, "copy", "%s, %d", weight(unit, step, step.weight, "value"), step.weight:numel())
end

function writers.row(unit, step, x)
  local _, size = sizes_of(unit, step.output)
  call(unit, step, "copy", "%s + %d, %d", x, (step.row - 1) * size, size)
end

function writers.channel_product(unit, step, x)
  call(unit, step, "channel_product", "%s, %s, %d, %d", x, place(unit, step.inputs[2]), sizes_of(unit, step.output))
end

function writers.demodulate(unit, step, x)
  local n, channels = sizes_of(unit, step.output)
  call(unit, step, "demodulate", "%s, %s, %s, %d, %d, %d, %s", x, place(unit, step.inputs[2]),
    weight(unit, step, step.weight, "squares"), n, step.weight:shape()[1], channels, c_steps.number(step.eps))
end

writers["repeat"] = function(unit, step, x)
  local count, size = sizes_of(unit, step.output)
  call(unit, step, "repeated", "%s, %d, %d", x, count, size)
end
