/* png.c - pictures as PNG bytes. stb_image_write makes the file, zlib its compressed part: smaller,
 * faster, and unlike stb's own it says when memory runs out. */
#include "io/io.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* What stb calls for the compressed part; malloc'ed, NULL when out of memory. */
static unsigned char *deflate_bytes(unsigned char *data, int length, int *out_length, int quality)
{
    uLongf size = compressBound((uLong)length);
    unsigned char *out = malloc(size);
    if (!out || compress2(out, &size, data, (uLong)length, quality) != Z_OK) {
        free(out);
        return NULL;
    }
    *out_length = (int)size;
    return out;
}

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBIW_ZLIB_COMPRESS deflate_bytes
#define STBIW_ASSERT(x)     ((void)(x)) /* a library does not abort; they hold for what is asked for below */
#include <stb/stb_image_write.h>

/* Signature, and the chunks IHDR, IDAT and IEND without their contents. */
#define PNG_FRAME (8 + 25 + 12 + 12)
/* stb counts bytes in an int. */
#define MAX_BYTES ((int64_t)1 << 30)

const uint8_t *gan_png_encode(gan_context *ctx, gan_tensor *t, size_t *size)
{
    gan_shape shape = gan_shape_of(t);
    int64_t height = shape.dims[0], width = shape.dims[1], channels = shape.dims[2];
    char text[GAN_SHAPE_TEXT];
    if (shape.rank != 3 || height < 1 || width < 1 || (channels != 1 && channels != 3)) {
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "png_encode: H x W x 1 or H x W x 3 expected, got shape %s",
                 gan_shape_text(shape, text, sizeof text));
    }
    if (width > MAX_BYTES / 4 || height > MAX_BYTES / (width * channels + 1)) {
        gan_fail(ctx, GAN_ERROR_ARGUMENT, "png_encode: a picture of shape %s is too large",
                 gan_shape_text(shape, text, sizeof text));
    }

    /* Every row has one byte more, which names its filter. The room is made before stb holds memory. */
    size_t room = PNG_FRAME + compressBound((uLong)(height * (width * channels + 1)));
    int64_t count = gan_numel(t);
    uint8_t *pixels = gan_scratch(ctx, (size_t)count), *bytes = gan_scratch(ctx, room);
    const gan_real *from = gan_data(t);
    for (int64_t i = 0; i < count; i++) {
        double value = floor(((double)from[i] + 1) * 127.5 + 0.5);
        pixels[i] = !(value > 0) ? 0 : value > 255 ? 255 : (uint8_t)value;
    }

    int length = 0;
    unsigned char *png =
        stbi_write_png_to_mem(pixels, (int)(width * channels), (int)width, (int)height, (int)channels, &length);
    bool made = png && (size_t)length <= room;
    if (made)
        memcpy(bytes, png, (size_t)length);
    free(png);
    if (!made)
        gan_fail(ctx, GAN_ERROR_MEMORY, "png_encode: no memory to compress a picture with");
    *size = (size_t)length;
    return bytes;
}
