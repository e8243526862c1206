/* catalogue.c - every op, once: its Lua name, its arguments, the call, and a line of documentation.
 *
 * One line makes the function in core, the method of tensors, the errors that name arguments, the
 * text that `?name` shows, and an entry that the gradient spec demands samples for. The arguments are
 * written as "name:kind" or "name:kind=default"; whatever comes after the first plain table argument
 * may also be given by name in a table: conv2d(x, w, {stride = 2}).
 *
 *   tensor   a tensor, or a number              tensor?  the same, or nil
 *   number   integer   flag                     axis     a dimension from 1, negative from the end
 *   axes     a dimension, a list of them, or nil for all
 *   shape    sizes as numbers or one table      order    a list of dimensions
 *   place    from 1, passed on from 0           indices  a list or tensor of places from 1
 *   tensors  a list of tensors */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind.h"

enum { MOST_ARGUMENTS = 8 };

struct value {
    gan_tensor *tensor;
    double number;
    int64_t integer;
    gan_axes axes;
    gan_shape shape;
    gan_tensor **tensors;
    bool is_number; /* a tensor argument that came as a number: made a tensor inside */
};

typedef gan_tensor *catalogue_call(gan_context *ctx, const struct value *a);

enum role { DIFFERENTIABLE, CONSTANT, PLACES /* a constant whose numbers are places, from 1 in Lua */, MAKER };

#define T(i)     (a[i].tensor)
#define N(i)     (a[i].number)
#define I(i)     (a[i].integer)
#define INT(i)   ((int)a[i].integer)
#define AXIS(i)  ((int)a[i].integer)
#define AXES(i)  (a[i].axes)
#define FLAG(i)  (a[i].integer != 0)
#define SHAPE(i) (a[i].shape)
#define LIST(i)  (int)a[i].integer, a[i].tensors

/* clang-format off */
#define CATALOGUE(OP) \
    OP(add, DIFFERENTIABLE, "a:tensor b:tensor", gan_add(T(0), T(1)), "a + b, broadcast") \
    OP(sub, DIFFERENTIABLE, "a:tensor b:tensor", gan_sub(T(0), T(1)), "a - b, broadcast") \
    OP(mul, DIFFERENTIABLE, "a:tensor b:tensor", gan_mul(T(0), T(1)), "a * b, element by element, broadcast") \
    OP(div, DIFFERENTIABLE, "a:tensor b:tensor", gan_div(T(0), T(1)), "a / b, broadcast") \
    OP(affine, DIFFERENTIABLE, "x:tensor scale:number shift:number=0", gan_affine(T(0), N(1), N(2)), "scale*x + shift") \
    OP(neg, DIFFERENTIABLE, "x:tensor", gan_neg(T(0)), "-x") \
    OP(pow, DIFFERENTIABLE, "x:tensor exponent:tensor", power(ctx, a), "x^exponent, broadcast; the gradient to a tensor exponent is 0 where x <= 0") \
    OP(exp, DIFFERENTIABLE, "x:tensor", gan_exp(T(0)), "e^x") \
    OP(log, DIFFERENTIABLE, "x:tensor", gan_log(T(0)), "natural logarithm") \
    OP(sqrt, DIFFERENTIABLE, "x:tensor", gan_sqrt(T(0)), "square root") \
    OP(square, DIFFERENTIABLE, "x:tensor", gan_square(T(0)), "x*x") \
    OP(sin, DIFFERENTIABLE, "x:tensor", gan_sin(T(0)), "sine of x in radians") \
    OP(cos, DIFFERENTIABLE, "x:tensor", gan_cos(T(0)), "cosine of x in radians") \
    OP(tanh, DIFFERENTIABLE, "x:tensor", gan_tanh(T(0)), "hyperbolic tangent") \
    OP(erf, DIFFERENTIABLE, "x:tensor", gan_erf(T(0)), "error function") \
    OP(sigmoid, DIFFERENTIABLE, "x:tensor", gan_sigmoid(T(0)), "1/(1 + e^-x)") \
    OP(softplus, DIFFERENTIABLE, "x:tensor", gan_softplus(T(0)), "log(1 + e^x), without overflow") \
    OP(leaky_relu, DIFFERENTIABLE, "x:tensor slope:number=0.2", gan_leaky_relu(T(0), N(1)), "x where x > 0, slope*x elsewhere") \
    OP(relu, DIFFERENTIABLE, "x:tensor", gan_relu(T(0)), "max(0, x)") \
    OP(elu, DIFFERENTIABLE, "x:tensor alpha:number=1", gan_elu(T(0), N(1)), "x where x > 0, alpha*(e^x - 1) elsewhere") \
    OP(gelu, DIFFERENTIABLE, "x:tensor", gan_gelu(T(0)), "x * Phi(x), with the exact normal distribution function") \
    OP(silu, DIFFERENTIABLE, "x:tensor", gan_silu(T(0)), "x * sigmoid(x)") \
    OP(clamp, DIFFERENTIABLE, "x:tensor low:number high:number", gan_clamp(T(0), N(1), N(2)), "x, at least low and at most high") \
    OP(sign, DIFFERENTIABLE, "x:tensor", gan_sign(T(0)), "-1, 0 or 1; its gradient is 0") \
    OP(abs, DIFFERENTIABLE, "x:tensor", gan_abs(T(0)), "|x|") \
    OP(score_logistic, DIFFERENTIABLE, "x:tensor sign:number=1 target:number=0", gan_score_logistic(T(0), N(1), N(2)), "log(1 + e^u) - target*u, u = sign*x") \
    OP(score_hinge, DIFFERENTIABLE, "x:tensor sign:number=1 margin:number=1", gan_score_hinge(T(0), N(1), N(2)), "max(0, margin + u), u = sign*x") \
    OP(score_squared_hinge, DIFFERENTIABLE, "x:tensor sign:number=1 margin:number=1", gan_score_squared_hinge(T(0), N(1), N(2)), "max(0, margin + u)^2, u = sign*x") \
    OP(score_smooth_hinge, DIFFERENTIABLE, "x:tensor sign:number=1 margin:number=1", gan_score_smooth_hinge(T(0), N(1), N(2)), "max(0, margin + u), u = sign*x, with a parabola of width margin for a corner") \
    OP(score_square, DIFFERENTIABLE, "x:tensor target:number=0", gan_score_square(T(0), N(1)), "(x - target)^2 / 2") \
    OP(score_parabola, DIFFERENTIABLE, "x:tensor bend:number", gan_score_parabola(T(0), N(1)), "x + bend*x^2") \
    OP(score_exponential, DIFFERENTIABLE, "x:tensor sign:number=1 shift:number=0", gan_score_exponential(T(0), N(1), N(2)), "e^(u + shift), u = sign*x") \
    OP(score_tanh, DIFFERENTIABLE, "x:tensor sign:number=1 height:number=1", gan_score_tanh(T(0), N(1), N(2)), "height * tanh(u), u = sign*x") \
    OP(eq, CONSTANT, "a:tensor b:tensor", gan_eq(T(0), T(1)), "1 where a == b, 0 elsewhere; a constant") \
    OP(lt, CONSTANT, "a:tensor b:tensor", gan_lt(T(0), T(1)), "1 where a < b, 0 elsewhere; a constant") \
    OP(le, CONSTANT, "a:tensor b:tensor", gan_le(T(0), T(1)), "1 where a <= b, 0 elsewhere; a constant") \
    OP(gt, CONSTANT, "a:tensor b:tensor", gan_gt(T(0), T(1)), "1 where a > b, 0 elsewhere; a constant") \
    OP(ge, CONSTANT, "a:tensor b:tensor", gan_ge(T(0), T(1)), "1 where a >= b, 0 elsewhere; a constant") \
    OP(where, DIFFERENTIABLE, "mask:tensor a:tensor b:tensor", gan_where(T(0), T(1), T(2)), "a where mask is not 0, b elsewhere; no gradient to mask") \
    OP(sum, DIFFERENTIABLE, "x:tensor dims:axes keepdim:flag", gan_sum(T(0), AXES(1), FLAG(2)), "sum over all, one, or several dimensions") \
    OP(mean, DIFFERENTIABLE, "x:tensor dims:axes keepdim:flag", gan_mean(T(0), AXES(1), FLAG(2)), "mean over all, one, or several dimensions") \
    OP(var, DIFFERENTIABLE, "x:tensor dims:axes keepdim:flag", gan_var(T(0), AXES(1), FLAG(2)), "unbiased variance, divided by n - 1") \
    OP(max, DIFFERENTIABLE, "x:tensor dims:axes keepdim:flag", gan_max(T(0), AXES(1), FLAG(2)), "the largest; its gradient goes to the first of them") \
    OP(min, DIFFERENTIABLE, "x:tensor dims:axes keepdim:flag", gan_min(T(0), AXES(1), FLAG(2)), "the smallest; its gradient goes to the first of them") \
    OP(norm, DIFFERENTIABLE, "x:tensor dims:axes keepdim:flag", gan_norm(T(0), AXES(1), FLAG(2)), "Euclidean norm; its gradient at 0 is 0") \
    OP(argmax, PLACES, "x:tensor dims:axes keepdim:flag", gan_argmax(T(0), AXES(1), FLAG(2)), "place of the first largest, from 1: in all of x, or along one dimension; a constant") \
    OP(sum_to, DIFFERENTIABLE, "x:tensor shape:shape", gan_sum_to(T(0), SHAPE(1)), "the sum that undoes a broadcast from shape") \
    OP(expand, DIFFERENTIABLE, "x:tensor shape:shape", gan_expand(T(0), SHAPE(1)), "x repeated to a shape that it broadcasts to") \
    OP(reshape, DIFFERENTIABLE, "x:tensor shape:shape", gan_reshape(T(0), SHAPE(1)), "the same numbers in another shape; one size may be -1") \
    OP(permute, DIFFERENTIABLE, "x:tensor order:order", gan_permute(T(0), SHAPE(1)), "dimensions in another order") \
    OP(transpose, DIFFERENTIABLE, "x:tensor dim1:axis=1 dim2:axis=2", gan_transpose(T(0), AXIS(1), AXIS(2)), "two dimensions exchanged") \
    OP(narrow, DIFFERENTIABLE, "x:tensor dim:axis start:place length:integer", gan_slice(T(0), AXIS(1), I(2), I(3)), "length places of a dimension, from start (counted from 1)") \
    OP(pad, DIFFERENTIABLE, "x:tensor dim:axis before:integer after:integer", gan_pad(T(0), AXIS(1), I(2), I(3)), "zeros before and after along a dimension") \
    OP(concat, DIFFERENTIABLE, "parts:tensors dim:axis=1", gan_concat(LIST(0), AXIS(1)), "tensors joined along a dimension") \
    OP(index, DIFFERENTIABLE, "x:tensor dim:axis indices:indices", gan_index(T(0), AXIS(1), T(2)), "slices of a dimension, by their places from 1") \
    OP(scatter_add, DIFFERENTIABLE, "x:tensor dim:axis indices:indices size:integer", gan_scatter_add(T(0), AXIS(1), T(2), I(3)), "zeros, to which each slice of x is added at its place") \
    OP(matmul, DIFFERENTIABLE, "a:tensor b:tensor transpose_a:flag transpose_b:flag", gan_matmul_t(T(0), FLAG(2), T(1), FLAG(3)), "matrix product, of two matrices or of two batches of them") \
    OP(conv2d, DIFFERENTIABLE, "x:tensor weight:tensor stride:integer=1 pad:integer=0 bias:tensor? slope:number=1", gan_conv2d_finish(T(0), T(1), INT(2), INT(3), T(4), N(5)), "convolution of N x H x W x in with kh x kw x in x out, and what finish makes of it") \
    OP(conv2d_input, DIFFERENTIABLE, "y:tensor weight:tensor height:integer width:integer stride:integer=1 pad:integer=0 bias:tensor? slope:number=1", gan_conv2d_input_finish(T(0), T(1), I(2), I(3), INT(4), INT(5), T(6), N(7)), "transposed convolution, of N x P x Q x out with kh x kw x in x out to N x height x width x in, and what finish makes of it") \
    OP(conv2d_weight, DIFFERENTIABLE, "x:tensor y:tensor kernel_h:integer kernel_w:integer stride:integer=1 pad:integer=0", gan_conv2d_weight(T(0), T(1), I(2), I(3), INT(4), INT(5)), "the gradient of a convolution to its weight: kernel_h x kernel_w x in x out") \
    OP(channel_moments, CONSTANT, "x:tensor", gan_channel_moments(T(0)), "2 x C: mean and variance (divided by n) of each channel; a constant") \
    OP(all_channel_moments, CONSTANT, "x:tensor", gan_all_channel_moments(T(0)), "3 x C: channel_moments of the x of all ranks together, and how many numbers each channel has; a constant") \
    OP(batch_norm, DIFFERENTIABLE, "x:tensor gamma:tensor beta:tensor moments:tensor? eps:number=1e-5 slope:number=1", gan_batch_norm(T(0), T(1), T(2), T(3), N(4), N(5)), "gamma*(x - mean)/sqrt(var + eps) + beta by channel, with the batch's own moments, or those of all ranks; times slope where that is not above 0") \
    OP(all_sum, DIFFERENTIABLE, "x:tensor", gan_all_sum(T(0)), "the sum of every rank's own x, the same on all (mpirun; else x); its gradient is the rank's own: that of a sum over ranks") \
    OP(spread, DIFFERENTIABLE, "x:tensor", gan_spread(T(0)), "x, the same on every rank, for each rank to compute its own part with; its gradient is summed over ranks") \
    OP(finish, DIFFERENTIABLE, "x:tensor bias:tensor? slope:number=1 over:flag", gan_finish(T(0), T(1), N(2), FLAG(3)), "x + bias, times slope where that is not above 0; with over, x is given up: the result may take its place") \
    OP(linear, DIFFERENTIABLE, "x:tensor weight:tensor bias:tensor?", gan_linear(T(0), T(1), T(2)), "x W + b; x: N x in, W: in x out") \
    OP(softmax, DIFFERENTIABLE, "x:tensor dim:axis=-1", gan_softmax(T(0), AXIS(1)), "e^x, scaled to sum to 1 along a dimension") \
    OP(log_softmax, DIFFERENTIABLE, "x:tensor dim:axis=-1", gan_log_softmax(T(0), AXIS(1)), "log of softmax, without overflow") \
    OP(standardize, DIFFERENTIABLE, "x:tensor dims:axes eps:number=1e-5", gan_standardize(T(0), AXES(1), N(2)), "(x - mean)/sqrt(var + eps) over the dimensions") \
    OP(upsample_nearest, DIFFERENTIABLE, "x:tensor scale:integer", gan_upsample_nearest(T(0), INT(1)), "N x H x W x C, each pixel repeated") \
    OP(upsample_bilinear, DIFFERENTIABLE, "x:tensor scale:integer", gan_upsample_bilinear(T(0), INT(1)), "N x H x W x C, between pixel centres") \
    OP(avg_pool, DIFFERENTIABLE, "x:tensor kernel:integer", gan_avg_pool(T(0), INT(1)), "means of kernel x kernel windows, side by side") \
    OP(detach, CONSTANT, "x:tensor", gan_detach(T(0)), "the same numbers without a graph: a constant") \
    OP(copy, CONSTANT, "x:tensor", gan_copy(T(0)), "new numbers without a graph") \
    OP(zeros, MAKER, "shape:shape", gan_zeros(ctx, SHAPE(0)), "a tensor of zeros: gan.zeros(2, 3)") \
    OP(ones, MAKER, "shape:shape", gan_full(ctx, SHAPE(0), 1), "a tensor of ones") \
    OP(full, MAKER, "shape:order value:number", gan_full(ctx, SHAPE(0), N(1)), "a tensor of one value: gan.full({2, 3}, 0.5)") \
    OP(rand, MAKER, "shape:shape", gan_rand(ctx, SHAPE(0)), "uniform random numbers in [0, 1)") \
    OP(randint, MAKER, "shape:order count:integer", gan_randint(ctx, SHAPE(0), I(1)), "random whole numbers from 0 to count - 1: gan.randint({5}, 10)") \
    OP(randn, MAKER, "shape:shape", gan_randn(ctx, SHAPE(0)), "standard normal random numbers") \
    OP(arange, MAKER, "from:number to:number step:number=1", gan_arange(ctx, N(0), N(1), N(2)), "from, from + step, ... while below to") \
    OP(linspace, MAKER, "from:number to:number n:integer", gan_linspace(ctx, N(0), N(1), I(2)), "n numbers from one to the other, both included")
/* clang-format on */

/* x^p for a number p is exact for small whole ones. */
static gan_tensor *power(gan_context *ctx, const struct value *a)
{
    (void)ctx;
    return a[1].is_number ? gan_pow(T(0), N(1)) : gan_power(T(0), T(1));
}

#define CALL(name, role, arguments, expression, doc)                                                                   \
    static gan_tensor *call_##name(gan_context *ctx, const struct value *a)                                            \
    {                                                                                                                  \
        (void)ctx;                                                                                                     \
        return expression;                                                                                             \
    }
CATALOGUE(CALL)

enum kind {
    TENSOR,
    OPTIONAL_TENSOR,
    NUMBER,
    INTEGER,
    FLAG_KIND,
    AXIS_KIND,
    AXES_KIND,
    SHAPE_KIND,
    ORDER,
    PLACE,
    INDICES,
    TENSORS
};

struct entry {
    const char *name;
    enum role role;
    const char *arguments;
    catalogue_call *call;
    const char *doc;
};

#define ROW(name, role, arguments, expression, doc) {#name, role, arguments, call_##name, doc},
static const struct entry entries[] = {CATALOGUE(ROW)};
enum { ENTRIES = sizeof entries / sizeof *entries };

/* ---- Reading an entry's arguments ---- */

struct parameter {
    char name[20];
    enum kind kind;
    bool has_default;
    double value; /* the default */
};

/* The parameters of an entry, read from its text. */
static int read_parameters(const char *text, struct parameter *p)
{
    static const struct {
        const char *word;
        enum kind kind;
    } kinds[] = {{"tensors", TENSORS},  {"tensor?", OPTIONAL_TENSOR},
                 {"tensor", TENSOR},    {"number", NUMBER},
                 {"integer", INTEGER},  {"flag", FLAG_KIND},
                 {"axis", AXIS_KIND},   {"axes", AXES_KIND},
                 {"shape", SHAPE_KIND}, {"order", ORDER},
                 {"place", PLACE},      {"indices", INDICES}};
    int count = 0;
    while (*text && count < MOST_ARGUMENTS) {
        struct parameter *q = &p[count++];
        size_t length = strcspn(text, ":");
        memcpy(q->name, text, length);
        q->name[length] = 0;
        text += length + 1;
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            size_t word = strlen(kinds[i].word);
            if (strncmp(text, kinds[i].word, word) == 0) {
                q->kind = kinds[i].kind;
                text += word;
                break;
            }
        }
        q->has_default = *text == '=';
        q->value = q->has_default ? strtod(text + 1, NULL) : 0;
        text += strcspn(text, " ");
        text += *text == ' ';
    }
    return count;
}

struct call {
    const struct entry *entry;
    int count;
    struct parameter parameters[MOST_ARGUMENTS];
    struct value values[MOST_ARGUMENTS];
    gan_tensor *result;
};

static bool takes_table(enum kind kind)
{
    return kind == AXES_KIND || kind == SHAPE_KIND || kind == ORDER || kind == INDICES || kind == TENSORS;
}

/* A table with names and no list part: arguments by name. */
static bool is_options(lua_State *L, int index)
{
    if (!lua_istable(L, index) || lua_rawlen(L, index) > 0)
        return false;
    lua_pushnil(L);
    if (!lua_next(L, index))
        return false;
    bool named = lua_type(L, -2) == LUA_TSTRING;
    lua_pop(L, 2);
    return named;
}

/* The rank that axes refer to: that of the first tensor. */
static int rank_of(const struct call *c)
{
    const struct value *first = &c->values[0];
    if (first->tensors)
        return first->integer > 0 ? gan_rank(first->tensors[0]) : 0;
    return first->tensor ? gan_rank(first->tensor) : 0;
}

static gan_axes read_axes(lua_State *L, int at, const struct call *c, const char *name)
{
    if (!lua_istable(L, at))
        return GAN_AXIS(ganlua_check_axis(L, at, c->entry->name, name, rank_of(c)));
    gan_axes axes = 0;
    for (lua_Unsigned i = 1; i <= lua_rawlen(L, at); i++) {
        lua_rawgeti(L, at, (lua_Integer)i);
        gan_axes axis = GAN_AXIS(ganlua_check_axis(L, lua_gettop(L), c->entry->name, name, rank_of(c)));
        if (axes & axis)
            ganlua_error_at_user(L, "%s: argument '%s' names dimension %s twice", c->entry->name, name,
                                 lua_tostring(L, -1));
        axes |= axis;
        lua_pop(L, 1);
    }
    return axes;
}

/* Places counted from 1, as an anchored tensor of places from 0, which is left on the stack. */
struct indices_work {
    gan_tensor *given, *result;
};

static void make_indices(gan_context *ctx, void *argument)
{
    struct indices_work *w = argument;
    (void)ctx;
    w->result = gan_detach(gan_affine(gan_detach(w->given), 1, -1));
}

static void make_list(gan_context *ctx, void *argument)
{
    struct indices_work *w = argument;
    w->result = gan_from(ctx, GAN_SHAPE((int64_t)(intptr_t)w->given), NULL);
}

/* The sizes of a new tensor. */
static gan_shape read_new_shape(lua_State *L, int at, const struct call *c)
{
    gan_shape shape = ganlua_check_shape(L, at, c->entry->name);
    for (int i = 0; i < shape.rank && c->entry->role == MAKER; i++)
        if (shape.dims[i] < 0)
            ganlua_error_at_user(L, "%s: a size cannot be negative, got %I", c->entry->name,
                                 (LUAI_UACINT)shape.dims[i]);
    return shape;
}

static gan_tensor *read_indices(lua_State *L, int at, const struct call *c, const char *name)
{
    struct indices_work work = {ganlua_to_tensor(L, at), NULL};
    if (work.given) {
        ganlua_enter(L, make_indices, &work);
        ganlua_push_tensor(L, work.result);
        return work.result;
    }
    if (!lua_istable(L, at))
        ganlua_bad_argument(L, at, c->entry->name, name, "a list or a tensor of places");
    lua_Unsigned n = lua_rawlen(L, at);
    work.given = (gan_tensor *)(intptr_t)n;
    ganlua_enter(L, make_list, &work);
    ganlua_push_tensor(L, work.result);
    for (lua_Unsigned i = 0; i < n; i++) {
        lua_rawgeti(L, at, (lua_Integer)i + 1);
        gan_write(work.result)[i] = (gan_real)(ganlua_check_number(L, lua_gettop(L), c->entry->name, name) - 1);
        lua_pop(L, 1);
    }
    return work.result;
}

/* Reads the value at stack place `at` as parameter i. May leave anchors on the stack. */
static void read_value(lua_State *L, struct call *c, int i, int at)
{
    const struct parameter *p = &c->parameters[i];
    struct value *v = &c->values[i];
    const char *function = c->entry->name;
    bool absent = lua_isnoneornil(L, at);
    if (absent && p->has_default && p->kind == AXIS_KIND) {
        int rank = rank_of(c);
        v->integer = p->value < 0 ? rank + (int64_t)p->value : (int64_t)p->value - 1;
        return;
    }
    if (absent && p->has_default) {
        v->number = p->value;
        v->integer = (int64_t)p->value;
        return;
    }
    switch (p->kind) {
    case OPTIONAL_TENSOR:
        if (absent)
            return;
        /* fall through */
    case TENSOR:
        if (lua_type(L, at) == LUA_TNUMBER) {
            v->number = lua_tonumber(L, at);
            v->is_number = true;
        } else {
            v->tensor = ganlua_to_tensor(L, at);
            if (!v->tensor)
                ganlua_bad_argument(L, at, function, p->name, "a tensor or a number");
        }
        return;
    case NUMBER:
        v->number = ganlua_check_number(L, at, function, p->name);
        return;
    case INTEGER:
        v->integer = ganlua_check_integer(L, at, function, p->name);
        break;
    case PLACE:
        v->integer = ganlua_check_integer(L, at, function, p->name);
        v->integer -= v->integer > INT64_MIN;
        return;
    case FLAG_KIND:
        if (!absent && !lua_isboolean(L, at))
            ganlua_bad_argument(L, at, function, p->name, "true or false (several dimensions are a list: {1, 2})");
        v->integer = lua_toboolean(L, at);
        return;
    case AXIS_KIND:
        v->integer = ganlua_check_axis(L, at, function, p->name, rank_of(c));
        return;
    case AXES_KIND:
        v->axes = absent ? GAN_ALL_AXES : read_axes(L, at, c, p->name);
        return;
    case SHAPE_KIND:
        v->shape = read_new_shape(L, at, c);
        return;
    case ORDER:
        if (!lua_istable(L, at))
            ganlua_bad_argument(L, at, function, p->name, "a list of numbers");
        v->shape = read_new_shape(L, at, c);
        if (strcmp(p->name, "order") == 0)
            for (int j = 0; j < v->shape.rank; j++) /* dimensions from 1, negative from the end */
                v->shape.dims[j] += v->shape.dims[j] < 0 ? rank_of(c) : -1;
        return;
    case INDICES:
        v->tensor = read_indices(L, at, c, p->name);
        return;
    case TENSORS: {
        int count;
        v->tensors = ganlua_check_tensors(L, at, function, p->name, &count);
        if (count == 0)
            ganlua_error_at_user(L, "%s: argument '%s' must have at least one tensor", function, p->name);
        v->integer = count;
        return;
    }
    }
    if (v->integer > INT32_MAX || v->integer < INT32_MIN)
        ganlua_bad_argument(L, at, function, p->name, "a whole number of at most 31 bits");
}

static void read_arguments(lua_State *L, struct call *c)
{
    int given = lua_gettop(L), options = 0;
    lua_settop(L, given > c->count ? given : c->count);
    for (int i = 0; i < c->count; i++) {
        int at = i + 1;
        enum kind kind = c->parameters[i].kind;
        bool empty = lua_istable(L, at) && lua_rawlen(L, at) == 0 && !takes_table(kind); /* no options at all */
        if (!options && at <= given && (empty || is_options(L, at))) {
            const char *names[MOST_ARGUMENTS + 1] = {0};
            for (int j = i; j < c->count; j++)
                names[j - i] = c->parameters[j].name;
            if (i == 0)
                ganlua_bad_argument(L, at, c->entry->name, c->parameters[0].name, "a tensor");
            ganlua_check_options(L, at, c->entry->name, names);
            options = at;
        }
        if (options) {
            lua_getfield(L, options, c->parameters[i].name);
            at = lua_gettop(L);
        }
        read_value(L, c, i, at);
        if (kind == SHAPE_KIND && !lua_istable(L, at))
            return; /* the numbers to the top were its sizes */
    }
    if (!options && given > c->count)
        ganlua_error_at_user(L, "%s: wanted at most %d arguments, got %d", c->entry->name, c->count, given);
}

/* ---- Calling ---- */

static void run_call(gan_context *ctx, void *argument)
{
    struct call *c = argument;
    struct value values[MOST_ARGUMENTS];
    memcpy(values, c->values, sizeof values);
    for (int i = 0; i < c->count; i++)
        if (values[i].is_number)
            values[i].tensor = gan_scalar(ctx, values[i].number);
    c->result = c->entry->call(ctx, values);
    if (c->entry->role == PLACES)
        c->result = gan_detach(gan_affine(c->result, 1, 1));
}

static int call_entry(lua_State *L)
{
    struct call c = {.entry = lua_touserdata(L, lua_upvalueindex(1))};
    const struct parameter *parameters = lua_touserdata(L, lua_upvalueindex(2));
    for (c.count = 0; c.count < MOST_ARGUMENTS && parameters[c.count].name[0]; c.count++)
        c.parameters[c.count] = parameters[c.count];
    read_arguments(L, &c);
    ganlua_enter(L, run_call, &c);
    ganlua_push_tensor(L, c.result);
    return 1;
}

/* core.describe(op or its name) -> its signature and documentation, or nil */
static int describe(lua_State *L)
{
    const struct entry *e = NULL;
    if (lua_type(L, 1) == LUA_TSTRING) {
        for (int i = 0; i < ENTRIES && !e; i++)
            e = strcmp(entries[i].name, lua_tostring(L, 1)) == 0 ? &entries[i] : NULL;
    } else if (lua_tocfunction(L, 1) == call_entry) {
        lua_getupvalue(L, 1, 1);
        e = lua_touserdata(L, -1);
    }
    if (!e)
        return 0;
    struct parameter p[MOST_ARGUMENTS];
    int count = read_parameters(e->arguments, p);
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    luaL_addstring(&text, e->name);
    for (int i = 0; i < count; i++) {
        lua_pushfstring(L, i ? ", %s" : "(%s", p[i].name);
        luaL_addvalue(&text);
        if (p[i].has_default) {
            char value[32];
            snprintf(value, sizeof value, " = %g", p[i].value);
            luaL_addstring(&text, value);
        }
    }
    luaL_addstring(&text, ")\n");
    luaL_addstring(&text, e->doc);
    luaL_pushresult(&text);
    return 1;
}

/* core.catalogue() -> list of {name=, role="differentiable"|"constant"|"maker", arguments="name:kind=default ...", doc=} */
static int catalogue(lua_State *L)
{
    lua_createtable(L, ENTRIES, 0);
    for (int i = 0; i < ENTRIES; i++) {
        lua_createtable(L, 0, 5);
        lua_pushstring(L, entries[i].name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, entries[i].arguments);
        lua_setfield(L, -2, "arguments");
        lua_pushboolean(L, entries[i].role == DIFFERENTIABLE);
        lua_setfield(L, -2, "differentiable");
        lua_pushstring(L, entries[i].role == DIFFERENTIABLE ? "differentiable"
                          : entries[i].role == MAKER        ? "maker"
                                                            : "constant");
        lua_setfield(L, -2, "role");
        lua_pushstring(L, entries[i].doc);
        lua_setfield(L, -2, "doc");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

void ganlua_add_catalogue(lua_State *L)
{
    ganlua_push_methods(L);
    for (int i = 0; i < ENTRIES; i++) {
        lua_pushlightuserdata(L, (void *)&entries[i]);
        struct parameter *p = lua_newuserdatauv(L, (MOST_ARGUMENTS + 1) * sizeof *p, 0);
        memset(p, 0, (MOST_ARGUMENTS + 1) * sizeof *p);
        read_parameters(entries[i].arguments, p);
        lua_pushcclosure(L, call_entry, 2);
        if (entries[i].role != MAKER && strncmp(entries[i].arguments, "parts", 5) != 0) {
            lua_pushvalue(L, -1);
            lua_setfield(L, -3, entries[i].name);
        }
        lua_setfield(L, -3, entries[i].name);
    }
    lua_pop(L, 1);
    lua_pushcfunction(L, catalogue);
    lua_setfield(L, -2, "catalogue");
    lua_pushcfunction(L, describe);
    lua_setfield(L, -2, "describe");
}
