/* files.c - files and folders, and tensors in files, as Lua calls them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <lualib.h>

#include "bind.h"
#include "io/io.h"

/* ---- Whole files ---- */

struct file_work {
    const char *path;
    void *bytes;
    int64_t size;
};

static void measure_work(gan_context *ctx, void *argument)
{
    struct file_work *w = argument;
    w->size = gan_file_measure(ctx, w->path);
}

static void read_work(gan_context *ctx, void *argument)
{
    struct file_work *w = argument;
    gan_file_read(ctx, w->path, w->bytes, w->size);
}

static void write_work(gan_context *ctx, void *argument)
{
    struct file_work *w = argument;
    gan_file_write(ctx, w->path, w->bytes, (size_t)w->size);
}

/* core.read_file(path) -> its bytes, inflated where they are gzip */
static int read_file(lua_State *L)
{
    struct file_work w = {.path = ganlua_check_string(L, 1, "read_file", "path", NULL)};
    ganlua_enter(L, measure_work, &w);
    luaL_Buffer buffer;
    w.bytes = luaL_buffinitsize(L, &buffer, (size_t)w.size);
    ganlua_enter(L, read_work, &w);
    luaL_pushresultsize(&buffer, (size_t)w.size);
    return 1;
}

/* core.write_file(path, bytes): whole or not at all */
static int write_file(lua_State *L)
{
    size_t size;
    struct file_work w = {.path = ganlua_check_string(L, 1, "write_file", "path", NULL)};
    w.bytes = (void *)ganlua_check_string(L, 2, "write_file", "bytes", &size);
    w.size = (int64_t)size;
    ganlua_enter(L, write_work, &w);
    return 0;
}

struct append_work {
    const char *path, *bytes;
    int64_t offset;
    size_t size;
    bool sync;
};

static void append_work(gan_context *ctx, void *argument)
{
    struct append_work *w = argument;
    gan_file_append(ctx, w->path, w->offset, w->bytes, w->size, w->sync);
}

/* core.append_file(path, offset, bytes, sync): see gan_file_append */
static int append_file(lua_State *L)
{
    struct append_work w = {.path = ganlua_check_string(L, 1, "append_file", "path", NULL),
                            .offset = ganlua_check_integer(L, 2, "append_file", "offset"),
                            .sync = lua_toboolean(L, 4)};
    w.bytes = ganlua_check_string(L, 3, "append_file", "bytes", &w.size);
    ganlua_enter(L, append_work, &w);
    return 0;
}

/* core.checksum(bytes, before = 0, first = 1) -> the CRC-32 of bytes from `first` on, after those that `before` is of */
static int checksum(lua_State *L)
{
    size_t size;
    const char *bytes = ganlua_check_string(L, 1, "checksum", "bytes", &size);
    lua_Integer first = luaL_optinteger(L, 3, 1);
    luaL_argcheck(L, first >= 1 && (lua_Unsigned)first <= size + 1, 3, "not in the bytes");
    lua_pushinteger(L, gan_checksum((uint32_t)luaL_optinteger(L, 2, 0), bytes + first - 1, size - (size_t)first + 1));
    return 1;
}

/* core.crc32c(bytes) -> their CRC-32C */
static int crc32c(lua_State *L)
{
    size_t size;
    const char *bytes = ganlua_check_string(L, 1, "crc32c", "bytes", &size);
    gan_count_work(ganlua_context(L), (double)size);
    lua_pushinteger(L, gan_crc32c(bytes, size));
    return 1;
}

static const char lock_name[] = "ganlua.lock";

/* Unlocks: __gc and __close of what lock_file returns. */
static int unlock(lua_State *L)
{
    int *fd = luaL_checkudata(L, 1, lock_name);
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return 0;
}

/* core.lock_file(path, seconds = 0) -> what holds the file until it is closed (t:close(), or its end), also against
 * other processes; or false where somebody holds it, all these seconds long. The file is made where there is none. */
static int lock_file(lua_State *L)
{
    const char *path = ganlua_check_string(L, 1, "lock_file", "path", NULL);
    int *fd = lua_newuserdatauv(L, sizeof *fd, 0); /* anchored first: what follows may raise */
    *fd = -1;
    if (luaL_newmetatable(L, lock_name)) {
        lua_pushcfunction(L, unlock);
        lua_setfield(L, -2, "__gc");
        lua_pushcfunction(L, unlock);
        lua_setfield(L, -2, "__close");
        lua_createtable(L, 0, 1); /* not itself: nobody is to reach its __gc */
        lua_pushcfunction(L, unlock);
        lua_setfield(L, -2, "close");
        lua_setfield(L, -2, "__index");
    }
    lua_setmetatable(L, -2);
    gan_context *ctx = ganlua_context(L);
    *fd = gan_path_open(ctx, path, O_RDWR | O_CREAT, 0666);
    if (*fd < 0)
        ganlua_error_at_user(L, "%s: cannot write: %s", path, gan_file_reason(ctx, errno));
    double left = luaL_optnumber(L, 2, 0);
    int status;
    while ((status = flock(*fd, LOCK_EX | LOCK_NB)) != 0 && (errno == EINTR || (errno == EWOULDBLOCK && left > 0))) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        left -= 0.01;
        if (!gan_count_work(ctx, 0)) /* a limit ends the waiting, and then the caller */
            left = 0;
    }
    if (status != 0 && errno == EWOULDBLOCK) /* file systems without locks say something else: nobody holds it there */
        lua_pushboolean(L, 0);
    return 1;
}

/* ---- Folders ---- */

static bool is_folder(lua_State *L, const char *path)
{
    struct stat at;
    return gan_path_stat(ganlua_context(L), path, &at) == 0 && S_ISDIR(at.st_mode);
}

static _Noreturn void cannot_make(lua_State *L, const char *path, int reason)
{
    ganlua_error_at_user(L, "cannot make folder %s: %s", path, gan_file_reason(ganlua_context(L), reason));
}

/* Makes the folders that the first `length` bytes of path name, one inside the other; those that are there are fine. */
static void make_folders(lua_State *L, const char *path, size_t length)
{
    for (size_t end = 1; end <= length; end++) {
        if (end < length && path[end] != '/')
            continue;
        const char *part = lua_pushlstring(L, path, end);
        if (gan_path_make_folder(ganlua_context(L), part) != 0) {
            int reason = errno == EEXIST ? ENOTDIR : errno;
            if (!is_folder(L, part)) /* an existing parent on a read-only system says EROFS */
                cannot_make(L, path, reason);
        }
        lua_pop(L, 1);
    }
}

/* core.make_directory(path): its parents too; one that is there is fine */
static int make_directory(lua_State *L)
{
    size_t length;
    const char *path = ganlua_check_string(L, 1, "make_directory", "path", &length);
    make_folders(L, path, length);
    return 0;
}

/* core.create_directory(path) -> true, or false where something of that name is; its parents are made too */
static int create_directory(lua_State *L)
{
    const char *path = ganlua_check_string(L, 1, "create_directory", "path", NULL);
    const char *name = strrchr(path, '/');
    if (name && name > path)
        make_folders(L, path, (size_t)(name - path));
    bool made = gan_path_make_folder(ganlua_context(L), path) == 0;
    if (!made && errno != EEXIST)
        cannot_make(L, path, errno);
    lua_pushboolean(L, made);
    return 1;
}

static int exists(lua_State *L)
{
    struct stat at;
    lua_pushboolean(L, gan_path_stat(ganlua_context(L), ganlua_check_string(L, 1, "exists", "path", NULL), &at) == 0);
    return 1;
}

/* core.remove_file(path) -> whether it was removed */
static int remove_file(lua_State *L)
{
    const char *path = ganlua_check_string(L, 1, "remove_file", "path", NULL);
    lua_pushboolean(L, gan_path_remove(ganlua_context(L), path) == 0);
    return 1;
}

/* core.file_stamp(path) -> text that is another one once the file was written again; nil where there is none */
static int file_stamp(lua_State *L)
{
    struct stat at;
    if (gan_path_stat(ganlua_context(L), ganlua_check_string(L, 1, "file_stamp", "path", NULL), &at) != 0)
        return 0;
    lua_pushfstring(L, "%I %I %I %I", (lua_Integer)at.st_mtim.tv_sec, (lua_Integer)at.st_mtim.tv_nsec,
                    (lua_Integer)at.st_size, (lua_Integer)at.st_ino);
    return 1;
}

static int is_directory(lua_State *L)
{
    lua_pushboolean(L, is_folder(L, ganlua_check_string(L, 1, "is_directory", "path", NULL)));
    return 1;
}

static int close_folder(lua_State *L)
{
    DIR **folder = lua_touserdata(L, 1);
    if (*folder)
        closedir(*folder);
    *folder = NULL;
    return 0;
}

/* core.list_directory(path) -> the names in it, sorted, without "." and ".." */
static int list_directory(lua_State *L)
{
    const char *path = ganlua_check_string(L, 1, "list_directory", "path", NULL);
    DIR **folder = lua_newuserdatauv(L, sizeof *folder, 0); /* anchored first: what follows may raise */
    *folder = NULL;
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, close_folder);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    gan_context *ctx = ganlua_context(L);
    int fd = gan_path_open(ctx, path, O_RDONLY | O_DIRECTORY, 0);
    *folder = fd < 0 ? NULL : fdopendir(fd);
    if (!*folder) {
        int reason = errno;
        if (fd >= 0)
            close(fd);
        ganlua_error_at_user(L, "cannot list folder %s: %s", path, gan_file_reason(ctx, reason));
    }
    lua_newtable(L);
    lua_Integer count = 0;
    for (struct dirent *entry; (entry = readdir(*folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        lua_pushstring(L, entry->d_name);
        lua_rawseti(L, -2, ++count);
    }
    closedir(*folder);
    *folder = NULL;
    luaL_requiref(L, LUA_TABLIBNAME, luaopen_table, 0);
    lua_getfield(L, -1, "sort");
    lua_pushvalue(L, -3);
    lua_call(L, 1, 0);
    lua_pop(L, 1);
    return 1;
}

/* ---- safetensors ---- */

struct tensors_work {
    gan_named *tensors;
    gan_pair *metadata;
    int64_t count, metadata_count;
    const uint8_t *bytes;
    size_t size;
    const char *name;
    gan_safetensors decoded;
};

static void encode_work(gan_context *ctx, void *argument)
{
    struct tensors_work *w = argument;
    w->bytes = gan_safetensors_encode(ctx, w->count, w->tensors, w->metadata_count, w->metadata, &w->size);
}

static int64_t count_pairs(lua_State *L, int index)
{
    int64_t count = 0;
    if (lua_isnoneornil(L, index))
        return 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        count++;
    return count;
}

/* core.safetensors_encode({name = tensor}, {key = string} or nil) -> bytes */
static int safetensors_encode(lua_State *L)
{
    lua_settop(L, 2);
    ganlua_check_reading(L);
    if (!lua_istable(L, 1))
        ganlua_bad_argument(L, 1, "save", "tensors", "a table {name = tensor}");
    if (!lua_isnil(L, 2) && !lua_istable(L, 2))
        ganlua_bad_argument(L, 2, "save", "metadata", "a table {key = string}");
    struct tensors_work w = {.count = count_pairs(L, 1), .metadata_count = count_pairs(L, 2)};
    w.tensors = lua_newuserdatauv(L, (size_t)(w.count + 1) * sizeof *w.tensors, 0);
    w.metadata = lua_newuserdatauv(L, (size_t)(w.metadata_count + 1) * sizeof *w.metadata, 0);
    lua_createtable(L, (int)(w.count < 1 << 24 ? w.count : 0), 0); /* anchors: a finalizer may empty the table */
    int anchors = lua_gettop(L);
    int64_t i = 0;
    for (lua_pushnil(L); i < w.count && lua_next(L, 1); lua_pop(L, 1), i++) {
        if (lua_type(L, -2) != LUA_TSTRING)
            ganlua_error_at_user(L, "save: names must be strings, got a %s", luaL_typename(L, -2));
        w.tensors[i].name = lua_tostring(L, -2);
        w.tensors[i].tensor = ganlua_check_tensor(L, lua_gettop(L), "save", w.tensors[i].name);
        lua_pushvalue(L, -1);
        lua_rawseti(L, anchors, i + 1);
    }
    w.count = i; /* garbage was collected since they were counted: weak tables lose some then */
    i = 0;
    for (lua_pushnil(L); w.metadata_count && lua_next(L, 2); lua_pop(L, 1), i++) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            ganlua_error_at_user(L, "save: metadata must be strings by name");
        w.metadata[i] = (gan_pair){lua_tostring(L, -2), lua_tostring(L, -1)};
    }
    ganlua_enter(L, encode_work, &w);
    lua_pushlstring(L, (const char *)w.bytes, w.size);
    gan_pool_release(ganlua_context(L), 0);
    return 1;
}

/* What is decoded stays in the pool, which nobody touches until it is anchored. */
static void decode_work(gan_context *ctx, void *argument)
{
    struct tensors_work *w = argument;
    w->decoded = gan_safetensors_decode(ctx, w->bytes, w->size, w->name);
}

/* core.safetensors_decode(bytes, name) -> {name = tensor}, {key = string} */
static int safetensors_decode(lua_State *L)
{
    struct tensors_work w = {.name = luaL_optstring(L, 2, "the file")};
    w.bytes = (const uint8_t *)ganlua_check_string(L, 1, "load", "bytes", &w.size);
    ganlua_enter(L, decode_work, &w);
    lua_createtable(L, 0, (int)w.decoded.count);
    for (int64_t i = 0; i < w.decoded.count; i++) {
        struct ganlua_tensor *u = ganlua_push_empty(L);
        u->t = gan_retain(w.decoded.tensors[i].tensor);
        lua_setfield(L, -2, w.decoded.tensors[i].name);
    }
    lua_createtable(L, 0, (int)w.decoded.metadata_count);
    for (int64_t i = 0; i < w.decoded.metadata_count; i++) {
        lua_pushstring(L, w.decoded.metadata[i].value);
        lua_setfield(L, -2, w.decoded.metadata[i].key);
    }
    gan_pool_release(ganlua_context(L), 0);
    return 2;
}

/* core.float_bytes(t) -> its numbers as little-endian float32, in the order that they lie in */
static int float_bytes(lua_State *L)
{
    gan_tensor *t = ganlua_check_tensor(L, 1, "float_bytes", "t");
    ganlua_check_reading(L);
    size_t count = (size_t)gan_numel(t);
    luaL_Buffer buffer;
    char *to = luaL_buffinitsize(L, &buffer, count * sizeof(float));
    const gan_real *from = gan_data(t);
    for (size_t i = 0; i < count; i++) {
        float number = (float)from[i];
        uint32_t bits;
        memcpy(&bits, &number, sizeof bits);
        for (int byte = 0; byte < 4; byte++)
            to[4 * i + (size_t)byte] = (char)(bits >> 8 * byte & 0xff);
    }
    luaL_pushresultsize(&buffer, count * sizeof(float));
    return 1;
}

static const luaL_Reg functions[] = {{"read_file", read_file},
                                     {"write_file", write_file},
                                     {"append_file", append_file},
                                     {"checksum", checksum},
                                     {"crc32c", crc32c},
                                     {"lock_file", lock_file},
                                     {"make_directory", make_directory},
                                     {"create_directory", create_directory},
                                     {"exists", exists},
                                     {"is_directory", is_directory},
                                     {"remove_file", remove_file},
                                     {"file_stamp", file_stamp},
                                     {"list_directory", list_directory},
                                     {"safetensors_encode", safetensors_encode},
                                     {"safetensors_decode", safetensors_decode},
                                     {"float_bytes", float_bytes},
                                     {NULL, NULL}};

void ganlua_add_files(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
