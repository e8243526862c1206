/* threads_spec.c - several contexts in several threads, each with threads of its own, training at the same time; some are
 * cancelled from outside. `./dev test --threads` runs it under ThreadSanitizer.
 *
 * OpenBLAS is not instrumented: a context that uses it (the set "portable") shares nothing through it that is ours. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gan.h"

enum { PLAYERS = 4, INSTANCES = 6, STEPS = 4, WEIGHTS = 4 * 4 * 3 * 24, HEAD = 8 * 8 * 24 };

struct player {
    gan_context *ctx;
    jmp_buf failed;
    gan_error kind;
    int seed, steps;
    float result[WEIGHTS];
};

static void on_fail(void *user, gan_error kind, const char *message)
{
    struct player *player = user;
    (void)message;
    player->kind = kind;
    longjmp(player->failed, 1);
}

/* One step of Adam on a network of a convolution and a product; large enough for several threads. */
static void step(gan_context *ctx, gan_tensor *const p[], gan_tensor *const m[], gan_tensor *const v[], int number)
{
    gan_tensor *x = gan_randn(ctx, GAN_SHAPE(16, 16, 16, 3)), *slopes[2];
    gan_tensor *y = gan_leaky_relu(gan_conv2d(x, p[0], 2, 1), 0.2);
    gan_tensor *scores = gan_matmul(gan_reshape(y, GAN_SHAPE(16, HEAD)), p[1]);
    gan_grad(gan_mean(gan_softplus(scores), GAN_ALL_AXES, false), 2, p, slopes, NULL);
    gan_adam_(2, p, slopes, m, v,
              &(gan_adam_options){.lr = 1e-3, .beta1 = 0.5, .beta2 = 0.999, .eps = 1e-8, .step = number});
    gan_pool_release(ctx, 0);
}

static void train(struct player *player)
{
    gan_context *ctx = player->ctx;
    gan_tensor *p[2], *m[2], *v[2];
    gan_hold_cancel(ctx, true);
    if (setjmp(player->failed) == 0) {
        p[0] = gan_affine(gan_randn(ctx, GAN_SHAPE(4, 4, 3, 24)), 0.1, 0);
        p[1] = gan_affine(gan_randn(ctx, GAN_SHAPE(HEAD, 1)), 0.1, 0);
        for (int i = 0; i < 2; i++) {
            p[i] = gan_retain(gan_detach(p[i]));
            m[i] = gan_retain(gan_zeros(ctx, gan_shape_of(p[i])));
            v[i] = gan_retain(gan_zeros(ctx, gan_shape_of(p[i])));
        }
    } else {
        return; /* out of memory */
    }
    gan_hold_cancel(ctx, false);
    if (setjmp(player->failed) == 0)
        while (player->steps < STEPS) {
            step(ctx, p, m, v, player->steps + 1);
            player->steps++;
        }
    gan_pool_release(ctx, 0);
    memcpy(player->result, gan_data(p[0]), sizeof player->result);
    for (int i = 0; i < 2; i++) {
        gan_release(p[i]);
        gan_release(m[i]);
        gan_release(v[i]);
    }
}

static void open_player(struct player *player, int seed)
{
    memset(player, 0, sizeof *player);
    player->seed = seed;
    player->ctx = gan_open(&(gan_config){.threads = 2, .seed = (uint64_t)seed, .on_fail = on_fail, .user = player});
}

static void *play(void *argument)
{
    train(argument);
    return NULL;
}

static void each_ends_as_it_does_alone(void **state)
{
    (void)state;
    static struct player alone[PLAYERS], players[PLAYERS];
    for (int i = 0; i < PLAYERS; i++) {
        open_player(&alone[i], i + 1);
        assert_non_null(alone[i].ctx);
        train(&alone[i]);
        assert_int_equal(STEPS, alone[i].steps);
        gan_close(alone[i].ctx);
    }
    for (int round = 0; round < INSTANCES; round++) {
        pthread_t threads[PLAYERS];
        for (int i = 0; i < PLAYERS; i++) {
            open_player(&players[i], i + 1);
            assert_non_null(players[i].ctx);
        }
        for (int i = 0; i < PLAYERS; i++)
            assert_int_equal(0, pthread_create(&threads[i], NULL, play, &players[i]));
        /* Half of them are cancelled, sooner or later, in every second round. */
        for (int i = 0; round % 2 && i < PLAYERS; i += 2) {
            for (volatile int wait = 0; wait < 40000 * round; wait++)
                ;
            gan_cancel(players[i].ctx);
        }
        for (int i = 0; i < PLAYERS; i++) {
            pthread_join(threads[i], NULL);
            if (players[i].steps == STEPS)
                assert_memory_equal(alone[i].result, players[i].result, sizeof alone[i].result);
            else
                assert_int_equal(GAN_ERROR_CANCELLED, players[i].kind);
            assert_int_equal(0, gan_memory(players[i].ctx).live);
            assert_int_equal(0, gan_memory(players[i].ctx).tensors);
            gan_close(players[i].ctx);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_ends_as_it_does_alone)};
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
