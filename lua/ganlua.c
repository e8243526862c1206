/* ganlua.c - the embedding interface of ganlua.h: one Lua state over one engine context.
 *
 * Invariants:
 * 1. Lua's bytes and the tensors' are counted in one place, the context, so that memory_limit caps
 *    their sum; a refused allocation makes Lua collect garbage before it gives up.
 * 2. The context is opened before the state and closed after it: closing the state releases tensors.
 * 3. Lua code runs only inside lua_pcall; no error passes through a function of ganlua.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "bind/bind.h"
#include "embed/host.h"
#include "embed/sandbox.h"
#include "gan.h"
#include "ganlua.h"
#include "io/io.h"

static char NO_MEMORY[] = "not enough memory";

/* In the sandbox the hook looks again after what took long; collecting all garbage does. */
enum { LARGE_BLOCK = 64 << 10 };

static bool charge(ganlua *gl, size_t bytes)
{
    bool charged = gan_charge(gl->ctx, bytes);
    if (gl->sandbox && gl->running && (!charged || bytes >= LARGE_BLOCK)) {
        gan_count_work(gl->ctx, charged ? (double)bytes / 64 : (double)gan_memory(gl->ctx).live / 64);
        ganlua_poll_soon(gl);
    }
    return charged;
}

/* What may be taken beyond the limit by blocks that are no object of Lua's: call frames and stacks are such. Where memory
 * has ended a finalizer must be called all the same, or the tensor that it would let go of stays. */
enum { BEYOND_LIMIT = 32 << 10 };

static bool charge_beyond(gan_context *ctx, size_t bytes)
{
    size_t cap = gan_memory(ctx).cap;
    gan_set_memory_cap(ctx, cap ? cap + BEYOND_LIMIT : 0);
    bool charged = gan_charge(ctx, bytes);
    gan_set_memory_cap(ctx, cap);
    return charged;
}

/* What Lua adds to a string's bytes, at most. */
enum { STRING_HEAD = 64 };

/* Whether a script in the sandbox wants a string that is longer than it may be. */
static bool refuse_string(ganlua *gl, size_t kind, size_t size)
{
    if (!gl->sandbox || !gl->running || kind != LUA_TSTRING || size <= STRING_HEAD)
        return false;
    if (!ganlua_is_too_long(gl->running, (double)(size - STRING_HEAD)))
        return false;
    gl->refused = true;
    ganlua_poll_soon(gl);
    return true;
}

/* A lua_Alloc: realloc that charges the context. Shrinking never fails, as Lua demands. */
static void *allocate(void *user, void *block, size_t old_size, size_t new_size)
{
    ganlua *gl = user;
    gan_context *ctx = gl->ctx;
    if (!block && refuse_string(gl, old_size, new_size)) /* Lua passes the kind of object there */
        return NULL;
    bool object = !block && old_size != 0;
    if (!block)
        old_size = 0;
    if (new_size == 0) {
        free(block);
        gan_uncharge(ctx, old_size);
        return NULL;
    }
    size_t more = new_size > old_size ? new_size - old_size : 0;
    if (more > 0 && !charge(gl, more) && (object || !charge_beyond(ctx, more)))
        return NULL;
    void *moved = realloc(block, new_size);
    if (more > 0) {
        if (!moved)
            gan_uncharge(ctx, more);
        return moved;
    }
    gan_uncharge(ctx, old_size - new_size);
    return moved ? moved : block;
}

/* ---- Opening ---- */

/* The sandbox's memory limit where the program names none. */
#define SANDBOX_MEMORY ((size_t)512 << 20)

/* package.loaded["ganlua.settings"] = {threads=, seed=, out=, new=, live=, set={NAME=VALUE}}: what the
 * script reads through gan.setting, and gan.train where it is not told otherwise. */
static void publish_settings(lua_State *L, const ganlua_config *config)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_createtable(L, 0, 4);
    if (config->threads > 0) {
        lua_pushinteger(L, config->threads);
        lua_setfield(L, -2, "threads");
    }
    lua_pushinteger(L, (lua_Integer)config->seed);
    lua_setfield(L, -2, "seed");
    lua_pushstring(L, config->out ? config->out : "runs");
    lua_setfield(L, -2, "out");
    lua_pushboolean(L, config->start_over);
    lua_setfield(L, -2, "new");
    lua_pushboolean(L, config->live);
    lua_setfield(L, -2, "live");
    lua_newtable(L);
    for (const char *const *setting = config->settings; setting && *setting; setting++) {
        const char *end = strchrnul(*setting, '='); /* without '=', the value is "" */
        lua_pushlstring(L, *setting, (size_t)(end - *setting));
        lua_pushstring(L, *end ? end + 1 : end);
        lua_settable(L, -3);
    }
    lua_setfield(L, -2, "set");
    lua_setfield(L, -2, "ganlua.settings");
    lua_pop(L, 1);
}

/* Fills a new state; called protected, with the ganlua and its config as arguments. */
static int fill_state(lua_State *L)
{
    ganlua *gl = lua_touserdata(L, 1);
    const ganlua_config *config = lua_touserdata(L, 2);
    if (config->ignore_environment || gl->sandbox) {
        lua_pushboolean(L, 1);
        lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
    }
    luaL_openlibs(L);
    ganlua_adopt_context(L, gl->ctx);
    publish_settings(L, config);

    lua_getglobal(L, "math");
    lua_getfield(L, -1, "randomseed");
    lua_pushinteger(L, (lua_Integer)config->seed);
    lua_call(L, 1, 0);

    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, ganlua_open_embedded);
    lua_setfield(L, -2, "ganlua");
    if (gl->sandbox)
        ganlua_enter_sandbox(L);
    return 0;
}

ganlua *ganlua_open(const ganlua_config *given)
{
    ganlua_config config = GANLUA_CONFIG_INIT;
    if (given) /* an older program's struct is shorter: the rest stays at its default */
        memcpy(&config, given, given->size < sizeof config ? given->size : sizeof config);
    if (config.blas_threads > 0)
        gan_set_blas_threads(config.blas_threads);

    ganlua *gl = calloc(1, sizeof *gl);
    if (!gl)
        return NULL;
    if (pthread_mutex_init(&gl->cancelling, NULL) != 0) {
        free(gl);
        return NULL;
    }
    gl->sandbox = config.sandbox != 0;
    if (gl->sandbox && config.memory_limit == 0)
        config.memory_limit = SANDBOX_MEMORY;
    gl->limits = (gan_limits){(double)config.instruction_limit, config.time_limit > 0 ? config.time_limit : 0};
    bool known = config.precision >= 0 && config.precision < GAN_PRECISIONS;
    gl->ctx = gan_open(&(gan_config){.threads = config.threads > 0 ? config.threads : ganlua_rank_threads(),
                                     .memory_cap = config.memory_limit,
                                     .seed = config.seed,
                                     .precision = known ? (gan_precision)config.precision : GAN_PRECISION_DEFAULT});
    bool confined = gl->ctx && (!gl->sandbox || gan_confine(gl->ctx, config.folder));
    gl->L = confined ? lua_newstate(allocate, gl) : NULL;
    if (!gl->L || !lua_checkstack(gl->L, 3)) {
        int reason = confined ? ENOMEM : errno;
        ganlua_close(gl);
        errno = reason;
        return NULL;
    }
    *(ganlua **)lua_getextraspace(gl->L) = gl; /* coroutines get a copy */
    lua_pushcfunction(gl->L, fill_state);
    lua_pushlightuserdata(gl->L, gl);
    lua_pushlightuserdata(gl->L, &config);
    if (lua_pcall(gl->L, 2, 0, 0) != LUA_OK) {
        ganlua_close(gl);
        errno = ENOMEM;
        return NULL;
    }
    return gl;
}

void ganlua_close(ganlua *gl)
{
    if (!gl)
        return;
    if (gl->L) {
        gan_set_memory_cap(gl->ctx, 0); /* to call a finalizer takes memory, and a tensor without its own would stay */
        lua_close(gl->L);
    }
    gan_close(gl->ctx);
    pthread_mutex_destroy(&gl->cancelling);
    if (gl->error != NO_MEMORY)
        free(gl->error);
    free(gl);
}

/* ---- Running ---- */

static void set_error(ganlua *gl, const char *message)
{
    if (gl->error != NO_MEMORY)
        free(gl->error);
    gl->error = NULL;
    if (message && !(gl->error = strdup(message)))
        gl->error = NO_MEMORY;
}

const char *ganlua_error(const ganlua *gl)
{
    return gl->error ? gl->error : "";
}

lua_State *ganlua_state(ganlua *gl)
{
    return gl->L;
}

int ganlua_explain(lua_State *L)
{
    const char *message = luaL_tolstring(L, 1, NULL);
    if (!strstr(message, "\nstack traceback:\n"))
        luaL_traceback(L, L, message, 1);
    return 1;
}

void ganlua_memory(const ganlua *gl, ganlua_memory_info *info)
{
    gan_memory_info memory = gan_memory(gl->ctx);
    ganlua_memory_info all = {info->size, memory.live, memory.peak, memory.cap, memory.tensors};
    memcpy(info, &all, info->size < sizeof all ? info->size : sizeof all); /* an older program's is shorter */
}

/* Compiles for the sandbox; what is run tells the fingerprint of its runs. */
static int load_text(lua_State *L, const char *text, size_t length, const char *name)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "ganlua.settings");
    lua_pushlstring(L, text, length);
    lua_setfield(L, -2, "script");
    lua_pop(L, 2);
    return ganlua_compile(L, text, length, name);
}

static int load_text_of_file(lua_State *L, const char *path)
{
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    FILE *file = fopen(path, "rb");
    bool good = file != NULL;
    while (good && !feof(file)) {
        char *room = luaL_prepbuffer(&text);
        luaL_addsize(&text, fread(room, 1, LUAL_BUFFERSIZE, file));
        good = !ferror(file);
        if (luaL_bufflen(&text) > SANDBOX_CHUNK)
            break;
    }
    int reason = errno;
    if (file)
        fclose(file);
    luaL_pushresult(&text);
    if (!good) {
        lua_pushfstring(L, "cannot read %s: %s", path, strerror(reason));
        return LUA_ERRFILE;
    }
    size_t length;
    const char *code = lua_tolstring(L, -1, &length);
    if (*code == '#') { /* its line is still counted */
        size_t first = strcspn(code, "\n");
        code += first;
        length -= first;
    }
    /* A file of a folder "ganlua" is none of ganlua's modules. */
    lua_pushfstring(L, strncmp(path, "ganlua/", 7) == 0 ? "@./%s" : "@%s", path);
    int status = load_text(L, code, length, lua_tostring(L, -1));
    lua_remove(L, -2);
    lua_remove(L, -2);
    return status;
}

int ganlua_load_script(lua_State *L, struct ganlua_script *script)
{
    if (script->path) {
        lua_createtable(L, script->argc, 2);
        lua_pushstring(L, script->path);
        lua_rawseti(L, -2, 0);
        for (int i = 0; i < script->argc; i++) {
            lua_pushstring(L, script->argv[i]);
            lua_rawseti(L, -2, i == 0 ? -1 : i); /* argv[0], the program, comes before the script */
        }
        lua_setglobal(L, "arg");
        script->loaded = ganlua_of(L)->sandbox ? load_text_of_file(L, script->path) : luaL_loadfile(L, script->path);
    } else if (ganlua_of(L)->sandbox) {
        script->loaded = load_text(L, script->code, script->length, script->name ? script->name : script->code);
    } else {
        const char *name = script->name ? script->name : script->code;
        script->loaded = luaL_loadbufferx(L, script->code, script->length, name, "t");
    }
    if (script->loaded != LUA_OK)
        lua_error(L);
    int count = script->argc > 1 ? script->argc - 1 : 0;
    luaL_checkstack(L, count, "too many arguments");
    for (int i = 1; i <= count; i++)
        lua_pushstring(L, script->argv[i]);
    return count;
}

int ganlua_load_status(const struct ganlua_script *script, int status)
{
    if (status != GANLUA_ERROR_SCRIPT || script->loaded == LUA_OK || script->loaded == LUA_ERRSYNTAX)
        return status;
    return script->loaded == LUA_ERRMEM ? GANLUA_ERROR_MEMORY : GANLUA_ERROR_FILE;
}

void ganlua_report(ganlua *gl, int code, const char *message)
{
    set_error(gl, message);
    gl->outcome = code;
}

static int run_protected(lua_State *L)
{
    lua_call(L, ganlua_load_script(L, lua_touserdata(L, 1)), 0);
    return 0;
}

int ganlua_protect(ganlua *gl, lua_CFunction work, void *argument)
{
    lua_State *L = gl->L;
    set_error(gl, NULL);
    if (!lua_checkstack(L, 3)) {
        set_error(gl, NO_MEMORY);
        return GANLUA_ERROR_MEMORY;
    }
    int base = lua_gettop(L);
    lua_pushcfunction(L, ganlua_explain);
    lua_pushcfunction(L, work);
    lua_pushlightuserdata(L, argument);
    gl->outcome = GANLUA_OK;
    ganlua_watch(gl);
    int status = lua_pcall(L, 1, 0, base + 1);
    bool failed = status != LUA_OK || gl->outcome == GANLUA_ERROR_SCRIPT;
    char limit[GAN_LIMIT_TEXT];
    int ended = ganlua_unwatch(gl, limit, sizeof limit);
    if (!failed)
        ended = GANLUA_OK;
    if (status != LUA_OK) {
        const char *message = lua_tostring(L, -1);
        set_error(gl, message ? message : NO_MEMORY);
    }
    if (gl->refused && status == LUA_ERRMEM)
        set_error(gl, "not enough memory: a string is longer than the sandbox allows");
    if (ended == GANLUA_ERROR_CANCELLED)
        set_error(gl, "cancelled");
    else if (ended == GANLUA_ERROR_LIMIT && !strstr(ganlua_error(gl), limit))
        set_error(gl, limit);
    lua_settop(L, base);
    if (ended != GANLUA_OK)
        return ended;
    return status == LUA_OK ? gl->outcome : status == LUA_ERRMEM ? GANLUA_ERROR_MEMORY : GANLUA_ERROR_SCRIPT;
}

static int run(ganlua *gl, struct ganlua_script *what)
{
    return ganlua_load_status(what, ganlua_protect(gl, run_protected, what));
}

int ganlua_run_file(ganlua *gl, const char *path, int argc, char *const argv[])
{
    return run(gl, &(struct ganlua_script){.path = path, .argc = argv ? argc : 0, .argv = argv});
}

int ganlua_run_string(ganlua *gl, const char *code)
{
    return run(gl, &(struct ganlua_script){.code = code, .length = strlen(code)});
}

int ganlua_run_buffer(ganlua *gl, const char *code, size_t length, const char *name)
{
    return run(gl, &(struct ganlua_script){.code = code, .length = length, .name = name ? name : "=buffer"});
}
