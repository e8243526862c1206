/* part.c - gan_ranks over MPI. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exchange.h"

/* ---- Gathers and broadcasts ---- */

/* Bytes of one message, at most. */
static const size_t MOST = (size_t)1 << 28;

/* Submits a job and waits for its end. */
static void run(part *p, job j)
{
    j.request = MPI_REQUEST_NULL;
    part_submit(p, &j);
    part_wait(p, &j);
}

/* Of this rank's `own` bytes and `all` of them. */
static void gather_some(part *p, const char *own, char *all, size_t bytes)
{
    run(p, (job){.kind = GATHER, .own = (char *)own, .all = all, .bytes = (int)bytes});
}

static bool gather(void *user, const void *own, void *all, size_t bytes)
{
    part *p = user;
    if (bytes <= MOST) {
        gather_some(p, own, all, bytes);
        return true;
    }
    char *piece = malloc(MOST * (size_t)p->size);
    for (size_t from = 0; piece && from < bytes; from += MOST) {
        size_t length = bytes - from < MOST ? bytes - from : MOST;
        gather_some(p, (const char *)own + from, piece, length);
        for (int rank = 0; rank < p->size; rank++)
            memcpy((char *)all + (size_t)rank * bytes + from, piece + (size_t)rank * length, length);
    }
    free(piece);
    return piece != NULL;
}

static bool broadcast(void *user, int from, void *bytes, size_t count)
{
    for (size_t at = 0; at < count; at += MOST) {
        size_t length = count - at < MOST ? count - at : MOST;
        run(user, (job){.kind = BROADCAST, .all = (char *)bytes + at, .bytes = (int)length, .from = from});
    }
    return true;
}

/* ---- Beginning and end ---- */

static void free_part(part *p)
{
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    free(p->hosts);
    free(p);
}

static void leave(void *user)
{
    part *p = user;
    sums_free(p);
    watch_close(p);
    pthread_mutex_lock(&p->lock);
    p->ends = true;
    pthread_cond_signal(&p->wake);
    MPI_Cancel(&p->watch.beat_in);
    MPI_Request_free(&p->watch.beat_in);
    pthread_mutex_unlock(&p->lock);
    MPI_Finalize();
    pthread_mutex_lock(&p->lock);
    p->ended = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->helper, NULL);
    free_part(p);
}

static void end_all(void *user, int code)
{
    part *p = user;
    pthread_mutex_lock(&p->lock);
    watch_abort(p, code, "");
}

/* Names of all ranks' hosts, and communicators. */
static bool get_acquainted(part *p)
{
    char own[MPI_MAX_PROCESSOR_NAME] = "";
    int length;
    MPI_Get_processor_name(own, &length);
    p->hosts = calloc((size_t)p->size, sizeof *p->hosts);
    return p->hosts &&
           MPI_Allgather(own, sizeof own, MPI_BYTE, p->hosts, sizeof own, MPI_BYTE, MPI_COMM_WORLD) == MPI_SUCCESS &&
           MPI_Comm_dup(MPI_COMM_WORLD, &p->bytes) == MPI_SUCCESS &&
           MPI_Comm_dup(MPI_COMM_WORLD, &p->pieces) == MPI_SUCCESS &&
           MPI_Comm_dup(MPI_COMM_WORLD, &p->sums) == MPI_SUCCESS && watch_open(p);
}

/* Starts the helper, in which no signals come. */
static bool start_helper(part *p)
{
    pthread_condattr_t monotonic;
    sigset_t all, before;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    bool started = pthread_create(&p->helper, NULL, part_help, p) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

__attribute__((visibility("default"))) part_open ganlua_part_open;

bool ganlua_part_open(gan_ranks *ranks, char why[PART_WHY])
{
    int begun = 0, level = 0;
    MPI_Initialized(&begun);
    part *p = begun ? NULL : calloc(1, sizeof *p);
    if (begun || !p || !start_helper(p)) {
        snprintf(why, PART_WHY, "%s", begun ? "MPI has begun in this process before" : "there is not enough memory");
        return false;
    }
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level) != MPI_SUCCESS || level < MPI_THREAD_SERIALIZED) {
        snprintf(why, PART_WHY, "this MPI library cannot be called by several threads");
        return false;
    }
    MPI_Comm_rank(MPI_COMM_WORLD, &p->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &p->size);
    if (!get_acquainted(p)) {
        snprintf(why, PART_WHY, "there is not enough memory");
        return false;
    }
    pthread_mutex_lock(&p->lock);
    p->begun = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    *ranks = (gan_ranks){
        .rank = p->rank,
        .size = p->size,
        .user = p,
        .gather = gather,
        .broadcast = broadcast,
        .reset = sums_reset,
        .add = sums_add,
        .sum = sums_wait,
        .take = sums_take,
        .note = sums_note,
        .noted = sums_noted,
        .end_all = end_all,
        .close = leave,
    };
    return true;
}
