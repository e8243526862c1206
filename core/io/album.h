/* album.h - what album.c, which builds an album, and album_read.c, which reads it, share.
 *
 * 1. All memory is that of tensors which the album retains: taken on the context's thread, before any other thread needs
 *    it, and counted. What libpng and libjpeg will take is counted too, in the workspaces' reserve.
 * 2. A picture is decoded into a place that only one thread holds, by one that holds a workspace; there is one for each
 *    thread of the context and one for the album's own, so that nobody waits for one.
 * 3. What comes out is a function of the places. A job is the same whoever takes its pictures.
 * 4. `lock` guards the workspaces' stack, the queue of jobs and their failures.
 * 5. What jobs look at (pictures, their places, their shape) changes when there are none: see gan_album_withdraw_all. */
#ifndef GAN_ALBUM_H
#define GAN_ALBUM_H

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "io/io.h"
#include "io/picture.h"

/* Batches ahead: one for each reader, of four at most. */
enum { GAN_ALBUM_JOBS = 4 };

struct gan_album_item {
    const char *path;
    bool zipped;
    gan_zip_entry entry; /* where zipped */
    uint64_t size;
    gan_picture_head head;
};

struct gan_album_workspace {
    const gan_context *ctx;
    gan_tensor *memory;
    uint8_t *encoded, *packed, *spare;
    size_t encoded_room, packed_room;
};

/* Pictures that are wanted together. */
struct gan_album_job {
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
    struct gan_album_item *items;

    gan_picture_wish wish;
    size_t each; /* bytes of a decoded picture; 0 before gan_album_prepare */
    int64_t cached;
    uint8_t *cache;

    int workspaces, idle; /* idle: how many are free, the first ones of `stack` */
    struct gan_album_workspace *spaces, **stack;

    pthread_mutex_t lock;
    pthread_cond_t wake, finished;
    pthread_t thread;
    bool has_thread, quit;
    pid_t process; /* that the thread belongs to */
    uint64_t ages;
    struct gan_album_job jobs[GAN_ALBUM_JOBS];
    double seconds;
};

static inline size_t gan_album_rounded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Room for so many bytes, in the pool. */
static inline gan_tensor *gan_album_bytes(gan_context *ctx, size_t bytes)
{
    return gan_from(ctx, GAN_SHAPE((int64_t)((bytes + sizeof(gan_real) - 1) / sizeof(gan_real))), NULL);
}

static inline void gan_album_replace(gan_tensor **held, gan_tensor *by)
{
    gan_release(*held);
    *held = gan_retain(by);
}

/* In a forked child the album's thread is gone, and with it what it held. */
void gan_album_notice_fork(gan_album *a);
void gan_album_check_prepared(gan_album *a, const char *function);
/* places: a vector of whole numbers from 0 to count-1, or it fails; they are in the pool. */
int64_t *gan_album_places(gan_album *a, const char *function, gan_tensor *places);
/* Into out, or, where that is NULL, only to see that it can be done. From any thread. */
bool gan_album_decode(gan_album *a, int64_t place, uint8_t *out, char reason[GAN_REASON]);
/* Empties the job, of which the thread takes no more pictures, and waits until it is outside. */
void gan_album_withdraw(gan_album *a, struct gan_album_job *j);
void gan_album_withdraw_all(gan_album *a);

#endif
