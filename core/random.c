/* random.c - counter-based random numbers.
 *
 * Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; 2011)
 * turns a counter (position, stream) and a key (seed) into four words. A tensor of n numbers uses
 * ceil(n/4) positions. The float and the double build draw the same numbers. */
#include <math.h>

#include "op.h"

enum { WORDS = 4 };

static void philox(gan_random_state state, uint32_t out[WORDS])
{
    uint32_t c0 = (uint32_t)state.position, c1 = (uint32_t)(state.position >> 32);
    uint32_t c2 = (uint32_t)state.stream, c3 = (uint32_t)(state.stream >> 32);
    uint32_t k0 = (uint32_t)state.seed, k1 = (uint32_t)(state.seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

gan_random_state gan_get_random(const gan_context *ctx)
{
    return ctx->random;
}
void gan_set_random(gan_context *ctx, gan_random_state state)
{
    ctx->random = state;
}

struct draw {
    gan_random_state state; /* of the first number's block */
    int64_t skip;           /* numbers of that block that are not in t */
    gan_tensor *t;
};

/* 24 bits: every value is a float, and 1 is never reached. */
static float unit(uint32_t word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

/* Number i of a block takes its place in the tensor, if it has one. */
static void put(struct draw *draw, int64_t block, int i, float number)
{
    int64_t place = WORDS * block + i - draw->skip;
    if (place >= 0 && place < draw->t->numel)
        draw->t->data[place] = (gan_real)number;
}

static void fill_uniform(void *work, int64_t begin, int64_t end)
{
    struct draw *draw = work;
    for (int64_t block = begin; block < end; block++) {
        uint32_t words[WORDS];
        gan_random_state at = draw->state;
        at.position += (uint64_t)block;
        philox(at, words);
        for (int i = 0; i < WORDS; i++)
            put(draw, block, i, unit(words[i]));
    }
}

/* Box & Muller 1958: two words make two normals. The radius takes 1 - u, which is never 0. */
static void fill_normal(void *work, int64_t begin, int64_t end)
{
    struct draw *draw = work;
    for (int64_t block = begin; block < end; block++) {
        uint32_t words[WORDS];
        float normals[WORDS];
        gan_random_state at = draw->state;
        at.position += (uint64_t)block;
        philox(at, words);
        for (int pair = 0; pair < WORDS; pair += 2) {
            float radius = sqrtf(-2 * logf(1 - unit(words[pair]))), angle = 6.2831853f * unit(words[pair + 1]);
            normals[pair] = radius * cosf(angle);
            normals[pair + 1] = radius * sinf(angle);
        }
        for (int i = 0; i < WORDS; i++)
            put(draw, block, i, normals[i]);
    }
}

/* Numbers that all ranks draw together, and how many of them come before this rank's. */
static int64_t drawn_together(gan_context *ctx, const gan_tensor *t, int64_t *before)
{
    gan_share share = ctx->share;
    *before = 0;
    if (share.count == 0 || t->shape.rank == 0 || t->numel == 0)
        return t->numel;
    int64_t rows = t->shape.dims[0], row = t->numel / rows;
    if (rows * share.total % share.count || rows * share.first % share.count)
        gan_fail(ctx, GAN_ERROR_ARGUMENT,
                 "random numbers of shape %s: of a batch of %lld this rank has %lld rows, and no such share of other "
                 "sizes; a batch that is a multiple of the number of ranks has",
                 GAN_TEXT(t->shape), (long long)share.total, (long long)share.count);
    *before = rows * share.first / share.count * row;
    return rows * share.total / share.count * row;
}

static gan_tensor *draw(gan_context *ctx, gan_shape shape, gan_job *fill)
{
    struct draw work = {.state = ctx->random, .t = gan_new(ctx, shape)};
    int64_t before, all = drawn_together(ctx, work.t, &before),
                    blocks = gan_pieces(before % WORDS + work.t->numel, WORDS);
    work.state.position += (uint64_t)(before / WORDS);
    work.skip = before % WORDS;
    gan_parallel(ctx, blocks, GAN_GRAIN / 8, fill, &work);
    ctx->random.position += (uint64_t)gan_pieces(all, WORDS);
    return work.t;
}

gan_tensor *gan_rand(gan_context *ctx, gan_shape shape)
{
    return draw(ctx, shape, fill_uniform);
}
gan_tensor *gan_randn(gan_context *ctx, gan_shape shape)
{
    return draw(ctx, shape, fill_normal);
}

gan_tensor *gan_randint(gan_context *ctx, gan_shape shape, int64_t count)
{
    if (count < 1 || count > 1 << 24) /* what a float tells apart */
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "randint: wanted a count from 1 to %d, got %lld", 1 << 24, (long long)count);
    gan_tensor *t = draw(ctx, shape, fill_uniform);
    for (int64_t i = 0; i < t->numel; i++)
        t->data[i] = (gan_real)(int64_t)((double)t->data[i] * (double)count);
    return t;
}

uint64_t gan_random_bits(gan_context *ctx)
{
    uint32_t words[WORDS];
    philox(ctx->random, words);
    ctx->random.position++;
    return (uint64_t)words[0] << 32 | words[1];
}

/* Fisher & Yates, each draw from 64 bits: the bias of a remainder is below 2^-40 for any real data set. */
void gan_permutation(gan_random_state state, int64_t count, int64_t *out)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = i;
    for (int64_t i = count - 1; i > 0; i--) {
        uint32_t words[WORDS];
        philox(state, words);
        state.position++;
        int64_t j = (int64_t)(((uint64_t)words[0] << 32 | words[1]) % (uint64_t)(i + 1));
        int64_t other = out[j];
        out[j] = out[i];
        out[i] = other;
    }
}
