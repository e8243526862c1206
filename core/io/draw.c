/* draw.c - lines, rectangles, discs and text on a picture, for plots and marked grids.
 *
 * 1. Everything is checked, and every allocation made, before the picture is opened with gan_write.
 * 2. A pixel is mixed with the colour by the part of it that is covered: a shape's edge is half a
 *    pixel wide to either side. */
#include "io/io.h"
#include "io/strokes.h"

#include <math.h>
#include <string.h>

typedef struct canvas {
    gan_real *pixels; /* height x width x 3 */
    int64_t height, width;
} canvas;

/* Fails unless t is a picture and colour a colour. */
static void check_arguments(const char *function, const gan_tensor *t, const double colour[3])
{
    gan_context *ctx = gan_context_of(t);
    gan_shape shape = gan_shape_of(t);
    char text[GAN_SHAPE_TEXT];
    if (shape.rank != 3 || shape.dims[2] != 3) {
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "%s: H x W x 3 expected, got shape %s", function,
                 gan_shape_text(shape, text, sizeof text));
    }
    for (int k = 0; k < 3; k++) {
        if (!(colour[k] >= -1 && colour[k] <= 1)) {
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "%s: colour {%g, %g, %g} is not within -1 to 1", function, colour[0],
                     colour[1], colour[2]);
        }
    }
}

static canvas open_canvas(gan_tensor *t)
{
    return (canvas){gan_write(t), gan_dim(t, 0), gan_dim(t, 1)};
}

/* False for NaN, the infinities, and what is so far out that its square would overflow. */
static bool drawable(double value)
{
    return fabs(value) <= 1e100;
}

static double clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

/* The whole numbers of [low, high] that are within 0 .. size-1: from first, up to but without end. */
typedef struct range {
    int64_t first, end;
} range;

static range pixels_within(double low, double high, int64_t size)
{
    return (range){(int64_t)ceil(clamp(low, 0, (double)size)), (int64_t)floor(clamp(high, -1, (double)size - 1)) + 1};
}

static void blend(const canvas *on, int64_t row, int64_t column, const double colour[3], double cover)
{
    gan_real *pixel = on->pixels + 3 * (row * on->width + column);
    for (int k = 0; k < 3; k++)
        pixel[k] += (gan_real)cover * ((gan_real)colour[k] - pixel[k]);
}

/* ---- Strokes: straight, with round ends -------------------------------------------------------- */

typedef struct stroke {
    double x, y, dx, dy; /* starts at (x, y), goes by (dx, dy) */
    double inverse;      /* 1 / (dx*dx + dy*dy), or 0 for a dot */
    double radius, most; /* a line thinner than a pixel covers at most its width */
} stroke;

static stroke make_stroke(double x0, double y0, double x1, double y1, double width)
{
    double dx = x1 - x0, dy = y1 - y0, square = dx * dx + dy * dy;
    return (stroke){x0, y0, dx, dy, square > 0 ? 1 / square : 0, width / 2, width < 1 ? width : 1};
}

static range stroke_rows(const stroke *s, int64_t height)
{
    double reach = s->radius + 0.5, low = fmin(s->y, s->y + s->dy), high = fmax(s->y, s->y + s->dy);
    return pixels_within(low - reach, high + reach, height);
}

/* The columns that s touches in a row: a long diagonal is not searched over its whole square. */
static range stroke_columns(const stroke *s, int64_t row, int64_t width)
{
    double reach = s->radius + 0.5, from = 0, to = 1;
    if (fabs(s->dy) > 1e-6) {
        from = clamp(((double)row - reach - s->y) / s->dy, 0, 1);
        to = clamp(((double)row + reach - s->y) / s->dy, 0, 1);
    }
    double a = s->x + from * s->dx, b = s->x + to * s->dx;
    return pixels_within(fmin(a, b) - reach, fmax(a, b) + reach, width);
}

static double stroke_cover(const stroke *s, double x, double y)
{
    double px = x - s->x, py = y - s->y;
    double along = clamp((px * s->dx + py * s->dy) * s->inverse, 0, 1);
    double ex = px - along * s->dx, ey = py - along * s->dy;
    return clamp(s->radius + 0.5 - sqrt(ex * ex + ey * ey), 0, s->most);
}

/* Narrows [*from, *to], the part of a line start + t*step that is seen, to where low <= it <= high;
 * false when nothing is left (Liang & Barsky 1984). */
static bool clip(double start, double step, double low, double high, double *from, double *to)
{
    if (step == 0)
        return start >= low && start <= high;
    double a = (low - start) / step, b = (high - start) / step;
    *from = fmax(*from, fmin(a, b));
    *to = fmin(*to, fmax(a, b));
    return *from <= *to;
}

void gan_draw_line(gan_tensor *t, double x0, double y0, double x1, double y1, const double colour[3], double width)
{
    check_arguments("draw_line", t, colour);
    canvas on = open_canvas(t);
    if (!(drawable(x0) && drawable(y0) && drawable(x1) && drawable(y1) && drawable(width) && width > 0))
        return;

    /* Far ends would cost the near part its precision. The margin hides the ends that clipping makes. */
    double margin = 2 * width + 4, from = 0, to = 1, dx = x1 - x0, dy = y1 - y0;
    if (!clip(x0, dx, -margin, (double)on.width + margin, &from, &to) ||
        !clip(y0, dy, -margin, (double)on.height + margin, &from, &to)) {
        return;
    }
    stroke s = make_stroke(x0 + from * dx, y0 + from * dy, x0 + to * dx, y0 + to * dy, width);
    range rows = stroke_rows(&s, on.height);
    for (int64_t row = rows.first; row < rows.end; row++) {
        range columns = stroke_columns(&s, row, on.width);
        for (int64_t column = columns.first; column < columns.end; column++) {
            blend(&on, row, column, colour, stroke_cover(&s, (double)column, (double)row));
        }
    }
}

/* ---- Areas ----------------------------------------------------------------------------------- */

/* How much of the pixel at place lies between low and high. */
static double overlap(int64_t place, double low, double high)
{
    return clamp(fmin((double)place + 0.5, high) - fmax((double)place - 0.5, low), 0, 1);
}

void gan_draw_rect(gan_tensor *t, double x, double y, double width, double height, const double colour[3])
{
    check_arguments("draw_rect", t, colour);
    canvas on = open_canvas(t);
    if (!(drawable(x) && drawable(y) && drawable(width) && drawable(height) && width > 0 && height > 0))
        return;
    double left = x - 0.5, right = left + width, top = y - 0.5, bottom = top + height;
    range rows = pixels_within(top - 0.5, bottom + 0.5, on.height);
    range columns = pixels_within(left - 0.5, right + 0.5, on.width);
    for (int64_t row = rows.first; row < rows.end; row++) {
        double part = overlap(row, top, bottom);
        for (int64_t column = columns.first; column < columns.end; column++) {
            blend(&on, row, column, colour, part * overlap(column, left, right));
        }
    }
}

void gan_draw_disc(gan_tensor *t, double x, double y, double radius, const double colour[3])
{
    check_arguments("draw_disc", t, colour);
    canvas on = open_canvas(t);
    if (!(drawable(x) && drawable(y) && drawable(radius) && radius > 0))
        return;
    stroke s = make_stroke(x, y, x, y, 2 * radius);
    range rows = stroke_rows(&s, on.height), columns = stroke_columns(&s, 0, on.width);
    for (int64_t row = rows.first; row < rows.end; row++) {
        for (int64_t column = columns.first; column < columns.end; column++) {
            blend(&on, row, column, colour, stroke_cover(&s, (double)column, (double)row));
        }
    }
}

/* ---- Text ------------------------------------------------------------------------------------ */

/* How the font's grid meets the pixels. At 12 pixels, shapes put down where the scale says would
 * blur: every node of a path goes to a whole pixel, and so do the rows that letters share. */
typedef struct layout {
    double left, top;                  /* where the grid's origin lies */
    double unit, pen;                  /* pixels of one unit of the grid, and of the stroke */
    double x_height, baseline, bottom; /* rows below top */
} layout;

static layout make_layout(double x, double y, double height)
{
    layout out = {.pen = fmax(1, height / 11)};
    out.unit = fmax(height - out.pen, 0) / GAN_STROKE_BOTTOM;
    /* The outer edge of the stroke, not its middle, is at (x, y). */
    out.left = x + (out.pen - 1) / 2;
    out.top = y + (out.pen - 1) / 2;
    out.baseline = round(out.unit * GAN_STROKE_BASELINE);
    out.x_height = out.baseline - round(out.unit * (GAN_STROKE_BASELINE - GAN_STROKE_X_HEIGHT));
    out.bottom = out.baseline + round(out.unit * (GAN_STROKE_BOTTOM - GAN_STROKE_BASELINE));
    return out;
}

static void place_node(const void *user, float *x, float *y)
{
    const layout *at = user;
    static const double rows[4] = {0, GAN_STROKE_X_HEIGHT, GAN_STROKE_BASELINE, GAN_STROKE_BOTTOM};
    double fitted[4] = {0, at->x_height, at->baseline, at->bottom};
    int part = *y < rows[1] ? 0 : *y < rows[2] ? 1 : 2;
    double slope = (fitted[part + 1] - fitted[part]) / (rows[part + 1] - rows[part]);
    *y = (float)(at->top + round(fitted[part] + (*y - rows[part]) * slope));
    *x = (float)(at->left + round(*x * at->unit));
}

/* Pixels from the start of c to the start of what follows it. */
static double advance(const layout *at, unsigned char c)
{
    return round(gan_stroke_width(c) * at->unit) + round(at->pen + fmax(1, 3 * at->unit));
}

/* UTF-8 is shown as one box a character: the bytes after the first are passed over. */
static bool continues(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

double gan_text_width(const char *text, double height)
{
    if (!drawable(height) || height <= 0)
        return 0;
    layout at = make_layout(0, 0, height);
    double end = 0, width = 0;
    for (; *text; text++) {
        if (continues((unsigned char)*text))
            continue;
        width = end + round(gan_stroke_width((unsigned char)*text) * at.unit) + at.pen;
        end += advance(&at, (unsigned char)*text);
    }
    return width;
}

void gan_draw_text(gan_tensor *t, double x, double y, const char *text, const double colour[3], double height)
{
    check_arguments("draw_text", t, colour);
    /* The font's nodes are floats: letters a million pixels away, or as large, are left out. */
    bool visible = fabs(x) < 1e6 && fabs(y) < 1e6 && height > 0 && height < 1e6;
    range rows = {0, 0}, columns = {0, 0};
    if (visible) {
        rows = pixels_within(y - height, y + 2 * height, gan_dim(t, 0));
        columns = pixels_within(x - height, x + gan_text_width(text, height) + height, gan_dim(t, 1));
    }
    int64_t width = columns.end - columns.first, tall = rows.end - rows.first;
    if (width < 0 || tall < 0)
        width = tall = 0;

    /* Strokes of a letter overlap where they meet: a pixel takes the most that any of them covers. */
    float *cover = gan_scratch(gan_context_of(t), (size_t)(width * tall + 1) * sizeof *cover);
    memset(cover, 0, (size_t)(width * tall) * sizeof *cover);
    canvas on = open_canvas(t);
    if (width * tall == 0)
        return;

    /* Coordinates count from the corner of the part that is seen. */
    layout at = make_layout(x - (double)columns.first, y - (double)rows.first, height);
    gan_stroke_point points[GAN_STROKE_POINTS];
    for (; *text && at.left - height < (double)width; text++) {
        unsigned char c = (unsigned char)*text;
        if (continues(c))
            continue;
        int count = at.left + 2 * height < 0 ? 0 : gan_stroke_trace(gan_stroke_path(c), place_node, &at, points);
        for (int i = 1; i < count; i++) {
            if (!points[i].down)
                continue;
            stroke s = make_stroke(points[i - 1].x, points[i - 1].y, points[i].x, points[i].y, at.pen);
            range inner = stroke_rows(&s, tall);
            for (int64_t row = inner.first; row < inner.end; row++) {
                range part = stroke_columns(&s, row, width);
                for (int64_t column = part.first; column < part.end; column++) {
                    float *most = &cover[row * width + column];
                    *most = fmaxf(*most, (float)stroke_cover(&s, (double)column, (double)row));
                }
            }
        }
        at.left += advance(&at, c);
    }
    for (int64_t row = 0; row < tall; row++) {
        for (int64_t column = 0; column < width; column++) {
            float part = cover[row * width + column];
            if (part > 0)
                blend(&on, rows.first + row, columns.first + column, colour, part);
        }
    }
}
