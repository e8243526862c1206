/* isolate.h - --isolate: the sandbox in a process of its own, which the system confines too. */
#ifndef GANLUA_ISOLATE_H
#define GANLUA_ISOLATE_H

#include "options.h"

/* Makes that process. In it, returns -1: it opens its ganlua and then calls isolate_lock. In this one, waits for it and
 * returns its exit code; why it was ended, in words, where it did not end by itself, else "". Signals are handed on. */
int isolate_begin(const options *options, int argc, char why[200]);

/* Gives up all that running a script does not take, for good: other files than those below the sandbox's folder and the
 * script, other system calls than files, memory and threads need. NULL, or what the system refused to do. */
const char *isolate_lock(const options *options, int argc, char *argv[]);

#endif
