/* ranks.c - the processes that mpirun has started, as Lua sees them: what the environment says of them, the part that
 * reaches the others (ganlua_mpi.so, loaded when there are any), and what they exchange. */
#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bind.h"
#include "mpi/part.h"

/* ---- The environment ---- */

/* A whole number in the first of these variables that has one; else otherwise. */
static int number_in(const char *const names[], int otherwise)
{
    for (int i = 0; names[i]; i++) {
        const char *text = getenv(names[i]);
        char *end;
        long number = text ? strtol(text, &end, 10) : -1;
        if (text && end != text && !*end && number >= 0 && number < 1 << 24)
            return (int)number;
    }
    return otherwise;
}

ganlua_start ganlua_started(void)
{
    /* Open MPI's, and those of MPICH and what comes from it. */
    static const char *const rank[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", NULL};
    static const char *const size[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", NULL};
    static const char *const local[] = {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", NULL};
    ganlua_start found = {number_in(rank, 0), number_in(size, 1), number_in(local, 1)};
    if (found.size < 2 || found.rank >= found.size)
        return (ganlua_start){0, 1, 1};
    return found;
}

/* Processors that this process may run on, and all of the machine's. */
static int cores_allowed(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static int cores_of_machine(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : (int)cores;
}

int ganlua_rank_threads(void)
{
    ganlua_start start = ganlua_started();
    if (start.size == 1)
        return 0;
    int each = cores_of_machine() / (start.local_size > 0 ? start.local_size : 1), allowed = cores_allowed();
    return each < 1 ? 1 : each < allowed ? each : allowed;
}

/* ---- The part ---- */

/* The folder of the program, or of the library that this is in. */
static bool folder_of(bool program, char *folder, size_t size)
{
    Dl_info info;
    if (program) {
        ssize_t length = readlink("/proc/self/exe", folder, size - 1);
        folder[length > 0 ? length : 0] = 0;
    } else {
        bool known = dladdr((void *)ganlua_started, &info) && info.dli_fname;
        snprintf(folder, size, "%s", known ? info.dli_fname : "");
    }
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = 0;
    return slash != NULL;
}

/* Loads ganlua_mpi.so: it lies beside the program or the library, or is installed where Lua's modules are. */
static void *load_part(char why[PART_WHY])
{
    static const char *const places[] = {"%s/ganlua_mpi.so", "%s/../" GANLUA_PARTS "/ganlua_mpi.so"};
    char folder[2048], path[2200];
    for (int program = 1; program >= 0; program--)
        for (int i = 0; i < 2 && folder_of(program, folder, sizeof folder); i++) {
            snprintf(path, sizeof path, places[i], folder);
            void *part = dlopen(path, RTLD_NOW | RTLD_LOCAL);
            if (part)
                return part;
            const char *problem = dlerror();
            if (problem && !strstr(problem, "cannot open shared object file: No such file"))
                snprintf(why, PART_WHY, "%s", problem);
        }
    return NULL;
}

/* core.start_ranks() -> rank, size: reaches the other processes that mpirun has started. Nothing where there are none.
 * Raises where they cannot be reached. */
static int start_ranks(lua_State *L)
{
    gan_context *ctx = ganlua_context(L);
    ganlua_start start = ganlua_started();
    if (start.size == 1)
        return 0;
#ifdef GAN_DOUBLE
    ganlua_error_at_user(L, "ganlua: the build in double precision computes in one process");
#endif
    if (gan_ranks_of(ctx)->size == 0) {
        char why[PART_WHY] = "ganlua was built without MPI (Debian: libopenmpi-dev)";
        void *part = load_part(why);
        part_open *begin = NULL;
        if (part)
            *(void **)&begin = dlsym(part, "ganlua_part_open");
        gan_ranks ranks;
        if (!begin || !begin(&ranks, why))
            ganlua_error_at_user(L, "mpirun has started %d processes, but %s", start.size, why);
        gan_set_ranks(ctx, &ranks);
    }
    lua_pushinteger(L, gan_ranks_of(ctx)->rank);
    lua_pushinteger(L, gan_ranks_of(ctx)->size);
    return 2;
}

void ganlua_abort_ranks(lua_State *L, int code)
{
    const gan_ranks *ranks = gan_ranks_of(ganlua_context(L));
    if (ranks->end_all)
        ranks->end_all(ranks->user, code);
}

/* core.machine() -> its name, how many processors it has, and how many of them this process may run on */
static int machine(lua_State *L)
{
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    lua_pushstring(L, name);
    lua_pushinteger(L, cores_of_machine());
    lua_pushinteger(L, cores_allowed());
    return 3;
}

/* ---- Exchanging ---- */

struct exchange {
    const void *own;
    void *all;
    size_t bytes;
};

static void gather_work(gan_context *ctx, void *argument)
{
    struct exchange *e = argument;
    gan_gather(ctx, e->own, e->all, e->bytes);
}

static void broadcast_work(gan_context *ctx, void *argument)
{
    struct exchange *e = argument;
    gan_from_first(ctx, e->all, e->bytes);
}

/* core.gather(text) -> list of every rank's text, in the order of ranks */
static int gather(lua_State *L)
{
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    int size = gan_ranks_of(ganlua_context(L))->size;
    size = size < 1 ? 1 : size;
    uint64_t own = length, longest = 0, *lengths = lua_newuserdatauv(L, (size_t)size * sizeof *lengths, 0);
    ganlua_enter(L, gather_work, &(struct exchange){&own, lengths, sizeof own});
    for (int rank = 0; rank < size; rank++)
        longest = lengths[rank] > longest ? lengths[rank] : longest;
    char *padded = lua_newuserdatauv(L, (size_t)longest + 1, 0);
    char *all = lua_newuserdatauv(L, (size_t)longest * (size_t)size + 1, 0);
    memset(padded, 0, (size_t)longest + 1);
    memcpy(padded, text, length);
    if (longest)
        ganlua_enter(L, gather_work, &(struct exchange){padded, all, (size_t)longest});
    lua_createtable(L, size, 0);
    for (int rank = 0; rank < size; rank++) {
        lua_pushlstring(L, all + (size_t)rank * longest, (size_t)lengths[rank]);
        lua_rawseti(L, -2, rank + 1);
    }
    return 1;
}

/* core.broadcast(text) -> rank 0's text */
static int broadcast(lua_State *L)
{
    const gan_ranks *ranks = gan_ranks_of(ganlua_context(L));
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    if (ranks->size < 2) {
        lua_settop(L, 1);
        return 1;
    }
    uint64_t all_length = length;
    ganlua_enter(L, broadcast_work, &(struct exchange){.all = &all_length, .bytes = sizeof all_length});
    char *bytes = lua_newuserdatauv(L, (size_t)all_length + 1, 0);
    if (ranks->rank == 0)
        memcpy(bytes, text, length);
    ganlua_enter(L, broadcast_work, &(struct exchange){.all = bytes, .bytes = (size_t)all_length});
    lua_pushlstring(L, bytes, (size_t)all_length);
    return 1;
}

struct list {
    int from, count;
    gan_tensor **tensors;
};

static void sum_work(gan_context *ctx, void *argument)
{
    struct list *w = argument;
    (void)ctx;
    gan_all_sum_(w->count, w->tensors);
}

static void copy_work(gan_context *ctx, void *argument)
{
    struct list *w = argument;
    (void)ctx;
    gan_broadcast_(w->from, w->count, w->tensors);
}

/* core.all_sum_(list of tensors): each becomes its sum over the ranks */
static int all_sum_(lua_State *L)
{
    lua_settop(L, 1);
    struct list w = {0};
    w.tensors = ganlua_check_tensors(L, 1, "all_sum_", "tensors", &w.count);
    ganlua_enter(L, sum_work, &w);
    return 0;
}

/* core.broadcast_(list of tensors, from): each becomes what rank `from` has */
static int broadcast_(lua_State *L)
{
    lua_Integer from = luaL_checkinteger(L, 2);
    int size = gan_ranks_of(ganlua_context(L))->size;
    luaL_argcheck(L, from >= 0 && (size < 2 || from < size), 2, "a rank"); /* one process has the parts of all */
    struct list w = {.from = (int)from};
    lua_settop(L, 1);
    w.tensors = ganlua_check_tensors(L, 1, "broadcast_", "tensors", &w.count);
    ganlua_enter(L, copy_work, &w);
    return 0;
}

/* core.note_sums(on): notes what travels in sums, from now on or no more. When it ends: a list of what was noted, each
 * {sent =, arrived =, wanted =, bytes =}, see gan_travel; nil in one process. */
static int note_sums(lua_State *L)
{
    const gan_ranks *ranks = gan_ranks_of(ganlua_context(L));
    bool on = lua_toboolean(L, 1);
    if (ranks->size < 2 || !ranks->note)
        return 0;
    ranks->note(ranks->user, on);
    if (on)
        return 0;
    int count;
    const gan_travel *noted = ranks->noted(ranks->user, &count);
    lua_createtable(L, count, 0);
    for (int i = 0; i < count; i++) {
        lua_createtable(L, 0, 4);
        lua_pushnumber(L, noted[i].sent);
        lua_setfield(L, -2, "sent");
        lua_pushnumber(L, noted[i].arrived);
        lua_setfield(L, -2, "arrived");
        lua_pushnumber(L, noted[i].wanted);
        lua_setfield(L, -2, "wanted");
        lua_pushinteger(L, noted[i].bytes);
        lua_setfield(L, -2, "bytes");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* core.set_share(first, count, total): see gan_share; without arguments, all rows are this rank's */
static int set_share(lua_State *L)
{
    gan_share share = {luaL_optinteger(L, 1, 0), luaL_optinteger(L, 2, 0), luaL_optinteger(L, 3, 0)};
    luaL_argcheck(L, share.first >= 0, 1, "rows before these");
    luaL_argcheck(L, share.count >= 0, 2, "how many rows these are");
    luaL_argcheck(L, share.total >= share.count && share.total - share.count >= share.first, 3, "rows of all ranks");
    gan_set_share(ganlua_context(L), share);
    return 0;
}

static const luaL_Reg functions[] = {{"start_ranks", start_ranks}, {"machine", machine},     {"gather", gather},
                                     {"broadcast", broadcast},     {"all_sum_", all_sum_},   {"broadcast_", broadcast_},
                                     {"note_sums", note_sums},     {"set_share", set_share}, {NULL, NULL}};

void ganlua_add_ranks(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
