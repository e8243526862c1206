/* file.c - whole files: reading, through gzip where they are, and writing that is never half done; and files that grow.
 *
 * 1. No descriptor or gzFile is open when gan_fail or an allocation is called.
 * 2. A reader sees the old file or the new one, also after a crash: gan_file_write renames.
 * 3. gan_file_append never changes what lies before its offset. */
#include "io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define CHUNK ((size_t)256 << 10)

/* Fails unless path is a regular file: a folder or a pipe cannot be read twice. */
static void check_regular(gan_context *ctx, const char *path)
{
    struct stat info;
    if (gan_path_stat(ctx, path, &info) != 0)
        gan_fail(ctx, GAN_ERROR_IO, "%s: cannot read: %s", path, gan_file_reason(ctx, errno));
    if (S_ISDIR(info.st_mode))
        gan_fail(ctx, GAN_ERROR_IO, "%s: cannot read: is a directory", path);
    if (!S_ISREG(info.st_mode))
        gan_fail(ctx, GAN_ERROR_IO, "%s: cannot read: not a regular file", path);
}

static gzFile open_file(gan_context *ctx, const char *path)
{
    check_regular(ctx, path);
    int fd = gan_path_open(ctx, path, O_RDONLY, 0);
    if (fd < 0)
        gan_fail(ctx, GAN_ERROR_IO, "%s: cannot read: %s", path, gan_file_reason(ctx, errno));
    gzFile file = gzdopen(fd, "rb");
    if (!file)
        close(fd);
    if (!file)
        gan_fail(ctx, GAN_ERROR_MEMORY, "%s: no memory to read it with", path);
    gzbuffer(file, (unsigned)CHUNK);
    return file;
}

/* Closes file, after a read that returned `got`, and fails if the file turned out damaged. */
static void close_file(gan_context *ctx, const char *path, gzFile file, int got)
{
    int code, saved = errno;
    gzerror(file, &code);
    /* gzread reports a stream that ends too early as a plain end of file: only gzerror tells. */
    const char *reason = code == Z_BUF_ERROR   ? "gzip data is truncated"
                         : code == Z_ERRNO     ? strerror(saved)
                         : code == Z_MEM_ERROR ? "no memory to inflate it with"
                                               : "gzip data is corrupt";
    bool failed = got < 0 || code == Z_BUF_ERROR;
    gzclose_r(file);
    if (failed)
        gan_fail(ctx, code == Z_MEM_ERROR ? GAN_ERROR_MEMORY : GAN_ERROR_IO, "%s: cannot read: %s", path, reason);
}

int64_t gan_file_measure(gan_context *ctx, const char *path)
{
    void *chunk = gan_scratch(ctx, CHUNK);
    gzFile file = open_file(ctx, path);
    int64_t size = 0;
    int got;
    bool within = true; /* the limits: a small file may inflate to a large one */
    while (within && (got = gzread(file, chunk, (unsigned)CHUNK)) > 0) {
        size += got;
        within = gan_count_work(ctx, (double)got / 32);
    }
    close_file(ctx, path, file, got);
    gan_spend(ctx, 0);
    return size;
}

void gan_file_read(gan_context *ctx, const char *path, void *buffer, int64_t size)
{
    char *at = buffer;
    int64_t left = size;
    gzFile file = open_file(ctx, path);
    int got = 1;
    bool within = true;
    while (left > 0 && got > 0 && within) {
        unsigned want = left < (int64_t)CHUNK ? (unsigned)left : (unsigned)CHUNK;
        got = gzread(file, at, want);
        if (got > 0)
            at += got, left -= got;
        within = gan_count_work(ctx, (double)got / 32);
    }
    char beyond;
    if (got > 0 && within)
        got = gzread(file, &beyond, 1);
    close_file(ctx, path, file, got);
    gan_spend(ctx, 0);
    if (left > 0 || got > 0) {
        gan_fail(ctx, GAN_ERROR_IO, "%s: changed while it was being read (%lld bytes were expected, there are %s)",
                 path, (long long)size, left > 0 ? "fewer" : "more");
    }
}

/* ---- Parts of files, from any thread ---------------------------------------------------------- */

/* A descriptor of the regular file at path, and its size; -1 with *reason. */
static int open_regular(const gan_context *ctx, const char *path, int64_t *size, const char **reason)
{
    struct stat info;
    int fd = gan_path_open(ctx, path, O_RDONLY | O_NONBLOCK, 0); /* a pipe is refused, not waited for */
    if (fd < 0 || fstat(fd, &info) != 0)
        *reason = gan_file_reason(ctx, errno);
    else if (S_ISDIR(info.st_mode))
        *reason = "is a directory";
    else if (!S_ISREG(info.st_mode))
        *reason = "not a regular file";
    else
        return *size = info.st_size, fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

const char *gan_file_size(const gan_context *ctx, const char *path, int64_t *size)
{
    const char *reason = NULL;
    int fd = open_regular(ctx, path, size, &reason);
    if (fd >= 0)
        close(fd);
    return reason;
}

const char *gan_file_slice(const gan_context *ctx, const char *path, int64_t offset, void *buffer, size_t size)
{
    const char *reason = NULL;
    int64_t there;
    int fd = open_regular(ctx, path, &there, &reason);
    if (fd < 0)
        return reason;
    if (offset < 0 || offset > there || (uint64_t)(there - offset) < size)
        reason = "is cut short: it ends before what is wanted of it";
    char *at = buffer;
    while (!reason && size > 0) {
        ssize_t got = pread(fd, at, size < ((size_t)1 << 30) ? size : (size_t)1 << 30, offset);
        if (got < 0 && errno != EINTR)
            reason = strerror(errno);
        if (got == 0)
            reason = "is cut short: it has become shorter while it was read";
        if (got > 0)
            at += got, offset += got, size -= (size_t)got;
    }
    close(fd);
    return reason;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* A write may take fewer bytes than it was given, and says why only when it is asked again. */
static bool write_all(int fd, int64_t offset, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t wrote = pwrite(fd, bytes, size < ((size_t)1 << 30) ? size : (size_t)1 << 30, offset);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return false;
        bytes += wrote;
        offset += wrote;
        size -= (size_t)wrote;
    }
    return true;
}

/* A rename survives a crash only once its folder is on disk. File systems that cannot sync a folder
 * say EINVAL and need no telling. */
static bool sync_folder(const gan_context *ctx, const char *folder)
{
    int fd = gan_path_open(ctx, folder, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return errno == EACCES; /* a folder may be writable but not readable */
    bool done = fsync(fd) == 0 || errno == EINVAL;
    int saved = errno;
    close(fd);
    errno = saved;
    return done;
}

/* Opens a new file in folder and leaves its name in temporary; -1 when it cannot. The name does not
 * grow with the target's, which may already be as long as names can be. */
static int open_temporary(const gan_context *ctx, const char *folder, char *temporary, size_t size, mode_t mode)
{
    for (int attempt = 0; attempt < 10000; attempt++) {
        snprintf(temporary, size, "%s/.ganlua-%ld-%d.tmp", folder, (long)getpid(), attempt);
        int fd = gan_path_open(ctx, temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

void gan_file_write(gan_context *ctx, const char *path, const void *bytes, size_t size)
{
    struct stat old;
    bool replaces = gan_path_stat(ctx, path, &old) == 0;
    if (replaces && S_ISDIR(old.st_mode))
        gan_fail(ctx, GAN_ERROR_IO, "%s: cannot write: is a directory", path);
    if (replaces && !S_ISREG(old.st_mode))
        gan_fail(ctx, GAN_ERROR_IO, "%s: cannot write: not a regular file", path);

    size_t length = strlen(path);
    char *folder = gan_scratch(ctx, length + 2);
    char *temporary = gan_scratch(ctx, length + 64);
    memcpy(folder, path, length + 1);
    char *slash = strrchr(folder, '/');
    if (!slash) {
        strcpy(folder, ".");
    } else {
        slash[slash == folder] = 0; /* of "/name" the folder is "/" */
    }

    int fd = open_temporary(ctx, folder, temporary, length + 64, 0666);
    if (fd < 0)
        gan_fail(ctx, GAN_ERROR_IO, "%s: cannot write: %s", path, gan_file_reason(ctx, errno));
    bool done = (!replaces || fchmod(fd, old.st_mode & 0777) == 0) && write_all(fd, 0, bytes, size) && fsync(fd) == 0;
    int reason = errno;
    if (close(fd) != 0 && done)
        done = false, reason = errno;
    if (done && gan_path_rename(ctx, temporary, path) != 0)
        done = false, reason = errno;
    if (!done) {
        gan_path_remove(ctx, temporary);
        gan_fail(ctx, GAN_ERROR_IO, "%s: cannot write: %s", path, gan_file_reason(ctx, reason));
    }
    if (!sync_folder(ctx, folder))
        gan_fail(ctx, GAN_ERROR_IO, "%s: cannot sync its folder: %s", path, strerror(errno));
}

void gan_file_append(gan_context *ctx, const char *path, int64_t offset, const void *bytes, size_t size, bool sync)
{
    int fd = gan_path_open(ctx, path, O_WRONLY | O_CREAT, 0666);
    if (fd < 0)
        gan_fail(ctx, GAN_ERROR_IO, "%s: cannot write: %s", path, gan_file_reason(ctx, errno));
    struct stat info;
    bool done = fstat(fd, &info) == 0;
    bool shorter = done && info.st_size < offset;
    if (done && !shorter && info.st_size > offset)
        done = ftruncate(fd, offset) == 0;
    done = done && !shorter && write_all(fd, offset, bytes, size) && (!sync || fsync(fd) == 0);
    int reason = errno;
    if (close(fd) != 0 && done)
        done = false, reason = errno;
    if (shorter)
        gan_fail(ctx, GAN_ERROR_IO, "%s: is damaged: it has %lld bytes where there were %lld", path,
                 (long long)info.st_size, (long long)offset);
    if (!done)
        gan_fail(ctx, GAN_ERROR_IO, "%s: cannot write: %s", path, gan_file_reason(ctx, reason));
}

uint32_t gan_checksum(uint32_t before, const void *bytes, size_t size)
{
    return (uint32_t)crc32_z(before, bytes, size);
}

uint32_t gan_crc32c(const void *bytes, size_t size)
{
    /* Four steps of the division by 0x1edc6f41, bits reversed, by the four bits that leave. */
    static const uint32_t steps[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
        0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };
    const uint8_t *at = bytes;
    uint32_t rest = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        rest ^= at[i];
        rest = steps[rest & 15] ^ rest >> 4;
        rest = steps[rest & 15] ^ rest >> 4;
    }
    return ~rest;
}
