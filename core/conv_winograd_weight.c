/* conv_winograd_weight.c - convolution by fewer products (conv_winograd.c) to the weights.
 *
 * A tile's 2 x 2 places of y are what moves over x: along an axis the r taps of a phase take r + 1 products for 2 r,
 *
 *   r = 2:  w0 = d0 y0 + d1 y1 = m0 + m1      m0 = (d0 - d1) y0   m1 = d1 (y0 + y1)   m2 = (d2 - d1) y1
 *           w1 = d1 y0 + d2 y1 = m1 + m2
 *   r = 3:  w0 = d0 y0 + d1 y1 = m0 + m1 + m2      m0 = (d0 - d2) y0   m1 = (d1 + d2) (y0 + y1)/2
 *           w1 = d1 y0 + d2 y1 = m1 - m2           m3 = (d3 - d1) y1   m2 = (d2 - d1) (y0 - y1)/2
 *           w2 = d2 y0 + d3 y1 = m1 + m2 + m3
 *
 * with the factors of d as they are to y. For each pair of factors that is the product of a matrix of d's, transposed,
 * [channel of x][tile], by one of y's, packed, [tile][channel of y]. A block of tiles at a time passes through all pairs;
 * its products are added to the taps. Errors are as conv_winograd.c says, C being the tiles, with sums over all taps of a
 * phase: a tap that meets fewer places than its neighbours, as at a border, is as exact as those.
 *
 * Each number is one sum in one order, however many threads there are. */
#include <stdatomic.h>
#include <string.h>

#include "conv_winograd.h"

/* Tiles of a block, and those that a thread packs at once; channels of x in an item, at most and at least. */
enum { BLOCK = 256, PIECE = 64, SLICE = 128, THIN = 16 };

struct weights {
    gan_winograd w;
    const gan_products *products;
    int64_t block;              /* tiles, at most */
    int64_t first, count;       /* a block's */
    gan_winograd_packed packed; /* its factors of y: [panel][tile] each */
    int64_t panels;             /* of the channels of y */
    int64_t slice, slices;      /* channels of x in an item, and items of a phase */
    _Atomic int64_t next;       /* item */
    gan_real *slots;
    int64_t slot_size;
};

/* ---- Factors of y ---- */

/* Packs one of the four places of the tiles [first, first + count): n channels from `channel` on; zeros beyond the border. */
static void pack_places(const struct weights *s, int64_t first, int64_t count, int64_t place, int64_t channel,
                        int64_t n, gan_real *to)
{
    const gan_winograd *w = &s->w;
    const gan_conv *v = w->v;
    int64_t panel = s->products->panel;
    for (int64_t at = first, last = first + count, together; at < last; at += together, to += together * panel) {
        gan_winograd_place tile = gan_winograd_place_of(w, at);
        int64_t row = 2 * tile.y + place / 2, column = 2 * tile.x + place % 2;
        together = gan_least(last - at, w->across - tile.x);
        int64_t inside = row < v->p && column < v->q ? gan_least(together, gan_pieces(v->q - column, 2)) : 0;
        if (inside)
            s->products->pack(inside, n, v->y + ((tile.image * v->p + row) * v->q + column) * v->o + channel, 2 * v->o,
                              false, to);
        memset(to + inside * panel, 0, (size_t)((together - inside) * panel) * sizeof *to);
    }
}

/* From y0 and y1, the first and the last, to all factors along an axis: n numbers of each from `at` on in the blocks y,
 * which are `ahead` apart. */
static void mix_places(const struct weights *s, int64_t n, gan_real *const *y, int64_t ahead, int64_t at)
{
    if (s->w.taps == 2) {
        s->w.ctx->kernels->binary[GAN_ADD](n, y[0] + at, 1, y[2 * ahead] + at, 1, y[ahead] + at, 0, 0);
    } else {
        memcpy(y[ahead] + at, y[3 * ahead] + at, (size_t)n * sizeof(gan_real));
        s->products->winograd->halve(n, y[0] + at, NULL, y[ahead] + at, y[2 * ahead] + at);
    }
}

/* An item is a piece of the block's tiles in a panel. */
static void pack_job(void *work, int64_t begin, int64_t end)
{
    const struct weights *s = work;
    int64_t panel = s->products->panel, factors = s->w.factors, last = factors - 1;
    gan_real *const *packed = s->packed.blocks;
    for (int64_t item = begin; item < end; item++) {
        int64_t channel = item % s->panels * panel, n = gan_least(panel, s->w.v->o - channel);
        int64_t piece = item / s->panels * PIECE, count = gan_least(PIECE, s->count - piece);
        int64_t to = (item % s->panels * s->count + piece) * panel;
        for (int64_t place = 0; place < 4; place++)
            pack_places(s, s->first + piece, count, place, channel, n,
                        packed[place / 2 * last * factors + place % 2 * last] + to);
        mix_places(s, count * panel, packed, factors, to);
        mix_places(s, count * panel, packed + last, factors, to);
        for (int64_t e = 0; e < factors; e++)
            mix_places(s, count * panel, packed + e * factors, 1, to);
    }
}

/* ---- Products ---- */

/* How often the product of factor e counts in tap a, along an axis. */
static gan_real share(int64_t taps, int64_t a, int64_t e)
{
    static const gan_real two[2][3] = {{1, 1, 0}, {0, 1, 1}}, three[3][4] = {{1, 1, 1, 0}, {0, 1, -1, 0}, {0, 1, 1, 1}};
    return taps == 2 ? two[a][e] : three[a][e];
}

/* An item is a slice of x's channels in a phase. */
static void compute_item(const struct weights *s, int64_t item, gan_real *slot)
{
    const gan_winograd *w = &s->w;
    const gan_conv *v = w->v;
    int64_t i = item / s->slices / v->stride, j = item / s->slices % v->stride;
    int64_t channel = item % s->slices * s->slice, n = gan_least(s->slice, v->c - channel);
    int64_t taps = w->taps, pitch = s->slice + GAN_WINOGRAD_SPREAD;
    gan_real *mixed = slot, *products = slot + s->block * pitch;
    for (int64_t at = 0; at < w->factors * w->factors && !gan_stopped(w->ctx); at++) {
        int64_t e = at / w->factors, f = at % w->factors;
        gan_winograd_mix(w, s->first, s->count, i, j, e, f, channel, n, mixed, pitch);
        gan_multiply(s->products, true, n, v->o, s->count, mixed, pitch, s->packed.blocks[at], false, products, v->o);
        for (int64_t tap = 0; tap < taps * taps; tap++) {
            int64_t place = gan_winograd_tap(w, i, tap / taps) * v->kw + gan_winograd_tap(w, j, tap % taps);
            gan_real *to = v->result + (place * v->c + channel) * v->o;
            gan_real times = share(taps, tap / taps, e) * share(taps, tap % taps, f);
            if (s->first == 0 && at == 0)
                memset(to, 0, (size_t)(n * v->o) * sizeof *to);
            if (times != 0)
                w->ctx->kernels->axpy(n * v->o, times, products, to);
        }
    }
}

static void weight_job(void *work, int64_t begin, int64_t end)
{
    struct weights *s = work;
    int64_t items = s->w.v->stride * s->w.v->stride * s->slices;
    for (int64_t slot = begin; slot < end; slot++)
        for (int64_t item; (item = atomic_fetch_add(&s->next, 1)) < items && !gan_stopped(s->w.ctx);)
            compute_item(s, item, s->slots + slot * s->slot_size);
}

void gan_winograd_weight(gan_context *ctx, const gan_conv *v)
{
    struct weights s = {.w = gan_winograd_of(ctx, v), .products = v->products};
    int64_t panel = s.products->panel, pairs = s.w.factors * s.w.factors, phases = v->stride * v->stride;
    int64_t threads = gan_threads(ctx);
    s.panels = gan_pieces(v->o, panel);
    s.block = gan_most(1, GAN_WINOGRAD_PACKED / (pairs * s.panels * panel * PIECE)) * PIECE;
    s.block = gan_least(gan_least(BLOCK, s.w.tiles), s.block);
    s.packed = gan_winograd_packed_of(ctx, &s.w, s.panels * panel * s.block);
    s.slices = gan_pieces(v->c, SLICE);
    while (s.slices * phases % threads != 0 && v->c >= 2 * THIN * s.slices) /* as many items for each thread */
        s.slices++;
    s.slice = gan_pieces(v->c, s.slices);
    s.slices = gan_pieces(v->c, s.slice);
    int64_t slots = gan_least(threads, s.slices * phases);
    s.slot_size = s.block * (s.slice + GAN_WINOGRAD_SPREAD) + s.slice * v->o;
    s.slots = gan_scratch(ctx, (size_t)(slots * s.slot_size) * sizeof(gan_real));
    for (s.first = 0; s.first < s.w.tiles; s.first += s.block) {
        s.count = gan_least(s.block, s.w.tiles - s.first);
        s.next = 0;
        gan_parallel(ctx, gan_pieces(s.count, PIECE) * s.panels, 1, pack_job, &s);
        gan_parallel(ctx, slots, 1, weight_job, &s);
    }
}
