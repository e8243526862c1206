/* conv.c - the convolution triple: three faces of one trilinear form, each the gradient of the others.
 *
 *   form(x, w, y) = sum over n, p, q, i, j, c, o of  x[n][s p + i - pad][s q + j - pad][c] w[i][j][c][o] y[n][p][q][o]
 *
 * conv2d is its derivative by y, conv2d_input by x, conv2d_weight by w. All three go through a matrix
 * of patches, one row for each place (n, p, q) and one column for each (i, j, c):
 *
 *   conv2d         y = patches(x) W        W: w as a matrix, (kh kw in) x out
 *   conv2d_weight  W = patches(x)^T y
 *   conv2d_input   patches = y W^T, and each patch is added where it came from
 *
 * The matrix is made in bands that fit a core's cache, several images at once where they are small,
 * so that the product over a whole batch runs near the speed of a plain matrix product. */
#include <limits.h>
#include <string.h>

#include "op.h"

/* Numbers in one thread's band of patches: a third of a usual second-level cache. */
enum { BAND = 1 << 17 };

struct conv {
    const gan_context *ctx;
    int64_t n, h, w, c, kh, kw, p, q, o; /* images, input, kernel, output's height and width, out channels */
    int64_t stride, pad;
    int64_t patch; /* kh kw c */
    int64_t rows;  /* rows of places (n, p) in one band */
    int slots;     /* bands that are worked on at the same time */
    const gan_real *x, *weight, *y;
    gan_real *result;  /* x's, y's, or a weight for each slot */
    gan_real *patches; /* a band for each slot */
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The range of kernel columns j for which s q + j - pad lies inside [0, w). */
static void inside(const struct conv *v, int64_t q, int64_t *first, int64_t *last)
{
    int64_t at = q * v->stride - v->pad;
    *first = least(v->kw, most(0, -at));
    *last = most(*first, least(v->kw, v->w - at));
}

/* Patches of the rows of places [row, row + rows), or the way back, which adds them to x. */
static void gather(const struct conv *v, int64_t row, int64_t rows, gan_real *patches)
{
    for (int64_t r = row; r < row + rows; r++) {
        const gan_real *image = v->x + r / v->p * v->h * v->w * v->c;
        int64_t top = r % v->p * v->stride - v->pad;
        for (int64_t q = 0; q < v->q; q++) {
            int64_t first, last, left = q * v->stride - v->pad;
            inside(v, q, &first, &last);
            for (int64_t i = 0; i < v->kh; i++, patches += v->kw * v->c) {
                if (top + i < 0 || top + i >= v->h) {
                    memset(patches, 0, (size_t)(v->kw * v->c) * sizeof *patches);
                    continue;
                }
                memset(patches, 0, (size_t)(first * v->c) * sizeof *patches);
                memcpy(patches + first * v->c, image + ((top + i) * v->w + left + first) * v->c,
                       (size_t)((last - first) * v->c) * sizeof *patches);
                memset(patches + last * v->c, 0, (size_t)((v->kw - last) * v->c) * sizeof *patches);
            }
        }
    }
}

static void scatter(const struct conv *v, int64_t row, int64_t rows, const gan_real *patches)
{
    for (int64_t r = row; r < row + rows; r++) {
        gan_real *image = v->result + r / v->p * v->h * v->w * v->c;
        int64_t top = r % v->p * v->stride - v->pad;
        for (int64_t q = 0; q < v->q; q++) {
            int64_t first, last, left = q * v->stride - v->pad;
            inside(v, q, &first, &last);
            for (int64_t i = 0; i < v->kh; i++, patches += v->kw * v->c) {
                if (top + i < 0 || top + i >= v->h)
                    continue;
                gan_real *to = image + ((top + i) * v->w + left + first) * v->c;
                const gan_real *from = patches + first * v->c;
                for (int64_t j = 0; j < (last - first) * v->c; j++)
                    to[j] += from[j];
            }
        }
    }
}

/* A 1x1 convolution without stride or padding needs no patches: x is the matrix. */
static bool is_plain(const struct conv *v)
{
    return v->kh == 1 && v->kw == 1 && v->stride == 1 && v->pad == 0;
}

/* ---- The three jobs: each item is a slot, with its own bands, buffer and result ---- */

static gan_real *own_patches(const struct conv *v, int64_t slot)
{
    return v->patches + slot * v->rows * v->q * v->patch;
}

/* The patches of a band: x itself where the convolution is plain. */
static const gan_real *patches_of(const struct conv *v, int64_t row, int64_t rows, gan_real *own)
{
    if (is_plain(v))
        return v->x + row * v->q * v->c;
    gather(v, row, rows, own);
    return own;
}

static void forward_job(void *work, int64_t begin, int64_t end)
{
    struct conv *v = work;
    int64_t all = v->n * v->p;
    for (int64_t slot = begin; slot < end; slot++)
        for (int64_t row = slot * v->rows; row < all && !v->ctx->cancelled; row += v->slots * v->rows) {
            int64_t rows = least(v->rows, all - row);
            gan_gemm(false, false, rows * v->q, v->o, v->patch, patches_of(v, row, rows, own_patches(v, slot)),
                     v->patch, v->weight, v->o, 0, v->result + row * v->q * v->o, v->o);
        }
}

static void weight_job(void *work, int64_t begin, int64_t end)
{
    struct conv *v = work;
    int64_t all = v->n * v->p;
    for (int64_t slot = begin; slot < end; slot++) {
        gan_real *sum = v->result + slot * v->patch * v->o;
        memset(sum, 0, (size_t)(v->patch * v->o) * sizeof *sum);
        for (int64_t row = slot * v->rows; row < all && !v->ctx->cancelled; row += v->slots * v->rows) {
            int64_t rows = least(v->rows, all - row);
            gan_gemm(true, false, v->patch, v->o, rows * v->q, patches_of(v, row, rows, own_patches(v, slot)), v->patch,
                     v->y + row * v->q * v->o, v->o, 1, sum, v->o);
        }
    }
}

/* Patches of one image overlap, so a slot takes whole images. */
static void input_job(void *work, int64_t begin, int64_t end)
{
    struct conv *v = work;
    for (int64_t slot = begin; slot < end; slot++) {
        int64_t first = v->n * slot / v->slots * v->p, last = v->n * (slot + 1) / v->slots * v->p;
        int64_t image = v->h * v->w * v->c;
        if (v->p && !is_plain(v))
            memset(v->result + first / v->p * image, 0, (size_t)((last - first) / v->p * image) * sizeof *v->result);
        for (int64_t row = first; row < last && !v->ctx->cancelled; row += v->rows) {
            int64_t rows = least(v->rows, last - row);
            gan_real *patches = is_plain(v) ? v->result + row * v->q * v->c : own_patches(v, slot);
            gan_gemm(false, true, rows * v->q, v->patch, v->o, v->y + row * v->q * v->o, v->o, v->weight, v->o, 0,
                     patches, v->patch);
            if (!is_plain(v))
                scatter(v, row, rows, patches);
        }
    }
}

/* ---- Checks and plans ---- */

static void check_stride_and_pad(gan_context *ctx, const char *what, int stride, int pad)
{
    if (stride < 1 || stride > 1 << 20)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "%s: stride must be at least 1, got %d", what, stride);
    if (pad < 0 || pad > 1 << 20)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "%s: pad must not be negative, got %d", what, pad);
}

static void check_image(gan_tensor *t, const char *what, const char *name)
{
    if (t->shape.rank != 4)
        gan_fail(t->ctx, GAN_ERROR_ARGUMENT, "%s: %s must be N x H x W x C, got shape %s", what, name,
                 GAN_TEXT(t->shape));
}

/* How many places a kernel has along an axis; fails where it has none. */
static int64_t places(gan_context *ctx, const char *what, const char *axis, int64_t size, int64_t kernel, int stride,
                      int pad)
{
    if (kernel < 1)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "%s: a kernel's %s must be at least 1, got %lld", what, axis,
                 (long long)kernel);
    if (size > INT_MAX || size + 2 * (int64_t)pad < kernel)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "%s: a kernel of %s %lld does not fit an input of %s %lld padded by %d", what,
                 axis, (long long)kernel, axis, (long long)size, pad);
    return (size + 2 * (int64_t)pad - kernel) / stride + 1;
}

/* Fills in what follows from the sizes and pointers: the patches, their bands and the slots. */
static void plan(gan_context *ctx, const char *what, struct conv *v)
{
    if (__builtin_mul_overflow(v->kh * v->kw, v->c, &v->patch) || v->patch > INT_MAX || v->o > INT_MAX ||
        v->q > INT_MAX / most(1, v->patch))
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "%s: a kernel of %lldx%lld over %lld channels is too large", what,
                 (long long)v->kh, (long long)v->kw, (long long)v->c);
    int64_t row = most(1, v->q * v->patch), rows = v->n * v->p;
    v->ctx = ctx;
    v->slots = gan_gemm_slots(ctx);
    v->rows = most(1, least(BAND / row, (rows + v->slots - 1) / v->slots));
    v->slots = (int)most(1, least(v->slots, (rows + v->rows - 1) / v->rows));
}

static void run(gan_context *ctx, struct conv *v, gan_job *job)
{
    if (!is_plain(v))
        v->patches = gan_scratch(ctx, (size_t)(v->slots * v->rows * v->q * v->patch) * sizeof(gan_real));
    gan_parallel(ctx, v->slots, 1, job, v);
}

/* ---- The ops ---- */

static gan_attributes settings(int stride, int pad)
{
    return (gan_attributes){.i = {stride, pad}};
}

static void conv2d_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    gan_tensor *x = gan_input(y, 0), *w = gan_input(y, 1);
    int stride = (int)y->node->at.i[0], pad = (int)y->node->at.i[1];
    if (needed[0])
        dx[0] = gan_conv2d_input(dy, w, x->shape.dims[1], x->shape.dims[2], stride, pad);
    if (needed[1])
        dx[1] = gan_conv2d_weight(x, dy, w->shape.dims[0], w->shape.dims[1], stride, pad);
}
static const gan_op conv2d_op = {"conv2d", conv2d_grad, GAN_SAVES_INPUT(0) | GAN_SAVES_INPUT(1)};

gan_tensor *gan_conv2d(gan_tensor *x, gan_tensor *w, int stride, int pad)
{
    gan_context *ctx = x->ctx;
    gan_check_contexts("conv2d", x, w);
    check_image(x, "conv2d", "the input");
    if (w->shape.rank != 4 || w->shape.dims[2] != x->shape.dims[3])
        gan_fail(ctx, GAN_ERROR_ARGUMENT,
                 "conv2d: wanted a weight of kh x kw x %lld x out for an input of shape %s, got shape %s",
                 (long long)x->shape.dims[3], GAN_TEXT(x->shape), GAN_TEXT(w->shape));
    check_stride_and_pad(ctx, "conv2d", stride, pad);
    const int64_t *sx = x->shape.dims, *sw = w->shape.dims;
    struct conv v = {.n = sx[0],
                     .h = sx[1],
                     .w = sx[2],
                     .c = sx[3],
                     .kh = sw[0],
                     .kw = sw[1],
                     .o = sw[3],
                     .p = places(ctx, "conv2d", "height", sx[1], sw[0], stride, pad),
                     .q = places(ctx, "conv2d", "width", sx[2], sw[1], stride, pad),
                     .stride = stride,
                     .pad = pad,
                     .x = x->data,
                     .weight = w->data};
    plan(ctx, "conv2d", &v);
    gan_tensor *y = gan_new(ctx, GAN_SHAPE(v.n, v.p, v.q, v.o));
    size_t mark = gan_pool_mark(ctx);
    v.result = y->data;
    run(ctx, &v, forward_job);
    gan_pool_release(ctx, mark);
    return GAN_RECORD(y, &conv2d_op, settings(stride, pad), x, w);
}

static void conv2d_input_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    gan_tensor *x = gan_input(y, 0), *w = gan_input(y, 1);
    int stride = (int)y->node->at.i[0], pad = (int)y->node->at.i[1];
    if (needed[0])
        dx[0] = gan_conv2d(dy, w, stride, pad);
    if (needed[1])
        dx[1] = gan_conv2d_weight(dy, x, w->shape.dims[0], w->shape.dims[1], stride, pad);
}
static const gan_op conv2d_input_op = {"conv2d_input", conv2d_input_grad, GAN_SAVES_INPUT(0) | GAN_SAVES_INPUT(1)};

gan_tensor *gan_conv2d_input(gan_tensor *y, gan_tensor *w, int64_t height, int64_t width, int stride, int pad)
{
    gan_context *ctx = y->ctx;
    gan_check_contexts("conv2d_input", y, w);
    check_image(y, "conv2d_input", "the input");
    if (w->shape.rank != 4 || w->shape.dims[3] != y->shape.dims[3])
        gan_fail(ctx, GAN_ERROR_ARGUMENT,
                 "conv2d_input: wanted a weight of kh x kw x out x %lld for an input of shape %s, got shape %s",
                 (long long)y->shape.dims[3], GAN_TEXT(y->shape), GAN_TEXT(w->shape));
    check_stride_and_pad(ctx, "conv2d_input", stride, pad);
    const int64_t *sy = y->shape.dims, *sw = w->shape.dims;
    struct conv v = {.n = sy[0],
                     .h = height,
                     .w = width,
                     .c = sw[2],
                     .kh = sw[0],
                     .kw = sw[1],
                     .o = sw[3],
                     .p = places(ctx, "conv2d_input", "height", height, sw[0], stride, pad),
                     .q = places(ctx, "conv2d_input", "width", width, sw[1], stride, pad),
                     .stride = stride,
                     .pad = pad,
                     .y = y->data,
                     .weight = w->data};
    if (v.p != sy[1] || v.q != sy[2])
        gan_fail(ctx, GAN_ERROR_ARGUMENT,
                 "conv2d_input: a result of %lldx%lld (kernel %lldx%lld, stride %d, pad %d) has %lldx%lld places, the "
                 "input of shape %s has %lldx%lld",
                 (long long)height, (long long)width, (long long)v.kh, (long long)v.kw, stride, pad, (long long)v.p,
                 (long long)v.q, GAN_TEXT(y->shape), (long long)sy[1], (long long)sy[2]);
    plan(ctx, "conv2d_input", &v);
    v.slots = (int)most(1, least(v.slots, v.n));
    gan_tensor *x = gan_new(ctx, GAN_SHAPE(v.n, v.h, v.w, v.c));
    size_t mark = gan_pool_mark(ctx);
    v.result = x->data;
    run(ctx, &v, input_job);
    gan_pool_release(ctx, mark);
    return GAN_RECORD(x, &conv2d_input_op, settings(stride, pad), y, w);
}

static void conv2d_weight_grad(gan_tensor *w, gan_tensor *dw, const bool *needed, gan_tensor **dx)
{
    gan_tensor *x = gan_input(w, 0), *y = gan_input(w, 1);
    int stride = (int)w->node->at.i[0], pad = (int)w->node->at.i[1];
    if (needed[0])
        dx[0] = gan_conv2d_input(y, dw, x->shape.dims[1], x->shape.dims[2], stride, pad);
    if (needed[1])
        dx[1] = gan_conv2d(x, dw, stride, pad);
}
static const gan_op conv2d_weight_op = {"conv2d_weight", conv2d_weight_grad, GAN_SAVES_INPUT(0) | GAN_SAVES_INPUT(1)};

gan_tensor *gan_conv2d_weight(gan_tensor *x, gan_tensor *y, int64_t kernel_h, int64_t kernel_w, int stride, int pad)
{
    gan_context *ctx = x->ctx;
    gan_check_contexts("conv2d_weight", x, y);
    check_image(x, "conv2d_weight", "the input");
    check_image(y, "conv2d_weight", "the output's gradient");
    check_stride_and_pad(ctx, "conv2d_weight", stride, pad);
    const int64_t *sx = x->shape.dims, *sy = y->shape.dims;
    struct conv v = {.n = sx[0],
                     .h = sx[1],
                     .w = sx[2],
                     .c = sx[3],
                     .kh = kernel_h,
                     .kw = kernel_w,
                     .o = sy[3],
                     .p = places(ctx, "conv2d_weight", "height", sx[1], kernel_h, stride, pad),
                     .q = places(ctx, "conv2d_weight", "width", sx[2], kernel_w, stride, pad),
                     .stride = stride,
                     .pad = pad,
                     .x = x->data,
                     .y = y->data};
    if (v.n != sy[0] || v.p != sy[1] || v.q != sy[2])
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "conv2d_weight: wanted an output of shape %lldx%lldx%lldxC, got %s",
                 (long long)v.n, (long long)v.p, (long long)v.q, GAN_TEXT(y->shape));
    plan(ctx, "conv2d_weight", &v);
    gan_tensor *w = gan_new(ctx, GAN_SHAPE(v.kh, v.kw, v.c, v.o));
    size_t mark = gan_pool_mark(ctx);
    /* Each slot adds up its own bands; the sums are then added in the order of the slots. */
    v.result = v.slots == 1 ? w->data : gan_scratch(ctx, (size_t)(v.slots * w->numel) * sizeof *v.result);
    run(ctx, &v, weight_job);
    if (v.slots > 1) {
        memcpy(w->data, v.result, (size_t)w->numel * sizeof *w->data);
        for (int slot = 1; slot < v.slots; slot++)
            ctx->kernels->axpy(w->numel, 1, v.result + slot * w->numel, w->data);
    }
    gan_pool_release(ctx, mark);
    return GAN_RECORD(w, &conv2d_weight_op, settings(stride, pad), x, y);
}
