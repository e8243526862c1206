/* album_spec.c - an album that decodes ahead on its own thread while the context computes on all of its own; two contexts
 * at a time. `./dev test --threads` runs it under ThreadSanitizer. What albums read is in spec/lua/pictures_spec.lua. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gan.h"
#include "io/io.h"

enum { PICTURES = 12, BATCH = 4, ROUNDS = 30, SIDE = 12, NUMBERS = SIDE * SIDE * 3 };

struct reader {
    gan_context *ctx;
    jmp_buf failed;
    int64_t cached; /* pictures to keep in memory */
    int wrong;
    const float *decoded; /* of each picture */
};

static char paths[PICTURES][64];

static void on_fail(void *user, gan_error kind, const char *message)
{
    struct reader *reader = user;
    (void)kind;
    print_message("# %s\n", message);
    longjmp(reader->failed, 1);
}

static struct reader *open_reader(struct reader *reader, int threads)
{
    reader->ctx = gan_open(&(gan_config){.threads = threads, .seed = 7, .on_fail = on_fail, .user = reader});
    assert_non_null(reader->ctx);
    return reader;
}

/* Where batch number `round` lies: every place comes, in an order that jumps. */
static gan_tensor *places_of(gan_context *ctx, int round)
{
    gan_tensor *places = gan_from(ctx, GAN_SHAPE(BATCH), NULL);
    for (int i = 0; i < BATCH; i++)
        gan_write(places)[i] = (gan_real)((round * 5 + i * 7) % PICTURES);
    return places;
}

static void read_while_computing(struct reader *reader)
{
    gan_context *ctx = reader->ctx;
    gan_album_source sources[PICTURES];
    for (int i = 0; i < PICTURES; i++)
        sources[i] = (gan_album_source){paths[i], NULL};
    gan_album *album = gan_album_open(ctx, PICTURES, sources);
    gan_album_refusal *refused;
    int64_t refusals = gan_album_look(album, 0, PICTURES, 1 << 20, &refused);
    gan_album_prepare(album, SIDE, SIDE, 3, (size_t)reader->cached * NUMBERS);
    refusals += gan_album_load(album, 0, PICTURES, &refused);
    reader->wrong += refusals != 0 || gan_album_cached(album) != reader->cached;
    for (int round = 0; round < ROUNDS; round++) {
        gan_pool_release(ctx, 0);
        gan_album_prefetch(album, places_of(ctx, round));
        gan_matmul(gan_randn(ctx, GAN_SHAPE(96, 96)), gan_randn(ctx, GAN_SHAPE(96, 96)));
        if (round % 7 == 6)
            continue; /* what was decoded for nothing is dropped */
        const gan_real *got = gan_data(gan_album_read(album, places_of(ctx, round)));
        const gan_real *places = gan_data(places_of(ctx, round));
        for (int i = 0; i < BATCH; i++)
            reader->wrong +=
                memcmp(got + i * NUMBERS, reader->decoded + (int)places[i] * NUMBERS, NUMBERS * sizeof(float)) != 0;
    }
    gan_album_prefetch(album, places_of(ctx, 1)); /* closed while it decodes */
    gan_album_close(album);
}

static void *play(void *argument)
{
    struct reader *reader = argument;
    if (setjmp(reader->failed) == 0)
        read_while_computing(reader);
    else
        reader->wrong++;
    return NULL;
}

/* Noise, written; decoded[i] is what the decoder alone makes of it. */
static void write_pictures(float decoded[PICTURES * NUMBERS])
{
    struct reader maker = {0};
    gan_context *ctx = open_reader(&maker, 1)->ctx;
    if (setjmp(maker.failed) != 0)
        fail_msg("the pictures cannot be made");
    for (int i = 0; i < PICTURES; i++) {
        size_t size;
        const uint8_t *bytes = gan_png_encode(ctx, gan_randn(ctx, GAN_SHAPE(SIDE, SIDE, 3)), &size);
        gan_file_write(ctx, paths[i], bytes, size);
        memcpy(decoded + i * NUMBERS, gan_data(gan_picture_decode(ctx, bytes, size, paths[i])),
               NUMBERS * sizeof(float));
    }
    gan_close(ctx);
}

static void decodes_ahead_what_it_decodes_alone(void **state)
{
    (void)state;
    char folder[] = "/tmp/ganlua-album-XXXXXX";
    assert_non_null(mkdtemp(folder));
    for (int i = 0; i < PICTURES; i++)
        snprintf(paths[i], sizeof paths[i], "%s/%d.png", folder, i);
    float *decoded = malloc(PICTURES * NUMBERS * sizeof *decoded);
    assert_non_null(decoded);
    write_pictures(decoded);
    struct reader readers[] = {{.decoded = decoded}, {.decoded = decoded, .cached = 5}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, play, open_reader(&readers[i], 3)), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(readers[i].wrong, 0);
        gan_pool_release(readers[i].ctx, 0);
        assert_int_equal(gan_memory(readers[i].ctx).live, 0);
        gan_close(readers[i].ctx);
    }
    for (int i = 0; i < PICTURES; i++)
        unlink(paths[i]);
    rmdir(folder);
    free(decoded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(decodes_ahead_what_it_decodes_alone)};
    return cmocka_run_group_tests_name("album", tests, NULL, NULL);
}
