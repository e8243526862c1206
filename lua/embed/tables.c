/* tables.c - table's functions in the sandbox. They do what Lua's manual says, on tables, and look up now and then in
 * loops that a length of 2^60 would make endless. */
#include <limits.h>

#include <lauxlib.h>

#include "embed/host.h"
#include "embed/sandbox.h"

/* Bytes that are copied in about the time of one instruction. */
enum { BYTES = 8 };

/* Counts one turn of a loop. */
static void turn(lua_State *L, lua_Unsigned *turns)
{
    if (++*turns % 1024 == 0)
        ganlua_spend(L, 1024);
}

static lua_Integer length(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    return luaL_len(L, 1);
}

/* insert(t, [place,] value) */
static int insert(lua_State *L)
{
    lua_Integer end = (lua_Integer)((lua_Unsigned)length(L) + 1), place = end;
    lua_Unsigned turns = 0;
    if (lua_gettop(L) != 2 && lua_gettop(L) != 3)
        return luaL_error(L, "wrong number of arguments to 'insert'");
    if (lua_gettop(L) == 3) {
        place = luaL_checkinteger(L, 2);
        luaL_argcheck(L, (lua_Unsigned)place - 1 < (lua_Unsigned)end, 2, "position out of bounds");
        for (lua_Integer i = end; i > place; i--) {
            lua_geti(L, 1, i - 1);
            lua_seti(L, 1, i);
            turn(L, &turns);
        }
    }
    lua_seti(L, 1, place);
    ganlua_spend(L, (double)(turns % 1024));
    return 0;
}

/* remove(t [, place]) -> what was there */
static int take(lua_State *L)
{
    lua_Integer size = length(L), place = luaL_optinteger(L, 2, size);
    lua_Unsigned turns = 0;
    if (place != size)
        luaL_argcheck(L, (lua_Unsigned)place - 1 <= (lua_Unsigned)size, 2, "position out of bounds");
    lua_geti(L, 1, place);
    for (; place < size; place++) {
        lua_geti(L, 1, place + 1);
        lua_seti(L, 1, place);
        turn(L, &turns);
    }
    lua_pushnil(L);
    lua_seti(L, 1, place);
    ganlua_spend(L, (double)(turns % 1024));
    return 1;
}

/* move(from, first, last, place [, to]) -> to */
static int move(lua_State *L)
{
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3), place = luaL_checkinteger(L, 4);
    int to = lua_isnoneornil(L, 5) ? 1 : 5;
    lua_Unsigned turns = 0;
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, to, LUA_TTABLE);
    if (last >= first) {
        luaL_argcheck(L, first > 0 || last < LUA_MAXINTEGER + first, 3, "too many elements to move");
        lua_Integer count = last - first + 1;
        luaL_argcheck(L, place <= LUA_MAXINTEGER - count + 1, 4, "destination wrap around");
        /* From the end where the ranges overlap and the new one is behind. */
        bool backwards = place > first && place <= last && (to == 1 || lua_compare(L, 1, to, LUA_OPEQ));
        for (lua_Integer i = 0; i < count; i++) {
            lua_Integer at = backwards ? count - 1 - i : i;
            lua_geti(L, 1, first + at);
            lua_seti(L, to, place + at);
            turn(L, &turns);
        }
    }
    ganlua_spend(L, (double)(turns % 1024));
    lua_pushvalue(L, to);
    return 1;
}

/* concat(t [, separator [, first [, last]]]) -> string */
static int concat(lua_State *L)
{
    lua_Integer size = length(L);
    size_t separator_length;
    const char *separator = luaL_optlstring(L, 2, "", &separator_length);
    lua_Integer first = luaL_optinteger(L, 3, 1), last = luaL_optinteger(L, 4, size);
    double work = 0;
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    for (lua_Integer i = first; i <= last; i++) {
        lua_geti(L, 1, i);
        if (!lua_isstring(L, -1))
            return luaL_error(L, "invalid value (at index %I) in table for 'concat'", (LUAI_UACINT)i);
        work += 1 + (double)(lua_rawlen(L, -1) + separator_length) / BYTES;
        luaL_addvalue(&text);
        if (work > 1024 || i == last) {
            ganlua_spend(L, work);
            work = 0;
        }
        if (i == last) /* which may be the last integer there is */
            break;
        luaL_addlstring(&text, separator, separator_length);
    }
    luaL_pushresult(&text);
    return 1;
}

/* unpack(t [, first [, last]]) -> its values */
static int unpack(lua_State *L)
{
    lua_Integer first = luaL_optinteger(L, 2, 1);
    lua_Integer last = lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);
    if (first > last)
        return 0;
    lua_Unsigned count = (lua_Unsigned)last - (lua_Unsigned)first;
    if (count >= INT_MAX || !lua_checkstack(L, (int)++count))
        return luaL_error(L, "too many results to unpack");
    ganlua_spend(L, (double)count);
    for (lua_Unsigned i = 0; i < count; i++)
        lua_geti(L, 1, (lua_Integer)((lua_Unsigned)first + i));
    return (int)count;
}

/* Whether a comes before b: by the function in the upvalue, or by <. */
static int comes_before(lua_State *L)
{
    ganlua_spend(L, 4);
    if (lua_isnil(L, lua_upvalueindex(1))) {
        lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
        return 1;
    }
    lua_settop(L, 2);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 2, 1);
    return 1;
}

/* Lua's own sort (the upvalue), which is told each comparison's outcome by comes_before. */
static int sort(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    lua_pushcclosure(L, comes_before, 1);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

void ganlua_add_tables(lua_State *L)
{
    static const luaL_Reg functions[] = {{"insert", insert}, {"remove", take},   {"move", move},
                                         {"concat", concat}, {"unpack", unpack}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
    lua_getfield(L, -1, "sort");
    lua_pushcclosure(L, sort, 1);
    lua_setfield(L, -2, "sort");
}
