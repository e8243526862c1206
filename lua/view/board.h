/* board.h - what a live view shows: documents by name, events, and what its viewers ask for. One thread writes, any number
 * reads; nothing here knows Lua, HTTP or files.
 *
 * Invariants:
 * 1. One lock guards all of it. Nothing is sent while it is held, so whoever writes never waits for a viewer: one who
 *    falls behind by more than the board holds on to is lost, and leaves.
 * 2. A text is never changed; it goes when the last of its holders lets go.
 * 3. Memory is bounded by what the writer keeps on the board, and BOARD_RECENT events of BOARD_RECENT_BYTES. */
#ifndef GANLUA_VIEW_BOARD_H
#define GANLUA_VIEW_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BOARD_VIEWERS = 64,
    BOARD_RECENT = 256,
    BOARD_RECENT_BYTES = 16 << 20,
    BOARD_COMMANDS = 16,
    BOARD_COMMAND_BYTES = 64 << 10,
};

typedef struct board board;

typedef struct board_text {
    int holders;
    const char *type; /* of a document: its media type, a string that stays */
    size_t length;
    char bytes[];
} board_text;

/* NULL when out of memory. The board is to be closed when nobody uses it any more. */
board *ganlua_board_open(void);
void ganlua_board_close(board *b);

/* ---- Documents ---- */

/* Puts a document under a name, in place of the one before. False when out of memory. */
bool ganlua_board_put(board *b, const char *name, const char *type, const char *bytes, size_t length);
void ganlua_board_drop(board *b, const char *name);
/* The document of that name, held for the caller; NULL where there is none. */
board_text *ganlua_board_find(board *b, const char *name);
void ganlua_board_release(board *b, board_text *text); /* accepts NULL */

/* ---- Events ---- */

/* Tells all viewers an event: {"name": json} as Server-Sent Events write it. keep: how many events of this name a viewer
 * that comes later is told, the last ones; 0: none, but those of before stay. False when out of memory. */
bool ganlua_board_post(board *b, const char *name, const char *json, size_t length, int keep);
/* What a later viewer is told of this name from now on is these events; nobody is told now. */
bool ganlua_board_replace(board *b, const char *name, int count, const char *const *json, const size_t *lengths);

typedef struct board_viewer {
    uint64_t next;
} board_viewer;

/* A viewer comes: *past is what it is told first, *count events, held for the caller, who frees the list. False where
 * BOARD_VIEWERS are there already, or out of memory. */
bool ganlua_board_join(board *b, board_viewer *viewer, board_text ***past, int *count);
void ganlua_board_leave(board *b);
int ganlua_board_viewers(board *b);

typedef enum { BOARD_EVENT, BOARD_QUIET, BOARD_LOST, BOARD_ENDED } board_news;
/* Waits for the next event, held for the caller: BOARD_QUIET when `seconds` are over, BOARD_LOST for a viewer that was too
 * slow, BOARD_ENDED when all was told. */
board_news ganlua_board_next(board *b, board_viewer *viewer, double seconds, board_text **event);

/* No more events come; waits, `seconds` at most, until the viewers have left. */
void ganlua_board_end(board *b, double seconds);

/* ---- Commands ---- */

/* Asks for something. Returns the command's number, or 0: there are too many, or commands are refused. */
int64_t ganlua_board_ask(board *b, const char *text, size_t length);
/* The next command, malloced for the caller; waits for one. NULL when `seconds` are over. */
char *ganlua_board_asked(board *b, double seconds, size_t *length, int64_t *number);
/* From now on commands are answered by this text, held by the board; NULL: they are taken. False: out of memory. */
bool ganlua_board_refuse(board *b, const char *json, size_t length);
/* That text, held for the caller, or NULL. */
board_text *ganlua_board_refusal(board *b);

#endif
