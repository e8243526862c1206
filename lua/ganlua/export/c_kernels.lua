--- The C functions that an exported network is made of, each written where it is used. A picture is height x width x
-- channels, its channels side by side; all loops that matter run over numbers that lie side by side, and compilers
-- vectorise them.

local filled = require("ganlua.export.c_templates").filled

local kernels = {}

--- Their order in the file; each names those that it needs.
kernels.order = {
  "add_product", "add_dots", "start", "linear", "linear_narrow", "conv2d", "conv2d_narrow", "conv_transpose2d",
  "conv_transpose2d_narrow", "scale_shift", "layer_norm", "upsample_nearest", "upsample_bilinear", "avg_pool",
  "global_sum_pool", "mix", "relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "softplus",
}

kernels.needs = {
  linear = { "add_product", "start" }, linear_narrow = { "add_dots", "start" },
  conv2d = { "add_product", "start" }, conv2d_narrow = { "add_dots", "start" },
  conv_transpose2d = { "add_product", "start" }, conv_transpose2d_narrow = { "add_dots", "start" },
}

local text = {}
kernels.text = text

text.add_product = [[
/* y += x W: x has `in` numbers, y has `out`; a row of W begins `row` numbers behind the one before. */
static void add_product(float *restrict y, const float *restrict x, const float *restrict w, int in, int out, int row)
{
    int i = 0, o;
    for (; i + 4 <= in; i += 4, w += 4 * row) {
        const float *w1 = w + row, *w2 = w1 + row, *w3 = w2 + row;
        const float x0 = x[i], x1 = x[i + 1], x2 = x[i + 2], x3 = x[i + 3];
        for (o = 0; o < out; o++)
            y[o] += x0 * w[o] + x1 * w1[o] + x2 * w2[o] + x3 * w3[o];
    }
    for (; i < in; i++, w += row)
        for (o = 0; o < out; o++)
            y[o] += x[i] * w[o];
}
]]

text.add_dots = [[
/* The same where y is short: W is out x in, and eight products are added up side by side. */
static void add_dots(float *restrict y, const float *restrict x, const float *restrict w, int in, int out, int row)
{
    int o, i, k;
    for (o = 0; o < out; o++, w += row) {
        float part[8] = {0, 0, 0, 0, 0, 0, 0, 0}, sum = 0;
        for (i = 0; i + 8 <= in; i += 8)
            for (k = 0; k < 8; k++)
                part[k] += x[i + k] * w[i + k];
        for (; i < in; i++)
            sum += x[i] * w[i];
        for (k = 0; k < 8; k++)
            sum += part[k];
        y[o] += sum;
    }
}
]]

text.start = [[
/* Each of n places of y begins as the bias, or 0 where there is none. */
static void start(float *y, const float *bias, int n, int out)
{
    int i, o;
    for (i = 0; i < n; i++, y += out)
        for (o = 0; o < out; o++)
            y[o] = bias ? bias[o] : 0;
}
]]

text.linear = [[
/* W is in x out. */
static void linear(float *y, const float *x, const float *w, const float *bias, int in, int out)
{
    start(y, bias, 1, out);
    add_product(y, x, w, in, out, out);
}
]]

text.linear_narrow = [[
/* W is out x in. */
static void linear_narrow(float *y, const float *x, const float *w, const float *bias, int in, int out)
{
    start(y, bias, 1, out);
    add_dots(y, x, w, in, out, in);
}
]]

-- Of one output pixel, the taps of a line of the kernel lie side by side in x, and in W.
local conv2d = [[
/* x is height x width x in, y is high x wide x out; W is $LAYOUT. */
static void $NAME(float *y, const float *x, const float *w, const float *bias, int height, int width, int in,
                  int high, int wide, int out, int kernel, int stride, int pad)
{
    int p, q, i;
    start(y, bias, high * wide, out);
    for (p = 0; p < high; p++)
        for (q = 0; q < wide; q++, y += out) {
            const int left = q * stride - pad;
            const int first = left < 0 ? -left : 0, last = left + kernel > width ? width - left : kernel;
            if (first >= last)
                continue;
            for (i = 0; i < kernel; i++) {
                const int h = p * stride - pad + i;
                if (h >= 0 && h < height)
                    $PRODUCT;
            }
        }
}
]]

-- Of one input pixel, what a line of the kernel reaches lies side by side in y, and in W.
local conv_transpose2d = [[
/* x is height x width x in, y is high x wide x out; W is $LAYOUT. */
static void $NAME(float *y, const float *x, const float *w, const float *bias, int height, int width,
                  int in, int high, int wide, int out, int kernel, int stride, int pad)
{
    int h, v, i;
    start(y, bias, high * wide, out);
    for (h = 0; h < height; h++)
        for (v = 0; v < width; v++, x += in) {
            const int left = v * stride - pad;
            const int first = left < 0 ? -left : 0, last = left + kernel > wide ? wide - left : kernel;
            if (first >= last)
                continue;
            for (i = 0; i < kernel; i++) {
                const int p = h * stride - pad + i;
                if (p >= 0 && p < high)
                    $PRODUCT;
            }
        }
}
]]

text.conv2d = filled(conv2d, { NAME = "conv2d", LAYOUT = "kernel x kernel x in x out",
  PRODUCT = "add_product(y, x + (h * width + left + first) * in, w + (i * kernel + first) * in * out,\n"
    .. "                                (last - first) * in, out, out)" })
text.conv2d_narrow = filled(conv2d, { NAME = "conv2d_narrow", LAYOUT = "out x kernel x kernel x in",
  PRODUCT = "add_dots(y, x + (h * width + left + first) * in, w + (i * kernel + first) * in, (last - first) * in,\n"
    .. "                             out, kernel * kernel * in)" })

text.conv_transpose2d = filled(conv_transpose2d, { NAME = "conv_transpose2d",
  LAYOUT = "kernel x in x kernel x out: what a pixel adds to a line of y is one row",
  PRODUCT = "add_product(y + (p * wide + left + first) * out, x, w + (i * in * kernel + first) * out, in,\n"
    .. "                                (last - first) * out, kernel * out)" })
text.conv_transpose2d_narrow = filled(conv_transpose2d, { NAME = "conv_transpose2d_narrow",
  LAYOUT = "kernel x kernel x out x in",
  PRODUCT = "add_dots(y + (p * wide + left + first) * out, x, w + (i * kernel + first) * out * in, in,\n"
    .. "                             (last - first) * out, in)" })

text.scale_shift = [[
/* A factor and a term for each channel; y may be x. */
static void scale_shift(float *y, const float *x, const float *scale, const float *shift, int n, int channels)
{
    int i, c;
    for (i = 0; i < n; i++, x += channels, y += channels)
        for (c = 0; c < channels; c++)
            y[c] = x[c] * scale[c] + shift[c];
}
]]

text.layer_norm = [[
/* n times `size` numbers, each less their mean and over their deviation. */
static void layer_norm(float *y, const float *x, const float *scale, const float *shift, int n, int size, float eps)
{
    int i, k;
    for (i = 0; i < n; i++, x += size, y += size) {
        double sum = 0, squares = 0;
        float mean, factor;
        for (k = 0; k < size; k++)
            sum += x[k];
        mean = (float)(sum / size);
        for (k = 0; k < size; k++)
            squares += (x[k] - mean) * (x[k] - mean);
        factor = 1 / sqrtf((float)(squares / size) + eps);
        for (k = 0; k < size; k++)
            y[k] = (x[k] - mean) * factor * (scale ? scale[k] : 1) + (shift ? shift[k] : 0);
    }
}
]]

text.upsample_nearest = [[
static void upsample_nearest(float *y, const float *x, int height, int width, int channels, int scale)
{
    int p, q, c;
    for (p = 0; p < height * scale; p++)
        for (q = 0; q < width * scale; q++, y += channels) {
            const float *from = x + (p / scale * width + q / scale) * channels;
            for (c = 0; c < channels; c++)
                y[c] = from[c];
        }
}
]]

text.upsample_bilinear = [[
/* Between the centres of pixels. */
static void upsample_bilinear(float *y, const float *x, int height, int width, int channels, int scale)
{
    int p, q, c;
    for (p = 0; p < height * scale; p++) {
        const float down = 2 * p + 1 < scale ? 0 : ((float)p + 0.5f) / (float)scale - 0.5f;
        const int top = (int)down, bottom = top + 1 < height ? top + 1 : top;
        const float v = down - (float)top;
        for (q = 0; q < width * scale; q++, y += channels) {
            const float across = 2 * q + 1 < scale ? 0 : ((float)q + 0.5f) / (float)scale - 0.5f;
            const int left = (int)across, right = left + 1 < width ? left + 1 : left;
            const float u = across - (float)left;
            const float *a = x + (top * width + left) * channels, *b = x + (top * width + right) * channels;
            const float *d = x + (bottom * width + left) * channels, *e = x + (bottom * width + right) * channels;
            for (c = 0; c < channels; c++)
                y[c] = (1 - v) * ((1 - u) * a[c] + u * b[c]) + v * ((1 - u) * d[c] + u * e[c]);
        }
    }
}
]]

text.avg_pool = [[
/* Means over kernel x kernel windows; y is high x wide x channels. */
static void avg_pool(float *y, const float *x, int width, int high, int wide, int channels, int kernel)
{
    int p, q, i, j, c;
    for (p = 0; p < high; p++)
        for (q = 0; q < wide; q++, y += channels) {
            for (c = 0; c < channels; c++)
                y[c] = 0;
            for (i = 0; i < kernel; i++)
                for (j = 0; j < kernel; j++)
                    for (c = 0; c < channels; c++)
                        y[c] += x[((p * kernel + i) * width + q * kernel + j) * channels + c];
            for (c = 0; c < channels; c++)
                y[c] /= (float)(kernel * kernel);
        }
}
]]

text.global_sum_pool = [[
static void global_sum_pool(float *y, const float *x, int n, int channels)
{
    int i, c;
    for (c = 0; c < channels; c++)
        y[c] = 0;
    for (i = 0; i < n; i++, x += channels)
        for (c = 0; c < channels; c++)
            y[c] += x[c];
}
]]

text.mix = [[
/* y = a x0 + b x1; y may be x0. */
static void mix(float *y, const float *x0, const float *x1, float a, float b, int n)
{
    int i;
    for (i = 0; i < n; i++)
        y[i] = a * x0[i] + b * x1[i];
}
]]

-- Activations: y may be x.
local function activation(name, expression, parameter)
  text[name] = ([[
static void apply_%s(float *y, const float *x, int n%s)
{
    int i;
    for (i = 0; i < n; i++)
        y[i] = %s;
}
]]):format(name, parameter and ", float " .. parameter or "", expression)
end

activation("relu", "x[i] > 0 ? x[i] : 0")
activation("leaky_relu", "x[i] > 0 ? x[i] : slope * x[i]", "slope")
activation("elu", "x[i] > 0 ? x[i] : alpha * expm1f(x[i])", "alpha")
activation("gelu", "0.5f * x[i] * (1 + erff(x[i] * 0.70710678f))")
activation("silu", "x[i] / (1 + expf(-x[i]))")
activation("tanh", "tanhf(x[i])")
activation("sigmoid", "1 / (1 + expf(-x[i]))")
activation("softplus", "x[i] > 0 ? x[i] + log1pf(expf(-x[i])) : log1pf(expf(x[i]))")

return kernels
