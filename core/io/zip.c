/* zip.c - files inside a zip: its directory, and one file of it at a time, stored or deflated (RFC 1951), zip64 too.
 * A reader of our own over zlib, because libzip brings OpenSSL along, which would double the interpreter's start-up,
 * and because an archive is read by several threads at once. The format: PKWARE's APPNOTE.TXT, sections 4.3 to 4.5.
 *
 * 1. Nothing is extracted to disk; a name is only a name.
 * 2. An archive is not held open, and only its directory in memory: each read opens it anew.
 * 3. No size is believed that the archive has no bytes for: deflate makes at most 1032 bytes of one.
 * 4. What was read has the length and the CRC-32 that the directory says. */
#include "io/io.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

enum {
    END_SIZE = 22,
    END64_LOCATOR_SIZE = 20,
    END64_SIZE = 56,
    ENTRY_SIZE = 46,
    LOCAL_SIZE = 30,
    LONGEST_COMMENT = 65535,
    MOST_EXPANSION = 1032,
};

static uint64_t little(const uint8_t *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static void slice(gan_context *ctx, const char *path, uint64_t offset, void *to, size_t size)
{
    const char *reason = gan_file_slice(ctx, path, (int64_t)offset, to, size);
    if (reason)
        gan_fail(ctx, GAN_ERROR_IO, "%s: cannot read: %s", path, reason);
}

/* ---- The directory ---- */

struct directory {
    uint64_t count, offset, size;
};

/* Where the end record lies in the last `size` bytes; it is the last one whose comment fits. */
static const uint8_t *find_end(const uint8_t *tail, size_t size)
{
    for (size_t at = size - END_SIZE + 1; at-- > 0;)
        if (memcmp(tail + at, "PK\5\6", 4) == 0 && at + END_SIZE + little(tail + at + 20, 2) <= size)
            return tail + at;
    return NULL;
}

static struct directory find_directory(gan_context *ctx, const char *path, uint64_t file_size)
{
    size_t size = file_size < END_SIZE + LONGEST_COMMENT ? (size_t)file_size : END_SIZE + LONGEST_COMMENT;
    uint8_t *tail = gan_scratch(ctx, size);
    slice(ctx, path, file_size - size, tail, size);
    const uint8_t *end = size < END_SIZE ? NULL : find_end(tail, size);
    if (!end)
        gan_fail(ctx, GAN_ERROR_IO, "%s: not a zip, or cut short: it has no directory at its end", path);
    struct directory found = {.count = little(end + 10, 2), .size = little(end + 12, 4), .offset = little(end + 16, 4)};
    uint64_t end_at = file_size - size + (uint64_t)(end - tail);
    bool larger = found.count == 0xffff || found.size == 0xffffffff || found.offset == 0xffffffff;
    if (larger && end_at >= END64_LOCATOR_SIZE) {
        uint8_t locator[END64_LOCATOR_SIZE], end64[END64_SIZE];
        slice(ctx, path, end_at - END64_LOCATOR_SIZE, locator, sizeof locator);
        if (memcmp(locator, "PK\6\7", 4) == 0) {
            uint64_t at = little(locator + 8, 8);
            if (at > end_at || end_at - at < END64_SIZE)
                gan_fail(ctx, GAN_ERROR_IO, "%s: damaged zip: its 64-bit directory is said to lie beyond the file",
                         path);
            slice(ctx, path, at, end64, sizeof end64);
            if (memcmp(end64, "PK\6\6", 4) != 0)
                gan_fail(ctx, GAN_ERROR_IO, "%s: damaged zip: there is no 64-bit directory where it is said to be",
                         path);
            found = (struct directory){little(end64 + 32, 8), little(end64 + 48, 8), little(end64 + 40, 8)};
            end_at = at;
        }
    }
    if (found.size > end_at || found.offset > end_at - found.size || found.count > found.size / ENTRY_SIZE)
        gan_fail(ctx, GAN_ERROR_IO,
                 "%s: damaged zip: a directory of %llu files in %llu bytes at %llu does not fit into its %llu bytes",
                 path, (unsigned long long)found.count, (unsigned long long)found.size,
                 (unsigned long long)found.offset, (unsigned long long)file_size);
    return found;
}

/* Takes the 64-bit numbers from the extra fields, for those that did not fit into 32 bits. */
static void widen(gan_zip_entry *e, const uint8_t *extra, size_t size)
{
    while (size >= 4) {
        size_t length = (size_t)little(extra + 2, 2);
        if (length > size - 4)
            return;
        if (little(extra, 2) == 1) {
            uint64_t *numbers[] = {&e->size, &e->packed, &e->offset};
            const uint8_t *at = extra + 4;
            for (int i = 0; i < 3; i++)
                if (*numbers[i] == 0xffffffff && length >= 8)
                    *numbers[i] = little(at, 8), at += 8, length -= 8;
            return;
        }
        extra += 4 + length;
        size -= 4 + length;
    }
}

static const char *why_unreadable(const gan_zip_entry *e, uint64_t file_size, unsigned flags)
{
    if (flags & 1)
        return "is encrypted";
    if (e->method != GAN_ZIP_STORED && e->method != GAN_ZIP_DEFLATED)
        return "is compressed in a way that is not known (neither stored nor deflated)";
    if (e->packed > file_size || e->offset > file_size - e->packed)
        return "is said to lie beyond the end of the zip";
    if (e->method == GAN_ZIP_STORED ? e->size != e->packed : e->size / MOST_EXPANSION > e->packed + 1)
        return "is said to be larger than its bytes can make it";
    return NULL;
}

gan_zip gan_zip_list(gan_context *ctx, const char *path)
{
    int64_t file_size;
    const char *reason = gan_file_size(ctx, path, &file_size);
    if (reason)
        gan_fail(ctx, GAN_ERROR_IO, "%s: cannot read: %s", path, reason);
    struct directory d = find_directory(ctx, path, (uint64_t)file_size);
    uint8_t *bytes = gan_scratch(ctx, (size_t)d.size + 1);
    gan_zip zip = {.count = (int64_t)d.count, .entries = gan_scratch(ctx, (size_t)(d.count + 1) * sizeof *zip.entries)};
    char *names = gan_scratch(ctx, (size_t)d.size + 1); /* a name and its 0 are shorter than its entry */
    slice(ctx, path, d.offset, bytes, (size_t)d.size);
    size_t left = (size_t)d.size;
    for (int64_t i = 0; i < zip.count; i++) {
        size_t name = 0, extra = 0, comment = 0;
        bool fits = left >= ENTRY_SIZE && memcmp(bytes, "PK\1\2", 4) == 0;
        if (fits) {
            name = (size_t)little(bytes + 28, 2);
            extra = (size_t)little(bytes + 30, 2);
            comment = (size_t)little(bytes + 32, 2);
            fits = left - ENTRY_SIZE >= name + extra + comment;
        }
        if (!fits)
            gan_fail(ctx, GAN_ERROR_IO, "%s: damaged zip: file %lld of its directory is not whole", path,
                     (long long)i + 1);
        gan_zip_entry *e = &zip.entries[i];
        *e = (gan_zip_entry){.name = names,
                             .method = (uint16_t)little(bytes + 10, 2),
                             .crc = (uint32_t)little(bytes + 16, 4),
                             .packed = little(bytes + 20, 4),
                             .size = little(bytes + 24, 4),
                             .offset = little(bytes + 42, 4)};
        memcpy(names, bytes + ENTRY_SIZE, name);
        names[name] = 0; /* a name with a zero byte in it ends there */
        names += name + 1;
        widen(e, bytes + ENTRY_SIZE + name, extra);
        e->unreadable = why_unreadable(e, (uint64_t)file_size, (unsigned)little(bytes + 8, 2));
        bytes += ENTRY_SIZE + name + extra + comment;
        left -= ENTRY_SIZE + name + extra + comment;
    }
    return zip;
}

/* ---- One file ---- */

static const char *inflate_bytes(const uint8_t *packed, size_t packed_size, uint8_t *out, size_t size, bool whole)
{
    z_stream stream = {.next_in = (Bytef *)packed, .next_out = out};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        return "no memory to inflate it with";
    int code = Z_OK;
    size_t left_in = packed_size, left_out = size;
    while (code == Z_OK) { /* zlib counts in 32 bits */
        if (stream.avail_in == 0)
            stream.avail_in = left_in < 1u << 30 ? (uInt)left_in : 1u << 30, left_in -= stream.avail_in;
        if (stream.avail_out == 0)
            stream.avail_out = left_out < 1u << 30 ? (uInt)left_out : 1u << 30, left_out -= stream.avail_out;
        code = inflate(&stream, Z_NO_FLUSH);
        if (code == Z_OK && stream.avail_out == 0 && left_out == 0 && !whole)
            break;
    }
    bool full = stream.avail_out == 0 && left_out == 0;
    inflateEnd(&stream);
    if (code == Z_MEM_ERROR)
        return "no memory to inflate it with";
    if (code == Z_DATA_ERROR || code == Z_NEED_DICT)
        return "is damaged: its compressed data is not sound";
    if (!full)
        return "is cut short or damaged: its data ends too early";
    if (whole && code != Z_STREAM_END)
        return "is damaged: it is longer than the zip says";
    return NULL;
}

size_t gan_zip_room(const gan_zip_entry *e)
{
    return e->method == GAN_ZIP_DEFLATED ? (size_t)e->packed : 0;
}

const char *gan_zip_read(const gan_context *ctx, const char *path, const gan_zip_entry *e, uint8_t *out, size_t size,
                         uint8_t *packed, size_t room)
{
    if (e->unreadable)
        return e->unreadable;
    uint8_t local[LOCAL_SIZE];
    const char *reason = gan_file_slice(ctx, path, (int64_t)e->offset, local, sizeof local);
    if (reason)
        return reason;
    if (memcmp(local, "PK\3\4", 4) != 0)
        return "is damaged: the zip has no file where its directory says";
    uint64_t at = e->offset + LOCAL_SIZE + little(local + 26, 2) + little(local + 28, 2);
    bool whole = size == e->size;
    if (e->method == GAN_ZIP_STORED) {
        reason = gan_file_slice(ctx, path, (int64_t)at, out, size);
    } else {
        size_t packed_size = room < e->packed ? room : (size_t)e->packed;
        reason = gan_file_slice(ctx, path, (int64_t)at, packed, packed_size);
        if (!reason)
            reason = inflate_bytes(packed, packed_size, out, size, whole);
    }
    if (!reason && whole && crc32_z(0, out, size) != e->crc)
        return "is damaged: its checksum is another one";
    return reason;
}
