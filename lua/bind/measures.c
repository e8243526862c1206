/* measures.c - measures of samples and histograms, as Lua calls them. */
#include "bind.h"

struct measure_work {
    gan_tensor *a, *b, *c;
    int64_t count;
    bool flag; /* nearest: self; ball_counts: of_points */
    gan_estimate estimate;
    gan_tensor *result, *distances;
};

static struct measure_work start(lua_State *L, const char *function)
{
    return (struct measure_work){.a = ganlua_check_tensor(L, 1, function, "a"),
                                 .b = ganlua_check_tensor(L, 2, function, "b")};
}

static void frechet_work(gan_context *ctx, void *argument)
{
    struct measure_work *w = argument;
    (void)ctx;
    w->estimate.value = gan_frechet(w->a, w->b);
}

static void kid_work(gan_context *ctx, void *argument)
{
    struct measure_work *w = argument;
    (void)ctx;
    w->estimate = gan_kid(w->a, w->b);
}

static void sliced_work(gan_context *ctx, void *argument)
{
    struct measure_work *w = argument;
    (void)ctx;
    w->estimate.value = gan_sliced_wasserstein(w->a, w->b, w->c);
}

static void nearest_work(gan_context *ctx, void *argument)
{
    struct measure_work *w = argument;
    (void)ctx;
    w->result = gan_nearest(w->a, w->b, w->count, w->flag, &w->distances);
    w->result = gan_detach(gan_affine(w->result, 1, 1)); /* places count from 1 in Lua */
}

static void balls_work(gan_context *ctx, void *argument)
{
    struct measure_work *w = argument;
    (void)ctx;
    w->result = gan_ball_counts(w->a, w->b, w->count, w->flag);
}

/* core.frechet(a, b) -> number */
static int frechet(lua_State *L)
{
    struct measure_work w = start(L, "frechet");
    ganlua_check_reading(L);
    ganlua_enter(L, frechet_work, &w);
    lua_pushnumber(L, w.estimate.value);
    return 1;
}

/* core.kid(a, b) -> number, its standard error */
static int kid(lua_State *L)
{
    struct measure_work w = start(L, "kid");
    ganlua_check_reading(L);
    ganlua_enter(L, kid_work, &w);
    lua_pushnumber(L, w.estimate.value);
    lua_pushnumber(L, w.estimate.error);
    return 2;
}

/* core.sliced_wasserstein(a, b, directions) -> number */
static int sliced_wasserstein(lua_State *L)
{
    struct measure_work w = start(L, "sliced_wasserstein");
    w.c = ganlua_check_tensor(L, 3, "sliced_wasserstein", "directions");
    ganlua_check_reading(L);
    ganlua_enter(L, sliced_work, &w);
    lua_pushnumber(L, w.estimate.value);
    return 1;
}

/* core.nearest(a, b, count, self) -> places in b, from 1, n_a x count; their distances */
static int nearest(lua_State *L)
{
    struct measure_work w = start(L, "nearest");
    w.count = ganlua_check_integer(L, 3, "nearest", "count");
    w.flag = lua_toboolean(L, 4);
    struct ganlua_tensor *places = ganlua_push_empty(L), *distances = ganlua_push_empty(L);
    ganlua_enter(L, nearest_work, &w);
    places->t = gan_retain(w.result);
    distances->t = gan_retain(w.distances);
    gan_pool_release(ganlua_context(L), 0);
    return 2;
}

/* core.ball_counts(centres, points, k, of_points) -> n: see gan_ball_counts */
static int ball_counts(lua_State *L)
{
    struct measure_work w = start(L, "ball_counts");
    w.count = ganlua_check_integer(L, 3, "ball_counts", "k");
    w.flag = lua_toboolean(L, 4);
    ganlua_enter(L, balls_work, &w);
    ganlua_push_tensor(L, w.result);
    return 1;
}

enum { MOST_BUCKETS = 1000 };

/* core.histogram(t, buckets) -> { count=, least=, most=, sum=, squares=, and the buckets' counts }: see gan_histogram_of */
static int histogram(lua_State *L)
{
    ganlua_check_reading(L);
    gan_tensor *t = ganlua_check_tensor(L, 1, "histogram", "t");
    lua_Integer buckets = ganlua_check_integer(L, 2, "histogram", "buckets");
    if (buckets < 1 || buckets > MOST_BUCKETS)
        ganlua_error_at_user(L, "histogram: buckets must be from 1 to %d, got %I", MOST_BUCKETS, buckets);
    int64_t counts[MOST_BUCKETS];
    gan_histogram h = gan_histogram_of(t, buckets, counts);
    lua_createtable(L, (int)buckets, 5);
    for (lua_Integer i = 0; i < buckets; i++) {
        lua_pushinteger(L, counts[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushinteger(L, h.count);
    lua_setfield(L, -2, "count");
    const char *const names[] = {"least", "most", "sum", "squares"};
    const double values[] = {h.least, h.most, h.sum, h.squares};
    for (int i = 0; i < 4; i++) {
        lua_pushnumber(L, values[i]);
        lua_setfield(L, -2, names[i]);
    }
    return 1;
}

static const luaL_Reg functions[] = {{"frechet", frechet},
                                     {"kid", kid},
                                     {"sliced_wasserstein", sliced_wasserstein},
                                     {"nearest", nearest},
                                     {"ball_counts", ball_counts},
                                     {"histogram", histogram},
                                     {NULL, NULL}};

void ganlua_add_measures(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
