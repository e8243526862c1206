/* step.c - a script that runs one move at a time, and what ganlua tells the program while it runs.
 *
 * The script is a coroutine. core.move_made, which the trainer calls after each move, yields it; so do the coroutines in
 * which gan.schedule's combinations play (core.passes_moves), which hand the yield on. */
#include <math.h>
#include <string.h>

#include <lauxlib.h>

#include "embed/host.h"

static const char script_key, passing_key;

/* ---- What the Lua side calls ---- */

static void push_passing(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &passing_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &passing_key);
}

/* Whether a yield of this coroutine arrives at ganlua_step. */
static bool is_passing(lua_State *L)
{
    ganlua *gl = ganlua_of(L);
    if (!gl->stepping || L == gl->script)
        return gl->stepping;
    push_passing(L);
    lua_pushthread(L);
    bool passing = lua_rawget(L, -2) != LUA_TNIL;
    lua_pop(L, 2);
    return passing;
}

/* core.passes_moves(coroutine): whoever calls this hands on what the coroutine yields. */
static int passes_moves(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTHREAD);
    if (is_passing(L)) {
        push_passing(L);
        lua_pushvalue(L, 1);
        lua_pushboolean(L, 1);
        lua_rawset(L, -3);
    }
    return 0;
}

/* core.move_made() */
static int move_made(lua_State *L)
{
    return lua_isyieldable(L) && is_passing(L) ? lua_yield(L, 0) : 0;
}

/* core.tell(text) */
static int log_text(lua_State *L)
{
    ganlua *gl = ganlua_of(L);
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    if (gl->log)
        gl->log(gl->log_user, text, length);
    return 0;
}

static double metric(lua_State *L, int table, const char *name)
{
    double value = lua_getfield(L, table, name) == LUA_TNUMBER ? lua_tonumber(L, -1) : NAN;
    lua_pop(L, 1);
    return value;
}

/* core.progress(iteration, planned, images, metrics) */
static int tell_progress(lua_State *L)
{
    ganlua *gl = ganlua_of(L);
    if (!gl->progress)
        return 0;
    ganlua_progress now = {.size = sizeof now,
                           .iteration = lua_tointeger(L, 1),
                           .planned = lua_tointeger(L, 2),
                           .images = lua_tointeger(L, 3),
                           .d_loss = metric(L, 4, "d_loss"),
                           .g_loss = metric(L, 4, "g_loss"),
                           .real = metric(L, 4, "real"),
                           .fake = metric(L, 4, "fake"),
                           .accuracy = metric(L, 4, "accuracy")};
    gl->progress(gl->progress_user, &now);
    return 0;
}

int ganlua_open_embedded(lua_State *L)
{
    static const luaL_Reg functions[] = {{"move_made", move_made},
                                         {"passes_moves", passes_moves},
                                         {"tell", log_text},
                                         {"progress", tell_progress},
                                         {NULL, NULL}};
    lua_settop(L, 0);
    luaopen_ganlua(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "ganlua.core");
    luaL_setfuncs(L, functions, 0);
    lua_settop(L, 1);
    return 1;
}

void ganlua_on_log(ganlua *gl, ganlua_log *callback, void *user)
{
    gl->log = callback;
    gl->log_user = user;
}

void ganlua_on_progress(ganlua *gl, ganlua_progress_callback *callback, void *user)
{
    gl->progress = callback;
    gl->progress_user = user;
}

/* ---- Starting and stepping ---- */

/* Nothing is started any more: pushes the thread of what was, which lives as long as it is on the stack. */
static void forget_script(lua_State *L, ganlua *gl)
{
    gl->script = NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &script_key);
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &script_key);
}

/* What the script's thread runs: the script, its upvalue. An error has closed all that it closes, watched, before it
 * leaves here; one that came from the hook would leave the thread with hooks turned off for what is closed later. */
static int pass_on(lua_State *L, int status, lua_KContext context)
{
    (void)context;
    if (status == LUA_OK || status == LUA_YIELD)
        return 0;
    ganlua_of(L)->failure = status;
    return lua_error(L);
}

static int run_script(lua_State *L)
{
    lua_pushcfunction(L, ganlua_explain);
    lua_insert(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 2);
    return pass_on(L, lua_pcallk(L, lua_gettop(L) - 2, 0, 1, 0, pass_on), 0);
}

static int start_protected(lua_State *L)
{
    ganlua *gl = ganlua_of(L);
    lua_State *before = gl->script;
    forget_script(L, gl);
    if (before)
        lua_resetthread(before); /* closes what is to be closed */
    lua_State *script = lua_newthread(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &script_key);
    int count = ganlua_load_script(L, lua_touserdata(L, 1));
    if (!lua_checkstack(script, count + 1))
        return luaL_error(L, "too many arguments");
    lua_pushvalue(L, -count - 1);
    lua_pushcclosure(L, run_script, 1);
    lua_replace(L, -count - 2);
    lua_xmove(L, script, count + 1);
    gl->script = script;
    return 0;
}

static int start(ganlua *gl, struct ganlua_script *script)
{
    return ganlua_load_status(script, ganlua_protect(gl, start_protected, script));
}

int ganlua_start_file(ganlua *gl, const char *path, int argc, char *const argv[])
{
    return start(gl, &(struct ganlua_script){.path = path, .argc = argv ? argc : 0, .argv = argv});
}

int ganlua_start_string(ganlua *gl, const char *code)
{
    return start(gl, &(struct ganlua_script){.code = code, .length = strlen(code)});
}

static int step_protected(lua_State *L)
{
    ganlua *gl = ganlua_of(L);
    lua_State *script = gl->script;
    if (!script)
        return 0;
    int results, status = lua_status(script);
    int count = status == LUA_YIELD ? 0 : lua_gettop(script) - 1;
    gl->failure = LUA_OK;
    gl->stepping = true;
    gl->running = script;
    status = lua_resume(script, L, count, &results);
    gl->running = L;
    gl->stepping = false;
    if (status == LUA_YIELD) {
        lua_pop(script, results);
        gl->outcome = GANLUA_MORE;
        return 0;
    }
    forget_script(L, gl);
    if (status == LUA_OK)
        return 0;
    const char *message = lua_tostring(script, -1); /* ganlua_explain's, a string */
    ganlua_report(gl, status == LUA_ERRMEM || gl->failure == LUA_ERRMEM ? GANLUA_ERROR_MEMORY : GANLUA_ERROR_SCRIPT,
                  message ? message : "not enough memory");
    return 0;
}

int ganlua_step(ganlua *gl)
{
    int status = ganlua_protect(gl, step_protected, NULL);
    gl->stepping = false;
    return status;
}
