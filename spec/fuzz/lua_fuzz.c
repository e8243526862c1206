/* lua_fuzz.c - runs a target that is written in Lua: FUZZ_SCRIPT, a file that returns function(bytes). An error that the
 * function raises is a finding.
 *
 * Each Lua line of the modules is a counter for libFuzzer, so it follows the Lua side as it does C. Lua has 16 MB, tensors
 * 8; an input that runs for more than 50 million instructions is stopped, which is no finding. A state lives for many
 * inputs, and neither a tensor nor other memory may outlive it: leaks are looked for then, not after each input (libFuzzer
 * would do that, for Lua's memory is hardly ever what it was). */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "bind/bind.h"
#include "fuzz.h"
#include "ganlua.h"

#if defined(__has_feature) /* clang's alone */
#if __has_feature(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#define HAS_LEAKED() (__lsan_do_recoverable_leak_check() != 0)
#endif
#endif
#ifndef HAS_LEAKED
#define HAS_LEAKED() false
#endif

enum { MOST_BYTES = 16 << 20, MOST_TENSOR_BYTES = 8 << 20, MOST_TURNS = 500, TURN = 100000, INPUTS_A_STATE = 5000 };

__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t lines[1 << 14];
static size_t lua_bytes;
static int turns;

static void *allocate(void *user, void *block, size_t before, size_t wanted)
{
    (void)user;
    before = block ? before : 0;
    if (wanted == 0) {
        free(block);
        lua_bytes -= before;
        return NULL;
    }
    if (wanted > before && lua_bytes + (wanted - before) > MOST_BYTES)
        return NULL;
    void *made = realloc(block, wanted);
    if (made)
        lua_bytes += wanted - before;
    return made;
}

/* ---- Which lines were reached: for the report of dev fuzz, into the file that GANLUA_FUZZ_LINES names ---- */

enum { MOST_FILES = 300, MOST_LINES = 1024 };

static struct file {
    char name[64];
    bool reached[MOST_LINES];
} * files;

static void write_lines(void)
{
    FILE *out = fopen(getenv("GANLUA_FUZZ_LINES"), "w");
    if (!out)
        return;
    for (struct file *file = files; file->name[0]; file++)
        for (int line = 0; line < MOST_LINES; line++)
            if (file->reached[line])
                fprintf(out, "%s:%d\n", file->name, line);
    fclose(out);
}

/* The last of all takes what there is no room for. */
static struct file *find_file(const char *source)
{
    struct file *file = files;
    while (file < files + MOST_FILES && file->name[0] && strncmp(file->name, source, sizeof file->name - 1) != 0)
        file++;
    strncpy(file->name, source, sizeof file->name - 1);
    return file;
}

static void begin_noting(void)
{
    if (!getenv("GANLUA_FUZZ_LINES"))
        return;
    files = calloc(MOST_FILES + 2, sizeof *files);
    if (!files || atexit(write_lines))
        abort();
}

static void hook(lua_State *L, lua_Debug *at)
{
    if (at->event == LUA_HOOKCOUNT) {
        if (++turns > MOST_TURNS)
            luaL_error(L, "fuzz: too long");
        return;
    }
    static const char *last;
    static size_t hash;
    static struct file *file;
    lua_getinfo(L, "S", at);
    if (at->source != last) { /* most lines follow one of their file */
        last = at->source;
        file = files ? find_file(last) : NULL;
        hash = 5381;
        for (const char *s = last; *s; s++)
            hash = hash * 33 + (unsigned char)*s;
    }
    if (file && at->currentline < MOST_LINES)
        file->reached[at->currentline] = true;
    uint8_t *line = &lines[(hash + (size_t)at->currentline) % sizeof lines];
    *line = *line < 255 ? *line + 1 : 255;
}

static gan_context *context;

static int open_state(lua_State *L)
{
    luaL_openlibs(L);
    ganlua_adopt_context(L, context);
    luaL_requiref(L, "ganlua", luaopen_ganlua, 0);
    lua_pop(L, 1);
    if (luaL_loadfilex(L, FUZZ_SCRIPT, "t") != LUA_OK)
        return lua_error(L);
    lua_call(L, 0, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "fuzz");
    return 0;
}

static lua_State *fresh_state(void)
{
    context = gan_open(&(gan_config){.seed = 1, .threads = 1, .memory_cap = MOST_TENSOR_BYTES});
    lua_State *L = lua_newstate(allocate, NULL);
    if (!context || !L)
        abort();
    if (files) /* what loading runs, too */
        lua_sethook(L, hook, LUA_MASKLINE, 0);
    lua_pushcfunction(L, open_state);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        abort();
    }
    lua_gc(L, LUA_GCGEN, 0, 0);
    return L;
}

static int with_traceback(lua_State *L)
{
    luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static lua_State *L;
    static int inputs;
    if (!L && inputs == 0)
        begin_noting();
    if (L && ++inputs % INPUTS_A_STATE == 0) {
        lua_close(L);
        if (gan_memory(context).tensors != 0)
            abort();
        gan_close(context);
        L = NULL;
        if (HAS_LEAKED())
            abort();
    }
    if (!L)
        L = fresh_state();
    turns = 0;
    lua_sethook(L, hook, LUA_MASKLINE | LUA_MASKCOUNT, TURN);
    lua_pushcfunction(L, with_traceback);
    lua_getfield(L, LUA_REGISTRYINDEX, "fuzz");
    lua_pushlstring(L, (const char *)bytes, size);
    int status = lua_pcall(L, 1, 0, 1);
    lua_sethook(L, NULL, 0, 0);
    if (status != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        if (status != LUA_ERRMEM && turns <= MOST_TURNS)
            abort();
    }
    lua_settop(L, 0);
    lua_gc(L, LUA_GCSTEP, 0); /* of the young: the modules are old */
    return 0;
}
