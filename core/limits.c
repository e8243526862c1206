/* limits.c - how much work a context may do, and until when.
 *
 * 1. What the context's own thread counts is the same number in every run of the same program: it depends on shapes,
 *    never on the clock, on threads or kernels. The time limit is the clock's.
 * 2. Counting comes before computing: what would exceed the limit is not begun.
 * 3. A held cancel (gan_hold_cancel) holds the limits off too, but not for long: what is written whole has a share of
 *    its own. */
#include <stdio.h>
#include <time.h>

#include "op.h"

/* What is allowed beyond the limits while a cancel is held. */
#define HELD_WORK 2e7
enum { HELD_TIME = 100000000 }; /* nanoseconds */

static int64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void gan_limit(gan_context *ctx, gan_limits limits)
{
    ctx->limits = limits;
    ctx->spent = 0;
    ctx->deadline = 0;
    if (limits.seconds > 0 && limits.seconds < 1e9)
        ctx->deadline = nanoseconds() + (int64_t)(limits.seconds * 1e9);
}

bool gan_is_limited(const gan_context *ctx)
{
    return ctx->limits.work > 0 || ctx->deadline;
}

bool gan_late(const gan_context *ctx)
{
    return ctx->deadline && nanoseconds() > ctx->deadline + (ctx->held ? HELD_TIME : 0);
}

static bool overspent(const gan_context *ctx)
{
    return ctx->limits.work > 0 && ctx->spent > ctx->limits.work + (ctx->held ? HELD_WORK : 0);
}

bool gan_count_work(gan_context *ctx, double work)
{
    ctx->spent += work;
    return !overspent(ctx) && !gan_late(ctx);
}

double gan_work_done(const gan_context *ctx)
{
    return ctx->spent;
}

const char *gan_limit_text(const gan_context *ctx, char *text, size_t size)
{
    if (overspent(ctx))
        snprintf(text, size, "the limit of %.0f instructions is reached", ctx->limits.work);
    else
        snprintf(text, size, "the time limit of %g s is reached", ctx->limits.seconds);
    return text;
}

static _Noreturn void fail_at_limit(gan_context *ctx)
{
    char text[GAN_LIMIT_TEXT];
    gan_fail(ctx, GAN_ERROR_LIMIT, "%s", gan_limit_text(ctx, text, sizeof text));
}

void gan_spend(gan_context *ctx, double work)
{
    if (!gan_count_work(ctx, work))
        fail_at_limit(ctx);
}

_Noreturn void gan_fail_stopped(gan_context *ctx)
{
    if (ctx->cancelled && !ctx->held)
        gan_fail(ctx, GAN_ERROR_CANCELLED, "cancelled");
    fail_at_limit(ctx);
}

void gan_check_stopped(gan_context *ctx)
{
    if (gan_stopped(ctx))
        gan_fail_stopped(ctx);
}
