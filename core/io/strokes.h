/* strokes.h - letters as a pen draws them: the printable ASCII characters as paths without width.
 *
 * The grid. x goes right from 0 to gan_stroke_width(c), y goes down: 0 is the top of the capitals
 * and digits, 7 that of small letters like x, 20 the line they stand on, 26 the bottom of g and y.
 *
 * A path is text: a letter says what the numbers behind it are, and holds until the next letter.
 *
 *     M x y         lift the pen and set it down there
 *     L x y         a straight line to there
 *     H x y         a quarter of an ellipse to there that leaves horizontally and arrives vertically
 *     V x y         the same, leaving vertically and arriving horizontally
 *     Q a b x y     a parabola to (x, y) with its control point (a, b) (quadratic Bezier) */
#ifndef GAN_STROKES_H
#define GAN_STROKES_H

#include <stdbool.h>

#define GAN_STROKE_X_HEIGHT 7
#define GAN_STROKE_BASELINE 20
#define GAN_STROKE_BOTTOM   26

typedef struct gan_stroke_point {
    float x, y;
    bool down; /* the pen draws from the point before to this one */
} gan_stroke_point;

/* No path has more points than this. */
#define GAN_STROKE_POINTS 192

/* The path of a printable ASCII character; of anything else, a box. */
const char *gan_stroke_path(unsigned char c);
/* Its width on the grid. */
float gan_stroke_width(unsigned char c);

/* Where a node of a path lies instead, for slanting, fitting to pixels and the like. */
typedef void gan_stroke_place(const void *user, float *x, float *y);
/* The path as points, curves as short lines; returns how many. place (with user) moves the nodes and
 * control points before curves are drawn through them; NULL leaves them on the grid. */
int gan_stroke_trace(const char *path, gan_stroke_place *place, const void *user,
                     gan_stroke_point points[GAN_STROKE_POINTS]);

#endif
