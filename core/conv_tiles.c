/* conv_tiles.c - convolution by tiles, for kernel sets that have them (kernel.h): a tile's rows lie at one
 * distance, so pictures are laid out, some rows at a time and split, such that neighbours in the result see
 * neighbours under every tap of the kernel.
 *
 * The layout is [row][plane][place][image]: a group of images side by side at each place, and the columns of a
 * row dealt out to as many planes as the stride, so that the next place is the next column that a tap sees. Zeros
 * stand for what lies beyond the border. Tap j at places t, t + 1, ... of images 0, 1, ... is then one stretch of
 * lines, wherever it begins.
 *
 * Forward, and with x and y exchanged to the input (there the pixels of x whose coordinates leave one
 * remainder by the stride, a phase, form a convolution of stride 1), the lines are rows of tiles: 32 pixels'
 * results at a time, whose sums stay in registers for the whole depth. To the weights the lines are the depth, two
 * images a pair: y is turned once, and x is laid out once for all taps.
 *
 * Each number is one sum in one order, however many threads there are. */
#include <stdatomic.h>
#include <string.h>

#include "conv.h"

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}
static int64_t pieces(int64_t size, int64_t piece)
{
    return (size + piece - 1) / piece;
}
static int64_t floor_div(int64_t a, int64_t b)
{
    return a >= 0 ? a / b : -pieces(-a, b);
}

/* The fewest images whose rows of pixels fill tiles without a rest. */
static int64_t filling(int64_t across)
{
    int64_t a = GAN_TILE, b = across;
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return GAN_TILE / a;
}

/* ---- The layout ---- */

/* Lines at distances of powers of two would meet in a few sets of the caches. */
enum { SPREAD = 64 };

/* How a picture's axis is seen: place t meets, under tap i, its pixel step*t + origin(i). */
struct layout {
    const gan_conv *v;
    bool forward;
    const gan_real *from; /* n x height x width x depth */
    int64_t height, width, depth;
    int64_t step;          /* pixels from one place to the next: planes */
    int64_t first, places; /* of a plane: the number of its first place, and how many there are */
    int64_t group;         /* images side by side */
    int64_t line;          /* bytes from one image, or pair of images, to the next */
};

/* Where tap i of an axis meets the first place of a phase; false where it misses that phase. */
static bool meets(const struct layout *l, int64_t i, int64_t phase, int64_t *at)
{
    if (l->forward) {
        *at = phase * l->step + i - l->v->pad;
        return true;
    }
    int64_t distance = phase + l->v->pad - i;
    *at = floor_div(distance, l->v->stride);
    return distance % l->v->stride == 0;
}

/* Whatever place and tap, the pixels that are met lie in planes' places first to first + places - 1. */
static struct layout see(const gan_conv *v, bool forward, const gan_real *from, int64_t columns, int64_t group)
{
    struct layout l = {.v = v, .forward = forward, .from = from, .group = group};
    l.height = forward ? v->h : v->p;
    l.width = forward ? v->w : v->q;
    l.depth = forward ? v->c : v->o;
    l.step = forward ? v->stride : 1;
    int64_t low = forward ? -v->pad : floor_div(v->pad - v->kw + 1, v->stride);
    int64_t high = forward ? v->kw - 1 - v->pad : floor_div(v->stride - 1 + v->pad, v->stride);
    l.first = floor_div(low, l.step);
    l.places = floor_div(high, l.step) + columns - l.first;
    return l;
}

/* The rows that rows [top, bottom) of the result meet: from *low on, at least 0 of them. */
static int64_t rows_met(const struct layout *l, int64_t top, int64_t bottom, int64_t *low)
{
    const gan_conv *v = l->v;
    int64_t first = l->forward ? top * v->stride - v->pad : floor_div(top + v->pad - v->kh + 1, v->stride);
    int64_t last =
        l->forward ? (bottom - 1) * v->stride + v->kh - 1 - v->pad : floor_div(bottom - 1 + v->pad, v->stride);
    *low = most(first, 0);
    return most(least(last + 1, l->height) - *low, 0);
}

/* How many rows that is at most. */
static int64_t most_rows(const struct layout *l, int64_t lines)
{
    int64_t span = l->forward ? (lines - 1) * l->v->stride + l->v->kh : pieces(lines + l->v->kh, l->v->stride) + 1;
    return least(span, l->height);
}

/* Bytes of so many rows; tiles may reach beyond by their own height. */
static int64_t layout_bytes(const struct layout *l, int64_t rows, int64_t lines)
{
    return (rows * l->step * l->places * lines + GAN_TILE) * l->line;
}

/* Where a row's pixel number `column` lies, by the lines that each place has. */
static int64_t place_of(const struct layout *l, int64_t row, int64_t column, int64_t lines)
{
    int64_t place = floor_div(column, l->step), plane = column - place * l->step;
    return ((row * l->step + plane) * l->places + place - l->first) * lines * l->line;
}

/* The numbers of a pixel of image n, or NULL beyond the border or the last image. */
static const gan_real *pixel(const struct layout *l, int64_t n, int64_t row, int64_t column)
{
    bool inside = n < l->v->n && column >= 0 && column < l->width;
    return inside ? l->from + ((n * l->height + row) * l->width + column) * l->depth : NULL;
}

/* ---- To y and to x ---- */

struct pass {
    const gan_context *ctx;
    const gan_conv *v;
    const gan_products *products;
    struct layout from;
    gan_real *to; /* n x rows x columns x channels */
    int64_t rows, columns, channels, phases;
    int64_t panels, taps, steps; /* of 32 channels; of the kernel; of 32 of the depth */
    char *packed;                /* [panel][tap][step] */
    int64_t lines, line_items;   /* of rows of the result in an item, and how many items they make of a group */
    int64_t items;
    _Atomic int64_t next; /* item */
    char *laid_out;       /* for each slot */
    int64_t slot_bytes;
};

static void pack_job(void *work, int64_t begin, int64_t end)
{
    const struct pass *w = work;
    for (int64_t at = begin; at < end; at++) {
        int64_t channel = at / w->taps * GAN_TILE, tap = at % w->taps, depth = w->from.depth;
        const gan_real *weight = w->v->weight + tap * w->v->c * w->v->o + channel * (w->from.forward ? 1 : w->v->o);
        w->products->pack(depth, least(GAN_TILE, w->channels - channel), weight, w->v->o, !w->from.forward,
                          (gan_real *)(w->packed + at * w->steps * GAN_STEP_BYTES));
    }
}

/* Images [first, first + group), rows [row, row + rows). */
static void lay_out(const struct pass *w, int64_t first, int64_t row, int64_t rows, char *to)
{
    const struct layout *l = &w->from;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t image = 0; image < l->group; image++)
            for (int64_t column = l->first * l->step; column < (l->first + l->places) * l->step; column++) {
                char *line = to + place_of(l, r, column, l->group) + image * l->line;
                const gan_real *x = pixel(l, first + image, row + r, column);
                if (x)
                    w->products->tiles->split_row(l->depth, x, line);
                else
                    memset(line, 0, (size_t)(w->steps * 128));
            }
}

/* Where the taps that meet a phase of the result's row y lie; rows count from `low`. */
static int meet(const struct pass *w, int64_t y, int64_t phase, int64_t panel, const char *laid_out, int64_t low,
                int64_t rows, gan_tile_run *runs)
{
    int count = 0;
    const struct layout *l = &w->from;
    for (int64_t i = 0; i < w->v->kh; i++) {
        int64_t row, column;
        if (!meets(l, i, y, &row) || row < low || row >= low + rows)
            continue;
        for (int64_t j = 0; j < w->v->kw; j++)
            if (meets(l, j, phase, &column))
                runs[count++] = (gan_tile_run){
                    laid_out + place_of(l, row - low, column, l->group),
                    w->packed + (panel * w->taps + i * w->v->kw + j) * w->steps * GAN_STEP_BYTES, w->steps};
    }
    return count;
}

/* One phase of the result's row y in a group of images: a panel of its channels. */
static void compute_phase(const struct pass *w, int64_t first, int64_t y, int64_t phase, int64_t panel, int count,
                          const gan_tile_run *runs)
{
    const struct layout *l = &w->from;
    int64_t all = pieces(w->columns - phase, w->phases) * l->group, channel = panel * GAN_TILE;
    int64_t images = least(l->group, w->v->n - first), n = least(GAN_TILE, w->channels - channel);
    gan_tile_side side = {l->line, 16 * l->line, 64, 128};
    gan_real tiles[GAN_TILE * GAN_TILE] __attribute__((aligned(64)));
    int64_t place = 0, image = 0;
    for (int64_t at = 0; at < all; at += GAN_TILE) {
        w->products->tiles->multiply(side, gan_packed_side, count, runs, at * l->line, false, tiles);
        for (int64_t i = 0; i < GAN_TILE && at + i < all; i++) {
            const gan_real *from = tiles + (i / 16 * 32 + i % 16) * 16;
            gan_real *to = w->to +
                           (((first + image) * w->rows + y) * w->columns + phase + place * w->phases) * w->channels +
                           channel;
            if (image < images) {
                if (n == GAN_TILE) {
                    memcpy(to, from, 16 * sizeof *to);
                    memcpy(to + 16, from + 256, 16 * sizeof *to);
                } else {
                    for (int64_t c = 0; c < n; c++)
                        to[c] = from[c / 16 * 256 + c % 16];
                }
            }
            if (++image == l->group) {
                image = 0;
                place++;
            }
        }
    }
}

/* An item is some rows of the result in a group of images. */
static void compute_item(const struct pass *w, int64_t item, char *laid_out, gan_tile_run *runs)
{
    int64_t first = item / w->line_items * w->from.group;
    int64_t top = item % w->line_items * w->lines, bottom = least(top + w->lines, w->rows), low;
    int64_t rows = rows_met(&w->from, top, bottom, &low);
    lay_out(w, first, low, rows, laid_out);
    for (int64_t panel = 0; panel < w->panels && !gan_stopped(w->ctx); panel++)
        for (int64_t phase = 0; phase < least(w->phases, w->columns); phase++)
            for (int64_t y = top; y < bottom; y++) {
                int count = meet(w, y, phase, panel, laid_out, low, rows, runs);
                compute_phase(w, first, y, phase, panel, count, runs);
            }
}

static void pass_job(void *work, int64_t begin, int64_t end)
{
    struct pass *w = work;
    for (int64_t slot = begin; slot < end; slot++) {
        char *laid_out = w->laid_out + slot * w->slot_bytes;
        gan_tile_run *runs = (gan_tile_run *)(laid_out + w->slot_bytes) - w->taps;
        for (int64_t item; (item = atomic_fetch_add(&w->next, 1)) < w->items && !gan_stopped(w->ctx);)
            compute_item(w, item, laid_out, runs);
    }
}

/* Bytes that a core's second-level cache has for pixels, beside a panel of weights; pixels of the result that should be
 * computed for a panel once it is there. */
enum { LAID_OUT = 1 << 20, PIXELS = 1024 };

static void pass(gan_context *ctx, const gan_conv *v)
{
    struct pass w = {.ctx = ctx, .v = v, .products = v->products, .to = v->result};
    bool forward = v->face == GAN_CONV_FORWARD;
    w.rows = forward ? v->p : v->h;
    w.columns = forward ? v->q : v->w;
    w.channels = forward ? v->o : v->c;
    w.phases = forward ? 1 : v->stride;
    int64_t across = pieces(w.columns, w.phases);
    int64_t slots = gan_threads(ctx), group = filling(across);
    w.from = see(v, forward, forward ? v->x : v->y, across, group);
    w.panels = pieces(w.channels, GAN_TILE);
    w.taps = v->kh * v->kw;
    w.steps = pieces(w.from.depth, GAN_TILE);
    w.from.line = w.steps * 128 + SPREAD;
    while (group * w.rows * w.columns < PIXELS && 2 * slots * group < v->n &&
           layout_bytes(&w.from, w.from.height, 2 * group) <= LAID_OUT)
        group *= 2;
    w.from.group = least(v->n, group);
    w.packed = gan_scratch(ctx, (size_t)(w.panels * w.taps * w.steps * GAN_STEP_BYTES));
    gan_parallel(ctx, w.panels * w.taps, 16 / w.steps + 1, pack_job, &w);

    int64_t groups = pieces(v->n, w.from.group);
    int64_t wanted = pieces(w.rows, most(1, pieces(4 * slots, groups)));
    for (w.lines = wanted; w.lines > 1; w.lines = pieces(w.lines, 2))
        if (layout_bytes(&w.from, most_rows(&w.from, w.lines), w.from.group) <= LAID_OUT)
            break;
    w.line_items = pieces(w.rows, w.lines);
    w.items = groups * w.line_items;
    slots = least(slots, w.items);
    w.slot_bytes =
        layout_bytes(&w.from, most_rows(&w.from, w.lines), w.from.group) + w.taps * (int64_t)sizeof(gan_tile_run);
    w.slot_bytes = pieces(w.slot_bytes, 64) * 64;
    w.laid_out = gan_scratch(ctx, (size_t)(slots * w.slot_bytes));
    gan_parallel(ctx, slots, 1, pass_job, &w);
}

/* ---- To the weights ---- */

struct weights {
    const gan_context *ctx;
    const gan_conv *v;
    const gan_tiles *tiles;
    struct layout x;     /* in pairs of images */
    int64_t pairs;       /* in a group */
    int64_t depth_steps; /* of a row of places in a group of images */
    int64_t lines;       /* rows of places in a block */
    int64_t c_tiles, o_tiles, taps;
    char *x_laid_out, *y_turned;           /* of a block; y is [o tile][row][depth step] */
    gan_real *sums;                        /* [c tile][o tile][tap] */
    int64_t first, top, bottom, low, rows; /* the block: its first image, rows of places, rows of x */
    bool add;                              /* not the first block */
};

enum { TILE_NUMBERS = GAN_TILE * GAN_TILE };

static void lay_out_pairs_job(void *work, int64_t begin, int64_t end)
{
    const struct weights *w = work;
    const struct layout *l = &w->x;
    for (int64_t row = begin; row < end; row++)
        for (int64_t pair = 0; pair < w->pairs; pair++)
            for (int64_t column = l->first * l->step; column < (l->first + l->places) * l->step; column++)
                w->tiles->split_pair(l->depth, pixel(l, w->first + 2 * pair, w->low + row, column),
                                     pixel(l, w->first + 2 * pair + 1, w->low + row, column),
                                     w->x_laid_out + place_of(l, row, column, w->pairs) + pair * l->line);
}

/* An item is a row of the block's places. */
static void turn_y_job(void *work, int64_t begin, int64_t end)
{
    const struct weights *w = work;
    const gan_conv *v = w->v;
    for (int64_t row = begin; row < end; row++)
        for (int64_t step = 0; step < w->depth_steps; step++)
            for (int64_t tile = 0; tile < w->o_tiles; tile++) {
                const gan_real *y[GAN_TILE];
                for (int64_t k = 0; k < GAN_TILE; k++) {
                    int64_t place = (step * GAN_TILE + k) / w->x.group,
                            n = w->first + (step * GAN_TILE + k) % w->x.group;
                    y[k] = place < v->q && n < v->n
                               ? v->y + ((n * v->p + w->top + row) * v->q + place) * v->o + tile * GAN_TILE
                               : NULL;
                }
                w->tiles->split_columns(v->o - tile * GAN_TILE, y,
                                        w->y_turned +
                                            ((tile * w->lines + row) * w->depth_steps + step) * GAN_STEP_BYTES);
            }
}

/* An item is a tile of channels of x by one of y, under all taps. */
static void add_block_job(void *work, int64_t begin, int64_t end)
{
    const struct weights *w = work;
    const struct layout *l = &w->x;
    gan_tile_side side = {l->line, 128, 64, 16 * l->line};
    for (int64_t item = begin; item < end && !gan_stopped(w->ctx); item++) {
        int64_t c_tile = item / w->o_tiles, o_tile = item % w->o_tiles;
        for (int64_t tap = 0; tap < w->taps; tap++) {
            gan_tile_run runs[64];
            gan_real *sums = w->sums + (item * w->taps + tap) * TILE_NUMBERS;
            int64_t count = 0, column = tap % w->v->kw - w->v->pad;
            bool add = w->add;
            for (int64_t y = w->top; y < w->bottom; y++) {
                int64_t row = y * w->v->stride + tap / w->v->kw - w->v->pad;
                if (row >= w->low && row < w->low + w->rows)
                    runs[count++] = (gan_tile_run){
                        w->y_turned + (o_tile * w->lines + y - w->top) * w->depth_steps * GAN_STEP_BYTES,
                        w->x_laid_out + place_of(l, row - w->low, column, w->pairs) + c_tile * 256, w->depth_steps};
            }
            w->tiles->multiply(gan_packed_side, side, count, runs, 0, add, sums);
        }
    }
}

/* An item is a tile of channels of x by one of y. */
static void turn_weights_job(void *work, int64_t begin, int64_t end)
{
    const struct weights *w = work;
    const gan_conv *v = w->v;
    for (int64_t item = begin; item < end; item++) {
        int64_t c = item / w->o_tiles * GAN_TILE, o = item % w->o_tiles * GAN_TILE;
        for (int64_t tap = 0; tap < w->taps; tap++)
            w->tiles->turn(w->sums + (item * w->taps + tap) * TILE_NUMBERS, least(GAN_TILE, v->c - c),
                           least(GAN_TILE, v->o - o), v->result + (tap * v->c + c) * v->o + o, v->o);
    }
}

/* Places whose products pass between two visits to the sums; rows of them, at most. */
enum { PLACES = 1024, LINES = 64 };

static void weights(gan_context *ctx, const gan_conv *v)
{
    struct weights w = {.ctx = ctx, .v = v, .tiles = v->products->tiles};
    int64_t group = most(2, filling(v->q)), all = (v->n + 1) / 2 * 2;
    while (group < all && group * v->p * v->q < PLACES)
        group *= 2;
    w.x = see(v, true, v->x, v->q, least(group, all));
    w.pairs = w.x.group / 2;
    w.c_tiles = pieces(v->c, GAN_TILE);
    w.o_tiles = pieces(v->o, GAN_TILE);
    w.x.line = w.c_tiles * 256 + SPREAD;
    w.taps = v->kh * v->kw;
    w.depth_steps = pieces(v->q * w.x.group, GAN_TILE);
    w.lines = least(LINES, least(v->p, pieces(PLACES, v->q * w.x.group)));

    int64_t items = w.c_tiles * w.o_tiles, rows = most_rows(&w.x, w.lines);
    int64_t bytes = layout_bytes(&w.x, rows, w.pairs);
    w.x_laid_out = gan_scratch(ctx, (size_t)bytes);
    int64_t beyond = GAN_TILE * w.x.line; /* what tiles reach over is multiplied by zeros: it must be finite */
    memset(w.x_laid_out + bytes - beyond, 0, (size_t)beyond);
    w.y_turned = gan_scratch(ctx, (size_t)(w.o_tiles * w.lines * w.depth_steps * GAN_STEP_BYTES));
    w.sums = gan_scratch(ctx, (size_t)(items * w.taps * TILE_NUMBERS) * sizeof *w.sums);
    double flops = 2.0 * (double)(v->n * v->p * v->q) * (double)v->patch * (double)v->o;
    bool small = flops < GAN_WORTH_WAKING;
    for (w.first = 0; w.first < v->n; w.first += w.x.group)
        for (w.top = 0; w.top < v->p; w.top = w.bottom, w.add = true) {
            w.bottom = least(w.top + w.lines, v->p);
            w.rows = rows_met(&w.x, w.top, w.bottom, &w.low);
            gan_parallel(ctx, w.rows, small ? w.rows + 1 : 1, lay_out_pairs_job, &w);
            gan_parallel(ctx, w.bottom - w.top, small ? w.lines : 1, turn_y_job, &w);
            gan_parallel(ctx, items, small ? items : 1, add_block_job, &w);
        }
    gan_parallel(ctx, items, small ? items : 1, turn_weights_job, &w);
}

void gan_conv_tiles(gan_context *ctx, const gan_conv *v)
{
    (v->face == GAN_CONV_WEIGHT ? weights : pass)(ctx, v);
}
