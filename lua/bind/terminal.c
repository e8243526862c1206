/* terminal.c - asking the terminal what it can do. */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "bind.h"

/* Milliseconds from now until `end`, at least 0. */
static int left_until(struct timespec end)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long long left = (long long)(end.tv_sec - now.tv_sec) * 1000 + (end.tv_nsec - now.tv_nsec) / 1000000;
    return left > 0 ? (int)left : 0;
}

/* Writes the question and gathers what comes until `last` does, or the time is over; returns how much. */
static size_t talk(int fd, const char *question, size_t size, char last, int milliseconds, char *answer, size_t room)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += milliseconds / 1000;
    end.tv_nsec += milliseconds % 1000 * 1000000L;
    size_t count = 0;
    if (write(fd, question, size) != (ssize_t)size)
        return 0;
    while (count < room) {
        struct pollfd waits = {.fd = fd, .events = POLLIN};
        if (poll(&waits, 1, left_until(end)) <= 0 || read(fd, answer + count, 1) != 1)
            break;
        if (answer[count++] == last)
            break;
    }
    return count;
}

/* core.ask_terminal(question, last, seconds) -> what the terminal answers, up to the character `last`; nil where there
 * is none, or it does not belong to this process now, or it says nothing. */
static int ask_terminal(lua_State *L)
{
    size_t size, length;
    char answer[256];
    const char *question = ganlua_check_string(L, 1, "ask_terminal", "question", &size);
    const char *last = ganlua_check_string(L, 2, "ask_terminal", "last", &length);
    int milliseconds = (int)(ganlua_check_number(L, 3, "ask_terminal", "seconds") * 1000);
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return 0;
    struct termios before, quiet;
    size_t count = 0;
    if (tcgetpgrp(fd) == getpgrp() && tcgetattr(fd, &before) == 0) {
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        if (tcsetattr(fd, TCSANOW, &quiet) == 0) {
            count = talk(fd, question, size, *last, milliseconds, answer, sizeof answer);
            tcsetattr(fd, TCSANOW, &before);
        }
    }
    close(fd);
    if (count == 0)
        return 0;
    lua_pushlstring(L, answer, count);
    return 1;
}

static const luaL_Reg functions[] = {{"ask_terminal", ask_terminal}, {NULL, NULL}};

void ganlua_add_terminal(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
