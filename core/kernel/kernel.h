/* kernel.h - the table of inner loops, one table for each instruction set.
 *
 * loops.c holds the loops once, as plain C, and is compiled for every set; select.c picks a table by
 * CPUID when a context opens. Kernels are flat loops over contiguous numbers: they know no shapes,
 * allocate nothing and cannot fail. A stride (sa, sb) is 1, or 0 for one repeated number. */
#ifndef GAN_KERNEL_H
#define GAN_KERNEL_H

#include "../gan.h"

/* y = f(x; p, q) */
typedef enum gan_unary {
    GAN_AFFINE, /* p*x + q */
    GAN_POW,    /* x^p */
    GAN_EXP,
    GAN_LOG,
    GAN_SQRT,
    GAN_SQUARE,
    GAN_SIN,
    GAN_COS,
    GAN_TANH,
    GAN_ERF,
    GAN_SIGMOID,
    GAN_SOFTPLUS,
    GAN_LEAKY, /* x > 0 ? x : p*x */
    GAN_CLAMP, /* to [p, q] */
    GAN_SIGN,
    GAN_ABS,
    GAN_UNARY_COUNT
} gan_unary;

/* y = f(a, b; p, q) */
typedef enum gan_binary {
    GAN_ADD,
    GAN_SUB,
    GAN_MUL,
    GAN_DIV,
    GAN_POWER,
    GAN_EQ,
    GAN_LT,
    GAN_LE,
    GAN_LEAKY_SLOPE, /* b > 0 ? a : p*a */
    GAN_INSIDE,      /* p <= b <= q ? a : 0 */
    GAN_MASKED,      /* a != 0 ? b : 0 */
    GAN_UNMASKED,    /* a != 0 ? 0 : b */
    GAN_BINARY_COUNT
} gan_binary;

/* The losses of one score: functions of u = sign*x and p, as score.c has them. */
typedef enum gan_score_row {
    GAN_SCORE_LOGISTIC,      /* log(1 + e^u) - p*u */
    GAN_SCORE_HINGE,         /* max(0, p + u) */
    GAN_SCORE_SQUARED_HINGE, /* max(0, p + u)^2 */
    GAN_SCORE_SMOOTH_HINGE,  /* the same with a parabola of width p for a corner */
    GAN_SCORE_SQUARE,        /* (u - p)^2 / 2 */
    GAN_SCORE_PARABOLA,      /* u + p*u^2 */
    GAN_SCORE_EXPONENTIAL,   /* e^(u + p) */
    GAN_SCORE_TANH,          /* p*tanh(u) */
    GAN_SCORE_COUNT
} gan_score_row;

typedef void gan_unary_kernel(int64_t n, const gan_real *x, gan_real *y, gan_real p, gan_real q);
typedef void gan_binary_kernel(int64_t n, const gan_real *a, int64_t sa, const gan_real *b, int64_t sb, gan_real *y,
                               gan_real p, gan_real q);

/* Value, and where they are wanted (not NULL) slope and curvature, by x. */
typedef void gan_score_kernel(int64_t n, const gan_real *x, gan_real *value, gan_real *slope, gan_real *curvature,
                              gan_real sign, gan_real p);

/* y = v where v > 0, slope*v elsewhere, with v = (x - mean)*scale + shift by channel. */
typedef struct gan_leaky {
    const gan_real *mean, *scale, *shift;
    gan_real slope;
} gan_leaky;

/* What Adam's kernel needs once the step's corrections are worked out, in double, and rounded. */
typedef struct gan_adam_constants {
    gan_real beta1, rest1; /* beta1 and 1 - beta1 */
    gan_real beta2, rest2;
    gan_real step_size;       /* lr / (1 - beta1^t) */
    gan_real root_correction; /* 1 / sqrt(1 - beta2^t) */
    gan_real eps;
    gan_real decay;  /* times the parameter, added to the gradient */
    gan_real shrink; /* the parameter is multiplied by it first (AdamW) */
} gan_adam_constants;

/* ---- Products: C = A B, a few rows of A and C at a time ----
 *
 * B is packed into panels of so many columns, the last filled up with zeros. A stays where it is: a
 * strip of its rows is told as runs along the depth, each with a pointer for each row, so that the
 * rows may be those of a matrix or the pixels under the taps of a convolution. */

enum { GAN_STRIP_ROWS = 32 }; /* the most that any set has */

/* One stretch of the depth. */
typedef struct gan_run {
    int64_t depth;
    const gan_real *b; /* where the stretch begins in the first panel */
    int64_t panel;     /* numbers from there to the same place in the next panel */
    const gan_real *a[GAN_STRIP_ROWS];
} gan_run;

typedef struct gan_strip {
    int rows;     /* at most the set's; a run's a[] beyond them repeat the last */
    int64_t n;    /* columns of B and C */
    int64_t step; /* 0: a row's numbers lie side by side. Else A is transposed: a[0] points to the rows' numbers
                   * for the first k, side by side, and those for the next lie `step` further. */
    int64_t count;
    const gan_run *runs;
    bool add;           /* to what C holds, rather than to nothing */
    gan_real *const *c; /* a pointer for each row */
    int64_t c_step;     /* numbers from each to the next, or 0: who knows */
} gan_strip;

/* ---- Products by tiles ----
 *
 * 32 rows of A by 32 columns of B are four tiles of C; the depth passes in steps of 32. Both sides were
 * split beforehand, into high and low parts of 16 bits each, and lie as the functions below leave them. */

enum { GAN_TILE = 32, GAN_STEP_BYTES = 4096 }; /* of one side's 32 x 32 numbers, both parts */

/* How a side lies, in bytes. */
typedef struct gan_tile_side {
    int64_t row;    /* from a tile's row to the next; B's rows are pairs of the depth */
    int64_t second; /* from the first 16 rows of A, or columns of B, to the other 16 */
    int64_t low;    /* from the high parts to the low ones */
    int64_t step;   /* to the next 32 of the depth */
} gan_tile_side;

/* A stretch of the depth. */
typedef struct gan_tile_run {
    const char *a, *b;
    int64_t steps;
} gan_tile_run;

typedef struct gan_tiles {
    /* A's rows of n numbers, pitch apart, to bytes to_pitch apart: for each 32 numbers, 64 bytes of high parts and 64 of
     * low ones. */
    void (*split_rows)(int64_t rows, int64_t n, const gan_real *x, int64_t pitch, char *to, int64_t to_pitch);
    /* Pairs of B's rows, one of x and one of y (NULL: zeros) each: for each 16 numbers, the same of x0 y0 x1 y1 ...,
     * filled up to 32. */
    void (*split_pairs)(int64_t pairs, int64_t n, const gan_real *x, const gan_real *y, int64_t pitch, char *to,
                        int64_t to_pitch);
    /* A^T's 32 rows of n <= 32 numbers: a step, packed. NULL: zeros. */
    void (*split_columns)(int64_t n, const gan_real *const x[GAN_TILE], char *to);
    /* Before a thread multiplies, and when it has. */
    void (*begin)(void);
    void (*end)(void);
    /* C's tiles = the runs' products, or += them: rows 0-15 by columns 0-15, 0-15 by 16-31, 16-31 by 0-15, ...
     * Each run's sides lie so many bytes further on. */
    void (*multiply)(gan_tile_side a, gan_tile_side b, int64_t count, const gan_tile_run *runs, int64_t a_at,
                     int64_t b_at, bool add, gan_real *tiles);
    /* Writes m <= 32 rows of n <= 32 columns of C's four tiles, each to its place: leaky(c + bias), bias by column or
     * NULL, leaky(v) being v where v > 0 and slope*v elsewhere. */
    void (*store)(const gan_real *tiles, int64_t m, int64_t n, const gan_real *bias, gan_real slope,
                  gan_real *const *to);
    /* Writes C^T's n <= 32 columns of m <= 32 rows, ld apart, from C's four tiles. */
    void (*turn)(const gan_real *tiles, int64_t m, int64_t n, gan_real *to, int64_t ld);
} gan_tiles;

/* As pack (below) and split_columns leave a step: its four tiles one after another. */
static const gan_tile_side gan_packed_side = {64, 1024, 2048, GAN_STEP_BYTES};

/* ---- Convolution by fewer products (conv_winograd.c) ---- */

typedef struct gan_winograd_loops {
    /* For each of so many rows of n numbers, which lie from_step and to_step apart:
     * to = (a + across b) + down (c + across d), a to d being from[]; without b and d, or c and d, where they are NULL. */
    void (*mix)(int64_t rows, int64_t n, const gan_real *const from[4], int64_t from_step, gan_real across,
                gan_real down, gan_real *to, int64_t to_step);
    /* odd = (a + b + odd)/2, rest = (a + b - odd)/2; b is 0 where it is NULL */
    void (*halve)(int64_t n, const gan_real *a, const gan_real *b, gan_real *odd, gan_real *rest);
    /* Adds to a tile's four places, n numbers each, what the products of row e of the factors count for, which lie `ahead`
     * apart; where they are a place's first, they are stored. For kernels of 2 and of 3 taps. Places may be the same. */
    void (*add_tile[2])(int64_t n, const gan_real *products, int64_t ahead, int e, gan_real *const to[4]);
} gan_winograd_loops;

typedef struct gan_products {
    int rows, panel; /* of a strip, and columns of a panel */
    double worth;    /* Fewer multiplications than these, or tiles mostly empty, are left to vectors. 0: none are */
    int depth;       /* rows of a panel come in so many: what is packed is filled up with zeros, and a run
                      * begins at a multiple in what was packed at once */
    int64_t cache;   /* numbers of packed B that the second-level cache of a core with such instructions keeps, beside
                    * what else passes through it */
    /* B [k x n], or B^T [n x k], whose rows are ld apart, into panels of k rows each, one after another. */
    void (*pack)(int64_t k, int64_t n, const gan_real *b, int64_t ld, bool transposed, gan_real *to);
    void (*strip)(const gan_strip *strip);
    const gan_tiles *tiles;             /* what else the set has for convolutions; NULL: they go by strips */
    const gan_winograd_loops *winograd; /* NULL: they never go by fewer products */
} gan_products;

/* ---- Inner loops ---- */

typedef struct gan_kernels {
    gan_unary_kernel *unary[GAN_UNARY_COUNT];
    gan_binary_kernel *binary[GAN_BINARY_COUNT];
    gan_score_kernel *score[GAN_SCORE_COUNT];

    gan_real (*sum)(int64_t n, const gan_real *x);
    bool (*all_finite)(int64_t n, const gan_real *x);
    double (*squares)(int64_t n, const gan_real *x); /* sum of x^2, which no float overflows */
    gan_real (*dot)(int64_t n, const gan_real *x, const gan_real *y);
    void (*axpy)(int64_t n, gan_real a, const gan_real *x, gan_real *y); /* y += a*x */

    /* By channel, over rows of c numbers; the accumulators are added to. */
    void (*column_sums)(int64_t rows, int64_t c, const gan_real *x, gan_real *sums);
    void (*column_squares)(int64_t rows, int64_t c, const gan_real *x, const gan_real *mean, gan_real *sums);
    /* y = leaky(x) */
    void (*normalize)(int64_t rows, int64_t c, const gan_real *x, const gan_leaky *leaky, gan_real *y);
    /* sums += dy, dots += dy * (x - mean), dy times slope where y was not above 0 */
    void (*column_dots)(int64_t rows, int64_t c, const gan_real *x, const gan_real *dy, const gan_leaky *leaky,
                        gan_real *sums, gan_real *dots);
    /* dx = dy*ky + (x - mean)*kx + k, dy times slope where y was not above 0 */
    void (*normalize_grad)(int64_t rows, int64_t c, const gan_real *x, const gan_real *dy, const gan_leaky *leaky,
                           const gan_real *ky, const gan_real *kx, const gan_real *k, gan_real *dx);
    /* y = leaky(x + bias); bias may be NULL; y may be x */
    void (*finish)(int64_t rows, int64_t c, const gan_real *x, const gan_real *bias, gan_real slope, gan_real *y);

    void (*adam)(int64_t n, gan_real *p, const gan_real *g, gan_real *m, gan_real *v, const gan_adam_constants *k);
} gan_kernels;

/* ---- Sets ---- */

extern const gan_kernels gan_kernels_portable, gan_kernels_avx2, gan_kernels_avx512;
extern const gan_winograd_loops gan_winograd_avx2, gan_winograd_avx512;
extern const gan_products gan_products_avx2, gan_products_avx512;
extern const gan_products gan_products_amx, gan_products_amx_bf16;
extern const gan_products gan_products_amx_emulated, gan_products_amx_emulated_bf16;

typedef struct gan_kernel_choice {
    const char *name;
    bool (*runs)(void); /* whether this CPU runs it; NULL: every CPU does */
    const gan_kernels *loops;
    const gan_products *products[GAN_PRECISIONS]; /* NULL: matrix products are OpenBLAS's */
} gan_kernel_choice;

/* The best set that this CPU runs. */
const gan_kernel_choice *gan_best_kernels(void);
/* The set of that name, or NULL when this build has none or this CPU does not run it. */
const gan_kernel_choice *gan_find_kernels(const char *name);

#endif
