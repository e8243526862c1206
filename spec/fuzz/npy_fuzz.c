/* npy_fuzz.c - .npy files: their head, then the numbers. Input: a byte that says how much of the file is at hand (0:
 * all), then the file. */
#include "core_fuzz.h"
#include "io/io.h"

static size_t at_hand;

static void read_file(gan_context *ctx, const uint8_t *bytes, size_t size)
{
    gan_npy npy = gan_npy_parse(ctx, bytes, at_hand < size ? at_hand : size, size, "fuzz");
    if (npy.offset > size || npy.shape.rank > GAN_MAX_RANK)
        __builtin_trap();
    gan_tensor *t = gan_numbers(ctx, bytes + npy.offset, size - npy.offset, npy.type, npy.shape, 1, 0, "fuzz");
    if ((uint64_t)gan_numel(t) * (uint64_t)npy.type.bytes != size - npy.offset)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 1)
        return -1;
    at_hand = bytes[0] ? bytes[0] : size;
    fuzz_run(read_file, bytes + 1, size - 1);
    return 0;
}
