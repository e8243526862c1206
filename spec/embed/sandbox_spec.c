/* Scripts that mean no good, in the sandbox. Each is ended by the error that is named, and the same ganlua runs a good
 * script afterwards. Nothing here asks how long that took: what is not ended at all is ended by alarm. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../core/folder.h"
#include "ganlua.h"

/* "in" is the sandbox's folder, "out" the one that the program is in. */
static int set_up(void **state)
{
    (void)state;
    if (!make_home() || mkdir(at("in"), 0777) || mkdir(at("out"), 0777) || chdir(at("out")))
        return -1;
    put("out/secret", "secret");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return chdir("/") || remove_home();
}

static ganlua *open_sandbox(uint64_t instructions, double seconds)
{
    ganlua_config config = GANLUA_CONFIG_INIT;
    config.threads = 2;
    config.sandbox = 1;
    config.folder = at("in");
    config.memory_limit = 48u << 20;
    config.instruction_limit = instructions;
    config.time_limit = seconds;
    ganlua *gl = ganlua_open(&config);
    assert_non_null(gl);
    return gl;
}

static ganlua *open_hurried(void)
{
    return open_sandbox(10000000, 0.15);
}

/* A script that is to end by itself. A machine that is busy elsewhere may take longer than a hurried sandbox allows: that
 * is tried again. */
static int run_patiently(ganlua *gl, const char *code)
{
    int status, tries = 0;
    do {
        status = ganlua_run_string(gl, code);
    } while (status == GANLUA_ERROR_LIMIT && strstr(ganlua_error(gl), "time limit") && ++tries < 20);
    return status;
}

static void works(ganlua *gl)
{
    int status = run_patiently(
        gl, "local gan = require 'ganlua' assert(gan.ones(3):sum():item() == 3) local t = {} "
            "for word in ('a b c'):gmatch '%a' do table.insert(t, 1, word) end assert(table.concat(t) == 'cba')");
    assert_string_equal(ganlua_error(gl), "");
    assert_int_equal(status, GANLUA_OK);
}

struct hostile {
    int status;
    const char *why, *code;
};

/* traced_spec.lua sees what is opened between the two: nothing lies there. */
static void mark(const char *name)
{
    assert_int_not_equal(access(at(name), F_OK), 0);
}

static void end_each(ganlua *gl, const struct hostile *scripts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool endless = scripts[i].status == GANLUA_ERROR_LIMIT;
        mark("begin");
        int status = endless ? ganlua_run_string(gl, scripts[i].code) : run_patiently(gl, scripts[i].code);
        mark("end");
        if (status != scripts[i].status || !strstr(ganlua_error(gl), scripts[i].why))
            fail_msg("%s\nwanted %d, '%s', gave %d: %s", scripts[i].code, scripts[i].status, scripts[i].why, status,
                     ganlua_error(gl));
        works(gl);
    }
}

#define END_EACH(gl, scripts) end_each(gl, scripts, sizeof(scripts) / sizeof *(scripts))
#define REACHED               GANLUA_ERROR_LIMIT, "is reached"
#define MEMORY                GANLUA_ERROR_MEMORY, "not enough memory"
#define SCRIPT                GANLUA_ERROR_SCRIPT
#define SPIN                  "function() while true do end end"

static void ends_what_never_ends(void **state)
{
    (void)state;
    static const struct hostile scripts[] = {
        {REACHED, "while true do end"},
        {REACHED, "while true do pcall(" SPIN ") end"},
        {REACHED, "local function f() return f() end f()"},
        {REACHED, "return setmetatable({}, {__index = " SPIN "}).x"},
        {REACHED, "local x <close> = setmetatable({}, {__close = " SPIN "})"},
        {REACHED, "for i = 1, 100 do pcall(function() local x <close> = setmetatable({}, {__close = " SPIN "}) "
                  "while true do end end) end while true do end"},
        {REACHED, "table.sort({1, 2, 3}, " SPIN ")"},
        {REACHED, "('x'):gsub('x', " SPIN ")"},
        {REACHED, "load(" SPIN ")"},
        {REACHED, "xpcall(" SPIN ", " SPIN ")"},
        {REACHED, "xpcall(error, " SPIN ")"},
        {REACHED, "error(setmetatable({}, {__tostring = " SPIN "}))"},
        {REACHED, "while true do pcall(error, setmetatable({}, {__tostring = " SPIN "})) end"},
        {REACHED, "print(setmetatable({}, {__tostring = " SPIN "}))"},
        {REACHED, "local function f() pcall(f) end while true do f() end"},
    };
    ganlua *gl = open_hurried();
    END_EACH(gl, scripts);
    ganlua_close(gl);
}

static void counts_what_coroutines_do(void **state)
{
    (void)state;
    static const struct hostile scripts[] = {
        {REACHED, "coroutine.wrap(" SPIN ")()"},
        {REACHED, "while true do coroutine.wrap(function() for i = 1, 50 do end end)() end"},
        {REACHED, "while true do pcall(coroutine.wrap(function() pcall(" SPIN ") end)) end"},
        {REACHED, "while true do coroutine.resume(coroutine.create(" SPIN ")) end"},
        /* Closing in a coroutine that the hook has ended must not run without hooks. */
        {REACHED, "local c = coroutine.create(function() local x <close> = setmetatable({}, {__close = " SPIN "}) "
                  "while true do end end) coroutine.resume(c) coroutine.close(c) while true do end"},
        {REACHED, "local c = coroutine.create(function() local x <close> = setmetatable({}, {__close = " SPIN "}) "
                  "coroutine.yield() end) coroutine.resume(c) coroutine.close(c)"},
        {SCRIPT, "C stack overflow", "local function f() return coroutine.wrap(f)() end f()"},
        {GANLUA_OK, "",
         "local function f() local c = coroutine.create(function() local x <close> = setmetatable({}, "
         "{__close = f}) coroutine.yield() end) coroutine.resume(c) coroutine.close(c) end f()"},
    };
    ganlua *gl = open_hurried();
    END_EACH(gl, scripts);
    /* The next call may close what this one left. */
    assert_int_equal(ganlua_run_string(gl, "kept = coroutine.create(function() local x <close> = setmetatable({}, "
                                           "{__close = " SPIN "}) while true do end end) coroutine.resume(kept)"),
                     GANLUA_ERROR_LIMIT);
    assert_int_equal(run_patiently(gl, "coroutine.close(kept)"), GANLUA_OK);
    assert_int_equal(ganlua_start_string(gl, "local x <close> = setmetatable({}, {__close = " SPIN "}) error 'boo'"),
                     GANLUA_OK);
    assert_int_equal(ganlua_step(gl), GANLUA_ERROR_LIMIT);
    works(gl);
    ganlua_close(gl);
}

static void ends_what_takes_long_in_the_library(void **state)
{
    (void)state;
    static const struct hostile scripts[] = {
        {REACHED, "('a'):rep(2000):find(('.-'):rep(12)..'b')"},
        {REACHED, "while true do pcall(string.find, ('a'):rep(50000), ('a*'):rep(30)..'b') end"},
        {REACHED, "local s, c = ('x'):rep(500000), '['..('a'):rep(500000)..']' while true do s:find(c) end"},
        {REACHED, "local s = ('('):rep(500000) while true do s:gsub('%b()', '') end"},
        {REACHED, "for a in ('a'):rep(100000):gmatch(('a-'):rep(20)..'b') do end"},
        {REACHED, "local s = ('a'):rep(500000) while true do s:find(('a'):rep(250000)..'b', 1, true) end"},
        {REACHED, "table.move({}, 1, 1e15, 2)"},
        {REACHED, "while true do pcall(table.move, {}, 1, 1e15, 2) end"},
        {REACHED, "table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 1)"},
        {REACHED, "table.remove(setmetatable({}, {__len = function() return 1 << 60 end}), 1)"},
        {REACHED, "local t = {} while true do table.insert(t, 1, 1) end"},
        {REACHED, "table.sort(setmetatable({}, {__len = function() return 1 << 30 end, __newindex = function() end, "
                  "__index = function(_, k) return k end}))"},
        {REACHED, "local t = {} for i = 1, 300000 do t[i] = i * 7919 % 1000003 end while true do table.sort(t) end"},
        {REACHED, "while true do pcall(table.unpack, {}, 1, 900000) end"},
        {REACHED, "while true do pcall(string.rep, 'x', 500000) end"},
        {REACHED, "while true do pcall(string.pack, 'c500000', '') end"},
        {REACHED, "local a, b = ('x'):rep(500000), ('x'):rep(499999)..'x' while true do local c = a == b, a < b end"},
        {REACHED, "local s = ('0'):rep(500000) while true do local n = s + 0 end"},
        {REACHED, "local s = (' '):rep(500000) while true do tonumber(s, 36) end"},
        {REACHED, "local t = {} for i = 1, 100000 do t['k'..i] = 1 end for k in next, t do t[k] = nil end "
                  "while true do next(t) end"},
        {REACHED, "local s = 'while x do '..('if x then break end '):rep(3900)..'end' while true do load(s) end"},
        {REACHED, "local s = ('\\0'):rep(200000) while true do ('%q'):format(s) end"},
        {REACHED, "local s = 'a'..('\\x80'):rep(500000) local f = utf8.codes(s) while true do pcall(f, s, 1) end"},
        {REACHED,
         "local s, t = ('x'):rep(500000), {} for i = 1, 500 do t[i] = s end while true do pcall(table.concat, t) "
         "end"},
    };
    static const struct hostile refused[] = {
        {GANLUA_OK, "", "assert((''):rep(1 << 60) == '')"},
        {SCRIPT, "the sandbox allows", "('x'):rep(1e15)"},
        {SCRIPT, "the sandbox allows", "string.pack('c1000000000', '')"},
        {SCRIPT, "too many labels",
         "local t = {} for i = 1, 9000 do t[i] = '::l'..i..'::' end "
         "assert(load(table.concat(t)))"},
        {SCRIPT, "too many jumps", "assert(load('while x do '..('break;'):rep(5000)..'end'))"},
        {SCRIPT, "the sandbox allows", "('%s'):rep(10):format(table.unpack({('x'):rep(500000), ('x'):rep(500000)}))"},
        {SCRIPT, "too long", "assert(load(function() return ('x=1 '):rep(1000) end))"},
    };
    ganlua *gl = open_hurried();
    END_EACH(gl, scripts);
    ganlua_close(gl);
    gl = open_sandbox(0, 0);
    END_EACH(gl, refused);
    ganlua_close(gl);
}

/* Lua's compiler walks the whole chain at each of its links: seconds for one load, if nothing ends it. */
#define CHAIN "load('x = '..('x and '):rep(43000)..'x') "

static void ends_compiling(void **state)
{
    (void)state;
    static const struct hostile scripts[] = {
        {REACHED, CHAIN "compiled = true"},
        {REACHED, "pcall(function() " CHAIN "compiled = true end) compiled = true"},
        {REACHED, "coroutine.wrap(function() " CHAIN "compiled = true end)()"},
    };
    ganlua *gl = open_sandbox(0, 0.005);
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        int status = ganlua_run_string(gl, scripts[i].code);
        assert_int_equal(status, scripts[i].status);
        assert_non_null(strstr(ganlua_error(gl), scripts[i].why));
    }
    ganlua_close(gl);
    /* What is not read is not counted: the compiler stops at the first word that is wrong. */
    gl = open_sandbox(100000, 0);
    assert_int_equal(ganlua_run_string(gl, "compiled = load('x = = 1 '..(' '):rep(200000))"), GANLUA_OK);
    assert_int_equal(ganlua_run_string(gl, "compiled = load('x = 1 '..(' '):rep(200000))"), GANLUA_ERROR_LIMIT);
    assert_int_equal(ganlua_run_string(gl, "assert(compiled == nil)"), GANLUA_OK);
    works(gl);
    ganlua_close(gl);
}

static void bounds_memory(void **state)
{
    (void)state;
    static const struct hostile scripts[] = {
        {MEMORY, "local s = 'x' while true do s = s..s end"},
        {MEMORY, "local t = {} while true do t = {t} end"},
        {MEMORY, "local t = {} for i = 1, 1e9 do t[i] = i end"},
        {REACHED, "local t = {} while true do pcall(function() while true do t[#t + 1] = {} end end) end"},
        {REACHED, "while true do pcall(function() local s = 'x' while true do s = s..s end end) end"},
        {MEMORY, "local gan, t = require 'ganlua', {} for i = 1, 1000000 do t[i] = gan.zeros(1) end"},
        {REACHED, "local gan, t = require 'ganlua', {} "
                  "while true do pcall(function() while true do t[#t + 1] = gan.zeros(1) end end) end"},
        {MEMORY, "local function f() return 1 + f() end f()"},
        {SCRIPT, "C stack overflow", "local function f() return ('x'):gsub('x', f) end f()"},
        {SCRIPT, "out of memory", "local gan = require 'ganlua' gan.ones(1e5, 1):matmul(gan.ones(1, 1e5))"},
        {SCRIPT, "out of memory", "require 'ganlua'.zeros(1e4, 1e4)"},
        {SCRIPT, "too large", "require 'ganlua'.zeros(1e9, 1e9)"},
    };
    ganlua *gl = open_sandbox(20000000, 0);
    END_EACH(gl, scripts);
    ganlua_memory_info memory = {.size = sizeof memory};
    ganlua_memory(gl, &memory);
    assert_true(memory.peak <= memory.limit && memory.limit == 48u << 20);
    ganlua_close(gl);
}

static void ends_kernels(void **state)
{
    (void)state;
    static const struct hostile scripts[] = {
        {REACHED, "local gan = require 'ganlua' local a = gan.ones(1500, 1500) while true do a:matmul(a) end"},
        {REACHED, "local gan = require 'ganlua' while true do gan.zeros(1000, 1000):fill_(1) end"},
        {REACHED, "local gan = require 'ganlua' local t = gan.zeros(300, 300) while true do t:totable() end"},
        {REACHED, "local gan = require 'ganlua' local a = gan.ones(1e5, 10) while true do pcall(a.matmul, a, "
                  "gan.ones(10, 1e5)) end"},
    };
    ganlua *gl = open_hurried();
    END_EACH(gl, scripts);
    ganlua_close(gl);
}

static void has_what_is_on_the_list_and_nothing_else(void **state)
{
    (void)state;
    ganlua *gl = open_sandbox(0, 0);
    int status = ganlua_run_string(
        gl,
        "for _, name in ipairs {'io', 'debug', 'package', 'dofile', 'loadfile', 'warn', 'module', 'arg'} do "
        "  assert(_G[name] == nil, name) end "
        "local names = {} for name in pairs(_G) do names[#names + 1] = name end table.sort(names) "
        "assert(table.concat(names, ' ') == '_G _VERSION assert collectgarbage coroutine error getmetatable ipairs "
        "load math next os pairs pcall print rawequal rawget rawlen rawset require select setmetatable string table "
        "tonumber tostring type utf8 xpcall', table.concat(names, ' ')) "
        "names = {} for name in pairs(os) do names[#names + 1] = name end table.sort(names) "
        "assert(table.concat(names, ' ') == 'clock date time') "
        "assert(string.dump == nil and (''):rep(1) == '' and (''):len() == 0 and (' ').dump == nil) "
        "assert(load('return 1 + 1')() == 2 and load('x = 1', 'c', 't', {})) "
        "assert(load(function() end)) assert(not load('return 1', 'c', 'b')) "
        "assert(collectgarbage 'count' > 0 and os.date '%Y' and os.time() and os.clock()) "
        "local m = {__index = {x = 1}} local t = setmetatable({}, m) "
        "assert(getmetatable(t) == m and t.x == 1 and setmetatable(t, nil) == t and t.x == nil) "
        "assert(getmetatable(setmetatable({}, {__metatable = 5})) == 5) "
        "x = 1 assert(_G.x == 1 and rawget(_G, 'x') == 1) "
        "assert(select('#', xpcall(error, function(m) return m .. '!' end, 'a')) == 2) "
        "assert(select(2, xpcall(error, function(m) return m .. '!' end, 'a')) == 'a!') "
        "assert(require 'ganlua' == require 'ganlua' and require 'ganlua.nn' == require 'ganlua'.nn)");
    assert_string_equal(ganlua_error(gl), "");
    assert_int_equal(status, GANLUA_OK);
    static const struct hostile scripts[] = {
        {SCRIPT, "locked", "getmetatable('').__index = nil"},
        {SCRIPT, "locked", "setmetatable(_G, nil)"},
        {SCRIPT, "locked", "setmetatable(string, {})"},
        {SCRIPT, "locked", "setmetatable({}, getmetatable(''))"},
        {SCRIPT, "locked", "getmetatable(require 'ganlua'.zeros(1)).__index = {}"},
        {SCRIPT, "locked", "setmetatable(require 'ganlua'.nn.relu {}, {})"},
        {SCRIPT, "nil value", "require 'ganlua'.data.ring {}.__index.batch = print"},
        {GANLUA_OK, "",
         "local data = require 'ganlua'.data.ring {} assert(data.__pairs == nil and data.batch and data:batch(2)) "
         "local C = {} C.__index = C assert(setmetatable({}, C).__index == C)"},
        {SCRIPT, "finalizers", "setmetatable({}, {__gc = " SPIN "})"},
        {SCRIPT, "read-only", "string.rep = 1"},
        {SCRIPT, "read-only", "print = 1"},
        {SCRIPT, "read-only", "rawset(_G, 'print', 1)"},
        {SCRIPT, "read-only", "rawset(math, 'pi', 3)"},
        {SCRIPT, "read-only", "require 'ganlua'.train = 1"},
        {SCRIPT, "read-only", "require 'ganlua'.nn.relu = 1"},
        {SCRIPT, "read-only", "require 'ganlua'.loss.hinge.d = 1"},
        {SCRIPT, "read-only", "table.insert(table, 1)"},
        {SCRIPT, "only ganlua", "require 'os'"},
        {SCRIPT, "only ganlua", "require 'ganlua.core'"},
        {SCRIPT, "only ganlua", "require 'ganlua.check'"},
        {SCRIPT, "\"count\"", "collectgarbage 'stop'"},
        {SCRIPT, "text only", "assert(load('\\27Lua'))"},
        {SCRIPT, "@ganlua/", "assert(load('x = 1', '@ganlua/x'))"},
        {SCRIPT, "no other programs", "require 'ganlua'.sweep { base = {}, seed = {1, 2} }"},
    };
    END_EACH(gl, scripts);
    /* A metatable gets its __gc too late. */
    assert_int_equal(ganlua_run_string(gl,
                                       "local m = {} setmetatable({}, m) m.__gc = function() ran = true end m = nil "
                                       "for i = 1, 200000 do local t = {} end assert(ran == nil)"),
                     GANLUA_OK);
    assert_int_equal(ganlua_run_buffer(gl, "x = 1", 5, "@ganlua/x.lua"), GANLUA_ERROR_SCRIPT);
    ganlua_close(gl);
}

/* What the file "name" in "in" holds is run from there, under that name. */
static void runs_files_as_text_of_their_own_name(void **state)
{
    (void)state;
    ganlua *gl = open_hurried();
    put("in/bytes.lua", "\033Lua");
    assert_int_equal(ganlua_run_file(gl, at("in/bytes.lua"), 0, NULL), GANLUA_ERROR_SCRIPT);
    assert_non_null(strstr(ganlua_error(gl), "text only"));
    assert_int_equal(ganlua_run_file(gl, at("in/none.lua"), 0, NULL), GANLUA_ERROR_FILE);
    assert_int_equal(mkdir("ganlua", 0777), 0);
    put("out/ganlua/mine.lua", "#!/usr/bin/ganlua\nwhile true do pcall(error) end");
    assert_int_equal(ganlua_run_file(gl, "ganlua/mine.lua", 0, NULL), GANLUA_ERROR_LIMIT);
    assert_non_null(strstr(ganlua_error(gl), "./ganlua/mine.lua:2:"));
    works(gl);
    ganlua_close(gl);
}

static void touches_files_below_its_folder_only(void **state)
{
    (void)state;
    assert_int_equal(symlink("../out", at("in/away")), 0);
    assert_int_equal(symlink("../out/secret", at("in/link.safetensors")), 0);
    static const struct hostile scripts[] = {
        {GANLUA_OK, "",
         "local gan = require 'ganlua' gan.save('mine', {x = gan.ones(2)}) "
         "assert(gan.load('mine').x:sum():item() == 2) gan.image.save(gan.ones(4, 4, 1), 'a.png')"},
        {SCRIPT, "below its folder", "local gan = require 'ganlua' gan.save('../out/made', {x = gan.ones(2)})"},
        {SCRIPT, "below its folder", "require 'ganlua'.load '../out/secret'"},
        {SCRIPT, "below its folder", "require 'ganlua'.load '/etc/passwd'"},
        {SCRIPT, "below its folder", "require 'ganlua'.load '/proc/self/environ'"},
        {SCRIPT, "below its folder", "require 'ganlua'.image.load '/proc/self/exe'"},
        {SCRIPT, "no symbolic links", "require 'ganlua'.load 'link.safetensors'"},
        {SCRIPT, "no symbolic links", "require 'ganlua'.load 'away/secret'"},
        {SCRIPT, "no symbolic links", "local gan = require 'ganlua' gan.save('away/made', {x = gan.ones(2)})"},
        {SCRIPT, "no such file", "require 'ganlua'.data.open '../out'"},
        {SCRIPT, "no such file", "require 'ganlua'.data.open 'away'"},
        {SCRIPT, "below its folder",
         "local gan = require 'ganlua' gan.plot.line { series = {{x = {1, 2}, y = {1, 2}}} }:save '../out/made'"},
        {SCRIPT, "below its folder",
         "local gan = require 'ganlua' gan.train { out = '../out/run', data = gan.data.ring {}, latent = 2, loss = "
         "gan.loss.hinge {}, generator = gan.nn.linear { out = 2 }, discriminator = gan.nn.linear { out = 1 }, "
         "schedule = gan.schedule.alternate { iterations = 1 } }"},
        {SCRIPT, "below its folder",
         "local gan = require 'ganlua' local run = gan.trainer { data = gan.data.ring {}, latent = 2, loss = "
         "gan.loss.hinge {}, generator = gan.nn.linear { out = 2 }, discriminator = gan.nn.linear { out = 1 }, "
         "schedule = gan.schedule.alternate { iterations = 1 }, progress = false } run:train() run:save '/tmp/made' "},
        {SCRIPT, "below its folder",
         "local gan = require 'ganlua' local run = gan.trainer { data = gan.data.ring {}, latent = 2, loss = "
         "gan.loss.hinge {}, generator = gan.nn.linear { out = 2 }, discriminator = gan.nn.linear { out = 1 }, "
         "schedule = function(game) game:discriminator() game:next() end, progress = false, checkpoint = { every = 1 "
         "}, "
         "on = { iteration = function(run) run.folder = '../out' end } } run:train()"},
    };
    ganlua *gl = open_sandbox(0, 0);
    END_EACH(gl, scripts);
    ganlua_close(gl);
    assert_int_equal(access(at("in/mine"), F_OK), 0);
    DIR *out = opendir(at("out"));
    assert_non_null(out);
    for (struct dirent *entry; (entry = readdir(out));)
        assert_true(entry->d_name[0] == '.' || strcmp(entry->d_name, "secret") == 0);
    closedir(out);
    char text[16] = "";
    FILE *file = fopen(at("out/secret"), "r");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, sizeof text - 1, file), 6);
    fclose(file);
    assert_string_equal(text, "secret");
}

#define RING                                                                                                           \
    "local gan = require 'ganlua' local nn = gan.nn "                                                                  \
    "local function ring(more) local options = { name = 'ring', progress = false, data = gan.data.ring {}, batch = "   \
    "16, "                                                                                                             \
    "  latent = 2, loss = gan.loss.hinge {}, checkpoint = { every = 10 }, "                                            \
    "  generator = nn.sequential { nn.linear { out = 8 }, nn.relu {}, nn.linear { out = 2 } }, "                       \
    "  discriminator = nn.sequential { nn.linear { out = 8 }, nn.relu {}, nn.linear { out = 1 } }, "                   \
    "  schedule = gan.schedule.alternate { iterations = 60 } } "                                                       \
    "  for name, value in pairs(more or {}) do options[name] = value end return gan.train(options) end "

static void final_weights(ganlua *gl, float w[16])
{
    ganlua_value value = {.data = w, .capacity = 16};
    assert_int_equal(ganlua_run_string(gl, "function weights() return require 'ganlua'.load("
                                           "'runs/ring/checkpoint.safetensors')['generator.1.weight'] end"),
                     GANLUA_OK);
    assert_int_equal(ganlua_call(gl, "weights", NULL, 0, &value, 1), GANLUA_OK);
}

static void trains_and_goes_on_where_a_limit_cut_it_off(void **state)
{
    (void)state;
    float whole[16], pieces[16];
    ganlua *gl = open_sandbox(0, 0);
    assert_int_equal(ganlua_run_string(gl, RING "assert(ring().folder == 'runs/ring')"), GANLUA_OK);
    final_weights(gl, whole);
    ganlua_close(gl);
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", at("in/runs"));
    assert_int_equal(system(command), 0);

    gl = open_sandbox(400000, 0);
    int status, calls = 0;
    do { /* a limit may come when the run is done: the next call then begins another one */
        status = ganlua_run_string(gl, RING "ring()");
        calls++;
    } while (status == GANLUA_ERROR_LIMIT && calls < 200 && access(at("in/runs/ring-2"), F_OK) != 0);
    assert_true(status == GANLUA_OK || status == GANLUA_ERROR_LIMIT);
    assert_true(calls > 2 && calls < 200);
    ganlua_close(gl);
    gl = open_sandbox(0, 0);
    final_weights(gl, pieces);
    assert_memory_equal(whole, pieces, sizeof whole);
    ganlua_close(gl);
}

static void lives_with_what_scripts_leave_and_swap(void **state)
{
    (void)state;
    static const struct hostile scripts[] = {
        {SCRIPT, "boo", RING "ring { on = { checkpoint = function() error 'boo' end } }"},
        /* Half a checkpoint: the run that comes next says so and begins again. */
        {GANLUA_OK, "", "local gan = require 'ganlua' gan.save('runs/ring/checkpoint.safetensors', {x = gan.ones(1)})"},
        {GANLUA_OK, "", RING "local run = ring { resume = true } assert(run.game.iteration == 60)"},
        {SCRIPT, "wanted an N x 7 input",
         RING "ring { on = { iteration = function(run) run.generator[1].weight = gan.zeros(7, 5) end } }"},
        {SCRIPT, "16x5",
         RING "local G G = nn.define('g', { forward = function(self, x) self.n = (self.n or 0) + 1 "
              "return gan.zeros(#x, self.n > 9 and 5 or 2) end }) ring { generator = G() }"},
        {SCRIPT, "", RING "ring { on = { iteration = function(run) run.generator = nil run.game = nil end } }"},
        {SCRIPT, "", RING "ring { on = { iteration = function(run) for key in pairs(run) do run[key] = {} end end } }"},
        {SCRIPT, "ganlua.lock expected",
         RING "ring { on = { iteration = function(run) run.lock.close(gan.zeros(1)) end } }"},
        {GANLUA_OK, "", RING "local run = ring { name = 'good' } assert(run:sample(3):numel() == 6)"},
    };
    ganlua *gl = open_sandbox(0, 0);
    END_EACH(gl, scripts);
    ganlua_close(gl);
}

/* Results of what the sandbox has in place of Lua's own functions, for arguments of all kinds. */
static const char compare[] =
    "local pieces = {'a', 'b', '.', '%a', '%d', '[ab]', '[^a]', '%b()', '%f[%w]', '(', ')', '()', '*', '+', '-', '?', "
    "'^', "
    "  '$', '%1', '%%', 'x', ' ', '[%w-]', '%'} "
    "local letters = {'a', 'b', 'x', '(', ')', ' ', '1', '%', '\\0'} "
    "local function some(from, most) local t = {} for i = 1, math.random(0, most) do t[i] = from[math.random(#from)] "
    "end "
    "  return table.concat(t) end "
    "local seen = {} "
    "local function list(t) local r = {} for k = -3, 15 do r[#r + 1] = tostring(t[k]) end return table.concat(r, ',') "
    "end "
    "local function note(...) local t = table.pack(...) "
    "  for i = 1, t.n do local v = t[i] "
    "    seen[#seen + 1] = t[1] and (type(v) == 'table' and list(v) or type(v) == 'function' and 'f' or tostring(v)) "
    "or 'error' end "
    "  if #seen > 100 then local text = table.concat(seen, ';') local sum = 0 "
    "    for i = 1, #text do sum = (sum * 31 + text:byte(i)) & 0xffffffff end seen = {tostring(sum)} end end "
    "for i = 1, 6000 do "
    "  local s, p, r = some(letters, 12), some(pieces, 6), some({'x', '%0', '%1', '%%', 'y'}, 3) "
    "  note(pcall(string.find, s, p, math.random(-3, 14))) note(pcall(string.match, s, p, math.random(-3, 14))) "
    "  note(pcall(string.find, s, p, 1, true)) note(pcall(string.gsub, s, p, r, math.random(0, 5))) "
    "  note(pcall(string.gsub, s, p, {a = 'A', b = false, x = 7})) "
    "  note(pcall(string.gsub, s, p, function(a, b) return b or a end)) "
    "  note(pcall(function() local t = {} for a, b in s:gmatch(p, math.random(1, 5)) do t[#t + 1] = a .. tostring(b) "
    "end "
    "    return table.concat(t, '|') end)) "
    "  note(pcall(string.rep, s, math.random(-1, 4), r)) note(pcall(string.byte, s, math.random(-5, 5), "
    "math.random(-5, 9))) "
    "  local t, u = {}, {} for k = 1, math.random(0, 8) do t[k] = math.random(0, 9) u[k] = k end "
    "  note(pcall(table.insert, t, math.random(-1, 10), i)) note(true, t) note(pcall(table.remove, t)) "
    "  note(pcall(table.remove, t, math.random(-1, 10))) note(true, t) "
    "  note(pcall(table.move, t, math.random(-2, 4), math.random(-2, 9), math.random(-2, 9))) note(true, t) "
    "  note(pcall(table.move, t, 1, #t, math.random(1, 3), u)) note(true, u) "
    "  note(pcall(table.concat, t, s, math.random(-1, 3), math.random(0, 9))) "
    "  note(pcall(table.unpack, t, math.random(-1, 3), math.random(0, 9))) "
    "  note(pcall(table.sort, t)) note(true, t) note(pcall(table.sort, u, function(a, b) return a > b end)) note(true, "
    "u) "
    "  note(pcall(table.sort, {1, 'a', 2})) note(pcall(string.pack, 'i4z', i, s:gsub('%z', ''), 5)) "
    "  local c = coroutine.wrap(function(...) local x = coroutine.yield(...) error(x) end) "
    "  note(pcall(c, i, s)) note(pcall(c, {})) note(pcall(c)) "
    "  note(pcall(tonumber, s .. i)) note(pcall(load, 'return ' .. s)) end "
    "function result() return table.concat(seen, ';') end";

static void does_what_luas_own_functions_do(void **state)
{
    (void)state;
    char texts[2][8192];
    for (int i = 0; i < 2; i++) {
        ganlua *gl = i ? open_sandbox(0, 0) : ganlua_open(NULL);
        int status = ganlua_run_string(gl, compare);
        assert_string_equal(ganlua_error(gl), "");
        assert_int_equal(status, GANLUA_OK);
        ganlua_value value = {.text = texts[i], .capacity = sizeof texts[i]};
        assert_int_equal(ganlua_call(gl, "result", NULL, 0, &value, 1), GANLUA_OK);
        ganlua_close(gl);
    }
    assert_true(strlen(texts[0]) > 3);
    assert_string_equal(texts[0], texts[1]);
}

static void is_as_open_as_ever_outside_the_sandbox(void **state)
{
    (void)state;
    ganlua_config config = GANLUA_CONFIG_INIT;
    config.size = offsetof(ganlua_config, sandbox); /* an older program's */
    config.sandbox = 1;
    ganlua *gl = ganlua_open(&config);
    assert_int_equal(ganlua_run_string(gl, "assert(io and debug and package and string.dump) print = print"),
                     GANLUA_OK);
    ganlua_close(gl);
    config = (ganlua_config)GANLUA_CONFIG_INIT;
    config.sandbox = 1;
    config.folder = "/no/such/folder";
    assert_null(ganlua_open(&config));
    config.folder = NULL;
    gl = ganlua_open(&config);
    assert_non_null(gl);
    assert_int_equal(ganlua_run_string(gl, "require 'ganlua'.load 'x'"), GANLUA_ERROR_SCRIPT);
    assert_non_null(strstr(ganlua_error(gl), "the sandbox allows no files"));
    ganlua_close(gl);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ends_what_never_ends),
        TEST(counts_what_coroutines_do),
        TEST(ends_what_takes_long_in_the_library),
        TEST(ends_compiling),
        TEST(bounds_memory),
        TEST(ends_kernels),
        TEST(has_what_is_on_the_list_and_nothing_else),
        TEST(runs_files_as_text_of_their_own_name),
        TEST(touches_files_below_its_folder_only),
        TEST(trains_and_goes_on_where_a_limit_cut_it_off),
        TEST(lives_with_what_scripts_leave_and_swap),
        TEST(does_what_luas_own_functions_do),
        TEST(is_as_open_as_ever_outside_the_sandbox),
    };
    alarm(300);
    cmocka_set_skip_filter(getenv("GANLUA_SKIP"));
    return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
