/* jpeg_fuzz.c - JPEG pictures. Input: the file. */
#include "picture_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2 || bytes[0] != 0xff || bytes[1] != 0xd8)
        return -1;
    fuzz_picture(bytes, size);
    return 0;
}
