/* sandbox.c - the state that scripts find in the sandbox.
 *
 * 1. It is an allow-list: sandbox.lua names what is there, and nothing else is.
 * 2. ganlua's own modules have another set of library tables, which no script can reach: the same functions, those of
 *    the sandbox in place of what takes long, and a few that they alone need.
 * 3. No table gets a finalizer: __gc would run where no hook looks. */
#include <string.h>
#include <time.h>

#include <lauxlib.h>

#include "bind/bind.h"
#include "embed/host.h"
#include "embed/sandbox.h"

/* ---- Functions of Lua's base ---- */

/* A message handler that calls the one in its upvalue, except for the error that ends the call: that one comes from
 * the hook, and while it is handled there are no hooks. */
static int handle(lua_State *L)
{
    ganlua *gl = ganlua_of(L);
    lua_settop(L, 1);
    if (gl->cancelled || !gan_count_work(gl->ctx, 0))
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

static int finish_xpcall(lua_State *L, int status, lua_KContext first)
{
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L) - (int)first;
    lua_pushboolean(L, 0);
    lua_insert(L, -2);
    return 2;
}

/* xpcall(f, handler, ...) */
static int protected_call(lua_State *L)
{
    int arguments = lua_gettop(L) - 2;
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, handle, 1);
    lua_replace(L, 2);
    lua_pushboolean(L, 1);
    lua_pushvalue(L, 1);
    lua_rotate(L, 3, 2); /* f, handler, true, f, arguments */
    return finish_xpcall(L, lua_pcallk(L, arguments, LUA_MULTRET, 2, 2, finish_xpcall), 2);
}

/* object[key], for an object of the class in the upvalue: its methods, and not the metamethods. */
static int find_method(lua_State *L)
{
    if (lua_type(L, 2) == LUA_TSTRING && strncmp(lua_tostring(L, 2), "__", 2) == 0)
        return 0;
    lua_settop(L, 2);
    lua_gettable(L, lua_upvalueindex(1));
    return 1;
}

/* A class that is its own __index would hand itself, a metatable, to whoever asks an object for "__index". */
static void hide_class(lua_State *L, int class)
{
    lua_pushliteral(L, "__index");
    lua_pushvalue(L, -1);
    lua_rawget(L, class);
    if (lua_rawequal(L, -1, class)) {
        lua_pop(L, 1);
        lua_pushvalue(L, class);
        lua_pushcclosure(L, find_method, 1);
        lua_rawset(L, class);
    } else {
        lua_pop(L, 2);
    }
}

/* setmetatable(t, metatable or nil [, of the script]), for ganlua's modules and under the script's. */
static int set_metatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "nil or table");
    bool of_script = lua_toboolean(L, 3);
    lua_settop(L, 2);
    if (lua_istable(L, 2)) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "setmetatable: the sandbox has no finalizers (__gc)");
        lua_pop(L, 1);
        if (!of_script)
            hide_class(L, 2);
    }
    lua_setmetatable(L, 1);
    return 1;
}

/* core.spend(work): counts it */
static int spend(lua_State *L)
{
    ganlua_spend(L, luaL_checknumber(L, 1));
    return 0;
}

/* ---- The environment of ganlua's own modules ---- */

/* Pushes a copy of the table of that name in the globals, with the named fields only, where names are given. */
static void push_copy(lua_State *L, const char *library, const char *const names[])
{
    lua_newtable(L);
    lua_getglobal(L, library);
    if (names) {
        for (int i = 0; names[i]; i++) {
            lua_getfield(L, -1, names[i]);
            lua_setfield(L, -3, names[i]);
        }
    } else {
        for (lua_pushnil(L); lua_next(L, -2);) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, -5);
        }
    }
    lua_pop(L, 1);
}

static void add_library(lua_State *L, const char *library, void (*add)(lua_State *L), const char *const names[])
{
    push_copy(L, library, names);
    if (add)
        add(L);
    lua_setfield(L, -2, library);
}

static void add_utf8(lua_State *L)
{
    ganlua_count_argument(L, "len");
    ganlua_count_argument(L, "offset");
    ganlua_count_results(L, "codepoint");
    ganlua_count_codes(L);
}

static void add_os(lua_State *L)
{
    ganlua_count_argument(L, "date");
}

static void push_own_environment(lua_State *L)
{
    static const char *const base[] = {"_G",       "_VERSION", "assert",  "error",          "ipairs",
                                       "next",     "pairs",    "pcall",   "print",          "select",
                                       "rawequal", "rawget",   "rawlen",  "rawset",         "type",
                                       "tonumber", "tostring", "require", "collectgarbage", NULL};
    static const char *const os[] = {"time", "clock", "date", NULL};
    static const char *const debug[] = {"getinfo", "getmetatable", "getupvalue", "traceback", NULL};
    static const char *const package[] = {"loaded", NULL};
    static const luaL_Reg functions[] = {
        {"load", ganlua_sandbox_load}, {"xpcall", protected_call}, {"setmetatable", set_metatable}, {NULL, NULL}};
    push_copy(L, "_G", base);
    luaL_setfuncs(L, functions, 0);
    ganlua_count_argument(L, "tonumber");
    add_library(L, "coroutine", ganlua_add_coroutines, NULL);
    add_library(L, "table", ganlua_add_tables, NULL);
    add_library(L, "math", NULL, NULL);
    add_library(L, "utf8", add_utf8, NULL);
    add_library(L, "os", add_os, os);
    add_library(L, "debug", NULL, debug);
    add_library(L, "package", NULL, package);
    push_copy(L, "string", NULL);
    ganlua_add_strings(L);
    ganlua_add_patterns(L);
    lua_pushnil(L);
    lua_setfield(L, -2, "dump");
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index"); /* ("x"):rep is the sandbox's too */
    lua_pop(L, 2);
    lua_setfield(L, -2, "string");
    lua_getfield(L, -1, "debug");
    lua_getfield(L, -1, "getmetatable"); /* locked ones too */
    lua_setfield(L, -3, "getmetatable");
    lua_pop(L, 1);
}

void ganlua_enter_sandbox(lua_State *L)
{
    tzset(); /* os.date reads the time zone's file: now, and not when a script asks */
    push_own_environment(L);
    ganlua_adopt_environment(L);
    luaL_requiref(L, "ganlua", ganlua_open_embedded, 0);
    lua_pop(L, 1);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "ganlua.core");
    lua_pushcfunction(L, spend);
    lua_setfield(L, -2, "spend");
    lua_getglobal(L, "require");
    lua_pushliteral(L, "ganlua.sandbox");
    lua_call(L, 1, 0);
    lua_pop(L, 2);
}
