/* idx_fuzz.c - IDX files: their head, then pictures and labels read from them.
 * Input: 4 bytes that say what is asked of the file, then the file. */
#include <math.h>

#include "core_fuzz.h"
#include "io/io.h"

static uint8_t asked[4];

/* A vector of four numbers that the input chose: whole and in range, or not. */
static gan_tensor *indices(gan_context *ctx)
{
    static const gan_real wrong[] = {-1, 0.5, 1e30f, NAN, 255, 256, 1, 0};
    gan_real values[4];
    for (int i = 0; i < 4; i++)
        values[i] = asked[i] < 128 ? (gan_real)(asked[i] % 8) : wrong[asked[i] % 8];
    gan_shape shape = asked[0] == 200 ? GAN_SHAPE(2, 2) : GAN_SHAPE(4);
    return gan_from(ctx, shape, values);
}

static void read_file(gan_context *ctx, const uint8_t *bytes, size_t size)
{
    gan_idx idx = gan_idx_parse(ctx, bytes, size, "fuzz");
    gan_tensor *which = indices(ctx);
    if (idx.shape.rank == 1) {
        gan_tensor *labels = gan_labels(ctx, bytes, size, idx.offset + (asked[3] == 201 ? size : 0), which);
        for (int64_t i = 0; i < gan_numel(labels); i++)
            if (gan_data(labels)[i] != bytes[idx.offset + (size_t)gan_data(which)[i]])
                __builtin_trap();
        return;
    }
    int64_t channels = idx.shape.rank == 4 ? idx.shape.dims[3] : 1;
    gan_shape picture = GAN_SHAPE(idx.shape.dims[1], idx.shape.rank > 2 ? idx.shape.dims[2] : 1, channels);
    if (asked[3] == 202)
        picture.dims[asked[2] % 3] *= asked[1];
    gan_tensor *pictures = gan_pictures(ctx, bytes, size, idx.offset, picture, which, 2.0 / 255, -1);
    for (int64_t i = 0; i < gan_numel(pictures); i++)
        if (!(gan_data(pictures)[i] >= -1 && gan_data(pictures)[i] <= 1.0001))
            __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 4)
        return -1;
    memcpy(asked, bytes, 4);
    fuzz_run(read_file, bytes + 4, size - 4);
    return 0;
}
