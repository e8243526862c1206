/* host.h - what the files of the embedding interface share. See ganlua.h for what a program sees.
 *
 * Invariants:
 * 1. A state's extra space holds its ganlua; Lua copies it to every coroutine.
 * 2. Only ganlua_cancel is called from other threads; it touches nothing but `cancelled` and the context's own flag,
 *    both under the lock, so that they are always equal. */
#ifndef GANLUA_HOST_H
#define GANLUA_HOST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <lua.h>

#include "gan.h"
#include "ganlua.h"

struct ganlua {
    gan_context *ctx;
    lua_State *L;
    char *error; /* the last call's message, or NULL; NO_MEMORY in ganlua.c when there was no room for it */
    pthread_mutex_t cancelling;
    atomic_bool cancelled;
    int outcome;       /* what work() below reports without raising: a GANLUA_ code */
    lua_State *script; /* of ganlua_start_*: kept in the registry, or NULL */
    bool stepping;
    int failure; /* Lua's status of the error that ended the script */
    ganlua_log *log;
    void *log_user;
    ganlua_progress_callback *progress;
    void *progress_user;
    double spared; /* instructions that ganlua's own modules got after the end of the call, to put things in order */
    gan_limits limits; /* of a call */
    bool sandbox;
    bool refused;       /* in this call: a string that was too long */
    int closing;        /* coroutines that are being closed inside each other */
    lua_State *running; /* inside a call: the coroutine that runs, as far as is known */
};

static inline ganlua *ganlua_of(lua_State *L)
{
    return *(ganlua **)lua_getextraspace(L);
}

/* Calls work(argument as light userdata) protected, watched for a cancel; sets the error. Returns a GANLUA_ code. */
int ganlua_protect(ganlua *gl, lua_CFunction work, void *argument);

/* Makes `message` what ganlua_error tells, and `code` what the running ganlua_protect returns. */
void ganlua_report(ganlua *gl, int code, const char *message);
/* A message handler: makes any error value a message with a traceback, if it does not bring its own. */
int ganlua_explain(lua_State *L);

/* A script and its arguments. */
struct ganlua_script {
    const char *path; /* or NULL */
    const char *code;
    size_t length;
    const char *name; /* of the code, in messages */
    int argc;
    char *const *argv;
    int loaded; /* luaL_load*'s status */
};
/* Pushes the script's function and arguments, whose number it returns; raises where it does not load. */
int ganlua_load_script(lua_State *L, struct ganlua_script *script);
/* What a load that raised is called. */
int ganlua_load_status(const struct ganlua_script *script, int status);
/* require "ganlua" in a ganlua's state: the module, which tells this program what goes on. */
int ganlua_open_embedded(lua_State *L);

/* Watches L, and the coroutines that it makes, for a cancel; L is the state's main thread. */
void ganlua_watch(ganlua *gl);
/* Ends that; tells whether a cancel came, which is forgotten, or a limit was reached, in words too: GANLUA_OK, or one of
 * those errors. */
int ganlua_unwatch(ganlua *gl, char *text, size_t size);
/* The hook that watches. */
void ganlua_poll(lua_State *L, lua_Debug *at);
/* Has it look at the next instruction already: after something that took long. Cannot fail; inside a call only. */
void ganlua_poll_soon(ganlua *gl);
/* Counts work that no hook sees, before or while it is done; raises where the call is to end. */
void ganlua_spend(lua_State *L, double work);
/* Whether a chunk of that name is one of ganlua's modules. */
bool ganlua_is_own_code(const char *source);
/* The innermost Lua function, of which "S" is told; false where only C runs. */
bool ganlua_find_code(lua_State *L, lua_Debug *at);

#endif
