/* measure.c - how far two sets of samples are apart: Frechet distance, kernel distance, sliced Wasserstein distance.
 *
 * A set is n x d, a row a sample: features of pictures, or points. All is computed in double. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "linalg.h"

void gan_check_samples(const char *function, gan_tensor *a, gan_tensor *b, int64_t fewest)
{
    gan_context *ctx = gan_context_of(a);
    char one[GAN_SHAPE_TEXT], other[GAN_SHAPE_TEXT];
    gan_shape sa = gan_shape_of(a), sb = gan_shape_of(b);
    if (sa.rank != 2 || sb.rank != 2 || sa.dims[1] != sb.dims[1] || sa.dims[1] < 1)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "%s: wanted two sets of samples, n x d, got shapes %s and %s", function,
                 gan_shape_text(sa, one, sizeof one), gan_shape_text(sb, other, sizeof other));
    if (sa.dims[0] < fewest || sb.dims[0] < fewest)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "%s: wanted at least %lld samples in each set, got shapes %s and %s",
                 function, (long long)fewest, gan_shape_text(sa, one, sizeof one),
                 gan_shape_text(sb, other, sizeof other));
    if (!gan_all_finite(a) || !gan_all_finite(b))
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "%s: the samples are not all finite", function);
}

/* ---- Frechet distance -------------------------------------------------------------------------- */

/* The mean (d) of samples, and their covariance (d x d), divided by n - 1. */
static double *moments(gan_tensor *t, double *mean)
{
    gan_context *ctx = gan_context_of(t);
    int64_t n = gan_dim(t, 0), d = gan_dim(t, 1);
    double *covariance = gan_scratch(ctx, (size_t)(d * d) * sizeof *covariance);
    size_t mark = gan_pool_mark(ctx);
    double *x = gan_as_doubles(t);
    memset(mean, 0, (size_t)d * sizeof *mean);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < d; j++)
            mean[j] += x[i * d + j] / (double)n;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < d; j++)
            x[i * d + j] -= mean[j];
    gan_product_of_doubles(ctx, true, false, d, d, n, x, x, covariance);
    gan_pool_release(ctx, mark);
    for (int64_t i = 0; i < d * d; i++)
        covariance[i] /= (double)(n - 1);
    return covariance;
}

/* With A = V diag(w) V', the numbers of A B are those of the symmetric R B R', R = diag(sqrt(w)) V': the trace of its
 * square root is the sum of the square roots of its eigenvalues. What rounding makes negative is 0. */
double gan_frechet(gan_tensor *a, gan_tensor *b)
{
    gan_check_samples("frechet", a, b, 2);
    gan_context *ctx = gan_context_of(a);
    size_t mark = gan_pool_mark(ctx);
    int64_t d = gan_dim(a, 1);
    size_t square = (size_t)(d * d) * sizeof(double);
    double *mean_a = gan_scratch(ctx, (size_t)d * sizeof *mean_a);
    double *mean_b = gan_scratch(ctx, (size_t)d * sizeof *mean_b);
    double *values = gan_scratch(ctx, (size_t)d * sizeof *values);
    double *root = moments(a, mean_a), *other = moments(b, mean_b), *product = gan_scratch(ctx, square);
    double distance = 0;
    for (int64_t i = 0; i < d; i++) {
        double apart = mean_a[i] - mean_b[i];
        distance += apart * apart + root[i * d + i] + other[i * d + i];
    }
    gan_eigen_symmetric(ctx, d, root, values, true);
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j < d; j++)
            root[i * d + j] *= sqrt(fmax(values[i], 0));
    gan_product_of_doubles(ctx, false, false, d, d, d, root, other, product);
    gan_product_of_doubles(ctx, false, true, d, d, d, product, root, other);
    gan_eigen_symmetric(ctx, d, other, values, false);
    for (int64_t i = 0; i < d; i++)
        distance -= 2 * sqrt(fmax(values[i], 0));
    gan_pool_release(ctx, mark);
    return fmax(distance, 0);
}

/* ---- Kernel distance --------------------------------------------------------------------------- */

struct kernel_sums {
    double *sums;    /* of each row's kernels */
    double per_dims; /* 1/d */
    bool self;       /* both sets are one: a sample's kernel with itself is left out */
};

/* k(x, y) = (x.y/d + 1)^3 */
static void add_kernels(void *user, int64_t row, int64_t rows, int64_t column, int64_t columns, const double *products,
                        int64_t stride)
{
    struct kernel_sums *w = user;
    for (int64_t i = 0; i < rows; i++) {
        double sum = 0;
        for (int64_t j = 0; j < columns; j++) {
            double base = products[i * stride + j] * w->per_dims + 1;
            sum += w->self && row + i == column + j ? 0 : base * base * base;
        }
        w->sums[row + i] += sum;
    }
}

/* The sums of each row of x's kernels with all rows of y; the total to *total. */
static double *kernel_sums(gan_context *ctx, int64_t nx, const double *x, int64_t ny, const double *y, int64_t d,
                           double *total)
{
    struct kernel_sums work = {gan_scratch(ctx, (size_t)nx * sizeof *work.sums), 1 / (double)d, x == y};
    memset(work.sums, 0, (size_t)nx * sizeof *work.sums);
    gan_products_of_rows(ctx, nx, x, ny, y, d, add_kernels, &work);
    *total = 0;
    for (int64_t i = 0; i < nx; i++)
        *total += work.sums[i];
    return work.sums;
}

/* What one set's samples add to the jackknife's variance: the estimate without sample i is `rest` and what is left of
 * this set's own kernels (their sum `own`, sample i's twice own_of[i]) and of those with the other set. */
static double jackknife(int64_t n, int64_t others, double own, const double *own_of, double cross,
                        const double *cross_of, double rest)
{
    double m = (double)n, mean = 0, variance = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < n; i++) {
            double without = (own - 2 * own_of[i]) / ((m - 1) * (m - 2)) + rest -
                             2 * (cross - cross_of[i]) / ((m - 1) * (double)others);
            if (pass == 0)
                mean += without / m;
            else
                variance += (without - mean) * (without - mean);
        }
    return variance * (m - 1) / m;
}

gan_estimate gan_kid(gan_tensor *a, gan_tensor *b)
{
    gan_check_samples("kid", a, b, 3);
    gan_context *ctx = gan_context_of(a);
    size_t mark = gan_pool_mark(ctx);
    int64_t m = gan_dim(a, 0), n = gan_dim(b, 0), d = gan_dim(a, 1);
    double *x = gan_as_doubles(a), *y = gan_as_doubles(b), xx, yy, xy, yx;
    double *xx_of = kernel_sums(ctx, m, x, m, x, d, &xx), *yy_of = kernel_sums(ctx, n, y, n, y, d, &yy);
    double *xy_of = kernel_sums(ctx, m, x, n, y, d, &xy), *yx_of = kernel_sums(ctx, n, y, m, x, d, &yx);
    double own_x = xx / ((double)m * (double)(m - 1)), own_y = yy / ((double)n * (double)(n - 1));
    double variance = jackknife(m, n, xx, xx_of, xy, xy_of, own_y) + jackknife(n, m, yy, yy_of, xy, yx_of, own_x);
    gan_pool_release(ctx, mark);
    return (gan_estimate){own_x + own_y - 2 * xy / ((double)m * (double)n), sqrt(variance)};
}

/* ---- Sliced Wasserstein distance --------------------------------------------------------------- */

static int compare(const void *p, const void *q)
{
    double a = *(const double *)p, b = *(const double *)q;
    return (a > b) - (a < b);
}

struct slices {
    int64_t m, n;
    double *a, *b, *squares; /* directions x m, directions x n, directions */
};

/* The squared distance of two sets on a line: both sorted, what is equally far along in both belongs together. */
static void slice_job(void *work, int64_t begin, int64_t end)
{
    struct slices *w = work;
    for (int64_t k = begin; k < end; k++) {
        double *a = w->a + k * w->m, *b = w->b + k * w->n, at = 0, square = 0;
        qsort(a, (size_t)w->m, sizeof *a, compare);
        qsort(b, (size_t)w->n, sizeof *b, compare);
        for (int64_t i = 0, j = 0; i < w->m && j < w->n;) {
            /* (i + 1)/m against (j + 1)/n, in whole numbers */
            int64_t first = (i + 1) * w->n, second = (j + 1) * w->m;
            double next = (double)(first < second ? first : second) / ((double)w->m * (double)w->n);
            square += (next - at) * (a[i] - b[j]) * (a[i] - b[j]);
            at = next;
            i += first <= second;
            j += second <= first;
        }
        w->squares[k] = square;
    }
}

double gan_sliced_wasserstein(gan_tensor *a, gan_tensor *b, gan_tensor *directions)
{
    gan_check_samples("sliced_wasserstein", a, b, 1);
    gan_check_samples("sliced_wasserstein: directions", directions, a, 1);
    gan_context *ctx = gan_context_of(a);
    size_t mark = gan_pool_mark(ctx);
    int64_t m = gan_dim(a, 0), n = gan_dim(b, 0), d = gan_dim(a, 1), count = gan_dim(directions, 0);
    double *x = gan_as_doubles(a), *y = gan_as_doubles(b), *along = gan_as_doubles(directions);
    for (int64_t k = 0; k < count; k++) {
        double length = 0;
        for (int64_t j = 0; j < d; j++)
            length += along[k * d + j] * along[k * d + j];
        if (length == 0)
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "sliced_wasserstein: direction %lld has no length", (long long)k + 1);
        for (int64_t j = 0; j < d; j++)
            along[k * d + j] /= sqrt(length);
    }
    struct slices work = {m, n, gan_scratch(ctx, (size_t)(count * m) * sizeof(double)),
                          gan_scratch(ctx, (size_t)(count * n) * sizeof(double)),
                          gan_scratch(ctx, (size_t)count * sizeof(double))};
    gan_product_of_doubles(ctx, false, true, count, m, d, along, x, work.a);
    gan_product_of_doubles(ctx, false, true, count, n, d, along, y, work.b);
    gan_parallel(ctx, count, 1, slice_job, &work);
    double square = 0;
    for (int64_t k = 0; k < count; k++)
        square += work.squares[k] / (double)count;
    gan_pool_release(ctx, mark);
    return sqrt(square);
}
