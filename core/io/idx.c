/* idx.c - IDX, the format of MNIST: two zero bytes, the element type, the rank, the sizes as
 * big-endian 32-bit numbers, then the elements, the last axis running fastest.
 *
 * Nothing is allocated for a head that its file does not honour. */
#include "io/io.h"

#define TYPE_U8  0x08
#define MAX_RANK 4

gan_idx gan_idx_parse(gan_context *ctx, const uint8_t *bytes, size_t size, const char *name)
{
    if (size < 4)
        gan_fail(ctx, GAN_ERROR_IO, "%s: not an IDX file: it has only %zu bytes", name, size);
    if (bytes[0] != 0 || bytes[1] != 0) {
        gan_fail(ctx, GAN_ERROR_IO, "%s: not an IDX file: it starts with bytes %02x %02x, not 00 00", name, bytes[0],
                 bytes[1]);
    }
    if (bytes[2] != TYPE_U8) {
        gan_fail(ctx, GAN_ERROR_IO, "%s: IDX element type 0x%02x is not supported, only unsigned bytes (0x08) are",
                 name, bytes[2]);
    }
    if (bytes[3] < 1 || bytes[3] > MAX_RANK) {
        gan_fail(ctx, GAN_ERROR_IO, "%s: IDX rank %d is out of range (1 to %d)", name, bytes[3], MAX_RANK);
    }

    gan_idx idx = {.shape.rank = bytes[3], .offset = 4 + 4 * (size_t)bytes[3]};
    if (size < idx.offset) {
        gan_fail(ctx, GAN_ERROR_IO, "%s: IDX file is truncated: its head needs %zu bytes, there are %zu", name,
                 idx.offset, size);
    }
    int64_t count = 1;
    bool overflow = false;
    for (int axis = 0; axis < idx.shape.rank; axis++) {
        const uint8_t *at = bytes + 4 + 4 * axis;
        int64_t dim = (int64_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
        idx.shape.dims[axis] = dim;
        overflow = overflow || (dim > 0 && count > INT64_MAX / dim);
        if (!overflow)
            count *= dim;
    }

    char shape[GAN_SHAPE_TEXT];
    gan_shape_text(idx.shape, shape, sizeof shape);
    if (overflow)
        gan_fail(ctx, GAN_ERROR_IO, "%s: IDX shape %s overflows", name, shape);
    uint64_t there = size - idx.offset;
    if ((uint64_t)count != there) {
        gan_fail(ctx, GAN_ERROR_IO, "%s: IDX file %s: shape %s needs %lld bytes of data, there are %llu", name,
                 (uint64_t)count > there ? "is truncated" : "has trailing bytes", shape, (long long)count,
                 (unsigned long long)there);
    }
    return idx;
}

/* Fails, in the name of function, unless indices is a vector of whole numbers from 0 to available-1. */
static void check_indices(gan_context *ctx, const char *function, gan_tensor *indices, int64_t available)
{
    char shape[GAN_SHAPE_TEXT];
    if (gan_rank(indices) != 1) {
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "%s: indices: rank 1 expected, got shape %s", function,
                 gan_shape_text(gan_shape_of(indices), shape, sizeof shape));
    }
    const gan_real *at = gan_data(indices);
    for (int64_t i = 0, n = gan_numel(indices); i < n; i++) {
        if (!(at[i] >= 0 && at[i] < (gan_real)available && at[i] == (gan_real)(int64_t)at[i])) {
            gan_fail(ctx, GAN_ERROR_ARGUMENT, "%s: index %g is not a whole number from 0 to %lld", function,
                     (double)at[i], (long long)available - 1);
        }
    }
}

gan_tensor *gan_pictures(gan_context *ctx, const uint8_t *bytes, size_t size, size_t offset, gan_shape picture,
                         gan_tensor *indices, double scale, double shift)
{
    bool fits = picture.rank == 3 && offset <= size;
    size_t each = 1;
    for (int axis = 0; fits && axis < 3; axis++) {
        /* Dividing keeps each <= size, so the product cannot overflow. */
        fits = picture.dims[axis] > 0 && (uint64_t)picture.dims[axis] <= size / each;
        if (fits)
            each *= (size_t)picture.dims[axis];
    }
    char shape[GAN_SHAPE_TEXT];
    if (!fits) {
        gan_fail(ctx, GAN_ERROR_ARGUMENT,
                 "pictures: shape %s at offset %zu does not fit into %zu bytes (h x w x c expected)",
                 gan_shape_text(picture, shape, sizeof shape), offset, size);
    }
    check_indices(ctx, "pictures", indices, (int64_t)((size - offset) / each));

    int64_t n = gan_numel(indices);
    gan_shape out_shape = GAN_SHAPE(n, picture.dims[0], picture.dims[1], picture.dims[2]);
    gan_tensor *out = gan_from(ctx, out_shape, NULL);
    gan_real table[256], *to = gan_write(out);
    for (int byte = 0; byte < 256; byte++)
        table[byte] = (gan_real)(byte * scale + shift);
    const gan_real *index = gan_data(indices);
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *from = bytes + offset + (size_t)index[i] * each;
        for (size_t k = 0; k < each; k++)
            *to++ = table[from[k]];
    }
    return out;
}

gan_tensor *gan_labels(gan_context *ctx, const uint8_t *bytes, size_t size, size_t offset, gan_tensor *indices)
{
    if (offset > size)
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "labels: offset %zu is beyond the %zu bytes", offset, size);
    check_indices(ctx, "labels", indices, (int64_t)(size - offset));
    int64_t n = gan_numel(indices);
    gan_tensor *out = gan_from(ctx, GAN_SHAPE(n), NULL);
    gan_real *to = gan_write(out);
    const gan_real *index = gan_data(indices);
    for (int64_t i = 0; i < n; i++)
        to[i] = (gan_real)bytes[offset + (size_t)index[i]];
    return out;
}
