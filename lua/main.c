/* main.c - the interpreter: options, signals, exit codes. It alone prints, exits, and handles signals.
 *
 * Signals. While Lua code runs, the first Ctrl-C (or SIGTERM) raises "interrupted!" in it, as the
 * stock lua does. A trainer holds that off (core.hold_interrupt(true)) and asks core.interrupted()
 * at the end of each move instead; when it has saved and lets go, the script ends there. The second
 * signal always kills; what a view has done to the terminal is undone before. The exit code is 128 + the
 * signal's number.
 *
 * Ranks. Where mpirun has started several processes, each runs the script, and rank 0's stdout is the only one. One
 * that ends by an error ends all. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "bind/bind.h"
#include "embed/embed.h"
#include "confined.h"
#include "ganlua.h"
#include "isolate.h"
#include "line.h"
#include "options.h"

/* ---- Signals ---- */

static lua_State *running;                  /* where a signal raises its error */
static volatile sig_atomic_t signal_number; /* the first that came, or 0 */
static volatile sig_atomic_t held;          /* a trainer will ask for it */
static char farewell[32];                   /* what the terminal is told before the second one kills */
static bool in_repl;
static bool may_talk;         /* Ctrl-C opens the REPL inside a run */
static bool ended_by_trainer; /* the run was saved: its end needs no traceback */

static void raise_interrupt(lua_State *L, lua_Debug *where)
{
    (void)where;
    lua_sethook(L, NULL, 0, 0);
    luaL_error(L, "interrupted!");
}

static void on_second_signal(int number)
{
    ssize_t written = write(STDOUT_FILENO, farewell, strlen(farewell));
    (void)written;
    signal(number, SIG_DFL);
    raise(number); /* as soon as this returns */
}

static void on_signal(int number)
{
    signal(SIGINT, on_second_signal);
    signal(SIGTERM, on_second_signal);
    signal_number = number;
    if (!held && running)
        lua_sethook(running, raise_interrupt, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

/* Takes signals up: flags says whether system calls that wait are restarted (SA_RESTART) or left. */
static void catch_signals(int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void leave_signals(void)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

/* What core.interrupted() answers. */
static const char *poll_interrupt(void *user)
{
    (void)user;
    return signal_number == 0 ? NULL : signal_number == SIGINT ? "INT" : "TERM";
}

/* core.hold_interrupt(on): on while a trainer watches core.interrupted(). In a script, letting go
 * after a signal ends the script; in the REPL it goes on, so that the run can be looked at. */
static int hold_interrupt(lua_State *L)
{
    held = lua_toboolean(L, 1);
    if (held || signal_number == 0 || in_repl || ended_by_trainer)
        return 0;
    ended_by_trainer = true;
    lua_pushliteral(L, "interrupted");
    return lua_error(L);
}

/* core.take_interrupt(name): another rank was sent this signal, and all end by it. */
static int take_interrupt(lua_State *L)
{
    if (signal_number == 0)
        on_signal(strcmp(luaL_checkstring(L, 1), "INT") == 0 ? SIGINT : SIGTERM);
    return 0;
}

/* core.at_kill(text): what undoes what the terminal was told; "" where nothing is left to undo. At most 31 bytes. */
static int at_kill(lua_State *L)
{
    const char *text = luaL_checkstring(L, 1);
    luaL_argcheck(L, strlen(text) < sizeof farewell, 1, "too long");
    strcpy(farewell, text);
    return 0;
}

/* ---- Running Lua ---- */

/* How long the other ranks leave rank 0 to report an error that all have, in microseconds. */
enum { RANK_0_FIRST = 500000 };

static void report(const char *message)
{
    fflush(stdout);
    ganlua_start start = ganlua_started();
    if (start.rank > 0) { /* what all ranks have to say is said once: rank 0 ends the others by an error */
        if (ended_by_trainer)
            return;
        usleep(RANK_0_FIRST);
        fprintf(stderr, "ganlua: rank %d: %s\n", start.rank, message);
        return;
    }
    fprintf(stderr, "ganlua: %s\n", message);
}

/* Message handler: any error value becomes text with a traceback, if it does not bring its own. */
static int explain(lua_State *L)
{
    const char *message = luaL_tolstring(L, 1, NULL);
    if (!ended_by_trainer && !strstr(message, "\nstack traceback:\n"))
        luaL_traceback(L, L, message, 1);
    return 1;
}

/* lua_pcall with tracebacks and signals. */
static int call(lua_State *L, int arguments, int results)
{
    int base = lua_gettop(L) - arguments;
    lua_pushcfunction(L, explain);
    lua_insert(L, base);
    running = L;
    signal_number = 0;
    catch_signals(SA_RESTART);
    int status = lua_pcall(L, arguments, results, base);
    leave_signals();
    running = NULL;
    held = 0;
    lua_sethook(L, NULL, 0, 0); /* a signal may have come after the last instruction */
    lua_remove(L, base);
    return status;
}

/* Reports and pops the error of a failed load or call; true when there was none. */
static bool succeeded(lua_State *L, int status)
{
    if (status == LUA_OK)
        return true;
    const char *message = lua_tostring(L, -1);
    report(message ? message : "(error message is not a string)");
    lua_pop(L, 1);
    return false;
}

static bool run_string(lua_State *L, const char *code, const char *name)
{
    int status = luaL_loadbuffer(L, code, strlen(code), name);
    return succeeded(L, status == LUA_OK ? call(L, 0, 0) : status);
}

/* Runs a script (NULL: stdin) with the arguments arg[1], arg[2], ... of the global table. */
static bool run_script(lua_State *L, const char *path, int count)
{
    int status = luaL_loadfile(L, path);
    if (status == LUA_OK) {
        luaL_checkstack(L, count + 3, "too many arguments to script");
        lua_getglobal(L, "arg");
        int arg = lua_gettop(L);
        for (int i = 1; i <= count; i++)
            lua_geti(L, arg, i);
        lua_remove(L, arg);
        status = call(L, count, 0);
    }
    return succeeded(L, status);
}

/* Pushes a function of a module of ganlua's; false after an error was reported. */
static bool push_function(lua_State *L, const char *module, const char *name)
{
    const char *const modules[] = {"ganlua", module}; /* the first brings the second */
    for (int i = 0; i < 2; i++) {
        lua_getglobal(L, "require");
        lua_pushstring(L, modules[i]);
        if (!succeeded(L, call(L, 1, 1)))
            return false;
    }
    lua_getfield(L, -1, name);
    return true;
}

/* Says which settings of the command line the script has not asked for. */
static void tell_unasked(lua_State *L)
{
    if (push_function(L, "ganlua.unasked", "warning") && succeeded(L, call(L, 0, 1)) && lua_isstring(L, -1))
        report(lua_tostring(L, -1));
    lua_settop(L, 0);
}

/* Runs a script for all combinations of what --sweep says: ganlua.sweep's shell(script, {NAME=VALUES, ...}). */
static bool run_sweep(lua_State *L, const char *path, const options *options)
{
    if (!push_function(L, "ganlua.sweep", "shell"))
        return false;
    lua_pushstring(L, path);
    lua_createtable(L, options->sweep_count, 0);
    for (int i = 0; i < options->sweep_count; i++) {
        lua_pushstring(L, options->sweeps[i]);
        lua_rawseti(L, -2, i + 1);
    }
    bool fine = succeeded(L, call(L, 2, 1));
    if (fine && lua_isstring(L, -1)) {
        report(lua_tostring(L, -1));
        fine = false;
    }
    lua_settop(L, 0);
    return fine;
}

/* Shows the runs in a folder until Ctrl-C: ganlua.view.folder's shell(path). *shown says whether it was a folder; false
 * after an error was reported. */
static bool show_folder(lua_State *L, const char *path, bool *shown)
{
    if (!push_function(L, "ganlua.view.folder", "shell"))
        return false;
    lua_pushstring(L, path);
    bool fine = succeeded(L, call(L, 1, 1));
    *shown = fine && lua_toboolean(L, -1);
    lua_settop(L, 0);
    return fine;
}

/* ---- Ranks ---- */

/* What does not go with several ranks; NULL: all does. */
static const char *not_for_ranks(const options *options, int argc)
{
    return options->config.sandbox                              ? "--sandbox"
           : options->interactive                               ? "-i"
           : options->script >= argc && !options->actions->kind ? "the REPL"
                                                                : NULL;
}

/* Reaches the other ranks where there are some; false after an error was reported. */
static bool begin_ranks(lua_State *L)
{
    if (ganlua_started().size == 1)
        return true;
    bool fine = push_function(L, "ganlua.ranks", "many");
    lua_settop(L, 0);
    return fine;
}

/* -l MOD or -l G=MOD */
static bool load_module(lua_State *L, const char *what)
{
    const char *equals = strchr(what, '=');
    const char *module = equals ? equals + 1 : what;
    lua_pushlstring(L, what, equals ? (size_t)(equals - what) : strcspn(what, "-"));
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    int status = call(L, 1, 1);
    if (status == LUA_OK)
        lua_setglobal(L, lua_tostring(L, -2));
    bool fine = succeeded(L, status);
    lua_settop(L, 0);
    return fine;
}

static bool run_init(lua_State *L)
{
    const char *name = "=LUA_INIT_5_4";
    const char *init = getenv(name + 1);
    if (!init) {
        name = "=LUA_INIT";
        init = getenv(name + 1);
    }
    if (!init)
        return true;
    return init[0] == '@' ? run_script(L, init + 1, 0) : run_string(L, init, name);
}

/* ---- Warnings: "@on" and "@off" steer, the rest is printed when on ---- */

static bool warnings_on, warning_goes_on;

static void warn(void *user, const char *message, int to_be_continued)
{
    (void)user;
    if (!warning_goes_on && !to_be_continued && message[0] == '@') {
        if (strcmp(message, "@on") == 0)
            warnings_on = true;
        else if (strcmp(message, "@off") == 0)
            warnings_on = false;
        return;
    }
    if (warnings_on)
        fprintf(stderr, "%s%s%s", warning_goes_on ? "" : "ganlua: warning: ", message, to_be_continued ? "" : "\n");
    warning_goes_on = to_be_continued;
}

/* ---- The REPL ---- */

/* host.call(f) -> true, results of f; or false, message: f with Ctrl-C and tracebacks. */
static int protected_call(lua_State *L)
{
    lua_settop(L, 1);
    int status = call(L, 0, LUA_MULTRET);
    lua_pushboolean(L, status == LUA_OK);
    lua_insert(L, 1);
    return lua_gettop(L);
}

/* host.read_line, with Ctrl-C throwing the line away and SIGTERM ending the input. */
static int read_line_with_signals(lua_State *L)
{
    signal_number = 0;
    catch_signals(0);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 1, 1);
    leave_signals();
    if (signal_number == SIGTERM)
        lua_pushnil(L);
    return 1;
}

/* host.sources() -> the texts of the embedded modules by chunk name, "@ganlua/loss.lua". */
static int list_sources(lua_State *L)
{
    lua_newtable(L);
    for (const struct ganlua_source *source = ganlua_sources; source->module; source++) {
        lua_pushlstring(L, source->text, source->length);
        lua_setfield(L, -2, source->chunk);
    }
    return 1;
}

/* Pushes ganlua.repl's run and its host table; false after an error was reported. */
static bool push_repl(lua_State *L)
{
    if (!push_function(L, "ganlua.repl", "run"))
        return false;
    lua_newtable(L);
    line_open(L);
    lua_getfield(L, -1, "read_line");
    lua_pushcclosure(L, read_line_with_signals, 1);
    lua_setfield(L, -2, "read_line");
    lua_pushcfunction(L, protected_call);
    lua_setfield(L, -2, "call");
    lua_pushcfunction(L, list_sources);
    lua_setfield(L, -2, "sources");
    return true;
}

static bool run_repl(lua_State *L)
{
    in_repl = true;
    if (!push_repl(L))
        return false;
    /* Not through call(): the REPL's own code is not what Ctrl-C is for. */
    return succeeded(L, lua_pcall(L, 1, 0, 0));
}

/* core.talk(f) -> whether to go on: the REPL inside a run that holds Ctrl-C off; f(text) is called before a text that was
 * typed is run. When it is left by another Ctrl-C, that one counts as the first. */
static int talk(lua_State *L)
{
    lua_State *outer = running;
    lua_settop(L, 1);
    bool go_on = false;
    held = 0; /* Ctrl-C interrupts what is typed */
    if (push_repl(L)) {
        lua_pushvalue(L, 1);
        lua_setfield(L, -2, "inside");
        go_on = succeeded(L, lua_pcall(L, 1, 1, 0)) && lua_toboolean(L, -1);
    }
    running = outer;
    held = 1;
    signal_number = go_on ? 0 : SIGINT;
    catch_signals(SA_RESTART);
    lua_pushboolean(L, go_on);
    return 1;
}

/* ---- The program ---- */

/* require "ganlua" in the interpreter: the module, whose core can hold interrupts off. */
static int open_ganlua(lua_State *L)
{
    lua_pushcfunction(L, luaopen_ganlua);
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 1);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    if (lua_getfield(L, -1, "ganlua.core") == LUA_TTABLE) {
        lua_pushcfunction(L, hold_interrupt);
        lua_setfield(L, -2, "hold_interrupt");
        lua_pushcfunction(L, take_interrupt);
        lua_setfield(L, -2, "take_interrupt");
        lua_pushcfunction(L, at_kill);
        lua_setfield(L, -2, "at_kill");
        if (may_talk) {
            lua_pushcfunction(L, talk);
            lua_setfield(L, -2, "talk");
        }
    }
    lua_settop(L, 1);
    return 1;
}

static void add_preloads(lua_State *L)
{
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, open_ganlua);
    lua_setfield(L, -2, "ganlua");
    lua_pop(L, 1);
}

/* arg[0] is the script (without one, the program), what follows it arg[1] ..., what precedes it has
 * negative places. */
static void publish_arguments(lua_State *L, const options *options, int argc, char *argv[])
{
    int script = options->script < argc ? options->script : 0;
    lua_createtable(L, argc - script - 1, script + 1);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i - script);
    }
    lua_setglobal(L, "arg");
}

/* package.loaded["ganlua.settings"].view = {port=, host=, token=} or "terminal": see ganlua.view. */
static int publish_view(lua_State *L)
{
    const options *options = lua_touserdata(L, 1);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "ganlua.settings");
    if (options->view_terminal) {
        lua_pushliteral(L, "terminal");
    } else {
        lua_createtable(L, 0, 3);
        if (options->view_port >= 0) {
            lua_pushinteger(L, options->view_port);
            lua_setfield(L, -2, "port");
        }
        lua_pushstring(L, options->view_host);
        lua_setfield(L, -2, "host");
        lua_pushstring(L, options->view_token);
        lua_setfield(L, -2, "token");
    }
    lua_setfield(L, -2, "view");
    return 0;
}

/* Tells the state's Lua what --view says; false after an error was reported. */
static bool tell_view(lua_State *L, const options *options)
{
    lua_pushcfunction(L, publish_view);
    lua_pushlightuserdata(L, (void *)options);
    return succeeded(L, lua_pcall(L, 1, 0, 0));
}

static void print_version(bool lua_too)
{
    puts("ganlua " GANLUA_VERSION);
    if (lua_too)
        puts(LUA_COPYRIGHT);
    fflush(stdout);
}

/* Does what the command line says; false after an error was reported or a signal came. */
static bool run_all(lua_State *L, const options *options, int argc, char *argv[])
{
    publish_arguments(L, options, argc, argv);
    if (options->warnings)
        lua_warning(L, "@on", 0);
    if (!options->config.ignore_environment && !run_init(L))
        return false;
    for (const option_action *action = options->actions; action->kind; action++) {
        bool fine =
            action->kind == 'e' ? run_string(L, action->value, "=(command line)") : load_module(L, action->value);
        if (!fine || signal_number)
            return false;
    }
    if (options->script < argc) {
        const char *path = argv[options->script];
        bool from_stdin = strcmp(path, "-") == 0 && strcmp(argv[options->script - 1], "--") != 0;
        if (options->sweep_count)
            return run_sweep(L, path, options);
        bool shown = false;
        if (options->view && !from_stdin && !show_folder(L, path, &shown))
            return false;
        if (shown)
            return true;
        if (!run_script(L, from_stdin ? NULL : path, argc - options->script - 1) || signal_number)
            return false;
        if (options->settings[0] && !options->config.sandbox)
            tell_unasked(L);
    } else if (!options->interactive && !options->version && !options->actions->kind) {
        if (!isatty(STDIN_FILENO))
            return run_script(L, NULL, 0);
        print_version(true);
        puts("?gan shows what there is, Tab completes, Ctrl-D leaves.");
        return run_repl(L);
    }
    return options->interactive ? run_repl(L) : true;
}

struct program {
    const options *options;
    int argc;
    char **argv;
    bool fine;
};

static int run_program(lua_State *L)
{
    struct program *program = lua_touserdata(L, 1);
    lua_settop(L, 0);
    ganlua_set_interrupt_poll(L, poll_interrupt, NULL);
    add_preloads(L);
    if (!begin_ranks(L))
        return 0;
    may_talk = program->options->interactive || (program->options->config.live && isatty(STDIN_FILENO));
    program->fine = run_all(L, program->options, program->argc, program->argv);
    return 0;
}

/* ---- The sandbox ---- */

static void print_log(void *user, const char *text, size_t length)
{
    (void)user;
    fwrite(text, 1, length, stdout);
    fflush(stdout);
}

static int run_sandbox(ganlua *gl, const options *options, int argc, char *argv[])
{
    int came = 0;
    const char *failed = options->isolate ? isolate_lock(options, argc, argv) : NULL;
    if (failed) {
        fprintf(stderr, "ganlua: --isolate: the system does not do this: %s (%s)\n", failed, strerror(errno));
        return EXIT_FAILURE;
    }
    ganlua_on_log(gl, print_log, NULL);
    int status = confined_run(gl, options, argc, argv, &came);
    if (status != GANLUA_OK && !came)
        report(ganlua_error(gl));
    return came ? 128 + came : status == GANLUA_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char *argv[])
{
    options options;
    if (!options_parse(&options, argc, argv)) {
        fprintf(stderr, "ganlua: %s\n%sTry 'ganlua --help' for the options.\n", options.error, OPTIONS_USAGE);
        return EXIT_FAILURE;
    }
    if (options.help) {
        printf("%s%s", OPTIONS_USAGE, OPTIONS_HELP);
        return EXIT_SUCCESS;
    }
    if (options.version) {
        print_version(!options.version_only);
        if (options.version_only)
            return EXIT_SUCCESS;
    }

    if (options.isolate) {
        char why[200];
        int code = isolate_begin(&options, argc, why);
        if (code >= 0) {
            if (*why)
                report(why);
            options_free(&options);
            return code;
        }
    }
    const char *refused = ganlua_started().size > 1 ? not_for_ranks(&options, argc) : NULL;
    if (refused) {
        fprintf(stderr, "ganlua: %s does not go with several ranks (mpirun has started %d)\n", refused,
                ganlua_started().size);
        return EXIT_FAILURE;
    }
    if (ganlua_started().rank > 0 && !freopen("/dev/null", "w", stdout))
        return EXIT_FAILURE;
    options.config.blas_threads = 1; /* the process is ours: the engine splits the work itself */
    ganlua *gl = ganlua_open(&options.config);
    if (!gl) {
        if (errno == ENOMEM || !options.config.sandbox)
            report("not enough memory to start");
        else
            fprintf(stderr, "ganlua: --folder %s: %s\n", options.config.folder, strerror(errno));
        return EXIT_FAILURE;
    }
    if (options.view && !tell_view(ganlua_state(gl), &options)) {
        ganlua_close(gl);
        options_free(&options);
        return EXIT_FAILURE;
    }
    if (options.config.sandbox) {
        int code = run_sandbox(gl, &options, argc, argv);
        ganlua_close(gl);
        options_free(&options);
        return code;
    }
    lua_State *L = ganlua_state(gl);
    lua_setwarnf(L, warn, NULL);
    struct program program = {&options, argc, argv, false};
    lua_pushcfunction(L, run_program);
    lua_pushlightuserdata(L, &program);
    if (!succeeded(L, lua_pcall(L, 1, 0, 0)))
        program.fine = false;
    if (!program.fine && !signal_number)
        ganlua_abort_ranks(L, EXIT_FAILURE);
    ganlua_close(gl);
    options_free(&options);
    if (signal_number)
        return 128 + signal_number;
    return program.fine ? EXIT_SUCCESS : EXIT_FAILURE;
}
