/* exchange.c - jobs that the ranks do together, step by step, by whoever drives them.
 *
 * A sum of n numbers over R ranks. They are cut into R blocks, one for each rank to add up; blocks travel to their owners
 * (MPI_Ialltoall), which add them in the order of the ranks, in double, and the sums travel to all (MPI_Iallgather): each
 * rank sends and receives 2 (R - 1)/R times the numbers, about the least there is, and every rank has the same bytes, in
 * every run, whatever algorithms the MPI library chooses. */
#include <sched.h>
#include <string.h>
#include <time.h>

#include "exchange.h"

double part_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- Steps ---- */

static void begin(part *p, job *j)
{
    j->begun = true;
    switch (j->kind) {
    case GATHER:
        MPI_Iallgather(j->own, j->bytes, MPI_BYTE, j->all, j->bytes, MPI_BYTE, p->bytes, &j->request);
        break;
    case BROADCAST:
        MPI_Ibcast(j->all, j->bytes, MPI_BYTE, j->from, p->bytes, &j->request);
        break;
    case SUM:
        MPI_Ialltoall(j->numbers, (int)j->block, MPI_FLOAT, j->pieces, (int)j->block, MPI_FLOAT, p->pieces,
                      &j->request);
        break;
    }
}

/* This rank's block becomes the sum of all ranks' pieces of it. */
static void add_up(part *p, job *j)
{
    enum { LINE = 256 };
    float *block = j->numbers + p->rank * j->block;
    for (int64_t from = 0; from < j->block; from += LINE) {
        int64_t length = j->block - from < LINE ? j->block - from : LINE;
        double sums[LINE] = {0};
        for (int rank = 0; rank < p->size; rank++) {
            const float *piece = j->pieces + rank * j->block + from;
            for (int64_t i = 0; i < length; i++)
                sums[i] += (double)piece[i];
        }
        for (int64_t i = 0; i < length; i++)
            block[from + i] = (float)sums[i];
    }
}

/* Moves a job on; true once it is through. in_order: all sums before it have begun their second step. */
static bool move_on(part *p, job *j, bool in_order)
{
    int through = 0;
    if (j->begun)
        MPI_Test(&j->request, &through, MPI_STATUS_IGNORE);
    if (j->kind != SUM || (j->step == 1 && j->begun))
        return through;
    if (j->step == 0 && through) {
        j->step = 1;
        j->begun = false;
    }
    if (j->step == 1 && in_order) {
        add_up(p, j);
        MPI_Iallgather(MPI_IN_PLACE, 0, MPI_FLOAT, j->numbers, (int)j->block, MPI_FLOAT, p->sums, &j->request);
        j->begun = true;
    }
    return false;
}

void part_drive(part *p)
{
    bool in_order = true;
    for (job **place = &p->first; *place;) {
        job *j = *place;
        if (!j->begun && j->step == 0)
            begin(p, j);
        if (move_on(p, j, in_order)) {
            *place = j->next;
            p->open--;
            j->until = part_clock();
            j->done = true; /* from here on it is whoever waits for it's */
            continue;
        }
        in_order = in_order && (j->kind != SUM || (j->step == 1 && j->begun));
        place = &j->next;
    }
    watch_look(p, part_clock());
}

/* ---- The two who drive ---- */

void part_submit(part *p, job *j)
{
    pthread_mutex_lock(&p->lock);
    j->next = NULL;
    j->since = part_clock();
    job **place = &p->first;
    while (*place)
        place = &(*place)->next;
    *place = j;
    p->open++;
    part_drive(p);
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

/* How often to look before letting others run, and to let them run before sleeping: on a machine with more ranks than
 * processors the one that is waited for needs this one's. */
enum { LOOKS = 200, YIELDS = 2000, NAP = 50000 };

void part_wait(part *p, job *j)
{
    for (int turn = 0; !j->done; turn++) {
        pthread_mutex_lock(&p->lock);
        part_drive(p);
        pthread_mutex_unlock(&p->lock);
        if (turn > LOOKS + YIELDS)
            nanosleep(&(struct timespec){.tv_nsec = NAP}, NULL);
        else if (turn > LOOKS)
            sched_yield();
    }
}

/* Nanoseconds between two looks of the helper: while something travels, and while nothing does. */
enum { SOON = 100000, LATER = 20000000 };

void *part_help(void *argument)
{
    part *p = argument;
    pthread_mutex_lock(&p->lock);
    watch_beginning(p);
    while (!p->ends) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += p->open ? SOON : LATER;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&p->wake, &p->lock, &until);
        if (!p->ends)
            part_drive(p);
    }
    watch_end(p);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}
