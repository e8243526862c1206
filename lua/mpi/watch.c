/* watch.c - whether the others still live. Ranks stand in a ring: each tells the next one twice a second that it lives,
 * from whichever thread drives, so one that computes for long is heard of all the same. One that is stopped, hangs in
 * the system, or is cut off is not, and the rank behind it ends them all: what they compute together cannot go on.
 *
 * A rank that ends by itself says so to all; where others still wait for it then, they end too. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "exchange.h"

/* Seconds: between two beats; of silence until a rank is given up, where GANLUA_PATIENCE says nothing (the beginning may
 * take half as long again); that a rank may wait for others that have ended; that ending them all may take. */
static const double BEAT = 0.5, PATIENCE = 5, GRACE = 2;
enum { LAST_MOMENTS = 3 };

static double patience(void)
{
    const char *text = getenv("GANLUA_PATIENCE");
    return text && *text ? atof(text) : PATIENCE;
}

/* Waits until *done, half as long again as patience lasts; whether that was enough. Naps are counted, not the clock: a
 * process that was stopped meanwhile has waited for one. */
static bool wait_for(part *p, const bool *done)
{
    double naps = 0, most = patience() > 0 ? 1.5 * patience() : HUGE_VAL;
    while (!*done && naps++ < most) {
        struct timespec next;
        clock_gettime(CLOCK_MONOTONIC, &next);
        next.tv_sec++;
        pthread_cond_timedwait(&p->wake, &p->lock, &next);
    }
    return *done;
}

void watch_beginning(part *p)
{
    if (wait_for(p, &p->begun))
        return;
    fprintf(stderr, "ganlua: a rank waits for the others to begin, for %.0f seconds now: all ranks end\n",
            1.5 * patience());
    _exit(EXIT_FAILURE);
}

void watch_end(part *p)
{
    if (!wait_for(p, &p->ended))
        _exit(EXIT_SUCCESS); /* nothing is left to do but to leave */
}

enum { TAG_BEAT = 1, TAG_GONE = 2 };

static int neighbour(const part *p, int step)
{
    return (p->rank + p->size + step) % p->size;
}

static void listen_for_beat(part *p)
{
    MPI_Irecv(NULL, 0, MPI_BYTE, neighbour(p, -1), TAG_BEAT, p->watch.comm, &p->watch.beat_in);
}

bool watch_open(part *p)
{
    watch *w = &p->watch;
    w->patience = patience();
    w->gone = -1;
    w->looked = w->heard = part_clock();
    w->beat_out = MPI_REQUEST_NULL;
    if (MPI_Comm_dup(MPI_COMM_WORLD, &w->comm) != MPI_SUCCESS)
        return false;
    listen_for_beat(p);
    MPI_Irecv(NULL, 0, MPI_BYTE, MPI_ANY_SOURCE, TAG_GONE, w->comm, &w->gone_in);
    return true;
}

_Noreturn void watch_abort(part *p, int code, const char *message)
{
    if (*message)
        fprintf(stderr, "ganlua: rank %d on %s: %s\n", p->rank, p->hosts[p->rank], message);
    fflush(NULL);
    alarm(LAST_MOMENTS); /* MPI may wait for who cannot be reached */
    MPI_Abort(MPI_COMM_WORLD, code);
    _exit(code);
}

/* How long the oldest job has waited, in seconds. */
static double waited(const part *p, double now)
{
    double longest = 0;
    for (const job *j = p->first; j; j = j->next)
        longest = now - j->since > longest ? now - j->since : longest;
    return longest;
}

void watch_look(part *p, double now)
{
    watch *w = &p->watch;
    char message[2 * MPI_MAX_PROCESSOR_NAME + 200];
    if (now - w->looked < BEAT / 5)
        return;
    if (now - w->looked > 2 * BEAT) /* it was this rank that stood still: what the others said meanwhile comes now */
        w->heard = now;
    w->looked = now;

    int came = 0, sent = 0;
    MPI_Test(&w->beat_out, &sent, MPI_STATUS_IGNORE);
    if (sent && now - w->sent > BEAT) {
        MPI_Isend(NULL, 0, MPI_BYTE, neighbour(p, 1), TAG_BEAT, w->comm, &w->beat_out);
        w->sent = now;
    }
    do {
        MPI_Test(&w->beat_in, &came, MPI_STATUS_IGNORE);
        if (came) {
            w->heard = now;
            listen_for_beat(p);
        }
    } while (came);
    if (w->patience > 0 && now - w->heard > w->patience) {
        int silent = neighbour(p, -1);
        snprintf(
            message, sizeof message,
            "rank %d on %s has not been heard of for %.0f seconds: all ranks end; the same command goes on from the "
            "last checkpoint",
            silent, p->hosts[silent], w->patience);
        watch_abort(p, EXIT_FAILURE, message);
    }

    MPI_Status status;
    if (w->gone < 0)
        MPI_Test(&w->gone_in, &came, &status);
    if (w->gone < 0 && came)
        w->gone = status.MPI_SOURCE;
    if (w->gone >= 0 && waited(p, now) > GRACE) {
        snprintf(message, sizeof message, "rank %d on %s has ended, and the others wait for it: all ranks end", w->gone,
                 p->hosts[w->gone]);
        watch_abort(p, EXIT_FAILURE, message);
    }
}

void watch_close(part *p)
{
    watch *w = &p->watch;
    MPI_Request all = MPI_REQUEST_NULL, told = MPI_REQUEST_NULL;
    int through = 0;
    pthread_mutex_lock(&p->lock);
    for (int rank = 0; rank < p->size; rank++)
        if (rank != p->rank) {
            MPI_Isend(NULL, 0, MPI_BYTE, rank, TAG_GONE, w->comm, &told);
            MPI_Request_free(&told);
        }
    MPI_Ibarrier(w->comm, &all);
    while (!through) {
        MPI_Test(&all, &through, MPI_STATUS_IGNORE);
        watch_look(p, part_clock());
        pthread_mutex_unlock(&p->lock);
        usleep(1000);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
}
