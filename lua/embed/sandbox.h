/* sandbox.h - what the sandbox puts in place of functions of Lua's library: they do the same, and tell how long they
 * take (ganlua_spend). Each function here adds some of them to the table on the top of the stack, which has Lua's own. */
#ifndef GANLUA_SANDBOX_H
#define GANLUA_SANDBOX_H

#include <stdbool.h>

#include <lua.h>

void ganlua_add_patterns(lua_State *L);   /* find, match, gmatch, gsub */
void ganlua_add_strings(lua_State *L);    /* the others of string that take long */
void ganlua_add_tables(lua_State *L);     /* table */
void ganlua_add_coroutines(lua_State *L); /* coroutine */

/* Replaces field `name` of that table by one that counts the bytes of its first argument, or what it returns. */
void ganlua_count_argument(lua_State *L, const char *name);
void ganlua_count_results(lua_State *L, const char *name);
/* Replaces utf8's `codes`. */
void ganlua_count_codes(lua_State *L);

/* Leaves the state's globals with what the sandbox allows, and gives ganlua's own modules what they need. Called once,
 * protected, in a state with all of Lua's libraries and ganlua's settings. */
void ganlua_enter_sandbox(lua_State *L);

/* The most bytes of a chunk, and of a string that a script makes: what looks at one whole is not interrupted. */
enum { SANDBOX_CHUNK = 256 << 10, SANDBOX_STRING = 512 << 10 };
/* Whether the script makes a string of so many bytes, which is longer; ganlua's own modules may. */
bool ganlua_is_too_long(lua_State *L, double bytes);

/* luaL_loadbufferx for text, counted as it is compiled (chunk.c). Raises where the call is to end. */
int ganlua_compile(lua_State *L, const char *text, size_t length, const char *name);
/* load(chunk [, name [, mode [, environment]]]) -> function; or nil, why not */
int ganlua_sandbox_load(lua_State *L);

#endif
