/* glyphs.c - "glyphs", the pictures for whoever has none at hand: digits and capitals as one hand
 * would write them, each time a little differently.
 *
 * 1. Picture i is a function of i and the seed alone: no state, any order, any thread.
 * 2. Nothing that is drawn leaves the picture: size and place are chosen last, to fit. */
#include "io/io.h"
#include "io/strokes.h"

#include <math.h>

const char gan_glyph_names[GAN_GLYPH_CLASSES + 1] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* Another way to write a character, taken as often as the share says. Zero always has its stroke:
 * nothing else tells it from O. */
typedef struct form {
    char name;
    float share;
    const char *path;
} form;

static const form forms[] = {
    {'0', 1, "M 6 0 H 0 10 V 6 20 H 12 10 V 6 0 M 10 4 L 2 16"},
    {'1', .6f, "M 2 5 Q 5 3 7 0 L 7 20"},
    {'2', .4f, "M 0 5 V 6 0 H 12 5.5 Q 12 11 0 19 Q 3 16.5 6 18.5 Q 9 20.5 12 18"},
    {'3', .3f, "M 0.5 0 L 11 0 L 5 8 V 6 8 H 12 14 V 6 20 H 0 16"},
    {'4', .5f, "M 3 0 L 0.5 12 L 12 12 M 9 5 L 9 20"},
    {'6', .4f, "M 9 0 Q 0 7 0 14 V 6 20 H 12 14 V 6 8.5 H 0 14"},
    {'7', .4f, "M 0 0 L 12 0 Q 6 9 4.5 20 M 3 10 L 11 10"},
    {'9', .5f, "M 12 6 V 6 0 H 0 6 V 6 12 H 12 6 L 11 20"},
    {'A', .3f, "M 0 20 L 0 9 V 7 0 H 14 9 L 14 20 M 0 12 L 14 12"},
    {'E', .25f, "M 11 3 V 6 0 H 0.5 5 V 6 9.5 H 0 15 V 6 20 H 11.5 16.5"},
    {'G', .4f, "M 13 4 Q 11.5 0 7.5 0 H 0 10 V 7.5 20 Q 13 20 13 12 L 8 12 M 13 12 L 13 20"},
    {'J', .4f, "M 4 0 L 13 0 M 9 0 L 9 14 V 4.5 20 H 0 15"},
    {'M', .5f, "M 0 20 L 2.5 0 L 8 15 L 13.5 0 L 16 20"},
    {'W', .3f, "M 0 0 L 0 14 V 5 20 H 9 14 L 9 5 M 9 14 V 14 20 H 19 14 L 19 0"},
    {'Y', .4f, "M 0 0 L 6.5 10 M 13 0 L 3 20"},
    {'Z', .5f, "M 0 0 L 12 0 L 0 20 L 12 20 M 2.5 10 L 9.5 10"},
};

/* ---- Chance ---------------------------------------------------------------------------------- */

/* Draw number n of a picture is a hash of its key and n (SplitMix64: Steele, Lea & Flood 2014). */
typedef struct dice {
    uint64_t state;
} dice;

#define STEP UINT64_C(0x9e3779b97f4a7c15)

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Uniform between low and high. */
static float between(dice *d, float low, float high)
{
    uint64_t bits = mix(d->state += STEP);
    return low + (high - low) * ((float)(bits >> 40) * 0x1p-24f);
}

/* Bell-shaped, of mean 0 and standard deviation 1, never beyond 3. */
static float bell(dice *d)
{
    float sum = 0;
    for (int i = 0; i < 3; i++)
        sum += between(d, -1, 1);
    return sum;
}

/* ---- Writing --------------------------------------------------------------------------------- */

#define SIZE        GAN_GLYPH_SIZE
#define MOST_POINTS (4 * GAN_STROKE_POINTS)
/* Straight lines are cut into pieces, so that a shaking hand can bend them. */
#define PIECE       4.0f
/* Pixels over which the edge of a stroke fades. */
#define EDGE        1.2f

/* The path of character `name`, in pieces; returns how many points. */
static int write_path(char name, dice *d, gan_stroke_point points[MOST_POINTS])
{
    const char *path = gan_stroke_path((unsigned char)name);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (forms[i].name == name && between(d, 0, 1) < forms[i].share)
            path = forms[i].path;
    }
    gan_stroke_point nodes[GAN_STROKE_POINTS];
    int traced = gan_stroke_trace(path, NULL, NULL, nodes), count = 0;
    for (int i = 0; i < traced; i++) {
        float dx = 0, dy = 0;
        if (nodes[i].down)
            dx = nodes[i].x - nodes[i - 1].x, dy = nodes[i].y - nodes[i - 1].y;
        int pieces = 1 + (int)(sqrtf(dx * dx + dy * dy) / PIECE);
        for (int k = pieces - 1; k >= 0 && count < MOST_POINTS; k--) {
            float back = (float)k / (float)pieces;
            points[count++] = (gan_stroke_point){nodes[i].x - back * dx, nodes[i].y - back * dy, nodes[i].down};
        }
    }
    return count;
}

/* Slants, turns, stretches and shakes the points, then fits them into the picture with a stroke of
 * this radius. */
static void distort(gan_stroke_point *points, int count, float middle, float radius, dice *d)
{
    float slant = 0.06f + 0.14f * bell(d), turn = 0.06f * bell(d), stretch = expf(0.12f * bell(d));
    float taper = 0.12f * bell(d), cosine = cosf(turn), sine = sinf(turn);
    float wave_x = between(d, 0, 0.07f), rate_x = between(d, 2, 6), phase_x = between(d, 0, 6.2832f);
    float wave_y = between(d, 0, 0.05f), rate_y = between(d, 2, 6), phase_y = between(d, 0, 6.2832f);
    float left = INFINITY, right = -INFINITY, top = INFINITY, bottom = -INFINITY;
    for (int i = 0; i < count; i++) {
        /* In heights of the character, from its middle; y up. */
        float x = (points[i].x - middle) / GAN_STROKE_BASELINE, y = 0.5f - points[i].y / GAN_STROKE_BASELINE;
        x = x * stretch * (1 + taper * y) + slant * y;
        float bent = x + wave_x * sinf(rate_x * y + phase_x);
        y += wave_y * sinf(rate_y * x + phase_y);
        points[i].x = cosine * bent - sine * y;
        points[i].y = -(sine * bent + cosine * y);
        left = fminf(left, points[i].x), right = fmaxf(right, points[i].x);
        top = fminf(top, points[i].y), bottom = fmaxf(bottom, points[i].y);
    }

    float room = SIZE - 3 - 2 * radius; /* a pixel of air, and the fading edge */
    float tall = fminf(between(d, 16, 21), room), wide = fminf(20, room);
    float scale = fminf(tall / (bottom - top), wide / fmaxf(right - left, 0.01f));
    float slack_x = fminf(0.5f * (room - scale * (right - left)), 2.5f);
    float slack_y = fminf(0.5f * (room - scale * (bottom - top)), 2.5f);
    float centre_x = (SIZE - 1) / 2.0f + between(d, -slack_x, slack_x) - scale * (left + right) / 2;
    float centre_y = (SIZE - 1) / 2.0f + between(d, -slack_y, slack_y) - scale * (top + bottom) / 2;
    for (int i = 0; i < count; i++) {
        points[i].x = centre_x + scale * points[i].x;
        points[i].y = centre_y + scale * points[i].y;
    }
}

/* Lowers square[SIZE*SIZE], squared distances from pixels to what is drawn, by the line from a to b;
 * only up to reach, beyond which nothing shows. */
static void draw_piece(float *square, const gan_stroke_point *a, const gan_stroke_point *b, float reach)
{
    float dx = b->x - a->x, dy = b->y - a->y, length = dx * dx + dy * dy, inverse = length > 0 ? 1 / length : 0;
    int left = (int)fmaxf(ceilf(fminf(a->x, b->x) - reach), 0);
    int right = (int)fminf(floorf(fmaxf(a->x, b->x) + reach), SIZE - 1);
    int top = (int)fmaxf(ceilf(fminf(a->y, b->y) - reach), 0);
    int bottom = (int)fminf(floorf(fmaxf(a->y, b->y) + reach), SIZE - 1);
    for (int row = top; row <= bottom; row++) {
        float *out = square + row * SIZE, py = (float)row - a->y;
        for (int column = left; column <= right; column++) {
            float px = (float)column - a->x, along = (px * dx + py * dy) * inverse;
            along = along < 0 ? 0 : along > 1 ? 1 : along;
            float ex = px - along * dx, ey = py - along * dy, distance = ex * ex + ey * ey;
            out[column] = distance < out[column] ? distance : out[column];
        }
    }
}

/* Draws picture i into out[SIZE*SIZE]. */
static void draw_glyph(uint64_t i, uint64_t seed, gan_real *out)
{
    dice d = {mix(mix(seed + STEP) + i)};
    char name = gan_glyph_names[i % GAN_GLYPH_CLASSES];
    gan_stroke_point points[MOST_POINTS];
    int count = write_path(name, &d, points);
    float radius = between(&d, 0.75f, 1.6f), reach = radius + EDGE / 2;
    distort(points, count, gan_stroke_width((unsigned char)name) / 2, radius, &d);

    float square[SIZE * SIZE];
    for (int k = 0; k < SIZE * SIZE; k++)
        square[k] = SIZE * SIZE;
    for (int k = 1; k < count; k++) {
        if (points[k].down)
            draw_piece(square, &points[k - 1], &points[k], reach);
    }
    for (int k = 0; k < SIZE * SIZE; k++) {
        float cover = (reach - sqrtf(square[k])) / EDGE;
        cover = cover < 0 ? 0 : cover > 1 ? 1 : cover;
        out[k] = 2 * cover - 1;
    }
}

gan_tensor *gan_glyphs(gan_context *ctx, gan_tensor *indices, uint64_t seed, gan_tensor **labels)
{
    char shape[GAN_SHAPE_TEXT];
    if (gan_rank(indices) != 1) {
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "glyphs: indices: rank 1 expected, got shape %s",
                 gan_shape_text(gan_shape_of(indices), shape, sizeof shape));
    }
    int64_t n = gan_numel(indices);
    const gan_real *index = gan_data(indices);
    for (int64_t i = 0; i < n; i++) {
        if (!(index[i] >= 0 && index[i] <= 1e15 && index[i] == (gan_real)(int64_t)index[i])) {
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "glyphs: index %g is not a whole number from 0", (double)index[i]);
        }
    }
    gan_tensor *pictures = gan_from(ctx, GAN_SHAPE(n, SIZE, SIZE, 1), NULL);
    gan_tensor *classes = labels ? gan_from(ctx, GAN_SHAPE(n), NULL) : NULL;
    gan_real *out = gan_write(pictures), *class = classes ? gan_write(classes) : NULL;
    for (int64_t i = 0; i < n; i++) {
        draw_glyph((uint64_t)index[i], seed, out + i * SIZE * SIZE);
        if (class)
            class[i] = (gan_real)((uint64_t)index[i] % GAN_GLYPH_CLASSES);
    }
    if (labels)
        *labels = classes;
    return pictures;
}
