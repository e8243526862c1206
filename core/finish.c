/* finish.c - what follows a product: a bias by channel and a leaky ReLU, in one pass, in the product's own numbers
 * where those are given up.
 *
 * The gradient reads the result alone: with a slope of 0 or more, y > 0 exactly where x + bias > 0. So nothing is kept
 * of what lay before. It is linear in dy and written with ops, and holds for any order. */
#include <string.h>

#include "op.h"

struct finish_work {
    const gan_kernels *kernels;
    int64_t c;
    const gan_real *x, *bias;
    gan_real *y;
    gan_real slope;
};

static void finish_job(void *work, int64_t begin, int64_t end)
{
    struct finish_work *w = work;
    w->kernels->finish(end - begin, w->c, w->x + begin * w->c, w->bias, w->slope, w->y + begin * w->c);
}

/* The gradient of the leak and its sums by channel: a band of rows at a time, while a cache holds it. */
enum { BAND = 1 << 14 }; /* numbers */

struct finish_back {
    const gan_kernels *kernels;
    int64_t rows, c, band; /* rows */
    const gan_real *dy, *y;
    gan_real *dx, *sums; /* of each band */
    gan_real slope;
};

static void back_job(void *work, int64_t begin, int64_t end)
{
    struct finish_back *w = work;
    for (int64_t band = begin; band < end; band++) {
        int64_t first = band * w->band, rows = w->rows - first < w->band ? w->rows - first : w->band;
        int64_t from = first * w->c;
        w->kernels->binary[GAN_LEAKY_SLOPE](rows * w->c, w->dy + from, 1, w->y + from, 1, w->dx + from, w->slope, 0);
        memset(w->sums + band * w->c, 0, (size_t)w->c * sizeof *w->sums);
        w->kernels->column_sums(rows, w->c, w->dx + from, w->sums + band * w->c);
    }
}

static void fused_grad(gan_tensor *y, gan_tensor *dy, gan_tensor **dx)
{
    gan_context *ctx = y->ctx;
    gan_tensor *bias = gan_input(y, 1);
    int64_t c = bias->numel, rows = c ? y->numel / c : 0, band = BAND / (c + 1) + 1, bands = (rows + band - 1) / band;
    dx[0] = gan_new(ctx, y->shape);
    dx[1] = gan_zeros(ctx, bias->shape);
    size_t mark = gan_pool_mark(ctx);
    gan_real *sums = gan_scratch(ctx, (size_t)(bands * c) * sizeof *sums);
    struct finish_back work = {
        ctx->kernels, rows, c, band, dy->data, y->data, dx[0]->data, sums, (gan_real)y->node->at.f[0]};
    gan_parallel(ctx, bands, GAN_GRAIN / BAND, back_job, &work);
    ctx->kernels->column_sums(bands, c, sums, dx[1]->data);
    gan_pool_release(ctx, mark);
}

static void finish_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    double slope = y->node->at.f[0];
    bool biased = y->node->count > 1 && needed[1];
    if (biased && slope != 1 && !gan_recording(y->ctx)) {
        fused_grad(y, dy, dx);
        return;
    }
    gan_tensor *d = slope == 1 ? dy : gan_leaky_relu_slope(dy, y, slope);
    dx[0] = d;
    if (biased)
        dx[1] = d; /* the walk sums it */
}
static const gan_op finish_op = {"finish", finish_grad, GAN_SAVES_OUTPUT};
static const gan_op bias_op = {"finish", finish_grad, 0}; /* with a slope of 1 */

void gan_check_finish(gan_tensor *from, gan_shape shape, gan_tensor *bias, double slope)
{
    gan_context *ctx = from->ctx;
    int64_t c = shape.rank ? shape.dims[shape.rank - 1] : 1;
    if (bias) {
        gan_check_contexts("finish", from, bias);
        if (!gan_same_shape(bias->shape, GAN_SHAPE(c)))
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "finish: wanted a bias of shape %lld for an input of shape %s, got %s",
                     (long long)c, GAN_TEXT(shape), GAN_TEXT(bias->shape));
    }
    if (!(slope >= 0))
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "finish: slope must not be negative, got %g", slope);
}

static void finish_rows(gan_context *ctx, int64_t rows, int64_t c, const gan_real *x, const gan_real *bias,
                        double slope, gan_real *y)
{
    struct finish_work work = {ctx->kernels, c, x, bias, y, (gan_real)slope};
    gan_parallel(ctx, c ? rows : 0, GAN_GRAIN / (c + 1) + 1, finish_job, &work);
}

void gan_finish_rows(gan_context *ctx, int64_t rows, int64_t c, gan_real *x, const gan_real *bias, double slope)
{
    finish_rows(ctx, rows, c, x, bias, slope, x);
}

static gan_tensor *record(gan_tensor *y, gan_tensor *x, gan_tensor *bias, double slope)
{
    gan_attributes at = {.f = {slope}};
    const gan_op *op = slope == 1 ? &bias_op : &finish_op;
    return bias ? GAN_RECORD(y, op, at, x, bias) : GAN_RECORD(y, op, at, x);
}

/* A view of x, whose numbers are given up: whoever reads x later is told. */
static gan_tensor *in_place_of(gan_tensor *x)
{
    x->storage->version++;
    return gan_view(x, x->shape);
}

gan_tensor *gan_finished(gan_tensor *x, gan_tensor *bias, double slope)
{
    return record(in_place_of(x), x, bias, slope);
}

gan_tensor *gan_finish(gan_tensor *x, gan_tensor *bias, double slope, bool over)
{
    gan_context *ctx = x->ctx;
    int64_t c = x->shape.rank ? x->shape.dims[x->shape.rank - 1] : 1;
    gan_check_finish(x, x->shape, bias, slope);
    gan_tensor *y = over && x->storage->references == 1 ? in_place_of(x) : gan_new(ctx, x->shape);
    finish_rows(ctx, c ? x->numel / c : 0, c, x->data, bias ? bias->data : NULL, slope, y->data);
    return record(y, x, bias, slope);
}
