/* sums.c - lists of numbers that are summed over the ranks: gan_ranks's reset, add, sum and take.
 *
 * What is added is copied into buckets, each of which travels as soon as it is full; buckets are used again. */
#include <stdlib.h>
#include <string.h>

#include "exchange.h"

static void free_bucket(job *j)
{
    free(j->numbers);
    free(j->pieces);
    free(j);
}

/* A bucket of the right size; NULL without memory. */
static job *new_bucket(const part *p)
{
    size_t room = (size_t)(BUCKET + p->size) * sizeof(float);
    job *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->numbers = malloc(room);
    j->pieces = malloc(room);
    if (j->numbers && j->pieces)
        return j;
    free_bucket(j);
    return NULL;
}

/* An empty bucket at the list's end; NULL without memory. */
static job *add_bucket(part *p)
{
    job *j = p->spare;
    if (j)
        p->spare = j->list_next;
    else if (!(j = new_bucket(p)))
        return NULL;
    j->count = j->taken = 0;
    j->list_next = NULL;
    *(p->list_last ? &p->list_last->list_next : &p->list) = j;
    p->list_last = j;
    return j;
}

/* Of the list's first bucket nothing is wanted any more: it can be used again. */
static void retire_first(part *p)
{
    job *j = p->list;
    p->list = j->list_next;
    if (!p->list)
        p->list_last = NULL;
    j->block = 0;
    j->list_next = p->spare;
    p->spare = j;
}

/* The bucket is full, or the last: it travels. */
static void send(part *p, job *j)
{
    j->kind = SUM;
    j->step = 0;
    j->begun = j->done = false;
    j->request = MPI_REQUEST_NULL;
    j->block = (j->count + p->size - 1) / p->size;
    memset(j->numbers + j->count, 0, (size_t)(j->block * p->size - j->count) * sizeof *j->numbers);
    part_submit(p, j);
}

void sums_reset(void *user)
{
    part *p = user;
    while (p->list) { /* of a list that was never summed, some may be on their way */
        if (p->list->block)
            part_wait(p, p->list);
        retire_first(p);
    }
}

bool sums_add(void *user, const float *numbers, int64_t count)
{
    part *p = user;
    while (count > 0) {
        job *j = p->list_last && p->list_last->count < BUCKET ? p->list_last : add_bucket(p);
        if (!j)
            return false;
        int64_t fits = BUCKET - j->count < count ? BUCKET - j->count : count;
        memcpy(j->numbers + j->count, numbers, (size_t)fits * sizeof *numbers);
        j->count += fits;
        numbers += fits;
        count -= fits;
        if (j->count == BUCKET)
            send(p, j);
    }
    return true;
}

/* Notes how a bucket travelled; without memory for that, it is left out. */
static void note(part *p, const job *j, double wanted)
{
    if (p->noted == p->room) {
        int room = p->room ? 2 * p->room : 256;
        gan_travel *more = realloc(p->travels, (size_t)room * sizeof *more);
        if (!more)
            return;
        p->travels = more;
        p->room = room;
    }
    p->travels[p->noted++] = (gan_travel){j->since, j->until, wanted, j->count * (int64_t)sizeof *j->numbers};
}

bool sums_wait(void *user)
{
    part *p = user;
    double wanted = part_clock();
    if (p->list_last && p->list_last->count < BUCKET)
        send(p, p->list_last);
    for (job *j = p->list; j; j = j->list_next) {
        part_wait(p, j);
        if (p->notes)
            note(p, j, wanted);
    }
    return true;
}

void sums_note(void *user, bool on)
{
    part *p = user;
    if (on && !p->notes)
        p->noted = 0;
    p->notes = on;
}

const gan_travel *sums_noted(void *user, int *count)
{
    const part *p = user;
    *count = p->noted;
    return p->travels;
}

void sums_take(void *user, float *to, int64_t count)
{
    part *p = user;
    while (count > 0 && p->list) {
        job *j = p->list;
        int64_t left = j->count - j->taken < count ? j->count - j->taken : count;
        memcpy(to, j->numbers + j->taken, (size_t)left * sizeof *to);
        j->taken += left;
        to += left;
        count -= left;
        if (j->taken == j->count)
            retire_first(p);
    }
}

void sums_free(part *p)
{
    sums_reset(p);
    free(p->travels);
    for (job *j = p->spare; j; j = p->spare) {
        p->spare = j->list_next;
        free_bucket(j);
    }
}
