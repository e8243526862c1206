/* coroutines.c - coroutine's functions in the sandbox.
 *
 * 1. Each coroutine is watched, and what it is resumed for is counted. One that ends because the call ends takes who
 *    resumed it along.
 * 2. An error has closed all that the coroutine closes before it leaves it. An error of the hook would else leave it with
 *    hooks turned off, for whatever is closed later to run unwatched.
 * 3. Closing coroutines inside each other's closing is bounded: Lua 5.4.4 does not count how deep the C stack is there. */
#include <lauxlib.h>

#include "embed/host.h"
#include "embed/sandbox.h"

/* Instructions: what a new coroutine can hide from the count, and what changing to one takes. */
enum { CREATION = 200, RESUMPTION = 20, DEEPEST = 50 };

/* ---- The body of a coroutine ---- */

static int pass_on(lua_State *L, int status, lua_KContext context)
{
    (void)context;
    return status == LUA_OK || status == LUA_YIELD ? lua_gettop(L) : lua_error(L);
}

/* Calls the upvalue. */
static int body(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    return pass_on(L, lua_pcallk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, 0, pass_on), 0);
}

/* create(f) -> coroutine */
static int create(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    ganlua_spend(L, CREATION);
    lua_State *made = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, body, 1);
    lua_xmove(L, made, 1);
    return 1;
}

/* ---- Resuming ---- */

static lua_State *check_coroutine(lua_State *L)
{
    lua_State *other = lua_tothread(L, 1);
    luaL_argexpected(L, other, 1, "coroutine");
    return other;
}

/* Resumes with the `count` values on the top of L's stack; leaves there how many it returns, or -1 for an error. */
static int change_to(lua_State *L, lua_State *other, int count)
{
    ganlua *gl = ganlua_of(L);
    ganlua_spend(L, RESUMPTION);
    if (!lua_checkstack(other, count)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    lua_xmove(L, other, count);
    gl->running = other;
    int results, status = lua_resume(other, L, count, &results);
    gl->running = L;
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(other, L, 1);
        ganlua_spend(L, 0); /* was it the end of the call? */
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(other, results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(other, L, results);
    return results;
}

/* resume(coroutine, ...) -> true, results; or false, error */
static int resume(lua_State *L)
{
    lua_State *other = check_coroutine(L);
    int results = change_to(L, other, lua_gettop(L) - 1);
    lua_pushboolean(L, results >= 0);
    int first = results >= 0 ? -results - 1 : -2;
    lua_insert(L, first);
    return -first;
}

/* What wrap returns: resumes the upvalue, and raises its errors, with the place where they arrive. */
static int resume_wrapped(lua_State *L)
{
    int results = change_to(L, lua_tothread(L, lua_upvalueindex(1)), lua_gettop(L));
    if (results >= 0)
        return results;
    if (lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int wrap(lua_State *L)
{
    create(L);
    lua_pushcclosure(L, resume_wrapped, 1);
    return 1;
}

/* close(coroutine) -> true; or false, the error that closing raised or that ended it */
static int close_coroutine(lua_State *L)
{
    lua_State *other = check_coroutine(L);
    lua_Debug at;
    ganlua *gl = ganlua_of(L);
    int status = lua_status(other);
    bool active = other == L || (status == LUA_OK && lua_getstack(other, 0, &at));
    if (active)
        return luaL_error(L, "cannot close a %s coroutine", other == L ? "running" : "normal");
    if (gl->closing == DEEPEST)
        return luaL_error(L, "coroutines are closed inside each other more than %d deep", DEEPEST);
    ganlua_spend(L, RESUMPTION);
    gl->closing++;
    gl->running = other;
    status = lua_resetthread(other);
    gl->running = L;
    gl->closing--;
    lua_pushboolean(L, status == LUA_OK);
    if (status == LUA_OK)
        return 1;
    lua_xmove(other, L, 1);
    ganlua_spend(L, 0);
    return 2;
}

void ganlua_add_coroutines(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"create", create}, {"resume", resume}, {"wrap", wrap}, {"close", close_coroutine}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
