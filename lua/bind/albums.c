/* albums.c - encoded pictures, zip archives, numpy's files and parts of files, as Lua calls them. Places count from 1
 * here. */
#include <string.h>

#include "bind.h"
#include "io/io.h"

static const char *check_path(lua_State *L, int index, const char *function)
{
    return ganlua_check_string(L, index, function, "path", NULL);
}

/* ---- Parts of files ---- */

/* core.file_size(path) -> bytes */
static int file_size(lua_State *L)
{
    const char *path = check_path(L, 1, "file_size");
    int64_t size;
    const char *reason = gan_file_size(ganlua_context(L), path, &size);
    if (reason)
        ganlua_error_at_user(L, "%s: cannot read: %s", path, reason);
    lua_pushinteger(L, size);
    return 1;
}

static size_t check_bytes(lua_State *L, int index, const char *function, const char *argument)
{
    int64_t bytes = ganlua_check_integer(L, index, function, argument);
    if (bytes < 0)
        ganlua_bad_argument(L, index, function, argument, "a number of bytes");
    return (size_t)bytes;
}

/* core.file_slice(path, offset, size) -> bytes */
static int file_slice(lua_State *L)
{
    const char *path = check_path(L, 1, "file_slice");
    size_t offset = check_bytes(L, 2, "file_slice", "offset"), size = check_bytes(L, 3, "file_slice", "size");
    luaL_Buffer buffer;
    char *to = luaL_buffinitsize(L, &buffer, size);
    const char *reason = gan_file_slice(ganlua_context(L), path, (int64_t)offset, to, size);
    if (reason)
        ganlua_error_at_user(L, "%s: cannot read: %s", path, reason);
    luaL_pushresultsize(&buffer, size);
    return 1;
}

/* core.file_rows({path, ...}, rows, offset, size, places) -> bytes. Each file holds `rows` rows (the last one may hold
 * fewer) of `size` bytes, from offset on; places, a vector of numbers from 1, counts them through all files. */
static int file_rows(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    int64_t rows = ganlua_check_integer(L, 2, "file_rows", "rows"), files = (int64_t)lua_rawlen(L, 1);
    size_t offset = check_bytes(L, 3, "file_rows", "offset"), size = check_bytes(L, 4, "file_rows", "size");
    gan_tensor *places = ganlua_check_tensor(L, 5, "file_rows", "places");
    size_t count = (size_t)gan_numel(places);
    if (rows < 1 || size < 1 || count > ((size_t)1 << 40) / size)
        ganlua_error_at_user(L, "file_rows: %I rows of %I bytes cannot be read", (lua_Integer)count, (lua_Integer)size);
    luaL_Buffer buffer;
    char *to = luaL_buffinitsize(L, &buffer, count * size);
    for (size_t i = 0; i < count; i++) {
        double place = (double)gan_data(places)[i];
        if (!(place >= 1 && place <= (double)rows * (double)files))
            ganlua_error_at_user(L, "file_rows: %f is no place from 1 to %I", place, (lua_Integer)(rows * files));
        int64_t row = (int64_t)place - 1;
        lua_rawgeti(L, 1, row / rows + 1);
        const char *path = lua_tostring(L, -1);
        const char *reason = path ? gan_file_slice(ganlua_context(L), path,
                                                   (int64_t)offset + row % rows * (int64_t)size, to + i * size, size)
                                  : "no path";
        if (reason)
            ganlua_error_at_user(L, "%s: cannot read: %s", path ? path : "file_rows", reason);
        lua_pop(L, 1);
    }
    luaL_pushresultsize(&buffer, count * size);
    return 1;
}

/* ---- numpy's files ---- */

struct npy_work {
    const uint8_t *bytes;
    size_t size;
    uint64_t file_size;
    const char *name;
    gan_npy npy;
    gan_number_type type;
    gan_shape shape;
    double scale, shift;
    gan_tensor *result;
};

static void parse_work(gan_context *ctx, void *argument)
{
    struct npy_work *w = argument;
    w->npy = gan_npy_parse(ctx, w->bytes, w->size, w->file_size, w->name);
}

static void numbers_work(gan_context *ctx, void *argument)
{
    struct npy_work *w = argument;
    w->result = gan_numbers(ctx, w->bytes, w->size, w->type, w->shape, w->scale, w->shift, w->name);
}

/* core.npy_parse(first bytes, size of the file, name) -> {type=, bytes=, shape=, columns_first=, offset=} */
static int npy_parse(lua_State *L)
{
    struct npy_work w = {.name = luaL_optstring(L, 3, "the file")};
    w.bytes = (const uint8_t *)ganlua_check_string(L, 1, "npy_parse", "bytes", &w.size);
    w.file_size = check_bytes(L, 2, "npy_parse", "size");
    ganlua_enter(L, parse_work, &w);
    lua_createtable(L, 0, 5);
    lua_pushstring(L, w.npy.type_text);
    lua_setfield(L, -2, "type");
    lua_pushinteger(L, w.npy.type.bytes);
    lua_setfield(L, -2, "bytes");
    lua_createtable(L, w.npy.shape.rank, 0);
    for (int axis = 0; axis < w.npy.shape.rank; axis++) {
        lua_pushinteger(L, w.npy.shape.dims[axis]);
        lua_rawseti(L, -2, axis + 1);
    }
    lua_setfield(L, -2, "shape");
    lua_pushboolean(L, w.npy.columns_first);
    lua_setfield(L, -2, "columns_first");
    lua_pushinteger(L, (lua_Integer)w.npy.offset);
    lua_setfield(L, -2, "offset");
    return 1;
}

/* core.numbers(bytes, type, shape, scale = 1, shift = 0, name, first = 1) -> the numbers that bytes hold from `first`
 * on, as a tensor: number * scale + shift */
static int numbers(lua_State *L)
{
    struct npy_work w = {.scale = luaL_optnumber(L, 4, 1), .shift = luaL_optnumber(L, 5, 0)};
    w.name = luaL_optstring(L, 6, "the file");
    w.bytes = (const uint8_t *)ganlua_check_string(L, 1, "numbers", "bytes", &w.size);
    size_t first = (size_t)luaL_optinteger(L, 7, 1) - 1;
    luaL_argcheck(L, first <= w.size, 7, "not in the bytes");
    w.bytes += first;
    w.size -= first;
    if (!gan_number_type_read(ganlua_check_string(L, 2, "numbers", "type", NULL), &w.type))
        ganlua_bad_argument(L, 2, "numbers", "type", "one as numpy writes them, such as '<f4'");
    if (!lua_istable(L, 3))
        ganlua_bad_argument(L, 3, "numbers", "shape", "a table of sizes");
    w.shape = ganlua_check_shape(L, 3, "numbers");
    ganlua_enter(L, numbers_work, &w);
    ganlua_push_tensor(L, w.result);
    return 1;
}

/* ---- Zip archives ---- */

struct zip_work {
    const char *path;
    gan_zip zip;
};

static void list_work(gan_context *ctx, void *argument)
{
    struct zip_work *w = argument;
    w->zip = gan_zip_list(ctx, w->path);
}

/* core.zip_list(path) -> names, entries (what zip_read and album take), why some cannot be read (by place) */
static int zip_list(lua_State *L)
{
    struct zip_work w = {.path = check_path(L, 1, "zip_list")};
    ganlua_enter(L, list_work, &w);
    int count = w.zip.count < 1 << 24 ? (int)w.zip.count : 0;
    lua_createtable(L, count, 0);
    lua_createtable(L, count, 0);
    lua_newtable(L);
    for (int64_t i = 0; i < w.zip.count; i++) {
        gan_zip_entry e = w.zip.entries[i];
        lua_pushstring(L, e.name);
        lua_rawseti(L, -4, i + 1);
        if (e.unreadable) {
            lua_pushstring(L, e.unreadable);
            lua_rawseti(L, -2, i + 1);
        }
        e.name = e.unreadable = NULL;
        lua_pushlstring(L, (const char *)&e, sizeof e);
        lua_rawseti(L, -3, i + 1);
    }
    gan_pool_release(ganlua_context(L), 0);
    return 3;
}

static gan_zip_entry check_entry(lua_State *L, int index, const char *function)
{
    size_t size;
    const char *bytes = ganlua_check_string(L, index, function, "entry", &size);
    gan_zip_entry e;
    if (size != sizeof e)
        ganlua_bad_argument(L, index, function, "entry", "one of zip_list's");
    memcpy(&e, bytes, sizeof e);
    e.name = e.unreadable = NULL;
    return e;
}

/* core.zip_read(path, entry, name) -> bytes */
static int zip_read(lua_State *L)
{
    const char *path = check_path(L, 1, "zip_read");
    gan_zip_entry e = check_entry(L, 2, "zip_read");
    size_t room = gan_zip_room(&e);
    uint8_t *packed = lua_newuserdatauv(L, room + 1, 0);
    luaL_Buffer buffer;
    uint8_t *to = (uint8_t *)luaL_buffinitsize(L, &buffer, e.size);
    const char *reason = gan_zip_read(ganlua_context(L), path, &e, to, e.size, packed, room);
    if (reason)
        ganlua_error_at_user(L, "%s: %s: %s", path, luaL_optstring(L, 3, "a file in it"), reason);
    luaL_pushresultsize(&buffer, e.size);
    return 1;
}

/* ---- Albums ---- */

static const char album_name[] = "ganlua.album";

struct album_work {
    int64_t count;
    gan_album_source *sources;
    gan_album *album;
    int64_t numbers[4], refusals;
    gan_album_refusal *refused;
    gan_tensor *places, *result;
    const uint8_t *bytes;
    size_t size;
    const char *name;
};

static gan_album *check_album(lua_State *L)
{
    gan_album **album = luaL_checkudata(L, 1, album_name);
    if (!*album)
        ganlua_error_at_user(L, "this album is closed");
    return *album;
}

static void open_work(gan_context *ctx, void *argument)
{
    struct album_work *w = argument;
    w->album = gan_album_open(ctx, w->count, w->sources);
}

/* core.album({path, ...}), core.album(path of a zip, {entry, ...}) -> album */
static int album(lua_State *L)
{
    bool zipped = lua_type(L, 1) == LUA_TSTRING;
    luaL_checktype(L, zipped ? 2 : 1, LUA_TTABLE);
    int list = zipped ? 2 : 1;
    lua_settop(L, list);
    struct album_work w = {.count = (int64_t)lua_rawlen(L, list)};
    gan_album **album = lua_newuserdatauv(L, sizeof *album, 0);
    *album = NULL;
    luaL_setmetatable(L, album_name);
    w.sources = lua_newuserdatauv(L, (size_t)(w.count + 1) * sizeof *w.sources, 0);
    gan_zip_entry *entries = zipped ? lua_newuserdatauv(L, (size_t)(w.count + 1) * sizeof *entries, 0) : NULL;
    for (int64_t i = 0; i < w.count; i++) {
        lua_rawgeti(L, list, i + 1); /* the list anchors it */
        if (zipped)
            entries[i] = check_entry(L, lua_gettop(L), "album");
        w.sources[i] = zipped ? (gan_album_source){lua_tostring(L, 1), &entries[i]}
                              : (gan_album_source){check_path(L, lua_gettop(L), "album"), NULL};
        lua_pop(L, 1);
    }
    ganlua_enter(L, open_work, &w);
    *album = w.album;
    gan_pool_release(ganlua_context(L), 0);
    lua_pushvalue(L, list + 1);
    return 1;
}

static int close_album(lua_State *L)
{
    gan_album **album = luaL_checkudata(L, 1, album_name);
    gan_album_close(*album);
    *album = NULL;
    return 0;
}

static void look_work(gan_context *ctx, void *argument)
{
    struct album_work *w = argument;
    (void)ctx;
    w->refusals = gan_album_look(w->album, w->numbers[0], w->numbers[1], (size_t)w->numbers[2], &w->refused);
}

static void load_work(gan_context *ctx, void *argument)
{
    struct album_work *w = argument;
    (void)ctx;
    w->refusals = gan_album_load(w->album, w->numbers[0], w->numbers[1], &w->refused);
}

/* Runs work over the pictures from argument 2 to argument 3; pushes {place = reason} of those that it refused. */
static int push_refused(lua_State *L, const char *function, ganlua_work *work)
{
    struct album_work w = {.album = check_album(L)};
    w.numbers[0] = ganlua_check_integer(L, 2, function, "first") - 1;
    w.numbers[1] = ganlua_check_integer(L, 3, function, "last");
    w.numbers[2] = luaL_optinteger(L, 4, 0);
    ganlua_enter(L, work, &w);
    lua_newtable(L);
    for (int64_t i = 0; i < w.refusals; i++) {
        lua_pushstring(L, w.refused[i].reason);
        lua_rawseti(L, -2, w.refused[i].place + 1);
    }
    gan_pool_release(ganlua_context(L), 0);
    return 1;
}

/* album:look(first, last, most) -> {place = reason}: see gan_album_look */
static int look(lua_State *L)
{
    return push_refused(L, "look", look_work);
}

/* album:load(first, last) -> {place = reason} */
static int load(lua_State *L)
{
    return push_refused(L, "load", load_work);
}

static void heads_work(gan_context *ctx, void *argument)
{
    struct album_work *w = argument;
    (void)ctx;
    w->result = gan_album_heads(w->album);
}

/* album:heads() -> n x 3: height, width, 1 where there is colour */
static int heads(lua_State *L)
{
    struct album_work w = {.album = check_album(L)};
    ganlua_enter(L, heads_work, &w);
    ganlua_push_tensor(L, w.result);
    return 1;
}

static void prepare_work(gan_context *ctx, void *argument)
{
    struct album_work *w = argument;
    (void)ctx;
    gan_album_prepare(w->album, w->numbers[0], w->numbers[1], w->numbers[2], (size_t)w->numbers[3]);
}

/* album:prepare(height, width, channels, cache): see gan_album_prepare */
static int prepare(lua_State *L)
{
    struct album_work w = {.album = check_album(L)};
    for (int i = 0; i < 4; i++)
        w.numbers[i] = ganlua_check_integer(L, i + 2, "prepare", "size");
    ganlua_enter(L, prepare_work, &w);
    gan_pool_release(ganlua_context(L), 0);
    return 0;
}

static gan_tensor *from_zero(gan_tensor *places)
{
    return gan_detach(gan_affine(gan_detach(places), 1, -1));
}

static void keep_work(gan_context *ctx, void *argument)
{
    struct album_work *w = argument;
    (void)ctx;
    gan_album_keep(w->album, from_zero(w->places));
}

static void read_work(gan_context *ctx, void *argument)
{
    struct album_work *w = argument;
    (void)ctx;
    w->result = gan_album_read(w->album, from_zero(w->places));
}

static void prefetch_work(gan_context *ctx, void *argument)
{
    struct album_work *w = argument;
    (void)ctx;
    gan_album_prefetch(w->album, from_zero(w->places));
}

/* album:keep(places): only these stay, 1 .. n from now on */
static int keep(lua_State *L)
{
    struct album_work w = {.album = check_album(L), .places = ganlua_check_tensor(L, 2, "keep", "places")};
    ganlua_enter(L, keep_work, &w);
    gan_pool_release(ganlua_context(L), 0);
    return 0;
}

/* album:read(places) -> n x height x width x channels */
static int read(lua_State *L)
{
    struct album_work w = {.album = check_album(L), .places = ganlua_check_tensor(L, 2, "read", "places")};
    ganlua_enter(L, read_work, &w);
    ganlua_push_tensor(L, w.result);
    return 1;
}

/* album:prefetch(places): they will be read soon, together */
static int prefetch(lua_State *L)
{
    struct album_work w = {.album = check_album(L), .places = ganlua_check_tensor(L, 2, "prefetch", "places")};
    ganlua_enter(L, prefetch_work, &w);
    gan_pool_release(ganlua_context(L), 0);
    return 0;
}

/* album:count() -> pictures, those of them that are in memory, seconds that reading has taken */
static int count(lua_State *L)
{
    gan_album *album = check_album(L);
    lua_pushinteger(L, gan_album_count(album));
    lua_pushinteger(L, gan_album_cached(album));
    lua_pushnumber(L, gan_album_seconds(album));
    return 3;
}

static void decode_work(gan_context *ctx, void *argument)
{
    struct album_work *w = argument;
    w->result = gan_picture_decode(ctx, w->bytes, w->size, w->name);
}

/* core.picture_decode(bytes, name) -> H x W x 1 or 3 */
static int picture_decode(lua_State *L)
{
    struct album_work w = {.name = luaL_optstring(L, 2, "the picture")};
    w.bytes = (const uint8_t *)ganlua_check_string(L, 1, "picture_decode", "bytes", &w.size);
    ganlua_enter(L, decode_work, &w);
    ganlua_push_tensor(L, w.result);
    return 1;
}

/* core.row_digests(t) -> a list with 64 bits for each t[i], equal for equal numbers (FNV-1a) */
static int row_digests(lua_State *L)
{
    gan_tensor *t = ganlua_check_tensor(L, 1, "row_digests", "t");
    ganlua_check_reading(L);
    int64_t rows = gan_rank(t) > 0 ? gan_dim(t, 0) : 1;
    size_t bytes = rows > 0 ? (size_t)(gan_numel(t) / rows) * sizeof(gan_real) : 0;
    lua_createtable(L, (int)rows, 0);
    for (int64_t i = 0; i < rows; i++) {
        const uint8_t *at = (const uint8_t *)gan_data(t) + (size_t)i * bytes;
        uint64_t hash = 0xcbf29ce484222325u;
        for (size_t k = 0; k < bytes; k++)
            hash = (hash ^ at[k]) * 0x100000001b3u;
        lua_pushinteger(L, (lua_Integer)hash);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static const luaL_Reg methods[] = {{"look", look},         {"load", load}, {"heads", heads}, {"prepare", prepare},
                                   {"keep", keep},         {"read", read}, {"count", count}, {"prefetch", prefetch},
                                   {"close", close_album}, {NULL, NULL}};
static const luaL_Reg endings[] = {{"__gc", close_album}, {"__close", close_album}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"file_size", file_size},
                                     {"file_slice", file_slice},
                                     {"file_rows", file_rows},
                                     {"npy_parse", npy_parse},
                                     {"numbers", numbers},
                                     {"zip_list", zip_list},
                                     {"zip_read", zip_read},
                                     {"album", album},
                                     {"picture_decode", picture_decode},
                                     {"row_digests", row_digests},
                                     {NULL, NULL}};

void ganlua_add_albums(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
    luaL_newmetatable(L, album_name);
    luaL_setfuncs(L, endings, 0);
    luaL_newlib(L, methods); /* not the metatable itself: nobody is to reach its __gc */
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
