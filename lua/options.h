/* options.h - the interpreter's command line. */
#ifndef GANLUA_OPTIONS_H
#define GANLUA_OPTIONS_H

#include <stdbool.h>

#include "ganlua.h"

/* Something to do before the script, in the order given: 'e' runs a chunk, 'l' requires a module;
 * kind 0 ends a list. */
typedef struct option_action {
    char kind;
    const char *value;
} option_action;

typedef struct options {
    ganlua_config config;
    bool help, interactive, warnings;
    bool isolate;               /* config.sandbox in a process of its own */
    bool version, version_only; /* -v goes on with the script, --version does not */
    int script;                 /* its place in argv; argc when there is none */
    option_action *actions;
    const char **settings;
    const char **sweeps; /* NAME=A,B,C */
    int sweep_count;
    bool view, view_terminal; /* --view, and --view=terminal */
    int view_port;            /* -1: none was named */
    const char *view_host, *view_token;
    char error[512];
} options;

/* Reads argv. False when it makes no sense: error then says why. The strings stay argv's. */
bool options_parse(options *options, int argc, char *argv[]);
void options_free(options *options);

extern const char OPTIONS_USAGE[], OPTIONS_HELP[];

#endif
