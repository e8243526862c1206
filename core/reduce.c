/* reduce.c - sums over axes and their adjoint, repetition; what is made of them.
 *
 * sum_to and expand are each other's gradient. A sum over several separate groups of axes is taken
 * one group at a time, each as outer x reduced x inner. Pieces have fixed sizes, so a sum is the same
 * number whatever the threads; partial sums keep the rounding error near that of pairwise addition. */
#include <string.h>

#include "op.h"

/* ---- Sums ---- */

/* y[o][i] = sum over r of x[o][r][i] */
struct sum_work {
    const gan_kernels *kernels;
    const gan_real *x;
    gan_real *y;
    int64_t reduced, inner;
    int64_t piece, pieces; /* reduced is cut into pieces; y holds one sum for each */
};

static void sum_job(void *work, int64_t begin, int64_t end)
{
    struct sum_work *w = work;
    for (int64_t at = begin; at < end; at++) {
        int64_t first = at % w->pieces * w->piece, outer = at / w->pieces;
        int64_t rows = w->reduced - first < w->piece ? w->reduced - first : w->piece;
        const gan_real *x = w->x + (outer * w->reduced + first) * w->inner;
        gan_real *y = w->y + at * w->inner;
        if (w->inner == 1) {
            *y = w->kernels->sum(rows, x);
        } else {
            memset(y, 0, (size_t)w->inner * sizeof *y);
            w->kernels->column_sums(rows, w->inner, x, y);
        }
    }
}

/* Numbers in one piece: few enough that adding them one after another loses little. */
enum { PIECE = 1 << 13 };

static void sum_group(gan_context *ctx, const gan_real *x, gan_real *y, int64_t outer, int64_t reduced, int64_t inner)
{
    if (inner == 0)
        return;
    int64_t piece = inner == 1 ? PIECE : PIECE / 32 > PIECE / inner ? PIECE / 32 : PIECE / inner;
    int64_t pieces = (reduced + piece - 1) / piece;
    if (pieces <= 1) {
        struct sum_work work = {ctx->kernels, x, y, reduced, inner, reduced ? reduced : 1, 1};
        int64_t each = reduced * inner > 0 ? reduced * inner : 1;
        gan_parallel(ctx, outer, GAN_GRAIN / each + 1, sum_job, &work);
        return;
    }
    size_t mark = gan_pool_mark(ctx);
    gan_real *partial = gan_scratch(ctx, (size_t)(outer * pieces * inner) * sizeof *partial);
    struct sum_work work = {ctx->kernels, x, partial, reduced, inner, piece, pieces};
    gan_parallel(ctx, outer * pieces, GAN_GRAIN / (piece * inner) + 1, sum_job, &work);
    sum_group(ctx, partial, y, outer, pieces, inner);
    gan_pool_release(ctx, mark);
}

static void sum_to_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_expand(dy, gan_input(y, 0)->shape);
}
static const gan_op sum_to_op = {"sum", sum_to_grad, 0};

/* Fails unless `small` broadcasts to `large`. */
static void check_broadcasts_to(gan_context *ctx, const char *what, gan_shape small, gan_shape large)
{
    bool fits = small.rank <= large.rank;
    for (int i = 0; fits && i < small.rank; i++) {
        int64_t d = small.dims[i];
        fits = d == 1 || d == large.dims[large.rank - small.rank + i];
    }
    if (!fits)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "%s: shape %s does not broadcast to %s", what, GAN_TEXT(small),
                 GAN_TEXT(large));
}

gan_tensor *gan_sum_to(gan_tensor *x, gan_shape shape)
{
    gan_context *ctx = x->ctx;
    gan_checked_numel(ctx, shape);
    check_broadcasts_to(ctx, "sum_to", shape, x->shape);
    gan_tensor *y = gan_new(ctx, shape);
    size_t mark = gan_pool_mark(ctx);
    int rank = x->shape.rank, skipped = rank - shape.rank;
    bool reduced[GAN_MAX_RANK];
    int last_group = 0; /* groups of reduced axes still to do */
    for (int i = 0; i < rank; i++) {
        reduced[i] = i < skipped || (shape.dims[i - skipped] == 1 && x->shape.dims[i] != 1);
        last_group += reduced[i] && (i == 0 || !reduced[i - 1]);
    }
    /* From the last group to the first: what lies inside is already summed. */
    const gan_real *from = x->data;
    int64_t inner = 1;
    for (int i = rank - 1; i >= 0; i--) {
        if (!reduced[i]) {
            inner *= x->shape.dims[i];
            continue;
        }
        int64_t along = x->shape.dims[i], outer = 1;
        while (i > 0 && reduced[i - 1])
            along *= x->shape.dims[--i];
        for (int j = 0; j < i; j++)
            outer *= x->shape.dims[j];
        gan_real *to = --last_group ? gan_scratch(ctx, (size_t)(outer * inner) * sizeof *to) : y->data;
        sum_group(ctx, from, to, outer, along, inner);
        from = to;
    }
    if (from == x->data)
        memcpy(y->data, x->data, (size_t)x->numel * sizeof *y->data);
    gan_pool_release(ctx, mark);
    return GAN_RECORD(y, &sum_to_op, ((gan_attributes){{0}, {0}}), x);
}

static void expand_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_sum_to(dy, gan_input(y, 0)->shape);
}
static const gan_op expand_op = {"expand", expand_grad, 0};

gan_tensor *gan_expand(gan_tensor *x, gan_shape shape)
{
    gan_context *ctx = x->ctx;
    gan_checked_numel(ctx, shape);
    check_broadcasts_to(ctx, "expand", x->shape, shape);
    if (gan_same_shape(x->shape, shape) &&
        ctx->recording) /* a leaf must not share numbers: it may be changed in place */
        return GAN_RECORD(gan_view(x, shape), &expand_op, ((gan_attributes){{0}, {0}}), x);
    gan_tensor *y = gan_new(ctx, shape);
    gan_broadcast_copy(y, x);
    return GAN_RECORD(y, &expand_op, ((gan_attributes){{0}, {0}}), x);
}

/* ---- Over axes ---- */

/* x's shape with the axes of `over` set to 1; fails for an axis that is not there. */
static gan_shape kept_shape(gan_tensor *x, const char *what, gan_axes over)
{
    gan_shape shape = x->shape;
    for (int i = 0; i < GAN_MAX_RANK; i++) {
        if (!(over & GAN_AXIS(i)))
            continue;
        if (i < shape.rank)
            shape.dims[i] = 1;
        else if (over != GAN_ALL_AXES)
            gan_check_axis(x, what, i);
    }
    return shape;
}

static gan_tensor *drop_axes(gan_tensor *y, gan_axes over, bool keep)
{
    if (keep)
        return y;
    gan_shape shape = {0};
    for (int i = 0; i < y->shape.rank; i++)
        if (!(over & GAN_AXIS(i)))
            shape.dims[shape.rank++] = y->shape.dims[i];
    return gan_reshape(y, shape);
}

/* How many numbers each result is made of. */
static double reduced_count(gan_tensor *x, gan_axes over)
{
    double count = 1;
    for (int i = 0; i < x->shape.rank; i++)
        if (over & GAN_AXIS(i))
            count *= (double)x->shape.dims[i];
    return count;
}

gan_tensor *gan_sum(gan_tensor *x, gan_axes over, bool keep)
{
    return drop_axes(gan_sum_to(x, kept_shape(x, "sum", over)), over, keep);
}

gan_tensor *gan_mean(gan_tensor *x, gan_axes over, bool keep)
{
    gan_shape shape = kept_shape(x, "mean", over);
    return drop_axes(gan_affine(gan_sum_to(x, shape), 1 / reduced_count(x, over), 0), over, keep);
}

gan_tensor *gan_var(gan_tensor *x, gan_axes over, bool keep)
{
    gan_shape shape = kept_shape(x, "var", over);
    gan_tensor *squares = gan_square(gan_sub(x, gan_mean(x, over, true)));
    return drop_axes(gan_affine(gan_sum_to(squares, shape), 1 / (reduced_count(x, over) - 1), 0), over, keep);
}

/* The gradient of a norm at 0 is 0: there the root is taken of 1 instead. A NaN stays one. */
gan_tensor *gan_norm(gan_tensor *x, gan_axes over, bool keep)
{
    gan_shape shape = kept_shape(x, "norm", over);
    gan_tensor *squares = gan_sum_to(gan_square(x), shape), *zero = gan_eq(squares, gan_scalar(x->ctx, 0));
    gan_tensor *root = gan_sqrt(gan_where(zero, gan_scalar(x->ctx, 1), squares));
    return drop_axes(gan_mul(root, gan_affine(zero, -1, 1)), over, keep);
}

/* ---- The largest ---- */

struct extreme_work {
    gan_rows split; /* at the axis; places and y are outer x inner */
    const gan_real *x, *places_in;
    gan_real *y;
    bool smallest;
};

/* A NaN wins over everything, as in numpy: it must not hide. */
static void extreme_job(void *work, int64_t begin, int64_t end)
{
    struct extreme_work *w = work;
    int64_t along = w->split.along, inner = w->split.inner;
    for (int64_t at = begin; at < end; at++) {
        const gan_real *x = w->x + at / inner * along * inner + at % inner;
        int64_t best = 0;
        for (int64_t i = 1; i < along; i++) {
            gan_real new = x[i * inner], old = x[best * inner];
            if (old == old && (new != new || (w->smallest ? new < old : new > old)))
                best = i;
        }
        w->y[at] = (gan_real)best;
    }
}

/* Where the first extreme along axis is; the axis stays, with size 1. */
static gan_tensor *find_extreme(gan_tensor *x, const char *what, int axis, bool smallest)
{
    gan_check_axis(x, what, axis);
    gan_rows split = gan_rows_at(x->shape, axis);
    if (split.along == 0)
        gan_fail(x->ctx, GAN_ERROR_ARGUMENT, "%s: dimension %d of a tensor of shape %s has no elements", what, axis + 1,
                 GAN_TEXT(x->shape));
    if (split.along > 1 << 24) /* places are reals: a float counts no further */
        gan_fail(x->ctx, GAN_ERROR_ARGUMENT, "%s: dimension %d of a tensor of shape %s is longer than 16777216", what,
                 axis + 1, GAN_TEXT(x->shape));
    gan_shape shape = x->shape;
    shape.dims[axis] = 1;
    gan_tensor *places = gan_new(x->ctx, shape);
    struct extreme_work work = {split, x->data, NULL, places->data, smallest};
    gan_parallel(x->ctx, places->numel, GAN_GRAIN / split.along + 1, extreme_job, &work);
    return places;
}

gan_tensor *gan_argmax(gan_tensor *x, gan_axes over, bool keep)
{
    gan_shape shape = kept_shape(x, "argmax", over);
    int rank = x->shape.rank;
    gan_axes there = over & (GAN_AXIS(rank) - 1);
    if (there && (there & (there - 1)) == 0)
        return drop_axes(find_extreme(x, "argmax", __builtin_ctz(there), false), over, keep);
    if (there != GAN_AXIS(rank) - 1)
        gan_fail(x->ctx, GAN_ERROR_ARGUMENT, "argmax: wanted one dimension, or all of them");
    gan_tensor *flat = gan_view(x, GAN_SHAPE(x->numel));
    return drop_axes(gan_view(find_extreme(flat, "argmax", 0, false), shape), over, keep);
}

/* take: y[o][i] = x[o][places[o][i]][i]; put is its adjoint. */
static gan_tensor *take(gan_tensor *x, gan_tensor *places, int axis);
static gan_tensor *put(gan_tensor *y, gan_tensor *places, int axis, int64_t along);

static void take_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    int axis = (int)y->node->at.i[0];
    if (needed[0])
        dx[0] = put(dy, gan_input(y, 1), axis, gan_input(y, 0)->shape.dims[axis]);
}
static const gan_op take_op = {"max", take_grad, GAN_SAVES_INPUT(1)};

static void put_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = take(dy, gan_input(y, 1), (int)y->node->at.i[0]);
}
static const gan_op put_op = {"max's gradient", put_grad, GAN_SAVES_INPUT(1)};

static void take_job(void *work, int64_t begin, int64_t end)
{
    struct extreme_work *w = work;
    int64_t along = w->split.along, inner = w->split.inner;
    for (int64_t at = begin; at < end; at++)
        w->y[at] = w->x[(at / inner * along + (int64_t)w->places_in[at]) * inner + at % inner];
}

static void put_job(void *work, int64_t begin, int64_t end)
{
    struct extreme_work *w = work;
    int64_t along = w->split.along, inner = w->split.inner;
    for (int64_t at = begin; at < end; at++)
        w->y[(at / inner * along + (int64_t)w->places_in[at]) * inner + at % inner] = w->x[at];
}

static gan_tensor *take(gan_tensor *x, gan_tensor *places, int axis)
{
    gan_tensor *y = gan_new(x->ctx, places->shape);
    struct extreme_work work = {gan_rows_at(x->shape, axis), x->data, places->data, y->data, false};
    gan_parallel(x->ctx, y->numel, GAN_GRAIN, take_job, &work);
    return GAN_RECORD(y, &take_op, ((gan_attributes){.i = {axis}}), x, places);
}

static gan_tensor *put(gan_tensor *y, gan_tensor *places, int axis, int64_t along)
{
    gan_shape shape = y->shape;
    shape.dims[axis] = along;
    gan_tensor *x = gan_zeros(y->ctx, shape);
    struct extreme_work work = {gan_rows_at(shape, axis), y->data, places->data, x->data, false};
    gan_parallel(y->ctx, y->numel, GAN_GRAIN, put_job, &work);
    return GAN_RECORD(x, &put_op, ((gan_attributes){.i = {axis}}), y, places);
}

/* One axis after another, the last first: the first largest in row-major order stays the first. */
static gan_tensor *extreme(gan_tensor *x, const char *what, gan_axes over, bool keep, bool smallest)
{
    kept_shape(x, what, over);
    gan_tensor *y = x;
    for (int axis = x->shape.rank - 1; axis >= 0; axis--)
        if (over & GAN_AXIS(axis))
            y = take(y, find_extreme(y, what, axis, smallest), axis);
    return drop_axes(y == x ? gan_affine(x, 1, 0) : y, over, keep);
}

gan_tensor *gan_max(gan_tensor *x, gan_axes over, bool keep)
{
    return extreme(x, "max", over, keep, false);
}
gan_tensor *gan_min(gan_tensor *x, gan_axes over, bool keep)
{
    return extreme(x, "min", over, keep, true);
}
