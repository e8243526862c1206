/* What ends a call that does too much or takes too long, and that nothing catches it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ganlua.h"

static ganlua *open_limited(uint64_t instructions, double seconds)
{
    ganlua_config config = GANLUA_CONFIG_INIT;
    config.threads = 2;
    config.instruction_limit = instructions;
    config.time_limit = seconds;
    ganlua *gl = ganlua_open(&config);
    assert_non_null(gl);
    return gl;
}

static void works(ganlua *gl)
{
    int status = ganlua_run_string(gl, "assert(require('ganlua').ones(3):sum():item() == 3)");
    assert_string_equal(ganlua_error(gl), "");
    assert_int_equal(status, GANLUA_OK);
}

static void reaches(ganlua *gl, const char *limit, const char *code)
{
    int status = ganlua_run_string(gl, code);
    if (status != GANLUA_ERROR_LIMIT || !strstr(ganlua_error(gl), limit))
        fail_msg("%s\ngave %d: %s", code, status, ganlua_error(gl));
    works(gl);
}

static const char WORK[] = "the limit of 3000000 instructions is reached",
                  TIME[] = "the time limit of 0.05 s is reached";

static void each_reaches_both(const char *const scripts[], size_t count)
{
    ganlua *gl = open_limited(3000000, 0), *hurried = open_limited(0, 0.05);
    for (size_t i = 0; i < count; i++) {
        reaches(gl, WORK, scripts[i]);
        reaches(hurried, TIME, scripts[i]);
    }
    ganlua_close(gl);
    ganlua_close(hurried);
}

static void counts_instructions_wherever_they_run(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() return f() end f()",
        "coroutine.wrap(function() while true do end end)()",
        "while true do pcall(coroutine.wrap(function() while true do end end)) end",
        "local t = setmetatable({}, {__index = function() while true do end end}) return t.x",
        "table.sort({1, 2, 3}, function() while true do end end)",
        "local t <close> = setmetatable({}, {__close = function() while true do end end})",
        "local function f() local t <close> = setmetatable({}, {__close = function() while true do end end}) "
        "while true do end end pcall(f) pcall(f)",
    };
    each_reaches_both(scripts, sizeof scripts / sizeof scripts[0]);
}

static void counts_what_the_engine_computes(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "local gan = require 'ganlua' local a = gan.ones(512, 512) while true do a:matmul(a) end",
        "local gan = require 'ganlua' local a = gan.ones(1024, 1024) while true do a:exp() end",
        "local gan = require 'ganlua' local a = gan.ones(1024, 1024) while true do a:sum() end",
        "local gan = require 'ganlua' while true do gan.randn(512, 512) end",
        "local gan = require 'ganlua' local c = gan.nn.conv2d{out = 32, kernel = 3, pad = 1} while true do "
        "c(gan.ones(4, 32, 32, 32)) end",
        "local gan = require 'ganlua' gan.train { out = false, progress = false, data = gan.data.ring {}, latent = 2, "
        "generator = gan.nn.linear { out = 2 }, discriminator = gan.nn.linear { out = 1 }, loss = gan.loss.hinge {}, "
        "schedule = function(game) while true do game:discriminator() game:generator() game:next() end end }",
    };
    each_reaches_both(scripts, sizeof scripts / sizeof scripts[0]);
}

static void refuses_a_product_before_it_begins(void **state)
{
    (void)state;
    ganlua *gl = open_limited(3000000, 0);
    reaches(gl, WORK, "local gan = require 'ganlua' local a = gan.zeros(1500, 1500) a:matmul(a)");
    ganlua_close(gl);
}

static void counts_each_call_anew(void **state)
{
    (void)state;
    ganlua *gl = open_limited(3000000, 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(ganlua_run_string(gl, "for i = 1, 1000000 do end"), GANLUA_OK);
    assert_int_equal(ganlua_start_string(gl, "while true do for i = 1, 1000000 do end coroutine.yield() end"),
                     GANLUA_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(ganlua_step(gl), GANLUA_MORE);
    assert_int_equal(ganlua_start_string(gl, "while true do end"), GANLUA_OK);
    assert_int_equal(ganlua_step(gl), GANLUA_ERROR_LIMIT);
    assert_int_equal(ganlua_step(gl), GANLUA_OK);
    assert_int_equal(ganlua_run_string(gl, "function spin() while true do end end"), GANLUA_OK);
    assert_int_equal(ganlua_call(gl, "spin", NULL, 0, NULL, 0), GANLUA_ERROR_LIMIT);
    ganlua_close(gl);
}

/* What a script that is stepped closes as it ends is watched too, and so is what a started one closes when the next is
 * started. */
static void ends_what_a_started_script_closes(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "local x <close> = setmetatable({}, {__close = function() while true do end end}) while true do end",
        "local x <close> = setmetatable({}, {__close = function() while true do end end}) error('boo')",
    };
    ganlua *gl = open_limited(3000000, 0);
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        assert_int_equal(ganlua_start_string(gl, scripts[i]), GANLUA_OK);
        assert_int_equal(ganlua_step(gl), GANLUA_ERROR_LIMIT);
    }
    assert_int_equal(ganlua_start_string(gl,
                                         "local x <close> = setmetatable({}, {__close = function() while true do end "
                                         "end}) coroutine.yield()"),
                     GANLUA_OK);
    assert_int_equal(ganlua_step(gl), GANLUA_MORE);
    ganlua_start_string(gl, "x = 1");
    works(gl);
    ganlua_close(gl);
}

static void counts_the_same_in_every_run(void **state)
{
    (void)state;
    static const char code[] = "local gan = require 'ganlua' n = 0 "
                               "local x = gan.ones(64, 64) while true do x = x:matmul(x):tanh() n = n + 1 end";
    double counts[4];
    for (int i = 0; i < 4; i++) {
        ganlua_config config = GANLUA_CONFIG_INIT;
        config.threads = 1 + i % 2;
        config.instruction_limit = 3000000;
        ganlua *gl = ganlua_open(&config);
        assert_int_equal(ganlua_run_string(gl, code), GANLUA_ERROR_LIMIT);
        assert_int_equal(ganlua_run_string(gl, "function get() return n end"), GANLUA_OK);
        ganlua_value count = {0};
        assert_int_equal(ganlua_call(gl, "get", NULL, 0, &count, 1), GANLUA_OK);
        counts[i] = count.number;
        ganlua_close(gl);
    }
    assert_true(counts[0] > 100);
    for (int i = 1; i < 4; i++)
        assert_true(counts[i] == counts[0]);
}

static void an_older_program_has_no_limits(void **state)
{
    (void)state;
    ganlua_config config = GANLUA_CONFIG_INIT;
    config.size = offsetof(ganlua_config, instruction_limit);
    config.instruction_limit = 1;
    ganlua *gl = ganlua_open(&config);
    works(gl);
    ganlua_close(gl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_instructions_wherever_they_run), cmocka_unit_test(counts_what_the_engine_computes),
        cmocka_unit_test(refuses_a_product_before_it_begins),    cmocka_unit_test(counts_each_call_anew),
        cmocka_unit_test(ends_what_a_started_script_closes),     cmocka_unit_test(counts_the_same_in_every_run),
        cmocka_unit_test(an_older_program_has_no_limits),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
