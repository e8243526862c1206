/* conv_winograd.c - convolution by fewer products, to y and to x: minimal filtering (S. Winograd, Arithmetic Complexity of
 * Computations, 1980; A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016).
 *
 * Pixels whose coordinates leave one remainder by the stride s are a phase. A kernel of r s taps along an axis has r for
 * each phase of x, so that y is a sum over phases of convolutions of stride 1, and each phase of x is one of y. Of such a
 * convolution of d with g, two neighbours take r + 1 products in place of 2 r:
 *
 *   r = 2:  y0 = d0 g0 + d1 g1 = m0 + m1      m0 = (d0 - d1) g0   m1 = d1 (g0 + g1)   m2 = (d2 - d1) g1
 *           y1 = d1 g0 + d2 g1 = m1 + m2
 *   r = 3:  y0 = d0 g0 + d1 g1 + d2 g2 = m0 + m1 + m2      m0 = (d0 - d2) g0   m1 = (d1 + d2) (g0 + g1 + g2)/2
 *           y1 = d1 g0 + d2 g1 + d3 g2 = m1 - m2 + m3      m3 = (d3 - d1) g2   m2 = (d2 - d1) (g0 - g1 + g2)/2
 *
 * Down and across at once, a tile of 2 x 2 places takes (r + 1)^2 for 4 r^2, 9 for 16 or 16 for 36. For each pair (e, f) of
 * factors, down and across, that is a product of matrices: the tiles' factors of d, [tile][phase of x, channel], by those
 * of the weights, packed beforehand.
 *
 * Errors: the factors' sums are rounded too, and m may be larger than y. With u = 2^-24 and C terms in a product's sum
 * (r^2 C in a convolution's), y is off by at most about 4 (C + 12) u times the sum over channels and phases of
 * (sum |d|) (sum |g|), both over the r^2 taps of a phase; the direct sum by r^2 C u times that of |d| |g|. Where taps are
 * of a size, that is the same measure; but one far smaller than its neighbours is as exact as those are. A place under
 * which all is zero stays zero, and what is not finite stays in the places that see it.
 *
 * Some tiles at a time go through all products; what they read and write meanwhile stays in a core's cache. Each number
 * is one sum in one order, however many threads there are. */
#include <stdatomic.h>
#include <string.h>

#include "conv_winograd.h"

/* Tiles at a time, about. */
enum { PIECE = 64 };

/* ---- Which convolutions ---- */

/* Taps along each axis of each phase, where all have as many, and as many as there are forms for; else 0. */
static int64_t taps_of(const gan_conv *v)
{
    int64_t taps = v->kh / v->stride;
    return v->kh == v->kw && v->kh == taps * v->stride && (taps == 2 || taps == 3) ? taps : 0;
}

/* Places of a phase along an axis, of `height` and p, or of width and q. */
static int64_t places_of(const gan_conv *v, int64_t pixels, int64_t places)
{
    return v->face == GAN_CONV_INPUT ? gan_pieces(pixels, v->stride) : places;
}

/* Fewer channels, or tiles, take as long to be mixed and packed as multiplication saves. */
enum { CHANNELS = 32, TILES = 32, DEEP = 128 };

bool gan_winograd_pays(const gan_conv *v)
{
    int64_t taps = taps_of(v), places = places_of(v, v->h, v->p), across = places_of(v, v->w, v->q);
    if (!v->products->winograd || taps == 0 || v->c < CHANNELS || v->o < CHANNELS)
        return false;
    /* At least a quarter fewer, though the tiles at the border may reach beyond it. */
    int64_t tiles = gan_pieces(places, 2) * gan_pieces(across, 2), factors = taps + 1;
    if (4 * tiles * factors * factors > 3 * places * across * taps * taps)
        return false;
    /* A tap of the weights that meets far fewer places than its neighbours would be no more exact than they are. */
    bool all_meet = 2 * v->pad <= v->kh && v->kh <= gan_least(v->h, v->w);
    return v->face == GAN_CONV_WEIGHT ? all_meet && v->n * tiles >= DEEP : v->n * tiles >= TILES;
}

gan_winograd gan_winograd_of(gan_context *ctx, const gan_conv *v)
{
    gan_winograd w = {.ctx = ctx, .v = v, .taps = taps_of(v)};
    bool input = v->face == GAN_CONV_INPUT;
    w.factors = w.taps + 1;
    w.from = input ? v->y : v->x;
    w.height = input ? v->p : v->h;
    w.width = input ? v->q : v->w;
    w.channels = input ? v->o : v->c;
    w.step = input ? 1 : v->stride;
    w.down = gan_pieces(places_of(v, v->h, v->p), 2);
    w.across = gan_pieces(places_of(v, v->w, v->q), 2);
    w.tiles = v->n * w.down * w.across;
    size_t bytes = (size_t)(w.width * w.channels) * sizeof(gan_real);
    gan_real *zeros = gan_scratch(ctx, bytes);
    memset(zeros, 0, bytes);
    w.zeros = zeros;
    return w;
}

gan_winograd_packed gan_winograd_packed_of(gan_context *ctx, const gan_winograd *w, int64_t n)
{
    gan_winograd_packed packed;
    for (int64_t at = 0; at < w->factors * w->factors; at++)
        packed.blocks[at] = gan_scratch(ctx, (size_t)n * sizeof(gan_real));
    return packed;
}

int64_t gan_winograd_tap(const gan_winograd *w, int64_t phase, int64_t a)
{
    int64_t stride = w->v->stride, first = (phase + w->v->pad) % stride;
    return first + stride * (w->v->face == GAN_CONV_INPUT ? w->taps - 1 - a : a);
}

/* ---- Factors of d ---- */

/* Along an axis: d[first] + sign d[second], or d[first] alone where second is negative. */
typedef struct factor {
    int64_t first, second;
    gan_real sign;
} factor;

static factor factor_of(int64_t taps, int64_t e)
{
    static const factor two[] = {{0, 1, -1}, {1, -1, 0}, {2, 1, -1}},
                        three[] = {{0, 2, -1}, {1, 2, 1}, {2, 1, -1}, {3, 1, -1}};
    return (taps == 2 ? two : three)[e];
}

/* The pixel along an axis that is d0 of a phase's first tile. */
static int64_t origin(const gan_winograd *w, int64_t phase)
{
    int64_t shift = (phase + w->v->pad) / w->v->stride;
    return w->v->face == GAN_CONV_INPUT ? shift - (w->taps - 1) : phase - shift * w->v->stride;
}

/* A row of pixels; of zeros beyond the border. */
static const gan_real *row_at(const gan_winograd *w, int64_t image, int64_t row)
{
    bool inside = row >= 0 && row < w->height;
    return inside ? w->from + (image * w->height + row) * w->width * w->channels : w->zeros;
}

/* What passes unchanged through a row of tiles. */
struct mixing {
    const gan_real *rows[2]; /* of pixels; the second is NULL where the factor down has but one */
    factor down, across;
    int64_t left; /* the pixel that is d0 of the tiles at x = 0 */
    int64_t channel, n, pitch;
};

/* Tiles [x, x + count) of a row: as many at once as have their pixels inside, or one that has not. */
static void mix_row(const gan_winograd *w, const struct mixing *m, int64_t x, int64_t count, gan_real *to)
{
    int64_t ahead = 2 * w->step;
    for (int64_t last = x + count, together; x < last; x += together, to += together * m->pitch) {
        const gan_real *from[4] = {NULL};
        together = last - x;
        for (int part = 0; part < (m->across.second < 0 ? 1 : 2); part++) {
            int64_t column = m->left + x * ahead + (part ? m->across.second : m->across.first) * w->step;
            bool inside = column >= 0 && column < w->width;
            together = inside ? gan_least(together, gan_pieces(w->width - column, ahead)) : 1;
            for (int row = 0; row < 2 && m->rows[row]; row++)
                from[2 * row + part] = inside ? m->rows[row] + column * w->channels + m->channel : w->zeros;
        }
        w->v->products->winograd->mix(together, m->n, from, ahead * w->channels, m->across.sign, m->down.sign, to,
                                      m->pitch);
    }
}

void gan_winograd_mix(const gan_winograd *w, int64_t first, int64_t count, int64_t i, int64_t j, int64_t e, int64_t f,
                      int64_t channel, int64_t n, gan_real *to, int64_t pitch)
{
    struct mixing m = {.down = factor_of(w->taps, e),
                       .across = factor_of(w->taps, f),
                       .left = origin(w, j),
                       .channel = channel,
                       .n = n,
                       .pitch = pitch};
    for (int64_t at = first, last = first + count, together; at < last; at += together, to += together * pitch) {
        gan_winograd_place place = gan_winograd_place_of(w, at);
        int64_t row = origin(w, i) + 2 * w->step * place.y;
        together = gan_least(last - at, w->across - place.x);
        m.rows[0] = row_at(w, place.image, row + m.down.first * w->step);
        m.rows[1] = m.down.second < 0 ? NULL : row_at(w, place.image, row + m.down.second * w->step);
        mix_row(w, &m, place.x, together, to);
    }
}

/* ---- To y and to x ---- */

struct pass {
    gan_winograd w;
    const gan_products *products;
    bool forward;
    gan_real *to; /* n x rows x columns x channels */
    int64_t rows, columns, channels;
    int64_t to_phases, from_phases; /* along an axis, one of them 1: a phase of `to` is a sum over those of `from` */
    int64_t depth, pitch;           /* numbers of a tile that are multiplied, and to the next tile's */
    int64_t phase, phases;          /* of `to`, of both axes, that are computed now */
    int64_t channel, width;         /* of its channels, too */
    int64_t panels;                 /* of these */
    gan_winograd_packed packed;     /* factors of the weights: [phase][panel][depth] each */
    int64_t piece;                  /* tiles of an item */
    _Atomic int64_t next;           /* item */
    gan_real *slots;
    int64_t slot_size;
};

/* From g0 (and g1) and the last to all factors along an axis: n numbers of each from `at` on in the blocks g, which are
 * `ahead` apart. */
static void mix_weights(const struct pass *p, int64_t n, gan_real *const *g, int64_t ahead, int64_t at)
{
    if (p->w.taps == 2)
        p->w.ctx->kernels->binary[GAN_ADD](n, g[0] + at, 1, g[2 * ahead] + at, 1, g[ahead] + at, 0, 0);
    else
        p->products->winograd->halve(n, g[0] + at, g[3 * ahead] + at, g[ahead] + at, g[2 * ahead] + at);
}

/* An item is a panel of the weights in one phase of `from` or `to`. Its taps are packed first: the sums of packed numbers
 * are sums packed. */
static void pack_job(void *work, int64_t begin, int64_t end)
{
    const struct pass *p = work;
    const gan_conv *v = p->w.v;
    int64_t taps = p->w.taps, factors = p->w.factors, depth = p->w.channels, panel = p->products->panel;
    gan_real *const *packed = p->packed.blocks;
    for (int64_t item = begin; item < end; item++) {
        int64_t at = item % p->panels, part = item / p->panels, phase = p->phase + part;
        int64_t channel = p->channel + at * panel, columns = gan_least(panel, p->channel + p->width - channel);
        const gan_real *weight = v->weight + channel * (p->forward ? 1 : v->o);
        int64_t to = (p->forward ? at * p->depth + part * depth : (part * p->panels + at) * p->depth) * panel;
        for (int64_t a = 0; a < taps; a++)
            for (int64_t b = 0; b < taps; b++) {
                int64_t tap = gan_winograd_tap(&p->w, phase / v->stride, a) * v->kw +
                              gan_winograd_tap(&p->w, phase % v->stride, b);
                int64_t e = a + 1 < taps ? a : factors - 1, f = b + 1 < taps ? b : factors - 1;
                p->products->pack(depth, columns, weight + tap * v->c * v->o, v->o, !p->forward,
                                  packed[e * factors + f] + to);
            }
        for (int64_t b = 0; b < taps; b++)
            mix_weights(p, depth * panel, packed + (b + 1 < taps ? b : factors - 1), factors, to);
        for (int64_t e = 0; e < factors; e++)
            mix_weights(p, depth * panel, packed + e * factors, 1, to);
    }
}

/* Adds the products of row e of the factors, [f][tile of the piece][channel], to the tiles' pixels in a phase. */
static void add_tiles(const struct pass *p, int64_t first, int64_t count, int64_t phase, int64_t e,
                      const gan_real *products, gan_real *nowhere)
{
    const gan_winograd *w = &p->w;
    int64_t i = phase / p->to_phases, j = phase % p->to_phases;
    for (int64_t at = 0; at < count; at++) {
        gan_winograd_place place = gan_winograd_place_of(w, first + at);
        gan_real *to[4];
        for (int part = 0; part < 4; part++) {
            int64_t row = (2 * place.y + part / 2) * p->to_phases + i;
            int64_t column = (2 * place.x + part % 2) * p->to_phases + j;
            int64_t pixel = (place.image * p->rows + row) * p->columns + column;
            bool inside = row < p->rows && column < p->columns;
            to[part] = inside ? p->to + pixel * p->channels + p->channel : nowhere;
        }
        p->products->winograd->add_tile[w->taps - 2](p->width, products + at * p->width, p->piece * p->width, (int)e,
                                                     to);
    }
}

/* An item is a piece of the tiles. */
static void compute_item(const struct pass *p, int64_t item, gan_real *slot)
{
    const gan_winograd *w = &p->w;
    int64_t first = item * p->piece, count = gan_least(p->piece, w->tiles - first), stride = w->v->stride;
    gan_real *mixed = slot, *products = mixed + p->piece * p->pitch;
    gan_real *nowhere = products + w->factors * p->piece * p->width;
    for (int64_t at = 0; at < p->phases * w->factors && !gan_stopped(w->ctx); at++) {
        int64_t part = at / w->factors, phase = p->phase + part, e = at % w->factors;
        gan_real *const *packed = p->packed.blocks + e * w->factors;
        int64_t weights = part * p->panels * p->depth * p->products->panel;
        for (int64_t f = 0; f < w->factors; f++) {
            for (int64_t i = 0; i < p->from_phases * p->from_phases; i++) {
                int64_t seen = p->forward ? i : phase;
                gan_winograd_mix(w, first, count, seen / stride, seen % stride, e, f, 0, w->channels,
                                 mixed + i * w->channels, p->pitch);
            }
            gan_multiply(p->products, false, count, p->width, p->depth, mixed, p->pitch, packed[f] + weights, false,
                         products + f * p->piece * p->width, p->width);
        }
        add_tiles(p, first, count, phase, e, products, nowhere);
    }
}

static void pass_job(void *work, int64_t begin, int64_t end)
{
    struct pass *p = work;
    int64_t items = gan_pieces(p->w.tiles, p->piece);
    for (int64_t slot = begin; slot < end; slot++)
        for (int64_t item; (item = atomic_fetch_add(&p->next, 1)) < items && !gan_stopped(p->w.ctx);)
            compute_item(p, item, p->slots + slot * p->slot_size);
}

static void pass(gan_context *ctx, const gan_conv *v)
{
    struct pass p = {.w = gan_winograd_of(ctx, v), .products = v->products, .to = v->result};
    p.forward = v->face == GAN_CONV_FORWARD;
    p.rows = p.forward ? v->p : v->h;
    p.columns = p.forward ? v->q : v->w;
    p.channels = p.forward ? v->o : v->c;
    p.to_phases = p.forward ? 1 : v->stride;
    p.from_phases = p.forward ? v->stride : 1;
    p.depth = p.from_phases * p.from_phases * p.w.channels;
    p.pitch = p.depth + GAN_WINOGRAD_SPREAD;

    /* All phases at once where their weights are few; else one after another, and so many panels of channels. */
    int64_t panel = p.products->panel, panels = gan_pieces(p.channels, panel), all = p.to_phases * p.to_phases;
    int64_t one = p.depth * panel, most = gan_most(1, GAN_WINOGRAD_PACKED / (p.w.factors * p.w.factors * one));
    p.phases = all * panels <= most ? all : 1;
    panels = gan_pieces(panels, gan_pieces(panels, most));
    p.packed = gan_winograd_packed_of(ctx, &p.w, p.phases * panels * one);

    int64_t threads = gan_threads(ctx);
    p.piece = gan_pieces(p.w.tiles, threads * gan_pieces(p.w.tiles, threads * PIECE)); /* as many for each thread */
    int64_t slots = gan_least(threads, gan_pieces(p.w.tiles, p.piece));
    p.slot_size = p.piece * p.pitch + (p.w.factors * p.piece + 1) * panels * panel;
    p.slots = gan_scratch(ctx, (size_t)(slots * p.slot_size) * sizeof(gan_real));
    for (p.phase = 0; p.phase < all; p.phase += p.phases)
        for (p.channel = 0; p.channel < p.channels; p.channel += panels * panel) {
            p.width = gan_least(panels * panel, p.channels - p.channel);
            p.panels = gan_pieces(p.width, panel);
            p.next = 0;
            gan_parallel(ctx, p.panels * (p.forward ? v->stride * v->stride : p.phases), 1, pack_job, &p);
            gan_parallel(ctx, slots, 1, pass_job, &p);
        }
}

void gan_conv_winograd(gan_context *ctx, const gan_conv *v)
{
    (v->face == GAN_CONV_WEIGHT ? gan_winograd_weight : pass)(ctx, v);
}
