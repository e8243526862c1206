/* conv_layout.c - see conv_layout.h. */
#include "conv_layout.h"

#include <string.h>

static int64_t floor_div(int64_t a, int64_t b)
{
    return a >= 0 ? a / b : -gan_pieces(-a, b);
}

int64_t gan_layout_filling(int64_t across)
{
    int64_t a = GAN_TILE, b = across;
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return GAN_TILE / a;
}

gan_layout gan_layout_of(const gan_conv *v, bool forward, int64_t across)
{
    gan_layout l = {.v = v, .forward = forward};
    l.height = forward ? v->h : v->p;
    if (forward) {
        l.from = v->rows.x;
        l.width = v->rows.w;
        l.pitch = v->rows.pitch;
        l.depth = v->rows.c;
        l.jump = v->stride;
        l.first = -v->rows.pad;
        l.planes = gan_least(v->stride, v->rows.kw);
        l.places = (v->rows.kw - 1) / v->stride + across;
    } else {
        l.from = v->y;
        l.width = v->q;
        l.pitch = l.depth = v->o;
        l.jump = l.planes = 1;
        l.first = floor_div(v->pad - v->kw + 1, v->stride);
        l.places = floor_div(v->stride - 1 + v->pad, v->stride) - l.first + across;
    }
    return l;
}

static int64_t row_bytes(const gan_layout *l)
{
    return l->planes * l->places * l->lines * l->line;
}

int64_t gan_layout_bytes(const gan_layout *l)
{
    return l->ring * row_bytes(l) + GAN_TILE * l->line;
}

int64_t gan_layout_row(const gan_layout *l, int64_t row)
{
    return row % l->ring * row_bytes(l);
}

int64_t gan_layout_rows(const gan_layout *l, int64_t top, int64_t bottom, int64_t *low)
{
    const gan_conv *v = l->v;
    int64_t first = l->forward ? top * v->stride - v->pad : floor_div(top + v->pad - v->kh + 1, v->stride);
    int64_t last =
        l->forward ? (bottom - 1) * v->stride + v->kh - 1 - v->pad : floor_div(bottom - 1 + v->pad, v->stride);
    *low = gan_most(first, 0);
    return gan_most(gan_least(last + 1, l->height) - *low, 0);
}

int64_t gan_layout_most_rows(const gan_layout *l, int64_t rows)
{
    int64_t stride = l->v->stride, kernel = l->v->kh;
    return gan_most(
        1, gan_least(l->height, l->forward ? (rows - 1) * stride + kernel : gan_pieces(rows + kernel, stride) + 1));
}

bool gan_layout_meets_row(const gan_layout *l, int64_t i, int64_t y, int64_t *row)
{
    int64_t pad = l->v->pad, stride = l->v->stride;
    *row = l->forward ? y * stride + i - pad : floor_div(y + pad - i, stride);
    return (l->forward || (y + pad - i) % stride == 0) && *row >= 0 && *row < l->height;
}

bool gan_layout_meets_column(const gan_layout *l, int64_t j, int64_t phase, int64_t *at)
{
    int64_t stride = l->v->stride, distance = phase + l->v->pad - j;
    int64_t plane = l->forward ? j % stride : 0;
    int64_t place = l->forward ? j / stride : floor_div(distance, stride) - l->first;
    *at = (plane * l->places + place) * l->lines * l->line;
    return l->forward || distance % stride == 0;
}

/* The places of a plane whose columns are inside: [*begin, *end). */
static void inside(const gan_layout *l, int64_t plane, int64_t *begin, int64_t *end)
{
    int64_t first = plane + l->first;
    *begin = gan_least(l->places, gan_most(0, gan_pieces(-first, l->jump)));
    *end = gan_most(*begin, gan_least(l->places, floor_div(l->width - 1 - first, l->jump) + 1));
}

static const gan_real *pixel(const gan_layout *l, int64_t image, int64_t row, int64_t plane, int64_t place)
{
    return l->from + ((image * l->height + row) * l->width + place * l->jump + plane + l->first) * l->pitch;
}

void gan_lay_out_images(const gan_layout *l, const gan_tiles *tiles, int64_t first, int64_t row, char *to)
{
    int64_t pitch = l->lines * l->line, images = gan_least(l->group, l->v->n - first); /* others' results go nowhere */
    to += gan_layout_row(l, row);
    for (int64_t plane = 0; plane < l->planes; plane++, to += l->places * pitch) {
        int64_t begin, end;
        inside(l, plane, &begin, &end);
        memset(to, 0, (size_t)(begin * pitch));
        memset(to + end * pitch, 0, (size_t)((l->places - end) * pitch));
        for (int64_t image = 0; image < images; image++)
            tiles->split_rows(end - begin, l->depth, pixel(l, first + image, row, plane, begin), l->jump * l->pitch,
                              to + begin * pitch + image * l->line, pitch);
    }
}

void gan_lay_out_pair(const gan_layout *l, const gan_tiles *tiles, int64_t first, int64_t row, int64_t pair, char *to)
{
    int64_t pitch = l->lines * l->line, image = first + 2 * pair, next = l->height * l->width * l->pitch;
    to += gan_layout_row(l, row) + pair * l->line;
    for (int64_t plane = 0; plane < l->planes; plane++, to += l->places * pitch) {
        int64_t begin, end;
        inside(l, plane, &begin, &end);
        const gan_real *x = pixel(l, image, row, plane, begin);
        if (image >= l->v->n)
            begin = end = l->places;
        for (int64_t place = 0; place < l->places; place++)
            if (place < begin || place >= end)
                memset(to + place * pitch, 0, (size_t)l->line);
        tiles->split_pairs(end - begin, l->depth, x, image + 1 < l->v->n ? x + next : NULL, l->jump * l->pitch,
                           to + begin * pitch, pitch);
    }
}
