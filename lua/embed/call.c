/* call.c - Lua functions and networks for the program: ganlua_call and ganlua_sample.
 *
 * Results are looked at first and copied last: where one has no room, no buffer of the program's is written. */
#include <string.h>

#include <lauxlib.h>

#include "bind/bind.h"
#include "embed/host.h"

/* ---- Tensors in ---- */

struct numbers {
    gan_shape shape;
    const float *data;
    gan_tensor *made;
};

static void make_tensor(gan_context *ctx, void *argument)
{
    struct numbers *numbers = argument;
    numbers->made = gan_from(ctx, numbers->shape, NULL);
    gan_real *to = gan_write(numbers->made);
    int64_t count = gan_numel(numbers->made);
    for (int64_t i = 0; i < count; i++)
        to[i] = numbers->data[i];
}

static void push_numbers(lua_State *L, gan_shape shape, const float *data)
{
    luaL_requiref(L, "ganlua", ganlua_open_embedded, 0); /* which tells what a tensor can do */
    lua_pop(L, 1);
    struct ganlua_tensor *u = ganlua_push_empty(L);
    struct numbers numbers = {.shape = shape, .data = data};
    ganlua_enter(L, make_tensor, &numbers);
    u->t = gan_retain(numbers.made);
    gan_pool_release(gan_context_of(u->t), 0);
}

static void copy_numbers(const gan_tensor *t, float *out)
{
    const gan_real *from = gan_data(t);
    int64_t count = gan_numel(t);
    for (int64_t i = 0; i < count; i++)
        out[i] = (float)from[i];
}

/* ---- Calling a function ---- */

struct call {
    const char *function;
    const ganlua_value *arguments;
    int argument_count;
    ganlua_value *results;
    int result_count;
};

static void push_function(lua_State *L, const char *name)
{
    lua_pushglobaltable(L);
    for (const char *part = name; part;) {
        const char *end = strchrnul(part, '.');
        if (!lua_istable(L, -1))
            luaL_error(L, "call: there is no function '%s'", name);
        lua_pushlstring(L, part, (size_t)(end - part));
        lua_gettable(L, -2);
        part = *end ? end + 1 : NULL;
    }
    if (!lua_isfunction(L, -1))
        luaL_error(L, "call: there is no function '%s'", name);
}

static void push_value(lua_State *L, const ganlua_value *value, int place)
{
    switch (value->type) {
    case GANLUA_NIL:
        lua_pushnil(L);
        return;
    case GANLUA_NUMBER: {
        lua_Integer whole;
        if (lua_numbertointeger(value->number, &whole) && (double)whole == value->number)
            lua_pushinteger(L, whole);
        else
            lua_pushnumber(L, value->number);
        return;
    }
    case GANLUA_BOOLEAN:
        lua_pushboolean(L, value->number != 0);
        return;
    case GANLUA_STRING:
        lua_pushlstring(L, value->text ? value->text : "", value->text ? value->length : 0);
        return;
    case GANLUA_TENSOR: {
        gan_shape shape = {.rank = value->rank};
        size_t count = 1;
        bool fits = value->rank >= 0 && value->rank <= GANLUA_MAX_RANK && value->data;
        for (int i = 0; fits && i < value->rank; i++) {
            shape.dims[i] = value->shape[i];
            fits = value->shape[i] > 0 && !__builtin_mul_overflow(count, (size_t)value->shape[i], &count);
        }
        if (!fits || count != value->length)
            luaL_error(L, "call: argument %d: the tensor's shape must have the %I numbers that data has", place,
                       (lua_Integer)value->length);
        push_numbers(L, shape, value->data);
        return;
    }
    default:
        luaL_error(L, "call: argument %d: there is no type %d", place, value->type);
    }
}

/* Tells type, length and shape; false when there is no room. */
static bool describe(lua_State *L, int index, ganlua_value *result, int place)
{
    int type = lua_type(L, index);
    gan_tensor *t = type == LUA_TUSERDATA ? ganlua_to_tensor(L, index) : NULL;
    result->length = 0;
    result->rank = 0;
    if (type == LUA_TNIL) {
        result->type = GANLUA_NIL;
    } else if (type == LUA_TNUMBER || type == LUA_TBOOLEAN) {
        result->type = type == LUA_TNUMBER ? GANLUA_NUMBER : GANLUA_BOOLEAN;
        result->number = type == LUA_TNUMBER ? lua_tonumber(L, index) : lua_toboolean(L, index);
    } else if (type == LUA_TSTRING) {
        result->type = GANLUA_STRING;
        lua_tolstring(L, index, &result->length);
        return result->text && result->length < result->capacity;
    } else if (t) {
        ganlua_check_reading(L);
        gan_shape shape = gan_shape_of(t);
        result->type = GANLUA_TENSOR;
        result->rank = shape.rank;
        memcpy(result->shape, shape.dims, sizeof result->shape);
        result->length = (size_t)gan_numel(t);
        return result->data && result->length <= result->capacity;
    } else {
        luaL_error(L, "call: result %d is a %s, wanted a number, boolean, string or tensor", place,
                   lua_typename(L, type));
    }
    return true;
}

static int call_protected(lua_State *L)
{
    ganlua *gl = ganlua_of(L);
    struct call *call = lua_touserdata(L, 1);
    push_function(L, call->function);
    luaL_checkstack(L, call->argument_count + call->result_count + 8, "too many values");
    for (int i = 0; i < call->argument_count; i++)
        push_value(L, &call->arguments[i], i + 1);
    lua_call(L, call->argument_count, call->result_count);
    int first = lua_gettop(L) - call->result_count + 1, full = 0;
    for (int i = 0; i < call->result_count; i++)
        if (!describe(L, first + i, &call->results[i], i + 1) && !full)
            full = i + 1;
    if (full) {
        lua_pushfstring(L, "call: result %d has %I, there is room for %I", full,
                        (lua_Integer)call->results[full - 1].length, (lua_Integer)call->results[full - 1].capacity);
        ganlua_report(gl, GANLUA_ERROR_CAPACITY, lua_tostring(L, -1));
        return 0;
    }
    for (int i = 0; i < call->result_count; i++) {
        ganlua_value *result = &call->results[i];
        if (result->type == GANLUA_STRING)
            memcpy(result->text, lua_tostring(L, first + i), result->length + 1);
        else if (result->type == GANLUA_TENSOR)
            copy_numbers(ganlua_to_tensor(L, first + i), result->data);
    }
    return 0;
}

int ganlua_call(ganlua *gl, const char *function, const ganlua_value *arguments, int argument_count,
                ganlua_value *results, int result_count)
{
    return ganlua_protect(gl, call_protected,
                          &(struct call){function, arguments, argument_count, results, result_count});
}

/* ---- Sampling ---- */

struct sample {
    const char *name;
    const float *latent;
    int64_t n;
    float *out;
    size_t capacity;
    int64_t *shape;
    int *rank;
    int64_t *latent_size;
};

/* Pushes a function of ganlua.published, and the name. A script that has not taken up ganlua has nothing there. */
static void push_published(lua_State *L, const char *function, const char *name)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, "ganlua.published") != LUA_TTABLE)
        luaL_error(L, "sample: no run has begun, and nothing is published");
    lua_getfield(L, -1, function);
    lua_pushstring(L, name);
}

static int shape_protected(lua_State *L)
{
    struct sample *sample = lua_touserdata(L, 1);
    push_published(L, "shape", sample->name);
    lua_call(L, 1, 2);
    int rank = (int)lua_rawlen(L, -2);
    for (int i = 0; i < rank && i < GANLUA_MAX_RANK; i++) {
        lua_rawgeti(L, -2, i + 1);
        sample->shape[i] = lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    *sample->rank = rank;
    *sample->latent_size = lua_tointeger(L, -1);
    return 0;
}

int ganlua_sample_shape(ganlua *gl, const char *name, int64_t shape[GANLUA_MAX_RANK], int *rank, int64_t *latent)
{
    return ganlua_protect(gl, shape_protected,
                          &(struct sample){.name = name, .shape = shape, .rank = rank, .latent_size = latent});
}

static int sample_protected(lua_State *L)
{
    struct sample *sample = lua_touserdata(L, 1);
    if (sample->n < 1)
        return luaL_error(L, "sample: wanted a positive number of samples, got %I", (lua_Integer)sample->n);
    int64_t one[GANLUA_MAX_RANK], latent;
    int rank;
    struct sample asked = {.name = sample->name, .shape = one, .rank = &rank, .latent_size = &latent};
    lua_pushcfunction(L, shape_protected);
    lua_pushlightuserdata(L, &asked);
    lua_call(L, 1, 0);
    size_t wanted = (size_t)sample->n;
    bool countable = true;
    for (int i = 0; i < rank; i++)
        countable = countable && !__builtin_mul_overflow(wanted, (size_t)one[i], &wanted);
    if (!countable || wanted > sample->capacity) {
        lua_pushfstring(L, "sample: %I samples are %I numbers, there is room for %I", (lua_Integer)sample->n,
                        (lua_Integer)wanted, (lua_Integer)sample->capacity);
        ganlua_report(ganlua_of(L), GANLUA_ERROR_CAPACITY, lua_tostring(L, -1));
        return 0;
    }
    push_published(L, "sample", sample->name);
    lua_pushinteger(L, sample->n);
    if (sample->latent) {
        if (latent == 0)
            return luaL_error(L, "sample: the script draws its latents by a function: none can be given");
        push_numbers(L, GAN_SHAPE(sample->n, latent), sample->latent);
    } else {
        lua_pushnil(L);
    }
    lua_call(L, 3, 1);
    ganlua_check_reading(L);
    gan_tensor *t = ganlua_check_tensor(L, -1, "sample", "what the network gives");
    if ((size_t)gan_numel(t) != wanted)
        return luaL_error(L, "sample: the network gave %I numbers, wanted %I", (lua_Integer)gan_numel(t),
                          (lua_Integer)wanted);
    copy_numbers(t, sample->out);
    return 0;
}

int ganlua_sample(ganlua *gl, const char *name, const float *latent, int64_t n, float *out, size_t capacity)
{
    return ganlua_protect(gl, sample_protected,
                          &(struct sample){.name = name, .latent = latent, .n = n, .out = out, .capacity = capacity});
}
