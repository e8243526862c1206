/* thin.c - matrix products with a vector: by a single column (a score of each sample, the gradient of its weights) and
 * of a single column by a single row (the gradient of what was scored). Memory is read once, in float32. */
#include <string.h>

#include "op.h"

struct thin {
    const gan_kernels *kernels;
    int64_t m, n, k;
    const gan_real *a, *b;
    gan_real *c;
};

/* c = A b, row by row. */
static void dots_job(void *work, int64_t begin, int64_t end)
{
    const struct thin *w = work;
    for (int64_t i = begin; i < end; i++)
        w->c[i] = w->kernels->dot(w->k, w->a + i * w->k, w->b);
}

/* c = A^T b for A [k x m], a stretch of c at a time. */
static void sums_job(void *work, int64_t begin, int64_t end)
{
    const struct thin *w = work;
    memset(w->c + begin, 0, (size_t)(end - begin) * sizeof *w->c);
    for (int64_t i = 0; i < w->k; i++)
        w->kernels->axpy(end - begin, w->b[i], w->a + i * w->m + begin, w->c + begin);
}

/* C = a b^T, row by row. */
static void outer_job(void *work, int64_t begin, int64_t end)
{
    const struct thin *w = work;
    for (int64_t i = begin; i < end; i++)
        w->kernels->unary[GAN_AFFINE](w->n, w->b, w->c + i * w->n, w->a[i], 0);
}

/* Numbers of c whose sums a first-level cache keeps. */
enum { STRETCH = 2048 };

bool gan_thin_product(gan_context *ctx, bool ta, int64_t m, int64_t n, int64_t k, const gan_real *a, const gan_real *b,
                      gan_real *c)
{
    struct thin w = {ctx->kernels, m, n, k, a, b, c};
    if (k == 1 && n > 1)
        gan_parallel(ctx, m, GAN_GRAIN / n + 1, outer_job, &w);
    else if (n == 1 && ta)
        gan_parallel(ctx, m, k * m > GAN_GRAIN ? STRETCH : m, sums_job, &w);
    else if (n == 1)
        gan_parallel(ctx, m, GAN_GRAIN / (k + 1) + 1, dots_job, &w);
    return n == 1 || k == 1;
}
