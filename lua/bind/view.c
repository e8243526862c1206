/* view.c - the live view for ganlua's own modules: a board and its server in one userdata. */
#include <stdlib.h>
#include <string.h>

#include "bind.h"
#include "embed/embed.h"
#include "view/server.h"

static const char VIEW[] = "ganlua.view";

struct view {
    board *board;
    view_server *server;
};

static int close_view(lua_State *L)
{
    struct view *view = luaL_checkudata(L, 1, VIEW);
    ganlua_view_close(view->server);
    ganlua_board_close(view->board);
    *view = (struct view){NULL, NULL};
    return 0;
}

static board *check_board(lua_State *L)
{
    struct view *view = luaL_checkudata(L, 1, VIEW);
    luaL_argcheck(L, view->board, 1, "the view is closed");
    return view->board;
}

static int check_memory(lua_State *L, bool enough)
{
    return enough ? 0 : luaL_error(L, "view: not enough memory");
}

/* view:put(name, bytes): a picture, a PNG. */
static int put(lua_State *L)
{
    size_t length;
    board *b = check_board(L);
    const char *name = luaL_checkstring(L, 2), *bytes = luaL_checklstring(L, 3, &length);
    return check_memory(L, ganlua_board_put(b, name, "image/png", bytes, length));
}

/* view:drop(name) */
static int drop(lua_State *L)
{
    ganlua_board_drop(check_board(L), luaL_checkstring(L, 2));
    return 0;
}

/* view:post(event, json, keep = 0): see ganlua_board_post. */
static int post(lua_State *L)
{
    size_t length;
    board *b = check_board(L);
    const char *name = luaL_checkstring(L, 2), *json = luaL_checklstring(L, 3, &length);
    return check_memory(L, ganlua_board_post(b, name, json, length, (int)luaL_optinteger(L, 4, 0)));
}

/* view:replace(event, {json, ...}): see ganlua_board_replace. */
static int replace(lua_State *L)
{
    board *b = check_board(L);
    const char *name = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_Integer count = luaL_len(L, 3);
    luaL_argcheck(L, count <= 1 << 20, 3, "too many");
    const char **texts = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *texts, 0);
    size_t *lengths = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *lengths, 0);
    for (lua_Integer i = 0; i < count; i++) { /* the list keeps them alive */
        lua_rawgeti(L, 3, i + 1);
        texts[i] = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &lengths[i]) : NULL;
        luaL_argcheck(L, texts[i], 3, "a list of texts");
        lua_pop(L, 1);
    }
    return check_memory(L, ganlua_board_replace(b, name, (int)count, texts, lengths));
}

/* view:asked(seconds) -> the next command and its number, or nil when the time is over */
static int asked(lua_State *L)
{
    size_t length;
    int64_t number;
    board *b = check_board(L);
    double seconds = luaL_checknumber(L, 2);
    char *text = ganlua_board_asked(b, seconds, &length, &number);
    if (!text)
        return 0;
    char *copy = lua_newuserdatauv(L, length + 1, 0); /* so that nothing leaks where there is no room for the string */
    memcpy(copy, text, length);
    free(text);
    lua_pushlstring(L, copy, length);
    lua_pushinteger(L, number);
    return 2;
}

/* view:refuse(json): commands are answered by this; nil: they are taken. */
static int refuse(lua_State *L)
{
    size_t length = 0;
    board *b = check_board(L);
    const char *json = luaL_optlstring(L, 2, NULL, &length);
    return check_memory(L, ganlua_board_refuse(b, json, length));
}

static int viewers(lua_State *L)
{
    lua_pushinteger(L, ganlua_board_viewers(check_board(L)));
    return 1;
}

static int port(lua_State *L)
{
    check_board(L);
    struct view *view = lua_touserdata(L, 1);
    lua_pushinteger(L, ganlua_view_port(view->server));
    return 1;
}

static const luaL_Reg methods[] = {{"put", put},         {"drop", drop},          {"post", post},
                                   {"replace", replace}, {"asked", asked},        {"refuse", refuse},
                                   {"viewers", viewers}, {"port", port},          {"close", close_view},
                                   {"__gc", close_view}, {"__close", close_view}, {NULL, NULL}};

/* core.view_open{host=, port=, tries=, token=} -> view; raises where it cannot be. */
static int open_view(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "host");
    lua_getfield(L, 1, "token");
    lua_getfield(L, 1, "port");
    lua_getfield(L, 1, "tries");
    view_address address = {.host = lua_tostring(L, 2),
                            .token = lua_tostring(L, 3),
                            .port = (int)lua_tointeger(L, 4),
                            .tries = (int)lua_tointeger(L, 5)};
    char why[VIEW_WHY];
    struct view *view = lua_newuserdatauv(L, sizeof *view, 0);
    *view = (struct view){NULL, NULL};
    if (luaL_newmetatable(L, VIEW)) {
        luaL_setfuncs(L, methods, 0);
        lua_pushvalue(L, -1);
        lua_setfield(L, -2, "__index");
    }
    lua_setmetatable(L, -2);
    view->board = ganlua_board_open();
    check_memory(L, view->board);
    for (const struct ganlua_page *page = ganlua_pages; page->name; page++)
        check_memory(L, ganlua_board_put(view->board, page->name, page->type, page->text, page->length));
    view->server = ganlua_view_open(view->board, &address, why);
    if (!view->server)
        ganlua_error_at_user(L, "view: %s", why);
    return 1;
}

void ganlua_add_view(lua_State *L)
{
    lua_pushcfunction(L, open_view);
    lua_setfield(L, -2, "view_open");
}
