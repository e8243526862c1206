/* zip_fuzz.c - zip archives: the directory, and each file that it names, whole and its beginning. Input: the archive. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core_fuzz.h"
#include "io/io.h"

enum { MOST_READ = 1 << 16, MOST_FILES = 64 };

/* The archive as a file in memory; the same one for all inputs. */
static const char *written(const uint8_t *bytes, size_t size)
{
    static int file = -1;
    static char path[64];
    if (file < 0) {
        file = memfd_create("zip", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    if (file < 0 || ftruncate(file, 0) != 0 || pwrite(file, bytes, size, 0) != (ssize_t)size)
        abort();
    return path;
}

/* Of the first `size` bytes, into room of exactly that size. */
static void read_entry(const gan_context *ctx, const char *path, const gan_zip_entry *entry, size_t size)
{
    size_t room = gan_zip_room(entry) < MOST_READ ? gan_zip_room(entry) : MOST_READ;
    uint8_t *out = malloc(size ? size : 1), *packed = malloc(room ? room : 1);
    if (!out || !packed)
        abort();
    const char *reason = gan_zip_read(ctx, path, entry, out, size, packed, room);
    if (reason ? !reason[0] : size == entry->size && gan_checksum(0, out, size) != entry->crc)
        __builtin_trap();
    free(out);
    free(packed);
}

static void read_archive(gan_context *ctx, const uint8_t *bytes, size_t size)
{
    const char *path = written(bytes, size);
    gan_zip zip = gan_zip_list(ctx, path);
    for (int64_t i = 0; i < zip.count && i < MOST_FILES; i++) {
        const gan_zip_entry *entry = &zip.entries[i];
        if (strlen(entry->name) > size)
            __builtin_trap();
        size_t whole = entry->size < MOST_READ ? (size_t)entry->size : MOST_READ;
        read_entry(ctx, path, entry, whole);
        read_entry(ctx, path, entry, whole / 2);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_run(read_archive, bytes, size);
    return 0;
}
