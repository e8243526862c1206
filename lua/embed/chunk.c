/* chunk.c - compiling in the sandbox.
 *
 * 1. It takes text, no longer than SANDBOX_CHUNK, that does not call itself one of ganlua's modules.
 * 2. Lua's compiler looks at no limit, and hostile text of that length keeps it busy for seconds: it looks through all
 *    names of all functions around each name, through a chain of "and" at each link. So it gets the text in pieces, each
 *    counted before it is given: between two of them the call can end.
 * 3. What takes long at a single word is bounded: labels, and jumps that wait for theirs. */
#include <string.h>

#include <lauxlib.h>

#include "embed/host.h"
#include "embed/sandbox.h"

/* Bytes of a piece, and what compiling one of them is worth in instructions. */
enum { PIECE = 256, PER_BYTE = 8 };
enum { MOST_LABELS = 2000, MOST_JUMPS = 4000 };

static int count(const char *text, size_t length, const char *word)
{
    int found = 0;
    size_t size = strlen(word);
    for (const char *at = text; (at = memmem(at, (size_t)(text + length - at), word, size)); at += size)
        found++;
    return found;
}

/* NULL, or why there is no compiling that. */
static const char *refuse(const char *text, size_t length, const char *name)
{
    if (length > 0 && *text == *LUA_SIGNATURE)
        return "attempt to load a binary chunk: the sandbox takes text only";
    if (length > SANDBOX_CHUNK)
        return "the chunk is too long: the sandbox takes 256 kB";
    if (count(text, length, "::") > MOST_LABELS)
        return "the chunk has too many labels for the sandbox";
    if (count(text, length, "break") + count(text, length, "goto") > MOST_JUMPS)
        return "the chunk has too many jumps for the sandbox";
    if (ganlua_is_own_code(name))
        return "only ganlua's own modules are called @ganlua/ in the sandbox";
    return NULL;
}

struct pieces {
    const char *text;
    size_t left;
};

static const char *next_piece(lua_State *L, void *user, size_t *size)
{
    struct pieces *pieces = user;
    const char *text = pieces->text;
    *size = pieces->left < PIECE ? pieces->left : PIECE;
    ganlua_spend(L, PER_BYTE * (double)*size);
    pieces->text += *size;
    pieces->left -= *size;
    return text;
}

int ganlua_compile(lua_State *L, const char *text, size_t length, const char *name)
{
    const char *refused = refuse(text, length, name);
    if (refused) {
        lua_pushstring(L, refused);
        return LUA_ERRSYNTAX;
    }
    int status = lua_load(L, next_piece, &(struct pieces){text, length}, name, "t");
    if (status != LUA_OK)
        ganlua_spend(L, 0); /* was it the end of the call? */
    return status;
}

/* Leaves the text that a function gives in pieces, until nil or "", on the top of the stack. */
static void gather(lua_State *L)
{
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    for (;;) {
        ganlua_spend(L, 1);
        lua_pushvalue(L, 1);
        lua_call(L, 0, 1);
        size_t length = lua_isstring(L, -1) ? lua_rawlen(L, -1) : 0;
        if (!lua_isnil(L, -1) && !lua_isstring(L, -1))
            luaL_error(L, "reader function must return a string");
        if (luaL_bufflen(&text) > SANDBOX_CHUNK)
            length = 0; /* which is refused soon */
        if (length == 0)
            break;
        luaL_addvalue(&text);
    }
    lua_pop(L, 1);
    luaL_pushresult(&text);
}

int ganlua_sandbox_load(lua_State *L)
{
    bool has_environment = lua_gettop(L) >= 4;
    lua_settop(L, 4);
    const char *mode = luaL_optstring(L, 3, "t");
    if (lua_type(L, 1) != LUA_TSTRING) {
        luaL_checktype(L, 1, LUA_TFUNCTION);
        gather(L);
    } else {
        lua_pushvalue(L, 1);
    }
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    const char *name = luaL_optstring(L, 2, lua_type(L, 1) == LUA_TSTRING ? text : "=(load)");
    int status = LUA_ERRSYNTAX;
    if (strchr(mode, 't'))
        status = ganlua_compile(L, text, length, name);
    else
        lua_pushfstring(L, "attempt to load a text chunk (mode is '%s')", mode);
    if (status != LUA_OK) {
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    if (has_environment) {
        lua_pushvalue(L, 4);
        if (!lua_setupvalue(L, -2, 1))
            lua_pop(L, 1);
    }
    return 1;
}
