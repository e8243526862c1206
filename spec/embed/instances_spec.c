/* Instances in threads: each is opened, trained ten moves and closed, every third cancelled at random; those that are not
 * compute what they compute alone. GANLUA_THREADS and GANLUA_INSTANCES make it longer: `./dev hosts`. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ganlua.h"

static const char train[] =
    "local gan = require 'ganlua' local nn = gan.nn "
    "local run = gan.trainer { out = false, data = gan.data.ring {}, latent = 2, loss = gan.loss.hinge {}, batch = 8, "
    "generator = nn.sequential { nn.linear { out = 8 }, nn.relu {}, nn.linear { out = 2 } }, "
    "discriminator = nn.sequential { nn.linear { out = 1 } }, schedule = gan.schedule.alternate { iterations = 5 } } "
    "run:train() function weights() return run.generator:parameters()[1] end";

static float alone[16];
static atomic_int finished, cancelled, wrong;

/* A short while after the start, as long as chance has it. */
static void *cancel_at_random(void *argument)
{
    void **both = argument;
    unsigned *seed = both[1];
    nanosleep(&(struct timespec){.tv_nsec = rand_r(seed) % 20000000}, NULL);
    ganlua_cancel(both[0]);
    return NULL;
}

/* Trains; out gets the weights where the script came to its end. */
static int instance(float out[16], unsigned *cancel_seed)
{
    ganlua_config config = GANLUA_CONFIG_INIT;
    config.threads = 1;
    ganlua *gl = ganlua_open(&config);
    if (!gl)
        return GANLUA_ERROR_MEMORY;
    pthread_t other;
    void *both[] = {gl, cancel_seed};
    bool cancelling = cancel_seed && pthread_create(&other, NULL, cancel_at_random, both) == 0;
    int status = ganlua_run_string(gl, train);
    if (cancelling)
        pthread_join(other, NULL);
    if (status == GANLUA_OK) {
        ganlua_value result = {.data = out, .capacity = 16};
        status = ganlua_call(gl, "weights", NULL, 0, &result, 1);
    }
    ganlua_close(gl);
    return status;
}

static long setting(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

static void *work(void *number)
{
    unsigned seed = (unsigned)(uintptr_t)number + 1;
    long count = setting("GANLUA_INSTANCES", 3);
    for (long i = 0; i < count; i++) {
        float out[16] = {0};
        int status = instance(out, (i + (long)(uintptr_t)number) % 3 == 2 ? &seed : NULL);
        if (status == GANLUA_OK && memcmp(out, alone, sizeof out) == 0)
            finished++;
        else if (status == GANLUA_ERROR_CANCELLED && (i + (long)(uintptr_t)number) % 3 == 2)
            cancelled++;
        else
            wrong++;
    }
    return NULL;
}

static void instances_in_threads_compute_what_they_compute_alone(void **state)
{
    (void)state;
    assert_int_equal(instance(alone, NULL), GANLUA_OK);
    assert_true(alone[0] != 0);
    enum { MOST = 64 };
    pthread_t threads[MOST];
    long count = setting("GANLUA_THREADS", 8);
    assert_true(count >= 1 && count <= MOST);
    for (long i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i), 0);
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    print_message("# %d finished, %d cancelled\n", finished, cancelled);
    assert_int_equal(wrong, 0);
    assert_int_equal(finished + cancelled, count * setting("GANLUA_INSTANCES", 3));
    assert_true(finished > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(instances_in_threads_compute_what_they_compute_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
