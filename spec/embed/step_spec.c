/* Scripts in a program's own loop: one move a step, what is told meanwhile, sampling, calling. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ganlua.h"

#define TRAIN(schedule)                                                                                                \
    "gan = require 'ganlua' local nn = gan.nn "                                                                        \
    "run = gan.trainer { out = false, data = gan.data.ring {}, latent = 2, loss = gan.loss.hinge {}, batch = 8, "      \
    "generator = nn.sequential { nn.linear { out = 2 } }, discriminator = nn.sequential { nn.linear { out = 1 } }, "   \
    "schedule = " schedule " } "                                                                                       \
    "function weights() return run.generator:parameters()[1] end "                                                     \
    "run:train()"

static const char alternate[] = TRAIN("gan.schedule.alternate { iterations = 5 }");
static const char until[] = TRAIN("gan.schedule.stop_when(function(game) return game.iteration >= 5 end, "
                                  "gan.schedule.alternate { iterations = 50 })");
static const char sorting[] = TRAIN("function(game) table.sort({ 2, 1 }, function(a, b) game:generator() return a < b "
                                    "end) game:discriminator() game:next() end");

static ganlua *open_small(void)
{
    ganlua_config config = GANLUA_CONFIG_INIT;
    config.threads = 1;
    ganlua *gl = ganlua_open(&config);
    assert_non_null(gl);
    return gl;
}

static void succeeds(ganlua *gl, int status)
{
    assert_string_equal(ganlua_error(gl), "");
    assert_int_equal(status, GANLUA_OK);
}

static int steps(ganlua *gl, const char *code)
{
    succeeds(gl, ganlua_start_string(gl, code));
    int count = 0, status;
    while ((status = ganlua_step(gl)) == GANLUA_MORE)
        count++;
    succeeds(gl, status);
    succeeds(gl, ganlua_step(gl));
    return count;
}

static void weights(ganlua *gl, float out[4])
{
    ganlua_value result = {.data = out, .capacity = 4};
    succeeds(gl, ganlua_call(gl, "weights", NULL, 0, &result, 1));
    assert_int_equal(result.type, GANLUA_TENSOR);
    assert_int_equal(result.length, 4);
}

static void steps_to_the_same_bytes(const char *code, int expected)
{
    ganlua *whole = open_small(), *stepped = open_small();
    succeeds(whole, ganlua_run_string(whole, code));
    assert_int_equal(steps(stepped, code), expected);
    float a[4] = {0}, b[4] = {0};
    weights(whole, a);
    weights(stepped, b);
    assert_memory_equal(a, b, sizeof a);
    ganlua_close(whole);
    ganlua_close(stepped);
}

static void steps_move_by_move(void **state)
{
    (void)state;
    steps_to_the_same_bytes(alternate, 10);
}

static void steps_through_combined_schedules(void **state)
{
    (void)state;
    steps_to_the_same_bytes(until, 10);
}

static void completes_moves_that_cannot_be_left(void **state)
{
    (void)state;
    steps_to_the_same_bytes(sorting, 1);
}

static void sampling_between_steps_changes_nothing(void **state)
{
    (void)state;
    ganlua *whole = open_small(), *stepped = open_small();
    succeeds(whole, ganlua_run_string(whole, alternate));
    succeeds(stepped, ganlua_start_string(stepped, alternate));
    float first[6], second[6], a[4], b[4];
    while (ganlua_step(stepped) == GANLUA_MORE) {
        succeeds(stepped, ganlua_sample(stepped, NULL, NULL, 3, first, 6));
        succeeds(stepped, ganlua_sample(stepped, NULL, NULL, 3, second, 6));
        assert_memory_not_equal(first, second, sizeof first);
    }
    weights(whole, a);
    weights(stepped, b);
    assert_memory_equal(a, b, sizeof a);
    ganlua_close(whole);
    ganlua_close(stepped);
}

static void reports_errors_and_cancels_of_steps(void **state)
{
    (void)state;
    ganlua *gl = open_small();
    assert_int_equal(ganlua_start_string(gl, "= ="), GANLUA_ERROR_SCRIPT);
    assert_int_equal(ganlua_start_file(gl, "/no/such.lua", 0, NULL), GANLUA_ERROR_FILE);
    succeeds(gl, ganlua_start_string(gl, "error('boo')"));
    assert_int_equal(ganlua_step(gl), GANLUA_ERROR_SCRIPT);
    assert_non_null(strstr(ganlua_error(gl), "boo"));
    succeeds(gl, ganlua_step(gl));
    succeeds(gl, ganlua_start_string(gl, alternate));
    assert_int_equal(ganlua_step(gl), GANLUA_MORE);
    ganlua_cancel(gl);
    assert_int_equal(ganlua_step(gl), GANLUA_ERROR_CANCELLED);
    assert_string_equal(ganlua_error(gl), "cancelled");
    assert_int_equal(steps(gl, alternate), 10);
    succeeds(gl, ganlua_start_string(gl, alternate));
    assert_int_equal(ganlua_step(gl), GANLUA_MORE);
    ganlua_close(gl); /* in the middle of a run */
}

struct told {
    char text[4096];
    int64_t iteration;
    double d_loss;
};

static void on_log(void *user, const char *text, size_t length)
{
    struct told *told = user;
    assert_int_equal(strlen(text), length);
    strncat(told->text, text, sizeof told->text - strlen(told->text) - 1);
}

static void on_progress(void *user, const ganlua_progress *progress)
{
    struct told *told = user;
    assert_int_equal(progress->iteration, told->iteration + 1);
    told->iteration = progress->iteration;
    told->d_loss = progress->d_loss;
}

static void tells_what_goes_on(void **state)
{
    (void)state;
    struct told told = {.d_loss = NAN};
    ganlua *gl = open_small();
    ganlua_on_log(gl, on_log, &told);
    ganlua_on_progress(gl, on_progress, &told);
    succeeds(gl, ganlua_run_string(gl, alternate));
    assert_non_null(strstr(told.text, "done in"));
    assert_int_equal(told.iteration, 5);
    assert_true(isfinite(told.d_loss));
    ganlua_close(gl);
}

static void samples_what_is_published(void **state)
{
    (void)state;
    ganlua *gl = open_small();
    float out[4] = {7, 7, 7, 7};
    assert_int_equal(ganlua_sample(gl, NULL, NULL, 1, out, 4), GANLUA_ERROR_SCRIPT);
    succeeds(gl, ganlua_run_string(
                     gl, "local gan = require 'ganlua' assert(gan.ones(1):log():item() == 0 and "
                         "require('ganlua.core').log(gan.ones(1)):item() == 0) local double = gan.nn.define('double', "
                         "{ forward = function(_, z) return z * 2 end }) "
                         "gan.publish('twice', double {}, { latent = 2 })"));
    int64_t shape[GANLUA_MAX_RANK], latent;
    int rank;
    succeeds(gl, ganlua_sample_shape(gl, "twice", shape, &rank, &latent));
    assert_int_equal(rank, 1);
    assert_int_equal(shape[0], 2);
    assert_int_equal(latent, 2);
    float z[] = {1, 2, 3, 4};
    assert_int_equal(ganlua_sample(gl, "twice", z, 2, out, 3), GANLUA_ERROR_CAPACITY);
    assert_true(out[0] == 7);
    succeeds(gl, ganlua_sample(gl, "twice", z, 2, out, 4));
    for (int i = 0; i < 4; i++)
        assert_true(out[i] == 2 * z[i]);
    assert_int_equal(ganlua_sample(gl, "twic", z, 2, out, 4), GANLUA_ERROR_SCRIPT);
    assert_non_null(strstr(ganlua_error(gl), "twice"));
    ganlua_close(gl);
}

static void calls_functions(void **state)
{
    (void)state;
    ganlua *gl = open_small();
    succeeds(gl, ganlua_run_string(gl, "host = { f = function(t, x, s, b, none) assert(none == nil and b == true) "
                                       "return t * x, s .. '!', x + 0.5 end }"));
    float in[] = {1, 2, 3, 4, 5, 6}, out[6] = {0};
    char hello[] = "hello", text[8] = "";
    ganlua_value arguments[] = {
        {.type = GANLUA_TENSOR, .data = in, .length = 6, .rank = 2, .shape = {2, 3}},
        {.type = GANLUA_NUMBER, .number = 2},
        {.type = GANLUA_STRING, .text = hello, .length = 5},
        {.type = GANLUA_BOOLEAN, .number = 1},
        {.type = GANLUA_NIL},
    };
    ganlua_value results[4] = {{.data = out, .capacity = 5}, {.text = text, .capacity = sizeof text}};
    assert_int_equal(ganlua_call(gl, "host.f", arguments, 5, results, 4), GANLUA_ERROR_CAPACITY);
    assert_int_equal(results[0].length, 6);
    assert_string_equal(text, "");
    results[0].capacity = 6;
    succeeds(gl, ganlua_call(gl, "host.f", arguments, 5, results, 4));
    assert_int_equal(results[0].rank, 2);
    assert_int_equal(results[0].shape[1], 3);
    assert_true(out[5] == 12);
    assert_string_equal(text, "hello!");
    assert_true(results[2].number == 2.5);
    assert_int_equal(results[3].type, GANLUA_NIL);
    arguments[0].length = 5;
    assert_int_equal(ganlua_call(gl, "host.f", arguments, 5, results, 4), GANLUA_ERROR_SCRIPT);
    assert_int_equal(ganlua_call(gl, "host.g", NULL, 0, NULL, 0), GANLUA_ERROR_SCRIPT);
    assert_non_null(strstr(ganlua_error(gl), "host.g"));
    ganlua_close(gl);
}

/* What a script raises may itself raise when it is asked for its text. */
static void ends_a_script_whose_error_will_not_be_told(void **state)
{
    (void)state;
    ganlua *gl = open_small();
    succeeds(gl, ganlua_start_string(gl, "error(setmetatable({}, {__tostring = function() error 'worse' end}))"));
    assert_int_equal(ganlua_step(gl), GANLUA_ERROR_SCRIPT);
    assert_non_null(strstr(ganlua_error(gl), "worse"));
    succeeds(gl, ganlua_step(gl)); /* nothing is started any more */
    succeeds(gl, ganlua_start_string(gl, "local x <close> = setmetatable({}, {__close = function() closed = true end})"
                                         "error 'boo'"));
    assert_int_equal(ganlua_step(gl), GANLUA_ERROR_SCRIPT);
    assert_non_null(strstr(ganlua_error(gl), "boo"));
    assert_non_null(strstr(ganlua_error(gl), "stack traceback"));
    succeeds(gl, ganlua_run_string(gl, "assert(closed)"));
    ganlua_close(gl);
}

/* With ever more memory, all of it fails in words until it works: at whatever allocation it ends. */
static void fails_in_words_wherever_memory_ends(void **state)
{
    (void)state;
    int worked = 0, refused = 0;
    for (size_t limit = 40000; worked < 3; limit += 23000) {
        ganlua_config config = GANLUA_CONFIG_INIT;
        config.memory_limit = limit;
        config.threads = 1;
        ganlua *gl = ganlua_open(&config);
        if (!gl) {
            refused++;
            continue;
        }
        float numbers[4];
        ganlua_value result = {.data = numbers, .capacity = 4};
        int status = ganlua_start_string(gl, alternate);
        bool started = status == GANLUA_OK;
        while (started && (status = ganlua_step(gl)) == GANLUA_MORE) {
        }
        if (status == GANLUA_OK)
            status = ganlua_sample(gl, NULL, NULL, 2, numbers, 4);
        if (status == GANLUA_OK)
            status = ganlua_call(gl, "weights", NULL, 0, &result, 1);
        if (status == GANLUA_OK) {
            worked++;
        } else {
            refused++;
            if (!strstr(ganlua_error(gl), "memory"))
                fail_msg("with %zu bytes: %s", limit, ganlua_error(gl));
        }
        ganlua_close(gl);
    }
    assert_true(refused > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_move_by_move),
        cmocka_unit_test(steps_through_combined_schedules),
        cmocka_unit_test(completes_moves_that_cannot_be_left),
        cmocka_unit_test(sampling_between_steps_changes_nothing),
        cmocka_unit_test(reports_errors_and_cancels_of_steps),
        cmocka_unit_test(tells_what_goes_on),
        cmocka_unit_test(samples_what_is_published),
        cmocka_unit_test(calls_functions),
        cmocka_unit_test(ends_a_script_whose_error_will_not_be_told),
        cmocka_unit_test(fails_in_words_wherever_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
