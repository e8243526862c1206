/* linalg.c - what needs BLAS in double, or LAPACK; both are OpenBLAS's.
 *
 * Their Fortran names are declared here: cblas.h has no LAPACK, and lapacke.h is a package of its own. Fortran passes
 * everything by address and, at the end, the lengths of its character arguments. */
#include "linalg.h"

#include <limits.h>

#include "op.h"

void dgemm_(const char *ta, const char *tb, const int *m, const int *n, const int *k, const double *alpha,
            const double *a, const int *lda, const double *b, const int *ldb, const double *beta, double *c,
            const int *ldc, size_t ta_length, size_t tb_length);
void dsyevd_(const char *job, const char *half, const int *n, double *a, const int *lda, double *values, double *room,
             const int *room_size, int *places, const int *places_size, int *info, size_t job_length,
             size_t half_length);

/* Of floating point, for one unit of gan_spend: those of doubles count twice. */
#define OPERATIONS 256

/* Fortran's columns are our rows: C^T = B^T A^T. On the calling thread. */
static void gemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const double *a, int64_t lda, const double *b,
                 int64_t ldb, double *c, int64_t ldc)
{
    int rows = (int)n, columns = (int)m, depth = (int)k, a_stride = (int)lda, b_stride = (int)ldb, c_stride = (int)ldc;
    dgemm_(tb ? "T" : "N", ta ? "T" : "N", &rows, &columns, &depth, &(double){1}, b, &b_stride, a, &a_stride,
           &(double){0}, c, &c_stride, 1, 1);
}

/* Sizes that an int holds, for BLAS. */
static void check_sizes(gan_context *ctx, int64_t m, int64_t n, int64_t k)
{
    if (m > INT_MAX || n > INT_MAX || k > INT_MAX)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "matrices of %lld x %lld x %lld are too large for BLAS", (long long)m,
                 (long long)n, (long long)k);
}

double *gan_as_doubles(gan_tensor *t)
{
    int64_t count = gan_numel(t);
    double *to = gan_scratch(gan_context_of(t), (size_t)count * sizeof *to);
    const gan_real *from = gan_data(t);
    for (int64_t i = 0; i < count; i++)
        to[i] = (double)from[i];
    return to;
}

/* ---- Products ---- */

struct product {
    gan_context *ctx;
    bool ta, tb;
    int64_t m, n, k, rows; /* of one piece */
    const double *a, *b;
    double *c;
};

static void product_job(void *work, int64_t begin, int64_t end)
{
    struct product *w = work;
    for (int64_t piece = begin; piece < end && !gan_stopped(w->ctx); piece++) {
        int64_t first = piece * w->rows;
        gemm(w->ta, w->tb, gan_least(w->rows, w->m - first), w->n, w->k, w->a + first * (w->ta ? 1 : w->k),
             w->ta ? w->m : w->k, w->b, w->tb ? w->k : w->n, w->c + first * w->n, w->n);
    }
}

void gan_product_of_doubles(gan_context *ctx, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const double *a,
                            const double *b, double *c)
{
    check_sizes(ctx, m, n, k);
    gan_spend(ctx, 2.0 * (double)m * (double)n * (double)k / OPERATIONS);
    /* Pieces that the sizes alone decide on, each of at most a tenth of a second. */
    int64_t rows = gan_least(64, 1 + (int64_t)(1e9 / (2.0 * (double)n * (double)k + 1)));
    struct product work = {ctx, ta, tb, m, n, k, rows, a, b, c};
    int64_t pieces = (m + rows - 1) / rows;
    gan_parallel(ctx, pieces, gan_gemm_slots(ctx) == 1 ? pieces : 1, product_job, &work);
}

/* ---- Eigenvalues ---- */

/* LAPACK cannot be interrupted: this many take it less than a tenth of a second. */
enum { MOST_LIMITED = 512 };

void gan_eigen_symmetric(gan_context *ctx, int64_t n, double *a, double *values, bool vectors)
{
    check_sizes(ctx, n, n, n);
    if (n > MOST_LIMITED && gan_is_limited(ctx))
        gan_fail(ctx, GAN_ERROR_LIMIT,
                 "a %lld x %lld matrix has too many eigenvalues where work is limited: at most %d", (long long)n,
                 (long long)n, MOST_LIMITED);
    gan_spend(ctx, 10.0 * (double)n * (double)n * (double)n / OPERATIONS);
    size_t mark = gan_pool_mark(ctx);
    const char *job = vectors ? "V" : "N";
    int size = (int)n, info = 0, asked = -1, places_needed = 0;
    double room_needed = 0;
    dsyevd_(job, "U", &size, a, &size, values, &room_needed, &asked, &places_needed, &asked, &info, 1, 1);
    if (!(room_needed <= INT_MAX))
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "a %lld x %lld matrix is too large for LAPACK", (long long)n, (long long)n);
    int room_size = (int)room_needed, places_size = places_needed;
    double *room = gan_scratch(ctx, (size_t)(room_size + 1) * sizeof *room);
    int *places = gan_scratch(ctx, (size_t)(places_size + 1) * sizeof *places);
    dsyevd_(job, "U", &size, a, &size, values, room, &room_size, places, &places_size, &info, 1, 1);
    gan_pool_release(ctx, mark);
    if (info != 0)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "LAPACK found no eigenvalues of a %lld x %lld matrix", (long long)n,
                 (long long)n);
}

/* ---- Rows with rows ---- */

enum { TILE_ROWS = 128, TILE_COLUMNS = 512 };

struct rows {
    gan_context *ctx;
    int64_t na, nb, dims, slots;
    const double *a, *b;
    double *tiles; /* a slot's is TILE_ROWS x TILE_COLUMNS */
    gan_visit_products *visit;
    void *user;
};

static void rows_job(void *work, int64_t begin, int64_t end)
{
    struct rows *w = work;
    for (int64_t slot = begin; slot < end; slot++) {
        double *tile = w->tiles + slot * TILE_ROWS * TILE_COLUMNS;
        for (int64_t row = slot * TILE_ROWS; row < w->na; row += w->slots * TILE_ROWS) {
            int64_t rows = gan_least(TILE_ROWS, w->na - row);
            for (int64_t column = 0; column < w->nb && !gan_stopped(w->ctx); column += TILE_COLUMNS) {
                int64_t columns = gan_least(TILE_COLUMNS, w->nb - column);
                gemm(false, true, rows, columns, w->dims, w->a + row * w->dims, w->dims, w->b + column * w->dims,
                     w->dims, tile, TILE_COLUMNS);
                w->visit(w->user, row, rows, column, columns, tile, TILE_COLUMNS);
            }
        }
    }
}

void gan_products_of_rows(gan_context *ctx, int64_t na, const double *a, int64_t nb, const double *b, int64_t dims,
                          gan_visit_products *visit, void *user)
{
    check_sizes(ctx, na, nb, dims);
    size_t mark = gan_pool_mark(ctx);
    struct rows work = {ctx, na, nb, dims, gan_gemm_slots(ctx), a, b, NULL, visit, user};
    work.tiles = gan_scratch(ctx, (size_t)(work.slots * TILE_ROWS * TILE_COLUMNS) * sizeof *work.tiles);
    gan_parallel(ctx, work.slots, 1, rows_job, &work);
    gan_pool_release(ctx, mark);
}
