/* winograd.c - the loops of convolution by fewer products (conv_winograd.c), compiled once for each vector instruction set
 * (GAN_KERNEL_SET names it). They are bound by memory: plain C that a compiler turns into vector code is enough. */
#include <string.h>

#include "kernel.h"

#define JOIN(a, b)        a##b
#define NAME(prefix, set) JOIN(prefix, set)

static void mix(int64_t rows, int64_t n, const gan_real *const from[4], int64_t from_step, gan_real across,
                gan_real down, gan_real *restrict to, int64_t to_step)
{
    const gan_real *a = from[0], *b = from[1], *c = from[2], *d = from[3];
    for (int64_t r = 0, at = 0; r < rows; r++, at += from_step, to += to_step) {
        if (d)
            for (int64_t i = 0; i < n; i++)
                to[i] = (a[at + i] + across * b[at + i]) + down * (c[at + i] + across * d[at + i]);
        else if (c)
            for (int64_t i = 0; i < n; i++)
                to[i] = a[at + i] + down * c[at + i];
        else if (b)
            for (int64_t i = 0; i < n; i++)
                to[i] = a[at + i] + across * b[at + i];
        else
            memcpy(to, a + at, (size_t)n * sizeof *to);
    }
}

static void halve(int64_t n, const gan_real *a, const gan_real *b, gan_real *restrict odd, gan_real *restrict rest)
{
    for (int64_t i = 0; i < n; i++) {
        gan_real even = (b ? a[i] + b[i] : a[i]) / 2, half = odd[i] / 2;
        odd[i] = even + half;
        rest[i] = even - half;
    }
}

/* Places outside the picture share one row of numbers that nobody reads. */
static inline __attribute__((always_inline)) void add_tile(const int taps, int64_t n, const gan_real *m, int64_t ahead,
                                                           int e, gan_real *const to[4])
{
    gan_real *a = to[0], *b = to[1], *c = to[2], *d = to[3];
#define LEFT  (taps == 2 ? m[i] + m[ahead + i] : m[i] + m[ahead + i] + m[2 * ahead + i])
#define RIGHT (taps == 2 ? m[ahead + i] + m[2 * ahead + i] : m[ahead + i] - m[2 * ahead + i] + m[3 * ahead + i])
    if (e == 0) {
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) {
            a[i] = LEFT;
            b[i] = RIGHT;
        }
    } else if (e == taps) {
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) {
            c[i] += LEFT;
            d[i] += RIGHT;
        }
    } else if (e == 1) {
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) {
            gan_real left = LEFT, right = RIGHT;
            a[i] += left;
            b[i] += right;
            c[i] = left;
            d[i] = right;
        }
    } else {
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) {
            gan_real left = LEFT, right = RIGHT;
            a[i] += left;
            b[i] += right;
            c[i] -= left;
            d[i] -= right;
        }
    }
#undef LEFT
#undef RIGHT
}

static void add_tile_2(int64_t n, const gan_real *m, int64_t ahead, int e, gan_real *const to[4])
{
    add_tile(2, n, m, ahead, e, to);
}

static void add_tile_3(int64_t n, const gan_real *m, int64_t ahead, int e, gan_real *const to[4])
{
    add_tile(3, n, m, ahead, e, to);
}

const gan_winograd_loops NAME(gan_winograd_, GAN_KERNEL_SET) = {mix, halve, {add_tile_2, add_tile_3}};
