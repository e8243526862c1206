/* Samples a generator on request from several threads: each has a ganlua of its own, which loads the same weights.
 *
 *     cc server.c $(pkg-config --cflags --libs ganlua) -lpthread -o server
 *     ./server SCRIPT [REQUESTS]
 *
 * SCRIPT loads a trained generator and publishes it as "generator":
 *
 *     local gan = require "ganlua"
 *     local G = gan.nn.sequential { ... }                 -- as it was trained
 *     G(gan.randn(1, 4))                                  -- builds it
 *     G:load_state(gan.load "generator.safetensors")
 *     gan.publish("generator", G, { latent = 4 })
 *
 * Requests are counted here, where a server would read them from a socket. Each one's latent follows from its number, so
 * that the answer does not depend on the thread that gives it. */
#include <ganlua.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 4 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int next_request, requests = 16;
static float *answers; /* the first number of each sample */

static int take_request(void)
{
    pthread_mutex_lock(&lock);
    int request = next_request < requests ? next_request++ : -1;
    pthread_mutex_unlock(&lock);
    return request;
}

/* Answers requests until there are no more. */
static int serve(ganlua *gl)
{
    int64_t shape[GANLUA_MAX_RANK], latent_size;
    int rank, status = ganlua_sample_shape(gl, "generator", shape, &rank, &latent_size);
    if (status != GANLUA_OK)
        return status;
    size_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= (size_t)shape[i];
    float *latent = calloc((size_t)latent_size, sizeof *latent), *sample = calloc(count, sizeof *sample);
    if (!latent || !sample)
        status = GANLUA_ERROR_MEMORY;
    for (int request; status == GANLUA_OK && (request = take_request()) >= 0;) {
        for (int64_t i = 0; i < latent_size; i++)
            latent[i] = (float)((request * 31 + (int)i * 17) % 64) / 32 - 1;
        status = ganlua_sample(gl, "generator", latent, 1, sample, count);
        if (status == GANLUA_OK)
            answers[request] = sample[0];
    }
    free(latent);
    free(sample);
    return status;
}

static void *work(void *script)
{
    ganlua_config config = GANLUA_CONFIG_INIT;
    config.threads = 1; /* the requests keep the cores busy */
    ganlua *gl = ganlua_open(&config);
    if (!gl)
        return script;
    int status = ganlua_run_file(gl, script, 0, NULL);
    if (status == GANLUA_OK)
        status = serve(gl);
    if (status != GANLUA_OK)
        fprintf(stderr, "%s\n", ganlua_error(gl));
    ganlua_close(gl);
    return status == GANLUA_OK ? NULL : script;
}

int main(int argc, char **argv)
{
    if (argc < 2 || (argc > 2 && (requests = atoi(argv[2])) < 1)) {
        fprintf(stderr, "usage: %s SCRIPT [REQUESTS]\n", argv[0]);
        return 2;
    }
    answers = calloc((size_t)requests, sizeof *answers);
    if (!answers)
        return 1;
    pthread_t threads[THREADS];
    int started = 0, failed = 0;
    while (started < THREADS && pthread_create(&threads[started], NULL, work, argv[1]) == 0)
        started++;
    for (int i = 0; i < started; i++) {
        void *problem;
        pthread_join(threads[i], &problem);
        failed += problem != NULL;
    }
    for (int i = 0; !failed && i < requests; i++)
        printf("%d: %.6f\n", i, answers[i]);
    free(answers);
    return failed || started == 0;
}
