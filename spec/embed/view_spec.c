/* The live view's board and server: what viewers are told, who is answered, and what strangers cannot do. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "view/server.h"

/* ---- A small client ---- */

static board *wall;
static view_server *server;

static void open_with(const char *token)
{
    char why[VIEW_WHY];
    wall = ganlua_board_open();
    assert_non_null(wall);
    server = ganlua_view_open(wall, &(view_address){.port = 0, .tries = 1, .token = token}, why);
    if (!server && (strstr(why, "built without") || strstr(why, "needs libcivetweb"))) {
        ganlua_board_close(wall);
        skip();
    }
    assert_non_null(server);
}

static void shut(void)
{
    ganlua_view_close(server);
    ganlua_board_close(wall);
}

static int dial(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)ganlua_view_port(server))};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int end = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = 60};
    setsockopt(end, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(end, (struct sockaddr *)&at, sizeof at), 0);
    return end;
}

static void say(int end, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(end, text, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        text += sent;
        length -= (size_t)sent;
    }
}

/* Reads until `last` has come, or the other side hangs up; what came is told until the next call. */
static const char *hear(int end, const char *last)
{
    static char text[1 << 20];
    size_t length = 0;
    text[0] = 0;
    while (length < sizeof text - 1 && !(last && strstr(text, last))) {
        ssize_t got = recv(end, text + length, sizeof text - 1 - length, 0);
        if (got <= 0)
            break;
        length += (size_t)got;
        text[length] = 0;
    }
    return text;
}

/* Sends a request with the right Host; `more` are other lines of its head, each with its end. */
static int request(const char *line, const char *more, const char *body)
{
    char text[4096];
    int end = dial(), length = snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n%s", line,
                                        ganlua_view_port(server), more, body);
    say(end, text, (size_t)length);
    return end;
}

static int status_of(int end)
{
    int status = 0;
    shutdown(end, SHUT_WR); /* a body that was promised does not come */
    sscanf(hear(end, NULL), "HTTP/1.1 %d", &status);
    close(end);
    return status;
}

static int get(const char *path, const char *more)
{
    char line[1024];
    snprintf(line, sizeof line, "GET %s", path);
    return status_of(request(line, more, ""));
}

static const char *command(const char *json)
{
    char more[128];
    snprintf(more, sizeof more, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(json));
    int end = request("POST /command", more, json);
    const char *answer = hear(end, NULL), *body = strstr(answer, "\r\n\r\n");
    close(end);
    return body ? body + 4 : answer;
}

static int watch(void)
{
    int end = request("GET /events", "", "");
    char head[2048] = "";
    for (size_t i = 0; i < sizeof head - 1 && !strstr(head, "\r\n\r\n"); i++)
        assert_int_equal(recv(end, head + i, 1, 0), 1);
    assert_non_null(strstr(head, "Content-Type: text/event-stream"));
    return end;
}

static void post(const char *name, const char *json, int keep)
{
    assert_true(ganlua_board_post(wall, name, json, strlen(json), keep));
}

static void wait_for_viewers(int count)
{
    while (ganlua_board_viewers(wall) != count)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

/* ---- Specs ---- */

static void a_board_holds_documents_for_who_reads_them(void **state)
{
    (void)state;
    board *b = ganlua_board_open();
    assert_true(ganlua_board_put(b, "/a", "text/plain", "first", 5));
    board_text *held = ganlua_board_find(b, "/a");
    assert_true(ganlua_board_put(b, "/a", "text/plain", "second", 6));
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof name, "/%d", i);
        assert_true(ganlua_board_put(b, name, "text/plain", name, strlen(name)));
    }
    assert_string_equal(held->bytes, "first");
    ganlua_board_release(b, held);
    held = ganlua_board_find(b, "/a");
    ganlua_board_drop(b, "/a");
    assert_null(ganlua_board_find(b, "/a"));
    assert_string_equal(held->bytes, "second");
    ganlua_board_release(b, held);
    held = ganlua_board_find(b, "/199");
    assert_string_equal(held->bytes, "/199");
    ganlua_board_release(b, held);
    ganlua_board_close(b);
}

static void documents_have_exact_names_and_nothing_is_a_path(void **state)
{
    (void)state;
    open_with(NULL);
    ganlua_board_put(wall, "/view.html", "text/html", "<p>page", 7);
    ganlua_board_put(wall, "/sample/7.png?run=a b", "image/png", "png", 3);
    int end = request("GET /", "", "");
    const char *text = hear(end, NULL);
    assert_non_null(strstr(text, "\r\n\r\n<p>page"));
    assert_non_null(strstr(text, "Content-Security-Policy: default-src 'self';"));
    assert_non_null(strstr(text, "Cache-Control: no-store"));
    assert_non_null(strstr(text, "X-Content-Type-Options: nosniff"));
    close(end);
    assert_int_equal(get("/sample/7.png?run=a%20b", ""), 200);
    static const char *const missing[] = {
        "/sample/7.png", "/sample/8.png?run=a%20b",   "/../../../etc/passwd",  "/etc/passwd",
        "//etc/passwd",  "/%2e%2e/%2e%2e/etc/passwd", "/sample/7.png?run=../", "/sample/"};
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++)
        assert_int_equal(get(missing[i], ""), 404);
    shut();
}

static void other_sites_are_refused(void **state)
{
    (void)state;
    open_with(NULL);
    ganlua_board_put(wall, "/view.html", "text/html", "page", 4);
    char own[128], near[128];
    snprintf(own, sizeof own, "Origin: http://localhost:%d\r\nSec-Fetch-Site: same-origin\r\n",
             ganlua_view_port(server));
    snprintf(near, sizeof near, "Origin: http://localhost:%d\r\n", ganlua_view_port(server) - 1);
    assert_int_equal(get("/view.html", own), 200);
    assert_int_equal(get("/view.html", near), 403);
    assert_int_equal(get("/view.html", "Origin: http://evil.example\r\n"), 403);
    assert_int_equal(get("/view.html", "Origin: null\r\n"), 403);
    assert_int_equal(get("/events", "Sec-Fetch-Site: cross-site\r\n"), 403);
    assert_int_equal(get("/events", "Sec-Fetch-Site: same-site\r\n"), 403);
    assert_int_equal(get("/", "Sec-Fetch-Site: cross-site\r\n"), 200); /* a link */
    assert_int_equal(get("/", "Host: evil.example\r\n"), 403);         /* two of them */
    static const char *const hosts[] = {"evil.example", "evil.example:80", "127.0.0.1", "127.0.0.1.evil.example", ""};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        char text[256];
        int end = dial(), length = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
        say(end, text, (size_t)length);
        assert_int_not_equal(status_of(end), 200);
    }
    shut();
}

static void commands_reach_who_reads_the_board(void **state)
{
    (void)state;
    open_with(NULL);
    assert_string_equal(command("{\"do\":\"pause\"}"), "{\"ok\":true,\"id\":1}");
    size_t length;
    int64_t number;
    char *text = ganlua_board_asked(wall, 60, &length, &number);
    assert_string_equal(text, "{\"do\":\"pause\"}");
    assert_int_equal(number, 1);
    free(text);
    assert_null(ganlua_board_asked(wall, 0.01, &length, &number));
    for (int i = 0; i < BOARD_COMMANDS; i++)
        assert_non_null(strstr(command("{}"), "true"));
    assert_string_equal(command("{}"), "{\"ok\":false,\"error\":\"too many commands wait already\"}");
    free(ganlua_board_asked(wall, 0, &length, &number));
    assert_true(ganlua_board_refuse(wall, "{\"ok\":false,\"error\":\"why\"}", 26));
    assert_string_equal(command("{}"), "{\"ok\":false,\"error\":\"why\"}");
    assert_true(ganlua_board_refuse(wall, NULL, 0));
    assert_non_null(strstr(command("{}"), "true"));

    assert_int_equal(status_of(request("POST /command", "Content-Length: 2\r\n", "{}")), 415);
    assert_int_equal(status_of(request("POST /command", "Content-Type: text/plain\r\nContent-Length: 2\r\n", "{}")),
                     415);
    assert_int_equal(
        status_of(request("POST /command", "Content-Type: application/json\r\nContent-Length: 99999999\r\n", "{}")),
        413);
    assert_int_equal(status_of(request("POST /view.html", "Content-Length: 0\r\n", "")), 405);
    assert_int_equal(get("/command", ""), 405);
    assert_int_equal(status_of(request("PUT /view.html", "Content-Length: 1\r\n", "x")), 405);
    assert_int_equal(status_of(request("DELETE /view.html", "", "")), 405);
    shut();
}

static void viewers_are_told_the_past_and_then_what_happens(void **state)
{
    (void)state;
    open_with(NULL);
    post("hello", "{\"n\":0}", 1);
    post("hello", "{\"n\":1}", 1);
    for (int i = 1; i <= 5; i++) {
        char json[32];
        snprintf(json, sizeof json, "[%d]", i);
        post("moves", json, 3);
    }
    post("passing", "1", 0);
    const char *const all[] = {"\"x\"", "\"y\""};
    post("metrics", "0", 100);
    assert_true(ganlua_board_replace(wall, "metrics", 2, all, (size_t[]){3, 3}));
    int first = watch(), second = watch();
    wait_for_viewers(2);
    post("status", "\"now\"", 1);
    static const char expected[] =
        "event: hello\ndata: {\"n\":1}\n\nevent: moves\ndata: [3]\n\nevent: moves\ndata: [4]\n\n"
        "event: moves\ndata: [5]\n\nevent: metrics\ndata: \"x\"\n\nevent: metrics\ndata: \"y\"\n\n"
        "event: status\ndata: \"now\"\n\n";
    assert_string_equal(hear(first, "\"now\"\n\n"), expected);
    assert_string_equal(hear(second, "\"now\"\n\n"), expected);
    close(first);
    close(second);
    wait_for_viewers(0);
    int last = watch();
    wait_for_viewers(1);
    assert_int_equal(ganlua_board_replace(wall, "far too long a name for an event", 0, NULL, NULL), false);
    shut(); /* ends who watches */
    assert_non_null(strstr(hear(last, NULL), "event: status"));
    close(last);
}

static void a_token_is_asked_for(void **state)
{
    (void)state;
    open_with("correct-horse-battery");
    ganlua_board_put(wall, "/view.html", "text/html", "page", 4);
    assert_int_equal(get("/", ""), 401);
    assert_int_equal(get("/events", ""), 401);
    assert_int_equal(get("/?token=correct-horse-batterz", ""), 401);
    assert_int_equal(get("/?token=correct-horse-batter", ""), 401);
    assert_int_equal(get("/?token=", ""), 401);
    assert_int_equal(get("/view.html?token=correct-horse-battery", ""), 401);
    int end = request("GET /?token=correct-horse-battery", "", "");
    const char *answer = hear(end, NULL);
    assert_non_null(strstr(answer, "HTTP/1.1 303"));
    assert_non_null(strstr(answer, "\r\nLocation: /\r\n"));
    assert_non_null(strstr(answer, "HttpOnly; SameSite=Strict"));
    close(end);
    char cookie[256];
    for (int i = 0; i < 4; i++) {
        static const char *const values[] = {"correct-horse-battery", "correct-horse-batteryy", "", "wrong-horse"};
        snprintf(cookie, sizeof cookie, "Cookie: other=1; ganlua_%d=%s; x=y\r\n", ganlua_view_port(server), values[i]);
        assert_int_equal(get("/", cookie), i == 0 ? 200 : 401);
    }
    shut();
}

static void garbage_is_answered_or_cut_off(void **state)
{
    (void)state;
    open_with(NULL);
    ganlua_board_put(wall, "/view.html", "text/html", "page", 4);
    static const char *const texts[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "POST /command HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost\r\n\r\n",
        "GET /%00%ff%zz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        "POST /command HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int end = dial();
        say(end, texts[i], strlen(texts[i]));
        shutdown(end, SHUT_WR);
        assert_int_not_equal(status_of(end), 200);
    }
    unsigned noise = 1;
    for (int i = 0; i < 50; i++) {
        char bytes[20000];
        for (size_t j = 0; j < sizeof bytes; j++)
            bytes[j] = (char)((noise = noise * 1664525u + 1013904223u) >> 24);
        int end = dial();
        say(end, bytes, sizeof bytes);
        close(end);
    }
    assert_int_equal(get("/", ""), 200);
    shut();
}

static void connections_that_come_and_go_leave_nothing(void **state)
{
    (void)state;
    open_with(NULL);
    ganlua_board_put(wall, "/view.html", "text/html", "page", 4);
    post("hello", "1", 1);
    for (int i = 0; i < 200; i++) {
        int end = i % 2 ? dial() : request("GET /events", "", "");
        if (i % 4 == 0)
            hear(end, "\n\n");
        close(end);
    }
    wait_for_viewers(0);
    int end = watch();
    close(end);
    assert_int_equal(get("/", ""), 200);
    shut();
}

static void a_slow_viewer_is_lost_and_nobody_waits_for_it(void **state)
{
    (void)state;
    open_with(NULL);
    int end = watch();
    wait_for_viewers(1);
    enum { LENGTH = 100000, COUNT = 2 * BOARD_RECENT };
    char *json = malloc(LENGTH);
    memset(json, '1', LENGTH);
    for (int i = 0; i < COUNT; i++) /* nobody reads */
        assert_true(ganlua_board_post(wall, "flood", json, LENGTH, 0));
    free(json);
    size_t all = 0;
    static char part[1 << 16];
    ssize_t got;
    while ((got = recv(end, part, sizeof part, 0)) > 0)
        all += (size_t)got;
    assert_true(all < (size_t)LENGTH * COUNT);
    close(end);
    wait_for_viewers(0);
    shut();
}

static void so_many_viewers_and_no_more(void **state)
{
    (void)state;
    open_with(NULL);
    int ends[BOARD_VIEWERS];
    for (int i = 0; i < BOARD_VIEWERS; i++)
        ends[i] = watch();
    wait_for_viewers(BOARD_VIEWERS);
    assert_int_equal(get("/events", ""), 503);
    assert_int_equal(get("/nothing", ""), 404); /* others are answered still */
    for (int i = 0; i < BOARD_VIEWERS; i++)
        close(ends[i]);
    wait_for_viewers(0);
    close(watch());
    shut();
}

static void a_port_that_is_taken_is_said_or_passed_over(void **state)
{
    (void)state;
    open_with(NULL);
    char why[VIEW_WHY] = "";
    board *other = ganlua_board_open();
    int port = ganlua_view_port(server);
    assert_null(ganlua_view_open(other, &(view_address){.port = port, .tries = 1}, why));
    assert_non_null(strstr(why, "something else listens there"));
    view_server *next = ganlua_view_open(other, &(view_address){.port = port, .tries = 32}, why);
    assert_non_null(next);
    assert_in_range(ganlua_view_port(next), port + 1, port + 31);
    ganlua_view_close(next);
    assert_null(ganlua_view_open(other, &(view_address){.host = "1.2.3.4,80", .tries = 1}, why));
    assert_non_null(strstr(why, "is no address"));
    ganlua_board_close(other);
    shut();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_board_holds_documents_for_who_reads_them),
        cmocka_unit_test(documents_have_exact_names_and_nothing_is_a_path),
        cmocka_unit_test(other_sites_are_refused),
        cmocka_unit_test(commands_reach_who_reads_the_board),
        cmocka_unit_test(viewers_are_told_the_past_and_then_what_happens),
        cmocka_unit_test(a_token_is_asked_for),
        cmocka_unit_test(garbage_is_answered_or_cut_off),
        cmocka_unit_test(connections_that_come_and_go_leave_nothing),
        cmocka_unit_test(a_slow_viewer_is_lost_and_nobody_waits_for_it),
        cmocka_unit_test(so_many_viewers_and_no_more),
        cmocka_unit_test(a_port_that_is_taken_is_said_or_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
