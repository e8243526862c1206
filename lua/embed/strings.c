/* strings.c - functions in the sandbox that go through whole strings: Lua's own, called when what they are about to do
 * has been counted. They run in the caller's place, so that messages are the same. */
#include <string.h>

#include <lauxlib.h>

#include "embed/host.h"
#include "embed/sandbox.h"

/* Bytes that a library function goes through in about the time of one instruction. */
enum { BYTES = 8 };

static int original(lua_State *L)
{
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int count_argument(lua_State *L)
{
    ganlua_spend(L, 1 + (lua_type(L, 1) == LUA_TSTRING ? (double)lua_rawlen(L, 1) / BYTES : 0));
    return original(L);
}

static int count_results(lua_State *L)
{
    int results = original(L);
    ganlua_spend(L, results);
    return results;
}

bool ganlua_is_too_long(lua_State *L, double bytes)
{
    lua_Debug at;
    return bytes > SANDBOX_STRING && ganlua_find_code(L, &at) && !ganlua_is_own_code(at.source);
}

static void wrap(lua_State *L, const char *name, lua_CFunction by)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, by, 1);
    lua_setfield(L, -2, name);
}

void ganlua_count_argument(lua_State *L, const char *name)
{
    wrap(L, name, count_argument);
}

void ganlua_count_results(lua_State *L, const char *name)
{
    wrap(L, name, count_results);
}

/* rep(s, n [, separator]): refused before it is begun where it is too long. Lua's would also make 2^60 times nothing,
 * one after the other. */
static int rep(lua_State *L)
{
    size_t length, between;
    luaL_checklstring(L, 1, &length);
    lua_Integer times = luaL_checkinteger(L, 2);
    luaL_optlstring(L, 3, "", &between);
    double bytes = times > 0 ? ((double)length + (double)between) * (double)times : 0;
    if (ganlua_is_too_long(L, bytes - (double)between))
        return luaL_error(L, "rep: the string would have %f bytes, the sandbox allows %d", bytes, SANDBOX_STRING);
    if (bytes == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    ganlua_spend(L, 1 + bytes / BYTES);
    return original(L);
}

/* pack(format, ...): "c1000000000" makes that many bytes of nothing. */
static int pack(lua_State *L)
{
    double wanted = 0;
    const char *format = luaL_checkstring(L, 1);
    while (*(format = format + strcspn(format, "0123456789"))) {
        double number = 0;
        for (; *format >= '0' && *format <= '9'; format++)
            number = number * 10 + (*format - '0');
        wanted += number;
    }
    if (ganlua_is_too_long(L, wanted))
        return luaL_error(L, "pack: the format makes more than the %d bytes that the sandbox allows", SANDBOX_STRING);
    ganlua_spend(L, wanted / BYTES);
    return count_argument(L);
}

/* format(format, ...): "%q" makes four bytes of one, one at a time. */
static int format(lua_State *L)
{
    double bytes = 0;
    for (int i = lua_gettop(L); i > 0; i--)
        bytes += lua_type(L, i) == LUA_TSTRING ? (double)lua_rawlen(L, i) : 0;
    if (ganlua_is_too_long(L, bytes))
        return luaL_error(L, "format: the strings have %f bytes, the sandbox allows %d", bytes, SANDBOX_STRING);
    ganlua_spend(L, 1 + bytes);
    return original(L);
}

/* What utf8.codes iterates with, (s, place): first passes over what continues a character, however much that is. */
static int next_code(lua_State *L)
{
    size_t length;
    const char *s = luaL_checklstring(L, 1, &length);
    lua_Integer place = luaL_checkinteger(L, 2);
    size_t begin = place < 0 || (lua_Unsigned)place > length ? length : (size_t)place, end = begin;
    while (end < length && (s[end] & 0xC0) == 0x80)
        end++;
    ganlua_spend(L, 1 + (double)(end - begin) / BYTES);
    return original(L);
}

static int codes(lua_State *L)
{
    count_argument(L); /* iterator, s, 0 */
    lua_pushvalue(L, -3);
    lua_pushcclosure(L, next_code, 1);
    lua_replace(L, -4);
    return 3;
}

void ganlua_count_codes(lua_State *L)
{
    wrap(L, "codes", codes);
}

void ganlua_add_strings(lua_State *L)
{
    static const char *const by_argument[] = {"lower", "upper", "reverse", "unpack", "packsize"};
    for (size_t i = 0; i < sizeof by_argument / sizeof by_argument[0]; i++)
        ganlua_count_argument(L, by_argument[i]);
    ganlua_count_results(L, "byte");
    wrap(L, "rep", rep);
    wrap(L, "pack", pack);
    wrap(L, "format", format);
}
