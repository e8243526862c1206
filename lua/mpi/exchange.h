/* exchange.h - one process's end of what the ranks do together over MPI. Internal to ganlua_mpi.so.
 *
 * Invariants:
 * 1. MPI is called by one thread at a time, which holds the lock: the program's own while it waits for an exchange, else
 *    a helper thread, which looks in now and then. So sums travel while the program computes.
 * 2. All ranks begin the same jobs in the same order. Each step of a job has a communicator of its own, on which it is
 *    begun in that order too.
 * 3. What travels is copied: a program that fails half-way leaves nothing that MPI still reads or writes. */
#ifndef GANLUA_EXCHANGE_H
#define GANLUA_EXCHANGE_H

#include <mpi.h>
#include <pthread.h>
#include <stdatomic.h>

#include "part.h"

/* Numbers that travel together in a sum. */
enum { BUCKET = 1 << 18 };

enum job_kind { GATHER, BROADCAST, SUM };

/* Something that the ranks do together. */
typedef struct job {
    enum job_kind kind;
    int step; /* of a sum: 0 pieces travel to their owners, 1 their sums travel back */
    bool begun;
    _Atomic bool done;
    MPI_Request request;
    double since, until; /* submitted; done */

    char *own, *all; /* gather: what this rank brings, and room for all; broadcast: all */
    int bytes, from; /* broadcast: whose */

    float *numbers, *pieces; /* sum: both have room for `size` blocks */
    int64_t count, block;
    int64_t taken; /* numbers that were handed out again */

    struct job *next;      /* in the line of those that are not done */
    struct job *list_next; /* in the sum's list, or among the spare */
} job;

/* What is known of the others' lives (watch.c). */
typedef struct watch {
    MPI_Comm comm;
    MPI_Request beat_out, beat_in, gone_in;
    double looked, sent, heard, patience;
    int gone; /* a rank that has ended, or -1 */
} watch;

typedef struct part {
    int rank, size;
    char (*hosts)[MPI_MAX_PROCESSOR_NAME]; /* by rank */
    MPI_Comm bytes, pieces, sums;          /* for gathers and broadcasts; for the two steps of a sum */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t helper;
    bool begun, ends, ended;       /* they know each other; nothing is left to do; MPI has ended */
    job *first;                    /* that is not done; the others behind it */
    int open;                      /* how many */
    job *list, *list_last, *spare; /* of the sum that is added to; buckets to be used again */
    bool notes;                    /* whether what travels is noted, and what was */
    gan_travel *travels;
    int noted, room;
    watch watch;
} part;

double part_clock(void);

/* ---- exchange.c ---- */

/* Does what can be done now: begins jobs, sees which steps are through, looks after the others. Under the lock. */
void part_drive(part *p);
/* Puts a job in line; it may be begun at once. */
void part_submit(part *p, job *j);
/* Waits until a job is done. */
void part_wait(part *p, job *j);
/* The helper thread, from the beginning of MPI to its end. */
void *part_help(void *argument);

/* ---- sums.c ---- */

void sums_reset(void *user);
bool sums_add(void *user, const float *numbers, int64_t count);
bool sums_wait(void *user);
void sums_take(void *user, float *to, int64_t count);
void sums_note(void *user, bool on);
const gan_travel *sums_noted(void *user, int *count);
void sums_free(part *p);

/* ---- watch.c ---- */

bool watch_open(part *p);
/* Tells the next rank that this one lives, and hears of the one before. Ends all ranks where that has been silent for too
 * long, or has ended while others wait for it. */
void watch_look(part *p, double now);
/* Tells the others that this rank is about to end, and waits for them to say the same. */
void watch_close(part *p);
/* Waits until the ranks know each other, and ends this one with a message where that takes too long. Under the lock. */
void watch_beginning(part *p);
/* Waits until MPI has ended, and ends this process where that takes too long. Under the lock. */
void watch_end(part *p);
/* Ends all ranks with a message. */
_Noreturn void watch_abort(part *p, int code, const char *message);

#endif
