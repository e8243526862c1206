/* safetensors_fuzz.c - safetensors files: what is read is written again, and that is read as the same.
 * Input: a byte; 0: the rest is the file. Else the rest is a header, and the length before it and so many bytes of
 * data behind it (up to 1020) are put in place, so that chance need not find the length. */
#include <stdlib.h>

#include "core_fuzz.h"
#include "io/io.h"

/* Equal names, shapes, bits. */
static void check_same(const gan_safetensors *a, const gan_safetensors *b)
{
    if (a->count != b->count || a->metadata_count != b->metadata_count)
        __builtin_trap();
    for (int64_t i = 0; i < a->count; i++) {
        int64_t k = 0;
        while (k < b->count && strcmp(a->tensors[i].name, b->tensors[k].name) != 0)
            k++;
        if (k == b->count)
            __builtin_trap();
        gan_tensor *x = a->tensors[i].tensor, *y = b->tensors[k].tensor;
        gan_shape s = gan_shape_of(x), t = gan_shape_of(y);
        if (s.rank != t.rank || memcmp(s.dims, t.dims, (size_t)s.rank * sizeof s.dims[0]) != 0)
            __builtin_trap();
        if (gan_numel(x) > 0 && memcmp(gan_data(x), gan_data(y), (size_t)gan_numel(x) * sizeof(gan_real)) != 0)
            __builtin_trap();
    }
}

static void read_file(gan_context *ctx, const uint8_t *bytes, size_t size)
{
    gan_safetensors read = gan_safetensors_decode(ctx, bytes, size, "fuzz");
    size_t written;
    const uint8_t *again =
        gan_safetensors_encode(ctx, read.count, read.tensors, read.metadata_count, read.metadata, &written);
    gan_safetensors second = gan_safetensors_decode(ctx, again, written, "written");
    check_same(&read, &second);
    size_t length;
    const uint8_t *third =
        gan_safetensors_encode(ctx, second.count, second.tensors, second.metadata_count, second.metadata, &length);
    if (length != written || memcmp(third, again, length) != 0)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 1)
        return -1;
    if (bytes[0] == 0) {
        fuzz_run(read_file, bytes + 1, size - 1);
        return 0;
    }
    size_t header = size - 1, data = (size_t)bytes[0] * 4;
    uint8_t *file = malloc(8 + header + data);
    if (!file)
        return -1;
    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)(header >> (8 * i));
    memcpy(file + 8, bytes + 1, header);
    for (size_t i = 0; i < data; i++)
        file[8 + header + i] = (uint8_t)(i * 37);
    fuzz_run(read_file, file, 8 + header + data);
    free(file);
    return 0;
}
