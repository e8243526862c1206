/* intruder.c - what code of an attacker's own would try in the process of --isolate, for sandbox_spec.lua: LD_PRELOADed,
 * it tries all that at the first fsync, past ganlua's gate, and prints what came of it. INTRUDER=spin: it stays there. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static long landlock; /* its version; 0 or less: none */

__attribute__((constructor)) static void ask(void)
{
    landlock = syscall(444, NULL, 0, 1);
}

static void tell(const char *what, long result)
{
    char line[100];
    int length = snprintf(line, sizeof line, "%s: %s\n", what, result < 0 ? strerror(errno) : "done");
    if (write(STDOUT_FILENO, line, (size_t)length) != length)
        abort();
}

int fsync(int fd)
{
    static int calls;
    if (calls++)
        return (int)syscall(SYS_fsync, fd);
    const char *how = getenv("INTRUDER");
    while (how && strcmp(how, "spin") == 0)
        ;
    char *const arguments[] = {"true", NULL};
    struct rlimit limit = {1u << 30, 1u << 30};
    tell("fork", fork());
    tell("execve", execve("/bin/true", arguments, arguments + 1));
    tell("socket", socket(AF_INET, SOCK_STREAM, 0));
    tell("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
    tell("kill", syscall(SYS_kill, getppid(), 0));
    tell("setrlimit", setrlimit(RLIMIT_AS, &limit));
    tell("much memory",
         mmap(NULL, (size_t)1 << 40, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
    if (landlock > 0) {
        tell("read outside", open("/etc/passwd", O_RDONLY));
        tell("write outside", open("../more/made", O_WRONLY | O_CREAT, 0666));
        tell("link", symlinkat("/etc/passwd", AT_FDCWD, "files/link"));
    }
    return (int)syscall(SYS_fsync, fd);
}
