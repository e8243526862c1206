/* process.c - other processes, side by side: started, looked after, ended. They are spawned, never forked: nothing of
 * this process is in them. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bind.h"
#include "io/io.h"

extern char **environ;

/* The strings of the list at index as argv, in a userdata left on the stack; the list keeps them alive. */
static char **check_arguments(lua_State *L, int index)
{
    luaL_checktype(L, index, LUA_TTABLE);
    lua_Integer count = luaL_len(L, index);
    luaL_argcheck(L, count > 0, index, "no program");
    char **arguments = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *arguments, 0);
    for (lua_Integer i = 0; i < count; i++) {
        if (lua_geti(L, index, i + 1) != LUA_TSTRING)
            ganlua_error_at_user(L, "spawn: argument %d must be a string", (int)i + 1);
        arguments[i] = (char *)lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    arguments[count] = NULL;
    return arguments;
}

/* The environment of a process that is none of mpirun's, though this one may be; in a userdata left on the stack. */
static char **own_environment(lua_State *L)
{
    static const char *const theirs[] = {"OMPI_", "PMIX_", "PMI_", "MPI_LOCAL"};
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    char **variables = lua_newuserdatauv(L, (count + 1) * sizeof *variables, 0);
    for (size_t i = 0; i < count; i++) {
        bool is_own = true;
        for (size_t k = 0; k < sizeof theirs / sizeof *theirs; k++)
            is_own = is_own && strncmp(environ[i], theirs[k], strlen(theirs[k])) != 0;
        if (is_own)
            variables[kept++] = environ[i];
    }
    variables[kept] = NULL;
    return variables;
}

/* Spawns with nothing to read, both outputs going to the open file, and in a group of its own: Ctrl-C is for the process
 * that started it, which then ends it as it sees fit. */
static int spawn_into(pid_t *process, char **arguments, char **variables, int output)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int problem = posix_spawn_file_actions_init(&actions);
    if (problem)
        return problem;
    problem = posix_spawnattr_init(&attributes);
    if (problem) {
        posix_spawn_file_actions_destroy(&actions);
        return problem;
    }
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    problem = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!problem)
        problem = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (!problem)
        problem = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    if (!problem)
        problem = posix_spawnp(process, arguments[0], &actions, &attributes, arguments, variables);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return problem;
}

/* core.spawn({program, argument, ...}, path) -> process, or nil where a process that was spawned with this path still
 * lives, whoever started it. What it prints is the file at path, from its beginning. */
static int spawn(lua_State *L)
{
    const char *path = ganlua_check_string(L, 2, "spawn", "path", NULL);
    char **arguments = check_arguments(L, 1), **variables = own_environment(L);
    int output = gan_path_open(ganlua_context(L), path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (output < 0)
        ganlua_error_at_user(L, "spawn: cannot write %s: %s", path, gan_file_reason(ganlua_context(L), errno));
    if (flock(output, LOCK_EX | LOCK_NB) != 0) { /* the lock is the open file's: it lives as long as the process */
        close(output);
        lua_pushnil(L);
        return 1;
    }
    pid_t process = 0;
    int problem = ftruncate(output, 0) == 0 ? spawn_into(&process, arguments, variables, output) : errno;
    close(output);
    if (problem)
        ganlua_error_at_user(L, "spawn: cannot start %s: %s", arguments[0], strerror(problem));
    lua_pushinteger(L, process);
    return 1;
}

/* core.ended(process) -> nil while it lives, else "exit" and its code or "signal" and its number; asked once. */
static int ended(lua_State *L)
{
    int status = 0;
    pid_t process = (pid_t)ganlua_check_integer(L, 1, "ended", "process"), found;
    do
        found = waitpid(process, &status, WNOHANG);
    while (found < 0 && errno == EINTR);
    if (found == 0)
        return 0;
    bool killed = found > 0 && WIFSIGNALED(status);
    lua_pushstring(L, killed ? "signal" : "exit");
    lua_pushinteger(L, killed ? WTERMSIG(status) : found > 0 ? WEXITSTATUS(status) : -1);
    return 2;
}

/* core.terminate(process): asks it to end, by SIGTERM. */
static int terminate(lua_State *L)
{
    kill((pid_t)ganlua_check_integer(L, 1, "terminate", "process"), SIGTERM);
    return 0;
}

/* core.sleep(seconds): or until a signal comes. */
static int sleep_for(lua_State *L)
{
    double seconds = ganlua_check_number(L, 1, "sleep", "seconds"), whole = floor(seconds);
    struct timespec time = {.tv_sec = (time_t)whole, .tv_nsec = (long)((seconds - whole) * 1e9)};
    nanosleep(&time, NULL);
    return 0;
}

static const luaL_Reg functions[] = {
    {"spawn", spawn}, {"ended", ended}, {"terminate", terminate}, {"sleep", sleep_for}, {NULL, NULL}};

void ganlua_add_process(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
