/* system.c - what the modules ask of the context and of the machine: memory, random states, threads,
 * clock, terminal. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "bind.h"

/* ---- The context ---- */

static void set_count(lua_State *L, const char *name, size_t count)
{
    lua_pushinteger(L, (lua_Integer)count);
    lua_setfield(L, -2, name);
}

/* core.memory() -> {live=, peak=, cap=, tensors=, fresh=}, bytes and counts */
static int memory(lua_State *L)
{
    gan_memory_info info = gan_memory(ganlua_context(L));
    lua_createtable(L, 0, 5);
    set_count(L, "live", info.live);
    set_count(L, "peak", info.peak);
    set_count(L, "cap", info.cap);
    set_count(L, "tensors", info.tensors);
    set_count(L, "fresh", info.fresh);
    return 1;
}

/* core.fail_allocations(n): the n-th allocation of the engine from now, and every later one, fails; 0 turns it off. */
static int fail_allocations(lua_State *L)
{
    gan_fail_allocations(ganlua_context(L), ganlua_check_integer(L, 1, "fail_allocations", "n"));
    return 0;
}

/* core.cancel_after(n): the n-th kernel of the engine from now is cancelled, and all after it; 0 turns it off. */
static int cancel_after(lua_State *L)
{
    gan_cancel_after(ganlua_context(L), ganlua_check_integer(L, 1, "cancel_after", "n"));
    return 0;
}

/* core.hold_cancel(on): while on, what is cancelled from outside goes on to the end; see gan_hold_cancel. */
static int hold_cancel(lua_State *L)
{
    lua_pushboolean(L, gan_hold_cancel(ganlua_context(L), lua_toboolean(L, 1)));
    return 1;
}

static void stopped_work(gan_context *ctx, void *argument)
{
    (void)argument;
    gan_check_stopped(ctx);
    gan_spend(ctx, 0);
}

/* core.check_stopped(): raises where ops would: cancelled, or at a limit. For who catches an error and takes it for
 * something else. */
static int check_stopped(lua_State *L)
{
    ganlua_enter(L, stopped_work, NULL);
    return 0;
}

static int threads(lua_State *L)
{
    lua_pushinteger(L, gan_threads(ganlua_context(L)));
    return 1;
}

/* Pushes the names of the kernel sets that this CPU runs, or of all that this build has: "portable, avx2". */
static void push_kernel_sets(lua_State *L, bool all)
{
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    bool first = true;
    for (int i = 0; gan_kernel_set_name(i); i++)
        if (all || gan_runs_kernel_set(gan_kernel_set_name(i))) {
            luaL_addstring(&text, first ? "" : ", ");
            luaL_addstring(&text, gan_kernel_set_name(i));
            first = false;
        }
    luaL_pushresult(&text);
}

static bool is_kernel_set(const char *name)
{
    for (int i = 0; gan_kernel_set_name(i); i++)
        if (strcmp(name, gan_kernel_set_name(i)) == 0)
            return true;
    return false;
}

/* Computes with the set of that name; `what` begins the error's text where there is none to be had. */
static void choose_kernels(lua_State *L, const char *what, const char *name)
{
    if (gan_set_kernel_set(ganlua_context(L), name))
        return;
    bool known = is_kernel_set(name);
    push_kernel_sets(L, !known);
    if (known)
        ganlua_error_at_user(L, "%s: this CPU does not run '%s'; it runs %s", what, name, lua_tostring(L, -1));
    ganlua_error_at_user(L, "%s: wanted one of %s, got '%s'", what, lua_tostring(L, -1), name);
}

/* core.kernels() -> the name of the set in use; core.kernels(name) chooses one first */
static int kernels(lua_State *L)
{
    if (!lua_isnoneornil(L, 1))
        choose_kernels(L, "kernels", ganlua_check_string(L, 1, "kernels", "name", NULL));
    lua_pushstring(L, gan_kernel_set(ganlua_context(L)));
    return 1;
}

/* core.precision() -> how exact products are; core.precision(name) chooses it */
static int precision(lua_State *L)
{
    static const char *const names[] = {"default", "float32", "bf16", NULL}; /* as in gan_precision */
    gan_context *ctx = ganlua_context(L);
    if (!lua_isnoneornil(L, 1))
        gan_set_precision(ctx, (gan_precision)luaL_checkoption(L, 1, NULL, names));
    lua_pushstring(L, names[gan_precision_of(ctx)]);
    return 1;
}

/* core.kernel_sets() -> the names of the sets that this CPU runs, from the least to the best */
static int kernel_sets(lua_State *L)
{
    lua_newtable(L);
    for (int i = 0; gan_kernel_set_name(i); i++)
        if (gan_runs_kernel_set(gan_kernel_set_name(i))) {
            lua_pushstring(L, gan_kernel_set_name(i));
            lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
        }
    return 1;
}

/* core.interrupted() -> false, or the name of the signal that asks the script to end */
static int interrupted(lua_State *L)
{
    const char *name = ganlua_interrupt(L);
    if (name)
        lua_pushstring(L, name);
    else
        lua_pushboolean(L, 0);
    return 1;
}

/* core.forbid_reading(on): while on, handing a tensor's values to Lua or to a file raises. */
static int forbid_reading(lua_State *L)
{
    ganlua_forbid_reading(L, lua_toboolean(L, 1));
    return 0;
}

/* ---- Random numbers ---- */

/* core.seed(n): random numbers start over from n. */
static int seed(lua_State *L)
{
    int64_t n = ganlua_check_integer(L, 1, "seed", "n");
    gan_set_random(ganlua_context(L), (gan_random_state){.seed = (uint64_t)n});
    return 0;
}

/* core.get_random() -> {seed=, stream=, position=} */
static int get_random(lua_State *L)
{
    gan_random_state state = gan_get_random(ganlua_context(L));
    lua_createtable(L, 0, 3);
    set_count(L, "seed", state.seed);
    set_count(L, "stream", state.stream);
    set_count(L, "position", state.position);
    return 1;
}

static uint64_t state_field(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    uint64_t value = lua_isnil(L, -1) ? 0 : (uint64_t)ganlua_check_integer(L, lua_gettop(L), "set_random", name);
    lua_pop(L, 1);
    return value;
}

static int set_random(lua_State *L)
{
    static const char *const names[] = {"seed", "stream", "position", NULL};
    lua_settop(L, 1);
    if (!lua_istable(L, 1))
        ganlua_bad_argument(L, 1, "set_random", "state", "a table {seed=, stream=, position=}");
    ganlua_check_options(L, 1, "set_random", names);
    gan_random_state state = {state_field(L, "seed"), state_field(L, "stream"), state_field(L, "position")};
    gan_set_random(ganlua_context(L), state);
    return 0;
}

/* core.exchange_random() -> seed, stream, position; with three integers, these are the state from now on. The same as
 * get_random and set_random, without tables. */
static int exchange_random(lua_State *L)
{
    gan_context *ctx = ganlua_context(L);
    gan_random_state state = gan_get_random(ctx);
    if (lua_gettop(L) >= 3)
        gan_set_random(ctx, (gan_random_state){(uint64_t)luaL_checkinteger(L, 1), (uint64_t)luaL_checkinteger(L, 2),
                                               (uint64_t)luaL_checkinteger(L, 3)});
    lua_pushinteger(L, (lua_Integer)state.seed);
    lua_pushinteger(L, (lua_Integer)state.stream);
    lua_pushinteger(L, (lua_Integer)state.position);
    return 3;
}

/* core.random(), core.random(m), core.random(m, n): as math.random has it, from the present random state. */
static int draw(lua_State *L)
{
    lua_Integer low = 1, high = 0;
    int count = lua_gettop(L);
    if (count > 2)
        return luaL_error(L, "wrong number of arguments");
    if (count > 0)
        high = luaL_checkinteger(L, count);
    if (count == 2)
        low = luaL_checkinteger(L, 1);
    bool whole = count == 1 && high == 0; /* math.random(0): all bits */
    if (count > 0 && !whole)
        luaL_argcheck(L, low <= high, count, "interval is empty");

    gan_context *ctx = ganlua_context(L);
    uint64_t bits = gan_random_bits(ctx);
    if (count == 0) {
        lua_pushnumber(L, (lua_Number)(bits >> 11) * 0x1p-53);
    } else if (whole) {
        lua_pushinteger(L, (lua_Integer)bits);
    } else { /* what would make a remainder favour some numbers is drawn again */
        uint64_t range = (uint64_t)high - (uint64_t)low + 1;
        while (range != 0 && bits >= UINT64_MAX - UINT64_MAX % range)
            bits = gan_random_bits(ctx);
        lua_pushinteger(L, (lua_Integer)((uint64_t)low + (range ? bits % range : bits)));
    }
    return 1;
}

struct permutation_work {
    int64_t count;
    gan_random_state state;
    gan_tensor *result;
};

static void permutation_work(gan_context *ctx, void *argument)
{
    struct permutation_work *w = argument;
    w->result = gan_from(ctx, GAN_SHAPE(w->count), NULL);
    int64_t *places = gan_scratch(ctx, (size_t)w->count * sizeof *places);
    gan_permutation(w->state, w->count, places);
    gan_real *to = gan_write(w->result);
    for (int64_t i = 0; i < w->count; i++)
        to[i] = (gan_real)(places[i] + 1);
}

/* core.permutation(n, seed, stream) -> a permutation of 1..n, a function of its arguments alone */
static int permutation(lua_State *L)
{
    struct permutation_work w = {.count = ganlua_check_integer(L, 1, "permutation", "n")};
    if (w.count < 0 || w.count > 1 << 24)
        ganlua_error_at_user(L, "permutation: n must be from 0 to 16777216, got %d", (int)w.count);
    w.state.seed = (uint64_t)ganlua_check_integer(L, 2, "permutation", "seed");
    w.state.stream = (uint64_t)ganlua_check_integer(L, 3, "permutation", "stream");
    ganlua_enter(L, permutation_work, &w);
    ganlua_push_tensor(L, w.result);
    return 1;
}

/* ---- Clock and terminal ---- */

/* core.monotonic() -> seconds from some fixed moment */
static int monotonic(lua_State *L)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    lua_pushnumber(L, (lua_Number)now.tv_sec + (lua_Number)now.tv_nsec * 1e-9);
    return 1;
}

/* core.is_terminal("stdin"|"stdout"|"stderr") */
static int is_terminal(lua_State *L)
{
    static const char *const names[] = {"stdin", "stdout", "stderr", NULL};
    lua_pushboolean(L, isatty(luaL_checkoption(L, 1, "stdout", names)));
    return 1;
}

/* core.terminal_size() -> columns, rows of stdout's terminal; 80, 24 where there is none */
static int terminal_size(lua_State *L)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
    lua_pushinteger(L, known ? size.ws_col : 80);
    lua_pushinteger(L, known ? size.ws_row : 24);
    return 2;
}

static const luaL_Reg functions[] = {{"memory", memory},
                                     {"fail_allocations", fail_allocations},
                                     {"cancel_after", cancel_after},
                                     {"hold_cancel", hold_cancel},
                                     {"check_stopped", check_stopped},
                                     {"threads", threads},
                                     {"kernels", kernels},
                                     {"kernel_sets", kernel_sets},
                                     {"precision", precision},
                                     {"interrupted", interrupted},
                                     {"forbid_reading", forbid_reading},
                                     {"seed", seed},
                                     {"get_random", get_random},
                                     {"set_random", set_random},
                                     {"exchange_random", exchange_random},
                                     {"random", draw},
                                     {"permutation", permutation},
                                     {"monotonic", monotonic},
                                     {"is_terminal", is_terminal},
                                     {"terminal_size", terminal_size},
                                     {NULL, NULL}};

void ganlua_add_system(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
    const char *wanted = getenv("GANLUA_KERNELS");
    if (wanted && *wanted)
        choose_kernels(L, "GANLUA_KERNELS", wanted);
}
