/* line.c - reading a line from a terminal with editing, history and completion (libedit).
 *
 * libedit keeps one line and one history for the process, so this file has statics; only the
 * interpreter uses it, with one state. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <editline/readline.h>
#include <lauxlib.h>

#include "line.h"

enum { HISTORY_LINES = 1000 };

static lua_State *completing; /* the state that read_line was called from */
static char history_path[4096];

/* ---- Completion ---- */

static const char COMPLETER = 0; /* its address is the completer's key in the registry */

/* Called by libedit with state 0, 1, 2, ... for one match after the other; the matches are the
 * list at the top of the stack, the match is freed by libedit. */
static char *next_match(const char *text, int state)
{
    (void)text;
    char *match = NULL;
    if (lua_rawgeti(completing, -1, state + 1) == LUA_TSTRING)
        match = strdup(lua_tostring(completing, -1));
    lua_pop(completing, 1);
    return match;
}

static char **complete(const char *text, int start, int end)
{
    lua_State *L = completing;
    int top = lua_gettop(L);
    char **matches = NULL;
    rl_attempted_completion_over = 1; /* never names of files */
    if (lua_checkstack(L, 5) && lua_rawgetp(L, LUA_REGISTRYINDEX, &COMPLETER) == LUA_TFUNCTION) {
        lua_pushlstring(L, rl_line_buffer, (size_t)end);
        lua_pushinteger(L, start + 1);
        if (lua_pcall(L, 2, 1, 0) == LUA_OK && lua_istable(L, -1))
            matches = rl_completion_matches(text, next_match);
    }
    lua_settop(L, top);
    return matches;
}

static int set_completer(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &COMPLETER);
    return 0;
}

/* ---- Lines ---- */

static int add_to_history(lua_State *L)
{
    const char *line = luaL_checkstring(L, 1);
    if (!isatty(STDIN_FILENO))
        return 0;
    add_history(line);
    if (history_path[0])
        write_history(history_path); /* at once: a killed session keeps its history */
    return 0;
}

static int read_plain_line(lua_State *L, const char *prompt)
{
    fputs(prompt, stdout);
    fflush(stdout);
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    bool any = false;
    for (int c; (c = getc(stdin)) != EOF; luaL_addchar(&buffer, (char)c)) {
        any = true;
        if (c == '\n')
            break;
    }
    luaL_pushresult(&buffer);
    if (!any)
        lua_pushnil(L);
    return 1;
}

static int read_line(lua_State *L)
{
    const char *prompt = luaL_checkstring(L, 1);
    if (!isatty(STDIN_FILENO))
        return read_plain_line(L, prompt);
    completing = L;
    errno = 0;
    char *line = readline(prompt);
    if (line) {
        lua_pushstring(L, line);
        free(line);
    } else if (errno == EINTR) {
        putchar('\n');
        lua_pushboolean(L, 0);
    } else {
        putchar('\n');
        lua_pushnil(L);
    }
    return 1;
}

/* $XDG_STATE_HOME/ganlua_history, else ~/.ganlua_history; none when neither is set. */
static void find_history(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int length = 0;
    if (state && *state)
        length = snprintf(history_path, sizeof history_path, "%s/ganlua_history", state);
    else if (home && *home)
        length = snprintf(history_path, sizeof history_path, "%s/.ganlua_history", home);
    if (length < 0 || (size_t)length >= sizeof history_path)
        history_path[0] = 0;
}

void line_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"read_line", read_line},
        {"add_history", add_to_history},
        {"set_completer", set_completer},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
    if (!isatty(STDIN_FILENO))
        return;
    rl_readline_name = "ganlua";
    rl_basic_word_break_characters = " \t\n\"\\'`@$><=;|&{}()[]+-*/%^~#,?"; /* not '.' and ':' */
    rl_attempted_completion_function = complete;
    rl_completion_append_character = 0;
    using_history();
    stifle_history(HISTORY_LINES);
    find_history();
    if (history_path[0])
        read_history(history_path); /* there is none the first time */
}
