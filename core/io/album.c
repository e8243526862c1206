/* album.c - many encoded pictures as one data set: opened, looked at, and kept in memory as far as they are allowed to.
 * How they are read is in album_read.c, what both rely on in album.h. */
#include "io/album.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Where the head of a picture must be: colour profiles of half a megabyte come before it. */
enum { PREFIX = 1 << 20 };

/* ---- Memory ---- */

/* Gives all workspaces room for the bytes of a picture, for its compressed bytes, for a decoded one, and a reserve that
 * is counted and not touched. */
static void furnish(gan_album *a, size_t encoded, size_t packed, size_t spare, size_t reserve)
{
    gan_tensor **memory = gan_scratch(a->ctx, (size_t)a->workspaces * sizeof *memory);
    for (int i = 0; i < a->workspaces; i++)
        memory[i] = gan_album_bytes(a->ctx, gan_album_rounded(encoded) + gan_album_rounded(packed) +
                                                gan_album_rounded(spare) + reserve);
    for (int i = 0; i < a->workspaces; i++) {
        struct gan_album_workspace *w = &a->spaces[i];
        gan_album_replace(&w->memory, memory[i]);
        w->ctx = a->ctx;
        w->encoded = (uint8_t *)gan_write(w->memory);
        w->packed = w->encoded + gan_album_rounded(encoded);
        w->spare = w->packed + gan_album_rounded(packed);
        w->encoded_room = encoded;
        w->packed_room = packed;
    }
}

static struct gan_album_workspace *take_workspace(gan_album *a)
{
    pthread_mutex_lock(&a->lock);
    struct gan_album_workspace *w = a->stack[--a->idle];
    pthread_mutex_unlock(&a->lock);
    return w;
}

static void give_workspace(gan_album *a, struct gan_album_workspace *w)
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
    for (int i = 0; i < GAN_ALBUM_JOBS; i++)
        a->jobs[i].queued = a->jobs[i].busy = false;
}

void gan_album_notice_fork(gan_album *a)
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
    size_t own = gan_album_rounded(sizeof(gan_album)),
           spaces = gan_album_rounded((size_t)workspaces * sizeof(struct gan_album_workspace));
    gan_tensor *self = gan_album_bytes(ctx, own + spaces + (size_t)workspaces * sizeof(struct gan_album_workspace *));
    gan_tensor *memory = gan_album_bytes(ctx, (size_t)count * sizeof(struct gan_album_item) + names);

    gan_album *a = (gan_album *)gan_write(self);
    memset(a, 0, own + spaces);
    a->ctx = ctx;
    a->workspaces = workspaces;
    a->spaces = (struct gan_album_workspace *)((char *)a + own);
    a->stack = (struct gan_album_workspace **)((char *)a + own + spaces);
    a->count = count;
    a->items = (struct gan_album_item *)gan_write(memory);
    char *name = (char *)(a->items + count);
    for (int64_t i = 0; i < count; i++) {
        struct gan_album_item *item = &a->items[i];
        *item = (struct gan_album_item){.zipped = sources[i].entry != NULL};
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
    gan_album_notice_fork(a);
    if (a->has_thread) {
        pthread_mutex_lock(&a->lock);
        a->quit = true;
        pthread_cond_broadcast(&a->wake);
        pthread_mutex_unlock(&a->lock);
        pthread_join(a->thread, NULL);
    }
    for (int i = 0; i < a->workspaces; i++)
        gan_release(a->spaces[i].memory);
    for (int i = 0; i < GAN_ALBUM_JOBS; i++)
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
static const char *read_encoded(const struct gan_album_item *item, struct gan_album_workspace *w, size_t size)
{
    if (size > w->encoded_room)
        return "has changed since it was looked at";
    if (!item->zipped)
        return gan_file_slice(w->ctx, item->path, 0, w->encoded, size);
    return gan_zip_read(w->ctx, item->path, &item->entry, w->encoded, size, w->packed, w->packed_room);
}

static bool look(struct gan_album_item *item, struct gan_album_workspace *w, size_t most, char reason[GAN_REASON])
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

bool gan_album_decode(gan_album *a, int64_t place, uint8_t *out, char reason[GAN_REASON])
{
    const struct gan_album_item *item = &a->items[place];
    struct gan_album_workspace *w = take_workspace(a);
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

void gan_album_withdraw(gan_album *a, struct gan_album_job *j)
{
    pthread_mutex_lock(&a->lock);
    j->queued = false;
    while (j->busy)
        pthread_cond_wait(&a->finished, &a->lock);
    pthread_mutex_unlock(&a->lock);
}

void gan_album_withdraw_all(gan_album *a)
{
    gan_album_notice_fork(a);
    for (int i = 0; i < GAN_ALBUM_JOBS; i++)
        gan_album_withdraw(a, &a->jobs[i]);
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
    struct gan_album_workspace *w = take_workspace(s->album);
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
        if (gan_album_decode(a, place, place < a->cached ? a->cache + (size_t)place * a->each : NULL, s->reasons[i]))
            s->reasons[i][0] = 0;
    }
}

/* Runs job over [first, end), and collects what it refused. */
static int64_t sweep(gan_album *a, int64_t first, int64_t end, size_t most, gan_job *job, gan_album_refusal **refused)
{
    if (first < 0 || end < first || end > a->count)
        gan_fail(a->ctx, GAN_ERROR_ARGUMENT, "album: pictures %lld to %lld are not inside 0 to %lld", (long long)first,
                 (long long)end, (long long)a->count);
    gan_album_withdraw_all(a);
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

void gan_album_check_prepared(gan_album *a, const char *function)
{
    if (!a->each)
        gan_fail(a->ctx, GAN_ERROR_ARGUMENT, "%s: the album has no shape yet", function);
}

int64_t *gan_album_places(gan_album *a, const char *function, gan_tensor *places)
{
    char text[GAN_SHAPE_TEXT];
    if (gan_rank(places) != 1)
        gan_fail(a->ctx, GAN_ERROR_ARGUMENT, "%s: places: rank 1 expected, got shape %s", function,
                 gan_shape_text(gan_shape_of(places), text, sizeof text));
    int64_t count = gan_numel(places), *to = gan_scratch(a->ctx, ((size_t)count + 1) * sizeof *to);
    const gan_real *from = gan_data(places);
    for (int64_t i = 0; i < count; i++) {
        if (!(from[i] >= 0 && (double)from[i] < (double)a->count && from[i] == floor(from[i])))
            gan_fail(a->ctx, GAN_ERROR_ARGUMENT, "%s: %g is not a whole number from 0 to %lld", function,
                     (double)from[i], (long long)a->count - 1);
        to[i] = (int64_t)from[i];
    }
    return to;
}

void gan_album_keep(gan_album *a, gan_tensor *places)
{
    int64_t kept = gan_numel(places), cached = 0, *from = gan_album_places(a, "album_keep", places);
    for (int64_t i = 1; i < kept; i++)
        if (from[i] <= from[i - 1])
            gan_fail(a->ctx, GAN_ERROR_ARGUMENT, "album_keep: the places must rise");
    gan_album_withdraw_all(a);
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
        const struct gan_album_item *item = &a->items[i];
        size_t size = (size_t)item->size, room = item->zipped ? gan_zip_room(&item->entry) : 0;
        int64_t longer = item->head.width > item->head.height ? item->head.width : item->head.height;
        size_t need = item->head.need + gan_resizer_bytes(longer, wish) + each;
        encoded = size > encoded ? size : encoded;
        packed = room > packed ? room : packed;
        reserve = need > reserve ? need : reserve;
    }
    int64_t cached = (int64_t)(cache / each);
    cached = cached < a->count ? cached : a->count;
    gan_tensor *memory = gan_album_bytes(a->ctx, (size_t)cached * each);
    gan_album_withdraw_all(a);
    furnish(a, encoded, packed, each, reserve);
    gan_album_replace(&a->cache_memory, memory);
    a->cache = (uint8_t *)gan_write(a->cache_memory);
    a->wish = wish;
    a->each = each;
    a->cached = cached;
}

int64_t gan_album_load(gan_album *a, int64_t first, int64_t end, gan_album_refusal **refused)
{
    gan_album_check_prepared(a, "album_load");
    return sweep(a, first, end, 0, load, refused);
}
