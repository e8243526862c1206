/* score.c - the losses of one score: what a GAN's losses apply to every score on its own.
 *
 * Each is a row of one table (core/kernel/loops.c) with a value, a slope and a curvature, functions of
 * u = sign*x and of one parameter p. While recording, all three are computed in one pass over x:
 * value, slope and curvature are three results, each of which has the next one as its gradient, so
 * that first and second derivatives cost a product. What follows is written with ops.
 *
 * Invariant: for any finite x the value is finite (but for exponential, whose true value leaves the
 * range of numbers: it is infinity there), and so are the slopes; nothing is ever 0 * infinity. */
#include "op.h"

struct score_work {
    gan_score_kernel *kernel;
    const gan_real *x;
    gan_real *value, *slope, *curvature; /* slope and curvature may be NULL */
    gan_real sign, p;
};

static void score_job(void *work, int64_t begin, int64_t end)
{
    struct score_work *w = work;
    w->kernel(end - begin, w->x + begin, w->value + begin, w->slope ? w->slope + begin : NULL,
              w->curvature ? w->curvature + begin : NULL, w->sign, w->p);
}

/* The third derivative, from the second one y = phi''(u) and from x; the rows not named here are made
 * of parabolas and lines, which have none. at.i: row; at.f: sign, p. */
static void curvature_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (!needed[0])
        return;
    double sign = y->node->at.f[0], p = y->node->at.f[1];
    gan_tensor *x = gan_input(y, 0);
    switch ((gan_score_row)y->node->at.i[0]) {
    case GAN_SCORE_LOGISTIC: /* s(1 - s)(1 - 2s), and 1 - 2s(u) = -tanh(u/2) */
        dx[0] = gan_neg(gan_mul(dy, gan_mul(y, gan_tanh(gan_affine(x, 0.5, 0)))));
        break;
    case GAN_SCORE_EXPONENTIAL:
        dx[0] = gan_affine(gan_mul(dy, y), sign, 0);
        break;
    case GAN_SCORE_TANH: { /* -2p (1 - t^2)(1 - 3t^2) */
        gan_tensor *square = gan_square(gan_tanh(x));
        gan_tensor *shape = gan_mul(gan_affine(square, -1, 1), gan_affine(square, -3, 1));
        dx[0] = gan_affine(gan_mul(dy, shape), -2 * p * sign, 0);
        break;
    }
    default:
        break;
    }
}
static const gan_op curvature_op = {"score_curvature", curvature_grad, GAN_SAVES_INPUT(0) | GAN_SAVES_OUTPUT};

/* Value and slope have inputs x and their own derivative by x. */
static void score_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_mul(dy, gan_input(y, 1));
}
static const gan_op slope_op = {"score_slope", score_grad, GAN_SAVES_INPUT(1)};
static const gan_op score_op = {"score", score_grad, GAN_SAVES_INPUT(1)};

static gan_tensor *score(gan_score_row row, gan_tensor *x, double sign, double p)
{
    gan_context *ctx = x->ctx;
    if (sign != 1 && sign != -1)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "score: sign must be 1 or -1, got %g", sign);
    gan_tensor *value = gan_new(ctx, x->shape), *slope = NULL, *curvature = NULL;
    if (ctx->recording) {
        slope = gan_new(ctx, x->shape);
        curvature = gan_new(ctx, x->shape);
    }
    struct score_work work = {
        ctx->kernels->score[row],           x->data,        value->data, slope ? slope->data : NULL,
        curvature ? curvature->data : NULL, (gan_real)sign, (gan_real)p};
    gan_parallel(ctx, x->numel, GAN_GRAIN, score_job, &work);
    if (!slope)
        return value;
    gan_attributes at = {.i = {row}, .f = {sign, p}};
    GAN_RECORD(curvature, &curvature_op, at, x);
    GAN_RECORD(slope, &slope_op, at, x, curvature);
    return GAN_RECORD(value, &score_op, at, x, slope);
}

gan_tensor *gan_score_logistic(gan_tensor *x, double sign, double target)
{
    return score(GAN_SCORE_LOGISTIC, x, sign, target);
}
gan_tensor *gan_score_hinge(gan_tensor *x, double sign, double margin)
{
    return score(GAN_SCORE_HINGE, x, sign, margin);
}
gan_tensor *gan_score_squared_hinge(gan_tensor *x, double sign, double margin)
{
    return score(GAN_SCORE_SQUARED_HINGE, x, sign, margin);
}
gan_tensor *gan_score_smooth_hinge(gan_tensor *x, double sign, double margin)
{
    if (!(margin > 0))
        gan_fail(x->ctx, GAN_ERROR_ARGUMENT, "score_smooth_hinge: margin must be above 0, got %g", margin);
    return score(GAN_SCORE_SMOOTH_HINGE, x, sign, margin);
}
gan_tensor *gan_score_square(gan_tensor *x, double target)
{
    return score(GAN_SCORE_SQUARE, x, 1, target);
}
gan_tensor *gan_score_parabola(gan_tensor *x, double bend)
{
    return score(GAN_SCORE_PARABOLA, x, 1, bend);
}
gan_tensor *gan_score_exponential(gan_tensor *x, double sign, double shift)
{
    return score(GAN_SCORE_EXPONENTIAL, x, sign, shift);
}
gan_tensor *gan_score_tanh(gan_tensor *x, double sign, double height)
{
    return score(GAN_SCORE_TANH, x, sign, height);
}
