/* isolate.c - the process of --isolate: rlimits, Landlock, seccomp, and a parent that waits with a clock.
 *
 * 1. The process is made before anything is opened, and locked when all is: then it has one thread, whose confinement the
 *    later ones inherit.
 * 2. seccomp's list names what is allowed; anything else is refused with EPERM. It cannot look at paths: Landlock does,
 *    where the kernel has it (5.13), and the gate (core/io/gate.c) everywhere.
 * 3. What the limits inside do not end, the parent kills. */
#include "isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/seccomp.h>

/* ---- The parent ---- */

/* Seconds that the process gets beyond its scripts' time limits, to start and to save. */
enum { GRACE = 2 };

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Most seconds that all scripts of the command line may take together; 0: no limit. */
static double most_seconds(const options *options, int argc)
{
    int count = options->script < argc || !options->actions->kind;
    for (const option_action *action = options->actions; action->kind; action++)
        count++;
    double seconds = options->config.time_limit * count;
    return seconds > 0 && seconds < 1e8 ? seconds + GRACE : 0;
}

/* Waits until the process ends; kills it when its time is up, and tells whether that was so. */
static bool wait_for(pid_t process, const sigset_t *signals, double seconds, int *status)
{
    double end = now() + seconds;
    bool killed = false;
    while (waitpid(process, status, WNOHANG) == 0) {
        double left = seconds > 0 ? end - now() : 3600;
        if (left <= 0) {
            kill(process, SIGKILL);
            killed = true;
            left = 3600;
        }
        siginfo_t info;
        int number = sigtimedwait(signals, &info, &(struct timespec){(time_t)left, (long)(fmod(left, 1) * 1e9)});
        if (number > 0 && number != SIGCHLD && info.si_code != SI_KERNEL) /* a terminal has told both */
            kill(process, number);
    }
    return killed;
}

int isolate_begin(const options *options, int argc, char why[200])
{
    why[0] = 0;
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    fflush(NULL);
    pid_t parent = getpid(), process = fork();
    if (process < 0) {
        snprintf(why, 200, "no process for --isolate: %s", strerror(errno));
        return 1;
    }
    if (process == 0) {
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            kill(getpid(), SIGKILL);
        return -1;
    }
    int status = 0;
    bool killed = wait_for(process, &signals, most_seconds(options, argc), &status);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    int number = WTERMSIG(status);
    if (killed)
        snprintf(why, 200, "the isolated process was killed: it did not end within %g s", most_seconds(options, argc));
    else if (number != SIGINT && number != SIGTERM)
        snprintf(why, 200, "the isolated process was ended by the system: %s",
                 number == SIGXCPU ? "it used more processor time than its time limit allows" : strsignal(number));
    return 128 + number;
}

/* ---- Limits ---- */

static bool limit(int what, double amount)
{
    rlim_t most = (rlim_t)amount;
    return setrlimit(what, &(struct rlimit){most, most}) == 0;
}

/* Bytes of address space in use. */
static double address_space(void)
{
    double pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%lf", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (double)sysconf(_SC_PAGESIZE);
}

static bool set_limits(const options *options, int argc)
{
    const ganlua_config *config = &options->config;
    double threads = config->threads > 0 ? config->threads : (double)sysconf(_SC_NPROCESSORS_ONLN);
    double memory = config->memory_limit ? (double)config->memory_limit : 512e6;
    double used = address_space(), seconds = most_seconds(options, argc);
    /* A thread takes its stack, and malloc's heap of its own, whether it uses them or not. */
    bool set = used == 0 || limit(RLIMIT_AS, used + 2 * memory + threads * 160e6 + 256e6);
    set = (seconds == 0 || limit(RLIMIT_CPU, ceil(seconds) * threads + 1)) && set;
    return limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, 64) && limit(RLIMIT_FSIZE, 4e9) && set;
}

/* ---- Landlock ---- */

#define READ_AND_WRITE                                                                                                 \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_DIR |                      \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG)
#define FIRST_VERSION 0x1fffull    /* all that the first version of Landlock handles */
#define TRUNCATE      (1ull << 14) /* since the third; LANDLOCK_ACCESS_FS_TRUNCATE of newer headers */

static bool allow(int rules, const char *path, uint64_t what)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    struct landlock_path_beneath_attr below = {.allowed_access = what, .parent_fd = fd};
    bool allowed = fd >= 0 && syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &below, 0) == 0;
    if (fd >= 0)
        close(fd);
    return allowed;
}

/* False only where the kernel has Landlock and it fails. */
static bool lock_files(const char *folder, const char *script)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1)
        return true;
    uint64_t more = version >= 3 ? TRUNCATE : 0;
    struct landlock_ruleset_attr handled = {.handled_access_fs = FIRST_VERSION | more};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    if (rules < 0)
        return false;
    bool locked = allow(rules, folder, READ_AND_WRITE | more);
    if (script)
        allow(rules, script, LANDLOCK_ACCESS_FS_READ_FILE); /* that it is not there is told when it is run */
    locked = locked && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    close(rules);
    return locked;
}

/* ---- seccomp ---- */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifdef ARCHITECTURE

static const int ALLOWED[] = {
    /* files that are open, and opening them */
    SYS_read,
    SYS_write,
    SYS_readv,
    SYS_writev,
    SYS_pread64,
    SYS_pwrite64,
    SYS_close,
    SYS_lseek,
    SYS_fstat,
    SYS_newfstatat,
    SYS_openat,
    SYS_mkdirat,
    SYS_unlinkat,
    SYS_renameat,
    SYS_renameat2,
    SYS_ftruncate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_fchmod,
    SYS_flock,
    SYS_fcntl,
    SYS_getdents64,
    SYS_ioctl,
    SYS_fadvise64,
    /* memory */
    SYS_brk,
    SYS_mmap,
    SYS_munmap,
    SYS_mremap,
    SYS_mprotect,
    SYS_madvise,
    /* threads and time */
    SYS_futex,
    SYS_clock_gettime,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_nanosleep,
    SYS_gettimeofday,
    SYS_getpid,
    SYS_gettid,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_exit,
    SYS_exit_group,
    SYS_restart_syscall,
    SYS_getrandom,
    SYS_getrusage,
    SYS_sysinfo,
    /* signals */
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_rt_sigtimedwait,
    SYS_sigaltstack,
#ifdef __x86_64__
    SYS_pause,
    SYS_time,
    SYS_getdents,
    SYS_mkdir,
    SYS_rename,
    SYS_unlink,
    SYS_stat,
    SYS_lstat,
#else
    SYS_ppoll,
#endif
};
enum { COUNT = sizeof ALLOWED / sizeof ALLOWED[0], FIXED = 12 };

#define LOAD(field)                                                                                                    \
    (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, field))
/* Where the loaded word is that, the next statement, else the one after it. */
#define IF(value)           (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)(value), 0, 1)
#define IF_HAS(bits)        (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (unsigned)(bits), 0, 1)
#define ANSWER(what)        (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, (unsigned)(what))
#define REFUSE_WITH(number) ANSWER(SECCOMP_RET_ERRNO | (number))

static bool lock_calls(void)
{
    struct sock_filter program[FIXED + 2 * COUNT];
    unsigned short length = 0;
    program[length++] = LOAD(arch);
    program[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    program[length++] = ANSWER(SECCOMP_RET_KILL_PROCESS);
    program[length++] = LOAD(nr);
    for (int i = 0; i < COUNT; i++) {
        program[length++] = IF(ALLOWED[i]);
        program[length++] = ANSWER(SECCOMP_RET_ALLOW);
    }
    program[length++] = IF(SYS_clone3); /* its flags lie where nothing can look: the C library takes clone then */
    program[length++] = REFUSE_WITH(ENOSYS);
    program[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3);
    program[length++] = LOAD(args[0]);
    program[length++] = IF_HAS(CLONE_THREAD);
    program[length++] = ANSWER(SECCOMP_RET_ALLOW);
    program[length++] = REFUSE_WITH(EPERM);
    struct sock_fprog filter = {length, program};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) == 0 ||
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

#else

static bool lock_calls(void)
{
    errno = ENOSYS;
    return false;
}

#endif

const char *isolate_lock(const options *options, int argc, char *argv[])
{
    const char *script = options->script < argc ? argv[options->script] : NULL;
    if (!set_limits(options, argc))
        return "resource limits";
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0)
        return "giving up privileges";
    if (!lock_files(options->config.folder, script))
        return "Landlock";
    return lock_calls() ? NULL : "seccomp";
}
