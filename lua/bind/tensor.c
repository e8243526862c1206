/* tensor.c - tensors as Lua values: making them from tables, indexing, operators, in-place changes,
 * and their text. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bind.h"

/* ---- From nested tables ---- */

/* The shape of a nested table, by its first elements. */
static gan_shape nested_shape(lua_State *L, int index)
{
    gan_shape shape = {0};
    luaL_checkstack(L, GAN_MAX_RANK + 4, "tensor");
    int top = lua_gettop(L);
    lua_pushvalue(L, index);
    while (lua_istable(L, -1)) {
        if (shape.rank == GAN_MAX_RANK)
            ganlua_error_at_user(L, "tensor: a table nested deeper than %d", GAN_MAX_RANK);
        shape.dims[shape.rank++] = (int64_t)lua_rawlen(L, -1);
        lua_rawgeti(L, -1, 1);
    }
    lua_settop(L, top);
    return shape;
}

static char *path_text(const int64_t *path, int depth, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; i < depth && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "[%lld]", (long long)path[i] + 1);
    return text;
}

/* Copies the table on the top of the stack, which lies `depth` deep at `path`, to `to`. */
static gan_real *fill_nested(lua_State *L, gan_shape shape, int depth, int64_t *path, gan_real *to)
{
    char place[160];
    if (depth == shape.rank) {
        if (lua_type(L, -1) != LUA_TNUMBER)
            ganlua_error_at_user(L, "tensor: element %s must be a number, got a %s",
                                 path_text(path, depth, place, sizeof place), luaL_typename(L, -1));
        *to = (gan_real)lua_tonumber(L, -1);
        return to + 1;
    }
    if (!lua_istable(L, -1))
        ganlua_error_at_user(L, "tensor: element %s must be a table of %d, got a %s",
                             path_text(path, depth, place, sizeof place), (int)shape.dims[depth], luaL_typename(L, -1));
    if ((int64_t)lua_rawlen(L, -1) != shape.dims[depth])
        ganlua_error_at_user(L, "tensor: element %s has %d elements, its first sibling has %d",
                             path_text(path, depth, place, sizeof place), (int)lua_rawlen(L, -1),
                             (int)shape.dims[depth]);
    for (int64_t i = 0; i < shape.dims[depth]; i++) {
        path[depth] = i;
        lua_rawgeti(L, -1, i + 1);
        to = fill_nested(L, shape, depth + 1, path, to);
        lua_pop(L, 1);
    }
    return to;
}

struct make_work {
    gan_shape shape;
    gan_tensor *result;
};

static void make_work(gan_context *ctx, void *argument)
{
    struct make_work *w = argument;
    w->result = gan_from(ctx, w->shape, NULL);
}

/* core.tensor(number, or nested tables of numbers) */
static int make_tensor(lua_State *L)
{
    if (!lua_istable(L, 1) && lua_type(L, 1) != LUA_TNUMBER)
        ganlua_bad_argument(L, 1, "tensor", "values", "a number or nested tables of numbers");
    struct make_work work = {nested_shape(L, 1), NULL};
    ganlua_enter(L, make_work, &work);
    ganlua_push_tensor(L, work.result);
    gan_count_work(ganlua_context(L), 4 * (double)gan_numel(work.result));
    int64_t path[GAN_MAX_RANK] = {0};
    lua_pushvalue(L, 1);
    fill_nested(L, work.shape, 0, path, gan_write(work.result));
    lua_pop(L, 1);
    return 1;
}

/* ---- To Lua ---- */

static void push_nested(lua_State *L, gan_shape shape, int depth, const gan_real **from)
{
    if (depth == shape.rank) {
        lua_pushnumber(L, (lua_Number) * (*from)++);
        return;
    }
    lua_createtable(L, (int)(shape.dims[depth] < 1 << 24 ? shape.dims[depth] : 0), 0);
    for (int64_t i = 0; i < shape.dims[depth]; i++) {
        push_nested(L, shape, depth + 1, from);
        lua_rawseti(L, -2, i + 1);
    }
}

static int totable(lua_State *L)
{
    gan_tensor *t = ganlua_check_tensor(L, 1, "totable", "t");
    ganlua_check_reading(L);
    const gan_real *from = gan_data(t);
    gan_count_work(ganlua_context(L), 4 * (double)gan_numel(t));
    luaL_checkstack(L, GAN_MAX_RANK + 2, "totable");
    push_nested(L, gan_shape_of(t), 0, &from);
    return 1;
}

static int shape(lua_State *L)
{
    gan_shape s = gan_shape_of(ganlua_check_tensor(L, 1, "shape", "t"));
    lua_createtable(L, s.rank, 0);
    for (int i = 0; i < s.rank; i++) {
        lua_pushinteger(L, s.dims[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int numel(lua_State *L)
{
    lua_pushinteger(L, gan_numel(ganlua_check_tensor(L, 1, "numel", "t")));
    return 1;
}

static int item(lua_State *L)
{
    gan_tensor *t = ganlua_check_tensor(L, 1, "item", "t");
    char text[GAN_SHAPE_TEXT];
    ganlua_check_reading(L);
    if (gan_numel(t) != 1)
        ganlua_error_at_user(L, "item: wanted a tensor with one element, got one of shape %s",
                             gan_shape_text(gan_shape_of(t), text, sizeof text));
    lua_pushnumber(L, (lua_Number)gan_data(t)[0]);
    return 1;
}

static int is_tensor(lua_State *L)
{
    lua_pushboolean(L, ganlua_to_userdata(L, 1) != NULL);
    return 1;
}

/* ---- Indexing ---- */

struct slice_work {
    gan_tensor *t;
    int64_t place;
    gan_tensor *result;
};

static void slice_work(gan_context *ctx, void *argument)
{
    struct slice_work *w = argument;
    gan_shape shape = gan_shape_of(w->t);
    (void)ctx;
    shape.rank--;
    memmove(shape.dims, shape.dims + 1, (size_t)shape.rank * sizeof *shape.dims);
    w->result = gan_reshape(gan_slice(w->t, 0, w->place, 1), shape);
}

/* t[i], or a method */
static int tensor_index(lua_State *L)
{
    if (lua_type(L, 2) != LUA_TNUMBER) {
        lua_pushvalue(L, 2);
        lua_rawget(L, lua_upvalueindex(1));
        return 1;
    }
    gan_tensor *t = ganlua_check_tensor(L, 1, "index", "t");
    int whole;
    lua_Integer place = lua_tointegerx(L, 2, &whole);
    if (gan_rank(t) == 0)
        ganlua_error_at_user(L, "a tensor that is a single number has no elements; t:item() is its value");
    if (!whole || place < 1 || place > gan_shape_of(t).dims[0])
        return 0; /* nil past the end, so that ipairs ends */
    struct slice_work work = {t, place - 1, NULL};
    ganlua_enter(L, slice_work, &work);
    ganlua_push_tensor(L, work.result);
    ((struct ganlua_tensor *)lua_touserdata(L, -1))->is_slice = true;
    return 1;
}

static int tensor_newindex(lua_State *L)
{
    if (lua_type(L, 2) == LUA_TNUMBER)
        ganlua_error_at_user(L, "a tensor's elements are not assigned to: use t:set_(%s, value)", lua_tostring(L, 2));
    ganlua_error_at_user(L, "a tensor has no fields: '%s' cannot be set", luaL_tolstring(L, 2, NULL));
}

static int tensor_length(lua_State *L)
{
    gan_tensor *t = ganlua_check_tensor(L, 1, "#", "t");
    if (gan_rank(t) == 0)
        ganlua_error_at_user(L, "a tensor that is a single number has no length");
    lua_pushinteger(L, gan_shape_of(t).dims[0]);
    return 1;
}

static int no_order(lua_State *L)
{
    ganlua_error_at_user(
        L, "tensors are not ordered: a < b is a:lt(b), a <= b is a:le(b), a > b is a:gt(b), a >= b is a:ge(b)");
}

static int no_concat(lua_State *L)
{
    ganlua_error_at_user(L, "a tensor cannot be joined to text with '..': use tostring(t), or t:item() for its number");
}

/* ---- Letting go ---- */

static int release(lua_State *L)
{
    struct ganlua_tensor *u = ganlua_to_userdata(L, 1);
    if (u && u->t) {
        gan_tensor *t = u->t;
        u->t = NULL;
        gan_release(t);
    }
    return 0;
}

/* t:free(), t's __close: not from a finalizer, which may interrupt a call that has t as an argument. */
static int release_early(lua_State *L)
{
    if (ganlua_in_finalizer(L))
        ganlua_error_at_user(L, "a finalizer (__gc) cannot free a tensor; dropping it is enough");
    return release(L);
}

/* ---- In place ---- */

struct change_work {
    gan_tensor *t, *u;
    double a, b;
    int64_t place;
    enum { ADD, SUB, MUL, COPY, FILL, CLAMP, LERP, SET } how;
    bool u_is_number;
};

static void change_work(gan_context *ctx, void *argument)
{
    struct change_work *w = argument;
    gan_tensor *u = w->u_is_number ? gan_scalar(ctx, w->b) : w->u;
    switch (w->how) {
    case ADD:
        gan_add_(w->t, u, w->a);
        break;
    case SUB:
        gan_add_(w->t, u, -w->a);
        break;
    case MUL:
        gan_mul_(w->t, u);
        break;
    case COPY:
        gan_copy_(w->t, u);
        break;
    case FILL:
        gan_fill_(w->t, w->a);
        break;
    case CLAMP:
        gan_clamp_(w->t, w->a, w->b);
        break;
    case LERP:
        gan_lerp_(w->t, u, w->a);
        break;
    case SET:
        gan_set_(w->t, w->place, u);
        break;
    }
}

static struct change_work start_change(lua_State *L, const char *function)
{
    struct change_work w = {.t = ganlua_check_tensor(L, 1, function, "t")};
    if (((struct ganlua_tensor *)lua_touserdata(L, 1))->is_slice)
        ganlua_error_at_user(L, "%s: t[i] is a copy of a slice, changing it changes nothing: use t:set_(i, value)",
                             function);
    return w;
}

static void read_operand(lua_State *L, struct change_work *w, int index, const char *function)
{
    if (lua_type(L, index) == LUA_TNUMBER) {
        w->u_is_number = true;
        w->b = lua_tonumber(L, index);
    } else {
        w->u = ganlua_to_tensor(L, index);
        if (!w->u)
            ganlua_bad_argument(L, index, function, "value", "a tensor or a number");
    }
}

static int finish_change(lua_State *L, struct change_work *w)
{
    ganlua_enter(L, change_work, w);
    lua_settop(L, 1); /* the tensor itself: changes chain */
    return 1;
}

/* t:add_(u, scale = 1) */
static int add_(lua_State *L)
{
    struct change_work w = start_change(L, "add_");
    w.how = ADD;
    read_operand(L, &w, 2, "add_");
    w.a = lua_isnoneornil(L, 3) ? 1 : ganlua_check_number(L, 3, "add_", "scale");
    return finish_change(L, &w);
}

/* t:sub_(u, scale = 1) */
static int sub_(lua_State *L)
{
    struct change_work w = start_change(L, "sub_");
    w.how = SUB;
    read_operand(L, &w, 2, "sub_");
    w.a = lua_isnoneornil(L, 3) ? 1 : ganlua_check_number(L, 3, "sub_", "scale");
    return finish_change(L, &w);
}

static int mul_(lua_State *L)
{
    struct change_work w = start_change(L, "mul_");
    w.how = MUL;
    read_operand(L, &w, 2, "mul_");
    return finish_change(L, &w);
}

static int copy_(lua_State *L)
{
    struct change_work w = start_change(L, "copy_");
    w.how = COPY;
    w.u = ganlua_check_tensor(L, 2, "copy_", "u");
    return finish_change(L, &w);
}

static int fill_(lua_State *L)
{
    struct change_work w = start_change(L, "fill_");
    w.how = FILL;
    w.a = ganlua_check_number(L, 2, "fill_", "value");
    return finish_change(L, &w);
}

static int clamp_(lua_State *L)
{
    struct change_work w = start_change(L, "clamp_");
    w.how = CLAMP;
    w.a = ganlua_check_number(L, 2, "clamp_", "low");
    w.b = ganlua_check_number(L, 3, "clamp_", "high");
    return finish_change(L, &w);
}

static int lerp_(lua_State *L)
{
    struct change_work w = start_change(L, "lerp_");
    w.how = LERP;
    w.u = ganlua_check_tensor(L, 2, "lerp_", "u");
    w.a = ganlua_check_number(L, 3, "lerp_", "weight");
    return finish_change(L, &w);
}

static int set_(lua_State *L)
{
    struct change_work w = start_change(L, "set_");
    w.how = SET;
    w.place = ganlua_check_integer(L, 2, "set_", "i");
    w.place -= w.place > INT64_MIN;
    read_operand(L, &w, 3, "set_");
    return finish_change(L, &w);
}

/* ---- Text ---- */

enum { WHOLE = 12 /* places of a dimension shown without leaving any out */, ENDS = 3 /* of one that is cut */ };

static int cell(char *text, size_t size, gan_real x)
{
    double v = (double)x;
    bool whole = v == floor(v) && fabs(v) < 1e6;
    if (isnan(v))
        return snprintf(text, size, "nan"); /* its sign says nothing */
    return snprintf(text, size, whole ? "%.0f" : fabs(v) >= 1e-4 && fabs(v) < 1e6 ? "%.4f" : "%.3e", v);
}

static bool left_out(int64_t i, int64_t size)
{
    return size > WHOLE && i >= ENDS && i < size - ENDS;
}

/* One matrix, its columns aligned. */
static void add_matrix(luaL_Buffer *b, const gan_real *from, int64_t rows, int64_t columns)
{
    char text[64];
    int width = 0;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns && !left_out(i, rows); j++)
            if (!left_out(j, columns)) {
                int length = cell(text, sizeof text, from[i * columns + j]);
                width = length > width ? length : width;
            }
    for (int64_t i = 0; i < rows; i++) {
        if (left_out(i, rows)) {
            luaL_addstring(b, " ...\n");
            i = rows - ENDS - 1;
            continue;
        }
        for (int64_t j = 0; j < columns; j++) {
            char padded[80];
            if (left_out(j, columns)) {
                luaL_addstring(b, "  ...");
                j = columns - ENDS - 1;
                continue;
            }
            cell(text, sizeof text, from[i * columns + j]);
            snprintf(padded, sizeof padded, "%s%*s", j ? "  " : " ", width, text);
            luaL_addstring(b, padded);
        }
        luaL_addchar(b, '\n');
    }
}

static int tensor_tostring(lua_State *L)
{
    struct ganlua_tensor *u = ganlua_to_userdata(L, 1);
    if (!u || !u->t) {
        lua_pushliteral(L, "[ganlua.tensor freed]");
        return 1;
    }
    ganlua_check_reading(L);
    gan_shape s = gan_shape_of(u->t);
    const gan_real *from = gan_data(u->t);
    char text[GAN_SHAPE_TEXT];
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    int64_t columns = s.rank >= 1 ? s.dims[s.rank - 1] : 1, rows = s.rank >= 2 ? s.dims[s.rank - 2] : 1;
    int64_t matrices = rows > 0 && columns > 0 ? gan_numel(u->t) / (rows * columns) : 0;
    for (int64_t m = 0; m < matrices; m++) {
        if (left_out(m, matrices)) {
            luaL_addstring(&b, "...\n");
            m = matrices - ENDS - 1;
            continue;
        }
        if (s.rank > 2) { /* which one: its places in the leading dimensions */
            char head[96] = "";
            int64_t rest = m;
            for (int i = s.rank - 3; i >= 0; i--) {
                char longer[96];
                snprintf(longer, sizeof longer, "%lld, %.60s", (long long)(rest % s.dims[i] + 1), head);
                memcpy(head, longer, sizeof head);
                rest /= s.dims[i];
            }
            luaL_addchar(&b, '(');
            luaL_addstring(&b, head);
            luaL_addstring(&b, ":, :)\n");
        }
        add_matrix(&b, from + m * rows * columns, rows, columns);
    }
    luaL_addstring(&b, "[ganlua.tensor ");
    luaL_addstring(&b, gan_shape_text(s, text, sizeof text));
    luaL_addchar(&b, ']');
    luaL_pushresult(&b);
    return 1;
}

/* ---- Opening ---- */

static const luaL_Reg methods[] = {{"shape", shape},        {"numel", numel}, {"item", item},     {"totable", totable},
                                   {"free", release_early}, {"add_", add_},   {"sub_", sub_},     {"mul_", mul_},
                                   {"copy_", copy_},        {"fill_", fill_}, {"clamp_", clamp_}, {"lerp_", lerp_},
                                   {"set_", set_},          {NULL, NULL}};

static const luaL_Reg metamethods[] = {{"__newindex", tensor_newindex},
                                       {"__len", tensor_length},
                                       {"__tostring", tensor_tostring},
                                       {"__gc", release},
                                       {"__close", release_early},
                                       {"__lt", no_order},
                                       {"__le", no_order},
                                       {"__concat", no_concat},
                                       {NULL, NULL}};

static const struct {
    const char *metamethod, *op;
} operators[] = {{"__add", "add"}, {"__sub", "sub"}, {"__mul", "mul"}, {"__div", "div"}, {"__pow", "pow"}};

/* Lua hands a unary operator its operand twice. */
static int negate(lua_State *L)
{
    lua_settop(L, 1);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

void ganlua_add_tensor(lua_State *L)
{
    ganlua_push_methods(L);
    luaL_setfuncs(L, methods, 0);
    ganlua_push_metatable(L);
    luaL_setfuncs(L, metamethods, 0);
    lua_pushvalue(L, -2);
    lua_pushcclosure(L, tensor_index, 1);
    lua_setfield(L, -2, "__index");
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        lua_getfield(L, -2, operators[i].op);
        lua_setfield(L, -2, operators[i].metamethod);
    }
    lua_getfield(L, -2, "neg");
    lua_pushcclosure(L, negate, 1);
    lua_setfield(L, -2, "__unm");
    lua_pop(L, 2);
    luaL_setfuncs(L, methods, 0);
    lua_pushcfunction(L, make_tensor);
    lua_setfield(L, -2, "tensor");
    lua_pushcfunction(L, is_tensor);
    lua_setfield(L, -2, "is_tensor");
}
