/* faulty.c - a disk that fails on demand, for io_faults_spec.lua: LD_PRELOADed, it makes writing go wrong in files whose
 * path contains FAULT_PATH, from the FAULT_AFTER-th call on. FAULT is what goes wrong:
 *   full   pwrite says ENOSPC        short  pwrite takes half of the bytes, the next one says ENOSPC
 *   error  pwrite says EIO           sync   fsync says EIO */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whether this call on fd is one that shall fail. */
static bool due(int fd, const char *fault)
{
    static int calls;
    const char *wanted = getenv("FAULT"), *part = getenv("FAULT_PATH"), *after = getenv("FAULT_AFTER");
    char link[64], path[4096];
    if (!wanted || strcmp(wanted, fault) != 0)
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = 0;
    return strstr(path, part) && ++calls >= atoi(after);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    static bool cut;
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
    if (cut || due(fd, "full")) {
        errno = ENOSPC;
        return -1;
    }
    if (due(fd, "error")) {
        errno = EIO;
        return -1;
    }
    if (due(fd, "short")) {
        cut = true;
        return real(fd, bytes, size / 2, offset);
    }
    return real(fd, bytes, size, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return pwrite64(fd, bytes, size, offset);
}

int fsync(int fd)
{
    static int (*real)(int);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fsync");
    if (due(fd, "sync")) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}
