/* conv_patches.c - convolution through a matrix of patches, one row for each place (n, p, q) and one
 * column for each (i, j, c).
 *
 *   conv2d         y = patches(x) W        W: w as a matrix, (kh kw in) x out
 *   conv2d_weight  W = patches(x)^T y
 *   conv2d_input   patches = y W^T, and each patch is added where it came from
 *
 * The matrix is made in bands that fit a core's cache, several images at once where they are small,
 * so that the product over a whole batch runs near the speed of a plain matrix product. */
#include <string.h>

#include "conv.h"

/* Numbers in one thread's band of patches: a third of a usual second-level cache. */
enum { BAND = 1 << 17 };

struct bands {
    const gan_context *ctx;
    const gan_conv *v;
    const gan_products *products; /* NULL: OpenBLAS */
    int64_t rows;                 /* rows of places (n, p) in one band */
    int64_t slots;                /* bands that are worked on at the same time */
    gan_real *patches;            /* a band for each slot */
    gan_real *packed;             /* what products take packed: the weight, or a band of y for each slot */
    int64_t packed_size;
    gan_real *result; /* of the face, or a weight for each slot */
};

/* The range of kernel columns j for which s q + j - pad lies inside [0, w). */
static void inside(const gan_conv *v, int64_t q, int64_t *first, int64_t *last)
{
    int64_t at = q * v->stride - v->pad;
    *first = gan_least(v->kw, gan_most(0, -at));
    *last = gan_most(*first, gan_least(v->kw, v->w - at));
}

/* Patches of the rows of places [row, row + rows), or the way back, which adds them to x. */
static void gather(const gan_conv *v, int64_t row, int64_t rows, gan_real *patches)
{
    for (int64_t r = row; r < row + rows; r++) {
        const gan_real *image = v->x + r / v->p * v->h * v->w * v->c;
        int64_t top = r % v->p * v->stride - v->pad;
        for (int64_t q = 0; q < v->q; q++) {
            int64_t first, last, left = q * v->stride - v->pad;
            inside(v, q, &first, &last);
            for (int64_t i = 0; i < v->kh; i++, patches += v->kw * v->c) {
                if (top + i < 0 || top + i >= v->h) {
                    memset(patches, 0, (size_t)(v->kw * v->c) * sizeof *patches);
                    continue;
                }
                memset(patches, 0, (size_t)(first * v->c) * sizeof *patches);
                memcpy(patches + first * v->c, image + ((top + i) * v->w + left + first) * v->c,
                       (size_t)((last - first) * v->c) * sizeof *patches);
                memset(patches + last * v->c, 0, (size_t)((v->kw - last) * v->c) * sizeof *patches);
            }
        }
    }
}

static void scatter(const gan_conv *v, int64_t row, int64_t rows, const gan_real *patches, gan_real *x)
{
    for (int64_t r = row; r < row + rows; r++) {
        gan_real *image = x + r / v->p * v->h * v->w * v->c;
        int64_t top = r % v->p * v->stride - v->pad;
        for (int64_t q = 0; q < v->q; q++) {
            int64_t first, last, left = q * v->stride - v->pad;
            inside(v, q, &first, &last);
            for (int64_t i = 0; i < v->kh; i++, patches += v->kw * v->c) {
                if (top + i < 0 || top + i >= v->h)
                    continue;
                gan_real *to = image + ((top + i) * v->w + left + first) * v->c;
                const gan_real *from = patches + first * v->c;
                for (int64_t j = 0; j < (last - first) * v->c; j++)
                    to[j] += from[j];
            }
        }
    }
}

/* ---- The three jobs: each item is a slot, with its own bands, buffer and result ---- */

static gan_real *own_patches(const struct bands *b, int64_t slot)
{
    return b->patches + slot * b->rows * b->v->q * b->v->patch;
}

static void forward_job(void *work, int64_t begin, int64_t end)
{
    const struct bands *b = work;
    const gan_conv *v = b->v;
    int64_t all = v->n * v->p;
    for (int64_t slot = begin; slot < end; slot++)
        for (int64_t row = slot * b->rows; row < all && !gan_stopped(b->ctx); row += b->slots * b->rows) {
            int64_t rows = gan_least(b->rows, all - row);
            gan_real *patches = own_patches(b, slot), *y = b->result + row * v->q * v->o;
            gather(v, row, rows, patches);
            if (b->products)
                gan_multiply(b->products, false, rows * v->q, v->o, v->patch, patches, v->patch, b->packed, false, y,
                             v->o);
            else
                gan_gemm(false, false, rows * v->q, v->o, v->patch, patches, v->patch, v->weight, v->o, 0, y, v->o);
        }
}

static void weight_job(void *work, int64_t begin, int64_t end)
{
    const struct bands *b = work;
    const gan_conv *v = b->v;
    int64_t all = v->n * v->p;
    for (int64_t slot = begin; slot < end; slot++) {
        gan_real *sum = b->result + slot * v->patch * v->o;
        memset(sum, 0, (size_t)(v->patch * v->o) * sizeof *sum);
        for (int64_t row = slot * b->rows; row < all && !gan_stopped(b->ctx); row += b->slots * b->rows) {
            int64_t places = gan_least(b->rows, all - row) * v->q;
            gan_real *patches = own_patches(b, slot), *packed = b->packed + slot * b->packed_size;
            const gan_real *y = v->y + row * v->q * v->o;
            gather(v, row, places / v->q, patches);
            if (b->products) {
                b->products->pack(places, v->o, y, v->o, false, packed);
                gan_multiply(b->products, true, v->patch, v->o, places, patches, v->patch, packed, true, sum, v->o);
            } else {
                gan_gemm(true, false, v->patch, v->o, places, patches, v->patch, y, v->o, 1, sum, v->o);
            }
        }
    }
}

/* Patches of one image overlap, so a slot takes whole images. */
static void input_job(void *work, int64_t begin, int64_t end)
{
    const struct bands *b = work;
    const gan_conv *v = b->v;
    for (int64_t slot = begin; slot < end; slot++) {
        int64_t first = v->n * slot / b->slots, last = v->n * (slot + 1) / b->slots, image = v->h * v->w * v->c;
        memset(b->result + first * image, 0, (size_t)((last - first) * image) * sizeof *b->result);
        for (int64_t row = first * v->p; row < last * v->p && !gan_stopped(b->ctx); row += b->rows) {
            int64_t rows = gan_least(b->rows, last * v->p - row);
            gan_real *patches = own_patches(b, slot);
            const gan_real *y = v->y + row * v->q * v->o;
            if (b->products)
                gan_multiply(b->products, false, rows * v->q, v->patch, v->o, y, v->o, b->packed, false, patches,
                             v->patch);
            else
                gan_gemm(false, true, rows * v->q, v->patch, v->o, y, v->o, v->weight, v->o, 0, patches, v->patch);
            scatter(v, row, rows, patches, b->result);
        }
    }
}

/* ---- The plan ---- */

void gan_conv_patches(gan_context *ctx, const gan_conv *v)
{
    struct bands b = {.ctx = ctx, .v = v, .products = v->products, .result = v->result};
    int64_t row = gan_most(1, v->q * v->patch), rows = v->n * v->p;
    b.slots = b.products ? gan_threads(ctx) : gan_gemm_slots(ctx);
    b.rows = gan_most(1, gan_least(BAND / row, (rows + b.slots - 1) / b.slots));
    b.slots = gan_most(1, gan_least(b.slots, v->face == GAN_CONV_INPUT ? v->n : (rows + b.rows - 1) / b.rows));
    b.patches = gan_scratch(ctx, (size_t)(b.slots * b.rows * v->q * v->patch) * sizeof(gan_real));
    if (b.products) {
        bool forward = v->face == GAN_CONV_FORWARD, weight = v->face == GAN_CONV_WEIGHT;
        int64_t depth = forward ? v->patch : weight ? b.rows * v->q : v->o;
        int64_t columns = forward || weight ? v->o : v->patch;
        b.packed_size = (int64_t)gan_packed(b.products, depth, columns);
        b.packed = gan_scratch(ctx, (size_t)(b.packed_size * (weight ? b.slots : 1)) * sizeof(gan_real));
        if (!weight)
            b.products->pack(depth, columns, v->weight, v->o, !forward, b.packed);
    }
    if (v->face != GAN_CONV_WEIGHT) {
        gan_parallel(ctx, b.slots, 1, v->face == GAN_CONV_FORWARD ? forward_job : input_job, &b);
        return;
    }
    /* Each slot adds up its own bands; the sums are then added in the order of the slots. */
    int64_t size = v->patch * v->o;
    if (b.slots > 1)
        b.result = gan_scratch(ctx, (size_t)(b.slots * size) * sizeof(gan_real));
    gan_parallel(ctx, b.slots, 1, weight_job, &b);
    if (b.slots == 1)
        return;
    memcpy(v->result, b.result, (size_t)size * sizeof(gan_real));
    for (int64_t slot = 1; slot < b.slots; slot++)
        ctx->kernels->axpy(size, 1, b.result + slot * size, v->result);
}
