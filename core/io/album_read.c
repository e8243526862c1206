/* album_read.c - an album's pictures as tensors: decoded by all threads, and ahead of their use by a thread of the
 * album's own. */
#include "io/album.h"

#include <signal.h>
#include <string.h>
#include <time.h>

/* ---- Jobs ---- */

/* Decodes one of the job's pictures; false when all are taken. */
static bool take_one(gan_album *a, struct gan_album_job *j)
{
    int64_t i = atomic_fetch_add(&j->next, 1);
    if (i >= j->count)
        return false;
    char reason[GAN_REASON];
    uint8_t *to = j->pixels + (size_t)i * a->each;
    bool done = true;
    if (j->places[i] < a->cached)
        memcpy(to, a->cache + (size_t)j->places[i] * a->each, a->each);
    else
        done = gan_album_decode(a, j->places[i], to, reason);
    if (!done) {
        pthread_mutex_lock(&a->lock);
        if (i < j->failed) {
            j->failed = i;
            memcpy(j->reason, reason, sizeof reason);
        }
        pthread_mutex_unlock(&a->lock);
    }
    if (atomic_fetch_add(&j->done, 1) + 1 == j->count) {
        pthread_mutex_lock(&a->lock);
        pthread_cond_broadcast(&a->finished);
        pthread_mutex_unlock(&a->lock);
    }
    return true;
}

/* The oldest job that has pictures left to take; under the lock. */
static struct gan_album_job *next_job(gan_album *a)
{
    struct gan_album_job *oldest = NULL;
    for (int i = 0; i < GAN_ALBUM_JOBS; i++) {
        struct gan_album_job *j = &a->jobs[i];
        if (j->queued && j->next < j->count && (!oldest || j->age < oldest->age))
            oldest = j;
    }
    return oldest;
}

static void *prefetch(void *argument)
{
    gan_album *a = argument;
    pthread_mutex_lock(&a->lock);
    while (!a->quit) {
        struct gan_album_job *j = next_job(a);
        if (!j) {
            pthread_cond_wait(&a->wake, &a->lock);
            continue;
        }
        j->busy = true;
        pthread_mutex_unlock(&a->lock);
        take_one(a, j);
        pthread_mutex_lock(&a->lock);
        j->busy = false;
        pthread_cond_broadcast(&a->finished);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

/* Signals are the host's: a thread of ours must never be the one to take them. */
static bool start_thread(gan_album *a)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    a->has_thread = pthread_create(&a->thread, NULL, prefetch, a) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return a->has_thread;
}

static size_t job_room(const gan_album *a, int64_t count)
{
    return gan_album_rounded((size_t)count * sizeof(int64_t)) + (size_t)count * a->each;
}

/* memory: job_room bytes. */
static void fill_job(gan_album *a, struct gan_album_job *j, void *memory, int64_t count, const int64_t *places)
{
    j->places = memory;
    j->pixels = (uint8_t *)memory + gan_album_rounded((size_t)count * sizeof(int64_t));
    memcpy(j->places, places, (size_t)count * sizeof(int64_t));
    j->count = j->failed = count;
    j->next = j->done = 0;
    j->age = ++a->ages;
}

static struct gan_album_job *find_job(gan_album *a, int64_t count, const int64_t *places)
{
    for (int i = 0; i < GAN_ALBUM_JOBS; i++) {
        struct gan_album_job *j = &a->jobs[i];
        if (j->queued && j->count == count && memcmp(j->places, places, (size_t)count * sizeof *places) == 0)
            return j;
    }
    return NULL;
}

static bool all_cached(const gan_album *a, int64_t count, const int64_t *places)
{
    for (int64_t i = 0; i < count; i++)
        if (places[i] >= a->cached)
            return false;
    return true;
}

static int64_t *places_of(gan_album *a, const char *function, gan_tensor *places)
{
    gan_album_check_prepared(a, function);
    return gan_album_places(a, function, places);
}

void gan_album_prefetch(gan_album *a, gan_tensor *places)
{
    gan_album_notice_fork(a);
    int64_t count = gan_numel(places), *wanted = places_of(a, "album_prefetch", places);
    if (count == 0 || all_cached(a, count, wanted) || find_job(a, count, wanted))
        return;
    struct gan_album_job *j = &a->jobs[0];
    for (int i = 1; i < GAN_ALBUM_JOBS && j->queued; i++)
        if (!a->jobs[i].queued || a->jobs[i].age < j->age)
            j = &a->jobs[i];
    gan_album_withdraw(a, j);
    if (j->room < job_room(a, count)) {
        gan_tensor *memory = gan_album_bytes(a->ctx, job_room(a, count));
        gan_album_replace(&j->memory, memory);
        j->room = job_room(a, count);
    }
    if (!a->has_thread && !start_thread(a))
        return; /* the system gives no thread: who wants them decodes them */
    pthread_mutex_lock(&a->lock);
    fill_job(a, j, gan_write(j->memory), count, wanted);
    j->queued = true;
    pthread_cond_signal(&a->wake);
    pthread_mutex_unlock(&a->lock);
}

/* ---- Reading ---- */

struct reading {
    gan_album *album;
    struct gan_album_job *job;
    const int64_t *places; /* of cached pictures, where there is no job */
    gan_real *to, table[256];
};

static void help(void *work, int64_t begin, int64_t end)
{
    struct reading *r = work;
    for (int64_t i = begin; i < end && take_one(r->album, r->job); i++)
        ;
}

static void to_numbers(void *work, int64_t begin, int64_t end)
{
    struct reading *r = work;
    size_t each = r->album->each;
    for (int64_t i = begin; i < end; i++) {
        const uint8_t *from =
            r->job ? r->job->pixels + (size_t)i * each : r->album->cache + (size_t)r->places[i] * each;
        gan_real *to = r->to + (size_t)i * each;
        for (size_t k = 0; k < each; k++)
            to[k] = r->table[from[k]];
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void finish(gan_album *a, struct reading *r)
{
    struct gan_album_job *j = r->job;
    if (j->done < j->count)
        gan_parallel(a->ctx, j->count, 1, help, r);
    pthread_mutex_lock(&a->lock);
    while (j->done < j->count)
        pthread_cond_wait(&a->finished, &a->lock);
    pthread_mutex_unlock(&a->lock);
    if (j->failed < j->count) {
        int64_t place = j->places[j->failed];
        gan_album_withdraw(a, j);
        gan_fail(a->ctx, GAN_ERROR_IO, "%s: picture %lld of the set: %s", a->items[place].path, (long long)place + 1,
                 j->reason);
    }
}

gan_tensor *gan_album_read(gan_album *a, gan_tensor *places)
{
    gan_album_notice_fork(a);
    double begin = now();
    int64_t count = gan_numel(places), *wanted = places_of(a, "album_read", places);
    gan_tensor *t = gan_from(a->ctx, GAN_SHAPE(count, a->wish.height, a->wish.width, a->wish.channels), NULL);
    struct reading r = {.album = a, .places = wanted, .to = gan_write(t)};
    for (int byte = 0; byte < 256; byte++)
        r.table[byte] = (gan_real)gan_number_of_byte(byte);
    struct gan_album_job own = {0};
    if (!all_cached(a, count, wanted)) {
        r.job = find_job(a, count, wanted);
        if (!r.job) {
            r.job = &own;
            fill_job(a, &own, gan_scratch(a->ctx, job_room(a, count)), count, wanted);
        }
        finish(a, &r);
    }
    int64_t grain = (1 << 15) / (int64_t)a->each;
    gan_parallel(a->ctx, count, grain > 0 ? grain : 1, to_numbers, &r);
    if (r.job && r.job != &own)
        gan_album_withdraw(a, r.job);
    a->seconds += now() - begin;
    return t;
}
