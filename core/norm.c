/* norm.c - batch normalisation, fused: two passes over memory forward, two backward.
 *
 * The activation that follows is part of both; backward, where it leaked is worked out again from x. The op
 * keeps the law of gradients: while recording, its gradient is written with ops (x, gamma and
 * the moments as functions of x); otherwise a fused kernel computes the same three gradients. Sums by
 * channel are taken over fixed bands of rows, so they do not depend on the number of threads. */
#include <math.h>
#include <string.h>

#include "op.h"

/* ---- Sums by channel over bands of rows ---- */

enum { BAND_ROWS = 256 };

struct columns {
    const gan_kernels *kernels;
    int64_t rows, c;
    const gan_real *x;
    const gan_real *dy; /* NULL: moments, else the sums of its gradient */
    gan_leaky leaky;
    gan_real *sums; /* for each band: twice c numbers */
};

static int64_t band_rows(int64_t rows, int64_t band)
{
    int64_t left = rows - band * BAND_ROWS;
    return left < BAND_ROWS ? left : BAND_ROWS;
}

static void sums_job(void *work, int64_t begin, int64_t end)
{
    struct columns *w = work;
    for (int64_t band = begin; band < end; band++) {
        int64_t rows = band_rows(w->rows, band), from = band * BAND_ROWS * w->c;
        gan_real *first = w->sums + band * 2 * w->c, *second = first + w->c;
        memset(first, 0, (size_t)(2 * w->c) * sizeof *first);
        if (w->dy) {
            w->kernels->column_dots(rows, w->c, w->x + from, w->dy + from, &w->leaky, first, second);
            continue;
        }
        w->kernels->column_sums(rows, w->c, w->x + from, first);
        for (int64_t i = 0; i < w->c; i++)
            first[i] /= (gan_real)rows;
        w->kernels->column_squares(rows, w->c, w->x + from, first, second); /* from a cache */
    }
}

/* Runs the job over all bands; their sums, in scratch memory. */
static const gan_real *sums_of_bands(gan_context *ctx, struct columns *work)
{
    int64_t bands = (work->rows + BAND_ROWS - 1) / BAND_ROWS;
    work->sums = gan_scratch(ctx, (size_t)(bands * 2 * work->c) * sizeof *work->sums);
    gan_parallel(ctx, bands, GAN_GRAIN / (BAND_ROWS * (work->c + 1)) + 1, sums_job, work);
    return work->sums;
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
    size_t mark = gan_pool_mark(ctx);
    struct columns work = {.kernels = ctx->kernels, .rows = rows, .c = c, .x = x->data};
    const gan_real *bands = sums_of_bands(ctx, &work);
    /* The mean of means; what bands differ from it belongs to the variance. */
    for (int64_t i = 0; i < c; i++) {
        double mean = 0, squares = 0;
        for (int64_t band = 0; band * BAND_ROWS < rows; band++)
            mean += (double)bands[band * 2 * c + i] * (double)band_rows(rows, band);
        mean /= (double)rows;
        for (int64_t band = 0; band * BAND_ROWS < rows; band++) {
            double off = (double)bands[band * 2 * c + i] - mean;
            squares += (double)bands[(band * 2 + 1) * c + i] + off * off * (double)band_rows(rows, band);
        }
        moments->data[i] = (gan_real)mean;
        moments->data[c + i] = (gan_real)(squares / (double)rows);
    }
    gan_pool_release(ctx, mark);
    return moments;
}

gan_tensor *gan_all_channel_moments(gan_tensor *x)
{
    gan_context *ctx = x->ctx;
    gan_tensor *own = gan_channel_moments(x);
    int64_t c = own->shape.dims[1], rows = c ? x->numel / c : 0, size = gan_is_shared(ctx) ? ctx->ranks.size : 1;
    gan_tensor *moments = gan_new(ctx, GAN_SHAPE(3, c));
    size_t mark = gan_pool_mark(ctx);
    gan_real *all = gan_scratch(ctx, (size_t)(2 * c * size) * sizeof *all);
    int64_t *counts = gan_scratch(ctx, (size_t)size * sizeof *counts);
    gan_gather(ctx, own->data, all, (size_t)(2 * c) * sizeof *all);
    gan_gather(ctx, &rows, counts, sizeof *counts);
    double total = 0;
    for (int64_t rank = 0; rank < size; rank++)
        total += (double)counts[rank];
    /* As of bands: the mean of means; what ranks differ from it belongs to the variance. */
    for (int64_t i = 0; i < c; i++) {
        double mean = 0, squares = 0;
        for (int64_t rank = 0; rank < size; rank++)
            mean += (double)all[rank * 2 * c + i] * (double)counts[rank] / total;
        for (int64_t rank = 0; rank < size; rank++) {
            double off = (double)all[rank * 2 * c + i] - mean;
            squares += ((double)all[(rank * 2 + 1) * c + i] + off * off) * (double)counts[rank];
        }
        moments->data[i] = (gan_real)mean;
        moments->data[c + i] = (gan_real)(squares / total);
        moments->data[2 * c + i] = (gan_real)total;
    }
    gan_pool_release(ctx, mark);
    return moments;
}

/* ---- The op: inputs x, gamma, beta, moments ---- */

/* Whether the moments are those of all ranks together. */
static bool is_over_ranks(const gan_tensor *moments)
{
    return moments->shape.dims[0] == 3;
}

/* How many numbers a channel has, on all ranks together where the moments are. */
static double rows_of(const gan_tensor *x, const gan_tensor *moments)
{
    int64_t c = moments->shape.dims[1];
    return is_over_ranks(moments) ? (double)moments->data[2 * c] : (double)(x->numel / c);
}

struct normalize_work {
    const gan_kernels *kernels;
    int64_t c;
    const gan_real *x, *dy;
    gan_leaky leaky;
    const gan_real *ky, *kx, *k; /* with dy, by channel: dy ky + (x - mean) kx + k */
    gan_real *result;
};

static void normalize_job(void *work, int64_t begin, int64_t end)
{
    struct normalize_work *w = work;
    int64_t from = begin * w->c;
    if (w->dy)
        w->kernels->normalize_grad(end - begin, w->c, w->x + from, w->dy + from, &w->leaky, w->ky, w->kx, w->k,
                                   w->result + from);
    else
        w->kernels->normalize(end - begin, w->c, w->x + from, &w->leaky, w->result + from);
}

static void run_normalize(gan_context *ctx, int64_t rows, struct normalize_work *work)
{
    gan_parallel(ctx, rows, GAN_GRAIN / (work->c + 1) + 1, normalize_job, work);
}

static double inverse_deviation(const gan_real *moments, int64_t c, int64_t i, double eps)
{
    return 1 / sqrt((double)moments[c + i] + eps);
}

/* The normalisation and its activation; the scale by channel is in scratch memory. */
static gan_leaky leaky_of(gan_context *ctx, gan_tensor *gamma, gan_tensor *beta, gan_tensor *moments, double eps,
                          double slope)
{
    int64_t c = gamma->numel;
    gan_real *scale = gan_scratch(ctx, (size_t)c * sizeof *scale);
    for (int64_t i = 0; i < c; i++)
        scale[i] = (gan_real)((double)gamma->data[i] * inverse_deviation(moments->data, c, i, eps));
    return (gan_leaky){moments->data, scale, beta->data, (gan_real)slope};
}

/* dx = gamma r (dy - mean(dy) - xhat mean(dy xhat)),  dgamma = sum dy xhat,  dbeta = sum dy */
static void fused_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    gan_context *ctx = y->ctx;
    gan_tensor *x = gan_input(y, 0), *gamma = gan_input(y, 1), *moments = gan_input(y, 3);
    int64_t c = gamma->numel, rows = c ? x->numel / c : 0;
    double eps = y->node->at.f[0], all_rows = c ? rows_of(x, moments) : 0;
    gan_real *sums = gan_scratch(ctx, (size_t)(5 * c) * sizeof *sums), *ky = sums + 2 * c, *kx = ky + c, *k = kx + c;
    struct columns columns = {.kernels = ctx->kernels, .rows = rows, .c = c, .x = x->data, .dy = dy->data};
    columns.leaky = leaky_of(ctx, gamma, gan_input(y, 2), moments, eps, y->node->at.f[1]);
    memset(sums, 0, (size_t)(2 * c) * sizeof *sums);
    ctx->kernels->column_sums((rows + BAND_ROWS - 1) / BAND_ROWS, 2 * c, sums_of_bands(ctx, &columns), sums);
    if (needed[2])
        dx[2] = gan_from(ctx, gamma->shape, sums);
    if (needed[1]) { /* this rank's part, as is beta's */
        dx[1] = gan_new(ctx, gamma->shape);
        for (int64_t i = 0; i < c; i++)
            dx[1]->data[i] = (gan_real)((double)sums[c + i] * inverse_deviation(moments->data, c, i, eps));
    }
    if (is_over_ranks(moments))
        gan_sum_numbers(ctx, 2 * c, sums);
    for (int64_t i = 0; i < c; i++) {
        double r = inverse_deviation(moments->data, c, i, eps), scale = (double)gamma->data[i] * r;
        double sum = (double)sums[i], dot = (double)sums[c + i];
        ky[i] = (gan_real)scale;
        kx[i] = (gan_real)(-scale * r * r * dot / all_rows);
        k[i] = (gan_real)(-scale * sum / all_rows);
    }
    if (needed[0]) {
        dx[0] = gan_new(ctx, x->shape);
        struct normalize_work work = {ctx->kernels, c, x->data, dy->data, columns.leaky, ky, kx, k, dx[0]->data};
        run_normalize(ctx, rows, &work);
    }
}

/* The mean by channel over the batch that the moments are of. */
static gan_tensor *mean_by_channel(gan_tensor *t, gan_tensor *moments)
{
    gan_axes rows = GAN_AXIS(t->shape.rank - 1) - 1;
    if (!is_over_ranks(moments))
        return gan_mean(t, rows, true);
    return gan_affine(gan_spread(gan_all_sum(gan_sum(t, rows, true))), 1 / rows_of(t, moments), 0);
}

/* The same, written with ops. */
static void batch_norm_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (!gan_recording(y->ctx)) {
        fused_grad(y, dy, needed, dx);
        return;
    }
    gan_tensor *x = gan_input(y, 0), *gamma = gan_input(y, 1), *moments = gan_input(y, 3);
    if (y->node->at.f[1] != 1)
        dy = gan_leaky_relu_slope(dy, y, y->node->at.f[1]);
    gan_axes rows = GAN_AXIS(x->shape.rank - 1) - 1;
    gan_tensor *centred = gan_sub(x, mean_by_channel(x, moments));
    gan_tensor *r = gan_pow(gan_affine(mean_by_channel(gan_square(centred), moments), 1, y->node->at.f[0]), -0.5);
    gan_tensor *xhat = gan_mul(centred, r), *dots = gan_mul(dy, xhat);
    if (needed[0]) {
        gan_tensor *mean = mean_by_channel(dy, moments); /* one after the other: ranks exchange in the same order */
        gan_tensor *dot = gan_mul(xhat, mean_by_channel(dots, moments));
        dx[0] = gan_mul(gan_mul(gamma, r), gan_sub(gan_sub(dy, mean), dot));
    }
    if (needed[1])
        dx[1] = gan_sum(dots, rows, false);
    if (needed[2])
        dx[2] = gan_sum(dy, rows, false);
}
static const gan_op batch_norm_op = {"batch_norm", batch_norm_grad,
                                     GAN_SAVES_INPUT(0) | GAN_SAVES_INPUT(1) | GAN_SAVES_INPUT(2) | GAN_SAVES_INPUT(3) |
                                         GAN_SAVES_OUTPUT};

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
    if (!gan_same_shape(moments->shape, GAN_SHAPE(2, c)) && !gan_same_shape(moments->shape, GAN_SHAPE(3, c)))
        gan_fail(ctx, GAN_ERROR_ARGUMENT,
                 "batch_norm: moments must have shape 2x%lld (or 3x%lld, of all ranks), got %s", (long long)c,
                 (long long)c, GAN_TEXT(moments->shape));
    gan_tensor *y = gan_new(ctx, x->shape);
    size_t mark = gan_pool_mark(ctx);
    struct normalize_work work = {.kernels = ctx->kernels, .c = c, .x = x->data, .result = y->data};
    work.leaky = leaky_of(ctx, gamma, beta, moments, eps, slope);
    run_normalize(ctx, rows, &work);
    gan_pool_release(ctx, mark);
    return GAN_RECORD(y, &batch_norm_op, ((gan_attributes){.f = {eps, slope}}), x, gamma, beta, moments);
}
