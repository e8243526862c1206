/* folder.h - a spec's own folder, and the files that it puts there. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char home[256];

/* The path of what lies in the folder; four of them at a time. */
static const char *at(const char *name)
{
    static char paths[4][512];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", home, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(at(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static bool make_home(void)
{
    const char *temporary = getenv("TMPDIR");
    snprintf(home, sizeof home, "%s/ganlua-spec-XXXXXX", temporary ? temporary : "/tmp");
    return mkdtemp(home) != NULL;
}

static int remove_home(void)
{
    char command[512];
    snprintf(command, sizeof command, "rm -rf '%s'", home);
    return system(command);
}
