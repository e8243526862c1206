/* elementwise.c - one number in, one number out: arithmetic, functions, comparisons.
 *
 * Kernel, shape check and gradient of an op stand together. A two-input op walks the axes that its
 * operands do not share contiguously and hands each run to a kernel; in a run an operand either goes
 * along or repeats one number. */
#include <math.h>

#include "op.h"

/* ---- One input ---- */

struct unary_work {
    gan_unary_kernel *kernel;
    const gan_real *x;
    gan_real *y;
    gan_real p, q;
};

static void unary_job(void *work, int64_t begin, int64_t end)
{
    struct unary_work *w = work;
    w->kernel(end - begin, w->x + begin, w->y + begin, w->p, w->q);
}

static gan_tensor *unary(const gan_op *op, gan_unary kernel, gan_tensor *x, double p, double q)
{
    gan_context *ctx = x->ctx;
    gan_tensor *y = gan_new(ctx, x->shape);
    struct unary_work work = {ctx->kernels->unary[kernel], x->data, y->data, (gan_real)p, (gan_real)q};
    gan_parallel(ctx, x->numel, GAN_GRAIN, unary_job, &work);
    return op ? GAN_RECORD(y, op, ((gan_attributes){.f = {p, q}}), x) : y;
}

/* ---- Two inputs ---- */

/* The loop nest of a broadcast: axes with the same behaviour are merged, the last one is the run. */
struct nest {
    int rank;
    int64_t size[GAN_MAX_RANK], step_a[GAN_MAX_RANK], step_b[GAN_MAX_RANK];
};

static struct nest make_nest(gan_shape y, gan_shape a, gan_shape b)
{
    struct nest nest = {0};
    int64_t along_a = 1, along_b = 1;
    for (int i = y.rank - 1; i >= 0; i--) {
        int ia = i - (y.rank - a.rank), ib = i - (y.rank - b.rank);
        int64_t da = ia < 0 ? 1 : a.dims[ia], db = ib < 0 ? 1 : b.dims[ib];
        int64_t step_a = da == 1 ? 0 : along_a, step_b = db == 1 ? 0 : along_b;
        along_a *= da;
        along_b *= db;
        if (y.dims[i] == 1)
            continue;
        int last = nest.rank - 1;
        if (last >= 0 && step_a == nest.step_a[last] * nest.size[last] &&
            step_b == nest.step_b[last] * nest.size[last]) {
            nest.size[last] *= y.dims[i];
        } else {
            nest.size[nest.rank] = y.dims[i];
            nest.step_a[nest.rank] = step_a;
            nest.step_b[nest.rank] = step_b;
            nest.rank++;
        }
    }
    if (nest.rank == 0)
        nest = (struct nest){1, {1}, {0}, {0}};
    return nest; /* level 0 runs fastest */
}

struct binary_work {
    gan_binary_kernel *kernel;
    struct nest nest;
    const gan_real *a, *b;
    gan_real *y;
    gan_real p, q;
};

/* Computes elements [begin, end) of y, run by run. */
static void binary_job(void *work, int64_t begin, int64_t end)
{
    struct binary_work *w = work;
    const struct nest *nest = &w->nest;
    int64_t run = nest->size[0];
    for (int64_t at = begin; at < end;) {
        int64_t inside = at % run, rest = at / run;
        int64_t place_a = inside * nest->step_a[0], place_b = inside * nest->step_b[0];
        for (int i = 1; i < nest->rank; i++) {
            place_a += rest % nest->size[i] * nest->step_a[i];
            place_b += rest % nest->size[i] * nest->step_b[i];
            rest /= nest->size[i];
        }
        int64_t length = run - inside < end - at ? run - inside : end - at;
        w->kernel(length, w->a + place_a, nest->step_a[0], w->b + place_b, nest->step_b[0], w->y + at, w->p, w->q);
        at += length;
    }
}

/* name is for errors where there is no op. */
static gan_tensor *binary(const gan_op *op, const char *name, gan_binary kernel, gan_tensor *a, gan_tensor *b, double p,
                          double q)
{
    gan_context *ctx = a->ctx;
    gan_check_contexts(name, a, b);
    gan_tensor *y = gan_new(ctx, gan_broadcast(ctx, name, a->shape, b->shape));
    struct binary_work work = {ctx->kernels->binary[kernel],
                               make_nest(y->shape, a->shape, b->shape),
                               a->data,
                               b->data,
                               y->data,
                               (gan_real)p,
                               (gan_real)q};
    gan_parallel(ctx, y->numel, GAN_GRAIN, binary_job, &work);
    return op ? GAN_RECORD(y, op, ((gan_attributes){.f = {p, q}}), a, b) : y;
}

void gan_broadcast_copy(gan_tensor *y, const gan_tensor *x)
{
    static const gan_real zero = 0;
    struct binary_work work = {
        y->ctx->kernels->binary[GAN_ADD], make_nest(y->shape, x->shape, GAN_SCALAR), x->data, &zero, y->data, 0, 0};
    gan_parallel(y->ctx, y->numel, GAN_GRAIN, binary_job, &work);
}

/* ---- Arithmetic ---- */

static void add_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    (void)y;
    if (needed[0])
        dx[0] = dy;
    if (needed[1])
        dx[1] = dy;
}
static const gan_op add_op = {"add", add_grad, 0};
gan_tensor *gan_add(gan_tensor *a, gan_tensor *b)
{
    return binary(&add_op, "add", GAN_ADD, a, b, 0, 0);
}

static void sub_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    (void)y;
    if (needed[0])
        dx[0] = dy;
    if (needed[1])
        dx[1] = gan_neg(dy);
}
static const gan_op sub_op = {"sub", sub_grad, 0};
gan_tensor *gan_sub(gan_tensor *a, gan_tensor *b)
{
    return binary(&sub_op, "sub", GAN_SUB, a, b, 0, 0);
}

static void mul_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_mul(dy, gan_input(y, 1));
    if (needed[1])
        dx[1] = gan_mul(dy, gan_input(y, 0));
}
static const gan_op mul_op = {"mul", mul_grad, GAN_SAVES_INPUT(0) | GAN_SAVES_INPUT(1)};
gan_tensor *gan_mul(gan_tensor *a, gan_tensor *b)
{
    return binary(&mul_op, "mul", GAN_MUL, a, b, 0, 0);
}

/* d(a/b) = da/b - (a/b) db/b */
static void div_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    gan_tensor *slope = gan_div(dy, gan_input(y, 1));
    if (needed[0])
        dx[0] = slope;
    if (needed[1])
        dx[1] = gan_neg(gan_mul(slope, y));
}
static const gan_op div_op = {"div", div_grad, GAN_SAVES_INPUT(1) | GAN_SAVES_OUTPUT};
gan_tensor *gan_div(gan_tensor *a, gan_tensor *b)
{
    return binary(&div_op, "div", GAN_DIV, a, b, 0, 0);
}

static void affine_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_affine(dy, y->node->at.f[0], 0);
}
static const gan_op affine_op = {"affine", affine_grad, 0};
gan_tensor *gan_affine(gan_tensor *x, double scale, double shift)
{
    return unary(&affine_op, GAN_AFFINE, x, scale, shift);
}
gan_tensor *gan_neg(gan_tensor *x)
{
    return gan_affine(x, -1, 0);
}

/* ---- Powers, exponentials, waves ---- */

static void square_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_affine(gan_mul(dy, gan_input(y, 0)), 2, 0);
}
static const gan_op square_op = {"square", square_grad, GAN_SAVES_INPUT(0)};
gan_tensor *gan_square(gan_tensor *x)
{
    return unary(&square_op, GAN_SQUARE, x, 0, 0);
}

static void sqrt_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_affine(gan_div(dy, y), 0.5, 0);
}
static const gan_op sqrt_op = {"sqrt", sqrt_grad, GAN_SAVES_OUTPUT};
gan_tensor *gan_sqrt(gan_tensor *x)
{
    return unary(&sqrt_op, GAN_SQRT, x, 0, 0);
}

static gan_tensor *masked(gan_tensor *mask, gan_tensor *x, bool where_it_holds);

static void pow_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    double p = y->node->at.f[0];
    if (needed[0])
        dx[0] = gan_affine(gan_mul(dy, gan_pow(gan_input(y, 0), p - 1)), p, 0);
}
static const gan_op pow_op = {"pow", pow_grad, GAN_SAVES_INPUT(0)};
/* Small whole powers are products: exact, fast, and their derivatives at 0 come out right. */
gan_tensor *gan_pow(gan_tensor *x, double exponent)
{
    if (exponent == 0) /* 1, also for an infinite x: chosen, not multiplied */
        return gan_affine(masked(gan_scalar(x->ctx, 0), x, true), 1, 1);
    if (exponent == 1)
        return gan_affine(x, 1, 0);
    if (exponent == 2)
        return gan_square(x);
    if (exponent == 0.5)
        return gan_sqrt(x);
    return unary(&pow_op, GAN_POW, x, exponent, 0);
}

/* d(x^p) = p x^(p-1) dx + x^p log(x) dp. Where p is 0 the first is 0, also at x = 0; where x is not
 * positive the second is taken as 0. */
static void power_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    gan_tensor *x = gan_input(y, 0), *p = gan_input(y, 1), *zero = gan_scalar(dy->ctx, 0);
    if (needed[0]) {
        gan_tensor *slope = gan_mul(p, gan_power(x, gan_affine(p, 1, -1)));
        dx[0] = gan_mul(dy, gan_where(p, slope, zero));
    }
    if (needed[1]) {
        gan_tensor *positive = gan_gt(x, zero);
        gan_tensor *log_x = gan_log(gan_where(positive, x, gan_scalar(dy->ctx, 1)));
        dx[1] = gan_mul(dy, gan_where(positive, gan_mul(y, log_x), zero));
    }
}
static const gan_op power_op = {"pow", power_grad, GAN_SAVES_INPUT(0) | GAN_SAVES_INPUT(1) | GAN_SAVES_OUTPUT};
gan_tensor *gan_power(gan_tensor *x, gan_tensor *exponent)
{
    return binary(&power_op, "pow", GAN_POWER, x, exponent, 0, 0);
}

static void exp_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_mul(dy, y);
}
static const gan_op exp_op = {"exp", exp_grad, GAN_SAVES_OUTPUT};
gan_tensor *gan_exp(gan_tensor *x)
{
    return unary(&exp_op, GAN_EXP, x, 0, 0);
}

static void log_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_div(dy, gan_input(y, 0));
}
static const gan_op log_op = {"log", log_grad, GAN_SAVES_INPUT(0)};
gan_tensor *gan_log(gan_tensor *x)
{
    return unary(&log_op, GAN_LOG, x, 0, 0);
}

static void sin_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_mul(dy, gan_cos(gan_input(y, 0)));
}
static const gan_op sin_op = {"sin", sin_grad, GAN_SAVES_INPUT(0)};
gan_tensor *gan_sin(gan_tensor *x)
{
    return unary(&sin_op, GAN_SIN, x, 0, 0);
}

static void cos_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_neg(gan_mul(dy, gan_sin(gan_input(y, 0))));
}
static const gan_op cos_op = {"cos", cos_grad, GAN_SAVES_INPUT(0)};
gan_tensor *gan_cos(gan_tensor *x)
{
    return unary(&cos_op, GAN_COS, x, 0, 0);
}

/* ---- Activations ---- */

/* 1 - y^2 */
static void tanh_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_mul(dy, gan_affine(gan_square(y), -1, 1));
}
static const gan_op tanh_op = {"tanh", tanh_grad, GAN_SAVES_OUTPUT};
gan_tensor *gan_tanh(gan_tensor *x)
{
    return unary(&tanh_op, GAN_TANH, x, 0, 0);
}

/* 2/sqrt(pi) e^(-x^2) */
static void erf_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_affine(gan_mul(dy, gan_exp(gan_neg(gan_square(gan_input(y, 0))))), 1.1283791670955126, 0);
}
static const gan_op erf_op = {"erf", erf_grad, GAN_SAVES_INPUT(0)};
gan_tensor *gan_erf(gan_tensor *x)
{
    return unary(&erf_op, GAN_ERF, x, 0, 0);
}

/* y (1 - y) */
static void sigmoid_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_mul(dy, gan_mul(y, gan_affine(y, -1, 1)));
}
static const gan_op sigmoid_op = {"sigmoid", sigmoid_grad, GAN_SAVES_OUTPUT};
gan_tensor *gan_sigmoid(gan_tensor *x)
{
    return unary(&sigmoid_op, GAN_SIGMOID, x, 0, 0);
}

static void softplus_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_mul(dy, gan_sigmoid(gan_input(y, 0)));
}
static const gan_op softplus_op = {"softplus", softplus_grad, GAN_SAVES_INPUT(0)};
gan_tensor *gan_softplus(gan_tensor *x)
{
    return unary(&softplus_op, GAN_SOFTPLUS, x, 0, 0);
}

/* leaky_relu_slope is linear in dy and constant in x. */
static void leaky_relu_slope_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_leaky_relu_slope(dy, gan_input(y, 1), y->node->at.f[0]);
}
static const gan_op leaky_relu_slope_op = {"leaky_relu_slope", leaky_relu_slope_grad, GAN_SAVES_INPUT(1)};
gan_tensor *gan_leaky_relu_slope(gan_tensor *dy, gan_tensor *x, double slope)
{
    return binary(&leaky_relu_slope_op, "leaky_relu_slope", GAN_LEAKY_SLOPE, dy, x, slope, 0);
}

static void leaky_relu_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_leaky_relu_slope(dy, gan_input(y, 0), y->node->at.f[0]);
}
static const gan_op leaky_relu_op = {"leaky_relu", leaky_relu_grad, GAN_SAVES_INPUT(0)};
gan_tensor *gan_leaky_relu(gan_tensor *x, double slope)
{
    return unary(&leaky_relu_op, GAN_LEAKY, x, slope, 0);
}
gan_tensor *gan_relu(gan_tensor *x)
{
    return gan_leaky_relu(x, 0);
}

/* inside is linear in dy and constant in x: dy where low <= x <= high, 0 elsewhere. */
static gan_tensor *inside(gan_tensor *dy, gan_tensor *x, double low, double high);
static void inside_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = inside(dy, gan_input(y, 1), y->node->at.f[0], y->node->at.f[1]);
}
static const gan_op inside_op = {"inside", inside_grad, GAN_SAVES_INPUT(1)};
static gan_tensor *inside(gan_tensor *dy, gan_tensor *x, double low, double high)
{
    return binary(&inside_op, "inside", GAN_INSIDE, dy, x, low, high);
}

static void clamp_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = inside(dy, gan_input(y, 0), y->node->at.f[0], y->node->at.f[1]);
}
static const gan_op clamp_op = {"clamp", clamp_grad, GAN_SAVES_INPUT(0)};
gan_tensor *gan_clamp(gan_tensor *x, double low, double high)
{
    if (!(low <= high))
        gan_fail(x->ctx, GAN_ERROR_ARGUMENT, "clamp: low must not exceed high, got %g and %g", low, high);
    return unary(&clamp_op, GAN_CLAMP, x, low, high);
}

static void sign_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_zeros(dy->ctx, y->shape);
}
static const gan_op sign_op = {"sign", sign_grad, 0};
gan_tensor *gan_sign(gan_tensor *x)
{
    return unary(&sign_op, GAN_SIGN, x, 0, 0);
}

static void abs_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[0])
        dx[0] = gan_mul(dy, unary(NULL, GAN_SIGN, gan_input(y, 0), 0, 0));
}
static const gan_op abs_op = {"abs", abs_grad, GAN_SAVES_INPUT(0)};
gan_tensor *gan_abs(gan_tensor *x)
{
    return unary(&abs_op, GAN_ABS, x, 0, 0);
}

/* ---- Comparisons and choice ---- */

gan_tensor *gan_eq(gan_tensor *a, gan_tensor *b)
{
    return binary(NULL, "eq", GAN_EQ, a, b, 0, 0);
}
gan_tensor *gan_lt(gan_tensor *a, gan_tensor *b)
{
    return binary(NULL, "lt", GAN_LT, a, b, 0, 0);
}
gan_tensor *gan_le(gan_tensor *a, gan_tensor *b)
{
    return binary(NULL, "le", GAN_LE, a, b, 0, 0);
}
gan_tensor *gan_gt(gan_tensor *a, gan_tensor *b)
{
    return binary(NULL, "gt", GAN_LT, b, a, 0, 0);
}
gan_tensor *gan_ge(gan_tensor *a, gan_tensor *b)
{
    return binary(NULL, "ge", GAN_LE, b, a, 0, 0);
}

/* masked(mask, x) is x where mask holds (or, as unmasked, where it does not) and 0 elsewhere: a
 * choice, not a product, so that an infinity on the side not chosen leaves no NaN. Linear in x. */
static void masked_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    if (needed[1])
        dx[1] = masked(gan_input(y, 0), dy, y->node->at.f[0] != 0);
}
static const gan_op masked_op = {"where", masked_grad, GAN_SAVES_INPUT(0)};
static gan_tensor *masked(gan_tensor *mask, gan_tensor *x, bool where_it_holds)
{
    return binary(&masked_op, "where", where_it_holds ? GAN_MASKED : GAN_UNMASKED, mask, x, where_it_holds, 0);
}

gan_tensor *gan_where(gan_tensor *mask, gan_tensor *a, gan_tensor *b)
{
    gan_context *ctx = mask->ctx;
    gan_broadcast(ctx, "where", gan_broadcast(ctx, "where", mask->shape, a->shape), b->shape);
    return gan_add(masked(mask, a, true), masked(mask, b, false));
}
