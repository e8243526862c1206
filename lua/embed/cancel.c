/* cancel.c - ending a call from another thread.
 *
 * A count hook looks at the flag: a hook set from outside would race with the script, and would not reach a coroutine.
 * Once cancelled, the hook counts every instruction, so that what catches the error is ended by the next one. The Lua
 * modules of ganlua are spared for a while: they put files, locks and random streams in order as the error passes. */
#include <string.h>

#include <lauxlib.h>

#include "embed/host.h"

enum { PERIOD = 1000, SPARED = 1000000 };

void ganlua_cancel(ganlua *gl)
{
    pthread_mutex_lock(&gl->cancelling);
    gl->cancelled = true;
    gan_cancel(gl->ctx);
    pthread_mutex_unlock(&gl->cancelling);
}

void ganlua_poll(lua_State *L, lua_Debug *at)
{
    ganlua *gl = ganlua_of(L);
    if (!gl->cancelled) {
        if (lua_gethookcount(L) != PERIOD) /* a coroutine that outlived a cancel */
            lua_sethook(L, ganlua_poll, LUA_MASKCOUNT, PERIOD);
        return;
    }
    lua_sethook(L, ganlua_poll, LUA_MASKCOUNT, 1);
    lua_getinfo(L, "S", at);
    if (strncmp(at->source, "@ganlua/", 8) == 0 && gl->spared++ < SPARED)
        return;
    luaL_error(L, "cancelled");
}

void ganlua_watch(ganlua *gl)
{
    gl->spared = 0;
    lua_sethook(gl->L, ganlua_poll, LUA_MASKCOUNT, gl->cancelled ? 1 : PERIOD);
}

bool ganlua_unwatch(ganlua *gl)
{
    lua_sethook(gl->L, NULL, 0, 0);
    pthread_mutex_lock(&gl->cancelling);
    bool cancelled = gl->cancelled;
    gl->cancelled = false;
    gan_clear_cancel(gl->ctx);
    pthread_mutex_unlock(&gl->cancelling);
    return cancelled;
}
