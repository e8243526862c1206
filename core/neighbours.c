/* neighbours.c - samples and the samples nearest to them, for measures of how sets cover each other.
 *
 * Distances are Euclidean. Candidates are found by |x|^2 + |y|^2 - 2 x.y in double; the distances that come out are
 * those of the differences, so that a copy is at distance 0. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "linalg.h"

static double squared_distance(const double *x, const double *y, int64_t d)
{
    double square = 0;
    for (int64_t j = 0; j < d; j++)
        square += (x[j] - y[j]) * (x[j] - y[j]);
    return square;
}

static double *squared_lengths(gan_context *ctx, int64_t n, int64_t d, const double *x)
{
    double *squares = gan_scratch(ctx, (size_t)n * sizeof *squares);
    for (int64_t i = 0; i < n; i++) {
        squares[i] = 0;
        for (int64_t j = 0; j < d; j++)
            squares[i] += x[i * d + j] * x[i * d + j];
    }
    return squares;
}

/* ---- The nearest --------------------------------------------------------------------------------- */

struct nearest {
    const double *x_squares, *y_squares;
    int64_t count;
    bool self;
    double *distances; /* squared, the count smallest of each row, rising */
    int64_t *places;
};

static void keep_nearest(void *user, int64_t row, int64_t rows, int64_t column, int64_t columns, const double *products,
                         int64_t stride)
{
    struct nearest *w = user;
    for (int64_t i = 0; i < rows; i++) {
        double *kept = w->distances + (row + i) * w->count;
        int64_t *places = w->places + (row + i) * w->count;
        for (int64_t j = 0; j < columns; j++) {
            double distance = w->x_squares[row + i] + w->y_squares[column + j] - 2 * products[i * stride + j];
            if (distance >= kept[w->count - 1] || (w->self && row + i == column + j))
                continue;
            int64_t at = w->count - 1;
            for (; at > 0 && kept[at - 1] > distance; at--) {
                kept[at] = kept[at - 1];
                places[at] = places[at - 1];
            }
            kept[at] = distance;
            places[at] = column + j;
        }
    }
}

gan_tensor *gan_nearest(gan_tensor *a, gan_tensor *b, int64_t count, bool self, gan_tensor **distances)
{
    gan_check_samples("nearest", a, b, 1);
    gan_context *ctx = gan_context_of(a);
    int64_t na = gan_dim(a, 0), nb = gan_dim(b, 0), d = gan_dim(a, 1);
    if (self && na != nb)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "nearest: a set beside itself has as many samples, got %lld and %lld",
                 (long long)na, (long long)nb);
    if (count < 1 || count > nb - self)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "nearest: wanted 1 to %lld neighbours among %lld samples, got %lld",
                 (long long)(nb - self), (long long)nb, (long long)count);
    gan_tensor *found = gan_from(ctx, GAN_SHAPE(na, count), NULL);
    *distances = gan_from(ctx, GAN_SHAPE(na, count), NULL);
    size_t mark = gan_pool_mark(ctx);
    const double *x = gan_as_doubles(a), *y = gan_as_doubles(b);
    struct nearest work = {squared_lengths(ctx, na, d, x),
                           squared_lengths(ctx, nb, d, y),
                           count,
                           self,
                           gan_scratch(ctx, (size_t)(na * count) * sizeof(double)),
                           gan_scratch(ctx, (size_t)(na * count) * sizeof(int64_t))};
    for (int64_t i = 0; i < na * count; i++) {
        work.distances[i] = INFINITY;
        work.places[i] = 0;
    }
    gan_products_of_rows(ctx, na, x, nb, y, d, keep_nearest, &work);
    gan_real *places = gan_write(found), *exact = gan_write(*distances);
    for (int64_t i = 0; i < na * count; i++) {
        places[i] = (gan_real)work.places[i];
        exact[i] = (gan_real)sqrt(squared_distance(x + i / count * d, y + work.places[i] * d, d));
    }
    gan_pool_release(ctx, mark);
    return found;
}

/* ---- Balls --------------------------------------------------------------------------------------- */

struct balls {
    const double *x, *y, *x_squares, *y_squares; /* x: what is counted for */
    const double *x_radii, *y_radii;             /* squared; of one of them, NULL for the other */
    int64_t d, *counts;
};

static void count_balls(void *user, int64_t row, int64_t rows, int64_t column, int64_t columns, const double *products,
                        int64_t stride)
{
    struct balls *w = user;
    for (int64_t i = row; i < row + rows; i++) {
        int64_t count = 0;
        for (int64_t j = column; j < column + columns; j++) {
            double lengths = w->x_squares[i] + w->y_squares[j];
            double square = lengths - 2 * products[(i - row) * stride + j - column];
            double radius = w->x_radii ? w->x_radii[i] : w->y_radii[j];
            /* A copy of what made the radius lies on the ball, not in it: rounding must not decide that. */
            if (fabs(square - radius) <= 1e-12 * lengths)
                square = squared_distance(w->x + i * w->d, w->y + j * w->d, w->d);
            count += square < radius;
        }
        w->counts[i] += count;
    }
}

gan_tensor *gan_ball_counts(gan_tensor *centres, gan_tensor *points, int64_t k, bool of_points)
{
    gan_check_samples("ball_counts", centres, points, 1);
    gan_context *ctx = gan_context_of(points);
    int64_t n = gan_dim(centres, 0), m = gan_dim(points, 0), d = gan_dim(points, 1), counted = of_points ? m : n;
    gan_tensor *result = gan_from(ctx, GAN_SHAPE(counted), NULL);
    size_t mark = gan_pool_mark(ctx);
    gan_tensor *distances, *nearest = gan_nearest(centres, centres, k, true, &distances);
    const double *x = gan_as_doubles(centres), *y = gan_as_doubles(points);
    const double *x_squares = squared_lengths(ctx, n, d, x), *y_squares = squared_lengths(ctx, m, d, y);
    double *radii = gan_scratch(ctx, (size_t)n * sizeof *radii);
    for (int64_t i = 0; i < n; i++)
        radii[i] = squared_distance(x + i * d, x + (int64_t)gan_data(nearest)[i * k + k - 1] * d, d);
    struct balls work = {x, y, x_squares, y_squares, radii, NULL, d, NULL};
    if (of_points)
        work = (struct balls){y, x, y_squares, x_squares, NULL, radii, d, NULL};
    work.counts = gan_scratch(ctx, (size_t)counted * sizeof *work.counts);
    memset(work.counts, 0, (size_t)counted * sizeof *work.counts);
    gan_products_of_rows(ctx, counted, work.x, of_points ? n : m, work.y, d, count_balls, &work);
    gan_real *counts = gan_write(result);
    for (int64_t i = 0; i < counted; i++)
        counts[i] = (gan_real)work.counts[i];
    gan_pool_release(ctx, mark);
    return result;
}
