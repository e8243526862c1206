/* ranks.c - what processes that compute one thing together exchange inside a graph.
 *
 * Two ops are each other's gradient. all_sum turns each rank's own part into a sum that all have; spread hands what all
 * have to each rank's own computations. Where both stand at the borders between the two kinds of numbers, gradients of
 * any order are those of one process: a gradient by something that all ranks have the same is complete when it has passed
 * a spread, and each rank's own part of it before.
 *
 * Sums are made here, of what every rank has gathered, and not by the transport: in the order of the ranks, in double. */
#include <string.h>

#include "op.h"

void gan_set_ranks(gan_context *ctx, const gan_ranks *ranks)
{
    if (ctx->ranks.close)
        ctx->ranks.close(ctx->ranks.user);
    ctx->ranks = ranks ? *ranks : (gan_ranks){0};
}

const gan_ranks *gan_ranks_of(const gan_context *ctx)
{
    return &ctx->ranks;
}

int64_t gan_exchanges(const gan_context *ctx)
{
    return ctx->exchanges;
}

void gan_set_share(gan_context *ctx, gan_share share)
{
    ctx->share = share;
}

_Noreturn void gan_fail_ranks(gan_context *ctx)
{
    gan_fail(ctx, GAN_ERROR_IO, "the other ranks cannot be reached any more");
}

/* ---- Plain numbers ---- */

void gan_gather(gan_context *ctx, const void *own, void *all, size_t bytes)
{
    if (!gan_is_shared(ctx)) {
        memcpy(all, own, bytes);
        return;
    }
    ctx->exchanges++;
    if (!ctx->ranks.gather(ctx->ranks.user, own, all, bytes))
        gan_fail_ranks(ctx);
}

void gan_from_first(gan_context *ctx, void *bytes, size_t count)
{
    if (!gan_is_shared(ctx))
        return;
    ctx->exchanges++;
    if (!ctx->ranks.broadcast(ctx->ranks.user, 0, bytes, count))
        gan_fail_ranks(ctx);
}

/* Numbers that all ranks gather at a time. */
enum { AT_ONCE = 1 << 20 };

void gan_sum_numbers(gan_context *ctx, int64_t count, gan_real *numbers)
{
    if (!gan_is_shared(ctx) || count == 0)
        return;
    int64_t size = ctx->ranks.size, most = gan_most(AT_ONCE / size, 1024), piece = gan_least(count, most);
    size_t mark = gan_pool_mark(ctx);
    gan_real *all = gan_scratch(ctx, (size_t)(size * piece) * sizeof *all);
    for (int64_t from = 0; from < count; from += piece) {
        int64_t length = gan_least(piece, count - from);
        gan_gather(ctx, numbers + from, all, (size_t)length * sizeof *all);
        for (int64_t i = 0; i < length; i++) {
            double sum = 0;
            for (int64_t rank = 0; rank < size; rank++)
                sum += (double)all[rank * length + i];
            numbers[from + i] = (gan_real)sum;
        }
    }
    gan_pool_release(ctx, mark);
}

void gan_all_sum_(int count, gan_tensor *const tensors[])
{
    gan_context *ctx = count ? tensors[0]->ctx : NULL;
    if (!ctx || !gan_is_shared(ctx))
        return;
    gan_ranks *ranks = &ctx->ranks;
    ctx->exchanges++;
    ranks->reset(ranks->user);
    for (int i = 0; i < count; i++)
        if (!ranks->add(ranks->user, tensors[i]->data, tensors[i]->numel))
            gan_fail_ranks(ctx);
    if (!ranks->sum(ranks->user))
        gan_fail_ranks(ctx);
    for (int i = 0; i < count; i++) {
        ranks->take(ranks->user, tensors[i]->data, tensors[i]->numel);
        tensors[i]->storage->version++;
    }
}

void gan_broadcast_(int from, int count, gan_tensor *const tensors[])
{
    gan_context *ctx = count ? tensors[0]->ctx : NULL;
    if (!ctx || !gan_is_shared(ctx))
        return;
    bool own = ctx->ranks.rank == from;
    int64_t numel = 0;
    for (int i = 0; i < count; i++)
        numel += tensors[i]->numel;
    size_t mark = gan_pool_mark(ctx);
    gan_real *all = gan_scratch(ctx, (size_t)gan_most(numel, 1) * sizeof *all), *at = all;
    for (int i = 0; own && i < count; at += tensors[i++]->numel)
        memcpy(at, tensors[i]->data, (size_t)tensors[i]->numel * sizeof *at);
    ctx->exchanges++;
    if (!ctx->ranks.broadcast(ctx->ranks.user, from, all, (size_t)numel * sizeof *all))
        gan_fail_ranks(ctx);
    at = all;
    for (int i = 0; !own && i < count; at += tensors[i++]->numel) {
        memcpy(tensors[i]->data, at, (size_t)tensors[i]->numel * sizeof *at);
        tensors[i]->storage->version++;
    }
    gan_pool_release(ctx, mark);
}

/* ---- The ops ---- */

static void all_sum_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    (void)y;
    if (needed[0])
        dx[0] = gan_spread(dy);
}
static const gan_op all_sum_op = {"all_sum", all_sum_grad, 0};

static void spread_grad(gan_tensor *y, gan_tensor *dy, const bool *needed, gan_tensor **dx)
{
    (void)y;
    if (needed[0])
        dx[0] = gan_all_sum(dy);
}
static const gan_op spread_op = {"spread", spread_grad, 0};

static const gan_attributes none = {{0}, {0}};

gan_tensor *gan_all_sum(gan_tensor *x)
{
    gan_context *ctx = x->ctx;
    if (!gan_is_shared(ctx))
        return GAN_RECORD(gan_view(x, x->shape), &all_sum_op, none, x);
    gan_tensor *y = gan_from(ctx, x->shape, x->data);
    gan_sum_numbers(ctx, y->numel, y->data);
    return GAN_RECORD(y, &all_sum_op, none, x);
}

gan_tensor *gan_spread(gan_tensor *x)
{
    return GAN_RECORD(gan_view(x, x->shape), &spread_op, none, x);
}
