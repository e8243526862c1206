/* pictures.c - bytes as pictures, the built-in glyphs, PNG, and drawing, as Lua calls them. */
#include <string.h>

#include "bind.h"
#include "io/io.h"

/* ---- Data sets ---- */

struct data_work {
    const uint8_t *bytes;
    size_t size, offset;
    const char *name;
    gan_shape picture;
    gan_tensor *indices; /* from 1 */
    double scale, shift;
    uint64_t seed;
    gan_idx idx;
    gan_tensor *result, *labels;
};

static gan_tensor *from_zero(gan_tensor *indices)
{
    return gan_detach(gan_affine(gan_detach(indices), 1, -1));
}

static void idx_work(gan_context *ctx, void *argument)
{
    struct data_work *w = argument;
    w->idx = gan_idx_parse(ctx, w->bytes, w->size, w->name);
}

static void pictures_work(gan_context *ctx, void *argument)
{
    struct data_work *w = argument;
    w->result = gan_pictures(ctx, w->bytes, w->size, w->offset, w->picture, from_zero(w->indices), w->scale, w->shift);
}

static void labels_work(gan_context *ctx, void *argument)
{
    struct data_work *w = argument;
    w->result = gan_labels(ctx, w->bytes, w->size, w->offset, from_zero(w->indices));
}

static void glyphs_work(gan_context *ctx, void *argument)
{
    struct data_work *w = argument;
    w->result = gan_glyphs(ctx, from_zero(w->indices), w->seed, &w->labels);
}

static size_t check_offset(lua_State *L, int index, const char *function)
{
    int64_t offset = ganlua_check_integer(L, index, function, "offset");
    if (offset < 0)
        ganlua_bad_argument(L, index, function, "offset", "a number of bytes");
    return (size_t)offset;
}

/* core.idx_parse(bytes, name) -> shape, offset of the first element in bytes */
static int idx_parse(lua_State *L)
{
    struct data_work w = {.name = luaL_optstring(L, 2, "the file")};
    w.bytes = (const uint8_t *)ganlua_check_string(L, 1, "idx_parse", "bytes", &w.size);
    ganlua_enter(L, idx_work, &w);
    lua_createtable(L, w.idx.shape.rank, 0);
    for (int i = 0; i < w.idx.shape.rank; i++) {
        lua_pushinteger(L, w.idx.shape.dims[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushinteger(L, (lua_Integer)w.idx.offset);
    return 2;
}

/* core.pictures(bytes, offset, {h, w, c}, indices, scale, shift) -> n x h x w x c */
static int pictures(lua_State *L)
{
    struct data_work w = {0};
    w.bytes = (const uint8_t *)ganlua_check_string(L, 1, "pictures", "bytes", &w.size);
    w.offset = check_offset(L, 2, "pictures");
    if (!lua_istable(L, 3))
        ganlua_bad_argument(L, 3, "pictures", "picture", "a table {height, width, channels}");
    w.picture = ganlua_check_shape(L, 3, "pictures");
    w.indices = ganlua_check_tensor(L, 4, "pictures", "indices");
    w.scale = ganlua_check_number(L, 5, "pictures", "scale");
    w.shift = ganlua_check_number(L, 6, "pictures", "shift");
    ganlua_enter(L, pictures_work, &w);
    ganlua_push_tensor(L, w.result);
    return 1;
}

/* core.labels(bytes, offset, indices) -> n */
static int labels(lua_State *L)
{
    struct data_work w = {0};
    w.bytes = (const uint8_t *)ganlua_check_string(L, 1, "labels", "bytes", &w.size);
    w.offset = check_offset(L, 2, "labels");
    w.indices = ganlua_check_tensor(L, 3, "labels", "indices");
    ganlua_enter(L, labels_work, &w);
    ganlua_push_tensor(L, w.result);
    return 1;
}

/* core.glyphs(indices, seed) -> n x 28 x 28 x 1, labels */
static int glyphs(lua_State *L)
{
    struct data_work w = {.indices = ganlua_check_tensor(L, 1, "glyphs", "indices"),
                          .seed = (uint64_t)ganlua_check_integer(L, 2, "glyphs", "seed")};
    struct ganlua_tensor *result = ganlua_push_empty(L), *classes = ganlua_push_empty(L);
    ganlua_enter(L, glyphs_work, &w);
    result->t = gan_retain(w.result);
    classes->t = gan_retain(w.labels);
    gan_pool_release(ganlua_context(L), 0);
    return 2;
}

/* core.glyph_names -> the character of each label, label + 1 being its place */
static void add_glyph_names(lua_State *L)
{
    lua_createtable(L, GAN_GLYPH_CLASSES, 0);
    for (int i = 0; i < GAN_GLYPH_CLASSES; i++) {
        lua_pushlstring(L, &gan_glyph_names[i], 1);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "glyph_names");
}

/* ---- PNG and drawing ---- */

struct draw_work {
    enum { PNG, LINE, TEXT, RECT, DISC } what;
    gan_tensor *t;
    double at[4], size, colour[3];
    const char *text;
    const uint8_t *bytes;
    size_t length;
};

static void draw_work(gan_context *ctx, void *argument)
{
    struct draw_work *w = argument;
    switch (w->what) {
    case PNG:
        w->bytes = gan_png_encode(ctx, w->t, &w->length);
        break;
    case LINE:
        gan_draw_line(w->t, w->at[0], w->at[1], w->at[2], w->at[3], w->colour, w->size);
        break;
    case TEXT:
        gan_draw_text(w->t, w->at[0], w->at[1], w->text, w->colour, w->size);
        break;
    case RECT:
        gan_draw_rect(w->t, w->at[0], w->at[1], w->at[2], w->at[3], w->colour);
        break;
    case DISC:
        gan_draw_disc(w->t, w->at[0], w->at[1], w->size, w->colour);
        break;
    }
}

/* core.png_encode(t) -> bytes of a PNG; t: H x W x 1 or 3 in [-1, 1] */
static int png_encode(lua_State *L)
{
    struct draw_work w = {.what = PNG, .t = ganlua_check_tensor(L, 1, "png_encode", "t")};
    ganlua_check_reading(L);
    ganlua_enter(L, draw_work, &w);
    lua_pushlstring(L, (const char *)w.bytes, w.length);
    gan_pool_release(ganlua_context(L), 0);
    return 1;
}

static void read_colour(lua_State *L, int index, const char *function, double colour[3])
{
    if (!lua_istable(L, index) || lua_rawlen(L, index) != 3)
        ganlua_bad_argument(L, index, function, "colour", "a table {red, green, blue}");
    for (int i = 0; i < 3; i++) {
        lua_rawgeti(L, index, i + 1);
        colour[i] = ganlua_check_number(L, lua_gettop(L), function, "colour");
        lua_pop(L, 1);
    }
}

static struct draw_work start_drawing(lua_State *L, const char *function, int numbers)
{
    struct draw_work w = {.t = ganlua_check_tensor(L, 1, function, "t")};
    for (int i = 0; i < numbers; i++)
        w.at[i] = ganlua_check_number(L, i + 2, function, "position");
    return w;
}

/* core.draw_line(t, x0, y0, x1, y1, {r, g, b}, width = 1) */
static int draw_line(lua_State *L)
{
    struct draw_work w = start_drawing(L, "draw_line", 4);
    w.what = LINE;
    read_colour(L, 6, "draw_line", w.colour);
    w.size = luaL_optnumber(L, 7, 1);
    ganlua_enter(L, draw_work, &w);
    return 0;
}

/* core.draw_text(t, x, y, text, {r, g, b}, height) */
static int draw_text(lua_State *L)
{
    struct draw_work w = start_drawing(L, "draw_text", 2);
    w.what = TEXT;
    w.text = ganlua_check_string(L, 4, "draw_text", "text", NULL);
    read_colour(L, 5, "draw_text", w.colour);
    w.size = ganlua_check_number(L, 6, "draw_text", "height");
    ganlua_enter(L, draw_work, &w);
    return 0;
}

/* core.draw_rect(t, x, y, width, height, {r, g, b}), filled */
static int draw_rect(lua_State *L)
{
    struct draw_work w = start_drawing(L, "draw_rect", 4);
    w.what = RECT;
    read_colour(L, 6, "draw_rect", w.colour);
    ganlua_enter(L, draw_work, &w);
    return 0;
}

/* core.draw_disc(t, x, y, radius, {r, g, b}) */
static int draw_disc(lua_State *L)
{
    struct draw_work w = start_drawing(L, "draw_disc", 2);
    w.what = DISC;
    w.size = ganlua_check_number(L, 4, "draw_disc", "radius");
    read_colour(L, 5, "draw_disc", w.colour);
    ganlua_enter(L, draw_work, &w);
    return 0;
}

/* core.text_width(text, height) -> pixels */
static int text_width(lua_State *L)
{
    const char *text = ganlua_check_string(L, 1, "text_width", "text", NULL);
    lua_pushnumber(L, gan_text_width(text, ganlua_check_number(L, 2, "text_width", "height")));
    return 1;
}

static const luaL_Reg functions[] = {{"idx_parse", idx_parse},
                                     {"pictures", pictures},
                                     {"labels", labels},
                                     {"glyphs", glyphs},
                                     {"png_encode", png_encode},
                                     {"draw_line", draw_line},
                                     {"draw_text", draw_text},
                                     {"draw_rect", draw_rect},
                                     {"draw_disc", draw_disc},
                                     {"text_width", text_width},
                                     {NULL, NULL}};

void ganlua_add_pictures(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
    add_glyph_names(L);
}
