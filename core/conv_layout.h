/* conv_layout.h - pictures as products by tiles (kernel.h) take them. Internal to core.
 *
 * A tile's rows lie at one distance, so pictures are laid out, some rows at a time and split, such that neighbours
 * in the result see neighbours under every tap of the kernel: [row][plane][place][line]. The lines of a place are a
 * group of images side by side, or pairs of them; the columns that taps of one remainder by the stride see are a
 * plane, where the next place is the next one that such a tap sees. Zeros stand for what lies beyond the border. Tap j
 * at places t, t + 1, ... is then one stretch of lines, wherever it begins. */
#ifndef GAN_CONV_LAYOUT_H
#define GAN_CONV_LAYOUT_H

#include "conv.h"

/* Lines at distances of powers of two would meet in a few sets of the caches: so many bytes more lie between them. */
enum { GAN_SPREAD = 64 };

typedef struct gan_layout {
    const gan_conv *v;
    bool forward;         /* pictures of x, whose taps y sees; else of y, as x sees them */
    const gan_real *from; /* n x height x width pixels, `pitch` numbers apart, of depth numbers */
    int64_t height, width, pitch, depth;
    int64_t jump, first; /* place u of plane p is column jump*u + p + first */
    int64_t planes, places;
    int64_t group, lines; /* images at a place; lines at a place: as many, or half */
    int64_t line;         /* bytes from one to the next */
    int64_t ring;         /* row r lies where row r - ring lay */
} gan_layout;

/* For a result of so many places across. group, lines, line and ring are the caller's to say. */
gan_layout gan_layout_of(const gan_conv *v, bool forward, int64_t across);
/* Bytes of it; tiles may reach beyond the last line by their own height. */
int64_t gan_layout_bytes(const gan_layout *l);
/* The fewest images whose places fill tiles without a rest. */
int64_t gan_layout_filling(int64_t across);

/* The rows that rows [top, bottom) of the result meet, from *low on: how many. */
int64_t gan_layout_rows(const gan_layout *l, int64_t top, int64_t bottom, int64_t *low);
/* How many that is at most, wherever so many rows of the result begin. */
int64_t gan_layout_most_rows(const gan_layout *l, int64_t rows);

/* Whether tap row i meets row y of the result: then where. */
bool gan_layout_meets_row(const gan_layout *l, int64_t i, int64_t y, int64_t *row);
/* Whether tap column j meets a phase of the result's columns; then the byte in a laid out row where its first place is.
 * Forward there is one phase, 0. */
bool gan_layout_meets_column(const gan_layout *l, int64_t j, int64_t phase, int64_t *at);
/* The byte where a row begins. */
int64_t gan_layout_row(const gan_layout *l, int64_t row);

/* Lays out a row of images first, first + 1, ...: each a line; or line number `pair` of two images. */
void gan_lay_out_images(const gan_layout *l, const gan_tiles *tiles, int64_t first, int64_t row, char *to);
void gan_lay_out_pair(const gan_layout *l, const gan_tiles *tiles, int64_t first, int64_t row, int64_t pair, char *to);

#endif
