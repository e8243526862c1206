/* histogram.c - how the numbers of a tensor are spread. */
#include <math.h>
#include <string.h>

#include "gan.h"

gan_histogram gan_histogram_of(const gan_tensor *t, int64_t buckets, int64_t counts[])
{
    const gan_real *x = gan_data(t);
    int64_t n = gan_numel(t);
    gan_count_work(gan_context_of(t), 2 * (double)n);
    gan_histogram h = {.least = INFINITY, .most = -INFINITY};
    for (int64_t i = 0; i < n; i++) {
        double value = (double)x[i];
        if (!isfinite(value))
            continue;
        h.least = fmin(h.least, value);
        h.most = fmax(h.most, value);
        h.sum += value;
        h.squares += value * value;
        h.count++;
    }
    memset(counts, 0, (size_t)buckets * sizeof *counts);
    if (h.count == 0)
        return (gan_histogram){0};
    double width = (h.most - h.least) / (double)buckets;
    for (int64_t i = 0; i < n; i++) {
        double value = (double)x[i];
        if (!isfinite(value))
            continue;
        int64_t place = width > 0 ? (int64_t)((value - h.least) / width) : 0;
        counts[place < buckets ? place : buckets - 1]++;
    }
    return h;
}
