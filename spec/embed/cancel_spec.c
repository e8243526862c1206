/* Ending calls from another thread, and several instances side by side. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ganlua.h"

static void *cancel_soon(void *gl)
{
    nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
    ganlua_cancel(gl);
    return NULL;
}

static void ends(const char *code)
{
    ganlua_config config = GANLUA_CONFIG_INIT;
    config.threads = 1;
    ganlua *gl = ganlua_open(&config);
    assert_non_null(gl);
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, cancel_soon, gl), 0);
    assert_int_equal(ganlua_run_string(gl, code), GANLUA_ERROR_CANCELLED);
    assert_string_equal(ganlua_error(gl), "cancelled");
    pthread_join(other, NULL);
    int status = ganlua_run_string(gl, "assert(require('ganlua').ones(3):sum():item() == 3)");
    assert_string_equal(ganlua_error(gl), "");
    assert_int_equal(status, GANLUA_OK);
    ganlua_close(gl);
}

static void ends_busy_loops(void **state)
{
    (void)state;
    ends("while true do end");
    ends("while true do pcall(function() while true do end end) end");
    ends("coroutine.wrap(function() while true do end end)()");
    ends("while true do coroutine.wrap(function() pcall(function() while true do end end) end)() end");
    ends("local t = setmetatable({}, {__index = function() while true do end end}) return t.x");
    ends("table.sort({1, 2, 3}, function() while true do end end)");
}

static void ends_kernels_and_trainings(void **state)
{
    (void)state;
    ends("local gan = require 'ganlua' local a = gan.ones(512, 512) while true do a:matmul(a) end");
    ends(
        "local gan = require 'ganlua' local nn = gan.nn "
        "gan.train { out = false, progress = false, data = gan.data.ring {}, latent = 2, loss = gan.loss.hinge {}, "
        "generator = nn.sequential { nn.linear { out = 2 } }, discriminator = nn.sequential { nn.linear { out = 1 } }, "
        "schedule = function(game) while true do game:discriminator() game:generator() game:next() end end }");
}

static void a_cancel_when_nothing_runs_ends_the_next_call(void **state)
{
    (void)state;
    ganlua *gl = ganlua_open(NULL);
    ganlua_cancel(gl);
    assert_int_equal(ganlua_run_string(gl, "x = 1"), GANLUA_ERROR_CANCELLED);
    assert_int_equal(ganlua_run_string(gl, "assert(x == nil)"), GANLUA_OK);
    ganlua_close(gl);
}

static void runs_a_buffer(void **state)
{
    (void)state;
    ganlua *gl = ganlua_open(NULL);
    static const char code[] = "x = 'a\0b' assert(#x == 3)rest";
    assert_int_equal(ganlua_run_buffer(gl, code, sizeof code - 5, NULL), GANLUA_OK);
    assert_int_equal(ganlua_run_buffer(gl, "error('boo')", 12, "=mine"), GANLUA_ERROR_SCRIPT);
    assert_non_null(strstr(ganlua_error(gl), "mine:1: boo"));
    assert_int_equal(ganlua_run_buffer(gl, "\033Lua", 4, NULL), GANLUA_ERROR_SCRIPT);
    assert_non_null(strstr(ganlua_error(gl), "binary"));
    ganlua_close(gl);
}

static void tells_its_memory(void **state)
{
    (void)state;
    ganlua_config config = GANLUA_CONFIG_INIT;
    config.memory_limit = 64u << 20;
    ganlua *gl = ganlua_open(&config);
    ganlua_memory_info before = {sizeof before}, after = {sizeof after};
    ganlua_memory(gl, &before);
    assert_true(before.live > 0 && before.limit == config.memory_limit && before.tensors == 0);
    assert_int_equal(ganlua_run_string(gl, "t = require('ganlua').zeros(1024, 1024)"), GANLUA_OK);
    ganlua_memory(gl, &after);
    assert_true(after.live >= before.live + (4u << 20) && after.peak >= after.live && after.tensors == 1);
    ganlua_close(gl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_busy_loops),
        cmocka_unit_test(ends_kernels_and_trainings),
        cmocka_unit_test(a_cancel_when_nothing_runs_ends_the_next_call),
        cmocka_unit_test(runs_a_buffer),
        cmocka_unit_test(tells_its_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
