/* layer.c - layers that are compositions of ops: the proof that the ops suffice.
 *
 * Nothing here sees a tensor's numbers or writes a gradient; op.h is out of bounds. */
#include <math.h>

#include "gan.h"

gan_tensor *gan_linear(gan_tensor *x, gan_tensor *w, gan_tensor *b)
{
    gan_shape sx = gan_shape_of(x), sw = gan_shape_of(w);
    if (sx.rank != 2 || sw.rank != 2 || sx.dims[1] != sw.dims[0]) {
        char input[GAN_SHAPE_TEXT], weight[GAN_SHAPE_TEXT];
        gan_fail(gan_context_of(x), GAN_ERROR_ARGUMENT,
                 "linear: an input of shape %s (wanted N x in) does not fit a weight of shape %s",
                 gan_shape_text(sx, input, sizeof input), gan_shape_text(sw, weight, sizeof weight));
    }
    if (b && !gan_same_shape(gan_shape_of(b), GAN_SHAPE(sw.dims[1]))) {
        char bias[GAN_SHAPE_TEXT];
        gan_fail(gan_context_of(x), GAN_ERROR_ARGUMENT, "linear: wanted a bias of shape %lld, got %s",
                 (long long)sw.dims[1], gan_shape_text(gan_shape_of(b), bias, sizeof bias));
    }
    gan_tensor *y = gan_matmul(x, w);
    return b ? gan_add(y, b) : y;
}

gan_tensor *gan_silu(gan_tensor *x)
{
    return gan_mul(x, gan_sigmoid(x));
}

gan_tensor *gan_gelu(gan_tensor *x)
{
    return gan_mul(x, gan_affine(gan_erf(gan_affine(x, 0.70710678118654752, 0)), 0.5, 0.5));
}

/* The exponential sees only what is not positive: it cannot overflow. The slope at 0 is alpha. */
gan_tensor *gan_elu(gan_tensor *x, double alpha)
{
    return gan_add(gan_relu(x), gan_affine(gan_exp(gan_clamp(x, -INFINITY, 0)), alpha, -alpha));
}

/* x less its largest along axis, which is a constant here: softmax does not change by it. */
static gan_tensor *shifted(gan_tensor *x, int axis)
{
    gan_dim(x, axis); /* fails for an axis that is not there */
    return gan_sub(x, gan_detach(gan_max(x, GAN_AXIS(axis), true)));
}

gan_tensor *gan_softmax(gan_tensor *x, int axis)
{
    gan_tensor *e = gan_exp(shifted(x, axis));
    return gan_div(e, gan_sum(e, GAN_AXIS(axis), true));
}

gan_tensor *gan_log_softmax(gan_tensor *x, int axis)
{
    gan_tensor *s = shifted(x, axis);
    return gan_sub(s, gan_log(gan_sum(gan_exp(s), GAN_AXIS(axis), true)));
}

gan_tensor *gan_standardize(gan_tensor *x, gan_axes over, double eps)
{
    gan_tensor *centred = gan_sub(x, gan_mean(x, over, true));
    return gan_mul(centred, gan_pow(gan_affine(gan_mean(gan_square(centred), over, true), 1, eps), -0.5));
}

/* ---- Resampling of N x H x W x C ---- */

static gan_shape check_images(gan_tensor *x, const char *what, const char *option, int size)
{
    gan_shape s = gan_shape_of(x);
    char text[GAN_SHAPE_TEXT];
    if (s.rank != 4)
        gan_fail(gan_context_of(x), GAN_ERROR_ARGUMENT, "%s: the input must be N x H x W x C, got shape %s", what,
                 gan_shape_text(s, text, sizeof text));
    if (size < 1)
        gan_fail(gan_context_of(x), GAN_ERROR_ARGUMENT, "%s: %s must be at least 1, got %d", what, option, size);
    int64_t ignored;
    if (__builtin_mul_overflow(s.dims[1], size, &ignored) || __builtin_mul_overflow(s.dims[2], size, &ignored))
        gan_fail(gan_context_of(x), GAN_ERROR_ARGUMENT, "%s: %s %d is too large for shape %s", what, option, size,
                 gan_shape_text(s, text, sizeof text));
    return s;
}

gan_tensor *gan_upsample_nearest(gan_tensor *x, int scale)
{
    gan_shape s = check_images(x, "upsample", "scale", scale);
    int64_t n = s.dims[0], h = s.dims[1], w = s.dims[2], c = s.dims[3];
    gan_tensor *y = gan_expand(gan_reshape(x, GAN_SHAPE(n * h, 1, w, 1, c)), GAN_SHAPE(n * h, scale, w, scale, c));
    return gan_reshape(y, GAN_SHAPE(n, h * scale, w * scale, c));
}

/* The matrix that stretches a line of `size` numbers: (size*scale) x size, two weights a row. */
static gan_tensor *stretch(gan_context *ctx, int64_t size, int scale)
{
    gan_tensor *m = gan_zeros(ctx, GAN_SHAPE(size * scale, size));
    gan_real *row = gan_write(m);
    for (int64_t i = 0; i < size * scale; i++, row += size) {
        double at = fmax(0, ((double)i + 0.5) / scale - 0.5);
        int64_t left = (int64_t)at, right = left + 1 < size ? left + 1 : left;
        row[left] += (gan_real)(1 - (at - (double)left));
        row[right] += (gan_real)(at - (double)left);
    }
    return m;
}

/* Rows are mixed, then columns: two products with small matrices. */
gan_tensor *gan_upsample_bilinear(gan_tensor *x, int scale)
{
    gan_shape s = check_images(x, "upsample", "scale", scale);
    gan_context *ctx = gan_context_of(x);
    int64_t n = s.dims[0], h = s.dims[1], w = s.dims[2], c = s.dims[3], H = h * scale, W = w * scale;
    gan_tensor *down = gan_expand(gan_reshape(stretch(ctx, h, scale), GAN_SHAPE(1, H, h)), GAN_SHAPE(n, H, h));
    gan_tensor *rows = gan_matmul(down, gan_reshape(x, GAN_SHAPE(n, h, w * c)));
    gan_tensor *across = gan_expand(gan_reshape(stretch(ctx, w, scale), GAN_SHAPE(1, W, w)), GAN_SHAPE(n * H, W, w));
    return gan_reshape(gan_matmul(across, gan_reshape(rows, GAN_SHAPE(n * H, w, c))), GAN_SHAPE(n, H, W, c));
}

gan_tensor *gan_avg_pool(gan_tensor *x, int kernel)
{
    gan_shape s = check_images(x, "avg_pool", "kernel", kernel);
    int64_t n = s.dims[0], h = s.dims[1] / kernel, w = s.dims[2] / kernel, c = s.dims[3];
    if (h == 0 || w == 0) {
        char text[GAN_SHAPE_TEXT];
        gan_fail(gan_context_of(x), GAN_ERROR_ARGUMENT, "avg_pool: a window of %d does not fit an input of shape %s",
                 kernel, gan_shape_text(s, text, sizeof text));
    }
    if (h * kernel != s.dims[1])
        x = gan_slice(x, 1, 0, h * kernel);
    if (w * kernel != s.dims[2])
        x = gan_slice(x, 2, 0, w * kernel);
    gan_tensor *windows = gan_reshape(x, GAN_SHAPE(n * h, kernel, w, kernel, c));
    return gan_reshape(gan_mean(windows, GAN_AXIS(1) | GAN_AXIS(3), false), GAN_SHAPE(n, h, w, c));
}
