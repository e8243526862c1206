/* viewers.c - who connects to a live view, for `./dev view-load`:
 *
 *     viewers PORT watch       reads all events until the view ends
 *     viewers PORT storm N     N connections that come and go, of all kinds, then 20 that do not read for a while
 *
 * Prints nothing; exits with 1 where the server is not there. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int port;

static int dial(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int end = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(end, (struct sockaddr *)&at, sizeof at) != 0)
        exit(EXIT_FAILURE);
    return end;
}

static void say(int end, const char *line)
{
    char text[512];
    int length = snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", line, port);
    send(end, text, (size_t)length, MSG_NOSIGNAL);
}

static void storm(int count)
{
    char bytes[4096];
    unsigned noise = 1;
    for (int i = 0; i < count; i++) {
        int end = dial();
        for (size_t j = 0; j < sizeof bytes; j++)
            bytes[j] = (char)((noise = noise * 1664525u + 1013904223u) >> 24);
        if (i % 4 == 0)
            say(end, "GET /events");
        else if (i % 4 == 1)
            say(end, "GET /");
        else if (i % 4 == 2)
            send(end, bytes, sizeof bytes, MSG_NOSIGNAL);
        if (i % 8 == 0)
            recv(end, bytes, sizeof bytes, 0);
        close(end);
    }
    int slow[20];
    for (int i = 0; i < 20; i++)
        say(slow[i] = dial(), "GET /events");
    sleep(5);
    for (int i = 0; i < 20; i++)
        close(slow[i]);
}

int main(int argc, char *argv[])
{
    char part[1 << 16];
    if (argc < 3)
        return EXIT_FAILURE;
    port = atoi(argv[1]);
    if (strcmp(argv[2], "storm") == 0) {
        storm(argc > 3 ? atoi(argv[3]) : 1000);
        return EXIT_SUCCESS;
    }
    int end = dial();
    say(end, "GET /events");
    while (recv(end, part, sizeof part, 0) > 0) {
    }
    return EXIT_SUCCESS;
}
