/* matmul.c - matrix products over OpenBLAS, split among the context's threads.
 *
 * OpenBLAS's own threads are the process's. Where they are one, a product is cut into pieces of rows
 * and each of our threads calls OpenBLAS for its own; where a host left OpenBLAS more, the product is
 * one call and OpenBLAS does the cutting. One call is never more than about 10 GFLOP, so that a
 * cancelled product ends soon. */
#include <cblas.h>
#include <limits.h>

#include "op.h"

#ifdef GAN_DOUBLE
#define GEMM cblas_dgemm
#else
#define GEMM cblas_sgemm
#endif

void gan_set_blas_threads(int threads)
{
    openblas_set_num_threads(threads < 1 ? 1 : threads);
}

int gan_gemm_slots(const gan_context *ctx)
{
    return openblas_get_num_threads() > 1 ? 1 : gan_threads(ctx);
}

void gan_gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const gan_real *a, int64_t lda, const gan_real *b,
              int64_t ldb, gan_real beta, gan_real *c, int64_t ldc)
{
    if (m == 0 || n == 0)
        return;
    GEMM(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n,
         (blasint)k, 1, a, (blasint)(lda > 0 ? lda : 1), b, (blasint)(ldb > 0 ? ldb : 1), beta, c,
         (blasint)(ldc > 0 ? ldc : 1));
}

/* ---- The op ---- */

struct product {
    const gan_context *ctx;
    bool ta, tb;
    int64_t m, n, k;
    const gan_real *a, *b;
    gan_real *c;
    int64_t row_pieces, rows; /* each matrix of the batch is cut into pieces of so many rows */
};

static void product_job(void *work, int64_t begin, int64_t end)
{
    struct product *w = work;
    int64_t lda = w->ta ? w->m : w->k, ldb = w->tb ? w->k : w->n;
    for (int64_t at = begin; at < end && !w->ctx->cancelled; at++) {
        int64_t batch = at / w->row_pieces, first = at % w->row_pieces * w->rows;
        int64_t rows = w->m - first < w->rows ? w->m - first : w->rows;
        const gan_real *a = w->a + batch * w->m * w->k + (w->ta ? first : first * lda);
        gan_gemm(w->ta, w->tb, rows, w->n, w->k, a, lda, w->b + batch * w->k * w->n, ldb, 0,
                 w->c + (batch * w->m + first) * w->n, w->n);
    }
}

static void matmul_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    gan_tensor *a = gan_input(y, 0), *b = gan_input(y, 1);
    bool ta = y->node->at.i[0], tb = y->node->at.i[1];
    if (needed[0])
        dx[0] = ta ? gan_matmul_t(b, tb, dy, true) : gan_matmul_t(dy, false, b, !tb);
    if (needed[1])
        dx[1] = tb ? gan_matmul_t(dy, true, a, ta) : gan_matmul_t(a, !ta, dy, false);
}
static const gan_op matmul_op = {"matmul", matmul_grad, GAN_SAVES_INPUT(0) | GAN_SAVES_INPUT(1)};

gan_tensor *gan_matmul_t(gan_tensor *a, bool ta, gan_tensor *b, bool tb)
{
    gan_context *ctx = a->ctx;
    gan_check_contexts("matmul", a, b);
    gan_shape sa = a->shape, sb = b->shape;
    int rank = sa.rank;
    if (rank != sb.rank || (rank != 2 && rank != 3) || (rank == 3 && sa.dims[0] != sb.dims[0]))
        gan_fail(ctx, GAN_ERROR_ARGUMENT,
                 "matmul: wanted two matrices, or two batches of as many matrices, got shapes %s and %s", GAN_TEXT(sa),
                 GAN_TEXT(sb));
    int64_t m = sa.dims[rank - 2 + ta], k = sa.dims[rank - 1 - ta], kb = sb.dims[rank - 2 + tb],
            n = sb.dims[rank - 1 - tb], batch = rank == 3 ? sa.dims[0] : 1;
    if (k != kb)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "matmul: shapes %s%s and %s%s do not fit: %lld columns against %lld rows",
                 GAN_TEXT(sa), ta ? " (transposed)" : "", GAN_TEXT(sb), tb ? " (transposed)" : "", (long long)k,
                 (long long)kb);
    if (m > INT_MAX || n > INT_MAX || k > INT_MAX)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "matmul: shapes %s and %s are too large", GAN_TEXT(sa), GAN_TEXT(sb));
    gan_shape shape = sa;
    shape.dims[rank - 2] = m;
    shape.dims[rank - 1] = n;
    gan_tensor *y = gan_new(ctx, shape);
    struct product work = {ctx, ta, tb, m, n, k, a->data, b->data, y->data, 1, m};
    double row_flops = 2.0 * (double)n * (double)k;
    int slots = gan_gemm_slots(ctx);
    if (slots > 1 && batch < slots && row_flops * (double)m > 2e6) /* below, a wake-up costs more than it brings */
        work.rows = (m + slots - 1) / slots;
    if (row_flops * (double)work.rows > 1e10)
        work.rows = 1e10 / row_flops < 1 ? 1 : (int64_t)(1e10 / row_flops);
    work.row_pieces = work.rows ? (m + work.rows - 1) / work.rows : 1;
    /* Small products of a batch go to a thread together. */
    double piece_flops = row_flops * (double)work.rows + 1;
    int64_t grain = slots == 1 ? batch * work.row_pieces : piece_flops > 2e6 ? 1 : (int64_t)(2e6 / piece_flops);
    gan_parallel(ctx, y->numel ? batch * work.row_pieces : 0, grain > 0 ? grain : 1, product_job, &work);
    return GAN_RECORD(y, &matmul_op, ((gan_attributes){.i = {ta, tb}}), a, b);
}

gan_tensor *gan_matmul(gan_tensor *a, gan_tensor *b)
{
    return gan_matmul_t(a, false, b, false);
}
