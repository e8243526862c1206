/* norm.c - batch normalisation, fused: two passes forward, two backward.
 *
 * The activation that follows is part of both, which read its result to know where it leaked. The op
 * keeps the law of gradients: while recording, its gradient is written with ops (x, gamma and
 * the moments as functions of x); otherwise a fused kernel computes the same three gradients. Sums by
 * channel are taken over fixed bands of rows, so they do not depend on the number of threads. */
#include <math.h>
#include <string.h>

#include "op.h"

/* ---- Sums by channel over bands of rows ---- */

struct columns {
    const gan_kernels *kernels;
    int64_t rows, c, band;
    const gan_real *x, *mean, *dy, *y;
    gan_real slope; /* of the activation whose result y is */
    gan_real *sums; /* for each band: c numbers, or 2c where there are dots */
};

static void sums_job(void *work, int64_t begin, int64_t end)
{
    struct columns *w = work;
    int64_t width = w->dy ? 2 * w->c : w->c;
    for (int64_t at = begin; at < end; at++) {
        int64_t first = at * w->band, rows = w->rows - first < w->band ? w->rows - first : w->band;
        const gan_real *x = w->x + first * w->c;
        gan_real *sums = w->sums + at * width;
        memset(sums, 0, (size_t)width * sizeof *sums);
        if (w->dy)
            w->kernels->column_dots(rows, w->c, x, w->mean, w->dy + first * w->c, w->y + first * w->c, w->slope, sums,
                                    sums + w->c);
        else if (w->mean)
            w->kernels->column_squares(rows, w->c, x, w->mean, sums);
        else
            w->kernels->column_sums(rows, w->c, x, sums);
    }
}

enum { BAND_ROWS = 256 };

/* result: c sums of x; of (x - mean)^2 where mean is given; of dy and of dy (x - mean) where dy is, the gradient of an
 * activation's result y. */
static void column_sums(gan_context *ctx, int64_t rows, int64_t c, const gan_real *x, const gan_real *mean,
                        const gan_real *dy, const gan_real *y, double slope, gan_real *result)
{
    size_t mark = gan_pool_mark(ctx);
    int64_t width = dy ? 2 * c : c, bands = (rows + BAND_ROWS - 1) / BAND_ROWS;
    gan_real *sums = gan_scratch(ctx, (size_t)(bands * width) * sizeof *sums);
    struct columns work = {ctx->kernels, rows, c, BAND_ROWS, x, mean, dy, y, (gan_real)slope, sums};
    gan_parallel(ctx, bands, GAN_GRAIN / (BAND_ROWS * (c + 1)) + 1, sums_job, &work);
    memset(result, 0, (size_t)width * sizeof *result);
    ctx->kernels->column_sums(bands, width, sums, result);
    gan_pool_release(ctx, mark);
}

/* ---- Moments ---- */

static void check_channels(gan_tensor *x, const char *what)
{
    if (x->shape.rank < 2)
        gan_fail(x->ctx, GAN_ERROR_ARGUMENT, "%s: wanted a batch whose last dimension is channels, got shape %s", what,
                 GAN_TEXT(x->shape));
    if (x->numel == 0 && x->shape.dims[x->shape.rank - 1] != 0)
        gan_fail(x->ctx, GAN_ERROR_ARGUMENT, "%s: an empty batch has no mean (shape %s)", what, GAN_TEXT(x->shape));
}

gan_tensor *gan_channel_moments(gan_tensor *x)
{
    gan_context *ctx = x->ctx;
    check_channels(x, "channel_moments");
    int64_t c = x->shape.dims[x->shape.rank - 1], rows = c ? x->numel / c : 0;
    gan_tensor *moments = gan_new(ctx, GAN_SHAPE(2, c));
    gan_real *mean = moments->data, *var = mean + c;
    column_sums(ctx, rows, c, x->data, NULL, NULL, NULL, 1, mean);
    for (int64_t i = 0; i < c; i++)
        mean[i] /= (gan_real)rows;
    column_sums(ctx, rows, c, x->data, mean, NULL, NULL, 1, var);
    for (int64_t i = 0; i < c; i++)
        var[i] /= (gan_real)rows;
    return moments;
}

/* ---- The op: inputs x, gamma, beta, moments ---- */

struct normalize_work {
    const gan_kernels *kernels;
    int64_t c;
    const gan_real *x, *mean, *dy, *y, *a, *b, *k; /* by channel: (x-mean) a + b, or dy a + (x-mean) b + k */
    gan_real slope, *result;
};

static void normalize_job(void *work, int64_t begin, int64_t end)
{
    struct normalize_work *w = work;
    int64_t from = begin * w->c;
    if (w->dy)
        w->kernels->normalize_grad(end - begin, w->c, w->x + from, w->mean, w->dy + from, w->y + from, w->slope, w->a,
                                   w->b, w->k, w->result + from);
    else
        w->kernels->normalize(end - begin, w->c, w->x + from, w->mean, w->a, w->b, w->slope, w->result + from);
}

static void run_normalize(gan_context *ctx, int64_t rows, struct normalize_work *work)
{
    gan_parallel(ctx, rows, GAN_GRAIN / (work->c + 1) + 1, normalize_job, work);
}

static double inverse_deviation(const gan_real *moments, int64_t c, int64_t i, double eps)
{
    return 1 / sqrt((double)moments[c + i] + eps);
}

/* dx = gamma r (dy - mean(dy) - xhat mean(dy xhat)),  dgamma = sum dy xhat,  dbeta = sum dy */
static void fused_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    gan_context *ctx = y->ctx;
    gan_tensor *x = gan_input(y, 0), *gamma = gan_input(y, 1), *moments = gan_input(y, 3);
    int64_t c = gamma->numel, rows = c ? x->numel / c : 0;
    double eps = y->node->at.f[0], slope = y->node->at.f[1];
    gan_real *sums = gan_scratch(ctx, (size_t)(5 * c) * sizeof *sums), *a = sums + 2 * c, *b = a + c, *k = b + c;
    column_sums(ctx, rows, c, x->data, moments->data, dy->data, y->data, slope, sums);
    gan_tensor *dgamma = needed[1] ? gan_new(ctx, gamma->shape) : NULL;
    if (needed[2])
        dx[2] = gan_from(ctx, gamma->shape, sums);
    for (int64_t i = 0; i < c; i++) {
        double r = inverse_deviation(moments->data, c, i, eps), scale = (double)gamma->data[i] * r;
        double sum = (double)sums[i], dot = (double)sums[c + i];
        if (dgamma)
            dgamma->data[i] = (gan_real)(dot * r);
        a[i] = (gan_real)scale;
        b[i] = (gan_real)(-scale * r * r * dot / (double)rows);
        k[i] = (gan_real)(-scale * sum / (double)rows);
    }
    dx[1] = dgamma;
    if (needed[0]) {
        dx[0] = gan_new(ctx, x->shape);
        struct normalize_work work = {ctx->kernels,    c,          x->data, moments->data, dy->data, y->data, a, b, k,
                                      (gan_real)slope, dx[0]->data};
        run_normalize(ctx, rows, &work);
    }
}

/* The same, written with ops. */
static void batch_norm_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (!gan_recording(y->ctx)) {
        fused_grad(y, dy, needed, dx);
        return;
    }
    gan_tensor *x = gan_input(y, 0), *gamma = gan_input(y, 1);
    if (y->node->at.f[1] != 1)
        dy = gan_leaky_relu_slope(dy, y, y->node->at.f[1]);
    gan_axes rows = GAN_AXIS(x->shape.rank - 1) - 1;
    gan_tensor *centred = gan_sub(x, gan_mean(x, rows, true));
    gan_tensor *r = gan_pow(gan_affine(gan_mean(gan_square(centred), rows, true), 1, y->node->at.f[0]), -0.5);
    gan_tensor *xhat = gan_mul(centred, r), *dots = gan_mul(dy, xhat);
    if (needed[0])
        dx[0] = gan_mul(gan_mul(gamma, r),
                        gan_sub(gan_sub(dy, gan_mean(dy, rows, true)), gan_mul(xhat, gan_mean(dots, rows, true))));
    if (needed[1])
        dx[1] = gan_sum(dots, rows, false);
    if (needed[2])
        dx[2] = gan_sum(dy, rows, false);
}
static const gan_op batch_norm_op = {"batch_norm", batch_norm_grad,
                                     GAN_SAVES_INPUT(0) | GAN_SAVES_INPUT(1) | GAN_SAVES_INPUT(3) | GAN_SAVES_OUTPUT};

gan_tensor *gan_batch_norm(gan_tensor *x, gan_tensor *gamma, gan_tensor *beta, gan_tensor *moments, double eps,
                           double slope)
{
    gan_context *ctx = x->ctx;
    check_channels(x, "batch_norm");
    gan_check_contexts("batch_norm", x, gamma);
    gan_check_contexts("batch_norm", x, beta);
    int64_t c = x->shape.dims[x->shape.rank - 1], rows = c ? x->numel / c : 0;
    if (!gan_same_shape(gamma->shape, GAN_SHAPE(c)) || !gan_same_shape(beta->shape, GAN_SHAPE(c)))
        gan_fail(ctx, GAN_ERROR_ARGUMENT,
                 "batch_norm: gamma and beta must have shape %lld for an input of shape %s, got %s and %s",
                 (long long)c, GAN_TEXT(x->shape), GAN_TEXT(gamma->shape), GAN_TEXT(beta->shape));
    if (!(eps >= 0))
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "batch_norm: eps must not be negative, got %g", eps);
    if (!(slope >= 0))
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "batch_norm: slope must not be negative, got %g", slope);
    if (!moments)
        moments = gan_channel_moments(x);
    gan_check_contexts("batch_norm", x, moments);
    if (!gan_same_shape(moments->shape, GAN_SHAPE(2, c)))
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "batch_norm: moments must have shape 2x%lld, got %s", (long long)c,
                 GAN_TEXT(moments->shape));
    gan_tensor *y = gan_new(ctx, x->shape);
    size_t mark = gan_pool_mark(ctx);
    gan_real *scale = gan_scratch(ctx, (size_t)c * sizeof *scale);
    for (int64_t i = 0; i < c; i++)
        scale[i] = (gan_real)((double)gamma->data[i] * inverse_deviation(moments->data, c, i, eps));
    struct normalize_work work = {ctx->kernels, c,          x->data, moments->data,   NULL,   NULL,
                                  scale,        beta->data, NULL,    (gan_real)slope, y->data};
    run_normalize(ctx, rows, &work);
    gan_pool_release(ctx, mark);
    return GAN_RECORD(y, &batch_norm_op, ((gan_attributes){.f = {eps, slope}}), x, gamma, beta, moments);
}
