/* picture_fuzz.h - an encoded picture: read at its own size, as gan.image.load does, and into a small one, as a data set
 * does. What is read twice is the same. */
#ifndef GANLUA_PICTURE_FUZZ_H
#define GANLUA_PICTURE_FUZZ_H

#include "core_fuzz.h"
#include "io/io.h"
#include "io/picture.h"

/* A reason says something, and ends. */
static void fuzz_reason(const char reason[GAN_REASON])
{
    if (!reason[0] || !memchr(reason, 0, GAN_REASON))
        __builtin_trap();
}

static void fuzz_small(const uint8_t *bytes, size_t size)
{
    enum { SIDE = 5, CHANNELS = 3 };
    gan_picture_head head;
    char reason[GAN_REASON] = "";
    if (!gan_picture_look(bytes, size, &head, reason)) {
        fuzz_reason(reason);
        return;
    }
    if (head.width < 1 || head.height < 1 || head.width > GAN_MOST_PIXELS / head.height || head.orientation < 1 ||
        head.orientation > 8)
        __builtin_trap();
    if (head.width * head.height > 1 << 18) /* large ones only cost time */
        return;
    uint8_t first[SIDE * SIDE * CHANNELS], second[sizeof first];
    memset(first, 1, sizeof first);
    memset(second, 2, sizeof second);
    gan_picture_wish wish = {SIDE, SIDE, CHANNELS};
    bool done = gan_picture_read(bytes, size, &head, wish, first, reason);
    if (!done)
        fuzz_reason(reason);
    if (done != gan_picture_read(bytes, size, &head, wish, second, reason) ||
        (done && memcmp(first, second, sizeof first) != 0))
        __builtin_trap();
}

static void fuzz_whole(gan_context *ctx, const uint8_t *bytes, size_t size)
{
    gan_tensor *t = gan_picture_decode(ctx, bytes, size, "fuzz");
    for (int64_t i = 0; i < gan_numel(t); i++)
        if (!(gan_data(t)[i] >= -1 && gan_data(t)[i] <= 1.0001))
            __builtin_trap();
}

static void fuzz_picture(const uint8_t *bytes, size_t size)
{
    fuzz_small(bytes, size);
    fuzz_run(fuzz_whole, bytes, size);
}

#endif
