/* profile.c - where the time of gradients goes: seconds by op and by the tag that was current when it was recorded.
 *
 * Forwards, whoever calls an op can time it; backwards the walk calls, so the walk asks here. Nothing is allocated and
 * nothing timed unless a profile was begun. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "op.h"

enum { MOST_ROWS = 4096 }; /* a power of two; what finds no place is left out */

struct gan_profile {
    gan_profile_row rows[MOST_ROWS]; /* open addressing; a row without an op is free */
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

bool gan_profile_begin(gan_context *ctx)
{
    gan_profile_end(ctx);
    ctx->profile = calloc(1, sizeof *ctx->profile);
    return ctx->profile != NULL;
}

void gan_profile_end(gan_context *ctx)
{
    free(ctx->profile);
    ctx->profile = NULL;
}

int gan_set_tag(gan_context *ctx, int tag)
{
    int before = ctx->tag;
    ctx->tag = tag;
    return before;
}

int gan_profile_rows(const gan_context *ctx, gan_profile_row *rows, int most)
{
    int count = 0;
    for (int i = 0; ctx->profile && i < MOST_ROWS; i++) {
        if (!ctx->profile->rows[i].op)
            continue;
        if (count < most)
            rows[count] = ctx->profile->rows[i];
        count++;
    }
    return count;
}

double gan_profile_clock(const gan_context *ctx)
{
    return ctx->profile ? seconds() : 0;
}

void gan_profile_add(gan_context *ctx, const gan_node *node, double since)
{
    struct gan_profile *profile = ctx->profile;
    if (!profile)
        return;
    unsigned place = (unsigned)((uintptr_t)node->op->name >> 3) * 31u + (unsigned)node->tag * 2654435761u;
    for (int i = 0; i < MOST_ROWS; i++, place++) {
        gan_profile_row *row = &profile->rows[place % MOST_ROWS];
        if (row->op && (row->op != node->op->name || row->tag != node->tag))
            continue;
        row->op = node->op->name;
        row->tag = node->tag;
        row->calls++;
        row->seconds += seconds() - since;
        return;
    }
}
