--- The C functions that an exported network is made of, each written where it is used. A picture is height x width x
-- channels, its channels side by side. Products are in c_products.

local kernels = {}

--- Their order in the file; each names those that it needs.
kernels.order = {
  "add_product", "add_dots", "start", "linear", "linear_narrow", "conv2d", "conv2d_narrow", "conv_transpose2d",
  "conv_transpose2d_narrow", "scale_shift", "pixel_shift", "layer_norm", "group_norm", "pixel_norm", "maxout",
  "attention", "upsample_nearest", "upsample_bilinear", "avg_pool", "max_pool", "global_sum_pool", "mix",
  "relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "sigmoid", "softplus",
}

kernels.needs = {
  linear = { "add_product", "start" }, linear_narrow = { "add_dots", "start" },
  conv2d = { "add_product", "start" }, conv2d_narrow = { "add_dots", "start" },
  conv_transpose2d = { "add_product", "start" }, conv_transpose2d_narrow = { "add_dots", "start" },
}

local text = require "ganlua.export.c_products"
kernels.text = text

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

text.pixel_shift = [[
/* A term for each of n pixels; y may be x. */
static void pixel_shift(float *y, const float *x, const float *shift, int n, int channels)
{
    int i, c;
    for (i = 0; i < n; i++, x += channels, y += channels)
        for (c = 0; c < channels; c++)
            y[c] = x[c] + shift[i];
}
]]

text.group_norm = [[
/* Of n pixels, the channels of each group, less their mean and over their deviation. */
static void group_norm(float *y, const float *x, const float *scale, const float *shift, int n, int channels,
                       int groups, float eps)
{
    const int size = channels / groups;
    int g, i, c;
    for (g = 0; g < groups; g++) {
        double sum = 0, squares = 0;
        float mean, factor;
        for (i = 0; i < n; i++)
            for (c = g * size; c < (g + 1) * size; c++)
                sum += x[i * channels + c];
        mean = (float)(sum / n / size);
        for (i = 0; i < n; i++)
            for (c = g * size; c < (g + 1) * size; c++)
                squares += (x[i * channels + c] - mean) * (x[i * channels + c] - mean);
        factor = 1 / sqrtf((float)(squares / n / size) + eps);
        for (i = 0; i < n; i++)
            for (c = g * size; c < (g + 1) * size; c++)
                y[i * channels + c] =
                    (x[i * channels + c] - mean) * factor * (scale ? scale[c] : 1) + (shift ? shift[c] : 0);
    }
}
]]

text.pixel_norm = [[
/* The channels of each of n pixels over the root of their mean square. */
static void pixel_norm(float *y, const float *x, int n, int channels, float eps)
{
    int i, c;
    for (i = 0; i < n; i++, x += channels, y += channels) {
        float sum = 0, factor;
        for (c = 0; c < channels; c++)
            sum += x[c] * x[c];
        factor = 1 / sqrtf(sum / (float)channels + eps);
        for (c = 0; c < channels; c++)
            y[c] = x[c] * factor;
    }
}
]]

text.maxout = [[
/* The largest of `pieces` neighbours each, n times. */
static void maxout(float *y, const float *x, int n, int pieces)
{
    int i, k;
    for (i = 0; i < n; i++, x += pieces) {
        y[i] = x[0];
        for (k = 1; k < pieces; k++)
            y[i] = x[k] > y[i] ? x[k] : y[i];
    }
}
]]

text.attention = [[
/* For each of n pixels the values of all, weighed by the softmax of its query times their keys. The sums are scaled by
 * the largest product that was seen so far, so that one pass does. */
static void attention(float *y, const float *query, const float *key, const float *value, int n, int depth,
                      int channels)
{
    int p, i, c;
    for (p = 0; p < n; p++, query += depth, y += channels) {
        float largest = 0, total = 0;
        for (c = 0; c < channels; c++)
            y[c] = 0;
        for (i = 0; i < n; i++) {
            const float *k = key + i * depth, *v = value + i * channels;
            float product = 0, share;
            for (c = 0; c < depth; c++)
                product += query[c] * k[c];
            if (i == 0 || product > largest) {
                const float smaller = i == 0 ? 0 : expf(largest - product);
                largest = product;
                total *= smaller;
                for (c = 0; c < channels; c++)
                    y[c] *= smaller;
            }
            share = expf(product - largest);
            total += share;
            for (c = 0; c < channels; c++)
                y[c] += share * v[c];
        }
        for (c = 0; c < channels; c++)
            y[c] /= total;
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

text.max_pool = [[
/* The largest in each kernel x kernel window; y is high x wide x channels. */
static void max_pool(float *y, const float *x, int width, int high, int wide, int channels, int kernel)
{
    int p, q, i, j, c;
    for (p = 0; p < high; p++)
        for (q = 0; q < wide; q++, y += channels)
            for (i = 0; i < kernel; i++)
                for (j = 0; j < kernel; j++) {
                    const float *from = x + ((p * kernel + i) * width + q * kernel + j) * channels;
                    for (c = 0; c < channels; c++)
                        y[c] = (i == 0 && j == 0) || from[c] > y[c] ? from[c] : y[c];
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
