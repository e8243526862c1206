/* vector.h - vectors of gan_real by the compiler's own types, as wide as the file that includes this
 * says (VECTOR_BYTES: 64 or 32), and the transposition of as many as a vector has lanes. */
#ifndef GAN_VECTOR_H
#define GAN_VECTOR_H

#include "../gan.h"

/* Lies anywhere in memory. */
typedef gan_real vector __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(gan_real)), may_alias));
enum { LANES = VECTOR_BYTES / sizeof(gan_real) };

static inline vector load(const gan_real *from)
{
    return *(const vector *)from;
}

/* The lower halves of two vectors, interleaved, and the upper halves. */
#ifdef GAN_DOUBLE
#define VECTOR_LANES (VECTOR_BYTES / 8)
#else
#define VECTOR_LANES (VECTOR_BYTES / 4)
#endif
#if VECTOR_LANES == 16
#define INTERLEAVE_LOW  0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define INTERLEAVE_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif VECTOR_LANES == 8
#define INTERLEAVE_LOW  0, 8, 1, 9, 2, 10, 3, 11
#define INTERLEAVE_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define INTERLEAVE_LOW  0, 4, 1, 5
#define INTERLEAVE_HIGH 2, 6, 3, 7
#endif

/* Vectors as the rows of a square matrix, transposed in place: log2(LANES) rounds of a perfect shuffle. */
static inline __attribute__((always_inline)) void transpose(vector square[LANES])
{
#pragma GCC unroll 4
    for (int round = 1; round < LANES; round *= 2) {
        vector next[LANES];
#pragma GCC unroll 8
        for (int i = 0; i < LANES / 2; i++) {
            next[2 * i] = __builtin_shufflevector(square[i], square[i + LANES / 2], INTERLEAVE_LOW);
            next[2 * i + 1] = __builtin_shufflevector(square[i], square[i + LANES / 2], INTERLEAVE_HIGH);
        }
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            square[i] = next[i];
    }
}

#endif
