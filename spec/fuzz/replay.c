/* replay.c - runs a fuzz target over files: replay FILE ... Prints how many there were. The bytes lie in a block of
 * their own size, so that a sanitizer sees a read beyond them. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (!file || fseek(file, 0, SEEK_END) != 0) {
            perror(argv[i]);
            return 1;
        }
        size_t size = (size_t)ftell(file);
        uint8_t *bytes = malloc(size);
        rewind(file);
        if ((size > 0 && !bytes) || fread(bytes, 1, size, file) != size) {
            perror(argv[i]);
            return 1;
        }
        fclose(file);
        if (getenv("FUZZ_VERBOSE"))
            fprintf(stderr, "%s\n", argv[i]);
        LLVMFuzzerTestOneInput(bytes, size);
        free(bytes);
    }
    printf("%d inputs\n", argc - 1);
    return 0;
}
