/* conv_tiles.c - convolution by tiles (kernel.h) to y, and with x and y exchanged to x; there the pixels whose coordinates
 * leave one remainder by the stride, a phase, form a convolution of stride 1.
 *
 * Pixels of the result are rows of tiles, 32 at a time: some places across, in a group of images
 * (conv_layout.h). The sums of a panel of 32 channels stay in registers for the whole depth: all taps and channels.
 *
 * Each number is one sum in one order, however many threads there are. */
#include <stdatomic.h>
#include <string.h>

#include "conv_layout.h"

struct pass {
    const gan_context *ctx;
    const gan_conv *v;
    const gan_products *products;
    gan_layout from;
    gan_real *to; /* n x rows x columns x channels */
    int64_t rows, columns, channels, phases;
    int64_t panels, taps, steps; /* of 32 channels; of the kernel; of 32 of the depth */
    char *packed;                /* [panel][tap][step] */
    int64_t lines;               /* of rows of the result, computed for one visit to the panels */
    int64_t band, bands;         /* of rows in an item, and how many items they make of a group */
    int64_t items, meetings;     /* of lines with phases, at most at a time */
    _Atomic int64_t next;        /* item */
    char *slots;
    int64_t slot_bytes;
};

static void pack_job(void *work, int64_t begin, int64_t end)
{
    const struct pass *w = work;
    for (int64_t at = begin; at < end; at++) {
        int64_t channel = at / w->taps * GAN_TILE, tap = at % w->taps, depth = w->from.depth;
        const gan_real *weight =
            w->v->weight + tap * w->v->rows.c * w->v->o + channel * (w->from.forward ? 1 : w->v->o);
        w->products->pack(depth, gan_least(GAN_TILE, w->channels - channel), weight, w->v->o, !w->from.forward,
                          (gan_real *)(w->packed + at * w->steps * GAN_STEP_BYTES));
    }
}

/* The taps that meet a phase of a row of the result, each with its weights in the first panel. */
struct meeting {
    int64_t count;
    gan_tile_run *runs;
};

static struct meeting meet(const struct pass *w, int64_t y, int64_t phase, const char *laid_out, gan_tile_run *runs)
{
    struct meeting m = {0, runs};
    for (int64_t i = 0; i < w->v->kh; i++) {
        int64_t row, column;
        if (gan_layout_meets_row(&w->from, i, y, &row))
            for (int64_t j = 0; j < w->v->rows.kw; j++)
                if (gan_layout_meets_column(&w->from, j, phase, &column))
                    runs[m.count++] =
                        (gan_tile_run){laid_out + gan_layout_row(&w->from, row) + column,
                                       w->packed + (i * w->v->rows.kw + j) * w->steps * GAN_STEP_BYTES, w->steps};
    }
    return m;
}

/* One phase of the result's row y in a group of images: a panel of its channels. */
static void compute_phase(const struct pass *w, int64_t first, int64_t y, int64_t phase, int64_t panel,
                          struct meeting m)
{
    int64_t group = w->from.group, line = w->from.line, images = gan_least(group, w->v->n - first);
    int64_t all = gan_pieces(w->columns - phase, w->phases) * group, channel = panel * GAN_TILE;
    int64_t image_size = w->rows * w->columns * w->channels, weights = panel * w->taps * w->steps * GAN_STEP_BYTES;
    gan_real tiles[GAN_TILE * GAN_TILE] __attribute__((aligned(64)));
    gan_real *to[GAN_TILE], nowhere[GAN_TILE]; /* for the images that a group has too many */
    gan_real *place = w->to + first * image_size + (y * w->columns + phase) * w->channels + channel;
    int64_t image = 0;
    for (int64_t at = 0; at < all; at += GAN_TILE) {
        int64_t lines = gan_least(GAN_TILE, all - at);
        for (int64_t i = 0; i < lines; i++) {
            to[i] = image < images ? place + image * image_size : nowhere;
            if (++image == group) {
                image = 0;
                place += w->phases * w->channels;
            }
        }
        w->products->tiles->multiply((gan_tile_side){line, 16 * line, 64, 128}, gan_packed_side, m.count, m.runs,
                                     at * line, weights, false, tiles);
        w->products->tiles->store(tiles, lines, gan_least(GAN_TILE, w->channels - channel),
                                  w->v->bias ? w->v->bias + channel : NULL, w->v->slope, to);
    }
}

/* What a slot has to itself. */
struct slot {
    char *laid_out;
    struct meeting *meetings; /* of each line and phase, and their runs */
    gan_tile_run *runs;
};

/* An item is a band of rows of the result in a group of images: some lines at a time, each row that they meet laid out
 * once. */
static void compute_item(const struct pass *w, int64_t item, struct slot s)
{
    int64_t first = item / w->bands * w->from.group, low, done = 0, phases = gan_least(w->phases, w->columns);
    int64_t begin = item % w->bands * w->band, end = gan_least(begin + w->band, w->rows);
    for (int64_t top = begin; top < end && !gan_stopped(w->ctx); top += w->lines) {
        int64_t bottom = gan_least(top + w->lines, end), rows = gan_layout_rows(&w->from, top, bottom, &low);
        for (int64_t row = gan_most(low, done); row < low + rows; row++)
            gan_lay_out_images(&w->from, w->products->tiles, first, row, s.laid_out);
        done = gan_most(done, low + rows);
        int64_t lines = (bottom - top) * phases;
        for (int64_t i = 0; i < lines; i++)
            s.meetings[i] = meet(w, top + i % (bottom - top), i / (bottom - top), s.laid_out, s.runs + i * w->taps);
        for (int64_t panel = 0; panel < w->panels && !gan_stopped(w->ctx); panel++)
            for (int64_t i = 0; i < lines; i++)
                compute_phase(w, first, top + i % (bottom - top), i / (bottom - top), panel, s.meetings[i]);
    }
}

static void pass_job(void *work, int64_t begin, int64_t end)
{
    struct pass *w = work;
    w->products->tiles->begin();
    for (int64_t at = begin; at < end; at++) {
        struct slot s = {.laid_out = w->slots + at * w->slot_bytes};
        s.meetings = (struct meeting *)(s.laid_out + w->slot_bytes) - w->meetings;
        s.runs = (gan_tile_run *)s.meetings - w->meetings * w->taps;
        for (int64_t item; (item = atomic_fetch_add(&w->next, 1)) < w->items && !gan_stopped(w->ctx);)
            compute_item(w, item, s);
    }
    w->products->tiles->end();
}

/* Bytes that a core's second-level cache has for pixels, beside a panel of weights; pixels of the result that should be
 * computed for a panel once it is there. */
enum { LAID_OUT = 1 << 20, PIXELS = 1024 };

/* Chooses how many images and lines pass at a time, and how the rows are dealt out to items. */
static void plan(struct pass *w, int64_t slots)
{
    gan_layout *l = &w->from;
    l->line = w->steps * 128 + GAN_SPREAD;
    l->group = l->lines = gan_layout_filling(gan_pieces(w->columns, w->phases));
    for (;;) {
        /* Some lines of a group, while there are groups for all. */
        l->ring = gan_layout_most_rows(l, w->rows);
        int64_t larger = 2 * l->group;
        if (larger * w->rows * w->columns > PIXELS || slots * larger > w->v->n || 2 * gan_layout_bytes(l) > LAID_OUT)
            break;
        l->group = l->lines = larger;
    }
    l->group = l->lines = gan_least(w->v->n, l->group);
    for (w->lines = w->rows; w->lines > 1; w->lines = gan_pieces(w->lines, 2)) {
        l->ring = gan_layout_most_rows(l, w->lines);
        if (gan_layout_bytes(l) <= LAID_OUT)
            break;
    }
    l->ring = gan_layout_most_rows(l, w->lines);
    int64_t groups = gan_pieces(w->v->n, l->group);
    w->band = gan_pieces(w->rows, gan_pieces(4 * slots, groups));
    w->bands = gan_pieces(w->rows, w->band);
    w->items = groups * w->bands;
}

static void pass(gan_context *ctx, const gan_conv *v)
{
    struct pass w = {.ctx = ctx, .v = v, .products = v->products, .to = v->result};
    bool forward = v->face == GAN_CONV_FORWARD;
    w.rows = forward ? v->p : v->h;
    w.columns = forward ? v->q : v->w;
    w.channels = forward ? v->o : v->c;
    w.phases = forward ? 1 : v->stride;
    w.from = gan_layout_of(v, forward, gan_pieces(w.columns, w.phases));
    w.panels = gan_pieces(w.channels, GAN_TILE);
    w.taps = v->kh * v->rows.kw;
    w.steps = gan_pieces(w.from.depth, GAN_TILE);
    plan(&w, gan_threads(ctx));

    w.packed = gan_scratch(ctx, (size_t)(w.panels * w.taps * w.steps * GAN_STEP_BYTES));
    int64_t slots = gan_least(gan_threads(ctx), w.items);
    w.meetings = w.lines * gan_least(w.phases, w.columns); /* a stride may be wider than the picture */
    w.slot_bytes = gan_layout_bytes(&w.from) +
                   w.meetings * (int64_t)(sizeof(struct meeting) + (size_t)w.taps * sizeof(gan_tile_run));
    w.slot_bytes = gan_pieces(w.slot_bytes, 64) * 64;
    w.slots = gan_scratch(ctx, (size_t)(slots * w.slot_bytes));
    gan_parallel(ctx, w.panels * w.taps, 16 / w.steps + 1, pack_job, &w);
    gan_parallel(ctx, slots, 1, pass_job, &w);
}

void gan_conv_tiles(gan_context *ctx, const gan_conv *v)
{
    (v->face == GAN_CONV_WEIGHT ? gan_conv_tiles_weight : pass)(ctx, v);
}
