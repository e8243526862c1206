/* gate.c - the one place where files and folders are opened, made, renamed and removed by their paths.
 *
 * 1. Of a context that is confined to a folder (gan_confine), nothing outside it is touched: no absolute path, no "..",
 *    no symbolic link is followed wherever it points, and only regular files and folders are opened.
 * 2. That holds whatever others rename or link meanwhile: a path is walked from open folder to open folder, and never
 *    looked up as a whole.
 * 3. Of any other context, paths are the system's. */
#include "io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What errno tells of a refusal: numbers that the calls below do not have for anything else. */
enum { OUTSIDE = EXDEV, LINKED = ELOOP, NO_FILES = ENOLINK };

const char *gan_file_reason(const gan_context *ctx, int error)
{
    if (gan_folder(ctx) == GAN_ANY_FOLDER)
        return strerror(error);
    switch (error) {
    case OUTSIDE:
        return "the sandbox allows only paths below its folder, without '..'";
    case LINKED:
        return "the sandbox follows no symbolic links";
    case NO_FILES:
        return "the sandbox allows no files";
    default:
        return strerror(error);
    }
}

bool gan_confine(gan_context *ctx, const char *path)
{
    if (!path) {
        gan_set_folder(ctx, GAN_NO_FOLDER);
        return true;
    }
    int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0)
        gan_set_folder(ctx, folder);
    return folder >= 0;
}

/* ---- Walking ---- */

/* Where a path leads: a name in an open folder, which may be AT_FDCWD; `end` closes it. */
struct place {
    int folder;
    const char *name; /* in `text`, or the whole path of a context that is not confined */
    char text[NAME_MAX + 1];
    bool opened;
};

static void end(struct place *place)
{
    int saved = errno;
    if (place->opened)
        close(place->folder);
    errno = saved;
}

/* The next part of a path into text: false where it is none that may be. "a//b" and "./a" are "a/b" and "a". */
static bool take_part(const char **path, char text[NAME_MAX + 1])
{
    size_t length = strcspn(*path, "/");
    if (length > NAME_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(text, *path, length);
    text[length] = 0;
    *path += length;
    *path += strspn(*path, "/");
    if (strcmp(text, "..") == 0) {
        errno = OUTSIDE;
        return false;
    }
    return true;
}

/* An open folder in another. What is a link there says so, and not that it is no folder. */
static int step(int folder, const char *name)
{
    int next = openat(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat at;
    if (next < 0 && errno == ENOTDIR && fstatat(folder, name, &at, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = S_ISLNK(at.st_mode) ? LINKED : ENOTDIR;
    }
    return next;
}

/* Opens all folders of path but the last part; false with errno, nothing being open. */
static bool walk(const gan_context *ctx, const char *path, struct place *place)
{
    *place = (struct place){.folder = AT_FDCWD, .name = path};
    int root = gan_folder(ctx);
    if (root == GAN_ANY_FOLDER)
        return true;
    if (root == GAN_NO_FOLDER || path[0] == '/' || !path[0]) {
        errno = root == GAN_NO_FOLDER ? NO_FILES : path[0] ? OUTSIDE : ENOENT;
        return false;
    }
    place->folder = root;
    place->name = place->text;
    while (take_part(&path, place->text)) {
        if (!*path)
            return true;
        int next = step(place->folder, place->text);
        end(place);
        if (next < 0)
            return false;
        place->folder = next;
        place->opened = true;
    }
    end(place);
    return false;
}

static int ended(struct place *place, int status)
{
    end(place);
    return status;
}

/* ---- What callers do with a path ---- */

int gan_path_open(const gan_context *ctx, const char *path, int flags, unsigned mode)
{
    struct place place;
    if (!walk(ctx, path, &place))
        return -1;
    bool confined = gan_folder(ctx) != GAN_ANY_FOLDER;
    int fd =
        openat(place.folder, place.name, flags | O_CLOEXEC | (confined ? O_NOFOLLOW | O_NONBLOCK : 0), (mode_t)mode);
    end(&place);
    struct stat at;
    if (fd >= 0 && confined && (fstat(fd, &at) != 0 || !(S_ISREG(at.st_mode) || S_ISDIR(at.st_mode)))) {
        close(fd); /* a pipe, a device */
        errno = EACCES;
        return -1;
    }
    return fd;
}

int gan_path_stat(const gan_context *ctx, const char *path, struct stat *at)
{
    struct place place;
    if (!walk(ctx, path, &place))
        return -1;
    bool confined = gan_folder(ctx) != GAN_ANY_FOLDER;
    int status = ended(&place, fstatat(place.folder, place.name, at, confined ? AT_SYMLINK_NOFOLLOW : 0));
    if (status == 0 && confined && S_ISLNK(at->st_mode)) {
        errno = LINKED;
        return -1;
    }
    return status;
}

int gan_path_make_folder(const gan_context *ctx, const char *path)
{
    struct place place;
    return walk(ctx, path, &place) ? ended(&place, mkdirat(place.folder, place.name, 0777)) : -1;
}

int gan_path_rename(const gan_context *ctx, const char *from, const char *to)
{
    struct place old, new;
    if (!walk(ctx, from, &old))
        return -1;
    if (!walk(ctx, to, &new))
        return ended(&old, -1);
    return ended(&old, ended(&new, renameat(old.folder, old.name, new.folder, new.name)));
}

int gan_path_remove(const gan_context *ctx, const char *path)
{
    struct place place;
    return walk(ctx, path, &place) ? ended(&place, unlinkat(place.folder, place.name, 0)) : -1;
}
