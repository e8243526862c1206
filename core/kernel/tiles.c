/* tiles.c - the product kernel, compiled once for each vector instruction set (GAN_KERNEL_SET names it).
 *
 * A tile of C, ROWS x 2 vectors, lives in registers while the whole depth passes: for each k two
 * vectors of B are loaded, and each row's number of A, repeated over a vector, is multiplied into
 * both. With AVX-512 that is 24 sums, 2 of B and one of A in 32 registers: 24 multiply-adds to 14
 * loads, so the loads hide, and 24 sums in flight cover the latency of two units. AVX2 has half as
 * many registers and half as many rows. A is read where it lies: only B is packed. */
#ifdef __AVX512F__
#define VECTOR_BYTES 64
enum { ROWS = 12, CACHE = 1 << 17 };
#else
#define VECTOR_BYTES 32
enum { ROWS = 6, CACHE = 1 << 16 };
#endif
#include "kernel.h"
#include "vector.h"

#define JOIN(a, b)        a##b
#define NAME(prefix, set) JOIN(prefix, set)

enum { PANEL = 2 * LANES };
_Static_assert((int)ROWS <= (int)GAN_STRIP_ROWS, "a run's table holds the rows of a tile");

#define EACH_ROW  _Pragma("GCC unroll 12") for (int i = 0; i < rows; i++)
#define EACH_PART _Pragma("GCC unroll 2") for (int v = 0; v < parts; v++)

/* ---- Tiles: templates, made for each number of rows and of vectors across (parts) ---- */

/* sums += a run's rows of A times the panel of B from b on. */
static inline __attribute__((always_inline)) void multiply(const int rows, const int parts, const gan_real *const *a,
                                                           int64_t depth, const gan_real *b, vector sums[ROWS][2])
{
    const gan_real *row[ROWS];
    EACH_ROW row[i] = a[i];
    for (int64_t k = 0; k < depth; k++, b += PANEL) {
        vector across[2];
        EACH_PART across[v] = load(b + v * LANES);
        EACH_ROW
        {
            vector x = row[i][k] - (vector){0}; /* repeated over the vector */
            EACH_PART sums[i][v] += x * across[v];
        }
    }
}

/* The same for a transposed A: the rows' numbers for one k lie side by side, `step` from those for the next. */
static inline __attribute__((always_inline)) void multiply_transposed(const int rows, const int parts,
                                                                      const gan_real *a, int64_t step, int64_t depth,
                                                                      const gan_real *b, vector sums[ROWS][2])
{
    for (int64_t k = 0; k < depth; k++, a += step, b += PANEL) {
        vector across[2];
        EACH_PART across[v] = load(b + v * LANES);
        EACH_ROW
        {
            vector x = a[i] - (vector){0};
            EACH_PART sums[i][v] += x * across[v];
        }
    }
}

/* Writes or adds the sums to `kept` of the template's rows, n columns of them. */
static inline __attribute__((always_inline)) void store(const int rows, const int parts, int kept, int64_t n,
                                                        gan_real *const *c, int64_t column, bool add,
                                                        vector sums[ROWS][2])
{
    if (kept == rows && n == parts * LANES) {
        EACH_ROW
        {
            gan_real *to = c[i] + column;
            EACH_PART *(vector *)(to + v * LANES) = sums[i][v] + (add ? load(to + v * LANES) : (vector){0});
        }
        return;
    }
    gan_real all[ROWS][PANEL];
    EACH_ROW
    {
        EACH_PART *(vector *)(all[i] + v * LANES) = sums[i][v];
    }
    for (int i = 0; i < kept; i++)
        for (int64_t j = 0; j < n; j++)
            c[i][column + j] = all[i][j] + (add ? c[i][column + j] : 0);
}

/* Tile `at` of the strip, from `first` row on: n columns of `kept` rows. */
static inline __attribute__((always_inline)) void tile(const int rows, const int parts, const gan_strip *s, int first,
                                                       int kept, int64_t at, int64_t n)
{
    vector sums[ROWS][2];
    EACH_ROW
    {
        EACH_PART sums[i][v] = (vector){0};
    }
    for (int64_t r = 0; r < s->count; r++) {
        const gan_run *run = &s->runs[r];
        const gan_real *b = run->b + at * run->panel;
        if (s->step)
            multiply_transposed(rows, parts, run->a[0] + first, s->step, run->depth, b, sums);
        else
            multiply(rows, parts, run->a + first, run->depth, b, sums);
    }
    store(rows, parts, kept, n, s->c + first, at * PANEL, s->add, sums);
}

typedef void tile_kernel(const gan_strip *s, int first, int kept, int64_t at, int64_t n);
#define TILE(rows)                                                                                                     \
    static void tile_##rows##x1(const gan_strip *s, int first, int kept, int64_t at, int64_t n)                        \
    {                                                                                                                  \
        tile(rows, 1, s, first, kept, at, n);                                                                          \
    }                                                                                                                  \
    static void tile_##rows##x2(const gan_strip *s, int first, int kept, int64_t at, int64_t n)                        \
    {                                                                                                                  \
        tile(rows, 2, s, first, kept, at, n);                                                                          \
    }
TILE(1)
TILE(2)
TILE(4)
#ifdef __AVX512F__
TILE(8)
TILE(12)
#else
TILE(6)
#endif

static const struct size {
    int rows;
    tile_kernel *narrow, *wide;
} sizes[] = {
#ifdef __AVX512F__
    {12, tile_12x1, tile_12x2}, {8, tile_8x1, tile_8x2},
#else
    {6, tile_6x1, tile_6x2},
#endif
    {4, tile_4x1, tile_4x2},    {2, tile_2x1, tile_2x2}, {1, tile_1x1, tile_1x2},
};

static void strip(const gan_strip *s)
{
    for (int first = 0; first < s->rows;) {
        /* The largest size that fits what is left. Rows that are told by pointers may repeat the last
         * one, so there the smallest size that covers it; a transposed A has nothing to read there. */
        int left = s->rows - first;
        const struct size *size = sizes;
        while (size->rows > left)
            size++;
        if (!s->step && size->rows < left && size > sizes)
            size--;
        int kept = left < size->rows ? left : size->rows;
        for (int64_t at = 0; at * PANEL < s->n; at++) {
            int64_t n = s->n - at * PANEL < PANEL ? s->n - at * PANEL : PANEL;
            (n <= LANES ? size->narrow : size->wide)(s, first, kept, at, n);
        }
        first += kept;
    }
}

/* ---- Packing ---- */

/* One panel of n <= PANEL columns, which lie ld apart in B^T. */
static void pack_panel_transposed(int64_t k, int64_t n, const gan_real *b, int64_t ld, gan_real *to)
{
    int64_t done = 0;
    if (n == PANEL)
        for (; done + LANES <= k; done += LANES)
            for (int part = 0; part < 2; part++) {
                vector square[LANES];
#pragma GCC unroll 16
                for (int i = 0; i < LANES; i++)
                    square[i] = load(b + (part * LANES + i) * ld + done);
                transpose(square);
#pragma GCC unroll 16
                for (int i = 0; i < LANES; i++)
                    *(vector *)(to + (done + i) * PANEL + part * LANES) = square[i];
            }
    for (; done < k; done++)
        for (int64_t j = 0; j < PANEL; j++)
            to[done * PANEL + j] = j < n ? b[j * ld + done] : 0;
}

static void pack(int64_t k, int64_t n, const gan_real *b, int64_t ld, bool transposed, gan_real *to)
{
    for (int64_t at = 0; at < n; at += PANEL, to += k * PANEL) {
        int64_t columns = n - at < PANEL ? n - at : PANEL;
        if (transposed)
            pack_panel_transposed(k, columns, b + at * ld, ld, to);
        else if (columns == PANEL)
            for (int64_t i = 0; i < k; i++) {
                *(vector *)(to + i * PANEL) = load(b + i * ld + at);
                *(vector *)(to + i * PANEL + LANES) = load(b + i * ld + at + LANES);
            }
        else
            for (int64_t i = 0; i < k; i++)
                for (int64_t j = 0; j < PANEL; j++)
                    to[i * PANEL + j] = j < columns ? b[i * ld + at + j] : 0;
    }
}

const gan_products NAME(gan_products_, GAN_KERNEL_SET) = {
    ROWS, PANEL, 0, 1, CACHE, pack, strip, NULL, &NAME(gan_winograd_, GAN_KERNEL_SET)};
