/* png_fuzz.c - PNG pictures. Input: a byte; 0: the rest is the file. Else each chunk's checksum is put right first, so
 * that chance need not find it. */
#include <stdlib.h>

#include "picture_fuzz.h"

static uint32_t big(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put_checksums(uint8_t *bytes, size_t size)
{
    size_t at = 8;
    while (size - at >= 12) {
        size_t length = big(bytes + at);
        if (length > size - at - 12)
            return;
        uint32_t sum = gan_checksum(0, bytes + at + 4, length + 4);
        at += 8 + length;
        for (int i = 0; i < 4; i++)
            bytes[at++] = (uint8_t)(sum >> (24 - 8 * i));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 9 || memcmp(bytes + 1, "\x89PNG\r\n\x1a\n", 8) != 0)
        return -1;
    uint8_t *file = malloc(size - 1); /* of its own size, so that a sanitizer sees what is read behind it */
    if (!file)
        return -1;
    memcpy(file, bytes + 1, size - 1);
    if (bytes[0])
        put_checksums(file, size - 1);
    fuzz_picture(file, size - 1);
    free(file);
    return 0;
}
