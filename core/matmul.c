/* matmul.c - matrix products, split among the context's threads.
 *
 * Where the kernel set has a product kernel, B is packed, and strips of A's rows go through it. The
 * portable set's products are OpenBLAS's. OpenBLAS's own threads are the process's. Where they are one, a product is cut into pieces of rows
 * and each of our threads calls OpenBLAS for its own; where a host left OpenBLAS more, the product is
 * one call and OpenBLAS does the cutting. One call is never more than about 10 GFLOP, so that a
 * cancelled product ends soon. */
#include <cblas.h>
#include <limits.h>
#include <string.h>

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

/* ---- Products by strips ---- */

/* The share of a tile's lines that are used. */
static double filled(int64_t lines, int tile)
{
    return (double)lines / (double)((lines + tile - 1) / tile * tile);
}

const gan_products *gan_products_for(const gan_context *ctx, int64_t m, int64_t n, int64_t k, int64_t repeats)
{
    const gan_products *p = ctx->products;
    if (!p || p->worth == 0)
        return p;
    bool full = filled(m, p->rows) * filled(n, p->panel) * filled(k, p->depth) > 0.35;
    return full && (double)m * (double)n * (double)k * (double)repeats >= p->worth ? p : ctx->vectors;
}

/* What passes at a time: so much of the depth, and as many columns of packed B as a core's cache holds then. */
enum { DEPTH = 256 };

static int64_t columns_at_once(const gan_products *p)
{
    return p->cache / DEPTH;
}

int64_t gan_packed_rows(const gan_products *p, int64_t k)
{
    return (k + p->depth - 1) / p->depth * p->depth;
}

size_t gan_packed(const gan_products *p, int64_t k, int64_t n)
{
    return (size_t)((n + p->panel - 1) / p->panel * p->panel) * (size_t)gan_packed_rows(p, k);
}

/* A^T's numbers for one k and the next lie far apart where A has long rows. Then so many rows of A^T are
 * copied together first: one visit to each page, of which there may be as many as k. */
enum { GATHERED = 96, LONG = 512 };

/* Copies m <= GATHERED rows of A^T, strip by strip, the numbers for each k side by side. */
static void gather(int strip, int64_t m, int64_t k, const gan_real *a, int64_t lda, gan_real *to)
{
    for (int64_t at = 0; at < k; at++, a += lda)
        for (int64_t row = 0; row < m; row += strip) {
            int64_t rows = gan_least(strip, m - row);
            gan_real *place = to + row * k + at * rows;
            if (rows == 12) /* as with AVX-512: a size that the compiler knows */
                memcpy(place, a + row, 12 * sizeof *place);
            else
                for (int64_t i = 0; i < rows; i++)
                    place[i] = a[row + i];
        }
}

/* Rows of C from c on, a strip of them, for some columns and the run's stretch of the depth; fills in the run's rows. */
static void multiply_strip(const gan_products *p, gan_strip strip, gan_run *run, const gan_real *a, int64_t lda,
                           gan_real *c, int64_t ldc)
{
    gan_real *to[GAN_STRIP_ROWS];
    for (int i = 0; i < strip.rows; i++)
        to[i] = c + i * ldc;
    run->a[0] = a;
    for (int i = 1; i < p->rows && !strip.step; i++)
        run->a[i] = i < strip.rows ? a + i * lda : run->a[i - 1];
    strip.count = 1;
    strip.runs = run;
    strip.c = to;
    p->strip(&strip);
}

void gan_multiply(const gan_products *p, bool ta, int64_t m, int64_t n, int64_t k, const gan_real *a, int64_t lda,
                  const gan_real *packed, bool add, gan_real *c, int64_t ldc)
{
    gan_real gathered[GATHERED * DEPTH];
    int64_t packed_rows = gan_packed_rows(p, k), columns = columns_at_once(p);
    for (int64_t column = 0; column < n; column += columns)
        for (int64_t at = 0; at < k || at == 0; at += DEPTH) {
            gan_run run;
            run.depth = gan_least(k - at, DEPTH);
            run.b = packed + column * packed_rows + at * p->panel;
            run.panel = packed_rows * p->panel;
            gan_strip strip = {.n = gan_least(n - column, columns), .add = add || at > 0, .c_step = ldc};
            bool gathering = ta && lda >= LONG && strip.n > 2 * p->panel;
            for (int64_t row = 0; row < m; row += p->rows) {
                const gan_real *from = ta ? a + at * lda + row : a + row * lda + at;
                strip.rows = (int)gan_least(m - row, p->rows);
                strip.step = ta ? lda : 0;
                if (gathering) {
                    if (row % GATHERED == 0)
                        gather(p->rows, gan_least(m - row, GATHERED), run.depth, from, lda, gathered);
                    from = gathered + row % GATHERED * run.depth;
                    strip.step = strip.rows;
                }
                multiply_strip(p, strip, &run, from, lda, c + row * ldc + column, ldc);
            }
        }
}

/* ---- Whole products, cut into pieces ---- */

struct product {
    const gan_context *ctx;
    const gan_products *products;
    bool ta, tb;
    int64_t batch, m, n, k;
    const gan_real *a, *b;
    gan_real *c;
    int64_t row_pieces, rows; /* each matrix of the batch is cut into pieces of so many rows */
    int64_t column_pieces, columns;
    gan_real *packed; /* each B of the batch */
    int64_t packed_size, packed_rows, pack_pieces;
};

/* How many items of so many operations a thread should get at once. */
static int64_t grain(double flops)
{
    return flops > GAN_WORTH_WAKING ? 1 : (int64_t)(GAN_WORTH_WAKING / (flops + 1)) + 1;
}

/* One item is a piece of rows and columns of one matrix of the batch. */
static void blas_job(void *work, int64_t begin, int64_t end)
{
    struct product *w = work;
    int64_t lda = w->ta ? w->m : w->k, ldb = w->tb ? w->k : w->n;
    for (int64_t at = begin; at < end && !gan_stopped(w->ctx); at++) {
        int64_t batch = at / w->row_pieces, first = at % w->row_pieces * w->rows;
        gan_gemm(w->ta, w->tb, gan_least(w->rows, w->m - first), w->n, w->k,
                 w->a + batch * w->m * w->k + (w->ta ? first : first * lda), lda, w->b + batch * w->k * w->n, ldb, 0,
                 w->c + (batch * w->m + first) * w->n, w->n);
    }
}

static void by_blas(gan_context *ctx, struct product *w)
{
    double row_flops = 2.0 * (double)w->n * (double)w->k;
    int slots = gan_gemm_slots(ctx);
    if (slots > 1 && w->batch < slots && row_flops * (double)w->m > GAN_WORTH_WAKING)
        w->rows = (w->m + slots - 1) / slots;
    if (row_flops * (double)w->rows > 1e10)
        w->rows = 1e10 / row_flops < 1 ? 1 : (int64_t)(1e10 / row_flops);
    w->row_pieces = (w->m + w->rows - 1) / w->rows;
    int64_t items = w->batch * w->row_pieces;
    gan_parallel(ctx, items, slots == 1 ? items : grain(row_flops * (double)w->rows), blas_job, w);
}

static void pack_job(void *work, int64_t begin, int64_t end)
{
    struct product *w = work;
    for (int64_t at = begin; at < end && !gan_stopped(w->ctx); at++) {
        int64_t batch = at / w->pack_pieces, column = at % w->pack_pieces * w->products->panel;
        w->products->pack(w->k, gan_least(w->products->panel, w->n - column),
                          w->b + batch * w->k * w->n + column * (w->tb ? w->k : 1), w->tb ? w->k : w->n, w->tb,
                          w->packed + batch * w->packed_size + column * w->packed_rows);
    }
}

static void strips_job(void *work, int64_t begin, int64_t end)
{
    struct product *w = work;
    for (int64_t at = begin; at < end && !gan_stopped(w->ctx); at++) {
        int64_t batch = at / (w->column_pieces * w->row_pieces);
        int64_t column = at / w->row_pieces % w->column_pieces * w->columns, first = at % w->row_pieces * w->rows;
        gan_multiply(w->products, w->ta, gan_least(w->rows, w->m - first), gan_least(w->columns, w->n - column), w->k,
                     w->a + batch * w->m * w->k + first * (w->ta ? 1 : w->k), w->ta ? w->m : w->k,
                     w->packed + batch * w->packed_size + column * w->packed_rows, false,
                     w->c + (batch * w->m + first) * w->n + column, w->n);
    }
}

/* However it is cut, each number of C is the same sum in the same order. */
static void by_strips(gan_context *ctx, struct product *w)
{
    const gan_products *p = w->products;
    size_t mark = gan_pool_mark(ctx);
    w->packed_size = (int64_t)gan_packed(p, w->k, w->n);
    w->packed_rows = gan_packed_rows(p, w->k);
    w->packed = gan_scratch(ctx, (size_t)(w->batch * w->packed_size) * sizeof *w->packed);
    w->columns = columns_at_once(p);
    w->column_pieces = (w->n + w->columns - 1) / w->columns;
    double flops = 2.0 * (double)w->m * (double)w->n * (double)w->k;
    w->pack_pieces = (w->n + p->panel - 1) / p->panel;
    /* Packing a number takes a thread as long as some hundred operations. */
    gan_parallel(ctx, w->batch * w->pack_pieces, grain(100.0 * (double)w->k * (double)p->panel), pack_job, w);
    if (flops * (double)w->batch > GAN_WORTH_WAKING) {
        int64_t wanted = (flops * (double)w->batch > 2e8 ? 4 : 1) * gan_threads(ctx);
        int64_t pieces = (wanted + w->batch * w->column_pieces - 1) / (w->batch * w->column_pieces);
        w->rows = ((w->m + pieces - 1) / pieces + p->rows - 1) / p->rows * p->rows;
        if (flops / (double)w->m * (double)w->rows > 1e9) /* a cancelled product ends soon */
            w->rows = p->rows * 8;
    }
    w->row_pieces = (w->m + w->rows - 1) / w->rows;
    gan_parallel(ctx, w->batch * w->column_pieces * w->row_pieces,
                 grain(flops / (double)w->m * (double)w->rows / (double)w->column_pieces), strips_job, w);
    gan_pool_release(ctx, mark);
}

/* C of few columns would leave most of a panel empty: C^T = B^T A^T has few rows instead. */
static void transposed_by_strips(gan_context *ctx, const struct product *w)
{
    size_t mark = gan_pool_mark(ctx);
    struct product t = {.ctx = ctx,
                        .products = w->products,
                        .ta = !w->tb,
                        .tb = !w->ta,
                        .batch = 1,
                        .m = w->n,
                        .n = w->m,
                        .k = w->k,
                        .a = w->b,
                        .b = w->a,
                        .c = w->c,
                        .rows = w->n};
    if (w->n > 1)
        t.c = gan_scratch(ctx, (size_t)(w->m * w->n) * sizeof *t.c);
    by_strips(ctx, &t);
    if (w->n > 1)
        for (int64_t i = 0; i < w->m; i++)
            for (int64_t j = 0; j < w->n; j++)
                w->c[i * w->n + j] = t.c[j * w->m + i];
    gan_pool_release(ctx, mark);
}

enum { FEW_COLUMNS = 4 };

void gan_product(gan_context *ctx, bool ta, bool tb, int64_t batch, int64_t m, int64_t n, int64_t k, const gan_real *a,
                 const gan_real *b, gan_real *c)
{
    struct product work = {
        .ctx = ctx, .ta = ta, .tb = tb, .batch = batch, .m = m, .n = n, .k = k, .a = a, .b = b, .c = c, .rows = m};
    work.products = gan_products_for(ctx, m, n, k, 1);
    if (batch == 0 || m == 0 || n == 0)
        return;
    gan_spend(ctx, 2.0 * (double)batch * (double)m * (double)n * (double)k / GAN_OPERATIONS);
    if (work.products && batch == 1 && gan_thin_product(ctx, ta, m, n, k, a, b, c))
        return;
    if (!work.products)
        by_blas(ctx, &work);
    else if (batch == 1 && n <= FEW_COLUMNS && m > 2 * FEW_COLUMNS)
        transposed_by_strips(ctx, &work);
    else
        by_strips(ctx, &work);
}

/* ---- The op ---- */

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
    gan_product(ctx, ta, tb, batch, m, n, k, a->data, b->data, y->data);
    return GAN_RECORD(y, &matmul_op, ((gan_attributes){.i = {ta, tb}}), a, b);
}

gan_tensor *gan_matmul(gan_tensor *a, gan_tensor *b)
{
    return gan_matmul_t(a, false, b, false);
}
