/* picture_tensor.c - an encoded picture alone, as a tensor. */
#include "io/io.h"
#include "io/picture.h"

gan_tensor *gan_picture_decode(gan_context *ctx, const uint8_t *bytes, size_t size, const char *name)
{
    gan_picture_head head;
    char reason[GAN_REASON];
    if (!gan_picture_look(bytes, size, &head, reason))
        gan_fail(ctx, GAN_ERROR_IO, "%s: %s", name, reason);
    bool turned = gan_picture_turned(&head);
    gan_picture_wish wish = {turned ? head.width : head.height, turned ? head.height : head.width, head.colour ? 3 : 1};
    size_t each = (size_t)(wish.height * wish.width * wish.channels);
    gan_tensor *t = gan_from(ctx, GAN_SHAPE(wish.height, wish.width, wish.channels), NULL);
    uint8_t *pixels = gan_scratch(ctx, each);
    /* What the decoder takes is counted while it is at work. */
    size_t need = head.need + gan_resizer_bytes(head.width, wish) + each;
    if (!gan_charge(ctx, need))
        gan_fail(ctx, GAN_ERROR_MEMORY, "%s: no memory to decode %lldx%lld pixels with: the cap allows no %.1f MB more",
                 name, (long long)head.width, (long long)head.height, (double)need / 1e6);
    bool done = gan_picture_read(bytes, size, &head, wish, pixels, reason);
    gan_uncharge(ctx, need);
    if (!done)
        gan_fail(ctx, GAN_ERROR_IO, "%s: %s", name, reason);
    gan_real *to = gan_write(t);
    for (size_t i = 0; i < each; i++)
        to[i] = (gan_real)gan_number_of_byte(pixels[i]);
    return t;
}
