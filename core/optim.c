/* optim.c - in-place changes of leaves: what optimisers and averages do.
 *
 * Every check comes before the first number changes, so a failing call leaves all as it was. Nothing
 * here is recorded. */
#include <math.h>
#include <string.h>

#include "op.h"

/* ---- One tensor ---- */

static void check_leaf(gan_tensor *t, const char *what)
{
    if (!gan_is_leaf(t))
        gan_fail(
            t->ctx, GAN_ERROR_ARGUMENT,
            "%s: only a leaf can be changed in place; this tensor of shape %s was made by %s (copy or detach it first)",
            what, GAN_TEXT(t->shape), t->node ? t->node->op->name : "an op");
}

/* u with t's shape, as a constant in the pool. */
static const gan_real *operand(gan_tensor *t, gan_tensor *u, const char *what)
{
    check_leaf(t, what);
    gan_check_contexts(what, t, u);
    if (gan_same_shape(t->shape, u->shape))
        return u->data;
    if (!gan_same_shape(gan_broadcast(t->ctx, what, t->shape, u->shape), t->shape))
        gan_fail(t->ctx, GAN_ERROR_ARGUMENT, "%s: shape %s does not broadcast to %s", what, GAN_TEXT(u->shape),
                 GAN_TEXT(t->shape));
    gan_tensor *wide = gan_new(t->ctx, t->shape);
    gan_broadcast_copy(wide, u);
    return wide->data;
}

void gan_copy_(gan_tensor *t, gan_tensor *from)
{
    check_leaf(t, "copy_");
    if (!gan_same_shape(t->shape, from->shape))
        gan_fail(t->ctx, GAN_ERROR_ARGUMENT, "copy_: wanted shape %s, got %s", GAN_TEXT(t->shape),
                 GAN_TEXT(from->shape));
    memmove(gan_write(t), from->data, (size_t)t->numel * sizeof *t->data);
}

void gan_add_(gan_tensor *t, gan_tensor *u, double scale)
{
    const gan_real *from = operand(t, u, "add_");
    gan_real *to = gan_write(t);
    for (int64_t i = 0; i < t->numel; i++)
        to[i] += (gan_real)scale * from[i];
}

void gan_mul_(gan_tensor *t, gan_tensor *u)
{
    const gan_real *from = operand(t, u, "mul_");
    gan_real *to = gan_write(t);
    for (int64_t i = 0; i < t->numel; i++)
        to[i] *= from[i];
}

void gan_fill_(gan_tensor *t, double value)
{
    check_leaf(t, "fill_");
    gan_real *to = gan_write(t);
    for (int64_t i = 0; i < t->numel; i++)
        to[i] = (gan_real)value;
}

void gan_set_(gan_tensor *t, int64_t place, gan_tensor *u)
{
    check_leaf(t, "set_");
    gan_check_contexts("set_", t, u);
    gan_check_axis(t, "set_", 0);
    if (place < 0 || place >= t->shape.dims[0])
        gan_fail(t->ctx, GAN_ERROR_ARGUMENT, "set_: place %lld is not in a tensor of shape %s", (long long)place + 1,
                 GAN_TEXT(t->shape));
    gan_shape slice = t->shape;
    slice.rank--;
    memmove(slice.dims, slice.dims + 1, (size_t)slice.rank * sizeof *slice.dims);
    if (!gan_same_shape(gan_broadcast(t->ctx, "set_", slice, u->shape), slice))
        gan_fail(t->ctx, GAN_ERROR_ARGUMENT, "set_: shape %s does not broadcast to a slice of shape %s",
                 GAN_TEXT(u->shape), GAN_TEXT(slice));
    gan_tensor *wide = gan_new(t->ctx, slice);
    gan_broadcast_copy(wide, u);
    memcpy(gan_write(t) + place * wide->numel, wide->data, (size_t)wide->numel * sizeof *wide->data);
}

void gan_clamp_(gan_tensor *t, double low, double high)
{
    check_leaf(t, "clamp_");
    if (!(low <= high))
        gan_fail(t->ctx, GAN_ERROR_ARGUMENT, "clamp_: low must not exceed high, got %g and %g", low, high);
    gan_real *to = gan_write(t);
    for (int64_t i = 0; i < t->numel; i++)
        to[i] = to[i] < low ? (gan_real)low : to[i] > high ? (gan_real)high : to[i];
}

void gan_lerp_(gan_tensor *t, gan_tensor *u, double weight)
{
    const gan_real *from = operand(t, u, "lerp_");
    gan_real *to = gan_write(t), w = (gan_real)weight;
    for (int64_t i = 0; i < t->numel; i++)
        to[i] += w * (from[i] - to[i]);
}

/* ---- All parameters of a player ---- */

static void check_list(const char *what, const char *name, int count, gan_tensor *const p[], gan_tensor *const list[])
{
    for (int i = 0; i < count; i++)
        if (!gan_same_shape(p[i]->shape, list[i]->shape))
            gan_fail(p[i]->ctx, GAN_ERROR_ARGUMENT, "%s: parameter %d has shape %s, its %s has shape %s", what, i + 1,
                     GAN_TEXT(p[i]->shape), name, GAN_TEXT(list[i]->shape));
}

struct adam_work {
    const gan_kernels *kernels;
    gan_adam_constants k;
    gan_real *p, *m, *v;
    const gan_real *g;
};

static void adam_job(void *work, int64_t begin, int64_t end)
{
    struct adam_work *w = work;
    w->kernels->adam(end - begin, w->p + begin, w->g + begin, w->m + begin, w->v + begin, &w->k);
}

void gan_adam_(int count, gan_tensor *const p[], gan_tensor *const grad[], gan_tensor *const m[], gan_tensor *const v[],
               const gan_adam_options *o)
{
    check_list("adam", "gradient", count, p, grad);
    check_list("adam", "first moment", count, p, m);
    check_list("adam", "second moment", count, p, v);
    for (int i = 0; i < count; i++) {
        check_leaf(p[i], "adam");
        check_leaf(m[i], "adam");
        check_leaf(v[i], "adam");
        if (o->step < 1)
            gan_fail(p[i]->ctx, GAN_ERROR_ARGUMENT, "adam: steps count from 1, got %lld", (long long)o->step);
    }
    gan_adam_constants k = {
        .beta1 = (gan_real)o->beta1,
        .rest1 = (gan_real)(1 - o->beta1),
        .beta2 = (gan_real)o->beta2,
        .rest2 = (gan_real)(1 - o->beta2),
        .step_size = (gan_real)(o->lr / (1 - pow(o->beta1, (double)o->step))),
        .root_correction = (gan_real)(1 / sqrt(1 - pow(o->beta2, (double)o->step))),
        .eps = (gan_real)o->eps,
        .decay = (gan_real)(o->decoupled ? 0 : o->weight_decay),
        .shrink = (gan_real)(o->decoupled ? 1 - o->lr * o->weight_decay : 1),
    };
    for (int i = 0; i < count; i++) {
        struct adam_work work = {p[i]->ctx->kernels, k, gan_write(p[i]), gan_write(m[i]), gan_write(v[i]),
                                 grad[i]->data};
        gan_parallel(p[i]->ctx, p[i]->numel, GAN_GRAIN, adam_job, &work);
    }
}

/* v = momentum v + (g + decay p), p -= lr v; the first step starts from v = 0. */
void gan_sgd_(int count, gan_tensor *const p[], gan_tensor *const grad[], gan_tensor *const velocity[], double lr,
              double momentum, double weight_decay)
{
    check_list("sgd", "gradient", count, p, grad);
    if (velocity)
        check_list("sgd", "velocity", count, p, velocity);
    for (int i = 0; i < count; i++) {
        check_leaf(p[i], "sgd");
        if (velocity)
            check_leaf(velocity[i], "sgd");
    }
    for (int i = 0; i < count; i++) {
        gan_real *to = gan_write(p[i]), *v = velocity ? gan_write(velocity[i]) : NULL;
        const gan_real *g = grad[i]->data;
        for (int64_t j = 0; j < p[i]->numel; j++) {
            gan_real d = g[j] + (gan_real)weight_decay * to[j];
            if (v)
                d = v[j] = (gan_real)momentum * v[j] + d;
            to[j] -= (gan_real)lr * d;
        }
    }
}
