/* The embedding interface: what each function of ganlua.h promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "ganlua.h"

static void runs_a_string(void **state)
{
    (void)state;
    ganlua *gl = ganlua_open(NULL);
    assert_non_null(gl);
    assert_int_equal(ganlua_run_string(gl, "x = require('ganlua').ones(3):sum():item()"), GANLUA_OK);
    assert_string_equal(ganlua_error(gl), "");
    lua_getglobal(ganlua_state(gl), "x");
    assert_true(lua_tonumber(ganlua_state(gl), -1) == 3.0);
    ganlua_close(gl);
}

static void runs_a_file_with_arguments(void **state)
{
    (void)state;
    char path[] = "/tmp/ganlua-spec-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    FILE *script = fdopen(file, "w");
    fputs("program, name, first, all = arg[-1], arg[0], arg[1], select('#', ...)", script);
    fclose(script);

    ganlua *gl = ganlua_open(NULL);
    char *argv[] = {"host", "one", "two", NULL};
    int status = ganlua_run_file(gl, path, 3, argv);
    assert_string_equal(ganlua_error(gl), "");
    assert_int_equal(status, GANLUA_OK);
    lua_State *L = ganlua_state(gl);
    lua_getglobal(L, "program");
    assert_string_equal(lua_tostring(L, -1), "host");
    lua_getglobal(L, "name");
    assert_string_equal(lua_tostring(L, -1), path);
    lua_getglobal(L, "first");
    assert_string_equal(lua_tostring(L, -1), "one");
    lua_getglobal(L, "all");
    assert_int_equal(lua_tointeger(L, -1), 2);
    assert_int_equal(ganlua_run_file(gl, path, 0, NULL), GANLUA_OK);
    ganlua_close(gl);
    unlink(path);
}

static void reports_errors_and_goes_on(void **state)
{
    (void)state;
    ganlua *gl = ganlua_open(NULL);
    assert_int_equal(ganlua_run_string(gl, "local function f() error('boo') end f()"), GANLUA_ERROR_SCRIPT);
    assert_non_null(strstr(ganlua_error(gl), "boo"));
    assert_non_null(strstr(ganlua_error(gl), "stack traceback"));
    assert_int_equal(ganlua_run_string(gl, "= ="), GANLUA_ERROR_SCRIPT);
    assert_int_equal(ganlua_run_file(gl, "/no/such/script.lua", 0, NULL), GANLUA_ERROR_FILE);
    assert_non_null(strstr(ganlua_error(gl), "/no/such/script.lua"));
    assert_int_equal(ganlua_run_string(gl, "error()"), GANLUA_ERROR_SCRIPT);
    assert_int_equal(ganlua_run_string(gl, "require('ganlua').zeros(2):matmul(3)"), GANLUA_ERROR_SCRIPT);
    assert_int_equal(ganlua_run_string(gl, "return 1"), GANLUA_OK);
    assert_string_equal(ganlua_error(gl), "");
    assert_int_equal(lua_gettop(ganlua_state(gl)), 0);
    ganlua_close(gl);
}

static void caps_memory(void **state)
{
    (void)state;
    ganlua_config config = GANLUA_CONFIG_INIT;
    config.memory_limit = 16u << 20;
    ganlua *gl = ganlua_open(&config);
    assert_non_null(gl);
    assert_int_equal(ganlua_run_string(gl, "local t = {} for i = 1, 1e8 do t[i] = i .. 'x' end"), GANLUA_ERROR_MEMORY);
    assert_non_null(strstr(ganlua_error(gl), "memory"));
    assert_int_equal(ganlua_run_string(gl, "t = require('ganlua').zeros(1024, 1024, 8)"), GANLUA_ERROR_SCRIPT);
    assert_non_null(strstr(ganlua_error(gl), "memory"));
    assert_int_equal(ganlua_run_string(gl, "t = require('ganlua').zeros(1024, 1024)"), GANLUA_OK);
    ganlua_close(gl);

    config.memory_limit = 4096;
    assert_null(ganlua_open(&config));
}

static void keeps_states_apart(void **state)
{
    (void)state;
    ganlua *one = ganlua_open(NULL), *two = ganlua_open(NULL);
    const char *draw = "gan = require 'ganlua' x = (x or 0) + gan.rand(1):item() * 1e6 // 1";
    assert_int_equal(ganlua_run_string(one, draw), GANLUA_OK);
    assert_int_equal(ganlua_run_string(one, draw), GANLUA_OK);
    assert_int_equal(ganlua_run_string(two, draw), GANLUA_OK);
    assert_int_equal(ganlua_run_string(two, draw), GANLUA_OK);
    lua_getglobal(ganlua_state(one), "x");
    lua_getglobal(ganlua_state(two), "x");
    assert_true(lua_tonumber(ganlua_state(one), -1) == lua_tonumber(ganlua_state(two), -1));
    ganlua_close(one);
    assert_int_equal(ganlua_run_string(two, draw), GANLUA_OK);
    ganlua_close(two);
}

static void takes_settings(void **state)
{
    (void)state;
    const char *const settings[] = {"lr=0.5", "name=a=b", NULL};
    ganlua_config config = GANLUA_CONFIG_INIT;
    config.settings = settings;
    config.threads = 1;
    config.seed = 7;
    ganlua *gl = ganlua_open(&config);
    const char *check = "local gan = require 'ganlua' assert(gan.setting('lr', 1) == 0.5) "
                        "assert(gan.setting('name', '') == 'a=b') assert(require('ganlua.core').threads() == 1) "
                        "local r = math.random(1 << 40) math.randomseed(7) assert(r == math.random(1 << 40))";
    int status = ganlua_run_string(gl, check);
    assert_string_equal(ganlua_error(gl), "");
    assert_int_equal(status, GANLUA_OK);
    ganlua_close(gl);
}

/* A program that was compiled when the config had only its first fields. */
static void takes_an_older_config(void **state)
{
    (void)state;
    struct {
        size_t size;
        uint64_t seed;
        unsigned char beyond[sizeof(ganlua_config)]; /* not the library's to read */
    } old = {.size = offsetof(ganlua_config, memory_limit), .seed = 3};
    memset(old.beyond, 0xff, sizeof old.beyond);
    ganlua *gl = ganlua_open((const ganlua_config *)(const void *)&old);
    assert_non_null(gl);
    assert_int_equal(ganlua_run_string(gl, "math.randomseed(3)"), GANLUA_OK);
    ganlua_close(gl);
}

static void opens_in_a_state_of_the_programs_own(void **state)
{
    (void)state;
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    luaL_requiref(L, "ganlua", luaopen_ganlua, 0);
    lua_getfield(L, -1, "zeros");
    assert_int_equal(lua_type(L, -1), LUA_TFUNCTION);
    lua_close(L);
}

static void closes_nothing(void **state)
{
    (void)state;
    ganlua_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_a_string),
        cmocka_unit_test(runs_a_file_with_arguments),
        cmocka_unit_test(reports_errors_and_goes_on),
        cmocka_unit_test(caps_memory),
        cmocka_unit_test(keeps_states_apart),
        cmocka_unit_test(takes_settings),
        cmocka_unit_test(takes_an_older_config),
        cmocka_unit_test(opens_in_a_state_of_the_programs_own),
        cmocka_unit_test(closes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
