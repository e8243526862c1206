/* server.h - a board over HTTP, by civetweb's threads: what is sent, and to whom. See server.c. */
#ifndef GANLUA_VIEW_SERVER_H
#define GANLUA_VIEW_SERVER_H

#include "view/board.h"

typedef struct view_server view_server;

typedef struct view_address {
    const char *host;  /* NULL: 127.0.0.1 */
    int port;          /* 0: any that is free */
    int tries;         /* so many ports from that one on, the first that is free; 1: that one */
    const char *token; /* what a viewer must have, or NULL */
} view_address;

enum { VIEW_WHY = 200 };

/* Serves a board, which must stay until the server is closed. NULL where that cannot be: why says what is wrong. */
view_server *ganlua_view_open(board *b, const view_address *address, char why[VIEW_WHY]);
int ganlua_view_port(const view_server *server);
/* Ends the board, and returns when all threads have ended. Accepts NULL. */
void ganlua_view_close(view_server *server);

#endif
