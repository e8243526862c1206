/* shape.c - moving numbers without changing them: reshape, permute, slices, joins, gathers.
 *
 * The pairs slice and pad, index and scatter_add, are each other's gradient; concat's gradient is
 * slices; permute's is the inverse permutation. Only reshape shares storage. */
#include <math.h>
#include <string.h>

#include "op.h"

/* ---- Reshape ---- */

static void reshape_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_reshape(dy, gan_input(y, 0)->shape);
}
static const gan_op reshape_op = {"reshape", reshape_grad, 0};

gan_tensor *gan_reshape(gan_tensor *x, gan_shape shape)
{
    gan_context *ctx = x->ctx;
    gan_shape wanted = shape;
    int open = -1;
    for (int i = 0; i < shape.rank && i < GAN_MAX_RANK; i++) {
        if (shape.dims[i] != -1)
            continue;
        if (open >= 0)
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "reshape: only one size can be -1, got %s", GAN_TEXT(wanted));
        open = i;
        shape.dims[i] = 1;
    }
    int64_t numel = gan_checked_numel(ctx, shape);
    if (open >= 0 && numel > 0 && x->numel % numel == 0) {
        shape.dims[open] = x->numel / numel;
        numel = x->numel;
    }
    if (numel != x->numel || (open >= 0 && numel == 0))
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "reshape: a tensor of shape %s (%lld elements) cannot become %s",
                 GAN_TEXT(x->shape), (long long)x->numel, GAN_TEXT(wanted));
    return GAN_RECORD(gan_view(x, shape), &reshape_op, ((gan_attributes){{0}, {0}}), x);
}

/* ---- Permute ---- */

struct permute_work {
    const gan_real *x;
    gan_real *y;
    int rank;
    int64_t size[GAN_MAX_RANK], step[GAN_MAX_RANK]; /* of y's axes; step: in x */
};

static void permute_job(void *work, int64_t begin, int64_t end)
{
    struct permute_work *w = work;
    int last = w->rank - 1;
    int64_t run = w->size[last], step = w->step[last];
    for (int64_t row = begin; row < end; row++) {
        const gan_real *x = w->x;
        int64_t rest = row;
        for (int i = last - 1; i >= 0; i--) {
            x += rest % w->size[i] * w->step[i];
            rest /= w->size[i];
        }
        gan_real *y = w->y + row * run;
        if (step == 1)
            memcpy(y, x, (size_t)run * sizeof *y);
        else
            for (int64_t j = 0; j < run; j++)
                y[j] = x[j * step];
    }
}

static void permute_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    gan_shape inverse = {.rank = y->shape.rank};
    for (int i = 0; i < y->shape.rank; i++)
        inverse.dims[y->node->at.i[i]] = i;
    if (needed[0])
        dx[0] = gan_permute(dy, inverse);
}
static const gan_op permute_op = {"permute", permute_grad, 0};

gan_tensor *gan_permute(gan_tensor *x, gan_shape order)
{
    gan_context *ctx = x->ctx;
    int rank = x->shape.rank;
    gan_axes met = 0;
    for (int i = 0; i < order.rank && i < GAN_MAX_RANK; i++)
        if (order.dims[i] >= 0 && order.dims[i] < rank)
            met |= GAN_AXIS(order.dims[i]);
    if (order.rank != rank || met != GAN_AXIS(rank) - 1)
        gan_fail(ctx, GAN_ERROR_ARGUMENT,
                 "permute: the order must name each of the %d dimensions of a tensor of shape %s once", rank,
                 GAN_TEXT(x->shape));
    gan_shape shape = {.rank = rank};
    gan_attributes at = {{0}, {0}};
    int64_t steps[GAN_MAX_RANK], step = 1;
    for (int i = rank - 1; i >= 0; i--) {
        steps[i] = step;
        step *= x->shape.dims[i];
    }
    struct permute_work work = {.x = x->data, .rank = rank ? rank : 1, .size = {1}, .step = {1}};
    for (int i = 0; i < rank; i++) {
        at.i[i] = order.dims[i];
        work.size[i] = shape.dims[i] = x->shape.dims[order.dims[i]];
        work.step[i] = steps[order.dims[i]];
    }
    gan_tensor *y = gan_new(ctx, shape);
    work.y = y->data;
    int64_t run = work.size[work.rank - 1];
    if (run)
        gan_parallel(ctx, y->numel / run, GAN_GRAIN / run + 1, permute_job, &work);
    return GAN_RECORD(y, &permute_op, at, x);
}

gan_tensor *gan_transpose(gan_tensor *x, int axis1, int axis2)
{
    gan_check_axis(x, "transpose", axis1);
    gan_check_axis(x, "transpose", axis2);
    gan_shape order = {.rank = x->shape.rank};
    for (int i = 0; i < order.rank; i++)
        order.dims[i] = i == axis1 ? axis2 : i == axis2 ? axis1 : i;
    return gan_permute(x, order);
}

/* ---- Slices, padding, joins ---- */

struct copy_work {
    const gan_real *from;
    gan_real *to;
    int64_t from_step, to_step, run;
};

static void copy_job(void *work, int64_t begin, int64_t end)
{
    struct copy_work *w = work;
    for (int64_t i = begin; i < end; i++)
        memcpy(w->to + i * w->to_step, w->from + i * w->from_step, (size_t)w->run * sizeof *w->to);
}

static void copy_blocks(gan_context *ctx, int64_t count, struct copy_work work)
{
    if (work.run)
        gan_parallel(ctx, count, GAN_GRAIN / work.run + 1, copy_job, &work);
}

static void slice_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    int axis = (int)y->node->at.i[0];
    int64_t start = y->node->at.i[1], whole = gan_input(y, 0)->shape.dims[axis];
    if (needed[0])
        dx[0] = gan_pad(dy, axis, start, whole - start - y->shape.dims[axis]);
}
static const gan_op slice_op = {"narrow", slice_grad, 0};

gan_tensor *gan_slice(gan_tensor *x, int axis, int64_t start, int64_t length)
{
    gan_check_axis(x, "narrow", axis);
    gan_rows rows = gan_rows_at(x->shape, axis);
    if (start < 0 || length < 0 || start > rows.along || length > rows.along - start)
        gan_fail(x->ctx, GAN_ERROR_ARGUMENT,
                 "narrow: %lld places from %lld on are not all in dimension %d of a tensor of shape %s",
                 (long long)length, (long long)start + 1, axis + 1, GAN_TEXT(x->shape));
    gan_shape shape = x->shape;
    shape.dims[axis] = length;
    gan_tensor *y = gan_new(x->ctx, shape);
    copy_blocks(x->ctx, rows.outer,
                (struct copy_work){x->data + start * rows.inner, y->data, rows.along * rows.inner, length * rows.inner,
                                   length * rows.inner});
    return GAN_RECORD(y, &slice_op, ((gan_attributes){.i = {axis, start}}), x);
}

static void pad_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    int axis = (int)y->node->at.i[0];
    if (needed[0])
        dx[0] = gan_slice(dy, axis, y->node->at.i[1], gan_input(y, 0)->shape.dims[axis]);
}
static const gan_op pad_op = {"pad", pad_grad, 0};

gan_tensor *gan_pad(gan_tensor *x, int axis, int64_t before, int64_t after)
{
    gan_check_axis(x, "pad", axis);
    gan_rows rows = gan_rows_at(x->shape, axis);
    gan_shape shape = x->shape;
    if (before < 0 || after < 0 || __builtin_add_overflow(rows.along, before, &shape.dims[axis]) ||
        __builtin_add_overflow(shape.dims[axis], after, &shape.dims[axis]))
        gan_fail(x->ctx, GAN_ERROR_ARGUMENT, "pad: %lld before and %lld after are not possible", (long long)before,
                 (long long)after);
    gan_tensor *y = gan_zeros(x->ctx, shape);
    copy_blocks(x->ctx, rows.outer,
                (struct copy_work){x->data, y->data + before * rows.inner, rows.along * rows.inner,
                                   shape.dims[axis] * rows.inner, rows.along * rows.inner});
    return GAN_RECORD(y, &pad_op, ((gan_attributes){.i = {axis, before}}), x);
}

static void concat_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    int axis = (int)y->node->at.i[0];
    int64_t start = 0;
    for (int i = 0; i < y->node->count; i++) {
        int64_t length = gan_input(y, i)->shape.dims[axis];
        if (needed[i])
            dx[i] = gan_slice(dy, axis, start, length);
        start += length;
    }
}
static const gan_op concat_op = {"concat", concat_grad, 0};

gan_tensor *gan_concat(int count, gan_tensor *const parts[], int axis)
{
    gan_context *ctx = parts[0]->ctx;
    gan_check_axis(parts[0], "concat", axis);
    gan_shape shape = parts[0]->shape;
    for (int i = 1; i < count; i++) {
        gan_check_contexts("concat", parts[0], parts[i]);
        gan_shape same = parts[i]->shape;
        if (same.rank == shape.rank)
            same.dims[axis] = shape.dims[axis];
        if (!gan_same_shape(same, shape))
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "concat: part %d of shape %s does not join %s along dimension %d", i + 1,
                     GAN_TEXT(parts[i]->shape), GAN_TEXT(parts[0]->shape), axis + 1);
    }
    for (int i = 1; i < count; i++)
        if (__builtin_add_overflow(shape.dims[axis], parts[i]->shape.dims[axis], &shape.dims[axis]))
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "concat: the parts are too large together");
    gan_tensor *y = gan_new(ctx, shape);
    gan_rows rows = gan_rows_at(shape, axis);
    int64_t start = 0;
    for (int i = 0; i < count; i++) {
        int64_t run = parts[i]->shape.dims[axis] * rows.inner;
        copy_blocks(ctx, rows.outer,
                    (struct copy_work){parts[i]->data, y->data + start, run, rows.along * rows.inner, run});
        start += run;
    }
    return gan_record(y, &concat_op, (gan_attributes){.i = {axis}}, count, parts);
}

/* ---- Gathers ---- */

static void check_indices(const char *what, gan_tensor *indices, int64_t size)
{
    gan_context *ctx = indices->ctx;
    if (indices->shape.rank != 1)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "%s: indices must be a list of numbers, got a tensor of shape %s", what,
                 GAN_TEXT(indices->shape));
    for (int64_t i = 0; i < indices->numel; i++) {
        double at = (double)indices->data[i];
        if (!(at >= 0 && at < (double)size && at == floor(at)))
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "%s: index %lld must be a whole number from 1 to %lld, got %g", what,
                     (long long)i + 1, (long long)size, at + 1);
    }
}

static void index_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    int axis = (int)y->node->at.i[0];
    if (needed[0])
        dx[0] = gan_scatter_add(dy, axis, gan_input(y, 1), gan_input(y, 0)->shape.dims[axis]);
}
static const gan_op index_op = {"index", index_grad, GAN_SAVES_INPUT(1)};

gan_tensor *gan_index(gan_tensor *x, int axis, gan_tensor *indices)
{
    gan_check_axis(x, "index", axis);
    gan_check_contexts("index", x, indices);
    gan_rows rows = gan_rows_at(x->shape, axis);
    check_indices("index", indices, rows.along);
    gan_shape shape = x->shape;
    shape.dims[axis] = indices->numel;
    gan_tensor *y = gan_new(x->ctx, shape);
    for (int64_t o = 0; o < rows.outer; o++)
        for (int64_t i = 0; i < indices->numel; i++)
            memcpy(y->data + (o * indices->numel + i) * rows.inner,
                   x->data + (o * rows.along + (int64_t)indices->data[i]) * rows.inner,
                   (size_t)rows.inner * sizeof *y->data);
    return GAN_RECORD(y, &index_op, ((gan_attributes){.i = {axis}}), x, indices);
}

static void scatter_add_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_index(dy, (int)y->node->at.i[0], gan_input(y, 1));
}
static const gan_op scatter_add_op = {"scatter_add", scatter_add_grad, GAN_SAVES_INPUT(1)};

gan_tensor *gan_scatter_add(gan_tensor *x, int axis, gan_tensor *indices, int64_t size)
{
    gan_check_axis(x, "scatter_add", axis);
    gan_check_contexts("scatter_add", x, indices);
    check_indices("scatter_add", indices, size);
    gan_rows rows = gan_rows_at(x->shape, axis);
    if (rows.along != indices->numel)
        gan_fail(x->ctx, GAN_ERROR_ARGUMENT, "scatter_add: %lld indices for dimension %d of a tensor of shape %s",
                 (long long)indices->numel, axis + 1, GAN_TEXT(x->shape));
    gan_shape shape = x->shape;
    shape.dims[axis] = size;
    gan_tensor *y = gan_zeros(x->ctx, shape);
    for (int64_t o = 0; o < rows.outer; o++)
        for (int64_t i = 0; i < rows.along; i++)
            x->ctx->kernels->axpy(rows.inner, 1, x->data + (o * rows.along + i) * rows.inner,
                                  y->data + (o * size + (int64_t)indices->data[i]) * rows.inner);
    return GAN_RECORD(y, &scatter_add_op, ((gan_attributes){.i = {axis}}), x, indices);
}
