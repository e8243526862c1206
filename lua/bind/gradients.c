/* gradients.c - gan.grad, recording, and the optimisers' steps, as Lua calls them. */
#include <string.h>

#include "bind.h"

/* ---- Options ---- */

/* The field of the table at index (absent when there is no table), on the top of the stack. */
static bool field(lua_State *L, int index, const char *name)
{
    if (!lua_istable(L, index)) {
        lua_pushnil(L);
        return false;
    }
    lua_getfield(L, index, name);
    return !lua_isnil(L, -1);
}

static bool flag_field(lua_State *L, int index, const char *function, const char *name)
{
    if (field(L, index, name) && !lua_isboolean(L, -1))
        ganlua_bad_argument(L, lua_gettop(L), function, name, "true or false");
    bool on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return on;
}

static double number_field(lua_State *L, int index, const char *function, const char *name, double otherwise)
{
    double value = field(L, index, name) ? ganlua_check_number(L, lua_gettop(L), function, name) : otherwise;
    lua_pop(L, 1);
    return value;
}

static void check_option_table(lua_State *L, int index, const char *function, const char *const names[])
{
    if (lua_isnoneornil(L, index))
        return;
    if (!lua_istable(L, index))
        ganlua_bad_argument(L, index, function, "options", "a table");
    ganlua_check_options(L, index, function, names);
}

/* ---- grad ---- */

struct grad_work {
    gan_tensor *y, **targets, **gradients;
    int count;
    gan_grad_options options;
    bool begun;
};

static void grad_work(gan_context *ctx, void *argument)
{
    struct grad_work *w = argument;
    if (w->options.consume && w->begun) /* half of the graph is gone: there is no second attempt */
        gan_fail(ctx, GAN_ERROR_MEMORY, "grad: out of memory");
    w->begun = true;
    gan_grad(w->y, w->count, w->targets, w->gradients, &w->options);
}

/* core.grad(y, xs, {create_graph=, grad_output=, unused=, consume=, over_ranks=}) -> list */
static int grad(lua_State *L)
{
    static const char *const names[] = {"create_graph", "grad_output", "unused", "consume", "over_ranks", NULL};
    lua_settop(L, 3);
    struct grad_work w = {.y = ganlua_check_tensor(L, 1, "grad", "y")};
    w.targets = ganlua_check_tensors(L, 2, "grad", "xs", &w.count);
    check_option_table(L, 3, "grad", names);
    w.options.create_graph = flag_field(L, 3, "grad", "create_graph");
    w.options.consume = flag_field(L, 3, "grad", "consume");
    w.options.over_ranks = flag_field(L, 3, "grad", "over_ranks");
    if (field(L, 3, "grad_output"))
        w.options.grad_output = ganlua_check_tensor(L, lua_gettop(L), "grad", "grad_output");
    if (field(L, 3, "unused")) {
        const char *unused = lua_tostring(L, -1);
        if (!unused || (strcmp(unused, "zero") != 0 && strcmp(unused, "error") != 0))
            ganlua_bad_argument(L, lua_gettop(L), "grad", "unused", "\"error\" or \"zero\"");
        w.options.unused_zero = strcmp(unused, "zero") == 0;
    }
    w.gradients = lua_newuserdatauv(L, ((size_t)w.count + 1) * sizeof *w.gradients, 0);
    lua_createtable(L, w.count, 0);
    int list = lua_gettop(L);
    for (int i = 0; i < w.count; i++) { /* anchors first: nothing can raise once the gradients are there */
        ganlua_push_empty(L);
        lua_rawseti(L, list, i + 1);
    }
    if (w.options.consume)
        ganlua_collect_if_tight(L);
    ganlua_enter(L, grad_work, &w);
    for (int i = 0; i < w.count; i++) {
        lua_rawgeti(L, list, i + 1);
        ((struct ganlua_tensor *)lua_touserdata(L, -1))->t = gan_retain(w.gradients[i]);
        lua_pop(L, 1);
    }
    gan_pool_release(ganlua_context(L), 0);
    return 1;
}

/* ---- Recording ---- */

/* core.set_recording(on) -> what it was */
static int set_recording(lua_State *L)
{
    lua_pushboolean(L, gan_set_recording(ganlua_context(L), lua_toboolean(L, 1)));
    return 1;
}

/* Closes the scope of no_grad: restores recording, on errors too. */
static int restore_recording(lua_State *L)
{
    const bool *before = lua_touserdata(L, 1);
    gan_set_recording(ganlua_context(L), *before);
    return 0;
}

/* In a coroutine: an error that kills one closes nothing, so it is caught here and passed on. */
static int no_grad_in_coroutine(lua_State *L)
{
    gan_context *ctx = ganlua_context(L);
    bool before = gan_set_recording(ctx, false);
    int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
    gan_set_recording(ctx, before);
    return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

/* In the main thread: nothing is caught, so that a traceback shows the user's lines. */
static int no_grad_in_main(lua_State *L)
{
    bool *before = lua_newuserdatauv(L, sizeof *before, 0);
    *before = gan_recording(ganlua_context(L));
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, restore_recording);
    lua_setfield(L, -2, "__close");
    lua_setmetatable(L, -2);
    lua_insert(L, 1);
    lua_toclose(L, 1);
    gan_set_recording(ganlua_context(L), false);
    lua_call(L, lua_gettop(L) - 2, LUA_MULTRET);
    lua_closeslot(L, 1);
    return lua_gettop(L) - 1;
}

/* core.no_grad(f, ...) -> what f returns; nothing in f records, and errors restore what was.
 * f cannot yield: recording is the context's, and whoever ran meanwhile would find it off. */
static int no_grad(lua_State *L)
{
    if (!lua_isfunction(L, 1)) {
        if (luaL_getmetafield(L, 1, "__call") == LUA_TNIL)
            ganlua_bad_argument(L, 1, "no_grad", "f", "a function");
        lua_pop(L, 1);
    }
    bool is_main = lua_pushthread(L);
    lua_pop(L, 1);
    return is_main ? no_grad_in_main(L) : no_grad_in_coroutine(L);
}

/* ---- Optimisers ---- */

struct step_work {
    int count;
    gan_tensor **p, **g, **m, **v;
    gan_adam_options adam;
    double momentum;
};

static void adam_work(gan_context *ctx, void *argument)
{
    struct step_work *w = argument;
    (void)ctx;
    gan_adam_(w->count, w->p, w->g, w->m, w->v, &w->adam);
}

static void sgd_work(gan_context *ctx, void *argument)
{
    struct step_work *w = argument;
    (void)ctx;
    gan_sgd_(w->count, w->p, w->g, w->v, w->adam.lr, w->momentum, w->adam.weight_decay);
}

/* A list with one tensor for each parameter. */
static gan_tensor **matching_list(lua_State *L, int index, const char *function, const char *argument, int wanted)
{
    int count;
    gan_tensor **list = ganlua_check_tensors(L, index, function, argument, &count);
    if (count != wanted)
        ganlua_error_at_user(L, "%s: %d parameters, but '%s' has %d tensors", function, wanted, argument, count);
    return list;
}

/* Steps count from 1; what is no whole number becomes 0, which the core refuses. */
static int64_t step_field(lua_State *L, int index)
{
    double step = number_field(L, index, "adam_", "step", 1);
    return step >= 1 && step < 0x1p53 ? (int64_t)step : 0;
}

/* core.adam_(p, g, m, v, {lr=, beta1=, beta2=, eps=, weight_decay=, decoupled=, step=}) */
static int adam_(lua_State *L)
{
    static const char *const names[] = {"lr", "beta1", "beta2", "eps", "weight_decay", "decoupled", "step", NULL};
    lua_settop(L, 5);
    struct step_work w = {0};
    w.p = ganlua_check_tensors(L, 1, "adam_", "p", &w.count);
    w.g = matching_list(L, 2, "adam_", "g", w.count);
    w.m = matching_list(L, 3, "adam_", "m", w.count);
    w.v = matching_list(L, 4, "adam_", "v", w.count);
    check_option_table(L, 5, "adam_", names);
    w.adam = (gan_adam_options){
        .lr = number_field(L, 5, "adam_", "lr", 1e-3),
        .beta1 = number_field(L, 5, "adam_", "beta1", 0.9),
        .beta2 = number_field(L, 5, "adam_", "beta2", 0.999),
        .eps = number_field(L, 5, "adam_", "eps", 1e-8),
        .weight_decay = number_field(L, 5, "adam_", "weight_decay", 0),
        .decoupled = flag_field(L, 5, "adam_", "decoupled"),
        .step = step_field(L, 5),
    };
    ganlua_enter(L, adam_work, &w);
    return 0;
}

/* core.sgd_(p, g, velocity or nil, {lr=, momentum=, weight_decay=}) */
static int sgd_(lua_State *L)
{
    static const char *const names[] = {"lr", "momentum", "weight_decay", NULL};
    lua_settop(L, 4);
    struct step_work w = {0};
    w.p = ganlua_check_tensors(L, 1, "sgd_", "p", &w.count);
    w.g = matching_list(L, 2, "sgd_", "g", w.count);
    w.v = lua_isnil(L, 3) ? NULL : matching_list(L, 3, "sgd_", "velocity", w.count);
    check_option_table(L, 4, "sgd_", names);
    w.adam.lr = number_field(L, 4, "sgd_", "lr", 1e-2);
    w.adam.weight_decay = number_field(L, 4, "sgd_", "weight_decay", 0);
    w.momentum = number_field(L, 4, "sgd_", "momentum", 0);
    ganlua_enter(L, sgd_work, &w);
    return 0;
}

struct norm_work {
    int count;
    gan_tensor **tensors;
    double norm;
};

static void norm_work(gan_context *ctx, void *argument)
{
    struct norm_work *w = argument;
    (void)ctx;
    w->norm = gan_norm_of_all(w->count, w->tensors);
}

/* core.norm_of_all(list of tensors) -> number */
static int norm_of_all(lua_State *L)
{
    lua_settop(L, 1);
    struct norm_work w = {0};
    w.tensors = ganlua_check_tensors(L, 1, "norm_of_all", "tensors", &w.count);
    ganlua_enter(L, norm_work, &w);
    lua_pushnumber(L, w.norm);
    return 1;
}

/* core.all_finite(tensor or list of tensors) -> boolean */
static int all_finite(lua_State *L)
{
    ganlua_check_reading(L);
    lua_settop(L, 1);
    int count = 1;
    gan_tensor *one = ganlua_to_tensor(L, 1), **list = &one;
    if (!one)
        list = ganlua_check_tensors(L, 1, "all_finite", "tensors", &count);
    bool finite = true;
    for (int i = 0; i < count && finite; i++)
        finite = gan_all_finite(list[i]);
    lua_pushboolean(L, finite);
    return 1;
}

/* ---- Profiles ---- */

/* core.profile_begin(): from now on grad times what it does */
static int profile_begin(lua_State *L)
{
    if (!gan_profile_begin(ganlua_context(L)))
        return luaL_error(L, "profile: out of memory");
    return 0;
}

/* core.profile_end() -> list of {op=, tag=, calls=, seconds=} */
static int profile_end(lua_State *L)
{
    gan_context *ctx = ganlua_context(L);
    int count = gan_profile_rows(ctx, NULL, 0);
    gan_profile_row *rows = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *rows, 0);
    gan_profile_rows(ctx, rows, count);
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_createtable(L, 0, 4);
        lua_pushstring(L, rows[i].op);
        lua_setfield(L, -2, "op");
        lua_pushinteger(L, rows[i].tag);
        lua_setfield(L, -2, "tag");
        lua_pushinteger(L, rows[i].calls);
        lua_setfield(L, -2, "calls");
        lua_pushnumber(L, rows[i].seconds);
        lua_setfield(L, -2, "seconds");
        lua_rawseti(L, -2, i + 1);
    }
    gan_profile_end(ctx);
    return 1;
}

/* core.set_tag(n) -> what it was; what is recorded from now on is n's */
static int set_tag(lua_State *L)
{
    lua_pushinteger(L, gan_set_tag(ganlua_context(L), (int)ganlua_check_integer(L, 1, "set_tag", "n")));
    return 1;
}

static const luaL_Reg functions[] = {
    {"profile_begin", profile_begin}, {"profile_end", profile_end}, {"set_tag", set_tag}, {"grad", grad},
    {"set_recording", set_recording}, {"no_grad", no_grad},         {"adam_", adam_},     {"sgd_", sgd_},
    {"all_finite", all_finite},       {"norm_of_all", norm_of_all}, {NULL, NULL}};

void ganlua_add_gradients(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
