/* conv_rows.c - what a row of taps sees of x (conv.h): where channels are few, their numbers under all the taps of a row are
 * one run, if the zeros of the border lie beside them. */
#include <string.h>

#include "conv.h"

enum { WIDENED_BELOW = 16 }; /* channels */

struct widening {
    const gan_conv *v;
    gan_real *x;
};

static void widen_job(void *work, int64_t begin, int64_t end)
{
    const struct widening *w = work;
    int64_t row = w->v->w * w->v->c, pad = w->v->pad * w->v->c;
    for (int64_t at = begin; at < end; at++) {
        gan_real *to = w->x + at * (row + 2 * pad);
        memset(to, 0, (size_t)pad * sizeof *to);
        memcpy(to + pad, w->v->x + at * row, (size_t)row * sizeof *to);
        memset(to + pad + row, 0, (size_t)pad * sizeof *to);
    }
}

gan_conv_rows gan_conv_rows_of(const gan_conv *v)
{
    if (v->face == GAN_CONV_INPUT || v->c >= WIDENED_BELOW)
        return (gan_conv_rows){v->x, v->w, v->c, v->kw, v->pad, v->c};
    return (gan_conv_rows){NULL, v->w + 2 * v->pad, v->kw * v->c, 1, 0, v->c};
}

void gan_conv_widen(gan_context *ctx, gan_conv *v)
{
    if (v->face == GAN_CONV_INPUT || v->rows.x)
        return;
    int64_t row = v->rows.w * v->c;
    struct widening w = {v, gan_scratch(ctx, (size_t)(v->n * v->h * row) * sizeof(gan_real))};
    gan_parallel(ctx, v->n * v->h, (1 << 16) / row + 1, widen_job, &w);
    v->rows.x = w.x;
}
