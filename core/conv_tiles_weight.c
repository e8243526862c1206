/* conv_tiles_weight.c - convolution by tiles (kernel.h) to the weights.
 *
 * The depth of the product are all places, a block of them at a time, two images a pair: y is turned, so that its channels
 * are rows of tiles, and x is laid out once for all taps (conv_layout.h), its channels columns. What a block gives is added
 * to the sums of all weights, [channel of y][channel of x] within a tile, which are turned at the end.
 *
 * Each number is one sum in one order, however many threads there are. */
#include <string.h>

#include "conv_layout.h"

/* Places whose products pass between two visits to the sums; rows of them, at most. */
enum { PLACES = 1024, ROWS = 64 };

struct weights {
    const gan_context *ctx;
    const gan_conv *v;
    const gan_tiles *tiles;
    gan_layout x;
    int64_t steps; /* of 32 of the depth, in a row of places of a group of images */
    int64_t rows;  /* of places in a block */
    int64_t c_tiles, o_tiles, taps;
    char *laid_out, *turned;    /* a block's x; its y as [tile][row][step] */
    gan_real *sums;             /* [c tile][o tile][tap] of four tiles each */
    int64_t first, top, bottom; /* the block: its images and rows of places */
    int64_t low, lines;         /* the lines of x that it meets: rows times pairs */
    bool add;                   /* not the first block */
};

static gan_real *sums_of(const struct weights *w, int64_t item, int64_t tap)
{
    return w->sums + (item * w->taps + tap) * GAN_TILE * GAN_TILE;
}

/* Turns 32 places of y, a step of a row, for a tile of channels. */
static void turn_y(const struct weights *w, int64_t tile, int64_t row, int64_t step)
{
    const gan_conv *v = w->v;
    const gan_real *y[GAN_TILE];
    int64_t place = step * GAN_TILE / w->x.group, image = step * GAN_TILE % w->x.group;
    for (int64_t k = 0; k < GAN_TILE; k++) {
        int64_t n = w->first + image;
        bool there = place < v->q && n < v->n;
        y[k] = there ? v->y + ((n * v->p + w->top + row) * v->q + place) * v->o + tile * GAN_TILE : NULL;
        if (++image == w->x.group) {
            image = 0;
            place++;
        }
    }
    w->tiles->split_columns(v->o - tile * GAN_TILE, y,
                            w->turned + ((tile * w->rows + row) * w->steps + step) * GAN_STEP_BYTES);
}

/* Items are the block's lines of x, and then its tiles of y, all steps of a row. */
static void lay_out_job(void *work, int64_t begin, int64_t end)
{
    const struct weights *w = work;
    for (int64_t item = begin; item < end; item++)
        if (item < w->lines) {
            gan_lay_out_pair(&w->x, w->tiles, w->first, w->low + item / w->x.lines, item % w->x.lines, w->laid_out);
        } else {
            int64_t tile = (item - w->lines) % w->o_tiles, row = (item - w->lines) / w->o_tiles;
            for (int64_t step = 0; step < w->steps; step++)
                turn_y(w, tile, row, step);
        }
}

/* An item is a tile of channels of x by one of y, under all taps. */
static void add_block_job(void *work, int64_t begin, int64_t end)
{
    const struct weights *w = work;
    gan_tile_side side = {w->x.line, 128, 64, 16 * w->x.line};
    w->tiles->begin();
    for (int64_t item = begin; item < end && !gan_stopped(w->ctx); item++) {
        const char *x = w->laid_out + item / w->o_tiles * 256;
        const char *y = w->turned + item % w->o_tiles * w->rows * w->steps * GAN_STEP_BYTES;
        for (int64_t tap = 0; tap < w->taps; tap++) {
            gan_tile_run runs[ROWS];
            int64_t count = 0, row, column;
            gan_layout_meets_column(&w->x, tap % w->v->rows.kw, 0, &column);
            for (int64_t at = w->top; at < w->bottom; at++)
                if (gan_layout_meets_row(&w->x, tap / w->v->rows.kw, at, &row))
                    runs[count++] = (gan_tile_run){y + (at - w->top) * w->steps * GAN_STEP_BYTES,
                                                   x + gan_layout_row(&w->x, row) + column, w->steps};
            if (count || !w->add)
                w->tiles->multiply(gan_packed_side, side, count, runs, 0, 0, w->add, sums_of(w, item, tap));
        }
    }
    w->tiles->end();
}

/* An item is a tile of channels of x by one of y. */
static void turn_sums_job(void *work, int64_t begin, int64_t end)
{
    const struct weights *w = work;
    const gan_conv *v = w->v;
    for (int64_t item = begin; item < end; item++) {
        int64_t c = item / w->o_tiles * GAN_TILE, o = item % w->o_tiles * GAN_TILE;
        for (int64_t tap = 0; tap < w->taps; tap++)
            w->tiles->turn(sums_of(w, item, tap), gan_least(GAN_TILE, v->rows.c - c), gan_least(GAN_TILE, v->o - o),
                           v->result + (tap * v->rows.c + c) * v->o + o, v->o);
    }
}

/* How many images a group has, and how many of their rows a block. */
static void plan(struct weights *w)
{
    const gan_conv *v = w->v;
    int64_t group = gan_most(2, gan_layout_filling(v->q)), all = gan_pieces(v->n, 2) * 2;
    while (group < all && group * v->p * v->q < PLACES)
        group *= 2;
    w->x.group = gan_least(group, all);
    w->x.lines = w->x.group / 2;
    w->x.line = w->c_tiles * 256 + GAN_SPREAD;
    w->steps = gan_pieces(v->q * w->x.group, GAN_TILE);
    w->rows = gan_least(ROWS, gan_least(v->p, gan_pieces(PLACES, v->q * w->x.group)));
    w->rows = gan_pieces(v->p, gan_pieces(v->p, w->rows)); /* blocks of one size */
    w->x.ring = gan_layout_most_rows(&w->x, w->rows);
}

void gan_conv_tiles_weight(gan_context *ctx, const gan_conv *v)
{
    struct weights w = {.ctx = ctx, .v = v, .tiles = v->products->tiles, .x = gan_layout_of(v, true, v->q)};
    w.taps = v->kh * v->rows.kw;
    w.c_tiles = gan_pieces(v->rows.c, GAN_TILE);
    w.o_tiles = gan_pieces(v->o, GAN_TILE);
    plan(&w);
    int64_t items = w.c_tiles * w.o_tiles, bytes = gan_layout_bytes(&w.x);
    w.laid_out = gan_scratch(ctx, (size_t)bytes);
    if (w.steps * GAN_TILE > v->q * w.x.group) /* the last step reaches on: y has zeros there, x must have numbers */
        memset(w.laid_out, 0, (size_t)bytes);
    w.turned = gan_scratch(ctx, (size_t)(w.o_tiles * w.rows * w.steps * GAN_STEP_BYTES));
    w.sums = gan_scratch(ctx, (size_t)(items * w.taps * GAN_TILE * GAN_TILE) * sizeof *w.sums);
    double flops = 2.0 * (double)(v->n * v->p * v->q) * (double)v->patch * (double)v->o;
    bool alone = flops < GAN_WORTH_WAKING;
    for (w.first = 0; w.first < v->n; w.first += w.x.group)
        for (w.top = 0; w.top < v->p; w.top = w.bottom, w.add = true) {
            w.bottom = gan_least(w.top + w.rows, v->p);
            w.lines = gan_layout_rows(&w.x, w.top, w.bottom, &w.low) * w.x.lines;
            int64_t all = w.lines + (w.bottom - w.top) * w.o_tiles;
            gan_parallel(ctx, all, alone ? all : all / 32 + 1, lay_out_job, &w);
            gan_parallel(ctx, items, alone ? items : 1, add_block_job, &w);
        }
    gan_parallel(ctx, items, alone ? items : 1, turn_sums_job, &w);
}
