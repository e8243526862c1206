/* bind.c - the binding of a state: its context, entering the core, errors, arguments. See bind.h. */
#include "bind.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

/* ---- The binding ---- */

struct binding {
    gan_context *ctx;
    bool owned;
    jmp_buf *catch;
    gan_error kind;
    char message[1024];
    size_t least; /* of gan_memory.live since garbage was last collected */
    const char *(*poll)(void *user);
    void *poll_user;
    bool reading_forbidden;
};

static const char binding_key, tensor_key, methods_key;

/* The core has failed: back to ganlua_enter. */
static void on_fail(void *user, gan_error kind, const char *message)
{
    struct binding *b = user;
    b->kind = kind;
    snprintf(b->message, sizeof b->message, "%s", message);
    longjmp(*b->catch, 1);
}

static int close_binding(lua_State *L)
{
    struct binding *b = lua_touserdata(L, 1);
    if (b->owned)
        gan_close(b->ctx);
    b->ctx = NULL;
    return 0;
}

static struct binding *find_binding(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &binding_key);
    struct binding *b = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return b;
}

static struct binding *make_binding(lua_State *L)
{
    struct binding *b = lua_newuserdatauv(L, sizeof *b, 0);
    *b = (struct binding){0};
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, close_binding);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &binding_key);
    return b;
}

void ganlua_adopt_context(lua_State *L, gan_context *ctx)
{
    struct binding *b = make_binding(L);
    b->ctx = ctx;
    gan_set_on_fail(ctx, on_fail, b);
}

static struct binding *binding(lua_State *L)
{
    struct binding *b = find_binding(L);
    if (!b) {
        b = make_binding(L);
        b->ctx = gan_open(&(gan_config){.threads = ganlua_rank_threads(), .seed = 1, .on_fail = on_fail, .user = b});
        if (!b->ctx)
            luaL_error(L, "ganlua: not enough memory to open");
        b->owned = true;
    }
    return b;
}

gan_context *ganlua_context(lua_State *L)
{
    gan_context *ctx = binding(L)->ctx;
    if (!ctx)
        luaL_error(L, "ganlua: this state is closing");
    return ctx;
}

void ganlua_set_interrupt_poll(lua_State *L, const char *(*poll)(void *user), void *user)
{
    struct binding *b = binding(L);
    b->poll = poll;
    b->poll_user = user;
}

const char *ganlua_interrupt(lua_State *L)
{
    struct binding *b = binding(L);
    return b->poll ? b->poll(b->poll_user) : NULL;
}

void ganlua_forbid_reading(lua_State *L, bool forbidden)
{
    binding(L)->reading_forbidden = forbidden;
}

void ganlua_check_reading(lua_State *L)
{
    if (binding(L)->reading_forbidden)
        ganlua_error_at_user(L, "a tensor is read while the schedule is replayed up to where the run was cut off: the "
                                "values of that time are gone. Read it in game:measure(function() return ... end), "
                                "whose results are kept");
}

/* ---- Entering the core ---- */

/* Tensors weigh little in Lua and much outside: the collector is told when an eighth more bytes (8 MB at least) are alive
 * than at the least since it last ran. What was freed without it does not count. */
static void pace_collector(lua_State *L, struct binding *b)
{
    gan_memory_info memory = gan_memory(b->ctx);
    if (memory.live < b->least)
        b->least = memory.live;
    size_t due = b->least / 8 > (size_t)8 << 20 ? b->least / 8 : (size_t)8 << 20;
    if (memory.live - b->least < due)
        return;
    lua_gc(L, LUA_GCCOLLECT);
    b->least = gan_memory(b->ctx).live;
}

void ganlua_collect_if_tight(lua_State *L)
{
    struct binding *b = binding(L);
    gan_memory_info memory = gan_memory(b->ctx);
    if (memory.cap == 0 || memory.live <= memory.cap / 2)
        return;
    lua_gc(L, LUA_GCCOLLECT);
    lua_gc(L, LUA_GCCOLLECT); /* what the first cycle's finalizers let go of */
}

/* Does the work; false when the core failed, the pool being empty again. */
static bool attempt(struct binding *b, ganlua_work *work, void *argument)
{
    jmp_buf here;
    b->catch = &here;
    if (setjmp(here) == 0) {
        work(b->ctx, argument);
        b->catch = NULL;
        return true;
    }
    b->catch = NULL;
    gan_pool_release(b->ctx, 0);
    return false;
}

void ganlua_enter(lua_State *L, ganlua_work *work, void *argument)
{
    struct binding *b = binding(L);
    if (!b->ctx)
        luaL_error(L, "ganlua: this state is closing");
    if (ganlua_in_finalizer(L)) /* the call it interrupted holds the pool and its arguments */
        ganlua_error_at_user(L, "a finalizer (__gc) cannot work with tensors");
    gan_pool_release(b->ctx, 0);
    pace_collector(L, b);
    int64_t exchanges = gan_exchanges(b->ctx);
    if (attempt(b, work, argument))
        return;
    if (b->kind == GAN_ERROR_MEMORY && gan_exchanges(b->ctx) == exchanges) { /* other ranks do not do it once more */
        gan_count_work(b->ctx, 1000 + (double)gan_memory(b->ctx).live / 32);
        lua_gc(L, LUA_GCCOLLECT);
        lua_gc(L, LUA_GCCOLLECT); /* what the first cycle's finalizers let go of */
        if (attempt(b, work, argument))
            return;
    }
    ganlua_error_at_user(L, "%s", b->message);
}

/* ---- Errors ---- */

_Noreturn void ganlua_error_at_user(lua_State *L, const char *format, ...)
{
    lua_Debug at;
    bool found = false;
    for (int level = 1; !found && lua_getstack(L, level, &at); level++) {
        lua_getinfo(L, "Sl", &at);
        found = at.currentline > 0 && strncmp(at.source, "@ganlua/", 8) != 0;
    }
    va_list arguments;
    va_start(arguments, format);
    if (found)
        lua_pushfstring(L, "%s:%d: ", at.short_src, at.currentline);
    else
        lua_pushliteral(L, "");
    lua_pushvfstring(L, format, arguments);
    va_end(arguments);
    lua_concat(L, 2);
    lua_error(L);
    __builtin_unreachable();
}

/* What the value at index is, in words. */
static const char *describe(lua_State *L, int index)
{
    if (ganlua_to_tensor(L, index))
        return "a tensor";
    switch (lua_type(L, index)) {
    case LUA_TNONE:
    case LUA_TNIL:
        return "nil";
    case LUA_TNUMBER:
        return lua_pushfstring(L, "%s", luaL_tolstring(L, index, NULL));
    case LUA_TSTRING:
        return lua_pushfstring(L, "'%s'", lua_tostring(L, index));
    default:
        return lua_pushfstring(L, "a %s", luaL_typename(L, index));
    }
}

_Noreturn void ganlua_bad_argument(lua_State *L, int index, const char *function, const char *argument,
                                   const char *wanted)
{
    ganlua_error_at_user(L, "%s: argument '%s' must be %s, got %s", function, argument, wanted, describe(L, index));
}

/* Letters that differ, at least: what it takes to turn a into b (Levenshtein 1966). */
static int distance(const char *a, const char *b)
{
    int row[64], n = (int)strlen(b);
    if (n > 62)
        return n;
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int change = diagonal + (a[i - 1] != b[j - 1]), gap = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < gap ? change : gap;
        }
    }
    return row[n];
}

void ganlua_check_options(lua_State *L, int index, const char *function, const char *const names[])
{
    lua_pushnil(L);
    while (lua_next(L, index)) {
        lua_pop(L, 1);
        const char *key = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL, *nearest = NULL;
        int best = 4;
        bool known = false;
        for (int i = 0; names[i] && !known; i++) {
            known = key && strcmp(key, names[i]) == 0;
            int d = key ? distance(key, names[i]) : best;
            if (d < best) {
                best = d;
                nearest = names[i];
            }
        }
        if (known)
            continue;
        const char *shown = key ? key : luaL_tolstring(L, -1, NULL);
        if (nearest)
            ganlua_error_at_user(L, "%s: unknown option '%s' (did you mean '%s'?)", function, shown, nearest);
        ganlua_error_at_user(L, "%s: unknown option '%s'", function, shown);
    }
}

/* ---- Tensors ---- */

struct ganlua_tensor *ganlua_push_empty(lua_State *L)
{
    struct ganlua_tensor *u = lua_newuserdatauv(L, sizeof *u, 0);
    *u = (struct ganlua_tensor){0};
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tensor_key);
    lua_setmetatable(L, -2);
    return u;
}

void ganlua_push_tensor(lua_State *L, gan_tensor *t)
{
    struct ganlua_tensor *u = ganlua_push_empty(L);
    u->t = gan_retain(t);
    gan_pool_release(gan_context_of(t), 0);
}

struct ganlua_tensor *ganlua_to_userdata(lua_State *L, int index)
{
    struct ganlua_tensor *u = lua_touserdata(L, index);
    if (!u || !lua_getmetatable(L, index))
        return NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tensor_key);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same ? u : NULL;
}

gan_tensor *ganlua_to_tensor(lua_State *L, int index)
{
    struct ganlua_tensor *u = ganlua_to_userdata(L, index);
    if (u && !u->t)
        ganlua_error_at_user(L, "this tensor was freed");
    return u ? u->t : NULL;
}

gan_tensor *ganlua_check_tensor(lua_State *L, int index, const char *function, const char *argument)
{
    gan_tensor *t = ganlua_to_tensor(L, index);
    if (!t)
        ganlua_bad_argument(L, index, function, argument, "a tensor");
    return t;
}

gan_tensor **ganlua_check_tensors(lua_State *L, int index, const char *function, const char *argument, int *count)
{
    if (!lua_istable(L, index))
        ganlua_bad_argument(L, index, function, argument, "a list of tensors");
    lua_Unsigned n = lua_rawlen(L, index);
    if (n > 1 << 24)
        ganlua_error_at_user(L, "%s: argument '%s' is too long", function, argument);
    /* The tensors hang on the array too: a finalizer may take them out of the table. */
    gan_tensor **list = lua_newuserdatauv(L, (size_t)(n + 1) * sizeof *list, 1);
    lua_createtable(L, (int)n, 0);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, -3, 1);
    for (lua_Unsigned i = 0; i < n; i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        list[i] = ganlua_to_tensor(L, -1);
        if (!list[i])
            ganlua_error_at_user(L, "%s: argument '%s' must be a list of tensors, but item %d is %s", function,
                                 argument, (int)i + 1, describe(L, lua_gettop(L)));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_pop(L, 1);
    *count = (int)n;
    return list;
}

/* ---- Numbers and shapes ---- */

double ganlua_check_number(lua_State *L, int index, const char *function, const char *argument)
{
    if (lua_type(L, index) != LUA_TNUMBER)
        ganlua_bad_argument(L, index, function, argument, "a number");
    return lua_tonumber(L, index);
}

int64_t ganlua_check_integer(lua_State *L, int index, const char *function, const char *argument)
{
    int whole;
    lua_Integer i = lua_tointegerx(L, index, &whole);
    if (lua_type(L, index) != LUA_TNUMBER || !whole)
        ganlua_bad_argument(L, index, function, argument, "a whole number");
    return i;
}

int ganlua_check_axis(lua_State *L, int index, const char *function, const char *argument, int rank)
{
    int64_t i = ganlua_check_integer(L, index, function, argument);
    if (i < -rank || i > rank || i == 0)
        ganlua_error_at_user(L, "%s: argument '%s' must be a dimension from 1 to %d (or -1 to -%d), got %d", function,
                             argument, rank, rank,
                             (int)(i < -99999  ? -99999
                                   : i > 99999 ? 99999
                                               : i));
    return (int)(i < 0 ? i + rank : i - 1);
}

gan_shape ganlua_check_shape(lua_State *L, int index, const char *function)
{
    gan_shape shape = {0};
    bool listed = lua_istable(L, index);
    lua_Unsigned n =
        listed ? lua_rawlen(L, index) : (lua_Unsigned)(lua_gettop(L) >= index ? lua_gettop(L) - index + 1 : 0);
    if (n > GAN_MAX_RANK)
        ganlua_error_at_user(L, "%s: a tensor has at most %d dimensions, got %d", function, GAN_MAX_RANK,
                             (int)(n > 9999 ? 9999 : n));
    for (int i = 0; i < (int)n; i++) {
        int at = index + i;
        if (listed) {
            lua_rawgeti(L, index, i + 1);
            at = lua_gettop(L);
        }
        shape.dims[shape.rank++] = ganlua_check_integer(L, at, function, "shape");
        if (listed)
            lua_pop(L, 1);
    }
    return shape;
}

const char *ganlua_check_string(lua_State *L, int index, const char *function, const char *argument, size_t *length)
{
    if (lua_type(L, index) != LUA_TSTRING)
        ganlua_bad_argument(L, index, function, argument, "a string");
    return lua_tolstring(L, index, length);
}

/* ---- Tables of functions ---- */

/* The metatable is found by the address of its key, not by its name: the float and the double module
 * may meet in one state, and no other library can claim it. */
void ganlua_push_methods(lua_State *L)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &methods_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushliteral(L, "ganlua.tensor");
    lua_setfield(L, -2, "__name");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &tensor_key);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &methods_key);
}

void ganlua_push_metatable(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tensor_key);
}
