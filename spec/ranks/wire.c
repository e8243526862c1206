/* wire.c - several hosts on one machine: network namespaces whose packets pass through this program, which is their
 * switch: it delays them, and lets through so many bits a second, as a network between machines does. (Linux's own
 * `tc netem` does the like, but is missing from many kernels.)
 *
 *     wire NAMES DELAY MBITS       NAMES: names of namespaces that exist (ip netns add), with commas between
 *
 * Each gets an interface "wire0", for whose address the caller sees. DELAY: milliseconds one way. MBITS: Mbit/s of
 * each host's link, in each direction. Needs root. It says "ready", and ends with its standard input, which takes
 * lines: "cut NAME" loses all packets from and to a host, "join NAME" no longer does. spec/ranks/hosts.sh starts it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { MOST_HOSTS = 64, FRAME = 16384, QUEUE = 2048 }; /* hosts, bytes of a frame, frames that wait for a host */

struct frame {
    int64_t due; /* nanoseconds of the clock at which its last bit is there */
    int size;
    unsigned char bytes[FRAME];
};

struct host {
    char name[64];
    int fd;
    bool cut;
    unsigned char address[6]; /* learned from what it sends */
    int64_t sent, received;   /* until when its link is busy, in each direction */
    struct frame *queue;      /* a ring of frames on their way to it, by due */
    unsigned first, count;
};

static struct host hosts[MOST_HOSTS];
static int host_count;
static int64_t delay;       /* nanoseconds */
static double nanos_a_byte; /* of a link */

static void die(const char *what, const char *which)
{
    fprintf(stderr, "wire: %s %s: %s\n", what, which, strerror(errno));
    exit(1);
}

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* An interface in a namespace, which this process can use from its own. */
static int open_interface(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "/var/run/netns/%s", name);
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there = open(path, O_RDONLY | O_CLOEXEC);
    if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) != 0)
        die("cannot enter the namespace", name);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    strcpy(request.ifr_name, "wire0");
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0)
        die("cannot make an interface in", name);
    if (setns(home, CLONE_NEWNET) != 0)
        die("cannot come back from", name);
    close(home);
    close(there);
    return fd;
}

/* A frame on its way: the sender's link takes its time, the way its delay, the receiver's link its own. */
static void carry(struct host *from, struct host *to, const unsigned char *bytes, int size)
{
    if (from->cut || to->cut || to->count == QUEUE)
        return;
    int64_t takes = (int64_t)(size * nanos_a_byte);
    int64_t start = from->sent > now() ? from->sent : now();
    int64_t there = start + takes + delay;
    if (there < to->received + takes)
        there = to->received + takes;
    to->received = there;
    struct frame *f = &to->queue[(to->first + to->count++) % QUEUE];
    f->due = there;
    f->size = size;
    memcpy(f->bytes, bytes, (size_t)size);
}

static void receive(struct host *from)
{
    unsigned char bytes[FRAME];
    int size;
    while ((size = (int)read(from->fd, bytes, sizeof bytes)) >= 14) {
        memcpy(from->address, bytes + 6, 6);
        for (struct host *to = hosts; to < hosts + host_count; to++)
            if (to != from && (bytes[0] & 1 || memcmp(to->address, bytes, 6) == 0))
                carry(from, to, bytes, size);
        int64_t start = from->sent > now() ? from->sent : now();
        from->sent = start + (int64_t)(size * nanos_a_byte);
    }
}

/* Hands over what is due. Returns when the next frame is, or INT64_MAX. */
static int64_t deliver(void)
{
    int64_t next = INT64_MAX;
    for (struct host *to = hosts; to < hosts + host_count; to++) {
        struct frame *f;
        while (to->count && (f = &to->queue[to->first])->due <= now()) {
            if (!to->cut && write(to->fd, f->bytes, (size_t)f->size) < 0 && errno == EAGAIN)
                break;
            to->first = (to->first + 1) % QUEUE;
            to->count--;
        }
        if (to->count && to->queue[to->first].due < next)
            next = to->queue[to->first].due;
    }
    return next;
}

static void obey(char *line)
{
    char word[16], name[64];
    if (sscanf(line, "%15s %63s", word, name) != 2)
        return;
    for (struct host *h = hosts; h < hosts + host_count; h++)
        if (strcmp(h->name, name) == 0)
            h->cut = strcmp(word, "cut") == 0;
}

int main(int argc, char **argv)
{
    if (argc != 4 || strtod(argv[3], NULL) <= 0) {
        fprintf(stderr, "usage: wire NAME,NAME,... MILLISECONDS MBITS\n");
        return 2;
    }
    delay = (int64_t)(strtod(argv[2], NULL) * 1e6);
    nanos_a_byte = 8e3 / strtod(argv[3], NULL);
    struct pollfd polls[MOST_HOSTS + 1];
    for (char *name = strtok(argv[1], ","); name && host_count < MOST_HOSTS; name = strtok(NULL, ",")) {
        struct host *h = &hosts[host_count];
        snprintf(h->name, sizeof h->name, "%s", name);
        h->fd = open_interface(name);
        h->queue = calloc(QUEUE, sizeof *h->queue);
        if (!h->queue)
            die("no memory for", name);
        polls[host_count++] = (struct pollfd){.fd = h->fd, .events = POLLIN};
    }
    polls[host_count] = (struct pollfd){.fd = 0, .events = POLLIN};
    /* Packets must not wait for the programs that send them to leave a core; without the right to that, they may. */
    sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
    puts("ready");
    fflush(stdout);
    for (;;) {
        int64_t next = deliver(), wait = next == INT64_MAX ? 1000000000 : next - now();
        if (wait < 0)
            wait = 0;
        struct timespec t = {wait / 1000000000, wait % 1000000000};
        if (ppoll(polls, (nfds_t)host_count + 1, &t, NULL) <= 0)
            continue;
        for (int i = 0; i < host_count; i++)
            if (polls[i].revents & POLLIN)
                receive(&hosts[i]);
        if (polls[host_count].revents) {
            char line[256];
            ssize_t got = read(0, line, sizeof line - 1);
            if (got <= 0)
                return 0;
            line[got] = 0;
            for (char *rest, *each = strtok_r(line, "\n", &rest); each; each = strtok_r(NULL, "\n", &rest))
                obey(each);
        }
    }
}
