/* strokes.c - the stroke font and the tracing of its paths (strokes.h says how they read). */
#include "io/strokes.h"

#include <stddef.h>

typedef struct letter {
    float width;
    const char *path;
} letter;

/* Digits are all 12 wide, so that numbers line up. */
/* clang-format off */
static const letter letters[95] = {
    /*   */ {6, ""},
    /* ! */ {2, "M 1 0 L 1 13 M 1 19 L 1 20"},
    /* " */ {6, "M 1 0 L 1 6 M 5 0 L 5 6"},
    /* # */ {14, "M 5 2 L 3 18 M 11 2 L 9 18 M 0 7 L 14 7 M 0 13 L 14 13"},
    /* $ */ {12, "M 11.5 5 V 6 2 H 0.5 6 V 6 10 H 12 14 V 6 18 H 0 15 M 6 -1 L 6 21"},
    /* % */ {17, "M 15 0 L 2 20 M 4 0 H 0 4 V 4 8 H 8 4 V 4 0 M 13 12 H 9 16 V 13 20 H 17 16 V 13 12"},
    /* & */ {15, "M 15 20 L 4 7 Q 3 5.5 3 4 V 6.5 0 H 10 4 Q 10 7 5 9.5 Q 0 12 0 15.5 V 5.5 20 Q 12 20 14 11"},
    /* ' */ {2, "M 1 0 L 1 6"},
    /* ( */ {5, "M 5 0 Q 0 5 0 12 Q 0 19 5 24"},
    /* ) */ {5, "M 0 0 Q 5 5 5 12 Q 5 19 0 24"},
    /* * */ {10, "M 5 1 L 5 11 M 0.7 3.5 L 9.3 8.5 M 9.3 3.5 L 0.7 8.5"},
    /* + */ {12, "M 6 5 L 6 17 M 0 11 L 12 11"},
    /* , */ {2, "M 1.5 19 L 1.5 20 L 0 24"},
    /* - */ {8, "M 0 11 L 8 11"},
    /* . */ {2, "M 1 19 L 1 20"},
    /* / */ {9, "M 9 -1 L 0 22"},
    /* 0 */ {12, "M 6 0 H 0 7 L 0 13 V 6 20 H 12 13 L 12 7 V 6 0"},
    /* 1 */ {12, "M 1.5 4 Q 5 3 7 0 L 7 20 M 2 20 L 12 20"},
    /* 2 */ {12, "M 0 5 V 6 0 H 12 5.5 Q 12 9 8 13 L 0 20 L 12 20"},
    /* 3 */ {12, "M 0.5 4 V 6 0 H 11 4.5 V 6 9 L 4 9 M 6 9 H 12 14.5 V 6 20 H 0 16"},
    /* 4 */ {12, "M 9 20 L 9 0 L 0 14 L 12 14"},
    /* 5 */ {12, "M 11 0 L 1.5 0 L 0.5 9 Q 3 7.5 6 7.5 H 12 13.5 V 6 20 H 0 16"},
    /* 6 */ {12, "M 11 2 Q 9 0 7 0 H 0 10 L 0 14 V 6 20 H 12 14 V 6 8 H 0 14"},
    /* 7 */ {12, "M 0 0 L 12 0 Q 6 9 4.5 20"},
    /* 8 */ {12, "M 6 0 H 1 4.5 V 6 9 H 12 14.5 V 6 20 H 0 14.5 V 6 9 H 11 4.5 V 6 0"},
    /* 9 */ {12, "M 1 18 Q 3 20 5 20 H 12 10 L 12 6 V 6 0 H 0 6 V 6 12 H 12 6"},
    /* : */ {2, "M 1 8 L 1 9 M 1 19 L 1 20"},
    /* ; */ {2, "M 1.5 8 L 1.5 9 M 1.5 19 L 1.5 20 L 0 24"},
    /* < */ {12, "M 12 4 L 0 11 L 12 18"},
    /* = */ {12, "M 0 8 L 12 8 M 0 14 L 12 14"},
    /* > */ {12, "M 0 4 L 12 11 L 0 18"},
    /* ? */ {10, "M 0 5 V 5 0 H 10 5 Q 10 8 7.5 9.5 Q 5 11 5 14 M 5 19 L 5 20"},
    /* @ */ {18, "M 13 10.5 V 9 6 H 5 10.5 V 9 15 H 13 10.5 M 13 6 L 13 12.5 V 15.5 15 H 18 10 V 9 0 H 0 11 V 9 22 "
                 "Q 12 22 14.5 20.5"},
    /* A */ {14, "M 0 20 L 7 0 L 14 20 M 2.5 13 L 11.5 13"},
    /* B */ {12, "M 6 9 L 0 9 M 0 0 L 0 20 L 6 20 H 12 14.5 V 6 9 H 11 4.5 V 6 0 L 0 0"},
    /* C */ {13, "M 13 4 Q 11.5 0 7.5 0 H 0 10 V 7.5 20 Q 11.5 20 13 16"},
    /* D */ {13, "M 0 0 L 0 20 L 4 20 H 13 10 V 4 0 L 0 0"},
    /* E */ {11, "M 11 0 L 0 0 L 0 20 L 11 20 M 0 9.5 L 9 9.5"},
    /* F */ {11, "M 11 0 L 0 0 L 0 20 M 0 9.5 L 9 9.5"},
    /* G */ {14, "M 13 4 Q 11.5 0 7.5 0 H 0 10 V 7.5 20 H 14 13 L 14 11 L 8 11"},
    /* H */ {13, "M 0 0 L 0 20 M 13 0 L 13 20 M 0 9.5 L 13 9.5"},
    /* I */ {7, "M 0 0 L 7 0 M 3.5 0 L 3.5 20 M 0 20 L 7 20"},
    /* J */ {10, "M 10 0 L 10 14 V 5 20 H 0 15"},
    /* K */ {12, "M 0 0 L 0 20 M 12 0 L 0 12 M 4.5 7.5 L 12 20"},
    /* L */ {10, "M 0 0 L 0 20 L 10 20"},
    /* M */ {16, "M 0 20 L 0 0 L 8 14 L 16 0 L 16 20"},
    /* N */ {13, "M 0 20 L 0 0 L 13 20 L 13 0"},
    /* O */ {15, "M 7.5 0 H 0 10 V 7.5 20 H 15 10 V 7.5 0"},
    /* P */ {12, "M 0 20 L 0 0 L 6 0 H 12 5.5 V 6 11 L 0 11"},
    /* Q */ {15, "M 7.5 0 H 0 10 V 7.5 20 H 15 10 V 7.5 0 M 9 14 L 16 22"},
    /* R */ {12, "M 0 20 L 0 0 L 6 0 H 12 5.5 V 6 11 L 0 11 M 6 11 L 12 20"},
    /* S */ {12, "M 11.5 4 V 6 0 H 0.5 5 V 6 9.5 H 12 15 V 6 20 H 0 16"},
    /* T */ {14, "M 0 0 L 14 0 M 7 0 L 7 20"},
    /* U */ {13, "M 0 0 L 0 13 V 6.5 20 H 13 13 L 13 0"},
    /* V */ {14, "M 0 0 L 7 20 L 14 0"},
    /* W */ {19, "M 0 0 L 4.5 20 L 9.5 3 L 14.5 20 L 19 0"},
    /* X */ {13, "M 0 0 L 13 20 M 13 0 L 0 20"},
    /* Y */ {14, "M 0 0 L 7 10 L 14 0 M 7 10 L 7 20"},
    /* Z */ {12, "M 0 0 L 12 0 L 0 20 L 12 20"},
    /* [ */ {4, "M 4 0 L 0 0 L 0 24 L 4 24"},
    /* \ */ {9, "M 0 -1 L 9 22"},
    /* ] */ {4, "M 0 0 L 4 0 L 4 24 L 0 24"},
    /* ^ */ {10, "M 0 7 L 5 0 L 10 7"},
    /* _ */ {12, "M 0 23 L 12 23"},
    /* ` */ {4, "M 0 0 L 4 4"},
    /* a */ {11, "M 11 7 L 11 20 M 11 13.5 V 5.5 7 H 0 13.5 V 5.5 20 H 11 13.5"},
    /* b */ {11, "M 0 0 L 0 20 M 0 13.5 V 5.5 7 H 11 13.5 V 5.5 20 H 0 13.5"},
    /* c */ {10, "M 10 10 Q 8.5 7 5.5 7 H 0 13.5 V 5.5 20 Q 8.5 20 10 17"},
    /* d */ {11, "M 11 0 L 11 20 M 11 13.5 V 5.5 7 H 0 13.5 V 5.5 20 H 11 13.5"},
    /* e */ {11, "M 0 13.5 L 11 13.5 V 5.5 7 H 0 13.5 V 5.5 20 Q 9 20 10.5 17"},
    /* f */ {7, "M 7.5 0 L 7 0 H 3 4.5 L 3 20 M 0 7 L 7 7"},
    /* g */ {11, "M 11 7 L 11 21 V 5.5 26 Q 2 26 0.5 24 M 11 13.5 V 5.5 7 H 0 13.5 V 5.5 20 H 11 13.5"},
    /* h */ {10, "M 0 0 L 0 20 M 0 12 V 5 7 H 10 12 L 10 20"},
    /* i */ {2, "M 1 7 L 1 20 M 1 0.5 L 1 1.2"},
    /* j */ {4, "M 3 7 L 3 22 V 0 26 M 3 0.5 L 3 1.2"},
    /* k */ {9, "M 0 0 L 0 20 M 9 7 L 0 15 M 3.5 12 L 9 20"},
    /* l */ {4, "M 1 0 L 1 16.5 V 4 20"},
    /* m */ {16, "M 0 7 L 0 20 M 0 11 V 4 7 H 8 11 L 8 20 M 8 11 V 12 7 H 16 11 L 16 20"},
    /* n */ {10, "M 0 7 L 0 20 M 0 12 V 5 7 H 10 12 L 10 20"},
    /* o */ {11, "M 5.5 7 H 0 13.5 V 5.5 20 H 11 13.5 V 5.5 7"},
    /* p */ {11, "M 0 7 L 0 26 M 0 13.5 V 5.5 7 H 11 13.5 V 5.5 20 H 0 13.5"},
    /* q */ {11, "M 11 7 L 11 26 M 11 13.5 V 5.5 7 H 0 13.5 V 5.5 20 H 11 13.5"},
    /* r */ {7, "M 0 7 L 0 20 M 0 12 V 5 7 L 7 7"},
    /* s */ {9, "M 8.5 9.5 V 4.5 7 H 0.5 10 V 4.5 13 H 9 16.5 V 4.5 20 H 0 17.5"},
    /* t */ {7, "M 3 2 L 3 16 V 6 20 L 7.5 20 M 0 7 L 7 7"},
    /* u */ {10, "M 0 7 L 0 15 V 5 20 H 10 15 M 10 7 L 10 20"},
    /* v */ {11, "M 0 7 L 5.5 20 L 11 7"},
    /* w */ {16, "M 0 7 L 4 20 L 8 9 L 12 20 L 16 7"},
    /* x */ {10, "M 0 7 L 10 20 M 10 7 L 0 20"},
    /* y */ {11, "M 0 7 L 5.5 20 M 11 7 L 4.5 22.5 Q 3 26 0 26"},
    /* z */ {10, "M 0 7 L 10 7 L 0 20 L 10 20"},
    /* { */ {6, "M 6 0 H 2.5 4 L 2.5 8.5 V 0 12 H 2.5 15.5 L 2.5 20 V 6 24"},
    /* | */ {2, "M 1 0 L 1 24"},
    /* } */ {6, "M 0 0 H 3.5 4 L 3.5 8.5 V 6 12 H 3.5 15.5 L 3.5 20 V 0 24"},
    /* ~ */ {12, "M 0 13 V 3 10 Q 4.5 10 6 11.5 Q 7.5 13 9 13 H 12 10"},
};

static const letter box = {10, "M 0 0 L 10 0 L 10 20 L 0 20 L 0 0"};

static const letter *letter_of(unsigned char c) {
    return c >= ' ' && c <= '~' ? &letters[c - ' '] : &box;
}

const char *gan_stroke_path(unsigned char c) {
    return letter_of(c)->path;
}

float gan_stroke_width(unsigned char c) {
    return letter_of(c)->width;
}

/* ---- Tracing --------------------------------------------------------------------------------- */

/* How many lines a quarter ellipse or a parabola becomes. */
#define STEPS 8

/* sin of i/8 of a right angle; its cosine is quarter[STEPS - i]. */
static const float quarter[STEPS + 1] = {0, .195090322f, .382683432f, .555570233f, .707106781f, .831469612f,
                                         .923879533f, .980785280f, 1};

/* The number at *text, like -1 or 4.5; *text moves behind it. Not strtod: that asks the locale. */
static float read_number(const char **text) {
    const char *at = *text;
    while (*at == ' ') at++;
    float sign = *at == '-' ? -1 : 1, value = 0, place = 1;
    if (*at == '-') at++;
    for (; *at >= '0' && *at <= '9'; at++) value = 10 * value + (float)(*at - '0');
    if (*at == '.') {
        for (at++; *at >= '0' && *at <= '9'; at++) value += (place /= 10) * (float)(*at - '0');
    }
    *text = at;
    return sign * value;
}

int gan_stroke_trace(const char *path, gan_stroke_place *place, const void *user,
                     gan_stroke_point points[GAN_STROKE_POINTS]) {
    int count = 0;
    char verb = 'M';
    float x0 = 0, y0 = 0;
    for (;;) {
        while (*path == ' ') path++;
        if (*path >= 'A' && *path <= 'Z') verb = *path++;
        while (*path == ' ') path++;
        if (!*path) return count;

        float a = 0, b = 0;
        if (verb == 'Q') {
            a = read_number(&path), b = read_number(&path);
            if (place) place(user, &a, &b);
        }
        float x = read_number(&path), y = read_number(&path);
        if (place) place(user, &x, &y);

        int steps = verb == 'M' || verb == 'L' ? 1 : STEPS;
        if (count + steps > GAN_STROKE_POINTS) return count;
        for (int i = 1; i <= steps; i++) {
            /* How far along x and y are: at 1 exactly there. */
            float u = 1, v = 1, t = (float)i / (float)steps;
            if (verb == 'H') u = quarter[i], v = 1 - quarter[STEPS - i];
            if (verb == 'V') u = 1 - quarter[STEPS - i], v = quarter[i];
            gan_stroke_point *to = &points[count++];
            to->down = verb != 'M';
            to->x = x0 + u * (x - x0);
            to->y = y0 + v * (y - y0);
            if (verb == 'Q') {
                to->x = (1 - t) * (1 - t) * x0 + 2 * t * (1 - t) * a + t * t * x;
                to->y = (1 - t) * (1 - t) * y0 + 2 * t * (1 - t) * b + t * t * y;
            }
        }
        x0 = x, y0 = y;
    }
}
