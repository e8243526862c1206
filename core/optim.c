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

/* One change of t by numbers of the same shape (or by none), on all threads, whole in any case. */
struct change {
    enum { COPY, ADD, MUL, FILL, CLAMP, LERP } how;
    gan_real *to;
    const gan_real *from;
    gan_real a, b;
};

static void change_job(void *work, int64_t begin, int64_t end)
{
    const struct change w = *(struct change *)work;
    gan_real *restrict to = w.to;
    for (int64_t i = begin; i < end; i++)
        switch (w.how) {
        case COPY:
            to[i] = w.from[i];
            break;
        case ADD:
            to[i] += w.a * w.from[i];
            break;
        case MUL:
            to[i] *= w.from[i];
            break;
        case FILL:
            to[i] = w.a;
            break;
        case CLAMP:
            to[i] = to[i] < w.a ? w.a : to[i] > w.b ? w.b : to[i];
            break;
        case LERP:
            to[i] += w.a * (w.from[i] - to[i]);
            break;
        }
}

static void change(gan_tensor *t, struct change work)
{
    work.to = gan_write(t);
    gan_parallel_whole(t->ctx, t->numel, GAN_GRAIN, change_job, &work);
}

void gan_copy_(gan_tensor *t, gan_tensor *from)
{
    check_leaf(t, "copy_");
    gan_check_contexts("copy_", t, from);
    if (!gan_same_shape(t->shape, from->shape))
        gan_fail(t->ctx, GAN_ERROR_ARGUMENT, "copy_: wanted shape %s, got %s", GAN_TEXT(t->shape),
                 GAN_TEXT(from->shape));
    change(t, (struct change){.how = COPY, .from = from->data});
}

void gan_add_(gan_tensor *t, gan_tensor *u, double scale)
{
    change(t, (struct change){.how = ADD, .from = operand(t, u, "add_"), .a = (gan_real)scale});
}

void gan_mul_(gan_tensor *t, gan_tensor *u)
{
    change(t, (struct change){.how = MUL, .from = operand(t, u, "mul_")});
}

void gan_fill_(gan_tensor *t, double value)
{
    check_leaf(t, "fill_");
    change(t, (struct change){.how = FILL, .a = (gan_real)value});
}

void gan_clamp_(gan_tensor *t, double low, double high)
{
    check_leaf(t, "clamp_");
    if (!(low <= high))
        gan_fail(t->ctx, GAN_ERROR_ARGUMENT, "clamp_: low must not exceed high, got %g and %g", low, high);
    change(t, (struct change){.how = CLAMP, .a = (gan_real)low, .b = (gan_real)high});
}

void gan_lerp_(gan_tensor *t, gan_tensor *u, double weight)
{
    change(t, (struct change){.how = LERP, .from = operand(t, u, "lerp_"), .a = (gan_real)weight});
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

/* ---- All parameters of a player ---- */

static void check_list(const char *what, const char *name, int count, gan_tensor *const p[], gan_tensor *const list[])
{
    for (int i = 0; i < count; i++) {
        gan_check_contexts(what, p[i], list[i]);
        if (!gan_same_shape(p[i]->shape, list[i]->shape))
            gan_fail(p[i]->ctx, GAN_ERROR_ARGUMENT, "%s: parameter %d has shape %s, its %s has shape %s", what, i + 1,
                     GAN_TEXT(p[i]->shape), name, GAN_TEXT(list[i]->shape));
    }
}

/* Fails unless low <= value < high; the first parameter's context tells. */
static void check_range(const char *what, const char *name, gan_tensor *const p[], double value, double low,
                        double high)
{
    if (!(value >= low && value < high))
        gan_fail(p[0]->ctx, GAN_ERROR_ARGUMENT, "%s: %s must be at least %g and below %g, got %g", what, name, low,
                 high, value);
}

/* Many tensors as one job: pieces of at most GAN_GRAIN numbers, none of two tensors. Nothing is allocated for it: a
 * step of several players is to write all of them or none. */
struct pieces {
    int64_t count, grain;
};

static struct pieces cut(int count, gan_tensor *const tensors[])
{
    struct pieces pieces = {0};
    int64_t numbers = 0;
    for (int i = 0; i < count; i++) {
        pieces.count += (tensors[i]->numel + GAN_GRAIN - 1) / GAN_GRAIN;
        numbers += tensors[i]->numel;
    }
    pieces.grain = numbers <= GAN_GRAIN ? pieces.count : 1; /* nobody is woken for so little */
    return pieces;
}

struct piece {
    int tensor;
    int64_t first, length;
};

/* Piece `at`. */
static struct piece find(gan_tensor *const tensors[], int64_t at)
{
    int i = 0;
    for (int64_t here; at >= (here = (tensors[i]->numel + GAN_GRAIN - 1) / GAN_GRAIN); i++)
        at -= here;
    int64_t first = at * GAN_GRAIN, left = tensors[i]->numel - first;
    return (struct piece){i, first, left < GAN_GRAIN ? left : GAN_GRAIN};
}

struct norm_work {
    const gan_kernels *kernels;
    gan_tensor *const *tensors;
    double *sums;
};

static void norm_job(void *work, int64_t begin, int64_t end)
{
    struct norm_work *w = work;
    for (int64_t at = begin; at < end; at++) {
        struct piece piece = find(w->tensors, at);
        w->sums[at] = w->kernels->squares(piece.length, w->tensors[piece.tensor]->data + piece.first);
    }
}

double gan_norm_of_all(int count, gan_tensor *const tensors[])
{
    if (count == 0)
        return 0;
    gan_context *ctx = tensors[0]->ctx;
    for (int i = 1; i < count; i++)
        gan_check_contexts("norm_of_all", tensors[0], tensors[i]);
    size_t mark = gan_pool_mark(ctx);
    struct pieces pieces = cut(count, tensors);
    struct norm_work work = {ctx->kernels, tensors, gan_scratch(ctx, (size_t)pieces.count * sizeof(double))};
    gan_parallel(ctx, pieces.count, pieces.grain, norm_job, &work);
    double sum = 0;
    for (int64_t i = 0; i < pieces.count; i++)
        sum += work.sums[i];
    gan_pool_release(ctx, mark);
    return sqrt(sum);
}

struct adam_work {
    const gan_kernels *kernels;
    gan_adam_constants k;
    gan_tensor *const *p, *const *grad, *const *m, *const *v;
};

static void adam_job(void *work, int64_t begin, int64_t end)
{
    struct adam_work *w = work;
    for (int64_t at = begin; at < end; at++) {
        struct piece piece = find(w->p, at);
        int i = piece.tensor;
        w->kernels->adam(piece.length, w->p[i]->data + piece.first, w->grad[i]->data + piece.first,
                         w->m[i]->data + piece.first, w->v[i]->data + piece.first, &w->k);
    }
}

void gan_adam_(int count, gan_tensor *const p[], gan_tensor *const grad[], gan_tensor *const m[], gan_tensor *const v[],
               const gan_adam_options *o)
{
    if (count == 0)
        return;
    gan_parallel(p[0]->ctx, 0, 1, NULL, NULL); /* fails here when cancelled, before anything changes */
    check_range("adam", "lr", p, o->lr, -HUGE_VAL, HUGE_VAL);
    check_range("adam", "beta1", p, o->beta1, 0, 1);
    check_range("adam", "beta2", p, o->beta2, 0, 1);
    check_range("adam", "eps", p, o->eps, 0, HUGE_VAL);
    check_range("adam", "weight_decay", p, o->weight_decay, 0, HUGE_VAL);
    check_range("adam", "step", p, (double)o->step, 1, 0x1p53);
    check_list("adam", "gradient", count, p, grad);
    check_list("adam", "first moment", count, p, m);
    check_list("adam", "second moment", count, p, v);
    for (int i = 0; i < count; i++) {
        check_leaf(p[i], "adam");
        check_leaf(m[i], "adam");
        check_leaf(v[i], "adam");
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
        gan_write(p[i]);
        gan_write(m[i]);
        gan_write(v[i]);
    }
    struct pieces pieces = cut(count, p);
    struct adam_work work = {p[0]->ctx->kernels, k, p, grad, m, v};
    gan_parallel_whole(p[0]->ctx, pieces.count, pieces.grain, adam_job, &work);
}

struct sgd_work {
    gan_real *p, *v; /* v: NULL without momentum */
    const gan_real *g;
    gan_real lr, momentum, decay;
};

static void sgd_job(void *work, int64_t begin, int64_t end)
{
    const struct sgd_work w = *(struct sgd_work *)work;
    for (int64_t i = begin; i < end; i++) {
        gan_real d = w.g[i] + w.decay * w.p[i];
        if (w.v)
            d = w.v[i] = w.momentum * w.v[i] + d;
        w.p[i] -= w.lr * d;
    }
}

/* v = momentum v + (g + decay p), p -= lr v; the first step starts from v = 0. */
void gan_sgd_(int count, gan_tensor *const p[], gan_tensor *const grad[], gan_tensor *const velocity[], double lr,
              double momentum, double weight_decay)
{
    if (count == 0)
        return;
    gan_parallel(p[0]->ctx, 0, 1, NULL, NULL); /* as above */
    check_range("sgd", "lr", p, lr, -HUGE_VAL, HUGE_VAL);
    check_range("sgd", "momentum", p, momentum, 0, HUGE_VAL);
    check_range("sgd", "weight_decay", p, weight_decay, 0, HUGE_VAL);
    check_list("sgd", "gradient", count, p, grad);
    if (velocity)
        check_list("sgd", "velocity", count, p, velocity);
    for (int i = 0; i < count; i++) {
        check_leaf(p[i], "sgd");
        if (velocity)
            check_leaf(velocity[i], "sgd");
    }
    for (int i = 0; i < count; i++) {
        struct sgd_work work = {gan_write(p[i]),    velocity ? gan_write(velocity[i]) : NULL,
                                grad[i]->data,      (gan_real)lr,
                                (gan_real)momentum, (gan_real)weight_decay};
        gan_parallel_whole(p[i]->ctx, p[i]->numel, GAN_GRAIN, sgd_job, &work);
    }
}
