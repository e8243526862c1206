--- The C functions of an exported network's products: linear layers and convolutions. A picture is height x width x
-- channels; all loops that matter run over numbers that lie side by side, and compilers vectorise them.

local filled = require("ganlua.export.c_templates").filled

local text = {}

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

return text
