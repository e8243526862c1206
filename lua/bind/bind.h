/* bind.h - how Lua meets the engine. Only files under lua/ see lua.h.
 *
 * Invariants:
 * 1. A state has one binding, and the binding one context; coroutines share it.
 * 2. The core is entered only through ganlua_enter. What runs there calls no Lua; a core that fails
 *    comes back to it, the pool is emptied, and only then is a Lua error raised. When memory ran
 *    out, garbage is collected and the work done once more first.
 * 3. A tensor userdata holds one reference. Results are anchored in a userdata before anything else
 *    can raise; what an error leaves in the pool is freed at the next entry. */
#ifndef GANLUA_BIND_H
#define GANLUA_BIND_H

#include <lauxlib.h>
#include <lua.h>

#include "gan.h"

/* ---- For ganlua.c and main.c ---- */

/* The state's context; opens one of its own (seed 1, a thread for each core) where none was adopted. Raises
 * when the state is closing. */
gan_context *ganlua_context(lua_State *L);
/* Makes the state use ctx, which the caller closes after the state. Errors become Lua errors. */
void ganlua_adopt_context(lua_State *L, gan_context *ctx);
/* What core.interrupted() asks: NULL, or the signal's name. Without one, it is always false. */
void ganlua_set_interrupt_poll(lua_State *L, const char *(*poll)(void *user), void *user);

/* What mpirun has told this process, by its environment; a process that it has not started is rank 0 of 1. */
typedef struct ganlua_start {
    int rank, size, local_size; /* local: on this machine */
} ganlua_start;
ganlua_start ganlua_started(void);
/* How many threads each of this machine's ranks should compute with; 0: no word of ranks. */
int ganlua_rank_threads(void);
/* Ends all ranks, if there are others and they were begun. */
void ganlua_abort_ranks(lua_State *L, int code);

/* Pushes the environment of ganlua's own Lua modules; makes it, from what is global now, where there is none. */
void ganlua_push_environment(lua_State *L);

/* Pops a table that is that environment from now on; before ganlua is opened. */
void ganlua_adopt_environment(lua_State *L);

/* ---- For the files of bind ---- */

struct ganlua_tensor {
    gan_tensor *t; /* NULL once freed */
    bool is_slice; /* made by t[i]: a copy, which it would be a mistake to change in place */
};

typedef void ganlua_work(gan_context *ctx, void *argument);

/* Runs work, which calls the core and not Lua. Raises what the core fails with. Paces the collector. */
void ganlua_enter(lua_State *L, ganlua_work *work, void *argument);
/* True inside a finalizer (Lua 5.4.4 and later): there the collector answers no question. */
static inline bool ganlua_in_finalizer(lua_State *L)
{
    return lua_gc(L, LUA_GCCOUNT) < 0;
}
/* Collects garbage when more than half of the memory cap is used: for work that cannot be done twice. */
void ganlua_collect_if_tight(lua_State *L);

/* While a schedule is replayed, tensors do not have the values that they had then: whoever hands a value to Lua asks
 * first, and this raises. */
void ganlua_check_reading(lua_State *L);
void ganlua_forbid_reading(lua_State *L, bool forbidden);

/* What the interrupt poll answers: NULL, or the signal's name. */
const char *ganlua_interrupt(lua_State *L);

/* Pushes a userdata that holds no tensor yet. */
struct ganlua_tensor *ganlua_push_empty(lua_State *L);
/* Pushes a userdata that holds t; then the pool is empty. */
void ganlua_push_tensor(lua_State *L, gan_tensor *t);
/* The tensor at index, or NULL when there is something else; raises for one that was freed. */
gan_tensor *ganlua_to_tensor(lua_State *L, int index);
/* The tensor at index; raises naming the function and the argument. */
gan_tensor *ganlua_check_tensor(lua_State *L, int index, const char *function, const char *argument);
/* The userdata at index, or NULL when it is something else. */
struct ganlua_tensor *ganlua_to_userdata(lua_State *L, int index);
/* A list of tensors at index (their array in a userdata left on the stack). */
gan_tensor **ganlua_check_tensors(lua_State *L, int index, const char *function, const char *argument, int *count);

/* Raises an error at the line of the user's code that led here (the first caller outside ganlua's own modules). */
_Noreturn void ganlua_error_at_user(lua_State *L, const char *format, ...);
/* Raises "function: argument 'name' must be <wanted>, got <what came>". */
_Noreturn void ganlua_bad_argument(lua_State *L, int index, const char *function, const char *argument,
                                   const char *wanted);
/* Raises for the first key of the table at index that is not in names (NULL ends it), with the nearest that is. */
void ganlua_check_options(lua_State *L, int index, const char *function, const char *const names[]);
/* Reads sizes: a table of whole numbers at index, or numbers from index to the top. */
gan_shape ganlua_check_shape(lua_State *L, int index, const char *function);
/* A 1-based dimension of a tensor of that rank, negative from the end, as a 0-based axis. */
int ganlua_check_axis(lua_State *L, int index, const char *function, const char *argument, int rank);
double ganlua_check_number(lua_State *L, int index, const char *function, const char *argument);
const char *ganlua_check_string(lua_State *L, int index, const char *function, const char *argument, size_t *length);
int64_t ganlua_check_integer(lua_State *L, int index, const char *function, const char *argument);

/* What each file adds to the table of core functions on the top of the stack. */
void ganlua_add_catalogue(lua_State *L); /* ops, to the table and to the methods under it */
void ganlua_add_tensor(lua_State *L);
void ganlua_add_gradients(lua_State *L);
void ganlua_add_system(lua_State *L);
void ganlua_add_files(lua_State *L);
void ganlua_add_pictures(lua_State *L);
void ganlua_add_albums(lua_State *L);
void ganlua_add_json(lua_State *L);
void ganlua_add_digest(lua_State *L);
void ganlua_add_process(lua_State *L);
void ganlua_add_measures(lua_State *L);
void ganlua_add_terminal(lua_State *L);
void ganlua_add_view(lua_State *L);
void ganlua_add_ranks(lua_State *L);
/* Pushes the table of tensor methods, or their metatable; makes both at first. */
void ganlua_push_methods(lua_State *L);
void ganlua_push_metatable(lua_State *L);

#endif
