/* line.h - reading a line from a terminal with editing, history and completion (libedit). */
#ifndef GANLUA_LINE_H
#define GANLUA_LINE_H

#include <lua.h>

/* Adds the REPL's functions to the table at the top of the stack:
 *   read_line(prompt) -> the line; false when Ctrl-C threw it away; nil at the end of the input
 *   add_history(line)
 *   set_completer(f)   f(line, start) -> list of words that may stand from byte `start` to the line's end
 * Without a terminal at stdin lines are read as they come. */
void line_open(lua_State *L);

#endif
