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
    int spared; /* instructions that ganlua's own modules got after the cancel, to put things in order */
};

static inline ganlua *ganlua_of(lua_State *L)
{
    return *(ganlua **)lua_getextraspace(L);
}

/* Calls work(argument as light userdata) protected, watched for a cancel; sets the error. Returns a GANLUA_ code. */
int ganlua_protect(ganlua *gl, lua_CFunction work, void *argument);

/* Watches L, and the coroutines that it makes, for a cancel; L is the state's main thread. */
void ganlua_watch(ganlua *gl);
/* Ends that; tells whether a cancel came, which is forgotten. */
bool ganlua_unwatch(ganlua *gl);
/* The hook that watches. */
void ganlua_poll(lua_State *L, lua_Debug *at);

#endif
