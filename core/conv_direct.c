/* conv_direct.c - convolution of pictures where they lie, by strips of the product kernel.
 *
 * Forward, a strip's rows are places: for each tap of the kernel a row points to the pixel's channels
 * under it, or to zeros beyond the border, and the taps follow each other along the depth. To the
 * input it is the same with x and y exchanged: the pixels of x whose coordinates leave one remainder
 * by the stride (a phase) see the same few taps, and form a convolution of stride 1.
 * A line is a row of pixels in each of a few images, so that small pictures fill strips too; taps that
 * fall outside for a whole line are left out.
 *
 * To the weights, a strip's rows are channels of x under one tap, its depth are all places in turn,
 * and y is packed, some rows of pictures at a time.
 *
 * Each number is one sum in one order, however many threads there are. */
#include <string.h>

#include "conv.h"

/* Places that pass before the sums of weights are stored; pixels that a thread should get at once. */
enum { PLACES = 256, PIXELS = 192 };

/* ---- To y and to x ---- */

struct pass {
    const gan_context *ctx;
    const gan_conv *v;
    int64_t kw, pad; /* taps in a row, zeros left and right */
    const gan_products *products;
    bool forward;
    const gan_real *from; /* n x height x width pixels, `pitch` apart, of depth numbers */
    int64_t height, width, pitch, depth;
    gan_real *to; /* n x rows x columns x channels */
    int64_t rows, columns, channels;
    int64_t phases, step;  /* pixels of a phase are `phases` apart in `to` and `step` apart in `from` */
    int64_t slice, slices; /* a tap's depth is cut into slices; a unit is a slice of a tap */
    gan_real *packed;      /* a block of so many numbers for each unit */
    int64_t unit_size;
    const gan_real *zeros;
    int64_t group;             /* images in a line */
    int64_t lines, line_items; /* lines of an item, and how many items they make of a group */
};

static void pack_job(void *work, int64_t begin, int64_t end)
{
    const struct pass *w = work;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t tap = unit / w->slices, at = unit % w->slices * w->slice;
        const gan_real *weight =
            w->v->weight + (w->forward ? (tap * w->depth + at) * w->v->o : tap * w->v->c * w->v->o + at);
        w->products->pack(gan_least(w->slice, w->depth - at), w->channels, weight, w->v->o, !w->forward,
                          w->packed + unit * w->unit_size);
    }
}

/* Where tap number i of an axis meets pixel `to` of that axis: at *at in `from`. False where it misses. */
static bool meets(const struct pass *w, int64_t to, int64_t i, int64_t pad, int64_t *at)
{
    if (w->forward) {
        *at = to * w->v->stride + i - pad;
        return true;
    }
    int64_t distance = to + pad - i;
    *at = distance / w->v->stride;
    return distance % w->v->stride == 0;
}

/* A unit that meets the line: the row of `from`, and the column under the phase's first pixel. */
struct met {
    int64_t unit, row, column;
};

/* The units of a block that meet row y of `to` in one of its phases. */
static int meet(const struct pass *w, int64_t y, int64_t phase, int64_t first, int64_t last, struct met *all)
{
    int count = 0;
    for (int64_t unit = first; unit < last; unit++) {
        struct met one = {.unit = unit};
        int64_t tap = unit / w->slices;
        if (meets(w, y, tap / w->kw, w->v->pad, &one.row) && one.row >= 0 && one.row < w->height &&
            meets(w, phase, tap % w->kw, w->pad, &one.column))
            all[count++] = one;
    }
    return count;
}

enum { UNITS = 64 }; /* in a block, at most */

/* One phase of the line of row y in images [first, first + images): the sums over a block's units. */
static void compute_phase(const struct pass *w, int64_t first, int64_t images, int64_t y, int64_t phase, int count,
                          const struct met *met, bool add)
{
    int64_t across = gan_pieces(w->columns - phase, w->phases), all = images * across;
    gan_run runs[UNITS];
    gan_real *to[GAN_STRIP_ROWS];
    int64_t image[GAN_STRIP_ROWS], place[GAN_STRIP_ROWS];
    for (int64_t pixel = 0; pixel < all; pixel += w->products->rows) {
        int rows = (int)gan_least(w->products->rows, all - pixel);
        for (int i = 0; i < rows; i++) {
            int64_t n = first + (pixel + i) / across, t = (pixel + i) % across;
            image[i] = n * w->height * w->width * w->pitch;
            place[i] = t * w->step;
            to[i] = w->to + ((n * w->rows + y) * w->columns + phase + t * w->phases) * w->channels;
        }
        int64_t used = 0;
        for (int m = 0; m < count; m++) {
            gan_run *run = &runs[used];
            int64_t at = met[m].unit % w->slices * w->slice;
            const gan_real *row = w->from + met[m].row * w->width * w->pitch + at;
            bool outside = true;
            for (int i = 0; i < rows; i++) {
                int64_t column = met[m].column + place[i];
                bool inside = column >= 0 && column < w->width;
                run->a[i] = inside ? row + image[i] + column * w->pitch : w->zeros;
                outside = outside && !inside;
            }
            for (int i = rows; i < w->products->rows; i++)
                run->a[i] = run->a[rows - 1];
            run->depth = gan_least(w->slice, w->depth - at);
            run->b = w->packed + met[m].unit * w->unit_size;
            run->panel = gan_packed_rows(w->products, run->depth) * w->products->panel;
            used += !outside;
        }
        if (used || !add)
            w->products->strip(
                &(gan_strip){.rows = rows, .n = w->channels, .count = used, .runs = runs, .add = add, .c = to});
    }
}

/* One item is some lines of a group of images. */
static void pass_job(void *work, int64_t begin, int64_t end)
{
    const struct pass *w = work;
    struct met met[UNITS];
    int64_t units = w->v->kh * w->kw * w->slices;
    int64_t block = gan_least(UNITS, gan_most(1, w->products->cache / w->unit_size));
    for (int64_t item = begin; item < end; item++) {
        int64_t first = item / w->line_items * w->group, images = gan_least(w->group, w->v->n - first);
        int64_t top = item % w->line_items * w->lines, bottom = gan_least(top + w->lines, w->rows);
        for (int64_t unit = 0; unit < units && !gan_stopped(w->ctx); unit += block)
            for (int64_t y = top; y < bottom; y++)
                for (int64_t phase = 0; phase < gan_least(w->phases, w->columns); phase++) {
                    int count = meet(w, y, phase, unit, gan_least(unit + block, units), met);
                    compute_phase(w, first, images, y, phase, count, met, unit > 0);
                }
    }
}

/* The fewest images whose rows of pixels fill strips without a rest. */
static int64_t filling(int64_t rows, int64_t across)
{
    int64_t a = rows, b = across;
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return rows / a;
}

static void pass(gan_context *ctx, const gan_conv *v)
{
    const gan_conv_rows *x = &v->rows;
    struct pass w = {.ctx = ctx, .v = v, .products = v->products, .to = v->result};
    w.forward = v->face == GAN_CONV_FORWARD;
    w.kw = x->kw;
    w.pad = x->pad;
    w.from = w.forward ? x->x : v->y;
    w.height = w.forward ? v->h : v->p;
    w.width = w.forward ? x->w : v->q;
    w.depth = w.forward ? x->c : v->o;
    w.pitch = w.forward ? x->pitch : v->o;
    w.rows = w.forward ? v->p : v->h;
    w.columns = w.forward ? v->q : v->w;
    w.channels = w.forward ? v->o : v->c;
    w.phases = w.forward ? 1 : v->stride;
    w.step = w.forward ? v->stride : 1;

    int64_t taps = v->kh * x->kw;
    w.slice = gan_least(w.depth, gan_most(32, w.products->cache / w.channels));
    w.slices = gan_pieces(w.depth, w.slice);
    w.unit_size = (int64_t)gan_packed(w.products, w.slice, w.channels);
    w.packed = gan_scratch(ctx, (size_t)(taps * w.slices * w.unit_size) * sizeof *w.packed);
    gan_real *zeros = gan_scratch(ctx, (size_t)w.slice * sizeof *zeros);
    memset(zeros, 0, (size_t)w.slice * sizeof *zeros);
    w.zeros = zeros;

    int64_t across = gan_pieces(w.columns, w.phases);
    w.group = gan_least(v->n, filling(w.products->rows, across));
    w.lines = gan_most(1, PIXELS / (w.group * w.columns));
    w.line_items = gan_pieces(w.rows, w.lines);
    double flops = 2.0 * (double)(v->n * v->p * v->q) * (double)v->patch * (double)v->o;
    int64_t items = gan_pieces(v->n, w.group) * w.line_items;
    gan_parallel(ctx, taps * w.slices, (1 << 16) / w.unit_size + 1, pack_job, &w);
    gan_parallel(ctx, items, flops < GAN_WORTH_WAKING ? items : 1, pass_job, &w);
}

/* ---- To the weights ---- */

struct weights {
    const gan_context *ctx;
    const gan_conv *v;
    const gan_products *products;
    int64_t tiles, tile_piece; /* strips of channels under a tap; how many an item has */
    int64_t lines;             /* rows of places (n, p) that are packed at once */
    gan_real *packed;          /* for each item */
    int64_t packed_size;
    gan_run *runs; /* for each item, one for each line */
};

/* W's rows from channel c on under tap (i, j): adds what lines [line, line + lines) give. */
static void add_lines(const struct weights *w, int64_t i, int64_t j, int64_t c, int64_t line, int64_t lines,
                      const gan_real *packed, gan_run *runs)
{
    const gan_conv *v = w->v;
    const gan_conv_rows *x = &v->rows;
    /* Places q whose column s q + j - pad is inside. */
    int64_t left = x->pad - j, right = x->w + x->pad - j;
    int64_t q0 = left > 0 ? gan_pieces(left, v->stride) : 0,
            q1 = right > 0 ? gan_least(v->q, gan_pieces(right, v->stride)) : 0;
    int64_t count = 0;
    for (int64_t at = 0; at < lines && q0 < q1; at++) {
        int64_t n = (line + at) / v->p, row = (line + at) % v->p * v->stride + i - v->pad;
        if (row < 0 || row >= v->h)
            continue;
        runs[count].depth = q1 - q0;
        runs[count].b = packed + (at * v->q + q0) * w->products->panel;
        runs[count].panel = gan_packed_rows(w->products, lines * v->q) * w->products->panel;
        runs[count].a[0] = x->x + ((n * v->h + row) * x->w + q0 * v->stride + j - x->pad) * x->pitch + c;
        count++;
    }
    int rows = (int)gan_least(w->products->rows, x->c - c);
    int64_t step = v->stride * x->pitch;
    gan_real *to[GAN_STRIP_ROWS];
    for (int r = 0; r < rows; r++)
        to[r] = v->result + ((i * x->kw + j) * x->c + c + r) * v->o;
    w->products->strip(
        &(gan_strip){.rows = rows, .n = v->o, .step = step, .count = count, .runs = runs, .add = line > 0, .c = to});
}

/* One item is some tiles; those under all taps of the same channels follow each other. */
static void weights_job(void *work, int64_t begin, int64_t end)
{
    const struct weights *w = work;
    const gan_conv *v = w->v;
    int64_t taps = v->kh * v->rows.kw, all = v->n * v->p;
    for (int64_t item = begin; item < end; item++) {
        gan_real *packed = w->packed + item * w->packed_size;
        gan_run *runs = w->runs + item * w->lines;
        int64_t last = gan_least((item + 1) * w->tile_piece, w->tiles);
        for (int64_t line = 0; line < all && !gan_stopped(w->ctx); line += w->lines) {
            int64_t lines = gan_least(w->lines, all - line);
            w->products->pack(lines * v->q, v->o, v->y + line * v->q * v->o, v->o, false, packed);
            for (int64_t tile = item * w->tile_piece; tile < last; tile++)
                add_lines(w, tile % taps / v->rows.kw, tile % v->rows.kw, tile / taps * w->products->rows, line, lines,
                          packed, runs);
        }
    }
}

static void weights(gan_context *ctx, const gan_conv *v)
{
    const gan_conv_rows *x = &v->rows;
    struct weights w = {.ctx = ctx, .v = v, .products = v->products};
    w.tiles = v->kh * x->kw * gan_pieces(x->c, w.products->rows);
    double flops = 2.0 * (double)(v->n * v->p * v->q) * (double)v->patch * (double)v->o;
    int64_t wanted =
        flops < GAN_WORTH_WAKING ? 1 : gan_least(w.tiles, gan_threads(ctx) == 1 ? 1 : 2 * gan_threads(ctx));
    w.tile_piece = gan_pieces(w.tiles, wanted);
    int64_t items = gan_pieces(w.tiles, w.tile_piece);
    w.lines = gan_least(v->n * v->p, gan_most(1, gan_least(PLACES, w.products->cache / v->o) / v->q));
    w.packed_size = (int64_t)gan_packed(w.products, w.lines * v->q, v->o);
    w.packed = gan_scratch(ctx, (size_t)(items * w.packed_size) * sizeof *w.packed);
    w.runs = gan_scratch(ctx, (size_t)(items * w.lines) * sizeof *w.runs);
    gan_parallel(ctx, items, 1, weights_job, &w);
}

void gan_conv_direct(gan_context *ctx, const gan_conv *v)
{
    (v->face == GAN_CONV_WEIGHT ? weights : pass)(ctx, v);
}
