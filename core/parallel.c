/* parallel.c - one pool of threads per context, and the floating-point state that kernels run in.
 *
 * Invariants:
 * 1. The pieces of a job depend on its size and grain, never on the number of threads: a kernel that
 *    adds up per piece gives the same bytes with any number of threads.
 * 2. Work of a single piece runs on the calling thread; nobody is woken.
 * 3. Jobs come in quick succession: who has finished one watches for the next for some microseconds
 *    before it sleeps. A program that waits longer uses no processor.
 * 4. The caller waits for those threads that work, never for one that has yet to wake: on a busy
 *    machine it does the whole job itself rather than stand still.
 * 5. Threads start at the first job that needs them and end with the context.
 * 6. The caller's floating-point control state is the caller's again afterwards. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "op.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* ---- Floating-point state ---- */

#if defined(__x86_64__)
typedef unsigned int fp_state;
/* Flush to zero, denormals are zero, all exceptions masked, round to nearest. */
static fp_state enter_kernel(void)
{
    fp_state before = _mm_getcsr();
    _mm_setcsr(0x9fc0);
    return before;
}
static void leave_kernel(fp_state before)
{
    _mm_setcsr(before);
}
#elif defined(__aarch64__)
typedef unsigned long fp_state;
static fp_state enter_kernel(void)
{
    fp_state before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"((fp_state)1 << 24)); /* FZ */
    return before;
}
static void leave_kernel(fp_state before)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(before));
}
#else
typedef int fp_state;
static fp_state enter_kernel(void)
{
    return 0;
}
static void leave_kernel(fp_state before)
{
    (void)before;
}
#endif

/* ---- Threads ---- */

struct gan_workers {
    gan_context *ctx;
    int threads;   /* the caller included */
    pid_t process; /* that the threads belong to: a forked child has none of them */
    int started;   /* threads that run, the caller not included */
    pthread_t *ids;
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    _Atomic bool quit;
    _Atomic uint64_t gate;      /* the current job's number, whether it is open, workers inside */
    _Atomic bool caller_sleeps; /* until nobody is inside, and wants to be woken */
    int asleep;                 /* workers that wait to be woken; under the lock */

    gan_job *job; /* the current job */
    void *work;
    int64_t count, grain;
    bool whole; /* not to be left half done by a cancel */
    _Atomic int64_t next;
};

/* ---- Waiting ---- */

/* How long to watch before sleeping, in turns of some ten nanoseconds: waking one takes as long. */
enum { WATCH = 10000 };

static void breathe(void)
{
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* The gate's parts. */
#define INSIDE  ((uint64_t)0xffff)
#define OPEN    ((uint64_t)1 << 16)
#define ONE_JOB ((uint64_t)1 << 17)

static uint64_t job_number(uint64_t gate)
{
    return gate / ONE_JOB;
}

static bool is_new(struct gan_workers *w, uint64_t seen)
{
    uint64_t gate = w->gate;
    return (gate & OPEN) && job_number(gate) != seen;
}

/* Enters the current job, if it is open and another than the last one seen, which it is from now on. */
static bool enter(struct gan_workers *w, uint64_t *seen)
{
    uint64_t gate = w->gate;
    while ((gate & OPEN) && job_number(gate) != *seen)
        if (atomic_compare_exchange_weak(&w->gate, &gate, gate + 1)) {
            *seen = job_number(gate);
            return true;
        }
    return false;
}

/* The last one out of a closed job wakes the caller who sleeps. */
static void leave(struct gan_workers *w)
{
    uint64_t gate = atomic_fetch_sub(&w->gate, 1) - 1;
    if (!(gate & (INSIDE | OPEN)) && w->caller_sleeps) {
        pthread_mutex_lock(&w->lock);
        pthread_cond_signal(&w->done);
        pthread_mutex_unlock(&w->lock);
    }
}

/* Lets nobody in any more, and waits for those inside. */
static void close_job(struct gan_workers *w)
{
    atomic_fetch_and(&w->gate, ~OPEN);
    for (int i = 0; i < WATCH && (w->gate & INSIDE); i++)
        breathe();
    if (!(w->gate & INSIDE))
        return;
    pthread_mutex_lock(&w->lock);
    w->caller_sleeps = true;
    while (w->gate & INSIDE)
        pthread_cond_wait(&w->done, &w->lock);
    w->caller_sleeps = false;
    pthread_mutex_unlock(&w->lock);
}

static void await_job(struct gan_workers *w, uint64_t seen)
{
    for (int i = 0; i < WATCH; i++) {
        if (is_new(w, seen) || w->quit)
            return;
        breathe();
    }
    pthread_mutex_lock(&w->lock);
    w->asleep++;
    while (!w->quit && !is_new(w, seen))
        pthread_cond_wait(&w->wake, &w->lock);
    w->asleep--;
    pthread_mutex_unlock(&w->lock);
}

static void run_pieces(struct gan_workers *w)
{
    for (;;) {
        int64_t begin = atomic_fetch_add(&w->next, w->grain);
        if (begin >= w->count || (gan_stopped(w->ctx) && !w->whole))
            return;
        int64_t end = w->count - begin > w->grain ? begin + w->grain : w->count;
        w->job(w->work, begin, end);
    }
}

static void *worker(void *argument)
{
    struct gan_workers *w = argument;
    uint64_t seen = 0;
    enter_kernel();
    while (!w->quit) {
        await_job(w, seen);
        if (enter(w, &seen)) {
            run_pieces(w);
            leave(w);
        }
    }
    return NULL;
}

/* Signals are the host's: threads of ours must never be the ones to take them. */
static void start_workers(struct gan_workers *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (w->started < w->threads - 1 && pthread_create(&w->ids[w->started], NULL, worker, w) == 0)
        w->started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (w->started < w->threads - 1)
        w->threads = w->started + 1; /* the system gives no more: carry on with what there is */
}

/* In a forked child the threads are gone, and the lock may be held for ever: it starts over. */
static void notice_fork(struct gan_workers *w)
{
    if (w->process == getpid())
        return;
    w->process = getpid();
    w->started = w->asleep = 0;
    w->gate = 0;
    w->caller_sleeps = false;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    pthread_cond_init(&w->done, NULL);
}

bool gan_workers_open(gan_context *ctx, int threads)
{
    if (threads <= 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        threads = cores < 1 ? 1 : cores > 64 ? 64 : (int)cores;
    }
    struct gan_workers *w = calloc(1, sizeof *w);
    pthread_t *ids = calloc((size_t)threads, sizeof *ids);
    if (!w || !ids) {
        free(w);
        free(ids);
        return false;
    }
    w->ctx = ctx;
    w->threads = threads;
    w->ids = ids;
    w->process = getpid();
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    pthread_cond_init(&w->done, NULL);
    ctx->workers = w;
    return true;
}

void gan_workers_close(gan_context *ctx)
{
    struct gan_workers *w = ctx->workers;
    if (!w)
        return;
    notice_fork(w);
    pthread_mutex_lock(&w->lock);
    w->quit = true;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
    for (int i = 0; i < w->started; i++)
        pthread_join(w->ids[i], NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->wake);
    pthread_cond_destroy(&w->done);
    free(w->ids);
    free(w);
    ctx->workers = NULL;
}

int gan_threads(const gan_context *ctx)
{
    return ctx->workers->threads;
}

void gan_parallel(gan_context *ctx, int64_t count, int64_t grain, gan_job *job, void *work)
{
    struct gan_workers *w = ctx->workers;
    /* A piece of work is about GAN_GRAIN numbers. */
    double work_done = 16 + (double)count / (double)(grain < 1 ? 1 : grain) * GAN_GRAIN / GAN_NUMBERS;
    if (!gan_count_work(ctx, work_done) && !w->whole)
        gan_fail_stopped(ctx);
    if (ctx->cancel_countdown > 0 && --ctx->cancel_countdown == 0)
        gan_cancel(ctx);
    fp_state before = enter_kernel();
    if (count <= grain || w->threads == 1) {
        for (int64_t begin = 0; begin < count && (w->whole || !gan_stopped(ctx)); begin += grain)
            job(work, begin, count - begin > grain ? begin + grain : count);
    } else {
        notice_fork(w);
        if (w->started < w->threads - 1)
            start_workers(w);
        w->job = job;
        w->work = work;
        w->count = count;
        w->grain = grain;
        w->next = 0;
        pthread_mutex_lock(&w->lock); /* whoever is about to sleep sees the new job */
        w->gate = (job_number(w->gate) + 1) * ONE_JOB | OPEN;
        if (w->asleep)
            pthread_cond_broadcast(&w->wake);
        pthread_mutex_unlock(&w->lock);
        run_pieces(w);
        close_job(w);
    }
    leave_kernel(before);
    if (gan_stopped(ctx) && !w->whole)
        gan_fail_stopped(ctx);
}

void gan_parallel_whole(gan_context *ctx, int64_t count, int64_t grain, gan_job *job, void *work)
{
    ctx->workers->whole = true;
    gan_parallel(ctx, count, grain, job, work);
    ctx->workers->whole = false;
}
