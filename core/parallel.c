/* parallel.c - one pool of threads per context, and the floating-point state that kernels run in.
 *
 * Invariants:
 * 1. The pieces of a job depend on its size and grain, never on the number of threads: a kernel that
 *    adds up per piece gives the same bytes with any number of threads.
 * 2. Work of a single piece runs on the calling thread; nobody is woken.
 * 3. Threads start at the first job that needs them and end with the context.
 * 4. The caller's floating-point control state is the caller's again afterwards. */
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
    bool quit;
    uint64_t job_number; /* raised with each job: tells a worker that there is a new one */
    int busy;            /* workers that have not yet finished the current job */

    gan_job *job; /* the current job */
    void *work;
    int64_t count, grain;
    bool whole; /* not to be left half done by a cancel */
    _Atomic int64_t next;
};

static void run_pieces(struct gan_workers *w)
{
    for (;;) {
        int64_t begin = atomic_fetch_add(&w->next, w->grain);
        if (begin >= w->count || (w->ctx->cancelled && !w->whole))
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
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->quit && w->job_number == seen)
            pthread_cond_wait(&w->wake, &w->lock);
        if (w->quit)
            break;
        seen = w->job_number;
        pthread_mutex_unlock(&w->lock);
        run_pieces(w);
        pthread_mutex_lock(&w->lock);
        if (--w->busy == 0)
            pthread_cond_signal(&w->done);
    }
    pthread_mutex_unlock(&w->lock);
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
    w->started = w->busy = 0;
    w->job_number = 0;
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
    fp_state before = enter_kernel();
    if (count <= grain || w->threads == 1) {
        for (int64_t begin = 0; begin < count && (w->whole || !ctx->cancelled); begin += grain)
            job(work, begin, count - begin > grain ? begin + grain : count);
    } else {
        notice_fork(w);
        if (w->started < w->threads - 1)
            start_workers(w);
        pthread_mutex_lock(&w->lock);
        w->job = job;
        w->work = work;
        w->count = count;
        w->grain = grain;
        w->next = 0;
        w->busy = w->started;
        w->job_number++;
        pthread_cond_broadcast(&w->wake);
        pthread_mutex_unlock(&w->lock);
        run_pieces(w);
        pthread_mutex_lock(&w->lock);
        while (w->busy)
            pthread_cond_wait(&w->done, &w->lock);
        pthread_mutex_unlock(&w->lock);
    }
    leave_kernel(before);
    if (ctx->cancelled && !w->whole)
        gan_fail(ctx, GAN_ERROR_CANCELLED, "cancelled");
}

void gan_parallel_whole(gan_context *ctx, int64_t count, int64_t grain, gan_job *job, void *work)
{
    ctx->workers->whole = true;
    gan_parallel(ctx, count, grain, job, work);
    ctx->workers->whole = false;
}
