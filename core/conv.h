/* conv.h - one face of the convolution triple to compute, and the ways to compute it. Internal to core.
 *
 *   form(x, w, y) = sum over n, p, q, i, j, c, o of  x[n][s p + i - pad][s q + j - pad][c] w[i][j][c][o] y[n][p][q][o] */
#ifndef GAN_CONV_H
#define GAN_CONV_H

#include "op.h"

typedef enum gan_conv_face {
    GAN_CONV_FORWARD, /* y, the derivative of the form by y */
    GAN_CONV_INPUT,   /* x */
    GAN_CONV_WEIGHT   /* w */
} gan_conv_face;

/* x as a row of taps sees it: as it is, or, where channels are few, a copy with the zeros left and right, over which a
 * kernel's row counts as one tap of kw c channels. */
typedef struct gan_conv_rows {
    const gan_real *x;
    int64_t w, c, kw, pad; /* width, channels under a tap, taps in a row, zeros to think of left and right */
    int64_t pitch;         /* numbers from one pixel to the next */
} gan_conv_rows;

typedef struct gan_conv {
    gan_conv_face face;
    int64_t n, h, w, c, kh, kw, p, q, o; /* images, input, kernel, output's height and width, out channels */
    int64_t stride, pad;
    int64_t patch;                  /* kh kw c */
    const gan_products *products;   /* what multiplies; NULL: OpenBLAS */
    const gan_real *x, *weight, *y; /* the two that are given */
    gan_real *result;               /* the third */
    const gan_real *bias;           /* y = leaky(y + bias) is what follows, for the face to y or x; NULL: no bias */
    gan_real slope;
    gan_conv_rows rows;
} gan_conv;

/* What of x the rows of taps see; where that is a copy (x is NULL then), gan_conv_widen makes it, in scratch memory. */
gan_conv_rows gan_conv_rows_of(const gan_conv *v);
void gan_conv_widen(gan_context *ctx, gan_conv *v);

/* Each computes any convolution; they take scratch memory, and fail when cancelled. */
/* Through matrices of patches (conv_patches.c): the reference, and the better one to an input of few channels. */
void gan_conv_patches(gan_context *ctx, const gan_conv *v);
/* Without them, by strips of the product kernel, which there must be (conv_direct.c). Not
 * for empty pictures. */
void gan_conv_direct(gan_context *ctx, const gan_conv *v);
/* By fewer products of strips, where that pays (conv_winograd.c), as some shapes and no kernels of others do. */
bool gan_winograd_pays(const gan_conv *v);
void gan_conv_winograd(gan_context *ctx, const gan_conv *v);
/* By tiles, which the products must have (conv_tiles.c); not for empty pictures. And its face to the weights. */
void gan_conv_tiles(gan_context *ctx, const gan_conv *v);
void gan_conv_tiles_weight(gan_context *ctx, const gan_conv *v);

#endif
