/* json.c - Lua tables as JSON and back, over jansson: metrics lines and the counters of checkpoints.
 *
 * A document in the making hangs in a userdata from its first node on, so that a Lua error leaks
 * nothing. Keys are written in alphabetical order, or in the order asked for: equal tables give
 * equal bytes. JSON has no word for a number that is not finite: it becomes null. */
#include <math.h>
#include <string.h>

#include <jansson.h>

#include "bind.h"

enum { DEEPEST = 100 };

struct line {
    char text[512];
    size_t size;
};

static int release(lua_State *L)
{
    json_t **document = lua_touserdata(L, 1);
    json_decref(*document);
    *document = NULL;
    return 0;
}

/* Pushes a userdata that owns the document put into it. */
static json_t **push_document(lua_State *L)
{
    json_t **document = lua_newuserdatauv(L, sizeof *document, 0);
    *document = NULL;
    if (luaL_newmetatable(L, "ganlua.json")) {
        lua_pushcfunction(L, release);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return document;
}

/* ---- Lua to JSON ---- */

/* Hangs a node below its parent (an array, or an object at key), or makes it the document. */
static json_t *hang(lua_State *L, json_t **document, json_t *parent, const char *key, json_t *node)
{
    int failed = node == NULL;
    if (!parent && !failed)
        *document = node;
    else if (!failed) /* these take the reference, also when they fail */
        failed = key ? json_object_set_new(parent, key, node) : json_array_append_new(parent, node);
    if (failed)
        luaL_error(L, "json: not enough memory, or text that is not UTF-8");
    return node;
}

static void encode_value(lua_State *L, json_t **document, json_t *parent, const char *key, int depth);

/* The string at index as an object's key: jansson's end at the first zero byte. */
static const char *check_name(lua_State *L, int index)
{
    size_t size;
    const char *name = lua_tolstring(L, index, &size);
    if (strlen(name) != size)
        ganlua_error_at_user(L, "json: the name '%s...' has a zero byte in it", name);
    return name;
}

static void encode_table(lua_State *L, json_t **document, json_t *parent, const char *key, int depth)
{
    int table = lua_gettop(L);
    luaL_checkstack(L, 6, "json");
    if (depth > DEEPEST)
        ganlua_error_at_user(L, "json: a table nested deeper than %d, or one that contains itself", DEEPEST);
    lua_Integer length = (lua_Integer)lua_rawlen(L, table);
    json_t *node = hang(L, document, parent, key, length > 0 ? json_array() : json_object());
    for (lua_Integer i = 1; i <= length; i++) {
        lua_rawgeti(L, table, i);
        encode_value(L, document, node, NULL, depth + 1);
        lua_pop(L, 1);
    }
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        if (length > 0 && lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 && lua_tointeger(L, -2) <= length)
            continue;
        if (length > 0 || lua_type(L, -2) != LUA_TSTRING)
            ganlua_error_at_user(L, "json: a table has either names or places, got a key that is a %s",
                                 luaL_typename(L, -2));
        encode_value(L, document, node, check_name(L, -2), depth + 1);
    }
}

/* Encodes the value on the top of the stack. */
static void encode_value(lua_State *L, json_t **document, json_t *parent, const char *key, int depth)
{
    size_t size;
    const char *text;
    switch (lua_type(L, -1)) {
    case LUA_TTABLE:
        encode_table(L, document, parent, key, depth);
        return;
    case LUA_TBOOLEAN:
        hang(L, document, parent, key, json_boolean(lua_toboolean(L, -1)));
        return;
    case LUA_TSTRING:
        text = lua_tolstring(L, -1, &size);
        hang(L, document, parent, key, json_stringn(text, size));
        return;
    case LUA_TNUMBER:
        if (lua_isinteger(L, -1))
            hang(L, document, parent, key, json_integer(lua_tointeger(L, -1)));
        else
            hang(L, document, parent, key,
                 isfinite(lua_tonumber(L, -1)) ? json_real(lua_tonumber(L, -1)) : json_null());
        return;
    default:
        ganlua_error_at_user(L, "json: there is no way to write a %s%s%s", luaL_typename(L, -1), key ? " at " : "",
                             key ? key : "");
    }
}

/* Writes one byte behind what a line has; false where there is no room. */
static bool add_byte(struct line *line, char byte)
{
    if (line->size == sizeof line->text)
        return false;
    line->text[line->size++] = byte;
    return true;
}

/* Writes "name": for the string at index; false where there is no room, or where it cannot stand there as it is. */
static bool add_name(lua_State *L, int index, struct line *line)
{
    size_t size;
    const char *name = lua_tolstring(L, index, &size);
    bool fits = add_byte(line, line->size ? ',' : '{') && add_byte(line, '"');
    for (size_t i = 0; fits && i < size; i++)
        fits = name[i] >= ' ' && name[i] <= '~' && name[i] != '"' && name[i] != '\\' && add_byte(line, name[i]);
    return fits && add_byte(line, '"') && add_byte(line, ':');
}

/* Writes x as jansson does with six digits, into 16 bytes, and returns how many it took; 0: not done. Exact, for where
 * scaling by a power of ten may have rounded to the wrong side, between two texts, it is not done; nor outside 1e-4 <=
 * |x| < 1e6. printf took half of a move's record. */
enum { DIGITS = 6 };
static size_t write_real(char *text, double x)
{
    static const double power[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
    double size = fabs(x);
    if (!(size >= 1e-4 && size < 1e6))
        return 0;
    int exponent = DIGITS - 1; /* of the first digit */
    while (exponent >= 0 && size < power[exponent])
        exponent--;
    while (exponent < 0 && size * power[-exponent] < 1)
        exponent--;
    double scaled = size * power[DIGITS - 1 - exponent];
    long number = (long)(scaled + 0.5), digits = DIGITS;
    if (fabs(scaled - floor(scaled) - 0.5) < 1e-6 || number >= 1000000)
        return 0;
    for (; digits > 1 && number % 10 == 0; digits--)
        number /= 10;
    char figures[DIGITS];
    for (long i = digits; i > 0; number /= 10)
        figures[--i] = (char)('0' + number % 10);
    char *at = text;
    if (x < 0)
        *at++ = '-';
    for (int place = exponent < 0 ? exponent : 0; place < digits || place <= exponent + 1; place++) {
        *at++ = place >= 0 && place < digits ? figures[place] : '0';
        if (place == exponent)
            *at++ = '.';
    }
    return (size_t)(at - text);
}

/* Writes the number on the top of the stack behind what a line has; false where there is no room. `real` is a node to
 * borrow. */
static bool add_number(lua_State *L, json_t *real, struct line *line, int digits, size_t flags)
{
    size_t room = sizeof line->text - line->size;
    json_t *node = real, *made = NULL;
    if (lua_isinteger(L, -1)) {
        node = made = json_integer(lua_tointeger(L, -1));
    } else {
        size_t size = digits == DIGITS && room >= 16 ? write_real(line->text + line->size, lua_tonumber(L, -1)) : 0;
        line->size += size;
        if (size > 0)
            return true;
        if (json_real_set(real, lua_tonumber(L, -1)) != 0) /* not finite */
            node = made = json_null();
    }
    size_t size = node ? json_dumpb(node, line->text + line->size, room, flags) : 0;
    json_decref(made);
    line->size += size;
    return size > 0 && size <= room;
}

/* Writes an object of numbers under plain names without making a document, as the lines of metrics are: the table at
 * 1, its keys in the order of the list at 2. False where there is anything else, or much. */
static bool write_numbers(lua_State *L, struct line *line, int digits, size_t flags)
{
    json_t *real = json_real(0);
    bool fits = real != NULL;
    line->size = 0;
    for (lua_Integer i = 1; fits && lua_rawgeti(L, 2, i) == LUA_TSTRING; i++) {
        lua_pushvalue(L, -1);
        int type = lua_rawget(L, 1);
        if (type != LUA_TNIL)
            fits = type == LUA_TNUMBER && add_name(L, -2, line) && add_number(L, real, line, digits, flags);
        lua_pop(L, 2);
    }
    lua_settop(L, 3);
    json_decref(real);
    return fits && line->size > 0 && add_byte(line, '}');
}

/* core.json_encode(value, order = nil, digits = 17) -> text. order: the keys of an object, those it
 * has not being left out; nested objects are alphabetical. digits: of each float. */
static int encode(lua_State *L)
{
    lua_settop(L, 3);
    int digits = (int)luaL_optinteger(L, 3, 17);
    luaL_argcheck(L, digits >= 1 && digits <= 17, 3, "digits from 1 to 17");
    size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION((size_t)digits);
    struct line line; /* most texts are lines of metrics */
    if (lua_istable(L, 1) && lua_istable(L, 2) && write_numbers(L, &line, digits, flags)) {
        lua_pushlstring(L, line.text, line.size);
        return 1;
    }
    json_t **document = push_document(L);
    if (lua_istable(L, 2)) {
        luaL_checktype(L, 1, LUA_TTABLE);
        json_t *object = hang(L, document, NULL, NULL, json_object());
        for (lua_Integer i = 1; lua_rawgeti(L, 2, i) == LUA_TSTRING; i++) {
            lua_pushvalue(L, -1);
            if (lua_rawget(L, 1) != LUA_TNIL)
                encode_value(L, document, object, check_name(L, -2), 1);
            lua_pop(L, 2);
        }
        lua_pop(L, 1);
    } else {
        lua_pushvalue(L, 1);
        encode_value(L, document, NULL, NULL, 1);
        lua_pop(L, 1);
    }
    if (!lua_istable(L, 2))
        flags |= JSON_SORT_KEYS;
    size_t size = json_dumpb(*document, line.text, sizeof line.text, flags);
    if (size <= sizeof line.text) {
        lua_pushlstring(L, line.text, size);
    } else { /* measured by now: no Lua runs inside jansson */
        luaL_Buffer buffer;
        json_dumpb(*document, luaL_buffinitsize(L, &buffer, size), size, flags);
        luaL_pushresultsize(&buffer, size);
    }
    json_decref(*document); /* now, not when garbage is collected */
    *document = NULL;
    return 1;
}

/* ---- JSON to Lua ---- */

static void push_value(lua_State *L, const json_t *node)
{
    luaL_checkstack(L, 6, "json");
    switch (json_typeof(node)) {
    case JSON_OBJECT: {
        const char *key;
        json_t *value;
        lua_createtable(L, 0, (int)json_object_size(node));
        json_object_foreach((json_t *)node, key, value)
        {
            push_value(L, value);
            lua_setfield(L, -2, key);
        }
        return;
    }
    case JSON_ARRAY:
        lua_createtable(L, (int)json_array_size(node), 0);
        for (size_t i = 0; i < json_array_size(node); i++) {
            push_value(L, json_array_get(node, i));
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        return;
    case JSON_STRING:
        lua_pushlstring(L, json_string_value(node), json_string_length(node));
        return;
    case JSON_INTEGER:
        lua_pushinteger(L, json_integer_value(node));
        return;
    case JSON_REAL:
        lua_pushnumber(L, json_real_value(node));
        return;
    case JSON_TRUE:
        lua_pushboolean(L, 1);
        return;
    case JSON_FALSE:
        lua_pushboolean(L, 0);
        return;
    case JSON_NULL:
        lua_pushnil(L);
        return;
    }
}

/* core.json_decode(text) -> value; raises with the line where the text is no JSON */
static int decode(lua_State *L)
{
    size_t size;
    const char *text = ganlua_check_string(L, 1, "json_decode", "text", &size);
    json_error_t reason;
    json_t **document = push_document(L);
    *document = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &reason);
    if (!*document)
        ganlua_error_at_user(L, "not JSON: %s (line %d)", reason.text, reason.line);
    push_value(L, *document);
    return 1;
}

static const luaL_Reg functions[] = {{"json_encode", encode}, {"json_decode", decode}, {NULL, NULL}};

void ganlua_add_json(lua_State *L)
{
    json_object_seed(0); /* from /dev/urandom, which is read now and not when a script in the sandbox comes to it */
    luaL_setfuncs(L, functions, 0);
}
