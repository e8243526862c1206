/* board.c - see board.h. */
#include "board.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SHELVES = 16, LONGEST_NAME = 24 };

struct document {
    char *name;
    board_text *text;
};

/* What a viewer that comes is told of one kind of event. */
struct shelf {
    char name[LONGEST_NAME];
    board_text **events;
    int count, room;
};

struct command {
    char *text;
    size_t length;
    int64_t number;
};

struct board {
    pthread_mutex_t lock;
    pthread_cond_t told, asked, left; /* an event or the end; a command; a viewer is gone */
    struct document *documents;
    int document_count, document_room;
    struct shelf shelves[SHELVES]; /* in the order in which they were first posted */
    int shelf_count;
    board_text *recent[BOARD_RECENT]; /* event n at n % BOARD_RECENT, for first <= n < next */
    uint64_t first, next;
    size_t recent_bytes;
    int viewers;
    bool ended;
    struct command commands[BOARD_COMMANDS];
    int command_first, command_count;
    int64_t last_number;
    board_text *refusal;
};

/* ---- Opening ---- */

board *ganlua_board_open(void)
{
    board *b = calloc(1, sizeof *b);
    pthread_condattr_t monotonic;
    if (!b)
        return NULL;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->told, &monotonic);
    pthread_cond_init(&b->asked, &monotonic);
    pthread_cond_init(&b->left, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return b;
}

/* Waits on a condition until `end`; false when that time is over. */
static bool wait_until(board *b, pthread_cond_t *condition, const struct timespec *end)
{
    return pthread_cond_timedwait(condition, &b->lock, end) == 0;
}

static struct timespec from_now(double seconds)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    time_t whole = (time_t)seconds;
    end.tv_sec += whole;
    end.tv_nsec += (long)((seconds - (double)whole) * 1e9);
    if (end.tv_nsec >= 1000000000L) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000L;
    }
    return end;
}

/* ---- Texts: these are called with the lock held, but for make ---- */

static board_text *make(const char *type, size_t length)
{
    board_text *text = malloc(sizeof *text + length + 1);
    if (text) {
        *text = (board_text){.holders = 1, .type = type, .length = length};
        text->bytes[length] = 0;
    }
    return text;
}

static board_text *hold(board_text *text)
{
    if (text)
        text->holders++;
    return text;
}

static void let_go(board_text *text)
{
    if (text && --text->holders == 0)
        free(text);
}

static void clear_shelf(struct shelf *shelf)
{
    for (int i = 0; i < shelf->count; i++)
        let_go(shelf->events[i]);
    shelf->count = 0;
}

void ganlua_board_close(board *b)
{
    if (!b)
        return;
    for (int i = 0; i < b->document_count; i++) {
        free(b->documents[i].name);
        let_go(b->documents[i].text);
    }
    free(b->documents);
    for (int i = 0; i < b->shelf_count; i++) {
        clear_shelf(&b->shelves[i]);
        free(b->shelves[i].events);
    }
    for (uint64_t n = b->first; n < b->next; n++)
        let_go(b->recent[n % BOARD_RECENT]);
    for (int i = 0; i < b->command_count; i++)
        free(b->commands[(b->command_first + i) % BOARD_COMMANDS].text);
    let_go(b->refusal);
    pthread_cond_destroy(&b->told);
    pthread_cond_destroy(&b->asked);
    pthread_cond_destroy(&b->left);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

void ganlua_board_release(board *b, board_text *text)
{
    pthread_mutex_lock(&b->lock);
    let_go(text);
    pthread_mutex_unlock(&b->lock);
}

/* ---- Documents ---- */

/* The place of a document; document_count where there is none. */
static int place_of(board *b, const char *name)
{
    int i = 0;
    while (i < b->document_count && strcmp(b->documents[i].name, name) != 0)
        i++;
    return i;
}

static bool add_document(board *b, const char *name, board_text *text)
{
    if (b->document_count == b->document_room) {
        int room = b->document_room ? 2 * b->document_room : 64;
        struct document *moved = realloc(b->documents, (size_t)room * sizeof *moved);
        if (!moved)
            return false;
        b->documents = moved;
        b->document_room = room;
    }
    char *copy = strdup(name);
    if (copy)
        b->documents[b->document_count++] = (struct document){copy, text};
    return copy != NULL;
}

bool ganlua_board_put(board *b, const char *name, const char *type, const char *bytes, size_t length)
{
    board_text *text = make(type, length);
    if (!text)
        return false;
    memcpy(text->bytes, bytes, length);
    pthread_mutex_lock(&b->lock);
    int place = place_of(b, name);
    bool added = place < b->document_count || add_document(b, name, text);
    if (!added) {
        let_go(text);
    } else if (b->documents[place].text != text) {
        let_go(b->documents[place].text);
        b->documents[place].text = text;
    }
    pthread_mutex_unlock(&b->lock);
    return added;
}

void ganlua_board_drop(board *b, const char *name)
{
    pthread_mutex_lock(&b->lock);
    int place = place_of(b, name);
    if (place < b->document_count) {
        free(b->documents[place].name);
        let_go(b->documents[place].text);
        b->documents[place] = b->documents[--b->document_count];
    }
    pthread_mutex_unlock(&b->lock);
}

board_text *ganlua_board_find(board *b, const char *name)
{
    pthread_mutex_lock(&b->lock);
    int place = place_of(b, name);
    board_text *text = place < b->document_count ? hold(b->documents[place].text) : NULL;
    pthread_mutex_unlock(&b->lock);
    return text;
}

/* ---- Events ---- */

static board_text *make_event(const char *name, const char *json, size_t length)
{
    static const char before[] = "event: ", between[] = "\ndata: ", after[] = "\n\n";
    size_t name_length = strlen(name);
    board_text *event = make(NULL, sizeof before - 1 + name_length + sizeof between - 1 + length + sizeof after - 1);
    if (!event)
        return NULL;
    char *at = event->bytes;
    at = mempcpy(at, before, sizeof before - 1);
    at = mempcpy(at, name, name_length);
    at = mempcpy(at, between, sizeof between - 1);
    at = mempcpy(at, json, length);
    memcpy(at, after, sizeof after - 1);
    return event;
}

/* The shelf of a name; made where there is room for one. */
static struct shelf *shelf_of(board *b, const char *name)
{
    for (int i = 0; i < b->shelf_count; i++)
        if (strcmp(b->shelves[i].name, name) == 0)
            return &b->shelves[i];
    if (b->shelf_count == SHELVES || strlen(name) >= LONGEST_NAME)
        return NULL;
    struct shelf *shelf = &b->shelves[b->shelf_count++];
    strcpy(shelf->name, name);
    return shelf;
}

/* Puts an event on a shelf, which keeps the last `keep`. */
static bool shelve(struct shelf *shelf, board_text *event, int keep)
{
    while (shelf->count >= keep && shelf->count > 0) {
        let_go(shelf->events[0]);
        memmove(shelf->events, shelf->events + 1, (size_t)--shelf->count * sizeof *shelf->events);
    }
    if (shelf->count == shelf->room) {
        int room = shelf->room ? 2 * shelf->room : 4;
        board_text **moved = realloc(shelf->events, (size_t)room * sizeof *moved);
        if (!moved)
            return false;
        shelf->events = moved;
        shelf->room = room;
    }
    shelf->events[shelf->count++] = hold(event);
    return true;
}

static void forget_oldest(board *b)
{
    board_text *oldest = b->recent[b->first++ % BOARD_RECENT];
    b->recent_bytes -= oldest->length;
    let_go(oldest);
}

bool ganlua_board_post(board *b, const char *name, const char *json, size_t length, int keep)
{
    board_text *event = make_event(name, json, length);
    if (!event)
        return false;
    pthread_mutex_lock(&b->lock);
    bool fine = true;
    if (keep > 0) {
        struct shelf *shelf = shelf_of(b, name);
        fine = shelf && shelve(shelf, event, keep);
    }
    while (b->next > b->first &&
           (b->next - b->first == BOARD_RECENT || b->recent_bytes + event->length > BOARD_RECENT_BYTES))
        forget_oldest(b);
    b->recent_bytes += event->length;
    b->recent[b->next++ % BOARD_RECENT] = event;
    pthread_cond_broadcast(&b->told);
    pthread_mutex_unlock(&b->lock);
    return fine;
}

bool ganlua_board_replace(board *b, const char *name, int count, const char *const *json, const size_t *lengths)
{
    pthread_mutex_lock(&b->lock);
    struct shelf *shelf = shelf_of(b, name);
    bool fine = shelf != NULL;
    if (fine)
        clear_shelf(shelf);
    for (int i = 0; i < count && fine; i++) {
        board_text *event = make_event(name, json[i], lengths[i]);
        fine = event && shelve(shelf, event, count);
        let_go(event);
    }
    pthread_mutex_unlock(&b->lock);
    return fine;
}

/* ---- Viewers ---- */

bool ganlua_board_join(board *b, board_viewer *viewer, board_text ***past, int *count)
{
    pthread_mutex_lock(&b->lock);
    int all = 0;
    for (int i = 0; i < b->shelf_count; i++)
        all += b->shelves[i].count;
    *past = b->viewers < BOARD_VIEWERS && !b->ended ? malloc((size_t)(all + 1) * sizeof **past) : NULL;
    bool joined = *past != NULL;
    *count = 0;
    for (int i = 0; joined && i < b->shelf_count; i++)
        for (int j = 0; j < b->shelves[i].count; j++)
            (*past)[(*count)++] = hold(b->shelves[i].events[j]);
    if (joined) {
        b->viewers++;
        viewer->next = b->next;
    }
    pthread_mutex_unlock(&b->lock);
    return joined;
}

void ganlua_board_leave(board *b)
{
    pthread_mutex_lock(&b->lock);
    b->viewers--;
    pthread_cond_broadcast(&b->left);
    pthread_mutex_unlock(&b->lock);
}

int ganlua_board_viewers(board *b)
{
    pthread_mutex_lock(&b->lock);
    int viewers = b->viewers;
    pthread_mutex_unlock(&b->lock);
    return viewers;
}

board_news ganlua_board_next(board *b, board_viewer *viewer, double seconds, board_text **event)
{
    struct timespec end = from_now(seconds);
    board_news news = BOARD_EVENT;
    *event = NULL;
    pthread_mutex_lock(&b->lock);
    while (viewer->next == b->next && !b->ended && wait_until(b, &b->told, &end)) {
    }
    if (viewer->next < b->first)
        news = BOARD_LOST;
    else if (viewer->next < b->next)
        *event = hold(b->recent[viewer->next++ % BOARD_RECENT]);
    else
        news = b->ended ? BOARD_ENDED : BOARD_QUIET;
    pthread_mutex_unlock(&b->lock);
    return news;
}

void ganlua_board_end(board *b, double seconds)
{
    struct timespec end = from_now(seconds);
    pthread_mutex_lock(&b->lock);
    b->ended = true;
    pthread_cond_broadcast(&b->told);
    while (b->viewers > 0 && wait_until(b, &b->left, &end)) {
    }
    pthread_mutex_unlock(&b->lock);
}

/* ---- Commands ---- */

int64_t ganlua_board_ask(board *b, const char *text, size_t length)
{
    int64_t number = 0;
    char *copy = length <= BOARD_COMMAND_BYTES ? malloc(length + 1) : NULL;
    if (!copy)
        return 0;
    memcpy(copy, text, length);
    copy[length] = 0;
    pthread_mutex_lock(&b->lock);
    if (b->command_count < BOARD_COMMANDS && !b->refusal && !b->ended) {
        number = ++b->last_number;
        b->commands[(b->command_first + b->command_count++) % BOARD_COMMANDS] = (struct command){copy, length, number};
        copy = NULL;
        pthread_cond_broadcast(&b->asked);
    }
    pthread_mutex_unlock(&b->lock);
    free(copy);
    return number;
}

char *ganlua_board_asked(board *b, double seconds, size_t *length, int64_t *number)
{
    struct command command = {0};
    pthread_mutex_lock(&b->lock);
    if (b->command_count == 0 && seconds > 0) {
        struct timespec end = from_now(seconds);
        while (b->command_count == 0 && wait_until(b, &b->asked, &end)) {
        }
    }
    if (b->command_count > 0) {
        command = b->commands[b->command_first];
        b->command_first = (b->command_first + 1) % BOARD_COMMANDS;
        b->command_count--;
    }
    pthread_mutex_unlock(&b->lock);
    *length = command.length;
    *number = command.number;
    return command.text;
}

bool ganlua_board_refuse(board *b, const char *json, size_t length)
{
    board_text *text = json ? make(NULL, length) : NULL;
    if (json && !text)
        return false;
    if (json)
        memcpy(text->bytes, json, length);
    pthread_mutex_lock(&b->lock);
    let_go(b->refusal);
    b->refusal = text;
    pthread_mutex_unlock(&b->lock);
    return true;
}

board_text *ganlua_board_refusal(board *b)
{
    pthread_mutex_lock(&b->lock);
    board_text *text = hold(b->refusal);
    pthread_mutex_unlock(&b->lock);
    return text;
}
