/* embed.h - the Lua modules and the live view's page, as the build put them into the binary (embed.cmake). */
#ifndef GANLUA_EMBED_H
#define GANLUA_EMBED_H

#include <stddef.h>

struct ganlua_source {
    const char *module; /* "ganlua.nn.conv"; "ganlua.nn" for nn/init.lua */
    const char *chunk;  /* "@ganlua/nn/conv.lua", what error messages show */
    const char *text;   /* the file, with a 0 after it */
    size_t length;      /* without that 0 */
};

/* In the order of their names; the entry after the last has a NULL module. */
extern const struct ganlua_source ganlua_sources[];

/* A file of the page that shows runs. */
struct ganlua_page {
    const char *name; /* "/view.html" */
    const char *type; /* "text/html; charset=utf-8" */
    const char *text;
    size_t length;
};

/* The entry after the last has a NULL name. */
extern const struct ganlua_page ganlua_pages[];

#endif
