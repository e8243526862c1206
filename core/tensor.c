/* tensor.c - making tensors, asking about them, and the shape arithmetic that all ops share. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "op.h"

/* ---- Shapes ---- */

int64_t gan_checked_numel(gan_context *ctx, gan_shape shape)
{
    if (shape.rank < 0 || shape.rank > GAN_MAX_RANK)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "a tensor has at most %d dimensions, got %d", GAN_MAX_RANK, shape.rank);
    /* Zeros are multiplied last, so that an overflow next to a zero is still told. */
    int64_t numel = 1;
    bool empty = false;
    for (int i = 0; i < shape.rank; i++) {
        int64_t size = shape.dims[i];
        if (size < 0)
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "a size cannot be negative, got %s", GAN_TEXT(shape));
        if (size == 0)
            empty = true;
        else if (__builtin_mul_overflow(numel, size, &numel) || numel > (int64_t)1 << 58)
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "a tensor of shape %s is too large", GAN_TEXT(shape));
    }
    return empty ? 0 : numel;
}

bool gan_same_shape(gan_shape a, gan_shape b)
{
    if (a.rank != b.rank)
        return false;
    for (int i = 0; i < a.rank; i++)
        if (a.dims[i] != b.dims[i])
            return false;
    return true;
}

char *gan_shape_text(gan_shape shape, char *text, size_t size)
{
    size_t used = 0;
    snprintf(text, size, "scalar");
    for (int i = 0; i < shape.rank && i < GAN_MAX_RANK && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, i ? "x%lld" : "%lld", (long long)shape.dims[i]);
    return text;
}

gan_shape gan_broadcast(gan_context *ctx, const char *what, gan_shape a, gan_shape b)
{
    gan_shape y = {.rank = a.rank > b.rank ? a.rank : b.rank};
    for (int i = 0; i < y.rank; i++) {
        int ia = i - (y.rank - a.rank), ib = i - (y.rank - b.rank);
        int64_t da = ia < 0 ? 1 : a.dims[ia], db = ib < 0 ? 1 : b.dims[ib];
        if (da != db && da != 1 && db != 1)
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "%s: shapes %s and %s do not broadcast", what, GAN_TEXT(a), GAN_TEXT(b));
        y.dims[i] = da == 1 ? db : da;
    }
    return y;
}

void gan_check_axis(gan_tensor *t, const char *what, int axis)
{
    if (axis < 0 || axis >= t->shape.rank)
        gan_fail(t->ctx, GAN_ERROR_ARGUMENT, "%s: dimension %d is not one of a tensor of shape %s", what, axis + 1,
                 GAN_TEXT(t->shape));
}

void gan_check_contexts(const char *what, gan_tensor *t, gan_tensor *u)
{
    if (t->ctx != u->ctx)
        gan_fail(t->ctx, GAN_ERROR_ARGUMENT, "%s: tensors of two contexts cannot meet", what);
}

gan_rows gan_rows_at(gan_shape shape, int axis)
{
    gan_rows rows = {1, shape.dims[axis], 1};
    for (int i = 0; i < axis; i++)
        rows.outer *= shape.dims[i];
    for (int i = axis + 1; i < shape.rank; i++)
        rows.inner *= shape.dims[i];
    return rows;
}

/* ---- Asking ---- */

gan_context *gan_context_of(const gan_tensor *t)
{
    return t->ctx;
}
gan_shape gan_shape_of(const gan_tensor *t)
{
    return t->shape;
}
int gan_rank(const gan_tensor *t)
{
    return t->shape.rank;
}
int64_t gan_numel(const gan_tensor *t)
{
    return t->numel;
}
const gan_real *gan_data(const gan_tensor *t)
{
    return t->data;
}
bool gan_is_leaf(const gan_tensor *t)
{
    return !t->node && !t->consumed;
}
bool gan_recording(const gan_context *ctx)
{
    return ctx->recording;
}
const char *gan_kernel_set(const gan_context *ctx)
{
    return ctx->choice->name;
}

int64_t gan_dim(const gan_tensor *t, int axis)
{
    gan_check_axis((gan_tensor *)t, "dim", axis);
    return t->shape.dims[axis];
}

bool gan_set_recording(gan_context *ctx, bool on)
{
    bool before = ctx->recording;
    ctx->recording = on;
    return before;
}

void gan_choose_kernels(gan_context *ctx, const gan_kernel_choice *choice)
{
    ctx->choice = choice;
    ctx->kernels = choice->loops;
    ctx->products = choice->products[ctx->config.precision];
    ctx->vectors = choice->products[GAN_PRECISION_FLOAT32];
}

bool gan_set_kernel_set(gan_context *ctx, const char *name)
{
    const gan_kernel_choice *choice = gan_find_kernels(name);
    if (choice)
        gan_choose_kernels(ctx, choice);
    return choice != NULL;
}

gan_precision gan_precision_of(const gan_context *ctx)
{
    return ctx->config.precision;
}

void gan_set_precision(gan_context *ctx, gan_precision precision)
{
    ctx->config.precision = precision;
    gan_choose_kernels(ctx, ctx->choice);
}

gan_real *gan_write(gan_tensor *t)
{
    if (!gan_is_leaf(t))
        gan_fail(t->ctx, GAN_ERROR_ARGUMENT,
                 "only a leaf can be changed in place; this tensor was made by %s (copy or detach it first)",
                 t->node ? t->node->op->name : "an op");
    t->version = ++t->storage->version;
    return t->data;
}

gan_real gan_item(const gan_tensor *t)
{
    if (t->numel != 1)
        gan_fail(t->ctx, GAN_ERROR_ARGUMENT, "item: wanted a tensor with one element, got one of shape %s",
                 GAN_TEXT(t->shape));
    return t->data[0];
}

struct finite_work {
    const gan_tensor *t;
    _Atomic bool finite;
};

static void finite_job(void *work, int64_t begin, int64_t end)
{
    struct finite_work *w = work;
    if (!w->t->ctx->kernels->all_finite(end - begin, w->t->data + begin))
        w->finite = false;
}

bool gan_all_finite(const gan_tensor *t)
{
    struct finite_work work = {t, true};
    gan_parallel_whole(t->ctx, t->numel, GAN_GRAIN, finite_job, &work);
    return work.finite;
}

/* ---- Making ---- */

gan_tensor *gan_from(gan_context *ctx, gan_shape shape, const gan_real *from)
{
    gan_tensor *t = gan_new(ctx, shape);
    if (from)
        memcpy(t->data, from, (size_t)t->numel * sizeof *from);
    return t;
}

gan_tensor *gan_full(gan_context *ctx, gan_shape shape, double value)
{
    gan_tensor *t = gan_new(ctx, shape);
    for (int64_t i = 0; i < t->numel; i++)
        t->data[i] = (gan_real)value;
    return t;
}

gan_tensor *gan_zeros(gan_context *ctx, gan_shape shape)
{
    gan_tensor *t = gan_new(ctx, shape);
    memset(t->data, 0, (size_t)t->numel * sizeof(gan_real));
    return t;
}

gan_tensor *gan_scalar(gan_context *ctx, double value)
{
    return gan_full(ctx, GAN_SCALAR, value);
}

gan_tensor *gan_arange(gan_context *ctx, double from, double to, double step)
{
    double count = ceil((to - from) / step);
    if (step == 0 || !isfinite(count))
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "arange: no way from %g to %g by steps of %g", from, to, step);
    if (count > 0x1p53)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "arange: %g to %g by steps of %g is too large", from, to, step);
    gan_tensor *t = gan_new(ctx, GAN_SHAPE(count < 0 ? 0 : (int64_t)count));
    for (int64_t i = 0; i < t->numel; i++)
        t->data[i] = (gan_real)(from + (double)i * step);
    return t;
}

gan_tensor *gan_linspace(gan_context *ctx, double from, double to, int64_t count)
{
    gan_tensor *t = gan_new(ctx, GAN_SHAPE(count));
    for (int64_t i = 0; i < count; i++) {
        double share = count > 1 ? (double)i / (double)(count - 1) : 0;
        t->data[i] = (gan_real)(from * (1 - share) + to * share); /* exact at both ends */
    }
    return t;
}

gan_tensor *gan_detach(gan_tensor *t)
{
    return gan_view(t, t->shape);
}
gan_tensor *gan_copy(gan_tensor *t)
{
    return gan_from(t->ctx, t->shape, t->data);
}
