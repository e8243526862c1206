/* cancel.c - ending a call before its end: because another thread wants it, or because it has used up what it may.
 *
 * A count hook looks: a hook set from outside would race with the script, and would not reach a coroutine. Once the call
 * is to end, the hook counts every instruction, so that what catches the error is ended by the next one. What takes long
 * between two instructions tells how long (ganlua_spend). The Lua modules of ganlua are spared for a while: they put
 * files, locks and random streams in order as the error passes. */
#include <string.h>

#include <lauxlib.h>

#include "embed/host.h"

enum { PERIOD = 1000, SANDBOX_PERIOD = 100, SPARED = 1000000 };

void ganlua_cancel(ganlua *gl)
{
    pthread_mutex_lock(&gl->cancelling);
    gl->cancelled = true;
    gan_cancel(gl->ctx);
    pthread_mutex_unlock(&gl->cancelling);
}

static int period(const ganlua *gl)
{
    return gl->sandbox ? SANDBOX_PERIOD : PERIOD;
}

static bool is_to_end(ganlua *gl, double work)
{
    bool within = gan_count_work(gl->ctx, work);
    return gl->cancelled || !within;
}

bool ganlua_is_own_code(const char *source)
{
    return strncmp(source, "@ganlua/", 8) == 0;
}

/* Raises where the call is to end, unless the function at hand is to be spared. */
static void end_call(lua_State *L, lua_Debug *at, double work)
{
    ganlua *gl = ganlua_of(L);
    if (lua_gethookcount(L) != 1) /* which takes longer the deeper the calls are */
        lua_sethook(L, ganlua_poll, LUA_MASKCOUNT, 1);
    lua_getinfo(L, "Sl", at);
    if (ganlua_is_own_code(at->source) && (gl->spared += work) < SPARED)
        return;
    if (gl->cancelled)
        luaL_error(L, "cancelled");
    char text[GAN_LIMIT_TEXT];
    gan_limit_text(gl->ctx, text, sizeof text);
    if (at->currentline > 0)
        lua_pushfstring(L, "%s:%d: %s", at->short_src, at->currentline, text);
    else
        lua_pushstring(L, text);
    lua_error(L);
}

void ganlua_poll(lua_State *L, lua_Debug *at)
{
    ganlua *gl = ganlua_of(L);
    int count = lua_gethookcount(L);
    gl->running = L;
    if (is_to_end(gl, count))
        end_call(L, at, count);
    else if (count != period(gl)) /* a coroutine that outlived a cancel, or ganlua_poll_soon */
        lua_sethook(L, ganlua_poll, LUA_MASKCOUNT, period(gl));
}

void ganlua_poll_soon(ganlua *gl)
{
    gan_count_work(gl->ctx, period(gl)); /* what the hook had counted is lost */
    lua_sethook(gl->running, ganlua_poll, LUA_MASKCOUNT, 1);
}

/* Finds the Lua function that is at work: false where there is none. */
bool ganlua_find_code(lua_State *L, lua_Debug *at)
{
    for (int level = 0; lua_getstack(L, level, at); level++) {
        lua_getinfo(L, "S", at);
        if (*at->what != 'C')
            return true;
    }
    return false;
}

void ganlua_spend(lua_State *L, double work)
{
    ganlua *gl = ganlua_of(L);
    lua_Debug at;
    if (is_to_end(gl, work) && ganlua_find_code(L, &at))
        end_call(L, &at, work);
}

void ganlua_watch(ganlua *gl)
{
    gl->spared = 0;
    gl->closing = 0;
    gl->refused = false;
    gl->running = gl->L;
    gan_hold_cancel(gl->ctx, false); /* a coroutine that nobody resumes may have left it */
    gan_limit(gl->ctx, gl->limits);
    lua_sethook(gl->L, ganlua_poll, LUA_MASKCOUNT, gl->cancelled ? 1 : period(gl));
}

int ganlua_unwatch(ganlua *gl, char *text, size_t size)
{
    gl->running = NULL;
    lua_sethook(gl->L, NULL, 0, 0);
    bool within = gan_count_work(gl->ctx, 0);
    gan_limit_text(gl->ctx, text, size);
    gan_limit(gl->ctx, (gan_limits){0});
    pthread_mutex_lock(&gl->cancelling);
    bool cancelled = gl->cancelled;
    gl->cancelled = false;
    gan_clear_cancel(gl->ctx);
    pthread_mutex_unlock(&gl->cancelling);
    return cancelled ? GANLUA_ERROR_CANCELLED : within ? GANLUA_OK : GANLUA_ERROR_LIMIT;
}
