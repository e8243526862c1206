/* finish.c - what follows a product: a bias by channel and a leaky ReLU, in one pass, in the product's own numbers
 * where those are given up.
 *
 * The gradient reads the result alone: with a slope of 0 or more, y > 0 exactly where x + bias > 0. So nothing is kept
 * of what lay before. It is linear in dy and written with ops, and holds for any order. */
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

static void finish_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    double slope = y->node->at.f[0];
    gan_tensor *d = slope == 1 ? dy : gan_leaky_relu_slope(dy, y, slope);
    dx[0] = d;
    if (y->node->count > 1 && needed[1])
        dx[1] = d; /* the walk sums it */
}
static const gan_op finish_op = {"finish", finish_grad, GAN_SAVES_OUTPUT};
static const gan_op bias_op = {"finish", finish_grad, 0}; /* with a slope of 1 */

gan_tensor *gan_finish(gan_tensor *x, gan_tensor *bias, double slope, bool over)
{
    gan_context *ctx = x->ctx;
    int64_t c = x->shape.rank ? x->shape.dims[x->shape.rank - 1] : 1;
    if (bias) {
        gan_check_contexts("finish", x, bias);
        if (!gan_same_shape(bias->shape, GAN_SHAPE(c)))
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "finish: wanted a bias of shape %lld for an input of shape %s, got %s",
                     (long long)c, GAN_TEXT(x->shape), GAN_TEXT(bias->shape));
    }
    if (!(slope >= 0))
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "finish: slope must not be negative, got %g", slope);
    gan_tensor *y;
    if (over && x->storage->references == 1) {
        x->storage->version++; /* whoever reads x later is told */
        y = gan_view(x, x->shape);
    } else {
        y = gan_new(ctx, x->shape);
    }
    struct finish_work work = {ctx->kernels, c, x->data, bias ? bias->data : NULL, y->data, (gan_real)slope};
    gan_parallel(ctx, c ? x->numel / c : 0, GAN_GRAIN / (c + 1) + 1, finish_job, &work);
    gan_attributes at = {.f = {slope}};
    const gan_op *op = slope == 1 ? &bias_op : &finish_op;
    return bias ? GAN_RECORD(y, op, at, x, bias) : GAN_RECORD(y, op, at, x);
}
