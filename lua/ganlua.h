/* ganlua.h - ganlua inside a C or C++ program.
 *
 *     ganlua_config config = GANLUA_CONFIG_INIT;
 *     config.memory_limit = 512u << 20;
 *     ganlua *gl = ganlua_open(&config);
 *     if (ganlua_run_file(gl, "train.lua", 0, NULL) != GANLUA_OK) fprintf(stderr, "%s\n", ganlua_error(gl));
 *     ganlua_close(gl);
 *
 * A ganlua is one Lua state with one engine context. Several may live in one process, each used by
 * one thread at a time. Nothing here prints, exits, or touches signals; what a script prints with
 * `print` goes to stdout, as in any Lua. */
#ifndef GANLUA_H
#define GANLUA_H

#include <stddef.h>
#include <stdint.h>

#define GANLUA_VERSION "0.1.0"

#if defined(__GNUC__)
#define GANLUA_API __attribute__((visibility("default")))
#else
#define GANLUA_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

struct lua_State;
typedef struct ganlua ganlua;

/* What the functions below return. */
enum {
    GANLUA_OK = 0,
    GANLUA_ERROR_SCRIPT = 1,    /* the script raised an error, or does not compile */
    GANLUA_ERROR_FILE = 2,      /* the script cannot be read */
    GANLUA_ERROR_MEMORY = 3,    /* Lua finds no memory; where a tensor finds none, the script gets an error */
    GANLUA_ERROR_LIMIT = 4,     /* the call used up config.instruction_limit or config.time_limit */
    GANLUA_ERROR_CANCELLED = 5, /* ganlua_cancel ended the call */
    GANLUA_ERROR_CAPACITY = 6,  /* what comes out has no room in the buffer that was given */
    GANLUA_MORE = 100,          /* ganlua_step: the script has not ended */
};

/* How exact products of matrices and convolutions are on a CPU with AMX; on others they are float32's. */
enum {
    GANLUA_PRECISION_DEFAULT = 0, /* a number in two parts of bf16, 16 bits together, sums in float32 */
    GANLUA_PRECISION_FLOAT32 = 1, /* float32 throughout: slower, AMX is not used */
    GANLUA_PRECISION_BF16 = 2,    /* numbers are rounded to bf16, 8 bits; sums in float32 */
};

/* Start from GANLUA_CONFIG_INIT and change what you need. `size` tells which version of this struct
 * the program was compiled with, so that fields can be added without breaking it. Strings are
 * copied. */
typedef struct ganlua_config {
    size_t size;                 /* sizeof(ganlua_config) */
    uint64_t seed;               /* of the tensors' random numbers and of math.random; 1 */
    size_t memory_limit;         /* most bytes that Lua and tensors may hold together; 0: no limit */
    int threads;                 /* threads that compute; 0: one per core */
    int blas_threads;            /* OpenBLAS's own threads, which are the whole process's; 0: left alone */
    int ignore_environment;      /* not 0: LUA_PATH and LUA_CPATH are not read */
    const char *out;             /* folder that runs are written to; NULL: "runs" */
    const char *const *settings; /* "NAME=VALUE" for gan.setting, a NULL after the last; NULL: none */
    int precision;               /* a GANLUA_PRECISION_... */
    int start_over;              /* not 0: gan.train never goes on with a run that was cut off */
    int live;                    /* not 0: gan.train takes up edits of the script while it runs */
    uint64_t instruction_limit;  /* most work that a call may do; 0: no limit. See "Limits" below */
    double time_limit;           /* most seconds that a call may take; 0: no limit */
    int sandbox;                 /* not 0: scripts that nobody trusts. See "The sandbox" below */
    const char *folder;          /* of the sandbox: the folder that its files lie in; NULL: there are no files */
} ganlua_config;
/* clang-format off */
#define GANLUA_CONFIG_INIT {sizeof(ganlua_config), 1, 0, 0, 0, 0, NULL, NULL, GANLUA_PRECISION_DEFAULT, 0, 0, 0, 0, 0, NULL}
/* clang-format on */

/* Limits. Each call of a function below that runs Lua may do so much work, and take so long; then it returns
 * GANLUA_ERROR_LIMIT, and the next one begins anew. Work is counted in Lua's instructions; what the engine computes
 * counts as the instructions that take about as long (512 operations of a product are one). The same script counts the
 * same on every machine; the time limit is the clock's. The error passes through pcall, coroutines and whatever else
 * catches errors: each instruction raises it again. A script that is not in the sandbox can take its hook away by
 * debug.sethook, or stay in a function of Lua's library that takes long: the limits are then no more than good advice. */

/* The sandbox is for scripts of people that the program does not trust. config.sandbox, memory_limit (512 MB where it is
 * 0), instruction_limit, time_limit and folder say what they may do.
 *
 * A script there finds an allow-list: Lua's base functions, string, table, math, utf8, coroutine, of os time, clock and
 * date, and `require "ganlua"`. There is no io, debug, package, dofile, loadfile or string.dump; load takes text;
 * collectgarbage only counts; __gc is refused; library tables, ganlua's too, and globals of their names are read-only, and
 * metatables are seen by who set them. Files are opened by ganlua alone, below config.folder: no "..", no absolute path,
 * no symbolic link is followed, wherever it points. A string is 512 kB long at most, a chunk 256 kB. The
 * limits hold: what takes long in Lua's library is counted and looks up, kernels look at the clock between pieces of work
 * and are counted before they begin, no coroutine is unwatched, nothing that a script does catches the limits' error. Lua
 * and tensors share memory_limit, and are charged before they get memory; garbage is collected before it is refused.
 *
 * What it cannot promise: It lives in the program's process, and is as sound as the Lua library, OpenBLAS and libpng that
 * are linked. A call ends within 200 ms of its time limit where memory_limit is 64 MB or so; with more, one collection or
 * one growing table takes as long as its size asks for, about a second a gigabyte. The instruction limit does not see
 * everything: comparing long strings and walking emptied tables count as the few instructions that they are, so set
 * time_limit too. Decoding one picture or one JSON text, and fsync, are waited for. Memory that libpng, libjpeg, zlib and
 * jansson take while they read is not counted, nor is the disk that files take. A print to a pipe that nobody reads waits. Hard links and mounts below folder are the program's doing.
 * Scripts of one ganlua share its globals, and objects that they hand each other: give each author a ganlua. A global
 * that the program sets must not have the name of a library's. What is to be confined by the system needs a process:
 * `ganlua --sandbox --isolate` has one. In a lua_State of the program's own (luaopen_ganlua) there is neither sandbox
 * nor limits, and a cap counts tensors only: the state keeps its allocator. */

/* Opens a state with Lua's standard libraries and ganlua, which a script takes up with
 * `require "ganlua"`. config may be NULL. Returns NULL only when out of memory, be it because
 * memory_limit leaves no room for an empty Lua (about 100 kB; half a megabyte in the sandbox), or where
 * config.folder is no folder: errno tells why. */
GANLUA_API ganlua *ganlua_open(const ganlua_config *config);

/* Runs a script. argc and argv are as main gets them: argv[0] names the program, argv[1] and on are
 * the script's arg[1] and on; argc may be 0. */
GANLUA_API int ganlua_run_file(ganlua *gl, const char *path, int argc, char *const argv[]);

/* Runs the Lua code in `code`: text, not a compiled chunk. */
GANLUA_API int ganlua_run_string(ganlua *gl, const char *code);

/* Runs `length` bytes of Lua code: text, which may hold zeros. name is what messages call it, "@x.lua" for a file's text or
 * "=x" for anything else; NULL: "buffer". */
GANLUA_API int ganlua_run_buffer(ganlua *gl, const char *code, size_t length, const char *name);

/* ---- In the program's own loop ---- */

/* Starts a script, of which nothing runs before the first ganlua_step: it is loaded only. What was started before and
 * has not ended is closed. Returns as ganlua_run_* does. Arguments are copied. */
GANLUA_API int ganlua_start_file(ganlua *gl, const char *path, int argc, char *const argv[]);
GANLUA_API int ganlua_start_string(ganlua *gl, const char *code);

/* Runs the started script to the end of its next move in gan.train: GANLUA_MORE; or to its own end: GANLUA_OK, then
 * and afterwards; or to an error, which ends it. A move that is made where the script cannot be left (in table.sort's
 * comparison, in a coroutine of the script's own) is not the end of a step; the schedules of gan.schedule can be left. A
 * coroutine.yield outside all of the script's coroutines ends a step too. The bytes that a run computes are those of
 * ganlua_run_file, whatever is sampled or called between steps, as long as that draws no random numbers itself. */
GANLUA_API int ganlua_step(ganlua *gl);

/* What ganlua itself says (gan.train's lines, a sweep's), whole lines most often; text ends with a 0. Until one is set,
 * nothing is said. Called in the thread that runs the script, inside the call; it may call nothing of gl but
 * ganlua_cancel and ganlua_memory. callback NULL: none. user is handed back. */
typedef void ganlua_log(void *user, const char *text, size_t length);
GANLUA_API void ganlua_on_log(ganlua *gl, ganlua_log *callback, void *user);

/* Where a run is, at the end of each iteration. Numbers that were not measured are NaN. */
typedef struct ganlua_progress {
    size_t size;       /* of this struct, in the library */
    int64_t iteration; /* from 1 */
    int64_t planned;   /* 0: not told by the schedule */
    int64_t images;    /* seen since the run started here */
    double d_loss, g_loss;
    double real, fake; /* mean scores */
    double accuracy;   /* share of scores on their right side of 0 */
} ganlua_progress;
typedef void ganlua_progress_callback(void *user, const ganlua_progress *progress);
/* As ganlua_on_log. */
GANLUA_API void ganlua_on_progress(ganlua *gl, ganlua_progress_callback *callback, void *user);

/* ---- Networks and functions ---- */

#define GANLUA_MAX_RANK 6

/* n samples of a network, in eval mode and without gradients: what the script gave to gan.publish(name, network,
 * {latent = size}), or with NULL the generator of the last run (its moving average where there is one). One that looks
 * at labels is published with the label that all its samples have, under a name for each, or its labels are drawn.
 * latent: n rows of numbers, or NULL for random ones, of a stream of their own. out: room for `capacity` floats, n times what
 * ganlua_sample_shape tells; else GANLUA_ERROR_CAPACITY, and out is as it was. */
GANLUA_API int ganlua_sample(ganlua *gl, const char *name, const float *latent, int64_t n, float *out, size_t capacity);

/* The shape of one sample, its rank, and how many numbers a latent has (0: the script draws them by a function, and only
 * NULL can be given for them). */
GANLUA_API int ganlua_sample_shape(ganlua *gl, const char *name, int64_t shape[GANLUA_MAX_RANK], int *rank,
                                   int64_t *latent);

enum { GANLUA_NIL = 0, GANLUA_NUMBER = 1, GANLUA_BOOLEAN = 2, GANLUA_STRING = 3, GANLUA_TENSOR = 4 };

/* A value that goes into a Lua function or comes out of one. The buffers are the program's. */
typedef struct ganlua_value {
    int type;        /* a GANLUA_ type; of a result, told by the library */
    double number;   /* also of a boolean: 0 or 1 */
    char *text;      /* a string, without need of a 0 at its end; results get one */
    float *data;     /* a tensor's numbers, the last dimension fastest */
    size_t length;   /* bytes in text, or floats in data: given with an argument, told of a result */
    size_t capacity; /* of a result: bytes in text (with the 0) or floats in data that there is room for */
    int rank;        /* of a tensor */
    int64_t shape[GANLUA_MAX_RANK]; /* of a tensor */
} ganlua_value;

/* Calls the Lua function of that name, dotted where it is in tables ("game.play"). Fewer results than asked for become
 * nil, more are dropped. GANLUA_ERROR_CAPACITY: a result has no room; all results' types, lengths and shapes are told,
 * and no buffer was written, but the function has run. GANLUA_ERROR_SCRIPT: it raised, is no function, or returned
 * something else than the types above. Arguments are only read. */
GANLUA_API int ganlua_call(ganlua *gl, const char *function, const ganlua_value *arguments, int argument_count,
                           ganlua_value *results, int result_count);

/* Ends the call that is running, or, when none is, the next one: it returns GANLUA_ERROR_CANCELLED. The one function
 * that any thread may call at any time between ganlua_open's return and ganlua_close. Long kernels end too, and so do
 * loops in Lua, in coroutines and inside pcall; a C function of Lua's that takes long (string.find) is waited for. A
 * script that replaces its hook by debug.sethook takes that from itself. Afterwards gl can be used as before. */
GANLUA_API void ganlua_cancel(ganlua *gl);

typedef struct ganlua_memory_info {
    size_t size;    /* sizeof(ganlua_memory_info), which the program sets */
    size_t live;    /* bytes that Lua and tensors hold now */
    size_t peak;    /* the most they held at once */
    size_t limit;   /* config.memory_limit; 0: none */
    size_t tensors; /* how many tensors are alive */
} ganlua_memory_info;

/* Tells what gl holds; info->size must be set. For the thread that uses gl. Cannot fail. */
GANLUA_API void ganlua_memory(const ganlua *gl, ganlua_memory_info *info);

/* What the last function above reported, with a traceback; "" when it returned GANLUA_OK. Valid
 * until the next call with this ganlua. Never NULL. */
GANLUA_API const char *ganlua_error(const ganlua *gl);

/* The Lua state, for calls of Lua's own C API. It belongs to gl: never lua_close it. */
GANLUA_API struct lua_State *ganlua_state(ganlua *gl);

/* Closes the state and frees everything. Accepts NULL. */
GANLUA_API void ganlua_close(ganlua *gl);

/* Opens the module in a Lua 5.4 state of the program's own:
 * luaL_requiref(L, "ganlua", luaopen_ganlua, 0). */
GANLUA_API int luaopen_ganlua(struct lua_State *L);

#ifdef __cplusplus
}
#endif

#endif
