/* loops.c - the inner loops, compiled once for each instruction set (GAN_KERNEL_SET names it).
 *
 * They are written so that a compiler turns them into vector code: no calls, no branches but
 * selections. In float, exp, log and what is made of them are polynomials (Cephes, S. Moshier) good
 * to about 2 units in the last place; the double build, which proves the float one, takes libm's. */
#include <math.h>
#include <string.h>

#include "kernel.h"

#define JOIN(a, b)        a##b
#define NAME(prefix, set) JOIN(prefix, set)

/* ---- Functions of one number ---- */

#ifdef GAN_DOUBLE

static inline double k_exp(double x)
{
    return exp(x);
}
static inline double k_log(double x)
{
    return log(x);
}
static inline double k_log1p(double x)
{
    return log1p(x);
}
static inline double k_tanh(double x)
{
    return tanh(x);
}

#else

static inline float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint32_t to_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* e^x = 2^n e^r with |r| <= ln(2)/2; 2^n in two factors, so that the ends of the range are exact limits. */
static inline float k_exp(float x)
{
    const float round = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number in the low bits */
    float c = x < -104.0f ? -104.0f : x;
    c = c > 89.0f ? 89.0f : c;
    float shifted = c * 1.44269504f + round;
    float n = shifted - round;
    float r = c - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    uint32_t k = to_bits(shifted) - to_bits(round); /* n as a two's complement number */
    uint32_t half = (uint32_t)((int32_t)k >> 1);
    return p * from_bits((half + 127u) << 23) * from_bits((k - half + 127u) << 23);
}

/* log of a positive number, as m 2^e with m in [sqrt(1/2), sqrt(2)). */
static inline float k_log(float x)
{
    uint32_t bits = to_bits(x);
    float e = (float)((int32_t)(bits >> 23) - 126);
    float m = from_bits((bits & 0x007fffffu) | 0x3f000000u); /* [0.5, 1) */
    float low = m < 0.707106781f ? 1.0f : 0.0f;
    e = e - low;
    m = m + low * m - 1.0f;
    float z = m * m;
    float p = 7.0376836292e-2f;
    p = p * m - 1.1514610310e-1f;
    p = p * m + 1.1676998740e-1f;
    p = p * m - 1.2420140846e-1f;
    p = p * m + 1.4249322787e-1f;
    p = p * m - 1.6668057665e-1f;
    p = p * m + 2.0000714765e-1f;
    p = p * m - 2.4999993993e-1f;
    p = p * m + 3.3333331174e-1f;
    float y = m * z * p;
    y = y + e * -2.12194440e-4f;
    y = y - 0.5f * z;
    y = m + y + e * 0.693359375f;
    y = x == INFINITY ? x : y;
    y = x == 0.0f ? -INFINITY : y;
    return x >= 0.0f ? y : NAN; /* of a NaN too */
}

/* log(1+u) for u in [0, 1]: the rounding of 1+u is corrected (W. Kahan). */
static inline float k_log1p(float u)
{
    float w = 1.0f + u, d = w - 1.0f;
    float ratio = u / (d == 0.0f ? 1.0f : d);
    return d == 0.0f ? u : k_log(w) * ratio;
}

static inline float k_tanh(float x)
{
    float a = x < 0.0f ? -x : x;
    float z = x * x;
    float p = -5.70498872745e-3f;
    p = p * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    float small = p * z * x + x;
    float large = 1.0f - 2.0f / (k_exp(2.0f * a) + 1.0f);
    large = x < 0.0f ? -large : large;
    return a < 0.625f ? small : large;
}

#endif

static inline gan_real k_sigmoid(gan_real x)
{
    return 1 / (1 + k_exp(-x));
}

static inline gan_real k_softplus(gan_real x)
{
    gan_real a = x < 0 ? -x : x;
    return (x < 0 ? 0 : x) + k_log1p(k_exp(-a));
}

#ifdef GAN_DOUBLE
#define LIBM(name) name
#else
#define LIBM(name) name##f
#endif

/* ---- Elementwise ---- */

#define UNARY(name, expression)                                                                                        \
    static void name(int64_t n, const gan_real *restrict xs, gan_real *restrict ys, gan_real p, gan_real q)            \
    {                                                                                                                  \
        (void)p;                                                                                                       \
        (void)q;                                                                                                       \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            gan_real x = xs[i];                                                                                        \
            ys[i] = (expression);                                                                                      \
        }                                                                                                              \
    }

UNARY(affine, p *x + q)
UNARY(power, LIBM(pow)(x, p))
UNARY(exponential, k_exp(x))
UNARY(logarithm, k_log(x))
UNARY(root, LIBM(sqrt)(x))
UNARY(square, x *x)
UNARY(sine, LIBM(sin)(x))
UNARY(cosine, LIBM(cos)(x))
UNARY(tangent_h, k_tanh(x))
UNARY(error_function, LIBM(erf)(x))
UNARY(sigmoid, k_sigmoid(x))
UNARY(softplus, k_softplus(x))
UNARY(leaky, x > 0 ? x : (p == 0 && x < 0 ? 0 : p * x))
UNARY(clamp, x < p ? p : (x > q ? q : x))
UNARY(sign, (gan_real)(x > 0) - (gan_real)(x < 0))
UNARY(absolute, x < 0 ? -x : x)

#define BINARY_LOOP(expression, ia, ib)                                                                                \
    for (int64_t i = 0; i < n; i++) {                                                                                  \
        gan_real a = as[ia], b = bs[ib];                                                                               \
        ys[i] = (expression);                                                                                          \
    }
#define BINARY(name, expression)                                                                                       \
    static void name(int64_t n, const gan_real *restrict as, int64_t sa, const gan_real *restrict bs, int64_t sb,      \
                     gan_real *restrict ys, gan_real p, gan_real q)                                                    \
    {                                                                                                                  \
        (void)p;                                                                                                       \
        (void)q;                                                                                                       \
        if (sa && sb)                                                                                                  \
            BINARY_LOOP(expression, i, i)                                                                              \
        else if (sa)                                                                                                   \
            BINARY_LOOP(expression, i, 0)                                                                              \
        else                                                                                                           \
            BINARY_LOOP(expression, 0, i *sb)                                                                          \
    }

BINARY(add, a + b)
BINARY(subtract, a - b)
BINARY(multiply, a *b)
BINARY(divide, a / b)
BINARY(to_power, LIBM(pow)(a, b))
BINARY(equal, (gan_real)(a == b))
BINARY(less, (gan_real)(a < b))
BINARY(less_equal, (gan_real)(a <= b))
BINARY(leaky_slope, b > 0 ? a : (p == 0 ? 0 : p * a))
BINARY(inside, b >= p && b <= q ? a : 0)
BINARY(masked, a != 0 ? b : 0)
BINARY(unmasked, a != 0 ? 0 : b)

/* ---- Losses of one score ---- */

/* A row: v as a function of u and p, e as one of v; value, slope and curvature as functions of v, e and p. */
#define SCORE(name, v_of, e_of, value_of, slope_of, curvature_of)                                                      \
    static void name(int64_t n, const gan_real *restrict xs, gan_real *restrict value, gan_real *restrict slope,       \
                     gan_real *restrict curvature, gan_real sign, gan_real p)                                          \
    {                                                                                                                  \
        if (!slope || !curvature) {                                                                                    \
            for (int64_t i = 0; i < n; i++) {                                                                          \
                gan_real u = sign * xs[i];                                                                             \
                gan_real v = (v_of), e = (e_of);                                                                       \
                (void)e;                                                                                               \
                value[i] = (value_of);                                                                                 \
            }                                                                                                          \
            return;                                                                                                    \
        }                                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            gan_real u = sign * xs[i];                                                                                 \
            gan_real v = (v_of), e = (e_of);                                                                           \
            (void)e;                                                                                                   \
            value[i] = (value_of);                                                                                     \
            slope[i] = sign * (slope_of);                                                                              \
            curvature[i] = (curvature_of);                                                                             \
        }                                                                                                              \
    }

/* clang-format off */
/* With e = exp(-|v|), the sigmoid of v is 1/(1 + e) where v >= 0 and e/(1 + e) elsewhere. */
SCORE(logistic, u, k_exp(v < 0 ? v : -v), (v < 0 ? 0 : v) + k_log1p(e) - p * v, (v < 0 ? e : 1) / (1 + e) - p,
      e / (1 + e) / (1 + e))
SCORE(hinge, p + u, 0, v < 0 ? 0 : v, v > 0 ? 1 : 0, 0)
SCORE(squared_hinge, p + u, 0, v < 0 ? 0 : v * v, v < 0 ? 0 : 2 * v, v > 0 ? 2 : 0)
SCORE(smooth_hinge, p + u, 0, v < 0 ? 0 : v < p ? v * v / (2 * p) : v - p / 2, v < 0 ? 0 : v < p ? v / p : 1,
      v > 0 && v < p ? 1 / p : 0)
SCORE(score_square, u - p, 0, v * v / 2, v, 1)
SCORE(parabola, u, 0, v + p * v * v, 1 + 2 * p * v, 2 * p)
SCORE(score_exponential, k_exp(u + p), 0, v, v, v)
SCORE(score_tanh, k_tanh(u), 0, p * v, p * (1 - v * v), -2 * p * v * (1 - v * v))
/* clang-format on */

/* ---- Sums ---- */

enum { LANES = 32 };

static gan_real sum(int64_t n, const gan_real *x)
{
    gan_real lanes[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] += x[i + j];
    for (; i < n; i++)
        lanes[i % LANES] += x[i];
    for (int width = LANES / 2; width; width /= 2)
        for (int j = 0; j < width; j++)
            lanes[j] += lanes[j + width];
    return lanes[0];
}

static gan_real dot(int64_t n, const gan_real *restrict x, const gan_real *restrict y)
{
    gan_real lanes[4 * LANES] = {0};
    int64_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES)
        for (int j = 0; j < 4 * LANES; j++)
            lanes[j] += x[i + j] * y[i + j];
    for (; i < n; i++)
        lanes[i % (4 * LANES)] += x[i] * y[i];
    for (int width = 2 * LANES; width; width /= 2)
        for (int j = 0; j < width; j++)
            lanes[j] += lanes[j + width];
    return lanes[0];
}

/* 0*x is 0 for a finite x and NaN for any other. */
static bool all_finite(int64_t n, const gan_real *x)
{
    gan_real lanes[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] += 0 * x[i + j];
    for (; i < n; i++)
        lanes[0] += 0 * x[i];
    for (int j = 0; j < LANES; j++)
        if (!(lanes[j] == 0))
            return false;
    return true;
}

static double squares(int64_t n, const gan_real *x)
{
    double lanes[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] += (double)x[i + j] * (double)x[i + j];
    for (; i < n; i++)
        lanes[i % LANES] += (double)x[i] * (double)x[i];
    for (int width = LANES / 2; width; width /= 2)
        for (int j = 0; j < width; j++)
            lanes[j] += lanes[j + width];
    return lanes[0];
}

static void axpy(int64_t n, gan_real a, const gan_real *restrict x, gan_real *restrict y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

static void column_sums(int64_t rows, int64_t c, const gan_real *restrict x, gan_real *restrict sums)
{
    for (int64_t r = 0; r < rows; r++, x += c)
        for (int64_t i = 0; i < c; i++)
            sums[i] += x[i];
}

static void column_squares(int64_t rows, int64_t c, const gan_real *restrict x, const gan_real *restrict mean,
                           gan_real *restrict sums)
{
    for (int64_t r = 0; r < rows; r++, x += c)
        for (int64_t i = 0; i < c; i++)
            sums[i] += (x[i] - mean[i]) * (x[i] - mean[i]);
}

/* As leaky and leaky_slope above. */
static inline gan_real leak(gan_real v, gan_real slope)
{
    return v > 0 ? v : (slope == 0 && v < 0 ? 0 : slope * v);
}
static inline gan_real leak_back(gan_real dy, gan_real y, gan_real slope)
{
    return y > 0 ? dy : (slope == 0 ? 0 : slope * dy);
}

static void normalize(int64_t rows, int64_t c, const gan_real *restrict x, const gan_leaky *leaky, gan_real *restrict y)
{
    const gan_real *restrict mean = leaky->mean, *restrict scale = leaky->scale, *restrict shift = leaky->shift;
    gan_real slope = leaky->slope;
    for (int64_t r = 0; r < rows; r++, x += c, y += c)
        for (int64_t i = 0; i < c; i++)
            y[i] = leak((x[i] - mean[i]) * scale[i] + shift[i], slope);
}

static void column_dots(int64_t rows, int64_t c, const gan_real *restrict x, const gan_real *restrict dy,
                        const gan_leaky *leaky, gan_real *restrict sums, gan_real *restrict dots)
{
    const gan_real *restrict mean = leaky->mean, *restrict scale = leaky->scale, *restrict shift = leaky->shift;
    gan_real slope = leaky->slope;
    if (slope == 1) {
        for (int64_t r = 0; r < rows; r++, x += c, dy += c)
            for (int64_t i = 0; i < c; i++) {
                sums[i] += dy[i];
                dots[i] += dy[i] * (x[i] - mean[i]);
            }
        return;
    }
    for (int64_t r = 0; r < rows; r++, x += c, dy += c)
        for (int64_t i = 0; i < c; i++) {
            gan_real d = leak_back(dy[i], (x[i] - mean[i]) * scale[i] + shift[i], slope);
            sums[i] += d;
            dots[i] += d * (x[i] - mean[i]);
        }
}

static void normalize_grad(int64_t rows, int64_t c, const gan_real *restrict x, const gan_real *restrict dy,
                           const gan_leaky *leaky, const gan_real *restrict ky, const gan_real *restrict kx,
                           const gan_real *restrict k, gan_real *restrict dx)
{
    const gan_real *restrict mean = leaky->mean, *restrict scale = leaky->scale, *restrict shift = leaky->shift;
    gan_real slope = leaky->slope;
    if (slope == 1) {
        for (int64_t r = 0; r < rows; r++, x += c, dy += c, dx += c)
            for (int64_t i = 0; i < c; i++)
                dx[i] = dy[i] * ky[i] + (x[i] - mean[i]) * kx[i] + k[i];
        return;
    }
    for (int64_t r = 0; r < rows; r++, x += c, dy += c, dx += c)
        for (int64_t i = 0; i < c; i++) {
            gan_real d = leak_back(dy[i], (x[i] - mean[i]) * scale[i] + shift[i], slope);
            dx[i] = d * ky[i] + (x[i] - mean[i]) * kx[i] + k[i];
        }
}

static void finish(int64_t rows, int64_t c, const gan_real *x, const gan_real *restrict bias, gan_real slope,
                   gan_real *y)
{
    for (int64_t r = 0; r < rows; r++, x += c, y += c) {
        if (bias) {
#pragma GCC ivdep
            for (int64_t i = 0; i < c; i++)
                y[i] = leak(x[i] + bias[i], slope);
        } else {
#pragma GCC ivdep
            for (int64_t i = 0; i < c; i++)
                y[i] = leak(x[i], slope);
        }
    }
}

/* ---- Optimisers ---- */

static void adam(int64_t n, gan_real *restrict p, const gan_real *restrict g, gan_real *restrict m,
                 gan_real *restrict v, const gan_adam_constants *k)
{
    gan_adam_constants c = *k;
    for (int64_t i = 0; i < n; i++) {
        gan_real w = p[i] * c.shrink;
        gan_real d = g[i] + c.decay * w;
        m[i] = c.beta1 * m[i] + c.rest1 * d;
        v[i] = c.beta2 * v[i] + c.rest2 * d * d;
        p[i] = w - c.step_size * m[i] / (LIBM(sqrt)(v[i]) * c.root_correction + c.eps);
    }
}

/* ---- The table ---- */

const gan_kernels NAME(gan_kernels_, GAN_KERNEL_SET) = {
    .unary = {[GAN_AFFINE] = affine,
              [GAN_POW] = power,
              [GAN_EXP] = exponential,
              [GAN_LOG] = logarithm,
              [GAN_SQRT] = root,
              [GAN_SQUARE] = square,
              [GAN_SIN] = sine,
              [GAN_COS] = cosine,
              [GAN_TANH] = tangent_h,
              [GAN_ERF] = error_function,
              [GAN_SIGMOID] = sigmoid,
              [GAN_SOFTPLUS] = softplus,
              [GAN_LEAKY] = leaky,
              [GAN_CLAMP] = clamp,
              [GAN_SIGN] = sign,
              [GAN_ABS] = absolute},
    .binary = {[GAN_ADD] = add,
               [GAN_SUB] = subtract,
               [GAN_MUL] = multiply,
               [GAN_DIV] = divide,
               [GAN_POWER] = to_power,
               [GAN_EQ] = equal,
               [GAN_LT] = less,
               [GAN_LE] = less_equal,
               [GAN_LEAKY_SLOPE] = leaky_slope,
               [GAN_INSIDE] = inside,
               [GAN_MASKED] = masked,
               [GAN_UNMASKED] = unmasked},
    .score = {[GAN_SCORE_LOGISTIC] = logistic,
              [GAN_SCORE_HINGE] = hinge,
              [GAN_SCORE_SQUARED_HINGE] = squared_hinge,
              [GAN_SCORE_SMOOTH_HINGE] = smooth_hinge,
              [GAN_SCORE_SQUARE] = score_square,
              [GAN_SCORE_PARABOLA] = parabola,
              [GAN_SCORE_EXPONENTIAL] = score_exponential,
              [GAN_SCORE_TANH] = score_tanh},
    .sum = sum,
    .all_finite = all_finite,
    .squares = squares,
    .dot = dot,
    .axpy = axpy,
    .column_sums = column_sums,
    .column_squares = column_squares,
    .column_dots = column_dots,
    .normalize = normalize,
    .normalize_grad = normalize_grad,
    .finish = finish,
    .adam = adam,
};
