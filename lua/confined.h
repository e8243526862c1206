/* confined.h - the interpreter's part of the sandbox: running what the command line names. */
#ifndef GANLUA_CONFINED_H
#define GANLUA_CONFINED_H

#include "options.h"

/* Runs -e's chunks and the script, or stdin where there is neither, one after the other, until one fails: a GANLUA_ code,
 * ganlua_error tells the rest. SIGINT and SIGTERM cancel what runs, the second one kills; *signal_number is the first. */
int confined_run(ganlua *gl, const options *options, int argc, char *argv[], int *signal_number);

#endif
