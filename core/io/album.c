/* album.c - many encoded pictures as one data set: looked at, decoded by all threads, kept in memory as far as they are
 * allowed to, and decoded ahead of their use by a thread of the album's own.
 *
 * 1. All memory is that of tensors which the album retains: taken on the context's thread, before any other thread needs
 *    it, and counted. What libpng and libjpeg will take is counted too, in the workspaces' reserve.
 * 2. A picture is decoded into a place that only one thread holds, by one that holds a workspace; there is one for each
 *    thread of the context and one for the album's own, so that nobody waits for one.
 * 3. What comes out is a function of the places. A job is the same whoever takes its pictures.
 * 4. `lock` guards the workspaces' stack, the queue of jobs and their failures. */
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "io/io.h"
#include "io/picture.h"

enum {
    PREFIX = 1 << 20, /* where the head of a picture must be: colour profiles of half a megabyte come before it */
    JOBS = 4,         /* batches ahead: one for each reader, of four at most */
};

struct item {
    const char *path;
    bool zipped;
    gan_zip_entry entry; /* where zipped */
    uint64_t size;
    gan_picture_head head;
};

struct workspace {
    const gan_context *ctx;
    gan_tensor *memory;
    uint8_t *encoded, *packed, *spare;
    size_t encoded_room, packed_room;
};

/* Pictures that are wanted together. */
struct job {
    gan_tensor *memory;
    size_t room;
    bool queued; /* holds a batch that nobody has fetched */
    bool busy;   /* the album's thread is inside */
    uint64_t age;
    int64_t count, *places;
    uint8_t *pixels;
    _Atomic int64_t next, done;
    int64_t failed; /* the first of its pictures that could not be read, count: none */
    char reason[GAN_REASON];
};

struct gan_album {
    gan_context *ctx;
    gan_tensor *self, *sources, *cache_memory;
    int64_t count;
    struct item *items;

    gan_picture_wish wish;
    size_t each; /* bytes of a decoded picture; 0 before gan_album_prepare */
    int64_t cached;
    uint8_t *cache;

    int workspaces, idle; /* idle: how many are free, the first ones of `stack` */
    struct workspace *spaces, **stack;

    pthread_mutex_t lock;
    pthread_cond_t wake, finished;
    pthread_t thread;
    bool has_thread, quit;
    pid_t process; /* that the thread belongs to */
    uint64_t ages;
    struct job jobs[JOBS];
    double seconds;
};

/* ---- Memory ---- */

/* Room for so many bytes, in the pool. */
static gan_tensor *bytes_for(gan_context *ctx, size_t bytes)
{
    return gan_from(ctx, GAN_SHAPE((int64_t)((bytes + sizeof(gan_real) - 1) / sizeof(gan_real))), NULL);
}

/* A byte of a picture as a number from -1 to 1. */
static gan_real number_of(int byte)
{
    return (gan_real)(byte * 2.0 / 255 - 1);
}

static size_t rounded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static void replace(gan_tensor **held, gan_tensor *by)
{
    gan_release(*held);
    *held = gan_retain(by);
}

/* Gives all workspaces room for the bytes of a picture, for its compressed bytes, for a decoded one, and a reserve that
 * is counted and not touched. */
static void furnish(gan_album *a, size_t encoded, size_t packed, size_t spare, size_t reserve)
{
    gan_tensor **memory = gan_scratch(a->ctx, (size_t)a->workspaces * sizeof *memory);
    for (int i = 0; i < a->workspaces; i++)
        memory[i] = bytes_for(a->ctx, rounded(encoded) + rounded(packed) + rounded(spare) + reserve);
    for (int i = 0; i < a->workspaces; i++) {
        struct workspace *w = &a->spaces[i];
        replace(&w->memory, memory[i]);
        w->ctx = a->ctx;
        w->encoded = (uint8_t *)gan_write(w->memory);
        w->packed = w->encoded + rounded(encoded);
        w->spare = w->packed + rounded(packed);
        w->encoded_room = encoded;
        w->packed_room = packed;
    }
}

static struct workspace *take_workspace(gan_album *a)
{
    pthread_mutex_lock(&a->lock);
    struct workspace *w = a->stack[--a->idle];
    pthread_mutex_unlock(&a->lock);
    return w;
}

static void give_workspace(gan_album *a, struct workspace *w)
{
    pthread_mutex_lock(&a->lock);
    a->stack[a->idle++] = w;
    pthread_mutex_unlock(&a->lock);
}

static void reset_threads(gan_album *a)
{
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->wake, NULL);
    pthread_cond_init(&a->finished, NULL);
    a->process = getpid();
    a->has_thread = a->quit = false;
    a->idle = a->workspaces;
    for (int i = 0; i < a->workspaces; i++)
        a->stack[i] = &a->spaces[i];
    for (int i = 0; i < JOBS; i++)
        a->jobs[i].queued = a->jobs[i].busy = false;
}

/* In a forked child the album's thread is gone, and with it what it held. */
static void notice_fork(gan_album *a)
{
    if (a->process != getpid())
        reset_threads(a);
}

/* ---- Opening and closing ---- */

gan_album *gan_album_open(gan_context *ctx, int64_t count, const gan_album_source sources[])
{
    size_t names = 0;
    for (int64_t i = 0; i < count; i++)
        if (i == 0 || sources[i].path != sources[i - 1].path)
            names += strlen(sources[i].path) + 1;
    int workspaces = gan_threads(ctx) + 1;
    size_t own = rounded(sizeof(gan_album)), spaces = rounded((size_t)workspaces * sizeof(struct workspace));
    gan_tensor *self = bytes_for(ctx, own + spaces + (size_t)workspaces * sizeof(struct workspace *));
    gan_tensor *memory = bytes_for(ctx, (size_t)count * sizeof(struct item) + names);

    gan_album *a = (gan_album *)gan_write(self);
    memset(a, 0, own + spaces);
    a->ctx = ctx;
    a->workspaces = workspaces;
    a->spaces = (struct workspace *)((char *)a + own);
    a->stack = (struct workspace **)((char *)a + own + spaces);
    a->count = count;
    a->items = (struct item *)gan_write(memory);
    char *name = (char *)(a->items + count);
    for (int64_t i = 0; i < count; i++) {
        struct item *item = &a->items[i];
        *item = (struct item){.zipped = sources[i].entry != NULL};
        if (i > 0 && sources[i].path == sources[i - 1].path) {
            item->path = item[-1].path;
        } else {
            item->path = strcpy(name, sources[i].path);
            name += strlen(name) + 1;
        }
        if (item->zipped) {
            item->entry = *sources[i].entry;
            item->entry.name = item->entry.unreadable = NULL;
            item->size = item->entry.size;
        }
    }
    furnish(a, PREFIX, PREFIX, 0, 0);
    reset_threads(a);
    a->self = gan_retain(self);
    a->sources = gan_retain(memory);
    return a;
}

void gan_album_close(gan_album *a)
{
    if (!a)
        return;
    notice_fork(a);
    if (a->has_thread) {
        pthread_mutex_lock(&a->lock);
        a->quit = true;
        pthread_cond_broadcast(&a->wake);
        pthread_mutex_unlock(&a->lock);
        pthread_join(a->thread, NULL);
    }
    for (int i = 0; i < a->workspaces; i++)
        gan_release(a->spaces[i].memory);
    for (int i = 0; i < JOBS; i++)
        gan_release(a->jobs[i].memory);
    gan_release(a->cache_memory);
    gan_release(a->sources);
    gan_release(a->self);
}

int64_t gan_album_count(const gan_album *a)
{
    return a->count;
}

int64_t gan_album_cached(const gan_album *a)
{
    return a->cached;
}

double gan_album_seconds(const gan_album *a)
{
    return a->seconds;
}

/* ---- One picture ---- */

/* The first `size` bytes of a picture into the workspace. NULL, or why not. */
static const char *read_encoded(const struct item *item, struct workspace *w, size_t size)
{
    if (size > w->encoded_room)
        return "has changed since it was looked at";
    if (!item->zipped)
        return gan_file_slice(w->ctx, item->path, 0, w->encoded, size);
    return gan_zip_read(w->ctx, item->path, &item->entry, w->encoded, size, w->packed, w->packed_room);
}

static bool look(struct item *item, struct workspace *w, size_t most, char reason[GAN_REASON])
{
    const char *problem = NULL;
    int64_t size = (int64_t)item->size;
    if (!item->zipped)
        problem = gan_file_size(w->ctx, item->path, &size);
    item->size = (uint64_t)size;
    size_t there = item->size < PREFIX ? (size_t)size : PREFIX;
    if (!problem)
        problem = read_encoded(item, w, there);
    if (problem) {
        snprintf(reason, GAN_REASON, "%s", problem);
        return false;
    }
    if (!gan_picture_look(w->encoded, there, &item->head, reason)) {
        if (item->size > PREFIX && there == PREFIX)
            snprintf(reason, GAN_REASON, "has no head in its first %d kB", PREFIX >> 10);
        return false;
    }
    uint64_t wanted = item->size + item->head.need + (item->zipped ? gan_zip_room(&item->entry) : 0);
    if (wanted > most) {
        snprintf(reason, GAN_REASON, "is %lldx%lld and would take %.0f MB to decode, more than the %.0f MB allowed",
                 (long long)item->head.width, (long long)item->head.height, (double)wanted / 1e6, (double)most / 1e6);
        return false;
    }
    return true;
}

/* Into out, or, where that is NULL, only to see that it can be done. */
static bool decode(gan_album *a, int64_t place, uint8_t *out, char reason[GAN_REASON])
{
    const struct item *item = &a->items[place];
    struct workspace *w = take_workspace(a);
    const char *problem = read_encoded(item, w, (size_t)item->size);
    bool done = false;
    if (problem)
        snprintf(reason, GAN_REASON, "%s", problem);
    else
        done = gan_picture_read(w->encoded, (size_t)item->size, &item->head, a->wish, out ? out : w->spare, reason);
    give_workspace(a, w);
    return done;
}

/* ---- Building ---- */

/* Empties the job, of which the thread takes no more pictures, and waits until it is outside. */
static void withdraw(gan_album *a, struct job *j)
{
    pthread_mutex_lock(&a->lock);
    j->queued = false;
    while (j->busy)
        pthread_cond_wait(&a->finished, &a->lock);
    pthread_mutex_unlock(&a->lock);
}

/* Before what jobs look at becomes another: pictures, their places, their shape. */
static void withdraw_all(gan_album *a)
{
    notice_fork(a);
    for (int i = 0; i < JOBS; i++)
        withdraw(a, &a->jobs[i]);
}

struct sweep {
    gan_album *album;
    int64_t first;
    size_t most;
    char (*reasons)[GAN_REASON]; /* empty for those that are fine */
};

static void look_at(void *work, int64_t begin, int64_t end)
{
    struct sweep *s = work;
    struct workspace *w = take_workspace(s->album);
    for (int64_t i = begin; i < end; i++)
        if (look(&s->album->items[s->first + i], w, s->most, s->reasons[i]))
            s->reasons[i][0] = 0;
    give_workspace(s->album, w);
}

static void load(void *work, int64_t begin, int64_t end)
{
    struct sweep *s = work;
    gan_album *a = s->album;
    for (int64_t i = begin; i < end; i++) {
        int64_t place = s->first + i;
        if (decode(a, place, place < a->cached ? a->cache + (size_t)place * a->each : NULL, s->reasons[i]))
            s->reasons[i][0] = 0;
    }
}

/* Runs job over [first, end), and collects what it refused. */
static int64_t sweep(gan_album *a, int64_t first, int64_t end, size_t most, gan_job *job, gan_album_refusal **refused)
{
    if (first < 0 || end < first || end > a->count)
        gan_fail(a->ctx, GAN_ERROR_ARGUMENT, "album: pictures %lld to %lld are not inside 0 to %lld", (long long)first,
                 (long long)end, (long long)a->count);
    withdraw_all(a);
    size_t count = (size_t)(end - first);
    struct sweep s = {.album = a, .first = first, .most = most, .reasons = gan_scratch(a->ctx, count * GAN_REASON + 1)};
    *refused = gan_scratch(a->ctx, (count + 1) * sizeof **refused);
    gan_parallel(a->ctx, (int64_t)count, 4, job, &s);
    int64_t refusals = 0;
    for (size_t i = 0; i < count; i++)
        if (s.reasons[i][0])
            (*refused)[refusals++] = (gan_album_refusal){first + (int64_t)i, s.reasons[i]};
    return refusals;
}

int64_t gan_album_look(gan_album *a, int64_t first, int64_t end, size_t most, gan_album_refusal **refused)
{
    return sweep(a, first, end, most, look_at, refused);
}

gan_tensor *gan_album_heads(gan_album *a)
{
    gan_tensor *t = gan_from(a->ctx, GAN_SHAPE(a->count, 3), NULL);
    gan_real *to = gan_write(t);
    for (int64_t i = 0; i < a->count; i++, to += 3) {
        gan_picture_head head = a->items[i].head;
        bool turned = gan_picture_turned(&head);
        to[0] = (gan_real)(turned ? head.width : head.height);
        to[1] = (gan_real)(turned ? head.height : head.width);
        to[2] = head.colour;
    }
    return t;
}

/* Fails unless places is a vector of whole numbers from 0 to count-1; writes them to `to`. */
static void read_places(gan_album *a, const char *function, gan_tensor *places, int64_t *to)
{
    const gan_real *from = gan_data(places);
    for (int64_t i = 0, n = gan_numel(places); i < n; i++) {
        if (!(from[i] >= 0 && (double)from[i] < (double)a->count && from[i] == floor(from[i])))
            gan_fail(a->ctx, GAN_ERROR_ARGUMENT, "%s: %g is not a whole number from 0 to %lld", function,
                     (double)from[i], (long long)a->count - 1);
        to[i] = (int64_t)from[i];
    }
}

static void check_prepared(gan_album *a, const char *function)
{
    if (!a->each)
        gan_fail(a->ctx, GAN_ERROR_ARGUMENT, "%s: the album has no shape yet", function);
}

static void check_vector(gan_album *a, const char *function, gan_tensor *places)
{
    char text[GAN_SHAPE_TEXT];
    if (gan_rank(places) != 1)
        gan_fail(a->ctx, GAN_ERROR_ARGUMENT, "%s: places: rank 1 expected, got shape %s", function,
                 gan_shape_text(gan_shape_of(places), text, sizeof text));
}

void gan_album_keep(gan_album *a, gan_tensor *places)
{
    check_vector(a, "album_keep", places);
    int64_t kept = gan_numel(places), cached = 0;
    int64_t *from = gan_scratch(a->ctx, ((size_t)kept + 1) * sizeof *from);
    read_places(a, "album_keep", places, from);
    for (int64_t i = 1; i < kept; i++)
        if (from[i] <= from[i - 1])
            gan_fail(a->ctx, GAN_ERROR_ARGUMENT, "album_keep: the places must rise");
    withdraw_all(a);
    for (int64_t i = 0; i < kept; i++) {
        a->items[i] = a->items[from[i]];
        if (from[i] < a->cached) {
            memmove(a->cache + (size_t)i * a->each, a->cache + (size_t)from[i] * a->each, a->each);
            cached++;
        }
    }
    a->count = kept;
    a->cached = cached;
}

void gan_album_prepare(gan_album *a, int64_t height, int64_t width, int64_t channels, size_t cache)
{
    bool fits = height > 0 && width > 0 && (channels == 1 || channels == 3) && width <= GAN_MOST_PIXELS / height;
    if (!fits)
        gan_fail(a->ctx, GAN_ERROR_ARGUMENT, "album_prepare: pictures of %lldx%lldx%lld cannot be made",
                 (long long)height, (long long)width, (long long)channels);
    gan_picture_wish wish = {height, width, channels};
    size_t each = (size_t)(height * width * channels), encoded = 0, packed = 0, reserve = 0;
    for (int64_t i = 0; i < a->count; i++) {
        const struct item *item = &a->items[i];
        size_t size = (size_t)item->size, room = item->zipped ? gan_zip_room(&item->entry) : 0;
        int64_t longer = item->head.width > item->head.height ? item->head.width : item->head.height;
        size_t need = item->head.need + gan_resizer_bytes(longer, wish) + each;
        encoded = size > encoded ? size : encoded;
        packed = room > packed ? room : packed;
        reserve = need > reserve ? need : reserve;
    }
    int64_t cached = (int64_t)(cache / each);
    cached = cached < a->count ? cached : a->count;
    gan_tensor *memory = bytes_for(a->ctx, (size_t)cached * each);
    withdraw_all(a);
    furnish(a, encoded, packed, each, reserve);
    replace(&a->cache_memory, memory);
    a->cache = (uint8_t *)gan_write(a->cache_memory);
    a->wish = wish;
    a->each = each;
    a->cached = cached;
}

int64_t gan_album_load(gan_album *a, int64_t first, int64_t end, gan_album_refusal **refused)
{
    check_prepared(a, "album_load");
    return sweep(a, first, end, 0, load, refused);
}

/* ---- Jobs ---- */

/* Decodes one of the job's pictures; false when all are taken. */
static bool take_one(gan_album *a, struct job *j)
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
        done = decode(a, j->places[i], to, reason);
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
static struct job *next_job(gan_album *a)
{
    struct job *oldest = NULL;
    for (int i = 0; i < JOBS; i++) {
        struct job *j = &a->jobs[i];
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
        struct job *j = next_job(a);
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
    return rounded((size_t)count * sizeof(int64_t)) + (size_t)count * a->each;
}

/* memory: job_room bytes. */
static void fill_job(gan_album *a, struct job *j, void *memory, int64_t count, const int64_t *places)
{
    j->places = memory;
    j->pixels = (uint8_t *)memory + rounded((size_t)count * sizeof(int64_t));
    memcpy(j->places, places, (size_t)count * sizeof(int64_t));
    j->count = j->failed = count;
    j->next = j->done = 0;
    j->age = ++a->ages;
}

static struct job *find_job(gan_album *a, int64_t count, const int64_t *places)
{
    for (int i = 0; i < JOBS; i++) {
        struct job *j = &a->jobs[i];
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
    check_vector(a, function, places);
    check_prepared(a, function);
    int64_t *to = gan_scratch(a->ctx, ((size_t)gan_numel(places) + 1) * sizeof *to);
    read_places(a, function, places, to);
    return to;
}

void gan_album_prefetch(gan_album *a, gan_tensor *places)
{
    notice_fork(a);
    int64_t count = gan_numel(places), *wanted = places_of(a, "album_prefetch", places);
    if (count == 0 || all_cached(a, count, wanted) || find_job(a, count, wanted))
        return;
    struct job *j = &a->jobs[0];
    for (int i = 1; i < JOBS && j->queued; i++)
        if (!a->jobs[i].queued || a->jobs[i].age < j->age)
            j = &a->jobs[i];
    withdraw(a, j);
    if (j->room < job_room(a, count)) {
        gan_tensor *memory = bytes_for(a->ctx, job_room(a, count));
        replace(&j->memory, memory);
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
    struct job *job;
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
    struct job *j = r->job;
    if (j->done < j->count)
        gan_parallel(a->ctx, j->count, 1, help, r);
    pthread_mutex_lock(&a->lock);
    while (j->done < j->count)
        pthread_cond_wait(&a->finished, &a->lock);
    pthread_mutex_unlock(&a->lock);
    if (j->failed < j->count) {
        int64_t place = j->places[j->failed];
        withdraw(a, j);
        gan_fail(a->ctx, GAN_ERROR_IO, "%s: picture %lld of the set: %s", a->items[place].path, (long long)place + 1,
                 j->reason);
    }
}

gan_tensor *gan_album_read(gan_album *a, gan_tensor *places)
{
    notice_fork(a);
    double begin = now();
    int64_t count = gan_numel(places), *wanted = places_of(a, "album_read", places);
    gan_tensor *t = gan_from(a->ctx, GAN_SHAPE(count, a->wish.height, a->wish.width, a->wish.channels), NULL);
    struct reading r = {.album = a, .places = wanted, .to = gan_write(t)};
    for (int byte = 0; byte < 256; byte++)
        r.table[byte] = number_of(byte);
    struct job own = {0};
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
        withdraw(a, r.job);
    a->seconds += now() - begin;
    return t;
}

/* ---- A picture alone ---- */

gan_tensor *gan_picture_decode(gan_context *ctx, const uint8_t *bytes, size_t size, const char *name)
{
    gan_picture_head head;
    char reason[GAN_REASON];
    if (!gan_picture_look(bytes, size, &head, reason))
        gan_fail(ctx, GAN_ERROR_IO, "%s: %s", name, reason);
    bool turned = gan_picture_turned(&head);
    gan_picture_wish wish = {turned ? head.width : head.height, turned ? head.height : head.width, head.colour ? 3 : 1};
    size_t each = (size_t)(wish.height * wish.width * wish.channels);
    gan_tensor *t = gan_from(ctx, GAN_SHAPE(wish.height, wish.width, wish.channels), NULL);
    uint8_t *pixels = gan_scratch(ctx, each);
    /* What the decoder takes is counted while it is at work. */
    size_t need = head.need + gan_resizer_bytes(head.width, wish) + each;
    if (!gan_charge(ctx, need))
        gan_fail(ctx, GAN_ERROR_MEMORY, "%s: no memory to decode %lldx%lld pixels with: the cap allows no %.1f MB more",
                 name, (long long)head.width, (long long)head.height, (double)need / 1e6);
    bool done = gan_picture_read(bytes, size, &head, wish, pixels, reason);
    gan_uncharge(ctx, need);
    if (!done)
        gan_fail(ctx, GAN_ERROR_IO, "%s: %s", name, reason);
    gan_real *to = gan_write(t);
    for (size_t i = 0; i < each; i++)
        to[i] = number_of(pixels[i]);
    return t;
}
