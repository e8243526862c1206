/* digest.c - 64 bits for the plain values in a table: two tables with the same numbers, strings and booleans at the
 * same keys have the same digest, in any process and whatever the order they were filled in. */
#include <string.h>

#include "bind.h"

/* Tables further in, and those met when so many entries have been seen, count as what kind they are: a table that holds
 * itself many times would else take for ever. */
enum { DEEPEST = 16, MOST = 1 << 18 };

/* FNV-1a. */
static uint64_t hash_bytes(const char *bytes, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)bytes[i]) * 0x100000001b3u;
    return hash;
}

/* Spreads each bit over all of them (the finalizer of SplitMix64). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* Of the value at index. What is neither plain nor says what it is (tostring) counts as what kind it is. */
static uint64_t digest(lua_State *L, int index, int depth, int *left)
{
    size_t size;
    const char *text;
    lua_Integer whole;
    uint64_t hash = (uint64_t)lua_type(L, index) << 56;
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
        return hash + (uint64_t)lua_toboolean(L, index);
    case LUA_TNUMBER: {
        double number = lua_tonumber(L, index);
        bool is_whole = lua_isinteger(L, index);
        if (is_whole)
            whole = lua_tointeger(L, index);
        else
            is_whole = lua_numbertointeger(number, &whole);
        if (is_whole) {
            hash ^= mix((uint64_t)whole);
        } else {
            uint64_t bits;
            memcpy(&bits, &number, sizeof bits);
            hash ^= mix(bits + 1);
        }
        return hash;
    }
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &size);
        return hash ^ hash_bytes(text, size);
    case LUA_TTABLE:
        if (depth == DEEPEST || *left < 0)
            return hash;
        luaL_checkstack(L, 4, "digest");
        if (luaL_getmetafield(L, index, "__tostring") != LUA_TNIL) {
            lua_pop(L, 1);
            text = luaL_tolstring(L, index, &size);
            hash ^= hash_bytes(text, size);
            lua_pop(L, 1);
            return hash;
        }
        for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
            int top = lua_gettop(L);
            *left -= *left >= 0;
            hash += mix(digest(L, top - 1, depth + 1, left) * 3 + mix(digest(L, top, depth + 1, left)));
        }
        return hash;
    default:
        return hash;
    }
}

/* core.digest(value) -> 64 bits */
static int push_digest(lua_State *L)
{
    luaL_checkany(L, 1);
    int left = MOST;
    lua_pushinteger(L, (lua_Integer)digest(L, 1, 0, &left));
    return 1;
}

void ganlua_add_digest(lua_State *L)
{
    lua_pushcfunction(L, push_digest);
    lua_setfield(L, -2, "digest");
}
