/* conv.c - the convolution triple: three faces of one trilinear form, each the gradient of the others.
 *
 * conv2d is the form's derivative by y, conv2d_input by x, conv2d_weight by w (conv.h). Where the
 * kernel or the picture is a single place, a face is one matrix product. The portable kernel set goes
 * through matrices of patches; the others compute pictures where they lie. */
#include <limits.h>

#include "conv.h"

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

static void check_patch(gan_context *ctx, const char *what, gan_conv *v)
{
    if (__builtin_mul_overflow(v->kh * v->kw, v->c, &v->patch) || v->patch > INT_MAX || v->o > INT_MAX ||
        v->q > INT_MAX / gan_most(1, v->patch))
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "%s: a kernel of %lldx%lld over %lld channels is too large", what,
                 (long long)v->kh, (long long)v->kw, (long long)v->c);
}

/* Where each number of x meets each of the kernel at most once, x is a matrix as it lies: a 1x1
 * kernel at every pixel, or a kernel as large as the picture. */
static bool is_product(const gan_conv *v)
{
    bool single = v->kh == 1 && v->kw == 1 && v->stride == 1;
    bool whole = v->kh == v->h && v->kw == v->w;
    return v->pad == 0 && (single || whole);
}

/* Fewer channels than half a vector has lanes waste most of a direct kernel's tile to the input. */
enum { FEW_CHANNELS = 8 };

/* What multiplies: for the face's product under one row of taps or one tap, many times. */
static const gan_products *products_for(const gan_context *ctx, const gan_conv *v)
{
    int64_t places = v->n * v->p * v->q, times = v->kh * v->rows.kw;
    if (v->face == GAN_CONV_FORWARD)
        return gan_products_for(ctx, places, v->o, v->rows.c, times);
    if (v->face == GAN_CONV_INPUT)
        return gan_products_for(ctx, places, v->c, v->o, times);
    bool few = v->rows.kw < v->kw; /* channels: splitting them for so small a product would cost more than it saves */
    return few && ctx->products && ctx->products->worth > 0 ? ctx->vectors
                                                            : gan_products_for(ctx, v->rows.c, v->o, places, times);
}

static void compute_by_product(gan_context *ctx, const gan_conv *v)
{
    int64_t rows = v->n * v->p * v->q;
    if (v->face == GAN_CONV_FORWARD)
        gan_product(ctx, false, false, 1, rows, v->o, v->patch, v->x, v->weight, v->result);
    else if (v->face == GAN_CONV_INPUT)
        gan_product(ctx, false, true, 1, rows, v->patch, v->o, v->y, v->weight, v->result);
    else
        gan_product(ctx, true, false, 1, v->patch, v->o, rows, v->x, v->y, v->result);
}

/* By whichever way is the best; true where bias and leak are in the result. */
static bool compute_by_kernel(gan_context *ctx, gan_conv *v)
{
    bool few = v->face == GAN_CONV_INPUT && v->c < FEW_CHANNELS;
    gan_spend(ctx, 2.0 * (double)(v->n * v->p * v->q) * (double)v->o * (double)v->patch / GAN_OPERATIONS);
    if (!v->products || v->n == 0 || v->c == 0 || v->o == 0 || few) {
        gan_conv_patches(ctx, v);
        return false;
    }
    if (gan_winograd_pays(v)) {
        gan_conv_winograd(ctx, v);
        return false;
    }
    gan_conv_widen(ctx, v);
    (v->products->tiles ? gan_conv_tiles : gan_conv_direct)(ctx, v);
    return v->products->tiles;
}

static void compute(gan_context *ctx, gan_conv *v)
{
    size_t mark = gan_pool_mark(ctx);
    bool forward = v->face == GAN_CONV_FORWARD, finished = false;
    v->rows = gan_conv_rows_of(v);
    v->products = products_for(ctx, v);
    if (is_product(v))
        compute_by_product(ctx, v);
    else
        finished = compute_by_kernel(ctx, v);
    gan_pool_release(ctx, mark);
    if (!finished && (v->bias || v->slope != 1))
        gan_finish_rows(ctx, v->n * (forward ? v->p * v->q : v->h * v->w), forward ? v->o : v->c, v->result, v->bias,
                        v->slope);
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
    return gan_conv2d_finish(x, w, stride, pad, NULL, 1);
}

gan_tensor *gan_conv2d_finish(gan_tensor *x, gan_tensor *w, int stride, int pad, gan_tensor *bias, double slope)
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
    gan_conv v = {.face = GAN_CONV_FORWARD,
                  .n = sx[0],
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
                  .weight = w->data,
                  .bias = bias ? bias->data : NULL,
                  .slope = (gan_real)slope};
    check_patch(ctx, "conv2d", &v);
    gan_shape shape = GAN_SHAPE(v.n, v.p, v.q, v.o);
    gan_check_finish(x, shape, bias, slope);
    gan_tensor *y = gan_new(ctx, shape);
    v.result = y->data;
    compute(ctx, &v);
    y = GAN_RECORD(y, &conv2d_op, settings(stride, pad), x, w);
    return bias || slope != 1 ? gan_finished(y, bias, slope) : y;
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
    return gan_conv2d_input_finish(y, w, height, width, stride, pad, NULL, 1);
}

gan_tensor *gan_conv2d_input_finish(gan_tensor *y, gan_tensor *w, int64_t height, int64_t width, int stride, int pad,
                                    gan_tensor *bias, double slope)
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
    gan_conv v = {.face = GAN_CONV_INPUT,
                  .n = sy[0],
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
                  .weight = w->data,
                  .bias = bias ? bias->data : NULL,
                  .slope = (gan_real)slope};
    if (v.p != sy[1] || v.q != sy[2])
        gan_fail(ctx, GAN_ERROR_ARGUMENT,
                 "conv2d_input: a result of %lldx%lld (kernel %lldx%lld, stride %d, pad %d) has %lldx%lld places, the "
                 "input of shape %s has %lldx%lld",
                 (long long)height, (long long)width, (long long)v.kh, (long long)v.kw, stride, pad, (long long)v.p,
                 (long long)v.q, GAN_TEXT(y->shape), (long long)sy[1], (long long)sy[2]);
    check_patch(ctx, "conv2d_input", &v);
    gan_shape shape = GAN_SHAPE(v.n, v.h, v.w, v.c);
    gan_check_finish(y, shape, bias, slope);
    gan_tensor *x = gan_new(ctx, shape);
    v.result = x->data;
    compute(ctx, &v);
    x = GAN_RECORD(x, &conv2d_input_op, settings(stride, pad), y, w);
    return bias || slope != 1 ? gan_finished(x, bias, slope) : x;
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
    gan_conv v = {.face = GAN_CONV_WEIGHT,
                  .n = sx[0],
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
                  .y = y->data,
                  .slope = 1};
    if (v.n != sy[0] || v.p != sy[1] || v.q != sy[2])
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "conv2d_weight: wanted an output of shape %lldx%lldx%lldxC, got %s",
                 (long long)v.n, (long long)v.p, (long long)v.q, GAN_TEXT(y->shape));
    check_patch(ctx, "conv2d_weight", &v);
    gan_tensor *w = gan_new(ctx, GAN_SHAPE(v.kh, v.kw, v.c, v.o));
    v.result = w->data;
    compute(ctx, &v);
    return GAN_RECORD(w, &conv2d_weight_op, settings(stride, pad), x, y);
}
