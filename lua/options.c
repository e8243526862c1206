/* options.c - the interpreter's command line: the stock lua's options, and long ones with values. */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char OPTIONS_USAGE[] = "usage: ganlua [options] [script [args]]\n";
const char OPTIONS_HELP[] =
    "  -e CHUNK          run CHUNK\n"
    "  -i                enter the REPL after the script\n"
    "  -l MOD            require MOD into the global MOD\n"
    "  -l G=MOD          require MOD into the global G\n"
    "  -v                show the versions of ganlua and Lua\n"
    "  -E                ignore LUA_INIT, LUA_PATH and LUA_CPATH\n"
    "  -W                turn warnings on\n"
    "  --                stop handling options\n"
    "  -                 run stdin as a script\n"
    "  -h, --help        show this\n"
    "  --version         show the version and stop\n"
    "  --threads N       threads that compute (default: one per core)\n"
    "  --seed N          seed of all random numbers (default: 1)\n"
    "  --out DIR         folder that runs are written to (default: runs)\n"
    "  --new             start over instead of going on with a run that was cut off\n"
    "  --live            take up edits of the script while it runs\n"
    "  --view[=PORT]     show runs in a browser while they go on, at 127.0.0.1; --view=terminal: in the\n"
    "                    terminal. With a run's folder in place of a script: show what it holds; with a\n"
    "                    folder of runs: compare them\n"
    "  --view-host HOST  the address that the view is served at, to whoever has the token:\n"
    "  --view-token T    16 letters and digits or more, which the link must then hold\n"
    "  --memory SIZE     most memory for Lua and tensors together: 512M, 2G\n"
    "  --precision WHAT  of products on a CPU with AMX: default, float32 (exact, slower) or bf16\n"
    "  --sandbox         run a script that nobody trusts: it has Lua's pure functions, ganlua, and files\n"
    "                    below one folder; -e and a script only\n"
    "  --folder DIR      that folder (default: the one ganlua is started in)\n"
    "  --instructions N  most work that such a script may do: 1e9 (512 operations of a kernel count as one)\n"
    "  --seconds N       most time that it may take\n"
    "  --isolate         and run it in a process of its own, which the system confines too\n"
    "  --set NAME=VALUE  what gan.setting(NAME, default) returns\n"
    "  --sweep NAME=A,B  run the script for each of these values, or NAME=1..5; more than one\n"
    "                    --sweep: for every combination, --set workers=2 of them side by side\n"
    "Without a script: the REPL at a terminal, else stdin is the script.\n"
    "mpirun -n 4 ganlua script: four processes train together, the first one writes.\n";

static const char *const NAMES[] = {
    "-e",        "-i",        "-l",        "-v",          "-E",          "-W",       "-h",
    "--help",    "--version", "--threads", "--seed",      "--out",       "--memory", "--precision",
    "--set",     "--sweep",   "--new",     "--live",      "--sandbox",   "--folder", "--instructions",
    "--seconds", "--isolate", "--view",    "--view-host", "--view-token"};

#define REFUSE(options, ...) (snprintf((options)->error, sizeof(options)->error, __VA_ARGS__), false)

/* ---- Unknown options ---- */

/* Number of single-letter changes between two words, of b at most the first 31 letters. */
static int edit_distance(const char *a, const char *b)
{
    int row[32], length = (int)strnlen(b, 31);
    for (int j = 0; j <= length; j++)
        row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= length; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[length];
}

static bool refuse_unknown(options *options, const char *option)
{
    const char *nearest = NULL;
    int least = 4; /* further away is no likely slip */
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        int distance = edit_distance(option, NAMES[i]);
        if (distance < least && distance < (int)strlen(NAMES[i]) - 1 && distance < (int)strlen(option)) {
            least = distance;
            nearest = NAMES[i];
        }
    }
    if (nearest)
        return REFUSE(options, "unknown option '%.100s' (did you mean '%s'?)", option, nearest);
    return REFUSE(options, "unknown option '%.100s'", option);
}

/* ---- Values ---- */

/* A whole number from low to high that is all of text. */
static bool parse_number(const char *text, unsigned long long low, unsigned long long high, unsigned long long *number)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno && *number >= low && *number <= high;
}

/* Bytes: "512M", "2G", "1.5GB", "64KiB", "65536"; the units are powers of 1024. */
static bool parse_size(const char *text, size_t *bytes)
{
    char *end;
    double size = strtod(text, &end);
    if (end == text || !(size > 0))
        return false;
    const char *units = "KMGT", *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    if (unit) {
        size *= (double)(1ull << (10 * (unit - units + 1)));
        end++;
        if (end[0] == 'i' && end[1] == 'B')
            end++;
    }
    if (*end == 'B')
        end++;
    if (*end || size < 1 || size >= 9e18)
        return false;
    *bytes = (size_t)size;
    return true;
}

/* A number above 0 that is all of text: "1e9", "0.5". */
static bool parse_amount(const char *text, double *amount)
{
    char *end;
    *amount = strtod(text, &end);
    return ((*text >= '0' && *text <= '9') || *text == '.') && !*end && *amount > 0 && *amount < 1e18;
}

static bool take_view(options *options, const char *value)
{
    unsigned long long port = 0;
    options->view = true;
    options->view_terminal = value && strcmp(value, "terminal") == 0;
    if (value && !options->view_terminal && !parse_number(value, 0, 65535, &port))
        return REFUSE(options, "--view must be a port from 0 to 65535 or terminal, got '%.100s'", value);
    options->view_port = value && !options->view_terminal ? (int)port : -1;
    return true;
}

/* A word of 16 to 128 letters, digits, - and _: it stands in links and cookies. */
static bool is_token(const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t length = strlen(text);
    return length >= 16 && length <= 128 && strspn(text, allowed) == length;
}

/* Takes the long option `name` with its value. */
static bool take_value(options *options, const char *name, const char *value, const char **setting)
{
    unsigned long long number;
    double amount;
    if (strcmp(name, "--folder") == 0) {
        if (!*value)
            return REFUSE(options, "--folder must name a folder, got ''");
        options->config.folder = value;
    } else if (strcmp(name, "--instructions") == 0) {
        if (!parse_amount(value, &amount) || amount < 1)
            return REFUSE(options, "--instructions must be a number such as 1000000 or 1e9, got '%.100s'", value);
        options->config.instruction_limit = (uint64_t)amount;
    } else if (strcmp(name, "--seconds") == 0) {
        if (!parse_amount(value, &options->config.time_limit))
            return REFUSE(options, "--seconds must be a number above 0, got '%.100s'", value);
    } else if (strcmp(name, "--threads") == 0) {
        if (!parse_number(value, 1, 1024, &number))
            return REFUSE(options, "--threads must be a whole number from 1 to 1024, got '%.100s'", value);
        options->config.threads = (int)number;
    } else if (strcmp(name, "--seed") == 0) {
        if (!parse_number(value, 0, INT64_MAX, &number))
            return REFUSE(options, "--seed must be a whole number from 0, got '%.100s'", value);
        options->config.seed = number;
    } else if (strcmp(name, "--out") == 0) {
        if (!*value)
            return REFUSE(options, "--out must name a folder, got ''");
        options->config.out = value;
    } else if (strcmp(name, "--memory") == 0) {
        if (!parse_size(value, &options->config.memory_limit))
            return REFUSE(options, "--memory must be a size such as 512M or 2G, got '%.100s'", value);
    } else if (strcmp(name, "--precision") == 0) {
        static const char *const names[] = {"default", "float32", "bf16"}; /* as GANLUA_PRECISION_... */
        int i = 0;
        while (i < 3 && strcmp(value, names[i]) != 0)
            i++;
        if (i == 3)
            return REFUSE(options, "--precision must be default, float32 or bf16, got '%.100s'", value);
        options->config.precision = i;
    } else if (strcmp(name, "--view-host") == 0) {
        if (!*value || strlen(value) > 255)
            return REFUSE(options, "--view-host must be an address, got '%.100s'", value);
        options->view_host = value;
    } else if (strcmp(name, "--view-token") == 0) {
        if (!is_token(value))
            return REFUSE(options, "--view-token must be 16 to 128 letters, digits, - and _, got '%.100s'", value);
        options->view_token = value;
    } else if (strcmp(name, "--sweep") == 0) {
        const char *equals = strchr(value, '=');
        if (!equals || equals == value || !equals[1])
            return REFUSE(options, "--sweep must be NAME=A,B,C or NAME=1..5, got '%.100s'", value);
        options->sweeps[options->sweep_count++] = value;
    } else {
        if (!strchr(value, '=') || *value == '=')
            return REFUSE(options, "--set must be NAME=VALUE, got '%.100s'", value);
        *setting = value;
    }
    return true;
}

/* ---- The command line ---- */

/* "--name VALUE" or "--name=VALUE" at argv[*place], which moves on to the value. */
static bool parse_long(options *options, int argc, char *argv[], int *place, const char **setting)
{
    static const char *const valued[] = {"--threads",      "--seed",    "--out",       "--memory",
                                         "--precision",    "--set",     "--sweep",     "--folder",
                                         "--instructions", "--seconds", "--view-host", "--view-token"};
    const char *given = argv[*place];
    if (strcmp(given, "--view") == 0 || strncmp(given, "--view=", 7) == 0)
        return take_view(options, given[6] ? given + 7 : NULL);
    for (size_t i = 0; i < sizeof valued / sizeof valued[0]; i++) {
        size_t length = strlen(valued[i]);
        if (strncmp(given, valued[i], length) != 0 || (given[length] != 0 && given[length] != '='))
            continue;
        if (given[length] == '=')
            return take_value(options, valued[i], given + length + 1, setting);
        if (*place + 1 >= argc)
            return REFUSE(options, "%s needs a value", valued[i]);
        return take_value(options, valued[i], argv[++*place], setting);
    }
    return refuse_unknown(options, given);
}

/* What does not go together. */
static bool check_view(options *options)
{
    if ((options->view_host || options->view_token) && (!options->view || options->view_terminal))
        return REFUSE(options, "%s needs --view", options->view_host ? "--view-host" : "--view-token");
    if (options->view_host && !options->view_token)
        return REFUSE(options, "--view-host needs --view-token: others on the network can reach it");
    if (options->view && (options->isolate || options->sweep_count))
        return REFUSE(options, "--view does not go with %s", options->isolate ? "--isolate" : "--sweep");
    return true;
}

static bool check_sandbox(options *options)
{
    ganlua_config *config = &options->config;
    if (!config->sandbox) {
        const char *needs = config->folder              ? "--folder"
                            : config->instruction_limit ? "--instructions"
                            : config->time_limit > 0    ? "--seconds"
                            : options->isolate          ? "--isolate"
                                                        : NULL;
        return !needs || REFUSE(options, "%s needs --sandbox", needs);
    }
    if (options->interactive || config->live || options->sweep_count)
        return REFUSE(options, "%s does not go with --sandbox",
                      options->interactive ? "-i"
                      : config->live       ? "--live"
                                           : "--sweep");
    for (const option_action *action = options->actions; action->kind; action++)
        if (action->kind == 'l')
            return REFUSE(options, "-l does not go with --sandbox");
    if (!config->folder)
        config->folder = ".";
    return true;
}

bool options_parse(options *options, int argc, char *argv[])
{
    *options = (struct options){.config = GANLUA_CONFIG_INIT};
    options->actions = calloc((size_t)argc + 1, sizeof *options->actions);
    options->settings = calloc((size_t)argc + 1, sizeof *options->settings);
    options->sweeps = calloc((size_t)argc + 1, sizeof *options->sweeps);
    if (!options->actions || !options->settings || !options->sweeps)
        return REFUSE(options, "not enough memory to start");
    options->config.settings = options->settings;
    option_action *action = options->actions;
    const char **setting = options->settings;

    int i = 1;
    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        const char *given = argv[i];
        if (strcmp(given, "--") == 0) {
            i++;
            break;
        } else if (strcmp(given, "-h") == 0 || strcmp(given, "--help") == 0) {
            options->help = true;
        } else if (strcmp(given, "--version") == 0) {
            options->version = options->version_only = true;
        } else if (strcmp(given, "--live") == 0) {
            options->config.live = 1;
        } else if (strcmp(given, "--sandbox") == 0) {
            options->config.sandbox = 1;
        } else if (strcmp(given, "--isolate") == 0) {
            options->isolate = true;
        } else if (strcmp(given, "--new") == 0) {
            options->config.start_over = 1;
        } else if (given[1] == '-') {
            if (!parse_long(options, argc, argv, &i, setting))
                return false;
            setting += *setting != NULL;
        } else if (given[1] == 'e' || given[1] == 'l') {
            const char *value = given[2] ? given + 2 : ++i < argc ? argv[i] : NULL;
            if (!value)
                return REFUSE(options, "-%c needs %s", given[1], given[1] == 'e' ? "a chunk" : "a module");
            *action++ = (option_action){given[1], value};
        } else if (given[2]) {
            return refuse_unknown(options, given);
        } else if (given[1] == 'i') {
            options->interactive = options->version = true;
        } else if (given[1] == 'v') {
            options->version = true;
        } else if (given[1] == 'E') {
            options->config.ignore_environment = 1;
        } else if (given[1] == 'W') {
            options->warnings = true;
        } else {
            return refuse_unknown(options, given);
        }
    }
    options->script = i;
    if (options->sweep_count && i >= argc)
        return REFUSE(options, "--sweep needs a script");
    return check_view(options) && check_sandbox(options);
}

void options_free(options *options)
{
    free(options->actions);
    free(options->settings);
    free(options->sweeps);
}
