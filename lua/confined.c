/* confined.c - running what the command line names in the sandbox.
 *
 * Signals are taken by a thread that waits for them, so that cancelling is no signal handler's work. */
#include "confined.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Signals ---- */

struct watch {
    sigset_t signals;
    pthread_mutex_t lock;
    ganlua *gl; /* NULL once nothing runs any more */
    int came;
};

static void *wait_for_signals(void *argument)
{
    struct watch *watch = argument;
    int number;
    if (sigwait(&watch->signals, &number) == 0) {
        pthread_mutex_lock(&watch->lock);
        watch->came = number;
        if (watch->gl)
            ganlua_cancel(watch->gl);
        pthread_mutex_unlock(&watch->lock);
    }
    pthread_sigmask(SIG_UNBLOCK, &watch->signals, NULL); /* the second one kills */
    for (;;)
        pause();
    return NULL;
}

/* ---- Running ---- */

enum { LONGEST_INPUT = 1 << 20 };

/* Runs what stdin holds; more than the sandbox takes is not read. */
static int run_stdin(ganlua *gl)
{
    char *text = malloc(LONGEST_INPUT);
    if (!text)
        return GANLUA_ERROR_MEMORY;
    size_t length = fread(text, 1, LONGEST_INPUT, stdin);
    int status = ganlua_run_buffer(gl, text, length, "=stdin");
    free(text);
    return status;
}

static int run_all(ganlua *gl, const options *options, int argc, char *argv[])
{
    int status = GANLUA_OK;
    for (const option_action *action = options->actions; action->kind && status == GANLUA_OK; action++)
        status = ganlua_run_buffer(gl, action->value, strlen(action->value), "=(command line)");
    if (status != GANLUA_OK)
        return status;
    if (options->script >= argc)
        return options->actions->kind || options->version ? GANLUA_OK : run_stdin(gl);
    const char *path = argv[options->script];
    if (strcmp(path, "-") == 0 && strcmp(argv[options->script - 1], "--") != 0)
        return run_stdin(gl);
    return ganlua_run_file(gl, path, argc - options->script, &argv[options->script]);
}

int confined_run(ganlua *gl, const options *options, int argc, char *argv[], int *signal_number)
{
    struct watch *watch = calloc(1, sizeof *watch); /* the thread's, which lives as long as the process */
    pthread_t thread;
    if (!watch)
        return GANLUA_ERROR_MEMORY;
    watch->gl = gl;
    pthread_mutex_init(&watch->lock, NULL);
    sigemptyset(&watch->signals);
    sigaddset(&watch->signals, SIGINT);
    sigaddset(&watch->signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &watch->signals, NULL);
    if (pthread_create(&thread, NULL, wait_for_signals, watch) != 0)
        pthread_sigmask(SIG_UNBLOCK, &watch->signals, NULL);
    int status = run_all(gl, options, argc, argv);
    pthread_mutex_lock(&watch->lock);
    watch->gl = NULL; /* it is closed next */
    *signal_number = watch->came;
    pthread_mutex_unlock(&watch->lock);
    return status;
}
