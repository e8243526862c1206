/* conv_winograd.h - what the faces of a convolution by fewer products share (conv_winograd.c). Internal to core. */
#ifndef GAN_CONV_WINOGRAD_H
#define GAN_CONV_WINOGRAD_H

#include "conv.h"

enum { GAN_WINOGRAD_FACTORS = 4 }; /* along an axis, at most */
/* Numbers of packed factors at a time, about: what a third-level cache has for them. */
enum { GAN_WINOGRAD_PACKED = 5 << 18 };
/* Numbers between a row of factors of d and the next: rows that lay a multiple of 4096 bytes apart would push each other
 * out of a first-level cache. */
enum { GAN_WINOGRAD_SPREAD = 16 };

typedef struct gan_winograd {
    const gan_context *ctx;
    const gan_conv *v;
    int64_t taps, factors; /* along an axis: r taps of a phase, and r + 1 factors of d and of g */
    const gan_real *from;  /* what d is of: n x height x width x channels */
    int64_t height, width, channels;
    int64_t step;                /* pixels of d's phase lie so far apart */
    int64_t down, across, tiles; /* tiles of a picture's phase, and of all pictures' */
    const gan_real *zeros;       /* a row of pixels */
} gan_winograd;

/* A face's tiles. Takes scratch memory. */
gan_winograd gan_winograd_of(gan_context *ctx, const gan_conv *v);
/* A block of n packed numbers for each pair of factors, e * factors + f: several of a usual size rather than a large one,
 * which no tensor could have when it is free. Takes scratch memory. */
typedef struct gan_winograd_packed {
    gan_real *blocks[GAN_WINOGRAD_FACTORS * GAN_WINOGRAD_FACTORS];
} gan_winograd_packed;
gan_winograd_packed gan_winograd_packed_of(gan_context *ctx, const gan_winograd *w, int64_t n);
/* Which of the kernel's taps along an axis is tap a of a phase. */
int64_t gan_winograd_tap(const gan_winograd *w, int64_t phase, int64_t a);
/* Where tile t is, of all: the picture, and its place there. */
typedef struct gan_winograd_place {
    int64_t image, y, x;
} gan_winograd_place;
static inline gan_winograd_place gan_winograd_place_of(const gan_winograd *w, int64_t tile)
{
    return (gan_winograd_place){tile / w->across / w->down, tile / w->across % w->down, tile % w->across};
}
/* Factor e down and f across of d in phase (i, j) for the tiles [first, first + count): n channels of each from `channel`
 * on, to rows `pitch` apart. */
void gan_winograd_mix(const gan_winograd *w, int64_t first, int64_t count, int64_t i, int64_t j, int64_t e, int64_t f,
                      int64_t channel, int64_t n, gan_real *to, int64_t pitch);
/* The face to the weights (conv_winograd_weight.c). */
void gan_winograd_weight(gan_context *ctx, const gan_conv *v);

#endif
