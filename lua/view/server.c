/* server.c - a board over HTTP.
 *
 *     GET  /, /view.js, ...     a document of the board, by its exact name: "/" is "/view.html". Nothing in a URL is a path
 *     GET  /sample/7.png?run=x  of those that have the query run, by "/sample/7.png?run=x", decoded
 *     GET  /events              Server-Sent Events: what a new viewer is told, then what happens
 *     POST /command             JSON, for whoever reads the board: {"ok":true,"id":7} or {"ok":false,"error":"..."}
 *
 * Who is answered. A page of another site must neither read nor command: Host has to be this server's own name (against
 * names that are pointed at 127.0.0.1), Origin and Sec-Fetch-Site, where a browser sends them, this server; a command is
 * application/json, which other sites may not send. With a token, whoever opens /?token=... is given a cookie, and nobody
 * is answered without.
 *
 * Threads. civetweb has one for each connection, WORKERS at most; all signals are blocked in them. It is loaded when a view
 * is opened, not before: programs that show nothing do not need it. */
#include "view/server.h"

#include <stdio.h>

#ifndef GANLUA_HAVE_CIVETWEB

view_server *ganlua_view_open(board *b, const view_address *address, char why[VIEW_WHY])
{
    (void)b;
    (void)address;
    snprintf(why, VIEW_WHY, "ganlua was built without the live view (libcivetweb-dev was not there)");
    return NULL;
}

int ganlua_view_port(const view_server *server)
{
    (void)server;
    return 0;
}

void ganlua_view_close(view_server *server)
{
    (void)server;
}

#else

#include <arpa/inet.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <civetweb.h>

enum { WORKERS = BOARD_VIEWERS + 8, LONGEST_HOST = 256, LONGEST_TOKEN = 128, LONGEST_NAME = 512 };

/* Seconds without news after which a viewer is sent an empty line, which finds out whether it is still there. */
static const double HEARTBEAT = 2;

struct library {
    void *handle;
    __typeof__(mg_init_library) *init_library;
    __typeof__(mg_exit_library) *exit_library;
    __typeof__(mg_start) *start;
    __typeof__(mg_stop) *stop;
    __typeof__(mg_get_server_ports) *get_server_ports;
    __typeof__(mg_get_request_info) *get_request_info;
    __typeof__(mg_set_request_handler) *set_request_handler;
    __typeof__(mg_get_var) *get_var;
    __typeof__(mg_read) *read;
    __typeof__(mg_write) *write;
};

struct view_server {
    struct library web;
    struct mg_context *context;
    board *board;
    int port;
    bool anywhere; /* it listens at all addresses of the machine */
    char host[LONGEST_HOST], token[LONGEST_TOKEN + 1];
};

typedef struct mg_connection connection;
typedef struct mg_request_info request;

/* ---- The library ---- */

static bool load(struct library *web, char why[VIEW_WHY])
{
    const struct {
        const char *name;
        void *place;
    } functions[] = {
        {"mg_init_library", &web->init_library},
        {"mg_exit_library", &web->exit_library},
        {"mg_start", &web->start},
        {"mg_stop", &web->stop},
        {"mg_get_server_ports", &web->get_server_ports},
        {"mg_get_request_info", &web->get_request_info},
        {"mg_set_request_handler", &web->set_request_handler},
        {"mg_get_var", &web->get_var},
        {"mg_read", &web->read},
        {"mg_write", &web->write},
    };
    web->handle = dlopen("libcivetweb.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!web->handle) {
        snprintf(why, VIEW_WHY, "the live view needs libcivetweb.so.1 (Debian: libcivetweb1)");
        return false;
    }
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *found = dlsym(web->handle, functions[i].name);
        if (!found) {
            snprintf(why, VIEW_WHY, "libcivetweb.so.1 has no %s", functions[i].name);
            dlclose(web->handle);
            return false;
        }
        memcpy(functions[i].place, &found, sizeof found);
    }
    web->init_library(0);
    return true;
}

/* ---- Requests ---- */

static const char *header(const request *r, const char *name)
{
    const char *found = NULL;
    for (int i = 0; i < r->num_headers; i++)
        if (strcasecmp(r->http_headers[i].name, name) == 0) {
            if (found)
                return ""; /* which of the two is meant? */
            found = r->http_headers[i].value;
        }
    return found;
}

/* Whether text is host:port of this server. */
static bool is_own(const view_server *s, const char *text)
{
    static const char *const loopback[] = {"127.0.0.1", "localhost", "[::1]"};
    const char *colon = strrchr(text, ':');
    char port[16];
    snprintf(port, sizeof port, ":%d", s->port);
    bool no_port = s->port == 80 && (!colon || strchr(text, ']') > colon);
    if (!no_port && (!colon || strcmp(colon, port) != 0))
        return false;
    size_t length = no_port ? strlen(text) : (size_t)(colon - text);
    for (size_t i = 0; i < sizeof loopback / sizeof loopback[0]; i++)
        if (strlen(loopback[i]) == length && strncasecmp(text, loopback[i], length) == 0)
            return true;
    /* An address is no name that somebody else could point here. */
    if (s->anywhere)
        return length > 0 && (strspn(text, "0123456789.") == length || text[0] == '[');
    return strlen(s->host) == length && strncasecmp(text, s->host, length) == 0;
}

/* Whether the request comes from this server's own page, or from no page at all. */
static bool is_trusted(const view_server *s, const request *r)
{
    static const char scheme[] = "http://";
    const char *host = header(r, "Host"), *origin = header(r, "Origin"), *site = header(r, "Sec-Fetch-Site");
    if (!host || !is_own(s, host))
        return false;
    if (origin && (strncmp(origin, scheme, sizeof scheme - 1) != 0 || !is_own(s, origin + sizeof scheme - 1)))
        return false;
    if (!site || strcmp(r->local_uri, "/") == 0) /* a link to the page may stand anywhere */
        return true;
    return strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0;
}

/* Compares in a time that says nothing about where they differ. */
static bool is_token(const view_server *s, const char *given, size_t length)
{
    size_t wanted = strlen(s->token);
    unsigned differ = length != wanted;
    for (size_t i = 0; i < length && i < LONGEST_TOKEN; i++)
        differ |= (unsigned)(unsigned char)given[i] ^ (unsigned)(unsigned char)s->token[i < wanted ? i : 0];
    return differ == 0;
}

/* Whether the cookie that the link has given is there: ganlua_PORT=TOKEN. */
static bool has_cookie(const view_server *s, const request *r)
{
    const char *cookies = header(r, "Cookie");
    char name[32];
    int length = snprintf(name, sizeof name, "ganlua_%d=", s->port);
    for (const char *at = cookies; at && *at; at += strspn(at, "; ")) {
        size_t end = strcspn(at, ";");
        if (end >= (size_t)length && strncmp(at, name, (size_t)length) == 0)
            return is_token(s, at + length, end - (size_t)length);
        at += end;
    }
    return false;
}

/* ---- Answers ---- */

static void answer(view_server *s, connection *c, const char *status, const char *type, const char *more,
                   const char *bytes, size_t length)
{
    char head[1024];
    int size = snprintf(head, sizeof head,
                        "HTTP/1.1 %s\r\nContent-Type: %s\r\n%s"
                        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
                        "Cross-Origin-Resource-Policy: same-origin\r\nX-Frame-Options: DENY\r\n"
                        "Content-Security-Policy: default-src 'self'; img-src 'self' data: blob:; object-src 'none'; "
                        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
                        "Connection: close\r\n",
                        status, type, more);
    s->web.write(c, head, (size_t)size);
    if (bytes)
        size = snprintf(head, sizeof head, "Content-Length: %zu\r\n\r\n", length);
    else
        size = snprintf(head, sizeof head, "\r\n");
    s->web.write(c, head, (size_t)size);
    if (length > 0)
        s->web.write(c, bytes, length);
}

static int refuse(view_server *s, connection *c, const char *status)
{
    answer(s, c, status, "text/plain", "", status, strlen(status));
    return atoi(status);
}

static int answer_json(view_server *s, connection *c, const char *json, size_t length)
{
    answer(s, c, "200 OK", "application/json", "", json, length);
    return 200;
}

/* ---- What there is ---- */

static int give_document(view_server *s, connection *c, const request *r)
{
    char name[LONGEST_NAME], run[LONGEST_NAME / 2];
    const char *uri = strcmp(r->local_uri, "/") == 0 ? "/view.html" : r->local_uri;
    const char *query = r->query_string ? r->query_string : "";
    bool has_run = s->web.get_var(query, strlen(query), "run", run, sizeof run) > 0;
    int length = has_run ? snprintf(name, sizeof name, "%s?run=%s", uri, run) : snprintf(name, sizeof name, "%s", uri);
    board_text *text = length < LONGEST_NAME ? ganlua_board_find(s->board, name) : NULL;
    if (!text)
        return refuse(s, c, "404 Not Found");
    answer(s, c, "200 OK", text->type, "", text->bytes, text->length);
    ganlua_board_release(s->board, text);
    return 200;
}

static int give_events(view_server *s, connection *c)
{
    board_viewer viewer;
    board_text **past, *event;
    int count;
    if (!ganlua_board_join(s->board, &viewer, &past, &count))
        return refuse(s, c, "503 Service Unavailable");
    answer(s, c, "200 OK", "text/event-stream", "", NULL, 0);
    bool there = true;
    for (int i = 0; i < count; i++) {
        there = there && s->web.write(c, past[i]->bytes, past[i]->length) > 0;
        ganlua_board_release(s->board, past[i]);
    }
    free(past);
    while (there) {
        board_news news = ganlua_board_next(s->board, &viewer, HEARTBEAT, &event);
        if (news == BOARD_EVENT) {
            there = s->web.write(c, event->bytes, event->length) > 0;
            ganlua_board_release(s->board, event);
        } else {
            there = news == BOARD_QUIET && s->web.write(c, ":\n\n", 3) > 0;
        }
    }
    ganlua_board_leave(s->board);
    return 200;
}

static int take_command(view_server *s, connection *c, const request *r)
{
    static const char json[] = "application/json";
    const char *type = header(r, "Content-Type");
    if (!type || strncasecmp(type, json, sizeof json - 1) != 0 || !strchr("; ", type[sizeof json - 1]))
        return refuse(s, c, "415 Unsupported Media Type");
    if (r->content_length < 0)
        return refuse(s, c, "411 Length Required");
    if (r->content_length > BOARD_COMMAND_BYTES)
        return refuse(s, c, "413 Payload Too Large");
    size_t size = (size_t)r->content_length, done = 0;
    char *text = malloc(size + 1);
    int got = 1;
    while (text && done < size && (got = s->web.read(c, text + done, size - done)) > 0)
        done += (size_t)got;
    int64_t number = text && done == size ? ganlua_board_ask(s->board, text, size) : 0;
    bool whole = text && done == size;
    free(text);
    if (!whole)
        return refuse(s, c, "400 Bad Request");
    if (number) {
        char reply[64];
        int length = snprintf(reply, sizeof reply, "{\"ok\":true,\"id\":%lld}", (long long)number);
        return answer_json(s, c, reply, (size_t)length);
    }
    board_text *refusal = ganlua_board_refusal(s->board);
    if (refusal) {
        answer_json(s, c, refusal->bytes, refusal->length);
        ganlua_board_release(s->board, refusal);
        return 200;
    }
    static const char busy[] = "{\"ok\":false,\"error\":\"too many commands wait already\"}";
    return answer_json(s, c, busy, sizeof busy - 1);
}

/* Gives whoever has the token the cookie that stands for it. */
static int let_in(view_server *s, connection *c, const request *r)
{
    char given[LONGEST_TOKEN + 2], more[LONGEST_TOKEN + 160];
    const char *query = r->query_string ? r->query_string : "";
    int length = s->web.get_var(query, strlen(query), "token", given, sizeof given);
    if (strcmp(r->local_uri, "/") != 0 || length < 0 || !is_token(s, given, (size_t)length))
        return refuse(s, c, "401 Unauthorized");
    snprintf(more, sizeof more, "Set-Cookie: ganlua_%d=%s; Path=/; HttpOnly; SameSite=Strict\r\nLocation: /\r\n",
             s->port, s->token);
    answer(s, c, "303 See Other", "text/plain", more, "", 0);
    return 303;
}

/* A request: whose it may not be, then what it wants. */
static int handle(connection *c, void *user)
{
    view_server *s = user;
    const request *r = s->web.get_request_info(c);
    bool posts = strcmp(r->request_method, "POST") == 0;
    if (!r->local_uri || !is_trusted(s, r))
        return refuse(s, c, "403 Forbidden");
    if (*s->token && !has_cookie(s, r))
        return let_in(s, c, r);
    if (!posts && strcmp(r->request_method, "GET") != 0)
        return refuse(s, c, "405 Method Not Allowed");
    if (strcmp(r->local_uri, "/command") == 0)
        return posts ? take_command(s, c, r) : refuse(s, c, "405 Method Not Allowed");
    if (posts)
        return refuse(s, c, "405 Method Not Allowed");
    return strcmp(r->local_uri, "/events") == 0 ? give_events(s, c) : give_document(s, c, r);
}

/* ---- The server ---- */

/* civetweb says nothing: whoever opens it is told what went wrong. */
static int keep_silent(const connection *c, const char *message)
{
    (void)c;
    (void)message;
    return 1;
}

/* What is no HTTP gets no answer. */
static int say_nothing(connection *c, int status, const char *message)
{
    (void)c;
    (void)status;
    (void)message;
    return 0;
}

/* Starts civetweb at one port. It ignores SIGPIPE for the whole process, which is put back: in its threads, which alone
 * write to sockets, all signals are blocked. */
static struct mg_context *start(view_server *s, const char *host, int port)
{
    char at[LONGEST_HOST + 16], workers[16];
    snprintf(at, sizeof at, "%s:%d", host, port);
    snprintf(workers, sizeof workers, "%d", WORKERS);
    const char *options[] = {"listening_ports",
                             at,
                             "num_threads",
                             workers,
                             "request_timeout_ms",
                             "10000",
                             "enable_keep_alive",
                             "no",
                             "tcp_nodelay",
                             "1",
                             "access_control_allow_origin",
                             "",
                             "access_control_allow_methods",
                             "",
                             "enable_auth_domain_check",
                             "no",
                             NULL};
    struct mg_callbacks callbacks = {.log_message = keep_silent, .http_error = say_nothing};
    struct sigaction pipe;
    sigset_t all, before;
    sigfillset(&all);
    sigaction(SIGPIPE, NULL, &pipe);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    struct mg_context *context = s->web.start(&callbacks, s, options);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    sigaction(SIGPIPE, &pipe, NULL);
    return context;
}

view_server *ganlua_view_open(board *b, const view_address *address, char why[VIEW_WHY])
{
    const char *host = address->host ? address->host : "127.0.0.1";
    size_t length = strlen(host);
    if (length == 0 || length >= LONGEST_HOST ||
        strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]") != length) {
        snprintf(why, VIEW_WHY, "'%.100s' is no address", host);
        return NULL;
    }
    view_server *s = calloc(1, sizeof *s);
    if (!s) {
        snprintf(why, VIEW_WHY, "not enough memory");
        return NULL;
    }
    s->board = b;
    memcpy(s->host, host, length + 1);
    s->anywhere = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "[::]") == 0;
    snprintf(s->token, sizeof s->token, "%s", address->token ? address->token : "");
    if (!load(&s->web, why)) {
        free(s);
        return NULL;
    }
    for (int i = 0; i < address->tries && !s->context && address->port + i <= 65535; i++)
        s->context = start(s, host, address->port + i);
    struct mg_server_port port = {0};
    if (!s->context || s->web.get_server_ports(s->context, 1, &port) != 1) {
        snprintf(why, VIEW_WHY, "%.100s:%d cannot be had%s", host, address->port,
                 address->port > 0 ? ": something else listens there" : "");
        ganlua_view_close(s);
        return NULL;
    }
    s->port = port.port;
    s->web.set_request_handler(s->context, "**", handle, s);
    return s;
}

int ganlua_view_port(const view_server *server)
{
    return server->port;
}

struct knocking {
    struct sockaddr_in at;
    atomic_bool done;
};

/* Connects, again and again: civetweb looks whether it is to end when somebody comes, or else every two seconds. */
static void *knock(void *argument)
{
    struct knocking *k = argument;
    while (!atomic_load(&k->done)) {
        int end = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(end, (struct sockaddr *)&k->at, sizeof k->at);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        close(end);
    }
    return NULL;
}

static void stop(view_server *s)
{
    struct knocking k = {.at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s->port)}};
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool numeric = inet_pton(AF_INET, s->anywhere ? "127.0.0.1" : s->host, &k.at.sin_addr) == 1;
    bool knocks = numeric && pthread_create(&thread, NULL, knock, &k) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    s->web.stop(s->context);
    atomic_store(&k.done, true);
    if (knocks)
        pthread_join(thread, NULL);
}

void ganlua_view_close(view_server *server)
{
    if (!server)
        return;
    if (server->context) {
        ganlua_board_end(server->board, 0.5);
        stop(server);
    }
    server->web.exit_library();
    dlclose(server->web.handle);
    free(server);
}

#endif
