/* module.c - `require "ganlua"`: the core's functions and the Lua modules that the binary carries.
 *
 * The modules have an environment of their own: the names that are global when ganlua is opened, with what they mean
 * then. What a script does to its globals later does not reach them; _G there is still the script's. */
#include <string.h>

#include "bind.h"
#include "embed/embed.h"
#include "ganlua.h"

/* `require "ganlua.core"` */
static int open_core(lua_State *L)
{
    lua_newtable(L);
    ganlua_add_catalogue(L);
    ganlua_add_tensor(L);
    ganlua_add_gradients(L);
    ganlua_add_system(L);
    ganlua_add_files(L);
    ganlua_add_pictures(L);
    ganlua_add_albums(L);
    ganlua_add_json(L);
    ganlua_add_digest(L);
    ganlua_add_process(L);
    ganlua_add_measures(L);
    ganlua_add_terminal(L);
    ganlua_add_view(L);
    ganlua_add_ranks(L);
    return 1;
}

static const char environment_key;

void ganlua_push_environment(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &environment_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushglobaltable(L);
    for (lua_pushnil(L); lua_next(L, -2);) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -5);
    }
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &environment_key);
}

void ganlua_adopt_environment(lua_State *L)
{
    lua_rawsetp(L, LUA_REGISTRYINDEX, &environment_key);
}

/* Runs the source that the upvalue points to; arguments: the module's name and where it is from. */
static int load_source(lua_State *L)
{
    const struct ganlua_source *source = lua_touserdata(L, lua_upvalueindex(1));
    if (luaL_loadbufferx(L, source->text, source->length, source->chunk, "t") != LUA_OK)
        return lua_error(L);
    ganlua_push_environment(L);
    lua_setupvalue(L, -2, 1);
    lua_pushstring(L, source->module);
    lua_call(L, 1, 1);
    return 1;
}

/* Every module is preloaded under its name; "ganlua" itself runs at once. */
int luaopen_ganlua(lua_State *L)
{
    const struct ganlua_source *first = NULL;
    ganlua_push_environment(L);
    lua_pop(L, 1);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, open_core);
    lua_setfield(L, -2, "ganlua.core");
    for (const struct ganlua_source *source = ganlua_sources; source->module; source++) {
        if (strcmp(source->module, "ganlua") == 0) {
            first = source;
            continue;
        }
        lua_pushlightuserdata(L, (void *)source);
        lua_pushcclosure(L, load_source, 1);
        lua_setfield(L, -2, source->module);
    }
    lua_pop(L, 1);
    lua_pushlightuserdata(L, (void *)first);
    lua_pushcclosure(L, load_source, 1);
    lua_pushliteral(L, "ganlua");
    lua_call(L, 1, 1);
    return 1;
}
